//! `stackctl unlock`: force-releases a lock whose holder is gone.

use super::Context;
use super::cluster::{self, Cluster};
use super::recorded::{Said, recorded};
use super::report::{Exit, Failure};
use crate::engine::lease::{look, unlock};
use crate::fleet::ConnectOptions;
use crate::model::StackName;
use crate::ops::records::{BegunStop, Changed, Held, Holder};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("With the id that the refused `stackctl deploy` has shown", "stackctl unlock shop-1f0c3a9e"),
    ("With a ledger in a directory", "stackctl --ledger file:///srv/stackctl unlock shop-1f0c3a9e"),
];

/// Arguments of `unlock`.
#[derive(Debug, clap::Args)]
pub struct Unlock {
    /// The id of the lock, shown by the refused command
    #[arg(value_name = "ID")]
    pub id: String,
}

/// No such lease.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("there is no lock `{id}`")]
#[diagnostic(code(stackctl::lease::unknown), help("it may have expired: run the refused command again"))]
struct Unknown {
    id: String,
}

pub(super) fn run(args: &Unlock, context: &Context) -> Result<Exit, Failure> {
    let unknown = || Failure::refused(Unknown { id: args.id.clone() });
    // An id begins with the name of its stack.
    let stack = args.id.rsplit_once('-').and_then(|(stack, _)| StackName::new(stack).ok());
    let stack = stack.ok_or_else(unknown)?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let ledger = cluster.writing();
        let (_, state) = look(&ledger, &stack).await?;
        let holder = state.held.filter(|held| held.holder.id == args.id).ok_or_else(unknown)?.holder;
        let Holder { who, pid, verb, .. } = &holder;
        let lease =
            Changed::Lease { stack: stack.clone(), holder: format!("{who} (process {pid}, `{verb}`)") };
        let said = Said {
            verb: format!("unlock {}", args.id),
            stacks: vec![stack.clone()],
            changes: vec![lease],
            ..Said::default()
        };
        let held = recorded(&context.ui, cluster, &ledger, said, async {
            unlock(&ledger, &stack, &args.id, &cluster.me.who, cluster.me.is_gone).await?.ok_or_else(unknown)
        })
        .await?;
        context.ui.say(&format!(
            "The lock of {} (process {}, `{}`) on stack {stack} is released.",
            holder.who, holder.pid, holder.verb
        ));
        context.ui.say(&under_way(&held, &stack));
        Ok(Exit::Done)
    })
}

/// What the old holder had under way, and what its successor waits for.
fn under_way(held: &Held, stack: &StackName) -> String {
    let seconds = |ms: i64| ms.saturating_add(999) / 1_000;
    let unlisted = format!(
        "The next command on {stack} waits {} s for what it may have sent last, and watches tasks that run for {} s: it may \
         have begun to stop some of them last.",
        seconds(held.left.in_flight_ms()),
        seconds(held.left.unlisted_ms)
    );
    if held.left.stops.is_empty() {
        return format!("It had nothing under way at its last sign of life. {unlisted}");
    }
    let stop = |stop: &BegunStop| {
        format!(
            "\n  stop of {} on {}, for up to {} s",
            stop.name,
            stop.node,
            seconds(stop.lasts_ms.saturating_add(held.left.in_flight_ms()))
        )
    };
    let stops: String = held.left.stops.iter().map(stop).collect();
    format!("It still had under way, and the next command on {stack} waits for it:{stops}\n{unlisted}")
}
