//! Leases on a ledger of files: taken, renewed, lost, left and handed on with what is under way.

use std::path::Path;

use super::*;
use crate::ledger::{FileRegisters, Limits};
use crate::model::ClusterName;

fn ledger(dir: &Path) -> Arc<Ledger<FileRegisters>> {
    let registers = FileRegisters::new(dir, &ClusterName::unchecked("test"));
    Arc::new(Ledger::new(registers, Limits::default()))
}

fn holder(id: &str) -> Holder {
    Holder { id: id.into(), who: "a@m".into(), pid: 1, process: String::new(), verb: "deploy".into() }
}

async fn take_it(
    ledger: &Arc<Ledger<FileRegisters>>,
    id: &str,
    patience_ms: i64,
    is_gone: bool,
) -> Result<Lease<FileRegisters>, NotTaken> {
    let stack = StackName::unchecked("shop");
    let terms = Terms::STACK;
    let wanted = Wanted { stream: stream(&stack), holder: holder(id), terms, patience_ms };
    take(ledger, Clock::start(None).unwrap(), wanted, |_| is_gone, |_| ()).await
}

#[tokio::test]
async fn one_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let first = take_it(&ledger, "a", 0, false).await.unwrap();
    assert!(first.validity().is_valid());
    let Err(NotTaken::Held(busy)) = take_it(&ledger, "b", 0, false).await else { panic!() };
    assert_eq!((busy.held.holder.id.as_str(), busy.held.epoch), ("a", first.epoch()));
    assert!(busy.age_ms.unwrap() < 5_000);
    let validity = first.validity().clone();
    first.release().await.unwrap();
    assert!(!validity.is_valid());
    let second = take_it(&ledger, "b", 0, false).await.unwrap();
    // Its holder is known to be gone.
    let third = take_it(&ledger, "c", 0, true).await.unwrap();
    assert!(third.epoch() > second.epoch());
    // The previous holder's release ends nothing.
    second.release().await.unwrap();
    assert!(matches!(take_it(&ledger, "d", 0, false).await, Err(NotTaken::Held(_))));
    let stack = StackName::unchecked("shop");
    assert_eq!(unlock(&ledger, &stack, "b", "op").await.unwrap(), None);
    assert_eq!(unlock(&ledger, &stack, "c", "op").await.unwrap().unwrap().holder.id, "c");
    take_it(&ledger, "d", 0, false).await.unwrap().release().await.unwrap();
    drop(third);
}

#[tokio::test]
async fn a_suspended_machine_needs_a_new_heartbeat() {
    let dir = tempfile::tempdir().unwrap();
    let lease = take_it(&ledger(dir.path()), "a", 0, false).await.unwrap();
    let validity = lease.validity();
    assert_eq!(validity.token(), Some(&*format!("shop/{}", lease.epoch())));
    // As if it had slept since.
    let term = validity.0.as_ref().unwrap();
    term.slept_ms.fetch_sub(3_600_000, Ordering::SeqCst);
    assert!(!validity.is_valid());
    validity.extend(Sent::now(term.clock), Terms::STACK);
    assert!(validity.is_valid());
}

#[tokio::test]
async fn what_may_still_arrive_keeps_the_lease_whoever_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    take_it(&ledger, "a", 0, false).await.unwrap().leave().await.unwrap();
    // Even of a process that is known to be gone.
    let Err(NotTaken::Held(busy)) = take_it(&ledger, "b", 0, true).await else { panic!() };
    assert!(busy.held.is_left() && busy.held.left_ms(None, 0) > 100_000, "{busy:?}");
    let stack = StackName::unchecked("shop");
    unlock(&ledger, &stack, "a", "op").await.unwrap().unwrap();
    take_it(&ledger, "b", 0, false).await.unwrap();
}

fn begun(task: &str, grace_ms: i64) -> BegunStop {
    use crate::model::{NodeName, TaskId};
    BegunStop::new(NodeName::unchecked("h1"), TaskId::unchecked(task), "web.1".into(), grace_ms)
}

/// The tasks whose stops a lease inherited.
fn inherited(lease: &Lease<FileRegisters>) -> Vec<String> {
    lease.stops_left().into_iter().map(|stop| stop.task.to_string()).collect()
}

#[tokio::test]
async fn a_long_stop_is_in_the_ledger_before_it_is_sent_and_is_handed_on_until_it_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let first = take_it(&ledger, "a", 0, false).await.unwrap();
    let stops = first.validity().stops().unwrap().clone();
    stops.begin(begun("short", 10_000)).await;
    let (log, _) = look(&ledger, &StackName::unchecked("shop")).await.unwrap();
    assert_eq!(log.next(), 2, "the engines' own grace costs no write");
    stops.begin(begun("long", 40_000)).await;
    let (log, state) = look(&ledger, &StackName::unchecked("shop")).await.unwrap();
    let tasks: Vec<&str> = state.stops().map(|stop| stop.task.as_str()).collect();
    assert_eq!((log.next(), tasks), (3, vec!["long", "short"]), "one write, and all of them are in it");
    kill(first);
    // Its successor dies before anything is over, and does not know the time that is left any better.
    let second = take_it(&ledger, "b", 0, true).await.unwrap();
    assert_eq!(inherited(&second), ["long", "short"]);
    assert_eq!(second.found().dead.as_ref().map(|dead| dead.id.as_str()), Some("a"));
    assert!(second.found().is_cut_short);
    kill(second);
    let third = take_it(&ledger, "c", 0, true).await.unwrap();
    assert_eq!(inherited(&third), ["long", "short"]);
    // Given back while one is not seen to be over.
    third.validity().stops().unwrap().end(&begun("short", 0).node, &begun("short", 0).task);
    third.release().await.unwrap();
    let fourth = take_it(&ledger, "d", 0, false).await.unwrap();
    assert_eq!((inherited(&fourth), fourth.found().is_cut_short), (vec!["long".to_owned()], false));
    // Ended by a person.
    let stack = StackName::unchecked("shop");
    assert_eq!(unlock(&ledger, &stack, "d", "op").await.unwrap().unwrap().stops.len(), 1);
    let fifth = take_it(&ledger, "e", 0, false).await.unwrap();
    assert_eq!((inherited(&fifth), fifth.found().is_cut_short), (vec!["long".to_owned()], true));
    fifth.validity().stops().unwrap().end_all();
    fifth.release().await.unwrap();
    assert_eq!(inherited(&take_it(&ledger, "f", 0, false).await.unwrap()), [""; 0]);
    drop(fourth);
}

#[tokio::test]
async fn a_stop_whose_note_cannot_be_written_waits_no_longer_than_the_lease_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let lease = take_it(&ledger(dir.path()), "a", 0, false).await.unwrap();
    let (validity, stops) = (lease.validity().clone(), lease.validity().stops().unwrap().clone());
    lease.renewer.abort();
    let waits = tokio::spawn(async move { stops.begin(begun("x", 40_000)).await });
    sleep(Duration::from_millis(50)).await;
    assert!(!waits.is_finished());
    validity.end();
    waits.await.unwrap();
}

#[tokio::test]
async fn a_lease_that_is_left_says_how_late_its_stops_may_begin() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let lease = take_it(&ledger, "a", 0, false).await.unwrap();
    lease.validity().stops().unwrap().begin(begun("x", 40_000)).await;
    lease.leave().await.unwrap();
    let (_, state) = look(&ledger, &StackName::unchecked("shop")).await.unwrap();
    let lasts_ms = state.stops().next().unwrap().lasts_ms;
    assert_eq!(lasts_ms, begun("x", 40_000).lasts_ms + ORPHAN_MS);
}

#[tokio::test]
async fn a_holder_notices_that_its_lease_was_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let first = take_it(&ledger, "a", 0, false).await.unwrap();
    let stack = StackName::unchecked("shop");
    unlock(&ledger, &stack, "a", "op").await.unwrap().unwrap();
    sleep(Duration::from_millis(5_500)).await;
    assert!(!first.validity().is_valid());
}

#[tokio::test]
async fn holders_of_a_lease_that_the_ledger_forgot_both_stop() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let first = take_it(&ledger, "a", 0, false).await.unwrap();
    let place = crate::ledger::Place { seq: first.epoch(), round: 0 };
    let stack = stream(&StackName::unchecked("shop"));
    ledger.registers().remove(0, &stack, place).await.unwrap();
    // At the same place as the first, and in good faith.
    let second = take_it(&ledger, "b", 0, false).await.unwrap();
    assert_eq!(first.epoch(), second.epoch());
    assert!(second.found().is_nothing);
    sleep(Duration::from_millis(11_000)).await;
    assert!(!first.validity().is_valid(), "its renewal is at a place that was another's");
    // It may have renewed first: then the other's renewal came behind a stream that shows one holder only.
    let (log, _) = look(&ledger, &StackName::unchecked("shop")).await.unwrap();
    let shows_both = proof(&log, second.epoch(), "b", second.epoch()) == Ok(Proof::Forgotten);
    assert_eq!(second.validity().is_valid(), !shows_both);
}

#[tokio::test]
async fn a_stream_of_closed_places_says_nothing_of_a_holder() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let stack = stream(&StackName::unchecked("shop"));
    // Its notes were on too few managers, and the places were closed.
    let nothing = value(ledger.registers(), serde_json::Value::Null);
    assert_eq!(ledger.append(&stack, 1, &nothing).await, Ok(Appended::Won));
    let lease = take_it(&ledger, "a", 0, false).await.unwrap();
    assert_eq!((lease.epoch(), lease.found().is_nothing), (2, true));
}

#[tokio::test]
async fn many_compete_and_never_two_hold_it() {
    let dir = tempfile::tempdir().unwrap();
    let inside = Arc::new(AtomicU64::new(0));
    let all = (0..6).map(|n| {
        let (ledger, inside) = (ledger(dir.path()), Arc::clone(&inside));
        tokio::spawn(async move {
            for round in 0..3 {
                let id = format!("{n}.{round}");
                let lease = loop {
                    if let Ok(lease) = take_it(&ledger, &id, 0, false).await {
                        break lease;
                    }
                    sleep(Duration::from_millis(3)).await;
                };
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                sleep(Duration::from_millis(2)).await;
                inside.fetch_sub(1, Ordering::SeqCst);
                lease.release().await.unwrap();
            }
        })
    });
    for one in futures_util::future::join_all(all).await {
        one.unwrap();
    }
    let log = ledger(dir.path()).read(&stream(&StackName::unchecked("shop"))).await.unwrap();
    assert_eq!(log.next(), 37);
}

#[tokio::test]
async fn heartbeats_keep_it_and_trim_old_places() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    for _ in 0..6 {
        take_it(&ledger, "a", 0, false).await.unwrap().release().await.unwrap();
    }
    let lease = take_it(&ledger, "a", 0, false).await.unwrap();
    sleep(Duration::from_millis(5_500)).await;
    let (log, state) = look(&ledger, &StackName::unchecked("shop")).await.unwrap();
    assert_eq!((state.held.unwrap().epoch, lease.epoch()), (13, 13));
    assert!(log.entries.len() <= 8, "{:?}", log.entries.keys());
    lease.release().await.unwrap();
}

/// Dies: sends no more heartbeats, and gives nothing back.
fn kill(lease: Lease<FileRegisters>) -> Validity {
    lease.renewer.abort();
    lease.validity.clone()
}

/// In simulated time. The files' own clock does not move with it, so this tests a client that has
/// measured the wait itself.
#[tokio::test(start_paused = true)]
async fn a_dead_leader_is_replaced_within_ten_seconds_and_not_before_it_has_stopped() {
    for (terms, bound_ms) in [(Terms::LEADER, 10_000), (Terms::STACK, 36_000)] {
        for lived_ms in (0..9_000).step_by(450) {
            let dir = tempfile::tempdir().unwrap();
            let ledger = ledger(dir.path());
            let clock = Clock::start(None).unwrap();
            let wanted = |id: &str, patience_ms| Wanted {
                stream: crate::ledger::lease::leader_stream(),
                holder: holder(id),
                terms,
                patience_ms,
            };
            let first = take(&ledger, clock, wanted("a", 0), |_| false, |_| ()).await.unwrap();
            let standby = {
                let (ledger, wanted) = (Arc::clone(&ledger), wanted("b", i64::MAX));
                tokio::spawn(async move { take(&ledger, clock, wanted, |_| false, |_| ()).await.unwrap() })
            };
            sleep(Duration::from_millis(lived_ms)).await;
            assert!(first.validity().is_valid());
            let (epoch, validity, died) = (first.epoch(), kill(first), clock.now());
            let second = standby.await.unwrap();
            let took_ms = clock.now().since_ms(died);
            assert!(took_ms <= bound_ms, "{took_ms} ms after a life of {lived_ms} ms");
            assert!(!validity.is_valid(), "two lead after {lived_ms} ms");
            assert!(second.epoch() > epoch);
            second.release().await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_leader_keeps_the_lead_and_one_that_leaves_is_replaced_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let clock = Clock::start(None).unwrap();
    let wanted = |id: &str| Wanted {
        stream: crate::ledger::lease::leader_stream(),
        holder: holder(id),
        terms: Terms::LEADER,
        patience_ms: i64::MAX,
    };
    let first = take(&ledger, clock, wanted("a"), |_| false, |_| ()).await.unwrap();
    let (standby, wanted) = (Arc::clone(&ledger), wanted("b"));
    let standby =
        tokio::spawn(async move { take(&standby, clock, wanted, |_| false, |_| ()).await.unwrap() });
    sleep(Duration::from_secs(3_600)).await;
    assert!(first.validity().is_valid() && !standby.is_finished());
    let left = clock.now();
    first.release().await.unwrap();
    standby.await.unwrap();
    assert!(clock.now().since_ms(left) <= 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_work_is_stuck_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let clock = Clock::start(None).unwrap();
    let pulse = Pulse::new(clock);
    let wanted = |id: &str| Wanted {
        stream: crate::ledger::lease::leader_stream(),
        holder: holder(id),
        terms: Terms::LEADER,
        patience_ms: i64::MAX,
    };
    let first = take(&ledger, clock, wanted("a"), |_| false, |_| ()).await.unwrap();
    first.renew_while(pulse.clone());
    let (standby, wanted) = (Arc::clone(&ledger), wanted("b"));
    let standby =
        tokio::spawn(async move { take(&standby, clock, wanted, |_| false, |_| ()).await.unwrap() });
    for _ in 0..600 {
        pulse.beat();
        sleep(Duration::from_millis(500)).await;
    }
    assert!(first.validity().is_valid() && !standby.is_finished(), "while it turns it leads");
    let stuck = clock.now();
    let second = standby.await.unwrap();
    assert!(!first.validity().is_valid() && second.validity().is_valid());
    assert!(clock.now().since_ms(stuck) < 25_000);
    pulse.beat();
    sleep(Duration::from_secs(60)).await;
    assert!(!first.validity().is_valid() && second.validity().is_valid(), "what was lost stays so");
}
