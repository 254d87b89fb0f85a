//! The key of a cluster and a value that is sealed to it, as the ledger keeps them. What is random is replaced by what it
//! is; no private key is anywhere.

use serde_json::{Value, json};
use stackctl::model::MarkKey;
use stackctl::vault::{KeyRecord, Keyring, Kind, Opened, Plaintext, Recipients};

use crate::golden;

const RECORDED: &str = "recorded/cluster-key.json";

fn marks() -> MarkKey {
    MarkKey::new([7; 32])
}

/// Three recipients, and a key that was replaced twice.
fn cluster() -> Opened {
    // Its private half is gone when this returns.
    let of_no_one = || {
        let made = Recipients::new("x".parse().unwrap(), SSH.parse().unwrap());
        Opened::create(&marks(), made).unwrap().key().public().clone()
    };
    let recipients = Recipients::new("ann".parse().unwrap(), SSH.parse().unwrap())
        .with("ci".parse().unwrap(), of_no_one())
        .and_then(|two| two.with("loop@h1".parse().unwrap(), of_no_one()))
        .unwrap();
    Opened::create(&marks(), recipients).unwrap().rotate().unwrap().rotate().unwrap()
}

/// The base point of the curve: the key of no one.
const SSH: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm";

fn pretty(record: &impl serde::Serialize) -> String {
    format!("{:#}\n", serde_json::to_value(record).unwrap())
}

/// What is random, by its form.
fn masked(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n") => {
            *value = json!("[sealed]")
        }
        Value::String(text) if text.starts_with("age1") => *value = json!("[age key]"),
        Value::String(text) if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            *value = json!("[64 digits]");
        }
        Value::Object(fields) => fields.values_mut().for_each(masked),
        Value::Array(list) => list.iter_mut().for_each(masked),
        _ => {}
    }
}

#[test]
fn what_is_kept_of_a_key_and_a_value() {
    let opened = cluster();
    let value = opened.key().seal(Kind::Secret, "db", &Plaintext::new(b"hunter2".to_vec())).unwrap();
    let mut both = json!({ "key": opened.key().record(), "value": value });
    masked(&mut both);
    golden::hold("json/vault.json", &pretty(&both));
}

/// Its proof holds for the same bytes as when it was written: a change of their order would make every record of a
/// cluster look as one by other hands.
#[test]
fn a_record_of_an_older_program_is_still_its_own() {
    golden::record(RECORDED, || pretty(&cluster().key().record()));
    let record: KeyRecord = serde_json::from_str(&golden::read(RECORDED)).unwrap();
    let key = record.check(&marks()).unwrap();
    assert_eq!((key.epoch(), key.former().collect::<Vec<_>>()), (3, vec![1, 2]));
    assert_eq!(key.recipients().words(), "ann, ci, loop@h1");
    assert!(record.check(&MarkKey::new([8; 32])).is_err());
    assert!(key.open(&Keyring::default()).is_err());
}
