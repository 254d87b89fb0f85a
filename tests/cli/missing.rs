//! Inventories that lack a host, name one wrongly, or differ from another operator's: nothing is made twice.

use crate::engine::Wrong;
use crate::hosts::Hosts;
use crate::run::Run;

const DATA: &str = "\
services:
  db:
    image: nginx:1.25
    volumes: ['data:/data']
    deploy: {placement: {constraints: [node.hostname != h1]}, update_config: {monitor: 50ms}}
volumes: {data: }
";
const WEB: &str =
    "services: {web: {image: 'nginx:1.25', deploy: {replicas: 3, update_config: {monitor: 50ms}}}}\n";

/// An inventory of some of the engines, by the names that they are given; the first is the manager.
fn inventory(cluster: &Hosts, file: &str, hosts: &[(&str, usize)]) {
    let mut text = "cluster: test\nhosts:\n".to_owned();
    for (at, (name, engine)) in hosts.iter().enumerate() {
        let role = if at == 0 { "manager" } else { "worker" };
        let address = cluster.engines[*engine].address();
        text += &format!("  {name}: {{address: \"{address}\", role: {role}}}\n");
    }
    cluster.room.file(file, &text);
}

fn running(cluster: &Hosts) -> Vec<usize> {
    cluster.engines.iter().map(|engine| engine.with(|world| world.running().len())).collect()
}

/// `db` runs on h2 of three.
fn with_data() -> Hosts {
    let cluster = Hosts::deployed(DATA);
    assert_eq!(running(&cluster), [0, 1, 0]);
    cluster
}

fn told(run: &Run) -> String {
    let text = format!("{}{}", run.stdout, run.stderr);
    text.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_host_that_the_inventory_lacks_is_silent_for_every_command_and_the_loop() {
    let cluster = with_data();
    inventory(&cluster, "stackctl.yml", &[("h1", 0), ("h3", 2)]);
    for args in ["deploy --yes shop", "rm --yes shop", "scale shop/db=2", "diff shop"] {
        let run = cluster.expect(6, args);
        assert!(told(&run).contains("stackctl::cluster::node_missing"), "{args}\n{}", run.show());
        assert!(told(&run).contains("stackctl node forget h2"), "{args}\n{}", run.show());
    }
    let run = cluster.run("reconcile --once");
    assert!(told(&run).contains("node `h2` has tasks or data of this stack"), "{}", run.show());
    let run = cluster.expect(6, "status");
    assert!(told(&run).contains("the inventory does not name it"), "{}", run.show());
    let run = cluster.expect(0, "node ls");
    assert!(run.stdout.contains("h2") && run.stdout.contains("Down"), "{}", run.show());
    assert_eq!(running(&cluster), [0, 1, 0]);
    // The file was wrong, and is right again.
    cluster.inventory(|_| String::new());
    let run = cluster.expect(0, "deploy --yes shop");
    assert!(run.stdout.contains("No changes"), "{}", run.show());
}

#[test]
fn a_stack_that_has_nothing_on_the_missing_host_goes_on_with_a_note() {
    let cluster = with_data();
    inventory(&cluster, "stackctl.yml", &[("h1", 0), ("h3", 2)]);
    cluster.stackfile(WEB);
    let run = cluster.expect(0, "deploy --yes web");
    assert!(
        told(&run).contains("node h2 is not in the inventory; nothing of this stack is there"),
        "{}",
        run.show()
    );
    assert_eq!(running(&cluster).iter().sum::<usize>(), 4);
    // What reads this stack alone needs the host as little; where another is asked for, or all are, it is needed.
    for args in ["status web", "ps web", "services web", "explain web web"] {
        let run = cluster.expect(0, args);
        assert!(told(&run).contains("node h2 is silent"), "{args}\n{}", run.show());
    }
    for args in ["status shop", "status web shop", "status", "services shop"] {
        cluster.expect(6, args);
    }
    // One that is named is needed by each stack: nothing shows what it has.
    inventory(&cluster, "stackctl.yml", &[("h1", 0), ("h2", 1), ("h3", 2)]);
    cluster.engines[1].fail("*", u32::MAX, Wrong::DropRequest);
    cluster.expect(6, "status web");
    cluster.engines[1].heal();
    inventory(&cluster, "stackctl.yml", &[("h1", 0), ("h3", 2)]);
    cluster.expect(0, "rm --yes web");
    assert_eq!(running(&cluster), [0, 1, 0]);
}

#[test]
fn a_missing_host_is_drained_or_forgotten() {
    let cluster = with_data();
    inventory(&cluster, "stackctl.yml", &[("h1", 0), ("h3", 2)]);
    cluster.expect(0, "node update --availability drain --yes h2");
    let run = cluster.expect(0, "deploy --yes shop");
    assert!(told(&run).contains("db.1 waits for drained node h2"), "{}", run.show());
    assert_eq!(running(&cluster), [0, 1, 0]);
    let there = cluster.expect(1, "node forget h3");
    assert!(told(&there).contains("stackctl::discovery::still_there"), "{}", there.show());
    let unknown = cluster.expect(1, "node forget h7");
    assert!(told(&unknown).contains("stackctl::discovery::not_known"), "{}", unknown.show());
    // What ran there is given up by a person's word.
    cluster.expect(0, "node forget h2");
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(running(&cluster), [0, 1, 1]);
    let ls = cluster.expect(0, "node ls");
    assert!(!ls.stdout.contains("h2"), "{}", ls.show());
}

#[test]
fn a_renamed_host_is_known_by_its_engine() {
    let cluster = with_data();
    inventory(&cluster, "stackctl.yml", &[("h1", 0), ("h9", 1), ("h3", 2)]);
    let run = cluster.expect(0, "deploy --yes shop");
    assert!(told(&run).contains("node h9 is the machine that was h2"), "{}", run.show());
    assert_eq!(running(&cluster), [0, 1, 0]);
    // What is written down next has the new name, and the old one means nothing then.
    cluster.stackfile(&DATA.replace("1.25", "1.26"));
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(running(&cluster), [0, 1, 0]);
    let run = cluster.expect(0, "diff shop");
    assert!(!told(&run).contains("h2"), "{}", run.show());
    inventory(&cluster, "stackctl.yml", &[("h1", 0), ("h3", 2)]);
    let run = cluster.expect(6, "deploy --yes shop");
    assert!(told(&run).contains("node `h9`"), "{}", run.show());
}

#[test]
fn a_name_that_leads_to_another_machine_is_not_that_host() {
    let cluster = with_data();
    inventory(&cluster, "stackctl.yml", &[("h1", 0), ("h2", 2)]);
    for args in ["deploy --yes shop", "rm --yes shop"] {
        let run = cluster.expect(1, args);
        assert!(told(&run).contains("stackctl::cluster::other_machine"), "{args}\n{}", run.show());
    }
    assert_eq!(running(&cluster), [0, 1, 0]);
    // It was replaced for good.
    cluster.expect(0, "node forget h2");
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(running(&cluster), [0, 1, 1]);
}

#[test]
fn two_hosts_that_were_exchanged_are_each_named_as_the_other() {
    let cluster = with_data();
    inventory(&cluster, "stackctl.yml", &[("h1", 0), ("h2", 2), ("h3", 1)]);
    let leads_to = "its address leads to the machine that the ledger remembers as h3";
    for args in ["deploy --yes shop", "diff shop", "rm --yes shop"] {
        let run = cluster.expect(1, args);
        let said = told(&run);
        assert!(said.contains(leads_to), "{args}\n{}", run.show());
        assert!(
            said.contains("correct the addresses of h2 and h3 in the inventory"),
            "{args}\n{}",
            run.show()
        );
        assert!(!said.contains("node forget"), "{args}\n{}", run.show());
    }
    let why = cluster.expect(0, "status --format {{.Sync}}:{{.Why}}");
    assert!(why.stdout.contains(leads_to), "{}", why.show());
    assert!(cluster.expect(1, "doctor").stdout.contains(leads_to));
    assert_eq!(running(&cluster), [0, 1, 0]);
    inventory(&cluster, "stackctl.yml", &[("h1", 0), ("h2", 1), ("h3", 2)]);
    cluster.expect(0, "diff shop");
}

#[test]
fn one_machine_under_two_names_is_refused() {
    let cluster = with_data();
    let link = cluster.room.path().join("again.sock");
    std::os::unix::fs::symlink(cluster.engines[1].socket(), &link).unwrap();
    let mut text = "cluster: test\nhosts:\n".to_owned();
    for (at, engine) in cluster.engines.iter().enumerate() {
        let role = if at == 0 { "manager" } else { "worker" };
        text += &format!("  h{}: {{address: \"{}\", role: {role}}}\n", at + 1, engine.address());
    }
    cluster.room.file("stackctl.yml", &format!("{text}  h4: 'unix://{}'\n", link.display()));
    let run = cluster.expect(1, "deploy --yes shop");
    assert!(told(&run).contains("nodes `h2` and `h4` are the same machine"), "{}", run.show());
    assert_eq!(running(&cluster), [0, 1, 0]);
}

#[test]
fn of_two_operators_neither_makes_twice_what_the_other_has() {
    let cluster = Hosts::new(3);
    inventory(&cluster, "ann.yml", &[("h1", 0), ("h2", 1)]);
    inventory(&cluster, "bob.yml", &[("h1", 0), ("h3", 2)]);
    cluster.stackfile(DATA);
    cluster.expect(0, "-i ann.yml deploy --yes shop");
    cluster.stackfile(&DATA.replace("db:", "db2:"));
    cluster.expect(0, "-i bob.yml deploy --yes other");
    assert_eq!(running(&cluster), [0, 1, 1]);
    for (file, stack) in [("bob.yml", "shop"), ("ann.yml", "other")] {
        for args in ["deploy --yes", "rm --yes"] {
            let run = cluster.expect(6, &format!("-i {file} {args} {stack}"));
            assert!(told(&run).contains("stackctl::cluster::node_missing"), "{}", run.show());
        }
        let run = cluster.run(&format!("-i {file} reconcile --once"));
        assert!(told(&run).contains("the inventory does not name it"), "{}", run.show());
    }
    assert_eq!(running(&cluster), [0, 1, 1]);
}

#[test]
fn an_inventory_with_other_managers_is_refused() {
    let cluster = with_data();
    inventory(&cluster, "bob.yml", &[("h3", 2), ("h2", 1), ("h1", 0)]);
    for args in ["deploy --yes shop", "rm --yes shop", "deploy --yes fresh"] {
        let run = cluster.expect(1, &format!("-i bob.yml {args}"));
        assert!(told(&run).contains("node h1 keeps records of this cluster"), "{args}\n{}", run.show());
    }
    let run = cluster.run("-i bob.yml reconcile --once");
    assert_eq!(running(&cluster), [0, 1, 0], "{}", run.show());
}

#[test]
fn a_manager_and_a_worker_that_were_exchanged_are_named_with_the_way_back() {
    let cluster = with_data();
    let was = "h2 is the machine that was manager h1";
    let back = "correct the addresses of h1 and h2 in the inventory, with `role: manager` for h1";
    let kept =
        "node h2 keeps records of this cluster and is no manager in the inventory, whose managers keep none";
    // The addresses alone were exchanged, or the roles with them.
    for (hosts, found) in
        [([("h1", 1), ("h2", 0), ("h3", 2)], kept), ([("h2", 0), ("h1", 1), ("h3", 2)], "written by h1")]
    {
        inventory(&cluster, "stackctl.yml", &hosts);
        for args in ["deploy --yes shop", "diff shop", "rm --yes shop", "doctor"] {
            let run = cluster.expect(1, args);
            let said = told(&run);
            for words in [found, was, back] {
                assert!(said.contains(words), "{args}: {words}\n{}", run.show());
            }
            for other in ["`role: manager` again", "the managers do not agree on any release"] {
                assert!(!said.contains(other), "{args}\n{}", run.show());
            }
        }
        assert_eq!(running(&cluster), [0, 1, 0]);
        let sync = cluster.expect(1, "ledger sync");
        assert!(!told(&sync).contains("All records are on all managers"), "{}", sync.show());
    }
    // It has a name that no other host has.
    for hosts in [[("h1", 1), ("h9", 0), ("h3", 2)], [("h9", 0), ("h2", 1), ("h3", 2)]] {
        inventory(&cluster, "stackctl.yml", &hosts);
        let run = cluster.expect(1, "diff shop");
        assert!(told(&run).contains("h9 is the machine that was manager h1"), "{}", run.show());
    }
    assert!(
        told(&cluster.expect(1, "diff shop")).contains("give h9 the name h1 again, with `role: manager`")
    );
    inventory(&cluster, "stackctl.yml", &[("h1", 0), ("h2", 1), ("h3", 2)]);
    cluster.expect(0, "diff shop");
}

#[test]
fn members_are_written_down_only_when_they_change() {
    let cluster = with_data();
    let records = || {
        cluster.engines[0].with(|world| {
            world.volumes.keys().filter(|name| name.contains(".nodes.")).cloned().collect::<Vec<_>>()
        })
    };
    let first = records();
    cluster.stackfile(&DATA.replace("1.25", "1.26"));
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "restart --yes shop");
    assert_eq!(records(), first);
    cluster.stackfile(WEB);
    cluster.expect(0, "deploy --yes web");
    assert_ne!(records(), first);
}

#[test]
fn a_host_that_was_emptied_can_be_taken_out_of_the_inventory() {
    // Emptied by the command that drains it, by a deploy, and by the loop.
    for (command, declared) in [
        ("node update --availability drain --yes h3", ""),
        ("deploy --yes shop", ", availability: drain"),
        ("reconcile --once", ", availability: drain"),
    ] {
        let cluster = Hosts::deployed(WEB);
        assert_eq!(running(&cluster), [1, 1, 1]);
        cluster.inventory(|at| if at == 2 { declared.to_owned() } else { String::new() });
        cluster.run(command);
        assert_eq!(running(&cluster)[2], 0, "{command}");
        inventory(&cluster, "stackctl.yml", &[("h1", 0), ("h2", 1)]);
        let run = cluster.expect(0, "deploy --yes shop");
        assert!(!told(&run).contains("h3"), "{command}\n{}", run.show());
        let run = cluster.expect(0, "node ls");
        assert!(!told(&run).contains("h3"), "{command}\n{}", run.show());
    }
}

#[test]
fn hosts_that_a_removal_or_a_scale_emptied_are_missed_by_no_command() {
    for empties in ["scale --yes shop/web=1", "rm --yes shop"] {
        let cluster = Hosts::deployed(WEB);
        cluster.expect(0, empties);
        assert_eq!(running(&cluster)[1..], [0, 0], "{empties}");
        inventory(&cluster, "stackctl.yml", &[("h1", 0)]);
        let run = cluster.expect(0, "node ls");
        assert!(!run.stdout.contains("h2") && !run.stdout.contains("h3"), "{empties}\n{}", run.show());
    }
    // Data stays, and so does the record of it.
    let cluster = with_data();
    cluster.expect(0, "rm --yes shop");
    inventory(&cluster, "stackctl.yml", &[("h1", 0), ("h3", 2)]);
    let run = cluster.expect(6, "deploy --yes shop");
    assert!(told(&run).contains("stackctl::cluster::node_missing"), "{}", run.show());
}
