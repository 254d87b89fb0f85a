//! The stacks that come with the product, and the hosts that `stacks/README.md` asks for.

use std::path::{Path, PathBuf};

/// Zone and storage of each host.
const LABELS: [(&str, &str); 4] = [("a", "ssd"), ("b", "ssd"), ("a", "hdd"), ("b", "hdd")];

/// The labels of a host, as an inventory has them.
pub fn labels(at: usize) -> String {
    let (zone, storage) = LABELS[at];
    format!(", labels: {{zone: {zone}, storage: {storage}}}")
}

/// The folder of the samples, and their names in order.
pub fn samples() -> (PathBuf, Vec<String>) {
    let stacks = Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks");
    let mut names: Vec<String> = std::fs::read_dir(&stacks)
        .expect("the samples")
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| stacks.join(name).join("docker-compose.yml").is_file())
        .collect();
    names.sort();
    (stacks, names)
}
