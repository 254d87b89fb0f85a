//! `stackctl log`: lists every operation on the cluster.

use serde_json::{Value, json};

use super::Context;
use super::cluster::{self, Cluster};
use super::deploy::stack_name;
use super::logs::time;
use super::render::age::{ago, elapsed};
use super::render::list::{Columns, Row};
use super::render::services::into_row;
use super::report::{Exit, Failure};
use crate::engine::operations::{Id, Operation, State, Touch, What, operations};
use crate::fleet::ConnectOptions;
use crate::model::json::json_line;
use crate::model::{ServiceName, StackName, Timestamp};
use crate::ops::records::{Changed, Git, NodeRecord};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("The newest operations, on all stacks and nodes", "stackctl log"),
    ("Operations on one stack since yesterday", "stackctl log --since 24h shop"),
    ("For a program: one object a line", "stackctl log --format json -n 100"),
];

/// What is shown of an operation.
const COLUMNS: Columns = Columns {
    fields: &[
        ("ID", "ID"),
        ("When", "WHEN"),
        ("Who", "WHO"),
        ("What", "WHAT"),
        ("Outcome", "OUTCOME"),
        ("Changed", "CHANGED"),
        ("Commit", "COMMIT"),
        ("Message", "MESSAGE"),
        ("Took", "TOOK"),
        ("At", "AT"),
        ("EndedAt", "ENDED AT"),
        ("Stacks", "STACKS"),
        ("Repository", "REPOSITORY"),
        ("Subject", "SUBJECT"),
    ],
    table: &["ID", "When", "Who", "What", "Outcome", "Changed", "Commit", "Message"],
};

/// Services, nodes and so on in a row before the rest is counted.
const NAMES_MAX: usize = 3;

/// Arguments of `log`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only operations on this stack [default: on all stacks, and on the cluster itself]
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stack: Option<StackName>,
    /// At most this many, the newest
    #[arg(short = 'n', long, value_name = "N", default_value_t = 30)]
    pub limit: usize,
    /// Only operations that began since then: 10m, 2026-01-31, 2026-01-31T12:00:00Z, or seconds since 1970
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// `table`, `table TEMPLATE`, `json` for all details, or a Go template such as '{{.What}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

pub(super) fn run(args: &Arguments, context: &Context) -> Result<Exit, Failure> {
    COLUMNS.render(args.format.as_deref(), &[])?;
    let now = cluster::clock()?.now();
    let since = args.since.as_deref().map(|text| time(text, now)).transpose().map_err(Failure::usage)?;
    let since = since.map(|nanos| Timestamp(nanos / 1_000_000));
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let is_gone = cluster.me.is_gone;
        let mut all = operations(&cluster.ledger, args.stack.as_ref(), is_gone).await?;
        all.retain(|one| since.is_none_or(|since| one.at >= since));
        all.truncate(args.limit);
        if args.format.as_deref() == Some("json") {
            let lines = all.iter().map(|one| json_line(&to_json(one)) + "\n");
            context.ui.data(&lines.collect::<String>());
            return Ok(Exit::Done);
        }
        let now = cluster.clock.now();
        let rows: Vec<Row> = all.iter().map(|one| row(now, one)).collect();
        context.ui.data(&COLUMNS.render(args.format.as_deref(), &rows)?);
        Ok(Exit::Done)
    })
}

fn row(now: Timestamp, one: &Operation) -> Row {
    let (git, repository) = match &one.what {
        What::Release { git, repository, .. } => (git.as_ref(), repository.clone()),
        What::Values(_) => (None, None),
    };
    let took = one.ended_at.map(|ended| elapsed(ended.since_ms(one.at)));
    into_row(json!({
        "ID": one.id.to_string(),
        "When": ago(now, one.at),
        "Who": one.who,
        "What": one.verb,
        "Outcome": one.state.words(),
        "Changed": changed(one),
        "Commit": git.map(Git::short).unwrap_or_default(),
        "Message": one.message.clone().unwrap_or_default(),
        "Took": took.unwrap_or_default(),
        "At": one.at.to_string(),
        "EndedAt": one.ended_at.map(|at| at.to_string()).unwrap_or_default(),
        "Stacks": one.stacks.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        "Repository": repository.unwrap_or_default(),
        "Subject": git.map(|git| git.subject.clone()).unwrap_or_default(),
    }))
}

/// What an operation changed, in a few words: `web, +db, -old`; `h1: availability active -> drain`.
pub(super) fn changed(one: &Operation) -> String {
    let words: Vec<String> = match &one.what {
        What::Release { before: None, .. } => vec!["?".to_owned()],
        What::Release { services, .. } if services.is_empty() => vec!["-".to_owned()],
        What::Release { services, .. } => {
            let word = |(name, touch): (&ServiceName, &Touch)| match touch {
                Touch::Added => format!("+{name}"),
                Touch::Removed => format!("-{name}"),
                Touch::Changed => name.to_string(),
                Touch::Restarted => format!("{name} (restarted)"),
            };
            services.iter().map(word).collect()
        }
        What::Values(all) => all.iter().flat_map(value_words).collect(),
    };
    match words.len().saturating_sub(NAMES_MAX) {
        0 => words.join(", "),
        more => format!("{} and {more} more", words[..NAMES_MAX].join(", ")),
    }
}

fn value_words(one: &Changed) -> Vec<String> {
    match one {
        Changed::Node { node, before, after } => {
            let all = node_values(before.as_deref(), after.as_deref());
            let word = |value: Option<String>| value.unwrap_or_else(|| "(inventory)".to_owned());
            all.into_iter()
                .map(|(what, old, new)| format!("{node}: {what} {} -> {}", word(old), word(new)))
                .collect()
        }
        Changed::Suspended { before, after, .. } => {
            let word = |one: &Option<_>| if one.is_some() { "suspended" } else { "looked after" };
            vec![format!("{} -> {}", word(before), word(after))]
        }
        Changed::Lease { holder, .. } => vec![format!("lease of {holder}")],
        Changed::Healed { release, actions } => vec![format!("release {release}, {actions} actions")],
    }
}

/// How a node's record changed; values without a record are those of the inventory.
fn node_values(
    before: Option<&NodeRecord>,
    after: Option<&NodeRecord>,
) -> Vec<(String, Option<String>, Option<String>)> {
    let mut all = Vec::new();
    let mut add = |what: &str, of: &dyn Fn(&NodeRecord) -> Option<String>| {
        all.push((what.to_owned(), before.and_then(of), after.and_then(of)));
    };
    add("availability", &|record| record.availability.map(|word| word.to_string()));
    add("role", &|record| record.role.map(|word| word.to_string()));
    add("local data", &|record| record.abandons_data.then(|| "left behind".to_owned()));
    let labels = |record: Option<&NodeRecord>| record.map(|record| record.labels.clone()).unwrap_or_default();
    let (old, new) = (labels(before), labels(after));
    for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
        let word = |value: Option<&Option<String>>| {
            value.map(|value| value.clone().unwrap_or_else(|| "(none)".to_owned()))
        };
        all.push((format!("label {key}"), word(old.get(key)), word(new.get(key))));
    }
    all.retain(|(_, old, new)| old != new);
    all
}

/// All that is known of an operation, for a program.
pub(super) fn to_json(one: &Operation) -> Value {
    let mut value = json!({
        "id": one.id,
        "at": one.at.to_string(),
        "ended_at": one.ended_at.map(|at| at.to_string()),
        "who": one.who,
        "verb": one.verb,
        "message": one.message,
        "stacks": one.stacks,
        "is_over": one.state.is_over(),
        "is_well": matches!(one.state, State::Succeeded(_)),
        "outcome": one.state.words(),
    });
    let more = match &one.what {
        What::Release { before, services, git, repository } => json!({
            "release": { "before": before, "after": release_number(one) },
            "services": services,
            "git": git,
            "repository": repository,
        }),
        What::Values(all) => json!({ "changes": all }),
    };
    if let (Value::Object(fields), Value::Object(more)) = (&mut value, more) {
        fields.extend(more);
    }
    value
}

fn release_number(one: &Operation) -> Option<u64> {
    match &one.id {
        Id::Release(_, number) => Some(*number),
        Id::Cluster(_) | Id::Heal(..) => None,
    }
}
