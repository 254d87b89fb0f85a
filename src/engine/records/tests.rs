//! Releases that are written and read, and what becomes of those that a writer or a manager lost.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::ledger::release::{RECORDS_MAX, Release};
use crate::ledger::testing::Memory;
use crate::ledger::{Place, Stream};
use crate::model::spec::ConfigSpec;

fn shop() -> StackName {
    StackName::unchecked("shop")
}

fn key() -> MarkKey {
    MarkKey::new([7; 32])
}

fn spec(contents: &[(&str, Vec<u8>)]) -> StackSpec {
    let mut spec = StackSpec::empty(shop());
    for (key, bytes) in contents {
        let config = ConfigSpec {
            name: format!("shop_{key}"),
            external: false,
            digest: sha256_hex(bytes),
            content: Some(Arc::from(&bytes[..])),
            labels: BTreeMap::new(),
            template_driver: None,
        };
        spec.configs.insert((*key).to_owned(), config);
    }
    spec
}

fn without_contents(mut spec: StackSpec) -> StackSpec {
    spec.configs.values_mut().for_each(|config| config.content = None);
    spec
}

fn draft(spec: StackSpec) -> Release {
    Release::of(spec, "deploy".into(), "ann@mill".into(), Timestamp(5))
}

async fn deploy(memory: &Memory, spec: StackSpec, read: &Contents) -> Result<u64, LedgerError> {
    let ledger = memory.ledger();
    let before = remembered(&ledger, &shop()).await?;
    let begun =
        before.begin(&ledger, draft(spec), (&key(), None), read, || true).await?.expect("the lock is held");
    before.end(&ledger, &shop(), &begun, (Timestamp(6), &Outcome::Deployed), || true).await?;
    Ok(begun.number)
}

/// Bytes of contents that are on a manager.
fn stored(memory: &Memory) -> usize {
    let world = memory.world();
    let of_chunks = world.registers.iter().filter(|((at, of, _), _)| *at == 0 && of.starts_with("chunks/"));
    of_chunks.filter_map(|(_, content)| content.as_ref()).map(String::len).sum()
}

#[tokio::test]
async fn contents_are_written_once_and_read_only_where_they_are_asked_for() {
    let memory = Memory::new(3);
    let one = spec(&[("page", b"one".to_vec()), ("same", b"one".to_vec())]);
    deploy(&memory, one.clone(), &Contents::new()).await.unwrap();
    let after_one = stored(&memory);
    let mut two = one.clone();
    two.configs.remove("same");
    deploy(&memory, two, &Contents::new()).await.unwrap();
    assert_eq!(stored(&memory), after_one);
    memory.world().calls.clear();
    let ledger = memory.ledger();
    let found = remembered(&ledger, &shop()).await.unwrap();
    assert!(memory.world().calls.iter().all(|call| !call.contains("chunks")), "a list of releases");
    assert_eq!(found.history.releases[&1].0.spec, one, "equal by their digests");
    assert_eq!(found.history.releases[&1].0.spec, without_contents(one.clone()));
    let read = found.contents(&ledger, &found.history.releases[&1].0.spec).await.unwrap();
    assert_eq!(read.into_iter().collect::<Vec<_>>(), [(sha256_hex(b"one"), Arc::from(&b"one"[..]))]);
}

#[tokio::test]
async fn a_release_is_not_written_once_the_lock_is_lost() {
    let memory = Memory::new(3);
    let ledger = memory.ledger();
    let before = remembered(&ledger, &shop()).await.unwrap();
    let release = draft(spec(&[("page", b"one".to_vec())]));
    let begun = before.begin(&ledger, release, (&key(), None), &Contents::new(), || false).await.unwrap();
    assert!(begun.is_none());
    assert!(remembered(&ledger, &shop()).await.unwrap().history.releases.is_empty());
}

#[tokio::test]
async fn what_a_rollback_leads_to_stays_whatever_the_failures_after_it_weigh() {
    let memory = Memory::new(3);
    let good = spec(&[("page", b"one".to_vec())]);
    deploy(&memory, good.clone(), &Contents::new()).await.unwrap();
    let ledger = memory.ledger();
    for number in 2..=9 {
        let mut failed = serde_json::json!(draft(spec(&[])));
        let heavy: String = noise(2 << 20, number).iter().map(|byte| format!("{byte:02x}")).collect();
        failed["message"] = heavy.into();
        let failed = value(ledger.registers(), failed);
        ledger.append(&releases(&shop()), number, &failed).await.unwrap();
        let ended = value(ledger.registers(), Outcome::Failed.recorded(Timestamp(6)));
        ledger.append(&outcomes(&shop()), number, &ended).await.unwrap();
    }
    deploy(&memory, spec(&[]), &Contents::new()).await.unwrap();
    let found = remembered(&ledger, &shop()).await.unwrap();
    let kept = found.history.releases.get(&1).expect("the only one that was good");
    assert_eq!(found.contents(&ledger, &without_contents(good)).await.unwrap().len(), 1, "{kept:?}");
}

#[tokio::test]
async fn the_next_release_settles_how_one_before_it_ended() {
    let memory = Memory::new(3);
    let one = spec(&[("page", b"one".to_vec())]);
    deploy(&memory, one.clone(), &Contents::new()).await.unwrap();
    // Its writer was cut off after the first manager.
    let of_outcomes = outcomes(&shop()).to_string();
    memory.world().registers.retain(|(at, of, _), _| *at == 0 || *of != of_outcomes);
    let ledger = memory.ledger();
    let found = remembered(&ledger, &shop()).await.unwrap();
    assert_eq!(found.history.releases[&1].1, None);
    deploy(&memory, one, &Contents::new()).await.unwrap();
    let found = remembered(&ledger, &shop()).await.unwrap();
    assert_eq!(found.history.releases[&1].1, Some(Outcome::Deployed));
    assert!(found.outcomes.undecided.is_empty());
}

/// Has these managers lose what is in a place of a stream.
fn lose(memory: &Memory, managers: &[usize], stream: &Stream, number: u64) {
    let of_stream = stream.to_string();
    let is_lost =
        |at: usize, of: &str, place: &Place| managers.contains(&at) && of == of_stream && place.seq == number;
    memory.world().registers.retain(|(at, of, place), _| !is_lost(*at, of, place));
}

async fn deployed(memory: &Memory, releases: u64) {
    for number in 1..=releases {
        let content = format!("{number}").into_bytes();
        let done = deploy(memory, spec(&[("page", content)]), &Contents::new()).await;
        assert_eq!(done, Ok(number));
    }
}

#[tokio::test]
async fn the_last_copy_of_what_the_other_managers_have_lost_is_kept() {
    let ends = async |memory: &Memory| -> Vec<Option<Outcome>> {
        let found = remembered(&memory.ledger(), &shop()).await.unwrap();
        assert!(found.releases.undecided.is_empty() && found.outcomes.undecided.is_empty());
        found.history.releases.into_values().map(|(_, outcome)| outcome).collect()
    };
    for (streams, left) in [(vec![outcomes(&shop())], 1), (vec![releases(&shop()), outcomes(&shop())], 2)] {
        let memory = Memory::new(3);
        deployed(&memory, left).await;
        streams.iter().for_each(|stream| lose(&memory, &[0, 1], stream, left));
        remembered_to_write(&memory.ledger(), &shop()).await.unwrap();
        assert_eq!(ends(&memory).await, vec![Some(Outcome::Deployed); usize::try_from(left).unwrap()]);
    }
    // A deploy that found the lock free settles it too.
    let memory = Memory::new(3);
    deployed(&memory, 1).await;
    lose(&memory, &[0, 1], &outcomes(&shop()), 1);
    deploy(&memory, spec(&[]), &Contents::new()).await.unwrap();
    assert_eq!(ends(&memory).await, [Some(Outcome::Deployed), Some(Outcome::Deployed)]);
}

#[tokio::test]
async fn a_release_does_not_end_as_an_earlier_one_of_its_number_did() {
    for lost in [&[][..], &[0, 1]] {
        let memory = Memory::new(3);
        deployed(&memory, 2).await;
        lose(&memory, &[0, 1, 2], &releases(&shop()), 2);
        lose(&memory, lost, &outcomes(&shop()), 2);
        assert_eq!(deploy(&memory, spec(&[]), &Contents::new()).await, Ok(3), "{lost:?}");
    }
}

#[tokio::test]
async fn a_new_release_is_the_newest_whatever_is_left_over_before_it() {
    let memory = Memory::new(3);
    deployed(&memory, 3).await;
    // Removed from the managers that answered then; and the writers of the last two were killed.
    lose(&memory, &[0, 2], &releases(&shop()), 2);
    [2, 3].into_iter().for_each(|number| lose(&memory, &[0, 1, 2], &outcomes(&shop()), number));
    assert_eq!(deploy(&memory, spec(&[]), &Contents::new()).await, Ok(4));
    let found = remembered(&memory.ledger(), &shop()).await.unwrap();
    assert_eq!(found.history.current().unwrap().spec, spec(&[]));
}

#[tokio::test]
async fn a_writer_that_goes_by_the_newest_release_settles_the_one_that_was_begun() {
    for manager in 0..3 {
        let memory = Memory::new(3);
        deployed(&memory, 2).await;
        // Its writer was cut off after the first manager.
        let others: Vec<usize> = (0..3).filter(|at| *at != manager).collect();
        lose(&memory, &others, &releases(&shop()), 2);
        lose(&memory, &[0, 1, 2], &outcomes(&shop()), 2);
        let ledger = memory.ledger();
        let beside = remembered_beside(&ledger, &shop()).await.unwrap();
        assert_eq!(beside.history.undecided, [2], "it is left to a writer that is at work");
        let found = remembered_to_write(&ledger, &shop()).await.unwrap();
        assert_eq!(found.history.current(), Err(crate::ledger::NoCurrent::Unfinished(2)));
        assert_eq!(deploy(&memory, spec(&[]), &Contents::new()).await, Ok(3));
    }
}

#[tokio::test]
async fn a_writer_settles_how_every_older_release_ended() {
    let memory = Memory::new(3);
    deployed(&memory, 4).await;
    // Before the target of a rollback as well: it may be what was there before a release that is undone.
    [1, 2].into_iter().for_each(|number| lose(&memory, &[0, 1], &outcomes(&shop()), number));
    lose(&memory, &[0, 1, 2], &outcomes(&shop()), 4);
    let (ledger, before) = (memory.ledger(), memory.world().registers.clone());
    let found = remembered(&ledger, &shop()).await.unwrap();
    assert!(!found.is_settled());
    for (number, open) in [(1, Some(1)), (2, Some(1)), (3, Some(2)), (4, None)] {
        let place = found.check_ends_from(number, &shop()).map_err(|error| match error {
            LedgerError::Undecided { seq, .. } => seq,
            other => panic!("{other}"),
        });
        assert_eq!(place.err(), open, "{number}");
    }
    assert_eq!(memory.world().registers, before);
    let found = remembered_to_write(&ledger, &shop()).await.unwrap();
    let ends: Vec<bool> = found.history.releases.values().map(|(_, outcome)| outcome.is_some()).collect();
    assert_eq!(ends, [true, true, true, false], "the newest may be under way");
    assert!(found.is_settled());
}

#[tokio::test]
async fn an_older_release_is_written_again_with_or_without_its_contents() {
    let memory = Memory::new(3);
    let one = spec(&[("page", b"one".to_vec())]);
    deploy(&memory, one.clone(), &Contents::new()).await.unwrap();
    // A plan that does nothing needs no contents, and its release names them all the same.
    deploy(&memory, without_contents(one.clone()), &Contents::new()).await.unwrap();
    let ledger = memory.ledger();
    let found = remembered(&ledger, &shop()).await.unwrap();
    assert_eq!(found.history.releases[&1].0.contents, found.history.releases[&2].0.contents);
    let unknown = without_contents(spec(&[("page", b"two".to_vec())]));
    let error = deploy(&memory, unknown, &Contents::new()).await.unwrap_err();
    assert!(matches!(&error, LedgerError::NoContent { config, .. } if config == "page"), "{error}");
}

#[tokio::test]
async fn what_is_there_and_is_another_content_is_refused() {
    let memory = Memory::new(3);
    let mut one = spec(&[("page", b"one".to_vec())]);
    deploy(&memory, one.clone(), &Contents::new()).await.unwrap();
    let ledger = memory.ledger();
    let mut found = remembered(&ledger, &shop()).await.unwrap();
    for spec in [&mut one, &mut found.history.releases.get_mut(&1).unwrap().0.spec] {
        spec.configs.get_mut("page").unwrap().digest = sha256_hex(b"two");
    }
    let error = found.contents(&ledger, &without_contents(one)).await.unwrap_err().to_string();
    assert!(error.contains("config `page` of stack shop") && error.contains("another content"), "{error}");
}

/// A writer, and at each of its writes a collector: of the stack's next holder up to the release itself, and of
/// another stack with the same content.
#[tokio::test]
async fn a_collector_takes_nothing_from_a_release_that_is_being_written() {
    let content = vec![7; 300 << 10];
    let one = spec(&[("page", content.clone())]);
    let mut write = 1;
    loop {
        let memory = Memory::new(3);
        deploy(&memory, spec(&[("page", b"before".to_vec())]), &Contents::new()).await.unwrap();
        let (was_there, others) = (Arc::new(AtomicBool::new(false)), memory.clone());
        let reached = Arc::clone(&was_there);
        let writer = memory.interrupted(write, move || {
            reached.store(true, Ordering::Relaxed);
            let others = others.clone();
            async move {
                for stack in [shop(), StackName::unchecked("blog")] {
                    let ledger = others.ledger();
                    contents::tidy(&ledger, &stack, || true).await.unwrap();
                }
            }
        });
        let ledger = writer.ledger();
        let before = remembered(&ledger, &shop()).await.unwrap();
        before.begin(&ledger, draft(one.clone()), (&key(), None), &Contents::new(), || true).await.unwrap();
        let found = remembered(&memory.ledger(), &shop()).await.unwrap();
        let read = found.contents(&memory.ledger(), &without_contents(one.clone())).await;
        assert_eq!(read.unwrap()[&sha256_hex(&content)].len(), content.len(), "at write {write}");
        if !was_there.load(Ordering::Relaxed) {
            break;
        }
        write += 1;
    }
    assert!(write > 10, "{write} writes");
}

#[tokio::test]
async fn a_stack_without_configs_costs_no_call_more() {
    let memory = Memory::new(1);
    deploy(&memory, spec(&[]), &Contents::new()).await.unwrap();
    memory.world().calls.clear();
    deploy(&memory, spec(&[]), &Contents::new()).await.unwrap();
    let calls = memory.world().calls.clone();
    let expected = [
        "list 0 releases/shop",
        "list 0 outcomes/shop",
        "create 0 releases/shop",
        "list 0 releases/shop",
        "create 0 outcomes/shop",
        "list 0 outcomes/shop",
        "list 0 nodes/cluster",
    ];
    assert_eq!(calls, expected);
}

fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}

#[tokio::test]
async fn releases_are_kept_as_far_as_their_bytes_allow_and_one_that_is_too_large_writes_nothing() {
    let memory = Memory::new(1);
    let large = |seed: u64| {
        let keys = ["a", "b", "c", "d", "e", "f"];
        spec(&keys.map(|key| (key, noise(990_000, seed * 100 + u64::from(key.as_bytes()[0])))))
    };
    for number in 1..=20 {
        assert_eq!(deploy(&memory, large(number), &Contents::new()).await, Ok(number));
        let max = usize::try_from(contents::STACK_MAX).unwrap() * 4 / 3 + (1 << 20);
        assert!(stored(&memory) < max, "{}", stored(&memory));
    }
    let ledger = memory.ledger();
    let found = remembered(&ledger, &shop()).await.unwrap();
    assert_eq!(found.history.releases.keys().copied().collect::<Vec<_>>(), (10..=20).collect::<Vec<u64>>());
    for (release, _) in found.history.releases.values() {
        assert_eq!(found.contents(&ledger, &release.spec).await.unwrap().len(), 6);
    }
    let listed: usize = {
        let world = memory.world();
        let of = world.registers.iter().filter(|((_, of, _), _)| of.starts_with("releases/"));
        of.filter_map(|(_, content)| content.as_ref()).map(String::len).sum()
    };
    assert!(listed < 1 << 20, "a list of releases has {listed} bytes");

    let before = memory.world().registers.clone();
    let many: Vec<(String, Vec<u8>)> = (0..18).map(|at| (format!("k{at}"), noise(990_000, at))).collect();
    let many: Vec<(&str, Vec<u8>)> = many.iter().map(|(key, bytes)| (key.as_str(), bytes.clone())).collect();
    let error = deploy(&memory, spec(&many), &Contents::new()).await.unwrap_err();
    assert!(matches!(error, LedgerError::TooLarge { what: "contents", .. }), "{error}");
    let mut wordy = draft(spec(&[]));
    wordy.message = Some(noise(900 << 10, 1).iter().map(|byte| format!("{byte:02x}")).collect());
    let error = found.begin(&ledger, wordy, (&key(), None), &Contents::new(), || true).await.unwrap_err();
    assert!(matches!(error, LedgerError::TooLarge { what: "records", .. }), "{error}");
    assert_eq!(memory.world().registers, before);
}

#[tokio::test]
async fn records_have_a_budget_of_their_own_and_four_are_kept_in_any_case() {
    let memory = Memory::new(1);
    let ledger = memory.ledger();
    // As a program before 0.3.0 wrote them: with contents within, and as large as they come.
    for number in 1..=10 {
        let mut old = serde_json::json!(draft(without_contents(spec(&[("page", b"one".to_vec())]))));
        old["contents"] = serde_json::json!({ "page": STANDARD.encode("one") });
        old["message"] =
            noise(2 << 20, number).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
        let ours = value(ledger.registers(), old);
        ledger.append(&releases(&shop()), number, &ours).await.unwrap();
    }
    let kept = async || {
        let found = remembered(&memory.ledger(), &shop()).await.unwrap();
        found.history.releases.keys().copied().collect::<Vec<_>>()
    };
    assert_eq!(kept().await.len(), 10);
    deploy(&memory, spec(&[("page", b"two".to_vec())]), &Contents::new()).await.unwrap();
    assert_eq!(kept().await, [8, 9, 10, 11]);
    // And so it stays, whatever a late request brings back.
    let at = (0, releases(&shop()).to_string(), Place { seq: 3, round: 0 });
    let again = memory
        .world()
        .registers
        .iter()
        .find(|((_, of, _), _)| of.starts_with("releases/"))
        .map(|(_, it)| it.clone());
    memory.world().registers.insert(at, again.unwrap());
    assert_eq!(kept().await, [8, 9, 10, 11]);
    for _ in 0..20 {
        deploy(&memory, spec(&[("page", b"two".to_vec())]), &Contents::new()).await.unwrap();
    }
    assert_eq!(kept().await.len(), 23, "those that are small: {}", RECORDS_MAX);
}

/// An older program would start tasks of such a release without these variables.
#[tokio::test]
async fn a_release_with_variables_that_are_secrets_is_for_newer_programs_alone() {
    use crate::model::testing::{file_mount, replicated, with_task};
    let memory = Memory::new(3);
    let mount = file_mount("db", "v1");
    let mut formats = Vec::new();
    for place in ["/run/secrets/db".to_owned(), secret_env::file_of("DB")] {
        let web = with_task(replicated("web", 1), |task| drop(task.secrets.insert(place, mount.clone())));
        let mut spec = spec(&[]);
        spec.services.insert(web.name.clone(), web);
        deploy(&memory, spec, &Contents::new()).await.unwrap();
        let log = memory.ledger().read(&releases(&shop())).await.unwrap();
        formats.push(log.last().map(|(_, entry)| entry.value.format));
    }
    assert_eq!(formats, [Some(Format::CURRENT), Some(Format::SECRET_VARIABLES)]);
}

fn with_token(value: &str) -> StackSpec {
    let service = crate::model::testing::with_task(crate::model::testing::replicated("web", 1), |task| {
        task.environment.insert("TOKEN".into(), Some(value.into()));
    });
    let mut spec = StackSpec::empty(shop());
    spec.services.insert(service.name.clone(), service);
    spec
}

#[tokio::test]
async fn values_of_a_release_are_encrypted_and_compared_without_a_key() {
    let memory = Memory::new(3);
    let ledger = memory.ledger();
    let ring = Keyring::generate().0;
    let before = remembered(&ledger, &shop()).await.unwrap();
    let keys = (&key(), Some(&ring.publics()[0]));
    before
        .begin(&ledger, draft(with_token("hunter2")), keys, &Contents::new(), || true)
        .await
        .unwrap()
        .unwrap();
    assert!(memory.world().registers.values().flatten().all(|text| !text.contains("hunter2")));
    let mut found = remembered(&ledger, &shop()).await.unwrap();
    let entry = found.releases.last().expect("a release").1;
    assert_eq!(entry.value.format, Format::SEALED_VALUES);
    let marked = found.history.releases[&1].0.spec.clone();
    assert!(hidden::is_same(&key(), &marked, &with_token("hunter2")));
    assert!(!hidden::is_same(&key(), &marked, &with_token("hunter3")));
    // Marks are no values: nothing is written that has them.
    let again = found.begin(&ledger, draft(marked), keys, &Contents::new(), || true).await;
    assert!(matches!(again, Err(LedgerError::SealedValues { .. })), "{again:?}");
    let other = Keyring::generate().0;
    let (number, why) = found.open(&other).expect("another key");
    assert!(number == 1 && why.contains("does not fit"), "{why}");
    assert_eq!(found.open(&ring), None);
    assert_eq!(found.history.releases[&1].0.spec, with_token("hunter2"));
    assert!(!found.history.is_sealed());
}
