//! What is etcd's alone: members that die or are cut off, a majority that is lost, certificates and logins.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use stackctl::ledger::etcd::open;
use stackctl::ledger::payload::value;
use stackctl::ledger::place::LedgerPlace;
use stackctl::ledger::{Appended, EtcdRegisters, Kind, Ledger, LedgerError, Limits, Stream};
use stackctl::model::ClusterName;
use tokio::time::Instant;

use crate::hosts::Hosts;
use crate::laws::{Backend, all_hold};
use crate::moments::{Moment, a_member_that_dies_or_is_cut_off_costs_a_moment};
use crate::records::WEB;
use crate::server::{Server, is_there};

impl Backend for Server {
    type Registers = EtcdRegisters;

    fn open(&self, cluster: &ClusterName) -> Arc<Ledger<EtcdRegisters>> {
        let Ok(LedgerPlace::Etcd(place)) = LedgerPlace::parse(&self.place("stackctl")) else { panic!() };
        let client = open(&place, |_| None).unwrap();
        Arc::new(Ledger::new(EtcdRegisters::new(client, cluster), Limits::default()))
    }
}

fn cluster() -> ClusterName {
    ClusterName::new("test").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_law_holds_on_etcd() {
    if is_there() {
        all_hold(&Arc::new(Server::start())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_etcd_that_dies_or_is_cut_off_costs_a_moment() {
    if is_there() {
        let moment = Moment { slowest: Duration::from_secs(4), may_be_silent: false };
        a_member_that_dies_or_is_cut_off_costs_a_moment(&Arc::new(Server::start()), moment).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_it_is_said_and_with_it_all_goes_on() {
    if !is_there() {
        return;
    }
    let server = Arc::new(Server::start());
    let ledger = server.open(&cluster());
    let stream = Stream::new(Kind::Releases, "shop");
    let ours = value(ledger.registers(), 1.into());
    assert_eq!(ledger.append(&stream, 1, &ours).await.unwrap(), Appended::Won);
    let with = |act: fn(&Server, usize), member: usize| {
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || act(&server, member))
    };
    with(|server, member| server.kill(member), 1).await.unwrap();
    with(|server, member| server.kill(member), 2).await.unwrap();
    let begun = Instant::now();
    let error = ledger.read(&stream).await.unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, LedgerError::NoMajority { .. }) && error.is_silence(), "{said}");
    assert!(
        said.contains("1 of its 3 members answers, and none of them leads: etcd has lost its majority"),
        "{said}"
    );
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
    with(Server::start_again, 1).await.unwrap();
    assert_eq!(ledger.read(&stream).await.unwrap().entries.len(), 1);
    with(|server, member| server.kill(member), 0).await.unwrap();
    with(|server, member| server.kill(member), 1).await.unwrap();
    let said = ledger.read(&stream).await.unwrap_err().to_string();
    assert!(said.contains("none of its 3 members answers"), "{said}");
}

/// The real binary, with a certificate, as a user with a password.
#[test]
fn with_certificates_and_a_login_all_of_it_works_and_no_password_is_told() {
    if !is_there() {
        return;
    }
    let server = Server::secure();
    let mut hosts = Hosts::new(2);
    hosts.room.env("USER", "ann").env("STACKCTL_NOW", "2026-01-31T12:00:00Z").env("PW", "hush");
    hosts.stackfile(WEB);
    let file = |name: &str| server.path(name).display().to_string();
    let tls = format!("ca={}&cert={}&key={}", file("ca.pem"), file("ann.pem"), file("ann.key"));
    let at = |prefix: &str, rest: &str| format!("etcd://ann@{}/{prefix}?{tls}&{rest}", server.members());
    let place = at("prod", "password-env=PW");
    let run = |status: i32, place: &str, args: &str| {
        let run = hosts.room.run(&format!("{args} --ledger {place}"));
        assert_eq!(run.status, status, "{args}\n{}", run.show());
        assert!(!run.show().contains("hush"), "{}", run.show());
        run
    };
    run(0, &place, "deploy --yes --verbose shop");
    let history = ["history", "--format", "{{.Release}}:{{.Outcome}}", "shop", "--ledger", &place];
    assert_eq!(hosts.run_with(&history, "").stdout, "1:deployed\n");
    hosts.room.file("pw", "hush\n");
    let from_file = at("prod", &format!("password-file={}", hosts.path().join("pw").display()));
    run(0, &from_file, "suspend shop");
    // A member that comes back knows of no login any more: it is asked for anew.
    server.kill(0);
    server.start_again(0);
    run(0, &from_file, "resume shop");

    let said = run(6, &at("elsewhere", "password-env=PW"), "history shop").stderr;
    assert!(said.contains("permission denied"), "{said}");
    hosts.room.file("wrong", "hushhush\n");
    let wrong = at("prod", &format!("password-file={}", hosts.path().join("wrong").display()));
    let said = run(6, &wrong, "history shop").stderr;
    assert!(said.contains("as ann: authentication failed"), "{said}");
    let said = run(1, &at("prod", "password-env=NONE"), "history shop").stderr;
    assert!(said.contains("password (variable NONE) cannot be used"), "{said}");
    let plain = format!("etcd://{}/prod", server.members());
    run(6, &plain, "history shop");
    // Whose certificate is it?
    let stranger = format!("etcd://{}/prod?ca={}", server.members(), file("ann.pem"));
    run(6, &stranger, "history shop");
    let inline = format!("etcd://ann:hush@{}/prod?{tls}", server.members());
    let said = run(1, &inline, "history shop").stderr;
    assert!(said.contains("stackctl::ledger::password_in_address"), "{said}");
    let text = std::fs::read_to_string(hosts.path().join("stackctl.yml")).unwrap();
    hosts.room.file("stackctl.yml", &format!("ledger: {inline}\n{text}"));
    let refused = hosts.room.run("history shop");
    assert_eq!(refused.status, 1);
    assert!(!refused.show().contains("hush"), "{}", refused.show());
}

/// What a member has on its disk, and what the records say, has no value of a secret or of a release.
#[test]
fn no_value_is_on_a_disk_of_etcd() {
    if !is_there() {
        return;
    }
    const SECRET: &str = "canary-0d9b5c";
    const RELEASED: &str = "released-6611fa";
    let server = Server::start();
    let mut hosts = Hosts::new(2);
    let home = hosts.path().display().to_string();
    hosts.room.env("HOME", &home);
    hosts.room.file("secret.txt", &format!("{SECRET}-1"));
    hosts.room.file("next.txt", &format!("{SECRET}-2"));
    hosts.stackfile(&WEB.replace("image:", &format!("environment: {{TOKEN: {RELEASED}}}, image:")));
    let run = |words: &str| {
        let run = hosts.room.run(&format!("{words} --ledger {}", server.place("prod")));
        assert_eq!(run.status, 0, "{words}\n{}", run.show());
    };
    run("key init");
    run("secret create password secret.txt");
    run("deploy --yes shop");
    run("secret rotate password next.txt");
    run("key rotate");
    run("ledger backup --unencrypted records");
    let records = std::fs::read_to_string(hosts.path().join("records")).expect("the records");
    assert!(records.contains("password") && records.contains("shop"), "names are what they are");
    server.put("elsewhere", "planted-93ab10");
    let found = |word: &str| {
        let mut grep = std::process::Command::new("grep");
        grep.args(["-raF", "-e", word]).args((0..3).map(|member| server.path(&format!("m{member}"))));
        let found = grep.output().expect("grep").status.success();
        found || records.contains(word)
    };
    assert!(found("planted-93ab10"), "the search finds what is there");
    for word in [SECRET, RELEASED] {
        let shifted = |at: usize| {
            let text = base64::engine::general_purpose::STANDARD.encode(format!("{}{word}", "x".repeat(at)));
            text[4..text.len() - 4].to_owned()
        };
        assert!(!found(word) && (0..3).all(|at| !found(&shifted(at))), "{word}");
    }
}

/// A ledger that is open for long outlives its login: a member that was started again knows of none.
#[test]
fn who_is_logged_in_logs_in_again_when_need_be() {
    if !is_there() {
        return;
    }
    let server = Server::secure();
    let file = |name: &str| server.path(name).display().to_string();
    let place = format!(
        "etcd://ann@{}/prod?ca={}&cert={}&key={}&password-env=PW",
        server.members(),
        file("ca.pem"),
        file("ann.pem"),
        file("ann.key"),
    );
    let Ok(LedgerPlace::Etcd(place)) = LedgerPlace::parse(&place) else { panic!() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let ledger = runtime.block_on(async {
        let client = open(&place, |_| Some("hush".to_owned())).unwrap();
        Ledger::new(EtcdRegisters::new(client, &cluster()), Limits::default())
    });
    let stream = Stream::new(Kind::Lease, "shop");
    let append = |seq: u64| {
        let ours = value(ledger.registers(), seq.into());
        runtime.block_on(ledger.append(&stream, seq, &ours)).unwrap()
    };
    assert_eq!(append(1), Appended::Won);
    server.kill(0);
    server.start_again(0);
    assert_eq!(append(2), Appended::Won);
    assert_eq!(runtime.block_on(ledger.read(&stream)).unwrap().entries.len(), 2);
}

/// Hosts are keys below a prefix; what another prefix holds, the ledger's among it, is none of theirs.
#[test]
fn hosts_are_found_in_etcd() {
    if !is_there() {
        return;
    }
    let server = Server::start();
    let cluster = Hosts::new(3);
    let engines = &cluster.engines;
    cluster.room.file(
        "stackctl.yml",
        &format!(
            "cluster: test\nledger: {}\nhosts: {{h1: \"{}\"}}\ndiscover: [{{etcd: '{}', timeout: 5s}}]\n",
            server.place("prod"),
            engines[0].address(),
            server.place("hosts")
        ),
    );
    cluster.stackfile(&WEB.replace("replicas: 2", "mode: global"));
    let put = |at: usize| {
        let entry = format!(r#"{{"address":"{}","role":"manager"}}"#, engines[at].address());
        server.put(&format!("hosts/{}", engines[at].name()), &entry);
    };
    put(1);
    server.put("hosts-of-others/h9", "nonsense");
    let nodes = || cluster.expect(0, "node ls --format {{.Name}}:{{.Role}}").stdout;
    assert_eq!(nodes(), "h1:worker\nh2:manager\n");
    put(2);
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(cluster.running().len(), 3);
    server.put("hosts/h4", "nonsense");
    let run = cluster.expect(6, "diff shop");
    assert!(run.stderr.contains("the value of `h4` is not JSON"), "{}", run.show());
    server.etcdctl("del hosts/ --prefix");
    let run = cluster.expect(6, "deploy --yes shop");
    assert!(run.stderr.contains("names 0 of the 2 hosts it named before"), "{}", run.show());
    (0..3).for_each(|member| server.kill(member));
    let run = cluster.expect(6, "diff shop");
    assert!(run.stderr.contains("stackctl::cluster::hosts_unknown"), "{}", run.show());
}
