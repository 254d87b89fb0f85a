//! Secrets as variables on real hosts: the program of a task has them whatever starts it, and nothing that the engine
//! writes down does.

use std::time::{Duration, Instant};

use crate::agents;
use crate::ground::{Ground, HOSTS, Run, Task};

/// For a container to come back, whatever ended it.
const BACK_MAX: Duration = Duration::from_secs(30);

/// What each of the images starts: it prints the digests of its variables, and waits. A log is a file: values have no
/// place there.
const SHOW: &str = r#"printf %s "$DB" | sha256sum; printf %s "$URL" | sha256sum; trap "exit 7" TERM; while :; do sleep 1; done"#;

/// Services of all kinds, each with the same variables.
const STACKFILE: &str = r#"
x-vars: &vars
  environment: {DB: "secret://db", URL: "secret://url", LOG: debug}
  secrets: [db]
  stop_grace_period: 5s
  x-stackctl: {secret_environment: true}
services:
  own:
    <<: *vars
    image: web:1
    entrypoint: [sh, -c]
    command: ['SHOW']
    healthcheck: {test: 'test -z "$$DB" && test "$$LOG" = debug', interval: 1s, retries: 1}
    deploy: {replicas: 2, update_config: {parallelism: 2}}
  narrow:
    <<: *vars
    image: secretenv:full
    init: true
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    tmpfs: [/run]
    deploy: {mode: global}
  empty:
    <<: *vars
    image: secretenv:scratch
    deploy: {mode: global}
secrets:
  db: {file: db.txt}
  url: {file: url.tmpl, template_driver: golang}
"#;

struct World {
    shipped: agents::World,
}

impl World {
    fn new() -> Option<Self> {
        let world = Self { shipped: agents::World::new()? };
        world.run("key init").ends(0);
        world.file("url.tmpl", "postgres://app:{{secret \"db\"}}@db/");
        for host in HOSTS {
            world.images(host);
        }
        Some(world)
    }

    /// One with an entrypoint, arguments and a user of its own, and one with a single program and nothing else in it.
    fn images(&self, host: &str) {
        let change = |entrypoint: &str, args: &str| {
            format!("--change 'ENTRYPOINT {entrypoint}' --change 'CMD {args}'")
        };
        let args = serde_json::json!([SHOW]).to_string();
        let busy = SHOW.replace("sha256sum", "/busybox sha256sum").replace("sleep", "/busybox sleep");
        let busy = serde_json::json!(["sh", "-c", busy]).to_string();
        let script = format!(
            "set -e; docker image inspect secretenv:full secretenv:scratch >/dev/null 2>&1 && exit 0\n\
             id=$(docker create web:1)\n\
             docker commit {full} --change 'USER 33' $id secretenv:full >/dev/null\n\
             docker cp -L $id:/bin/busybox - | docker import {scratch} - secretenv:scratch >/dev/null\n\
             docker rm $id >/dev/null\n",
            full = change(r#"["/bin/sh","-c"]"#, &args),
            scratch = change(r#"["/busybox"]"#, &busy),
        );
        self.ground().on_host(host, &script);
    }

    fn ground(&self) -> &Ground {
        &self.shipped.ground
    }

    fn file(&self, name: &str, text: &str) -> String {
        self.ground().file(name, text)
    }

    fn run(&self, words: &str) -> Run {
        self.shipped.run(words)
    }

    /// Waits until a task has printed the digests of these so often.
    #[track_caller]
    fn printed(&self, task: &Task, db: &str, times: usize) {
        let url = format!("postgres://app:{db}@db/");
        let wanted = format!("{}{}", digest(db), digest(&url)).repeat(times);
        let begun = Instant::now();
        loop {
            let logs = self.ground().docker(&task.host, &["logs", task.id()]);
            if logs == wanted {
                return;
            }
            assert!(begun.elapsed() < BACK_MAX, "{} on {}: {logs:?}", task.name(), task.host);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn all(&self) -> Vec<Task> {
        let services = ["own", "narrow", "empty"];
        let tasks: Vec<Task> = services.iter().flat_map(|name| self.ground().live("shop", name)).collect();
        assert_eq!(tasks.len(), 2 + 2 * HOSTS.len());
        tasks
    }

    #[track_caller]
    fn nowhere_on_a_disk(&self, text: &str) {
        for host in HOSTS {
            let script = format!("grep -rlazF -e {text} /var/lib/docker /etc/docker 2>/dev/null; true");
            assert_eq!(self.ground().on_host(host, &script), "", "{host}");
        }
    }

    /// Names in the host's folder of programs.
    fn programs(&self, host: &str) -> usize {
        let script = "ls -A /run/stackctl/*/programs 2>/dev/null | wc -l";
        self.ground().on_host(host, script).trim().parse().expect("a number")
    }
}

/// As `sha256sum` prints it.
fn digest(text: &str) -> String {
    format!("{}  -\n", stackctl::model::ids::sha256_hex(text.as_bytes()))
}

#[test]
fn a_program_has_its_variables_whatever_starts_it_and_no_record_has_them() {
    let Some(world) = World::new() else { return };
    let ground = world.ground();
    world.file("db.txt", "canary-first");
    let file =
        world.file("app.yml", &STACKFILE.replace("SHOW", &SHOW.replace('\'', "''").replace('$', "$$")));
    let run = world.run(&format!("deploy --yes -c {file} shop")).ends(0);
    run.says(&["own gets secrets as variables (DB, URL)", "/proc/PID/environ"]);
    let tasks = world.all();
    for task in &tasks {
        world.printed(task, "canary-first", 1);
        assert!(!task.inspect.to_string().contains("canary"), "{}", task.name());
    }
    for task in tasks.iter().filter(|task| task.service() == "own") {
        let first = ground.exec(task, &["sh", "-c", "tr '\\0' '\\n' </proc/1/environ"]);
        assert!(first.contains("DB=canary-first\n") && first.contains("LOG=debug\n"), "{first}");
        assert!(!ground.exec(task, &["env"]).contains("canary"), "another process of the container");
        assert!(ground.exec(task, &["cat", "/proc/1/cmdline"]).starts_with("sh\0-c\0"));
        let health = ground.docker(&task.host, &["inspect", "-f", "{{.State.Health.Status}}", task.id()]);
        assert_eq!(health, "healthy\n", "its check does not see the variable");
    }
    let narrow = tasks.iter().find(|task| task.service() == "narrow").expect("one on each host");
    assert_eq!(ground.exec(narrow, &["id", "-u"]), "33\n");
    // The search finds what is there.
    ground.on_host("h2", "echo canary-first >/var/lib/docker/planted");
    assert!(ground.on_host("h2", "grep -rlazF canary-first /var/lib/docker; true").contains("planted"));
    ground.on_host("h2", "rm /var/lib/docker/planted");
    world.nowhere_on_a_disk("canary-");
    for words in [
        "--verbose inspect shop".to_owned(),
        "ps shop".to_owned(),
        "show shop".to_owned(),
        "logs shop_own".to_owned(),
        format!("check -c {file}"),
        format!("config -c {file} --stack shop --format swarm"),
        format!("config -c {file} --stack shop --format json"),
        format!("diff -c {file} shop"),
    ] {
        let said = world.run(&words).whole();
        assert!(!said.contains("canary"), "{words}: {said}");
    }
    world.run(&format!("deploy --yes -c {file} shop")).ends(0).says(&["No changes"]);

    for task in tasks.iter().filter(|task| task.service() != "narrow") {
        let pid = ground.docker(&task.host, &["inspect", "-f", "{{.State.Pid}}", task.id()]);
        ground.on_host(&task.host, &format!("kill -KILL {}", pid.trim()));
        world.printed(task, "canary-first", 2);
        // The signal is the program's own, and so is the status.
        ground.docker(&task.host, &["stop", "-t", "20", task.id()]);
        let status = ground.docker(&task.host, &["inspect", "-f", "{{.State.ExitCode}}", task.id()]);
        assert_eq!(status, "7\n", "{}", task.name());
        ground.docker(&task.host, &["start", task.id()]);
        world.printed(task, "canary-first", 3);
    }
    for host in HOSTS {
        ground.playground(&format!("dockerd {host} restart"));
    }
    for task in &tasks {
        let times = if task.service() == "narrow" { 2 } else { 4 };
        world.printed(task, "canary-first", times);
    }
    world.nowhere_on_a_disk("canary-");

    world.run("rm --yes shop").ends(0);
    for host in HOSTS {
        assert_eq!(world.programs(host), 0, "{host}");
    }
    world.run("agent rm --yes").ends(0);
    for host in HOSTS {
        let left = "find /run/stackctl 2>/dev/null; grep -c /run/stackctl /proc/mounts; true";
        assert_eq!(ground.on_host(host, left), "0\n");
    }
}

#[test]
fn a_rotated_secret_rolls_the_service_and_a_rollback_brings_the_old_value_back() {
    let Some(world) = World::new() else { return };
    world.file("db.txt", "canary-first");
    let file =
        world.file("app.yml", &STACKFILE.replace("SHOW", &SHOW.replace('\'', "''").replace('$', "$$")));
    world.run(&format!("deploy --yes -c {file} shop")).ends(0);
    let first = world.all();
    world.file("db.txt", "canary-second");
    let diff = world.run(&format!("diff -c {file} shop")).ends(2);
    diff.says(&["environment.DB: secret://db (hidden, changed)"]);
    world.run(&format!("deploy --yes -c {file} shop")).ends(0);
    for task in world.all() {
        assert!(first.iter().all(|old| old.id() != task.id()));
        world.printed(&task, "canary-second", 1);
    }
    world.run("rollback --yes shop").ends(0);
    world.all().iter().for_each(|task| world.printed(task, "canary-first", 1));
    world.nowhere_on_a_disk("canary-");
    world.run("rm --yes shop").ends(0);
}

const BROKEN: &str = r#"
services:
  app:
    image: web:1
    entrypoint: ENTRYPOINT
    environment: {DB: "secret://db"}
    restart: "no"
    deploy: {update_config: {monitor: 1s}}
    x-stackctl: {secret_environment: true}
secrets:
  db: {FROM}
"#;

#[test]
fn what_cannot_be_started_ends_as_in_docker_and_says_why() {
    let Some(world) = World::new() else { return };
    let ground = world.ground();
    world.file("db.txt", "canary");
    let nul = world.file("nul.txt", "canary\0");
    world.run(&format!("secret create nul {nul}")).ends(0);
    let file = |from: &str, entrypoint: &str| {
        world.file("broken.yml", &BROKEN.replace("FROM", from).replace("ENTRYPOINT", entrypoint))
    };
    for (from, entrypoint, status, line) in [
        ("file: db.txt", "[nope, a]", "127", "no program `nope` in PATH"),
        ("file: db.txt", "[/nowhere/nope]", "127", "`/nowhere/nope` cannot be started: No such file"),
        ("file: db.txt", "[/etc/hostname]", "126", "`/etc/hostname` cannot be started: Permission denied"),
        ("external: true, name: nul", "[sleep, '100']", "126", "the value of DB has a NUL byte in it"),
    ] {
        let file = file(from, entrypoint);
        world.run(&format!("deploy --yes -c {file} shop")).ends(1).says(&[line]);
        let task = ground.tasks("shop").into_iter().next().expect("a task that has ended");
        let ended = ground.docker(&task.host, &["inspect", "-f", "{{.State.ExitCode}}", task.id()]);
        assert_eq!(ended.trim(), status, "{entrypoint}");
        let logs = ground.try_docker(&task.host, &["logs", task.id()]);
        let logs = String::from_utf8_lossy(&logs.stderr).into_owned();
        assert!(logs.starts_with("stackctl: ") && logs.contains(line), "{entrypoint}: {logs:?}");
        assert!(!logs.contains("canary"), "{logs:?}");
        world.run("rm --yes shop").ends(0);
    }
    // Where the value is known, nothing runs.
    let file = file("file: nul.txt", "[sleep, '100']");
    world.run(&format!("deploy --yes -c {file} shop")).ends(1).says(&["it has a NUL byte", "variable DB"]);
    assert!(ground.tasks("shop").is_empty());
}

/// As much as Linux takes, in a tmpfs that is read-only once all is in it; and what it does not take is refused where it is
/// written.
#[test]
fn what_no_host_could_run_is_refused_with_the_stackfile() {
    let Some(shipped) = agents::World::new() else { return };
    let ground = &shipped.ground;
    shipped.run("key init").ends(0);
    ground.file("long.txt", &"x".repeat(131_000));
    let deploy = |variables: usize, mount: &str| {
        let variables: String = (0..variables).map(|n| format!("      V{n:02}: secret://long\n")).collect();
        let text = format!(
            "services:\n  app:\n    image: busybox:1\n    command: ['sh', '-c', 'echo $${{#V00}}; exec sleep 100000']\n    \
             stop_grace_period: 1s\n    deploy: {{mode: global}}\n    x-stackctl: {{secret_environment: true}}\n    {mount}\n    \
             environment:\n{variables}secrets: {{long: {{file: long.txt}}}}\nvolumes: {{data: {{}}}}\n"
        );
        let file = ground.file("long.yml", &text);
        shipped.run(&format!("deploy --yes -c {file} shop"))
    };
    let before = ground.everything_but_records(&HOSTS);
    deploy(17, "init: false").ends(1).says(&["variables_too_long", "ulimits: {stack: BYTES}"]);
    deploy(1, "volumes: ['data:/run:ro']").ends(1).says(&["read_only_above", "long.yml:8:"]);
    assert_eq!(ground.everything_but_records(&HOSTS), before);
    deploy(15, "tmpfs: ['/run:ro']").ends(0);
    let tasks = ground.live("shop", "app");
    assert_eq!(tasks.len(), HOSTS.len());
    for task in &tasks {
        let begun = Instant::now();
        while ground.docker(&task.host, &["logs", task.id()]) != "131000\n" {
            assert!(begun.elapsed() < BACK_MAX, "{}", ground.docker(&task.host, &["logs", task.id()]));
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    // Twice the stack has room for twice as much.
    deploy(17, "ulimits: {stack: 16777216}").ends(0);
    assert_eq!(ground.live("shop", "app").len(), HOSTS.len());
    shipped.run("rm --yes shop").ends(0);
}
