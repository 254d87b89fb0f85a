//! `stackctl node forget`: drops discovered hosts permanently.

use super::super::Context;
use super::super::cluster;
use super::super::report::{Exit, Failure};
use crate::fleet::ConnectOptions;
use crate::ops::node as ops;

/// Arguments of `node forget`.
#[derive(Debug, clap::Args)]
pub struct NodeForget {
    /// Names of discovered hosts that no source names any more
    #[arg(value_name = "NODE", required = true)]
    pub nodes: Vec<String>,
}

/// The host cannot be forgotten.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum NotForgotten {
    #[error("no discovered host is called `{0}`")]
    #[diagnostic(
        code(stackctl::discovery::not_known),
        help(
            "only hosts of sources under `discover:` can be forgotten; remove a host of `hosts:` from the inventory"
        )
    )]
    Unknown(String),
    #[error("host `{name}` is there: {source_name} names it")]
    #[diagnostic(
        code(stackctl::discovery::still_there),
        help(
            "remove it from the source; to move its tasks elsewhere, `stackctl node update --availability drain`"
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
        ops::forget(&*cluster.writing(), &cluster.fleet.found(), &args.nodes).await?;
        for name in &args.nodes {
            context.ui.say(&format!("Host {name} is dropped"));
        }
        Ok(Exit::Done)
    })
}
