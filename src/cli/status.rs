//! `stackctl status`: how every stack stands, in three words that are never made into one: is it as
//! declared, are its tasks well, and what came of the last thing that was done to it.

mod declared;

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;

use super::Context;
use super::cluster::{self, Cluster, or_silent, warn_of_silent};
use super::deploy::stack_name;
use super::machine;
use super::reconcile::repositories::Declared;
use super::records::{reading, remembered};
use super::render::age::ago;
use super::render::list::{Columns, Row};
use super::render::services::into_row;
use super::report::{Exit, Failure};
use super::standing::running;
use crate::engine::lease;
use crate::fleet::ConnectOptions;
use crate::ledger::lease::Held;
use crate::ledger::release::{Git, History, Outcome, Source};
use crate::ledger::settings::{Settings, settings};
use crate::ledger::{LedgerError, NoCurrent};
use crate::model::{self, Observed, StackName, StackSpec, Task, TaskStatus, Timestamp};
use crate::orchestrator::assign::SlotKind;
use crate::orchestrator::{Plan, PlanOptions, Problem, assign, drift};
use declared::Found;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("How every stack of the cluster stands", "stackctl status"),
    (
        "Whether what a repository declares was released",
        "stackctl status --repo https://git.example.com/ops/stacks.git#main",
    ),
    (
        "For a script: what is not as declared",
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
    /// What should run.
    #[command(flatten)]
    pub declared: Declared,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Stack}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// No such stack.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no stack `{stack}` runs or was deployed")]
#[diagnostic(code(stackctl::cli::no_such_stack), help("there are: {}", known.join(", ")))]
struct NoSuchStack {
    stack: StackName,
    known: Vec<String>,
}

/// Whether what runs is what was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    AsDeclared,
    /// The newest release was not reached, or not yet; or a repository declares another.
    Behind,
    /// Something happened behind the back of the newest release.
    Drifted,
    /// A person said to leave it as it is.
    Suspended,
    /// It is not remembered, or a host that is needed is silent.
    Unknown,
}

/// Whether the tasks do what they should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Healthy,
    /// Some are on their way.
    Progressing,
    /// Some are missing, or do not do well.
    Degraded,
    /// Nothing is meant to run.
    Nothing,
    Unknown,
}

impl Sync {
    const fn word(self) -> &'static str {
        match self {
            Self::AsDeclared => "in sync",
            Self::Behind => "behind",
            Self::Drifted => "drifted",
            Self::Suspended => "suspended",
            Self::Unknown => "unknown",
        }
    }
}

impl Health {
    const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Progressing => "progressing",
            Self::Degraded => "degraded",
            Self::Nothing => "-",
            Self::Unknown => "unknown",
        }
    }
}

/// What the ledger says of a stack.
struct Remembered {
    history: History,
    settings: Settings,
    at_work: Option<Held>,
}

pub(super) fn run(args: &Status, context: &Context) -> Result<Exit, Failure> {
    COLUMNS.render(args.format.as_deref(), &[])?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let (observed, known, declared) = tokio::join!(
            cluster.observe(),
            reading(cluster).stacks(),
            declared::look(context, cluster, &args.declared)
        );
        let declared = declared?;
        let mut known: BTreeSet<StackName> = known?.union(&running(&observed)).cloned().collect();
        known.extend(declared.stacks());
        if let Some(stack) = args.stacks.iter().find(|stack| !known.contains(*stack)) {
            let known = known.iter().map(ToString::to_string).collect();
            return Err(Failure::refused(NoSuchStack { stack: stack.clone(), known }));
        }
        let is_wanted = |stack: &&StackName| args.stacks.is_empty() || args.stacks.contains(stack);
        let wanted: Vec<&StackName> = known.iter().filter(is_wanted).collect();
        let remembered = join_all(wanted.iter().map(|stack| remember(cluster, stack))).await;
        let (now, options) = (cluster.clock.now(), cluster.plan_options(false));
        let mut rows = Vec::new();
        for (stack, remembered) in wanted.into_iter().zip(remembered) {
            let remembered = remembered?;
            // What was removed as it should is no news, unless it is asked for.
            let is_gone = matches!(remembered.history.current(), Err(NoCurrent::Removed(_)))
                && declared.behind(stack).is_none();
            if !is_gone || !args.stacks.is_empty() || tasks(&observed, stack).next().is_some() {
                rows.push(row(now, stack, &observed, &remembered, &options, &declared));
            }
        }
        context.ui.data(&COLUMNS.render(args.format.as_deref(), &rows)?);
        warn_of_silent(&context.ui, &observed);
        let exit = if declared.is_whole { Exit::Done } else { Exit::Refused };
        Ok(or_silent(exit, &observed))
    })
}

async fn remember(cluster: &Cluster, stack: &StackName) -> Result<Remembered, LedgerError> {
    let ledger = reading(cluster);
    let (history, settings, leased) =
        tokio::join!(remembered(ledger, stack), settings(ledger, stack), lease::look(ledger, stack));
    let is_there = |held: &Held| !(machine::me().is_gone)(&held.holder);
    Ok(Remembered { history: history?.history, settings: settings?, at_work: leased?.1.filter(is_there) })
}

fn row(
    now: Timestamp,
    stack: &StackName,
    observed: &Observed,
    remembered: &Remembered,
    options: &PlanOptions,
    declared: &Found,
) -> Row {
    let (mut sync, mut why) = sync(observed, remembered, options);
    // What is to come is told before what has slipped, and so is what cannot be read and therefore does not
    // come; what is not known, or is left alone, stays so.
    let is_new = matches!(remembered.history.current(), Err(NoCurrent::NoRelease));
    if let Some(behind) = declared.behind(stack).or_else(|| declared.fault(stack))
        && (matches!(sync, Sync::AsDeclared | Sync::Drifted | Sync::Behind) || is_new)
    {
        (sync, why) = (Sync::Behind, behind);
    }
    let health = health(stack, observed, &remembered.history, options);
    let last = remembered.history.last();
    let git = last.and_then(|(_, release, _)| release.git.as_ref());
    let of_release = |field: fn(&crate::ledger::release::Release) -> String| {
        last.map_or_else(String::new, |(_, release, _)| field(release))
    };
    into_row(json!({
        "Stack": stack,
        "Sync": sync.word(),
        "Health": health.word(),
        "Operation": operation(remembered),
        "Release": last.map_or_else(String::new, |(number, ..)| number.to_string()),
        "When": last.map_or_else(String::new, |(_, release, _)| ago(now, release.at)),
        "Who": of_release(|release| release.who.clone()),
        "What": of_release(|release| release.verb.clone()),
        "Commit": git.map(Git::short).unwrap_or_default(),
        "At": of_release(|release| release.at.to_string()),
        "Why": why,
        "Repository": source(&remembered.history).map(|source| source.repository.clone()).unwrap_or_default(),
        "Declared": declared.commit(stack).unwrap_or_default(),
    }))
}

/// What it was last released from, if that was a repository.
fn source(history: &History) -> Option<&Source> {
    history.releases.values().rev().find_map(|(release, _)| release.source.as_ref())
}

/// Whether it is as declared, and why not.
fn sync(observed: &Observed, remembered: &Remembered, options: &PlanOptions) -> (Sync, String) {
    let current = match remembered.history.current() {
        Ok(current) => current,
        Err(why @ NoCurrent::NoRelease) => return (Sync::Unknown, why.to_string()),
        Err(NoCurrent::Removed(_)) => return (Sync::AsDeclared, String::new()),
        Err(why) => return (Sync::Behind, why.to_string()),
    };
    let plan = Plan::make(observed, &current.spec, options.clone());
    if let Some(problem) = plan.problems.iter().find(|problem| Problem::is_silence(problem)) {
        return (Sync::Unknown, problem.to_string());
    }
    if let Some(suspended) = &remembered.settings.suspended {
        let why = suspended.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        return (Sync::Suspended, format!("by {}{why}", suspended.who));
    }
    let found = drift(observed, &current.spec, options);
    if let Some(first) = found.first() {
        let more = match found.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        return (
            Sync::Drifted,
            format!("{}.{} on {}: {}{more}", first.service, first.slot, first.node, first.kind),
        );
    }
    match plan.problems.first() {
        Some(problem) => (Sync::Drifted, problem.to_string()),
        None if plan.forecast.waves.is_empty() => (Sync::AsDeclared, String::new()),
        None => (Sync::Drifted, format!("{} actions would mend it", plan.forecast.actions().count())),
    }
}

/// Whether the tasks do what they should, whatever they were made from.
fn health(stack: &StackName, observed: &Observed, history: &History, options: &PlanOptions) -> Health {
    let wanted: Option<StackSpec> = match history.current() {
        Ok(current) => Some(current.spec),
        Err(NoCurrent::Removed(_)) => return Health::Nothing,
        Err(_) => None,
    };
    if observed.silent_and_needed().next().is_some() {
        return Health::Unknown;
    }
    let live: Vec<&Task> = tasks(observed, stack).collect();
    let Some(wanted) = wanted else {
        // How many there should be is not known.
        return match live.as_slice() {
            [] => Health::Unknown,
            live if live.iter().all(|task| task.status.is_up()) => Health::Healthy,
            _ => Health::Degraded,
        };
    };
    let assignment = assign(observed, &wanted, options.clone());
    let slots = || assignment.services.iter().flat_map(|service| &service.slots);
    if slots().any(|slot| slot.kind == SlotKind::Create) {
        Health::Degraded
    } else if slots().any(|slot| slot.watch.is_some()) {
        let mut watched = slots().filter_map(|slot| slot.watch.as_ref());
        let is_starting = |status: TaskStatus| {
            matches!(status, TaskStatus::Created | TaskStatus::Running { health: model::Health::Starting })
        };
        if watched.all(|(_, status)| is_starting(*status)) { Health::Progressing } else { Health::Degraded }
    } else if wanted.services.is_empty() {
        Health::Nothing
    } else {
        Health::Healthy
    }
}

/// Live tasks of a stack.
fn tasks<'o>(observed: &'o Observed, stack: &'o StackName) -> impl Iterator<Item = &'o Task> {
    observed.tasks().filter(move |task| task.stack == *stack && task.is_live())
}

/// What came of the last release.
fn operation(remembered: &Remembered) -> String {
    match (remembered.history.last(), &remembered.at_work) {
        (None, _) => "-".to_owned(),
        (Some((.., Some(outcome))), None) => Outcome::words(outcome),
        (Some(_), Some(held)) => format!("under way: {}", held.holder.verb),
        (Some((.., None)), None) => "cut off".to_owned(),
    }
}
