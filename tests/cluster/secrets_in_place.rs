//! Secrets that change in running containers: swapped in the memory of real hosts, all files of a task at once, and a signal.
//!
//! A static program is shipped as the agent, which `tests/all` builds and names in `STACKCTL_TEST_PROGRAM`.

use std::time::{Duration, Instant};

use crate::agents;
use crate::ground::{Ground, HOSTS, Run, Task, number};
use crate::killed::random;

/// Where `STACKCTL_TEST_KILLS` does not say.
const KILLS: u64 = 6;
/// For a container to come back, whatever ended it.
const BACK_MAX: Duration = Duration::from_secs(30);

/// A web server that serves what its files say, and reads them only when it is told to; or ends by it. A secret in a file, one
/// that a command makes, a config, and one that is made of a secret.
fn reader(config: &str, more: &str) -> String {
    let program = "show() { cat /run/secrets/db /run/secrets/deep/two /etc/app/site.txt /etc/url >/www/index.html; }; trap 'show; \
                   ! grep -q bad /www/index.html || exit 3' HUP; mkdir -p /www; show; httpd -p 8000 -h /www; while :; do sleep 1 & \
                   wait $!; done";
    format!(
        "services:
  web:
    image: busybox:1
    command: ['sh', '-c', \"{}\"]
    stop_grace_period: 1s
    tmpfs: [/www]
    secrets:
      - {{source: db, uid: '33', gid: '44', mode: 0440}}
      - {{source: two, target: /run/secrets/deep/two}}
    configs:
      - {{source: site, target: /etc/app/site.txt, mode: 0440}}
      - {{source: url, target: /etc/url, uid: '7', mode: 0400}}
    x-stackctl: {{on_config: SIGHUP{more}}}
    deploy:
      mode: global
      restart_policy: {{condition: none}}
      update_config: {{parallelism: 1, monitor: 2s, failure_action: rollback}}
secrets:
  db: {{file: db.txt}}
  two: {{external: true}}
configs:
  site: {{content: \"{config}\\n\"}}
  url: {{content: \"app:{{{{secret \\\"db\\\"}}}}@db\\n\", template_driver: golang}}
",
        program.replace('$', "$$")
    )
}

struct World {
    shipped: agents::World,
    /// Whether engines start what has ended.
    is_restarted: bool,
}

impl World {
    fn new(two: &str) -> Option<Self> {
        let world = Self { shipped: agents::World::new()?, is_restarted: false };
        world.run("key init").ends(0);
        let two = world.ground().file("two.txt", two);
        world.run(&format!("secret create two {two}")).ends(0);
        Some(world)
    }

    fn ground(&self) -> &Ground {
        &self.shipped.ground
    }

    fn run(&self, words: &str) -> Run {
        self.shipped.run(words)
    }

    /// Deploys with this secret and this config.
    fn deploy(&self, db: &str, config: &str) -> Run {
        let file = self.file(db, config);
        self.run(&format!("deploy --yes -c {file} shop"))
    }

    fn file(&self, db: &str, config: &str) -> String {
        self.ground().file("db.txt", db);
        let condition = if self.is_restarted { "any" } else { "none" };
        let text = reader(config, "").replace("condition: none", &format!("condition: {condition}"));
        self.ground().file("app.yml", &text)
    }

    fn live(&self) -> Vec<Task> {
        let mut tasks = self.ground().live("shop", "web");
        tasks.sort_by(|a, b| a.host.cmp(&b.host));
        tasks
    }

    /// Ids, and when the programs began.
    fn ids(&self) -> Vec<(String, String)> {
        let began = |task: &Task| task.inspect["State"]["StartedAt"].as_str().unwrap_or_default().to_owned();
        self.live().iter().map(|task| (task.id().to_owned(), began(task))).collect()
    }

    fn served_by(&self, task: &Task) -> String {
        let ask = ["exec", task.id(), "wget", "-qO-", "http://127.0.0.1:8000/"];
        let said = self.ground().try_docker(&task.host, &ask);
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    /// Waits until every task serves this. What comes first is read before the server listens.
    #[track_caller]
    fn serves(&self, db: &str, two: &str, config: &str) {
        let wanted = format!("{db}{two}{config}\napp:{db}@db\n");
        let begun = Instant::now();
        loop {
            let tasks = self.live();
            let served: Vec<String> = tasks.iter().map(|task| self.served_by(task)).collect();
            if served.len() == HOSTS.len() && served.iter().all(|one| *one == wanted) {
                return;
            }
            assert!(begun.elapsed() < BACK_MAX, "{wanted:?}: {served:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// What each host has of its task's sets of files, which a container sees.
    fn sets(&self) -> Vec<String> {
        let list = "ls -d /run/stackctl/*/secrets/*/files/..[0-9]* | wc -l";
        HOSTS.iter().map(|host| self.ground().on_host(host, list).trim().to_owned()).collect()
    }

    #[track_caller]
    fn nowhere_on_a_disk(&self) {
        for host in HOSTS {
            let found = "grep -rlazF -e canary- /var/lib/docker /etc/docker 2>/dev/null; true";
            assert_eq!(self.ground().on_host(host, found), "", "{host}");
        }
    }
}

#[test]
fn a_secret_changes_in_running_containers_together_with_all_that_is_made_of_it() {
    let Some(world) = World::new("canary-two-1\n") else { return };
    let ground = world.ground();
    world.deploy("canary-1", "one").ends(0);
    world.serves("canary-1", "canary-two-1\n", "one");
    let before = world.ids();

    // A file, then one that a command makes, then a config alone; what is made of a secret follows it.
    let file = world.file("canary-2", "two");
    let diff = world.run(&format!("diff -c {file} shop")).ends(2);
    diff.says(&["in place, SIGHUP", "(hidden, changed)", "4 to change in place"]);
    world.deploy("canary-2", "two").ends(0);
    world.serves("canary-2", "canary-two-1\n", "two");
    let two = ground.file("two.txt", "canary-two-2\n");
    world.run(&format!("secret rotate two {two}")).ends(0);
    world.deploy("canary-2", "two").ends(0).says(&["4 to change in place"]);
    world.serves("canary-2", "canary-two-2\n", "two");
    world.deploy("canary-2", "three").ends(0);
    world.serves("canary-2", "canary-two-2\n", "three");
    assert_eq!(world.ids(), before);
    world.deploy("canary-2", "three").ends(0).says(&["No changes"]);
    assert_eq!(world.sets(), ["1"; 4], "what was there before is gone once the change has proved itself");
    for task in world.live() {
        let paths = ["/run/secrets/db", "/run/secrets/deep/two", "/etc/app/site.txt", "/etc/url"];
        let shown = ground.exec(&task, &[&["stat", "-L", "-c", "%a %u %g"][..], &paths].concat());
        assert_eq!(shown, "440 33 44\n444 0 0\n440 0 0\n400 7 0\n", "{}", task.host);
        let write = ["exec", task.id(), "sh", "-c", "echo x >/run/secrets/db"];
        assert!(!ground.try_docker(&task.host, &write).status.success());
        assert!(!task.inspect.to_string().contains("canary"));
    }
    world.nowhere_on_a_disk();

    // Whatever starts it again has what was put there.
    for (host, task) in [("h1", &world.live()[0]), ("h2", &world.live()[1])] {
        ground.docker(host, &["restart", "-t", "0", task.id()]);
        world.serves("canary-2", "canary-two-2\n", "three");
        for process in world.shipped.processes(host) {
            ground.on_host(host, &format!("kill -KILL {process}"));
        }
    }
    assert_eq!(world.run("status shop").ends(0).stdout.matches("drift").count(), 0);

    // It ends by the new one: what it had before is put back, on every host.
    let before: Vec<String> = world.ids().into_iter().map(|(id, _)| id).collect();
    let run = world.deploy("canary-bad", "four").ends(3);
    let after: Vec<String> = world.ids().into_iter().map(|(id, _)| id).collect();
    assert_eq!(after, before, "{}", run.whole());
    world.serves("canary-2", "canary-two-2\n", "three");
    // Releases of before have their values still, and so have their tasks, as they run.
    world.run("rollback --yes shop --to 1").ends(0).says(&["4 to change in place"]);
    world.serves("canary-1", "canary-two-1\n", "one");
    let after: Vec<String> = world.ids().into_iter().map(|(id, _)| id).collect();
    assert_eq!(after, before);
    world.nowhere_on_a_disk();
    world.run("rm --yes shop").ends(0);
}

#[test]
fn a_variable_is_read_once_and_so_its_tasks_are_replaced() {
    let Some(world) = World::new("canary-two\n") else { return };
    let ground = world.ground();
    let file = |db: &str| {
        ground.file("db.txt", db);
        let text = reader("one", ", secret_environment: true")
            .replace("    stop_grace_period", "    environment: {DB: 'secret://db'}\n    stop_grace_period");
        ground.file("app.yml", &text)
    };
    world.run(&format!("deploy --yes -c {} shop", file("canary-1"))).ends(0);
    world.serves("canary-1", "canary-two\n", "one");
    let before: Vec<String> = world.ids().into_iter().map(|(id, _)| id).collect();
    // The other secret is no variable's.
    let two = ground.file("two.txt", "canary-2nd\n");
    world.run(&format!("secret rotate two {two}")).ends(0);
    world.run(&format!("deploy --yes -c {} shop", file("canary-1"))).ends(0);
    world.serves("canary-1", "canary-2nd\n", "one");
    let same: Vec<String> = world.ids().into_iter().map(|(id, _)| id).collect();
    assert_eq!(same, before);
    let run = world.run(&format!("deploy --yes -c {} shop", file("canary-2"))).ends(0);
    run.says(&["the secret of variable DB is another one", "4 to replace"]);
    world.serves("canary-2", "canary-2nd\n", "one");
    assert!(world.ids().iter().all(|(id, _)| !before.contains(id)));
    for task in world.live() {
        let shown = ground.exec(&task, &["sh", "-c", "tr '\\0' '\\n' </proc/1/environ | grep ^DB="]);
        assert_eq!(shown, "DB=canary-2\n");
    }
    world.nowhere_on_a_disk();
    world.run("rm --yes shop").ends(0);
}

/// At any moment; a reader that looks all the time never finds files of two sets in one.
#[test]
fn a_killed_client_and_a_host_that_ends_leave_one_set_and_the_next_run_finishes_it() {
    let Some(mut world) = World::new("canary-two\n") else { return };
    world.is_restarted = true;
    let ground = world.ground();
    world.deploy("canary-0", "0").ends(0);
    world.serves("canary-0", "canary-two\n", "0");
    // The number in the secret and the one in the config, as one folder has them: read by the shell itself, forty times for each
    // process that it starts.
    let watch = "cd /; while sleep 0.05; do i=0; while [ $i -lt 40 ]; do i=$((i+1)); a=; b=; cd -P /run/secrets/..data || continue; \
                 read -r a <0; read -r b <2; [ -z \"$a\" ] || [ -z \"$b\" ] || [ \"${a#canary-}\" = \"$b\" ] || \
                 echo \"$a $b\" >>/mixed; [ -n \"$a$b\" ] && echo >/watched; done; done 2>/dev/null";
    for task in world.live() {
        ground.docker(&task.host, &["exec", "-d", task.id(), "sh", "-c", watch]);
    }
    let ids = || world.ids().into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let before = ids();
    let mut seed = number("STACKCTL_TEST_SEED", 1);
    eprintln!("STACKCTL_TEST_SEED={seed}");
    for kill in 1..=number("STACKCTL_TEST_KILLS", KILLS) {
        let file = world.file(&format!("canary-{kill}"), &kill.to_string());
        let words = format!("deploy --yes -c {file} shop");
        let running = ground.begin_as(&world.shipped.binary, &world.shipped.inventory, &words);
        std::thread::sleep(Duration::from_millis(random(&mut seed) % 9_000));
        running.kill();
        if kill % 2 == 0 {
            world.run(&words).ends(0);
            world.serves(&format!("canary-{kill}"), "canary-two\n", &kill.to_string());
            assert_eq!(ids(), before);
        }
    }
    for task in world.live() {
        let mixed = ground.exec(&task, &["sh", "-c", "cat /mixed 2>/dev/null; ls /watched"]);
        assert_eq!(mixed, "/watched\n", "{}", task.host);
    }
    assert_eq!(world.sets(), ["1"; 4]);
    world.nowhere_on_a_disk();

    // Its host ends after the client did: it comes back with the one or the other, and the next run settles it.
    let file = world.file("canary-last", "last");
    let words = format!("deploy --yes -c {file} shop");
    let running = ground.begin_as(&world.shipped.binary, &world.shipped.inventory, &words);
    std::thread::sleep(Duration::from_millis(2_500));
    running.kill();
    ground.playground("kill h2");
    ground.playground("start h2");
    let begun = Instant::now();
    while world.run(&words).status != 0 {
        assert!(begun.elapsed() < 4 * BACK_MAX, "{}", world.run(&words).whole());
        std::thread::sleep(Duration::from_secs(1));
    }
    world.serves("canary-last", "canary-two\n", "last");
    world.nowhere_on_a_disk();
    world.run("rm --yes shop").ends(0);
}
