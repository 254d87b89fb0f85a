//! What is Consul's alone: servers that die or are cut off, a majority that is lost, sessions that end,
//! certificates and tokens, loops that follow each other, and hosts that are found there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use stackctl::engine::lease::NotTaken;
use stackctl::ledger::consul::open;
use stackctl::ledger::lease::Terms;
use stackctl::ledger::payload::value;
use stackctl::ledger::place::LedgerPlace;
use stackctl::ledger::{
    Appended, ConsulRegisters, Kind, Ledger, LedgerError, Limits, ReadRegisters as _, Stream, Written,
};
use stackctl::model::ClusterName;
use tokio::time::{Instant, timeout};

use crate::agents::{Agents, is_there};
use crate::controller::{Loop, until};
use crate::hosts::Hosts;
use crate::laws::{Backend, all_hold, take_it};
use crate::moments::{Moment, a_member_that_dies_or_is_cut_off_costs_a_moment};
use crate::records::{self, From, WEB};
use crate::wire::Wire;

/// What a loop that follows another one may take.
const BOUND: Duration = Duration::from_secs(15);

fn ledger(place: &str) -> Arc<Ledger<ConsulRegisters>> {
    let Ok(LedgerPlace::Consul(place)) = LedgerPlace::parse(place) else { panic!("{place}") };
    let cluster = ClusterName::new("test").unwrap();
    let client = open(&place, |_| None).unwrap();
    Arc::new(Ledger::new(ConsulRegisters::new(client, &cluster), Limits::default()))
}

impl Backend for Agents {
    type Registers = ConsulRegisters;

    fn open(&self, cluster: &ClusterName) -> Arc<Ledger<ConsulRegisters>> {
        let Ok(LedgerPlace::Consul(place)) = LedgerPlace::parse(&self.place("laws")) else { panic!() };
        let client = open(&place, |_| None).unwrap();
        Arc::new(Ledger::new(ConsulRegisters::new(client, cluster), Limits::default()))
    }
}

/// What was said, wherever its lines were broken.
fn flat(said: &str) -> String {
    said.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One Consul for all of it.
#[test]
fn a_ledger_in_consul() {
    if !is_there() {
        return;
    }
    let agents = Arc::new(Agents::start());
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime().block_on(all_hold(&agents));
    records::go_there_and_back(&*agents, From::Files);
    hosts_are_found_by_keys(&agents);
    hosts_are_found_in_the_catalog(&agents);
    runtime().block_on(an_agent_hands_on_what_it_is_asked(&agents));
    runtime().block_on(answers_that_are_lost_cost_nothing(&agents));
    runtime().block_on(what_is_too_large_is_refused(&agents));
    runtime().block_on(a_session_that_ends_with_its_node_says_nothing(&agents));
    let moment = Moment { slowest: Duration::from_secs(10), may_be_silent: true };
    runtime().block_on(a_member_that_dies_or_is_cut_off_costs_a_moment(&agents, moment));
    runtime().block_on(without_a_majority_it_is_said(&agents));
}

/// Hosts are keys below a prefix; what another prefix holds is none of theirs.
fn hosts_are_found_by_keys(agents: &Agents) {
    let cluster = Hosts::new(2);
    let engines = &cluster.engines;
    cluster.room.file(
        "stackctl.yml",
        &format!(
            "cluster: test\nledger: {}\nhosts: {{h1: \"{}\"}}\ndiscover: [{{consul: '{}', timeout: 8s}}]\n",
            agents.place("found"),
            engines[0].address(),
            agents.place("hosts")
        ),
    );
    cluster.stackfile(&WEB.replace("replicas: 2", "mode: global"));
    let nodes = || cluster.expect(0, "node ls --format {{.Name}}").stdout;
    assert_eq!(nodes(), "h1\n");
    // A folder, as Consul's pages make it.
    agents.put("kv/hosts/", "");
    agents.put("kv/hosts-of-others/h9", "nonsense");
    agents.put("kv/hosts/h2", &format!("\"{}\"", engines[1].address()));
    assert_eq!(nodes(), "h1\nh2\n");
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(cluster.running().len(), 2);
    agents.put("kv/hosts/h4", "nonsense");
    let run = cluster.expect(6, "diff shop");
    assert!(run.stderr.contains("the value of `h4` is not JSON"), "{}", run.show());
    agents.delete("kv/hosts/?recurse");
    let run = cluster.expect(6, "deploy --yes shop");
    assert!(run.stderr.contains("names 0 of the 1 hosts it named before"), "{}", run.show());
}

/// Who offers a service is a host, whatever its checks say; where nobody does, that is not known.
fn hosts_are_found_in_the_catalog(agents: &Agents) {
    let cluster = Hosts::new(1);
    let catalog = format!("consul://{}", agents.members());
    cluster.room.file(
        "stackctl.yml",
        &format!(
            "cluster: test\nledger: {}\nhosts: {{h1: \"{}\"}}\n\
             discover: [{{consul: '{catalog}', service: docker, user: nobody}}]\n",
            agents.place("catalog"),
            cluster.engines[0].address(),
        ),
    );
    cluster.stackfile(WEB);
    let run = cluster.expect(6, "diff shop");
    assert!(flat(&run.stderr).contains("no host offers the service"), "{}", run.show());
    agents.register("w1", "127.0.0.1", "docker", &json!({ "rack": "b" }));
    agents.register("w2", "127.0.0.2", "docker", &json!({}));
    agents.register("w3", "127.0.0.3", "web", &json!({}));
    let check = json!({
        "Node": "w1", "Address": "127.0.0.1", "SkipNodeUpdate": true,
        "Check": { "Node": "w1", "CheckID": "alive", "Name": "alive", "Status": "critical" },
    });
    agents.put("catalog/register", &check.to_string());
    let told = cluster.expect(0, "node ls --format {{.Name}}").stdout;
    assert_eq!(told, "h1\nw1\nw2\n");
    let run = cluster.room.run("node inspect w1");
    assert!(run.stdout.contains("rack") && run.stdout.contains("ssh://nobody@127.0.0.1"), "{}", run.show());
}

/// One that is no server, as on each machine of a cluster of Consul's.
async fn an_agent_hands_on_what_it_is_asked(agents: &Arc<Agents>) {
    let (here, there) = (ledger(&agents.place_at_agent("agent")), ledger(&agents.place("agent")));
    let mut heard = here.registers().listen().unwrap();
    assert_eq!(timeout(Duration::from_secs(5), heard.recv()).await.unwrap(), Some(Written::Perhaps));
    let lease = take_it(&here, "a", Terms::STACK, 0).await.unwrap();
    assert!(matches!(take_it(&there, "b", Terms::STACK, 0).await, Err(NotTaken::Held(_))));
    let signs = agents.get("kv/agent/test/signs/shop?recurse");
    let session = signs[0]["Session"].as_str().expect("locked").to_owned();
    let info = agents.get(&format!("session/info/{session}"));
    assert_eq!(info[0]["Node"], "c3", "its node is the agent's");
    let stream = Stream::new(Kind::Releases, "shop");
    let word = value(there.registers(), 1.into());
    assert_eq!(there.append(&stream, 1, &word).await.unwrap(), Appended::Won);
    let told = timeout(Duration::from_secs(2), async {
        while heard.recv().await.is_some_and(|word| word != Written::In(stream.clone())) {}
    });
    told.await.expect("it is told");
    let leader = {
        let agents = Arc::clone(agents);
        move || {
            let leader = agents.leader();
            agents.kill(leader);
            leader
        }
    };
    let leader = tokio::task::spawn_blocking(leader).await.unwrap();
    let begun = Instant::now();
    while let Err(error) = here.read(&stream).await {
        assert!(error.is_silence() && begun.elapsed() < Duration::from_secs(15), "{error}");
    }
    assert_eq!(here.read(&stream).await.unwrap().next(), 2);
    lease.release().await.unwrap();
    let agents = Arc::clone(agents);
    tokio::task::spawn_blocking(move || agents.start_again(leader)).await.unwrap();
}

/// Connections break again and again: what was written and not answered for is found to be ours.
async fn answers_that_are_lost_cost_nothing(agents: &Agents) {
    let wires: Arc<Vec<Wire>> = Arc::new(agents.ports().into_iter().map(Wire::to).collect());
    let members: Vec<String> = wires.iter().map(|wire| format!("127.0.0.1:{}", wire.port())).collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let breaking = std::thread::spawn({
        let (wires, is_over) = (Arc::clone(&wires), Arc::clone(&is_over));
        move || {
            let mut breaks = 0;
            while !is_over.load(Ordering::SeqCst) {
                wires.iter().for_each(Wire::reset);
                breaks += 1;
                // Longer and shorter than a write takes.
                std::thread::sleep(Duration::from_millis(2 + breaks * 7 % 31));
            }
            breaks
        }
    });
    let place = format!("consul://{}/lost", members.join(","));
    let ledger = ledger(&place);
    for kind in [Kind::Releases, Kind::Lease] {
        let stream = Stream::new(kind, "shop");
        for seq in 1..=60 {
            let ours = value(ledger.registers(), seq.into());
            assert_eq!(ledger.append(&stream, seq, &ours).await.unwrap(), Appended::Won, "{kind:?} {seq}");
        }
        let log = ledger.read(&stream).await.unwrap();
        assert!(log.next() == 61 && log.undecided.is_empty(), "{kind:?}: {log:?}");
    }
    is_over.store(true, Ordering::SeqCst);
    let breaks = tokio::task::spawn_blocking(move || breaking.join().unwrap()).await.unwrap();
    eprintln!("120 records through connections that broke {breaks} times");
    assert!(breaks > 20, "{breaks}");
}

async fn what_is_too_large_is_refused(agents: &Agents) {
    let ledger = ledger(&agents.place("large"));
    let stream = Stream::new(Kind::Releases, "shop");
    // Numbers that no packing makes small.
    let mut word = 1_u64;
    let text: String = (0..60_000)
        .map(|_| {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{:x}", word >> 16)
        })
        .collect();
    let large = value(ledger.registers(), text.into());
    assert!(large.pack().len() > 512 << 10, "{}", large.pack().len());
    let said = ledger.append(&stream, 1, &large).await.unwrap_err().to_string();
    assert!(said.contains("kv_max_value_size") && said.contains("524288"), "{said}");
    assert!(ledger.read(&stream).await.unwrap().entries.is_empty());
}

/// A lease whose holder is dead: free for who begins anew once the session has ended by its time, which a test
/// does not wait for here; not when the session was lost with its node.
async fn a_session_that_ends_with_its_node_says_nothing(agents: &Agents) {
    let place = agents.place("nodes");
    // Like a program that is killed: nothing is given back, and no sign of life comes any more.
    let dying = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dying = std::thread::spawn({
        let place = place.clone();
        move || {
            dying.block_on(async {
                take_it(&ledger(&place), "dead", Terms::STACK, 0).await.unwrap();
            });
            dying.shutdown_background();
        }
    });
    tokio::task::spawn_blocking(move || dying.join().unwrap()).await.unwrap();
    let Err(NotTaken::Held(busy)) = take_it(&ledger(&place), "b", Terms::STACK, 0).await else { panic!() };
    assert!(busy.age_ms.unwrap() < 1_000, "{busy:?}");
    let signs = || agents.get("kv/nodes/test/signs/shop?recurse");
    let session = |sign: &serde_json::Value| sign["Session"].as_str().map(str::to_owned);
    for sign in signs().as_array().unwrap() {
        let id = session(sign).expect("locked");
        agents.put(&format!("session/destroy/{id}"), "");
    }
    let lease = take_it(&ledger(&place), "b", Terms::STACK, 0).await.unwrap();
    lease.release().await.unwrap();
    // Now with a node that goes, and comes back as another one.
    let lease = take_it(&ledger(&place), "c", Terms::STACK, 0).await.unwrap();
    let newest = signs().as_array().unwrap().last().unwrap().clone();
    let info = agents.get(&format!("session/info/{}", session(&newest).expect("locked")));
    let node = info[0]["Node"].as_str().expect("a node").to_owned();
    agents.put("catalog/deregister", &json!({ "Node": node }).to_string());
    assert_eq!(session(signs().as_array().unwrap().last().unwrap()), None, "it went with its node");
    let Err(NotTaken::Held(busy)) = take_it(&ledger(&place), "d", Terms::STACK, 0).await else { panic!() };
    assert!(busy.age_ms.unwrap() < 1_000, "{busy:?}");
    agents.put("catalog/register", &json!({ "Node": node, "Address": "127.0.0.1" }).to_string());
    let Err(NotTaken::Held(busy)) = take_it(&ledger(&place), "d", Terms::STACK, 0).await else { panic!() };
    assert!(busy.age_ms.unwrap() < 1_000, "{busy:?}");
    lease.release().await.unwrap();
}

async fn without_a_majority_it_is_said(agents: &Arc<Agents>) {
    let ledger = ledger(&agents.place("majority"));
    let stream = Stream::new(Kind::Releases, "shop");
    let ours = value(ledger.registers(), 1.into());
    assert_eq!(ledger.append(&stream, 1, &ours).await.unwrap(), Appended::Won);
    let with = |act: fn(&Agents, usize), member: usize| {
        let agents = Arc::clone(agents);
        tokio::task::spawn_blocking(move || act(&agents, member))
    };
    with(|agents, member| agents.kill(member), 1).await.unwrap();
    with(|agents, member| agents.kill(member), 2).await.unwrap();
    let begun = Instant::now();
    let error = ledger.read(&stream).await.unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, LedgerError::NoMajority { .. }) && error.is_silence(), "{said}");
    assert!(
        said.contains("1 of its 3 members answers, and none of them leads: Consul has lost its majority"),
        "{said}"
    );
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
    with(Agents::start_again, 1).await.unwrap();
    assert_eq!(ledger.read(&stream).await.unwrap().next(), 2);
    with(|agents, member| agents.kill(member), 0).await.unwrap();
    with(|agents, member| agents.kill(member), 1).await.unwrap();
    let said = ledger.read(&stream).await.unwrap_err().to_string();
    assert!(said.contains("none of its 3 members answers"), "{said}");
}

/// Who begins anew with each look, as a person does who deploys again: after the time of the session, which
/// Consul may double, the lease of somebody who is dead is free.
#[test]
fn the_lease_of_the_dead_is_free_once_their_session_is_over() {
    if !is_there() {
        return;
    }
    let agents = Agents::start();
    let place = agents.place("dead");
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dying = runtime();
    let lease = dying.block_on(take_it(&ledger(&place), "dead", Terms::STACK, 0));
    assert!(lease.is_ok());
    dying.shutdown_background();
    let begun = std::time::Instant::now();
    let took = loop {
        let another = runtime();
        match another.block_on(take_it(&ledger(&place), "next", Terms::STACK, 0)) {
            Ok(_) => break begun.elapsed(),
            Err(NotTaken::Held(busy)) => assert!(busy.age_ms.unwrap() < 1_000, "{busy:?}"),
            Err(NotTaken::Ledger(error)) => panic!("{error}"),
        }
        std::thread::sleep(Duration::from_secs(1));
    };
    eprintln!("the lease of a dead holder is free for a newcomer after {:.0} s", took.as_secs_f64());
    assert!((35..100).contains(&took.as_secs()), "{took:?}");
}

/// The real binary, with a certificate and a token.
#[test]
fn with_certificates_and_a_token_all_of_it_works_and_no_token_is_told() {
    if !is_there() {
        return;
    }
    let agents = Agents::secure();
    let rules = r#"key_prefix "prod/" { policy = "write" } key_prefix "hosts/" { policy = "read" }
        session_prefix "" { policy = "write" } node_prefix "" { policy = "read" } service "docker" { policy = "read" }"#;
    let (token, other) =
        (agents.token("stacks", rules), agents.token("other", r#"key "x" { policy = "read" }"#));
    let mut hosts = Hosts::new(2);
    hosts.room.env("USER", "ann").env("TOKEN", &token).env("OTHER", &other).env("WRONG", "hush-wrong");
    hosts.stackfile(WEB);
    let file = |name: &str| agents.path(name).display().to_string();
    let tls = format!("ca={}&cert={}&key={}", file("ca.pem"), file("ann.pem"), file("ann.key"));
    let at = |prefix: &str, rest: &str| format!("consul://{}/{prefix}?{tls}{rest}", agents.members());
    let run = |status: i32, place: &str, args: &str| {
        let run = hosts.room.run(&format!("{args} --ledger {place}"));
        assert_eq!(run.status, status, "{args}\n{}", run.show());
        for secret in [&token, &other, "hush-wrong"] {
            assert!(!run.show().contains(secret), "{}", run.show());
        }
        run
    };
    let place = at("prod", "&token-env=TOKEN");
    run(0, &place, "deploy --yes --verbose shop");
    hosts.room.file("token", &format!("{token}\n"));
    let from_file = at("prod", &format!("&token-file={}", hosts.path().join("token").display()));
    run(0, &from_file, "suspend shop");
    agents.kill(0);
    agents.start_again(0);
    run(0, &from_file, "resume shop");
    let history = ["history", "--format", "{{.Release}}:{{.Outcome}}", "shop", "--ledger", &place];
    assert_eq!(hosts.run_with(&history, "").stdout, "1:deployed\n");

    for (place, word) in [
        (at("elsewhere", "&token-env=TOKEN"), "permission denied: our token does not allow it"),
        (at("prod", "&token-env=OTHER"), "permission denied: our token does not allow it"),
        (at("prod", ""), "permission denied: nothing is allowed without a token"),
        (at("prod", "&token-env=WRONG"), "does not know our token"),
    ] {
        // What may not be seen is not nothing.
        let said = run(6, &place, "history shop").stderr;
        assert!(flat(&said).contains(word), "{said}");
        run(6, &place, "deploy --yes shop");
    }
    let said = run(1, &at("prod", "&token-env=NONE"), "history shop").stderr;
    assert!(flat(&said).contains("token (variable NONE) cannot be used"), "{said}");
    // Whose certificate is it? And who are we?
    let stranger = format!("consul://{}/prod?ca={}&token-env=TOKEN", agents.members(), file("ann.pem"));
    run(6, &stranger, "history shop");
    let nobody = format!("consul://{}/prod?ca={}&token-env=TOKEN", agents.members(), file("ca.pem"));
    run(6, &nobody, "history shop");
    run(6, &format!("consul://{}/prod?token-env=TOKEN", agents.members()), "history shop");
    let said = run(6, "consul://127.0.0.1:1/prod", "history shop").stderr;
    assert!(flat(&said).contains("none of its 1 member answers"), "{said}");
    for inline in [format!("consul://{token}@h1/prod"), format!("consul://h1/prod?token={token}")] {
        let said = run(1, &inline, "history shop").stderr;
        assert!(said.contains("stackctl::ledger::token_in_address"), "{said}");
        let text = std::fs::read_to_string(hosts.path().join("stackctl.yml")).unwrap();
        hosts.room.file("inline.yml", &format!("ledger: {inline}\n{text}"));
        let refused = hosts.room.run("history shop -i inline.yml");
        assert_eq!(refused.status, 1);
        assert!(!refused.show().contains(&token), "{}", refused.show());
    }

    // Hosts: what a token may not see is an error, for keys and in the catalog.
    agents.register("w1", "127.0.0.1", "docker", &json!({}));
    let found = |source: &str, status: i32, args: &str| {
        let text = format!(
            "cluster: test\nledger: '{place}'\nhosts: {{h1: \"{}\"}}\ndiscover: [{source}]\n",
            hosts.engines[0].address()
        );
        hosts.room.file("found.yml", &text);
        let run = hosts.expect(status, &format!("{args} -i found.yml"));
        assert!(!run.show().contains(&token) && !run.show().contains("hush-wrong"), "{}", run.show());
        run
    };
    let nodes = |source: &str| found(source, 0, "node ls --format {{.Name}}").stdout;
    let refused = |source: &str| flat(&found(source, 6, "diff shop").stderr);
    let keys = |token: &str| format!("{{consul: '{}'}}", at("hosts", &format!("&token-env={token}")));
    let service = |token: &str| {
        let place = format!("consul://{}?{tls}&token-env={token}", agents.members());
        format!("{{consul: '{place}', service: docker}}")
    };
    // The ledger remembers that the stack has tasks on h2, which no source names.
    assert_eq!(nodes(&keys("TOKEN")), "h1\nh2\n");
    assert_eq!(nodes(&service("TOKEN")), "h1\nh2\nw1\n");
    let said = refused(&keys("OTHER"));
    assert!(said.contains("permission denied"), "{said}");
    let said = refused(&service("OTHER"));
    assert!(said.contains("may not see those that do"), "{said}");
    let said = refused(&service("WRONG"));
    assert!(said.contains("does not know our token"), "{said}");
    let said = refused("{consul: 'consul://127.0.0.1:1', service: docker}");
    assert!(said.contains("none of its 1 member answers"), "{said}");
}

/// Two loops: whatever becomes of the one that leads, and of Consul's own leader, one leads soon again.
#[test]
fn of_two_loops_on_consul_one_leads_whatever_is_done_to_them() {
    if !is_there() {
        return;
    }
    let agents = Agents::start();
    let hosts = Hosts::new(2);
    hosts.stackfile(WEB);
    let text = std::fs::read_to_string(hosts.path().join("stackctl.yml")).expect("an inventory");
    hosts.room.file("stackctl.yml", &format!("ledger: {}\n{text}", agents.place("prod")));
    hosts.expect(0, "deploy --yes shop");
    let mut loops: Vec<Loop> = ["ann", "ben"].map(|name| Loop::start(&hosts, name, &[])).into();
    let leading = |loops: &[Loop]| loops.iter().filter(|one| one.is_leading()).count();
    until("somebody leads", Duration::from_secs(20), || leading(&loops) == 1);
    for fault in ["killed", "cut off", "sent away", "Consul's leader killed", "Consul's leader cut off"] {
        let at = loops.iter().position(Loop::is_leading).expect("somebody leads");
        let name = format!("{}-again", loops[at].name);
        // What is under the new lead is to be seen.
        hosts.engines[1].with(|world| world.containers.clear());
        let other = |loops: &[Loop]| loops[1 - at].is_leading();
        let took = match fault {
            "killed" | "sent away" => {
                loops[at].signal(if fault == "killed" { "-KILL" } else { "-INT" });
                let took = until(fault, BOUND, || other(&loops));
                loops[at] = Loop::start(&hosts, &name, &[]);
                took
            }
            "cut off" => {
                loops[at].signal("-STOP");
                let took = until(fault, BOUND, || other(&loops));
                let before = loops[at].types().len();
                loops[at].signal("-CONT");
                until("it learns of it", BOUND, || !loops[at].is_leading());
                let since = loops[at].types().split_off(before);
                let lost = since.iter().position(|word| word == "lead_lost").expect("it says so");
                assert!(!since[..lost].iter().any(|word| word == "acted"), "without the lead: {since:?}");
                took
            }
            _ => {
                let member = agents.leader();
                let is_cut = fault.ends_with("cut off");
                if is_cut {
                    agents.cut(member)
                } else {
                    agents.kill(member)
                }
                std::thread::sleep(Duration::from_secs(6));
                let took = until(fault, BOUND, || leading(&loops) == 1);
                if is_cut {
                    agents.join(member)
                } else {
                    agents.start_again(member)
                }
                took
            }
        };
        assert_eq!(leading(&loops), 1, "{fault}");
        eprintln!("{fault}: somebody leads again after {:.1} s", took.as_secs_f64());
        until("the stack is whole", Duration::from_secs(90), || hosts.running().len() == 2);
    }
}
