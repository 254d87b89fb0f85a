//! The stacks that come with the product, on four empty hosts: what would be done in which order, what each
//! container is hashed to, what stands in the way, and what the file comes to.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use stackctl::model::ids::sha256_hex;

use crate::hosts::Hosts;
use crate::sample_stacks::{labels, samples};
use crate::{golden, mask};

/// Actions in their order, notes, and everything else that is no sentence.
fn plan(text: &str) -> String {
    let plan: Value = serde_json::from_str(text).expect("JSON");
    let mut out = String::new();
    for action in plan["actions"].as_array().into_iter().flatten() {
        let field = |key: &str| action[key].as_str().unwrap_or("-").to_owned();
        let wave = &action["wave"];
        let _ = writeln!(
            out,
            "  {wave} {}: {} {} ({})",
            field("node"),
            field("verb"),
            field("object"),
            field("reason")
        );
    }
    for key in ["notes", "problems", "changes", "drift"] {
        for one in plan[key].as_array().into_iter().flatten() {
            let mut one = mask::value(one.clone());
            // Values of fields are what the configuration holds; that has a line of its own.
            if let Some(one) = one.as_object_mut() {
                one.remove("fields");
            }
            let _ = writeln!(out, "  {key} {one}");
        }
    }
    let summary = mask::value(plan["summary"].clone());
    let _ = writeln!(out, "  summary {summary}");
    out
}

#[test]
fn samples_are_planned_and_read_as_before() {
    let hosts = Hosts::new(4);
    hosts.inventory(labels);
    let (stacks, names) = samples();
    let mut shown = String::new();
    for name in names {
        let file = stacks.join(&name).join("docker-compose.yml").display().to_string();
        let mut out = String::new();
        let run = hosts.run_with(&["diff", "--format", "json", "-c", &file, &name], "");
        let _ = writeln!(out, "diff ended with {}", run.status);
        out.push_str(&plan(&run.stdout));
        let run = hosts.run_with(&["config", "-c", &file, "--stack", &name, "--hash"], "");
        let _ = writeln!(out, "hashes, {}\n{}", run.status, run.stdout);
        for format in ["yaml", "docker", "json", "swarm"] {
            let run = hosts.run_with(&["config", "-c", &file, "--stack", &name, "--format", format], "");
            let text = run.stdout.replace(&stacks.display().to_string(), "[stacks]");
            let _ = writeln!(out, "{format}, {}: sha256:{}", run.status, sha256_hex(text.as_bytes()));
            let _ = writeln!(shown, "--- {name} as {format}\n{text}");
        }
        let whole = shown.clone();
        let held = std::panic::catch_unwind(|| golden::hold(&format!("samples/{name}.txt"), &out));
        if let Err(panic) = held {
            // A digest alone says nothing: this is what it is of.
            eprintln!("{whole}");
            std::panic::resume_unwind(panic);
        }
        shown.clear();
    }
}

/// The three empty nodes onto which `compare/run` has both of its programs plan.
#[test]
fn nodes_of_the_comparison() {
    let name = "../compare/three-empty-nodes.json";
    golden::record(name, || {
        let hosts = Hosts::new(3);
        hosts.engines.iter().for_each(|engine| engine.with(crate::shop::stand_still));
        hosts.inventory(labels);
        hosts.expect(0, "snapshot -o nodes.json");
        std::fs::read_to_string(hosts.path().join("nodes.json")).expect("a snapshot")
    });
    let nodes: Value = serde_json::from_str(&golden::read(name)).expect("JSON");
    let nodes = nodes["content"]["nodes"].as_object().expect("nodes").clone();
    assert_eq!(nodes.len(), 3);
    assert!(nodes.values().all(|node| node["facts"].is_object() && node["tasks"].is_null()), "{nodes:#?}");
}

/// `compare/run` finds nothing between a program and itself, and something between it and one that differs.
/// It is written in Python, as is what the corpus is compared with: where there is a corpus, there is Python.
#[test]
fn the_comparison_of_two_programs_can_fail() {
    if std::env::var_os("STACKCTL_CORPUS").is_none() {
        eprintln!(
            "SKIPPED: the comparison of two programs. STACKCTL_CORPUS names a directory of stackfiles."
        );
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = env!("CARGO_BIN_EXE_stackctl");
    let room = tempfile::tempdir().expect("a directory");
    let other = room.path().join("other");
    std::fs::write(&other, format!("#!/bin/sh\n{ours} \"$@\" | sed 's/start task/begin task/'\n"))
        .expect("a file");
    std::fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    let run = |new: &Path| {
        let mut script = std::process::Command::new("python3");
        script.arg(root.join("tests/golden/compare/run")).args([
            Path::new(ours),
            new,
            &root.join("stacks/vote"),
        ]);
        let output = script.output().expect("python3");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(run(Path::new(ours)), (Some(0), String::new()));
    let (status, told) = run(&other);
    assert_eq!(status, Some(1), "{told}");
    // The pipe of the other swallows statuses too, and that is seen as well.
    assert!(told.contains("diff: actions") && told.contains("diff: status"), "{told}");
}
