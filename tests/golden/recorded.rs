//! What an older stackctl left behind is understood: hosts it deployed to, its ledger, its backup, its
//! snapshot and its saved plan, as they stand under `files/recorded`. They are never written again.

use serde_json::Value;

use crate::hosts::Hosts;
use crate::{cluster, golden, mask, shop};

const HOSTS: [&str; 3] = ["h1", "h2", "h3"];

/// Records today's files, where there are none.
fn record() {
    let missing = !golden::folder().join("recorded/h1.json").exists();
    if !missing || std::env::var_os("STACKCTL_WRITE_GENERATED").is_none() {
        return;
    }
    let hosts = shop::lived_in();
    hosts.expect(0, "ledger backup backup.jsonl");
    hosts.expect(0, "snapshot -o snapshot.json");
    let running = std::fs::read_to_string(hosts.path().join("compose.yaml")).expect("a stackfile");
    for (name, engine) in HOSTS.into_iter().zip(&hosts.engines) {
        golden::record(&format!("recorded/{name}.json"), || {
            format!("{:#}\n", engine.with(|world| shop::written(world)))
        });
    }
    golden::record("recorded/compose.yaml", || running.clone());
    hosts.stackfile(&edited(&running));
    hosts.expect(2, "diff --out plan.json shop");
    for name in ["backup.jsonl", "snapshot.json", "plan.json"] {
        let text = || std::fs::read_to_string(hosts.path().join(name)).expect("a file");
        golden::record(&format!("recorded/{name}"), text);
    }
}

fn edited(stackfile: &str) -> String {
    stackfile.replace("nginx:1.25", "nginx:1.26").replace("LEVEL: debug", "LEVEL: warning")
}

/// The cluster as the older program left it.
fn old() -> Hosts {
    record();
    let hosts = shop::empty();
    for (name, engine) in HOSTS.into_iter().zip(&hosts.engines) {
        let all: Value = serde_json::from_str(&golden::read(&format!("recorded/{name}.json"))).expect("JSON");
        engine.with(|world| shop::put_back(world, &all));
    }
    hosts.stackfile(&golden::read("recorded/compose.yaml"));
    hosts
}

#[test]
fn a_stack_of_an_older_program_has_not_changed() {
    let hosts = old();
    hosts.forget_calls();
    let run = hosts.expect(0, "diff shop");
    let plan: Value = serde_json::from_str(&hosts.expect(0, "diff --format json shop").stdout).expect("JSON");
    assert_eq!(plan["actions"], Value::Array(Vec::new()), "{}", run.show());
    hosts.expect(0, "deploy --yes shop");
    let writes = hosts.writes();
    assert!(
        writes.iter().all(|call| call == "POST /volumes/create"),
        "only leases may be written: {writes:?}"
    );
    assert_eq!(hosts.expect(0, "history --format {{.Release}} shop").stdout, "2\n1\n", "nothing new");
}

/// The same golden files as of a ledger that this program has written itself.
#[test]
fn the_ledger_of_an_older_program_is_read_as_before() {
    cluster::reads(&old());
}

/// Records that are read and written again are the same to every program.
#[test]
fn a_backup_of_an_older_program_is_restored_as_it_is() {
    record();
    let hosts = shop::empty();
    let before = golden::read("recorded/backup.jsonl");
    hosts.file("backup.jsonl", &before);
    hosts.expect(0, "ledger restore backup.jsonl");
    hosts.expect(0, "ledger backup again.jsonl");
    let after = std::fs::read_to_string(hosts.path().join("again.jsonl")).expect("a backup");
    // Its time is its own, and leases go on.
    let middle = |text: &str| -> Vec<Value> {
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        lines.into_iter().filter(|line| line["stream"].is_string() && line["stream"] != "lease").collect()
    };
    assert!(middle(&before).len() >= 8, "{before}");
    let after = middle(&after);
    for mut line in middle(&before) {
        // What carries no number is of the first format, and now it says so.
        for (key, value) in [("format", 1.into()), ("read", "0.1.0".into()), ("write", "0.1.0".into())] {
            line[key] = value;
        }
        assert!(after.contains(&line), "{line:#}\n{after:#?}");
    }
    let shown = hosts.expect(0, "history --format {{.Release}}:{{.Outcome}}:{{.Message}} shop").stdout;
    assert_eq!(shown, "2:deployed:\n1:deployed:first\n");
}

/// Every record means the same after a way through the types: no field is dropped, none comes to it.
#[test]
fn records_of_an_older_program_are_the_same_when_they_are_written_again() {
    record();
    use stackctl::ledger::{lease, nodes, release, settings};
    fn again<T: serde::Serialize + serde::de::DeserializeOwned>(data: &Value) -> Value {
        let read: T =
            serde_json::from_value(data.clone()).unwrap_or_else(|error| panic!("{error}: {data:#}"));
        serde_json::json!(read)
    }
    let mut kinds = std::collections::BTreeSet::new();
    let mut all: Vec<(String, Value)> = Vec::new();
    for line in golden::read("recorded/backup.jsonl").lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        if let Some(stream) = line["stream"].as_str() {
            all.push((stream.to_owned(), line["data"].clone()));
        }
    }
    // A backup has no notes of leases that are held.
    let host: Value = serde_json::from_str(&golden::read("recorded/h1.json")).expect("JSON");
    for volume in host["volumes"].as_array().into_iter().flatten() {
        let labels = &volume["asked"]["Labels"];
        let stream = labels["io.stackctl.ledger.stream"].as_str().unwrap_or_default();
        if let (true, Some(data)) = (stream.starts_with("lease/"), labels["io.stackctl.ledger.data"].as_str())
        {
            let whole: Value = serde_json::from_str(data).expect("notes are short");
            all.push(("lease".to_owned(), whole["data"].clone()));
        }
    }
    for (stream, data) in all {
        let written = match stream.as_str() {
            _ if data.is_null() => continue,
            "releases" => again::<release::Release>(&data),
            "outcomes" => {
                let mut written = again::<release::Outcome>(&data);
                written["at"] = data["at"].clone();
                written
            }
            "settings" => again::<settings::Settings>(&data),
            "nodes" => again::<nodes::NodeRecords>(&data),
            "lease" => again::<lease::Note>(&data),
            // Their type is the ledger's own; `log`, `show` and `events` hold what it reads.
            "operations" | "heals" => continue,
            other => panic!("what is a record of {other}?"),
        };
        assert_eq!(data, written, "{stream}");
        kinds.insert(stream);
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
}

#[test]
fn a_snapshot_of_an_older_program_is_compared_with() {
    record();
    let hosts = shop::empty();
    hosts.file("snapshot.json", &golden::read("recorded/snapshot.json"));
    hosts.stackfile(&golden::read("recorded/compose.yaml"));
    hosts.expect(0, "diff --against snapshot.json shop");
    hosts.stackfile(&edited(&golden::read("recorded/compose.yaml")));
    let run = hosts.expect(2, "diff --against snapshot.json --format json shop");
    let plan = mask::value(serde_json::from_str(&run.stdout).expect("JSON"));
    golden::hold("json/diff-against.json", &format!("{plan:#}\n"));
}

/// A plan is for the version that made it.
#[test]
fn a_plan_of_an_older_program_is_refused_by_name_and_stays_as_it_is() {
    let hosts = old();
    hosts.stackfile(&edited(&golden::read("recorded/compose.yaml")));
    let plan = golden::read("recorded/plan.json");
    hosts.file("plan.json", &plan);
    hosts.forget_calls();
    let run = hosts.expect(1, "deploy --yes ./plan.json");
    assert!(run.stderr.contains("stackctl::saved::other_version"), "{}", run.show());
    assert_eq!(hosts.writes(), Vec::<String>::new());
    assert_eq!(std::fs::read_to_string(hosts.path().join("plan.json")).expect("the plan"), plan);
}
