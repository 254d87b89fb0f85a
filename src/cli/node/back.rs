//! Nodes as they were before an operation: for `undo`.

use super::super::Context;
use super::super::cluster::Cluster;
use super::super::format::Format;
use super::super::records::writing;
use super::super::report::{Exit, Failure};
use super::super::rollout::NotConfirmed;
use super::super::rollout_args::RolloutArgs;
use super::drain;
use super::update::{Change, Wanted};
use crate::engine::members;
use crate::ledger::nodes::NodeRecord;
use crate::ledger::operation::Changed;
use crate::model::NodeName;
use crate::model::node::Availability;

/// The first node that is not as the changes have left it.
pub(in crate::cli) async fn otherwise(
    cluster: &Cluster,
    changes: &[Changed],
) -> Result<Option<NodeName>, Failure> {
    let (_, now) = members::read(&cluster.ledger).await?;
    let is_otherwise = |one: &&Changed| match one {
        Changed::Node { node, before, after } => {
            let now = now.nodes.get(node);
            fields(before.as_deref(), after.as_deref())
                .into_iter()
                .any(|field| value(now, &field) != value(after.as_deref(), &field))
        }
        _ => false,
    };
    Ok(changes.iter().find(is_otherwise).and_then(|one| match one {
        Changed::Node { node, .. } => Some(node.clone()),
        _ => None,
    }))
}

/// What of a node can be changed by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Availability,
    Role,
    Label(String),
}

/// A value as text: only to be compared.
fn value(record: Option<&NodeRecord>, field: &Field) -> Option<String> {
    let record = record?;
    match field {
        Field::Availability => record.availability.map(|word| word.to_string()),
        Field::Role => record.role.map(|word| word.to_string()),
        Field::Label(key) => record.labels.get(key).map(|value| format!("{value:?}")),
    }
}

/// What differs.
fn fields(before: Option<&NodeRecord>, after: Option<&NodeRecord>) -> Vec<Field> {
    let keys = [before, after].into_iter().flatten().flat_map(|record| record.labels.keys().cloned());
    let keys: std::collections::BTreeSet<String> = keys.collect();
    let all = [Field::Availability, Field::Role].into_iter().chain(keys.into_iter().map(Field::Label));
    all.filter(|field| value(before, field) != value(after, field)).collect()
}

/// Makes nodes what they were, by what `node update` does.
pub(in crate::cli) async fn put_back(
    rollout: &RolloutArgs,
    context: &Context,
    cluster: &Cluster,
    changes: &[Changed],
    verb: &str,
) -> Result<Exit, Failure> {
    let ui = &context.ui;
    let mut all: Vec<Wanted<'_>> = Vec::new();
    for one in changes {
        let Changed::Node { node, before, after } = one else { continue };
        let Some(host) = cluster.inventory.hosts.get(node.as_str()) else {
            ui.warn(&format!("node {node} is not in the inventory any more: it is left out"));
            continue;
        };
        let mut change = Change::default();
        for field in fields(before.as_deref(), after.as_deref()) {
            let before = before.as_deref();
            match field {
                Field::Availability => {
                    let then = before.and_then(|record| record.availability);
                    let then = then.unwrap_or(host.member.availability);
                    change.availability = Some(then);
                    change.force = then == Availability::Drain && before.is_some_and(|one| one.abandons_data);
                }
                Field::Role => {
                    change.role = Some(before.and_then(|record| record.role).unwrap_or(host.member.role));
                }
                Field::Label(key) => {
                    let then = match before.and_then(|record| record.labels.get(&key)) {
                        Some(then) => then.clone(),
                        None => host.member.labels.get(&key).cloned(),
                    };
                    change.labels.insert(key, then);
                }
            }
        }
        match all.iter_mut().find(|wanted| wanted.change == change) {
            Some(same) => same.nodes.push(node.clone()),
            None => all.push(Wanted {
                cluster,
                nodes: vec![node.clone()],
                change,
                format: rollout.format,
                verb: verb.to_owned(),
                message: rollout.message.clone(),
            }),
        }
    }
    for wanted in &all {
        if wanted.change.availability == Some(Availability::Drain) {
            // Tasks move: that is planned, shown and asked as for any drain.
            let exit = drain::run(rollout, context, wanted).await?;
            if exit != Exit::Done {
                return Ok(exit);
            }
            continue;
        }
        let (_, before) = members::read(&cluster.ledger).await?;
        let mut after = before.clone();
        wanted.apply(&mut after);
        if rollout.dry_run || !rollout.yes {
            wanted.tell(context, &before, &after);
        }
        if rollout.dry_run {
            continue;
        }
        if !rollout.yes {
            let names: Vec<&str> = wanted.nodes.iter().map(|name| name.as_str()).collect();
            let question = format!("Change {} in cluster {}?", names.join(", "), cluster.inventory.cluster);
            if !ui.confirm(&question).map_err(Failure::refused)? {
                return Err(Failure::refused(NotConfirmed));
            }
        }
        wanted.remember(context, &writing(cluster)).await?;
        if wanted.change.availability == Some(Availability::Active) && rollout.format == Format::Text {
            ui.say("Tasks that were moved away stay where they are: `stackctl rebalance` moves some back.");
        }
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn only_what_was_changed_is_compared() {
        let record = |availability, labels: &[(&str, &str)]| NodeRecord {
            availability,
            role: None,
            labels: labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())))
                .collect::<BTreeMap<_, _>>(),
            abandons_data: false,
            who: "ann@mill".into(),
            at: Timestamp(5),
        };
        let before = record(None, &[("zone", "a")]);
        let after = record(Some(Availability::Drain), &[("zone", "a"), ("disk", "ssd")]);
        assert_eq!(
            fields(Some(&before), Some(&after)),
            [Field::Availability, Field::Label("disk".to_owned())]
        );
        assert_eq!(fields(None, Some(&before)), [Field::Label("zone".to_owned())]);
        assert_eq!(fields(Some(&after), Some(&NodeRecord { at: Timestamp(9), ..after.clone() })), []);
    }
}
