//! The hook of a repository, on fake engines: how it comes there and goes, and what a push is told.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::engine::Wrong;
use crate::git::git;
use crate::repositories::{Place, stack};
use crate::webhook::Loop;

const INSTALL: &str = "hook install ops.git";

/// What whoever pushes sees.
struct Said {
    status: i32,
    text: String,
}

fn said(output: &Output) -> Said {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().map(|line| line.strip_prefix("remote: ").unwrap_or(line).trim_end());
    Said { status: output.status.code().unwrap_or(-1), text: lines.collect::<Vec<_>>().join("\n") }
}

impl Said {
    #[track_caller]
    fn says(&self, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(self.text.contains(text), "{text}\n--- is not in\n{}", self.text);
        }
        self
    }

    /// The line that scripts look for.
    fn last(&self) -> &str {
        let mut ours = self.text.lines().filter(|line| line.starts_with("stackctl: "));
        ours.next_back().unwrap_or_else(|| panic!("{}", self.text))
    }
}

impl Place {
    fn hook(&self) -> PathBuf {
        self.cluster.room.path().join("ops.git/hooks/post-receive")
    }

    fn commit(&self, subject: &str) {
        git(&self.work, &["add", "-A"]);
        git(&self.work, &["commit", "-q", "--allow-empty", "-m", subject]);
    }

    /// A push as somebody does it who has the room's environment.
    fn pushes(&self, refs: &[&str]) -> Said {
        said(&self.begin_push(refs).wait_with_output().expect("git ends"))
    }

    fn begin_push(&self, refs: &[&str]) -> Child {
        let mut command = Command::new("git");
        command.args(["push", "--force", "origin"]).args(refs).current_dir(&self.work);
        command.env_clear().envs(self.cluster.room.variables()).env("GIT_CONFIG_NOSYSTEM", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        command.spawn().expect("git starts")
    }

    fn releases(&self, subject: &str) -> Said {
        self.commit(subject);
        self.pushes(&["main"])
    }
}

#[test]
fn a_hook_is_written_once_and_nobody_elses_is_lost() {
    let place = Place::new();
    let run = place.cluster.expect(0, INSTALL);
    assert!(run.stderr.contains("post-receive: pushes to main are released"), "{}", run.show());
    let text = fs::read_to_string(place.hook()).expect("a hook");
    let inventory = place.cluster.room.path().join("stackctl.yml");
    assert!(text.contains(&format!("'--inventory' '{}'", inventory.display())), "{text}");
    assert!(text.contains("'--ref' 'refs/heads/main'"), "{text}");
    let run = place.cluster.expect(0, INSTALL);
    assert!(run.stderr.starts_with("Nothing has changed: "), "{}", run.show());
    let run = place.cluster.expect(0, &format!("{INSTALL} --ref refs/tags/v* --fail-push"));
    assert!(run.stderr.contains("pushes to refs/tags/v* are released"), "{}", run.show());
    let run = place.cluster.expect(0, "hook remove ops.git");
    assert_eq!(run.stderr, "Removed: pushes are released no more, and what runs goes on\n");
    assert!(!place.hook().exists());
    let run = place.cluster.expect(0, "hook remove ops.git");
    assert_eq!(run.stderr, "Nothing has changed: there is no hook\n");

    // Somebody else's.
    let theirs = "#!/bin/sh\necho mine\n";
    fs::write(place.hook(), theirs).expect("a hook");
    for args in [INSTALL, "hook remove ops.git"] {
        let run = place.cluster.expect(1, args);
        assert!(run.stderr.contains("stackctl::hook::foreign"), "{}", run.show());
        assert_eq!(fs::read_to_string(place.hook()).expect("a hook"), theirs);
    }
    let run = place.cluster.expect(0, &format!("{INSTALL} --force"));
    assert!(run.stderr.contains("post-receive.before-stackctl now"), "{}", run.show());
    let kept = place.hook().with_extension("before-stackctl");
    assert_eq!(fs::read_to_string(&kept).expect("a hook"), theirs);
    place.cluster.expect(0, &format!("{INSTALL} --force"));
    let run = place.cluster.expect(0, "hook remove ops.git");
    assert_eq!(run.stderr, "Removed: the hook from before is back, and what runs goes on\n");
    assert_eq!(fs::read_to_string(place.hook()).expect("a hook"), theirs);
    fs::write(&kept, "older").expect("a hook");
    let run = place.cluster.expect(1, &format!("{INSTALL} --force"));
    assert!(run.stderr.contains("stackctl::hook::kept_before"), "{}", run.show());
    assert_eq!(fs::read_to_string(place.hook()).expect("a hook"), theirs);
    let hooks = fs::read_dir(place.hook().parent().expect("a folder")).expect("a folder");
    let left: Vec<String> = hooks
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| !name.ends_with(".sample"))
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn what_is_no_place_for_a_hook_is_told() {
    let place = Place::new();
    let room = &place.cluster.room;
    let bare = room.path().join("ops.git");
    for (args, status, code) in [
        ("hook install work", 1, "stackctl::hook::not_bare"),
        ("hook install nowhere", 1, "stackctl::hook::no_repository"),
        ("hook install stackctl.yml", 1, "stackctl::hook::no_repository"),
        ("hook install https://h1/x", 64, "stackctl::hook::bad_place"),
        ("hook install --env-file nothing ops.git", 1, "stackctl::hook::unreadable"),
        ("hook install --ledger volumes ops.git", 64, "stackctl::hook::ledger"),
        ("hook install --ref a..b ops.git", 64, "no name of a branch"),
    ] {
        let run = place.cluster.expect(status, args);
        assert!(run.stderr.contains(code), "{args}: {}", run.show());
    }
    git(&bare, &["config", "core.hooksPath", "/etc"]);
    let run = place.cluster.expect(1, INSTALL);
    assert!(run.stderr.contains("stackctl::hook::shared_hooks"), "{}", run.show());
    // Within the repository, and relative to it: its own.
    git(&bare, &["config", "core.hooksPath", "hooks"]);
    place.cluster.expect(0, INSTALL);
    place.cluster.expect(0, "hook remove ops.git");
    git(&bare, &["config", "--unset", "core.hooksPath"]);
    fs::rename(bare.join("hooks"), bare.join("samples")).expect("a rename");
    fs::write(bare.join("hooks"), "in the way").expect("a file");
    let run = place.cluster.expect(1, INSTALL);
    assert!(run.stderr.contains("stackctl::hook::unwritable"), "{}", run.show());
}

#[test]
fn over_ssh_the_stackctl_there_does_it() {
    let mut place = Place::new();
    let ssh = |place: &Place, text: &str| {
        let path = place.cluster.room.file("ssh.sh", &format!("#!/bin/sh\n{text}\n"));
        format!("sh {}", path.display())
    };
    // Hands the command to a shell, as sshd does.
    let through = "echo \"$@\" >ssh.args; while [ $# -gt 1 ]; do shift; done; exec sh -c \"$1\"";
    let command = ssh(&place, through);
    place.cluster.room.env("GIT_SSH_COMMAND", &command);
    let run = place.cluster.expect(1, "hook install git@h1:ops.git");
    assert!(run.stderr.contains("stackctl::hook::no_stackctl"), "{}", run.show());
    assert!(run.stderr.contains("there is no `stackctl` on git@h1"), "{}", run.show());
    let program = env!("CARGO_BIN_EXE_stackctl");
    let install = format!("hook install --stackctl {program} --ref live ssh://git@h1:22/~/ops.git");
    let run = place.cluster.expect(0, &install);
    assert!(run.stderr.contains("pushes to live are released"), "{}", run.show());
    assert!(fs::read_to_string(place.hook()).expect("a hook").contains("'refs/heads/live'"));
    let args = fs::read_to_string(place.cluster.room.path().join("ssh.args")).expect("arguments");
    assert!(args.contains("-l git -p 22 -- h1 exec "), "{args}");
    let run = place.cluster.expect(0, &format!("hook remove --stackctl {program} h1:ops.git"));
    assert!(run.stderr.starts_with("Removed: "), "{}", run.show());
    let command = ssh(&place, "echo 'h1: no route' >&2; exit 255");
    place.cluster.room.env("GIT_SSH_COMMAND", &command);
    let run = place.cluster.expect(6, "hook install h1:ops.git");
    assert!(run.stderr.contains("cannot reach h1: h1: no route"), "{}", run.show());
}

#[test]
fn a_push_is_told_what_becomes_of_it() {
    let place = Place::new();
    place.cluster.expect(0, INSTALL);
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.25"));
    place.write("stacks/blog/compose.yaml", &stack("nginx:1.25"));
    let push = place.releases("two stacks");
    push.says(&["stackctl: main is at ", "(two stacks)", "Stack blog is deployed: 2 of 2 tasks up"]);
    assert!(push.last().starts_with("stackctl: released blog, shop from "), "{}", push.text);
    assert!(!push.text.contains('\x1b'), "no colours: {}", push.text);
    assert_eq!(place.history("shop"), "1:deployed:push:two stacks\n");

    // Only what a commit touches.
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.26"));
    let push = place.releases("a new page");
    assert!(push.last().starts_with("stackctl: released shop from "), "{}", push.text);
    assert!(!push.text.contains("blog"), "{}", push.text);
    assert_eq!(place.images(), ["blog_web=nginx:1.25", "shop_web=nginx:1.26"]);
    let push = place.releases("nothing of any stack");
    assert!(push.last().starts_with("stackctl: nothing to release at "), "{}", push.text);

    // A loop that reaches the same repository by another name has nothing to do, whatever it calls it.
    let before = place.history("shop");
    place.follows(0);
    assert_eq!(place.history("shop"), before);

    // Other refs, and a branch that is deleted.
    let push = place.pushes(&["main:other", "main:refs/tags/v1"]);
    push.says(&[
        "stackctl: refs/heads/other is not followed: main is",
        "stackctl: refs/tags/v1 is not followed: main is",
    ]);
    let push = place.pushes(&[":main"]);
    push.says(&["stackctl: refs/heads/main is deleted: nothing is removed, and what runs goes on"]);
    assert_eq!(push.status, 0);
    assert_eq!(place.cluster.running().len(), 4);

    // Back to an older commit.
    git(&place.work, &["reset", "-q", "--hard", "HEAD~2"]);
    let push = place.pushes(&["main"]);
    assert!(push.last().starts_with("stackctl: released shop from "), "{}", push.text);
    assert_eq!(place.images(), ["blog_web=nginx:1.25", "shop_web=nginx:1.25"]);

    // Nothing is declared any more.
    git(&place.work, &["rm", "-q", "-r", "stacks"]);
    let push = place.releases("empty");
    push.says(&["stackctl: no stack is declared: nothing is removed"]);
    assert_eq!(place.cluster.running().len(), 4);
}

#[test]
fn what_is_wrong_is_drawn_and_the_rest_is_released() {
    let place = Place::new();
    place.cluster.expect(0, INSTALL);
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.25"));
    place.releases("shop");
    place.write("stacks/shop/compose.yaml", "services: {web: {imag: nginx}}\n");
    place.write("stacks/blog/compose.yaml", &stack("nginx:1.25"));
    let push = place.releases("half written");
    push.says(&["stacks/shop/compose.yaml:1:", "did you mean", "imag: *****"]);
    assert!(push.last().starts_with("stackctl: FAILED: shop: cannot be read: stacks/shop/compose.yaml:1:"));
    assert!(push.last().contains("(released blog from "), "{}", push.last());
    assert_eq!(push.status, 0, "git has no status for this");
    assert_eq!(place.images(), ["blog_web=nginx:1.25", "shop_web=nginx:1.25"]);

    // The same for those who want to know by the status.
    place.cluster.expect(0, &format!("{INSTALL} --fail-push"));
    let push = place.releases("still half written");
    assert_eq!(push.status, 1, "{}", push.text);
    assert!(push.last().starts_with("stackctl: FAILED: shop: "), "{}", push.text);
    push.says(&["main -> main"]);
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.26"));
    let push = place.releases("mended");
    assert_eq!(push.status, 0, "{}", push.text);
    assert_eq!(place.images(), ["blog_web=nginx:1.25", "shop_web=nginx:1.26"]);

    // A release that fails is taken back.
    for engine in &place.cluster.engines {
        engine.fail("POST /containers/{id}/start", 1, Wrong::Refuse(400, "no such thing".to_owned()));
    }
    let before = place.cluster.running();
    let bad = stack("nginx:1.27")
        .replace("parallelism: 0, monitor: 50ms", "parallelism: 1, monitor: 50ms, failure_action: rollback");
    place.write("stacks/shop/compose.yaml", &bad);
    let push = place.releases("bad");
    place.cluster.engines.iter().for_each(|engine| engine.heal());
    assert_eq!(push.status, 1, "{}", push.text);
    assert!(push.last().starts_with("stackctl: FAILED: shop: web rolled back: "), "{}", push.text);
    assert!(push.last().ends_with("no such thing; the previous version is running"), "{}", push.last());
    assert_eq!(place.cluster.running(), before);
    // Not tried again, and not of this push.
    let push = place.releases("words");
    push.says(&["warning: shop: release 3, made from the same files, is web rolled back to 2"]);
    assert_eq!(push.status, 0, "{}", push.text);

    // What could not even begin is due again, be it with the next push or by a loop.
    place.cluster.engines.iter().for_each(|one| one.with(|world| world.missing.push("nginx:1.26.1".into())));
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.26.1"));
    let push = place.releases("too early");
    assert!(push.last().starts_with("stackctl: FAILED: shop: not begun: pull image "), "{}", push.text);
    // Images are pulled before a release is written down: what cannot be had is none.
    assert!(place.history("shop").starts_with("3:"), "{}", place.history("shop"));
    assert_eq!(place.cluster.running(), before);
    place.cluster.engines.iter().for_each(|one| one.with(|world| world.missing.clear()));
    let push = place.releases("more words");
    assert!(push.last().starts_with("stackctl: released shop from "), "{}", push.text);
    let before = place.cluster.running();

    // Suspended by a person.
    place.cluster.expect(0, "suspend -m mending shop");
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.28"));
    place
        .releases("later")
        .says(&[&format!("stackctl: shop is suspended by {}", crate::run::who()), "(mending)"]);
    assert_eq!(place.cluster.running(), before);
    // An inventory that is gone.
    fs::rename(place.cluster.room.path().join("stackctl.yml"), place.cluster.room.path().join("away"))
        .expect("a rename");
    let push = place.releases("no inventory");
    assert!(push.last().starts_with("stackctl: FAILED: "), "{}", push.text);
    assert_eq!(push.status, 1);
}

#[test]
fn tags_and_variables_are_followed_if_that_is_said() {
    let place = Place::new();
    place.cluster.room.file("vars", "TAG=1.25\n");
    place.cluster.expect(0, &format!("{INSTALL} --ref refs/tags/v* --env-file vars"));
    place.write("stacks/shop/compose.yaml", &stack("nginx:${TAG}"));
    place.releases("by a branch").says(&["stackctl: refs/heads/main is not followed: refs/tags/v* is"]);
    git(&place.work, &["tag", "-a", "v1.9", "-m", "x"]);
    let push = place.pushes(&["v1.9"]);
    push.says(&["stackctl: refs/tags/v1.9 is at "]);
    assert!(push.last().starts_with("stackctl: released shop from "), "{}", push.text);
    assert_eq!(place.images(), ["shop_web=nginx:1.25"]);
    place.write("stacks/shop/compose.yaml", &stack("nginx:${TAG}-alpine"));
    place.commit("next");
    git(&place.work, &["tag", "v1.10"]);
    place.pushes(&["v1.10"]);
    assert_eq!(place.images(), ["shop_web=nginx:1.25-alpine"]);
    // An older version comes later, and the newest one still counts.
    git(&place.work, &["tag", "v1.9.1", "v1.9"]);
    let push = place.pushes(&["v1.9.1"]);
    push.says(&["stackctl: refs/tags/v1.10 is at "]);
    assert_eq!(place.images(), ["shop_web=nginx:1.25-alpine"]);
    // The file is read anew.
    place.cluster.room.file("vars", "TAG=1.26\n");
    git(&place.work, &["tag", "v2"]);
    place.pushes(&["v2"]);
    assert_eq!(place.images(), ["shop_web=nginx:1.26-alpine"]);
    place.cluster.room.file("vars", "TAG='1\nX");
    git(&place.work, &["tag", "v3"]);
    let push = place.pushes(&["v3"]);
    push.says(&["stackctl::hook::bad_env_file"]);
    assert!(push.last().starts_with("stackctl: FAILED: "), "{}", push.text);
}

#[test]
fn of_two_pushes_the_newer_is_what_runs_and_who_hangs_up_loses_nothing() {
    let place = Place::new();
    place.cluster.expect(0, INSTALL);
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.25"));
    place.releases("first");
    place.cluster.set_latency(30);
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.26"));
    place.commit("second");
    let second = place.begin_push(&["main"]);
    let work = place.cluster.room.path().join("ops.git");
    let head = |dir: &std::path::Path| {
        let mut command = Command::new("git");
        let output = command.arg("-C").arg(dir).args(["rev-parse", "main"]).output().expect("git starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let begun = Instant::now();
    while head(&work) != head(&place.work) {
        assert!(begun.elapsed() < Duration::from_secs(20), "the push does not arrive");
        std::thread::sleep(Duration::from_millis(10));
    }
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.27"));
    let third = place.releases("third");
    let second = said(&second.wait_with_output().expect("git ends"));
    for push in [&second, &third] {
        assert!(!push.text.contains("FAILED"), "{}\n---\n{}", second.text, third.text);
    }
    assert_eq!(place.images(), ["shop_web=nginx:1.27"], "{}\n---\n{}", second.text, third.text);
    let history = place.history("shop");
    assert_eq!(history.matches(":third\n").count(), 1, "released once: {history}");

    // Ctrl-C, and a terminal that is gone.
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.28"));
    place.commit("fourth");
    let fourth = place.begin_push(&["main"]);
    let group = format!("-{}", fourth.id());
    let begun = Instant::now();
    while !place.history("shop").contains(":fourth") {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing is begun");
        std::thread::sleep(Duration::from_millis(10));
    }
    for signal in ["-INT", "-HUP"] {
        let _ = Command::new("kill").args([signal, "--", &group]).status();
    }
    drop(fourth.wait_with_output().expect("git ends"));
    while !place.history("shop").contains("deployed:push:fourth") {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", place.history("shop"));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(place.images(), ["shop_web=nginx:1.28"]);
}

#[test]
fn a_loop_that_has_not_heard_of_a_push_takes_nothing_back() {
    let place = Place::new();
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.25"));
    place.commit("first");
    place.pushes(&["main"]);
    let mut running = Loop::begin(&place);
    assert_eq!(running.line_of("commit")["subject"], "first");
    running.deployed();
    place.cluster.expect(0, INSTALL);
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.26"));
    let push = place.releases("second");
    assert!(push.last().starts_with("stackctl: released shop from "), "{}", push.text);
    // What the loop knows is older than what was released: it asks, and has nothing to do.
    assert_eq!(running.line_of("commit")["subject"], "second");
    while running.line_of("stack")["standing"] != "in_sync" {}
    assert_eq!(place.images(), ["shop_web=nginx:1.26"]);
    assert_eq!(place.history("shop"), "2:deployed:push:second\n1:deployed:reconcile:first\n");
}
