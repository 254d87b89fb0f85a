//! The real binary: a deploy, and all records to those who keep them, elsewhere in it and back.

use crate::hosts::Hosts;
use crate::keeper::Keeper;

pub const WEB: &str =
    "services: {web: {image: 'nginx:1.25', deploy: {replicas: 2, update_config: {monitor: 50ms}}}}\n";

/// From the managers' volumes, or from files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum From {
    Volumes,
    Files,
}

pub fn go_there_and_back(keeper: &impl Keeper, from: From) {
    let mut cluster = Hosts::new(2);
    cluster.room.env("USER", "ann");
    cluster.stackfile(WEB);
    let files = |name: &str| format!("file://{}", cluster.room.path().join(name).display());
    let here = if from == From::Volumes { "volumes".to_owned() } else { files("files") };
    cluster.expect(0, &format!("--ledger {here} deploy --yes shop"));
    cluster.expect(0, &format!("--ledger {here} suspend -m repairs shop"));
    let there = keeper.place("prod");
    cluster.expect(0, &format!("ledger migrate {here} {there}"));
    let history = || {
        cluster
            .expect(0, &format!("--ledger {there} history --format {{{{.Release}}}}:{{{{.Outcome}}}} shop"))
            .stdout
    };
    assert_eq!(history(), "1:deployed\n");
    cluster.expect(0, &format!("--ledger {there} resume shop"));
    cluster.expect(0, &format!("--ledger {there} scale --yes shop_web=1"));
    assert_eq!(history(), "2:deployed\n1:deployed\n");
    cluster.expect(0, &format!("--ledger {there} reconcile --once"));
    cluster.expect(0, &format!("--ledger {there} ledger backup records.jsonl"));
    let again = keeper.place("again");
    cluster.expect(0, &format!("--ledger {again} ledger restore records.jsonl"));
    let back = files("back");
    cluster.expect(0, &format!("ledger migrate {again} {back}"));
    let told = cluster.expect(0, &format!("--ledger {back} history --format {{{{.Release}}}} shop"));
    assert_eq!(told.stdout, "2\n1\n");
}
