//! How many calls to engines usual work takes: more of them is slower, and the number must not grow unnoticed.
//!
//! Heartbeats and polls depend on how long a run takes, so runs here have nothing to wait for, and what is left of them
//! is not counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::hosts::Hosts;

const STACKFILE: &str = "services:
  web:
    image: 'web:1'
    environment: {LEVEL: '1'}
    deploy: {replicas: 4, update_config: {parallelism: 0, monitor: 0s}}
  db:
    image: 'db:1'
    volumes: ['data:/data']
    deploy: {update_config: {monitor: 0s}}
volumes: {data: {}}
";

/// Calls to all engines by kind. Polls for the state of tasks (containers by label) and their streams are left out.
fn counted(hosts: &Hosts) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in hosts.engines.iter().flat_map(|engine| engine.calls()) {
        let is_poll = call.target.starts_with("/containers/json") && call.target.contains("filters");
        if !is_poll && !call.target.starts_with("/events") {
            *counts.entry(call.call).or_default() += 1;
        }
    }
    counts
}

#[test]
fn usual_work_takes_as_many_calls_as_ever() {
    let hosts = Hosts::new(3);
    hosts.stackfile(STACKFILE);
    let mut text = String::new();
    let mut run = |what: &str, args: &str| {
        hosts.forget_calls();
        hosts.room.run(args);
        let counts = counted(&hosts);
        let _ = writeln!(text, "{what}: {}", counts.values().sum::<usize>());
        for (call, count) in counts {
            let _ = writeln!(text, "  {count:>3} {call}");
        }
    };
    run("first deploy", "deploy --yes shop");
    run("no change", "deploy --yes shop");
    run("diff", "diff shop");
    run("status", "status shop");
    hosts.stackfile(&STACKFILE.replace("'1'}", "'2'}"));
    run("update of one service", "deploy --yes shop");
    run("scale", "scale --yes shop/web=2");
    run("rollback", "rollback --yes shop");
    run("removal", "rm --yes shop");
    insta::assert_snapshot!("calls", text);
}
