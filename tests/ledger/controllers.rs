//! Three loops on an etcd of three members, and what becomes of the lead when the leader is killed, cut off
//! or sent away, and when etcd loses its own leader: somebody follows in time, and never do two act.
//!
//! `STACKCTL_TEST_TAKEOVERS` is how often each is done.

use std::time::Duration;

use crate::controller::{Loop, number, until};
use crate::hosts::Hosts;
use crate::server::{Server, is_there};

const WEB: &str =
    "services: {web: {image: 'nginx:1.25', deploy: {replicas: 3, update_config: {monitor: 50ms}}}}\n";
/// What issue and README promise.
const BOUND: Duration = Duration::from_secs(15);

#[test]
fn of_three_loops_one_leads_whatever_is_done_to_them() {
    if !is_there() {
        return;
    }
    let rounds = number("STACKCTL_TEST_TAKEOVERS", 1);
    let server = Server::start();
    let hosts = Hosts::new(2);
    hosts.stackfile(WEB);
    let text = std::fs::read_to_string(hosts.path().join("stackctl.yml")).expect("an inventory");
    hosts.room.file("stackctl.yml", &format!("ledger: {}\n{text}", server.place("prod")));
    hosts.expect(0, "deploy --yes shop");
    let mut loops: Vec<Loop> = ["ann", "ben", "cleo"].map(|name| Loop::start(&hosts, name, &[])).into();
    let leading = |loops: &[Loop]| -> Vec<String> {
        loops.iter().filter(|one| one.is_leading()).map(|one| one.name.clone()).collect()
    };
    until("somebody leads", Duration::from_secs(20), || leading(&loops).len() == 1);
    let mut table = Vec::new();
    for round in 0..rounds {
        for fault in ["killed", "cut off", "sent away", "etcd's leader killed", "etcd's leader cut off"] {
            let at = loops.iter().position(Loop::is_leading).expect("somebody leads");
            // What it did under its lead may be logged after the next fault else.
            until("no heal is under way", Duration::from_secs(60), || loops[at].is_at_rest());
            // What is under the new lead is to be seen.
            hosts.engines[1].with(|world| world.containers.clear());
            let others =
                |loops: &[Loop]| loops.iter().enumerate().any(|(n, one)| n != at && one.is_leading());
            let took = match fault {
                "killed" => {
                    loops[at].signal("-KILL");
                    let took = until(fault, BOUND, || others(&loops));
                    let name = format!("{}-{round}", loops[at].name);
                    loops[at] = Loop::start(&hosts, &name, &[]);
                    took
                }
                "cut off" => {
                    loops[at].signal("-STOP");
                    let took = until(fault, BOUND, || others(&loops));
                    let before = loops[at].types().len();
                    loops[at].signal("-CONT");
                    until("it learns of it", BOUND, || !loops[at].is_leading());
                    let since = loops[at].types().split_off(before);
                    let lost = since.iter().position(|word| word == "lead_lost").expect("it says so");
                    assert!(
                        !since[..lost].iter().any(|word| word == "acted"),
                        "it acted without the lead: {since:?}"
                    );
                    took
                }
                "sent away" => {
                    loops[at].signal("-INT");
                    let took = until(fault, BOUND, || others(&loops));
                    let name = format!("{}-{round}", loops[at].name);
                    loops[at] = Loop::start(&hosts, &name, &[]);
                    took
                }
                _ => {
                    let member = server.leader();
                    let is_cut = fault.ends_with("cut off");
                    if is_cut {
                        server.cut(member)
                    } else {
                        server.kill(member)
                    }
                    std::thread::sleep(Duration::from_secs(6));
                    let took = until(fault, BOUND, || leading(&loops).len() == 1);
                    if is_cut {
                        server.join(member)
                    } else {
                        server.start_again(member)
                    }
                    took
                }
            };
            assert_eq!(leading(&loops).len(), 1, "{fault}");
            table.push((fault, took));
            // A stack that the dead leader was at work on is free once its own lease is over.
            until("the stack is whole", Duration::from_secs(60), || hosts.running().len() == 3);
        }
    }
    let mut names = hosts.running();
    names.dedup();
    assert_eq!(names.len(), 3, "{names:?}");
    for (fault, took) in table {
        eprintln!("{fault}: somebody leads again after {:.1} s", took.as_secs_f64());
    }
}
