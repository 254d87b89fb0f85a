//! `stackctl undo`: declares again what was declared before an operation.
//!
//! Nothing is removed from the log: an undo is an operation of its own, planned and shown as any other, and
//! can be undone as well. The undo of a release reverts only what that release changed; later changes stay, and
//! if they concern the same services, the undo is refused.

use super::Context;
use super::cluster::{self, Cluster};
use super::deploy::stack_name;
use super::node;
use super::not_confirmed::NotConfirmed;
use super::report::{Exit, Failure};
use super::rollout::{self, Kind};
use super::rollout_args::StartArgs;
use super::time_arg::NoOperation;
use crate::engine::operations::Id;
use crate::model::StackName;
use crate::ops::log::Unended;
use crate::ops::records::Suspended;
use crate::ops::suspend::put;
pub(super) use crate::ops::undo::Target;
use crate::ops::undo::{self, Found, Obstacle, Subject, Undoing};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Undo the newest operation, after a look at the plan", "stackctl undo"),
    ("Undo the newest change of one stack; a second undo takes that back", "stackctl undo shop"),
    ("Undo a certain operation, as `stackctl log` names it", "stackctl undo @12"),
];

/// Arguments of `undo`.
#[derive(Debug, clap::Args)]
pub struct Undo {
    /// What to undo: an operation as `log` names it, or a stack for its newest operation [default: the newest
    /// operation of all; repairs by the loop do not count]
    #[arg(value_name = "ID|STACK", value_parser = target, add = super::complete::stacks_and_releases())]
    pub target: Option<Target>,
    #[command(flatten)]
    pub start: StartArgs,
}

fn target(text: &str) -> Result<Target, String> {
    match Id::parse(text) {
        Some(id) => Ok(Target::Operation(id)),
        None => stack_name(text).map(Target::Stack).map_err(|error| error.to_string()),
    }
}

/// Why an operation cannot be undone.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum NotUndone {
    #[error("there is nothing to undo: the log has no operation{0}")]
    #[diagnostic(code(stackctl::undo::nothing), help("see `stackctl log`"))]
    Nothing(String),
    #[error(
        "it cannot be told which operation is the newest: release {number} of stack `{stack}` is under way, or was cut off \
         before a majority of the managers had its record"
    )]
    #[diagnostic(
        code(stackctl::undo::unsure),
        help("name what to undo: `stackctl undo STACK`, or an operation of `stackctl log`")
    )]
    Unsure { stack: StackName, number: u64 },
    #[error("`{id}` ({verb}) cannot be undone: {why}")]
    #[diagnostic(code(stackctl::undo::cannot), help("{help}"))]
    Cannot { id: Id, verb: String, why: String, help: String },
    #[error("`{id}` ({verb}) cannot be undone by itself: {later} changed {what} since")]
    #[diagnostic(code(stackctl::undo::overtaken), help("{help}"))]
    Overtaken { id: Id, verb: String, later: String, what: String, help: String },
}

impl From<undo::NotUndone> for Failure {
    fn from(error: undo::NotUndone) -> Self {
        Self::refused(match error {
            undo::NotUndone::Nothing { stack } => {
                NotUndone::Nothing(stack.map_or_else(String::new, |stack| format!(" of stack `{stack}`")))
            }
            undo::NotUndone::NoOperation(id) => return Self::refused(NoOperation { id: id.to_string() }),
            undo::NotUndone::Unsure { stack, number } => NotUndone::Unsure { stack, number },
            undo::NotUndone::Cannot { id, verb, why } => {
                let (why, help) = (obstacle(&why), what_to_do(&id, &why));
                NotUndone::Cannot { id, verb, why, help }
            }
            undo::NotUndone::Overtaken { id, verb, later, what } => overtaken(id, verb, &later, &what),
        })
    }
}

fn obstacle(why: &Obstacle) -> String {
    match why {
        Obstacle::Lock => "the process that held the lease has stopped by now".to_owned(),
        other => other.to_string(),
    }
}

fn what_to_do(id: &Id, why: &Obstacle) -> String {
    match why {
        Obstacle::UnderWay => "wait until it ends, or interrupt it".to_owned(),
        Obstacle::NoRelease => "see `stackctl log`".to_owned(),
        Obstacle::Forgotten | Obstacle::NoBefore(_) | Obstacle::NoCurrent(_) | Obstacle::TwoContents(_) => {
            let stack = match id {
                Id::Release(stack, _) | Id::Heal(stack, _) => stack.as_str(),
                Id::Cluster(_) => "STACK",
            };
            format!("deploy an older release: `stackctl history {stack}`, `stackctl rollback --to N {stack}`")
        }
        Obstacle::NotBegun | Obstacle::RolledBack | Obstacle::OnlyTasks => {
            "an undo restores what was declared, and this release declared nothing new; to bring tasks back to a drained \
             node, undo the drain: see `stackctl log`"
                .to_owned()
        }
        Obstacle::Healed => "undo the operation that declared it, or `stackctl suspend` the stack".to_owned(),
        Obstacle::Lock => "run the command of that process again".to_owned(),
        Obstacle::Records => {
            "set `ledger:` in the inventory, or `stackctl ledger restore` another backup".to_owned()
        }
    }
}

fn overtaken(id: Id, verb: String, later: &[(Id, String)], what: &Subject) -> NotUndone {
    let list = later.iter().map(|(id, verb)| format!("`{id}` ({verb})")).collect::<Vec<_>>().join(", ");
    let first = |(id, _): &(Id, String)| format!("first undo the later operation: `stackctl undo {id}`");
    let none = || "another operation changed it; see `stackctl log`".to_owned();
    let (what, help) = match (what, &id) {
        (Subject::Services(services), Id::Release(stack, number)) => {
            let names: Vec<&str> = services.iter().map(|name| name.as_str()).collect();
            let to = number.saturating_sub(1).max(1);
            let back = format!("or roll back the whole stack: `stackctl rollback --to {to} {stack}`");
            (names.join(", "), format!("{}; {back}", later.last().map_or_else(none, first)))
        }
        (Subject::Services(services), _) => {
            let names: Vec<&str> = services.iter().map(|name| name.as_str()).collect();
            (names.join(", "), later.last().map_or_else(none, first))
        }
        (Subject::Suspension(stack), _) => {
            (format!("whether the loop manages stack {stack}"), later.first().map_or_else(none, first))
        }
        (Subject::Node(node), _) => (format!("node {node}"), later.first().map_or_else(none, first)),
    };
    let later = if list.is_empty() { "something else".to_owned() } else { list };
    NotUndone::Overtaken { id, verb, later, what, help }
}

pub(super) fn run(args: &Undo, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, args.start.connect(), async |cluster: &Cluster| {
        let choices = args.start.choices("undo");
        let screen = rollout::before_plan(context, &choices);
        let found = undo::find(cluster, args.target.as_ref(), &choices.choosing(&screen)).await?;
        let one = &found.one;
        context.ui.detail(&format!("Undoing {}: {} ({})", one.id, one.verb, one.state.words()));
        match found.undoing(cluster).await? {
            Undoing::Release(stack, number) => release(args, context, cluster, &found, stack, number).await,
            Undoing::Suspension { stack, before } => {
                suspended(args, context, cluster, stack, before, format!("undo {}", one.id)).await
            }
            Undoing::Nodes(changes) => {
                let verb = format!("undo {}", one.id);
                node::put_back(&args.start.rollout, context, cluster, changes, &verb).await
            }
        }
    })
}

/// Declares again what was declared before a release.
async fn release(
    args: &Undo,
    context: &Context,
    cluster: &Cluster,
    found: &Found,
    stack: &StackName,
    number: u64,
) -> Result<Exit, Failure> {
    let mut choices = args.start.choices("undo");
    let message = args.start.rollout.message.clone();
    let job = found.job(cluster, stack, number, message, choices.dry_run).await?;
    if job.plan.spec().services.is_empty() {
        choices.kind = Kind::Remove;
    }
    rollout::carry_out(context, cluster, vec![job], choices).await
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
        None => ("Resume", "is managed by the loop again"),
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
    let unended = |unended: Unended| ui.warn(&unended.to_string());
    put(cluster, &cluster.writing(), stack, before, (verb, rollout.message.clone()), unended).await?;
    ui.say(&format!("Stack {stack} {done}."));
    Ok(Exit::Done)
}
