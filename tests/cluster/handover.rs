//! Secrets that agents keep for each other, on real hosts: tasks start with them after power loss, without a person; and
//! only on the host whose they are. One of their secrets is a variable, so they need the agent's program as well.
//!
//! A static program is shipped as the agent, which `tests/all` builds and names in `STACKCTL_TEST_PROGRAM`.

use std::time::{Duration, Instant};

use crate::agents;
use crate::ground::{Ground, HOSTS, Run, Task};

const STACKFILE: &str = r#"
services:
  app:
    image: web:1
    entrypoint: ["/bin/sh", "-c"]
    command: ["{ cat /run/secrets/one; printf %s \"$$TWO\"; } | sha256sum; exec sleep 100000"]
    stop_grace_period: 1s
    secrets: [one]
    environment: {TWO: "secret://two"}
    x-stackctl: {secret_environment: true}
    deploy: {replicas: 4, update_config: {parallelism: 4, monitor: 0s}}
secrets:
  one: {file: one.txt}
  two: {external: true}
"#;

const BOTH: &str = "canary-b71e-one\ncanary-b71e-two\n";
/// Something new on a host that lacks secrets.
const OTHER: &str = r#"
services:
  app:
    image: web:1
    entrypoint: [sleep, "100000"]
    stop_grace_period: 1s
    secrets: [one]
    deploy:
      placement: {constraints: [node.hostname == h4]}
      update_config: {monitor: 0s}
secrets:
  one: {file: one.txt}
"#;
/// For tasks to run with their secrets, once the engine of their host answers.
const STARTED_MAX: Duration = Duration::from_secs(10);
/// For what is not about a start.
const SETTLED_MAX: Duration = Duration::from_secs(40);

struct World {
    shipped: agents::World,
}

impl World {
    /// A cluster whose tasks have secrets that two other hosts keep.
    fn new() -> Option<Self> {
        let world = Self { shipped: agents::World::new()? };
        let ground = world.ground();
        world.run("key init").ends(0);
        ground.file("one.txt", "canary-b71e-one\n");
        let two = ground.file("two.txt", "canary-b71e-two\n");
        world.run(&format!("secret create two {two}")).ends(0);
        let file = ground.file("app.yml", STACKFILE);
        world.run(&format!("deploy --yes -c {file} shop")).ends(0);
        world.are_kept();
        Some(world)
    }

    fn ground(&self) -> &Ground {
        &self.shipped.ground
    }

    fn run(&self, words: &str) -> Run {
        self.shipped.run(words)
    }

    /// Waits until each host's secrets are kept by two others.
    #[track_caller]
    fn are_kept(&self) {
        self.is_soon("all secrets are kept by two others", || {
            let run = self.run("agent ls --format {{.Node}}|{{.KeptBy}}").ends(0);
            run.stdout.lines().all(|line| line.split(", ").count() == 2)
        });
    }

    #[track_caller]
    fn is_soon(&self, what: &str, is_so: impl Fn() -> bool) -> Duration {
        let begun = Instant::now();
        while !is_so() {
            let (agents, logs) = (self.run("agent ls").whole(), self.run("agent logs").whole());
            assert!(begun.elapsed() < SETTLED_MAX, "never: {what}\n{agents}\n{logs}");
            std::thread::sleep(Duration::from_millis(200));
        }
        begun.elapsed()
    }

    fn of(&self, host: &str) -> Task {
        let tasks = self.ground().live("shop", "app");
        tasks.into_iter().find(|task| task.host == host).expect("one on each host")
    }

    /// How often a task has printed what its secrets are.
    fn printed(&self, task: &Task) -> usize {
        let line = format!("{}  -\n", stackctl::model::ids::sha256_hex(BOTH.as_bytes()));
        let logs = self.ground().docker(&task.host, &["logs", task.id()]);
        assert_eq!(logs, line.repeat(logs.lines().count()), "{} on {}", task.id(), task.host);
        logs.lines().count()
    }

    fn is_running(&self, task: &Task) -> bool {
        let state = self.ground().docker(&task.host, &["inspect", "-f", "{{.State.Running}}", task.id()]);
        state == "true\n"
    }

    /// Power loss, and back: until its engine answers.
    fn reboot(&self, host: &str) {
        self.ground().playground(&format!("kill {host}"));
        self.ground().playground(&format!("start {host}"));
        while !self.ground().try_docker(host, &["version"]).status.success() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// No disk has a value: all files, and where hosts have disks of their own, all their bytes.
    #[track_caller]
    fn nowhere_on_a_disk(&self) {
        for host in HOSTS {
            let script = "sync; grep -rlazF -e canary-b71e /var/lib/docker /var/log /var/tmp /etc /root /home 2>/dev/null; true";
            assert_eq!(self.ground().on_host(host, script), "", "{host}");
            assert!(!self.ground().disk_has(host, "canary-b71e"), "{host}");
        }
    }

    fn end(&self) {
        self.run("rm --yes shop").ends(0);
        self.run("agent rm --yes").ends(0);
        for host in HOSTS {
            let left = "find /run/stackctl 2>/dev/null; grep /run/stackctl /proc/mounts; grep -i ':12BB 00000000:0000 0A' /proc/net/tcp; \
                        ls /var/lib/docker/plugins/*/rootfs 2>/dev/null; true";
            assert_eq!(self.ground().on_host(host, left), "", "{host}");
        }
        self.nowhere_on_a_disk();
    }
}

#[test]
fn after_power_loss_tasks_start_with_secrets_that_other_hosts_kept() {
    let Some(world) = World::new() else { return };
    let ground = world.ground();
    // The search finds what is there.
    ground.on_host("h2", "echo planted-b71e-one >/var/lib/docker/planted");
    let planted =
        ground.on_host("h2", "grep -rlazF -e planted-b71e /var/lib/docker; rm /var/lib/docker/planted");
    assert!(planted.contains("planted"));
    world.nowhere_on_a_disk();
    // One engine of each kind; the second loses what it kept for the first.
    for host in ["h1", "h2"] {
        let task = world.of(host);
        let before = world.printed(&task);
        world.reboot(host);
        let begun = Instant::now();
        while world.printed(&task) < before + 1 || !world.is_running(&task) {
            assert!(begun.elapsed() < STARTED_MAX, "{host}: {}", world.run("agent logs").whole());
            std::thread::sleep(Duration::from_millis(100));
        }
        eprintln!("{host}: started with its secrets {:?} after its engine answered", begun.elapsed());
        world.is_soon("it runs on", || world.is_running(&task) && world.printed(&task) == before + 1);
    }
    world.are_kept();
    world.nowhere_on_a_disk();
    // The cluster's own secret is no secret of people, and a new key of the cluster changes no agent.
    assert!(!world.run("secret ls").ends(0).whole().contains("stackctl.agents"));
    world.run("secret inspect stackctl.agents.authority").ends(1);
    world.run("secret rm stackctl.agents.authority").ends(1).says(&["the cluster's own"]);
    world.run("key rotate").ends(0);
    let run = world.run("agent install").ends(0).says(&["4 hosts as wanted"]);
    assert!(!run.whole().contains("know the agents"), "{}", run.whole());
    world.end();
}

#[test]
fn with_all_others_cut_off_tasks_wait_and_start_when_one_is_back() {
    let Some(world) = World::new() else { return };
    let ground = world.ground();
    for host in ["h1", "h2"] {
        let (task, stopped) = (world.of(host), format!("stopped-{host}"));
        let before = world.printed(&task);
        let others: Vec<&str> = HOSTS.into_iter().filter(|other| *other != host).collect();
        for other in &others {
            ground.playground(&format!("cut {other} {host}"));
        }
        // A container that a person stopped, with the same mounts and labels: it stays so.
        let source = format!("/var/run/stackctl/playground/secrets/{}/0", task.label("io.stackctl.task"));
        let mount = format!("type=bind,source={source},target=/x,readonly");
        let label = format!("io.stackctl.task={}", task.label("io.stackctl.task"));
        ground.docker(
            host,
            &[
                "run",
                "-d",
                "--name",
                &stopped,
                "--restart",
                "unless-stopped",
                "--label",
                &label,
                "--label",
                "io.stackctl.cluster=playground",
                "--mount",
                &mount,
                "busybox:1",
                "sleep",
                "100000",
            ],
        );
        ground.docker(host, &["stop", "-t", "0", &stopped]);
        world.reboot(host);
        std::thread::sleep(Duration::from_secs(15));
        assert!(!world.is_running(&task) && world.printed(&task) == before, "{host}");
        world
            .run("ps --no-trunc shop")
            .says(&["its secrets may not be on the host since it was restarted", "`stackctl agent ls`"]);
        let said = world.run("agent ls").whole();
        assert!(said.contains("has the secrets of 1 task any more"), "{said}");
        ground.playground("heal");
        let took = world.is_soon("started", || world.is_running(&task) && world.printed(&task) == before + 1);
        eprintln!("{host}: started with its secrets {took:?} after the cut was over");
        let state = ground.docker(host, &["inspect", "-f", "{{.State.Status}}", &stopped]);
        assert_eq!(state, "exited\n", "{host}: who stopped it meant it");
        ground.docker(host, &["rm", "-f", &stopped]);
        world.are_kept();
    }
    // Two that do not reach each other are named.
    ground.playground("cut h3 h4");
    world.is_soon("doctor names both", || {
        let said = world.run("doctor").whole();
        said.contains("its agent does not reach that of h4 at TCP port 4795")
    });
    ground.playground("heal");
    world.end();
}

/// Its agent has a part of what its tasks need, and begins once more, before it reaches one that has the rest.
#[test]
fn an_agent_that_begins_again_while_secrets_are_missing_has_none_of_them_forgotten() {
    let Some(world) = World::new() else { return };
    let ground = world.ground();
    let task = world.of("h4");
    let before = world.printed(&task);
    for other in HOSTS.into_iter().filter(|other| *other != "h4") {
        ground.playground(&format!("cut {other} h4"));
    }
    world.reboot("h4");
    world.is_soon("it waits", || world.run("agent ls").whole().contains("has the secrets of 1 task"));
    let file = ground.file("other.yml", OTHER);
    world.run(&format!("deploy --yes -c {file} other")).ends(0);
    let processes = world.shipped.processes("h4");
    assert_eq!(processes.len(), 1);
    ground.on_host("h4", &format!("kill -KILL {}", processes[0]));
    world.is_soon("another one", || {
        let now = world.shipped.processes("h4");
        now.len() == 1 && now != processes
    });
    world.is_soon("it waits", || world.run("agent ls").whole().contains("has the secrets of 1 task"));
    ground.playground("heal");
    let took = world.is_soon("started", || world.is_running(&task) && world.printed(&task) == before + 1);
    eprintln!("h4: started with its secrets {took:?} after the cut was over");
    world.are_kept();
    // And what others keep is all of it.
    world.reboot("h4");
    world.is_soon("started again", || world.printed(&task) == before + 2 && world.is_running(&task));
    world.run("rm --yes other").ends(0);
    world.end();
}

/// Another client reaches one of the hosts by a way of its own, and has no address of it.
#[test]
fn a_host_whose_address_a_client_does_not_know_stays_a_member() {
    let Some(world) = World::new() else { return };
    let ground = world.ground();
    let address = ground.address("h3").to_string();
    let elsewhere = ground.inventory_with_ssh(|config| {
        format!(
            "Host h3.internal\n    ProxyCommand bash -c 'exec 3<>/dev/tcp/{address}/22; cat <&3 & exec cat >&3'\n    \
             HostKeyAlias {address}\n{}",
            config.replacen("Host h1 h2 h3 h4", "Host h3.internal h1 h2 h3 h4", 1)
        )
    });
    let text = std::fs::read_to_string(&elsewhere).expect("the inventory");
    let text = text.replace(&format!("root@{address}:22"), "root@h3.internal:22");
    assert!(text.contains("h3.internal"));
    let elsewhere = ground.file("elsewhere.yml", &format!("agents: auto\n{text}"));
    let run = |words: &str| ground.run_as(&world.shipped.binary, &elsewhere, words);
    let kept_by = || run("agent ls --format {{.Node}}|{{.KeptBy}}").ends(0).stdout;
    let before = kept_by();
    assert!(before.contains("h1|h2, h3"), "{before}");
    let file = ground.file("other.yml", OTHER);
    run(&format!("deploy --yes -c {file} other")).ends(0);
    let install = run("agent install").ends(0).says(&["4 hosts as wanted"]);
    assert!(!install.whole().contains("know the agents"), "{}", install.whole());
    assert!(!install.whole().contains("does not know the others"), "{}", install.whole());
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(kept_by(), before);
    let task = world.of("h3");
    let printed = world.printed(&task);
    world.reboot("h3");
    world.is_soon("started", || world.printed(&task) == printed + 1 && world.is_running(&task));
    world.run("rm --yes other").ends(0);
    world.end();
}

#[test]
fn a_task_that_was_replaced_while_it_waited_is_not_started_beside_the_new_one() {
    let Some(world) = World::new() else { return };
    let ground = world.ground();
    let running = |host: &str| -> Vec<String> {
        let tasks = ground.tasks_on(host, "shop").into_iter().filter(|task| world.is_running(task));
        tasks.map(|task| task.id().to_owned()).collect()
    };
    for host in ["h1", "h2"] {
        let old = world.of(host);
        for other in HOSTS.into_iter().filter(|other| *other != host) {
            ground.playground(&format!("cut {other} {host}"));
        }
        world.reboot(host);
        world.is_soon("it waits", || world.run("agent ls").whole().contains("has the secrets of 1 task"));
        let file = ground.path().join("app.yml");
        world.run(&format!("deploy --yes -c {} shop", file.display())).ends(0);
        ground.playground("heal");
        // The run has taken the old one's secrets from the agent; what the others give back of it is dropped.
        world.is_soon("the others give", || {
            world.run("agent logs").whole().contains(&format!("gave {host} the secrets"))
        });
        world.are_kept();
        let new = running(host);
        assert!(new.len() == 1 && new[0] != old.id(), "{host}: {new:?}");
        // Its policy would have the engine start it with the host.
        world.reboot(host);
        world.is_soon("the new one runs", || running(host) == new);
        std::thread::sleep(Duration::from_secs(5));
        assert_eq!(running(host), new, "{host}");
    }
    world.end();
}

/// What a container of this host's task has come to is the same after this.
fn stays(world: &World, task: &Task, printed: usize, what: &str) {
    std::thread::sleep(Duration::from_secs(12));
    assert!(
        !world.is_running(task) && world.printed(task) == printed,
        "{what}: {}",
        world.run("agent logs").whole()
    );
}

/// Its agent alone is off while another host is taken out, and it still has what it keeps for that one.
#[test]
fn a_host_that_was_taken_out_gets_nothing_of_one_that_was_off_meanwhile() {
    let Some(world) = World::new() else { return };
    let ground = world.ground();
    let (task, plugin) = (world.of("h4"), ground.docker("h2", &["plugin", "ls", "--format", "{{.Name}}"]));
    let (printed, plugin) = (world.printed(&task), plugin.trim());
    let kept = world.run("agent ls --format {{.Node}}|{{.KeptBy}}").ends(0).stdout;
    assert!(kept.contains("h4|h1, h2"), "{kept}");
    ground.docker("h2", &["plugin", "disable", "-f", plugin]);
    let text = std::fs::read_to_string(&world.shipped.inventory).expect("the inventory");
    let fewer = text.split("\n  h4:").next().expect("a part").to_owned() + "\n";
    let fewer = ground.file("fewer.yml", &fewer);
    let run = |words: &str| ground.run_as(&world.shipped.binary, &fewer, words);
    run("agent install h1 h3").ends(0).says(&["h1, h3: know the agents"]);
    ground.playground("kill h4");
    ground.docker("h2", &["plugin", "enable", plugin]);
    world.is_soon("it hears of it", || run("agent logs h2").whole().contains("has a newer list of agents"));
    ground.playground("start h4");
    world
        .is_soon("its agent is back", || world.run("agent ls").whole().contains("has the secrets of 1 task"));
    stays(&world, &task, printed, "h4 is no member");
    let kept = run("agent ls --format {{.Node}}|{{.KeepsFor}}").ends(0).stdout;
    assert!(!kept.contains("h4") && kept.contains("h2|h1"), "{kept}");
    // Taken in again, it has the values of a deploy.
    world.run("agent install").ends(0).says(&["know the agents"]);
    world.run(&format!("deploy --yes -c {} shop", ground.path().join("app.yml").display())).ends(0);
    world.are_kept();
    world.end();
}

/// A stack is removed while a host is off: what is left of it there has no secrets, and is removed by a run.
#[test]
fn what_was_removed_while_its_host_was_off_comes_back_without_secrets() {
    let Some(world) = World::new() else { return };
    let ground = world.ground();
    let task = world.of("h4");
    let printed = world.printed(&task);
    ground.playground("kill h4");
    world.run("node update --availability drain h4");
    world.run("rm --yes shop").ends(0);
    let logs = world.run("agent logs h1").whole();
    assert!(logs.contains("tasks of h4 are over: forgot the secrets of"), "{logs}");
    ground.playground("start h4");
    world.is_soon("it is said", || {
        world
            .run("agent ls")
            .whole()
            .contains("removed or moved while the host was off, and so without secrets: 1 task")
    });
    stays(&world, &task, printed, "it is over");
    world.run("ps --no-trunc shop").says(&["or the task was removed or moved meanwhile"]);
    world.run("rm --yes shop").ends(0);
    assert_eq!(ground.tasks_on("h4", "shop").len(), 0);
    world.run("node update --availability active h4").ends(0);
    world.end();
}

/// All agents are to listen at another port, and one is off while they are told.
#[test]
fn a_host_that_was_off_while_the_port_changed_is_found() {
    let Some(world) = World::new() else { return };
    let ground = world.ground();
    let task = world.of("h4");
    let printed = world.printed(&task);
    ground.playground("kill h4");
    let text = std::fs::read_to_string(&world.shipped.inventory).expect("the inventory");
    let moved = ground.file("moved.yml", &format!("agent_port: 4796\n{text}"));
    let run = |words: &str| ground.run_as(&world.shipped.binary, &moved, words);
    run("agent install").says(&["know the agents of the other hosts, at port 4796"]);
    ground.playground("start h4");
    world.is_soon("started", || world.is_running(&task) && world.printed(&task) == printed + 1);
    world.is_soon("all reach each other", || {
        let lines = run("agent ls --format {{.Node}}|{{.Reaches}}|{{.Why}}").ends(0).stdout;
        lines.lines().all(|line| line.ends_with("|3 of 3|"))
    });
    assert!(run("agent install").ends(0).whole().contains("4 hosts as wanted"));
    // A client that has the port of before is told what to run.
    world.run("agent ls").says(&["than the inventory has: `stackctl agent install` tells it"]);
    world.run("agent install").ends(0).says(&["at port 4795"]);
    world.are_kept();
    world.end();
}

#[test]
fn a_copy_of_a_hosts_disk_has_nothing_given_elsewhere() {
    let Some(world) = World::new() else { return };
    let ground = world.ground();
    let find = "find /var/lib/docker/plugins -name identity.json";
    let file = ground.on_host("h1", find);
    let file = file.trim();
    assert_eq!(ground.on_host("h1", &format!("stat -c '%a %U' {file}")), "600 root\n");
    let identity = ground.on_host("h1", &format!("cat {file}"));
    assert!(!identity.contains("canary"));
    let address = ground.address("h1").to_string();
    ground.playground("kill h1");
    // On another machine: at an address that no host has, and at that of another host.
    let program = ground.on_host("h4", "find /var/lib/docker/plugins -path '*/rootfs/stackctl'");
    let to = ground.address("h2");
    let device = ground.on_host("h4", &format!("ip -o route get {to} | sed 's/.* dev \\([^ ]*\\).*/\\1/'"));
    // Of the hosts' network: others know the way back.
    let elsewhere = format!("{}.99", address.rsplit_once('.').expect("an address").0);
    ground.on_host("h4", &format!("ip addr add {elsewhere}/32 dev {}", device.trim()));
    let h4 = ground.address("h4").to_string();
    for (from, said) in
        [(elsewhere.as_str(), "is the address of no host"), (h4.as_str(), "is not that of h4")]
    {
        let copy = identity.replacen(
            &format!("\"address\":\"{address}\",\"port\":4795"),
            &format!("\"address\":\"{from}\",\"port\":4796"),
            1,
        );
        assert_ne!(copy, identity);
        let begin = format!(
            "mkdir -p /run/copy/a/b && cat >/run/copy/identity.json <<'END'\n{copy}\nEND\n\
             cp {} /run/copy/program && (setsid timeout 120 /run/copy/program agent serve --of=playground \
             --socket=/run/copy/a/b/x.sock --identity=/run/copy/identity.json </dev/null >/run/copy/log 2>&1 & \
             echo $! >/run/copy/pid)",
            program.trim()
        );
        ground.on_host("h4", &begin);
        // However busy the machine is: until others have seen it, nothing is shown by what it lacks.
        world.is_soon(&format!("{from} is refused"), || {
            // By both that could give it something.
            world.run("agent logs h2 h3").whole().matches(said).count() >= 2
        });
        let end = "kill -- -$(cat /run/copy/pid); find /run/copy -path '*secrets*'; \
                   grep -rlaz canary-b71e /run/copy; rm -rf /run/copy; true";
        assert_eq!(ground.on_host("h4", end), "", "{from}");
    }
    ground.on_host("h4", &format!("ip addr del {elsewhere}/32 dev {}", device.trim()));
    // At its own address it has them.
    ground.playground("start h1");
    world.is_soon("it is back", || ground.live("shop", "app").iter().any(|task| task.host == "h1"));
    world.end();
}
