//! `stackctl suspend` and `resume`: stop and restart the reconcile loop's management of stacks.

use super::Context;
use super::cluster::{self, Cluster};
use super::deploy::stack_name;
use super::report::{Exit, Failure};
use crate::fleet::ConnectOptions;
use crate::model::StackName;
use crate::ops::log::Unended;
use crate::ops::records::Suspended;
use crate::ops::suspend::{Put, first_unknown, put};

pub(super) const EXAMPLES_OF_SUSPEND: &[(&str, &str)] = &[
    ("Leave a stack as it is while you work on it by hand", "stackctl suspend -m 'moving the database' shop"),
    ("Several at once", "stackctl suspend shop blog"),
];

pub(super) const EXAMPLES_OF_RESUME: &[(&str, &str)] = &[
    ("Let the loop manage a stack again", "stackctl resume shop"),
    ("Show first what the loop would do", "stackctl reconcile --once --policy report shop"),
];

/// Arguments of `suspend`.
#[derive(Debug, clap::Args)]
pub struct Suspend {
    /// Names of the stacks
    #[arg(value_name = "STACK", required = true, value_parser = stack_name, add = super::complete::stacks())]
    pub stacks: Vec<StackName>,
    /// The reason, shown by the loop
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

/// No stack of that name was ever deployed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("stack `{0}` has no release: the loop does not manage it")]
#[diagnostic(code(stackctl::history::no_release), help("`stackctl ls` lists what runs; nothing was changed"))]
struct NotKnown(StackName);

pub(super) fn suspend(args: &Suspend, context: &Context) -> Result<Exit, Failure> {
    set(&args.stacks, "suspend", args.message.as_ref(), context, |cluster| {
        Some(Suspended { who: cluster.me.who.clone(), at: cluster.clock.now(), why: args.message.clone() })
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
        // An unknown name is likely a typo: look up all names before anything is written.
        if let Some(stack) = first_unknown(cluster, stacks).await? {
            return Err(Failure::refused(NotKnown(stack.clone())));
        }
        let ledger = cluster.writing();
        let wanted = wanted(cluster);
        for stack in stacks {
            let words = (format!("{verb} {stack}"), message.cloned());
            let unended = |unended: Unended| context.ui.warn(&unended.to_string());
            let Put { before, after } = put(cluster, &ledger, stack, &wanted, words, unended).await?;
            context.ui.say(&match (before.suspended, after.suspended) {
                (None, Some(_)) => format!("Stack {stack} is suspended: the loop leaves it as it is."),
                (Some(_), None) => format!("Stack {stack} is managed by the loop again."),
                (Some(by), Some(_)) => format!("Stack {stack} is already suspended by {}.", by.who),
                (None, None) => format!("Stack {stack} is not suspended."),
            });
        }
        Ok(Exit::Done)
    })
}
