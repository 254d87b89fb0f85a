//! What was done is taken back, on fake engines: what was declared before is declared again, and what
//! cannot be undone says why.

use crate::hosts::Hosts;

const SHOP: &str = "\
services:
  web:
    image: nginx:1.25
    deploy: {replicas: 2, update_config: {parallelism: 0, monitor: 50ms}}
  db:
    image: postgres:16
    deploy: {replicas: 1, update_config: {parallelism: 0, monitor: 50ms}}
";

fn shop() -> Hosts {
    Hosts::deployed(SHOP)
}

fn minute(cluster: &mut Hosts, minute: u32) {
    cluster.room.env("STACKCTL_NOW", &format!("2026-01-31T12:{minute:02}:00Z"));
}

fn services(cluster: &Hosts) -> Vec<String> {
    let all = cluster.expect(0, "service ls --format {{.Name}}={{.Image}}={{.Replicas}}").stdout;
    all.lines().map(str::to_owned).collect()
}

const FIRST: [&str; 2] = ["shop_db=postgres:16=1/1", "shop_web=nginx:1.25=2/2"];
const THIRD: [&str; 2] = ["shop_db=postgres:16=1/1", "shop_web=nginx:1.26=2/2"];

#[test]
fn a_release_is_undone_and_the_undo_is_undone() {
    let mut cluster = shop();
    minute(&mut cluster, 1);
    cluster.expect(0, "service update --yes --image nginx:1.26 shop_web");
    assert_eq!(services(&cluster), THIRD);
    cluster.forget_calls();
    let plan = cluster.expect(0, "undo --dry-run");
    assert!(plan.stdout.contains("-> nginx:1.25@sha256:"), "{}", plan.show());
    assert_eq!(cluster.writes(), [""; 0]);
    let asked = cluster.expect(1, "undo");
    assert!(
        asked.stderr.contains("stackctl::cli::"),
        "without a terminal nobody can be asked: {}",
        asked.show()
    );
    minute(&mut cluster, 2);
    cluster.expect(0, "undo --yes -m too-new");
    assert_eq!(services(&cluster), FIRST);
    minute(&mut cluster, 3);
    cluster.expect(0, "undo --yes shop");
    assert_eq!(services(&cluster), THIRD, "undo of undo is redo");
    let history = cluster.expect(0, "history --format {{.What}}:{{.Outcome}} shop").stdout;
    assert_eq!(
        history,
        "undo shop@3:deployed\nundo shop@2:deployed\nservice update --image nginx:1.26 web:deployed\ndeploy:deployed\n"
    );
    // Nothing drifts from it.
    minute(&mut cluster, 4);
    cluster.expect(0, "reconcile --once");
    assert_eq!(services(&cluster), THIRD);
}

#[test]
fn what_came_later_stays_unless_it_touched_the_same() {
    let mut cluster = shop();
    minute(&mut cluster, 1);
    cluster.expect(0, "scale --yes shop_web=3");
    minute(&mut cluster, 2);
    cluster.expect(0, "service update --yes --image postgres:17 shop_db");
    minute(&mut cluster, 3);
    cluster.expect(0, "undo --yes shop@2");
    assert_eq!(services(&cluster), ["shop_db=postgres:17=1/1", "shop_web=nginx:1.25=2/2"]);
    minute(&mut cluster, 4);
    let run = cluster.expect(1, "undo --yes shop@2");
    assert!(run.stderr.contains("stackctl::undo::overtaken"), "{}", run.show());
    assert!(run.stderr.contains("`shop@4` (undo shop@2) changed web since"), "{}", run.show());
    assert!(run.stderr.contains("stackctl undo shop@4"), "{}", run.show());
}

#[test]
fn a_removed_stack_comes_back_and_a_first_deploy_goes_only_as_rm_does() {
    let mut cluster = shop();
    minute(&mut cluster, 1);
    let plan = cluster.expect(0, "undo --dry-run shop");
    assert!(plan.stdout.contains("Plan: 3 to remove on 3 nodes"), "{}", plan.show());
    cluster.expect(0, "rm --yes shop");
    minute(&mut cluster, 2);
    cluster.expect(0, "undo --yes");
    assert_eq!(services(&cluster), FIRST);
    minute(&mut cluster, 3);
    cluster.expect(0, "rm --yes shop");
    cluster.expect(0, "deploy --yes shop");
    minute(&mut cluster, 4);
    cluster.expect(0, "undo --yes shop");
    assert_eq!(cluster.running(), [""; 0]);
    assert_eq!(
        cluster.expect(0, "history --format {{.What}}:{{.Outcome}} shop").stdout.lines().next(),
        Some("undo shop@5:removed")
    );
    cluster.expect(0, "reconcile --once");
    assert_eq!(cluster.running(), [""; 0], "the loop leaves it gone");
}

#[test]
fn a_drain_a_label_and_a_suspension_are_taken_back() {
    let mut cluster = shop();
    minute(&mut cluster, 1);
    cluster.expect(0, "node update --yes --availability drain h1");
    minute(&mut cluster, 2);
    cluster.expect(0, "node update --label-add zone=b h1");
    minute(&mut cluster, 3);
    cluster.expect(0, "suspend -m repairs shop");
    let availability = |cluster: &Hosts| {
        cluster
            .expect(0, "node ls --format {{.Hostname}}={{.Availability}}")
            .stdout
            .lines()
            .next()
            .map(str::to_owned)
    };
    assert_eq!(availability(&cluster).as_deref(), Some("h1=Drain"));
    minute(&mut cluster, 4);
    // The label came later, and is another matter.
    let run = cluster.expect(0, "undo --yes @1");
    assert!(run.stderr.contains("stackctl rebalance"), "{}", run.show());
    assert_eq!(availability(&cluster).as_deref(), Some("h1=Active"));
    let zone = cluster.run_with(&["node", "inspect", "--format", "{{json .Spec.Labels}}", "h1"], "").stdout;
    assert!(zone.contains("\"zone\":\"b\""), "{zone}");
    let again = cluster.expect(1, "undo --yes @1");
    assert!(
        again.stderr.contains("stackctl::undo::overtaken") && again.stderr.contains("undo @1"),
        "{}",
        again.show()
    );
    minute(&mut cluster, 5);
    let run = cluster.expect(0, "undo --yes @5");
    assert!(run.stderr.contains("Stack shop is managed by the loop again."), "{}", run.show());
    minute(&mut cluster, 6);
    cluster.expect(0, "undo --yes");
    let loop_run = cluster.expect(0, "reconcile --once");
    assert!(loop_run.stdout.contains("(repairs)"), "{}", loop_run.show());
    // A drain that is brought back moves tasks, as a drain does.
    minute(&mut cluster, 7);
    let undo = cluster.expect(0, "log --format {{.ID}}={{.What}} -n 20").stdout;
    let id = undo.lines().find_map(|line| line.strip_suffix("=undo @1")).expect("the undo").to_owned();
    cluster.expect(0, &format!("undo --yes {id}"));
    assert_eq!(availability(&cluster).as_deref(), Some("h1=Drain"));
    assert_eq!(cluster.engines[0].with(|world| world.running().len()), 0);
}

#[test]
fn of_a_drain_and_of_the_moves_it_made_it_is_the_drain_that_is_undone() {
    let mut cluster = shop();
    minute(&mut cluster, 1);
    cluster.expect(0, "node update --yes --availability drain h1");
    assert!(cluster.expect(0, "log -n 1").stdout.contains("drain h1"));
    minute(&mut cluster, 2);
    cluster.expect(0, "undo --yes");
    assert!(
        cluster.expect(0, "node ls --format {{.Hostname}}={{.Availability}}").stdout.contains("h1=Active")
    );
}

#[test]
fn what_cannot_be_undone_says_why() {
    let mut cluster = shop();
    let nothing = cluster.expect(1, "undo --yes blog");
    assert!(nothing.stderr.contains("stackctl::undo::nothing"), "{}", nothing.show());
    minute(&mut cluster, 1);
    cluster.expect(0, "restart --yes shop_web");
    let run = cluster.expect(1, "undo --yes");
    assert!(run.stderr.contains("stackctl::undo::cannot"), "{}", run.show());
    assert!(run.stderr.contains("it changed nothing that was declared"), "{}", run.show());
    cluster.engines[0].with(|world| world.containers.clear());
    cluster.expect(0, "reconcile --once");
    let run = cluster.expect(1, "undo --yes shop~1");
    assert!(run.stderr.contains("stackctl suspend"), "{}", run.show());
    let unknown = cluster.expect(1, "undo --yes shop@9");
    assert!(unknown.stderr.contains("stackctl::history::no_operation"), "{}", unknown.show());
    cluster.expect(64, "undo a@b@c");
}
