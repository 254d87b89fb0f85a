//! What is ZooKeeper's alone: members that die or are cut off, a majority that is lost, logins, and hosts
//! that are found there.

use std::sync::Arc;
use std::time::Duration;

use stackctl::ledger::payload::value;
use stackctl::ledger::place::LedgerPlace;
use stackctl::ledger::zookeeper::open;
use stackctl::ledger::{Appended, Kind, Ledger, Limits, Stream, ZookeeperRegisters};
use stackctl::model::ClusterName;
use tokio::time::Instant;

use crate::hosts::Hosts;
use crate::laws::{Backend, all_hold};
use crate::moments::{Moment, a_member_that_dies_or_is_cut_off_costs_a_moment};
use crate::records::{self, From};
use crate::zoo::{Zoo, is_there};

fn ledger(place: &str, password: Option<&str>) -> Arc<Ledger<ZookeeperRegisters>> {
    let Ok(LedgerPlace::Zookeeper(place)) = LedgerPlace::parse(place) else { panic!("{place}") };
    let session = open(&place, |_| password.map(str::to_owned)).unwrap();
    let cluster = ClusterName::new("test").unwrap();
    Arc::new(Ledger::new(ZookeeperRegisters::new(Arc::new(session), &cluster), Limits::default()))
}

impl Backend for Zoo {
    type Registers = ZookeeperRegisters;

    fn open(&self, cluster: &ClusterName) -> Arc<Ledger<ZookeeperRegisters>> {
        let Ok(LedgerPlace::Zookeeper(place)) = LedgerPlace::parse(&self.place("laws")) else { panic!() };
        let session = Arc::new(open(&place, |_| None).unwrap());
        Arc::new(Ledger::new(ZookeeperRegisters::new(session, cluster), Limits::default()))
    }
}

/// One ZooKeeper for all of it: its members take their time to begin.
#[test]
fn a_ledger_in_zookeeper() {
    if !is_there() {
        return;
    }
    let zoo = Arc::new(Zoo::start());
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime().block_on(all_hold(&zoo));
    records::go_there_and_back(&*zoo, From::Volumes);
    hosts_are_found_there(&zoo);
    runtime().block_on(a_stranger_reads_nothing(&zoo));
    let moment = Moment { slowest: Duration::from_secs(30), may_be_silent: true };
    runtime().block_on(a_member_that_dies_or_is_cut_off_costs_a_moment(&zoo, moment));
    runtime().block_on(without_a_majority_it_is_said(&zoo));
}

/// Hosts are nodes below a path.
fn hosts_are_found_there(zoo: &Zoo) {
    let cluster = Hosts::new(2);
    let engines = &cluster.engines;
    cluster.room.file(
        "stackctl.yml",
        &format!(
            "cluster: test\nledger: {}\nhosts: {{h1: \"{}\"}}\ndiscover: [{{zookeeper: '{}', timeout: 8s}}]\n",
            zoo.place("found"),
            engines[0].address(),
            zoo.place("hosts")
        ),
    );
    let nodes = || cluster.expect(0, "node ls --format {{.Name}}").stdout;
    assert_eq!(nodes(), "h1\n");
    let entry = format!("\"{}\"", engines[1].address());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use zookeeper_client::{Acls, Client, CreateMode};
        let client = Client::connect(&zoo.members()).await.unwrap();
        let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
        client.mkdir("/hosts", &options).await.unwrap();
        client.create("/hosts/h2", entry.as_bytes(), &options).await.unwrap();
    });
    assert_eq!(nodes(), "h1\nh2\n");
}

async fn a_stranger_reads_nothing(zoo: &Zoo) {
    let place = format!("zookeeper://ann@{}/closed?password-env=PW", zoo.members());
    let stream = Stream::new(Kind::Releases, "shop");
    let ours = ledger(&place, Some("hush"));
    let word = value(ours.registers(), 1.into());
    assert_eq!(ours.append(&stream, 1, &word).await.unwrap(), Appended::Won);
    assert_eq!(ours.read(&stream).await.unwrap().next(), 2);
    for stranger in [ledger(&place, Some("wrong")), ledger(&zoo.place("closed"), None)] {
        let said = stranger.read(&stream).await.unwrap_err().to_string();
        assert!(said.contains("we may not") && !said.contains("wrong"), "{said}");
    }
}

/// And with the one it is again: all that was written is there.
async fn without_a_majority_it_is_said(zoo: &Arc<Zoo>) {
    let ledger = ledger(&zoo.place("majority"), None);
    let stream = Stream::new(Kind::Releases, "shop");
    let ours = value(ledger.registers(), 1.into());
    assert_eq!(ledger.append(&stream, 1, &ours).await.unwrap(), Appended::Won);
    let with = |act: fn(&Zoo, usize), member: usize| {
        let zoo = Arc::clone(zoo);
        tokio::task::spawn_blocking(move || act(&zoo, member))
    };
    with(|zoo, member| zoo.kill(member), 1).await.unwrap();
    with(|zoo, member| zoo.kill(member), 2).await.unwrap();
    let begun = Instant::now();
    let error = ledger.read(&stream).await.unwrap_err();
    assert!(error.is_silence() && begun.elapsed() < Duration::from_secs(9), "{error}");
    with(Zoo::start_again, 1).await.unwrap();
    assert_eq!(ledger.read(&stream).await.unwrap().next(), 2);
}
