//! Agents on real hosts: shipped, asked, killed with everything that can kill them, replaced while they answer, and gone.
//!
//! A static program is shipped, which `tests/all` builds and names in `STACKCTL_TEST_PROGRAM`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stackctl::agent::client::{AskError, ask};
use stackctl::agent::wire::{Answer, Refusal, Request, SecretFile, SecretsPut};
use stackctl::fleet::{ConnectOptions, Fleet};
use stackctl::model::NodeName;
use stackctl::vault::Plaintext;

use crate::ground::{Ground, HOSTS, Run};

/// For an agent to come back, whatever killed it.
const BACK_MAX: Duration = Duration::from_secs(30);

/// Hosts, and a static program that may ship itself to them.
pub struct World {
    pub ground: Ground,
    pub inventory: String,
    pub binary: PathBuf,
}

impl World {
    /// `None` where there are no hosts, or no such program.
    pub fn new() -> Option<Self> {
        let ground = Ground::new()?;
        let Some(binary) = std::env::var_os("STACKCTL_TEST_PROGRAM") else {
            eprintln!("skipped: STACKCTL_TEST_PROGRAM names no static program");
            return None;
        };
        let inventory = ground.inventory(|text| format!("agents: auto\n{text}"));
        let world = Self { ground, inventory, binary: binary.into() };
        // Of a test that failed, and whose tasks may be there still.
        world.run("agent rm --yes --force").ends(0);
        Some(world)
    }

    /// Runs that program.
    pub fn run(&self, words: &str) -> Run {
        self.ground.run_as(&self.binary, &self.inventory, words)
    }

    /// Node, status, version and since when, of every line of the list.
    fn agents(&self) -> Vec<(String, String, String)> {
        let run = self.run("agent ls --format {{.Node}}|{{.Status}}|{{.Version}}").ends(0);
        let parts = |line: &str| {
            let mut parts = line.split('|').map(str::to_owned);
            let mut next = || parts.next().unwrap_or_default();
            (next(), next(), next())
        };
        run.stdout.lines().map(parts).collect()
    }

    fn status(&self, host: &str) -> String {
        self.agents().into_iter().find(|(node, ..)| node == host).expect("a line").1
    }

    /// Waits until the agent of a host answers.
    #[track_caller]
    fn is_back(&self, host: &str) -> Duration {
        let begun = Instant::now();
        while self.status(host) != "up" {
            assert!(begun.elapsed() < BACK_MAX, "{host}: {}", self.run("agent ls").whole());
            std::thread::sleep(Duration::from_millis(200));
        }
        begun.elapsed()
    }

    /// The agent's processes on a host.
    pub fn processes(&self, host: &str) -> Vec<String> {
        let script = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | \
                      grep -q '^/stackctl agent serve ' && basename $p; done; true";
        self.ground.on_host(host, script).lines().map(str::to_owned).collect()
    }

    /// What an engine and its host have of agents.
    fn remains(&self, host: &str) -> String {
        self.ground.on_host(
            host,
            "find /run/stackctl 2>/dev/null; docker plugin ls -q; docker ps -aq; \
             docker images --format '{{.Repository}}' | grep stackctl-agent; \
             d=/var/lib/docker/plugins; find $d -mindepth 1 -maxdepth 1 -type d -name '????????????????????????*'; \
             grep -c ' /var/lib/docker/plugins/' /proc/self/mountinfo; true",
        )
    }
}

/// A version before any that there is, in as many signs as this one has.
fn old_version() -> String {
    let signs = env!("CARGO_PKG_VERSION").len() - "0.0.".len();
    format!("0.0.{}", "1".repeat(signs))
}

/// The program as one of that version.
fn of_old_version(binary: &Path, to: &Path) {
    let (own, version) = (env!("CARGO_PKG_VERSION"), old_version());
    let mut bytes = std::fs::read(binary).expect("the program");
    let mark = format!("stackctl-agent-program <{own}>");
    let at = bytes.windows(mark.len()).position(|part| part == mark.as_bytes()).expect("its mark");
    let from = at + mark.len() - 1 - own.len();
    bytes[from..from + own.len()].copy_from_slice(version.as_bytes());
    std::fs::write(to, bytes).expect("a file of the test");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(to, mode).expect("a mode");
}

#[test]
fn an_agent_comes_back_whatever_kills_it() {
    let Some(world) = World::new() else { return };
    let before: Vec<String> = HOSTS.iter().map(|host| world.remains(host)).collect();
    world.run("agent install").ends(0).says(&["Plan: 4 to install", "4 hosts done."]);
    for (node, status, version) in world.agents() {
        assert_eq!((status.as_str(), version.as_str()), ("up", env!("CARGO_PKG_VERSION")), "{node}");
    }
    let socket = world.ground.on_host("h1", "stat -c '%a %U %G' /run/stackctl /run/stackctl/*/*.sock");
    assert_eq!(
        socket, "750 root docker\n660 root docker\n",
        "who may open the engine's socket, and no other"
    );
    world.run("agent install").ends(0).says(&["4 hosts as wanted"]);

    for host in ["h1", "h2"] {
        let first = world.processes(host);
        assert_eq!(first.len(), 1, "{host}: {first:?}");
        world.ground.on_host(host, &format!("kill -KILL {}", first[0]));
        let took = world.is_back(host);
        let second = world.processes(host);
        assert!(second.len() == 1 && second != first, "{host}: {first:?} {second:?}");
        eprintln!("{host}: back {took:?} after SIGKILL");

        world.ground.playground(&format!("dockerd {host} restart"));
        eprintln!("{host}: back {:?} after a restart of dockerd", world.is_back(host));
        assert_eq!(world.processes(host).len(), 1, "{host}");
        world.ground.playground(&format!("dockerd {host} kill"));
        world.ground.playground(&format!("dockerd {host} start"));
        eprintln!("{host}: back {:?} after SIGKILL of dockerd", world.is_back(host));
        assert_eq!(world.processes(host).len(), 1, "{host}");
        world.ground.playground(&format!("kill {host}"));
        world.ground.playground(&format!("start {host}"));
        eprintln!("{host}: back {:?} after power loss", world.is_back(host));
    }
    world.run("agent install").ends(0).says(&["4 hosts as wanted"]);
    world.run("agent rm --yes").ends(0).says(&["4 hosts without an agent."]);
    for (host, before) in HOSTS.iter().zip(before) {
        assert_eq!(world.remains(host), before, "{host}");
        assert!(world.processes(host).is_empty(), "{host}");
    }
}

#[test]
fn one_version_takes_over_from_another_while_it_answers() {
    let Some(mut world) = World::new() else { return };
    let new = std::mem::replace(&mut world.binary, world.ground.path().join("old"));
    of_old_version(&new, &world.binary);
    world.run("agent install h1 h2").ends(0);
    let versions = |world: &World| -> Vec<String> {
        let up = world.agents().into_iter().filter(|(_, status, _)| status == "up");
        up.map(|(node, _, version)| format!("{node} {version}")).collect()
    };
    assert_eq!(versions(&world), ["h1", "h2"].map(|host| format!("{host} {}", old_version())));
    let old = std::mem::replace(&mut world.binary, new);

    // At every moment there is one that answers on each host.
    let is_over = AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut looks = 0;
            while !is_over.load(Ordering::SeqCst) {
                let up = versions(&world);
                for host in ["h1 ", "h2 "] {
                    assert!(up.iter().any(|one| one.starts_with(host)), "look {looks}: {up:?}");
                }
                looks += 1;
            }
            looks
        });
        let run = world.run("agent install h1 h2");
        // Before anything is said of it: the other thread has no other end.
        is_over.store(true, Ordering::SeqCst);
        run.ends(0).says(&[&format!("agent {} ->", old_version()), "2 hosts done."]);
        watch.join().expect("an agent at every moment")
    });
    assert!(looks > 1, "{looks} looks");
    let own = env!("CARGO_PKG_VERSION");
    assert_eq!(versions(&world), [format!("h1 {own}"), format!("h2 {own}")]);
    // The earlier one does not go back behind it.
    let new = std::mem::replace(&mut world.binary, old);
    let later = format!("which is later than this stackctl ({})", old_version());
    world.run("agent install h1 h2").ends(0).says(&[&later]);
    world.binary = new;
    world.run("agent rm --yes").ends(0);
}

#[test]
fn a_host_that_is_off_holds_up_no_other_and_runs_that_were_killed_are_finished() {
    let Some(world) = World::new() else { return };
    world.ground.playground("kill h3");
    world.run("agent install").ends(6).says(&["node h3 is silent and is left out", "3 hosts done."]);
    assert_eq!(world.status("h3"), "unreachable");
    world.ground.playground("start h3");
    assert_eq!(world.status("h3"), "none");

    // Killed at some moment of the way, and once more, until it gets through.
    world.run("agent rm --yes").ends(0);
    for pause_ms in [300, 900, 1_500, 2_500, 4_000] {
        let run = world.ground.begin_as(&world.binary, &world.inventory, "agent install h1 h2");
        std::thread::sleep(Duration::from_millis(pause_ms));
        run.kill();
    }
    world.run("agent install h1 h2").ends(0);
    world.run("agent install h1 h2").ends(0).says(&["2 hosts as wanted"]);
    for host in ["h1", "h2"] {
        assert_eq!(world.processes(host).len(), 1, "{host}");
        assert_eq!(world.ground.docker(host, &["plugin", "ls", "-q"]).lines().count(), 1, "{host}");
    }
    world.run("agent rm --yes").ends(0);
    assert!(HOSTS.iter().all(|host| world.processes(host).is_empty()));
}

/// Two builds of one version, each of which would end what the other one has just started.
#[test]
fn two_clients_at_the_same_time_leave_each_host_one_agent() {
    let Some(world) = World::new() else { return };
    world.run("key init").ends(0);
    let other = world.ground.path().join("other");
    let mut bytes = std::fs::read(&world.binary).expect("the program");
    bytes.push(0);
    std::fs::write(&other, bytes).expect("a file of the test");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&other, mode).expect("a mode");
    let ends: Vec<Run> = [&world.binary, &other]
        .map(|binary| world.ground.begin_as(binary, &world.inventory, "agent install --yes"))
        .into_iter()
        .map(|running| running.wait().ends(0))
        .collect();
    let said: String = ends.iter().map(Run::whole).collect();
    assert_eq!(said.matches("4 hosts done.").count(), 2, "{said}");
    assert_eq!(said.matches("which works on the agents").count(), 1, "{said}");
    assert!(!said.contains("warning"), "{said}");
    let run = world.run("agent ls --format {{.Node}}|{{.Digest}}|{{.Status}}|{{.Identity}}|{{.Why}}").ends(0);
    let lines: Vec<Vec<&str>> = run.stdout.lines().map(|line| line.split('|').collect()).collect();
    assert_eq!(lines.len(), HOSTS.len(), "{}", run.stdout);
    for line in &lines {
        assert!(line[1] == lines[0][1] && line[2] == "up" && line[3].starts_with("20"), "{}", run.stdout);
    }
    for host in HOSTS {
        assert_eq!(world.processes(host).len(), 1, "{host}");
    }
    world.run("agent rm --yes").ends(0);
}

/// As base64 it is more than one message between agents takes.
#[test]
fn more_than_sixty_megabytes_of_one_host_are_kept_by_two_others() {
    let Some(world) = World::new() else { return };
    world.run("key init").ends(0);
    world.run("agent install").ends(0).says(&["know the agents"]);
    let client = Client::new(&world);
    for task in 0..6 {
        let file = SecretFile {
            name: "large".into(),
            version: format!("v{task}"),
            uid: 0,
            gid: 0,
            mode: 0o400,
            place: None,
        };
        let value = Arc::new(Plaintext::new(vec![b'0' + task; 11 << 20]));
        let put = SecretsPut { task: format!("large{task}"), of: None, files: vec![(file, Some(value))] };
        client.ask("h1", &Request::SecretsPut(put)).expect("they are kept");
    }
    let (begun, mut said) = (Instant::now(), String::new());
    while !said.contains("h1|h2, h3|3 of 3|\n") {
        assert!(begun.elapsed() < BACK_MAX, "{said}{}", world.run("agent logs").whole());
        std::thread::sleep(Duration::from_millis(500));
        said = world.run("agent ls --format {{.Node}}|{{.KeptBy}}|{{.Reaches}}|{{.Why}}").ends(0).stdout;
    }
    eprintln!("kept by two after {:?}", begun.elapsed());
    let script = "cat /run/stackctl/*/secrets/.kept/*/large*/0 | wc -c";
    assert_eq!(world.ground.on_host("h3", script), format!("{}\n", 66 << 20));
    world.run("agent rm --yes --force").ends(0);
}

/// Speaks with agents as commands do, over ssh.
struct Client {
    runtime: tokio::runtime::Runtime,
    fleet: Fleet,
}

impl Client {
    fn new(world: &World) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let loaded = stackctl::inventory::load(Some(Path::new(&world.inventory)), &|_| None);
        let (inventory, _) = loaded.expect("the inventory");
        let runtime_dir = Some(world.ground.path().join("c"));
        let options = ConnectOptions { runtime_dir, ..ConnectOptions::default() };
        let fleet = runtime.block_on(Fleet::connect(&inventory, options));
        Self { runtime, fleet }
    }

    fn ask(&self, host: &str, request: &Request) -> Result<Answer, AskError> {
        let node = NodeName::new(host).expect("a name");
        self.runtime.block_on(async {
            let agents = self.fleet.agents_of(&node).await.expect("an engine").agents;
            let agent = agents.iter().find(|agent| agent.is_on).expect("an agent");
            let stream = self.fleet.agent_stream(&node, &agent.mark()).await.expect("a way to it");
            ask(stream, request, Duration::from_secs(20)).await
        })
    }

    /// Has two files kept: the first for user 1000.
    fn put(&self, host: &str, task: &str, values: [Option<&str>; 2]) -> Result<Answer, AskError> {
        let file = |name: &str, uid, mode| SecretFile {
            name: name.into(),
            version: "v1".into(),
            uid,
            gid: uid,
            mode,
            place: None,
        };
        let value = |text: &str| Arc::new(Plaintext::new(text.as_bytes().to_vec()));
        let files = [file("password", 1000, 0o400), file("key", 0, 0o444)];
        let files = files.into_iter().zip(values).map(|(file, text)| (file, text.map(value))).collect();
        self.ask(host, &Request::SecretsPut(SecretsPut { task: task.into(), of: None, files }))
    }

    fn tasks(&self, host: &str) -> Vec<String> {
        match self.ask(host, &Request::SecretsList).expect("a list") {
            Answer::Kept(tasks) => tasks.into_iter().map(|task| task.task).collect(),
            other => panic!("{other:?}"),
        }
    }
}

impl World {
    /// Starts a container of a task that has the first of its secrets mounted.
    fn container(&self, host: &str, task: &str) {
        let mount =
            format!("type=bind,source=/var/run/stackctl/playground/secrets/{task}/0,target=/secret,readonly");
        let label = format!("io.stackctl.task={task}");
        let options = [
            "run",
            "-d",
            "--name",
            "with-secret",
            "--restart",
            "always",
            "--user",
            "1000",
            "--stop-timeout",
            "0",
        ];
        let words = ["--label", &label, "--mount", &mount, "busybox:1", "sleep", "100000"];
        self.ground.docker(host, &[&options[..], &words[..]].concat());
    }

    /// What the container reads, as it runs and once more when it was started again.
    #[track_caller]
    fn is_read(&self, host: &str, value: &str, when: &str) {
        for round in ["", " and another start"] {
            let begun = Instant::now();
            loop {
                let output = self.ground.try_docker(host, &["exec", "with-secret", "cat", "/secret"]);
                if output.status.success() {
                    assert_eq!(String::from_utf8_lossy(&output.stdout), value, "{host} {when}{round}");
                    break;
                }
                let why = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(begun.elapsed() < BACK_MAX, "{host} {when}{round}: {why}");
                std::thread::sleep(Duration::from_millis(200));
            }
            self.ground.docker(host, &["restart", "-t", "0", "with-secret"]);
        }
        let kinds = "awk '$5 == \"/run/stackctl/playground/secrets\" { print $0 }' /proc/self/mountinfo";
        let mounts = self.ground.on_host(host, kinds);
        assert_eq!(mounts.lines().count(), 1, "{host} {when}: {mounts}");
        assert!(mounts.contains("noswap") || mounts.contains(" - ramfs "), "{host} {when}: {mounts}");
        assert!(mounts.contains("nosuid,nodev,noexec"), "{host} {when}: {mounts}");
    }

    fn plugin(&self, host: &str) -> String {
        self.ground.docker(host, &["plugin", "ls", "--format", "{{.Name}}"]).trim().to_owned()
    }

    fn secrets_of(&self, host: &str) -> String {
        let run = self.run("agent ls --format {{.Node}}|{{.Secrets}}|{{.Why}}").ends(0);
        let line =
            run.stdout.lines().find_map(|line| line.strip_prefix(&format!("{host}|"))).expect("a line");
        line.to_owned()
    }
}

#[test]
fn secrets_are_read_whatever_ends_the_agent_and_are_on_no_disk() {
    let Some(mut world) = World::new() else { return };
    let hosts = ["h1", "h2"];
    let before = hosts.map(|host| world.remains(host));
    let new = std::mem::replace(&mut world.binary, world.ground.path().join("old"));
    of_old_version(&new, &world.binary);
    world.run("agent install h1 h2").ends(0).says(&[
        "with CAP_SYS_ADMIN and mounts that the host sees and the host's network",
        "at TCP port 4795",
    ]);
    world.binary = new;
    let client = Client::new(&world);
    let value = format!("correct-horse-{}-battery", std::process::id());
    for host in hosts {
        // Nothing is there yet; then everything; then it is taken from what is there.
        assert_eq!(client.put(host, "t1", [None, None]), Ok(Answer::Missing(vec![0, 1])), "{host}");
        assert_eq!(client.put(host, "t1", [Some(&value), None]), Ok(Answer::Missing(vec![1])), "{host}");
        assert_eq!(client.tasks(host), [""; 0], "{host}");
        assert_eq!(client.put(host, "t1", [Some(&value), Some("x")]), Ok(Answer::Missing(vec![])), "{host}");
        assert_eq!(client.put(host, "t2", [None, None]), Ok(Answer::Missing(vec![])), "{host}");
        let modes = world
            .ground
            .on_host(host, "cd /run/stackctl/playground/secrets; stat -c '%n %a %u %g %s' . t1 t1/*");
        let wanted =
            format!(". 700 0 0 80\nt1 700 0 0 100\nt1/0 400 1000 1000 {}\nt1/1 444 0 0 1\n", value.len());
        let modes: String = modes
            .lines()
            .filter(|line| !line.contains("manifest"))
            .map(|line| line.to_owned() + "\n")
            .collect();
        assert_eq!(modes, wanted, "{host}");
        assert_eq!(world.secrets_of(host), "2 tasks|");
        world.container(host, "t1");
        world.is_read(host, &value, "at first");

        let process = world.processes(host);
        world.ground.on_host(host, &format!("kill -KILL {}", process[0]));
        world.is_read(host, &value, "after SIGKILL of the agent");
        world.is_back(host);
        assert_eq!(client.tasks(host), ["t1", "t2"], "{host}");

        let plugin = world.plugin(host);
        world.ground.docker(host, &["plugin", "disable", "-f", &plugin]);
        world.is_read(host, &value, "while the agent is disabled");
        world.ground.docker(host, &["plugin", "enable", &plugin]);
        world.is_back(host);
        assert_eq!(client.tasks(host), ["t1", "t2"], "{host}");

        world.ground.playground(&format!("dockerd {host} restart"));
        world.is_read(host, &value, "after a restart of dockerd");
        world.is_back(host);
        world
            .run(&format!("agent install {host}"))
            .ends(0)
            .says(&[&format!("agent {} ->", old_version()), "1 host done."]);
        world.is_read(host, &value, "after an upgrade of the agent");
        assert_eq!(client.tasks(host), ["t1", "t2"], "{host}");
        let found = world.ground.on_host(
            host,
            &format!(
                "sync; grep -rsazFl {value} /var/lib/docker /var/log /var/tmp /tmp /etc /root /home; true"
            ),
        );
        assert_eq!(found, "", "{host}: on the host's disk");

        // Another task's container comes and goes, and so do its secrets.
        assert_eq!(client.ask(host, &Request::SecretsDrop { task: "t2".into() }), Ok(Answer::Done));
        assert_eq!(client.tasks(host), ["t1"], "{host}");
        let refused = world.run(&format!("agent rm --yes {host}")).ends(1);
        refused.says(&["with-secret", "stackctl::agent::in_use", "--force"]);
        assert_eq!(client.tasks(host), ["t1"], "{host}");
    }
    world.ground.docker("h1", &["rm", "-f", "with-secret"]);
    world.run("agent rm --yes h1").ends(0).says(&["1 host without an agent."]);
    assert_eq!(world.remains("h1"), before[0]);
    // The container keeps what it has mounted, and that alone.
    world.run("agent rm --yes --force h2").ends(0).says(&["1 host without an agent."]);
    assert_eq!(world.ground.docker("h2", &["exec", "with-secret", "cat", "/secret"]), value);
    world.ground.docker("h2", &["rm", "-f", "with-secret"]);
    assert_eq!(world.remains("h2"), before[1]);
    for host in hosts {
        assert_eq!(world.ground.on_host(host, "grep stackctl/ /proc/self/mountinfo; true"), "", "{host}");
    }
}

#[test]
fn after_power_loss_nothing_is_there_and_it_is_written_again() {
    let Some(world) = World::new() else { return };
    world.run("agent install h1 h2").ends(0);
    for host in ["h1", "h2"] {
        let client = Client::new(&world);
        assert_eq!(client.put(host, "t1", [Some("a"), Some("b")]), Ok(Answer::Missing(vec![])), "{host}");
        world.ground.playground(&format!("kill {host}"));
        world.ground.playground(&format!("start {host}"));
        world.is_back(host);
        let client = Client::new(&world);
        assert_eq!(client.tasks(host), [""; 0], "{host}");
        assert_eq!(client.put(host, "t1", [None, None]), Ok(Answer::Missing(vec![0, 1])), "{host}");
        assert_eq!(client.put(host, "t1", [Some("c"), Some("d")]), Ok(Answer::Missing(vec![])), "{host}");
        world.container(host, "t1");
        world.is_read(host, "c", "after power loss");
        // A disabled agent is started to clear up before it goes.
        world.ground.docker(host, &["rm", "-f", "with-secret"]);
        world.ground.docker(host, &["plugin", "disable", "-f", &world.plugin(host)]);
    }
    world.run("agent rm --yes h1 h2").ends(0);
    for host in ["h1", "h2"] {
        let left = world
            .ground
            .on_host(host, "grep stackctl/ /proc/self/mountinfo; ls /run/stackctl 2>/dev/null; true");
        assert_eq!(left, "", "{host}");
    }
}

#[test]
fn secrets_of_tasks_that_are_over_go_unless_the_engine_is_silent() {
    let Some(world) = World::new() else { return };
    world.run("agent install h1 h2").ends(0);
    let client = Client::new(&world);
    let hosts = ["h1", "h2"];
    for host in hosts {
        for task in ["t1", "t2", "t3"] {
            assert_eq!(client.put(host, task, [Some("a"), Some("b")]), Ok(Answer::Missing(vec![])), "{host}");
        }
        world.container(host, "t1");
        let old = "cd /run/stackctl/playground/secrets && touch -d '11 minutes ago' t1 t2";
        world.ground.playground(&format!("freeze {host} dockerd"));
        world.ground.on_host(host, old);
    }
    // Longer than between two looks, and than an answer is waited for.
    std::thread::sleep(Duration::from_secs(75));
    for host in hosts {
        let there = world.ground.on_host(host, "ls /run/stackctl/playground/secrets");
        assert_eq!(there, "t1\nt2\nt3\n", "{host}: an engine that does not answer has nothing removed");
        world.ground.playground(&format!("thaw {host} dockerd"));
    }
    for host in hosts {
        let begun = Instant::now();
        while world.ground.on_host(host, "ls /run/stackctl/playground/secrets") != "t1\nt3\n" {
            assert!(begun.elapsed() < Duration::from_secs(90), "{host}");
            std::thread::sleep(Duration::from_secs(1));
        }
        world.is_read(host, "a", "after a look");
        world.ground.docker(host, &["rm", "-f", "with-secret"]);
    }
    world.run("agent rm --yes h1 h2").ends(0);
}

/// Shares a host's mounts again, however the test ends.
struct Shared<'a>(&'a World, &'a str);

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        self.0.ground.on_host(self.1, "mount --make-rshared /");
    }
}

#[test]
fn where_a_host_shares_no_mounts_nothing_is_kept_and_the_agent_says_what_to_do() {
    let Some(world) = World::new() else { return };
    for host in ["h1", "h2"] {
        world.ground.on_host(host, "mount --make-rprivate /");
        let shared = Shared(&world, host);
        world.run(&format!("agent install {host}")).ends(0);
        let client = Client::new(&world);
        let refused = client.put(host, "t1", [Some("a"), Some("b")]);
        assert_eq!(refused, Err(AskError::Refused(Refusal::NotShared)), "{host}");
        assert!(world.secrets_of(host).contains("mount --make-rshared /"), "{}", world.secrets_of(host));
        let there = world.ground.on_host(host, "find /run/stackctl -type d");
        assert_eq!(
            there, "/run/stackctl\n/run/stackctl/playground\n",
            "{host}: nothing is left of the trial"
        );
        drop(shared);
        let plugin = world.plugin(host);
        world.ground.docker(host, &["plugin", "disable", "-f", &plugin]);
        world.ground.docker(host, &["plugin", "enable", &plugin]);
        world.is_back(host);
        assert_eq!(client.put(host, "t1", [Some("a"), Some("b")]), Ok(Answer::Missing(vec![])), "{host}");
    }
    world.run("agent rm --yes h1 h2").ends(0);
}
