//! The key and secrets on a ledger of files: changed, cut off, damaged, copied.

use std::path::Path;

use super::*;
use crate::engine::Store;
use crate::inventory::{Address, Inventory};
use crate::ledger::archive::Archive;
use crate::ledger::secrets::{self, Secrets};
use crate::ledger::{FileRegisters, Kind, Limits, Place, Stream, contents};
use crate::model::ClusterName;
use crate::ops::ledger as whole;
use crate::ops::testing::{actor, ledger, quiet, registers};
use crate::ops::vault::private::KeyPlaces;
use crate::ops::vault::users::Held;
use crate::ops::vault::values::Values;
use crate::stores::Stores;
use crate::vault::{Keyring, Plaintext, Recipient, RecipientName, Recipients};

type Files = Arc<Ledger<FileRegisters>>;

fn told(_: usize, _: usize) {}

fn name(text: &str) -> RecipientName {
    text.parse().unwrap()
}

fn secret_name(text: &str) -> ObjectName {
    text.parse().unwrap()
}

fn plain(text: &str) -> Plaintext {
    Plaintext::new(text.as_bytes().to_vec())
}

fn public(keys: &Keyring) -> Recipient {
    keys.publics()[0].clone()
}

/// A cluster with a key that ann opens.
async fn with_key(dir: &Path) -> (Files, Keyring) {
    let (ledger, ann) = (ledger(dir), Keyring::generate().0);
    let recipients = Recipients::new(name("ann"), public(&ann));
    key::init(&ledger, &actor(), recipients, quiet).await.unwrap();
    (ledger, ann)
}

async fn create(ledger: &Files, of: &str, value: &str) -> String {
    let made = secret::create(ledger, &actor(), &secret_name(of), [].into(), &plain(value), quiet).await;
    made.unwrap().version
}

async fn value(ledger: &Files, keys: &Keyring, of: &str) -> Result<String, VaultError> {
    let value = secret::value(ledger, keys, &secret_name(of)).await?;
    Ok(String::from_utf8(value.expose().to_vec()).unwrap())
}

async fn all(ledger: &Files) -> Secrets {
    secrets::read(ledger).await.unwrap().of_people()
}

/// Pairs of keys for releases, of which each replacement of the cluster's key makes one.
async fn pairs(ledger: &Files) -> usize {
    secrets::read(ledger).await.unwrap().own(secrets::RELEASES).map_or(0, |secret| secret.versions.len())
}

/// Contents of values that are kept, whether they are named or not; without those of the keys of releases.
async fn kept_contents(ledger: &Files) -> usize {
    contents::shelf(ledger, &secrets::owner()).await.unwrap().contents().len() - pairs(ledger).await
}

#[tokio::test]
async fn a_cluster_has_one_key_and_its_recipients_open_what_is_sealed_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, ann) = with_key(dir.path()).await;
    let ben = Keyring::generate().0;
    let again = Recipients::new(name("ben"), public(&ben));
    let error = key::init(&ledger, &actor(), again, quiet).await.unwrap_err();
    assert!(matches!(&error, VaultError::KeyExists { epoch: 1, recipients } if recipients.contains("ann")));
    let version = create(&ledger, "db", "hunter2").await;
    assert_eq!(value(&ledger, &ann, "db").await.unwrap(), "hunter2");
    assert!(matches!(value(&ledger, &ben, "db").await.unwrap_err(), VaultError::NoKeyFits(_)));
    // One more opens what was there before; one less does not open the next key.
    let new = (name("ben"), public(&ben));
    assert!(matches!(
        key::add(&ledger, &actor(), &ben, new.clone(), quiet).await.unwrap_err(),
        VaultError::NoKeyFits(_)
    ));
    key::add(&ledger, &actor(), &ann, new.clone(), quiet).await.unwrap();
    assert!(matches!(
        key::add(&ledger, &actor(), &ann, new, quiet).await.unwrap_err(),
        VaultError::Change(ChangeError::NameTaken { .. })
    ));
    assert_eq!(value(&ledger, &ben, "db").await.unwrap(), "hunter2");
    let done = key::remove(&ledger, &actor(), &ann, &name("ben"), quiet, told).await.unwrap();
    assert_eq!((done.key.epoch(), done.renewed, done.failed.len()), (2, 1, 0));
    assert!(value(&ledger, &ben, "db").await.is_err());
    assert_eq!(value(&ledger, &ann, "db").await.unwrap(), "hunter2");
    // A new key changes no version, and what was sealed to the one before is not kept.
    let present = all(&ledger).await.0[&secret_name("db")].present().clone();
    assert_eq!((present.version, present.epoch), (version, 2));
    assert_eq!((done.key.former().count(), kept_contents(&ledger).await), (0, 1));
}

/// Reading refuses to guess at what a killed process left, and whatever changes something begins with reading.
#[tokio::test]
async fn what_a_killed_process_left_incomplete_is_decided_by_the_next_change() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, ann) = with_key(dir.path()).await;
    create(&ledger, "db", "one").await;
    for (stream, name) in
        [(kept::stream(), "key"), (secrets::stream(), "list"), (configs::stream(), "configs")]
    {
        let place = Place { seq: ledger.read(&stream).await.unwrap().next(), round: 0 };
        ledger.registers().create(0, &stream, place, &None).await.unwrap();
        assert!(document::is_open(&ledger, &stream).await.unwrap());
        create(&ledger, name, "two").await;
        assert!(!document::is_open(&ledger, &stream).await.unwrap(), "{name}");
        assert_eq!(value(&ledger, &ann, "db").await.unwrap(), "one");
    }
    let stream = secrets::stream();
    let place = Place { seq: ledger.read(&stream).await.unwrap().next(), round: 0 };
    ledger.registers().create(0, &stream, place, &None).await.unwrap();
    let error = secret::all(&ledger).await.unwrap_err();
    assert!(error.is_undecided(), "{error}");
    whole::sync(&ledger, &actor(), "ledger sync".to_owned(), quiet).await.unwrap();
    assert_eq!(all(&ledger).await.0.len(), 4);
}

#[tokio::test]
async fn a_secret_is_made_once_changed_and_removed_with_all_that_it_had() {
    let dir = tempfile::tempdir().unwrap();
    let empty = ledger(dir.path());
    let none = secret::create(&empty, &actor(), &secret_name("db"), [].into(), &plain("x"), quiet).await;
    assert!(matches!(none.unwrap_err(), VaultError::NoKey));
    let (ledger, ann) = with_key(dir.path()).await;
    for (value, words) in [(String::new(), "it is empty"), ("x".repeat(512_000), "511999 bytes at most")] {
        let name = secret_name("db");
        let error = secret::create(&ledger, &actor(), &name, [].into(), &plain(&value), quiet).await;
        assert!(error.as_ref().unwrap_err().to_string().contains(words), "{error:?}");
    }
    assert_eq!(ledger.read(&Stream::new(Kind::Operations, "cluster")).await.unwrap().next(), 3, "key init");
    let first = create(&ledger, "db", "one").await;
    let again = secret::create(&ledger, &actor(), &secret_name("db"), [].into(), &plain("x"), quiet).await;
    assert!(matches!(again.unwrap_err(), VaultError::Exists(_)));
    let rotate = async |value: &str| {
        let name = secret_name("db");
        secret::rotate(&ledger, &actor(), &name, &plain(value), "rotate", quiet).await.unwrap()
    };
    assert!(rotate("one").await.is_none(), "the same value is no new version");
    assert_ne!(rotate("two").await.unwrap().version, first);
    for n in 3..9 {
        rotate(&n.to_string()).await.unwrap();
    }
    let secret = all(&ledger).await.0[&secret_name("db")].clone();
    assert_eq!((secret.versions.len(), kept_contents(&ledger).await), (secrets::VERSIONS_MAX, 5));
    assert_eq!(value(&ledger, &ann, "db").await.unwrap(), "8");
    // The largest there is takes several parts.
    let large = "y".repeat(511_999);
    create(&ledger, "large", &large).await;
    assert_eq!(value(&ledger, &ann, "large").await.unwrap(), large);
    let unknown =
        secret::remove(&ledger, &actor(), &[secret_name("large"), secret_name("x")], &Held::default(), quiet)
            .await;
    assert!(unknown.unwrap_err().to_string().contains("no secret `x`"));
    secret::remove(&ledger, &actor(), &[secret_name("db"), secret_name("large")], &Held::default(), quiet)
        .await
        .unwrap();
    assert_eq!((all(&ledger).await, kept_contents(&ledger).await), (Secrets::default(), 0));
}

#[tokio::test]
async fn a_replacement_that_was_cut_off_is_finished_by_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, ann) = with_key(dir.path()).await;
    for of in ["a", "b"] {
        create(&ledger, of, of).await;
    }
    // Cut off once the record was written: nothing is encrypted again yet.
    let before = known(&ledger).await.unwrap();
    let next = before.key().unwrap().open(&ann).unwrap().rotate().unwrap();
    assert!(kept::replace(&ledger, &before.record, &next.key().record()).await.unwrap());
    assert_eq!(value(&ledger, &ann, "a").await.unwrap(), "a", "the former key is kept meanwhile");
    create(&ledger, "c", "c").await;
    let done = key::rotate(&ledger, &actor(), &ann, quiet, told).await.unwrap();
    assert_eq!((done.key.epoch(), done.is_finished_only, done.renewed), (2, true, 2));
    let done = key::rotate(&ledger, &actor(), &ann, quiet, told).await.unwrap();
    assert_eq!((done.key.epoch(), done.is_finished_only, done.renewed), (3, false, 3));
    for of in ["a", "b", "c"] {
        assert_eq!(value(&ledger, &ann, of).await.unwrap(), of);
    }
    // Of a value that is lost the rest is not held up, and the key that it needs is kept.
    let lost = all(&ledger).await.0[&secret_name("b")].present().clone();
    for chunk in std::fs::read_dir(dir.path().join("test/chunks/.secrets")).unwrap() {
        let path = chunk.unwrap().path();
        if std::fs::read_to_string(&path).unwrap().contains(&lost.content.name) {
            std::fs::remove_file(path).unwrap();
        }
    }
    let error = value(&ledger, &ann, "b").await.unwrap_err();
    assert!(matches!(&error, VaultError::Value { .. }), "{error}");
    for epoch in [4, 5] {
        let done = key::rotate(&ledger, &actor(), &ann, quiet, told).await.unwrap();
        assert_eq!((done.key.epoch(), done.renewed, done.failed.len()), (epoch, 2, 1));
        assert!(done.key.former().any(|former| former == 3), "{done:?}");
    }
    secret::rotate(&ledger, &actor(), &secret_name("b"), &plain("new"), "rotate", quiet).await.unwrap();
    secret::remove(&ledger, &actor(), &[secret_name("b")], &Held::default(), quiet).await.unwrap();
    let done = key::rotate(&ledger, &actor(), &ann, quiet, told).await.unwrap();
    assert_eq!((done.is_finished_only, done.key.former().count()), (true, 0));
}

#[tokio::test]
async fn a_record_that_other_hands_wrote_is_refused_and_nothing_is_sealed_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, ann) = with_key(dir.path()).await;
    create(&ledger, "db", "one").await;
    let before = known(&ledger).await.unwrap();
    let eve = Keyring::generate().0;
    let theirs = Recipients::new(name("eve"), public(&eve));
    let forged = crate::vault::Opened::create(&MarkKey::new([7; 32]), theirs).unwrap().key().record();
    assert!(kept::replace(&ledger, &before.record, &forged).await.unwrap());
    let rotate = secret::rotate(&ledger, &actor(), &secret_name("db"), &plain("two"), "rotate", quiet).await;
    for error in [known(&ledger).await.unwrap_err(), rotate.unwrap_err()] {
        assert!(matches!(&error, VaultError::NotUsable(NotUsable::Foreign { .. })), "{error}");
        assert!(error.to_string().contains("eve"), "{error}");
    }
    // Put back, all is as it was.
    assert!(kept::replace(&ledger, &forged, &before.record).await.unwrap());
    assert_eq!(value(&ledger, &ann, "db").await.unwrap(), "one");
}

#[tokio::test]
async fn a_backup_a_copy_and_a_wipe_take_the_key_and_the_values_along() {
    let dir = tempfile::tempdir().unwrap();
    let (one, ann) = with_key(&dir.path().join("one")).await;
    create(&one, "db", "hunter2").await;
    let cluster = ClusterName::unchecked("test");
    let whole::Backup { text, .. } = whole::backup(&one, &cluster, actor().clock.now()).await.unwrap();
    assert!(!text.contains("hunter2"));
    let (head, archive) = Archive::parse(&text).unwrap();
    assert!(archive.stacks().is_empty(), "{:?}", archive.stacks());
    let saved = whole::Saved { head, archive };
    let two = ledger(&dir.path().join("two"));
    whole::restore(&saved, &two, &cluster, false, &actor(), "ledger restore".into(), quiet).await.unwrap();
    assert_eq!(value(&two, &ann, "db").await.unwrap(), "hunter2");
    let three = ledger(&dir.path().join("three"));
    whole::migrate(&two, &three, &actor(), "ledger migrate".into(), quiet).await.unwrap();
    assert_eq!(value(&three, &ann, "db").await.unwrap(), "hunter2");
    // A forced restore leaves nothing of what was there.
    create(&three, "other", "x").await;
    whole::restore(&saved, &three, &cluster, true, &actor(), "ledger restore".into(), quiet).await.unwrap();
    assert_eq!((all(&three).await, kept_contents(&three).await), (all(&one).await, 1));
}

#[tokio::test]
async fn one_process_at_a_time_changes_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = with_key(dir.path()).await;
    let makers = (0..4).map(|n| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move { create(&ledger, &format!("s{n}"), "x").await })
    });
    for made in futures_util::future::join_all(makers).await {
        made.unwrap();
    }
    assert_eq!((all(&ledger).await.0.len(), kept_contents(&ledger).await), (4, 4));
}

/// A release of a stack with a value, as a deploy would write it.
async fn deployed(ledger: &Files, value: &str) -> u64 {
    use crate::engine::records::remembered;
    use crate::ledger::release::{Outcome, Release};
    use crate::model::testing::{replicated, stack, with_task};
    use crate::model::{StackSpec, Timestamp};

    let service = with_task(replicated("web", 1), |task| {
        task.environment.insert("TOKEN".into(), Some(value.into()));
    });
    let spec: StackSpec = stack(vec![service]);
    let name = spec.name.clone();
    let (_, records) = node_records::read(ledger).await.unwrap();
    let marks = node_records::marks_key(records.key.as_ref().unwrap());
    let to = releases::recipient(&marks, records.release_key.as_ref()).unwrap();
    let release = Release::of(spec, "deploy".into(), "ann@mill".into(), Timestamp(5));
    let before = remembered(ledger, &name).await.unwrap();
    let keys = (&marks, to.as_ref());
    let begun = before.begin(ledger, release, keys, &[].into(), || true).await.unwrap().unwrap();
    before.end(ledger, &name, &begun, (Timestamp(6), &Outcome::Deployed), || true).await.unwrap();
    begun.number
}

/// The values of releases that a private key opens.
async fn opened_by(ledger: &Files, keys: &Keyring) -> Vec<Option<String>> {
    use crate::engine::records::remembered;

    let opened = known(ledger).await.unwrap().key().unwrap().open(keys);
    let mut record = remembered(ledger, &crate::model::testing::stack(Vec::new()).name).await.unwrap();
    if let Ok(opened) = opened {
        let all = secrets::read(ledger).await.unwrap();
        let mut ring = Keyring::default();
        for version in &all.own(secrets::RELEASES).unwrap().versions {
            let text =
                sealing::opened(ledger, &opened, &secret_name(secrets::RELEASES), version).await.unwrap();
            ring.append(Keyring::parse(&text, "it").unwrap());
        }
        record.open(&ring);
    }
    let value = |(release, _): &(crate::ledger::release::Release, _)| {
        let value = release.spec.services["web"].task.environment["TOKEN"].clone();
        value.filter(|value| !crate::model::marks::is_mark(value))
    };
    record.history.releases.values().map(value).collect()
}

#[tokio::test]
async fn values_of_releases_are_opened_by_who_opens_secrets_also_after_the_key_was_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, ann) = with_key(dir.path()).await;
    let ben = Keyring::generate().0;
    key::add(&ledger, &actor(), &ann, (name("ben"), public(&ben)), quiet).await.unwrap();
    deployed(&ledger, "hunter2").await;
    for keys in [&ann, &ben] {
        assert_eq!(opened_by(&ledger, keys).await, [Some("hunter2".to_owned())]);
    }
    assert_eq!(opened_by(&ledger, &Keyring::generate().0).await, [None]);
    key::remove(&ledger, &actor(), &ann, &name("ben"), quiet, told).await.unwrap();
    deployed(&ledger, "hunter3").await;
    assert_eq!(pairs(&ledger).await, 2);
    assert_eq!(opened_by(&ledger, &ann).await, [Some("hunter2".to_owned()), Some("hunter3".to_owned())]);
    assert_eq!(opened_by(&ledger, &ben).await, [None, None]);
    let stream = crate::ledger::release::releases(&crate::model::testing::stack(Vec::new()).name);
    for entry in ledger.read(&stream).await.unwrap().entries.values() {
        let text = entry.value.data.to_string();
        assert!(text.contains("(hidden:") && !text.contains("hunter"), "{text}");
    }
}

#[tokio::test]
async fn a_key_of_releases_that_other_hands_wrote_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, ann) = with_key(dir.path()).await;
    let marks = known(&ledger).await.unwrap().marks;
    let eve = public(&Keyring::generate().0).to_string();
    let forged = ReleaseKey { recipient: eve, proof: "00".repeat(32) };
    assert!(matches!(releases::recipient(&marks, Some(&forged)), Err(VaultError::ForeignReleaseKey)));
    let put = |records: &mut crate::ledger::nodes::NodeRecords| {
        records.release_key = Some(forged.clone());
        Ok::<(), LedgerError>(())
    };
    node_records::change(&ledger, put).await.unwrap();
    // What the error says to do helps.
    key::rotate(&ledger, &actor(), &ann, quiet, told).await.unwrap();
    let (_, records) = node_records::read(&ledger).await.unwrap();
    assert!(releases::recipient(&marks, records.release_key.as_ref()).unwrap().is_some());
}

/// A cluster that got its key from a version that had no such pairs.
#[tokio::test]
async fn the_first_secret_brings_the_key_of_releases_where_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, ann) = with_key(dir.path()).await;
    secrets::change(&ledger, |all| {
        all.0.clear();
        Ok::<(), LedgerError>(())
    })
    .await
    .unwrap();
    let put = |records: &mut crate::ledger::nodes::NodeRecords| {
        records.release_key = None;
        Ok::<(), LedgerError>(())
    };
    node_records::change(&ledger, put).await.unwrap();
    deployed(&ledger, "plain").await;
    create(&ledger, "db", "one").await;
    deployed(&ledger, "hunter2").await;
    assert_eq!(opened_by(&ledger, &ann).await, [Some("plain".to_owned()), Some("hunter2".to_owned())]);
    assert_eq!(opened_by(&ledger, &Keyring::generate().0).await, [Some("plain".to_owned()), None]);
}

#[tokio::test]
async fn a_run_reads_list_and_key_once_and_again_where_others_have_changed_them() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let (ann, private) = Keyring::generate();
    let recipients = Recipients::new(name("ann"), public(&ann));
    key::init(&ledger, &actor(), recipients, quiet).await.unwrap();
    let mut versions = Vec::new();
    for of in ["a", "b", "c"] {
        versions.push(create(&ledger, of, of).await);
    }
    let private = String::from_utf8(private.expose().to_vec()).unwrap();
    let env = |name: &str| (name == "STACKCTL_KEY").then(|| private.clone());
    let inventory = Inventory::local(Address::Unix("/none".into()));
    let reading = Ledger::new(Store::Files(registers(dir.path())), Limits::default());
    let values = Values::new(reading, KeyPlaces::of(&env), Stores::of(&inventory, &env));
    let get = async |of: &str, version: &str| {
        let value = values.get(of, version).await?;
        Ok::<_, VaultError>(String::from_utf8(value.expose().to_vec()).unwrap())
    };
    assert_eq!(get("a", &versions[0]).await.unwrap(), "a");
    let (list, away) = (dir.path().join("test/secrets"), dir.path().join("away"));
    std::fs::rename(&list, &away).unwrap();
    assert_eq!(get("b", &versions[1]).await.unwrap(), "b", "by the list of before");
    std::fs::rename(&away, &list).unwrap();

    // What is encrypted again is no longer where it was, and by another key.
    key::rotate(&ledger, &actor(), &ann, quiet, told).await.unwrap();
    assert_eq!(get("c", &versions[2]).await.unwrap(), "c");
    let newer = create(&ledger, "d", "d").await;
    assert_eq!(get("d", &newer).await.unwrap(), "d");
    assert!(matches!(get("d", "0").await, Err(VaultError::NoVersion { .. })));
}
