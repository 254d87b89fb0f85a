//! The JSON Schemas under `schemas/`: made from the code, current, and true: what loads here is valid to
//! them, and what they forbid is refused here.
#![allow(clippy::disallowed_methods, reason = "a test reads files and its environment")]

mod events;
#[path = "../support/generated.rs"]
mod generated;
mod inventory;
mod stackfile;

use std::path::{Path, PathBuf};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Value, json};
use stackctl::compose::support::{At, KEYS};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn current(name: &str, schema: &schemars::Schema) {
    let path = root().join("schemas").join(name);
    generated::check(&path, &format!("{:#}\n", schema.as_value()), "schema");
}

fn validator(schema: &schemars::Schema) -> Validator {
    jsonschema::draft202012::new(schema.as_value()).expect("a schema")
}

/// A YAML text as editors see it: anchors and merge keys resolved, scalars by YAML's own rules.
fn read(text: &str) -> Option<Value> {
    let mut value: Value = serde_saphyr::from_str(text).ok()?;
    resolve_merges(&mut value);
    Some(value)
}

fn resolve_merges(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(resolve_merges),
        Value::Object(map) => {
            let merged = map.remove("<<");
            let sources = match merged {
                Some(Value::Array(sources)) => sources,
                Some(source) => vec![source],
                None => Vec::new(),
            };
            for source in sources {
                for (key, inner) in source.as_object().cloned().unwrap_or_default() {
                    map.entry(key).or_insert(inner);
                }
            }
            map.values_mut().for_each(resolve_merges);
        }
        _ => {}
    }
}

/// Where a document breaks a schema.
fn faults(validator: &Validator, document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for error in validator.iter_errors(document) {
        innermost(&error, &mut faults);
    }
    faults
}

/// Of alternatives that all fail, the faults deepest inside say most.
fn innermost(error: &ValidationError<'_>, faults: &mut Vec<String>) {
    if let ValidationErrorKind::AnyOf { context } = error.kind() {
        let depth = |error: &ValidationError<'_>| error.instance_path().as_str().matches('/').count();
        let all = context.iter().flatten();
        if let Some(deepest) = all.max_by_key(|error| depth(error)).filter(|one| depth(one) > depth(error)) {
            return innermost(deepest, faults);
        }
    }
    let mut what = error.to_string();
    what.truncate(what.floor_char_boundary(300));
    faults.push(format!("{}: {what}", error.instance_path()));
}

#[test]
fn schemas_are_current() {
    current("stackfile.json", &stackfile::schema());
    current("inventory.json", &inventory::schema());
    current("events.json", &schemars::Schema::try_from(events::schema()).expect("a schema"));
}

#[test]
fn every_event_is_as_the_schema_says() {
    let validator = jsonschema::draft202012::new(&events::schema()).expect("a schema");
    let mut types = std::collections::BTreeSet::new();
    for news in events::samples() {
        let mut line = json!(news);
        line["at"] = "2026-01-31T12:00:00.000Z".into();
        line["level"] = "info".into();
        assert_eq!(faults(&validator, &line), [""; 0], "{line}");
        types.insert(line["type"].as_str().expect("a type").to_owned());
        // A field that is not there, or another type, is no such event.
        line["type"] = "nonsense".into();
        assert!(!validator.is_valid(&line), "{line}");
    }
    let known: std::collections::BTreeSet<String> =
        events::TYPES.iter().map(|(kind, ..)| (*kind).to_owned()).collect();
    assert_eq!(types, known);
}

#[test]
fn every_key_has_its_place_in_the_schema() {
    let schema = stackfile::schema();
    for (at, key, ..) in KEYS {
        let mapping = match at {
            At::Top => schema.as_value().clone(),
            at => schema.as_value()["$defs"][format!("{at:?}")].clone(),
        };
        assert!(mapping["properties"][key]["description"].is_string(), "{at:?} {key}");
    }
}

fn stackfiles_under(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            stackfiles_under(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn the_samples_are_valid() {
    let validator = validator(&stackfile::schema());
    let mut files = Vec::new();
    stackfiles_under(&root().join("stacks"), &mut files);
    files.retain(|path| path.ends_with("docker-compose.yml"));
    assert!(files.len() >= 6, "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a sample");
        let document = read(&text).unwrap_or_else(|| panic!("{} is not YAML", path.display()));
        let faults = faults(&validator, &document);
        assert!(faults.is_empty(), "{}: {faults:#?}", path.display());
    }
}

/// With `STACKCTL_CORPUS`: whatever stackctl loads is valid to the schema.
#[test]
fn what_loads_is_valid() {
    let Some(corpus) = std::env::var_os("STACKCTL_CORPUS").map(PathBuf::from) else {
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"SKIPPED: real stackfiles against the schema. STACKCTL_CORPUS names a directory of them.\n",
        );
        return;
    };
    let validator = validator(&stackfile::schema());
    let mut files = Vec::new();
    stackfiles_under(&corpus, &mut files);
    let (mut asked, mut wrong) = (0, Vec::new());
    for path in files {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let Some(document) = std::str::from_utf8(&bytes).ok().and_then(read) else { continue };
        if !loads(&path, &bytes) {
            continue;
        }
        asked += 1;
        let faults = faults(&validator, &document);
        if !faults.is_empty() {
            wrong.push(format!("{}: {faults:#?}", path.display()));
        }
    }
    println!("{asked} files load, {} of them are not valid to the schema", wrong.len());
    assert!(asked > 100 && wrong.is_empty(), "{}", wrong.join("\n"));
}

fn loads(path: &Path, bytes: &[u8]) -> bool {
    use stackctl::compose::{self, SourceText};
    let dir = path.parent().map(|dir| dir.display().to_string()).unwrap_or_default();
    let source = SourceText { name: path.display().to_string(), bytes: bytes.to_vec() };
    let stack = stackctl::model::StackName::unchecked("app");
    let options = compose::Options {
        stack: compose::Stack::Given(&stack),
        project_dir: &dir,
        home: Some("/root"),
        env: &|_| Some("1".to_owned()),
        files: &Anything,
        env_files: Some(&[]),
        profiles: &[],
        reading: compose::Reading::Ours,
        variables: compose::Variables::Fill,
        secrets: stackctl::compose::SecretFiles::default(),
    };
    compose::load(vec![source], &options).is_ok()
}

/// Files that a stackfile names are there, and empty.
struct Anything;

impl stackctl::compose::Files for Anything {
    fn read(&self, _: &str) -> std::io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

#[test]
fn mistakes_are_marked() {
    let validator = validator(&stackfile::schema());
    let service = |key: &str, value: Value| json!({ "services": { "web": { "image": "a", key: value } } });
    for wrong in [
        json!({ "service": {} }),
        service("imgae", json!("a")),
        service("environment", json!(3)),
        service("deploy", json!({ "replicas": "many" })),
        service("deploy", json!({ "mode": "globally" })),
        service("deploy", json!({ "update_config": { "delay": "10 parsecs" } })),
        service("ports", json!([{ "published": 80 }])),
        service("healthcheck", json!({ "retries": [] })),
        service("volumes_from", json!(["other"])),
        service("configs", json!([{ "target": "/a" }])),
    ] {
        assert!(!faults(&validator, &wrong).is_empty(), "{wrong}");
    }
    for right in [
        service("environment", json!({ "A": null, "B": 1 })),
        service("environment", json!(["A", "B=1"])),
        service("deploy", json!({ "replicas": "${N:-3}", "update_config": { "delay": "1m30s" } })),
        service("ports", json!(["80:80", 443, { "target": 80, "published": "8000-8010" }])),
        service("x-anything", json!([1])),
    ] {
        let faults = faults(&validator, &right);
        assert!(faults.is_empty(), "{right}: {faults:?}");
    }
}

#[test]
fn the_inventory_s_schema_and_its_reader_agree() {
    let validator = validator(&inventory::schema());
    for (text, is_right) in [
        ("cluster: prod\nhosts:\n  h1: ssh://root@10.0.0.1\n", true),
        (
            "hosts:\n  h1: {address: ssh://a@b:22, role: manager, labels: {zone: a}, availability: drain, docker_socket: /run/d.sock, fence: [./power, \"off\"]}\n",
            true,
        ),
        (
            "ssh_config: c\nknown_hosts: accept-new\nknown_hosts_file: k\ntask_history: 0\nplacement: {strategy: binpack}\nledger: volumes\nhosts: {h1: alias}\n",
            true,
        ),
        (
            "hosts:\n  web[01:20]: {address: 'web[01:20].example.com', labels: {zone: a}}\n  h: root@10.0.0.[1:9]\n",
            true,
        ),
        (
            "hosts: {h1: alias}\ndiscover: [{command: [./hosts.py], timeout: 20s}, {etcd: 'etcd://h1/hosts'}]\n",
            true,
        ),
        ("discover: [{command: [./hosts.py]}]\n", true),
        ("discover: [{command: []}]\n", false),
        ("discover: [{command: [a], etcd: 'etcd://h1/hosts'}]\n", false),
        ("ledger: zookeeper://h1/prod\ndiscover: [{zookeeper: 'zookeeper://h1/hosts'}]\n", true),
        ("ledger: consul://h1/prod\ndiscover: [{consul: 'consul://h1/hosts'}]\n", true),
        ("ledger: consul://h1\ndiscover: [{consul: 'consul://h1', service: docker, user: root}]\n", true),
        ("discover: [{consul: 'consul://h1'}]\n", false),
        ("discover: [{consul: 'consul://h1/hosts', user: root}]\n", false),
        ("discover: [{etcd: 'etcd://h1/hosts', service: docker}]\n", false),
        ("discover: [{consul: 'consul://h1', service: 'a b'}]\n", false),
        ("discover: [{timeout: 2s}]\n", false),
        ("discover: [{etcd: 'etcd://h1'}]\n", false),
        ("hosts: {h1: {address: alias, labels: [zone=a]}}\n", false),
        ("hosts: {}\n", false),
        ("hosts: {h1: {role: manager}}\n", false),
        ("hosts: {h1: {address: alias, role: chief}}\n", false),
        ("hosts: {h1: {address: alias, color: red}}\n", false),
        ("known_hosts: maybe\nhosts: {h1: alias}\n", false),
        ("ledger: file:///srv\nhosts: {h1: alias}\n", true),
        ("ledger: etcd://h1:2379,h2/prod?ca=/etc/ca.pem\nhosts: {h1: alias}\n", true),
        ("ledger: file://srv\nhosts: {h1: alias}\n", false),
        ("placement: {strategy: best}\nhosts: {h1: alias}\n", false),
        ("task_history: -1\nhosts: {h1: alias}\n", false),
        ("clusters: prod\nhosts: {h1: alias}\n", false),
    ] {
        let document = read(text).expect("YAML");
        let faults = faults(&validator, &document);
        assert_eq!(faults.is_empty(), is_right, "{text}: {faults:?}");
        assert_eq!(stackctl::inventory::parse(text, "stackctl.yml").is_ok(), is_right, "{text}");
    }
}
