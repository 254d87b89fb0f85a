//! What the topic `ci` and `stacks/ci` say about CI, done.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use stackctl::model::MarkKey;

use crate::engine::Clock;
use crate::hosts::Hosts;
use crate::run::{Room, Run};

const THEN_MS: i64 = 1_769_860_800_000;

const SHOP: &str = "\
services:
  web:
    image: nginx:1.25
    environment:
      LOG_LEVEL: info
    volumes:
      - type: volume
        source: data
        target: /data
    deploy:
      replicas: 2
      resources:
        limits: {memory: 64m}
      update_config: {monitor: 50ms}
volumes:
  data:
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A cluster that runs the shop.
fn shop() -> Hosts {
    let mut hosts = Hosts::new(2);
    for engine in &hosts.engines {
        engine.with(|world| world.clock = Clock::Fixed(THEN_MS));
    }
    hosts.room.env("STACKCTL_NOW", "2026-01-31T12:01:05Z");
    hosts.room.file("docker-compose.yml", SHOP);
    hosts.expect(0, "deploy --yes shop");
    hosts
}

/// A job without hosts, with the snapshot that was recorded once. `STACKCTL_WRITE_GENERATED` records it anew.
fn job() -> Room {
    if std::env::var_os("STACKCTL_WRITE_GENERATED").is_some() {
        let hosts = shop();
        hosts.expect(0, "snapshot -o snapshot.json");
        let text = std::fs::read_to_string(hosts.path().join("snapshot.json")).expect("a snapshot");
        std::fs::write(root().join("tests/cli/recorded-snapshot.json"), text).expect("a recording");
    }
    let mut room = Room::new();
    let root = MarkKey::try_from(crate::run::NEW_KEY.to_owned()).expect("a key");
    room.env("STACKCTL_SNAPSHOT_KEY", &root.derive("marks").reveal());
    room.file("snapshot.json", &read("tests/cli/recorded-snapshot.json"));
    room.file("docker-compose.yml", SHOP);
    room
}

/// Runs a line in a shell, where `stackctl` is the one under test.
fn shell(room: &Room, env: &[(&str, &str)], line: &str) -> Run {
    let stackctl = Path::new(env!("CARGO_BIN_EXE_stackctl")).parent().expect("a directory").display();
    let output = Command::new("sh")
        .args(["-euc", line])
        .env_clear()
        .envs(room.variables())
        .env("PATH", format!("{stackctl}:/usr/bin:/bin"))
        .envs(env.iter().copied())
        .current_dir(room.path())
        .output()
        .expect("a shell");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text comes out");
    Run {
        status: output.status.code().unwrap_or(-1),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

fn step(room: &Room, env: &[(&str, &str)], step: &str) -> Run {
    shell(room, env, &format!("{}/stacks/ci/ci.sh {step}", root().display()))
}

fn kept(room: &Room, name: &str) -> String {
    std::fs::read_to_string(room.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_review_comments_and_annotates_without_hosts() {
    let room = job();
    let run = step(&room, &[], "check");
    assert_eq!(run.status, 0, "{}", run.show());
    let run = step(&room, &[], "review");
    assert_eq!(run.status, 0, "{}", run.show());
    assert!(kept(&room, "comment.md").contains("**No changes."), "{}", kept(&room, "comment.md"));

    let edited = SHOP
        .replace("1.25", "1.26")
        .replace("LOG_LEVEL: info", "LOG_LEVEL: 'debug ```` </details>'\n      LOG_FORMAT: json")
        .replace("target: /data", "target: /data\n        read_only: true")
        .replace("64m", "128m")
        .replace("replicas: 2", "replicas: 3")
        .replace("volumes:\n  data", "  db: {image: 'postgres:16'}\nvolumes:\n  data");
    room.file("docker-compose.yml", &edited);
    let run = step(&room, &[("GITHUB_ACTIONS", "true")], "review");
    assert_eq!(run.status, 0, "{}", run.show());
    insta::assert_snapshot!("comment", kept(&room, "comment.md"));
    insta::assert_snapshot!("github", run.stdout);
    for line in run.stdout.lines() {
        // Each at the line that says so.
        let Some((at, field)) =
            line.split_once("line=").zip(line.split_once("::web: ")).map(|(a, b)| (a.1, b.1))
        else {
            continue;
        };
        let number: usize = at.split(',').next().and_then(|number| number.parse().ok()).expect("a line");
        let written = edited.lines().nth(number - 1).expect("a line of the file");
        let last = field.split(':').next().and_then(|path| path.rsplit('.').next()).expect("a field");
        assert!(written.contains(last), "{line}: {written}");
    }
    let run = step(&room, &[("GITLAB_CI", "true")], "review");
    assert_eq!((run.status, run.stdout.as_str()), (0, ""), "{}", run.show());
    let report: Value = serde_json::from_str(&kept(&room, "gl-code-quality-report.json")).expect("JSON");
    let issues = report.as_array().expect("a list");
    assert!(issues.len() >= 7, "{report:#}");
    for issue in issues {
        assert!(issue["description"].is_string() && issue["check_name"].is_string(), "{issue}");
        assert!(issue["fingerprint"].as_str().is_some_and(|print| print.len() == 64), "{issue}");
        assert_eq!(
            (&issue["severity"], &issue["location"]["path"]),
            (&"info".into(), &"docker-compose.yml".into())
        );
        assert!(issue["location"]["lines"]["begin"].as_u64().is_some_and(|line| line >= 1), "{issue}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_in_every_form() {
    let room = job();
    room.file("docker-compose.yml", &SHOP.replace("image:", "imge:").replace("64m", "64 elephants"));
    let run = step(&room, &[], "check");
    assert_eq!(run.status, 1, "{}", run.show());
    let run = step(&room, &[("GITHUB_ACTIONS", "true")], "review");
    assert_eq!(run.status, 1, "{}", run.show());
    insta::assert_snapshot!("comment_of_a_bad_file", kept(&room, "comment.md"));
    insta::assert_snapshot!("github_of_a_bad_file", run.stdout);
    let run = step(&room, &[("GITLAB_CI", "true")], "review");
    assert_eq!(run.status, 1, "{}", run.show());
    insta::assert_snapshot!("gitlab_of_a_bad_file", kept(&room, "gl-code-quality-report.json"));

    // What cannot be placed is told at its service.
    let text = SHOP.replace(
        "      replicas: 2",
        "      replicas: 2\n      placement: {constraints: [node.labels.x == y]}",
    );
    room.file("docker-compose.yml", &text);
    let run = step(&room, &[("GITHUB_ACTIONS", "true")], "review");
    assert_eq!(run.status, 1, "{}", run.show());
    assert!(
        run.stdout.starts_with("::error file=docker-compose.yml,line=2,col=3,title=stackctl%3A%3Aplacement"),
        "{}",
        run.stdout
    );
    assert!(kept(&room, "comment.md").contains("**No plan: 1 problem**"));
}

#[test]
fn a_comment_is_never_too_long() {
    let room = job();
    let mut text = "services:\n".to_owned();
    for number in 0..1500 {
        text += &format!(
            "  s{number:04}:\n    image: 'registry.example.com/a/rather/long/name/of/an/image:{number}'\n"
        );
        text += "    deploy: {placement: {max_replicas_per_node: 1}}\n";
    }
    room.file("docker-compose.yml", &text);
    let run = step(&room, &[], "review");
    assert_eq!(run.status, 0, "{}", run.stderr);
    let comment = kept(&room, "comment.md");
    assert!(comment.len() < 65_536 && comment.contains("kB do not fit into a comment"), "{}", comment.len());
    assert!(comment.contains("\n```\n\n</details>\n"), "what is cut is closed");
}

#[test]
fn what_was_planned_is_deployed_and_snapped() {
    let hosts = shop();
    hosts.room.file("docker-compose.yml", &SHOP.replace("1.25", "1.26"));
    hosts.expect(0, "snapshot -o first.json --key-out key");
    let key = kept(&hosts.room, "key").trim().to_owned();
    for (name, status) in
        [("plan", 0), ("deploy", 0), ("snapshot", 0), ("review", 0), ("deploy", 0), ("frob", 64)]
    {
        let run = step(&hosts.room, &[("STACKCTL_SNAPSHOT_KEY", &key)], name);
        assert_eq!(run.status, status, "{name}\n{}", run.show());
    }
    assert!(kept(&hosts.room, "comment.md").contains("**No changes."));
    hosts.expect(0, "scale --yes shop/web=1");
    let run = step(&hosts.room, &[], "deploy");
    assert!(run.status == 1 && run.stderr.contains("stackctl::plan::stale"), "{}", run.show());
}

#[test]
fn every_line_that_the_topic_has_about_ci_works() {
    let hosts = shop();
    hosts.room.file("docker-compose.yml", &SHOP.replace("1.25", "1.26"));
    let section = read("src/cli/help/ci.md");
    let lines: Vec<&str> = section
        .split("```sh\n")
        .skip(1)
        .flat_map(|block| block.split("```").next().unwrap_or_default().lines())
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert!(lines.len() >= 6, "{lines:?}");
    for line in lines {
        let run = shell(&hosts.room, &[], line);
        let is_diff = line.contains("stackctl diff");
        assert!(run.status == 0 || (is_diff && run.status == 2), "{line}\n{}", run.show());
    }
    assert_eq!(hosts.expect(0, "diff shop").status, 0, "it was deployed");
}

#[test]
fn the_sample_workflows_are_yaml_and_call_steps_that_there_are() {
    let script = read("stacks/ci/ci.sh");
    for name in ["github-actions.yml", "gitlab-ci.yml"] {
        let text = read(&format!("stacks/ci/{name}"));
        let whole: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(whole.is_object(), "{name}");
        let called: Vec<&str> = text
            .split("ci/ci.sh ")
            .skip(1)
            .map(|rest| rest.split_whitespace().next().unwrap_or_default())
            .collect();
        assert!(called.len() >= 4, "{name}: {called:?}");
        for step in called {
            assert!(script.contains(&format!("\n{step})\n")), "{name}: {step}");
        }
    }
}
