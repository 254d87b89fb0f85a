//! `stackctl config create`, `ls`, `inspect`, `rotate` and `rm`, and stacks that use such configs, on fake engines.

use serde_json::Value;

use crate::hosts::Hosts;

const FILE: &str = "services:\n  web:\n    image: nginx:1.27\n    configs:\n      - {source: site, target: /etc/site.conf}\n      - {source: own, target: /etc/own.conf}\nconfigs:\n  site: {external: true, name: shared_site}\n  own: {file: own.conf}\n";

fn cluster() -> Hosts {
    let mut cluster = Hosts::new(1);
    let home = cluster.room.path().display().to_string();
    cluster.room.env("HOME", &home).env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    cluster.room.file("site.conf", "listen 80;\n");
    cluster.room.file("own.conf", "own\n");
    cluster.room.file("app.yml", FILE);
    cluster
}

#[test]
fn a_stack_has_an_external_config_and_keeps_it_when_it_is_gone() {
    let cluster = cluster();
    let none = cluster.expect(1, "deploy --yes -c app.yml shop");
    assert!(none.stderr.contains("stackctl::config::no_content"), "{}", none.show());
    assert!(none.stderr.contains("stackctl config create"), "{}", none.show());
    let made = cluster.expect(0, "config create shared_site site.conf -l team=web");
    assert!(made.stderr.contains("Config shared_site is made."), "{}", made.show());
    let first = cluster.expect(0, "deploy --yes -c app.yml shop");
    let second = cluster.expect(0, "deploy --yes -c app.yml shop");
    assert!(second.stdout.contains("No changes"), "{}\n{}", first.show(), second.show());

    let listed = cluster.expect(0, "config ls");
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", listed.show());
    assert!(lines[1].starts_with("shared_site") && lines[1].contains("11B") && lines[1].contains("shop"));
    assert!(lines[2].starts_with("shop_own") && lines[2].contains("4B"), "{}", listed.show());
    assert_eq!(cluster.expect(0, "config ls -q -f label=team=web").stdout, "shared_site\n");

    let shown = cluster.expect(0, "config inspect shared_site shop_own").stdout;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown[0]["Spec"]["Data"], "bGlzdGVuIDgwOwo=");
    assert_eq!((&shown[1]["Spec"]["Data"], &shown[1]["Stack"]), (&"b3duCg==".into(), &"shop".into()));
    let pretty = cluster.expect(0, "config inspect --pretty shared_site").stdout;
    assert!(
        pretty.contains("Name:                   shared_site\n") && pretty.contains("listen 80;"),
        "{pretty}"
    );

    let used = cluster.expect(1, "config rm shared_site");
    assert!(used.stderr.contains("stackctl::config::in_use"), "{}", used.show());
    let own = cluster.expect(1, "config rm shop_own");
    assert!(own.stderr.contains("stackctl::config::of_stack"), "{}", own.show());
}

#[test]
fn a_new_content_comes_with_the_next_deploy_and_a_rollback_brings_the_old_one_back() {
    let cluster = cluster();
    cluster.expect(0, "config create shared_site site.conf");
    cluster.expect(0, "deploy --yes -c app.yml shop");
    cluster.room.file("site.conf", "listen 81;\n");
    let given = cluster.expect(0, "config rotate shared_site site.conf");
    assert!(given.stderr.contains("next deploy"), "{}", given.show());
    let same = cluster.expect(0, "config rotate shared_site site.conf");
    assert!(same.stderr.contains("already"), "{}", same.show());
    let diff = cluster.expect(2, "diff -c app.yml shop");
    assert!(diff.stdout.contains("/etc/site.conf"), "{}", diff.show());
    cluster.expect(0, "deploy --yes -c app.yml shop");
    cluster.expect(0, "rollback --yes shop");
    let diff = cluster.expect(2, "diff -c app.yml shop");
    assert!(diff.stdout.contains("/etc/site.conf"), "{}", diff.show());
    // What the rollback needed is of the releases: the config itself may go once no stack runs with it.
    cluster.expect(0, "rm --yes shop");
    cluster.expect(0, "config rm shared_site");
    assert_eq!(cluster.expect(0, "config ls -q").stdout, "");
    let back = cluster.expect(0, "rollback --yes --to 2 shop");
    assert!(back.stderr.contains("shop") || back.stdout.contains("shop"), "{}", back.show());
}

/// A snapshot has no contents of configs of the cluster: they are compared with nothing, and all else is compared.
#[test]
fn a_diff_against_a_snapshot_takes_configs_of_the_cluster_for_unchanged_and_says_so() {
    let cluster = cluster();
    cluster.expect(0, "config create shared_site site.conf");
    for more in ["", "    x-stackctl: {on_config: SIGHUP}\n"] {
        let file = FILE.replace("    configs:\n", &format!("{more}    configs:\n"));
        cluster.room.file("app.yml", &file);
        cluster.expect(0, "deploy --yes -c app.yml shop");
        let (snap, key) = (format!("snap{}.json", more.len()), format!("key{}", more.len()));
        cluster.expect(0, &format!("snapshot -o {snap} --key-out {key}"));
        let diff = format!("diff --against {snap} --key {key} -c app.yml shop");
        let same = cluster.room.run(&format!("--verbose {diff}"));
        assert_eq!(same.status, 0, "{}", same.show());
        let said = same.stderr.clone() + &same.stdout;
        assert!(said.contains("these configs of the cluster differ"), "{}", same.show());
        cluster.room.file("app.yml", &file.replace("1.27", "1.28"));
        let other = cluster.room.run(&diff);
        assert!(other.status == 2 && !other.stdout.contains("site.conf"), "{}", other.show());
        cluster.room.file("app.yml", &file);
        cluster.room.file("own.conf", &format!("other {}\n", more.len()));
        let own = cluster.room.run(&diff);
        assert!(own.status == 2 && own.stdout.contains("/etc/own.conf"), "{}", own.show());
    }
}

#[test]
fn what_is_no_config_is_refused_by_name() {
    let cluster = cluster();
    let missing = cluster.expect(1, "config create shared_site missing.conf");
    assert!(missing.stderr.contains("stackctl::config::unreadable"), "{}", missing.show());
    cluster.room.file("empty.conf", "");
    let empty = cluster.expect(1, "config create shared_site empty.conf");
    assert!(empty.stderr.contains("stackctl::config::size"), "{}", empty.show());
    cluster.room.file("large.conf", &"x".repeat(1_100_000));
    let large = cluster.expect(1, "config create shared_site large.conf");
    assert!(large.stderr.contains("a config has 1023999 bytes at most"), "{}", large.show());
    // No task could be made with it.
    cluster.room.file("bad.conf", "listen 80;\nname {{.Service.Name;\n");
    let bad = cluster.expect(1, "config create shared_site bad.conf --template-driver golang");
    assert!(bad.stderr.contains("stackctl::config::template"), "{}", bad.show());
    assert!(bad.stderr.contains("line 2"), "{}", bad.show());
    cluster.expect(0, "config create filled site.conf --template-driver golang");
    let bad = cluster.expect(1, "config rotate filled bad.conf");
    assert!(bad.stderr.contains("stackctl::config::template"), "{}", bad.show());
    assert!(cluster.expect(0, "config inspect filled").stdout.contains("bGlzdGVuIDgwOwo="));
    cluster.expect(0, "config create shared_site site.conf");
    let twice = cluster.expect(1, "config create shared_site site.conf");
    assert!(twice.stderr.contains("stackctl::config::exists"), "{}", twice.show());
    let unknown = cluster.expect(1, "config inspect other");
    assert!(unknown.stderr.contains("stackctl::config::unknown"), "{}", unknown.show());
    assert!(unknown.stderr.contains("shared_site"), "{}", unknown.show());
}
