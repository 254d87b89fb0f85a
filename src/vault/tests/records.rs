//! Records of the key that this cluster did not write, or not so.

use serde_json::{Value, json};

use super::super::record::Said;
use super::*;

fn record(opened: &Opened) -> Value {
    serde_json::to_value(opened.key().record()).unwrap()
}

fn check(record: &Value) -> Result<ClusterKey, NotUsable> {
    check_with(record, &marks())
}

fn check_with(record: &Value, marks: &MarkKey) -> Result<ClusterKey, NotUsable> {
    serde_json::from_value::<KeyRecord>(record.clone()).unwrap().check(marks)
}

fn error(record: &Value) -> String {
    check(record).unwrap_err().to_string()
}

#[test]
fn a_record_is_the_same_whoever_reads_and_writes_it() {
    let (made, ann, _) = cluster();
    let made = made.rotate().unwrap();
    let key = check(&record(&made)).unwrap();
    assert_eq!(&key, made.key());
    assert_eq!(key.record(), made.key().record());
    assert_eq!(reopened(&made, &ann).unwrap().key(), made.key(), "looking changes nothing");
    let again = made.add(name("bob"), pair().1).unwrap().remove(&name("bob")).unwrap();
    assert_ne!(again.key().record(), made.key().record());
    assert!(KeyRecord::default().is_none() && !key.record().is_none());
    assert!(format!("{:?}", key.record()).starts_with("KeyRecord(age1"));
    assert_eq!(format!("{:?}", KeyRecord::default()), "KeyRecord(none)");
}

#[test]
fn whatever_is_changed_in_a_record_is_found_and_its_recipients_are_named() {
    let (made, ..) = cluster();
    let made = made.rotate().unwrap();
    let right = record(&made);
    check(&right).unwrap();
    let mallory = pair().1.to_string();
    let other = record(&cluster().0.rotate().unwrap());
    for (at, to) in [
        ("/key/recipients/ann", json!(mallory)),
        ("/key/recipients/mallory", json!(mallory)),
        ("/key/public", json!(mallory)),
        ("/key/epoch", json!(7)),
        ("/key/sealed", other["key"]["sealed"].clone()),
        ("/key/former/0/public", json!(mallory)),
        ("/key/former/0/sealed", other["key"]["former"][0]["sealed"].clone()),
        ("/key/former", json!([])),
        ("/key/recipients", json!({ "ann": right["key"]["recipients"]["ann"] })),
        ("/key", other["key"].clone()),
        ("/proofs", other["proofs"].clone()),
        ("/proofs/marks", json!("")),
        ("/format", json!(1)),
        ("/read", json!("0.1.0")),
        ("/write", json!("0.1.0")),
    ] {
        let mut record = right.clone();
        let (parent, field) = at.rsplit_once('/').unwrap();
        record.pointer_mut(parent).unwrap()[field] = to;
        assert_ne!(record, right, "{at}");
        let error = check(&record).unwrap_err();
        let NotUsable::Foreign { proof: Proof::Marks, recipients } = &error else { panic!("{at}: {error}") };
        assert!(recipients.contains("ann"), "{at}: {error}");
        assert_eq!(recipients.contains("mallory"), at.contains("mallory"), "{at}: {error}");
    }
    let error = check_with(&right, &MarkKey::new([8; 32])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the cluster's key is refused: what stands in the ledger of it, with the recipients ann, ci, was not written \
         by a program that has the cluster's key of marks"
    );
    assert_eq!(check_with(&right, &MarkKey::unset()).unwrap_err(), NotUsable::NoMarks);
    let recipients = made.key().recipients().clone();
    assert_eq!(Opened::create(&MarkKey::unset(), recipients).unwrap_err(), NotUsable::NoMarks);
}

/// Who can read the ledger has the key of marks; without the private half that is not enough.
#[test]
fn a_list_by_one_who_has_the_key_of_marks_alone_is_refused_by_each_who_opens_it() {
    let (made, ann, _) = cluster();
    let sealed = made.key().seal(Kind::Secret, "db", &plain("hunter2")).unwrap();
    let (mallory_key, mallory) = pair();

    // One more recipient, to whom the next key would be sealed.
    let forged = made.forged(false, |_, said| {
        said.recipients = said.recipients.with(name("mallory"), mallory.clone()).unwrap();
    });
    let error = forged.check(&marks()).unwrap().open(&ann).unwrap_err();
    assert!(matches!(&error, NotUsable::Foreign { proof: Proof::PrivateHalf, .. }), "{error}");
    assert!(error.to_string().contains("with the recipients ann, ci, mallory, was not"), "{error}");

    // All of it in the name of another key pair: it opens nothing, and does not continue what was known.
    let recipients = made.key().recipients().with(name("mallory"), mallory).unwrap();
    let replaced = Opened::create(&marks(), recipients).unwrap();
    let by_ann = reopened(&replaced, &ann).unwrap();
    assert!(!by_ann.continues(made.key().public()));
    assert!(matches!(by_ann.open("db", &sealed), Err(ValueError::Open(OpenError::NoKeyFits { .. }))));
    assert!(reopened(&made, &mallory_key).is_err());
}

#[test]
fn a_private_half_of_another_key_is_refused() {
    let (made, ann, _) = cluster();
    let (_, other) = pair();
    let forged = made.forged(false, |_, said| said.public = other);
    assert_eq!(
        forged.check(&marks()).unwrap().open(&ann).unwrap_err().to_string(),
        "what is kept as the private half of the cluster's key of epoch 1 belongs to another key"
    );
}

#[test]
fn what_is_damaged_below_right_proofs_has_its_own_error() {
    let (made, ann, _) = cluster();
    let made = made.rotate().unwrap();
    let error = |change: fn(&mut Said)| {
        made.forged(true, |_, said| change(said)).check(&marks()).unwrap().open(&ann).unwrap_err()
    };
    assert_eq!(error(|said| said.sealed.truncate(200)), NotUsable::Private(OpenError::CutOff));
    assert_eq!(error(|said| said.sealed.clear()), NotUsable::Private(OpenError::NotSealed));
    let former = error(|said| said.former[0].sealed.truncate(200));
    assert_eq!(former, NotUsable::Former { epoch: 1, why: OpenError::CutOff });
    assert_eq!(
        error(|said| said.former[0].sealed = text_to(&said.public, "AGE-SECRET-KEY-1")),
        NotUsable::OtherHalf { epoch: 1 }
    );
}

fn text_to(to: &Recipient, text: &str) -> String {
    String::from_utf8(seal([to], &plain(text), Form::Armored).unwrap()).unwrap()
}

#[test]
fn a_record_of_a_newer_program_says_which_version_is_needed() {
    let (made, ..) = cluster();
    let mut record = record(&made);
    record["read"] = json!("99.0.0");
    record["write"] = json!("99.1.0");
    record["key"] = json!("in another form");
    assert!(error(&record).contains("stackctl 99.0.0 or newer may read it"), "{}", error(&record));
}

#[test]
fn what_may_be_read_and_not_changed_is_not_changed() {
    let (made, ann, _) = cluster();
    let key =
        made.forged(true, |format, _| format.write = "99.0.0".parse().unwrap()).check(&marks()).unwrap();
    let opened = key.open(&ann).unwrap();
    for error in [
        opened.rotate().unwrap_err(),
        opened.forget(1).unwrap_err(),
        opened.add(name("bob"), pair().1).unwrap_err(),
        opened.remove(&name("ci")).unwrap_err(),
    ] {
        assert!(error.to_string().contains("stackctl 99.0.0 or newer may change it"), "{error}");
    }
    let sealed = key.seal(Kind::Secret, "db", &plain("x")).unwrap();
    assert!(opened.open("db", &sealed).is_ok());
}

#[test]
fn what_is_no_record_is_damaged() {
    let (made, ..) = cluster();
    let right = record(&made.rotate().unwrap());
    let text = right.to_string();
    for bad in [
        json!(null),
        json!([]),
        json!({}),
        json!("x"),
        json!({ "format": 2, "read": "0.3.0", "write": "0.3.0" }),
    ] {
        assert!(matches!(check(&bad), Err(NotUsable::Damaged(_))), "{bad}");
    }
    for (from, to, wanted) in [
        ("\"epoch\":2", "\"epoch\":1", "not in order"),
        ("\"epoch\":1", "\"epoch\":0", "not in order"),
        ("\"epoch\":1", "\"epoch\":-1", "damaged"),
        ("\"proofs\":{", "\"proofs\":{\"more\":1,", "unknown field `more`"),
        ("\"former\":[{", "\"former\":[{\"more\":1,", "unknown field `more`"),
        ("\"key\":{", "\"key\":{\"more\":1,", "unknown field `more`"),
        ("\"format\":2", "\"format\":2,\"more\":1", "unknown field `more`"),
        ("\"ann\":", "\"a b\":", "no name"),
    ] {
        assert!(text.contains(from), "{from}: {text}");
        let bad: Value = serde_json::from_str(&text.replacen(from, to, 1)).unwrap();
        assert!(error(&bad).contains(wanted), "{from}: {}", error(&bad));
    }
    let mut bad = right.clone();
    bad["key"]["recipients"] = json!({});
    assert!(error(&bad).contains("there is no recipient"), "{}", error(&bad));
    bad = right;
    bad["key"]["public"] = json!("AGE-SECRET-KEY-1HUNTER2");
    assert!(
        error(&bad).contains("private key of age") && !error(&bad).contains("HUNTER2"),
        "{}",
        error(&bad)
    );
}
