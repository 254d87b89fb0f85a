//! `stackctl node update`, `promote` and `demote`: what is remembered of nodes over the inventory.

use std::collections::BTreeMap;

use clap::ValueEnum;

use super::super::cluster::{self, Cluster};
use super::super::format::Format;
use super::super::recorded::{Said, recorded};
use super::super::records::{Writing, writing};
use super::super::render::progress::stamped;
use super::super::render::text::clean;
use super::super::report::{Exit, Failure};
use super::super::rollout_args::RolloutArgs;
use super::super::template::json_line;
use super::super::{Context, machine};
use super::{check_names, drain};
use crate::engine::members;
use crate::fleet::ConnectOptions;
use crate::ledger::nodes::{NodeRecord, NodeRecords};
use crate::ledger::operation::Changed;
use crate::model::NodeName;
use crate::model::Timestamp;
use crate::model::node::{Availability, Member, Role};

/// Arguments of `node update`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true)
    .args(["availability", "role", "label_add", "label_rm"])))]
pub struct NodeUpdate {
    /// Names of the nodes
    #[arg(value_name = "NODE", required = true, add = super::super::complete::nodes())]
    pub nodes: Vec<String>,
    /// Whether it takes tasks: `pause` keeps those it has and takes no new ones, `drain` gives them away
    #[arg(long, value_enum, value_name = "WORD")]
    pub availability: Option<AvailabilityWord>,
    /// What constraints see as `node.role`. The ledger's managers stay those of the inventory
    #[arg(long, value_enum, value_name = "WORD")]
    pub role: Option<RoleWord>,
    /// Add or change a label, seen by constraints as `node.labels.KEY`
    #[arg(long, value_name = "KEY[=VALUE]")]
    pub label_add: Vec<String>,
    /// Take a label away, one of the inventory too
    #[arg(long, value_name = "KEY")]
    pub label_rm: Vec<String>,
    /// With `--availability drain`: also move tasks whose data is on that node only, and leave the data behind
    #[arg(long)]
    pub force: bool,
    /// Only remember it: tasks move with the next deploy of their stack
    #[arg(short, long, visible_alias = "no-wait")]
    pub detach: bool,
    /// Send this machine's registry credentials to the hosts for their pulls
    #[arg(long)]
    pub with_registry_auth: bool,
    /// How tasks are moved off a drained node.
    #[command(flatten)]
    pub rollout: RolloutArgs,
}

/// Arguments of `node promote` and `node demote`.
#[derive(Debug, clap::Args)]
pub struct NodeRole {
    /// Names of the nodes
    #[arg(value_name = "NODE", required = true, add = super::super::complete::nodes())]
    pub nodes: Vec<String>,
}

/// Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AvailabilityWord {
    /// Takes new tasks.
    Active,
    /// Keeps its tasks, takes no new ones.
    Pause,
    /// Gives its tasks away.
    Drain,
}

/// Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleWord {
    /// A manager.
    Manager,
    /// A worker.
    Worker,
}

/// What is to be changed about each node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) availability: Option<Availability>,
    pub(super) role: Option<Role>,
    pub(super) labels: BTreeMap<String, Option<String>>,
    pub(super) force: bool,
}

/// A mistake in what is asked for.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum WrongChange {
    #[error("`{0}` is not a label")]
    #[diagnostic(code(stackctl::node::bad_label), help("write it as KEY=VALUE, for example `zone=a`"))]
    Label(String),
    #[error("label `{0}` is to be added and taken away at once")]
    #[diagnostic(code(stackctl::node::bad_label), help("name it once"))]
    Twice(String),
    #[error("`--force` is about the data of tasks that leave")]
    #[diagnostic(code(stackctl::node::not_drained), help("write it together with `--availability drain`"))]
    Force,
}

impl Change {
    fn of(args: &NodeUpdate) -> Result<Self, WrongChange> {
        let availability = args.availability.map(|word| match word {
            AvailabilityWord::Active => Availability::Active,
            AvailabilityWord::Pause => Availability::Pause,
            AvailabilityWord::Drain => Availability::Drain,
        });
        if args.force && availability != Some(Availability::Drain) {
            return Err(WrongChange::Force);
        }
        let mut labels = BTreeMap::new();
        for text in &args.label_add {
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            labels.insert(key.to_owned(), Some(value.to_owned()));
        }
        for key in &args.label_rm {
            if labels.insert(key.clone(), None).flatten().is_some() {
                return Err(WrongChange::Twice(key.clone()));
            }
        }
        let is_bad = |key: &&String| key.is_empty() || key.contains(|c: char| c.is_whitespace() || c == '=');
        if let Some(bad) = labels.keys().find(is_bad) {
            return Err(WrongChange::Label(bad.clone()));
        }
        let role = args.role.map(|word| match word {
            RoleWord::Manager => Role::Manager,
            RoleWord::Worker => Role::Worker,
        });
        Ok(Self { availability, role, labels, force: args.force })
    }

    /// What is remembered afterwards: only where it differs from the inventory, so that what is put back as
    /// it is there follows it again.
    fn apply(&self, inventory: &Member, records: &mut NodeRecords, at: Timestamp) {
        let old = records.nodes.get(&inventory.name);
        let mut wanted = inventory.clone();
        if let Some(old) = old {
            old.apply(&mut wanted);
        }
        wanted.availability = self.availability.unwrap_or(wanted.availability);
        wanted.role = self.role.unwrap_or(wanted.role);
        for (key, value) in &self.labels {
            match value {
                Some(value) => wanted.labels.insert(key.clone(), value.clone()),
                None => wanted.labels.remove(key),
            };
        }
        let is_drained = wanted.availability == Availability::Drain;
        let mut labels: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (key, value) in &wanted.labels {
            if inventory.labels.get(key) != Some(value) {
                labels.insert(key.clone(), Some(value.clone()));
            }
        }
        let gone = inventory.labels.keys().filter(|key| !wanted.labels.contains_key(*key));
        labels.extend(gone.map(|key| (key.clone(), None)));
        let new = NodeRecord {
            availability: Some(wanted.availability).filter(|word| *word != inventory.availability),
            role: Some(wanted.role).filter(|word| *word != inventory.role),
            labels,
            abandons_data: is_drained && (self.force || wanted.abandons_data),
            who: machine::who(),
            at,
        };
        let says_more = new.is_news(inventory);
        let is_same =
            old.is_some_and(|old| NodeRecord { who: old.who.clone(), at: old.at, ..new.clone() } == *old);
        if !says_more {
            records.nodes.remove(&inventory.name);
        } else if !is_same {
            records.nodes.insert(inventory.name.clone(), new);
        }
    }
}

/// The nodes that are to be changed, and how.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) nodes: Vec<NodeName>,
    pub(super) change: Change,
    pub(super) format: Format,
    /// The words of the command.
    pub(super) verb: String,
    pub(super) message: Option<String>,
}

impl Wanted<'_> {
    /// Changes records in memory.
    pub(super) fn apply(&self, records: &mut NodeRecords) {
        for name in &self.nodes {
            let inventory = &self.cluster.inventory.hosts[name.as_str()].member;
            self.change.apply(inventory, records, self.cluster.clock.now());
        }
    }

    /// Writes it down, and says what changed.
    pub(super) async fn remember(&self, context: &Context, ledger: &Writing) -> Result<(), Failure> {
        members::tend(ledger).await?;
        let (_, now) = members::read(ledger).await?;
        let mut then = now.clone();
        self.apply(&mut then);
        let changed = async || {
            members::change(ledger, |records| {
                self.apply(records);
                Ok::<(), Failure>(())
            })
            .await
        };
        let changes = self.changed(&now, &then);
        let (before, after) = if changes.is_empty() {
            changed().await?
        } else {
            let message = self.message.clone();
            let said = Said { verb: self.verb.clone(), message, stacks: Vec::new(), changes };
            recorded(&context.ui, self.cluster, ledger, said, changed()).await?
        };
        self.tell(context, &before, &after);
        Ok(())
    }

    /// What of the nodes is remembered otherwise.
    fn changed(&self, before: &NodeRecords, after: &NodeRecords) -> Vec<Changed> {
        let of = |records: &NodeRecords, name: &NodeName| records.nodes.get(name).cloned().map(Box::new);
        let all = self.nodes.iter().map(|node| (node, of(before, node), of(after, node)));
        all.filter(|(_, before, after)| before != after)
            .map(|(node, before, after)| Changed::Node { node: node.clone(), before, after })
            .collect()
    }

    /// What changes, value by value.
    pub(super) fn tell(&self, context: &Context, before: &NodeRecords, after: &NodeRecords) {
        let ui = &context.ui;
        for name in &self.nodes {
            let inventory = &self.cluster.inventory.hosts[name.as_str()].member;
            let with = |records: &NodeRecords| {
                let mut member = inventory.clone();
                records.apply(&mut member);
                member
            };
            let changes = changes(&with(before), &with(after));
            match self.format {
                Format::Json => {
                    let list = changes
                        .iter()
                        .map(|(what, old, new)| serde_json::json!({ "what": what, "old": old, "new": new }));
                    let about = serde_json::json!({ "node": name, "changes": list.collect::<Vec<_>>() });
                    ui.data(&(json_line(&stamped(self.cluster.clock.now(), "node", about)) + "\n"));
                }
                Format::Text if changes.is_empty() => ui.say(&format!("{name}: nothing to change")),
                Format::Text => {
                    for (what, old, new) in changes {
                        let word = |value: Option<String>| match value {
                            None => "(none)".to_owned(),
                            Some(empty) if empty.is_empty() => "(empty)".to_owned(),
                            Some(value) => clean(&value).into_owned(),
                        };
                        ui.data(&format!("{name}: {what} {} -> {}\n", word(old), word(new)));
                    }
                }
            }
            if self.change.role.is_some_and(|role| role != inventory.role) && self.format == Format::Text {
                let does = if inventory.role == Role::Manager { "still keeps" } else { "does not keep" };
                ui.say(&format!(
                    "{name} {does} the cluster's records: the ledger's managers are those of the inventory."
                ));
            }
        }
    }
}

/// What differs, with its old and new value.
fn changes(before: &Member, after: &Member) -> Vec<(String, Option<String>, Option<String>)> {
    let mut all = Vec::new();
    let mut add = |what: &str, old: Option<String>, new: Option<String>| {
        if old != new {
            all.push((what.to_owned(), old, new));
        }
    };
    let data = |member: &Member| Some(if member.abandons_data { "left behind" } else { "kept" }.to_owned());
    add("availability", Some(before.availability.to_string()), Some(after.availability.to_string()));
    add("local data", data(before), data(after));
    add("role", Some(before.role.to_string()), Some(after.role.to_string()));
    let keys: std::collections::BTreeSet<&String> = before.labels.keys().chain(after.labels.keys()).collect();
    for key in keys {
        add(&format!("label {key}"), before.labels.get(key).cloned(), after.labels.get(key).cloned());
    }
    all
}

/// What was typed, for the log.
fn verb(args: &NodeUpdate) -> String {
    let mut words = vec!["node update".to_owned()];
    if let Some(word) = args.availability.and_then(|word| word.to_possible_value()) {
        words.push(format!("--availability {}", word.get_name()));
    }
    if let Some(word) = args.role.and_then(|word| word.to_possible_value()) {
        words.push(format!("--role {}", word.get_name()));
    }
    words.extend(args.label_add.iter().map(|label| format!("--label-add {label}")));
    words.extend(args.label_rm.iter().map(|label| format!("--label-rm {label}")));
    words.extend(args.force.then(|| "--force".to_owned()));
    words.extend(args.nodes.iter().cloned());
    words.join(" ")
}

pub(super) fn run(args: &NodeUpdate, context: &Context) -> Result<Exit, Failure> {
    let change = Change::of(args).map_err(Failure::usage)?;
    let connect = ConnectOptions { with_registry_auth: args.with_registry_auth, ..ConnectOptions::default() };
    cluster::with(context, connect, async |cluster| {
        let nodes = check_names(cluster, &args.nodes)?;
        let (verb, message) = (verb(args), args.rollout.message.clone());
        let wanted = Wanted { cluster, nodes, change, format: args.rollout.format, verb, message };
        if wanted.change.availability == Some(Availability::Drain) && !args.detach {
            return drain::run(&args.rollout, context, &wanted).await;
        }
        if args.rollout.dry_run {
            let (_, before) = members::read(&cluster.ledger).await?;
            let mut after = before.clone();
            wanted.apply(&mut after);
            wanted.tell(context, &before, &after);
        } else {
            wanted.remember(context, &writing(cluster)).await?;
        }
        Ok(Exit::Done)
    })
}

/// `promote` and `demote`.
pub(super) fn role(args: &NodeRole, role: Role, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let nodes = check_names(cluster, &args.nodes)?;
        let change = Change { role: Some(role), ..Change::default() };
        let word = if role == Role::Manager { "promote" } else { "demote" };
        let verb = format!("node {word} {}", args.nodes.join(" "));
        let wanted = Wanted { cluster, nodes, change, format: Format::Text, verb, message: None };
        wanted.remember(context, &writing(cluster)).await?;
        Ok(Exit::Done)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Member {
        Member {
            name: NodeName::unchecked("h1"),
            address: "h1".into(),
            role: Role::Worker,
            labels: [("zone".to_owned(), "a".to_owned())].into(),
            availability: Availability::Active,
            abandons_data: false,
            found_by: None,
        }
    }

    fn drain(force: bool) -> Change {
        Change { availability: Some(Availability::Drain), force, ..Change::default() }
    }

    #[test]
    fn what_is_put_back_as_the_inventory_has_it_is_remembered_no_more() {
        let mut records = NodeRecords::default();
        let zone = |value: Option<&str>| Change {
            labels: [("zone".to_owned(), value.map(str::to_owned))].into(),
            ..Change::default()
        };
        drain(true).apply(&inventory(), &mut records, Timestamp(1));
        zone(None).apply(&inventory(), &mut records, Timestamp(2));
        let record = records.nodes[&inventory().name].clone();
        assert_eq!((record.availability, record.abandons_data), (Some(Availability::Drain), true));
        assert_eq!(record.labels, [("zone".to_owned(), None)].into());
        // A drain without force takes nothing back, and the second time nothing changes, not even the time.
        drain(false).apply(&inventory(), &mut records, Timestamp(3));
        assert_eq!(records.nodes[&inventory().name], record);
        zone(Some("a")).apply(&inventory(), &mut records, Timestamp(4));
        let active = Change { availability: Some(Availability::Active), ..Change::default() };
        active.apply(&inventory(), &mut records, Timestamp(5));
        assert_eq!(records, NodeRecords::default());
    }

    #[test]
    fn what_changes_is_told_value_by_value() {
        let mut after = inventory();
        after.availability = Availability::Pause;
        after.labels = [("disk".to_owned(), String::new())].into();
        let told: Vec<String> = changes(&inventory(), &after)
            .into_iter()
            .map(|(what, old, new)| format!("{what} {old:?} {new:?}"))
            .collect();
        assert_eq!(
            told,
            [
                r#"availability Some("active") Some("pause")"#,
                r#"label disk None Some("")"#,
                r#"label zone Some("a") None"#,
            ]
        );
    }
}
