//! Contents that are written, read, lost and collected, on managers in memory.

use super::super::payload::value;
use super::super::testing::Memory;
use super::*;

fn stack(name: &str) -> StackName {
    StackName::unchecked(name)
}

fn content(stack: &StackName, bytes: &[u8]) -> ContentRef {
    ContentRef::of(&MarkKey::new([7; 32]), stack, bytes)
}

async fn put_one(memory: &Memory, name: &str, bytes: &[u8]) -> Result<ContentRef, LedgerError> {
    let stack = stack(name);
    let content = content(&stack, bytes);
    let unread = [content.clone()].into();
    put(&memory.ledger(), &stack, &[(content.clone(), bytes)].into(), &unread).await.map(|()| content)
}

/// A release that names contents.
async fn release(memory: &Memory, name: &str, seq: u64, contents: &[&ContentRef]) {
    let named: BTreeMap<String, &ContentRef> =
        contents.iter().enumerate().map(|(at, content)| (at.to_string(), *content)).collect();
    let ours = value(memory, serde_json::json!({ "contents": named }));
    memory.ledger().append(&Stream::new(Kind::Releases, stack(name)), seq, &ours).await.unwrap();
}

/// One manager loses the second part of a content, or has something else there.
fn damage_part(memory: &Memory, manager: usize, content: &ContentRef, other: Option<&Content>) {
    let at = (manager, chunks(&stack("shop")).to_string(), content.place(2, 0));
    match other {
        None => drop(memory.world().registers.remove(&at)),
        Some(text) => drop(memory.world().registers.insert(at, text.clone())),
    }
}

fn large(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

#[tokio::test]
async fn what_was_put_is_read_back_and_is_written_once() {
    for bytes in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 4 * CHUNK_BYTES] {
        let (memory, bytes) = (Memory::new(3), large(bytes));
        let content = put_one(&memory, "shop", &bytes).await.unwrap();
        assert_eq!(get(&memory.ledger(), &stack("shop"), &content).await.as_ref(), Ok(&bytes));
        let shelf = shelf(&memory.ledger(), &stack("shop")).await.unwrap();
        assert_eq!((shelf.holders(&content.name), shelf.answered()), (3, 3));
        let largest = memory.world().registers.values().flatten().map(String::len).max().unwrap();
        assert!(largest < 330 << 10, "{largest}");
        memory.world().calls.clear();
        put_one(&memory, "shop", &bytes).await.unwrap();
        let calls = memory.world().calls.clone();
        let gets = calls.iter().filter(|call| call.starts_with("get")).count();
        assert_eq!(gets as u64, content.chunks(), "each part is read once, from one manager");
        assert_eq!(calls.len() - gets, 3, "{calls:?}");
    }
}

#[tokio::test]
async fn a_majority_has_to_take_it() {
    let memory = Memory::new(3);
    memory.world().silent.insert(1);
    let content = put_one(&memory, "shop", b"a").await.unwrap();
    memory.world().silent = [0, 1].into();
    assert!(matches!(put_one(&memory, "shop", b"b").await, Err(LedgerError::NoMajority { .. })));
    assert_eq!(get(&memory.ledger(), &stack("shop"), &content).await, Ok(b"a".to_vec()));
}

#[tokio::test]
async fn a_chunk_that_is_not_what_it_was_is_read_from_another_manager_or_refused_and_stays() {
    let bytes = large(CHUNK_BYTES + 9);
    let good = content(&stack("shop"), &bytes).pack(2, &bytes[CHUNK_BYTES..]);
    let newer = good.replace(&format!("\"read\":\"{}\"", Format::CURRENT.read), "\"read\":\"99.0.0\"");
    assert_ne!(newer, good);
    let other = content(&stack("shop"), b"x").pack(2, &bytes[CHUNK_BYTES..]);
    for (bad, says) in [
        (Some(good[..good.len() - 1].to_owned()), "cut off"),
        (Some(good.split_once('\n').unwrap().0.to_owned()), "cut off"),
        (Some("foreign".to_owned()), "cut off"),
        (Some("{}\nAA==".to_owned()), "missing field"),
        (Some(other), "another content"),
        (Some(newer), "99.0.0 or newer may read it"),
        (None, "it is empty"),
    ] {
        let memory = Memory::new(3);
        let content = put_one(&memory, "shop", &bytes).await.unwrap();
        let damage = |managers: &[usize]| {
            for manager in managers {
                let at = (*manager, chunks(&stack("shop")).to_string(), content.place(2, 0));
                memory.world().registers.insert(at, bad.clone()).expect("it was there");
            }
        };
        damage(&[0, 2]);
        assert_eq!(get(&memory.ledger(), &stack("shop"), &content).await.as_ref(), Ok(&bytes));
        damage(&[1]);
        let before = memory.world().registers.clone();
        let why = get(&memory.ledger(), &stack("shop"), &content).await.unwrap_err();
        assert!(why.starts_with("part 2 of 2 is on no manager (h1: ") && why.contains(says), "{why}");
        assert_eq!(memory.world().registers, before);
    }
}

#[tokio::test]
async fn a_part_that_one_manager_has_lost_is_found_and_written_again() {
    let bytes = large(2 * CHUNK_BYTES + 9);
    for damage in [None, Some(Some("foreign".to_owned()))] {
        let memory = Memory::new(3);
        let content = put_one(&memory, "shop", &bytes).await.unwrap();
        release(&memory, "shop", 1, &[&content]).await;
        damage_part(&memory, 1, &content, damage.as_ref());
        let (ledger, shop) = (memory.ledger(), stack("shop"));
        let lacking = async || {
            let shelf = shelf(&ledger, &shop).await.unwrap();
            assert_eq!(shelf.holders(&content.name), 3, "so it is said");
            lacking(&ledger, &shop, &shelf, &content).await
        };
        assert_eq!(lacking().await, [1].into());
        assert_eq!(are_everywhere(&ledger, &shop).await, Ok(false));
        mend(&ledger, &shop, || false).await.unwrap();
        assert_eq!(lacking().await, [1].into(), "without the lock nothing is written");
        mend(&ledger, &shop, || true).await.unwrap();
        assert_eq!(lacking().await, [].into());
        assert_eq!(are_everywhere(&ledger, &shop).await, Ok(true));
        memory.world().silent = [0, 2].into();
        assert_eq!(get(&ledger, &shop, &content).await.as_ref(), Ok(&bytes));
    }
}

#[tokio::test]
async fn what_all_managers_have_lost_is_written_again_whatever_they_say() {
    let bytes = large(2 * CHUNK_BYTES + 9);
    for damage in [None, Some(Some("foreign".to_owned()))] {
        let memory = Memory::new(3);
        let content = put_one(&memory, "shop", &bytes).await.unwrap();
        (0..3).for_each(|manager| damage_part(&memory, manager, &content, damage.as_ref()));
        let (ledger, shop) = (memory.ledger(), stack("shop"));
        assert_eq!(shelf(&ledger, &shop).await.unwrap().holders(&content.name), 3, "so it is said");
        assert!(get(&ledger, &shop, &content).await.is_err());
        put_one(&memory, "shop", &bytes).await.unwrap();
        let shelf = shelf(&ledger, &shop).await.unwrap();
        assert_eq!(lacking(&ledger, &shop, &shelf, &content).await, [].into());
        assert!(get(&ledger, &shop, &content).await.as_ref() == Ok(&bytes));
    }
}

#[tokio::test]
async fn what_cannot_be_read_now_is_not_taken_for_lost() {
    let (memory, bytes) = (Memory::new(3), large(2 * CHUNK_BYTES));
    put_one(&memory, "shop", &bytes).await.unwrap();
    memory.world().slow = [0, 1, 2].into();
    memory.world().calls.clear();
    put_one(&memory, "shop", &bytes).await.unwrap();
    let calls = memory.world().calls.clone();
    assert!(!calls.iter().any(|call| call.starts_with("create")), "{calls:?}");
}

#[tokio::test]
async fn what_holds_something_else_is_passed_by() {
    let (memory, bytes) = (Memory::new(1), large(CHUNK_BYTES + 9));
    let content = content(&stack("shop"), &bytes);
    for place in [content.place(2, 0), content.place(1, 1)] {
        memory.world().registers.insert((0, chunks(&stack("shop")).to_string(), place), None);
    }
    put_one(&memory, "shop", &bytes).await.unwrap();
    assert!(get(&memory.ledger(), &stack("shop"), &content).await.as_ref() == Ok(&bytes));
    // All of it goes once nothing names it, but what another has put there.
    release(&memory, "shop", 1, &[]).await;
    tidy(&memory.ledger(), &stack("shop"), || true).await.unwrap();
    let left =
        memory.world().registers.keys().filter(|(_, stream, _)| !stream.starts_with("releases")).count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn what_no_release_names_goes_and_what_one_names_is_brought_to_every_manager() {
    let memory = Memory::new(3);
    memory.world().silent.insert(2);
    let kept = put_one(&memory, "shop", b"kept").await.unwrap();
    memory.world().silent.clear();
    put_one(&memory, "shop", b"old").await.unwrap();
    let neighbour = put_one(&memory, "blog", b"old").await.unwrap();
    // Of a writer that died in the middle: one chunk of three.
    let lost = content(&stack("shop"), &large(3 * CHUNK_BYTES));
    let registers = memory.clone();
    registers.create(1, &index(&stack("shop")), lost.begun(0), &Some(lost.label())).await.unwrap();
    let text = Some(lost.pack(1, b"a"));
    registers.create(1, &chunks(&stack("shop")), lost.place(1, 0), &text).await.unwrap();
    release(&memory, "shop", 1, &[&kept]).await;
    tidy(&memory.ledger(), &stack("shop"), || true).await.unwrap();
    let shelf = shelf(&memory.ledger(), &stack("shop")).await.unwrap();
    assert_eq!((shelf.contents(), shelf.holders(&kept.name)), ([kept.clone()].into(), 3));
    let of_chunks = |name: &str| {
        let stream = chunks(&stack(name)).to_string();
        memory.world().registers.keys().filter(|(_, of, _)| *of == stream).count()
    };
    assert_eq!((of_chunks("shop"), of_chunks("blog")), (3, 3));
    assert_eq!(get(&memory.ledger(), &stack("blog"), &neighbour).await, Ok(b"old".to_vec()));
}

#[tokio::test]
async fn nothing_is_removed_without_the_lock_or_beside_a_release_that_cannot_be_read() {
    let memory = Memory::new(3);
    let content = put_one(&memory, "shop", b"a").await.unwrap();
    release(&memory, "shop", 1, &[]).await;
    tidy(&memory.ledger(), &stack("shop"), || false).await.unwrap();
    let at = (0, Stream::new(Kind::Releases, stack("shop")).to_string(), Place { seq: 2, round: 0 });
    memory.world().registers.insert(at.clone(), Some("of a newer program".to_owned()));
    tidy(&memory.ledger(), &stack("shop"), || true).await.unwrap();
    assert!(get(&memory.ledger(), &stack("shop"), &content).await.is_ok());
    memory.world().registers.remove(&at);
    tidy(&memory.ledger(), &stack("shop"), || true).await.unwrap();
    assert!(get(&memory.ledger(), &stack("shop"), &content).await.is_err());
}

#[test]
fn names_prove_no_guess_and_say_nothing_about_another_stack() {
    let (one, other) = (MarkKey::new([7; 32]), MarkKey::new([8; 32]));
    let name = |key: &MarkKey, name: &str| ContentRef::of(key, &stack(name), b"hunter2").name;
    assert_eq!(name(&one, "shop"), name(&one, "shop"));
    assert_ne!(name(&one, "shop"), name(&other, "shop"));
    assert_ne!(name(&one, "shop"), name(&one, "blog"));
    assert!(!sha256_hex(b"hunter2").contains(&name(&one, "shop")));
}
