//! What holds of every merge.
//!
//! Logging is left out: its options stay or go with the driver, by docker's rule, so that it matters there
//! in which order three files are brought together.

use proptest::prelude::*;

use super::{Project, load_all};
use crate::compose::config;
use crate::model::StackSpec;

/// Lines of a service, any of which may be there, in either of two ways.
const PARTS: [[&str; 2]; 16] = [
    ["image: a:1", "image: b:2"],
    ["command: one two", "command: [three]"],
    ["entrypoint: [e]", "entrypoint: f g"],
    ["environment: {A: 1, B: 2}", "environment: [B=3, C=]"],
    ["labels: {a: 1, b: 2}", "labels: [b=3, c]"],
    [
        "ports: ['80:80', '127.0.0.1:81:81', 9000]",
        "ports: ['80:8080', {target: 82, published: 82, mode: host}]",
    ],
    ["volumes: ['/a:/x', 'v:/y']", "volumes: ['/b:/x:ro', /z]"],
    ["networks: [n]", "networks: {n: {aliases: [one]}, m: }"],
    ["dns: 1.1.1.1", "dns: [8.8.8.8, 1.1.1.1]"],
    ["cap_add: [A, B]", "cap_add: [B, C]"],
    ["healthcheck: {test: [CMD, a], retries: 3}", "healthcheck: {test: b, interval: 5s}"],
    ["ulimits: {nproc: 1, nofile: {soft: 1, hard: 2}}", "ulimits: {nofile: 3}"],
    [
        "deploy: {replicas: 2, placement: {constraints: [node.role == worker]}}",
        "deploy: {update_config: {delay: 5s}, placement: {constraints: [node.labels.a == b]}}",
    ],
    ["cpus: 0.5", "mem_limit: 64m"],
    ["configs: [c]", "configs: [{source: c, target: /e}]"],
    ["tty: true", "tty: false"],
];

/// A file with some of the parts.
fn file() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::option::of(0..2_usize), PARTS.len()).prop_map(|which| {
        let mut text = "services:\n  s:\n    hostname: h\n".to_owned();
        for (part, way) in PARTS.iter().zip(which) {
            if let Some(way) = way {
                text.push_str(&format!("    {}\n", part[way]));
            }
        }
        text + "networks: {n: , m: }\nvolumes: {v: }\nconfigs: {c: {content: x}}\n"
    })
}

/// What comes before all others, so that each stack is whole.
const FIRST: &str = "services: {s: {image: x}}\n";

fn spec(files: &[&str]) -> StackSpec {
    merged(files).0
}

fn merged(files: &[&str]) -> (StackSpec, String) {
    let all: Vec<(&str, &[u8])> =
        std::iter::once(&FIRST).chain(files).map(|text| ("a.yml", text.as_bytes())).collect();
    match load_all(&all) {
        Ok(loaded) => (loaded.spec, config::text(&loaded.merged, true)),
        Err(_) => panic!("{files:#?}\n{}", super::drawn_all(&all)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_empty_file_changes_nothing(a in file()) {
        for empty in ["services: {}\n", "services: {s: }\n", "services: {s: {}}\nvolumes: \n"] {
            prop_assert_eq!(spec(&[&a, empty]), spec(&[&a]));
            prop_assert_eq!(spec(&[empty, &a]), spec(&[&a]));
        }
    }

    #[test]
    fn a_file_over_itself_is_itself(a in file()) {
        prop_assert_eq!(spec(&[&a, &a]), spec(&[&a]));
    }

    #[test]
    fn it_does_not_matter_which_two_of_three_files_come_together_first(a in file(), b in file(), c in file()) {
        let whole = spec(&[&a, &b, &c]);
        let (_, ab) = merged(&[&a, &b]);
        prop_assert_eq!(&spec(&[&ab, &c]), &whole);
        // The image that makes the pair whole by itself is not part of it.
        let (_, bc) = merged(&[&b, &c]);
        let bc = if b.contains("image:") || c.contains("image:") { bc } else { bc.replace("    image: x\n", "") };
        prop_assert_eq!(&spec(&[&a, &bc]), &whole);
    }

    #[test]
    fn extending_is_like_laying_a_file_over_another(a in file(), b in file()) {
        // But for aliases, and for one config in two places.
        let plain = |text: &str| text.replace("{n: {aliases: [one]}, m: }", "[n, m]").replace("[{source: c, target: /e}]", "[c]");
        let (a, b) = (plain(&a), plain(&b));
        let body = |text: &str| text.lines().filter(|line| line.starts_with("    ")).map(|line| format!("{line}\n")).collect::<String>();
        let base = format!("services:\n  base:\n    image: x\n{}", body(&a).replace("    image: ", "    # "));
        let own = format!("services:\n  s:\n    extends: {{file: base.yml, service: base}}\n{}networks: {{n: , m: }}\nvolumes: {{v: }}\nconfigs: {{c: {{content: x}}}}\n", body(&b));
        let files = [("compose.yml", own.as_str()), ("base.yml", base.as_str())];
        let extended = Project { files: &files, ..Project::default() }.loaded().spec;
        let laid = spec(&[&a.replace("    image: ", "    # "), &b]);
        prop_assert_eq!(&extended.services["s"], &laid.services["s"]);
    }
}

/// What chance has found once.
#[test]
fn a_list_of_constraints_over_itself_is_itself() {
    let file = "services:\n  s:\n    hostname: h\n    deploy: {replicas: 2, placement: {constraints: [node.role == worker]}}\n\
                networks: {n: , m: }\nvolumes: {v: }\nconfigs: {c: {content: x}}\n";
    assert_eq!(spec(&[file, file]), spec(&[file]));
    assert_eq!(spec(&[file, "services: {s: }\n"]), spec(&[file]));
}
