//! What each command tells that changes something: the shapes of its lines. What stands in them is held by the
//! lines of `deploy`, which are told by the same code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use crate::hosts::Hosts;
use crate::{golden, shop};

/// In this order, since each finds what the last one left.
const CHANGES: [&str; 12] = [
    "scale --yes --format json shop_web=1",
    "restart --yes --format json shop_web",
    "service update --yes --format json --env-add MORE=1 shop_web",
    "service rollback --yes --format json shop_web",
    "service scale --yes --format json shop_web=2",
    "rollback --yes --format json --to 1 shop",
    "undo --yes --format json shop",
    "undo --dry-run --format json shop",
    "node update --yes --format json --availability drain h2",
    "rebalance --yes --format json shop",
    "reconcile --once --format json",
    "rm --yes --format json shop",
];

/// Paths of all values, without the numbers of lists. Names that users gave are no format.
fn paths(value: &Value, at: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, one) in map {
                let is_given = ["web", "agent", "once", "h1", "h2", "h3", "shop"].contains(&key.as_str());
                let key = if is_given { "*" } else { key };
                paths(one, &if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }, out);
            }
        }
        Value::Array(all) => all.iter().for_each(|one| paths(one, &format!("{at}[]"), out)),
        _ => _ = out.insert(at.to_owned()),
    }
}

/// A line for each type of line, and each outcome of that type.
fn shapes(text: &str) -> String {
    let whole = serde_json::from_str::<Value>(text).map(|whole| vec![whole]);
    let lines = whole.unwrap_or_else(|_| {
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    });
    let mut shapes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // States that pass are seen by chance.
    for line in lines.iter().filter(|line| line["standing"] != "healing" && line["type"] != "task") {
        let words = ["type", "outcome", "end", "standing"].iter().filter_map(|key| line[*key].as_str());
        paths(line, "", shapes.entry(words.collect::<Vec<_>>().join(" ")).or_default());
    }
    shapes.iter().fold(String::new(), |mut out, (words, paths)| {
        let _ = writeln!(out, "  {words}: {}", paths.iter().cloned().collect::<Vec<_>>().join(" "));
        out
    })
}

fn told(hosts: &Hosts, args: &str) -> String {
    let run = hosts.run(args);
    assert!(run.status == 0 || args.contains("--dry-run"), "{args}\n{}", run.show());
    format!("{args}: {}\n{}", run.status, shapes(&run.stdout))
}

#[test]
fn what_commands_tell_that_change_something() {
    let hosts = shop::empty();
    hosts.expect(0, "deploy --yes shop");
    let out: String = CHANGES.iter().map(|args| told(&hosts, args)).collect();
    golden::hold("changes.txt", &out);
}

/// Paths below which a ledger of files keeps its records: other versions look for them there.
#[test]
fn where_files_keep_records() {
    let hosts = shop::empty();
    let place = hosts.path().join("records");
    hosts.expect(0, &format!("deploy --yes --ledger file://{} shop", place.display()));
    let mut found = BTreeSet::new();
    let mut folders = vec![place.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&place).expect("below it").display().to_string();
                // How often a lease is renewed depends on how long a machine takes.
                if !name.contains("/lease/") || name.ends_with("/1.0") {
                    found.insert(name + "\n");
                }
            }
        }
    }
    golden::hold("records-in-files.txt", &found.into_iter().collect::<String>());
}
