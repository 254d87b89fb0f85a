//! Real hosts under a test: the playground, the binary on it, and what the engines say without ssh.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// Hosts of the playground.
pub const HOSTS: [&str; 4] = ["h1", "h2", "h3", "h4"];

/// Ended tasks that a slot keeps.
const TASK_HISTORY: usize = 2;

/// A run that takes longer than this hangs.
const RUN_MAX: Duration = Duration::from_secs(180);

/// One test at a time: there is one playground.
static ALONE: Mutex<()> = Mutex::new(());

/// How often, or by which chance: what a variable says, or else this.
pub fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The playground as `up` left it, and a directory for the test's files.
pub struct Ground {
    dir: PathBuf,
    room: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Ground {
    /// `None` where there are no hosts: the test has nothing to run on.
    pub fn new() -> Option<Self> {
        let Some(dir) = std::env::var_os("STACKCTL_TEST_PLAYGROUND") else {
            eprintln!("skipped: there are no hosts; tests/all brings some up");
            return None;
        };
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let room = tempfile::Builder::new().prefix("st").tempdir_in("/tmp").expect("a directory");
        let ground = Self { dir: dir.into(), room, _alone: alone };
        ground.playground("reset");
        Some(ground)
    }

    /// Does something to the hosts; words as a shell would part them.
    pub fn playground(&self, words: &str) {
        let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/playground/playground"))
            .args(words.split_whitespace())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("PLAYGROUND_DIR", &self.dir)
            .stdin(Stdio::null())
            .output()
            .expect("the playground");
        assert!(output.status.success(), "playground {words}: {}", text(&output.stderr));
    }

    /// The playground's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether hosts have docker disks of their own, which can be filled.
    pub fn has_disks(&self) -> bool {
        self.dir.join("hosts/h1/docker.ext4").exists()
    }

    /// Whether a host's docker disk has these bytes anywhere, where it has one of its own.
    pub fn disk_has(&self, host: &str, text: &str) -> bool {
        let disk = self.dir.join("hosts").join(host).join("docker.ext4");
        let found = Command::new("grep").args(["-qazF", "-e", text]).arg(&disk).output().expect("grep");
        disk.exists() && found.status.success()
    }

    /// The address of a host in the playground's network.
    pub fn address(&self, host: &str) -> std::net::IpAddr {
        let config = self.given("ssh_config");
        let mut lines = config.lines().map(str::trim).skip_while(|line| *line != format!("Host {host}"));
        let address = lines.find_map(|line| line.strip_prefix("HostName ")).expect("an address");
        address.parse().expect("an address")
    }

    /// A file of the playground as text.
    pub fn given(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join(name)).expect("a file of the playground")
    }

    /// The test's own directory.
    pub fn path(&self) -> &Path {
        self.room.path()
    }

    /// Writes a file of the test.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("a file of the test");
        path.display().to_string()
    }

    /// The inventory after a change of its text; the ssh config is named in full in it.
    pub fn inventory(&self, change: impl FnOnce(String) -> String) -> String {
        let full = format!("ssh_config: {}", self.dir.join("ssh_config").display());
        let text = self.given("stackctl.yml").replace("ssh_config: ./ssh_config", &full);
        self.file("inventory.yml", &change(text))
    }

    /// The inventory with another ssh config.
    pub fn inventory_with_ssh(&self, change: impl FnOnce(String) -> String) -> String {
        let config = self.file("ssh_config", &change(self.given("ssh_config")));
        let text = self.given("stackctl.yml");
        self.file("inventory.yml", &text.replace("./ssh_config", &config))
    }

    /// Runs `stackctl` on the playground's inventory; words as a shell would part them.
    pub fn stackctl(&self, words: &str) -> Run {
        self.stackctl_on(&self.dir.join("stackctl.yml").display().to_string(), words)
    }

    /// The same with these variables.
    pub fn stackctl_with(&self, variables: &[(&str, &str)], words: &str) -> Run {
        let inventory = self.dir.join("stackctl.yml").display().to_string();
        self.begin_as_with(Path::new(env!("CARGO_BIN_EXE_stackctl")), &inventory, variables, words).wait()
    }

    /// The same on another inventory.
    pub fn stackctl_on(&self, inventory: &str, words: &str) -> Run {
        self.start(inventory, words).wait()
    }

    /// Runs another build of it on another inventory.
    pub fn run_as(&self, binary: &Path, inventory: &str, words: &str) -> Run {
        self.begin_as(binary, inventory, words).wait()
    }

    /// Starts another build of it on another inventory, with more variables.
    pub fn begin_as_with(
        &self,
        binary: &Path,
        inventory: &str,
        variables: &[(&str, &str)],
        words: &str,
    ) -> Running {
        let mut command = Command::new(binary);
        self.prepare(&mut command, inventory, words);
        command.envs(variables.iter().copied());
        Self::run_prepared(command, words)
    }

    /// Starts another build of it on another inventory.
    pub fn begin_as(&self, binary: &Path, inventory: &str, words: &str) -> Running {
        self.begin_as_with(binary, inventory, &[], words)
    }

    /// Runs a script on a host as root, not over ssh; what it prints.
    pub fn on_host(&self, host: &str, script: &str) -> String {
        let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/playground/playground"))
            .args(["exec", host, "sh", "-c", script])
            .env("PLAYGROUND_DIR", &self.dir)
            .stdin(Stdio::null())
            .output()
            .expect("the playground");
        assert!(output.status.success(), "{host}: {script}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Starts `stackctl` and does not wait.
    pub fn begin(&self, words: &str) -> Running {
        self.start(&self.dir.join("stackctl.yml").display().to_string(), words)
    }

    /// The same on another inventory.
    pub fn begin_on(&self, inventory: &str, words: &str) -> Running {
        self.start(inventory, words)
    }

    /// Starts it where nobody here sees its process: in a process namespace of its own.
    pub fn begin_elsewhere(&self, inventory: &str, words: &str) -> Running {
        let mut command = Command::new("unshare");
        command
            .args(["--pid", "--fork", "--kill-child=KILL", "--mount-proc"])
            .arg(env!("CARGO_BIN_EXE_stackctl"));
        self.start_as(command, inventory, words)
    }

    fn start(&self, inventory: &str, words: &str) -> Running {
        self.start_as(Command::new(env!("CARGO_BIN_EXE_stackctl")), inventory, words)
    }

    /// The binary, to be fed and read by hand.
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stackctl"));
        self.prepare(&mut command, &self.dir.join("stackctl.yml").display().to_string(), words);
        command
    }

    fn prepare(&self, command: &mut Command, inventory: &str, words: &str) {
        let room = self.path().display().to_string();
        command
            .args(["-i", inventory])
            .args(words.split_whitespace())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("COLUMNS", "160")
            .envs([("HOME", &room), ("XDG_RUNTIME_DIR", &room), ("XDG_STATE_HOME", &room)])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
    }

    fn start_as(&self, mut command: Command, inventory: &str, words: &str) -> Running {
        self.prepare(&mut command, inventory, words);
        Self::run_prepared(command, words)
    }

    fn run_prepared(mut command: Command, words: &str) -> Running {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary");
        let mut stderr = child.stderr.take().expect("piped");
        let stderr = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = std::io::Read::read_to_end(&mut stderr, &mut bytes);
            text(&bytes)
        });
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let words = words.to_owned();
        Running { child, lines, stderr, words, stdout: String::new(), begun: Instant::now() }
    }

    /// Runs `docker` against a host's engine.
    pub fn docker(&self, host: &str, args: &[&str]) -> String {
        let output = self.try_docker(host, args);
        assert!(output.status.success(), "{host}: docker {args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The socket of a host's engine, as it is seen here.
    pub fn socket(&self, host: &str) -> PathBuf {
        self.dir.join("hosts").join(host).join("docker.sock")
    }

    /// The same where it may fail.
    pub fn try_docker(&self, host: &str, args: &[&str]) -> Output {
        let socket = format!("unix://{}", self.socket(host).display());
        Command::new("docker").args(["-H", &socket]).args(args).output().expect("the docker client")
    }

    /// What an engine answers; nothing if there is no such thing. Tests look again and again, and docker's client takes
    /// more of the processor for it than the engine.
    fn get(&self, host: &str, path: &str) -> Option<Value> {
        let mut stream = UnixStream::connect(self.socket(host)).expect("the engine's socket");
        // As of an older client: the answer ends with the connection.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n").expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let answer = text(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
        let status = head.split(' ').nth(1).expect("a status");
        assert!(["200", "404"].contains(&status), "{host}: {path}: {answer}");
        (status == "200").then(|| serde_json::from_str(body).expect("JSON of docker"))
    }

    /// Containers of a stack on all hosts that are up, ended ones too.
    pub fn tasks(&self, stack: &str) -> Vec<Task> {
        std::thread::scope(|scope| {
            let asked = HOSTS.map(|host| scope.spawn(move || self.tasks_on(host, stack)));
            asked.into_iter().flat_map(|asked| asked.join().expect("an answer")).collect()
        })
    }

    /// Containers of a stack on one host.
    pub fn tasks_on(&self, host: &str, stack: &str) -> Vec<Task> {
        let filter = format!("%7B%22label%22%3A%5B%22com.docker.stack.namespace%3D{stack}%22%5D%7D");
        let list = self.get(host, &format!("/containers/json?all=1&filters={filter}")).unwrap_or_default();
        let ids = list.as_array().expect("a list").iter().filter_map(|one| one["Id"].as_str());
        // One that is gone was removed between the list and the look: a loop may be at work.
        let inspects = ids.filter_map(|id| self.get(host, &format!("/containers/{id}/json")));
        inspects.map(|inspect| Task { host: (*host).to_owned(), inspect }).collect()
    }

    /// The live tasks of a service.
    pub fn live(&self, stack: &str, service: &str) -> Vec<Task> {
        let tasks = self.tasks(stack).into_iter();
        tasks.filter(|task| task.is_live() && task.service() == service).collect()
    }

    /// What a container holds, as `docker exec` shows it.
    pub fn exec(&self, task: &Task, command: &[&str]) -> String {
        let mut args = vec!["exec", task.id()];
        args.extend(command);
        self.docker(&task.host, &args)
    }

    /// Names of the networks of a stack on a host.
    pub fn networks(&self, host: &str, stack: &str) -> BTreeSet<String> {
        self.named(host, "network", stack)
    }

    /// Names of the volumes of a stack on a host.
    pub fn volumes(&self, host: &str, stack: &str) -> BTreeSet<String> {
        self.named(host, "volume", stack)
    }

    fn named(&self, host: &str, what: &str, stack: &str) -> BTreeSet<String> {
        let filter = format!("label=com.docker.stack.namespace={stack}");
        let names = self.docker(host, &[what, "ls", "--filter", &filter, "--format", "{{.Name}}"]);
        names.lines().map(str::to_owned).collect()
    }

    /// Everything on the given hosts: containers with their states, networks, volumes.
    pub fn everything(&self, hosts: &[&str]) -> BTreeMap<String, Vec<String>> {
        let look = |host: &&str| {
            let mut all = Vec::new();
            for args in [
                &["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.CreatedAt}} {{.State}}"][..],
                &["network", "ls", "--no-trunc", "--format", "network {{.ID}} {{.Name}}"],
                &["volume", "ls", "--format", "volume {{.Name}}"],
            ] {
                all.extend(self.docker(host, args).lines().map(str::to_owned));
            }
            all.sort();
            ((*host).to_owned(), all)
        };
        hosts.iter().map(look).collect()
    }

    /// The same, but for what the ledger remembers: a deploy that failed is remembered as well.
    pub fn everything_but_records(&self, hosts: &[&str]) -> BTreeMap<String, Vec<String>> {
        let mut all = self.everything(hosts);
        for lines in all.values_mut() {
            lines.retain(|line| !line.starts_with("volume stackctl-ledger-"));
        }
        all
    }

    /// What the engines did to containers, networks and volumes since then, by time.
    pub fn events(&self, hosts: &[&str], since: Duration) -> Vec<Happened> {
        let mut all = Vec::new();
        let stamp = |at: Duration| format!("{}.{:09}", at.as_secs(), at.subsec_nanos());
        for host in hosts {
            let args =
                ["events", "--since", &stamp(since), "--until", &stamp(now()), "--format", "{{json .}}"];
            let said = self.docker(host, &args);
            // An engine remembers its last 256 events, and a health check alone makes three.
            assert!(said.lines().count() < 256, "{host} may have forgotten what happened first");
            for line in said.lines() {
                let event: Value = serde_json::from_str(line).expect("an event");
                let field = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
                let (kind, action) = (field("Type"), field("Action"));
                if !["container", "network", "volume"].contains(&kind.as_str()) || action.starts_with("exec")
                {
                    continue;
                }
                let at = event["timeNano"].as_i64().unwrap_or_default();
                let name = event["Actor"]["Attributes"]["name"].as_str().unwrap_or_default().to_owned();
                all.push(Happened { at, host: (*host).to_owned(), kind, action, name });
            }
        }
        all.sort_by_key(|happened| happened.at);
        all
    }

    /// The stack is exactly this: one live task in each slot, none elsewhere, and no more ended ones than
    /// are kept. Slots are `web.1` or `web.node:h1`.
    #[track_caller]
    pub fn assert_is(&self, stack: &str, slots: &[&str]) {
        let tasks = self.tasks(stack);
        let names = tasks.iter().map(|task| format!("{} {} {}", task.host, task.name(), task.state()));
        let listing = names.collect::<Vec<_>>().join("\n");
        let wanted: BTreeSet<&str> = slots.iter().copied().collect();
        let mut live: BTreeMap<String, usize> = BTreeMap::new();
        let mut ended: BTreeMap<String, usize> = BTreeMap::new();
        for task in &tasks {
            *(if task.is_live() { &mut live } else { &mut ended }).entry(task.slot()).or_default() += 1;
        }
        let once: BTreeMap<String, usize> = wanted.iter().map(|slot| ((*slot).to_owned(), 1)).collect();
        assert_eq!(live, once, "live tasks of {stack}:\n{listing}");
        for (slot, count) in ended {
            assert!(wanted.contains(slot.as_str()), "{slot} is no slot of {stack}:\n{listing}");
            assert!(count <= TASK_HISTORY, "{slot} keeps {count}:\n{listing}");
        }
    }
}

/// Time since the epoch.
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Something an engine did.
#[derive(Debug)]
pub struct Happened {
    pub at: i64,
    pub host: String,
    pub kind: String,
    pub action: String,
    pub name: String,
}

/// A container of a stack.
pub struct Task {
    pub host: String,
    pub inspect: Value,
}

impl Task {
    pub fn id(&self) -> &str {
        self.inspect["Id"].as_str().expect("an id")
    }

    pub fn name(&self) -> &str {
        self.inspect["Name"].as_str().expect("a name").trim_start_matches('/')
    }

    /// A label of its container.
    pub fn label(&self, key: &str) -> &str {
        self.inspect["Config"]["Labels"][key].as_str().unwrap_or_default()
    }

    pub fn service(&self) -> &str {
        self.label("io.stackctl.service")
    }

    /// `web.1`.
    pub fn slot(&self) -> String {
        format!("{}.{}", self.service(), self.label("io.stackctl.slot"))
    }

    pub fn image(&self) -> &str {
        self.inspect["Config"]["Image"].as_str().expect("an image")
    }

    pub fn state(&self) -> &str {
        self.inspect["State"]["Status"].as_str().expect("a state")
    }

    pub fn is_live(&self) -> bool {
        ["running", "restarting", "paused", "created"].contains(&self.state())
    }

    /// When it was started, as docker writes times: they sort as text only roughly, so in nanoseconds.
    pub fn started_at(&self) -> jiff::Timestamp {
        self.inspect["State"]["StartedAt"].as_str().and_then(|at| at.parse().ok()).expect("a time")
    }
}

/// A `stackctl` that runs.
pub struct Running {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
    stderr: std::thread::JoinHandle<String>,
    words: String,
    stdout: String,
    begun: Instant,
}

impl Running {
    /// The next line of its output; `None` at the end.
    pub fn line(&mut self) -> Option<String> {
        let line = self.lines.recv_timeout(RUN_MAX).ok()?;
        self.stdout.push_str(&line);
        self.stdout.push('\n');
        Some(line)
    }

    /// The next JSON line of this type for which `fits` holds; `None` at the end.
    pub fn line_of(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        while let Some(line) = self.line() {
            let value: Value = serde_json::from_str(&line).expect("a JSON line");
            if value["type"] == kind && fits(&value) {
                return Some(value);
            }
        }
        None
    }

    /// SIGTERM: it may end in its own way.
    pub fn terminate(&self) {
        let ended = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill");
        assert!(ended.success());
    }

    /// SIGKILL. Returns what was its process id.
    pub fn kill(mut self) -> u32 {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("an end");
        self.child.id()
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Run {
        loop {
            match self.lines.recv_timeout(RUN_MAX.saturating_sub(self.begun.elapsed())) {
                Ok(line) => {
                    self.stdout.push_str(&line);
                    self.stdout.push('\n');
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    panic!("stackctl {} hangs:\n{}", self.words, self.stdout);
                }
            }
        }
        let status = self.child.wait().expect("an end").code().unwrap_or(-1);
        let stderr = self.stderr.join().expect("its stderr");
        Run { words: self.words, status, stdout: self.stdout, stderr }
    }
}

/// What a command did.
pub struct Run {
    words: String,
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Ended with this status.
    #[track_caller]
    pub fn ends(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{}", self.whole());
        self
    }

    /// All of these are in its output.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        let whole = self.whole();
        // Long lines are wrapped.
        let flat = whole.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        for text in texts {
            assert!(flat.contains(text), "does not say `{text}`:\n{whole}");
        }
        self
    }

    /// Everything it printed.
    pub fn whole(&self) -> String {
        format!("stackctl {}\n{}{}status {}", self.words, self.stdout, self.stderr, self.status)
    }

    /// Its JSON lines of a type.
    pub fn lines(&self, kind: &str) -> Vec<Value> {
        let lines = self.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
        lines.filter(|value| value["type"] == kind).collect()
    }

    /// Its actions of a type, sorted: node, verb, object.
    pub fn actions(&self, kind: &str) -> Vec<String> {
        let field = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let mut actions: Vec<String> = (self.lines(kind).iter())
            .map(|line| format!("{} {} {}", field(line, "node"), field(line, "verb"), field(line, "object")))
            .collect();
        actions.sort();
        actions
    }
}
