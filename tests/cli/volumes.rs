//! Volumes that engines make for tasks since an image declares them: kept, listed, and pruned, on fake engines.

use crate::engine::{Behaviour, FakeEngine};
use crate::hosts::Hosts;
use crate::run::Run;

const DB: &str = "\
services:
  db:
    image: postgres:16
    environment: {MODE: one}
    deploy: {update_config: {monitor: 50ms}}
";

/// A host on which a database keeps its data where its image says.
fn cluster() -> Hosts {
    let mut cluster = Hosts::new(1);
    cluster.room.env("USER", "ann").env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    for engine in &cluster.engines {
        engine.with(|world| world.declared.insert("postgres:16".into(), vec!["/data".into()]));
    }
    cluster.stackfile(DB);
    cluster.expect(0, "deploy --yes shop");
    cluster
}

/// A change that replaces the task.
fn replace(cluster: &Hosts, mode: &str) -> Run {
    cluster.stackfile(&DB.replace("one", mode));
    cluster.expect(0, "deploy --yes shop")
}

/// Volumes of an engine that it named itself.
fn made_up(engine: &FakeEngine) -> Vec<String> {
    engine.with(|world| world.volumes.keys().filter(|name| name.len() == 64).cloned().collect())
}

fn all_made_up(cluster: &Hosts) -> Vec<String> {
    cluster.engines.iter().flat_map(made_up).collect()
}

fn listed(cluster: &Hosts) -> Vec<String> {
    let format = r"{{.Stack}}\t{{.Service}}\t{{.Slot}}\t{{.Target}}\t{{.Status}}\t{{.Why}}";
    let run = cluster.expect(0, &format!("volume ls -f anonymous=true --format {format}"));
    run.stdout.lines().map(|line| line.replace('\t', " ")).collect()
}

/// Engines say when a container was made in whole seconds.
fn outlast_a_second() {
    std::thread::sleep(std::time::Duration::from_millis(1100));
}

#[test]
fn a_removed_stack_leaves_its_volumes_and_says_so() {
    let cluster = cluster();
    let before = all_made_up(&cluster);
    assert_eq!(before.len(), 1);
    let plan = cluster.expect(0, "rm --dry-run shop");
    assert!(plan.stdout.contains("db leaves 1 volume without a name"), "{}", plan.show());
    let run = cluster.expect(0, "rm --yes shop");
    assert_eq!(all_made_up(&cluster), before);
    let line = format!("  db.1 /data  {}  on h1\n", &before[0][..12]);
    assert!(run.stderr.contains(&line), "{}", run.show());
    assert_eq!(listed(&cluster), ["shop db 1 /data kept newest data of db.1"]);
    // The newest of its slot, and so nothing that can go.
    let run = cluster.expect(0, "volume prune --yes");
    assert!(run.stderr.contains("No volume can go"), "{}", run.show());
    assert_eq!(all_made_up(&cluster), before);
}

#[test]
fn only_what_replaced_tasks_left_is_pruned_and_never_the_newest() {
    let cluster = cluster();
    let first = all_made_up(&cluster);
    for mode in ["two", "three", "four", "five", "six", "seven", "eight"] {
        outlast_a_second();
        let run = replace(&cluster, mode);
        assert!(run.stdout.contains("db leaves") || run.stderr.contains("db leaves"), "{}", run.show());
    }
    let all = all_made_up(&cluster);
    assert_eq!(all.len(), 8, "nothing goes with its container");
    let states = listed(&cluster);
    let count = |word: &str| states.iter().filter(|line| line.contains(word)).count();
    assert_eq!((count(" in use "), count(" held by ") + count(" unused ")), (1, 7), "{states:#?}");
    assert!(count(" unused ") > 0, "{states:#?}");
    let unused = count(" unused ");

    // What does not belong to us, or cannot be known to, is not touched: neither by its name nor by its labels.
    let alien = "f".repeat(64);
    cluster.engines[0].with(|world| world.add_volume(&alien, &serde_json::json!({})));
    cluster.forget_calls();
    let dry = cluster.expect(0, "volume prune --dry-run");
    assert!(dry.stdout.contains(&format!("Plan: {unused} volume")), "{}", dry.show());
    assert!(dry.stdout.contains(&first[0][..12]), "{}", dry.show());
    assert_eq!(cluster.writes(), [""; 0]);
    let refused = cluster.expect(1, "volume prune");
    assert!(refused.stderr.contains("stackctl::cli::no_terminal"), "{}", refused.show());
    let other = cluster.expect(0, "volume prune --yes blog");
    assert!(other.stderr.contains("No volume can go"), "{}", other.show());

    let run = cluster.expect(0, "volume prune --yes");
    assert!(run.stderr.contains(&format!("{unused} volume")), "{}", run.show());
    let left = all_made_up(&cluster);
    assert_eq!(left.len(), 8 - unused + 1, "{left:?}");
    assert!(!left.contains(&first[0]) && left.contains(&alien));
    let log = cluster.expect(0, r"log --format {{.What}}\t{{.Outcome}}").stdout;
    assert!(log.contains("volume prune shop\tdone\n"), "{log}");
    let again = cluster.expect(0, "volume prune --yes");
    assert!(again.stderr.contains("No volume can go"), "{}", again.show());

    // Once the stack is gone, its newest volume stays.
    cluster.expect(0, "rm --yes shop");
    cluster.expect(0, "volume prune --yes");
    let left: Vec<String> = all_made_up(&cluster).into_iter().filter(|name| *name != alien).collect();
    // That of the container before it, too: the newest may be of an update that failed.
    assert_eq!(left.len(), 2);
    assert_eq!(listed(&cluster), ["shop db 1 /data kept newest data of db.1"; 2]);
}

#[test]
fn updates_that_fail_do_not_push_out_the_data_of_the_task_that_ran() {
    let cluster = cluster();
    let good = all_made_up(&cluster);
    for engine in &cluster.engines {
        engine.with(|world| {
            world.declared.insert("postgres:bad".into(), vec!["/data".into()]);
            world.behaviours.insert("postgres:bad".to_owned(), Behaviour::Exits(0, 3));
        });
    }
    // More than ended tasks are kept of a slot.
    for mode in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        outlast_a_second();
        cluster.stackfile(&DB.replace("one", mode).replace(":16", ":bad"));
        let run = cluster.run("deploy --yes shop");
        assert_eq!(run.status, 7, "{}", run.show());
    }
    cluster.expect(0, "rm --yes shop");
    let run = cluster.expect(0, "volume prune --yes");
    assert!(all_made_up(&cluster).contains(&good[0]), "{}", run.show());
    assert!(run.stderr.contains("No volume can go"), "{}", run.show());
}

#[test]
fn a_volume_that_was_mounted_since_stays() {
    let cluster = cluster();
    let first = all_made_up(&cluster).remove(0);
    for image in ["two", "three"] {
        outlast_a_second();
        replace(&cluster, image);
    }
    cluster.expect(0, "rm --yes shop");
    let body = serde_json::json!({
        "Image": "x", "HostConfig": { "Mounts": [{ "Type": "volume", "Source": first, "Target": "/old" }] },
    });
    let on = cluster.engines.iter().find(|engine| made_up(engine).contains(&first)).unwrap();
    let id = on.with(|world| world.add_container("by-hand", body));
    let run = cluster.expect(0, "volume prune --yes");
    assert!(run.stderr.contains("No volume can go"), "{}", run.show());
    let inspected = cluster.expect(0, &format!("volume inspect --format {{{{.Status}}}} {}", &first[..12]));
    assert_eq!(inspected.stdout, "in use\n", "made, and not started yet");
    on.with(|world| world.containers.remove(&id));
    cluster.expect(0, "volume prune --yes");
    assert!(!all_made_up(&cluster).contains(&first));
}

#[test]
fn a_stack_without_such_volumes_costs_no_call() {
    let calls = |has_one: bool| {
        let mut cluster = Hosts::new(1);
        cluster.room.env("USER", "ann").env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
        if has_one {
            cluster.engines[0]
                .with(|world| world.declared.insert("postgres:16".into(), vec!["/data".into()]));
        }
        cluster.stackfile(DB);
        cluster.expect(0, "deploy --yes shop");
        cluster.expect(0, "rm --yes shop");
        let is_about = |target: &str| target.replace("%2F", "/").contains("volumes/shop");
        cluster.engines[0].calls().iter().filter(|call| is_about(&call.target)).count()
    };
    assert!(calls(true) > 0);
    assert_eq!(calls(false), 0);
}

#[test]
fn what_was_mounted_for_config_files_goes_with_its_container() {
    let mut cluster = Hosts::new(1);
    cluster.room.env("USER", "ann").env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    let text = "\
services:
  web:
    image: nginx:1.25
    read_only: true
    configs: [{source: c, target: /etc/own/x.conf}]
    deploy: {update_config: {monitor: 50ms}}
  db:
    image: postgres:16
    read_only: true
    configs: [{source: c, target: /data/x.conf}]
    deploy: {update_config: {monitor: 50ms}}
configs: {c: {content: hello}}
";
    cluster.engines[0].with(|world| world.declared.insert("postgres:16".into(), vec!["/data".into()]));
    cluster.stackfile(text);
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(all_made_up(&cluster).len(), 2);
    cluster.expect(0, "rm --yes shop");
    // The image has a volume in the same place: there may be data beside the file.
    assert_eq!(all_made_up(&cluster).len(), 1);
}

#[test]
fn what_is_on_a_silent_host_is_listed_and_not_taken() {
    let mut cluster = Hosts::new(2);
    cluster.room.env("USER", "ann").env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    for engine in &cluster.engines {
        engine.with(|world| world.declared.insert("postgres:16".into(), vec!["/data".into()]));
    }
    let text = DB.replace("deploy: {", "deploy: {placement: {constraints: [node.hostname == h2]}, ");
    cluster.stackfile(&text);
    cluster.expect(0, "deploy --yes shop");
    outlast_a_second();
    cluster.stackfile(&text.replace("one", "two"));
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "rm --yes shop");
    cluster.engines[1].kill();
    let run = cluster.expect(6, "volume prune --yes");
    assert!(run.stderr.contains("No volume can go") && run.stderr.contains("h2 is silent"), "{}", run.show());
    let run = cluster.expect(6, "volume ls --format {{.Node}}:{{.Status}}:{{.Why}}");
    let line = "h2:unknown:the host is silent\n";
    assert_eq!(run.stdout, line.repeat(2));
}
