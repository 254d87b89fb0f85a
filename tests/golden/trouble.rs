//! Ways in which plans, runs and answers say that something is wrong.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cluster::json_output;
use crate::{golden, mask, shop};

/// One failure of those that differ only in their task: which tasks have failed by the time a run pauses is a
/// matter of chance.
fn without_chance(value: &mut Value) {
    match value {
        Value::Array(all) => {
            all.iter_mut().for_each(without_chance);
            if all.iter().all(|one| one["container"].is_string()) {
                for one in all.iter_mut() {
                    for key in ["container", "node", "task", "what"] {
                        one[key] = format!("[{key}]").into();
                    }
                }
                all.dedup();
            }
        }
        Value::Object(map) => map.values_mut().for_each(without_chance),
        _ => {}
    }
}

/// Every way in which plans, runs and answers say that something is wrong.
#[test]
fn what_is_told_of_trouble() {
    let hosts = shop::empty();
    hosts.stackfile(&shop::STACKFILE.replace("node.hostname != h9", "node.hostname == h9"));
    let run = hosts.run("diff --format json shop");
    golden::hold("json/diff-of-what-cannot-be.json", &with_status(&run));
    let run = hosts.run("explain --format json -c compose.yaml shop web");
    golden::hold("json/explain-of-what-cannot-be.json", &with_status(&run));

    let hosts = shop::empty();
    let wrong = || crate::engine::Wrong::Refuse(400, "no such thing".to_owned());
    hosts.expect(0, "deploy --yes shop");
    hosts.stackfile(&shop::STACKFILE.replace("nginx:1.25", "nginx:1.26"));
    hosts
        .engines
        .iter()
        .for_each(|engine| engine.fail_about("POST /containers/{id}/start", "shop_web", 9, wrong()));
    let run = hosts.run("deploy --yes --format json shop");
    let mut last = mask::lines(&run.stdout).pop().expect("a last line");
    without_chance(&mut last);
    golden::hold("json/end-of-a-rollback.json", &format!("{last:#}\n"));
    golden::hold("json/deploy-that-fails.jsonl", &failures(&run.stdout));
    hosts.engines.iter().for_each(|engine| engine.heal());

    hosts.engines[2].kill();
    let run = hosts.run("deploy --yes --format json shop");
    golden::hold("json/deploy-without-a-host.jsonl", &with_status(&run));
    let run = hosts.run("status --format json shop");
    golden::hold("json/status-without-a-host.jsonl", &with_status(&run));
}

/// The words of what failed, without how often: that is a matter of chance.
fn failures(text: &str) -> String {
    let of = |one: &Value| {
        let mut failure = one.get("failure")?.clone();
        failure["type"] = one["type"].clone();
        failure["outcome"] = one["outcome"].clone();
        Some(format!("{failure}\n"))
    };
    let all: BTreeSet<String> = mask::lines(text).iter().filter_map(of).collect();
    assert!(!all.is_empty(), "nothing failed");
    all.into_iter().collect()
}

fn with_status(run: &crate::run::Run) -> String {
    let lines = if run.stdout.trim().is_empty() { String::new() } else { json_output(&run.stdout) };
    format!("status: {}\n{lines}", run.status)
}
