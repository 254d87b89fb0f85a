//! History, rollback and leases, on fake engines.

use std::time::Duration;

use serde_json::Value;

use crate::engine::{FakeEngine, Wrong};
use crate::hosts::Hosts;

pub const WEB: &str = "\
services:
  web:
    image: nginx:1.25
    configs: [{source: page, target: /page}]
    deploy:
      replicas: 2
      update_config: {parallelism: 2, monitor: 50ms}
configs:
  page: {content: one}
";

/// Who runs the tests, and on which machine, differs from run to run.
fn masked(text: &str) -> String {
    text.replace(&crate::run::who(), "ann@mill")
}

/// So many hosts, of which so many are managers.
pub fn cluster(hosts: usize, managers: usize) -> Hosts {
    let mut cluster = Hosts::new(hosts);
    cluster.room.env("USER", "ann").env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    let mut text = "cluster: test\nhosts:\n".to_owned();
    for (at, engine) in cluster.engines.iter().enumerate() {
        let role = if at < managers { "manager" } else { "worker" };
        text += &format!("  {}: {{address: \"{}\", role: {role}}}\n", engine.name(), engine.address());
    }
    cluster.room.file("stackctl.yml", &text);
    cluster.stackfile(WEB);
    cluster
}

pub fn records(engine: &FakeEngine) -> Vec<String> {
    let is_record = |name: &&String| name.starts_with("stackctl-ledger-");
    engine.with(|world| world.volumes.keys().filter(is_record).cloned().collect())
}

pub fn outcomes(cluster: &Hosts) -> String {
    cluster.expect(0, "history --format {{.Release}}:{{.Outcome}}:{{.What}} shop").stdout
}

pub fn is_second_release(name: &str) -> bool {
    name.contains("releases") && name.ends_with("-2.0")
}

#[test]
fn every_deploy_is_remembered_and_can_be_gone_back_to() {
    let cluster = cluster(4, 3);
    cluster.expect(0, "deploy --yes -m first shop");
    cluster.stackfile(&WEB.replace("1.25", "1.26").replace("one", "two"));
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "deploy --yes shop");
    let columns = r"table {{.Release}}\t{{.When}}\t{{.Outcome}}\t{{.What}}\t{{.Files}}\t{{.Message}}";
    insta::assert_snapshot!(
        "history",
        cluster.run_with(&["history", "--format", columns, "shop"], "").show()
    );
    let table = masked(&cluster.expect(0, "history shop").stdout);
    assert!(table.starts_with("RELEASE   WHEN") && table.contains("ann@mill "), "{table}");
    assert_eq!(outcomes(&cluster), "2:deployed:deploy\n1:deployed:deploy\n", "nothing to do is no release");

    insta::assert_snapshot!("show", cluster.expect(0, "show shop@1").show());
    let shown: Value = serde_json::from_str(&cluster.expect(0, "show --format json shop").stdout).unwrap();
    assert_eq!((&shown["release"], &shown["outcome"]), (&2.into(), &"deployed".into()));
    assert_eq!(shown["spec"]["services"]["web"]["task"]["image"], "nginx:1.26");
    assert!(shown["spec"]["services"]["web"]["task"]["digest"].is_string(), "{shown}");

    cluster.engines.iter().for_each(FakeEngine::forget_calls);
    insta::assert_snapshot!("diff_of_a_release", cluster.expect(2, "diff shop@1").show());
    insta::assert_snapshot!("diff_between_releases", cluster.expect(2, "diff shop@1 shop@2").show());
    cluster.expect(0, "diff shop@2");
    cluster.expect(0, "rollback --dry-run shop");
    assert_eq!(cluster.writes(), [""; 0]);

    cluster.expect(0, "rollback --yes shop");
    let images = |at: &FakeEngine| -> Vec<String> {
        at.with(|world| {
            let running = world.running();
            let all = world.containers.values().filter(|one| running.contains(&one.name));
            all.map(|one| one.image().split('@').next().unwrap_or_default().to_owned()).collect()
        })
    };
    let running: Vec<String> = cluster.engines.iter().flat_map(images).collect();
    assert_eq!(running, ["nginx:1.25", "nginx:1.25"]);
    let pages = |at: &FakeEngine| {
        at.with(|world| {
            let all = world.containers.values().flat_map(|one| &one.archives);
            all.filter(|(_, bytes)| bytes.windows(3).any(|part| part == b"one")).count()
        })
    };
    assert!(cluster.engines.iter().map(pages).sum::<usize>() >= 2, "the config's content came back");
    cluster.expect(0, "rm --yes shop");
    let all = "4:removed:rm\n3:deployed:rollback to 1\n2:deployed:deploy\n1:deployed:deploy\n";
    assert_eq!(outcomes(&cluster), all);
    cluster.expect(0, "rollback --yes --to 2 shop");
    assert_eq!(cluster.running().len(), 2);
    insta::assert_snapshot!("no_such_release", cluster.expect(1, "show shop@9").show());
    insta::assert_snapshot!("no_history", cluster.expect(1, "history blog").show());
    cluster.expect(1, "rollback --yes blog");
    // A handful of volumes stays of all the leases, and the workers have none.
    let leases = records(&cluster.engines[0]).iter().filter(|name| name.contains(".lease.")).count();
    assert!((1..=12).contains(&leases), "{leases}");
    assert_eq!(records(&cluster.engines[3]), [""; 0]);
    for engine in &cluster.engines {
        let node = cluster.expect(0, &format!("node inspect {}", engine.name())).stdout;
        assert!(!node.contains("stackctl-ledger"), "{node}");
    }
}

#[test]
fn what_is_in_git_is_remembered_with_its_commit() {
    let cluster = cluster(1, 1);
    let git = |args: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@b", "-C"]).arg(cluster.path()).args(args);
        assert!(command.env("HOME", cluster.path()).status().expect("git").success(), "{args:?}");
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "compose.yaml"]);
    git(&["commit", "-q", "-m", "a page"]);
    cluster.expect(0, "deploy --yes shop");
    cluster.stackfile(&WEB.replace("one", "two"));
    cluster.expect(0, "deploy --yes shop");
    let shown =
        cluster.expect(0, "history --format {{.Commit}}:{{.Branch}}:{{.Subject}}:{{.Files}} shop").stdout;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 2, "{shown}");
    assert!(lines[0].ends_with("+:main:a page:compose.yaml"), "{shown}");
    assert_eq!(lines[1][7..], *":main:a page:compose.yaml", "{shown}");
}

/// A deploy that is at work until it is let go.
pub fn slow(cluster: &Hosts) {
    for engine in &cluster.engines {
        engine.fail("POST /containers/create", 100, Wrong::Slow(Duration::from_millis(2_500)));
    }
}

#[test]
fn who_comes_second_is_told_or_waits() {
    let cluster = cluster(3, 3);
    slow(&cluster);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| cluster.run("deploy --yes shop"));
        while !cluster.engines.iter().any(|engine| !records(engine).is_empty()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(100));
        let second = cluster.run("rm --yes shop");
        // Nothing runs yet: there is nothing to remove.
        assert!(matches!(second.status, 0 | 5), "{}", second.show());
        let second = cluster.run("deploy --yes shop");
        assert_eq!(second.status, 5, "{}", second.show());
        assert!(
            masked(&second.stderr).contains("stack `shop` is locked by ann@mill (process"),
            "{}",
            second.show()
        );
        assert!(second.stderr.contains("stackctl unlock shop-"), "{}", second.show());
        let dry = cluster.expect(0, "deploy --yes --dry-run shop");
        assert!(dry.stdout.contains("shop"), "{}", dry.show());
        let third = cluster.run("deploy --yes --lock-timeout 60s shop");
        assert_eq!(third.status, 0, "{}", third.show());
        assert!(masked(&third.stderr).contains("Waiting for ann@mill"), "{}", third.show());
        assert!(third.stderr.contains("Another deploy has already applied this."), "{}", third.show());
        let first = first.join().expect("no panic");
        assert_eq!(first.status, 0, "{}", first.show());
    });
    assert_eq!(outcomes(&cluster), "1:deployed:deploy\n");
}

#[test]
fn a_lease_that_was_ended_stops_its_holder() {
    let cluster = cluster(3, 3);
    // One by one, two seconds each.
    let slowly =
        WEB.replace("replicas: 2", "replicas: 6").replace("parallelism: 2", "parallelism: 1, delay: 2s");
    cluster.stackfile(&slowly);
    cluster.expect(0, "deploy --yes shop");
    cluster.stackfile(&slowly.replace("1.25", "1.26"));
    let made =
        || cluster.engines.iter().map(|engine| engine.with(|world| world.containers.len())).sum::<usize>();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| cluster.run("deploy --yes shop"));
        while made() < 7 && !first.is_finished() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let second = cluster.expect(5, "deploy --yes shop");
        let (_, rest) = second.stderr.split_once("unlock ").expect("what to type");
        let id = rest.split('`').next().expect("an id");
        let run = cluster.expect(0, &format!("unlock {id}"));
        assert!(masked(&run.stderr).starts_with("The lock of ann@mill (process"), "{}", run.show());
        cluster.expect(1, &format!("unlock {id}"));
        cluster.expect(1, "unlock nonsense");
        let first = first.join().expect("no panic");
        assert_eq!(first.status, 5, "{}", first.show());
        assert!(first.stderr.contains("stackctl::lease::lost"), "{}", first.show());
    });
    cluster.stackfile(&WEB.replace("1.25", "1.26"));
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(outcomes(&cluster), "3:deployed:deploy\n2:unfinished:deploy\n1:deployed:deploy\n");
}

#[test]
fn a_minority_of_managers_may_be_down_and_a_majority_may_not() {
    // The stack is bound to the worker: managers that are down are no hosts it needs.
    let cluster = cluster(4, 3);
    let bound = WEB.replace("deploy:", "deploy:\n      placement: {constraints: [node.hostname == h4]}");
    let only = |managers: &[usize]| {
        let mut text = "cluster: test\nhosts:\n".to_owned();
        for (at, engine) in cluster.engines.iter().enumerate() {
            let role = if managers.contains(&at) { "manager" } else { "worker" };
            text += &format!(
                "  {}: {{address: \"{}\", role: {role}, availability: {}}}\n",
                engine.name(),
                engine.address(),
                if at < 3 { "drain" } else { "active" }
            );
        }
        cluster.room.file("stackctl.yml", &text);
    };
    only(&[0, 1, 2]);
    cluster.stackfile(&bound);
    cluster.expect(0, "deploy --yes shop");
    cluster.engines[0].kill();
    assert_eq!(outcomes(&cluster), "1:deployed:deploy\n");
    cluster.engines[1].kill();
    insta::assert_snapshot!("no_majority", cluster.expect(6, "history shop").show());
    cluster.engines[0].revive();
    cluster.engines[1].revive();
    // Two managers at once are others.
    only(&[2, 3]);
    insta::assert_snapshot!("managers_changed", cluster.expect(1, "history shop").show());
    // One at a time, a deploy in between.
    only(&[1, 2]);
    cluster.stackfile(&bound.replace("one", "two"));
    cluster.expect(0, "deploy --yes shop");
    only(&[1, 2, 3]);
    cluster.stackfile(&bound.replace("one", "three"));
    cluster.expect(0, "deploy --yes shop");
    // Each of the two began with a place that names the managers, and is no release.
    assert_eq!(outcomes(&cluster), "5:deployed:deploy\n3:deployed:deploy\n1:deployed:deploy\n");
    // The new one was given what it lacked.
    let of =
        |at: usize| records(&cluster.engines[at]).iter().filter(|name| name.contains(".releases.")).count();
    assert_eq!((of(2), of(3)), (5, 5));
}

#[test]
fn losing_the_ledger_loses_history_alone() {
    let cluster = cluster(3, 3);
    cluster.expect(0, "deploy --yes shop");
    for engine in &cluster.engines {
        engine.with(|world| world.volumes.clear());
    }
    cluster.expect(1, "history shop");
    assert_eq!(cluster.running().len(), 2);
    cluster.expect(0, "diff shop");
    // What runs is what is wanted, and from now on that is remembered again.
    cluster.engines.iter().for_each(FakeEngine::forget_calls);
    let (mut read, write) = std::io::pipe().expect("a pipe");
    let mut child = cluster.start_into(&["deploy", "--yes", "shop"], write);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut read, &mut said).expect("text comes out");
    assert_eq!(child.wait().expect("a child").code(), Some(0), "{said}");
    let at = |words: &str| said.find(words).unwrap_or_else(|| panic!("{words}: {said}"));
    assert!(at("It may have forgotten one") < at("No changes."), "said before it was known: {said}");
    // While it waits for what a holder that was forgotten may have begun, it renews its lease, and old ones are trimmed.
    let is_records = |call: &String| call == "POST /volumes/create" || call.starts_with("DELETE /volumes/");
    assert!(cluster.writes().iter().all(is_records), "{:?}", cluster.writes());
    assert_eq!(outcomes(&cluster), "1:deployed:deploy\n");
}

#[test]
fn records_can_be_in_a_directory() {
    let cluster = cluster(2, 1);
    let place = format!("file://{}/records", cluster.path().display());
    cluster.expect(0, &format!("deploy --yes --ledger {place} shop"));
    assert_eq!(records(&cluster.engines[0]), [""; 0]);
    cluster.expect(1, "history shop");
    let shown = cluster.expect(0, &format!("history --ledger {place} --format {{{{.Release}}}} shop")).stdout;
    assert_eq!(shown, "1\n");
    cluster.expect(64, "history --ledger here shop");
}

/// A backup's lines, without its first and last.
fn backed_up(cluster: &Hosts, file: &str, more: &str) -> Vec<String> {
    cluster.expect(0, &format!("ledger backup {file} {more}"));
    let text = std::fs::read_to_string(cluster.path().join(file)).unwrap();
    // Leases go on with their places.
    let lines = text.lines().skip(1).filter(|line| !line.contains("\"stream\":\"lease\""));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.pop();
    lines
}

#[test]
fn records_move_to_another_place() {
    let cluster = cluster(3, 3);
    cluster.expect(0, "deploy --yes -m first shop");
    cluster.expect(0, "deploy --yes -m first blog");
    cluster.stackfile(&WEB.replace("1.25", "1.26"));
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "suspend blog");
    cluster.expect(0, "node update --label-add zone=b h2");
    let place = format!("file://{}/records", cluster.path().display());
    let run = cluster.expect(0, &format!("ledger migrate volumes {place}"));
    insta::assert_snapshot!("migrate", run.show());
    let before = backed_up(&cluster, "one", "");
    assert_eq!(before, backed_up(&cluster, "two", &format!("--ledger {place}")));
    // Releases, how they ended, settings, nodes with the cluster's key and members; three operations, each its beginning
    // and its end; and the contents of two configs.
    assert_eq!(before.len(), 3 + 3 + 1 + 3 + 6 + 2, "{before:#?}");
    // Again: there is nothing left to do. Half way: it is finished.
    cluster.expect(0, &format!("ledger migrate volumes {place}"));
    std::fs::remove_dir_all(cluster.path().join("records/test/outcomes")).unwrap();
    cluster.expect(0, &format!("ledger migrate volumes {place}"));
    let again = backed_up(&cluster, "three", &format!("--ledger {place}"));
    assert_eq!(again, backed_up(&cluster, "three-of-volumes", ""));
    assert_eq!(again.len(), before.len() + 2, "only that is new");
    // It is lived in from now on, and nothing may be mixed into it.
    let deploy = format!("deploy --yes --ledger {place} blog");
    cluster.expect(0, &deploy);
    let history = format!("history --ledger {place} --format {{{{.Release}}}}:{{{{.Outcome}}}} blog");
    assert_eq!(cluster.expect(0, &history).stdout, "2:deployed\n1:deployed\n");
    let run = cluster.expect(1, &format!("ledger migrate volumes {place}"));
    assert!(run.stderr.contains("stackctl::ledger::not_empty"), "{}", run.show());
    cluster.expect(64, &format!("ledger migrate {place} {place}"));
    // And back, into other managers' volumes.
    let other = Hosts::new(3);
    other.expect(0, &format!("ledger migrate {place} volumes"));
    let lines = backed_up(&other, "four", "");
    assert_eq!(lines, backed_up(&cluster, "five", &format!("--ledger {place}")));
}

#[test]
fn records_do_not_move_while_somebody_is_at_work() {
    let cluster = cluster(2, 1);
    cluster.expect(0, "deploy --yes shop");
    slow(&cluster);
    cluster.stackfile(&WEB.replace("1.25", "1.26"));
    let place = format!("file://{}/records", cluster.path().display());
    let at_work = |engines: &[FakeEngine]| {
        let names = engines[0].with(|world| world.volumes.keys().cloned().collect::<Vec<_>>());
        names.iter().any(|name| is_second_release(name)).then_some(())
    };
    std::thread::scope(|scope| {
        let deploy = scope.spawn(|| cluster.room.run("deploy --yes shop"));
        while at_work(&cluster.engines).is_none() {
            assert!(!deploy.is_finished(), "{}", deploy.join().unwrap().show());
            std::thread::sleep(Duration::from_millis(5));
        }
        let run = cluster.expect(5, &format!("ledger migrate volumes {place}"));
        assert!(run.stderr.contains("stackctl::ledger::in_use"), "{}", run.show());
        assert!(!cluster.path().join("records/test/releases").exists(), "nothing was copied");
        cluster.engines.iter().for_each(FakeEngine::heal);
        deploy.join().unwrap();
    });
}

#[test]
fn a_backup_brings_a_lost_ledger_back() {
    let cluster = cluster(3, 3);
    cluster.expect(0, "deploy --yes shop");
    insta::assert_snapshot!("backup", cluster.expect(0, "ledger backup all").show());
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(cluster.path().join("all")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "releases hold what stackfiles say");
    let run = cluster.expect(1, "ledger backup all");
    assert!(run.stderr.contains("stackctl::ledger::backup_file"), "{}", run.show());
    // Lost, on all managers.
    for engine in &cluster.engines {
        engine.with(|world| world.volumes.retain(|name, _| !name.starts_with("stackctl-ledger-")));
    }
    cluster.expect(1, "history shop");
    let told = cluster.expect(0, "ledger restore all").stderr;
    assert!(told.starts_with("3 records of 1 stack are in the ledger, as of 2026-01-31T12:00:"), "{told}");
    assert_eq!(outcomes(&cluster), "1:deployed:deploy\n");
    cluster.expect(0, "ledger restore all");
    assert!(!cluster.expect(0, "deploy --yes shop").stdout.contains("release"));
    // What is newer is not overwritten, but by force.
    cluster.stackfile(&WEB.replace("1.25", "1.26"));
    cluster.expect(0, "deploy --yes shop");
    let run = cluster.expect(1, "ledger restore all");
    assert!(run.stderr.contains("stackctl::ledger::not_empty"), "{}", run.show());
    assert_eq!(outcomes(&cluster), "2:deployed:deploy\n1:deployed:deploy\n");
    cluster.engines[2].kill();
    let run = cluster.expect(6, "ledger restore --force all");
    assert!(
        run.stderr.contains("h3"),
        "a manager that is away would bring the old ones back: {}",
        run.show()
    );
    cluster.engines[2].revive();
    cluster.expect(0, "ledger restore --force all");
    assert_eq!(outcomes(&cluster), "1:deployed:deploy\n");
    // Changed, cut off, of another cluster.
    let text = std::fs::read_to_string(cluster.path().join("all")).unwrap();
    for (name, text) in [("odd", text.replace("1.25", "1.24")), ("half", text[..text.len() / 2].to_owned())] {
        cluster.room.file(name, &text);
        let run = cluster.expect(1, &format!("ledger restore --force {name}"));
        assert!(run.stderr.contains("stackctl::ledger::bad_backup"), "{}", run.show());
    }
    let inventory = std::fs::read_to_string(cluster.path().join("stackctl.yml")).unwrap();
    cluster.room.file("stackctl.yml", &inventory.replace("cluster: test", "cluster: prod"));
    let run = cluster.expect(1, "ledger restore all");
    assert!(run.stderr.contains("stackctl::ledger::other_cluster"), "{}", run.show());
    cluster.expect(0, "ledger restore --force all");
    assert_eq!(outcomes(&cluster), "1:deployed:deploy\n");
}

#[test]
fn a_forced_restore_names_the_stacks_whose_records_it_would_remove() {
    let cluster = cluster(3, 3);
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "ledger backup all");
    cluster.expect(0, "deploy --yes blog");
    let run = cluster.expect(1, "ledger restore --force all");
    let words = "the backup has nothing of 1 stack, whose records are removed from the ledger: blog";
    assert!(run.stderr.contains(words), "{}", run.show());
    let history = || cluster.run("history --format {{.Release}}:{{.Outcome}} blog");
    assert_eq!(history().stdout, "1:deployed\n", "nothing was removed");
    // What one manager has alone counts, too.
    for engine in &cluster.engines[..2] {
        engine.with(|world| world.volumes.retain(|name, _| !name.starts_with("stackctl-ledger-")));
    }
    let run = cluster.expect(1, "ledger restore --force all");
    assert!(run.stderr.contains(words), "{}", run.show());
    for engine in &cluster.engines {
        engine.with(|world| world.containers.retain(|_, one| !one.name.contains("blog")));
    }
    cluster.expect(0, "ledger restore --force --yes all");
    assert_eq!(history().status, 1);
    assert_eq!(outcomes(&cluster), "1:deployed:deploy\n");
    // Nothing is left of it but a lease that is free.
    assert_eq!(cluster.expect(0, "status --format {{.Stack}}").stdout, "shop\n");
    cluster.expect(0, "status blog");
    // And a lease is no record that could be lost.
    cluster.expect(0, "ledger restore --force all");
    for engine in &cluster.engines {
        engine.with(|world| world.networks.retain(|_, network| !network.name.contains("blog")));
    }
    cluster.forget_calls();
    for args in ["rm --dry-run blog", "rm --yes blog", "rm --yes --lock-timeout 1s blog"] {
        let run = cluster.expect(0, args);
        assert_eq!(run.stderr, "nothing found in stack: blog\n", "{args} {}", run.show());
    }
    // The lease stays: its places only grow, so that a process that was suspended finds out that it lost it.
    assert_eq!(cluster.writes(), [""; 0]);
    assert!(records(&cluster.engines[0]).iter().any(|name| name.contains(".lease.blog-")));
}

#[test]
fn an_interrupted_deploy_gives_its_lease_back() {
    let cluster = cluster(2, 1);
    slow(&cluster);
    let run = cluster.interrupt("deploy --yes shop", 1_200);
    assert_eq!(run.status, 130, "{}", run.show());
    cluster.engines.iter().for_each(FakeEngine::heal);
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(outcomes(&cluster), "2:deployed:deploy\n1:interrupted:deploy\n");
}
