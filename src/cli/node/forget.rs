//! `stackctl node forget`: discovered hosts that are gone for good, said by a person.

use super::super::Context;
use super::super::cluster;
use super::super::records::writing;
use super::super::report::{Exit, Failure};
use crate::engine::members;
use crate::fleet::ConnectOptions;
use crate::ledger::nodes::NodeRecords;

/// Arguments of `node forget`.
#[derive(Debug, clap::Args)]
pub struct NodeForget {
    /// Names of hosts that were discovered, and are not any more
    #[arg(value_name = "NODE", required = true)]
    pub nodes: Vec<String>,
}

/// There is nothing to forget.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum NotForgotten {
    #[error("no host `{0}` is remembered as discovered")]
    #[diagnostic(
        code(stackctl::discovery::not_known),
        help("only hosts of sources under `discover:` are; one of `hosts:` is taken out there")
    )]
    Unknown(String),
    #[error("host `{name}` is there: {source_name} names it")]
    #[diagnostic(
        code(stackctl::discovery::still_there),
        help(
            "take it out of what the source names; to give its tasks away, `stackctl node update --availability drain`"
        )
    )]
    Named { name: String, source_name: String },
}

pub(super) fn run(args: &NodeForget, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let found = cluster.fleet.found();
        let named = |name: &String| Some((name.clone(), found.get(name.as_str())?.clone()));
        if let Some((name, source_name)) = args.nodes.iter().find_map(named) {
            return Err(Failure::refused(NotForgotten::Named { name, source_name }));
        }
        let ledger = writing(cluster);
        members::change(&ledger, |records: &mut NodeRecords| {
            for name in &args.nodes {
                if records.discovered.remove(name.as_str()).is_none() {
                    return Err(Failure::refused(NotForgotten::Unknown(name.clone())));
                }
            }
            Ok(())
        })
        .await?;
        for name in &args.nodes {
            context.ui.say(&format!("Host {name} is forgotten"));
        }
        Ok(Exit::Done)
    })
}
