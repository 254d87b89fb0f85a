//! `stackctl suspend` and `resume`: whether the reconcile loop may touch a stack.

use super::Context;
use super::cluster::{self, Cluster};
use super::deploy::stack_name;
use super::machine;
use super::recorded::{Said, recorded};
use super::records::{Writing, reading, remembered, writing};
use super::report::{Exit, Failure};
use crate::fleet::ConnectOptions;
use crate::ledger::document;
use crate::ledger::operation::Changed;
use crate::ledger::settings::{Settings, Suspended, change, settings, stream};
use crate::model::StackName;

pub(super) const EXAMPLES_OF_SUSPEND: &[(&str, &str)] = &[
    ("Leave a stack as it is while you work on it by hand", "stackctl suspend -m 'moving the database' shop"),
    ("Several at once", "stackctl suspend shop blog"),
];

pub(super) const EXAMPLES_OF_RESUME: &[(&str, &str)] = &[
    ("Have the loop look after a stack again", "stackctl resume shop"),
    ("See before what it would do", "stackctl reconcile --once --policy report shop"),
];

/// Arguments of `suspend`.
#[derive(Debug, clap::Args)]
pub struct Suspend {
    /// Names of the stacks
    #[arg(value_name = "STACK", required = true, value_parser = stack_name, add = super::complete::stacks())]
    pub stacks: Vec<StackName>,
    /// Why, for those who wonder
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
}

/// Arguments of `resume`.
#[derive(Debug, clap::Args)]
pub struct Resume {
    /// Names of the stacks
    #[arg(value_name = "STACK", required = true, value_parser = stack_name, add = super::complete::stacks())]
    pub stacks: Vec<StackName>,
}

/// Nothing was ever deployed under that name.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no release of stack `{0}` is remembered: the loop does not look after it")]
#[diagnostic(code(stackctl::history::no_release), help("`stackctl ls` lists what runs; nothing was changed"))]
struct NotKnown(StackName);

pub(super) fn suspend(args: &Suspend, context: &Context) -> Result<Exit, Failure> {
    set(&args.stacks, "suspend", args.message.as_ref(), context, |cluster| {
        Some(Suspended { who: machine::who(), at: cluster.clock.now(), why: args.message.clone() })
    })
}

pub(super) fn resume(args: &Resume, context: &Context) -> Result<Exit, Failure> {
    set(&args.stacks, "resume", None, context, |_| None)
}

fn set(
    stacks: &[StackName],
    verb: &str,
    message: Option<&String>,
    context: &Context,
    wanted: impl Fn(&Cluster) -> Option<Suspended>,
) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        // A name that nobody knows is a slip of the hand: before anything is written, all are looked up.
        for stack in stacks {
            let history = remembered(reading(cluster), stack).await?.history;
            if history.releases.is_empty() {
                return Err(Failure::refused(NotKnown(stack.clone())));
            }
        }
        let ledger = writing(cluster);
        let wanted = wanted(cluster);
        for stack in stacks {
            let verb = format!("{verb} {stack}");
            let (before, after) = put(context, cluster, &ledger, stack, verb, message, &wanted).await?;
            context.ui.say(&match (before.suspended, after.suspended) {
                (None, Some(_)) => format!("Stack {stack} is suspended: the loop leaves it as it is."),
                (Some(_), None) => format!("Stack {stack} is looked after again."),
                (Some(by), Some(_)) => format!("Stack {stack} has been suspended by {} already.", by.who),
                (None, None) => format!("Stack {stack} is not suspended."),
            });
        }
        Ok(Exit::Done)
    })
}

/// Puts it so, and writes that down, unless it is so; what the settings were, and what they are.
pub(super) async fn put(
    context: &Context,
    cluster: &Cluster,
    ledger: &Writing,
    stack: &StackName,
    verb: String,
    message: Option<&String>,
    wanted: &Option<Suspended>,
) -> Result<(Settings, Settings), Failure> {
    // Who was first to say so stays the one to ask.
    let is_news = |settings: &Settings| settings.suspended.is_some() != wanted.is_some();
    document::tend(ledger, &stream(stack)).await?;
    let now = settings(ledger, stack).await?;
    if !is_news(&now) {
        return Ok((now.clone(), now));
    }
    let changed = Changed::Suspended { stack: stack.clone(), before: now.suspended, after: wanted.clone() };
    let said = Said { verb, message: message.cloned(), stacks: vec![stack.clone()], changes: vec![changed] };
    recorded(&context.ui, cluster, ledger, said, async {
        let changed = change(ledger, stack, |settings| {
            if is_news(settings) {
                settings.suspended.clone_from(wanted);
            }
        });
        Ok(changed.await?)
    })
    .await
}
