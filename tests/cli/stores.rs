//! Secrets whose values are in other stores: what their drivers are asked, and what becomes of it when they fail.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::hosts::Hosts;
use crate::repositories::{FOLLOW, Place, stack};
use crate::run::Run;

const CANARY: &str = "hunter2-correct-horse";

/// Of a service that does not use it: a fake engine has no agent. It is kept all the same.
const KEPT: &str = "\
services:
  web: {image: 'nginx:1.25'}
secrets:
  db: {driver: DRIVER}
";

/// The same, used.
const USED: &str = "\
services:
  web: {image: 'nginx:1.25', secrets: [db]}
secrets:
  db: {driver: DRIVER}
";

/// A host with a key, and programs of the test's own before all others.
fn cluster(drivers: &str) -> Hosts {
    let mut cluster = Hosts::new(1);
    let dir = cluster.room.path().display().to_string();
    cluster.room.env("PATH", &format!("{dir}/bin:/usr/bin:/bin")).env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    cluster.room.env("STACKCTL_TRUST", "1");
    allow(&cluster, drivers);
    cluster.expect(0, "key init");
    cluster
}

/// The inventory with these drivers.
fn allow(cluster: &Hosts, drivers: &str) {
    cluster.inventory(|_| String::new());
    let path = cluster.room.path().join("stackctl.yml");
    let text = std::fs::read_to_string(path).expect("the inventory");
    cluster.room.file("stackctl.yml", &format!("{text}secrets:\n  drivers: {drivers}\n"));
}

fn program(cluster: &Hosts, name: &str, script: &str) {
    let path = cluster.room.file(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a program");
}

/// With a driver, and its options.
fn stackfile(cluster: &Hosts, text: &str, driver: &str) {
    cluster.stackfile(&text.replace("DRIVER", driver));
}

fn says(run: &Run, words: &[&str]) {
    for words in words {
        assert!(run.show().replace("\n  │ ", " ").contains(words), "{words}: {}", run.show());
    }
    assert!(!run.show().contains(CANARY), "{}", run.show());
}

/// Versions of the stack's secret, the present one last.
fn versions(cluster: &Hosts) -> Vec<String> {
    let run = cluster.expect(0, "secret inspect --format json shop_db");
    let all: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let versions = all[0]["Versions"].as_array().expect("versions").iter();
    versions.map(|one| one["Version"].as_str().expect("a version").to_owned()).collect()
}

#[test]
fn a_program_is_asked_by_the_protocol_and_what_it_prints_is_the_value() {
    let cluster = cluster("[bank]");
    program(&cluster, "stackctl-secret-bank", "cat >question.json; cat value.txt; echo all is well >&2");
    stackfile(&cluster, KEPT, "bank, driver_opts: {path: a/b, number: 3}");
    cluster.room.file("value.txt", CANARY);
    let run = cluster.expect(0, "deploy --yes shop");
    says(&run, &[]);
    let question = std::fs::read_to_string(cluster.room.path().join("question.json")).expect("a question");
    assert!(question.ends_with('\n'), "{question:?}");
    let question: Value = serde_json::from_str(&question).expect("JSON");
    let options = json!({ "path": "a/b", "number": "3" });
    assert_eq!(question, json!({ "version": 1, "secret": "db", "stack": "shop", "options": options }));
    let first = versions(&cluster);
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(versions(&cluster), first, "the same value is the same version");
    // To the byte: a newline counts, as in a file.
    cluster.room.file("value.txt", &format!("{CANARY}\n"));
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(versions(&cluster).len(), 2);
    // The value is the same as that of a file with it.
    cluster.stackfile("services:\n  web: {image: 'nginx:1.25'}\nsecrets:\n  db: {file: value.txt}\n");
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(versions(&cluster).len(), 2);
    for engine in &cluster.engines {
        let kept = engine.with(|world| format!("{:?}", world.volumes));
        assert!(!kept.contains(CANARY), "{}", engine.name());
    }
}

#[test]
fn a_driver_that_fails_stops_the_deploy_and_is_named_where_it_stands() {
    let cluster = cluster("{bank: {timeout: 1s}, gone: }");
    let begun = Instant::now();
    for (script, why) in [
        (
            format!("echo {CANARY}; echo 'no access to {CANARY}' >&2; exit 3"),
            "`stackctl-secret-bank` ended with status 3: no access to ***",
        ),
        ("sleep 600 & wait".to_owned(), "it gave no answer within 1 s"),
        ("head -c 600000 /dev/zero".to_owned(), "printed too much"),
        ("exit 0".to_owned(), "what it gave is empty"),
    ] {
        program(&cluster, "stackctl-secret-bank", &script);
        stackfile(&cluster, USED, "bank");
        let run = cluster.expect(1, "deploy --yes shop");
        let place = "driver `bank` (compose.yaml:4:16)";
        says(&run, &["stackctl::secrets::not_known", place, why]);
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
    stackfile(&cluster, USED, "gone");
    let run = cluster.expect(1, "deploy --yes shop");
    says(&run, &["there is no program `stackctl-secret-gone` on this machine"]);
    assert_eq!(cluster.running(), [""; 0]);
}

/// A stackfile may be anyone's.
#[test]
fn nothing_starts_that_the_inventory_does_not_allow() {
    let cluster = cluster("[pass, other]");
    program(&cluster, "stackctl-secret-bank", "touch started; echo x");
    stackfile(&cluster, USED, "bank");
    for words in ["deploy --yes shop", "diff shop"] {
        let run = cluster.room.run(words);
        says(&run, &["stackctl::secrets::not_known", "the inventory allows other drivers: other, pass"]);
        assert_eq!(run.status, 1, "{words}: {}", run.show());
    }
    cluster.inventory(|_| String::new());
    says(
        &cluster.expect(1, "deploy --yes shop"),
        &["the inventory allows no drivers", "secrets: {drivers: […]}"],
    );
    assert!(!cluster.room.path().join("started").exists());
}

/// The inventory that lies here is asked about before a command of it runs.
#[test]
fn drivers_are_a_part_of_what_the_user_trusts() {
    let mut cluster = cluster("[bank]");
    cluster.room.env("STACKCTL_TRUST", "");
    program(&cluster, "stackctl-secret-bank", "touch started; echo x");
    stackfile(&cluster, USED, "bank");
    let run = cluster.room.run("diff shop");
    says(&run, &["`stackctl-secret-bank` runs for secrets of stackfiles"]);
    assert!(run.status != 0 && !cluster.room.path().join("started").exists(), "{}", run.show());
}

#[test]
fn where_a_store_is_out_a_diff_cannot_tell_and_a_deploy_is_refused() {
    let cluster = cluster("[bank]");
    program(&cluster, "stackctl-secret-bank", &format!("echo {CANARY}"));
    stackfile(&cluster, KEPT, "bank");
    cluster.expect(0, "deploy --yes shop");
    let before = versions(&cluster);
    program(&cluster, "stackctl-secret-bank", "echo the bank is closed >&2; exit 1");
    let run = cluster.room.run("--verbose diff shop");
    says(&run, &["cannot tell whether the values of these secrets differ", "the bank is closed"]);
    assert_eq!(run.status, 0, "{}", run.show());
    stackfile(&cluster, USED, "bank");
    says(&cluster.expect(1, "deploy --yes shop"), &["the bank is closed"]);
    assert_eq!(versions(&cluster), before);
}

#[test]
fn commands_of_the_inventory_and_pass_get_options_as_arguments() {
    let cluster =
        cluster("{op: {command: [./bin/op, read, \"op://shop/{item}/{secret}\"]}, pass: {store: store}}");
    program(&cluster, "op", "test \"$*\" = 'read op://shop/a b/db' && echo x");
    program(
        &cluster,
        "pass",
        "test \"$*\" = 'show -- -x/db' -a \"$PASSWORD_STORE_DIR\" = \"$PWD/store\" && echo x",
    );
    cluster.room.file("x.txt", "x");
    cluster.stackfile("services:\n  web: {image: 'nginx:1.25'}\nsecrets:\n  db: {file: x.txt}\n");
    cluster.expect(0, "deploy --yes shop");
    for driver in ["op, driver_opts: {item: a b}", "pass, driver_opts: {path: -x/db}"] {
        stackfile(&cluster, KEPT, driver);
        cluster.expect(0, "deploy --yes shop");
        assert_eq!(versions(&cluster).len(), 1, "{driver}: a line is a value without its end");
    }
    stackfile(&cluster, USED, "op, driver_opts: {itme: a}");
    says(&cluster.expect(1, "deploy --yes shop"), &["it needs the option `item`"]);
}

/// A repository names what others decide about; and a store that is out is no reason to do anything.
#[test]
fn the_loop_asks_what_its_own_inventory_allows_and_changes_nothing_while_a_store_is_out() {
    let mut place = Place::new();
    let bin = place.cluster.room.path().join("bin").display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").expect("a path"));
    place.cluster.room.env("PATH", &path).env("STACKCTL_TRUST", "1");
    place.cluster.expect(0, "key init");
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.25"));
    place.push("without secrets");
    place.follows(0);
    let text = stack("nginx:1.26").replace("deploy:", "secrets: [db], deploy:");
    place.write("stacks/shop/compose.yaml", &format!("{text}secrets: {{db: {{driver: bank}}}}\n"));
    // In the repository, where it says nothing.
    place.write("stackctl.yml", "secrets: {drivers: [bank]}\n");
    place.push("with a secret");
    program(
        &place.cluster,
        "stackctl-secret-bank",
        &format!("touch {bin}/started; echo the bank is closed >&2; exit 1"),
    );
    says(&place.cluster.room.run(FOLLOW), &["the inventory allows no drivers"]);
    let started = place.cluster.room.path().join("bin/started");
    assert!(!started.exists());
    allow(&place.cluster, "[bank]");
    says(&place.cluster.room.run(FOLLOW), &["the bank is closed"]);
    assert!(started.exists());
    assert_eq!(place.images(), ["shop_web=nginx:1.25"]);
    assert_eq!(place.history("shop"), "1:deployed:reconcile:without secrets\n");
    assert_eq!(place.cluster.running().len(), 2);
    // Once it is open, the release goes on: to what is missing next.
    program(&place.cluster, "stackctl-secret-bank", &format!("echo {CANARY}"));
    let run = place.cluster.room.run(FOLLOW);
    says(&run, &["agent"]);
    assert!(!run.show().contains("the bank is closed"), "{}", run.show());
}

/// A server of OpenBao in memory, until this is dropped.
struct Bao {
    child: Child,
    address: String,
    program: String,
}

impl Bao {
    /// `None` where none is named.
    fn start() -> Option<Self> {
        let program = std::env::var("STACKCTL_TEST_BAO").ok()?;
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a port").port();
        let listen = format!("-dev-listen-address=127.0.0.1:{port}");
        let child = Command::new(&program)
            .args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token", &listen])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let bao = Self { child, address: format!("http://127.0.0.1:{port}"), program };
        let begun = Instant::now();
        while !bao.command(&["status"]).status().expect("a client").success() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the server does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(bao)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).env("BAO_ADDR", &self.address).env("BAO_TOKEN", "root");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) {
        assert!(self.command(words).status().expect("a client").success(), "{words:?}");
    }

    fn said(&self, words: &[&str]) -> String {
        let output = self.command(words).stdout(Stdio::piped()).output().expect("a client");
        assert!(output.status.success(), "{words:?}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Where `STACKCTL_TEST_BAO` names the program `bao`.
#[test]
fn a_server_of_openbao_gives_values_of_both_versions_of_its_store() {
    let Some(bao) = Bao::start() else { return };
    bao.run(&["secrets", "enable", "-path=old/kv", "-version=1", "kv"]);
    bao.run(&[
        "kv",
        "put",
        "-mount=secret",
        "shop/a db",
        &format!("password={CANARY}"),
        "port=5432",
        "value=v",
    ]);
    bao.run(&["kv", "put", "-mount=old/kv", "db", &format!("value={CANARY}")]);
    let policy = r#"path "secret/data/shop/*" { capabilities = ["read"] }"#;
    let mut write =
        bao.command(&["policy", "write", "shop", "-"]).stdin(Stdio::piped()).spawn().expect("a client");
    std::io::Write::write_all(&mut write.stdin.take().expect("a pipe"), policy.as_bytes()).expect("a policy");
    assert!(write.wait().expect("a client").success());
    let token = bao.said(&["token", "create", "-policy=shop", "-field=token"]);

    let mut cluster = cluster(&format!("{{vault: {{address: \"{}\"}}}}", bao.address));
    cluster.room.env("VAULT_TOKEN", "root");
    let deploy = |text: &str, options: &str, status: i32| {
        stackfile(&cluster, text, &format!("vault, driver_opts: {{{options}}}"));
        cluster.expect(status, "deploy --yes shop")
    };
    cluster.room.file("value.txt", CANARY);
    cluster.stackfile("services:\n  web: {image: 'nginx:1.25'}\nsecrets:\n  db: {file: value.txt}\n");
    cluster.expect(0, "deploy --yes shop");
    deploy(KEPT, "path: shop/a db, field: password", 0);
    deploy(KEPT, "mount: old/kv, kv: 1, path: db", 0);
    assert_eq!(versions(&cluster).len(), 1, "each is the value of the file");
    deploy(KEPT, "path: shop/a db, field: port", 0);
    assert_eq!(versions(&cluster).len(), 2);
    // An older version of it, and one that was deleted.
    bao.run(&["kv", "put", "-mount=secret", "shop/a db", "password=newer"]);
    deploy(KEPT, "path: shop/a db, field: password", 0);
    deploy(KEPT, "path: shop/a db, field: password, version: 1", 0);
    assert_eq!(versions(&cluster).len(), 3);
    bao.run(&["kv", "delete", "-mount=secret", "shop/a db"]);
    for (options, why) in [
        ("path: shop/a db, field: password", "has nothing at secret/shop/a db"),
        ("path: nowhere", "has nothing at secret/nowhere; this asks version 2 of the key-value store"),
        ("path: db, mount: old/kv, kv: 1, field: other", "old/kv/db has no field `other`"),
        ("path: ../x", "its option `path` is no path"),
        ("path: db, filed: x", "it has no option `filed`"),
    ] {
        says(&deploy(USED, options, 1), &[why]);
    }
    cluster.room.env("VAULT_TOKEN", &token);
    stackfile(&cluster, USED, "vault, driver_opts: {path: other/db}");
    says(&cluster.expect(1, "deploy --yes shop"), &["does not let this token read secret/other/db"]);
    stackfile(&cluster, KEPT, "vault, driver_opts: {path: shop/a db, field: password, version: 1}");
    cluster.expect(0, "deploy --yes shop");
    // The token that a login has left.
    cluster.room.env("VAULT_TOKEN", "");
    stackfile(&cluster, USED, "vault, driver_opts: {path: shop/a db, field: password, version: 1}");
    says(&cluster.expect(1, "deploy --yes shop"), &["there is no token"]);
    cluster.room.file(".vault-token", &format!("{token}\n"));
    stackfile(&cluster, KEPT, "vault, driver_opts: {path: shop/a db, field: password, version: 1}");
    cluster.expect(0, "deploy --yes shop");
    drop(bao);
    stackfile(&cluster, USED, "vault, driver_opts: {path: x}");
    says(&cluster.expect(1, "deploy --yes shop"), &["cannot be reached"]);
}
