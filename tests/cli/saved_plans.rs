//! Plans that are kept in a file and carried out later, or not at all.

use serde_json::Value;

use crate::envelope::resealed;
use crate::hosts::Hosts;

const SHOP: &str = "\
services:
  web:
    image: nginx:${TAG:-1.25}
    environment: {TOKEN: \"${TOKEN:-none}\", DSN: \"${DSN:-none}\"}
    env_file: web.env
    configs: [{source: page, target: /page}]
    deploy:
      replicas: 2
      update_config: {parallelism: 2, monitor: 50ms}
configs:
  page: {file: page.html}
";

/// Three hosts that run the shop, and a plan for another version of it.
fn planned() -> Hosts {
    let mut hosts = Hosts::new(3);
    hosts.room.env("USER", "ann").env("TOKEN", "hunter2");
    hosts.room.file("web.env", "PASSWORD=hunter3\n");
    hosts.room.file("page.html", "hunter4");
    hosts.stackfile(SHOP);
    hosts.expect(0, "deploy --yes shop");
    hosts.room.env("TAG", "1.26").env("DSN", "postgres://me:hunter6@db");
    hosts.forget_calls();
    let run = hosts.expect(2, "diff --out plan.bin shop");
    assert!(run.stderr.contains("The plan is in plan.bin"), "{}", run.show());
    assert_eq!(hosts.writes(), [""; 0]);
    hosts
}

fn kept(hosts: &Hosts) -> String {
    std::fs::read_to_string(hosts.path().join("plan.bin")).expect("a plan")
}

fn images(hosts: &Hosts) -> Vec<String> {
    let of = |engine: &crate::engine::FakeEngine| -> Vec<String> {
        engine.with(|world| {
            let running = world.running();
            let all = world.containers.values().filter(|one| running.contains(&one.name));
            all.map(|one| one.image().split('@').next().unwrap_or_default().to_owned()).collect()
        })
    };
    hosts.engines.iter().flat_map(of).collect()
}

/// Refused, and nothing was touched.
#[track_caller]
fn refused(hosts: &Hosts, code: &str, args: &str) -> String {
    hosts.forget_calls();
    let run = hosts.run(args);
    assert!(matches!(run.status, 1 | 64) && run.stderr.contains(code), "{args}: {code}\n{}", run.show());
    let writes: Vec<String> = hosts.writes();
    assert!(!writes.iter().any(|call| call.contains("/containers/")), "{writes:?}");
    run.show()
}

#[test]
fn a_kept_plan_is_carried_out_as_it_is_and_only_once() {
    let hosts = planned();
    let text = kept(&hosts);
    assert!(!text.contains("hunter"), "{text}");
    assert!(text.contains("nginx:1.26"), "the plan can be read");
    hosts.expect(0, "deploy --dry-run plan.bin");
    assert_eq!(images(&hosts), ["nginx:1.25", "nginx:1.25"]);
    // A tag that moves meanwhile does not move the plan.
    let planned: Value = serde_json::from_str(&hosts.expect(2, "diff --format json shop").stdout).unwrap();
    let run = hosts.expect(0, "deploy --yes --format json -m 'from-a-plan' ./plan.bin");
    let done = run.stdout.lines().filter(|line| line.contains("\"type\":\"action_done\"")).count();
    assert_eq!(Some(done), planned["actions"].as_array().map(Vec::len), "{}", run.show());
    assert_eq!(images(&hosts), ["nginx:1.26", "nginx:1.26"]);
    let history = hosts.expect(0, "history --format {{.Release}}:{{.Files}}:{{.Message}} shop").stdout;
    assert!(history.starts_with("2:compose.yaml:'from-a-plan'\n"), "{history}");
    hosts.forget_calls();
    hosts.expect(0, "deploy --yes plan.bin");
    assert_eq!(hosts.writes(), [""; 0], "all is as it was to be");
}

#[test]
fn a_plan_that_is_not_true_any_more_is_refused_with_both_diffs() {
    let hosts = planned();
    hosts.expect(0, "scale --yes shop/web=3");
    let shown = refused(&hosts, "stackctl::plan::stale", "deploy --yes plan.bin");
    let mut shown: Vec<&str> = shown.lines().collect();
    for line in &mut shown {
        if line.starts_with("The plan of ") {
            *line = "The plan of [TIME] said:";
        }
    }
    let shown: Vec<&str> = shown.into_iter().filter(|line| !line.contains("has changed since")).collect();
    insta::assert_snapshot!("stale_plan", shown.join("\n"));
    refused(&hosts, "stackctl::plan::stale", "deploy --dry-run plan.bin");
    hosts.engines[1].kill();
    let run = hosts.expect(6, "deploy --yes plan.bin");
    assert!(run.stderr.contains("node `h2` is unreachable"), "{}", run.show());
}

#[test]
fn what_else_changes_in_the_cluster_does_not_stop_a_plan() {
    let hosts = planned();
    hosts
        .room
        .file("other.yml", "services: {a: {image: 'busybox:1', deploy: {update_config: {monitor: 50ms}}}}\n");
    hosts.expect(0, "deploy --yes -c other.yml other");
    let run = hosts.expect(0, "deploy --yes -v plan.bin");
    assert!(run.stderr.contains("The cluster has changed since the plan was made"), "{}", run.show());
}

#[test]
fn who_deploys_between_the_look_and_the_lease_stops_a_plan() {
    let mut hosts = planned();
    for engine in &hosts.engines {
        engine.with(|world| world.pull_ms = 3_000);
    }
    hosts.room.env("STACKCTL_YES", "1");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| hosts.run("service update --image nginx:1.27 shop_web"));
        // The lease is taken; what is pulled takes its time.
        let is_at_work = || hosts.writes().iter().any(|call| call.contains("/volumes/create"));
        while !is_at_work() && !first.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let run = hosts.run("deploy --lock-timeout 60s plan.bin");
        assert!(run.status == 1 && run.stderr.contains("stackctl::plan::stale"), "{}", run.show());
        assert!(run.stderr.contains("another process worked on the stack in the meantime"), "{}", run.show());
        let first = first.join().expect("no panic");
        assert_eq!(first.status, 0, "{}", first.show());
    });
    assert_eq!(images(&hosts), ["nginx:1.27", "nginx:1.27"]);
}

#[test]
fn inputs_that_changed_stop_a_plan() {
    let mut hosts = planned();
    let changed = "stackctl::plan::inputs_changed";
    hosts.room.file("page.html", "other");
    let shown = refused(&hosts, changed, "deploy --yes plan.bin");
    assert!(shown.contains("the file page.html has changed"), "{shown}");
    hosts.room.file("page.html", "hunter4");
    hosts.room.env("TOKEN", "hunter5");
    let shown = refused(&hosts, changed, "deploy --yes plan.bin");
    assert!(shown.contains("the variable TOKEN has another value") && !shown.contains("hunter"), "{shown}");
    hosts.room.env("TOKEN", "hunter2");
    hosts.room.file(".env", "A=1\n");
    let shown = refused(&hosts, changed, "deploy --yes plan.bin");
    assert!(shown.contains("the file .env is read now"), "{shown}");
    std::fs::remove_file(hosts.path().join(".env")).unwrap();
    std::fs::remove_file(hosts.path().join("web.env")).unwrap();
    refused(&hosts, "web.env", "deploy --yes plan.bin");
    hosts.room.file("web.env", "PASSWORD=hunter3\n");
    hosts.expect(0, "deploy --yes plan.bin");
}

#[test]
fn plans_that_are_no_good_are_refused() {
    let hosts = planned();
    let text = kept(&hosts);
    let file = |name: &str, text: &str| drop(hosts.room.file(name, text));
    file("changed.bin", &text.replace("nginx:1.26", "nginx:6.66"));
    // The place does not depend on how long the version is.
    let text_of = text.replace(env!("CARGO_PKG_VERSION"), "0.0.0");
    file("cut.bin", &text_of[..text_of.len() - 40]);
    file("newer.bin", &text.replace("\"read\": \"0.3.0\"", "\"read\": \"99.0.0\""));
    file("other.yml", "cluster: other\nhosts: {h1: {address: nowhere, role: manager}}\n");
    // What is changed with a checksum that is right again is no other deploy: the files are read anew.
    let forged = resealed(&text, |whole| {
        whole["content"]["spec"]["services"]["web"]["task"]["image"] = "nginx:6.66".into();
    });
    file("forged.bin", &forged);
    file("older.bin", &resealed(&text, |whole| whole["version"] = "0.0.1".into()));
    file("actions.bin", &resealed(&text, |whole| whole["content"]["actions"] = "sha256:00".into()));
    hosts.expect(0, "snapshot -o snap.bin");
    let mut shown = String::new();
    for (code, args) in [
        ("saved::damaged", "deploy --yes changed.bin"),
        ("saved::damaged", "deploy --yes cut.bin"),
        ("saved::other_format", "deploy --yes newer.bin"),
        ("saved::other_version", "deploy --yes older.bin"),
        ("saved::foreign", "deploy --yes -i other.yml plan.bin"),
        ("saved::something_else", "deploy --yes snap.bin"),
        ("saved::unreadable", "deploy --yes nowhere.bin"),
        ("plan::inputs_changed", "deploy --yes forged.bin"),
        ("plan::says_all", "deploy --yes -c compose.yaml plan.bin"),
        ("plan::says_all", "deploy --yes --prune plan.bin"),
        ("plan::of_release", "diff --out x.bin shop@1"),
        ("plan::from_stdin", "diff --out x.bin -c - shop"),
    ] {
        if code.ends_with("from_stdin") {
            let run = hosts.run_with(&["diff", "--out", "x.bin", "-c", "-", "shop"], SHOP);
            assert!(run.status == 1 && run.stderr.contains(code), "{}", run.show());
        } else {
            shown.push_str(&format!("$ stackctl {args}\n{}\n", refused(&hosts, code, args)));
        }
    }
    refused(&hosts, "plan::stale", "deploy --yes actions.bin");
    insta::assert_snapshot!("plans_refused", shown.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    assert_eq!(images(&hosts), ["nginx:1.25", "nginx:1.25"]);
    assert!(!hosts.path().join("x.bin").exists());
}
