//! `stackctl undo`: what was declared before an operation, declared again.
//!
//! Nothing is taken out of the log: an undo is an operation of its own, planned and shown as any other, and
//! can be undone as well. Of a release only what it changed goes back, so that what came later stays, unless
//! that changed the same services.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Context;
use super::cluster::{self, Cluster};
use super::deploy::stack_name;
use super::machine;
use super::moment::NoOperation;
use super::node;
use super::records::{reading, remembered, writing};
use super::report::{Exit, Failure};
use super::rollout::{self, Draft, Edit, Job, Kind, NotConfirmed, Record};
use super::rollout_args::StartArgs;
use super::suspend;
use crate::engine::Planned;
use crate::engine::operations::{Id, Operation, State, Touch, What, declared_before, operations, touched};
use crate::ledger::operation::Changed;
use crate::ledger::put_back;
use crate::ledger::release::{History, Outcome, Release};
use crate::ledger::settings::{Suspended, settings};
use crate::model::{ServiceName, StackName, StackSpec};
use crate::orchestrator::Plan;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Take back what was done last, after a look at the plan", "stackctl undo"),
    ("The last change of one stack; once more brings it back", "stackctl undo shop"),
    ("A certain operation, as `stackctl log` names it", "stackctl undo @12"),
];

/// Arguments of `undo`.
#[derive(Debug, clap::Args)]
pub struct Undo {
    /// What to undo: an operation as `log` names it, or a stack for the newest of it [default: the newest of
    /// all; what the loop has healed does not count]
    #[arg(value_name = "ID|STACK", value_parser = target, add = super::complete::stacks_and_releases())]
    pub target: Option<Target>,
    /// How it is carried out.
    #[command(flatten)]
    pub start: StartArgs,
}

/// What was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One operation.
    Operation(Id),
    /// The newest of a stack.
    Stack(StackName),
}

fn target(text: &str) -> Result<Target, String> {
    match Id::parse(text) {
        Some(id) => Ok(Target::Operation(id)),
        None => stack_name(text).map(Target::Stack).map_err(|error| error.to_string()),
    }
}

/// Why something is not undone.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum NotUndone {
    #[error("there is nothing to undo: the log has no operation{0}")]
    #[diagnostic(code(stackctl::undo::nothing), help("see `stackctl log`"))]
    Nothing(String),
    #[error("`{id}` ({verb}) cannot be undone: {why}")]
    #[diagnostic(code(stackctl::undo::cannot), help("{help}"))]
    Cannot { id: Id, verb: String, why: String, help: String },
    #[error("`{id}` ({verb}) cannot be undone by itself: {later} changed {what} since")]
    #[diagnostic(code(stackctl::undo::overtaken), help("{help}"))]
    Overtaken { id: Id, verb: String, later: String, what: String, help: String },
}

pub(super) fn run(args: &Undo, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, args.start.connect(), async |cluster: &Cluster| {
        let stack = match &args.target {
            Some(Target::Stack(stack) | Target::Operation(Id::Release(stack, _) | Id::Heal(stack, _))) => {
                Some(stack)
            }
            Some(Target::Operation(Id::Cluster(_))) | None => None,
        };
        let all = operations(reading(cluster), stack, machine::me().is_gone).await?;
        let one = chosen(args.target.as_ref(), &all)?;
        context.ui.detail(&format!("Undoing {}: {} ({})", one.id, one.verb, one.state.words()));
        match (&one.id, &one.what) {
            (Id::Release(stack, number), _) => release(args, context, cluster, one, stack, *number).await,
            (_, What::Values(changes)) => values(args, context, cluster, one, changes, &all).await,
            (_, What::Release { .. }) => Err(cannot(one, "it is no release", "see `stackctl log`")),
        }
    })
}

fn chosen<'a>(target: Option<&Target>, all: &'a [Operation]) -> Result<&'a Operation, Failure> {
    let nothing = |of: String| Failure::refused(NotUndone::Nothing(of));
    let mut newest = all.iter().filter(|one| !matches!(one.id, Id::Heal(..)) && !is_of_a_drain(one));
    match target {
        None => newest.next().ok_or_else(|| nothing(String::new())),
        Some(Target::Stack(stack)) => newest.next().ok_or_else(|| nothing(format!(" of stack `{stack}`"))),
        Some(Target::Operation(id)) => (all.iter().find(|one| one.id == *id))
            .ok_or_else(|| Failure::refused(NoOperation { id: id.to_string() })),
    }
}

/// The tasks that a drained node gave away: what is undone is the drain itself, which is another operation.
fn is_of_a_drain(one: &Operation) -> bool {
    match &one.what {
        What::Release { services, .. } => services.is_empty() && one.verb.starts_with(node::DRAIN),
        What::Values(_) => false,
    }
}

fn cannot(one: &Operation, why: impl Into<String>, help: impl Into<String>) -> Failure {
    let (id, verb) = (one.id.clone(), one.verb.clone());
    Failure::refused(NotUndone::Cannot { id, verb, why: why.into(), help: help.into() })
}

/// What was declared before a release is declared again.
async fn release(
    args: &Undo,
    context: &Context,
    cluster: &Cluster,
    one: &Operation,
    stack: &StackName,
    number: u64,
) -> Result<Exit, Failure> {
    if one.state == State::UnderWay {
        return Err(cannot(one, "it is under way", "wait for its end, or stop it"));
    }
    let history = remembered(reading(cluster), stack).await?.history;
    let about = one.clone();
    let edit: Edit = Arc::new(move |history| undone(history, &about, number));
    let spec = edit(&history)?;
    let options = cluster.plan_options(true);
    let plan = async {
        let observed = cluster.observe().await;
        let plan = Plan::make(&observed, &spec, options.clone());
        Planned { observed, spec: spec.clone(), plan }
    };
    let mut wish = args.start.wish("undo", options.clone());
    if spec.services.is_empty() {
        wish.kind = Kind::Remove;
    }
    let message = args.start.rollout.message.clone();
    let draft = Draft { verb: format!("undo {}", one.id), message, ..Draft::default() };
    let job = if wish.dry_run {
        Job { planned: plan.await, record: None }
    } else {
        let Job { planned, record } = Record::with_plan(cluster, stack, draft, plan).await;
        Job { planned, record: record.map(|record| record.map(|record| record.edited_by(edit))) }
    };
    rollout::carry_out(context, cluster, vec![job], wish).await
}

/// What is to be declared now, so that a release is undone and what came later stays.
fn undone(history: &History, one: &Operation, number: u64) -> Result<StackSpec, Failure> {
    let Id::Release(stack, _) = &one.id else { return Err(cannot(one, "it is no release", "")) };
    let no_longer = || cannot(one, "what was declared before it is no longer remembered", go_back(stack));
    let (release, outcome) = history.releases.get(&number).ok_or_else(no_longer)?;
    let before = match history.before(number) {
        Ok(Some(current)) => current.spec,
        Ok(None) if number == 1 || history.releases.range(..number).next().is_some() => {
            StackSpec::empty(stack.clone())
        }
        Ok(None) => return Err(no_longer()),
        Err(why) => {
            return Err(cannot(one, format!("what ran before it is not known: {why}"), go_back(stack)));
        }
    };
    let ours = changed(&before, release, outcome.as_ref());
    if ours.is_empty() {
        let why = match outcome {
            Some(Outcome::NotBegun { .. }) => "it was not begun: it changed nothing",
            Some(Outcome::RolledBack { .. }) => "it was rolled back: nothing of it is left",
            _ => "it changed nothing that was declared, it only moved or replaced tasks",
        };
        return Err(cannot(
            one,
            why,
            "a node that was drained is taken back by undoing that, see `stackctl log`",
        ));
    }
    let spec = match history.last() {
        Some((newest, ..)) if newest == number => before,
        _ => beside_later(history, one, number, &before, &ours)?,
    };
    Ok(keep_forced(spec, history))
}

fn go_back(stack: &StackName) -> String {
    format!("bring an older release back: `stackctl history {stack}`, `stackctl rollback --to N {stack}`")
}

/// Services that a release declared otherwise, and that did not go back by themselves.
fn changed(before: &StackSpec, release: &Release, outcome: Option<&Outcome>) -> BTreeSet<ServiceName> {
    let went_back = |name: &ServiceName| match outcome {
        Some(Outcome::RolledBack { services: None, .. } | Outcome::NotBegun { .. }) => true,
        Some(Outcome::RolledBack { services: Some(services), .. }) => services.contains(name),
        _ => false,
    };
    let all = touched(Some(before), &release.spec).into_iter();
    all.filter(|(name, touch)| *touch != Touch::Restarted && !went_back(name)).map(|(name, _)| name).collect()
}

/// What is declared now, with the services that a release changed as they were before it.
fn beside_later(
    history: &History,
    one: &Operation,
    number: u64,
    before: &StackSpec,
    ours: &BTreeSet<ServiceName>,
) -> Result<StackSpec, Failure> {
    let Id::Release(stack, _) = &one.id else { return Err(cannot(one, "it is no release", "")) };
    let mut later: BTreeMap<u64, &str> = BTreeMap::new();
    let mut what: BTreeSet<ServiceName> = BTreeSet::new();
    for (at, (release, outcome)) in history.releases.range(number + 1..) {
        let then = declared_before(history, *at).and_then(|(_, spec)| spec);
        let then = then.unwrap_or_else(|| StackSpec::empty(stack.clone()));
        let theirs = changed(&then, release, outcome.as_ref());
        for name in ours.intersection(&theirs) {
            later.insert(*at, &release.verb);
            what.insert(name.clone());
        }
    }
    if !later.is_empty() {
        let newest = later.keys().next_back().copied().unwrap_or(number);
        let list = later.iter().map(|(at, verb)| format!("`{stack}@{at}` ({verb})")).collect::<Vec<_>>();
        let what = what.into_iter().map(|name| name.to_string()).collect::<Vec<_>>().join(", ");
        return Err(Failure::refused(NotUndone::Overtaken {
            id: one.id.clone(),
            verb: one.verb.clone(),
            later: list.join(", "),
            what,
            help: format!(
                "undo what came later first: `stackctl undo {stack}@{newest}`; or go back as a whole: `stackctl \
                 rollback --to {} {stack}`",
                number.saturating_sub(1).max(1)
            ),
        }));
    }
    let current = history.current().map_err(|why| cannot(one, why.to_string(), go_back(stack)))?;
    put_back(&current.spec, Some(before), ours).map_err(|config| {
        cannot(one, format!("config {config} would have to have two contents"), go_back(stack))
    })
}

/// How often services were restarted is not undone: their tasks would be replaced for nothing.
fn keep_forced(mut spec: StackSpec, history: &History) -> StackSpec {
    let current = match history.current() {
        Ok(current) => Some(current.spec),
        Err(_) => history.last().map(|(_, release, _)| release.spec.clone()),
    };
    for service in spec.services.values_mut() {
        let now = current.as_ref().and_then(|current| current.services.get(&service.name));
        if let Some(now) = now
            && now.task.force_update != service.task.force_update
        {
            Arc::make_mut(&mut service.task).force_update = now.task.force_update;
        }
    }
    spec
}

/// Values that were changed become what they were.
async fn values(
    args: &Undo,
    context: &Context,
    cluster: &Cluster,
    one: &Operation,
    changes: &[Changed],
    all: &[Operation],
) -> Result<Exit, Failure> {
    let overtaken = |what: String, is_same: &dyn Fn(&Changed) -> bool| {
        let touches = |other: &&Operation| match &other.what {
            What::Values(changes) => other.at >= one.at && other.id != one.id && changes.iter().any(is_same),
            What::Release { .. } => false,
        };
        // The list is the newest first.
        let later: Vec<&Operation> =
            all.iter().take_while(|other| other.id != one.id).filter(touches).collect();
        let list = later.iter().map(|one| format!("`{}` ({})", one.id, one.verb)).collect::<Vec<_>>();
        let (id, verb) = (one.id.clone(), one.verb.clone());
        let help = match later.first() {
            Some(newest) => format!("undo what came later first: `stackctl undo {}`", newest.id),
            None => "somebody changed it otherwise; see `stackctl log`".to_owned(),
        };
        let later = if list.is_empty() { "something else".to_owned() } else { list.join(", ") };
        Failure::refused(NotUndone::Overtaken { id, verb, later, what, help })
    };
    let verb = format!("undo {}", one.id);
    match changes {
        [Changed::Suspended { stack, before, after }] => {
            if settings(reading(cluster), stack).await?.suspended != *after {
                let is_same =
                    |one: &Changed| matches!(one, Changed::Suspended { stack: of, .. } if of == stack);
                return Err(overtaken(format!("whether the loop looks after stack {stack}"), &is_same));
            }
            suspended(args, context, cluster, stack, before, verb).await
        }
        [Changed::Node { .. }, ..] => {
            if let Some(node) = node::otherwise(cluster, changes).await? {
                let is_same = |one: &Changed| matches!(one, Changed::Node { node: of, .. } if *of == node);
                return Err(overtaken(format!("node {node}"), &is_same));
            }
            node::put_back(&args.start.rollout, context, cluster, changes, &verb).await
        }
        [Changed::Healed { .. }, ..] => {
            let why = "the loop brought back what was declared, and would again";
            Err(cannot(one, why, "undo the operation that declared it, or `stackctl suspend` the stack"))
        }
        [Changed::Lease { .. }, ..] => {
            Err(cannot(one, "whoever had the lease has stopped by now", "let them run their command again"))
        }
        [] | [Changed::Suspended { .. }, _, ..] => {
            let why = "the records as a whole were written";
            Err(cannot(
                one,
                why,
                "set `ledger:` in the inventory, or `stackctl ledger restore` another backup",
            ))
        }
    }
}

async fn suspended(
    args: &Undo,
    context: &Context,
    cluster: &Cluster,
    stack: &StackName,
    before: &Option<Suspended>,
    verb: String,
) -> Result<Exit, Failure> {
    let (ui, rollout) = (&context.ui, &args.start.rollout);
    let (does, done) = match before {
        Some(_) => ("Suspend", "is suspended: the loop leaves it as it is"),
        None => ("Resume", "is looked after again"),
    };
    if rollout.dry_run {
        ui.data(&format!("{does} stack {stack}\n"));
        return Ok(Exit::Done);
    }
    if !rollout.yes {
        let question = format!("{does} stack {stack} in cluster {}?", cluster.inventory.cluster);
        if !ui.confirm(&question).map_err(Failure::refused)? {
            return Err(Failure::refused(NotConfirmed));
        }
    }
    suspend::put(context, cluster, &writing(cluster), stack, verb, rollout.message.as_ref(), before).await?;
    ui.say(&format!("Stack {stack} {done}."));
    Ok(Exit::Done)
}
