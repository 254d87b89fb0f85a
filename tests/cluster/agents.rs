//! Agents on real hosts: shipped, asked, killed with everything that can kill them, replaced while they answer, and gone.
//!
//! A static program is shipped, which `tests/all` builds and names in `STACKCTL_TEST_QUICK`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::ground::{Ground, HOSTS, Run};

/// For an agent to come back, whatever killed it.
const BACK_MAX: Duration = Duration::from_secs(30);

struct World {
    ground: Ground,
    inventory: String,
    binary: PathBuf,
}

impl World {
    fn new() -> Option<Self> {
        let ground = Ground::new()?;
        let Some(binary) = std::env::var_os("STACKCTL_TEST_QUICK") else {
            eprintln!("skipped: STACKCTL_TEST_QUICK names no static program");
            return None;
        };
        let inventory = ground.inventory(|text| format!("agents: auto\n{text}"));
        let world = Self { ground, inventory, binary: binary.into() };
        // Of a test that failed.
        world.run("agent rm --yes").ends(0);
        Some(world)
    }

    fn run(&self, words: &str) -> Run {
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
    fn processes(&self, host: &str) -> Vec<String> {
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

/// The program as one of another version.
fn of_version(binary: &Path, to: &Path, version: &str) {
    let own = env!("CARGO_PKG_VERSION");
    assert_eq!(own.len(), version.len());
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
    of_version(&new, &world.binary, "0.0.1");
    world.run("agent install h1 h2").ends(0);
    let versions = |world: &World| -> Vec<String> {
        let up = world.agents().into_iter().filter(|(_, status, _)| status == "up");
        up.map(|(node, _, version)| format!("{node} {version}")).collect()
    };
    assert_eq!(versions(&world), ["h1 0.0.1", "h2 0.0.1"]);
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
        world.run("agent install h1 h2").ends(0).says(&["agent 0.0.1 ->", "2 hosts done."]);
        is_over.store(true, Ordering::SeqCst);
        watch.join().expect("an agent at every moment")
    });
    assert!(looks > 1, "{looks} looks");
    let own = env!("CARGO_PKG_VERSION");
    assert_eq!(versions(&world), [format!("h1 {own}"), format!("h2 {own}")]);
    // The earlier one does not go back behind it.
    let new = std::mem::replace(&mut world.binary, old);
    world.run("agent install h1 h2").ends(0).says(&["which is later than this stackctl (0.0.1)"]);
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
