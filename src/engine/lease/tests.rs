//! Leases on a ledger of files: taken, renewed, lost, left and handed on with what is under way.

use std::path::Path;

use super::*;
use crate::ledger::lease::{BegunStop, UNLISTED_MS};
use crate::ledger::testing::Memory;
use crate::ledger::{FileRegisters, Limits};
use crate::model::ClusterName;

fn ledger(dir: &Path) -> Arc<Ledger<FileRegisters>> {
    let registers = FileRegisters::new(dir, &ClusterName::unchecked("test"));
    Arc::new(Ledger::new(registers, Limits::default()))
}

fn holder(id: &str) -> Holder {
    Holder { id: id.into(), who: "a@m".into(), pid: 1, process: String::new(), verb: "deploy".into() }
}

async fn take_it<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    id: &str,
    patience_ms: i64,
    is_gone: bool,
) -> Result<Lease<R>, NotTaken> {
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
    assert_eq!(unlock(&ledger, &stack, "b", "op", |_| false).await.unwrap(), None);
    assert_eq!(unlock(&ledger, &stack, "c", "op", |_| false).await.unwrap().unwrap().holder.id, "c");
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
    assert!(busy.held.is_last && busy.held.left_ms(None, 0) > 100_000, "{busy:?}");
    let stack = StackName::unchecked("shop");
    unlock(&ledger, &stack, "a", "op", |_| false).await.unwrap().unwrap();
    let next = take_it(&ledger, "b", 0, false).await.unwrap();
    assert_eq!(next.left().in_flight_ms(), ORPHAN_MS, "it has the lock, and waits");
}

fn begun(task: &str, grace_ms: i64) -> BegunStop {
    use crate::model::{NodeName, TaskId};
    BegunStop::new(NodeName::unchecked("h1"), TaskId::unchecked(task), "web.1".into(), grace_ms)
}

/// The tasks whose stops a lease inherited.
fn inherited(lease: &Lease<FileRegisters>) -> Vec<String> {
    lease.left().stops.into_iter().map(|stop| stop.task.to_string()).collect()
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
    assert!(second.found().is_all_of_dead);
    kill(second);
    let third = take_it(&ledger, "c", 0, true).await.unwrap();
    assert_eq!(inherited(&third), ["long", "short"]);
    // Given back while one is not seen to be over.
    third.validity().stops().unwrap().end(&begun("short", 0).node, &begun("short", 0).task);
    third.release().await.unwrap();
    let fourth = take_it(&ledger, "d", 0, false).await.unwrap();
    assert_eq!((inherited(&fourth), fourth.found().dead.is_some()), (vec!["long".to_owned()], false));
    // Ended by a person.
    let stack = StackName::unchecked("shop");
    assert_eq!(unlock(&ledger, &stack, "d", "op", |_| false).await.unwrap().unwrap().left.stops.len(), 1);
    let fifth = take_it(&ledger, "e", 0, false).await.unwrap();
    assert_eq!(
        (inherited(&fifth), fifth.left().in_flight_ms()),
        (vec!["long".to_owned()], Terms::STACK.ttl_ms + Terms::STACK.drain_ms),
        "its process may go on until its TTL is over"
    );
    fifth.validity().stops().unwrap().outlasted(Vec::new());
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

/// Until something may have been sent, and what is in no note, in milliseconds.
fn unlisted(lease: &Lease<FileRegisters>) -> (i64, i64) {
    let left = lease.left();
    (left.in_flight_ms(), left.unlisted_ms)
}

#[tokio::test]
async fn who_follows_a_holder_that_is_gone_knows_that_its_requests_may_arrive_until_a_holder_has_waited() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let drain_ms = Terms::STACK.drain_ms;
    take_it(&ledger, "a", 0, false).await.unwrap().release().await.unwrap();
    let second = take_it(&ledger, "b", 0, false).await.unwrap();
    assert_eq!(unlisted(&second), (0, 0), "a holder that gave it back is followed at once");
    kill(second);
    let third = take_it(&ledger, "c", 0, true).await.unwrap();
    assert_eq!(unlisted(&third), (drain_ms, drain_ms + UNLISTED_MS));
    // It has no reason to wait.
    third.release().await.unwrap();
    let fourth = take_it(&ledger, "d", 0, false).await.unwrap();
    assert_eq!(unlisted(&fourth), (drain_ms, drain_ms + UNLISTED_MS));
    kill(fourth);
    let fifth = take_it(&ledger, "e", 0, true).await.unwrap();
    assert!(!fifth.found().is_all_of_dead, "what it inherited is in no journal of its own");
    fifth.validity().stops().unwrap().outlasted(Vec::new());
    fifth.release().await.unwrap();
    assert_eq!(unlisted(&take_it(&ledger, "f", 0, false).await.unwrap()), (0, 0));
}

#[tokio::test]
async fn behind_a_jump_host_requests_of_a_holder_that_is_gone_may_arrive_for_longer() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let stream = stream(&StackName::unchecked("shop"));
    let wanted = Wanted { stream, holder: holder("a"), terms: Terms::STACK_LOOSE, patience_ms: 0 };
    kill(take(&ledger, Clock::start(None).unwrap(), wanted, |_| false, |_| ()).await.unwrap());
    let next = take_it(&ledger, "b", 0, true).await.unwrap();
    assert_eq!(unlisted(&next), (ORPHAN_MS, ORPHAN_MS + UNLISTED_MS));
}

/// In simulated time.
#[tokio::test(start_paused = true)]
async fn the_grace_of_a_stop_of_a_holder_that_ran_out_its_ttl_begins_when_its_requests_have_arrived() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let first = take_it(&ledger, "a", 0, false).await.unwrap();
    first.validity().stops().unwrap().begin(begun("x", 40_000)).await;
    kill(first);
    let second = take_it(&ledger, "b", i64::MAX, false).await.unwrap();
    assert_eq!(second.left().stops, [begun("x", 40_000)], "its whole grace, from now");
    assert_eq!(unlisted(&second), (0, UNLISTED_MS), "short ones may be in no note");
}

#[tokio::test]
async fn a_lease_that_is_left_lists_all_and_says_how_late_it_may_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let lease = take_it(&ledger, "a", 0, false).await.unwrap();
    lease.validity().stops().unwrap().begin(begun("x", 40_000)).await;
    lease.leave().await.unwrap();
    let (_, state) = look(&ledger, &StackName::unchecked("shop")).await.unwrap();
    let held = state.held.unwrap();
    assert_eq!((held.is_last, held.drain_ms), (true, ORPHAN_MS));
    let arrived = left_to_next(State { held: Some(held), ..State::default() }, true, false, Timestamp(0)).1;
    assert_eq!(
        arrived,
        Left { stops: vec![begun("x", 40_000)], found_nothing: true, ..Left::default() },
        "when it is free"
    );
}

#[tokio::test]
async fn a_stop_of_a_silent_host_is_handed_on_until_it_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let until = |ms: i64| Some(Clock::start(None).unwrap().now().plus_ms(ms));
    let stop = |ms| BegunStop { until: until(ms), ..begun("x", 40_000) };
    let first = take_it(&ledger, "a", 0, false).await.unwrap();
    first.validity().stops().unwrap().outlasted(vec![stop(60_000)]);
    first.release().await.unwrap();
    take_it(&ledger, "b", 0, false).await.unwrap().release().await.unwrap();
    let third = take_it(&ledger, "c", 0, false).await.unwrap();
    assert_eq!(inherited(&third), ["x"]);
    third.validity().stops().unwrap().outlasted(vec![stop(-1)]);
    third.release().await.unwrap();
    assert_eq!(inherited(&take_it(&ledger, "d", 0, false).await.unwrap()), [""; 0]);
}

#[tokio::test]
async fn that_nothing_was_known_is_known_until_a_holder_has_waited_for_a_forgotten_one() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    take_it(&ledger, "a", 0, false).await.unwrap().release().await.unwrap();
    let second = take_it(&ledger, "b", 0, false).await.unwrap();
    assert!(second.found().is_nothing, "the first one took it for another reason");
    second.validity().stops().unwrap().none_is_forgotten();
    second.release().await.unwrap();
    assert!(!take_it(&ledger, "c", 0, false).await.unwrap().found().is_nothing);
}

#[tokio::test]
async fn that_nothing_was_known_outlives_a_holder_that_dies_before_it_has_waited() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    kill(take_it(&ledger, "a", 0, false).await.unwrap());
    let second = take_it(&ledger, "b", 0, true).await.unwrap();
    assert!(second.found().is_nothing, "the first one was interrupted while it waited");
    second.validity().stops().unwrap().none_is_forgotten();
    let is_written = async || {
        let (_, state) = look(&ledger, &StackName::unchecked("shop")).await.unwrap();
        state.held.is_some_and(|held| !held.left.found_nothing)
    };
    while !is_written().await {
        sleep(Duration::from_millis(5)).await;
    }
    assert!(second.validity().is_valid());
    kill(second);
    assert!(!take_it(&ledger, "c", 0, true).await.unwrap().found().is_nothing);
}

#[tokio::test]
async fn who_is_unlocked_and_may_live_is_waited_for_until_its_ttl_and_its_requests_are_over() {
    let in_flight_ms = async |is_gone: bool| {
        let dir = tempfile::tempdir().unwrap();
        let (ledger, stack) = (ledger(dir.path()), StackName::unchecked("shop"));
        let _dead = kill(take_it(&ledger, "a", 0, false).await.unwrap());
        unlock(&ledger, &stack, "a", "op", |_| is_gone).await.unwrap().unwrap();
        take_it(&ledger, "b", 0, false).await.unwrap().left().in_flight_ms()
    };
    let Terms { ttl_ms, drain_ms, .. } = Terms::STACK;
    assert_eq!(in_flight_ms(true).await, drain_ms);
    assert_eq!(
        in_flight_ms(false).await,
        ttl_ms + drain_ms,
        "a process that is stopped goes on where it was"
    );
}

#[tokio::test]
async fn a_holder_notices_that_its_lease_was_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let first = take_it(&ledger, "a", 0, false).await.unwrap();
    let stack = StackName::unchecked("shop");
    unlock(&ledger, &stack, "a", "op", |_| false).await.unwrap().unwrap();
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

/// Three managers that remember a lease that was given back.
async fn three_managers() -> Memory {
    let three = Memory::new(3);
    let lease = take_it(&Arc::new(three.ledger()), "x", 0, false).await.unwrap();
    lease.validity().stops().unwrap().none_is_forgotten();
    lease.release().await.unwrap();
    three
}

#[tokio::test]
async fn a_holder_whom_one_manager_alone_shows_is_one_whom_the_others_may_have_forgotten() {
    let three = three_managers().await;
    // Another inventory names two of them.
    let first = take_it(&Arc::new(three.only(&[0, 2]).ledger()), "a", 0, false).await.unwrap();
    let stack = StackName::unchecked("shop");
    // One of the two comes back as it was before.
    three.world().registers.retain(|(manager, _, place), _| *manager != 0 || place.seq < first.epoch());
    let ledger = Arc::new(three.ledger());
    assert!(look(&ledger, &stack).await.unwrap().1.is_under_way(), "nothing is called unchanged then");
    let second = take_it(&ledger, "b", 0, false).await.unwrap();
    assert_eq!((second.found().is_nothing, &second.found().dead), (true, &None));
    // It may die before it has waited, or a person may end its lease.
    let third = take_it(&ledger, "c", 0, true).await.unwrap();
    assert!(third.found().is_nothing);
    third.validity().stops().unwrap().none_is_forgotten();
    third.release().await.unwrap();
    let fourth = take_it(&ledger, "d", 0, false).await.unwrap();
    assert!(!fourth.found().is_nothing, "the first one's note lies before the one that counts");
}

#[tokio::test]
async fn a_holder_whom_one_manager_alone_shows_is_known_to_who_follows_an_unlocked_one() {
    let three = three_managers().await;
    let ledger = Arc::new(three.ledger());
    let first = take_it(&ledger, "a", 0, false).await.unwrap();
    let next = crate::ledger::Place { seq: first.epoch() + 1, round: 0 };
    let other = Note::Acquire { holder: holder("b"), ttl_ms: 15_000, drain_ms: 0, left: Left::default() };
    let other = value(ledger.registers(), serde_json::json!(other)).pack();
    let stack = StackName::unchecked("shop");
    three.world().registers.insert((2, stream(&stack).to_string(), next), Some(other));
    unlock(&ledger, &stack, "a", "op", |_| true).await.unwrap().unwrap();
    assert!(take_it(&ledger, "c", 0, false).await.unwrap().found().is_nothing);
}

#[tokio::test]
async fn two_who_race_wait_for_no_forgotten_holder() {
    // Whatever the other one has written by then: the first one's first write closes or opens its place.
    for write in 1..=3 {
        let three = three_managers().await;
        let rival = Arc::new(three.ledger());
        let won = Arc::new(std::sync::Mutex::new(None));
        let (at, found) = (Arc::clone(&rival), Arc::clone(&won));
        let three = three.interrupted(write, move || {
            let (at, found) = (Arc::clone(&at), Arc::clone(&found));
            async move { *found.lock().unwrap() = take_it(&at, "b", 0, false).await.ok() }
        });
        let ours = take_it(&Arc::new(three.ledger()), "a", 0, false).await.ok();
        let other = won.lock().unwrap().take();
        assert_ne!(ours.is_some(), other.is_some(), "{write}");
        for lease in [ours, other].into_iter().flatten() {
            assert!(!lease.found().is_nothing, "{write}");
            lease.release().await.unwrap();
        }
        assert!(!take_it(&rival, "c", 0, false).await.unwrap().found().is_nothing, "{write}");
    }
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

/// In simulated time, in which a file stays as old as it looks.
#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_looks_old_by_one_clock_alone_is_watched_for_a_whole_ttl() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let clock = Clock::start(None).unwrap();
    let _dead = kill(take_it(&ledger, "a", 0, false).await.unwrap());
    age_heartbeats(&dir.path().join("test/lease/shop"));
    let begun = clock.now();
    take_it(&ledger, "b", i64::MAX, false).await.unwrap();
    let took_ms = clock.now().since_ms(begun);
    let Terms { ttl_ms, drain_ms, .. } = Terms::STACK;
    assert!((ttl_ms + drain_ms..ttl_ms + drain_ms + 1_000).contains(&took_ms), "{took_ms}");
}

/// In simulated time: a waiter has seen nothing of a heartbeat that came back in the place of another one.
#[tokio::test(start_paused = true)]
async fn a_note_in_the_place_of_another_one_is_watched_from_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let clock = Clock::start(None).unwrap();
    let first = take_it(&ledger, "a", 0, false).await.unwrap();
    let place = crate::ledger::Place { seq: first.epoch(), round: 0 };
    let _dead = kill(first);
    let waiter = {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move { take_it(&ledger, "b", i64::MAX, false).await.unwrap() })
    };
    sleep(Duration::from_secs(20)).await;
    ledger.registers().remove(0, &stream(&StackName::unchecked("shop")), place).await.unwrap();
    let _dead = kill(take_it(&ledger, "c", 0, false).await.unwrap());
    let begun = clock.now();
    waiter.await.unwrap();
    let Terms { ttl_ms, drain_ms, .. } = Terms::STACK;
    assert!(clock.now().since_ms(begun) > ttl_ms + drain_ms - 1_000);
}

/// As if the clock of the file system had jumped forward.
#[expect(clippy::disallowed_methods, reason = "looks at the files")]
fn age_heartbeats(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let file = std::fs::File::options().write(true).open(entry.path()).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(3_600)).unwrap();
    }
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
