//! What a value goes through: sealed, opened, damaged, encrypted again, by hands that may and by others.

mod changes;
mod damage;
mod records;

use age::secrecy::ExposeSecret as _;

use super::*;
use crate::model::MarkKey;

fn plain(text: &str) -> Plaintext {
    Plaintext::new(text.as_bytes().to_vec())
}

/// A private key of age, and its public half.
fn pair() -> (Keyring, Recipient) {
    let key = age::x25519::Identity::generate();
    let text = plain(key.to_string().expose_secret());
    (Keyring::parse(&text, "a key").unwrap(), Recipient::of_age(key.to_public()))
}

fn name(text: &str) -> RecipientName {
    text.parse().unwrap()
}

fn marks() -> MarkKey {
    MarkKey::new([7; 32])
}

/// A cluster of two recipients, with the private key of each.
fn cluster() -> (Opened, Keyring, Keyring) {
    let ((ann_key, ann), (ci_key, ci)) = (pair(), pair());
    let recipients = Recipients::new(name("ann"), ann).with(name("ci"), ci).unwrap();
    (Opened::create(&marks(), recipients).unwrap(), ann_key, ci_key)
}

/// As another process has it: through the ledger.
fn reopened(opened: &Opened, keys: &Keyring) -> Result<Opened, NotUsable> {
    let text = serde_json::to_string(&opened.key().record()).unwrap();
    let record: KeyRecord = serde_json::from_str(&text).unwrap();
    record.check(&marks())?.open(keys)
}
