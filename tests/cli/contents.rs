//! Contents of configs in the ledger: apart from releases, within a budget, read only where a task needs them.

use serde_json::{Value, json};

use crate::engine::{FakeEngine, World};
use crate::hosts::Hosts;

const WEB: &str = "\
services:
  web:
    image: nginx:1.25
    configs: [{source: page, target: /etc/page}]
    deploy: {update_config: {monitor: 50ms}}
configs:
  page: {content: one}
";

/// So many hosts, all of them managers.
fn cluster(hosts: usize) -> Hosts {
    let cluster = Hosts::new(hosts);
    let mut text = "cluster: test\nhosts:\n".to_owned();
    for engine in &cluster.engines {
        text += &format!("  {}: {{address: \"{}\", role: manager}}\n", engine.name(), engine.address());
    }
    cluster.room.file("stackctl.yml", &text);
    cluster.stackfile(WEB);
    cluster
}

fn stream(volume: &crate::engine::Volume) -> &str {
    volume.asked["Labels"]["io.stackctl.ledger.stream"].as_str().unwrap_or_default()
}

/// Registers of a kind on a host, and how many bytes they have.
fn registers(engine: &FakeEngine, of: &str) -> Vec<usize> {
    let bytes = |world: &mut World| {
        let all = world.volumes.values().filter(|volume| stream(volume) == of);
        all.map(|volume| volume.asked["Labels"].to_string().len()).collect()
    };
    engine.with(bytes)
}

fn remove_chunks(engine: &FakeEngine) {
    engine.with(|world| world.volumes.retain(|_, volume| !stream(volume).starts_with("chunks/")));
}

/// What the live task has as its config.
fn page(cluster: &Hosts) -> Vec<String> {
    let of = |engine: &FakeEngine| {
        engine.with(|world| {
            let live = world.containers.values().filter(|one| one.life.state().is_running());
            live.filter_map(|one| one.uploaded("/etc/page")).map(|text| text[512..515].to_owned()).collect()
        })
    };
    cluster.engines.iter().flat_map(|engine| -> Vec<String> { of(engine) }).collect()
}

fn gets(cluster: &Hosts) -> usize {
    cluster.engines.iter().filter_map(|engine| engine.counts().get("GET /volumes/{id}").copied()).sum()
}

#[test]
fn contents_are_read_where_a_task_needs_them_and_nowhere_else() {
    let cluster = cluster(3);
    cluster.expect(0, "deploy --yes shop");
    cluster.stackfile(&WEB.replace("one", "two"));
    cluster.forget_calls();
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(page(&cluster), ["two"]);
    for args in [
        "history shop",
        "status",
        "show shop@1",
        "diff shop@2",
        "diff shop@1 shop@2",
        "log",
        "deploy --yes shop",
    ] {
        let status = cluster.room.run(args).status;
        assert!([0, 2].contains(&status), "{args}: {status}");
    }
    assert_eq!(gets(&cluster), 0);
    cluster.expect(0, "rollback --yes shop");
    assert_eq!(page(&cluster), ["one"]);
    assert_eq!(gets(&cluster), 1, "one chunk of one manager");
    let shown: Value = serde_json::from_str(&cluster.expect(0, "show --format json shop@2").stdout).unwrap();
    assert_eq!(shown["contents"], json!({ "page": "dHdv" }));
    for engine in &cluster.engines {
        assert_eq!(registers(engine, "chunks/shop").len(), 2, "each content once");
        assert_eq!(registers(engine, "contents/shop").len(), 4);
    }
}

#[test]
fn the_loop_heals_a_task_with_its_config() {
    let cluster = cluster(1);
    cluster.expect(0, "deploy --yes shop");
    cluster.engines[0].with(|world| world.containers.clear());
    cluster.expect(0, "reconcile --once");
    assert_eq!(page(&cluster), ["one"]);
}

#[test]
fn a_content_that_is_lost_is_refused_by_name_and_nothing_is_changed() {
    let cluster = cluster(3);
    cluster.expect(0, "deploy --yes shop");
    cluster.stackfile(&WEB.replace("one", "two"));
    cluster.expect(0, "deploy --yes shop");
    cluster.engines[..2].iter().for_each(remove_chunks);
    cluster.expect(0, "rollback --yes shop");
    assert_eq!(page(&cluster), ["one"]);
    cluster.engines.iter().for_each(remove_chunks);
    let run = cluster.expect(1, "rollback --yes shop");
    assert!(run.stderr.contains("stackctl::ledger::no_content"), "{}", run.show());
    assert!(run.stderr.contains("config `page` of stack shop"), "{}", run.show());
    assert_eq!(page(&cluster), ["one"]);
    // The others go on, and a deploy writes what its stackfile has.
    cluster.expect(0, "status");
    cluster.stackfile(&WEB.replace("one", "six"));
    cluster.expect(0, "deploy --yes shop");
    cluster.stackfile(WEB);
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "rollback --yes shop");
    assert_eq!(page(&cluster), ["six"]);
    cluster.expect(0, "rollback --yes --to 1 shop");
    assert_eq!(page(&cluster), ["one"], "it is there again");
}

#[test]
fn a_part_of_a_content_that_one_manager_has_lost_is_named_and_copied_again() {
    let cluster = cluster(3);
    cluster.expect(0, "deploy --yes shop");
    cluster.stackfile(&WEB.replace("one", "two"));
    cluster.expect(0, "deploy --yes shop");
    remove_chunks(&cluster.engines[1]);
    let run = cluster.expect(0, "doctor");
    let words = "2 contents of configs are on 2 of the 3 managers that answer; they, or parts of them, are missing on h2";
    assert!(run.stdout.contains(words), "{}", run.show());
    cluster.expect(0, "ledger sync");
    assert_eq!(registers(&cluster.engines[1], "chunks/shop").len(), 2);
    let run = cluster.expect(0, "doctor");
    assert!(run.stdout.ends_with("All is in order.\n"), "{}", run.show());
    cluster.engines[..1].iter().chain(&cluster.engines[2..]).for_each(remove_chunks);
    cluster.expect(0, "rollback --yes shop");
    assert_eq!(page(&cluster), ["one"]);
}

#[test]
fn contents_go_with_a_backup_and_come_back_on_empty_managers() {
    let cluster = cluster(3);
    cluster.expect(0, "deploy --yes shop");
    cluster.stackfile(&WEB.replace("one", "two"));
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "ledger backup all.jsonl");
    for engine in &cluster.engines {
        engine.with(|world| world.volumes.retain(|name, _| !name.starts_with("stackctl-ledger-")));
    }
    cluster.expect(0, "ledger restore all.jsonl");
    cluster.expect(0, "rollback --yes shop");
    assert_eq!(page(&cluster), ["one"]);
    let place = format!("file://{}", cluster.room.path().join("records").display());
    cluster.expect(0, &format!("ledger migrate volumes {place}"));
    cluster.expect(0, &format!("--ledger {place} rollback --yes shop"));
    assert_eq!(page(&cluster), ["two"]);
    // What is gone is said, and the rest is in the backup.
    cluster.engines.iter().for_each(remove_chunks);
    let run = cluster.expect(0, "ledger backup rest.jsonl");
    assert_eq!(run.stderr.matches("could not be read and is not copied").count(), 2, "{}", run.show());
    cluster.expect(0, "ledger restore --force rest.jsonl");
    assert!(registers(&cluster.engines[0], "contents/shop").is_empty(), "nothing is left of the old ones");
}

/// Text that differs in every character from one number to the next.
fn noise(bytes: usize, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'0' + u8::try_from(state % 75).unwrap())
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn large_configs_fill_no_manager_however_often_they_change() {
    let cluster = cluster(1);
    let keys = ["a", "b", "c", "d", "e", "f"];
    let mounts: Vec<String> =
        keys.iter().map(|key| format!("{{source: {key}, target: /etc/{key}}}")).collect();
    let files: Vec<String> = keys.iter().map(|key| format!("  {key}: {{file: ./{key}.txt}}\n")).collect();
    cluster.stackfile(&format!(
        "services:\n  web:\n    image: nginx:1.25\n    configs: [{}]\n    deploy: {{update_config: {{monitor: 10ms}}}}\n\
         configs:\n{}",
        mounts.join(", "),
        files.concat()
    ));
    for number in 1..=20 {
        for (at, key) in (0..).zip(keys) {
            cluster.room.file(&format!("{key}.txt"), &noise(990_000, number * 10 + at));
        }
        cluster.expect(0, "deploy --yes shop");
    }
    let engine = &cluster.engines[0];
    let listed: usize = registers(engine, "releases/shop").iter().sum();
    assert!(listed < 1 << 20, "a list of releases has {listed} bytes");
    let chunks = registers(engine, "chunks/shop");
    let (all, largest) = (chunks.iter().sum::<usize>(), chunks.iter().max().copied().unwrap_or(0));
    assert!(all < 90 << 20 && largest < 340 << 10, "{all} bytes, at most {largest} in one");
    let history = cluster.expect(0, "history --format {{.Release}} shop").stdout;
    assert_eq!(history.lines().count(), 11, "{history}");
    cluster.expect(0, "status");
    cluster.expect(0, "rollback --yes --to 10 shop");
    let first = engine.with(|world| {
        let live = world.containers.values().find(|one| one.life.state().is_running()).unwrap();
        live.uploaded("/etc/a").unwrap()[512..600].to_owned()
    });
    assert_eq!(first, noise(88, 100));
    cluster.expect(0, "rm --yes shop");

    // One that is too large by itself changes nothing.
    let many: Vec<String> = (0..18).map(|at| format!("  k{at}: {{file: ./a{at}.txt}}\n")).collect();
    (0..18).for_each(|at| drop(cluster.room.file(&format!("a{at}.txt"), &noise(990_000, at))));
    let mounts: Vec<String> = (0..18).map(|at| format!("{{source: k{at}, target: /etc/k{at}}}")).collect();
    cluster.stackfile(&format!(
        "services:\n  web: {{image: 'nginx:1.25', configs: [{}]}}\nconfigs:\n{}",
        mounts.join(", "),
        many.concat()
    ));
    let run = cluster.expect(1, "deploy --yes big");
    assert!(run.stderr.contains("stackctl::ledger::too_large"), "{}", run.show());
    assert!(registers(engine, "chunks/big").is_empty() && cluster.running().is_empty());
}
