//! `stackctl doctor`, on fake engines.

use serde_json::Value;

use crate::engine::{Clock, FakeEngine};
use crate::hosts::Hosts;

const WEB: &str = "\
services:
  web:
    image: nginx:1.25
    configs: [{source: page, target: /page}]
    deploy: {update_config: {monitor: 50ms}}
configs:
  page: {content: one}
";

/// Three managers on which `shop` was deployed.
fn cluster() -> Hosts {
    let cluster = Hosts::new(3);
    let mut text = "cluster: test\nhosts:\n".to_owned();
    for engine in &cluster.engines {
        text += &format!("  {}: {{address: \"{}\", role: manager}}\n", engine.name(), engine.address());
    }
    cluster.room.file("stackctl.yml", &text);
    cluster.stackfile(WEB);
    cluster.expect(0, "deploy --yes shop");
    cluster.forget_calls();
    cluster
}

/// What is wrong: level, area, of what, and the text.
fn wrong(cluster: &Hosts, status: i32) -> Vec<(String, String, String)> {
    let run = cluster.expect(status, "doctor --format json");
    let all: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let bad = all.as_array().expect("a list").iter().filter(|one| one["level"] != "ok");
    bad.map(|one| {
        assert!(one["remedy"].is_string() || one["level"] == "fault", "{one}");
        (format!("{} {}", text(one, "level"), text(one, "area")), text(one, "of"), text(one, "what"))
    })
    .collect()
}

fn has(all: &[(String, String, String)], level: &str, of: &str, what: &str) {
    let is_it = |(l, o, w): &&(String, String, String)| l == level && o == of && w.contains(what);
    assert_eq!(all.iter().filter(is_it).count(), 1, "{level} {of} {what}: {all:#?}");
}

fn chunks(engine: &FakeEngine, act: impl Fn(&mut Value)) {
    engine.with(|world| {
        for volume in world.volumes.values_mut() {
            let labels = &mut volume.asked["Labels"];
            if labels["io.stackctl.ledger.stream"] == "chunks/shop" {
                act(labels);
            }
        }
    });
}

#[test]
fn what_is_in_order_is_said_and_nothing_is_written() {
    let cluster = cluster();
    let run = cluster.expect(0, "doctor");
    assert!(run.stdout.ends_with("All is in order.\n"), "{}", run.show());
    for line in [
        "ok       managers   3 of 3 managers answer for the records in volumes",
        "ok       records    shop: 1 release, with 0.0 MiB of contents of configs",
        "ok       leftovers  nothing was found",
    ] {
        assert!(run.stdout.contains(line), "{line}\n{}", run.show());
    }
    assert_eq!(cluster.writes(), [""; 0]);
    assert_eq!(wrong(&cluster, 0), []);
}

#[test]
fn hosts_clocks_and_managers_are_named_with_what_is_wrong() {
    let cluster = cluster();
    cluster.engines[2].crash();
    cluster.engines[1].with(|world| world.clock = Clock::Fixed(world.now() - 60_000));
    let found = wrong(&cluster, 1);
    has(&found, "fault hosts", "h3", "");
    has(&found, "fault clocks", "h2", "behind this machine");
    has(&found, "warning managers", "", "2 of 3 managers answer for the records in volumes; h3: ");
    assert_eq!(cluster.writes(), [""; 0]);
    cluster.engines[1].crash();
    let found = wrong(&cluster, 1);
    has(&found, "fault managers", "", "1 of 3 managers answer");
    has(&found, "fault records", "", "1 of 3 managers answers");
}

#[test]
fn records_and_contents_are_read_and_what_is_damaged_is_named() {
    let cluster = cluster();
    let is_release = |name: &str| name.contains(".releases.shop-");
    cluster.engines[0].with(|world| world.volumes.retain(|name, _| !is_release(name)));
    let found = wrong(&cluster, 0);
    has(&found, "warning records", "shop", "manager h1 lacks 1 record of releases/shop");
    cluster.engines[0].with(|world| world.volumes.retain(|name, _| !name.contains(".contents.shop-")));
    let found = wrong(&cluster, 0);
    has(&found, "warning records", "shop", "content of config `page` is on 2 of the 3 managers");
    for engine in &cluster.engines {
        chunks(engine, |labels| labels["io.stackctl.ledger.data"] = "{}\nYQ==".into());
    }
    let found = wrong(&cluster, 1);
    has(&found, "fault records", "shop", "config `page` of stack shop cannot be read: part 1 of 1");
    for engine in &cluster.engines {
        engine.with(|world| {
            let releases = world.volumes.iter_mut().filter(|(name, _)| is_release(name));
            releases.for_each(|(_, one)| one.asked["Labels"]["io.stackctl.ledger.data"] = "{".into());
        });
    }
    let found = wrong(&cluster, 1);
    has(&found, "fault records", "shop", "releases/shop number 1 cannot be read");
    assert_eq!(cluster.writes(), [""; 0]);
}

#[test]
fn one_cause_is_one_line_however_many_streams_show_it_and_json_has_each() {
    let cluster = cluster();
    for stack in ["blog", "wiki"] {
        cluster.expect(0, &format!("deploy --yes {stack}"));
    }
    cluster.forget_calls();
    cluster.engines[0].with(|world| world.volumes.retain(|name, _| !name.starts_with("stackctl-ledger-")));
    let found = wrong(&cluster, 0);
    let behind = found.iter().filter(|(.., what)| what.contains("manager h1 lacks")).count();
    assert!(behind > 6, "{found:#?}");
    for of in ["blog", "shop", "wiki"] {
        has(&found, "warning records", of, &format!("manager h1 lacks 1 record of releases/{of}"));
        has(
            &found,
            "warning records",
            of,
            "a content of config `page` is on 2 of the 3 managers that answer",
        );
    }
    let run = cluster.expect(0, "doctor");
    let lines: Vec<&str> = run.stdout.lines().filter(|line| line.contains("  records  ")).collect();
    let [behind_line, contents, ..] = lines[..] else { panic!("{}", run.show()) };
    assert!(behind_line.contains(&format!("records of {behind} streams: nodes/cluster, ")), "{behind_line}");
    assert!(behind_line.ends_with(&format!(" and {} more", behind - 3)), "{behind_line}");
    let page = "3 contents of configs are on 2 of the 3 managers that answer; they, or parts of them, are missing on h1: `page` of \
                blog, `page` of shop, `page` of wiki";
    assert!(contents.ends_with(page), "{contents}");
    assert!(run.stdout.ends_with("0 faults and 2 warnings.\n"), "{}", run.show());
    assert_eq!(cluster.writes(), [""; 0]);
}

#[test]
fn leftovers_of_older_versions_and_of_other_clusters_are_named() {
    let cluster = cluster();
    let mut copy = None;
    for engine in &cluster.engines {
        engine.with(|world| {
            if let Some(one) = world.containers.values().next() {
                copy = Some(one.clone());
            }
        });
    }
    let mut copy = copy.expect("a task");
    copy.id = "f".repeat(64);
    copy.name = "odd".to_owned();
    copy.asked["Labels"]["io.stackctl.spec"] = "{".into();
    cluster.engines[2].with(|world| drop(world.containers.insert(copy.id.clone(), copy)));
    let found = wrong(&cluster, 1);
    has(&found, "fault leftovers", "h3", "container odd is not understood");
}

#[test]
fn containers_of_another_cluster_are_named_and_are_no_fault() {
    let cluster = cluster();
    let labels = serde_json::json!({ "io.stackctl.cluster": "other", "io.stackctl.stack": "blog" });
    let body = serde_json::json!({ "Image": "nginx:1", "Labels": labels });
    cluster.engines[1].with(|world| drop(world.add_container("blog_web.1.x", body)));
    let run = cluster.expect(0, "doctor");
    let line = "ok       leftovers  h2: 1 container of cluster `other`: blog_web.1.x\n";
    assert!(run.stdout.contains(line) && run.stdout.ends_with("All is in order.\n"), "{}", run.show());
}

#[test]
fn engines_that_are_far_apart_are_a_warning() {
    let cluster = cluster();
    cluster.engines[2].with(|world| world.version = "28.1.0".to_owned());
    let found = wrong(&cluster, 0);
    has(&found, "warning hosts", "", "far apart: 20.10.24 on h1, 28.1.0 on h3");
}

#[test]
fn a_folder_of_sockets_in_which_others_may_write_is_a_fault() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut cluster = cluster();
    let run = cluster.room.path().join("run");
    std::fs::create_dir(&run).unwrap();
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    cluster.room.env("XDG_RUNTIME_DIR", &run.display().to_string());
    set(&run, 0o777);
    let found = wrong(&cluster, 1);
    has(&found, "fault rights", "[DIR]/run", "mode 777");
    // Where each user may move only what is theirs, as below /tmp.
    set(&run, 0o1777);
    assert_eq!(wrong(&cluster, 0), []);
}

#[test]
fn an_inventory_that_is_not_trusted_is_the_only_finding_and_no_host_is_asked() {
    let cluster = cluster();
    let text = std::fs::read_to_string(cluster.room.path().join("stackctl.yml")).unwrap();
    cluster.room.file("stackctl.yml", &format!("{text}discover:\n- command: [./find.sh]\n"));
    let found = wrong(&cluster, 1);
    assert_eq!(found.len(), 1, "{found:#?}");
    has(&found, "fault rights", "stackctl.yml", "is not trusted, so no host was asked: `./find.sh` runs");
    assert!(cluster.engines.iter().all(|engine| engine.calls().is_empty()));
    let run = cluster.expect(1, "doctor");
    assert!(run.stdout.contains("help: read what it names; `stackctl trust`"), "{}", run.show());
}

#[test]
fn what_others_may_write_or_read_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let cluster = cluster();
    let file = cluster.room.path().join("stackctl.yml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let found = wrong(&cluster, 1);
    has(&found, "fault rights", "stackctl.yml", "mode 666");
}

#[test]
fn one_manager_is_a_warning() {
    let cluster = Hosts::new(2);
    let found = wrong(&cluster, 0);
    has(&found, "warning managers", "", "only copy");
}

/// An inventory of the same hosts: which of them it has, by which names, and who are managers.
fn inventory(cluster: &Hosts, hosts: &[(usize, &str, bool)]) {
    let mut text = "cluster: test\nhosts:\n".to_owned();
    for (at, name, is_manager) in hosts {
        let role = if *is_manager { "manager" } else { "worker" };
        text += &format!("  {name}: {{address: \"{}\", role: {role}}}\n", cluster.engines[*at].address());
    }
    cluster.room.file("stackctl.yml", &text);
}

#[test]
fn a_stack_that_runs_and_of_which_the_records_are_lost_is_a_fault() {
    let cluster = cluster();
    for engine in &cluster.engines[..2] {
        engine.with(|world| world.volumes.retain(|name, _| !name.starts_with("stackctl-ledger-")));
    }
    let found = wrong(&cluster, 1);
    has(&found, "fault records", "shop", "the managers do not agree on any release of it");
    let run = cluster.expect(1, "status");
    assert!(run.stdout.contains("unknown"), "{}", run.show());
}

#[test]
fn an_inventory_with_another_manager_or_without_a_host_is_a_fault() {
    let cluster = cluster();
    let one = [(0, "h1", true), (1, "h2", false), (2, "h3", false)];
    inventory(&cluster, &one);
    for engine in &cluster.engines {
        engine.with(|world| world.volumes.clear());
    }
    let stackfile = WEB.replace("deploy: {", "deploy: {replicas: 3, ");
    cluster.stackfile(&stackfile);
    cluster.expect(0, "deploy --yes shop");
    inventory(&cluster, &one[..2]);
    has(&wrong(&cluster, 1), "fault hosts", "h3", "");
    inventory(&cluster, &[(0, "h1", false), (1, "h2", true), (2, "h3", false)]);
    has(&wrong(&cluster, 1), "fault records", "", "keeps records of this cluster and is no manager");
}

#[test]
fn hosts_whose_names_were_exchanged_or_changed_are_named() {
    let cluster = cluster();
    cluster.stackfile(&WEB.replace("deploy: {", "deploy: {replicas: 3, "));
    cluster.expect(0, "deploy --yes shop");
    inventory(&cluster, &[(0, "h1", true), (2, "h2", true), (1, "h3", true)]);
    let found = wrong(&cluster, 1);
    has(&found, "fault hosts", "h2", "leads to the machine that the ledger remembers as h3");
    has(&found, "fault hosts", "h3", "leads to the machine that the ledger remembers as h2");
    let run = cluster.expect(1, "doctor");
    let remedy = "help: correct the addresses of h2 and h3 in the inventory";
    assert!(run.stdout.contains(remedy), "{}", run.show());
    let run = cluster.expect(1, "diff shop");
    assert!(run.stderr.contains("stackctl::cluster::other_machine"), "{}", run.show());
    inventory(&cluster, &[(0, "h1", true), (1, "h2", true), (2, "h3", true)]);
    assert_eq!(wrong(&cluster, 0), []);
    // A machine that no member was.
    cluster.engines[2].with(|world| world.name = "other".to_owned());
    let found = wrong(&cluster, 1);
    has(&found, "fault hosts", "h3", "another machine than the one that has tasks or data");
    let run = cluster.expect(1, "doctor");
    assert!(run.stdout.contains("`stackctl node forget h3`"), "{}", run.show());
}

#[test]
fn a_host_with_a_new_name_and_one_with_two_are_named() {
    let cluster = Hosts::new(3);
    let named = |name| inventory(&cluster, &[(0, "h1", true), (1, "h2", false), (2, name, false)]);
    named("h3");
    cluster.stackfile(&WEB.replace("deploy: {", "deploy: {replicas: 3, "));
    cluster.expect(0, "deploy --yes shop");
    named("h9");
    has(&wrong(&cluster, 0), "warning hosts", "h9", "it is the machine that was h3");
    named("h3");
    let link = cluster.room.path().join("again.sock");
    std::os::unix::fs::symlink(cluster.engines[1].socket(), &link).unwrap();
    let text = std::fs::read_to_string(cluster.room.path().join("stackctl.yml")).unwrap();
    cluster.room.file("stackctl.yml", &format!("{text}  h4: 'unix://{}'\n", link.display()));
    has(&wrong(&cluster, 1), "fault hosts", "h4", "it is the same machine as h2");
}

/// Three managers with four releases of `shop`, of which these came back as they were after the first.
fn came_back_older(older: &[usize]) -> Hosts {
    let cluster = cluster();
    let then: Vec<_> =
        cluster.engines.iter().map(|engine| engine.with(|world| world.volumes.clone())).collect();
    for image in ["1.26", "1.27", "1.28"] {
        cluster.stackfile(&WEB.replace("1.25", image));
        cluster.expect(0, "deploy --yes shop");
    }
    for at in older {
        cluster.engines[*at].with(|world| world.volumes.clone_from(&then[*at]));
    }
    cluster
}

fn releases(cluster: &Hosts) -> String {
    cluster.expect(0, "history --format {{.Release}}:{{.Outcome}} shop").stdout
}

const ALL_RELEASES: &str = "4:deployed\n3:deployed\n2:deployed\n1:deployed\n";

#[test]
fn one_manager_that_came_back_older_lacks_what_the_sync_copies() {
    let cluster = came_back_older(&[0]);
    let found = wrong(&cluster, 0);
    has(&found, "warning records", "shop", "manager h1 lacks 3 records of releases/shop");
    has(&found, "warning records", "shop", "manager h1 lacks 3 records of outcomes/shop");
    has(&found, "warning records", "shop", "of lease/shop");
    cluster.expect(0, "ledger sync");
    assert_eq!(wrong(&cluster, 0), []);
    assert_eq!(releases(&cluster), ALL_RELEASES);
}

#[test]
fn a_majority_that_came_back_older_is_a_fault_and_its_remedy_brings_the_records_back() {
    let cluster = came_back_older(&[0, 1]);
    let found = wrong(&cluster, 1);
    let alone = "numbers 2 to 4 are on h3 alone, and do not count";
    has(&found, "fault records", "shop", &format!("releases/shop {alone}"));
    has(&found, "fault records", "shop", &format!("outcomes/shop {alone}"));
    assert_eq!(releases(&cluster), "1:deployed\n");
    inventory(&cluster, &[(0, "h1", false), (1, "h2", true), (2, "h3", true)]);
    cluster.expect(0, "ledger sync");
    inventory(&cluster, &[(0, "h1", true), (1, "h2", true), (2, "h3", true)]);
    cluster.expect(0, "ledger sync");
    assert_eq!(releases(&cluster), ALL_RELEASES);
    assert_eq!(wrong(&cluster, 0), []);
    // All of them alike: their records agree, and nothing is wrong with them.
    assert_eq!(wrong(&came_back_older(&[0, 1, 2]), 0), []);
}

#[test]
fn what_one_of_four_managers_has_alone_is_not_to_be_had_back_by_a_sync() {
    let cluster = Hosts::new(4);
    let names = ["h1", "h2", "h3", "h4"];
    let all: Vec<_> = names.iter().enumerate().map(|(at, name)| (at, *name, true)).collect();
    inventory(&cluster, &all);
    cluster.stackfile(WEB);
    cluster.expect(0, "deploy --yes shop");
    let volumes = |at: usize| cluster.engines[at].with(|world| world.volumes.clone());
    let then: Vec<_> = (0..4).map(volumes).collect();
    for image in ["1.26", "1.27"] {
        cluster.stackfile(&WEB.replace("1.25", image));
        cluster.expect(0, "deploy --yes shop");
    }
    let come_back_older = |older: &[usize]| {
        older.iter().for_each(|at| cluster.engines[*at].with(|world| world.volumes.clone_from(&then[*at])));
        let run = cluster.expect(1, "doctor");
        run.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let take_the_role = "take `role: manager` from one of those others";
    let text = come_back_older(&[0, 1]);
    assert!(text.contains("on h3, h4 alone, and do not count") && text.contains(take_the_role), "{text}");
    let text = come_back_older(&[2]);
    assert!(text.contains("on h4 alone, and do not count") && !text.contains(take_the_role), "{text}");
    assert!(
        text.contains("keep copies of the volumes `stackctl-ledger-…` of h4, and restore a backup"),
        "{text}"
    );
}

#[test]
fn what_one_manager_has_otherwise_is_named_and_mended_by_removing_it_there() {
    let cluster = cluster();
    let is_release = |name: &str| name.contains(".releases.shop-");
    cluster.engines[0].with(|world| {
        let releases = world.volumes.iter_mut().filter(|(name, _)| is_release(name));
        releases.for_each(|(_, one)| one.asked["Labels"]["io.stackctl.ledger.data"] = "{".into());
    });
    has(&wrong(&cluster, 0), "warning records", "shop", "manager h1 has 1 record of releases/shop otherwise");
    cluster.engines[0].with(|world| world.volumes.retain(|name, _| !is_release(name)));
    cluster.expect(0, "ledger sync");
    assert_eq!(wrong(&cluster, 0), []);
}
