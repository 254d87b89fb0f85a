//! What the program writes to hosts and to its output, on a cluster of fake engines.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::hosts::Hosts;
use crate::{golden, mask, shop};

/// Commands that read a cluster, by the name of their golden file.
const READS: [(&str, &str); 21] = [
    ("ls", "ls --format json"),
    ("status", "status --format json shop"),
    ("ps", "ps --no-trunc --format json shop"),
    ("services", "services --format json shop"),
    ("history", "history --format json shop"),
    ("show-release", "show --format json shop@2"),
    ("show-operation", "show --format json @1"),
    ("show-heal", "show --format json shop~1"),
    ("log", "log --format json"),
    ("events", "events --format json"),
    ("node-ls", "node ls --format json"),
    ("node-ps", "node ps --format json h1"),
    ("node-inspect", "node inspect h3"),
    ("service-ls", "service ls --format json"),
    ("service-ps", "service ps --format json shop_web"),
    ("service-inspect", "service inspect shop_web"),
    ("explain", "explain --format json shop web"),
    ("diff", "diff --format json shop"),
    ("rm", "rm --dry-run --format json shop"),
    ("version", "version --format json"),
    ("version-hosts", "version --hosts --format json"),
];

/// Runs what reads, and holds each output to its file.
pub fn reads(hosts: &Hosts) {
    for (name, args) in READS {
        let run = hosts.run(args);
        assert!(matches!(run.status, 0 | 2), "{args}\n{}", run.show());
        let mut values = values(&run.stdout);
        // In the order of their times, and the clock of each of our commands begins at the same moment.
        if ["log", "events"].contains(&name) {
            values.sort_by_key(Value::to_string);
        }
        values.iter_mut().for_each(mask::in_order);
        // An older program derived ids of tasks from other hashes.
        golden::hold(&format!("json/{name}.json"), &mask::task_ids(&mask::shown(&values)));
    }
}

/// One document, or one a line.
pub fn json_output(text: &str) -> String {
    mask::shown(&values(text))
}

fn values(text: &str) -> Vec<Value> {
    let values = match serde_json::from_str(text) {
        Ok(whole) => vec![mask::value(whole)],
        Err(_) => mask::lines(text),
    };
    assert!(!values.is_empty(), "there is no output");
    values
}

/// The same lines whatever their order and number: what is done at the same time is told as it happens.
fn as_set(text: &str) -> String {
    let mut lines = mask::lines(text);
    // States that pass are seen by chance.
    let passes = |state: &Value| state["state"] == "created" || state["health"] == "starting";
    lines.retain(|line| line["type"] != "task" || !passes(&line["task_state"]));
    for line in lines.iter_mut().filter(|line| line["id"].is_number()) {
        line["id"] = "[number]".into();
    }
    let lines: BTreeSet<String> = lines.iter().map(|one| format!("{one}\n")).collect();
    lines.into_iter().collect()
}

fn stack_edited(hosts: &Hosts) {
    hosts.stackfile(
        &shop::STACKFILE.replace("nginx:1.25", "nginx:1.26").replace("replicas: 2", "replicas: 3"),
    );
}

#[test]
fn what_a_deploy_writes_and_tells() {
    let hosts = shop::empty();
    let run = hosts.expect(2, "diff --format json shop");
    golden::hold("json/diff-of-a-new-stack.json", &json_output(&run.stdout));
    let run = hosts.expect(0, "deploy --yes --format json -m first shop");
    golden::hold("json/deploy.jsonl", &as_set(&run.stdout));
    let hosts_now: Vec<Value> =
        hosts.engines.iter().map(|one| one.with(|world| shop::written(world))).collect();
    golden::hold("labels.txt", &labels(&hosts_now));

    stack_edited(&hosts);
    let run = hosts.expect(2, "diff --format json shop");
    golden::hold("json/diff-of-an-edit.json", &json_output(&run.stdout));
    let run = hosts.expect(2, "diff --format gitlab shop");
    golden::hold("json/diff-gitlab.json", &json_output(&run.stdout));
    let run = hosts.expect(2, "diff --format github shop");
    let marks = |line: &str| line.split("::").nth(1).unwrap_or_default().replace(char::is_numeric, "N");
    let marks: BTreeSet<String> = run.stdout.lines().map(|line| marks(line) + "\n").collect();
    golden::hold("diff-github.txt", &mask::text(&marks.into_iter().collect::<String>()));
    let run = hosts.expect(2, "diff --format markdown shop");
    assert!(run.stdout.starts_with("<!-- stackctl:diff:shop -->\n"), "{}", run.show());
    let run = hosts.expect(0, "deploy --yes --format json shop");
    golden::hold("json/deploy-of-an-edit.jsonl", &as_set(&run.stdout));
}

/// Every label of every thing on the hosts. Of the ledger's records, which are labels too, see `records`.
fn labels(hosts: &[Value]) -> String {
    let mut out = BTreeSet::new();
    for all in hosts {
        for (kind, at) in
            [("containers", "/asked/Labels"), ("networks", "/asked/Labels"), ("volumes", "/asked/Labels")]
        {
            for one in all[kind].as_array().into_iter().flatten() {
                let name = one["name"].as_str().unwrap_or_default();
                if name.starts_with("stackctl-ledger-") {
                    continue;
                }
                for (key, value) in one.pointer(at).and_then(Value::as_object).into_iter().flatten() {
                    out.insert(format!("{kind} {name} {key} = {}\n", value.as_str().unwrap_or_default()));
                }
            }
        }
    }
    out.into_iter().collect()
}

#[test]
fn what_is_read_from_a_cluster() {
    let hosts = shop::lived_in();
    reads(&hosts);
}

#[test]
fn what_is_made_of_a_stackfile() {
    let hosts = shop::empty();
    for (name, args) in [
        ("config.json", "config --format json --stack shop"),
        ("config-swarm.json", "config --format swarm --stack shop"),
        ("check.json", "check --format json shop"),
    ] {
        let run = hosts.run(args);
        golden::hold(&format!("json/{name}"), &json_output(&run.stdout));
    }
    for (name, args) in [
        ("config.yml", "config --stack shop"),
        ("config-docker.yml", "config --format docker --stack shop"),
        ("config-hash.txt", "config --stack shop --hash"),
        ("config-images.txt", "config --stack shop --images"),
    ] {
        golden::hold(&format!("config/{name}"), &hosts.expect(0, args).stdout);
    }
    hosts.stackfile(&shop::STACKFILE.replace("image: agent:2", "imag: agent:2"));
    let run = hosts.expect(1, "check --format json shop");
    golden::hold("json/check-of-a-bad-file.json", &json_output(&run.stdout));
}
