//! Recipients that come and go, keys that are replaced, and values that stay what they are meanwhile.

use super::*;

const DB: &str = "db";

fn value(opened: &Opened, text: &str) -> SealedValue {
    opened.key().seal(Kind::Secret, DB, &plain(text)).unwrap()
}

fn read(opened: &Opened, value: &SealedValue) -> Result<String, ValueError> {
    opened.open(DB, value).map(|plain| String::from_utf8(plain.expose().to_vec()).unwrap())
}

#[test]
fn each_recipient_opens_values_and_others_are_refused_by_the_names_of_those_who_may() {
    let (made, ann, ci) = cluster();
    let sealed = value(&made, "hunter2");
    for keys in [&ann, &ci] {
        assert_eq!(read(&reopened(&made, keys).unwrap(), &sealed).unwrap(), "hunter2");
    }
    let names: Vec<&str> = made.key().names_of(&ci).map(RecipientName::as_str).collect();
    assert_eq!(names, ["ci"]);
    let (stranger, _) = pair();
    let error = reopened(&made, &stranger).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the private key does not open the cluster's key: its recipients are ann, ci"
    );
    let error = reopened(&made, &Keyring::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no private key that opens the cluster's key: its recipients are ann, ci"
    );
}

#[test]
fn a_recipient_who_is_added_opens_what_was_sealed_before() {
    let (made, ann, _) = cluster();
    let old = value(&made.rotate().unwrap(), "hunter2");
    let made = made.rotate().unwrap();
    let older = value(&made, "hunter1");
    let (loop_key, of_loop) = pair();
    let more = made.rotate().unwrap().add(name("loop"), of_loop.clone()).unwrap();
    assert_eq!(more.key().epoch(), 3, "nothing is rotated for it");
    let by_loop = reopened(&more, &loop_key).unwrap();
    assert_eq!(read(&by_loop, &older).unwrap(), "hunter1");
    assert!(
        matches!(read(&by_loop, &old), Err(ValueError::Open(OpenError::NoKeyFits { .. }))),
        "of another key"
    );
    assert_eq!(read(&reopened(&more, &ann).unwrap(), &older).unwrap(), "hunter1");
    assert_eq!(
        more.add(name("loop"), pair().1).unwrap_err().to_string(),
        "there is a recipient loop already: remove it first, or choose another name"
    );
    assert_eq!(
        more.add(name("loop2"), of_loop).unwrap_err().to_string(),
        "the key of loop2 is that of the recipient loop already"
    );
}

#[test]
fn who_is_removed_opens_nothing_that_is_sealed_or_renewed_from_then_on() {
    let (made, ann, ci) = cluster();
    let sealed = value(&made, "hunter2");
    let less = made.remove(&name("ci")).unwrap();
    assert_eq!((less.key().epoch(), less.key().recipients().words()), (2, "ann".to_owned()));
    assert!(matches!(reopened(&less, &ci), Err(NotUsable::NoKeyFits { tried: 1, .. })));
    let by_ann = reopened(&less, &ann).unwrap();
    let renewed = by_ann.renew(&sealed).unwrap().unwrap();
    let before = reopened(&made, &ci).unwrap();
    assert_eq!(read(&before, &sealed).unwrap(), "hunter2", "what it knew, it knows");
    assert_eq!(read(&before, &renewed), Err(ValueError::Newer { epoch: 2, ours: 1 }));
    let disguised = SealedValue { epoch: 1, ..renewed };
    assert!(matches!(read(&before, &disguised), Err(ValueError::Open(OpenError::NoKeyFits { .. }))));

    assert_eq!(
        less.remove(&name("ann")).unwrap_err().to_string(),
        "ann is the last recipient: without one, nothing could open the cluster's key any more"
    );
    assert_eq!(
        made.remove(&name("bob")).unwrap_err().to_string(),
        "there is no recipient bob: there are ann, ci"
    );
}

#[test]
fn a_rotation_that_is_cut_off_goes_on_and_changes_no_version() {
    let (made, ann, _) = cluster();
    let mut values: Vec<SealedValue> = (0..6).map(|at| value(&made, &format!("hunter{at}"))).collect();
    let versions: Vec<String> = values.iter().map(|value| value.version.clone()).collect();
    let rotated = made.rotate().unwrap();
    for some in [2, 4, 6] {
        // Each time by another process, which finds out from the values what is left to do.
        let opened = reopened(&rotated, &ann).unwrap();
        let mut done = 0;
        for value in &mut values {
            if done < 2
                && let Some(renewed) = opened.renew(value).unwrap()
            {
                *value = renewed;
                done += 1;
            }
        }
        assert_eq!(values.iter().filter(|value| value.epoch == 2).count(), some);
        for (at, value) in values.iter().enumerate() {
            assert_eq!(read(&opened, value).unwrap(), format!("hunter{at}"));
        }
    }
    assert_eq!(values.iter().map(|value| value.version.clone()).collect::<Vec<_>>(), versions);
    assert_eq!(value(&rotated, "hunter0").version, versions[0], "the same bytes, sealed afresh");

    let forgotten = reopened(&rotated.forget(2).unwrap(), &ann).unwrap();
    assert_eq!(forgotten.key().former().count(), 0);
    assert_eq!(read(&forgotten, &values[0]).unwrap(), "hunter0");
    assert_eq!(read(&forgotten, &value(&made, "x")), Err(ValueError::Forgotten { epoch: 1 }));
    assert_eq!(forgotten.renew(&value(&made, "x")), Err(ValueError::Forgotten { epoch: 1 }));
}

#[test]
fn many_rotations_keep_every_former_key_until_it_is_forgotten() {
    let (mut made, ann, _) = cluster();
    let mut values = Vec::new();
    for at in 1..=5 {
        values.push(value(&made, &format!("hunter{at}")));
        made = reopened(&made.rotate().unwrap(), &ann).unwrap();
    }
    assert_eq!(made.key().former().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    for (at, value) in (1..).zip(&values) {
        assert_eq!(read(&made, value).unwrap(), format!("hunter{at}"));
    }
    let kept = made.forget(4).unwrap();
    assert_eq!(kept.key().former().collect::<Vec<_>>(), [4, 5]);
    assert_eq!(kept.forget(100).unwrap().key().epoch(), 6, "never the present one");
    assert!(kept.continues(made.key().public()) && !kept.continues(&pair().1));
}

#[test]
fn a_value_in_the_place_of_another_is_refused() {
    let (made, ..) = cluster();
    let (one, other) = (value(&made, "hunter2"), value(&made, "hunter3"));
    let swapped = SealedValue { version: one.version.clone(), ..other.clone() };
    assert_eq!(read(&made, &swapped), Err(ValueError::OtherValue));
    assert_eq!(made.open("web", &one).unwrap_err(), ValueError::OtherValue);
    // Sealed to the public half, which everyone can read, by one without the key of marks.
    let forged = seal([made.key().public()], &plain("mine"), Form::Armored).unwrap();
    let forged = SealedValue { sealed: String::from_utf8(forged).unwrap(), ..one.clone() };
    assert_eq!(read(&made, &forged), Err(ValueError::OtherValue));
    let rotated = made.rotate().unwrap();
    let renewed = rotated.renew(&forged).unwrap().unwrap();
    assert_eq!(
        read(&rotated, &renewed),
        Err(ValueError::OtherValue),
        "encrypting it again makes it no better"
    );
    assert!(format!("{one:?} {made:?} {:?}", made.key()).len() < 6000);
    assert!(!format!("{one:?}").contains("BEGIN"));
}

#[test]
fn sizes_are_checked_before_anything_is_sealed() {
    let (made, ..) = cluster();
    let of = |kind, bytes| made.key().seal(kind, DB, &Plaintext::new(vec![b'x'; bytes]));
    assert_eq!(of(Kind::Secret, 0), Err(SealError::Size(BadSize::Empty(Kind::Secret))));
    assert_eq!(
        of(Kind::Secret, 512_000).unwrap_err().to_string(),
        "it is too large: a secret has 511999 bytes at most"
    );
    for (kind, bytes) in [(Kind::Secret, 511_999), (Kind::Config, 1_023_999)] {
        let sealed = of(kind, bytes).unwrap();
        assert_eq!(made.open(DB, &sealed).unwrap().len(), bytes);
    }
}

#[test]
fn names_of_recipients_are_words_and_no_keys() {
    for right in ["ann", "ci", "loop@h1", "a.b_c-d+e", "7"] {
        assert_eq!(right.parse::<RecipientName>().unwrap().as_str(), right);
    }
    let key = "AGE-SECRET-KEY-1HUNTER2";
    for bad in ["", "-x", "@x", "a b", "a,b", "ä", "a\u{1b}[1m", &"x".repeat(64), key] {
        let error = bad.parse::<RecipientName>().unwrap_err().to_string();
        assert!(bad.is_empty() || !error.contains(bad) || bad == "@x", "{error}");
    }
    assert!(serde_json::from_str::<RecipientName>("\"a b\"").is_err());
    assert!(serde_json::from_str::<Recipients>("{}").is_err());
    let (_, one) = pair();
    let twice = serde_json::json!({ "ann": one, "bob": one }).to_string();
    assert!(serde_json::from_str::<Recipients>(&twice).unwrap_err().to_string().contains("bob"));
}
