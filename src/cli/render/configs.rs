//! Configs as `stackctl config` shows them.

use serde_json::{Value, json};

use super::age::ago;
use super::list::{Columns, Row};
use super::nodes::bytes;
use super::services::into_row;
use super::text::clean;
use crate::model::Timestamp;
use crate::ops::vault::config::Found;

/// The columns of `config ls`. `ID` is the digest of the content, so that scripts for docker find one.
pub const COLUMNS: Columns = Columns {
    fields: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Stack", "STACK"),
        ("Size", "SIZE"),
        ("UsedBy", "USED BY"),
        ("CreatedAt", "CREATED"),
        ("UpdatedAt", "UPDATED"),
        ("CreatedBy", "BY"),
        ("Labels", "LABELS"),
    ],
    table: &["Name", "Stack", "Size", "UsedBy", "CreatedAt", "CreatedBy"],
};

/// As many digits of a digest as docker's ids have.
const ID_DIGITS: usize = 25;

fn id(found: &Found) -> &str {
    found.digest.get(..ID_DIGITS).unwrap_or(&found.digest)
}

/// Lines of the list.
#[must_use]
pub fn rows(configs: &[&Found], now: Timestamp) -> Vec<Row> {
    let row = |found: &&Found| {
        let labels: Vec<String> = found.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let users: Vec<&str> = found.used_by.iter().map(|stack| stack.as_str()).collect();
        let size = found.bytes.and_then(|size| i64::try_from(size).ok()).map(bytes);
        into_row(json!({
            "ID": id(found),
            "Name": found.name,
            "Stack": found.stack.as_ref().map_or("", |stack| stack.as_str()),
            "Size": size.unwrap_or_default(),
            "UsedBy": users.join(","),
            "CreatedAt": ago(now, found.created),
            "UpdatedAt": ago(now, found.created),
            "CreatedBy": found.who,
            "Labels": labels.join(","),
        }))
    };
    configs.iter().map(row).collect()
}

/// All that is known of a config, for a program, in docker's form: `data` is its content in base64.
#[must_use]
pub fn inspect(found: &Found, data: &str) -> Value {
    let mut spec = json!({ "Name": found.name, "Labels": found.labels, "Data": data });
    if let Some(driver) = &found.template_driver {
        spec["Templating"] = json!({ "Name": driver });
    }
    json!({
        "ID": id(found),
        "CreatedAt": found.created.to_string(),
        "UpdatedAt": found.created.to_string(),
        "Spec": spec,
        "Digest": format!("sha256:{}", found.digest),
        "Stack": found.stack,
        "UsedBy": found.used_by,
        "By": found.who,
    })
}

/// The same for people, in the form of `docker config inspect --pretty`.
#[must_use]
pub fn pretty(found: &Found, content: &[u8]) -> String {
    let mut out = format!("ID:                     {}\nName:                   {}\n", id(found), found.name);
    if !found.labels.is_empty() {
        out += "Labels:\n";
        for (key, value) in &found.labels {
            out += &format!(" - {}={}\n", clean(key), clean(value));
        }
    }
    out += &format!("Created at:             {}\nData:\n", found.created);
    for line in String::from_utf8_lossy(content).lines() {
        out += &format!("{}\n", clean(line));
    }
    out
}
