use std::process::Command;

use insta::assert_snapshot;

use crate::run::Room;

#[test]
fn the_first_page() {
    assert_snapshot!(Room::new().run("--help").show());
}

#[test]
fn every_command_has_a_page() {
    let room = Room::new();
    for command in [
        "deploy",
        "diff",
        "snapshot",
        "explain",
        "rebalance",
        "rm",
        "rollback",
        "history",
        "log",
        "events",
        "undo",
        "show",
        "reconcile",
        "hook",
        "hook install",
        "hook remove",
        "hook run",
        "suspend",
        "resume",
        "unlock",
        "doctor",
        "ledger",
        "ledger migrate",
        "ledger backup",
        "ledger restore",
        "ledger sync",
        "ls",
        "status",
        "ps",
        "services",
        "logs",
        "scale",
        "restart",
        "exec",
        "service",
        "service update",
        "service rollback",
        "service inspect",
        "service ls",
        "service ps",
        "image",
        "image ls",
        "image push",
        "image prune",
        "agent",
        "agent logs",
        "agent ls",
        "agent install",
        "agent rm",
        "node ls",
        "node inspect",
        "node ps",
        "node update",
        "node promote",
        "node demote",
        "trust",
        "check",
        "config",
        "explain-code",
        "version",
        "completions",
        "man",
        "help",
    ] {
        let run = room.run(&format!("{command} -h"));
        assert_eq!(run.status, 0, "{command}");
        assert_snapshot!(format!("help-{}", command.replace(' ', "-")), run.show());
    }
}

#[test]
fn wrong_usage_is_status_64() {
    let room = Room::new();
    let shown: Vec<String> = [
        "",
        "frobnicate",
        "ps",
        "ps --no-such shop",
        "deploy --timeout 5 shop",
        "rm b@d",
        "diff --format x s",
    ]
    .iter()
    .map(|args| format!("$ stackctl {args}\n{}", room.run(args).show()))
    .collect();
    assert_snapshot!(shown.join("\n"));
}

/// What help would have to open blocks here: it is instant since it opens nothing.
#[test]
fn help_opens_no_inventory_and_no_stackfile() {
    let room = Room::new();
    for name in ["stackctl.yml", "compose.yaml", "docker-compose.yml", ".env"] {
        let made = Command::new("mkfifo").arg(room.path().join(name)).status().expect("mkfifo");
        assert!(made.success());
    }
    for args in [&["--help"][..], &["deploy", "--help"], &["help", "stackfile"], &["node", "ls", "-h"]] {
        let run = Command::new("timeout")
            .arg("20")
            .arg(env!("CARGO_BIN_EXE_stackctl"))
            .args(args)
            .env_clear()
            .envs(room.variables())
            .current_dir(room.path())
            .output()
            .expect("timeout");
        assert!(run.status.success() && run.stdout.len() > 200, "{args:?}: {:?}", run.status);
    }
}

#[test]
fn colours_come_only_when_asked_for() {
    let mut room = Room::new();
    assert!(!room.run("--help").stdout.contains('\x1b'), "not to a pipe");
    room.env("CLICOLOR_FORCE", "1");
    assert!(room.run("--help").stdout.contains('\x1b'));
    assert!(!room.run("--help --no-color").stdout.contains('\x1b'));
    room.env("NO_COLOR", "1");
    assert!(!room.run("deploy").stderr.contains('\x1b'));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let room = Room::new();
    let status = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!("{} completions zsh | head -n 1 >/dev/null; echo done", env!("CARGO_BIN_EXE_stackctl")))
        .current_dir(room.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&status.stderr), "");
    let full = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!("{} version --no-color >/dev/full", env!("CARGO_BIN_EXE_stackctl")))
        .output()
        .unwrap();
    assert_eq!(full.status.code(), Some(1), "a full disk is one");
    assert!(String::from_utf8_lossy(&full.stderr).contains("cannot write to stdout"));
}
