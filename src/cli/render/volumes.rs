//! Volumes as `stackctl volume` shows them.

use serde_json::{Value, json};

use super::list::{Columns, Row};
use super::services::into_row;
use crate::model::ServiceName;
use crate::model::volume::{VolumeUse, is_made_up};
use crate::ops::volumes::{Keeper, Listed, Standing};

/// Digits of a made-up name, where they need only tell volumes apart.
const SHORT_CHARS: usize = 12;

/// The columns of `volume ls`.
pub const COLUMNS: Columns = Columns {
    fields: &[
        ("Name", "NAME"),
        ("Node", "NODE"),
        ("Stack", "STACK"),
        ("Service", "SERVICE"),
        ("Slot", "SLOT"),
        ("Driver", "DRIVER"),
        ("Status", "STATUS"),
        ("Why", "WHY"),
        ("Anonymous", "ANONYMOUS"),
        ("Target", "TARGET"),
        ("CreatedAt", "CREATED"),
    ],
    table: &["Name", "Node", "Stack", "Service", "Slot", "Driver", "Status", "Why"],
};

/// A made-up name, shortened; one that was given stays whole.
#[must_use]
pub fn short_name(name: &str) -> &str {
    if is_made_up(name) { &name[..SHORT_CHARS] } else { name }
}

/// The state in a word or two.
fn status(standing: &Standing) -> &'static str {
    match standing {
        Standing::InUse => "in use",
        Standing::Kept(_) => "kept",
        Standing::Unused => "unused",
        Standing::Unknown => "unknown",
    }
}

/// Why it is so, where the state does not say it.
fn why(volume: &Listed) -> String {
    match &volume.standing {
        Standing::Kept(Keeper::Ended(container)) => format!("held by {container}, which has ended"),
        Standing::Kept(Keeper::NewestOf(slot)) => format!("newest data of {slot}"),
        Standing::Unknown => "the host is silent".to_owned(),
        Standing::Unused if is_made_up(&volume.name) && volume.made_for.is_none() => {
            "not known whose it was".to_owned()
        }
        Standing::InUse | Standing::Unused => String::new(),
    }
}

/// Lines of the list; whole names if asked for.
#[must_use]
pub fn rows(volumes: &[&Listed], is_whole: bool) -> Vec<Row> {
    volumes.iter().map(|volume| row(volume, is_whole)).collect()
}

fn row(volume: &Listed, is_whole: bool) -> Row {
    let name = if is_whole { &volume.name } else { short_name(&volume.name) };
    let made = volume.made_for.as_ref();
    let seen = volume.seen.as_ref();
    let services: Vec<&str> = volume.services.iter().map(ServiceName::as_str).collect();
    into_row(json!({
        "Name": name,
        "Node": volume.node,
        "Stack": volume.stack.as_ref().map(ToString::to_string).unwrap_or_default(),
        "Service": services.join(","),
        "Slot": made.map(|made| made.slot.to_string()).unwrap_or_default(),
        "Driver": seen.map(|seen| seen.driver.clone()).unwrap_or_default(),
        "Status": status(&volume.standing),
        "Why": why(volume),
        "Anonymous": is_made_up(&volume.name).to_string(),
        "Target": made.map(|made| made.target.clone()).unwrap_or_default(),
        "CreatedAt": seen.map(|seen| seen.created_at.clone()).unwrap_or_default(),
    }))
}

/// All that is known of a volume, for a program.
#[must_use]
pub fn inspect(volume: &Listed) -> Value {
    let seen = volume.seen.as_ref();
    let container = |one: &VolumeUse| json!({ "Name": one.container, "IsLive": one.is_live });
    let containers = seen.map(|seen| seen.uses.iter().map(container).collect::<Vec<_>>());
    json!({
        "Name": volume.name,
        "Node": volume.node,
        "Driver": seen.map(|seen| &seen.driver),
        "CreatedAt": seen.map(|seen| &seen.created_at),
        "Cluster": seen.and_then(|seen| seen.cluster.as_ref()),
        "Stack": volume.stack,
        "Services": volume.services,
        "Status": status(&volume.standing),
        "Why": why(volume),
        "Anonymous": is_made_up(&volume.name),
        "MadeFor": volume.made_for.as_ref().map(|made| json!({
            "Service": made.service,
            "Slot": made.slot.to_string(),
            "Task": made.task,
            "Target": made.target,
            "CreatedAt": made.created_at.to_string(),
            "IsForConfigFiles": made.is_for_files,
        })),
        "Containers": containers,
    })
}
