//! `stackctl unlock`: ends a lease whose holder is known to be gone.

use super::Context;
use super::cluster::{self, Cluster};
use super::machine;
use super::recorded::{Said, recorded};
use super::records::writing;
use super::report::{Exit, Failure};
use crate::engine::lease::{look, unlock};
use crate::fleet::ConnectOptions;
use crate::ledger::lease::Holder;
use crate::ledger::operation::Changed;
use crate::model::StackName;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("After `stackctl deploy` has said who holds the lease", "stackctl unlock shop-1f0c3a9e"),
    ("Leases in a directory", "stackctl --ledger file:///srv/stackctl unlock shop-1f0c3a9e"),
];

/// Arguments of `unlock`.
#[derive(Debug, clap::Args)]
pub struct Unlock {
    /// The lease, as the refused command named it
    #[arg(value_name = "ID")]
    pub id: String,
}

/// No such lease.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("nobody has the lease `{id}`")]
#[diagnostic(
    code(stackctl::lease::unknown),
    help("it may have ended by itself: run the command again that was refused")
)]
struct Unknown {
    id: String,
}

pub(super) fn run(args: &Unlock, context: &Context) -> Result<Exit, Failure> {
    let unknown = || Failure::refused(Unknown { id: args.id.clone() });
    // An id begins with the name of its stack.
    let stack = args.id.rsplit_once('-').and_then(|(stack, _)| StackName::new(stack).ok());
    let stack = stack.ok_or_else(unknown)?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let ledger = writing(cluster);
        let (_, held) = look(&ledger, &stack).await?;
        let holder = held.filter(|held| held.holder.id == args.id).ok_or_else(unknown)?.holder;
        let Holder { who, pid, verb, .. } = &holder;
        let lease =
            Changed::Lease { stack: stack.clone(), holder: format!("{who} (process {pid}, `{verb}`)") };
        let said = Said {
            verb: format!("unlock {}", args.id),
            stacks: vec![stack.clone()],
            changes: vec![lease],
            ..Said::default()
        };
        recorded(&context.ui, cluster, &ledger, said, async {
            unlock(&ledger, &stack, &args.id, &machine::who()).await?.ok_or_else(unknown)
        })
        .await?;
        context.ui.say(&format!(
            "The lease of {} (process {}, `{}`) on stack {stack} is ended.",
            holder.who, holder.pid, holder.verb
        ));
        Ok(Exit::Done)
    })
}
