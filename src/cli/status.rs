//! `stackctl status`: shows three values for each stack, never folded into one: sync (is it as declared), health
//! (are its tasks healthy), and the outcome of its last operation.

mod declared;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::Context;
use super::cluster::{self, Cluster, or_silent_for, warn_of_silent};
use super::deploy::stack_name;
use super::reconcile::repositories::Declared;
use super::render::age::ago;
use super::render::list::{Columns, Row};
use super::render::services::into_row;
use super::render::text::clean;
use super::report::{Exit, Failure};
use crate::fleet::ConnectOptions;
use crate::model::{StackName, Timestamp};
use crate::ops::edit::running;
use crate::ops::records::{Git, Release};
use crate::ops::status::{
    self as ops, Behind, Health, LastOperation, Slip, Sync, Undeployed, Unknown, statuses,
};
use declared::Found;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("The state of every stack", "stackctl status"),
    (
        "Also compare with what a repository declares",
        "stackctl status --repo https://git.example.com/ops/stacks.git#main",
    ),
    (
        "For a script: the stacks that are not as declared",
        r"stackctl status --format '{{.Stack}}\t{{.Sync}}' | grep -v 'in sync'",
    ),
];

/// What is shown of a stack.
const COLUMNS: Columns = Columns {
    fields: &[
        ("Stack", "STACK"),
        ("Sync", "SYNC"),
        ("Health", "HEALTH"),
        ("Operation", "LAST OPERATION"),
        ("Release", "RELEASE"),
        ("When", "WHEN"),
        ("Who", "WHO"),
        ("What", "WHAT"),
        ("Commit", "COMMIT"),
        ("At", "AT"),
        ("Why", "WHY"),
        ("Repository", "REPOSITORY"),
        ("Declared", "DECLARED"),
    ],
    table: &["Stack", "Sync", "Health", "Operation", "Release", "When", "Who", "What", "Commit"],
};

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub struct Status {
    /// Only these stacks [default: all that run or were deployed]
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stacks: Vec<StackName>,
    /// Repositories that declare what should run.
    #[command(flatten)]
    pub declared: Declared,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Stack}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// No such stack.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no stack `{stack}` runs or has a release")]
#[diagnostic(code(stackctl::cli::no_such_stack), help("there are: {}", known.join(", ")))]
struct NoSuchStack {
    stack: StackName,
    known: Vec<String>,
}

const fn sync_word(sync: &Sync) -> &'static str {
    match sync {
        Sync::InSync => "in sync",
        Sync::Behind(_) => "behind",
        Sync::Drifted(_) => "drifted",
        Sync::Suspended(_) => "suspended",
        Sync::Unknown(_) => "unknown",
    }
}

const fn health_word(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Progressing => "progressing",
        Health::Degraded => "degraded",
        Health::Nothing => "-",
        Health::Unknown => "unknown",
    }
}

pub(super) fn run(args: &Status, context: &Context) -> Result<Exit, Failure> {
    COLUMNS.render(args.format.as_deref(), &[])?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let (observed, known, declared) = tokio::join!(
            cluster.observe(),
            cluster.ledger.stacks(),
            declared::look(context, cluster, &args.declared)
        );
        let (observed, declared) = (Arc::new(observed), declared?);
        let mut known: BTreeSet<StackName> = known?.union(&running(&observed)).cloned().collect();
        known.extend(declared.stacks());
        if let Some(stack) = args.stacks.iter().find(|stack| !known.contains(*stack)) {
            let known = known.iter().map(ToString::to_string).collect();
            return Err(Failure::refused(NoSuchStack { stack: stack.clone(), known }));
        }
        let is_wanted = |stack: &&StackName| args.stacks.is_empty() || args.stacks.contains(stack);
        let wanted: Vec<&StackName> = known.iter().filter(is_wanted).collect();
        let options = cluster.plan_options(false);
        let all = statuses(&cluster.ledger, &cluster.me, &observed, &options, wanted).await?;
        let unread: Vec<&ops::Status> = all.iter().filter(|one| is_unread(one)).collect();
        for one in &unread {
            context.ui.warn(&format!("stack {}: {}", one.stack, clean(&why(&one.sync))));
        }
        let is_whole = declared.is_whole && unread.is_empty();
        let now = cluster.clock.now();
        let rows: Vec<Row> = (all.into_iter())
            // A removed stack is shown only if it is named.
            .filter(|one| !one.is_gone || declared.due(&one.stack).is_some() || !args.stacks.is_empty())
            .map(|one| {
                let undeployed = declared.due(&one.stack).or_else(|| declared.fault(&one.stack));
                row(now, &one.beside(undeployed), &declared)
            })
            .collect();
        context.ui.data(&COLUMNS.render(args.format.as_deref(), &rows)?);
        warn_of_silent(&context.ui, &observed);
        let exit = if is_whole { Exit::Done } else { Exit::Refused };
        Ok(or_silent_for(exit, &observed, &args.stacks))
    })
}

/// Whether nothing is known of what was declared.
const fn is_unread(status: &ops::Status) -> bool {
    // What runs was released once: its records are lost, or the managers do not agree on them.
    let runs = !matches!(status.health, Health::Unknown | Health::Nothing);
    match &status.sync {
        Sync::Unknown(Unknown::Records(_)) => true,
        Sync::Unknown(Unknown::NoRelease(_)) => runs,
        _ => false,
    }
}

fn row(now: Timestamp, status: &ops::Status, declared: &Found) -> Row {
    let last = status.release.as_ref();
    let git = last.and_then(|(_, release)| release.git.as_ref());
    let of_release =
        |field: fn(&Release) -> String| last.map_or_else(String::new, |(_, release)| field(release));
    into_row(json!({
        "Stack": status.stack,
        "Sync": sync_word(&status.sync),
        "Health": health_word(status.health),
        "Operation": operation(&status.operation),
        "Release": last.map_or_else(String::new, |(number, _)| number.to_string()),
        "When": last.map_or_else(String::new, |(_, release)| ago(now, release.at)),
        "Who": of_release(|release| release.who.clone()),
        "What": of_release(|release| release.verb.clone()),
        "Commit": git.map(Git::short).unwrap_or_default(),
        "At": of_release(|release| release.at.to_string()),
        "Why": why_or_due(status),
        "Repository": status.source.as_ref().map(|source| source.repository.clone()).unwrap_or_default(),
        "Declared": declared.commit(&status.stack).unwrap_or_default(),
    }))
}

/// Why a stack is not as declared; for one that is, what its next deploy changes nevertheless.
fn why_or_due(status: &ops::Status) -> String {
    let names: Vec<&str> = status.reloaded.iter().map(|service| service.as_str()).collect();
    match &status.sync {
        Sync::InSync if !names.is_empty() => {
            format!("loaded again: the image of {}; the next deploy replaces the tasks", names.join(", "))
        }
        sync => why(sync),
    }
}

/// Why a stack is not as declared; empty for one that is.
fn why(sync: &Sync) -> String {
    match sync {
        Sync::InSync => String::new(),
        Sync::Behind(Behind::Release(why)) | Sync::Unknown(Unknown::NoRelease(why)) => why.to_string(),
        Sync::Behind(Behind::Repository(Undeployed::Due { commit, repository, is_removal: true })) => {
            format!("{commit} of {repository} no longer declares it")
        }
        Sync::Behind(Behind::Repository(Undeployed::Due { commit, repository, is_removal: false })) => {
            format!("{commit} of {repository} is not released")
        }
        Sync::Behind(Behind::Repository(Undeployed::Unreadable { commit, why })) => {
            format!("cannot read it at {commit}: {why}")
        }
        Sync::Drifted(Slip::Tasks { first, more }) => {
            let more = match more {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{}.{} on {}: {}{more}", first.service, first.slot, first.node, first.kind)
        }
        Sync::Drifted(Slip::Problem(problem)) | Sync::Unknown(Unknown::Silent(problem)) => {
            problem.to_string()
        }
        Sync::Drifted(Slip::Actions(count)) => {
            format!("{} would repair it", crate::cli::render::text::count(*count, "action"))
        }
        Sync::Unknown(Unknown::Records(why)) => format!("its records cannot be read: {why}"),
        Sync::Suspended(suspended) => {
            let why = suspended.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            format!("by {}{why}", suspended.who)
        }
    }
}

/// The outcome of the last operation.
fn operation(last: &LastOperation) -> String {
    match last {
        LastOperation::None => "-".to_owned(),
        LastOperation::Ended(outcome) => outcome.words(),
        LastOperation::UnderWay(holder) => format!("under way: {}", holder.verb),
        LastOperation::CutOff => "cut off".to_owned(),
    }
}
