//! The key of a cluster as `stackctl key show` shows it.

use serde_json::{Value, json};

use super::table;
use crate::vault::{ClusterKey, Keyring};

/// All that is known of it, for a program. Whose keys are yours is known with private keys alone.
#[must_use]
pub fn inspect(key: &ClusterKey, keys: Option<&Keyring>) -> Value {
    let recipients = key.recipients().iter().map(|(name, recipient)| {
        json!({
            "Name": name,
            "Key": recipient,
            "IsYours": keys.map(|keys| keys.publics().contains(recipient)),
        })
    });
    json!({
        "Epoch": key.epoch(),
        "Public": key.public(),
        "Recipients": recipients.collect::<Vec<_>>(),
        // Kept until each value is encrypted to the present one.
        "FormerEpochs": key.former().collect::<Vec<_>>(),
    })
}

/// The same for people.
#[must_use]
pub fn pretty(shown: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = format!("Key:    {}\nEpoch:  {}\n", text(&shown["Public"]), shown["Epoch"]);
    let former = shown["FormerEpochs"].as_array().map_or(&[][..], Vec::as_slice);
    if !former.is_empty() {
        let epochs: Vec<String> = former.iter().map(ToString::to_string).collect();
        out += &format!(
            "Former: {} (values are still encrypted to it: `stackctl key rotate` finishes)\n",
            epochs.join(", ")
        );
    }
    let mut lines = vec!["RECIPIENT\tYOURS\tKEY".to_owned()];
    for one in shown["Recipients"].as_array().into_iter().flatten() {
        let yours = match one["IsYours"].as_bool() {
            Some(true) => "yes",
            Some(false) => "no",
            None => "?",
        };
        lines.push(format!("{}\t{yours}\t{}", text(&one["Name"]), text(&one["Key"])));
    }
    out + "\n" + &table::align(&lines)
}
