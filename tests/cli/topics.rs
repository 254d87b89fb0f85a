//! Topics of `stackctl help`: how they are reached, that their links lead somewhere, and that every shell
//! block does what it says, on fake hosts.
//!
//! A block is run line by line, in one room for each topic. What stands behind ```` ```sh ```` says how:
//! nothing: each line ends with 0 (a `diff` with 0 or 2); `until-interrupted`: each line runs until Ctrl-C;
//! `no-run: WHY`: it is not run.

use std::path::Path;
use std::process::Command;

use stackctl::cli::command;
use stackctl::cli::help::markdown::{Block, parse};
use stackctl::cli::help::{TOPICS, Topic, find};

use crate::git::git;
use crate::hosts::Hosts;
use crate::run::{Room, Run};

/// No more blocks than this go without a run.
const NOT_RUN_MAX: usize = 10;

const SHOP: &str = "\
services:
  web:
    image: nginx:1.25
    ports: ['8080:80']
    deploy: {replicas: 2, update_config: {parallelism: 0, monitor: 50ms}}
  db:
    image: postgres:16
    volumes: ['data:/var/lib/postgresql/data']
    deploy: {update_config: {monitor: 50ms}}
volumes:
  data:
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The shell blocks of a text: what stands behind `sh`, and their lines.
fn shell_blocks(text: &str) -> Vec<(String, Vec<String>)> {
    let blocks = parse(text).into_iter();
    blocks
        .filter_map(|block| match block {
            Block::Code(info, code) if info.split(' ').next() == Some("sh") => {
                let how = info["sh".len()..].trim().to_owned();
                Some((how, code.lines().map(str::to_owned).collect()))
            }
            _ => None,
        })
        .collect()
}

/// A cluster where `shop` is deployed, as release 4 if the topic needs that many; a repository that declares it;
/// and `stackctl` in the PATH.
fn place(topic: &Topic) -> Hosts {
    let mut hosts = Hosts::new(3);
    let home = hosts.room.path().display().to_string();
    let bin = Path::new(env!("CARGO_BIN_EXE_stackctl")).parent().expect("a directory").display().to_string();
    hosts.room.env("USER", "ann").env("STACKCTL_YES", "1").env("PATH", &format!("{bin}:/usr/bin:/bin"));
    hosts.room.env("GIT_CONFIG_NOSYSTEM", "1");
    hosts.file(
        ".gitconfig",
        &format!(
            "[user]\n\tname = ann\n\temail = ann@mill\n\
             [url \"{home}/ops.git\"]\n\tinsteadOf = https://git.example.com/ops/stacks.git\n"
        ),
    );
    let has_past = topic.text.contains("shop@3");
    for image in if has_past { &["1.22", "1.23", "1.24", "1.25"][..] } else { &["1.24", "1.25"] } {
        hosts.stackfile(&SHOP.replace("1.25", image));
        hosts.expect(0, "deploy --yes shop");
    }
    for name in ["docker-compose.yml", "app.yml", "work/stacks/shop/compose.yaml"] {
        hosts.file(name, SHOP);
    }
    hosts.file("share/man/man1/.keep", "");
    let (work, bare) = (hosts.path().join("work"), hosts.path().join("ops.git"));
    git(hosts.path(), &["init", "-q", "--bare", "-b", "main", &bare.display().to_string()]);
    git(hosts.path(), &["init", "-q", "-b", "main", &work.display().to_string()]);
    git(&work, &["remote", "add", "origin", &bare.display().to_string()]);
    git(&work, &["add", "-A"]);
    git(&work, &["commit", "-q", "-m", "the shop"]);
    git(&work, &["push", "-q", "-u", "origin", "main"]);
    // Something to push.
    hosts.file("work/stacks/shop/compose.yaml", &SHOP.replace("1.25", "1.26"));
    git(&work, &["commit", "-q", "-a", "-m", "a newer web"]);
    hosts
}

fn shell(room: &Room, line: &str, is_interrupted: bool) -> Run {
    let (program, first): (&str, &[&str]) =
        if is_interrupted { ("timeout", &["-s", "INT", "2", "sh", "-euc"]) } else { ("sh", &["-euc"]) };
    // The shell gives way to its last command, so that Ctrl-C reaches that one.
    let line = if is_interrupted { format!("exec {line}") } else { line.to_owned() };
    let output = Command::new(program)
        .args(first)
        .arg(line)
        .env_clear()
        .envs(room.variables())
        .current_dir(room.path())
        .output()
        .expect("a shell");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Run {
        status: output.status.code().unwrap_or(-1),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// What goes wrong when the blocks of a topic are run one after the other.
fn faults(topic: &Topic) -> Vec<String> {
    let blocks: Vec<_> =
        shell_blocks(topic.text).into_iter().filter(|(how, _)| !how.starts_with("no-run: ")).collect();
    let mut faults = Vec::new();
    if blocks.is_empty() {
        return faults;
    }
    let hosts = place(topic);
    for (how, lines) in blocks {
        let is_interrupted = match how.as_str() {
            "" => false,
            "until-interrupted" => true,
            other => panic!("{}: what is `sh {other}`?", topic.name),
        };
        for line in lines.iter().filter(|line| !line.trim().is_empty()) {
            let run = shell(&hosts.room, line, is_interrupted);
            let is_well = match run.status {
                // `timeout` says so when it had to interrupt.
                124 => is_interrupted,
                2 => line.starts_with("stackctl diff "),
                status => status == 0 && !is_interrupted,
            };
            if !is_well {
                faults.push(format!("help {}: $ {line}\n{}", topic.name, run.show()));
            }
        }
    }
    faults
}

#[test]
fn every_shell_block_of_a_topic_does_what_it_says() {
    // Commands mostly wait, each topic has hosts of its own, and this test would be the last to end.
    const AT_ONCE: usize = 6;
    let left = std::sync::Mutex::new(TOPICS.iter());
    let worker = || {
        let next = || left.lock().expect("no panic while running").next();
        std::iter::from_fn(next).flat_map(faults).collect::<Vec<_>>()
    };
    let faults: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|one| one.join().expect("no panic while running")).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn few_blocks_are_not_run_and_each_says_why() {
    let all: Vec<_> = TOPICS.iter().flat_map(|topic| shell_blocks(topic.text)).collect();
    assert!(all.len() > 30, "only {} blocks", all.len());
    let not_run: Vec<_> = all.iter().filter(|(how, _)| how.starts_with("no-run")).collect();
    assert!(not_run.len() <= NOT_RUN_MAX, "{not_run:?}");
    for (how, lines) in not_run {
        assert!(how.strip_prefix("no-run: ").is_some_and(|why| why.len() > 8), "{how}: {lines:?}");
    }
}

#[test]
fn help_of_a_command_is_what_its_flag_shows() {
    let room = Room::new();
    fn paths(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for inner in command.get_subcommands() {
            let path = format!("{path} {}", inner.get_name()).trim_start().to_owned();
            paths(inner, &path, found);
            found.push(path);
        }
    }
    let mut all = Vec::new();
    paths(&command(), "", &mut all);
    assert!(all.len() > 50, "{all:?}");
    all.extend(["up".to_owned(), "down".to_owned()]);
    for path in all.iter().filter(|path| find(path).is_none()) {
        let (help, flag) = (room.run(&format!("help {path}")), room.run(&format!("{path} --help")));
        assert_eq!(help.show(), flag.show(), "{path}");
        assert!(help.stdout.contains("\nTopic: stackctl help "), "{path}: {}", help.stdout);
    }
}

#[test]
fn a_name_of_both_shows_the_command_and_then_the_topic() {
    let room = Room::new();
    let both: Vec<&str> = TOPICS
        .iter()
        .map(|topic| topic.name)
        .filter(|name| command().find_subcommand(name).is_some())
        .collect();
    assert_eq!(both, ["undo", "agent", "reconcile", "ledger"]);
    for name in both {
        let run = room.run(&format!("help {name}"));
        let page = room.run(&format!("{name} --help")).stdout;
        let topic = run.stdout.strip_prefix(&page).unwrap_or_else(|| panic!("{}", run.show()));
        let title = find(name).and_then(|topic| topic.text.lines().next()).expect("a title");
        assert!(topic.starts_with(&format!("\n{}\n", title[2..].to_uppercase())), "{topic}");
    }
}

#[test]
fn help_lists_and_suggests() {
    let room = Room::new();
    insta::assert_snapshot!("help_lists_commands_and_topics", room.run("help").show());
    let shown: Vec<String> = ["help placment", "help node updat", "help frobnicate", "help deploy shop"]
        .map(|args| format!("$ stackctl {args}\n{}", room.run(args).show()))
        .into();
    insta::assert_snapshot!("help_suggests", shown.join("\n"));
}

#[test]
fn topics_are_plain_for_a_pipe_and_have_headings_for_a_terminal() {
    let mut room = Room::new();
    room.env("COLUMNS", "80");
    for topic in TOPICS.iter().filter(|topic| command().find_subcommand(topic.name).is_none()) {
        let run = room.run(&format!("help {}", topic.name));
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{}", topic.name);
        assert!(!run.stdout.contains(['\x1b', '\u{a0}']), "{}", topic.name);
        assert!(!run.stdout.contains("](") && !run.stdout.contains("\n<!-- "), "{}", run.stdout);
    }
    insta::assert_snapshot!("help_updates", room.run("help updates").stdout);
    room.env("CLICOLOR_FORCE", "1");
    assert!(room.run("help updates").stdout.starts_with("\x1b[1mUPDATES\x1b[0m\n"));
}

#[test]
fn links_of_topics_and_readme_lead_to_files() {
    let mut places: Vec<_> = TOPICS
        .iter()
        .map(|topic| (root().join(format!("src/cli/help/{}.md", topic.name)), topic.text.to_owned()))
        .collect();
    let readme = root().join("README.md");
    let text = std::fs::read_to_string(&readme).expect("there is a README");
    for topic in TOPICS {
        let link = format!("[{0}](src/cli/help/{0}.md)", topic.name);
        assert!(text.contains(&link), "README.md has no {link}");
    }
    places.push((readme, text));
    let mut count = 0;
    for (path, text) in places {
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            count += 1;
            let at = path.parent().expect("a folder").join(file);
            assert!(at.exists(), "{}: {target} is nowhere", path.display());
        }
    }
    assert!(count > 60, "{count}");
}

#[test]
fn man_knows_topics() {
    let room = Room::new();
    let run = room.run("man placement");
    assert!(run.status == 0 && run.stdout.starts_with(".TH stackctl\\-placement 7 "), "{}", run.show());
    assert!(room.run("man ledger").stdout.contains("\n.TH stackctl-ledger 1 "));
    assert!(room.run("man ledger.7").stdout.starts_with(".TH stackctl\\-ledger 7 "));
    assert_eq!(room.run("man --dir man1").status, 0);
    for topic in TOPICS {
        let at = room.path().join(format!("man7/stackctl-{}.7", topic.name));
        assert!(at.exists(), "{}", at.display());
    }
}
