//! Agents on fake engines: what is brought where, after which consent, and what is left when they go.

use std::path::Path;

use serde_json::json;

use crate::engine::{FakeEngine, Wrong};
use crate::hosts::Hosts;
use crate::run::{Room, Run};

/// The beginning of a static program for this processor, with the words that make it one that can be an agent.
fn program(version: &str) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    (bytes[16], bytes[18], bytes[32], bytes[54], bytes[56]) = (2, 62, 64, 56, 1);
    bytes.extend([1; 56]);
    bytes[64..68].copy_from_slice(&[1, 0, 0, 0]);
    bytes.extend(format!("stackctl-agent-program <{version}>").as_bytes());
    bytes
}

/// Hosts, and a client that has a program for them beside it: the build under test is not static.
fn cluster(count: usize, agents: &str) -> Hosts {
    let mut room = Room::new();
    let path = room.path().display().to_string();
    room.env("XDG_RUNTIME_DIR", &path);
    // Each in a folder of its own, as on hosts: agents listen beside their engine's socket.
    let start = |n| {
        let name = format!("h{n}");
        let folder = room.path().join(&name);
        std::fs::create_dir(&folder).expect("a folder");
        FakeEngine::start(&name, &folder)
    };
    let engines = (1..=count).map(start).collect();
    let mut cluster = Hosts { room, engines };
    cluster.inventory(|_| String::new());
    let (own, copy) = (Path::new(env!("CARGO_BIN_EXE_stackctl")), cluster.path().join("bin/stackctl"));
    std::fs::create_dir(cluster.path().join("bin")).expect("a folder");
    std::fs::hard_link(own, &copy).or_else(|_| std::fs::copy(own, &copy).map(drop)).expect("a copy");
    cluster.room.binary(&copy);
    cluster.room.env("USER", "ann").env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    let text = std::fs::read_to_string(cluster.path().join("stackctl.yml")).unwrap();
    cluster.file("stackctl.yml", &format!("{agents}{text}"));
    bring(&cluster, "0.3.0");
    cluster
}

fn bring(cluster: &Hosts, version: &str) {
    let file = cluster.path().join("bin/stackctl-agent-x86_64");
    std::fs::write(file, program(version)).unwrap();
}

fn plugins(engine: &FakeEngine) -> Vec<(String, bool)> {
    engine.with(|world| world.plugins.iter().map(|one| (one.name.clone(), one.is_enabled)).collect())
}

fn listed(cluster: &Hosts) -> Vec<String> {
    let run = cluster.expect(0, r"agent ls --format {{.Node}}\t{{.Status}}\t{{.Kind}}\t{{.Why}}");
    run.stdout.lines().map(|line| line.replace('\t', " ").trim_end().to_owned()).collect()
}

/// The host is as if there had never been an agent.
fn is_clean(engine: &FakeEngine) -> bool {
    let is_empty = engine.with(|world| {
        world.plugins.is_empty()
            && world.containers.is_empty()
            && world.images.is_empty()
            && world.agents.is_empty()
    });
    is_empty && !engine.socket().parent().unwrap().join("stackctl").is_dir()
}

fn says(run: &Run, words: &[&str]) {
    let text = run.show().split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
    words.iter().for_each(|word| assert!(text.contains(word), "no `{word}`:\n{}", run.show()));
}

#[test]
fn an_agent_is_brought_asked_and_taken_away_and_nothing_is_left() {
    let cluster = cluster(1, "agents: auto\n");
    let engine = &cluster.engines[0];
    assert_eq!(listed(&cluster), ["h1 none"]);
    let dry = cluster.expect(0, "agent install --dry-run");
    says(&dry, &["+ h1 agent 0.3.0", "Plan: 1 to install, 0 to replace, 0 to finish"]);
    assert!(is_clean(engine));

    let run = cluster.expect(0, "agent install");
    says(&run, &["h1: started, as a plugin of the engine", "h1: agent 9.9.9 answers"]);
    assert_eq!(plugins(engine).len(), 1);
    assert!(plugins(engine)[0].0.starts_with("stackctl/agent-test:"));
    assert_eq!(listed(&cluster), ["h1 up plugin"]);

    // Once more, and nothing is sent.
    cluster.forget_calls();
    says(&cluster.expect(0, "agent install"), &["1 host as wanted"]);
    assert_eq!(cluster.writes(), [""; 0]);

    says(
        &cluster.expect(0, "agent rm --yes"),
        &["- h1 plugin stackctl/agent-test:", "1 host without an agent."],
    );
    assert!(is_clean(engine));
    assert_eq!(listed(&cluster), ["h1 none"]);
    says(&cluster.expect(0, "agent rm --yes"), &["No host that answers has an agent"]);
    let log = cluster.expect(0, r"log --format {{.What}}\t{{.Outcome}}").stdout;
    assert_eq!(log, "agent rm h1\tdone\nagent install h1\tdone\n");
}

#[test]
fn an_agent_whose_secrets_containers_have_stays() {
    let cluster = cluster(2, "agents: auto\n");
    let says_may = "as root beside the engine, with CAP_SYS_ADMIN and mounts that the host sees and the host's network, where it listens at TCP port 4795";
    says(&cluster.expect(0, "agent install"), &[says_may]);
    let engine = &cluster.engines[1];
    let folder = engine.socket().parent().unwrap().join("stackctl/test/secrets");
    let make = |name: &str, labels: serde_json::Value, folder: &Path| {
        let mount = json!({ "Type": "bind", "Source": folder.join("t1/0"), "Target": "/run/secrets/a" });
        let asked = json!({ "Image": "web:1", "Labels": labels, "HostConfig": { "Mounts": [mount] } });
        engine.with(|world| world.add_container(name, asked))
    };
    // One of another cluster, and one that has other files of the host.
    make(
        "other",
        json!({ "io.stackctl.task": "t9" }),
        &engine.socket().parent().unwrap().join("stackctl/prod/secrets"),
    );
    make("plain", json!({ "io.stackctl.task": "t8" }), Path::new("/etc"));
    cluster.expect(0, "agent rm --yes h2");
    cluster.expect(0, "agent install h2");
    let labels = json!({
        "io.stackctl.task": "t1", "com.docker.stack.namespace": "shop", "io.stackctl.service": "web",
        "io.stackctl.slot": "2",
    });
    make("shop_web.2.t1", labels, &folder);
    cluster.forget_calls();
    for words in ["agent rm --yes", "agent rm h2 --yes"] {
        let run = cluster.expect(1, words);
        says(&run, &["! h2 the secrets of shop_web.2, whose container is there", "stackctl::agent::in_use"]);
        says(&run, &["the agent of h2 keeps secrets of shop_web.2"]);
    }
    assert_eq!(cluster.writes(), [""; 0]);
    assert_eq!(listed(&cluster), ["h1 up plugin", "h2 up plugin"]);
    cluster.expect(0, "agent rm --yes --force");
    assert_eq!(listed(&cluster), ["h1 none", "h2 none"]);
}

#[test]
fn without_a_consent_nothing_is_shipped_whatever_flags_say() {
    for (line, words) in [
        ("", ["stackctl::agent::no_consent", "write `agents: auto` at the top of"]),
        ("agents: ask\n", ["stackctl::agent::no_consent", "`--yes` does not stand in for this"]),
        ("agents: off\n", ["stackctl::agent::off", "write `agents: ask` or `agents: auto`"]),
    ] {
        let mut cluster = cluster(1, line);
        for args in ["agent install", "agent install --yes"] {
            says(&cluster.expect(1, args), &words);
        }
        cluster.room.env("STACKCTL_YES", "1");
        says(&cluster.expect(1, "agent install"), &words);
        assert_eq!(cluster.writes(), [""; 0]);
    }
}

#[test]
fn a_newer_one_takes_over_once_it_answers() {
    let cluster = cluster(1, "agents: auto\n");
    cluster.expect(0, "agent install");
    let before = plugins(&cluster.engines[0]);
    bring(&cluster, "0.4.0");
    // Who has one already is asked a question like any other.
    let text = std::fs::read_to_string(cluster.path().join("stackctl.yml")).unwrap();
    cluster.file("stackctl.yml", &text.replace("agents: auto", "agents: ask"));
    says(&cluster.expect(1, "agent install"), &["~ h1 agent 0.3.0 -> 0.4.0", "stackctl::cli::no_terminal"]);
    cluster.forget_calls();
    cluster.expect(0, "agent install --yes");
    let after = plugins(&cluster.engines[0]);
    assert!(after.len() == 1 && after != before, "{after:?}");
    let changes = cluster.engines[0].writes();
    let plugins: Vec<&str> =
        changes.iter().map(String::as_str).filter(|call| call.contains("/plugins")).collect();
    assert_eq!(
        plugins,
        [
            "POST /plugins/create",
            "POST /plugins/{id}/enable",
            "POST /plugins/{id}/disable",
            "DELETE /plugins/{id}",
        ]
    );
    // An earlier stackctl leaves it as it is.
    bring(&cluster, "0.3.0");
    cluster.forget_calls();
    says(&cluster.expect(0, "agent install --yes"), &["= h1 agent 0.4.0, which is later"]);
    assert_eq!(cluster.writes(), [""; 0]);
}

#[test]
fn one_that_does_not_answer_goes_again_and_the_one_before_stays() {
    let cluster = cluster(1, "agents: auto\n");
    cluster.expect(0, "agent install");
    let before = plugins(&cluster.engines[0]);
    bring(&cluster, "0.4.0");
    // Where no socket can be made: what the engine starts from now on does not listen.
    cluster.engines[0].with(|world| world.room = "/nowhere\0".into());
    let run = cluster.expect(1, "agent install");
    says(&run, &["did not answer", "removed again", "stackctl::agent::unfinished"]);
    assert_eq!(plugins(&cluster.engines[0]), before);
    let log = cluster.expect(0, r"log --format {{.What}}\t{{.Outcome}}").stdout;
    assert!(log.starts_with("agent install h1\tfailed: 1 of 1 hosts: h1: the agent was started"), "{log}");
}

#[test]
fn where_plugins_are_refused_it_is_a_container() {
    let cluster = cluster(2, "agents: auto\n");
    cluster.engines[0].fail("GET /plugins", 99, Wrong::Refuse(404, "page not found".into()));
    cluster.engines[1].fail("POST /plugins/{id}/enable", 9, Wrong::Refuse(500, "no plugins here".into()));
    let run = cluster.expect(0, "agent install");
    says(
        &run,
        &[
            "h1: started, as a container: the engine takes no plugins",
            "h2: started, as a container: the engine refuses the plugin (start the plugin: no plugins here)",
        ],
    );
    assert_eq!(listed(&cluster), ["h1 up container", "h2 up container"]);
    for engine in &cluster.engines {
        assert!(plugins(engine).is_empty(), "what could not be started is gone");
        let asked = engine.with(|world| world.containers.values().next().unwrap().asked.clone());
        assert_eq!(asked["HostConfig"]["RestartPolicy"]["Name"], "always");
        assert_eq!(asked["HostConfig"]["NetworkMode"], "host");
    }
    // It is no task, and no stack has lost it.
    assert_eq!(cluster.expect(0, "ls").stdout.lines().count(), 1);
    cluster.forget_calls();
    says(&cluster.expect(0, "agent install"), &["2 hosts as wanted"]);
    assert_eq!(cluster.writes(), [""; 0]);
    cluster.expect(0, "agent rm --yes");
    assert!(cluster.engines.iter().all(is_clean));
}

#[test]
fn without_a_program_for_a_host_nothing_is_done_on_any() {
    let cluster = cluster(2, "agents: auto\n");
    cluster.engines[1].with(|world| world.info = json!({ "Architecture": "aarch64" }));
    let run = cluster.expect(1, "agent install");
    says(&run, &["stackctl::agent::no_program", "stackctl-agent-aarch64", "`cargo quick`"]);
    cluster.engines[1].with(|world| world.info = json!({ "SecurityOptions": ["name=rootless"] }));
    says(&cluster.expect(1, "agent install"), &["stackctl::agent::not_supported", "h2 can have no agent"]);
    assert_eq!(cluster.writes(), [""; 0]);
    cluster.expect(0, "agent install h1");
    assert_eq!(listed(&cluster), ["h1 up plugin", "h2 none"]);
}

#[test]
fn a_silent_host_is_named_and_holds_up_no_other() {
    let cluster = cluster(3, "agents: auto\n");
    cluster.engines[1].kill();
    let run = cluster.expect(6, "agent install");
    says(&run, &["node h2 is silent and is left out", "h3: agent 9.9.9 answers"]);
    let lines = listed(&cluster);
    assert!(lines[1].starts_with("h2 unreachable"), "{lines:?}");
    assert_eq!((lines[0].as_str(), lines[2].as_str()), ("h1 up plugin", "h3 up plugin"));
    cluster.engines[1].revive();
    cluster.expect(0, "agent install");
    assert_eq!(listed(&cluster)[1], "h2 up plugin");
    // One that hangs is not one that is not there.
    cluster.engines[2].with(|world| world.agents.clear());
    assert_eq!(listed(&cluster)[2].split(' ').take(2).collect::<Vec<_>>(), ["h3", "silent"]);
}

#[test]
fn what_a_killed_run_left_undone_the_next_one_does() {
    let cluster = cluster(1, "agents: auto\n");
    let engine = &cluster.engines[0];
    let is_clean_in_the_end = || {
        cluster.expect(0, "agent install");
        assert_eq!(plugins(engine).len(), 1);
        assert_eq!(listed(&cluster), ["h1 up plugin"]);
    };
    let sent = |call: &str| engine.calls().iter().any(|one| one.call == call);
    engine.set_latency(std::time::Duration::from_millis(20));
    for call in ["POST /plugins/create", "POST /plugins/{id}/enable"] {
        engine.forget_calls();
        cluster.kill_when("agent install", || sent(call));
        is_clean_in_the_end();
        cluster.expect(0, "agent rm --yes");
    }
    cluster.expect(0, "agent install");
    for (at, call) in ["POST /plugins/{id}/enable", "POST /plugins/{id}/disable"].iter().enumerate() {
        bring(&cluster, &format!("0.4.{at}"));
        engine.forget_calls();
        cluster.kill_when("agent install", || sent(call));
        is_clean_in_the_end();
    }
    cluster.expect(0, "agent rm --yes");
    assert!(is_clean(engine));
}
