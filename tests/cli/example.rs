//! The example program deploys through the library what stackctl sees as deployed.

use std::path::Path;

use crate::hosts::Hosts;

const SHOP: &str = "services:\n  web:\n    image: web:1\n    deploy: { replicas: 2 }\n";

/// Where cargo puts examples, beside the tests that it builds with them.
fn example(name: &str) -> std::path::PathBuf {
    let tests = std::env::current_exe().expect("this test is a file");
    let profile = tests.parent().and_then(Path::parent).expect("target/PROFILE/deps");
    profile.join("examples").join(name)
}

#[test]
fn a_program_deploys_through_the_library_and_stackctl_finds_nothing_to_change() {
    let mut hosts = Hosts::new(2);
    hosts.stackfile(SHOP);
    let (own, program) = (Path::new(env!("CARGO_BIN_EXE_stackctl")), example("deploy"));
    assert!(program.is_file(), "`cargo test` and `cargo build --example deploy` make {}", program.display());

    hosts.room.binary(&program);
    let first = hosts.expect(0, "stackctl.yml compose.yaml shop");
    assert!(first.stdout.starts_with("plan: "), "{}", first.show());
    assert!(first.stdout.contains("release 1 of shop\n"), "{}", first.show());
    assert!(first.stdout.ends_with("shop is deployed\n"), "{}", first.show());
    assert_eq!(hosts.running().len(), 2);

    hosts.forget_calls();
    let second = hosts.expect(0, "stackctl.yml compose.yaml shop");
    assert_eq!(second.stdout, "plan: 0 actions\nshop is deployed\n", "{}", second.show());
    assert_eq!(hosts.writes(), Vec::<String>::new());

    hosts.room.binary(own);
    hosts.expect(0, "diff -c compose.yaml shop");
}
