//! What becomes of an address of ZooKeeper: a build with the feature asks there, and one without it refuses at
//! every way in, with the same words.
//!
//! The build at hand is tried for what it is. `tests/all` builds it with the feature; what a build without it opens is
//! tried in `src/ledger/zookeeper/absent.rs` there.

use crate::run::{Room, Run};

/// Nothing listens there: a build with the feature is refused by the port, and that at once.
const ADDRESS: &str = "zookeeper://127.0.0.1:1/prod";
const HOSTS: &str = "cluster: test\nhosts: {h1: {address: \"unix:///nowhere.sock\", role: manager}}\n";

/// One run for each way in: an option, a variable, the inventory's ledger, a move from and to, a source.
fn ways_in(address: &str) -> Vec<(&'static str, Run)> {
    let with = |more: &str| {
        let room = Room::new();
        room.file("stackctl.yml", &format!("{HOSTS}{more}"));
        room
    };
    let of = |more: &str, command: &str| with(more).run(command);
    let of_variable = || {
        let mut room = with("");
        room.env("STACKCTL_LEDGER", address);
        room.run("history web")
    };
    // A client tries again for some seconds: all at once.
    std::thread::scope(|scope| {
        let all: [(&str, std::thread::ScopedJoinHandle<'_, Run>); 6] = [
            ("option", scope.spawn(|| of("", &format!("history web --ledger {address}")))),
            ("variable", scope.spawn(of_variable)),
            ("inventory", scope.spawn(|| of(&format!("ledger: {address}\n"), "history web"))),
            ("from", scope.spawn(|| of("", &format!("ledger migrate {address} file:///nowhere")))),
            ("to", scope.spawn(|| of("", &format!("ledger migrate volumes {address}")))),
            ("source", scope.spawn(|| of(&format!("discover: [{{zookeeper: \"{address}\"}}]\n"), "node ls"))),
        ];
        all.map(|(way, run)| (way, run.join().expect("it runs"))).into()
    })
}

#[cfg(not(feature = "zookeeper"))]
#[test]
fn a_build_without_the_feature_refuses_every_way_in_alike() {
    for (way, run) in ways_in(ADDRESS) {
        let said = run.stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        for wanted in [
            "stackctl::ledger::no_zookeeper",
            "`zookeeper://127.0.0.1:1/prod` cannot be asked: this stackctl was built without ZooKeeper",
            "cargo build --release --features zookeeper",
        ] {
            assert!(said.contains(wanted), "{way}: no {wanted:?} in {}", run.stderr);
        }
        assert_eq!((run.status, run.stdout.as_str()), (1, ""), "{way}: {}", run.stderr);
    }
}

#[cfg(feature = "zookeeper")]
#[test]
fn a_build_with_the_feature_asks_there() {
    for (way, run) in ways_in(ADDRESS) {
        // Hosts that are named are listed all the same, with a warning that there may be others.
        let is_said = run.stderr.contains("the list of hosts may be incomplete");
        assert!(run.status != 0 || is_said, "{way}: nothing listens there: {}", run.stderr);
        assert!(!run.stderr.contains("no_zookeeper"), "{way}: {}", run.stderr);
    }
}

/// The password has to be changed, whichever build reads it.
#[test]
fn a_password_in_the_address_is_refused_first() {
    for (way, run) in ways_in("zookeeper://ann:hush@127.0.0.1:1/prod") {
        assert_eq!(run.status, 1, "{way}: {}", run.stderr);
        assert!(run.stderr.contains("password"), "{way}: {}", run.stderr);
        assert!(
            !run.stderr.contains("hush") && !run.stderr.contains("no_zookeeper"),
            "{way}: {}",
            run.stderr
        );
    }
}
