//! Copies that are whole or refused, and backups that were changed.

use std::path::Path;

use super::*;
use crate::ledger::payload::value;
use crate::ledger::register::Place;
use crate::ledger::release::Content;
use crate::ledger::testing::Memory;
use crate::ledger::{FileRegisters, Limits};
use crate::model::{ClusterName, MarkKey, StackSpec};

fn ledger(dir: &Path, name: &str) -> Ledger<FileRegisters> {
    Ledger::new(FileRegisters::new(&dir.join(name), &ClusterName::unchecked("test")), Limits::default())
}

async fn filled(dir: &Path) -> Ledger<FileRegisters> {
    let ledger = ledger(dir, "one");
    for (kind, of, places) in [
        (Kind::Lease, "shop", 9..=11),
        (Kind::Releases, "shop", 3..=5),
        (Kind::Outcomes, "shop", 3..=4),
        (Kind::Nodes, "cluster", 1..=2),
    ] {
        for seq in places {
            let data = match kind {
                Kind::Lease => {
                    serde_json::json!(Note::Release { id: "a".into(), by: None, left: Left::default() })
                }
                _ => serde_json::json!({ "text": format!("{of} {seq}") }),
            };
            let ours = value(ledger.registers(), data);
            ledger.append(&Stream::new(kind, of), seq, &ours).await.unwrap();
        }
    }
    ledger
}

#[tokio::test]
async fn contents_that_releases_name_are_in_a_backup_and_a_part_that_was_changed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (one, shop) = (ledger(dir.path(), "one"), StackName::unchecked("shop"));
    let lease = value(
        one.registers(),
        serde_json::json!(Note::Release { id: "a".into(), by: None, left: Left::default() }),
    );
    one.append(&Stream::new(Kind::Lease, "shop"), 1, &lease).await.unwrap();
    let bytes = vec![7; CHUNK_BYTES + 1];
    let all = [&bytes[..], b"", b"of no release"]
        .map(|bytes| (ContentRef::of(&MarkKey::unset(), &shop, bytes), bytes));
    contents::put(&one, &shop, &all.clone().into(), &BTreeSet::new()).await.unwrap();
    let mut release =
        Release::of(StackSpec::empty(shop.clone()), "deploy".into(), "ann@mill".into(), Timestamp(1));
    for (key, (content, _)) in ["a", "b"].into_iter().zip(&all) {
        release.contents.insert(key.into(), Content::Apart(content.clone()));
    }
    let gone = ContentRef::of(&MarkKey::unset(), &shop, b"gone");
    release.contents.insert("c".into(), Content::Apart(gone));
    let ours = value(one.registers(), serde_json::json!(release));
    one.append(&Stream::new(Kind::Releases, "shop"), 1, &ours).await.unwrap();
    let archive = Archive::of(&one).await.unwrap();
    assert_eq!(archive.missing().len(), 1, "{:?}", archive.missing());
    let text = archive.text("test", Timestamp(1));
    let (_, parsed) = Archive::parse(&text).unwrap();
    assert_eq!(parsed.contents, archive.contents);
    let two = ledger(dir.path(), "two");
    parsed.write(&two).await.unwrap();
    for (content, bytes) in &all[..2] {
        assert_eq!(contents::get(&two, &shop, content).await.as_deref(), Ok(*bytes));
    }
    assert!(contents::get(&two, &shop, &all[2].0).await.is_err());
    wipe(&two).await.unwrap();
    assert!(contents::shelf(&two, &shop).await.unwrap().contents().is_empty());
    let changed = text.replacen("BwcHBwcH", "BwcHBwcI", 1);
    assert!(Archive::parse(&changed).unwrap_err().to_string().contains("checksum"));
}

#[tokio::test]
async fn a_copy_that_was_cut_off_is_finished_and_another_s_records_are_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let one = filled(dir.path()).await;
    let archive = Archive::of(&one).await.unwrap();
    assert_eq!((archive.records(), archive.stacks().len()), (7, 1));
    let two = ledger(dir.path(), "two");
    archive.fits(&two).await.unwrap();
    // Half of it.
    let (head, all) = Archive::parse(&archive.text("test", Timestamp(7))).unwrap();
    assert_eq!((head.cluster.as_str(), head.at, &all.streams.len()), ("test", Timestamp(7), &4));
    let mut half = archive.clone();
    half.streams.retain(|stream, _| stream.kind == Kind::Releases);
    half.streams.values_mut().for_each(|places| drop(places.pop_last()));
    half.write(&two).await.unwrap();
    archive.fits(&two).await.unwrap();
    archive.write(&two).await.unwrap();
    archive.write(&two).await.unwrap();
    let copy = Archive::of(&two).await.unwrap();
    let plain = |archive: &Archive| archive.text("test", Timestamp(0));
    assert_eq!(plain(&copy), plain(&archive));
    assert!(holders(&two).await.unwrap().is_empty());
    // Written under its own managers.
    let log = two.read(&Stream::new(Kind::Releases, "shop")).await.unwrap();
    assert_eq!(log.last().unwrap().1.value.managers, two.registers().managers());
    // Another process has written to it since.
    let theirs = value(two.registers(), serde_json::json!({ "text": "theirs" }));
    two.append(&Stream::new(Kind::Releases, "shop"), 6, &theirs).await.unwrap();
    let error = archive.fits(&two).await.unwrap_err();
    assert_eq!(error, NotCopied::NotEmpty { stream: "releases/shop".into(), seq: 6 });
    assert_eq!(archive.write(&two).await, Err(NotCopied::Differs { stream: "releases/shop".into() }));
    wipe(&two).await.unwrap();
    archive.fits(&two).await.unwrap();
    archive.write(&two).await.unwrap();
    assert_eq!(plain(&Archive::of(&two).await.unwrap()), plain(&archive));
}

#[tokio::test(start_paused = true)]
async fn a_record_on_which_managers_do_not_agree_is_waited_for_and_then_refused_by_name() {
    let shop = StackName::unchecked("shop");
    let half = |memory: &Memory, stream: &Stream, seq: u64, holder: usize| {
        let text = Value { id: "half".into(), ..value(memory, serde_json::json!({})) }.pack();
        let place = Place { seq, round: 0 };
        memory.world().registers.insert((holder, stream.to_string(), place), Some(text));
    };
    let filled = async || {
        let memory = Memory::new(3);
        let ledger = memory.ledger();
        for stream in streams(&[shop.clone()].into()) {
            let data = match stream.kind {
                Kind::Lease => {
                    serde_json::json!(Note::Release { id: "a".into(), by: None, left: Left::default() })
                }
                _ => serde_json::json!({}),
            };
            ledger.append(&stream, 2, &value(&memory, data)).await.unwrap();
        }
        memory
    };
    for stream in streams(&[shop.clone()].into()) {
        let memory = filled().await;
        half(&memory, &stream, 3, 0);
        let only_records = goes_on(&stream);
        if only_records {
            assert!(Archive::of(&memory.ledger()).await.is_ok(), "{stream}: no reader sees it");
            memory.world().silent.insert(2);
        }
        let found = Archive::of(&memory.ledger()).await;
        let refused = LedgerError::Undecided { stream: stream.to_string(), seq: 3 };
        match stream.kind {
            Kind::Lease => assert!(found.is_ok(), "{stream}"),
            _ => assert_eq!(found, Err(refused), "{stream}"),
        }
        memory.world().silent.clear();
        // Its writer was only slow.
        let slow = async {
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            half(&memory, &stream, 3, 1);
        };
        let ledger = memory.ledger();
        let (found, ()) = tokio::join!(Archive::of(&ledger), slow);
        let places = &found.unwrap().streams[&stream];
        let is_waited_for = !only_records && stream.kind != Kind::Lease;
        assert_eq!(places.contains_key(&3), is_waited_for, "{stream}");
    }
    // Who moves all records settles them instead.
    let memory = filled().await;
    for stream in streams(&[shop].into()).iter().filter(|stream| stream.kind != Kind::Lease) {
        half(&memory, stream, 3, 0);
    }
    settle(&memory.ledger()).await.unwrap();
    memory.world().silent.insert(2);
    assert!(Archive::of(&memory.ledger()).await.is_ok());
}

#[test]
fn what_is_restored_has_the_containers_asked() {
    let value = |data: serde_json::Value| Value {
        id: "a".into(),
        managers: vec!["files".into()],
        format: Format::CURRENT,
        data,
    };
    let mut archive = Archive::default();
    let nodes_then =
        [(3, value(serde_json::json!({ "nodes": {}, "newer": 1 }))), (4, value(serde_json::Value::Null))];
    archive.streams.insert(nodes::stream(), nodes_then.into());
    archive.streams.insert(Stream::new(Kind::Releases, "shop"), [(1, value(serde_json::json!({})))].into());
    let restored = archive.as_of_then();
    let data = &restored.streams[&nodes::stream()][&3].data;
    assert_eq!((&data["newer"], &data["nodes"]), (&serde_json::json!(1), &serde_json::json!({})));
    let records: nodes::NodeRecords = serde_json::from_value(data.clone()).unwrap();
    assert!(records.in_place[&StackName::unchecked("shop")].is_old);
    assert_eq!(restored.clone().as_of_then(), restored);
}

#[tokio::test]
async fn a_backup_of_the_first_version_is_restored() {
    let head = r#"{"format":"stackctl ledger backup","version":1,"cluster":"test","at":7}"#;
    let line = r#"{"stream":"releases","of":"shop","seq":3,"id":"x","data":{"text":"a"}}"#;
    let body = format!("{head}\n{line}\n");
    let end = End { records: 1, sha256: sha256_hex(body.as_bytes()) };
    let (_, archive) = Archive::parse(&(body + &serde_json::json!(end).to_string() + "\n")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path(), "one");
    assert_eq!(archive.write(&ledger).await, Ok(1));
    let log = ledger.read(&Stream::new(Kind::Releases, "shop")).await.unwrap();
    assert_eq!(log.last().unwrap().1.value.format, Format::FIRST);
}

#[tokio::test]
async fn a_backup_that_was_changed_or_cut_off_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::of(&filled(dir.path()).await).await.unwrap();
    let text = archive.text("test", Timestamp(7));
    assert_eq!(Archive::parse(&text).unwrap().1.records(), 7);
    let refused = |text: &str| Archive::parse(text).unwrap_err().0;
    let last = text.trim_end().rfind('\n').unwrap();
    // Not even the checksum need be as this version makes it.
    let newer = |text: &str| {
        let (body, _) = text.trim_end().rsplit_once('\n').unwrap();
        let body = body
            .replacen("\"format\":2,", "\"format\":9,", 1)
            .replace("\"read\":\"0.3.0\"", "\"read\":\"99.0.0\"");
        let body = body.replacen("\"read\":\"99.0.0\"", "\"read\":\"0.3.0\"", 1) + "\n";
        let end = End { records: 7, sha256: sha256_hex(body.as_bytes()) };
        body + &serde_json::json!(end).to_string() + "\n"
    };
    for (text, word) in [
        (newer(&text), "stackctl 99.0.0 or newer may read it"),
        (String::new(), "first line"),
        ("{}\n".to_owned(), "first line"),
        (text[..last + 1].to_owned(), "cut off"),
        (text[..last - 5].to_owned(), "cut off"),
        (text.replace("shop 3", "shop 4"), "checksum"),
        (
            text.replacen("\"read\":\"0.3.0\"", "\"read\":\"99.0.0\"", 1),
            "stackctl 99.0.0 or newer may read it",
        ),
        (text.replacen("\"read\":\"0.3.0\",", "", 1), "does not say who may read it"),
        (text.replace("\"version\":2", "\"version\":\"x\""), "first line"),
        (text.replacen("\"seq\":3", "\"seq\":13", 1), "checksum"),
    ] {
        let why = refused(&text);
        assert!(why.contains(word), "{word}: {why}");
    }
}
