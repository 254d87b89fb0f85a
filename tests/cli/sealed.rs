//! Values of releases in a cluster with a key, on fake engines: encrypted in the ledger, compared without a key, and opened by
//! what makes tasks of them.

use std::path::PathBuf;

use crate::hosts::Hosts;

const CANARY: &str = "hunter2-correct-horse";
const OTHER: &str = "tr0ub4dor-and-three";

fn stackfile(token: &str) -> String {
    format!(
        "services:\n  web:\n    image: nginx:1.25\n    command: [serve, --key={token}]\n    environment: {{TOKEN: {token}}}\n    \
         deploy: {{replicas: 2, update_config: {{parallelism: 0, monitor: 50ms}}}}\n"
    )
}

/// Three hosts, and a user with a key.
fn cluster() -> Hosts {
    let mut cluster = Hosts::new(3);
    let home = cluster.room.path().join("ann").display().to_string();
    cluster.room.env("HOME", &home).env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    cluster.expect(0, "key init");
    cluster.stackfile(&stackfile(CANARY));
    cluster.expect(0, "deploy --yes shop");
    cluster
}

/// From now on as a user without the key.
fn without_key(cluster: &mut Hosts) {
    let home = cluster.room.path().join("ben").display().to_string();
    cluster.room.env("HOME", &home);
}

fn with_key(cluster: &mut Hosts) {
    let home = cluster.room.path().join("ann").display().to_string();
    cluster.room.env("HOME", &home);
}

fn holds_no_value(cluster: &Hosts) {
    let of = |engine: &crate::engine::FakeEngine| engine.with(|world| format!("{:?}", world.volumes));
    let kept: String = cluster.engines.iter().map(of).collect();
    assert!(kept.contains("releases") && !kept.contains(CANARY) && !kept.contains(OTHER), "{kept}");
    let path: PathBuf = cluster.room.path().join("plain.jsonl");
    cluster.expect(0, &format!("ledger backup --unencrypted {}", path.display()));
    let text = std::fs::read_to_string(&path).expect("a backup");
    std::fs::remove_file(path).expect("a backup");
    assert!(text.contains("(hidden:") && !text.contains(CANARY) && !text.contains(OTHER), "{text}");
}

fn releases(cluster: &Hosts) -> usize {
    cluster.expect(0, "history --format {{.Release}} shop").stdout.lines().count()
}

/// Tokens of the containers that run.
fn tokens(cluster: &Hosts) -> Vec<String> {
    let names = cluster.running();
    let asked = cluster.engines.iter().flat_map(|engine| {
        engine.with(|world| {
            let running = world.containers.values().filter(|container| names.contains(&container.name));
            running.map(|container| container.asked["Env"].to_string()).collect::<Vec<_>>()
        })
    });
    let known = |env: String| {
        [CANARY, OTHER].into_iter().find(|token| env.contains(token)).map_or(env.clone(), str::to_owned)
    };
    asked.map(known).collect()
}

#[test]
fn who_has_no_key_compares_and_deploys_and_sees_no_value() {
    let mut cluster = cluster();
    holds_no_value(&cluster);
    assert!(cluster.expect(0, "show shop").stdout.contains(CANARY));
    without_key(&mut cluster);
    cluster.expect(0, "diff shop");
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(releases(&cluster), 1, "nothing is new");
    let status = cluster.expect(0, "status").stdout;
    assert!(status.contains("in sync"), "{status}");
    let shown = cluster.expect(0, "show shop");
    assert!(
        shown.stdout.contains("TOKEN: (hidden:") && shown.stderr.contains("no private key here"),
        "{}",
        shown.show()
    );
    let json = cluster.expect(0, "show --format json shop");
    assert!(!json.stdout.contains("sealed") && !json.stdout.contains(CANARY), "{}", json.show());
    cluster.stackfile(&stackfile(OTHER));
    let diff = cluster.expect(2, "diff --show-values shop");
    assert!(diff.stdout.contains(OTHER) && !diff.stdout.contains(CANARY), "{}", diff.show());
    cluster.expect(0, "deploy --yes shop");
    assert_eq!((releases(&cluster), tokens(&cluster)), (2, vec![OTHER.to_owned(); 2]));
    holds_no_value(&cluster);
    let between = cluster.expect(2, "diff shop@1 shop@2");
    assert!(between.stdout.contains("(hidden)") && !between.show().contains(OTHER), "{}", between.show());
    with_key(&mut cluster);
    let between = cluster.expect(2, "diff --show-values shop@1 shop@2").stdout;
    assert!(between.contains(CANARY) && between.contains(OTHER), "{between}");
}

#[test]
fn what_makes_tasks_of_a_release_opens_it_or_does_nothing() {
    let mut cluster = cluster();
    cluster.stackfile(&stackfile(OTHER));
    cluster.expect(0, "deploy --yes shop");
    without_key(&mut cluster);
    cluster.forget_calls();
    for words in [
        "scale --yes shop_web=3",
        "scale --dry-run shop_web=3",
        "rollback --yes shop",
        "rollback --dry-run shop",
        "rollback --yes --to 1 shop",
        "undo --yes shop",
        "service update --yes --image nginx:1.26 shop_web",
    ] {
        let run = cluster.room.run(words);
        assert!(run.stderr.contains("stackctl::secrets::sealed_values"), "{words}: {}", run.show());
        assert!(run.status == 1 && run.stderr.contains("STACKCTL_KEY_FILE"), "{words}: {}", run.show());
    }
    let made: Vec<String> =
        cluster.writes().into_iter().filter(|call| call.contains("/containers")).collect();
    assert_eq!(made, [""; 0]);
    // Nothing to do is nothing to refuse.
    cluster.expect(0, "scale --yes shop_web=2");
    with_key(&mut cluster);
    cluster.expect(0, "rollback --yes shop");
    assert_eq!(tokens(&cluster), vec![CANARY; 2]);
    cluster.expect(0, "scale --yes shop_web=3");
    assert_eq!(tokens(&cluster), vec![CANARY; 3]);
    cluster.expect(0, "undo --yes shop");
    assert_eq!(tokens(&cluster), vec![CANARY; 2]);
    holds_no_value(&cluster);
}

#[test]
fn the_loop_repairs_with_a_key_and_says_so_without_one() {
    let mut cluster = cluster();
    let lose_one = |cluster: &Hosts| {
        let engine = cluster.engines.iter().find(|engine| engine.with(|world| !world.containers.is_empty()));
        engine.expect("a task").with(|world| world.containers.clear());
    };
    lose_one(&cluster);
    without_key(&mut cluster);
    let run = cluster.room.run("reconcile --once");
    assert!(run.status != 0 && run.show().contains("encrypted in the ledger"), "{}", run.show());
    assert!(run.stderr.contains("this loop cannot open them"), "{}", run.show());
    assert_eq!(tokens(&cluster).len(), 1);
    with_key(&mut cluster);
    let run = cluster.expect(0, "reconcile --once");
    assert!(!run.stderr.contains("cannot open"), "{}", run.show());
    assert_eq!(tokens(&cluster), vec![CANARY; 2]);
    cluster.expect(0, "node update --yes --availability drain h1");
    assert_eq!(tokens(&cluster), vec![CANARY; 2]);
    holds_no_value(&cluster);
}
