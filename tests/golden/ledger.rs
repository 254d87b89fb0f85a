//! One record of each kind, as the ledger keeps it on hosts; and what is kept in files: saved plans, snapshots,
//! backups.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::hosts::Hosts;
use crate::{golden, mask, shop};

/// What a register holds, whatever way it is packed. Not by the program's own code: that may be wrong.
fn unpacked(data: &str) -> Value {
    // A part of a content: what is said of it, and then the part itself.
    if let Some((head, part)) = data.split_once('\n') {
        let head: Value = serde_json::from_str(head).expect("JSON");
        return json!({ "head": head, "bytes": STANDARD.decode(part).expect("base64").len() });
    }
    let Some(small) = data.strip_prefix("deflate:") else { return serde_json::from_str(data).expect("JSON") };
    let small = STANDARD.decode(small).expect("base64");
    let bytes = miniz_oxide::inflate::decompress_to_vec(&small).expect("deflate");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// The records of a manager: names and labels of their volumes, and what is in them.
fn records(hosts: &Hosts) -> Vec<(String, BTreeMap<String, String>, Value)> {
    let volumes = hosts.engines[0].with(|world| shop::written(world)["volumes"].clone());
    let mut all = Vec::new();
    for one in volumes.as_array().into_iter().flatten() {
        let name = one["name"].as_str().unwrap_or_default().to_owned();
        if !name.starts_with("stackctl-ledger-") {
            continue;
        }
        let labels = one["asked"]["Labels"].as_object().expect("labels");
        let mut labels: BTreeMap<String, String> = labels
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect();
        let data = labels.remove("io.stackctl.ledger.data").map_or(Value::Null, |data| unpacked(&data));
        all.push((name, labels, data));
    }
    all
}

#[test]
fn what_is_in_the_ledger() {
    let hosts = shop::lived_in();
    let mut out = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for (mut name, mut labels, mut data) in records(&hosts) {
        let stream = labels["io.stackctl.ledger.stream"].clone();
        kinds.insert(stream.split('/').next().unwrap_or_default().to_owned());
        data["id"] = "[id]".into();
        // How often a lease is renewed, and so which notes are left, depends on how long a machine takes.
        if stream.starts_with("lease/") {
            if data["record"]["note"] == "renew" {
                continue;
            }
            name = name.rsplit_once('-').map(|(name, _)| format!("{name}-[place]")).unwrap_or(name);
            labels.insert("io.stackctl.ledger.seq".to_owned(), "[seq]".to_owned());
            if data["record"]["holder"].is_object() {
                data["record"]["holder"]["verb"] = "[verb]".into();
            }
        }
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("  {key} = {value}\n")).collect();
        out.insert(format!("{name}\n{}{:#}\n", labels.concat(), mask::value(without_ids(data))));
    }
    let out: String = out.into_iter().collect();
    let wanted =
        ["chunks", "contents", "heals", "lease", "nodes", "operations", "outcomes", "releases", "settings"];
    assert_eq!(kinds.iter().collect::<Vec<_>>(), wanted, "a record of each kind");
    golden::hold("records.txt", &out);
}

/// Ids of holders are of one process alone.
fn without_ids(mut value: Value) -> Value {
    if let Some(data) = value.get_mut("record") {
        for at in ["/id", "/holder/id"] {
            if let Some(id) = data.pointer_mut(at) {
                *id = "[id]".into();
            }
        }
    }
    value
}

/// Saved plans, snapshots and backups, and the outputs that no cluster is needed for.
#[test]
fn files_that_are_kept() {
    let hosts = shop::lived_in();
    hosts.stackfile(&shop::STACKFILE.replace("nginx:1.25", "nginx:1.26"));
    hosts.expect(2, "diff --out plan.bin shop");
    hosts.expect(0, "snapshot -o snap.bin");
    hosts.expect(0, "ledger backup all.bin");
    let read = |name: &str| std::fs::read_to_string(hosts.path().join(name)).expect("a file");
    for name in ["plan", "snap"] {
        let mut whole: Value = serde_json::from_str(&read(&format!("{name}.bin"))).expect("JSON");
        // It is over times and names of this machine as well.
        assert!(whole["checksum"].as_str().is_some_and(|sum| sum.starts_with("sha256:")), "{whole}");
        whole["checksum"] = "sha256:[sum]".into();
        if let Some(state) = whole.pointer_mut("/content/state") {
            *state = "sha256:[state]".into();
        }
        golden::hold(&format!("kept/{name}.json"), &format!("{:#}\n", mask::value(whole)));
    }
    let mut lines = Vec::new();
    for mut line in mask::lines(&read("all.bin")) {
        if line["stream"] == "lease" {
            line["seq"] = "[seq]".into();
        }
        for key in ["id", "sha256"] {
            if line.get(key).is_some() {
                line[key] = format!("[{key}]").into();
            }
        }
        lines.push(without_ids(line));
    }
    golden::hold("kept/backup.jsonl", &lines.iter().map(|one| format!("{one}\n")).collect::<String>());
}

#[test]
fn what_is_unpacked_is_what_was_packed() {
    let plain = json!({ "id": "a" });
    assert_eq!(unpacked(&plain.to_string()), plain);
    let small = miniz_oxide::deflate::compress_to_vec(plain.to_string().as_bytes(), 6);
    assert_eq!(unpacked(&format!("deflate:{}", STANDARD.encode(small))), plain);
}
