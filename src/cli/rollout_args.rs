//! Arguments of every command that carries out a plan.
//!
//! The arguments, and the [`RolloutOptions`] they make. Knows nothing of what is planned.

use super::format::Format;
use super::rollout::{Kind, RolloutOptions};
use crate::diff::Values;
use crate::fleet::ConnectOptions;
use crate::model::GoDuration;

/// A duration as Go writes it, with an example for those who do not know how Go writes it.
pub(super) fn duration(text: &str) -> Result<GoDuration, String> {
    text.parse().map_err(|error| format!("{error}; write it as 90s, 10m or 1h30m"))
}

/// Whether plans show values.
pub(super) fn values(are_shown: bool) -> Values {
    if are_shown { Values::Shown } else { Values::Hidden }
}

/// How a plan is shown, confirmed and carried out.
#[derive(Debug, Clone, PartialEq, clap::Args)]
#[command(next_help_heading = "Rollout")]
pub struct RolloutArgs {
    /// Do not ask for confirmation
    #[arg(short, long, env = "STACKCTL_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
    /// Show the plan and stop
    #[arg(long)]
    pub dry_run: bool,
    /// A message for the release, shown by `history`
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// How long to wait if another process holds the lock of the stack, e.g. 5m [default: do not wait]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub lock_timeout: Option<GoDuration>,
    /// Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<GoDuration>,
    /// Show values of variables, labels, commands, options and configs in the plan [default: only which of them change]
    #[arg(long)]
    pub show_values: bool,
    /// How to report: text, or json for one JSON object a line
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

/// The same for commands that may start new tasks: hosts pull their images, and the user may not
/// want to wait until they are up.
#[derive(Debug, Clone, PartialEq, clap::Args)]
#[command(next_help_heading = "Rollout")]
pub struct StartArgs {
    /// As for every plan.
    #[command(flatten)]
    pub rollout: RolloutArgs,
    /// Do not wait until the tasks are stable
    #[arg(short, long)]
    pub detach: bool,
    /// Whether registry credentials are sent.
    #[command(flatten)]
    pub auth: RegistryAuth,
}

/// Whether the hosts are sent registry credentials, those of docker's own client on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::Args)]
pub struct RegistryAuth {
    /// Send this machine's registry credentials to the hosts for their pulls, which is the default
    #[arg(long, hide = true, conflicts_with = "without_registry_auth")]
    pub with_registry_auth: bool,
    /// Do not send this machine's registry credentials (`docker login`) with pulls: hosts get those of each image's
    /// registry by default
    #[arg(long)]
    pub without_registry_auth: bool,
}

impl RegistryAuth {
    /// How the hosts are to be connected.
    pub(super) fn connect(self) -> ConnectOptions {
        ConnectOptions { with_registry_auth: !self.without_registry_auth, ..ConnectOptions::default() }
    }
}

impl RolloutArgs {
    /// The options of a rollout that `command` starts.
    pub(super) fn choices(&self, command: &'static str, kind: Kind) -> RolloutOptions {
        RolloutOptions {
            command,
            kind,
            format: self.format,
            yes: self.yes,
            dry_run: self.dry_run,
            is_exact: false,
            detach: false,
            timeout: self.timeout,
            lock_timeout: self.lock_timeout,
            values: values(self.show_values),
        }
    }
}

impl StartArgs {
    /// The options of a rollout that `command` starts.
    pub(super) fn choices(&self, command: &'static str) -> RolloutOptions {
        RolloutOptions { detach: self.detach, ..self.rollout.choices(command, Kind::Deploy) }
    }

    /// How the hosts are to be connected.
    pub(super) fn connect(&self) -> ConnectOptions {
        self.auth.connect()
    }
}
