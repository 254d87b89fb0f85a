//! What changes on running tasks: containers stay, and what was changed is remembered for each.

use serde_json::Value;

use crate::engine::Wrong;
use crate::hosts::Hosts;

const MIB: u64 = 1 << 20;

fn stackfile(limits: &str, more: &str) -> String {
    format!(
        "services:\n  web:\n    image: 'web:1'\n    {more}\n    deploy:\n      replicas: 2\n      \
         resources: {{limits: {{{limits}}}}}\n      update_config: {{monitor: 0s}}\n"
    )
}

/// Ids of all containers, and of each its memory limit in MiB.
fn containers(hosts: &Hosts) -> Vec<(String, u64)> {
    let mut all: Vec<(String, u64)> = Vec::new();
    for engine in &hosts.engines {
        engine.with(|world| {
            all.extend(world.containers.values().map(|one| {
                let memory = one.asked["HostConfig"]["Memory"].as_u64().unwrap_or(0);
                (one.id.clone(), memory / MIB)
            }));
        });
    }
    all.sort();
    all
}

fn ids(hosts: &Hosts) -> Vec<String> {
    containers(hosts).into_iter().map(|(id, _)| id).collect()
}

fn limits(hosts: &Hosts) -> Vec<u64> {
    containers(hosts).into_iter().map(|(_, limit)| limit).collect()
}

#[test]
fn a_limit_changes_on_running_containers_and_the_second_deploy_does_nothing() {
    let hosts = Hosts::deployed(&stackfile("memory: 64M", ""));
    let before = ids(&hosts);
    hosts.stackfile(&stackfile("memory: 128M", ""));
    let diff = hosts.expect(2, "diff shop");
    for words in [
        "resources.limits.memory: 67108864 -> 134217728",
        "~ web.1 on h",
        "in place: ",
        "2 to change in place",
    ] {
        assert!(diff.stdout.contains(words), "{words}\n{}", diff.show());
    }
    let json = hosts.expect(2, "diff --format json shop");
    let plan: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(plan["changes"][0]["fields"][0]["impact"], "in_place", "{}", json.show());
    assert_eq!((&plan["summary"]["in_place"], &plan["summary"]["replace"]), (&2.into(), &0.into()));
    hosts.expect(0, "deploy --yes shop");
    assert_eq!((ids(&hosts), limits(&hosts)), (before.clone(), vec![128, 128]));
    for args in ["deploy --yes shop", "diff shop"] {
        let again = hosts.expect(0, args);
        assert!(again.stdout.contains("No changes"), "{args}\n{}", again.show());
    }
    // And the way back, although labels say that nothing differs.
    hosts.expect(0, "rollback --yes shop");
    assert_eq!((ids(&hosts), limits(&hosts)), (before, vec![64, 64]));
}

#[test]
fn what_an_engine_need_not_know_is_remembered_without_a_call() {
    let hosts = Hosts::deployed(&stackfile("memory: 64M", ""));
    hosts.stackfile(&stackfile("memory: 64M", "stop_grace_period: 1m"));
    hosts.forget_calls();
    let run = hosts.expect(0, "deploy --yes shop");
    assert!(run.stdout.contains("keep the old one until the task is replaced"), "{}", run.show());
    let writes = hosts.writes();
    assert!(writes.iter().all(|call| call.contains("/volumes/")), "only the ledger: {writes:?}");
    assert!(hosts.expect(0, "deploy --yes shop").stdout.contains("No changes"));
    // Our own stops go by it.
    hosts.forget_calls();
    hosts.expect(0, "rm --yes shop");
    let stops: Vec<String> = hosts
        .engines
        .iter()
        .flat_map(|engine| engine.calls())
        .map(|call| call.target)
        .filter(|target| target.contains("/stop"))
        .collect();
    assert_eq!(stops.len(), 2);
    assert!(stops.iter().all(|target| target.contains("t=60")), "{stops:?}");
}

#[test]
fn a_limit_below_what_is_used_replaces_the_task() {
    let hosts = Hosts::deployed(&stackfile("memory: 64M", ""));
    let before = ids(&hosts);
    hosts.engines[0].with(|world| world.containers.values_mut().for_each(|one| one.uses = 40 << 20));
    hosts.stackfile(&stackfile("memory: 32M", ""));
    let diff = hosts.expect(2, "diff shop");
    assert!(diff.stdout.contains("it uses 40 MiB of memory, and the new limit is 32 MiB"), "{}", diff.show());
    assert!(diff.stdout.contains("1 to replace, 1 to change in place"), "{}", diff.show());
    // How much it uses differs from one look to the next; that makes no other plan.
    hosts.expect(2, "diff --out plan.bin shop");
    hosts.engines[0].with(|world| world.containers.values_mut().for_each(|one| one.uses = 41 << 20));
    hosts.expect(0, "deploy --yes plan.bin");
    let after = ids(&hosts);
    assert_eq!(before.iter().filter(|id| after.contains(id)).count(), 2, "one of them is kept, stopped");
    assert!(hosts.expect(0, "deploy --yes shop").stdout.contains("No changes"));
}

#[test]
fn whatever_plans_a_lower_limit_asks_how_much_is_used() {
    let hosts = Hosts::deployed(&stackfile("memory: 32M", ""));
    hosts.stackfile(&stackfile("memory: 64M", ""));
    hosts.expect(0, "deploy --yes shop");
    hosts.engines[0].with(|world| world.containers.values_mut().for_each(|one| one.uses = 40 << 20));
    for args in [
        "rollback --dry-run shop",
        "diff shop@1",
        "undo --dry-run shop",
        "service update --dry-run --limit-memory 32M shop_web",
    ] {
        let run = hosts.room.run(args);
        let words = "it uses 40 MiB of memory, and the new limit is 32 MiB";
        assert!([0, 2].contains(&run.status) && run.stdout.contains(words), "{args}\n{}", run.show());
    }
}

/// The release came to a good end without a drained host, which has its old task when it is back.
#[test]
fn moves_that_bring_a_lower_limit_along_ask_how_much_is_used() {
    let text = |limit: &str| {
        format!(
            "services:\n  db:\n    image: 'web:1'\n    volumes: ['data:/data']\n    deploy:\n      \
             placement: {{constraints: [node.hostname == h2]}}\n      \
             resources: {{limits: {{memory: {limit}}}}}\n      update_config: {{monitor: 0s}}\n  \
             web:\n    image: 'web:1'\n    deploy: {{mode: global, update_config: {{monitor: 0s}}}}\n\
             volumes: {{data: }}\n"
        )
    };
    let hosts = Hosts::deployed(&text("64M"));
    hosts.expect(0, "node update --availability drain --yes h2");
    hosts.engines[1].fail("*", u32::MAX, Wrong::DropRequest);
    hosts.stackfile(&text("32M"));
    hosts.expect(0, "deploy --yes shop");
    hosts.engines[1].heal();
    hosts.engines[1].with(|world| world.containers.values_mut().for_each(|one| one.uses = 40 << 20));
    hosts.expect(0, "node update --availability active --yes h2");
    for args in
        ["rebalance --dry-run", "rebalance --dry-run shop", "node update --availability drain --dry-run h1"]
    {
        let run = hosts.room.run(args);
        let words = "it uses 40 MiB of memory, and the new limit is 32 MiB";
        assert!([0, 2].contains(&run.status) && run.stdout.contains(words), "{args}\n{}", run.show());
    }
}

#[test]
fn a_lost_ledger_and_a_killed_run_have_the_containers_asked() {
    let mut hosts = Hosts::deployed(&stackfile("memory: 64M", ""));
    hosts.stackfile(&stackfile("memory: 128M", ""));
    hosts.expect(0, "deploy --yes shop");
    let before = ids(&hosts);
    hosts.room.env("STACKCTL_NEW_KEY", &"5".repeat(64));
    for engine in &hosts.engines {
        engine.with(|world| world.volumes.retain(|name, _| !name.contains("ledger")));
    }
    let run = hosts.expect(0, "deploy --yes shop");
    assert!(run.stdout.contains("No changes"), "{}", run.show());
    // The engine does it, and no answer comes: what came of it is not known.
    hosts.stackfile(&stackfile("memory: 256M", ""));
    hosts.engines[0].fail("POST /containers/{id}/update", 50, crate::engine::Wrong::DropReply);
    let run = hosts.room.run("deploy --yes shop");
    assert_ne!(run.status, 0, "{}", run.show());
    hosts.engines[0].heal();
    hosts.forget_calls();
    hosts.expect(0, "deploy --yes shop");
    assert_eq!((ids(&hosts), limits(&hosts)), (before, vec![256, 256]));
    let updates = hosts.writes().iter().filter(|call| call.contains("/update")).count();
    assert!(updates <= 1, "the one that was done is seen to be done: {updates}");
}

/// A service that reads its config again on a signal.
fn reading(content: &str) -> String {
    format!(
        "services:\n  web:\n    image: 'web:1'\n    configs: [{{source: site, target: /etc/site.conf}}]\n    x-stackctl: \
         {{on_config: SIGHUP}}\n    deploy: {{replicas: 2, update_config: {{monitor: 0s}}}}\nconfigs:\n  site: {{content: \
         '{content}'}}\n"
    )
}

/// What each container has in its file, and the signals that it was sent.
fn read(hosts: &Hosts) -> Vec<(bool, Vec<String>)> {
    let mut all = Vec::new();
    for engine in &hosts.engines {
        engine.with(|world| {
            let names = world.running();
            for one in world.containers.values().filter(|one| names.contains(&one.name)) {
                let file = one.uploaded("/etc/site.conf").unwrap_or_default();
                all.push((file.contains("listen 81"), one.signals.clone()));
            }
        });
    }
    all
}

#[test]
fn a_config_changes_in_running_containers_that_read_it_again_on_a_signal() {
    let hosts = Hosts::deployed(&reading("listen 80"));
    let before = ids(&hosts);
    assert_eq!(read(&hosts), [(false, vec![]), (false, vec![])]);
    hosts.stackfile(&reading("listen 81"));
    let diff = hosts.expect(2, "diff shop");
    assert!(diff.stdout.contains("2 to change in place"), "{}", diff.show());
    hosts.expect(0, "deploy --yes shop");
    let hup = || vec!["HUP".to_owned()];
    assert_eq!((ids(&hosts), read(&hosts)), (before.clone(), vec![(true, hup()), (true, hup())]));
    for args in ["deploy --yes shop", "diff shop"] {
        let again = hosts.expect(0, args);
        assert!(again.stdout.contains("No changes"), "{args}\n{}", again.show());
    }
    hosts.expect(0, "rollback --yes shop");
    let twice = || [hup(), hup()].concat();
    assert_eq!((ids(&hosts), read(&hosts)), (before, vec![(false, twice()), (false, twice())]));
    // A new task has what was deployed last.
    hosts.expect(0, "deploy --yes shop");
    hosts.expect(0, "restart --yes shop");
    assert!(read(&hosts).iter().all(|(is_new, signals)| *is_new && signals.is_empty()), "{:?}", read(&hosts));
}
