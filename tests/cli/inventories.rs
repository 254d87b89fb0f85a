//! Which hosts there are: `--cluster NAME`, and addresses that are contexts of docker's client.

use crate::hosts::Hosts;
use crate::run::Run;

/// What docker calls the folder of context `lab`.
const LAB: &str = "a51146d38077ff992eba84cf1d5e9b249073503eb74868699016153b031a38f7";

/// A room with `./stackctl.yml` of cluster `test`, and two inventories in the user's configuration.
fn with_clusters() -> Hosts {
    let hosts = Hosts::new(1);
    let address = hosts.engines[0].address();
    for (file, cluster, node) in [("lab", "lab", "l1"), ("p", "prod", "p1")] {
        let text = format!("cluster: {cluster}\nhosts:\n  {node}: {{address: '{address}', role: manager}}\n");
        hosts.file(&format!(".config/stackctl/{file}.yml"), &text);
    }
    hosts
}

/// Nodes, as `node ls` names them.
fn nodes(run: &Run) -> Vec<&str> {
    run.stdout.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect()
}

#[test]
fn a_cluster_is_picked_by_its_name() {
    let mut hosts = with_clusters();
    let here = hosts.expect(0, "node ls");
    for args in ["--cluster lab node ls", "node ls --cluster=lab"] {
        let run = hosts.expect(0, args);
        assert_eq!(nodes(&run), ["l1"], "{}", run.show());
    }
    assert_eq!(nodes(&here), ["h1"]);
    // A flag wins over a variable, whichever of the two it is.
    hosts.room.env("STACKCTL_INVENTORY", "stackctl.yml");
    assert_eq!(nodes(&hosts.expect(0, "--cluster prod node ls")), ["p1"]);
    hosts.room.env("STACKCTL_INVENTORY", ".config/stackctl/p.yml").env("STACKCTL_CLUSTER", "lab");
    assert_eq!(nodes(&hosts.expect(0, "node ls -i stackctl.yml")), ["h1"]);
    let both = hosts.expect(64, "node ls");
    assert!(both.stderr.contains("stackctl::cli::two_inventories"), "{}", both.show());
    assert_eq!(hosts.expect(0, "completions bash").stderr, "", "what asks no host is not refused");
}

#[test]
fn a_cluster_that_cannot_be_picked_is_told_with_those_that_can() {
    let hosts = with_clusters();
    let there = "there are: `lab` (lab.yml), `prod` (p.yml)";
    let told = |run: &Run| run.stderr.split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
    let unknown = hosts.expect(1, "--cluster stage node ls");
    assert!(told(&unknown).contains(there) && told(&unknown).contains("`stage`"), "{}", unknown.show());
    assert!(unknown.stderr.contains("stackctl::inventory::unknown_cluster"), "{}", unknown.show());
    // What a script's forgotten variable makes of `--cluster "$NAME"`.
    let empty = hosts.expect(1, "--cluster= node ls");
    assert!(empty.stderr.contains("stackctl::inventory::unknown_cluster"), "{}", empty.show());
    for args in
        ["--cluster lab -i stackctl.yml node ls", "exec --cluster lab --inventory stackctl.yml shop_web ls"]
    {
        let both = hosts.expect(64, args);
        assert!(told(&both).contains(there), "{}", both.show());
    }
    hosts.file(".config/stackctl/lab2.yml", "cluster: lab\n");
    let double = hosts.expect(1, "--cluster lab node ls");
    assert!(double.stderr.contains("stackctl::inventory::ambiguous_cluster"), "{}", double.show());
    assert!(told(&double).contains("`lab` (lab.yml), `lab` (lab2.yml), `prod` (p.yml)"), "{}", double.show());
    assert!(hosts.writes().is_empty());
}

#[test]
fn an_address_may_be_a_context_of_dockers_client() {
    let mut hosts = Hosts::new(1);
    let meta = format!(
        "{{\"Name\":\"lab\",\"Metadata\":{{}},\"Endpoints\":{{\"docker\":{{\"Host\":\"{}\",\"SkipTLSVerify\":false}}}}}}",
        hosts.engines[0].address()
    );
    hosts.file(
        "stackctl.yml",
        "cluster: test\nhosts:\n  h1:\n    address: context://lab\n    role: manager\n",
    );
    let missing = hosts.expect(1, "node ls");
    assert!(missing.stderr.contains("stackctl::inventory::bad_context"), "{}", missing.show());
    assert!(missing.stderr.contains("stackctl.yml:4:14"), "{}", missing.show());
    hosts.file(&format!(".docker/contexts/meta/{LAB}/meta.json"), &meta);
    hosts.stackfile("services: {web: {image: a}}\n");
    hosts.expect(0, "deploy --yes shop");
    assert_eq!(hosts.running().len(), 1);
    // The variable of docker's client counts, and what is in a context is not shown.
    let remote = "{\"Endpoints\":{\"docker\":{\"Host\":\"tcp://me:Hunter2@10.0.0.1:2376\"}}}";
    let docker = hosts.path().join("docker").display().to_string();
    hosts.file(&format!("docker/contexts/meta/{LAB}/meta.json"), remote);
    hosts.room.env("DOCKER_CONFIG", &docker);
    let remote = hosts.expect(1, "node ls");
    assert!(remote.stderr.contains("not support certificates yet"), "{}", remote.show());
    assert!(!format!("{}{}", remote.stdout, remote.stderr).contains("Hunter2"), "{}", remote.show());
}

#[test]
fn no_message_about_an_address_shows_its_password() {
    let mut hosts = with_clusters();
    for (file, text) in [
        ("user.yml", "hosts: {h1: 'ssh://ann:hush@h1'}\n"),
        ("tcp.yml", "hosts: {h1: 'tcp://ann:hush@h1:2375?hush'}\n"),
        ("ledger.yml", "hosts: {h1: h1}\nledger: 'etcds://ann:hush@h1/a?hush'\n"),
        ("option.yml", "hosts: {h1: h1}\nledger: 'etcd://h1/a?hush'\n"),
        ("key.yml", "hosts: {h1: h1}\n? {x: hush}\n: hush\n"),
    ] {
        hosts.file(file, text);
    }
    let words = |of: &Run| of.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for (status, args, says) in [
        (1, "-i user.yml node ls", "an ssh address has no password"),
        (1, "-i tcp.yml node ls", "`tcp://` is not a way to reach a host"),
        (1, "-i ledger.yml node ls", "`etcds://h1/a` is no place for a ledger"),
        (1, "-i option.yml node ls", "an option has no value"),
        (1, "-i key.yml node ls", "a key must be text"),
        (64, "--ledger etcds://ann:hush@h1 node ls", "invalid value 'etcds://h1'"),
        (64, "hook install https://ann:hush@h1/a.git", "`https://h1/a.git` is no place for a hook"),
    ] {
        let run = hosts.expect(status, args);
        assert!(words(&run).contains(says) && !run.stderr.contains("hush"), "{args}\n{}", run.show());
    }
    std::fs::remove_file(hosts.room.path().join("stackctl.yml")).unwrap();
    hosts.room.env("DOCKER_HOST", "tcp://ann:hush@h1:2375");
    let run = hosts.expect(1, "node ls");
    assert!(words(&run).contains("DOCKER_HOST is `tcp://h1:2375`"), "{}", run.show());
    assert!(!run.stderr.contains("hush"), "{}", run.show());
}
