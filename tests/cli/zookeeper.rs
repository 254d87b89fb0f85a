//! What becomes of an address of ZooKeeper: a build with the feature asks there, and one without it refuses at
//! every way in, with the same words.
//!
//! The tests are built with the feature by `tests/all`, which names a build without it in
//! `STACKCTL_TEST_QUICK`. Where that is not set, the build at hand is tried for what it is.

use std::path::PathBuf;

use crate::run::{Room, Run};

/// Nothing listens there: a build with the feature is refused by the port, and that at once.
const ADDRESS: &str = "zookeeper://127.0.0.1:1/prod";
const HOSTS: &str = "cluster: test\nhosts: {h1: {address: \"unix:///nowhere.sock\", role: manager}}\n";

/// A build without the feature, where there is one.
fn without() -> Option<PathBuf> {
    let own = PathBuf::from(env!("CARGO_BIN_EXE_stackctl"));
    let named = std::env::var_os("STACKCTL_TEST_QUICK").map(PathBuf::from);
    named.or_else(|| (!cfg!(feature = "zookeeper")).then_some(own))
}

/// One run for each way in: an option, a variable, the inventory's ledger, a move from and to, a source.
fn ways_in(binary: Option<&PathBuf>, address: &str) -> Vec<(&'static str, Run)> {
    let with = |more: &str| {
        let mut room = Room::new();
        if let Some(path) = binary {
            room.binary(path);
        }
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

#[test]
fn a_build_without_the_feature_refuses_every_way_in_alike() {
    let Some(binary) = without() else {
        eprintln!("skipped: this build has the feature, and STACKCTL_TEST_QUICK names no other");
        return;
    };
    for (way, run) in ways_in(Some(&binary), ADDRESS) {
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
    for (way, run) in ways_in(None, ADDRESS) {
        // Hosts that are named are listed all the same, with a warning that there may be others.
        let is_said = run.stderr.contains("the list of hosts may be incomplete");
        assert!(run.status != 0 || is_said, "{way}: nothing listens there: {}", run.stderr);
        assert!(!run.stderr.contains("no_zookeeper"), "{way}: {}", run.stderr);
    }
}

/// The password has to be changed, whichever build reads it.
#[test]
fn a_password_in_the_address_is_refused_first() {
    let address = "zookeeper://ann:hush@127.0.0.1:1/prod";
    let own = ways_in(None, address);
    let other = without().map(|binary| ways_in(Some(&binary), address));
    for (way, run) in own.into_iter().chain(other.into_iter().flatten()) {
        assert_eq!(run.status, 1, "{way}: {}", run.stderr);
        assert!(run.stderr.contains("password"), "{way}: {}", run.stderr);
        assert!(
            !run.stderr.contains("hush") && !run.stderr.contains("no_zookeeper"),
            "{way}: {}",
            run.stderr
        );
    }
}
