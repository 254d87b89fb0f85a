//! Hosts and engines that say no, or nothing: each in its own words, with what to do about it.

use crate::ground::{Ground, HOSTS, Run};

/// A service on every host.
const EVERY: &str = "version: '3.8'
services:
  web:
    image: web:1
    deploy:
      mode: global
      update_config: {parallelism: 0, monitor: 200ms}
";

const EVERY_SLOT: [&str; 4] = ["web.node:h1", "web.node:h2", "web.node:h3", "web.node:h4"];

/// A deploy of [`EVERY`] that ends with 6 for the sake of one host, and changes nothing anywhere.
#[track_caller]
fn refused(ground: &Ground, inventory: Option<&str>, up: &[&str], texts: &[&str]) -> Run {
    let file = ground.file("every.yml", EVERY);
    let words = format!("deploy --yes -c {file} every");
    let before = ground.everything(up);
    let run = match inventory {
        Some(inventory) => ground.stackctl_on(inventory, &words),
        None => ground.stackctl(&words),
    };
    let run = run.ends(6).says(&["stackctl::cluster::node_unreachable"]).says(texts);
    assert_eq!(ground.everything(up), before, "{}", run.whole());
    run
}

#[test]
fn a_host_that_is_off_stops_a_deploy_before_it_begins_unless_it_is_not_needed() {
    let Some(ground) = Ground::new() else { return };
    ground.playground("kill h3");
    let texts = ["node `h3` is unreachable", "check that the machine is on", "--availability drain h3"];
    refused(&ground, None, &["h1", "h2", "h4"], &texts);
    // What the help says, in the inventory: it is the same.
    let inventory = ground.inventory(|text| text.replace("h3:\n", "h3:\n    availability: drain\n"));
    let file = ground.file("every.yml", EVERY);
    ground.stackctl_on(&inventory, &format!("deploy --yes -c {file} every")).ends(0);
    for host in ["h1", "h2", "h4"] {
        assert_eq!(ground.tasks_on(host, "every").len(), 1, "{host}");
    }
    ground.playground("start h3");
    ground.stackctl(&format!("deploy --yes -c {file} every")).ends(0);
    ground.assert_is("every", &EVERY_SLOT);
}

/// ssh has the user's shell start what dials for it, on a socket. bash takes that for a login from afar unless `SHLVL`
/// is set, as it is not under cron, CI or a daemon.
#[test]
fn what_files_of_the_users_shell_write_is_no_part_of_a_connection() {
    let Some(ground) = Ground::new() else { return };
    ground.file(".bashrc", "echo welcome; touch ~/bashrc-was-read\n");
    let file = ground.file("every.yml", EVERY);
    let output = ground
        .command(&format!("deploy --yes -c {file} every"))
        .env("SHELL", "/bin/bash")
        .output()
        .expect("the binary");
    assert!(output.status.success(), "{output:?}");
    ground.assert_is("every", &EVERY_SLOT);
    assert!(!ground.path().join("bashrc-was-read").exists());
}

#[test]
fn ssh_that_does_not_let_us_in_says_why() {
    let Some(ground) = Ground::new() else { return };
    // Not our key.
    let key = ground.path().join("stranger");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .expect("ssh-keygen");
    assert!(made.success());
    let ours = ground.given("ssh_config");
    let ours = ours.lines().find_map(|line| line.trim().strip_prefix("IdentityFile ")).expect("a key");
    let bad_key = ground.inventory_with_ssh(|config| config.replace(ours, &key.display().to_string()));
    refused(&ground, Some(&bad_key), &HOSTS, &["refuses our ssh keys for user `root`", "authorized_keys"]);

    // A host we have never seen.
    let nothing = ground.file("known_hosts", "");
    let known = ground.given("ssh_config");
    let known =
        known.lines().find_map(|line| line.trim().strip_prefix("UserKnownHostsFile ")).expect("a file");
    let strange = ground.inventory_with_ssh(|config| config.replace(known, &nothing));
    refused(&ground, Some(&strange), &HOSTS, &["the host key of `10.89.", "is not known", "accept-new"]);

    // A host that is another than it was.
    ground.playground("sshd h2 newkey");
    refused(&ground, None, &HOSTS, &["h2", "has changed", "ssh-keygen"]);
}

#[test]
fn an_engine_that_is_down_or_not_for_us_says_so() {
    let Some(ground) = Ground::new() else { return };
    ground.playground("dockerd h2 stop");
    refused(&ground, None, &["h1", "h3", "h4"], &["h2", "no docker engine answers", "systemctl"]);
    ground.playground("dockerd h2 start");
    let guest = ground.inventory(|text| text.replace("root@", "guest@"));
    refused(&ground, Some(&guest), &HOSTS, &["user `guest` may not use /var/run/docker.sock", "usermod -aG"]);
    // Who is in the group may.
    let member = ground.inventory(|text| text.replace("root@", "deploy@"));
    let file = ground.file("every.yml", EVERY);
    ground.stackctl_on(&member, &format!("deploy --yes -c {file} every")).ends(0);
    ground.assert_is("every", &EVERY_SLOT);
}

#[test]
fn sshd_that_forwards_no_sockets_is_good_enough() {
    let Some(ground) = Ground::new() else { return };
    for host in HOSTS {
        ground.playground(&format!("sshd {host} forwarding off"));
    }
    let file = ground.file("every.yml", EVERY);
    let words = format!("deploy --yes --format json -c {file} every");
    ground.stackctl(&words).ends(0);
    ground.assert_is("every", &EVERY_SLOT);
    assert_eq!(ground.stackctl(&words).ends(0).actions("planned_action"), [""; 0]);
    ground.stackctl("logs every").ends(0).says(&["web 1 starts on"]);
    ground.stackctl("rm --yes every").ends(0);
    assert!(ground.tasks("every").is_empty());
}

#[test]
fn a_full_disk_is_named_and_once_freed_the_deploy_goes_through() {
    let Some(ground) = Ground::new() else { return };
    if !ground.has_disks() {
        return eprintln!("skipped: hosts have no disks of their own; see playground up --disk");
    }
    let file = ground.file("every.yml", EVERY);
    let words = format!("deploy --yes -c {file} every");
    ground.playground("disk h3 full");
    ground.stackctl(&words).ends(1).says(&["the disk is full", "h3", "docker system df"]);
    ground.playground("disk h3 free");
    ground.stackctl(&words).ends(0);
    ground.assert_is("every", &EVERY_SLOT);
}

#[test]
fn an_image_that_is_nowhere_stops_and_starts_nothing() {
    let Some(ground) = Ground::new() else { return };
    let file = ground.file("every.yml", EVERY);
    ground.stackctl(&format!("deploy --yes -c {file} every")).ends(0);
    let before = ground.everything_but_records(&HOSTS);
    let other = EVERY.replace("web:1", "registry.invalid/nowhere:1");
    let other = ground.file("other.yml", &format!("{other}  more:\n    image: web:1\n"));
    let run = ground.stackctl(&format!("deploy --yes -c {other} every")).ends(1);
    let run = run.says(&["registry.invalid/nowhere:1", "stackctl::docker::"]);
    assert_eq!(ground.everything_but_records(&HOSTS), before, "{}", run.whole());
}

#[test]
fn a_port_that_somebody_has_is_avoided_or_named() {
    let Some(ground) = Ground::new() else { return };
    ground.docker("h2", &["run", "-d", "--name", "somebody", "-p", "8088:80", "web:1"]);
    let stackfile = |replicas| {
        format!(
            "version: '3.8'
services:
  web:
    image: web:1
    ports: [{{target: 80, published: 8088, mode: host}}]
    deploy:
      replicas: {replicas}
      update_config: {{parallelism: 0, monitor: 200ms}}
"
        )
    };
    let file = ground.file("three.yml", &stackfile(3));
    ground.stackctl(&format!("deploy --yes -c {file} port")).ends(0);
    ground.assert_is("port", &["web.1", "web.2", "web.3"]);
    assert!(ground.tasks_on("h2", "port").is_empty());
    let before = ground.everything(&HOSTS);
    let file = ground.file("four.yml", &stackfile(4));
    let run = ground.stackctl(&format!("deploy --verbose --yes -c {file} port")).ends(1);
    let run = run.says(&["stackctl::placement::no_suitable_node", "`web`", "port already in use", "8088"]);
    assert_eq!(ground.everything(&HOSTS), before, "{}", run.whole());

    // A port that no engine knows of is found when the task starts.
    ground.stackctl("rm --yes port").ends(0);
    ground.docker("h2", &["rm", "-f", "somebody"]);
    ground.docker("h3", &["run", "-d", "--network", "host", "-e", "WEB_PORT=8088", "web:1"]);
    let run = ground.stackctl(&format!("deploy --yes -c {file} port")).ends(1);
    run.says(&["h3", "port 8088 is already taken", "ss -ltnup"]);
}
