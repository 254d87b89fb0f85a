//! The first stackctl beside this one, on the same hosts: it knows no formats, finds a record that it cannot read, and
//! changes nothing. `STACKCTL_TEST_FIRST` names a binary of version 0.1.0; without one this is skipped.

use std::path::PathBuf;

use crate::hosts::Hosts;
use crate::shop;

fn first() -> Option<PathBuf> {
    let path = std::env::var_os("STACKCTL_TEST_FIRST").map(PathBuf::from);
    if path.is_none() {
        eprintln!(
            "SKIPPED: a program that knows no formats. STACKCTL_TEST_FIRST names a binary of version 0.1.0."
        );
    }
    path
}

/// Everything on the hosts, as text.
fn all_of(hosts: &Hosts) -> Vec<String> {
    hosts.engines.iter().map(|engine| format!("{:#}", engine.with(|world| shop::written(world)))).collect()
}

#[test]
fn the_first_program_stops_before_it_changes_anything() {
    let Some(first) = first() else { return };
    let mut hosts = shop::lived_in();
    let before = all_of(&hosts);
    hosts.room.binary(&first);
    hosts.forget_calls();
    for args in [
        "deploy --yes shop",
        "deploy --yes --prune shop",
        "rm --yes shop",
        "scale shop/web=5",
        "restart shop/web",
        "rollback --yes shop",
        "suspend shop",
        "node update --availability drain h2",
    ] {
        let run = hosts.room.run(args);
        assert_ne!(run.status, 0, "{args}\n{}", run.show());
        let says = format!("{}{}", run.stdout, run.stderr);
        assert!(
            says.contains("stackctl::ledger::unreadable") || says.contains("missing field `data`"),
            "{args}\n{says}"
        );
    }
    // It waits for a ledger that it can read.
    hosts.room.interrupt("reconcile --once", 3_000);
    assert_eq!(hosts.writes(), Vec::<String>::new());
    assert_eq!(all_of(&hosts), before);
}

#[test]
fn what_the_first_program_deployed_is_taken_over() {
    let Some(first) = first() else { return };
    let mut hosts = shop::empty();
    let this = PathBuf::from(env!("CARGO_BIN_EXE_stackctl"));
    hosts.room.binary(&first);
    shop::live_in(&hosts);
    hosts.room.binary(&this);
    let run = hosts.expect(0, "diff shop");
    assert!(run.stdout.contains("No changes"), "{}", run.show());
    hosts.expect(0, "history shop");
    hosts.stackfile(&shop::STACKFILE.replace("LEVEL: info", "LEVEL: trace"));
    hosts.expect(0, "deploy --yes shop");
    hosts.room.binary(&first);
    hosts.forget_calls();
    hosts.stackfile(&shop::STACKFILE.replace("LEVEL: info", "LEVEL: error"));
    assert_ne!(hosts.room.run("deploy --yes shop").status, 0);
    assert_eq!(hosts.writes(), Vec::<String>::new());
}
