//! Managers that change, are away or renamed, on fake engines: all records follow, and none is passed over.

use std::time::Duration;

use serde_json::Value;

use crate::engine::FakeEngine;
use crate::hosts::Hosts;
use crate::ledger::{WEB, cluster, is_second_release, outcomes, records, slow};

/// The same hosts, of which others are managers.
fn managers(cluster: &Hosts, managers: &[usize]) {
    let mut text = "cluster: test\nhosts:\n".to_owned();
    for (at, engine) in cluster.engines.iter().enumerate() {
        let role = if managers.contains(&at) { "manager" } else { "worker" };
        text += &format!("  {}: {{address: \"{}\", role: {role}}}\n", engine.name(), engine.address());
    }
    cluster.room.file("stackctl.yml", &text);
}

/// The same hosts and managers, of which one cannot be reached.
fn away(cluster: &Hosts, gone: Option<usize>) {
    let mut text = "cluster: test\nhosts:\n".to_owned();
    for (at, engine) in cluster.engines.iter().enumerate() {
        let address = if gone == Some(at) { "unix:///nowhere.sock" } else { &engine.address() };
        text += &format!("  {}: {{address: \"{address}\", role: manager}}\n", engine.name());
    }
    cluster.room.file("stackctl.yml", &text);
}

/// What `doctor` has to say of records.
fn ill_records(cluster: &Hosts) -> Vec<String> {
    // The room's clock stands still, and the engines' do not.
    let run = cluster.expect(1, "doctor --format json");
    let all: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
    let ill = all.iter().filter(|one| one["area"] == "records" && one["level"] != "ok");
    ill.map(|one| one["what"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Stacks of which one was removed and one healed, and operations, all under one manager. What is remembered of them.
fn much_is_remembered(cluster: &Hosts) -> impl Fn() -> Vec<String> {
    for stack in ["shop", "blog", "old"] {
        cluster.expect(0, &format!("deploy --yes {stack}"));
    }
    cluster.expect(0, "rm --yes old");
    cluster.expect(0, "suspend -m repairs blog");
    for engine in &cluster.engines {
        engine.with(|world| world.containers.retain(|_, one| !one.name.contains("shop")));
    }
    cluster.expect(0, "reconcile --once");
    || {
        let of = |stack| format!("history --format {{{{.Release}}}}:{{{{.Outcome}}}} {stack}");
        let mut all: Vec<String> =
            ["shop", "blog", "old"].map(|stack| cluster.expect(0, &of(stack)).stdout).into();
        let log = cluster.expect(0, "log -n 100 --format {{.What}}").stdout;
        all.push(log.lines().filter(|line| !line.contains("ledger sync")).collect());
        all.push(cluster.expect(0, "show --format json shop@1").stdout);
        all
    }
}

#[test]
fn from_one_manager_to_three_and_then_without_the_first_nothing_is_lost() {
    let cluster = cluster(4, 1);
    let remembered = much_is_remembered(&cluster);
    let before = remembered();
    managers(&cluster, &[0, 1]);
    let run = cluster.expect(0, "deploy --yes shop");
    assert!(run.stdout.contains("No changes"), "{}", run.show());
    assert!(run.stderr.contains("The managers have changed"), "{}", run.show());
    assert_eq!(remembered(), before);
    managers(&cluster, &[0, 1, 2]);
    let run = cluster.expect(0, "ledger sync");
    assert!(run.stderr.contains("All records are on all managers"), "{}", run.show());
    assert_eq!(remembered(), before);
    assert_eq!(ill_records(&cluster), [""; 0]);
    cluster.engines.iter().for_each(FakeEngine::forget_calls);
    cluster.expect(0, "ledger sync");
    assert_eq!(cluster.writes(), [""; 0], "there is nothing to do");
    // A manager that has all records and lacks the contents of configs is behind, too.
    cluster.engines[2].with(|world| world.volumes.retain(|name, _| !name.contains(".contents.")));
    assert!(ill_records(&cluster).concat().contains("a content of config `page` is on 2 of the 3 managers"));
    cluster.expect(0, "ledger sync");
    assert_eq!(ill_records(&cluster), [""; 0]);
    // The first is lost for good.
    cluster.engines[0].kill();
    managers(&cluster, &[1, 2]);
    assert_eq!(remembered(), before);
    cluster.expect(0, "ledger sync");
    assert_eq!(remembered(), before);
    managers(&cluster, &[1, 2, 3]);
    cluster.expect(0, "ledger sync");
    assert_eq!(remembered(), before);
}

#[test]
fn two_changes_without_a_sync_are_refused_and_the_way_back_is_open() {
    let cluster = cluster(3, 1);
    let remembered = much_is_remembered(&cluster);
    let before = remembered();
    // What writes one stream takes that along, and leaves the others behind.
    managers(&cluster, &[0, 1]);
    cluster.expect(0, "node update --label-add zone=b h2");
    let ill = ill_records(&cluster).concat();
    assert!(ill.contains("releases/shop was written last under other managers: h1"), "{ill}");
    assert!(!ill.contains("operations/cluster"), "{ill}");
    managers(&cluster, &[0, 1, 2]);
    let run = cluster.expect(1, "history shop");
    assert!(run.stderr.contains("stackctl::ledger::managers_changed"), "{}", run.show());
    let words: Vec<&str> = run.stderr.split_whitespace().collect();
    assert!(words.join(" ").contains("run `stackctl ledger sync`"), "{}", run.show());
    cluster.expect(1, "ledger sync");
    managers(&cluster, &[0, 1]);
    cluster.expect(0, "ledger sync");
    managers(&cluster, &[0, 1, 2]);
    cluster.expect(0, "ledger sync");
    let after = remembered();
    assert_eq!((&after[..3], &after[4]), (&before[..3], &before[4]));
}

/// Sees that the managers have changed, and brings all records to those of now.
fn brings_all_along(cluster: &Hosts, args: &str) {
    let run = cluster.expect(0, args);
    assert!(run.stderr.contains("The managers have changed"), "{}", run.show());
    assert_eq!(ill_records(cluster), [""; 0]);
}

#[test]
fn a_loop_that_starts_and_a_saved_plan_take_all_records_along() {
    let cluster = cluster(3, 1);
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "deploy --yes blog");
    managers(&cluster, &[0, 1]);
    let run = cluster.run("reconcile --once --policy report");
    assert!(!run.stderr.contains("The managers have changed"), "{}", run.show());
    assert!(ill_records(&cluster).concat().contains("releases/shop was written last under other managers"));
    brings_all_along(&cluster, "reconcile --once");
    cluster.stackfile(&WEB.replace("1.25", "1.26"));
    cluster.expect(2, "diff --out plan.bin shop");
    managers(&cluster, &[0, 1, 2]);
    brings_all_along(&cluster, "deploy --yes plan.bin");
}

#[test]
fn a_deploy_takes_all_records_along_after_another_command_took_some() {
    let cluster = cluster(2, 1);
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "deploy --yes blog");
    managers(&cluster, &[0, 1]);
    cluster.expect(0, "node update --label-add zone=b h2");
    assert!(ill_records(&cluster).concat().contains("releases/blog was written last under other managers"));
    brings_all_along(&cluster, "deploy --yes blog");
}

#[test]
fn records_that_a_process_works_with_are_named_and_follow_later() {
    let cluster = cluster(2, 1);
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "deploy --yes blog");
    slow(&cluster);
    cluster.stackfile(&WEB.replace("1.25", "1.26"));
    std::thread::scope(|scope| {
        let deploy = scope.spawn(|| cluster.room.run("deploy --yes shop"));
        while !records(&cluster.engines[0]).iter().any(|name| is_second_release(name)) {
            assert!(!deploy.is_finished(), "{}", deploy.join().unwrap().show());
            std::thread::sleep(Duration::from_millis(5));
        }
        managers(&cluster, &[0, 1]);
        let run = cluster.expect(5, "ledger sync");
        assert!(run.stderr.contains("stackctl::ledger::not_synced"), "{}", run.show());
        assert!(run.stderr.contains("the records of stack shop were not copied"), "{}", run.show());
        cluster.engines.iter().for_each(FakeEngine::heal);
        let deploy = deploy.join().unwrap();
        assert_eq!(deploy.status, 0, "{}", deploy.show());
    });
    // Whether all is done is known from the records of nodes, which come last.
    brings_all_along(&cluster, "deploy --yes blog");
    assert_eq!(outcomes(&cluster).lines().last(), Some("1:deployed:deploy"));
}

#[test]
fn an_end_that_one_manager_of_three_has_is_unknown() {
    let cluster = cluster(3, 3);
    cluster.expect(0, "deploy --yes shop");
    for engine in &cluster.engines[..2] {
        engine.with(|world| world.volumes.retain(|name, _| !name.contains(".outcomes.")));
    }
    assert_eq!(outcomes(&cluster), "1:unknown:deploy\n");
}

#[test]
fn what_is_refused_since_a_step_between_was_left_out_says_which_managers_to_name_first() {
    let cluster = cluster(3, 1);
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "ledger backup all");
    managers(&cluster, &[0, 1, 2]);
    let restore = "ledger restore --force --yes all";
    let migrate = format!("ledger migrate volumes file://{}/records", cluster.path().display());
    for args in [restore, &migrate, "ledger sync", "deploy --yes shop"] {
        let run = cluster.expect(1, args);
        let words = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        let remedy = "the managers of the step between first, such as h1, h2, and run `stackctl ledger sync` or deploy";
        assert!(words.contains(remedy), "{args}\n{}", run.show());
    }
    managers(&cluster, &[0, 1]);
    cluster.expect(0, "ledger sync");
    managers(&cluster, &[0, 1, 2]);
    cluster.expect(0, restore);
    managers(&cluster, &[0]);
    let run = cluster.expect(1, &migrate);
    assert!(run.stderr.contains("such as h1, h3"), "{}", run.show());
    managers(&cluster, &[0, 1, 2]);
    cluster.expect(0, &migrate);
}

/// Two releases of two managers and one of the first alone, which the second does not have; then both again.
fn grown() -> Hosts {
    let cluster = cluster(2, 2);
    cluster.expect(0, "deploy --yes shop");
    for (image, all) in [("1.26", &[0, 1][..]), ("1.27", &[0])] {
        managers(&cluster, all);
        cluster.stackfile(&WEB.replace("1.25", image));
        cluster.expect(0, "deploy --yes shop");
    }
    managers(&cluster, &[0, 1]);
    cluster
}

#[test]
fn what_chooses_a_release_passes_over_none_that_other_managers_wrote() {
    let cluster = grown();
    for args in ["rollback --dry-run shop", "undo --dry-run shop", "scale --dry-run shop_web=1"] {
        cluster.engines.iter().for_each(FakeEngine::forget_calls);
        let run = cluster.expect(1, args);
        assert!(run.stderr.contains("stackctl::ledger::undecided"), "{args}\n{}", run.show());
        assert!(run.stderr.contains("ledger sync"), "{args}\n{}", run.show());
        assert_eq!(cluster.writes(), [""; 0], "{args}");
    }
    for args in ["diff shop", "doctor"] {
        let run = cluster.expect(1, args);
        let words = run.show().split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
        assert!(words.contains("or the managers have changed since: the next command"), "{words}");
    }
    let run = cluster.run("show shop");
    assert!(run.stderr.contains("unknown whether release 4 exists"), "{}", run.show());
    cluster.expect(0, "rollback --yes shop");
    let newest = outcomes(&cluster).lines().take(2).map(str::to_owned).collect::<Vec<_>>();
    assert!(newest[0].ends_with(":deployed:rollback to 2") && newest[1] == "4:deployed:deploy", "{newest:?}");
    let cluster = grown();
    cluster.expect(0, "undo --yes shop");
    assert!(
        outcomes(&cluster).lines().next().unwrap().ends_with(":deployed:undo shop@4"),
        "{}",
        outcomes(&cluster)
    );
}

/// Has these managers lose a place of a stream.
fn lose(cluster: &Hosts, managers: &[usize], stream: &str, place: u64) {
    let place = place.to_string();
    for manager in managers {
        cluster.engines[*manager].with(|world| {
            world.volumes.retain(|_, volume| {
                let label = |key: &str| volume.asked["Labels"][format!("io.stackctl.ledger{key}")].as_str();
                label(".stream") != Some(stream) || label(".seq") != Some(&*place)
            });
        });
    }
}

#[test]
fn what_goes_on_from_the_newest_release_passes_over_none_that_was_begun() {
    let images = |cluster: &Hosts| -> Vec<String> {
        let all = cluster.running().into_iter();
        let image = |name: String| {
            let of = |engine: &FakeEngine| {
                engine.with(|world| {
                    world.containers.values().find(|one| one.name == name).map(|one| one.image().to_owned())
                })
            };
            let image = cluster.engines.iter().find_map(of).expect("a container that runs");
            image.split('@').next().unwrap_or_default().to_owned()
        };
        all.map(image).collect()
    };
    for manager in 0..3 {
        let cluster = cluster(3, 3);
        cluster.expect(0, "deploy --yes shop");
        cluster.stackfile(&WEB.replace("1.25", "1.26"));
        cluster.expect(0, "deploy --yes shop");
        let others: Vec<usize> = (0..3).filter(|at| *at != manager).collect();
        lose(&cluster, &others, "releases/shop", 2);
        if manager == 1 {
            // Its writer was cut off after the first manager: how it stands is not known.
            lose(&cluster, &[0, 1, 2], "outcomes/shop", 2);
            let run = cluster.expect(1, "scale --yes shop_web=1");
            assert!(run.stderr.contains("release 2 is unfinished"), "{}", run.show());
            assert_eq!(images(&cluster), ["nginx:1.26", "nginx:1.26"]);
            cluster.expect(0, "deploy --yes shop");
        }
        cluster.expect(0, "scale --yes shop_web=1");
        assert_eq!(images(&cluster), ["nginx:1.26"], "{manager}");
        let all = outcomes(&cluster);
        let second = if manager == 1 { "2:unfinished:deploy" } else { "2:deployed:deploy" };
        assert!(all.lines().any(|line| line == second), "{all}");
    }
}

#[test]
fn a_rollback_finds_the_releases_that_fewer_managers_wrote() {
    let cluster = cluster(2, 1);
    cluster.expect(0, "deploy --yes shop");
    cluster.stackfile(&WEB.replace("1.25", "1.26"));
    cluster.expect(0, "deploy --yes shop");
    managers(&cluster, &[0, 1]);
    let run = cluster.expect(1, "show shop@1");
    assert!(!run.stderr.contains("there is none"), "{}", run.show());
    let run = cluster.expect(0, "rollback --yes --to 1 shop");
    assert!(run.stderr.contains("The managers have changed"), "{}", run.show());
    assert!(outcomes(&cluster).lines().next().unwrap().ends_with(":deployed:rollback to 1"));
    assert_eq!(ill_records(&cluster), [""; 0]);
}

/// The same hosts, of which one may have another name, and of which these are managers.
fn named(cluster: &Hosts, (renamed, name): (usize, &str), managers: &[usize]) {
    let mut text = "cluster: test\nhosts:\n".to_owned();
    for (at, engine) in cluster.engines.iter().enumerate() {
        let role = if managers.contains(&at) { "manager" } else { "worker" };
        let name = if at == renamed { name } else { engine.name() };
        text += &format!("  {name}: {{address: \"{}\", role: {role}}}\n", engine.address());
    }
    cluster.room.file("stackctl.yml", &text);
}

#[test]
fn a_manager_that_is_renamed_is_refused_with_the_steps_by_which_it_is_renamed() {
    let refused = |cluster: &Hosts| {
        let run = cluster.expect(1, "history shop");
        assert!(run.stderr.contains("stackctl::ledger::managers_changed"), "{}", run.show());
        run.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let of_three = cluster(4, 3);
    of_three.expect(0, "deploy --yes shop");
    named(&of_three, (0, "h9"), &[0, 1, 2]);
    let words = refused(&of_three);
    assert!(words.contains("put `h1` back in place of `h9`, with the address that it had,"), "{words}");
    for (name, managers) in [("h1", &[0, 1, 2][..]), ("h1", &[1, 2]), ("h9", &[0, 1, 2])] {
        named(&of_three, (0, name), managers);
        of_three.expect(0, "ledger sync");
        assert_eq!(outcomes(&of_three), "1:deployed:deploy\n");
    }
    assert_eq!(ill_records(&of_three), [""; 0]);
    of_three.stackfile(&WEB.replace("1.25", "1.26"));
    of_three.expect(0, "deploy --yes shop");
    assert_eq!(outcomes(&of_three).lines().count(), 2);
    // The only one.
    let of_one = cluster(2, 1);
    of_one.expect(0, "deploy --yes shop");
    of_one.expect(0, "ledger backup all");
    named(&of_one, (0, "h9"), &[0]);
    let words = refused(&of_one);
    assert!(words.contains("on how the only manager is renamed"), "{words}");
    for policy in ["heal", "report"] {
        let run = of_one.expect(1, &format!("reconcile --once --policy {policy}"));
        assert!(run.stdout.contains("the inventory's managers are h9"), "{}", run.show());
    }
    of_one.engines[0].with(|world| world.volumes.retain(|name, _| !name.starts_with("stackctl-ledger-")));
    of_one.expect(0, "ledger restore all");
    assert_eq!(outcomes(&of_one), "1:deployed:deploy\n");
    let run = of_one.expect(0, "diff shop");
    assert!(run.stdout.contains("h9 is the machine that was h1"), "{}", run.show());
}

#[test]
fn what_was_done_while_one_manager_was_away_is_undone_while_another_one_is() {
    let mut cluster = cluster(3, 3);
    cluster.expect(0, "deploy --yes shop");
    cluster.room.env("STACKCTL_NOW", "2026-01-31T12:01:00Z");
    away(&cluster, Some(2));
    cluster.expect(0, "suspend -m repairs shop");
    away(&cluster, Some(0));
    let run = cluster.expect(1, "undo --dry-run");
    assert!(run.stderr.contains("stackctl::ledger::undecided"), "{}", run.show());
    cluster.expect(0, "undo --yes");
    away(&cluster, None);
    let done = cluster.expect(0, "log --format {{.What}}").stdout;
    assert_eq!(done.lines().collect::<Vec<_>>(), ["undo @1", "suspend shop", "deploy"]);
}

#[test]
fn an_undo_without_a_name_writes_nothing_of_stacks_whose_lock_it_does_not_hold() {
    let mut cluster = cluster(3, 3);
    let deployed = |cluster: &mut Hosts, minute: u32, image: &str, stack: &str| {
        cluster.room.env("STACKCTL_NOW", &format!("2026-01-31T12:{minute:02}:00Z"));
        cluster.stackfile(&WEB.replace("1.25", image));
        cluster.expect(0, &format!("deploy --yes {stack}"));
    };
    for (minute, image) in [(1, "1.25"), (2, "1.26"), (3, "1.27")] {
        deployed(&mut cluster, minute, image, "blog");
    }
    deployed(&mut cluster, 4, "1.25", "shop");
    deployed(&mut cluster, 5, "1.26", "shop");
    let of_blog = |cluster: &Hosts| -> Vec<Vec<String>> {
        let of =
            |engine: &FakeEngine| records(engine).into_iter().filter(|name| name.contains("blog")).collect();
        cluster.engines.iter().map(of).collect()
    };
    // Older than what is undone, whatever it is.
    lose(&cluster, &[0, 1], "releases/blog", 2);
    let before = of_blog(&cluster);
    cluster.room.env("STACKCTL_NOW", "2026-01-31T12:06:00Z");
    cluster.expect(0, "undo --yes");
    assert!(outcomes(&cluster).starts_with("3:deployed:undo shop@2"), "{}", outcomes(&cluster));
    assert_eq!(of_blog(&cluster), before);
    // It may be newer.
    lose(&cluster, &[0, 1], "releases/blog", 3);
    for args in ["undo --yes", "undo --dry-run"] {
        cluster.engines.iter().for_each(FakeEngine::forget_calls);
        let run = cluster.expect(1, args);
        assert!(run.stderr.contains("stackctl::undo::unsure"), "{}", run.show());
        assert!(run.stderr.contains("release 3 of stack `blog`"), "{}", run.show());
        assert_eq!(cluster.writes(), [""; 0], "{args}");
    }
    cluster.expect(0, "undo --yes blog");
    let log = cluster.expect(0, "log --format {{.What}} blog").stdout;
    assert!(log.starts_with("undo blog@3\n"), "{log}");
    assert_ne!(of_blog(&cluster), before);
}

#[test]
fn a_loop_says_nothing_of_a_stack_by_an_older_release_than_one_that_is_undecided() {
    let cluster = cluster(3, 3);
    cluster.expect(0, "deploy --yes shop");
    cluster.stackfile(&WEB.replace("1.25", "1.26"));
    cluster.expect(0, "deploy --yes shop");
    lose(&cluster, &[0, 1], "releases/shop", 2);
    cluster.engines.iter().for_each(FakeEngine::forget_calls);
    let run = cluster.expect(1, "reconcile --once --policy report");
    assert!(run.stdout.contains("is left as it is: release 2 is unfinished"), "{}", run.show());
    assert!(!run.stdout.contains("drifted") && !run.stdout.contains("declared"), "{}", run.show());
    assert_eq!(cluster.writes(), [""; 0]);
    let run = cluster.expect(0, "reconcile --once");
    assert!(run.stdout.contains("stack shop (release 2) is as declared"), "{}", run.show());
    assert!(outcomes(&cluster).starts_with("2:deployed:deploy"), "{}", outcomes(&cluster));
}
