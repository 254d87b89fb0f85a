//! `stackctl node forget`: drops members permanently.

use super::super::Context;
use super::super::cluster;
use super::super::report::{Exit, Failure};
use crate::fleet::ConnectOptions;
use crate::ops::node as ops;

/// Arguments of `node forget`.
#[derive(Debug, clap::Args)]
pub struct NodeForget {
    /// Names of hosts that neither the inventory nor a source names any more
    #[arg(value_name = "NODE", required = true)]
    pub nodes: Vec<String>,
}

/// The host cannot be forgotten.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum NotForgotten {
    #[error("no host that is called `{0}` is remembered")]
    #[diagnostic(
        code(stackctl::discovery::not_known),
        help(
            "hosts are remembered that had tasks or data, or that were discovered; `stackctl node ls` shows them"
        )
    )]
    Unknown(String),
    #[error("host `{name}` is there: {source_name} names it")]
    #[diagnostic(
        code(stackctl::discovery::still_there),
        help(
            "remove it from there first; to move its tasks elsewhere, `stackctl node update --availability drain`"
        )
    )]
    Named { name: String, source_name: String },
}

impl From<ops::NotForgotten> for Failure {
    fn from(error: ops::NotForgotten) -> Self {
        Self::refused(match error {
            ops::NotForgotten::Ledger(error) => return error.into(),
            ops::NotForgotten::Unknown(name) => NotForgotten::Unknown(name),
            ops::NotForgotten::Named { name, source_name } => NotForgotten::Named { name, source_name },
        })
    }
}

pub(super) fn run(args: &NodeForget, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let named = ops::named(&cluster.observe().await);
        ops::forget(&*cluster.writing(), &named, &args.nodes).await?;
        for name in &args.nodes {
            context.ui.say(&format!("Host {name} is dropped"));
        }
        Ok(Exit::Done)
    })
}
