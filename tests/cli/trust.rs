//! An inventory that merely lies in the folder: what it names is not started unasked.

use std::fs;
use std::path::PathBuf;

use crate::hosts::Hosts;
use crate::run::Room;

const NOT_TRUSTED: &str = "stackctl::cli::not_trusted";

/// A cluster whose inventory would start a program, and where that leaves a mark.
fn cluster(more: &str) -> (Hosts, PathBuf) {
    let cluster = Hosts::new(2);
    let mark = cluster.room.path().join("mark");
    let program =
        cluster.room.file("find.sh", &format!("#!/bin/sh\ntouch {}\necho '{{}}'\n", mark.display()));
    fs::set_permissions(program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a program");
    cluster.room.file("ssh", &format!("Host *\n  ProxyCommand touch {}\n", mark.display()));
    let path = cluster.room.path().join("stackctl.yml");
    let text = fs::read_to_string(path).expect("an inventory");
    cluster.room.file("stackctl.yml", &format!("{text}{more}"));
    cluster.stackfile("services: {web: {image: nginx}}\n");
    (cluster, mark)
}

const PROGRAM: &str = "discover:\n- command: [./find.sh, --list]\n";

#[test]
fn nothing_is_started_unasked() {
    for more in [
        PROGRAM,
        "ssh_config: ./ssh\n",
        "notifications:\n- command: [./find.sh]\n  on: [release_ended, release_began]\n",
        "notifications:\n- {webhook: 'http://127.0.0.1:9/', secret_env: HOME}\n",
        "ledger: etcd://a@127.0.0.1:9/prod?password-env=HOME\n",
    ] {
        let (cluster, mark) = cluster(more);
        for command in
            ["ps shop", "deploy --yes shop", "status", "node ls", "reconcile --once", "version --hosts"]
        {
            let run = cluster.expect(1, command);
            assert!(run.stderr.contains(NOT_TRUSTED), "{more}{command}: {}", run.show());
            assert!(run.stderr.contains("stackctl trust"), "{more}{command}: {}", run.show());
        }
        assert!(!mark.exists() && cluster.writes().is_empty(), "{more}");
        assert!(cluster.engines.iter().all(|engine| engine.calls().is_empty()), "{more}");
        // What asks no host goes on.
        for command in ["check", "config", "version", "help nodes"] {
            cluster.expect(0, command);
        }
    }
}

#[test]
fn the_user_answers_once_and_again_when_a_file_changes() {
    let (cluster, mark) = cluster(PROGRAM);
    let run = cluster.expect(1, "trust");
    assert!(run.stderr.contains("`./find.sh --list` runs to find hosts"), "{}", run.show());
    cluster.expect(1, "node ls");
    let run = cluster.expect(0, "trust --yes");
    assert!(run.stderr.contains("stackctl.yml is trusted as it is now"), "{}", run.show());
    assert!(!mark.exists(), "to trust starts nothing");
    cluster.expect(0, "node ls");
    assert!(mark.exists());
    assert!(cluster.expect(0, "trust").stderr.contains("is trusted already"));
    fs::remove_file(&mark).expect("a mark");
    let script = fs::read_to_string(cluster.room.path().join("find.sh")).expect("a program");
    cluster.room.file("find.sh", &format!("{script}# another\n"));
    let run = cluster.expect(1, "node ls");
    assert!(run.stderr.contains(NOT_TRUSTED) && !mark.exists(), "{}", run.show());
    cluster.expect(0, "trust --yes");
    cluster.expect(0, "node ls");
    cluster.expect(0, "trust --forget");
    cluster.expect(1, "node ls");
}

#[test]
fn what_was_named_is_trusted_and_a_script_answers_by_a_variable() {
    let (mut cluster, mark) = cluster(PROGRAM);
    cluster.expect(0, "-i stackctl.yml node ls");
    let run = cluster.expect(1, "node ls");
    let digest =
        run.stderr.split("STACKCTL_TRUST=").nth(1).and_then(|rest| rest.get(..64)).map(str::to_owned);
    for (value, status) in [(digest.as_deref().unwrap_or("none"), 0), ("1", 0), ("0", 1), ("yes", 1)] {
        cluster.room.env("STACKCTL_TRUST", value);
        cluster.expect(status, "node ls");
    }
    cluster.room.env("STACKCTL_TRUST", "").env("STACKCTL_YES", "1");
    cluster.expect(1, "node ls");
    // That of the user's configuration.
    fs::remove_file(&mark).expect("a mark");
    let here = cluster.room.path().join("stackctl.yml");
    let text = fs::read_to_string(&here).expect("an inventory").replace("./find.sh", "../../find.sh");
    fs::remove_file(&here).expect("it goes");
    cluster.room.file(".config/stackctl/stackctl.yml", &text);
    cluster.expect(0, "node ls");
    assert!(mark.exists());
    cluster.room.file("elsewhere.yml", &text.replace("../../", "./"));
    cluster.room.env("STACKCTL_INVENTORY", "elsewhere.yml");
    cluster.expect(0, "node ls");
}

#[test]
fn an_inventory_that_names_hosts_alone_needs_no_trust() {
    let (cluster, _) = cluster("");
    cluster.expect(0, "node ls");
    let run = cluster.expect(0, "trust --yes");
    assert!(run.stderr.contains("names hosts, and neither programs nor passwords"), "{}", run.show());
    assert_eq!(Room::new().run("trust --yes").status, 1, "there is none");
}
