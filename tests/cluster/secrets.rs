//! Secrets on real hosts: in a task before its first line, whatever starts it, and on no disk.
//!
//! A static program is shipped as the agent, which `tests/all` builds and names in `STACKCTL_TEST_PROGRAM`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stackctl::vault::{self, Form, Keyring, Plaintext};

use crate::agents;
use crate::git::git;
use crate::ground::{Ground, HOSTS, Run, Task, number};
use crate::killed::random;

const STACKFILE: &str = r#"
services:
  app:
    image: web:1
    entrypoint: ["/bin/sh", "-c"]
    command: ["cat /run/secrets/one /etc/two | sha256sum; exec sleep 100000"]
    stop_grace_period: 1s
    secrets: [one, {source: two, target: /etc/two, uid: "33", gid: "44", mode: 0400}]
    deploy: {replicas: 4, update_config: {parallelism: 2}}
  beside:
    image: web:1
secrets:
  one: {file: one.txt}
  two: {external: true}
"#;

/// Where `STACKCTL_TEST_KILLS` does not say.
const KILLS: u64 = 6;

/// For a container to come back, whatever ended it.
const BACK_MAX: Duration = Duration::from_secs(30);

struct World {
    shipped: agents::World,
    file: String,
}

impl World {
    fn new() -> Option<Self> {
        let shipped = agents::World::new()?;
        let file = shipped.ground.file("app.yml", STACKFILE);
        Some(Self { shipped, file })
    }

    /// The same with a key, and the secret that a command makes.
    fn with_key(two: &str) -> Option<Self> {
        let world = Self::new()?;
        world.run("key init").ends(0);
        world.create_two(two);
        Some(world)
    }

    fn create_two(&self, value: &str) {
        let two = self.ground().file("two.txt", value);
        self.run(&format!("secret create two {two}")).ends(0);
    }

    fn ground(&self) -> &Ground {
        &self.shipped.ground
    }

    fn run(&self, words: &str) -> Run {
        self.shipped.run(words)
    }

    fn deploy(&self) -> Run {
        self.run(&format!("deploy --yes -c {} shop", self.file))
    }

    fn app(&self) -> Vec<Task> {
        self.ground().live("shop", "app")
    }

    /// Waits until a task has printed so often the digest of this. A log is a file: the value itself has no place there.
    #[track_caller]
    fn printed(&self, task: &Task, text: &str, times: usize) {
        let (begun, wanted) = (Instant::now(), digest(text));
        loop {
            let logs = self.ground().docker(&task.host, &["logs", task.id()]);
            if logs == wanted.repeat(times) {
                return;
            }
            assert!(begun.elapsed() < BACK_MAX, "{} on {}: {logs:?}", task.id(), task.host);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Starts a task that has printed this once again and again, as a person, and then as its engine does; how often it has
    /// printed it then.
    fn started_again(&self, task: &Task, text: &str) -> usize {
        let (ground, mut times) = (self.ground(), 1);
        for _ in 0..starts() {
            ground.docker(&task.host, &["restart", "-t", "0", task.id()]);
            times += 1;
            self.printed(task, text, times);
        }
        // A quarter as often: an engine waits longer each time, unless the task had run for ten seconds.
        for _ in 0..starts().div_ceil(4) {
            if starts() > 4 {
                std::thread::sleep(Duration::from_secs(11));
            }
            let pid = ground.docker(&task.host, &["inspect", "-f", "{{.State.Pid}}", task.id()]);
            ground.on_host(&task.host, &format!("kill -KILL {}", pid.trim()));
            times += 1;
            self.printed(task, text, times);
        }
        times
    }

    /// Files of a host, not in its memory, that have a text.
    fn on_disk(&self, host: &str, text: &str) -> String {
        self.ground()
            .on_host(host, &format!("grep -rlazF -e {text} /var/lib/docker /etc/docker 2>/dev/null; true"))
    }

    /// Tasks that have something in the host's memory.
    fn in_memory(&self, host: &str) -> usize {
        let script = "find /run/stackctl/*/secrets -mindepth 1 -maxdepth 1 -type d -not -name '.*' 2>/dev/null | wc -l";
        self.ground().on_host(host, script).trim().parse().expect("a number")
    }

    #[track_caller]
    fn nowhere_on_a_disk(&self, text: &str) {
        for host in HOSTS {
            assert_eq!(self.on_disk(host, text), "", "{host}");
        }
    }
}

/// As `sha256sum` prints it.
fn digest(text: &str) -> String {
    format!("{}  -\n", stackctl::model::ids::sha256_hex(text.as_bytes()))
}

/// How often a task is started again by hand: once, or as `STACKCTL_TEST_STARTS` says.
fn starts() -> usize {
    std::env::var("STACKCTL_TEST_STARTS").map_or(1, |text| text.parse().expect("a number"))
}

#[test]
fn a_task_has_its_secrets_before_its_first_line_and_no_disk_has_them() {
    let Some(world) = World::with_key("canary-9c2e7b-two\n") else { return };
    let ground = world.ground();
    ground.file("one.txt", "canary-4f1d0a-one\n");

    let run = world.deploy().ends(0);
    assert!(!run.whole().contains("canary"), "{}", run.whole());
    let both = "canary-4f1d0a-one\ncanary-9c2e7b-two\n";
    let tasks = world.app();
    assert_eq!(tasks.len(), 4);
    for task in &tasks {
        world.printed(task, both, 1);
        assert_eq!(
            ground.exec(task, &["stat", "-c", "%a %u %g", "/run/secrets/one", "/etc/two"]),
            "444 0 0\n400 33 44\n"
        );
        let write =
            ground.try_docker(&task.host, &["exec", task.id(), "sh", "-c", "echo x >/run/secrets/one"]);
        assert!(!write.status.success());
        assert!(!task.inspect.to_string().contains("canary"));
    }
    let run = world.run("--verbose inspect shop").whole();
    assert!(!run.contains("canary"), "{run}");
    // The search finds what is there.
    ground.on_host("h2", "echo canary-4f1d0a-one >/var/lib/docker/planted");
    assert!(world.on_disk("h2", "canary-4f1d0a-one").contains("planted"));
    ground.on_host("h2", "rm /var/lib/docker/planted");
    world.nowhere_on_a_disk("canary-");

    // Whatever starts it again: a person, the engine, an engine that is started again, also while no agent runs.
    let task = tasks.iter().find(|task| task.host == "h1").expect("one on each host");
    let other = tasks.iter().find(|task| task.host == "h2").expect("one on each host");
    for task in [task, other] {
        let times = world.started_again(task, both);
        ground.playground(&format!("dockerd {} restart", task.host));
        world.printed(task, both, times + 1);
        ground.on_host(&task.host, "docker plugin ls -q | xargs docker plugin disable -f");
        ground.docker(&task.host, &["restart", "-t", "0", task.id()]);
        world.printed(task, both, times + 2);
        let said = world.run("doctor");
        said.says(&["no agent keeps the secrets of shop_"]);
        ground.on_host(&task.host, "docker plugin ls -q | xargs docker plugin enable");
    }
    world.nowhere_on_a_disk("canary-");
    world.deploy().ends(0).says(&["No changes"]);
    world.run("secret rm two").ends(1).says(&["secret `two` is in use by shop"]);

    world.run("rm --yes shop").ends(0);
    for host in HOSTS {
        assert_eq!(world.in_memory(host), 0, "{host}");
    }
    world.run("agent rm --yes").ends(0);
    for host in HOSTS {
        assert_eq!(
            ground.on_host(host, "find /run/stackctl 2>/dev/null; grep -c /run/stackctl /proc/mounts; true"),
            "0\n"
        );
    }
    world.nowhere_on_a_disk("canary-");
}

#[test]
fn a_changed_secret_rolls_its_users_alone_and_a_rollback_brings_the_old_one_back() {
    let Some(world) = World::with_key("canary-two\n") else { return };
    let ground = world.ground();
    ground.file("one.txt", "canary-first\n");
    world.deploy().ends(0);
    let beside = ground.live("shop", "beside")[0].id().to_owned();
    let first = world.app();

    ground.file("one.txt", "canary-second\n");
    let diff = world.run(&format!("diff -c {} shop", world.file)).ends(2);
    assert!(!diff.whole().contains("canary") && diff.whole().contains("secret"), "{}", diff.whole());
    world.deploy().ends(0);
    let second = world.app();
    assert!(second.iter().all(|task| first.iter().all(|old| old.id() != task.id())));
    second.iter().for_each(|task| world.printed(task, "canary-second\ncanary-two\n", 1));
    assert_eq!(ground.live("shop", "beside")[0].id(), beside);

    // The value of before is nowhere here any more: it comes from the ledger, opened with the user's key.
    world.run("rollback --yes shop").ends(0);
    world.app().iter().for_each(|task| world.printed(task, "canary-first\ncanary-two\n", 1));
    assert_eq!(ground.live("shop", "beside")[0].id(), beside);

    // An update that fails is rolled back to the containers that ran, or to new ones with the old value.
    let bad = STACKFILE
        .replace("exec sleep 100000", "exit 3")
        .replace("parallelism: 2", "parallelism: 2, failure_action: rollback, monitor: 1s");
    let bad = ground.file("bad.yml", &bad);
    ground.file("one.txt", "canary-third\n");
    world.run(&format!("deploy --yes -c {bad} shop")).ends(3);
    for task in world.app() {
        let logs = ground.docker(&task.host, &["logs", task.id()]);
        assert!(logs.ends_with(&digest("canary-first\ncanary-two\n")), "{logs:?}");
    }
    world.nowhere_on_a_disk("canary-");
    world.run("rm --yes shop").ends(0);
}

/// By itself, as other hosts keep them (`handover`); and the next deploy finds all as wanted.
#[test]
fn after_a_hosts_reboot_its_task_has_its_secrets_again() {
    let Some(world) = World::with_key("canary-two\n") else { return };
    let ground = world.ground();
    ground.file("one.txt", "canary-one\n");
    world.deploy().ends(0);
    let kept = || world.run("agent ls --format {{.KeptBy}}").ends(0).stdout;
    let begun = Instant::now();
    while kept().lines().any(|line| line.split(", ").count() != 2) {
        assert!(begun.elapsed() < BACK_MAX, "{}", kept());
        std::thread::sleep(Duration::from_millis(200));
    }
    let task = world.app().into_iter().find(|task| task.host == "h2").expect("one on each host");
    ground.playground("kill h2");
    ground.playground("start h2");
    world.printed(&task, "canary-one\ncanary-two\n", 2);
    world.nowhere_on_a_disk("canary-");
    world.deploy().ends(0);
    assert_eq!(world.app().len(), 4);
    world.run("rm --yes shop").ends(0);
}

#[test]
fn without_a_consent_or_a_key_nothing_is_done() {
    let Some(world) = World::new() else { return };
    let ground = world.ground();
    ground.file("one.txt", "canary-one\n");
    let before = ground.everything_but_records(&HOSTS);
    world.deploy().ends(1).says(&["the cluster has no key", "stackctl key init"]);
    world.run("key init").ends(0);
    world.deploy().ends(1).says(&["there is no secret `two`"]);
    world.create_two("canary-two\n");
    let asks = ground.inventory(|text| text);
    let run = ground.run_as(&world.shipped.binary, &asks, &format!("deploy --yes -c {} shop", world.file));
    run.ends(1).says(&["agents: auto"]);
    let off = ground.inventory(|text| format!("agents: off\n{text}"));
    let run = ground.run_as(&world.shipped.binary, &off, &format!("deploy --yes -c {} shop", world.file));
    run.ends(1).says(&["agents: off"]);
    assert_eq!(ground.everything_but_records(&HOSTS), before);
    world.run("ls").ends(0);
}

/// A deploy that is killed at any moment leaves no value on a disk, and the next one finishes it.
#[test]
fn a_killed_deploy_leaves_its_secrets_nowhere() {
    let Some(world) = World::with_key("canary-two\n") else { return };
    let ground = world.ground();
    world.run("agent install").ends(0);
    let mut seed = number("STACKCTL_TEST_SEED", 1);
    eprintln!("STACKCTL_TEST_SEED={seed}");
    for kill in 0..number("STACKCTL_TEST_KILLS", KILLS) {
        ground.file("one.txt", &format!("canary-{kill}\n"));
        let words = format!("deploy --yes -c {} shop", world.file);
        let running = ground.begin_as(&world.shipped.binary, &world.shipped.inventory, &words);
        let after = Duration::from_millis(random(&mut seed) % 4_000);
        std::thread::sleep(after);
        running.kill();
        world.nowhere_on_a_disk("canary-");
        if kill % 3 == 2 {
            world.deploy().ends(0);
            let text = format!("canary-{kill}\ncanary-two\n");
            assert_eq!(world.app().len(), 4);
            world.app().iter().for_each(|task| world.printed(task, &text, 1));
        }
    }
    world.run("rm --yes shop").ends(0);
    world.nowhere_on_a_disk("canary-");
}

const TEMPLATES: &str = r#"
services:
  app:
    image: web:1
    entrypoint: ["/bin/sh", "-c"]
    command: ["cat /run/secrets/db /run/secrets/url /etc/app.conf | sha256sum; exec sleep 100000"]
    stop_grace_period: 1s
    environment: {DB: db.internal}
    secrets: [db, url]
    configs: [{source: app, target: /etc/app.conf, uid: "33", mode: 0400}]
    deploy: {replicas: 2, update_config: {parallelism: 2, monitor: 1s}}
secrets:
  db: {driver: own, driver_opts: {file: db.txt}}
  url: {file: url.tmpl, template_driver: golang}
configs:
  app:
    template_driver: golang
    content: "slot {{.Task.Slot}} on {{.Node.Hostname}}: {{secret \"db\"}}\n"
"#;

#[test]
fn what_drivers_give_and_templates_make_of_it_is_in_memory_alone() {
    let Some(world) = World::with_key("canary-two\n") else { return };
    let ground = world.ground();
    let drivers = r#"secrets: {drivers: {own: {command: [sh, -c, 'cat "$1"', sh, "{file}"]}}}"#;
    ground.inventory(|text| format!("agents: auto\n{drivers}\n{text}"));
    ground.file("db.txt", "canary-first\n");
    ground.file("url.tmpl", "postgres://app:{{secret \"db\"}}@{{env \"DB\"}}/\n");
    let file = ground.file("templates.yml", TEMPLATES);
    let deploy = |status: i32| world.run(&format!("deploy --yes -c {file} shop")).ends(status);
    let has = |db: &str| {
        let tasks = world.app();
        assert_eq!(tasks.len(), 2);
        for task in &tasks {
            let host = ground.docker(&task.host, &["info", "-f", "{{.Name}}"]);
            let slot = task.slot();
            let slot = slot.rsplit('.').next().expect("a number");
            let text =
                format!("{db}postgres://app:{db}@db.internal/\nslot {slot} on {}: {db}\n", host.trim());
            world.printed(task, &text, 1);
            assert_eq!(ground.exec(task, &["stat", "-c", "%a %u %g", "/etc/app.conf"]), "400 33 0\n");
            assert!(!task.inspect.to_string().contains("canary"));
        }
        world.nowhere_on_a_disk("canary-");
        tasks
    };
    let run =
        deploy(0).says(&["made of secrets, and so brought to the memory of hosts by their agents", "app"]);
    assert!(!run.whole().contains("canary"), "{}", run.whole());
    // A command prints a line: its end is no part of the value.
    let first = has("canary-first");
    deploy(0).says(&["No changes"]);

    ground.file("db.txt", "canary-second\n");
    let diff = world.run(&format!("diff -c {file} shop")).ends(2);
    assert!(!diff.whole().contains("canary") && diff.whole().contains("secret"), "{}", diff.whole());
    deploy(0);
    let second = has("canary-second");
    assert!(second.iter().all(|task| first.iter().all(|old| old.id() != task.id())));

    // The store is out: nothing changes, and no deploy guesses.
    std::fs::remove_file(ground.path().join("db.txt")).expect("a file of the test");
    let diff = world.run(&format!("diff -c {file} shop")).ends(0);
    diff.says(&["cannot tell whether the values of these secrets differ"]);
    deploy(1).says(&["driver `own` (", "ended with status 1"]);
    world.run("rollback --yes shop").ends(0);
    has("canary-first");
    world.run("rm --yes shop").ends(0);
    for host in HOSTS {
        assert_eq!(world.in_memory(host), 0, "{host}");
    }
}

/// The sample, from its folder, followed by a loop: what is pushed is a new encrypted file, and nothing else.
#[test]
fn the_guestbook_gets_a_new_password_by_a_push() {
    let Some(shipped) = agents::World::new() else { return };
    let ground = &shipped.ground;
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/stacks/guestbook/docker-compose.yml");
    ground.playground(&format!("image --stand-in-for {sample}"));
    shipped.run("key init").ends(0);
    let tls = ground.file("tls.key", "canary-tls-7d1e\n");
    shipped.run(&format!("secret create guestbook_tls_key {tls}")).ends(0);
    let private = std::fs::read(ground.path().join(".config/stackctl/key.txt")).expect("a key");
    let keys = Keyring::parse(&Plaintext::new(private), "key.txt").expect("a private key");
    let sealed = |value: &str| {
        let plain = Plaintext::new(value.as_bytes().to_vec());
        vault::seal(keys.publics(), &plain, Form::Armored).expect("it is encrypted")
    };

    let (work, bare) = (ground.path().join("work"), ground.path().join("ops.git").display().to_string());
    git(ground.path(), &["init", "-q", "--bare", "-b", "main", &bare]);
    git(ground.path(), &["clone", "-q", &bare, "work"]);
    let folder = work.join("stacks/guestbook");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::copy(sample, folder.join("docker-compose.yml")).expect("the sample");
    let push = |password: &str| {
        std::fs::write(folder.join("password.age"), sealed(password)).expect("a file");
        git(&work, &["add", "-A"]);
        git(&work, &["commit", "-q", "-m", "a password"]);
        git(&work, &["push", "-q", "origin", "HEAD:main"]);
    };
    push("canary-pass-one");
    let words = format!("reconcile --format json --poll 1s --repo {bare}#main");
    let mut watch = ground.begin_as(&shipped.binary, &shipped.inventory, &words);
    let ended = watch.line_of("release_ended", |_| true).expect("a release");
    assert_eq!(ended["outcome"], "deployed", "{ended}");
    let held = |service: &str, path: &str| {
        let tasks = ground.live("guestbook", service);
        let all: BTreeSet<String> = tasks.iter().map(|task| ground.exec(task, &["cat", path])).collect();
        (tasks.iter().map(|task| task.id().to_owned()).collect::<Vec<_>>(), all)
    };
    let only = |text: &str| BTreeSet::from([text.to_owned()]);
    let (db, password) = held("db", "/run/secrets/password");
    assert_eq!(password, only("canary-pass-one"));
    let (pages, key) = held("page", "/etc/nginx/tls.key");
    assert_eq!((pages.len(), key), (2, only("canary-tls-7d1e\n")));

    // Encrypted once more it is another file, and the same password.
    push("canary-pass-one");
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(held("db", "/run/secrets/password").0, db);
    push("canary-pass-two");
    // Of the push before there may be a release as well, by which nothing is replaced.
    let new = loop {
        let ended = watch.line_of("release_ended", |_| true).expect("a release");
        assert_eq!(ended["outcome"], "deployed", "{ended}");
        let (new, password) = held("db", "/run/secrets/password");
        if new != db {
            assert_eq!(password, only("canary-pass-two"));
            break new;
        }
    };
    assert_eq!(held("page", "/etc/nginx/tls.key").0, pages, "they use another secret");

    // What the loop runs with is what it would bring back.
    let task = &ground.live("guestbook", "db")[0];
    ground.docker(&task.host, &["rm", "-f", task.id()]);
    watch.line_of("heal_ended", |line| line["failed"].is_null()).expect("healed");
    let (healed, password) = held("db", "/run/secrets/password");
    assert!(healed != new && password == only("canary-pass-two"), "{password:?}");
    watch.terminate();
    let run = watch.wait().ends(0);
    assert!(!run.whole().contains("canary"), "{}", run.whole());
    for host in HOSTS {
        let found =
            ground.on_host(host, "grep -rlazF -e canary- /var/lib/docker /etc/docker 2>/dev/null; true");
        assert_eq!(found, "", "{host}");
    }
    shipped.run("rm --yes guestbook").ends(0);
}

/// The only manager has an engine on which `docker volume prune` takes all volumes that no container uses; on a newer one
/// `--all` does.
#[test]
fn what_a_prune_takes_from_the_only_manager_comes_back_from_its_spare_copy() {
    let Some(world) = World::with_key("canary-5d2f91-two\n") else { return };
    let ground = world.ground();
    let dangling = || -> BTreeSet<String> {
        let images = ground.docker("h1", &["image", "ls", "--all", "--quiet", "--filter", "dangling=true"]);
        images.lines().map(str::to_owned).collect()
    };
    // Those of other tests.
    let left = dangling();
    ground.file("one.txt", "canary-77aa10-one\n");
    world.deploy().ends(0);
    let both = "canary-77aa10-one\ncanary-5d2f91-two\n";
    let before: BTreeSet<String> = world.app().iter().map(|task| task.id().to_owned()).collect();
    let prune = || {
        let all = ground.try_docker("h1", &["volume", "prune", "--force", "--all"]);
        if !all.status.success() {
            ground.docker("h1", &["volume", "prune", "--force"]);
        }
        let left = ground.docker("h1", &["volume", "ls", "-q", "--filter", "name=stackctl-ledger"]);
        assert_eq!(left, "");
    };

    prune();
    for words in ["key init", "secret ls"] {
        let run = world.run(words);
        assert!(run.status != 0 && run.whole().contains("stackctl::ledger::lost"), "{}", run.whole());
    }
    let refused = world.deploy();
    assert_ne!(refused.status, 0);
    refused.says(&["ledger restore --spare"]);
    world.run("ledger restore --spare").ends(0).says(&["are in the ledger again", "from manager h1"]);
    world.run("doctor").says(&[]);
    world.deploy().ends(0);
    let after: BTreeSet<String> = world.app().iter().map(|task| task.id().to_owned()).collect();
    assert_eq!(after, before, "nothing rolls");

    // What was restored opens what it opened before, and a new task gets it.
    world.run("scale --yes shop_app=5").ends(0);
    for task in world.app().iter().filter(|task| !before.contains(task.id())) {
        world.printed(task, both, 1);
    }
    // Old copies leave nothing behind.
    assert_eq!(dangling(), left);
    world.nowhere_on_a_disk("canary-5d2f91");
}
