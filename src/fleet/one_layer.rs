//! Archives for an engine that are made here: of files, and of an image with one layer of files.

use std::io;

use bytes::Bytes;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::model::ids::sha256_hex;

/// The same bytes for the same content: no times, no owner but root.
pub(super) struct Archive(Builder<Vec<u8>>);

impl Archive {
    /// Without files yet.
    pub fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn header(kind: EntryType, mode: u32, size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_mode(mode);
        header.set_size(size);
        header
    }

    /// Adds a file.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let mut header = Self::header(EntryType::Regular, mode, content.len() as u64);
        self.0.append_data(&mut header, path, content)
    }

    /// Adds an empty folder.
    pub fn folder(&mut self, path: &str) -> io::Result<()> {
        let mut header = Self::header(EntryType::Directory, 0o755, 0);
        self.0.append_data(&mut header, path, io::empty())
    }

    /// All of it.
    pub fn end(self) -> io::Result<Bytes> {
        self.0.into_inner().map(Bytes::from)
    }
}

/// What images call processors.
fn image_architecture(architecture: &str) -> &str {
    match architecture {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" => "arm",
        "i686" => "386",
        other => other,
    }
}

/// For `/images/load`: an image with this layer, as `docker save` writes it. `settings` are those of its containers, and the
/// architecture is as engines and programs call it.
pub(super) fn image(name: &str, architecture: &str, settings: &Value, layer: Archive) -> io::Result<Bytes> {
    let layer = layer.end()?;
    let config = json!({
        "architecture": image_architecture(architecture), "os": "linux",
        "config": settings,
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", sha256_hex(&layer))] },
    })
    .to_string();
    let config_name = format!("{}.json", sha256_hex(config.as_bytes()));
    let manifest = json!([{ "Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"] }]);
    let mut archive = Archive::new();
    archive.file(&config_name, 0o644, config.as_bytes())?;
    archive.file("layer.tar", 0o644, &layer)?;
    archive.file("manifest.json", 0o644, manifest.to_string().as_bytes())?;
    archive.end()
}
