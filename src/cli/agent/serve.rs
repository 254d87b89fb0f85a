//! `stackctl agent serve`: what an engine starts on its host. Not for people, and with no word to them but an error.

use std::path::PathBuf;

use super::super::cluster::clock;
use super::super::report::{Exit, Failure};
use crate::agent::program::own_version;
use crate::agent::serve::{NotServed, Place, serve};
use crate::model::ClusterName;
use crate::model::ids::NameError;

/// Arguments of `agent serve`.
#[derive(Debug, clap::Args)]
pub struct AgentServe {
    /// The cluster that it is of
    #[arg(long, value_name = "CLUSTER", value_parser = cluster_name)]
    pub of: ClusterName,
    /// The socket for clients; its folder, and the one above, are the agent's own
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// The engine's socket, whose group may use the agent's
    #[arg(long, value_name = "PATH")]
    pub engine: Option<PathBuf>,
    /// The socket that the engine waits for
    #[arg(long, value_name = "PATH")]
    pub activation: Option<PathBuf>,
    /// What the engine calls the folder of the socket for clients
    #[arg(long, value_name = "PATH")]
    pub on_host: Option<PathBuf>,
    /// The file that has who it is among the agents of the cluster
    #[arg(long, value_name = "PATH")]
    pub identity: Option<PathBuf>,
}

/// It cannot begin.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the agent cannot begin")]
#[diagnostic(
    code(stackctl::agent::not_served),
    help("engines start this program as an agent; `stackctl agent install` has them do so")
)]
struct CannotBegin(#[source] NotServed);

/// The system refuses what every program needs.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the agent cannot start: {0}")]
#[diagnostic(code(stackctl::cli::runtime))]
struct NoRuntime(std::io::Error);

fn cluster_name(text: &str) -> Result<ClusterName, NameError> {
    ClusterName::new(text)
}

pub(super) fn run(args: &AgentServe) -> Result<Exit, Failure> {
    let clock = clock()?;
    let place = Place {
        cluster: args.of.clone(),
        socket: args.socket.clone(),
        engine: args.engine.clone(),
        activation: args.activation.clone(),
        on_host: args.on_host.clone(),
        identity: args.identity.clone(),
    };
    // One thread: it answers a few small requests.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::refused(NoRuntime(error)))?;
    let served = runtime.block_on(serve(&place, own_version(), move || clock.now()));
    runtime.shutdown_background();
    served.map(|()| Exit::Done).map_err(|error| Failure::refused(CannotBegin(error)))
}
