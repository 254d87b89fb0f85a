//! `stackctl service`: docker's verbs on single services.

mod change;
pub mod flags;
pub mod forms;
mod inspect;
mod list;
mod rollback;
mod update;

use clap::Subcommand;

use super::Context;
use super::report::{Exit, Failure};
use super::{logs, scale};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    (
        "Deploy another image, by the service's update policy",
        "stackctl service update --image nginx:1.28 shop_web",
    ),
    ("Undo that change", "stackctl service rollback shop_web"),
    ("List the services of the cluster", "stackctl service ls"),
];

/// Arguments of `service`.
#[derive(Debug, clap::Args)]
pub struct Service {
    #[command(subcommand)]
    pub command: ServiceCommand,
}

/// The commands of `service`.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Change a service and replace its tasks by its update policy
    Update(Box<update::Update>),
    /// Undo the last change of a service
    Rollback(rollback::Rollback),
    /// Set the number of tasks of services
    Scale(scale::Scale),
    /// Show how services are declared
    Inspect(inspect::Inspect),
    /// List the services of all stacks
    #[command(visible_alias = "list")]
    Ls(list::Ls),
    /// List the tasks of services
    Ps(list::Ps),
    /// Show the output of a service's tasks, merged by time
    Logs(logs::Logs),
}

pub(super) fn run(args: &Service, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        ServiceCommand::Update(args) => update::run(args, context),
        ServiceCommand::Rollback(args) => rollback::run(args, context),
        ServiceCommand::Scale(args) => scale::run(args, context),
        ServiceCommand::Inspect(args) => inspect::run(args, context),
        ServiceCommand::Ls(args) => list::ls(args, context),
        ServiceCommand::Ps(args) => list::ps(args, context),
        ServiceCommand::Logs(args) => logs::run(args, context),
    }
}
