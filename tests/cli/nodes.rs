//! What is remembered of nodes, and what follows from it, on fake engines.

use crate::engine::FakeEngine;
use crate::hosts::Hosts;

const WEB: &str = "\
services:
  web:
    image: nginx:1.25
    deploy:
      replicas: 3
      update_config: {parallelism: 1, order: start-first, monitor: 50ms}
";

const DATA: &str = "\
services:
  db:
    image: nginx:1.25
    volumes: ['data:/data']
    deploy: {update_config: {monitor: 50ms}}
volumes: {data: }
";

fn three() -> Hosts {
    let mut cluster = Hosts::new(3);
    cluster.room.env("USER", "ann").env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    let mut text = "cluster: test\nhosts:\n".to_owned();
    for engine in &cluster.engines {
        text += &format!("  {}: {{address: \"{}\", role: manager}}\n", engine.name(), engine.address());
    }
    cluster.room.file("stackctl.yml", &text);
    cluster.stackfile(WEB);
    cluster
}

fn running(cluster: &Hosts, at: usize) -> usize {
    cluster.engines[at].with(|world| world.running().len())
}

#[test]
fn a_drained_node_gives_its_tasks_away_and_gets_none() {
    let cluster = three();
    cluster.expect(0, "deploy --yes shop");
    cluster.forget_calls();
    insta::assert_snapshot!(
        "drain_dry_run",
        cluster.expect(0, "node update --availability drain --dry-run h2").show()
    );
    assert_eq!(cluster.writes(), [""; 0]);
    let refused = cluster.expect(1, "node update --availability drain h2");
    assert!(refused.stderr.contains("stackctl::cli::no_terminal"), "{}", refused.show());
    assert_eq!(cluster.writes(), [""; 0]);

    let run = cluster.expect(0, "node update --availability drain --yes h2");
    assert!(run.stdout.contains("h2: availability active -> drain\n"), "{}", run.show());
    assert_eq!([0, 1, 2].map(|at| running(&cluster, at)), [2, 0, 1]);
    let history = cluster.expect(0, "history --format {{.Release}}:{{.Outcome}}:{{.What}} shop").stdout;
    assert_eq!(history, "2:deployed:drain h2\n1:deployed:deploy\n");
    // The second run does nothing, and no deploy puts anything there.
    cluster.forget_calls();
    let again = cluster.expect(0, "node update --availability drain --yes h2");
    assert!(again.stderr.contains("h2: nothing to change"), "{}", again.show());
    assert_eq!(cluster.writes(), [""; 0]);
    cluster.stackfile(&WEB.replace("replicas: 3", "replicas: 6"));
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(running(&cluster, 1), 0);
    insta::assert_snapshot!("node_ls_drained", cluster.expect(0, "node ls").show());
    insta::assert_snapshot!(
        "node_ps",
        cluster.expect(0, r"node ps --format {{.Name}}\t{{.Node}} h1 h2").show()
    );

    // Taken back, and filled again.
    cluster.expect(0, "node update --availability active h2");
    assert_eq!(running(&cluster, 1), 0);
    cluster.forget_calls();
    let dry = cluster.expect(0, "rebalance --dry-run");
    assert!(dry.stdout.contains("h2"), "{}", dry.show());
    assert_eq!(cluster.writes(), [""; 0]);
    cluster.expect(0, "rebalance --yes --max-moves 1");
    assert_eq!(running(&cluster, 1), 1);
    cluster.expect(0, "rebalance --yes shop");
    assert_eq!([0, 1, 2].map(|at| running(&cluster, at)), [2, 2, 2]);
    cluster.forget_calls();
    cluster.expect(0, "rebalance --yes");
    assert_eq!(cluster.writes(), [""; 0]);
    cluster.expect(0, "diff shop");
}

#[test]
fn what_has_local_data_stays_until_it_is_forced() {
    let cluster = three();
    cluster.stackfile(DATA);
    cluster.expect(0, "deploy --yes shop");
    let at = (0..3).find(|at| running(&cluster, *at) == 1).expect("it runs");
    let name = format!("h{}", at + 1);
    let run = cluster.expect(0, &format!("node update --availability drain --yes {name}"));
    assert!(run.stdout.contains("stays on drained node"), "{}", run.show());
    assert_eq!(running(&cluster, at), 1);
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(running(&cluster, at), 1);
    let run = cluster.expect(0, &format!("node update --availability drain --force --yes {name}"));
    assert!(run.stdout.contains("local data kept -> left behind"), "{}", run.show());
    assert_eq!(running(&cluster, at), 0);
    assert_eq!(cluster.running().len(), 1);
}

#[test]
fn labels_and_roles_are_what_constraints_see() {
    let cluster = three();
    cluster.stackfile(
        &WEB.replace("deploy:", "deploy:\n      placement: {constraints: [node.labels.disk == ssd]}"),
    );
    cluster.expect(1, "deploy --yes shop");
    cluster.forget_calls();
    insta::assert_snapshot!(
        "label_dry_run",
        cluster.expect(0, "node update --dry-run --label-add disk=ssd h3").show()
    );
    assert_eq!(cluster.writes(), [""; 0]);
    insta::assert_snapshot!(
        "label_add",
        cluster.expect(0, "node update --label-add disk=ssd --label-add a h3").show()
    );
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(running(&cluster, 2), 3);
    insta::assert_snapshot!("demote", cluster.expect(0, "node demote h1 h2").show());
    insta::assert_snapshot!("demote_again", cluster.expect(0, "node demote h2").show());
    let pretty = cluster.expect(0, "node inspect --pretty h3").stdout;
    let who = format!("From the ledger:   label a, label disk\n  Changed by:      {}", crate::run::who());
    assert!(pretty.contains(&who), "{pretty}");
    cluster.stackfile(
        &WEB.replace("deploy:", "deploy:\n      placement: {constraints: [node.role == manager]}"),
    );
    cluster.expect(0, "deploy --yes shop");
    assert_eq!([0, 1, 2].map(|at| running(&cluster, at)), [0, 0, 3]);
    // Demoted nodes keep the records all the same.
    let records = |at: usize| {
        cluster.engines[at].with(|world| world.volumes.keys().filter(|name| name.contains(".nodes.")).count())
    };
    assert_eq!([0, 1, 2].map(records), [3, 3, 3]);
    cluster.expect(0, "node update --label-rm disk --label-rm a --label-rm none h3");
    cluster.expect(0, "node promote h1 h2");
    let json = cluster.expect(0, "node inspect --format {{.FromLedger}} h1").stdout;
    assert!(json.contains("null") || json.contains("<no value>"), "{json}");
}

#[test]
fn what_cannot_be_read_is_not_taken_for_nothing() {
    let cluster = three();
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "node update --availability drain --yes h2 h3");
    cluster.engines[1].kill();
    // A minority is missed by nobody: h2 is drained.
    cluster.expect(0, "diff shop");
    cluster.engines[2].kill();
    let run = cluster.expect(6, "diff shop");
    cluster.expect(6, "deploy --yes shop");
    assert!(run.stderr.contains("stackctl::cluster::records_unknown"), "{}", run.show());
    let shown = cluster.run("node ls");
    assert!(shown.stderr.contains("nodes are shown as in the inventory"), "{}", shown.show());
    cluster.expect(6, "node update --label-add a=b h1");
    cluster.engines[1].revive();
    cluster.engines[2].revive();
    cluster.expect(0, "diff shop");
}

#[test]
fn what_was_left_half_written_stops_a_look_and_is_settled_by_a_deploy() {
    let cluster = three();
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "node update --availability pause h2");
    // A writer that was cut off when one of three managers had it.
    cluster.engines[0].with(|world| {
        let nodes = |name: &&String| name.contains(".nodes.") && name.ends_with("-2.0");
        let first = world.volumes.keys().find(nodes).cloned().expect("the record");
        let mut body = world.volumes[&first].asked.clone();
        body["Labels"]["io.stackctl.ledger.seq"] = "3".into();
        world.add_volume(&first.replace("-2.0", "-3.0"), &body);
    });
    let run = cluster.expect(1, "diff shop");
    assert!(run.stderr.contains("nodes/cluster number 3 is incomplete"), "{}", run.show());
    cluster.stackfile(&WEB.replace("1.25", "1.26"));
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "diff shop");
    let shown = cluster.expect(0, "node ls --format {{.Name}}:{{.Availability}}").stdout;
    assert_eq!(shown, "h1:Active\nh2:Pause\nh3:Active\n");
}

#[test]
fn what_is_remembered_goes_with_the_managers() {
    let cluster = three();
    let managers = |which: [bool; 3]| {
        let mut text = "cluster: test\nhosts:\n".to_owned();
        for (engine, manager) in cluster.engines.iter().zip(which) {
            let role = if manager { "manager" } else { "worker" };
            text += &format!("  {}: {{address: \"{}\", role: {role}}}\n", engine.name(), engine.address());
        }
        cluster.room.file("stackctl.yml", &text);
    };
    managers([true, false, false]);
    cluster.expect(0, "node update --availability drain --yes h3");
    for (n, which) in [[true, true, false], [false, true, false]].into_iter().enumerate() {
        managers(which);
        cluster.stackfile(&WEB.replace("1.25", &format!("1.3{n}")));
        cluster.expect(0, "deploy --yes shop");
        assert_eq!(running(&cluster, 2), 0, "{which:?}");
    }
}

#[test]
fn stacks_that_cannot_be_told_are_named_and_the_others_moved() {
    let cluster = three();
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "deploy --yes blog");
    for engine in &cluster.engines {
        engine.with(|world| world.volumes.retain(|name, _| !name.contains(".releases.blog")));
    }
    let run = cluster.expect(1, "node update --availability drain --yes h1");
    assert!(run.stderr.contains("stack `blog` is left as it is: no release"), "{}", run.show());
    let left: Vec<String> = cluster.engines[0].with(|world| world.running());
    assert!(!left.is_empty() && left.iter().all(|name| name.starts_with("blog_")), "{left:?}");
    assert_eq!(cluster.expect(1, "rebalance --dry-run").status, 1);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cluster = three();
    cluster.forget_calls();
    for (status, words) in [
        (64, "node update h1"),
        (64, "node update --availability sleep h1"),
        (64, "node update --force --availability pause h1"),
        (64, "node update --label-add =b h1"),
        (64, "node update --label-add a --label-rm a h1"),
        (1, "node update --availability pause h9"),
        (1, "node promote h9"),
        (1, "node ps h9"),
    ] {
        cluster.expect(status, words);
    }
    assert_eq!(cluster.writes(), [""; 0]);
    assert!(cluster.engines.iter().all(|engine: &FakeEngine| engine.with(|world| world.volumes.is_empty())));
}

#[test]
fn the_inventory_may_name_the_strategy() {
    let cluster = three();
    let text = std::fs::read_to_string(cluster.path().join("stackctl.yml")).expect("the inventory");
    cluster.room.file("stackctl.yml", &format!("placement: {{strategy: binpack}}\n{text}"));
    cluster.expect(0, "deploy --yes shop");
    assert_eq!([0, 1, 2].map(|at| running(&cluster, at)), [3, 0, 0]);
    let explained = cluster.expect(0, "explain -c compose.yaml shop web").stdout;
    assert!(explained.contains("strategy binpack"), "{explained}");
}
