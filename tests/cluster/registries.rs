//! A real registry with passwords and TLS, and what it may do to a deploy.
//!
//! It is Debian's docker-registry on this machine, at the machine's address in the playground's network. Hosts that the
//! tests use have engines of two versions where `tests/all` has both.

#[path = "registries/server.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ground::{Ground, Run};
use crate::hook::Place;
use server::{Door, Mode, Registry, auth, is_installed};

/// Hosts that pull: those with the label `storage=ssd`.
pub const ON: [&str; 2] = ["h1", "h2"];

const READER: (&str, &str) = ("reader", "only-reads-b7a1");
const OTHER: (&str, &str) = ("other", "is-of-the-other-c3e9");

/// Of a small image.
const SMALL: u32 = 10_000;

struct World {
    ground: Ground,
}

impl World {
    fn new() -> Option<Self> {
        let ground = Ground::new()?;
        if !is_installed() {
            return None;
        }
        // What an earlier test pulled: an image that is there is not pulled.
        for host in ON {
            ground.on_host(
                host,
                "docker images --format '{{.Repository}} {{.ID}}' | grep '^10\\.' | cut -d' ' -f2 | sort -u | \
                 xargs -r docker rmi -f >/dev/null; rm -rf /etc/docker/certs.d",
            );
        }
        Some(Self { ground })
    }

    /// The docker client's configuration on this machine.
    fn config(&self, text: &str) {
        std::fs::create_dir_all(self.ground.path().join(".docker")).expect("a directory");
        self.ground.file(".docker/config.json", text);
    }

    /// As after `docker login` at these.
    fn logged_in(&self, at: &[(&str, (&str, &str))]) {
        let entries = at.iter().map(|(address, (user, password))| {
            format!(r#""{address}":{{"auth":"{}"}}"#, auth(user, password))
        });
        self.config(&format!(r#"{{"auths":{{{}}}}}"#, entries.collect::<Vec<_>>().join(",")));
    }

    /// Has the cluster keep a login of the reader with this password: how that ended, and what was said.
    fn login(&self, registry: &Registry, password: &str) -> (Option<i32>, String) {
        let words = format!("registry login {} -u {} --password-stdin", registry.address, READER.0);
        let mut command = self.ground.command(&words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("stackctl");
        let mut input = child.stdin.take().expect("its input");
        input.write_all(format!("{password}\n").as_bytes()).expect("its input");
        drop(input);
        let output = child.wait_with_output().expect("stackctl");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// A service on each of the hosts for every image.
    fn stackfile(&self, images: &[&str]) -> String {
        let services = images.iter().enumerate().map(|(at, image)| {
            format!(
                "  s{at}:
    image: {image}
    stop_grace_period: 1s
    deploy:
      mode: global
      placement: {{constraints: [node.labels.storage == ssd]}}
      update_config: {{parallelism: 0, monitor: 200ms}}
"
            )
        });
        self.ground.file("app.yml", &format!("services:\n{}", services.collect::<String>()))
    }

    fn deploy(&self, images: &[&str], flags: &str) -> Run {
        let file = self.stackfile(images);
        self.ground.stackctl(&format!("deploy --yes --format json {flags} -c {file} app"))
    }

    /// The containers that run, by host and name.
    fn running(&self) -> BTreeSet<String> {
        let all = ON.iter().flat_map(|host| self.ground.tasks_on(host, "app"));
        all.filter(|task| task.state() == "running")
            .map(|task| format!("{} {} {}", task.host, task.id(), task.image()))
            .collect()
    }
}

/// Notes of the plan that are about digests: the note and why.
fn notes(run: &Run) -> Vec<(String, String)> {
    let plans = run.lines("plan");
    let notes = plans.last().and_then(|plan| plan["notes"].as_array()).cloned().unwrap_or_default();
    let text = |note: &serde_json::Value, key: &str| note[key].as_str().unwrap_or_default().to_owned();
    notes
        .iter()
        .filter(|note| ["pin_kept", "not_pinned"].contains(&text(note, "note").as_str()))
        .map(|note| (text(note, "note"), text(note, "why")))
        .collect()
}

/// Why pulls failed, by host.
fn refusals(run: &Run) -> BTreeMap<String, String> {
    let ends = run.lines("action_done");
    let failed = ends.iter().filter(|line| line["outcome"] == "failed");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    failed
        .map(|line| (text(&line["node"]), text(&line["failure"]["code"]).replace("stackctl::docker::", "")))
        .collect()
}

/// Every host failed for that reason.
#[track_caller]
fn all_fail(run: &Run, code: &str) {
    let wanted = ON.map(|host| (host.to_owned(), code.to_owned())).into();
    assert_eq!(refusals(run), wanted, "{}", run.whole());
}

/// One note, of this kind, whose reason begins so.
#[track_caller]
fn one_note(run: &Run, kind: &str, why: &str) {
    let notes = notes(run);
    let is_it = matches!(&notes[..], [(note, words)] if note == kind && words.starts_with(why));
    assert!(is_it, "{notes:?}\n{}", run.whole());
}

#[test]
fn credentials_are_sent_by_default_and_kept_nowhere() {
    let Some(world) = World::new() else { return };
    let registry = Registry::start(&world.ground, "one", &[READER]);
    registry.push(&world.ground, "app:1", SMALL);
    let image = format!("{}/app:1", registry.address);
    world.logged_in(&[(&registry.address, READER)]);
    let run = world.deploy(&[&image], "").ends(0);
    assert!(notes(&run).is_empty(), "{}", run.whole());
    let running = world.running();
    assert_eq!(running.len(), 2, "{}", run.whole());
    assert!(running.iter().all(|task| task.contains("@sha256:")), "{running:?}");
    // Docker's own flag is the default by now.
    let again = world.deploy(&[&image], "--with-registry-auth").ends(0);
    assert_eq!(again.actions("planned_action"), [""; 0]);
    // Neither as it is, nor as docker's configuration and the engine's header have it: base 64, of three alignments.
    let (user, password) = READER;
    let encoded = (0..3).map(|at| {
        let whole = (password.len() - at) / 3 * 3;
        STANDARD.encode(&password[at..at + whole])
    });
    let secrets: Vec<String> = encoded.chain([password.to_owned(), auth(user, password)]).collect();
    for host in ON {
        for secret in &secrets {
            let script = format!(
                "grep -rlzF -e '{secret}' /var/lib/docker /etc /root /run /tmp /var/log 2>/dev/null || true"
            );
            assert_eq!(world.ground.on_host(host, &script), "", "{host} keeps {secret}");
        }
    }
    let state = world.ground.path().join("stackctl");
    for secret in &secrets {
        let output =
            std::process::Command::new("grep").args(["-rlzF", "-e", secret.as_str()]).arg(&state).output();
        assert!(output.expect("grep").stdout.is_empty(), "this machine keeps {secret}");
    }
}

#[test]
fn a_login_of_the_cluster_serves_a_machine_whose_user_has_none() {
    let Some(world) = World::new() else { return };
    let registry = Registry::start(&world.ground, "one", &[READER]);
    registry.push(&world.ground, "app:1", SMALL);
    let image = format!("{}/app:1", registry.address);
    world.ground.stackctl("key init").ends(0);
    let login = |password: &str| world.login(&registry, password);
    let run = world.deploy(&[&image], "").ends(1);
    run.says(&[&format!("stackctl registry login {}", registry.address)]);
    let (status, said) = login("wrong");
    assert!(status == Some(1) && said.contains("stackctl::registry::refused"), "{status:?} {said}");
    let (status, said) = login(READER.1);
    assert!(status == Some(0) && said.contains("The cluster keeps a login"), "{status:?} {said}");
    let run = world.deploy(&[&image], "").ends(0);
    assert!(notes(&run).is_empty(), "{}", run.whole());
    assert_eq!(world.running().len(), 2, "{}", run.whole());
    let listed = world.ground.stackctl("registry ls --format {{.Registry}}/{{.Username}}").ends(0);
    listed.says(&[&format!("{}/{}", registry.address, READER.0)]);
    for host in ON {
        let script = format!("grep -rlzF -e '{}' /var/lib/docker /etc /root 2>/dev/null || true", READER.1);
        assert_eq!(world.ground.on_host(host, &script), "", "{host} keeps the password");
    }
}

/// A stack of one service on each of the hosts, as git has it.
fn declared(image: &str) -> String {
    format!(
        "services:\n  web:\n    image: {image}\n    stop_grace_period: 1s\n    deploy:\n      mode: global\n      placement: \
         {{constraints: [node.labels.storage == ssd]}}\n      update_config: {{parallelism: 0, monitor: 200ms}}\n"
    )
}

/// Who declares by git has no password, and no machine has one: the loop, and the hook of a push, have a private key.
#[test]
fn the_loop_and_the_push_hook_pull_with_the_login_that_the_cluster_keeps() {
    let Some(world) = World::new() else { return };
    let ground = &world.ground;
    let registry = Registry::start(ground, "one", &[READER]);
    for name in ["app:1", "app:2", "app:3"] {
        registry.push(ground, name, SMALL);
    }
    let image = |name: &str| format!("{}/{name}", registry.address);
    ground.stackctl("key init").ends(0);
    let (status, said) = world.login(&registry, READER.1);
    assert_eq!(status, Some(0), "{said}");
    let runs = |name: &str| {
        let running = world.running();
        assert!(running.len() == 2 && running.iter().all(|task| task.contains(&image(name))), "{running:?}");
    };

    // A push over ssh to h1, whose hook has the key there.
    let place = Place::new(ground);
    place.install();
    let key = std::fs::read_to_string(ground.path().join(".config/stackctl/key.txt")).expect("the key");
    place.commit(&[("stacks/app/compose.yaml", &declared(&image("app:1")))], "without a key");
    let said = place.push(&["main"]);
    said.ends(1, "stackctl: FAILED: app: ");
    assert!(!said.text.contains(READER.1) && world.running().is_empty(), "{}", said.text);
    place.on_h1("umask 077; mkdir -p /root/.config/stackctl; cat >/root/.config/stackctl/key.txt", &key);
    place.commit(&[("stacks/app/compose.yaml", &format!("{}# again\n", declared(&image("app:1"))))], "first");
    let said = place.push(&["main"]);
    said.ends(0, "stackctl: released app from ");
    runs("app:1");

    // The loop, which follows the same repository, once the hook is gone.
    place.on_h1("rm ops.git/hooks/post-receive", "");
    let bare = place.bare();
    let inventory = ground.inventory(|text| text);
    let follow = format!("reconcile --format json --poll 1s --repo {}#main", bare.display());
    let mut watch = ground.begin_on(&inventory, &follow);
    watch.line_of("stack", |line| line["standing"] == "in_sync").expect("nothing is to be done");
    place.commit(&[("stacks/app/compose.yaml", &declared(&image("app:2")))], "second");
    place.push(&["main"]);
    let ended = watch.line_of("release_ended", |_| true).expect("its end");
    assert_eq!(ended["outcome"], "deployed", "{ended}");
    runs("app:2");

    // The password has changed: what runs goes on, and the next login is taken by the loop as it runs.
    registry.set_users(&[(READER.0, "changed")]);
    place.commit(&[("stacks/app/compose.yaml", &declared(&image("app:3")))], "third");
    place.push(&["main"]);
    let why = watch.line_of("heal_ended", |line| !line["failed"].is_null()).expect("a word on it");
    assert!(why["failed"].as_str().is_some_and(|why| why.contains("credentials")), "{why}");
    runs("app:2");
    let (status, said) = world.login(&registry, "changed");
    assert_eq!(status, Some(0), "{said}");
    let ended = watch.line_of("release_ended", |line| line["outcome"] == "deployed").expect("its end");
    assert_eq!(ended["stack"], "app", "{ended}");
    runs("app:3");
    watch.terminate();
    watch.wait().ends(0);
    for host in ON {
        let script = format!(
            "grep -rlzF -e '{}' /var/lib/docker /etc /root /tmp /var/log 2>/dev/null || true",
            READER.1
        );
        assert_eq!(ground.on_host(host, &script), "", "{host} keeps the password");
    }
}

#[test]
fn missing_wrong_and_expired_credentials_are_told_apart() {
    let Some(world) = World::new() else { return };
    let registry = Registry::start(&world.ground, "one", &[READER]);
    registry.push(&world.ground, "app:1", SMALL);
    registry.push(&world.ground, "app:2", SMALL);
    let [first, second] = ["app:1", "app:2"].map(|image| format!("{}/{image}", registry.address));
    // A machine without a configuration.
    let run = world.deploy(&[&first], "").ends(1);
    one_note(&run, "not_pinned", "the registry wants credentials, and none were sent");
    all_fail(&run, "credentials_missing");
    let login = format!("docker login {}", registry.address);
    run.says(&[&login]);
    world.logged_in(&[(&registry.address, (READER.0, "wrong"))]);
    let run = world.deploy(&[&first], "").ends(1);
    one_note(&run, "not_pinned", "the registry does not take the credentials");
    all_fail(&run, "credentials_refused");
    // There are some, and none are to be sent.
    world.logged_in(&[(&registry.address, READER)]);
    let run = world.deploy(&[&first], "--without-registry-auth").ends(1);
    all_fail(&run, "credentials_missing");
    run.says(&["`--without-registry-auth` was given"]);
    world.deploy(&[&first], "").ends(0);
    let running = world.running();
    // What was right has expired: what runs goes on, and only another image needs them.
    registry.set_users(&[(READER.0, "changed")]);
    let run = world.deploy(&[&first], "").ends(0);
    one_note(&run, "pin_kept", "the registry does not take the credentials");
    assert_eq!(world.running(), running);
    let run = world.deploy(&[&second], "").ends(1);
    all_fail(&run, "credentials_refused");
    assert_eq!(world.running(), running);
    // A right password does not make an image.
    world.logged_in(&[(&registry.address, (READER.0, "changed"))]);
    let run = world.deploy(&[&format!("{}/app:9", registry.address)], "").ends(1);
    all_fail(&run, "image_missing");
}

#[test]
fn a_helper_is_asked_and_one_that_fails_stops_no_public_image() {
    let Some(world) = World::new() else { return };
    let closed = Registry::start(&world.ground, "closed", &[READER]);
    let open = Registry::start(&world.ground, "open", &[]);
    closed.push(&world.ground, "app:1", SMALL);
    open.push(&world.ground, "app:1", SMALL);
    let [private, public] = [&closed, &open].map(|registry| format!("{}/app:1", registry.address));
    let programs = world.ground.path().join("programs");
    std::fs::create_dir(&programs).expect("a directory");
    let program = |name: &str, text: &str| {
        let path = world.ground.file(&format!("programs/{name}"), &format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a program");
    };
    let (user, password) = READER;
    program(
        "docker-credential-knows",
        &format!(
            r#"echo "$1 $(cat)" >>{}/asked; echo '{{"Username":"{user}","Secret":"{password}"}}'"#,
            programs.display()
        ),
    );
    program("docker-credential-fails", "echo it is locked >&2; exit 1");
    program("docker-credential-hangs", "sleep 600 & wait");
    let real = env!("CARGO_BIN_EXE_stackctl");
    program("stackctl", &format!("PATH={}:$PATH exec {real} \"$@\"", programs.display()));
    let deploy = |images: &[&str]| {
        let inventory = world.ground.inventory(|text| text);
        let words = format!("deploy --yes --format json -c {} app", world.stackfile(images));
        world.ground.run_as(&programs.join("stackctl"), &inventory, &words)
    };
    world.config(&format!(r#"{{"credHelpers":{{"{}":"knows"}}}}"#, closed.address));
    deploy(&[&private, &public]).ends(0);
    assert_eq!(world.running().len(), 4);
    let asked = std::fs::read_to_string(programs.join("asked")).expect("what it was asked");
    let asked: BTreeSet<&str> = asked.lines().collect();
    assert_eq!(asked, [format!("get {}", closed.address).as_str()].into(), "of the one registry alone");
    for (helper, why) in [("fails", "failed (exit status: 1)"), ("hangs", "gave no answer within 10 s")] {
        open.push(&world.ground, &format!("app:{helper}"), SMALL);
        closed.push(&world.ground, &format!("app:{helper}"), SMALL);
        world.config(&format!(r#"{{"credsStore":"{helper}"}}"#));
        let begun = Instant::now();
        let run = deploy(&[&format!("{}/app:{helper}", open.address)]).ends(0);
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
        let warning = format!(
            "warning: no credentials are sent to the registry {}: docker-credential-{helper} {why}",
            open.address
        );
        assert_eq!(run.whole().matches(&warning).count(), 1, "{}", run.whole());
        let run = deploy(&[&format!("{}/app:{helper}", closed.address)]).ends(1);
        all_fail(&run, "credentials_missing");
        run.says(&[&format!("docker-credential-{helper} {why}")]);
    }
}

#[test]
fn each_of_two_registries_gets_its_own_credentials_and_no_others() {
    let Some(world) = World::new() else { return };
    let one = Registry::start(&world.ground, "one", &[READER]);
    let two = Registry::start(&world.ground, "two", &[OTHER]);
    one.push(&world.ground, "app:1", SMALL);
    two.push(&world.ground, "app:1", SMALL);
    let doors = [&one, &two].map(|registry| Door::start(&world.ground, registry));
    world.logged_in(&[(&doors[0].address, READER), (&doors[1].address, OTHER)]);
    let images = [&doors[0], &doors[1]].map(|door| format!("{}/app:1", door.address));
    let run = world.deploy(&[&images[0], &images[1]], "").ends(0);
    assert!(notes(&run).is_empty(), "{}", run.whole());
    assert_eq!(world.running().len(), 4);
    for (door, (user, password)) in doors.iter().zip([READER, OTHER]) {
        assert_eq!(door.users(), [format!("{user}:{password}")].into());
    }
}

#[test]
fn a_registry_that_is_down_rolls_nothing_that_is_unchanged() {
    let Some(world) = World::new() else { return };
    let mut registry = Registry::start(&world.ground, "one", &[READER]);
    registry.push(&world.ground, "app:1", SMALL);
    registry.push(&world.ground, "app:2", SMALL);
    world.logged_in(&[(&registry.address, READER)]);
    let [first, second] = ["app:1", "app:2"].map(|image| format!("{}/{image}", registry.address));
    world.deploy(&[&first], "").ends(0);
    let running = world.running();
    registry.stop();
    let run = world.deploy(&[&first], "").ends(0);
    one_note(&run, "pin_kept", "the registry cannot be reached: connection refused");
    assert_eq!(run.actions("planned_action"), [""; 0]);
    assert_eq!(world.running(), running);
    let run = world.deploy(&[&second], "").ends(1);
    one_note(&run, "not_pinned", "the registry cannot be reached: connection refused");
    all_fail(&run, "registry_unreachable");
    assert_eq!(world.running(), running);
    registry.start_again();
    world.deploy(&[&second], "").ends(0);
    assert_ne!(world.running(), running);
}

#[test]
fn too_many_requests_failures_and_silence_each_have_their_name() {
    let Some(world) = World::new() else { return };
    let registry = Registry::start(&world.ground, "one", &[READER]);
    let names = ["app:1", "app:2", "app:3"];
    for name in names {
        registry.push(&world.ground, name, SMALL);
    }
    let door = Door::start(&world.ground, &registry);
    world.logged_in(&[(&door.address, READER)]);
    let images = names.map(|name| format!("{}/{name}", door.address));
    let all = [images[0].as_str(), &images[1], &images[2]];
    // Each image is asked for by one host alone, and not again when the plan is made once more.
    door.set(Mode::Status(429));
    let diff = world.ground.stackctl(&format!("diff -c {} app", world.stackfile(&all))).ends(2);
    diff.says(&["the registry has had too many requests"]);
    assert!(door.manifests() <= 6, "{} requests", door.manifests());
    let run = world.deploy(&all[..1], "").ends(1);
    one_note(&run, "not_pinned", "the registry has had too many requests");
    all_fail(&run, "too_many_requests");
    for status in [500, 503] {
        door.set(Mode::Status(status));
        let run = world.deploy(&all[..1], "").ends(1);
        one_note(
            &run,
            "not_pinned",
            &format!("the registry failed: received unexpected HTTP status: {status}"),
        );
        all_fail(&run, "registry_failed");
    }
    // A password that is right, and an answer that says no.
    door.set(Mode::Status(403));
    let run = world.deploy(&all[..1], "").ends(1);
    one_note(&run, "not_pinned", "the registry denies access");
    all_fail(&run, "pull_denied");
    door.set(Mode::Silent);
    let run = world.deploy(&all[..1], "").ends(1);
    one_note(&run, "not_pinned", "the registry does not answer in time");
    all_fail(&run, "registry_slow");
    // One that is slow and answers is no trouble.
    door.set(Mode::Late(Duration::from_millis(700)));
    let run = world.deploy(&all, "").ends(0);
    assert!(notes(&run).is_empty(), "{}", run.whole());
    let running = world.running();
    assert_eq!(running.len(), 6);
    for mode in [Mode::Status(429), Mode::Status(503), Mode::Silent] {
        door.set(mode);
        let run = world.deploy(&all, "").ends(0);
        assert_eq!(notes(&run).first().map(|(note, _)| note.as_str()), Some("pin_kept"), "{}", run.whole());
        assert_eq!(world.running(), running, "{mode:?}");
    }
}

#[test]
fn the_next_host_is_asked_where_one_has_no_way() {
    let Some(world) = World::new() else { return };
    let registry = Registry::start(&world.ground, "one", &[READER]);
    registry.push(&world.ground, "app:1", SMALL);
    world.logged_in(&[(&registry.address, READER)]);
    let image = format!("{}/app:1", registry.address);
    let (_, port) = registry.address.rsplit_once(':').expect("a port");
    for (target, most) in [("REJECT", 8), ("DROP", 15)] {
        world.ground.on_host("h1", &format!("iptables -I OUTPUT -p tcp --dport {port} -j {target}"));
        let begun = Instant::now();
        let file = world.stackfile(&[&image]);
        let run = world.ground.stackctl(&format!("diff --format json -c {file} app"));
        let took = begun.elapsed();
        world.ground.on_host("h1", &format!("iptables -D OUTPUT -p tcp --dport {port} -j {target}"));
        let run = run.ends(2);
        assert!(!run.whole().contains("not_pinned"), "{target}: {}", run.whole());
        assert!(took < Duration::from_secs(most), "{target}: {took:?}");
    }
}

#[test]
fn progress_is_told_in_bytes() {
    const BYTES: u32 = 6_000_000;
    let Some(world) = World::new() else { return };
    let registry = Registry::start(&world.ground, "one", &[READER]);
    registry.push(&world.ground, "app:1", BYTES);
    let door = Door::start(&world.ground, &registry);
    world.logged_in(&[(&door.address, READER)]);
    door.set(Mode::Dripping(1_500_000));
    let run = world.deploy(&[&format!("{}/app:1", door.address)], "").ends(0);
    for host in ON {
        let lines = run.lines("action_progress");
        let number = |line: &serde_json::Value, key: &str| line[key].as_u64().unwrap_or_default();
        let told: Vec<(u64, u64)> = (lines.iter())
            .filter(|line| line["node"] == *host && line["verb"] == "pull image")
            .map(|line| (number(line, "bytes"), number(line, "total_bytes")))
            .collect();
        assert!(told.len() >= 2 && told.is_sorted(), "{host}: {told:?}\n{}", run.whole());
        let (_, total) = told[told.len() - 1];
        assert!((BYTES.into()..7_000_000).contains(&total), "{host}: {told:?}");
    }
}

/// For an engine to drop a layer that was cut off.
const SETTLED_MAX: Duration = Duration::from_secs(60);

#[test]
fn a_registry_that_stops_within_a_layer_ends_that_pull_and_no_other() {
    const BYTES: u32 = 6_000_000;
    let Some(world) = World::new() else { return };
    let registry = Registry::start(&world.ground, "one", &[READER]);
    for name in ["app:1", "app:2"] {
        registry.push(&world.ground, name, BYTES);
    }
    let door = Door::start(&world.ground, &registry);
    world.logged_in(&[(&door.address, READER)]);
    let [first, second] = ["app:1", "app:2"].map(|name| format!("{}/{name}", door.address));
    world.deploy(&[&first], "").ends(0);
    let running = world.running();
    assert_eq!(running.len(), 2);
    door.set(Mode::Stalling(2_000_000, world.ground.address("h1")));
    let begun = Instant::now();
    let run = world.deploy(&[&second], "").ends(1).says(&["nothing came for 120 s, after"]);
    let took = begun.elapsed();
    assert!((Duration::from_secs(120)..Duration::from_secs(170)).contains(&took), "{took:?}");
    assert_eq!(refusals(&run), [("h1".to_owned(), "pull_stalled".to_owned())].into(), "{}", run.whole());
    assert_eq!(world.running(), running, "nothing begins before its images are there");
    // What a pull by digest leaves has no tag.
    let has = |host: &str| {
        let list = world.ground.docker(host, &["images", "-a", "--digests", "--format", "{{.Repository}}"]);
        list.matches(&format!("{}/app", door.address)).count() > 1
    };
    assert!(has("h2") && !has("h1"), "the other host has all of it, and this one nothing");
    // Nor does its engine go on with what was given up.
    let begun = Instant::now();
    let half = "find /var/lib/docker/tmp -type f -size +100k 2>/dev/null | wc -l";
    while world.ground.on_host("h1", half).trim() != "0" {
        assert!(begun.elapsed() < SETTLED_MAX, "the layer that was cut off is still there");
        std::thread::sleep(Duration::from_millis(500));
    }
    door.set(Mode::Open);
    world.deploy(&[&second], "").ends(0);
    assert_eq!(world.running().len(), 2);
    assert!(world.running().is_disjoint(&running));
}

#[test]
fn a_pull_onto_a_full_disk_says_so_and_is_the_last_there() {
    let Some(world) = World::new() else { return };
    if !world.ground.has_disks() {
        eprintln!("skipped: hosts have no disks of their own; see playground up --disk");
        return;
    }
    let registry = Registry::start(&world.ground, "one", &[READER]);
    let names = ["app:1", "app:2", "app:3", "app:4", "app:5", "app:6"];
    for name in names {
        registry.push(&world.ground, name, 3_000_000);
    }
    world.logged_in(&[(&registry.address, READER)]);
    let images = names.map(|name| format!("{}/{name}", registry.address));
    let all: Vec<&str> = images.iter().map(String::as_str).collect();
    // The ledger is on h1: it needs its room.
    world.ground.playground("disk h2 full");
    let run = world.deploy(&all, "");
    world.ground.playground("disk h2 free");
    let run = run.ends(1).says(&["the disk is full", "docker system prune"]);
    assert_eq!(refusals(&run), [("h2".to_owned(), "disk_full".to_owned())].into(), "{}", run.whole());
    assert!(world.running().is_empty(), "nothing begins before its images are there");
    world.deploy(&all, "").ends(0);
    assert_eq!(world.running().len(), 2 * names.len());
}
