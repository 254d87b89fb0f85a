//! Values of secrets are searched for wherever one could be left: raw on the disks of the hosts, free blocks included, in every
//! kind of ledger, in what engines say of containers, in lists of processes, and in all that stackctl prints and writes.
//!
//! The search is proved by planting a word, and by deleting it again: on a raw disk it is found still.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stackctl::vault::{self, Form, Keyring, Plaintext};

use crate::agents;
use crate::ground::{Ground, HOSTS, Run, Running, number};
use crate::killed::random;

/// Every value has it, in the middle of something.
const CANARY: &str = "canary-5b0c1e77d2";
const PLANTED: &str = "planted-91e4c0aa37";
/// The value of a variable, which engines have in the open, and the ledger does not.
const RELEASED: &str = "released-c41f7702be";
/// Where `STACKCTL_TEST_KILLS` does not say.
const KILLS: u64 = 2;

/// One service for each source, and what templates make of them.
const STACKFILE: &str = r#"
services:
  app:
    image: web:1
    entrypoint: ["/bin/sh", "-c"]
    command: ["cat /run/secrets/* /etc/app.conf | sha256sum; exec sleep 100000"]
    stop_grace_period: 1s
    environment: {TOKEN: released-c41f7702be}
    secrets: [plain, sealed, variable, made, asked, filled]
    configs: [{source: app, target: /etc/app.conf}]
    deploy: {replicas: 4, update_config: {parallelism: 2, monitor: 1s, failure_action: rollback}}
secrets:
  plain: {file: plain.txt}
  sealed: {file: sealed.age}
  variable: {environment: CANARY_VARIABLE}
  made: {external: true}
  asked: {driver: own, driver_opts: {file: asked.txt}}
  filled: {file: filled.tmpl, template_driver: golang}
configs:
  app: {template_driver: golang, content: 'key {{secret "plain"}}'}
"#;

struct World {
    shipped: agents::World,
    file: String,
    /// All that was printed.
    said: String,
    /// The values as they were made last.
    round: u64,
}

/// A value of some shape with the word in it.
fn value(source: &str, round: u64) -> Vec<u8> {
    let word = format!("{CANARY}-{source}-{round}");
    match source {
        "plain" => format!("-----BEGIN KEY-----\n{word}\n{word}\n-----END KEY-----\n").into_bytes(),
        "sealed" => [&[0, 255, 1, 254][..], word.as_bytes(), &[0, 10, 13, 0]].concat(),
        "made" => format!("{}{word}", "x".repeat(100_000)).into_bytes(),
        "asked" => format!("{{\"password\": \"{word}\"}}").into_bytes(),
        _ => word.into_bytes(),
    }
}

impl World {
    fn new() -> Option<Self> {
        let shipped = agents::World::new()?;
        let ground = &shipped.ground;
        let drivers = r#"secrets: {drivers: {own: {command: [sh, -c, 'cat "$1"', sh, "{file}"]}}}"#;
        ground.inventory(|text| format!("agents: auto\n{drivers}\n{text}"));
        let file = ground.file("app.yml", STACKFILE);
        ground.file("filled.tmpl", &format!("{CANARY}-filled {{{{secret \"asked\"}}}}\n"));
        let mut world = Self { shipped, file, said: String::new(), round: 0 };
        world.run("key init").ends(0);
        world.run("agent install --yes").ends(0);
        world.rotate();
        Some(world)
    }

    fn ground(&self) -> &Ground {
        &self.shipped.ground
    }

    fn words(&self, words: &str) -> String {
        words.replace("FILE", &self.file).replace("ROOM", &self.ground().path().display().to_string())
    }

    /// Starts a command with the variable that one secret is made of.
    fn begin(&self, words: &str) -> Running {
        let variable = String::from_utf8(value("variable", self.round)).expect("text");
        let agents::World { binary, inventory, .. } = &self.shipped;
        let variables = [("CANARY_VARIABLE", &*variable)];
        self.ground().begin_as_with(binary, inventory, &variables, &self.words(words))
    }

    fn run(&mut self, words: &str) -> Run {
        let run = self.begin(words).wait();
        self.said.push_str(&run.whole());
        run
    }

    /// New values everywhere. What a command makes is changed once it is there.
    fn rotate(&mut self) {
        self.round += 1;
        let path = self.ground().path().to_owned();
        let write = |name: &str, bytes: &[u8]| std::fs::write(path.join(name), bytes).expect("a file");
        write("plain.txt", &value("plain", self.round));
        write("made.txt", &value("made", self.round));
        write("asked.txt", &value("asked", self.round));
        let private = std::fs::read(path.join(".config/stackctl/key.txt")).expect("a key");
        let keys = Keyring::parse(&Plaintext::new(private), "key.txt").expect("a private key");
        let plain = Plaintext::new(value("sealed", self.round));
        write("sealed.age", &vault::seal(keys.publics(), &plain, Form::Armored).expect("it is encrypted"));
        let verb = if self.round == 1 { "create" } else { "rotate" };
        self.run(&format!("secret {verb} made ROOM/made.txt")).ends(0);
    }

    fn deploy(&mut self) -> Run {
        self.run("deploy --verbose --yes -c FILE shop")
    }

    /// How often words are on the host's disk, as bytes: also where no file has them any more.
    fn on_disk(&self, host: &str, words: &[String]) -> u64 {
        self.ground().on_host(host, "sync");
        let folder = self.ground().dir().join("hosts").join(host);
        counted(&folder.join("docker.ext4"), words) + counted(&folder.join("disk"), words)
    }

    /// Every place but the files that the values were read from, and the user's own key.
    #[track_caller]
    fn search(&self, when: &str) {
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        let words = forms(CANARY);
        for host in HOSTS {
            found.insert(format!("disk of {host}"), self.on_disk(host, &words));
        }
        for word in &words {
            found.insert(format!("output: {word}"), self.said.matches(&**word).count() as u64);
        }
        // A process of the tasks has none of it in its arguments or its environment, nor has an agent.
        let processes = Command::new("sh")
            .args(["-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null"])
            .output()
            .expect("a list of processes");
        found.insert("processes".to_owned(), matches(&processes.stdout, CANARY));
        for host in HOSTS {
            let engine = self.ground().on_host(
                host,
                "docker ps -aq | xargs -r docker inspect; docker volume ls -q | xargs -r docker volume inspect; \
                 docker plugin ls -q | xargs -r docker plugin inspect; \
                 docker events --since 1h --until 0s 2>/dev/null; docker ps -aq | xargs -rn1 docker logs 2>&1",
            );
            found.insert(format!("engine of {host}"), matches(engine.as_bytes(), CANARY));
        }
        found.retain(|_, times| *times > 0);
        assert!(found.is_empty(), "{when}: {found:?}");
    }
}

/// As it is, and as base64 has it wherever it begins: the ends, which depend on what is beside, are left out.
fn forms(word: &str) -> Vec<String> {
    use base64::Engine as _;
    let shifted = (0..3).map(|at| {
        let text = base64::engine::general_purpose::STANDARD.encode(format!("{}{word}", "x".repeat(at)));
        text[4..text.len() - 4].to_owned()
    });
    std::iter::once(word.to_owned()).chain(shifted).collect()
}

fn matches(bytes: &[u8], word: &str) -> u64 {
    bytes.windows(word.len()).filter(|part| *part == word.as_bytes()).count() as u64
}

/// How many files of a folder, or lines of one file, have one of the words.
fn counted(path: &Path, words: &[String]) -> u64 {
    if !path.exists() {
        return 0;
    }
    // Other file systems below are files of their own. What is between two zeros is a line: a disk that is mostly zeros has
    // few other lines, and those of gigabytes take ten times as long.
    let script = if path.is_dir() {
        r#"path=$1; shift; find "$path" -xdev -type f -exec grep -lazF "$@" {} + 2>/dev/null | wc -l"#
    } else {
        r#"path=$1; shift; grep -cazF "$@" "$path"; true"#
    };
    let output = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(path)
        .args(words.iter().map(|word| format!("-e{word}")))
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .expect("grep");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

#[test]
fn no_value_is_left_where_it_is_not_used() {
    let Some(mut world) = World::new() else { return };
    if !world.ground().has_disks() {
        eprintln!("skipped: hosts have no disks of their own; see playground up --disk");
        return;
    }
    let begun = Instant::now();
    world.deploy().ends(0);
    let held = |world: &World, source: &str| {
        let wanted = value(source, world.round);
        for task in world.ground().live("shop", "app") {
            let path = format!("/run/secrets/{source}");
            let output = world.ground().try_docker(&task.host, &["exec", task.id(), "cat", &path]);
            assert_eq!(output.stdout, wanted, "{source} on {}", task.host);
        }
        assert_eq!(world.ground().live("shop", "app").len(), 4);
    };
    for source in ["plain", "sealed", "variable", "made", "asked"] {
        held(&world, source);
    }
    world.search("deployed");
    // What is found, and what is found though it is gone.
    for host in ["h1", "h2"] {
        world.ground().on_host(host, &format!("echo {PLANTED} >/var/lib/docker/planted; sync"));
        assert!(world.on_disk(host, &[PLANTED.to_owned()]) > 0, "{host}");
        world.ground().on_host(host, "rm /var/lib/docker/planted; sync");
        assert!(world.on_disk(host, &[PLANTED.to_owned()]) > 0, "{host}: a free block");
    }

    world.rotate();
    world.run("diff --format markdown -c FILE shop").ends(2);
    world.run("diff --format json --out ROOM/plan.bin -c FILE shop").ends(2);
    world.run("deploy --format json --yes -c FILE shop").ends(0);
    held(&world, "made");
    world.run("rollback --yes shop").ends(0);
    let bad = STACKFILE.replace("exec sleep 100000", "exit 3");
    world.ground().file("app.yml", &bad);
    world.rotate();
    world.deploy().ends(3);
    world.ground().file("app.yml", STACKFILE);
    world.run("key rotate").ends(0);
    world.deploy().ends(0);
    held(&world, "sealed");
    world.search("rotated, rolled back, and under a new key");

    let mut seed = number("STACKCTL_TEST_SEED", 1);
    eprintln!("STACKCTL_TEST_SEED={seed}");
    for kill in 0..number("STACKCTL_TEST_KILLS", KILLS) {
        world.rotate();
        let running = world.begin("deploy --yes -c FILE shop");
        std::thread::sleep(Duration::from_millis(random(&mut seed) % 5_000));
        running.kill();
        // What it began on hosts ends without it.
        std::thread::sleep(Duration::from_secs(2));
        world.search(&format!("kill {kill}"));
    }
    world.deploy().ends(0);
    held(&world, "asked");
    world.ground().playground("kill h2");
    world.ground().playground("start h2");
    world.deploy().ends(0);
    held(&world, "variable");

    for words in [
        "--verbose ps shop",
        "--verbose inspect shop",
        "--verbose status",
        "--verbose history shop",
        "show shop",
        "log",
        "explain shop",
        "secret ls --format json",
        "secret inspect made shop_plain shop_variable",
        "config ls",
        "doctor",
        "snapshot -o ROOM/snapshot.json --key-out ROOM/snapshot.key",
        "ledger backup ROOM/backup",
        "ledger backup --unencrypted ROOM/records",
        "ledger migrate volumes file://ROOM/ledger",
    ] {
        world.run(words);
    }
    world.search("after a reboot, and all that commands say");
    for name in ["plan.bin", "snapshot.json", "backup", "records", "ledger"] {
        let path = world.ground().path().join(name);
        assert!(path.exists(), "{name}: {}", world.said);
        assert_eq!(counted(&path, &forms(CANARY)), 0, "{name}");
    }
    // Records are compressed in the ledger: here they are as they are.
    let records = world.ground().path().join("records");
    assert_eq!(counted(&records, &forms(RELEASED)), 0, "values of releases");
    assert!(counted(&records, &forms("shop_plain")) > 0, "names are what they are");
    // Journals and whatever else a user has of it.
    for folder in [".local", ".cache", ".config", "stackctl"] {
        assert_eq!(counted(&world.ground().path().join(folder), &forms(CANARY)), 0, "{folder}");
    }
    eprintln!("{} rounds of values in {:.0?}", world.round, begun.elapsed());
    let backed = world.ground().path().join("ledger").display().to_string();
    world.run(&format!("--ledger file://{backed} rm --yes shop")).ends(0);
    world.search("removed");
}
