//! A stop outlives the process that began it: the next one does not take its task for a healthy one.

use std::io::Read as _;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::engine::FakeEngine;
use crate::hosts::Hosts;

const WEB: &str = "\
services:
  web:
    image: nginx:1.25
    stop_grace_period: GRACE
    deploy: {update_config: {monitor: 50ms, order: stop-first}}
";
/// How long the engine needs for a stop: longer than what follows it in these tests.
const STOP_MS: u64 = 9_000;

fn deployed(grace: &str) -> Hosts {
    let cluster = Hosts::new(1);
    stackfile(&cluster, grace, "1.25");
    cluster.expect(0, "deploy --yes shop");
    cluster.engines[0].with(|world| world.stop_ms = STOP_MS);
    stackfile(&cluster, grace, "1.26");
    cluster
}

/// Says from now on whether an engine was asked to stop something; calls are counted when they are answered.
fn watched(engine: &FakeEngine) -> impl Fn() -> bool + Sync + use<> {
    let is_asked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_asked);
    engine.answer_by(move |call, _| {
        seen.fetch_or(call.contains("/stop"), Ordering::SeqCst);
        None
    });
    move || is_asked.load(Ordering::SeqCst)
}

fn stackfile(cluster: &Hosts, grace: &str, version: &str) {
    cluster.stackfile(&WEB.replace("GRACE", grace).replace("1.25", version));
}

/// Goes back to the version that is being stopped: it runs, and does so when the stop is over.
fn goes_back(cluster: &Hosts, grace: &str, words: &str) -> String {
    stackfile(cluster, grace, "1.25");
    let run = cluster.expect(0, words);
    assert_eq!(cluster.running().len(), 1, "{}", run.show());
    std::thread::sleep(Duration::from_millis(STOP_MS + 1_000));
    assert_eq!(cluster.running().len(), 1, "{}", run.show());
    format!("{}{}", run.stdout, run.stderr)
}

/// Starts a deploy, until the engine is asked to stop something.
fn stopping(cluster: &Hosts) -> (Child, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let is_stopping = watched(&cluster.engines[0]);
    let child = cluster.start_into(&["deploy", "--yes", "shop"], writer);
    while !is_stopping() {
        std::thread::sleep(Duration::from_millis(2));
    }
    (child, reader)
}

/// What a deploy says until it has heard that it is to stop.
fn words_until_stopping(output: &mut std::io::PipeReader) -> String {
    words_until(output, "Stopping:")
}

fn words_until(output: &mut std::io::PipeReader, words: &str) -> String {
    let mut said = String::new();
    let mut byte = [0];
    while !said.contains(words) {
        assert_eq!(output.read(&mut byte).expect("its words"), 1, "{said}");
        said.push(char::from(byte[0]));
    }
    said
}

#[test]
fn after_a_kill_a_long_stop_is_waited_for() {
    let cluster = deployed("40s");
    cluster.kill_when("deploy --yes shop", watched(&cluster.engines[0]));
    let said = goes_back(&cluster, "40s", "deploy --yes shop");
    assert!(said.contains("A process that ended early began to stop web.1 on h1 of stack shop"), "{said}");
    assert!(said.contains("waiting 50 s at most for their end."), "{said}");
}

#[test]
fn after_a_kill_a_stop_that_no_note_has_is_known_by_the_journal() {
    let cluster = deployed("10s");
    cluster.kill_when("deploy --yes shop", watched(&cluster.engines[0]));
    let said = goes_back(&cluster, "10s", "deploy --yes shop");
    assert!(said.contains("began to stop web.1 on h1 of stack shop: waiting 22 s at most"), "{said}");
}

#[test]
fn who_waited_for_a_lock_ends_the_connections_of_its_killed_holder() {
    let cluster = deployed("1s");
    let sockets_of = |program: &Child| {
        let all = std::fs::read_dir(cluster.path().join("stackctl")).expect("where sockets are");
        let names = all.filter_map(|entry| entry.expect("it is read").file_name().into_string().ok());
        names.filter(|name| name.starts_with(&format!("{}-", program.id()))).count()
    };
    let (mut holder, _output) = stopping(&cluster);
    let (mut said, writer) = std::io::pipe().expect("a pipe");
    let mut waiter = cluster.start_into(&["deploy", "--yes", "--lock-timeout", "5m", "shop"], writer);
    words_until(&mut said, "Waiting");
    assert_eq!((sockets_of(&holder), sockets_of(&waiter)), (1, 1));
    holder.kill().expect("it runs");
    holder.wait().expect("it ends");
    assert!(waiter.wait().expect("it ends").success());
    assert_eq!((sockets_of(&holder), sockets_of(&waiter)), (0, 0));
}

#[test]
fn after_a_kill_without_a_stop_nothing_is_waited_for() {
    let cluster = Hosts::new(1);
    stackfile(&cluster, "40s", "1.25");
    let is_made = || cluster.engines[0].counts().contains_key("POST /containers/create");
    cluster.kill_when("deploy --yes shop", is_made);
    let run = cluster.expect(0, "deploy --yes shop");
    assert!(!run.stderr.contains("waiting"), "{}", run.show());
}

#[test]
fn after_a_second_ctrl_c_a_stop_is_waited_for() {
    let cluster = deployed("40s");
    let (mut child, mut output) = stopping(&cluster);
    cluster.signal(&child, "INT");
    words_until_stopping(&mut output);
    cluster.signal(&child, "INT");
    child.wait().expect("it ends at once");
    goes_back(&cluster, "40s", "deploy --yes shop");
}

#[test]
fn unlock_says_what_is_under_way_and_the_next_one_waits_for_it() {
    let cluster = deployed("40s");
    let (mut child, _output) = stopping(&cluster);
    stackfile(&cluster, "40s", "1.25");
    let held = cluster.expect(5, "deploy --yes shop");
    let id = held.stderr.split("unlock ").nth(1).and_then(|rest| rest.split('`').next()).expect("an id");
    let run = cluster.expect(0, &format!("unlock {id}"));
    let wanted = "It still had under way, and the next command on shop waits for it:\n  stop of web.1 on h1, for up to 8";
    assert!(run.stderr.contains(wanted), "{}", run.show());
    child.kill().expect("it runs");
    child.wait().expect("it is gone");
    goes_back(&cluster, "40s", "deploy --yes shop");
}

/// A plan without an action that was made while the task still seemed to run.
#[test]
fn a_stack_is_not_called_unchanged_while_a_stop_of_it_is_under_way() {
    let cluster = deployed("40s");
    cluster.kill_when("rm --yes shop", watched(&cluster.engines[0]));
    stackfile(&cluster, "40s", "1.25");
    // It has the same release as before, as far as this goes: nothing of it is removed yet.
    let said = goes_back(&cluster, "40s", "deploy --yes shop");
    assert!(said.contains("began to stop web.1"), "{said}");
}

/// The stop is in no note, and the lock looks like that of a live holder.
#[test]
fn a_stack_is_not_called_unchanged_while_a_holder_has_not_given_its_lock_back() {
    let cluster = deployed("10s");
    cluster.kill_when("rm --yes shop", watched(&cluster.engines[0]));
    stackfile(&cluster, "10s", "1.25");
    let said = goes_back(&cluster, "10s", "deploy --yes shop");
    assert!(said.contains("began to stop web.1") && !said.contains("No changes"), "{said}");
}

fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// The shell and the kernel may both say that the terminal is gone.
#[test]
fn a_closed_terminal_ends_a_deploy_in_order() {
    if is_hangup_ignored() {
        // The tests themselves run under `nohup`, which programs that they start take over.
        return;
    }
    let cluster = deployed("10s");
    let (mut child, mut output) = stopping(&cluster);
    cluster.signal(&child, "HUP");
    let mut said = words_until_stopping(&mut output);
    cluster.signal(&child, "HUP");
    output.read_to_string(&mut said).expect("its words");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{said}");
    let history = cluster.expect(0, "history --format {{.Release}}:{{.Outcome}} shop").stdout;
    assert!(history.starts_with("2:interrupted\n"), "{history}");
    let next = cluster.expect(0, "deploy --yes shop");
    assert!(!next.stderr.contains("waiting"), "{}", next.show());
}

#[test]
fn a_deploy_under_nohup_goes_on_when_the_terminal_is_closed() {
    let mut cluster = deployed("10s");
    cluster.engines[0].with(|world| world.stop_ms = 1_000);
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let is_stopping = watched(&cluster.engines[0]);
    cluster.room.binary(Path::new("nohup"));
    let mut child = cluster.start_into(&[env!("CARGO_BIN_EXE_stackctl"), "deploy", "--yes", "shop"], writer);
    while !is_stopping() {
        std::thread::sleep(Duration::from_millis(2));
    }
    cluster.signal(&child, "HUP");
    let mut said = String::new();
    reader.read_to_string(&mut said).expect("its words");
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{said}");
    cluster.room.binary(Path::new(env!("CARGO_BIN_EXE_stackctl")));
    let history = cluster.expect(0, "history --format {{.Release}}:{{.Outcome}} shop").stdout;
    assert_eq!(history, "2:deployed\n1:deployed\n");
}

#[test]
fn usual_work_costs_no_write_more() {
    let write_once = |grace: &str| {
        let cluster = deployed(grace);
        cluster.engines[0].with(|world| world.stop_ms = 0);
        cluster.forget_calls();
        cluster.expect(0, "deploy --yes shop");
        cluster.engines[0].counts().get("POST /volumes/create").copied().unwrap_or(0)
    };
    // A deploy that takes longer than usual sends heartbeats.
    let writes = |grace: &str| (0..3).map(|_| write_once(grace)).min();
    assert_eq!(
        writes("40s"),
        writes("10s").map(|count| count + 1),
        "one note for a stop that may outlast the lock"
    );
}

#[test]
fn a_release_whose_host_went_silent_is_remembered_as_unknown() {
    let cluster = Hosts::new(2);
    let on_h2 = |version: &str| {
        let placed = WEB.replace("deploy: {", "deploy: {placement: {constraints: [node.hostname == h2]}, ");
        cluster.stackfile(&placed.replace("GRACE", "10s").replace("1.25", version));
    };
    on_h2("1.25");
    cluster.expect(0, "deploy --yes shop");
    on_h2("1.26");
    cluster.engines[1].with(|world| world.stop_ms = 60_000);
    let is_stopping = watched(&cluster.engines[1]);
    let run = cluster.meanwhile(|engines| is_stopping().then(|| engines[1].crash()), "deploy --yes shop");
    assert_eq!(run.status, 6, "{}", run.show());
    let history = cluster.expect(0, "history --format {{.Release}}:{{.Outcome}} shop").stdout;
    assert_eq!(history, "2:unknown\n1:deployed\n");
}
