//! No value reaches what is shown, sent or written, unless it is asked for: secrets of many shapes, planted everywhere, are
//! looked for in every sink.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::hosts::Hosts;
use crate::run::Run;

/// What every planted value contains. Behind it come its number and the version of the stackfile.
const CANARY: &str = "hunter";

/// Forms in which people write secrets into variables; `{}` is the secret.
const VALUES: [(&str, &str); 15] = [
    ("ENCRYPTION_KEY", "{}"),
    ("SSH_KEY", "-----BEGIN OPENSSH PRIVATE KEY----- {} -----END OPENSSH PRIVATE KEY-----"),
    ("SETTINGS", r#"{"password":"{}"}"#),
    ("HEADER", "Authorization: Bearer {}"),
    ("PAYMENT", "sk_test_{}"),
    ("HOOK", "https://hooks.example.com/services/{}"),
    ("DATABASE_URL", "postgres://app:{}@db/x"),
    ("REDIS", "redis://:{}@r:6379"),
    ("POSTGRES_PASSWORD", "{}"),
    ("GITHUB_TOKEN", "ghp_{}"),
    ("AWS_SECRET_ACCESS_KEY", "{}"),
    ("JWT", "eyJhbGciOiJIUzI1NiJ9.{}"),
    ("CONNECTION", "Server=db;User Id=sa;Pwd={};"),
    ("COOKIE", "session={}; HttpOnly"),
    ("PLAIN", "{}"),
];

/// Where a stackfile can have a value. `N` becomes its number, `V` the version of the file.
fn stackfile(version: &str) -> String {
    let mut number = 0;
    let mut secret = |form: &str| {
        number += 1;
        form.replace("{}", &format!("{CANARY}{number}{version}"))
    };
    let mut text = String::from("services:\n  web:\n    image: nginx:1.25\n    environment:\n");
    for (name, form) in VALUES {
        text += &format!("      {name}: '{}'\n", secret(form));
    }
    let words = ["--auth", "user:{}", "-p{}", "--requirepass={}"].map(&mut secret);
    text += &format!("    command: ['{}']\n", words.join("', '"));
    text += &format!("    entrypoint: ['run', '{}']\n", secret("--token={}"));
    text += &format!("    labels: {{traefik.basicauth: '{}'}}\n", secret("admin:{}"));
    text += &format!("    healthcheck: {{test: ['CMD', 'redis-cli', '-a', '{}']}}\n", secret("{}"));
    text += &format!("    logging: {{driver: splunk, options: {{splunk-token: '{}'}}}}\n", secret("{}"));
    text += "    networks: {n: }\n    configs: [{source: c, target: /etc/c}]\n";
    text += "    deploy:\n      update_config: {monitor: 50ms}\n";
    text += &format!("      labels: {{auth: '{}'}}\n", secret("{}"));
    // A network is not changed in place.
    text += &format!("networks: {{n: {{driver_opts: {{key: {CANARY}0}}}}}}\n");
    text += &format!("configs: {{c: {{content: '{}'}}}}\n", secret("password = {}"));
    text
}

fn is_clean(what: &str, text: &str) {
    if let Some(at) = text.find(CANARY) {
        let from = (0..=at.saturating_sub(120)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        panic!("{what} shows a value: …{}", text[from..].chars().take(240).collect::<String>());
    }
}

fn clean(what: &str, run: &Run) {
    is_clean(what, &run.stdout);
    is_clean(what, &run.stderr);
}

/// A cluster with a program that is told of everything, and two releases of the stack.
fn cluster() -> Hosts {
    let mut cluster = Hosts::new(1);
    cluster.room.env("USER", "ann").env("STACKCTL_NOW", "2026-01-31T12:00:00Z").env("STACKCTL_TRUST", "1");
    let engine = &cluster.engines[0];
    engine.with(|world| {
        world.info = serde_json::json!({
            "Plugins": { "Volume": ["local"], "Network": ["bridge"], "Log": ["json-file", "splunk"] },
        })
    });
    let told = cluster.path().join("told").display().to_string();
    let text = format!(
        "cluster: test\nhosts:\n  h1: {{address: \"{}\", role: manager}}\nnotifications:\n  - command: [sh, -c, \
         'cat >>{told}']\n",
        engine.address()
    );
    cluster.room.file("stackctl.yml", &text);
    cluster.stackfile(&stackfile("a"));
    clean("the first deploy", &cluster.expect(0, "deploy --yes shop"));
    cluster.stackfile(&stackfile("b"));
    cluster
}

#[test]
fn no_value_is_in_any_form_of_a_plan_unless_it_is_asked_for() {
    let cluster = cluster();
    for format in ["text", "json", "markdown", "github", "gitlab"] {
        let run = cluster.expect(2, &format!("diff --format {format} shop"));
        clean(&format!("diff --format {format}"), &run);
        assert!(run.stdout.contains("environment.PLAIN"), "a diff says which values differ: {}", run.show());
        let run = cluster.expect(2, &format!("diff --show-values --format {format} shop"));
        assert!(run.stdout.contains(CANARY), "{}", run.show());
    }
    let shown = cluster.expect(2, "diff --show-values shop").stdout;
    for number in [1, 3, 9, 15, 18, 22] {
        for version in ["a", "b"] {
            assert!(shown.contains(&format!("{CANARY}{number}{version}")), "{number}{version}: {shown}");
        }
    }
    clean("deploy --dry-run", &cluster.expect(0, "deploy --dry-run shop"));
    clean("deploy --dry-run, in JSON", &cluster.expect(0, "deploy --dry-run --format json shop"));
    clean("a refusal", &cluster.expect(1, "deploy shop"));
    let shown = cluster.expect(0, "deploy --dry-run --show-values shop");
    assert!(shown.stdout.contains("hunter15b"), "{}", shown.show());
    clean("a snapshot", &cluster.expect(0, "snapshot -o snapshot.json"));
    is_clean("a snapshot", &std::fs::read_to_string(cluster.path().join("snapshot.json")).unwrap());
    clean("diff --against", &cluster.expect(2, "diff --against snapshot.json shop"));
    cluster.expect(2, "diff --out plan.bin shop");
    cluster.expect(0, "scale shop_web=2 --yes");
    let stale = cluster.expect(1, "deploy --yes plan.bin");
    assert!(stale.stderr.contains("environment.PLAIN"), "{}", stale.show());
    clean("a stale plan", &stale);
}

#[test]
fn no_value_is_in_what_is_told_logged_or_written_of_a_run() {
    let cluster = cluster();
    clean("deploy", &cluster.expect(0, "deploy --yes -v shop"));
    cluster.expect(0, "service update --yes --env-add PLAIN=hunter99c shop_web");
    cluster.stackfile(&stackfile("d"));
    clean("deploy, in JSON", &cluster.expect(0, "deploy --yes --format json shop"));
    for args in [
        "history shop",
        "log",
        "log --format json",
        "status",
        "ps shop",
        "services shop",
        "events --since 24h",
        "rollback --dry-run shop",
        "rollback --dry-run --to 1 shop",
        "undo --dry-run shop",
        "diff shop@1 shop@2",
        "diff shop@1",
        "volume ls",
        "explain shop web",
    ] {
        let run = cluster.room.run(args);
        assert!(run.status <= 2, "{args}: {}", run.show());
        clean(args, &run);
    }
    let between = cluster.expect(2, "diff shop@1 shop@2").stdout;
    assert!(between.contains("PLAIN: (hidden)"), "{between}");
    assert!(cluster.expect(2, "diff --show-values shop@1 shop@2").stdout.contains("hunter15a"));
    // That is what they are for.
    assert!(cluster.expect(0, "show shop@1").stdout.contains("hunter15a"));
    assert!(cluster.expect(0, "config").stdout.contains("hunter15d"));

    // A start that fails names the command in the engine's own words, and nothing else.
    cluster.stackfile(&stackfile("e"));
    let refused = crate::engine::Wrong::Refuse(500, "no space left on device".to_owned());
    cluster.engines[0].fail("POST /containers/{id}/start", 9, refused);
    let failed = cluster.room.run("deploy --yes shop");
    assert_ne!(failed.status, 0, "{}", failed.show());
    clean("a failed deploy", &failed);

    is_clean("a notification", &std::fs::read_to_string(cluster.path().join("told")).unwrap());
    // What the user writes into a label is shown by the engine itself.
    let labels = cluster.engines[0].with(|world| {
        let of = |one: &crate::engine::Container| {
            let users = one.labels()["traefik.basicauth"].as_str().unwrap_or("-").to_owned();
            one.labels()["io.stackctl.spec"].to_string().replace(&users, "")
        };
        world.containers.values().map(of).collect::<String>()
    });
    is_clean("a label", &labels);
    let mut journals = 0;
    each_file(&cluster.path().join(".local"), &mut |path, mode| {
        assert_eq!(mode & 0o077, 0, "{}", path.display());
        is_clean(&path.display().to_string(), &std::fs::read_to_string(path).unwrap_or_default());
        journals += 1;
    });
    assert!(journals > 0);
}

#[test]
fn files_with_values_are_their_owner_s_alone() {
    let cluster = cluster();
    cluster.expect(2, "diff --out plan.bin shop");
    cluster.expect(0, "snapshot -o snapshot.json --key-out snapshot.key");
    cluster.expect(0, "ledger backup backup.bin");
    let records = format!("--ledger file://{}/records", cluster.path().display());
    cluster.expect(0, &format!("{records} deploy --yes shop"));
    for name in ["plan.bin", "snapshot.json", "snapshot.key", "backup.bin"] {
        let mode = std::fs::metadata(cluster.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let mut count = 0;
    each_file(&cluster.path().join("records"), &mut |path, mode| {
        assert_eq!(mode & 0o077, 0, "{}", path.display());
        count += 1;
    });
    assert!(count > 2);
}

fn each_file(folder: &Path, act: &mut dyn FnMut(&Path, u32)) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let mode = entry.metadata().unwrap().permissions().mode();
        if path.is_dir() {
            each_file(&path, act);
        } else {
            act(&path, mode);
        }
    }
}
