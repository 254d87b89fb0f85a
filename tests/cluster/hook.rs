//! A push over ssh into a repository on a host: whoever pushes sees it released, or taken back, and a loop
//! that follows the same repository has nothing left to do.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::git::git;
use crate::ground::Ground;

fn stackfile(image: &str) -> String {
    format!(
        "services:\n  web:\n    image: {image}\n    deploy:\n      replicas: 4\n      update_config: \
         {{parallelism: 4, order: start-first, monitor: 500ms, failure_action: rollback}}\n"
    )
}

/// A work tree, and the repository on h1 that it is pushed to.
pub struct Place<'g> {
    ground: &'g Ground,
    work: PathBuf,
    ssh: String,
}

/// What whoever pushes sees.
pub struct Said {
    status: i32,
    pub text: String,
    /// Until the first line of the hook, and until the end.
    first: Duration,
    whole: Duration,
}

impl Place<'_> {
    /// The repository on h1, as it is seen here.
    pub fn bare(&self) -> PathBuf {
        self.ground.dir().join("hosts/h1/disk/root/ops.git")
    }

    /// Puts stackctl on h1, with what it needs to reach the hosts from there.
    pub fn new(ground: &Ground) -> Place<'_> {
        let room = "/root/sc";
        let ssh = format!("ssh -F {}/ssh_config", ground.dir().display());
        let place = Place { ground, work: ground.path().join("work"), ssh };
        place.on_h1(&format!("mkdir -p {room}"), "");
        let there = ground.dir().join("hosts/h1/disk").join(room.trim_start_matches('/'));
        std::fs::copy(env!("CARGO_BIN_EXE_stackctl"), there.join("stackctl")).expect("a copy");
        for file in ["id_ed25519", "known_hosts", "ssh_config", "stackctl.yml"] {
            let text = ground.given(file).replace(&ground.dir().display().to_string(), room);
            place.on_h1(&format!("umask 077; cat >{room}/{file}"), &text);
        }
        place.on_h1("rm -rf ops.git; git init -q --bare -b main ops.git", "");
        place.on_h1("git -C ops.git config receive.denyDeleteCurrent ignore", "");
        git(ground.path(), &["init", "-q", "-b", "main", "work"]);
        git(&place.work, &["remote", "add", "origin", "h1:ops.git"]);
        place
    }

    /// Runs it on h1, with this to read.
    pub fn on_h1(&self, command: &str, input: &str) {
        let mut words = self.ssh.split(' ');
        let mut ssh = Command::new(words.next().expect("ssh"));
        let mut child = ssh
            .args(words)
            .args(["h1", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("ssh");
        let mut stdin = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut stdin, input.as_bytes()).expect("a reader");
        drop(stdin);
        assert!(child.wait().expect("an end").success(), "{command}");
    }

    pub fn install(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stackctl"));
        // The inventory is a file there.
        command.args(["-i", "/root/sc/stackctl.yml", "hook", "install", "--fail-push"]);
        command.args(["--stackctl", "/root/sc/stackctl", "h1:ops.git"]).env("GIT_SSH_COMMAND", &self.ssh);
        let output = command.output().expect("the binary");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    pub fn commit(&self, files: &[(&str, &str)], subject: &str) {
        for (path, text) in files {
            let path = self.work.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        git(&self.work, &["add", "-A"]);
        git(&self.work, &["commit", "-q", "-m", subject]);
    }

    pub fn push(&self, refs: &[&str]) -> Said {
        let begun = Instant::now();
        let mut child = Command::new("git")
            .arg("-C")
            .arg(&self.work)
            .args(["push", "--force", "origin"])
            .args(refs)
            .env("GIT_SSH_COMMAND", &self.ssh)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("git");
        let (mut text, mut first) = (String::new(), Duration::MAX);
        for line in BufReader::new(child.stderr.take().expect("a pipe")).lines() {
            let line = line.expect("text");
            if line.starts_with("remote: stackctl:") {
                first = first.min(begun.elapsed());
            }
            text.push_str(line.trim_start_matches("remote: ").trim_end());
            text.push('\n');
        }
        let status = child.wait().expect("an end").code().unwrap_or(-1);
        Said { status, text, first, whole: begun.elapsed() }
    }

    fn images(&self) -> Vec<String> {
        self.ground.live("app", "web").iter().map(|task| task.image().to_owned()).collect()
    }
}

impl Said {
    #[track_caller]
    pub fn ends(&self, status: i32, last: &str) -> &Self {
        let mut ours = self.text.lines().filter(|line| line.starts_with("stackctl: "));
        let line = ours.next_back().unwrap_or_default();
        assert!(line.starts_with(last), "`{last}` is not the last line of\n{}", self.text);
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

#[test]
fn whoever_pushes_sees_what_becomes_of_it() {
    let Some(ground) = Ground::new() else { return };
    let place = Place::new(&ground);
    assert!(place.install().starts_with("Wrote /root/ops.git/hooks/post-receive"));
    assert!(place.install().starts_with("Nothing has changed"));
    place.commit(&[("stacks/app/compose.yaml", &stackfile("web:1"))], "first");
    let said = place.push(&["main"]);
    said.ends(0, "stackctl: released app from ");
    assert!(said.text.contains("started on h2") && said.text.contains("4 of 4 tasks up"), "{}", said.text);
    eprintln!("a push is heard of after {:.1?} and released after {:.1?}", said.first, said.whole);
    ground.assert_is("app", &["web.1", "web.2", "web.3", "web.4"]);

    // A loop that knows the same repository by another path, and has the lead.
    let bare = place.bare();
    let inventory = ground.inventory(|text| text);
    let follow = format!("reconcile --format json --poll 1s --repo {}#main", bare.display());
    let mut watch = ground.begin_on(&inventory, &follow);
    watch.line_of("stack", |line| line["standing"] == "in_sync").expect("nothing is to be done");

    place.commit(&[("stacks/app/compose.yaml", &stackfile("web:2"))], "second");
    let said = place.push(&["main"]);
    said.ends(0, "stackctl: ");
    eprintln!("beside a loop: heard of after {:.1?}, released after {:.1?}", said.first, said.whole);
    assert!(place.images().iter().all(|image| image.contains("web:2")), "{:?}", place.images());

    // Bad: the tasks of before are the same ones.
    let ids = || ground.live("app", "web").iter().map(|task| task.id().to_owned()).collect::<Vec<_>>();
    let before = ids();
    place.commit(&[("stacks/app/compose.yaml", &stackfile("web:bad"))], "bad");
    place.push(&["main"]).ends(1, "stackctl: FAILED: app: ");
    assert_eq!(ids(), before);

    // Half written, with something of another stack in the same commit.
    let files = [
        ("stacks/app/compose.yaml", "services: {web: {image: [\n"),
        ("stacks/blog/compose.yaml", "services: {page: {image: 'web:1'}}\n"),
    ];
    place.commit(&files, "half written");
    let said = place.push(&["main"]);
    said.ends(1, "stackctl: FAILED: app: cannot be read: stacks/app/compose.yaml:");
    assert_eq!((ids(), ground.live("blog", "page").len()), (before, 1), "{}", said.text);

    // Other refs, and the branch itself taken away: what runs goes on.
    let said = place.push(&["main:refs/tags/v1", ":main"]);
    assert!(said.text.contains("refs/heads/main is deleted: nothing is removed"), "{}", said.text);
    assert!(said.text.contains("refs/tags/v1 is not followed"), "{}", said.text);
    watch.line_of("repository_trouble", |_| true).expect("a word on the branch");
    // The repository is away, and back.
    place.on_h1("mv ops.git away.git; sleep 1.5; mv away.git ops.git", "");
    // Back to where it all began.
    git(&place.work, &["reset", "-q", "--hard", "HEAD~3"]);
    place.push(&["main"]).ends(0, "stackctl: ");
    assert!(place.images().iter().all(|image| image.contains("web:1")), "{:?}", place.images());
    watch.line_of("commit", |line| line["subject"] == "first").expect("it is followed again");
    watch
        .line_of("stack", |line| line["stack"] == "app" && line["standing"] == "in_sync")
        .expect("as declared");
    watch.terminate();
    watch.wait().ends(0);
    // By the hook or by the loop, and never by both.
    let history = ground.stackctl("history --format {{.Subject}}:{{.Outcome}} app");
    let lines: Vec<&str> = history.stdout.lines().collect();
    assert_eq!(
        lines,
        ["first:deployed", "bad:web rolled back to 2", "second:deployed", "first:deployed"],
        "{}",
        history.whole()
    );
    place.on_h1("rm -rf /root/sc ops.git", "");
}
