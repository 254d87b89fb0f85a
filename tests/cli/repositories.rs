//! The loop that follows a git repository, on fake engines: what a commit brings about, and what it must not.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::engine::{World, Wrong};
use crate::git::git;
use crate::hosts::Hosts;
use crate::run::Run;
use crate::webhook::Loop;

pub const FOLLOW: &str = "reconcile --once --repo ops.git#main";

/// A cluster, and a repository with a work tree to push from.
pub struct Place {
    pub cluster: Hosts,
    pub work: PathBuf,
}

pub fn stack(image: &str) -> String {
    format!(
        "services: {{web: {{image: '{image}', deploy: {{replicas: 2, update_config: {{parallelism: 0, monitor: 50ms}}}}}}}}\n"
    )
}

impl Place {
    pub fn new() -> Self {
        let mut cluster = Hosts::new(3);
        let home = cluster.room.path().display().to_string();
        let path = std::env::var("PATH").expect("a path");
        cluster.room.env("USER", "ann").env("HOME", &home).env("PATH", &path);
        let work = cluster.room.path().join("work");
        let bare = cluster.room.path().join("ops.git");
        git(cluster.room.path(), &["init", "-q", "--bare", "-b", "main", &bare.display().to_string()]);
        git(cluster.room.path(), &["init", "-q", "-b", "main", &work.display().to_string()]);
        git(&bare, &["config", "receive.denyDeleteCurrent", "ignore"]);
        git(&work, &["remote", "add", "origin", &bare.display().to_string()]);
        Self { cluster, work }
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.work.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    pub fn push(&self, subject: &str) {
        git(&self.work, &["add", "-A"]);
        git(&self.work, &["commit", "-q", "--allow-empty", "-m", subject]);
        git(&self.work, &["push", "-q", "--force", "origin", "main"]);
    }

    pub fn history(&self, stack: &str) -> String {
        let format = "history --format {{.Release}}:{{.Outcome}}:{{.What}}:{{.Subject}}";
        self.cluster.run(&format!("{format} {stack}")).stdout
    }

    pub fn follows(&self, status: i32) -> Run {
        self.cluster.expect(status, FOLLOW)
    }

    pub fn images(&self) -> Vec<String> {
        let all = self.cluster.expect(0, "service ls --format {{.Name}}={{.Image}}").stdout;
        all.lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_commit_releases_the_stacks_it_touches_and_no_other() {
    let place = Place::new();
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.25"));
    place.write("stacks/blog/docker-compose.yml", &stack("nginx:1.25"));
    place.push("two stacks");
    let run = place.follows(0);
    assert!(run.stdout.contains("ops.git#main is at "), "{}", run.show());
    assert!(run.stdout.contains("(two stacks): 2 stacks"), "{}", run.show());
    assert!(run.stdout.contains("stack shop: release 1 is deployed"), "{}", run.show());
    assert_eq!(place.cluster.running().len(), 4);
    assert_eq!(place.history("shop"), "1:deployed:reconcile:two stacks\n");

    // The second time nothing is done, though nothing is remembered here.
    fs::remove_dir_all(place.cluster.room.path().join(".local")).expect("the mirror");
    place.cluster.forget_calls();
    let run = place.follows(0);
    assert!(!run.stdout.contains("release 2"), "{}", run.show());
    assert_eq!(place.cluster.running().len(), 4);

    place.write("stacks/shop/compose.yaml", &stack("nginx:1.26"));
    place.push("a new page");
    place.follows(0);
    assert_eq!(place.history("shop"), "2:deployed:reconcile:a new page\n1:deployed:reconcile:two stacks\n");
    assert_eq!(place.history("blog"), "1:deployed:reconcile:two stacks\n");
    assert_eq!(place.images(), ["blog_web=nginx:1.25", "shop_web=nginx:1.26"]);

    // What a person does afterwards stands, until the repository says something else.
    place.cluster.expect(0, "rollback --yes shop");
    place.write("README.md", "of no concern");
    place.push("words");
    place.follows(0);
    assert_eq!(place.images(), ["blog_web=nginx:1.25", "shop_web=nginx:1.25"]);
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.27"));
    place.push("newer");
    place.follows(0);
    assert_eq!(place.images(), ["blog_web=nginx:1.25", "shop_web=nginx:1.27"]);

    // A suspended stack is left alone, and comes along when it is resumed.
    place.cluster.expect(0, "suspend shop");
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.28"));
    place.push("later");
    place.follows(0);
    assert_eq!(place.images(), ["blog_web=nginx:1.25", "shop_web=nginx:1.27"]);
    place.cluster.expect(0, "resume shop");
    place.follows(0);
    assert_eq!(place.images(), ["blog_web=nginx:1.25", "shop_web=nginx:1.28"]);
}

#[test]
fn what_cannot_be_used_stays_as_it_is() {
    let place = Place::new();
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.25"));
    place.write("stacks/blog/compose.yaml", &stack("nginx:1.25"));
    place.push("two stacks");
    place.follows(0);

    // One half written stackfile does not hold up the other.
    place.write("stacks/shop/compose.yaml", "services: {web: {image: [\n");
    place.write("stacks/blog/compose.yaml", &stack("nginx:1.26"));
    place.push("half written");
    let run = place.follows(1);
    assert!(run.stdout.contains("stack shop of ops.git#main at "), "{}", run.show());
    assert!(run.stdout.contains("stacks/shop/compose.yaml:"), "{}", run.show());
    assert_eq!(place.images(), ["blog_web=nginx:1.26", "shop_web=nginx:1.25"]);

    // The branch is gone, the repository is gone, and both are back with another past.
    git(&place.work, &["push", "-q", "origin", "HEAD:other", ":main"]);
    let run = place.follows(1);
    assert!(run.stdout.contains("cannot be followed, and what it declared stands"), "{}", run.show());
    let (bare, away) = (place.cluster.room.path().join("ops.git"), place.cluster.room.path().join("away"));
    fs::rename(&bare, &away).expect("a rename");
    place.follows(1);
    assert_eq!(place.cluster.running().len(), 4);
    fs::rename(&away, &bare).expect("a rename");
    git(&place.work, &["checkout", "-q", "--orphan", "fresh"]);
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.30"));
    git(&place.work, &["add", "-A"]);
    git(&place.work, &["commit", "-q", "-m", "another past"]);
    git(&place.work, &["push", "-q", "--force", "origin", "fresh:main"]);
    place.follows(0);
    assert_eq!(place.images(), ["blog_web=nginx:1.26", "shop_web=nginx:1.30"]);
}

#[test]
fn a_stack_goes_only_if_its_list_says_so_and_never_with_all_others() {
    let place = Place::new();
    let list = |stacks: &[&str]| {
        let lines = stacks
            .iter()
            .map(|name| format!("- {{stack: {name}, files: [{name}.yaml], remove: {}}}\n", *name != "kept"));
        place.write("stackctl.yml", &format!("stacks:\n{}", lines.collect::<String>()));
    };
    for name in ["shop", "blog", "kept"] {
        place.write(&format!("{name}.yaml"), &stack("nginx:1.25"));
    }
    list(&["shop", "blog", "kept"]);
    place.push("three stacks");
    place.follows(0);
    assert_eq!(place.cluster.running().len(), 6);

    list(&["shop"]);
    place.push("one stack");
    let run = place.follows(0);
    assert_eq!(place.images(), ["kept_web=nginx:1.25", "shop_web=nginx:1.25"], "{}", run.show());
    assert!(place.history("blog").starts_with("2:removed:rm:one stack\n"), "{}", place.history("blog"));

    for (text, why) in
        [("stacks: []\n", "an empty list"), ("stacks: [{stack: x}]\n", "a list with a mistake")]
    {
        place.write("stackctl.yml", text);
        place.push(why);
        let run = place.cluster.run(FOLLOW);
        assert_eq!(place.cluster.running().len(), 4, "{why}: {}", run.show());
    }
    // Listed again.
    list(&["shop", "blog"]);
    place.push("blog again");
    place.follows(0);
    assert_eq!(place.images().len(), 3);
}

#[test]
fn only_signed_commits_are_released_if_signers_are_named() {
    let place = Place::new();
    let key = place.cluster.room.path().join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "ann@mill", "-f"])
        .arg(&key)
        .status()
        .expect("ssh-keygen starts");
    assert!(made.success());
    let public = fs::read_to_string(key.with_extension("pub")).expect("a key");
    place.cluster.room.file("signers", &format!("ann@mill {public}"));
    let follow = format!("{FOLLOW} --allowed-signers signers");
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.25"));
    place.push("not signed");
    let run = place.cluster.expect(1, &follow);
    assert!(run.stdout.contains("is not signed by any of the allowed signers"), "{}", run.show());
    assert_eq!(place.cluster.running(), [""; 0]);
    let key = format!("user.signingkey={}", key.display());
    let signed = ["-c", "gpg.format=ssh", "-c", &key, "commit", "-q", "-S", "--allow-empty", "-m", "signed"];
    git(&place.work, &signed);
    git(&place.work, &["push", "-q", "origin", "main"]);
    place.cluster.expect(0, &follow);
    assert_eq!(place.history("shop"), "1:deployed:reconcile:signed\n");
    // An older commit is signed as well, and the branch may have been led back to it on the server.
    let first = git_says(&place.work, &["rev-parse", "HEAD"]);
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.26"));
    git(&place.work, &["add", "-A"]);
    git(&place.work, &[&signed[..9], &["newer"]].concat());
    git(&place.work, &["push", "-q", "origin", "main"]);
    place.cluster.expect(0, &follow);
    let newer = place.history("shop");
    assert!(newer.starts_with("2:deployed:reconcile:newer\n"), "{newer}");
    let second = git_says(&place.work, &["rev-parse", "HEAD"]);
    git(&place.work, &["push", "-q", "--force", "origin", &format!("{first}:main")]);
    let run = place.cluster.expect(1, &follow);
    assert!(run.stdout.contains("does not descend from"), "{}", run.show());
    let status = place.cluster.expect(1, "status --repo ops.git#main --allowed-signers signers");
    assert!(status.stderr.contains("does not descend from"), "{}", status.show());
    assert_eq!(
        (place.history("shop"), place.images()),
        (newer.clone(), vec!["shop_web=nginx:1.26".to_owned()])
    );
    // On purpose, it is said so.
    place.cluster.expect(0, &format!("{follow} --accept-history {first}"));
    assert!(place.history("shop").starts_with("3:deployed:reconcile:signed\n"));
    git(&place.work, &["push", "-q", "--force", "origin", &format!("{second}:main")]);
    place.cluster.expect(0, &follow);
    assert_eq!(place.images(), ["shop_web=nginx:1.26"], "it comes after the other one");
    let newer = place.history("shop");
    // Another's signature is none.
    place.cluster.room.file("signers", &format!("bob@mill {}\n", public.replace("AAAAC3Nz", "AAAAC3Nx")));
    git(&place.work, &[&signed[..9], &["of nobody"]].concat());
    git(&place.work, &["push", "-q", "origin", "main"]);
    place.cluster.expect(1, &follow);
    assert_eq!(place.history("shop"), newer);
}

fn git_says(dir: &std::path::Path, args: &[&str]) -> String {
    let said = Command::new("git").arg("-C").arg(dir).args(args).output().expect("git starts");
    String::from_utf8(said.stdout).expect("text").trim().to_owned()
}

#[test]
fn the_users_own_configuration_lets_no_address_be_a_command() {
    let place = Place::new();
    let room = &place.cluster.room;
    room.file(
        ".gitconfig",
        "[protocol]\n\tallow = always\n[protocol \"ext\"]\n\tallow = always\n[credential]\n\thelper = store\n\
         [core]\n\tsshCommand = touch mark\n[alias]\n\tfetch = !touch mark\n",
    );
    let mark = room.path().join("mark");
    let address = format!("ext::touch% {}", mark.display());
    let run = room.run_with(&["reconcile", "--once", "--repo", &address], "");
    assert!(run.status == 1 && !mark.exists(), "{}", run.show());
    assert!(run.stdout.contains("not allowed"), "{}", run.show());
    // A repository's own address may stand for another one, and logins are the user's.
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.25"));
    place.push("one");
    let bare = room.path().join("ops.git").display().to_string();
    room.file(".gitconfig", &format!("[url \"{bare}\"]\n\tinsteadOf = https://git.example.com/ops.git\n"));
    place.cluster.expect(0, "reconcile --once --repo https://git.example.com/ops.git#main");
    assert_eq!(place.images(), ["shop_web=nginx:1.25"]);
}

#[test]
fn a_release_that_fails_is_taken_back_and_not_tried_twice() {
    let place = Place::new();
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.25"));
    place.push("good");
    place.follows(0);
    let before = place.cluster.running();
    for engine in &place.cluster.engines {
        engine.fail("POST /containers/{id}/start", 1, Wrong::Refuse(400, "no such thing".to_owned()));
    }
    // One by one: which of two is begun before the first fails is a matter of chance.
    let bad = stack("nginx:1.26")
        .replace("parallelism: 0, monitor: 50ms", "parallelism: 1, monitor: 50ms, failure_action: rollback");
    place.write("stacks/shop/compose.yaml", &bad);
    place.push("bad");
    let run = place.follows(1);
    place.cluster.engines.iter().for_each(|engine| engine.heal());
    assert!(run.stdout.contains("stack shop: release 2 is web rolled back to 1"), "{}", run.show());
    assert_eq!(place.cluster.running(), before, "the old tasks, not others");
    let history = place.history("shop");
    assert!(history.starts_with("2:web rolled back to 1:reconcile:bad\n"), "{history}");
    // The same is not tried again, and what runs is kept.
    place.follows(0);
    assert_eq!(place.history("shop"), history);
    assert_eq!(place.cluster.running(), before);
}

#[test]
fn what_cannot_be_pulled_is_no_release_and_is_tried_again_while_what_runs_is_looked_after() {
    let place = Place::new();
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.25"));
    place.push("good");
    place.follows(0);
    let all = |change: &dyn Fn(&mut World)| place.cluster.engines.iter().for_each(|one| one.with(change));
    // As with a registry that is down, or an image that is still being built.
    all(&|world| world.missing.push("nginx:1.26".to_owned()));
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.26"));
    place.push("too early");
    let before = place.cluster.running();
    let run = place.follows(1);
    assert!(run.stdout.contains("stack shop: not as declared after "), "{}", run.show());
    assert!(run.stdout.contains("pull image nginx:1.26"), "{}", run.show());
    assert_eq!(place.history("shop"), "1:deployed:reconcile:good\n", "nothing was begun");
    assert_eq!(place.cluster.running(), before);

    let mut running = Loop::begin(&place);
    let why = running.line_of("heal_ended")["failed"].to_string();
    assert!(why.contains("pull image nginx:1.26"), "{why}");
    // A task is lost meanwhile.
    place.cluster.engines[0].with(|world| world.containers.clear());
    while !running.line_of("heal_ended")["failed"].is_null() {}
    assert_eq!(place.images(), ["shop_web=nginx:1.25"]);
    assert_eq!(place.cluster.running().len(), 2);
    all(&|world| world.missing.clear());
    running.deployed();
    assert_eq!(place.images(), ["shop_web=nginx:1.26"]);
    assert_eq!(place.history("shop"), "2:deployed:reconcile:too early\n1:deployed:reconcile:good\n");
}

#[test]
fn stacks_are_released_in_their_order_and_one_that_fails_holds_up_nobody() {
    let place = Place::new();
    place.write(
        "stackctl.yml",
        "stacks:\n- {stack: app, files: [app.yaml], order: 2}\n- {stack: db, files: [db.yaml], order: 1}\n\
         - {stack: never, files: [never.yaml], order: 1}\n",
    );
    for name in ["app", "db"] {
        place.write(&format!("{name}.yaml"), &stack("nginx:1.25"));
    }
    let nowhere =
        "services: {web: {image: nginx, deploy: {placement: {constraints: [node.hostname == h9]}}}}\n";
    place.write("never.yaml", nowhere);
    place.push("three stacks");
    let run = place.follows(1);
    let at = |text: &str| run.stdout.find(text).unwrap_or_else(|| panic!("{text}\n{}", run.show()));
    assert!(at("stack db: release 1 is deployed") < at("stack app: release 1 from"), "{}", run.show());
    at("stack app: release 1 is deployed");
    at("stack never: not as declared after");
    assert_eq!(place.cluster.running().len(), 4);
}

#[test]
fn what_was_undone_stays_so_until_the_repository_says_something_else() {
    let place = Place::new();
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.25"));
    place.push("one");
    place.follows(0);
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.26"));
    place.push("two");
    place.follows(0);
    let log = place.cluster.expect(0, "log --format {{.ID}}:{{.What}}:{{.Subject}}:{{.Repository}}").stdout;
    assert_eq!(log, "shop@2:reconcile:two:ops.git#main\nshop@1:reconcile:one:ops.git#main\n");
    place.cluster.expect(0, "undo --yes shop");
    place.write("README.md", "of no concern");
    place.push("words");
    for _ in 0..2 {
        place.follows(0);
        assert_eq!(place.images(), ["shop_web=nginx:1.25"], "the same inputs are released once");
    }
    place.cluster.expect(0, "undo --yes shop");
    place.follows(0);
    assert_eq!(place.images(), ["shop_web=nginx:1.26"]);
    place.cluster.expect(0, "undo --yes shop");
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.27"));
    place.push("three");
    place.follows(0);
    assert_eq!(place.images(), ["shop_web=nginx:1.27"]);
    // Its first release undone is a removal, and stays one.
    place.write("stacks/blog/compose.yaml", &stack("nginx:1.25"));
    place.push("another");
    place.follows(0);
    place.cluster.expect(0, "undo --yes blog");
    place.follows(0);
    assert_eq!(place.images(), ["shop_web=nginx:1.27"]);
}

#[test]
fn status_tells_what_a_repository_declares_and_was_not_released() {
    let place = Place::new();
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.25"));
    place.write("stacks/blog/compose.yaml", &stack("nginx:1.25"));
    place.push("two stacks");
    let status = |more: &str| {
        let format = "{{.Stack}}:{{.Sync}}:{{.Health}}:{{.Repository}}";
        let args = ["status", "--format", format, "--repo", "ops.git#main"];
        let all: Vec<&str> = args.into_iter().chain(more.split_whitespace()).collect();
        place.cluster.room.run_with(&all, "")
    };
    place.cluster.forget_calls();
    assert_eq!(status("").stdout, "blog:behind:unknown:\nshop:behind:unknown:\n");
    assert_eq!(place.cluster.writes(), [""; 0], "it only looks");
    place.follows(0);
    let run = status("");
    assert_eq!(run.stdout, "blog:in sync:healthy:ops.git#main\nshop:in sync:healthy:ops.git#main\n");

    place.write("stacks/shop/compose.yaml", &stack("nginx:1.26"));
    place.write("stacks/blog/compose.yaml", "services: {web: {imag: nginx}}\n");
    place.push("one is new and one is bad");
    let run = status("");
    assert_eq!(run.stdout, "blog:behind:healthy:ops.git#main\nshop:behind:healthy:ops.git#main\n");
    assert!(run.stderr.contains("warning: blog of ops.git#main cannot be read at "), "{}", run.show());
    let why = "status --repo ops.git#main --format {{.Why}}";
    let run = place.cluster.expect(1, why);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(
        lines[0].starts_with("cannot read it at ") && lines[0].contains("compose.yaml:1:"),
        "{run}",
        run = run.show()
    );
    assert!(lines[1].ends_with(" of ops.git#main is not released"), "{}", run.show());
    place.cluster.expect(0, "suspend shop");
    assert!(status("").stdout.contains("shop:suspended:"));
    assert_eq!(
        place.cluster.expect(0, "status --format {{.Sync}} blog").stdout,
        "in sync\n",
        "without a repository"
    );
    // One that cannot be asked.
    let run = place.cluster.expect(1, "status --repo nowhere.git --format {{.Stack}}");
    assert_eq!(run.stdout, "blog\nshop\n");
    assert!(run.stderr.contains("it is unknown what nowhere.git declares"), "{}", run.show());
}
