//! Secrets as `stackctl secret` shows them: never a value, nor the length of one.

use serde_json::{Value, json};

use super::age::ago;
use super::list::{Columns, Row};
use super::services::into_row;
use crate::model::Timestamp;
use crate::ops::records::Secret;
use crate::vault::ObjectName;

/// The columns of `secret ls`. `ID` is the version, so that scripts for docker find one.
pub const COLUMNS: Columns = Columns {
    fields: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Version", "VERSION"),
        ("Versions", "VERSIONS"),
        ("Driver", "DRIVER"),
        ("CreatedAt", "CREATED"),
        ("UpdatedAt", "UPDATED"),
        ("UpdatedBy", "BY"),
        ("Labels", "LABELS"),
    ],
    table: &["Name", "Version", "CreatedAt", "UpdatedAt", "UpdatedBy"],
};

/// Lines of the list.
#[must_use]
pub fn rows(secrets: &[(&ObjectName, &Secret)], now: Timestamp) -> Vec<Row> {
    let row = |(name, secret): &(&ObjectName, &Secret)| {
        let labels: Vec<String> = secret.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let present = secret.present();
        into_row(json!({
            "ID": present.version,
            "Name": name,
            "Version": present.version,
            "Versions": secret.versions.len(),
            "Driver": "",
            "CreatedAt": ago(now, secret.created),
            "UpdatedAt": ago(now, present.at),
            "UpdatedBy": present.who,
            "Labels": labels.join(","),
        }))
    };
    secrets.iter().map(row).collect()
}

/// All that is known of a secret, for a program.
#[must_use]
pub fn inspect(name: &str, secret: &Secret) -> Value {
    let present = secret.present();
    let versions = secret.versions.iter().map(|version| {
        json!({
            "Version": version.version,
            "Epoch": version.epoch,
            "At": version.at.to_string(),
            "By": version.who,
        })
    });
    json!({
        "ID": present.version,
        "Name": name,
        "Version": present.version,
        "CreatedAt": secret.created.to_string(),
        "UpdatedAt": present.at.to_string(),
        "Spec": { "Name": name, "Labels": secret.labels },
        "Versions": versions.collect::<Vec<_>>(),
    })
}

/// The same for people, in the form of `docker secret inspect --pretty`.
#[must_use]
pub fn pretty(shown: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out =
        format!("ID:              {}\nName:            {}\n", text(&shown["ID"]), text(&shown["Name"]));
    let labels = shown["Spec"]["Labels"].as_object();
    if let Some(labels) = labels.filter(|labels| !labels.is_empty()) {
        out += "Labels:\n";
        for (key, value) in labels {
            out += &format!(" - {key}={}\n", text(value));
        }
    }
    out + &format!(
        "Created at:      {}\nUpdated at:      {}\n",
        text(&shown["CreatedAt"]),
        text(&shown["UpdatedAt"])
    )
}
