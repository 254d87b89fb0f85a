//! An update of nodes, shared by `node update`, drains and `undo`: records the change, and reports it value by
//! value.

use std::collections::BTreeMap;

use super::super::Context;
use super::super::cluster::Cluster;
use super::super::format::Format;
use super::super::recorded::warn_unended;
use super::super::render::progress::stamped;
use super::super::render::text::clean;
use super::super::report::Failure;
use crate::model::NodeName;
use crate::model::json::json_line;
use crate::model::node::{Member, Role};
use crate::ops::node::{Change, Difference, NodeDifferences, Recorded, Update};
use crate::ops::records::LedgerError;

/// An update, and how it is reported.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) update: Update,
    pub(super) format: Format,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(
        cluster: &'a Cluster,
        nodes: BTreeMap<NodeName, Member>,
        change: Change,
        format: Format,
        verb: String,
        message: Option<String>,
    ) -> Self {
        let update = Update { nodes, change, verb, message };
        Self { cluster, update, format }
    }

    /// The record as it would be written.
    pub(super) async fn foresee(&self) -> Result<Recorded, LedgerError> {
        self.update.foresee(&self.cluster.ledger, &self.cluster.actor()).await
    }

    /// Writes the record, and reports what changed.
    pub(super) async fn remember(&self, context: &Context) -> Result<(), Failure> {
        let warn = warn_unended(&context.ui);
        let recorded = self.update.write(&*self.cluster.writing(), &self.cluster.actor(), warn).await?;
        self.tell(context, &recorded);
        Ok(())
    }

    /// What changes, value by value.
    pub(super) fn tell(&self, context: &Context, recorded: &Recorded) {
        for one in self.update.differences(recorded) {
            match self.format {
                Format::Json => self.tell_json(context, &one),
                Format::Text => tell_text(context, &one),
            }
        }
    }

    fn tell_json(&self, context: &Context, NodeDifferences { node, differences, .. }: &NodeDifferences) {
        let list = differences
            .iter()
            .map(words)
            .map(|(what, old, new)| serde_json::json!({ "what": what, "old": old, "new": new }));
        let about = serde_json::json!({ "node": node, "changes": list.collect::<Vec<_>>() });
        context.ui.data(&(json_line(&stamped(self.cluster.clock.now(), "node", about)) + "\n"));
    }
}

fn tell_text(context: &Context, one: &NodeDifferences) {
    let (ui, NodeDifferences { node: name, differences, role_in_inventory }) = (&context.ui, one);
    if differences.is_empty() {
        ui.say(&format!("{name}: nothing to change"));
    }
    for (what, old, new) in differences.iter().map(words) {
        let word = |value: Option<String>| match value {
            None => "(none)".to_owned(),
            Some(empty) if empty.is_empty() => "(empty)".to_owned(),
            Some(value) => clean(&value).into_owned(),
        };
        ui.data(&format!("{name}: {what} {} -> {}\n", word(old), word(new)));
    }
    if let Some(role) = role_in_inventory {
        let does = if *role == Role::Manager { "still keeps" } else { "does not keep" };
        ui.say(&format!(
            "{name} {does} the cluster's records: the ledger's managers are those of the inventory."
        ));
    }
}

/// What differs, with its old and new value.
fn words(difference: &Difference) -> (String, Option<String>, Option<String>) {
    let data = |is_abandoned: bool| Some(if is_abandoned { "left behind" } else { "kept" }.to_owned());
    match difference {
        Difference::Availability(old, new) => {
            ("availability".to_owned(), Some(old.to_string()), Some(new.to_string()))
        }
        Difference::AbandonsData(old, new) => ("local data".to_owned(), data(*old), data(*new)),
        Difference::Role(old, new) => ("role".to_owned(), Some(old.to_string()), Some(new.to_string())),
        Difference::Label(key, old, new) => (format!("label {key}"), old.clone(), new.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::node::Availability;

    #[test]
    fn what_changes_is_told_value_by_value() {
        let parts: Vec<String> = [
            Difference::Availability(Availability::Active, Availability::Pause),
            Difference::AbandonsData(false, true),
            Difference::Role(Role::Worker, Role::Manager),
            Difference::Label("disk".to_owned(), None, Some(String::new())),
        ]
        .iter()
        .map(words)
        .map(|(what, old, new)| format!("{what} {old:?} {new:?}"))
        .collect();
        assert_eq!(
            parts,
            [
                r#"availability Some("active") Some("pause")"#,
                r#"local data Some("kept") Some("left behind")"#,
                r#"role Some("worker") Some("manager")"#,
                r#"label disk None Some("")"#,
            ]
        );
    }
}
