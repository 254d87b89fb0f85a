//! What holds of every ledger, whoever keeps it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stackctl::engine::lease::{Lease, NotTaken, Wanted, take, unlock};
use stackctl::engine::{Clock, node_records};
use stackctl::ledger::contents::{self, ContentRef};
use stackctl::ledger::lease::{Holder, Left, Note, Terms, held, stream};
use stackctl::ledger::payload::value;
use stackctl::ledger::release::{Outcome, Release, outcomes, releases};
use stackctl::ledger::settings::{self, Suspended};
use stackctl::ledger::{
    Appended, FileRegisters, Kind, Ledger, LedgerError, Limits, Place, ReadRegisters as _, Stream,
    WriteRegisters, document,
};
use stackctl::model::{ClusterName, MarkKey, NodeName, StackName, StackSpec, Timestamp};
use tokio::time::{sleep, timeout};

/// Opens the ledger of a cluster, each time as another program would.
pub trait Backend: Send + Sync + 'static {
    type Registers: WriteRegisters + Send + Sync + 'static;
    fn open(&self, cluster: &ClusterName) -> Arc<Ledger<Self::Registers>>;
}

struct Files(tempfile::TempDir);

impl Backend for Files {
    type Registers = FileRegisters;

    fn open(&self, cluster: &ClusterName) -> Arc<Ledger<FileRegisters>> {
        Arc::new(Ledger::new(FileRegisters::new(self.0.path(), cluster), Limits::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_law_holds_in_a_directory() {
    all_hold(&Arc::new(Files(tempfile::tempdir().unwrap()))).await;
}

/// Each law has a cluster of its own, and all are tried at once.
pub async fn all_hold<B: Backend>(backend: &Arc<B>) {
    let named = |name: &str| (Arc::clone(backend), ClusterName::new(name).unwrap());
    let laws = [
        ("places", tokio::spawn(a_place_is_won_once(named("places")))),
        ("trims", tokio::spawn(what_is_trimmed_does_not_come_back(named("trims")))),
        ("one", tokio::spawn(one_has_the_lease_at_a_time(named("one")))),
        ("many", tokio::spawn(many_want_the_lease_and_never_two_have_it(named("many")))),
        ("signs", tokio::spawn(signs_of_life_keep_the_lease(named("signs")))),
        ("over", tokio::spawn(a_dead_leader_is_followed(named("over")))),
        ("follow", tokio::spawn(a_leader_that_leaves_is_followed_at_once(named("follow")))),
        ("document", tokio::spawn(documents_lose_no_change(named("document")))),
        ("releases", tokio::spawn(releases_are_remembered(named("releases")))),
        ("contents", tokio::spawn(contents_are_kept_apart(named("contents")))),
    ];
    for (name, law) in laws {
        law.await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn holder(id: &str) -> Holder {
    Holder { id: id.into(), who: "a@m".into(), pid: 1, process: String::new(), verb: "deploy".into() }
}

fn shop() -> StackName {
    StackName::new("shop").unwrap()
}

pub async fn take_it<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    id: &str,
    terms: Terms,
    patience_ms: i64,
) -> Result<Lease<R>, NotTaken> {
    let wanted = Wanted { stream: stream(&shop()), holder: holder(id), terms, patience_ms };
    take(ledger, Clock::start(None).unwrap(), wanted, |_| false, |_| ()).await
}

type On<B> = (Arc<B>, ClusterName);

async fn a_place_is_won_once<B: Backend>((backend, cluster): On<B>) {
    let stream = Stream::new(Kind::Releases, "shop");
    let writers = (0..8).map(|writer| {
        let (ledger, stream) = (backend.open(&cluster), stream.clone());
        tokio::spawn(async move {
            let mut won = Vec::new();
            for seq in 1..=20 {
                let ours = value(ledger.registers(), format!("{writer}.{seq}").into());
                if ledger.append(&stream, seq, &ours).await.unwrap() == Appended::Won {
                    won.push(seq);
                    // Said again after an answer that was lost.
                    assert_eq!(ledger.append(&stream, seq, &ours).await.unwrap(), Appended::Won);
                }
            }
            won
        })
    });
    let mut won = Vec::new();
    for writer in futures_util::future::join_all(writers).await {
        won.append(&mut writer.unwrap());
    }
    won.sort_unstable();
    assert_eq!(won, (1..=20).collect::<Vec<_>>());
    let ledger = backend.open(&cluster);
    assert!(ledger.stacks().await.unwrap().is_empty(), "nothing is written without a lease");
    take_it(&ledger, "a", Terms::STACK, 0).await.unwrap().release().await.unwrap();
    assert_eq!(ledger.stacks().await.unwrap(), [shop()].into());
    // Large ones, too: a stack with its configs.
    let text: String = (0..60_000_u64).map(|n| (n * 7_919 % 104_729).to_string()).collect();
    let large = value(ledger.registers(), text.into());
    assert_eq!(ledger.append(&stream, 21, &large).await.unwrap(), Appended::Won);
    let log = ledger.read(&stream).await.unwrap();
    assert_eq!((log.entries.len(), log.next(), &*log.entries[&21].value), (21, 22, &large));
    // Another cluster sees nothing of it.
    let other = backend.open(&ClusterName::new("place").unwrap());
    assert!(other.read(&stream).await.unwrap().entries.is_empty());
}

/// In chunks as large as they come, beside registers of one stream that are never listed.
async fn contents_are_kept_apart<B: Backend>((backend, cluster): On<B>) {
    let ledger = backend.open(&cluster);
    let bytes: Vec<u8> = (0..990_000_u64).map(|n| (n * 7_919 % 251) as u8).collect();
    let key = MarkKey::new([7; 32]);
    let content = ContentRef::of(&key, &shop(), &bytes);
    let other = ContentRef::of(&key, &shop(), b"");
    let all = [(content.clone(), &bytes[..]), (other.clone(), &b""[..])].into();
    let unread = [content.clone(), other.clone()].into();
    contents::put(&ledger, &shop(), &all, &unread).await.unwrap();
    contents::put(&ledger, &shop(), &all, &unread).await.unwrap();
    let again = backend.open(&cluster);
    assert_eq!(contents::get(&again, &shop(), &content).await, Ok(bytes.clone()));
    assert_eq!(contents::get(&again, &shop(), &other).await, Ok(Vec::new()));
    let chunks = Stream::new(Kind::Chunks, "shop");
    assert_eq!(again.registers().get(0, &chunks, Place { seq: 1, round: 0 }).await, Ok(None));
    let release = serde_json::json!({ "contents": { "page": other } });
    let named = value(ledger.registers(), release);
    assert_eq!(ledger.append(&releases(&shop()), 1, &named).await.unwrap(), Appended::Won);
    contents::tidy(&ledger, &shop(), || true).await.unwrap();
    let shelf = contents::shelf(&ledger, &shop()).await.unwrap();
    assert_eq!(shelf.contents(), [other].into());
    assert!(contents::get(&again, &shop(), &content).await.is_err());
    assert_eq!(again.registers().list(0, &chunks).await.unwrap(), Vec::new());
}

async fn what_is_trimmed_does_not_come_back<B: Backend>((backend, cluster): On<B>) {
    let ledger = backend.open(&cluster);
    let stream = Stream::new(Kind::Lease, "shop");
    let note = |id: &str| {
        let note = Note::Acquire { holder: holder(id), ttl_ms: 15_000, drain_ms: 0, left: Left::default() };
        value(ledger.registers(), serde_json::json!(note))
    };
    for seq in 1..=12 {
        ledger.append(&stream, seq, &note(&format!("{seq}"))).await.unwrap();
        ledger.trim(&stream, &ledger.read(&stream).await.unwrap()).await;
    }
    assert_eq!(ledger.read(&stream).await.unwrap().entries.keys().next(), Some(&6));
    // A writer that slept, and a request of its that comes late, after all that it would have noticed.
    let error = ledger.append(&stream, 2, &note("late")).await.unwrap_err();
    assert!(matches!(error, LedgerError::Overtaken { .. }), "{error}");
    let late = Some(note("later").pack());
    ledger.registers().create(0, &stream, Place { seq: 3, round: 0 }, &late).await.unwrap();
    let log = ledger.read(&stream).await.unwrap();
    assert_eq!(held(&log).unwrap().map(|held| held.holder.id), Some("12".to_owned()));
    assert!(log.entries.keys().all(|seq| *seq >= 6), "{:?}", log.entries.keys());
}

async fn one_has_the_lease_at_a_time<B: Backend>((backend, cluster): On<B>) {
    let ledger = backend.open(&cluster);
    let first = take_it(&ledger, "a", Terms::STACK, 0).await.unwrap();
    assert!(first.validity().is_valid());
    let Err(NotTaken::Held(busy)) = take_it(&backend.open(&cluster), "b", Terms::STACK, 0).await else {
        panic!("two have it")
    };
    assert_eq!((busy.held.holder.id.as_str(), busy.held.epoch), ("a", first.epoch()));
    let age_ms = busy.age_ms.unwrap();
    assert!((0..5_000).contains(&age_ms), "{age_ms}");
    let validity = first.validity().clone();
    first.release().await.unwrap();
    assert!(!validity.is_valid());
    let second = take_it(&ledger, "b", Terms::STACK, 0).await.unwrap();
    assert_eq!(unlock(&ledger, &shop(), "a", "op", |_| false).await.unwrap(), None);
    assert_eq!(unlock(&ledger, &shop(), "b", "op", |_| false).await.unwrap().unwrap().holder.id, "b");
    let third = take_it(&ledger, "c", Terms::STACK, 0).await.unwrap();
    // What the one that was taken over gives back ends nothing.
    second.release().await.unwrap();
    assert!(matches!(take_it(&ledger, "d", Terms::STACK, 0).await, Err(NotTaken::Held(_))));
    third.release().await.unwrap();
}

async fn many_want_the_lease_and_never_two_have_it<B: Backend>((backend, cluster): On<B>) {
    let inside = Arc::new(AtomicU64::new(0));
    let all = (0..5).map(|n| {
        let (ledger, inside) = (backend.open(&cluster), Arc::clone(&inside));
        tokio::spawn(async move {
            let mut last = 0;
            for round in 0..3 {
                let lease = take_it(&ledger, &format!("{n}.{round}"), Terms::STACK, i64::MAX).await.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                assert!(lease.epoch() > last, "epochs only grow");
                last = lease.epoch();
                sleep(Duration::from_millis(2)).await;
                inside.fetch_sub(1, Ordering::SeqCst);
                lease.release().await.unwrap();
            }
        })
    });
    for one in futures_util::future::join_all(all).await {
        one.unwrap();
    }
}

async fn signs_of_life_keep_the_lease<B: Backend>((backend, cluster): On<B>) {
    let ledger = backend.open(&cluster);
    for _ in 0..6 {
        take_it(&ledger, "a", Terms::STACK, 0).await.unwrap().release().await.unwrap();
    }
    let lease = take_it(&ledger, "a", Terms::STACK, 0).await.unwrap();
    sleep(Duration::from_secs(11)).await;
    let log = ledger.read(&stream(&shop())).await.unwrap();
    let now = held(&log).unwrap().unwrap();
    assert_eq!((now.epoch, now.sign), (lease.epoch(), lease.epoch() + 2), "renewed twice");
    let age_ms = now.age_ms(&log, &ledger.clocks().await.unwrap()).unwrap();
    assert!((0..5_000).contains(&age_ms), "{age_ms}");
    assert!(log.entries.len() <= 8, "{:?}", log.entries.keys());
    assert!(lease.validity().is_valid());
    // Ended in its name: it learns of it at its next sign of life.
    unlock(&ledger, &shop(), "a", "op", |_| false).await.unwrap().unwrap();
    sleep(Duration::from_secs(6)).await;
    assert!(!lease.validity().is_valid());
}

/// On a runtime of its own, which ends in the middle: a program that is killed.
async fn a_dead_leader_is_followed<B: Backend>((backend, cluster): On<B>) {
    let (dying, of) = (Arc::clone(&backend), cluster.clone());
    let validity = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let lease = runtime.block_on(async {
            let lease = take_it(&dying.open(&of), "a", Terms::LEADER, 0).await.unwrap();
            sleep(Duration::from_millis(2_700)).await;
            lease
        });
        runtime.shutdown_background();
        lease.validity().clone()
    });
    let validity = validity.await.unwrap();
    let died = tokio::time::Instant::now();
    // Who has not waited is told that it is held, and how old its last sign is; once it is old, it is free.
    let ledger = backend.open(&cluster);
    let mut ages = Vec::new();
    let second = loop {
        match take_it(&ledger, "b", Terms::LEADER, 0).await {
            Ok(lease) => break lease,
            Err(NotTaken::Held(busy)) => ages.push(busy.age_ms.unwrap()),
            Err(NotTaken::Ledger(error)) => panic!("{error}"),
        }
        sleep(Duration::from_millis(250)).await;
    };
    let took = died.elapsed();
    assert!(!validity.is_valid(), "two lead");
    assert!(ages.is_sorted() && ages.len() > 10, "{ages:?}");
    // One time of day is no proof: a whole TTL is watched besides.
    let most = if ledger.registers().measures_age() { 13 } else { 23 };
    assert!(took < Duration::from_secs(most), "{took:?}: {ages:?}");
    second.release().await.unwrap();
}

async fn a_leader_that_leaves_is_followed_at_once<B: Backend>((backend, cluster): On<B>) {
    let first = take_it(&backend.open(&cluster), "a", Terms::LEADER, 0).await.unwrap();
    let ledger = backend.open(&cluster);
    let standby = tokio::spawn(async move { take_it(&ledger, "b", Terms::LEADER, i64::MAX).await.unwrap() });
    sleep(Duration::from_secs(4)).await;
    assert!(!standby.is_finished());
    first.release().await.unwrap();
    let second = timeout(Duration::from_millis(1_500), standby).await.expect("it is told").unwrap();
    second.release().await.unwrap();
}

async fn documents_lose_no_change<B: Backend>((backend, cluster): On<B>) {
    let writers = (0..4).map(|writer| {
        let ledger = backend.open(&cluster);
        tokio::spawn(async move {
            for n in 0..4 {
                node_records::change(&ledger, |records| {
                    let fresh = || serde_json::from_str(r#"{"who":"a@m","at":0}"#).unwrap();
                    let node = records.nodes.entry(NodeName::new("h1").unwrap()).or_insert_with(fresh);
                    node.labels.insert(format!("{writer}.{n}"), Some(String::new()));
                    Ok::<(), LedgerError>(())
                })
                .await
                .unwrap();
            }
        })
    });
    for writer in futures_util::future::join_all(writers).await {
        writer.unwrap();
    }
    let ledger = backend.open(&cluster);
    let (_, records) = node_records::read(&ledger).await.unwrap();
    assert_eq!(records.nodes["h1"].labels.len(), 16);
    let suspended = Suspended { who: "ann@mill".into(), at: Timestamp(5), why: None };
    let (_, after) =
        settings::change(&ledger, &shop(), |settings| settings.suspended = Some(suspended.clone()))
            .await
            .unwrap();
    // Left half written by somebody: nobody guesses, and whoever may write settles it.
    let (stream, place) = (settings::stream(&shop()), Place { seq: 2, round: 0 });
    ledger.registers().create(0, &stream, place, &None).await.unwrap();
    let error = settings::settings(&ledger, &shop()).await.unwrap_err();
    assert!(matches!(error, LedgerError::Undecided { seq: 2, .. }), "{error}");
    document::repair(&ledger, &stream).await.unwrap();
    assert_eq!(settings::settings(&ledger, &shop()).await.unwrap(), after);
}

async fn releases_are_remembered<B: Backend>((backend, cluster): On<B>) {
    let ledger = backend.open(&cluster);
    for number in 1..=60 {
        let release =
            Release::of(StackSpec::empty(shop()), "deploy".into(), "ann@mill".into(), Timestamp(number));
        let seq = number.unsigned_abs();
        let ours = value(ledger.registers(), serde_json::json!(release));
        assert_eq!(ledger.append(&releases(&shop()), seq, &ours).await.unwrap(), Appended::Won);
        let ours = value(ledger.registers(), serde_json::json!(Outcome::Deployed));
        assert_eq!(ledger.append(&outcomes(&shop()), seq, &ours).await.unwrap(), Appended::Won);
    }
    let (history, log, _) = stackctl::engine::records::history(&ledger, &shop()).await.unwrap();
    assert_eq!(history.current().unwrap().number, 60);
    ledger.trim(&releases(&shop()), &log).await;
    let log = ledger.read(&releases(&shop())).await.unwrap();
    assert_eq!((log.entries.len(), log.entries.keys().next()), (50, Some(&11)));
}
