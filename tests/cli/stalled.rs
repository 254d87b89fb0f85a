//! Output that is not read: work goes on, leases are returned, and what was asked for is there when it is read at last.

use std::io::{PipeReader, Read as _, Write as _};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};

use crate::hosts::Hosts;

const WEB: &str = "\
services:
  web:
    image: nginx:1.25
    deploy: {replicas: 3, update_config: {parallelism: 0, monitor: 50ms}}
";

/// A command whose output goes into a pipe that is full.
struct Stalled {
    child: Child,
    reader: PipeReader,
}

/// What filled the pipe, which no output has in it.
const FILLING: u8 = 0;

impl Stalled {
    fn start(cluster: &Hosts, args: &str) -> Self {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        // However much that is: the system gives small pipes to one that has many. The command is to wait for its reader.
        fcntl_setfl(&writer, OFlags::NONBLOCK).expect("a pipe that says that it is full");
        while writer.write(&[FILLING; 4096]).is_ok() {}
        fcntl_setfl(&writer, OFlags::empty()).expect("a pipe that blocks");
        let args: Vec<&str> = args.split_whitespace().collect();
        Self { child: cluster.start_into(&args, writer), reader }
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// All of its output, and its status.
    fn read(mut self) -> (String, i32) {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).expect("an end");
        bytes.retain(|&byte| byte != FILLING);
        let status = self.child.wait().expect("a status").code().expect("no signal");
        (String::from_utf8(bytes).expect("text"), status)
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        // After a failure it may go on for ever.
        let _over = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Waits for something that must come.
fn until(what: &str, mut has_come: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !has_come() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_loop_whose_log_is_not_read_heals_and_gives_the_lead_back() {
    let cluster = Hosts::deployed(WEB);
    cluster.engines[0].with(|world| world.containers.clear());
    assert!(cluster.running().len() < 3);
    let mut stalled = Stalled::start(&cluster, "reconcile --interval 1s");
    until("the heal", || cluster.running().len() == 3);
    assert_eq!(cluster.room.run("reconcile --once").status, 5, "it has the lead");
    assert!(stalled.is_running());
    cluster.signal(&stalled.child, "TERM");
    let (log, status) = stalled.read();
    assert_eq!(status, 0, "{log}");
    assert!(log.contains("this loop has the lead") && log.contains("start task"), "{log}");
    assert_eq!(cluster.room.run("reconcile --once").status, 0, "the lead is given back");
}

#[test]
fn a_loop_that_is_asked_to_end_does_not_wait_for_ever_for_the_reader_of_its_log() {
    let cluster = Hosts::deployed(WEB);
    let mut stalled = Stalled::start(&cluster, "reconcile --interval 1s");
    until("the lead", || cluster.room.run("reconcile --once").status == 5);
    cluster.signal(&stalled.child, "TERM");
    until("the lead", || cluster.room.run("reconcile --once").status == 0);
    until("its end", || !stalled.is_running());
    assert_eq!(stalled.read().1, 0);
}

#[test]
fn a_command_that_waits_for_its_reader_can_be_ended() {
    let cluster = Hosts::deployed(WEB);
    let mut stalled = Stalled::start(&cluster, "ps shop");
    sleep(Duration::from_secs(2));
    assert!(stalled.is_running());
    cluster.signal(&stalled.child, "TERM");
    until("its end", || !stalled.is_running());
}

#[test]
fn a_deploy_whose_output_is_not_read_ends_and_gives_its_lease_back() {
    let cluster = Hosts::deployed(WEB);
    cluster.stackfile(&WEB.replace("1.25", "1.26"));
    let mut stalled = Stalled::start(&cluster, "deploy --yes --format json shop");
    let history = || cluster.room.run("history --format {{.Release}}:{{.Outcome}} shop").stdout;
    until("the release", || history() == "2:deployed\n1:deployed\n");
    until("its lease", || cluster.room.run("deploy --yes shop").status == 0);
    assert!(stalled.is_running(), "it waits for its reader");
    let (text, status) = stalled.read();
    assert_eq!(status, 0, "{text}");
    let lines: Vec<serde_json::Value> = text
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    assert!(lines.len() > 3 && !text.contains("dropped"), "{text}");
}
