//! What can be asked of every command that carries out a plan, whatever the plan is.
//!
//! The arguments, and the [`Wish`] they make. Knows nothing of what is planned.

use std::collections::BTreeMap;

use super::deploy::duration;
use super::format::Format;
use super::rollout::{Kind, Wish};
use crate::fleet::ConnectOptions;
use crate::model::GoDuration;
use crate::orchestrator::PlanOptions;

/// How a plan is shown, confirmed and carried out.
#[derive(Debug, Clone, PartialEq, clap::Args)]
#[command(next_help_heading = "How it is carried out")]
pub struct RolloutArgs {
    /// Do not ask for confirmation
    #[arg(short, long, env = "STACKCTL_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
    /// Show the plan and stop
    #[arg(long)]
    pub dry_run: bool,
    /// What to remember about it, shown by `history`
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Wait so long for somebody else who is at work on the stack, e.g. 5m [default: not at all]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub lock_timeout: Option<GoDuration>,
    /// Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<GoDuration>,
    /// How to report: text, or json for one JSON object a line
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

/// The same where tasks may be started that were not there: their images are pulled, and one may not
/// want to see them come up.
#[derive(Debug, Clone, PartialEq, clap::Args)]
#[command(next_help_heading = "How it is carried out")]
pub struct StartArgs {
    /// As for every plan.
    #[command(flatten)]
    pub rollout: RolloutArgs,
    /// Do not wait until the tasks have proved stable
    #[arg(short, long)]
    pub detach: bool,
    /// Send this machine's registry credentials to the hosts for their pulls
    #[arg(long)]
    pub with_registry_auth: bool,
}

impl RolloutArgs {
    /// What is wished for by whoever typed `command`.
    pub(super) fn wish(&self, command: &'static str, kind: Kind, options: PlanOptions) -> Wish {
        Wish {
            command,
            kind,
            format: self.format,
            yes: self.yes,
            dry_run: self.dry_run,
            is_exact: false,
            detach: false,
            timeout: self.timeout,
            lock_timeout: self.lock_timeout,
            options,
            moves: BTreeMap::new(),
        }
    }
}

impl StartArgs {
    /// What is wished for by whoever typed `command`.
    pub(super) fn wish(&self, command: &'static str, options: PlanOptions) -> Wish {
        Wish { detach: self.detach, ..self.rollout.wish(command, Kind::Deploy, options) }
    }

    /// How the hosts are to be connected.
    pub(super) fn connect(&self) -> ConnectOptions {
        ConnectOptions { with_registry_auth: self.with_registry_auth, ..ConnectOptions::default() }
    }
}
