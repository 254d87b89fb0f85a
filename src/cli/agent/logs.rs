//! `stackctl agent logs`: what agents remember of each other.

use super::super::Context;
use super::super::cluster::{self, Cluster};
use super::super::render::agents::log_text;
use super::super::report::{Exit, Failure};
use super::look_at;
use crate::fleet::ConnectOptions;

/// Arguments of `agent logs`.
#[derive(Debug, clap::Args)]
pub struct AgentLogs {
    /// Names of the hosts [default: all]
    #[arg(value_name = "HOST", add = super::super::complete::nodes())]
    pub hosts: Vec<String>,
}

pub(super) fn run(args: &AgentLogs, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let look = look_at(cluster, context, &args.hosts).await?;
        context.ui.data(&log_text(&look));
        Ok(if look.values().all(Result::is_ok) { Exit::Done } else { Exit::Unreachable })
    })
}
