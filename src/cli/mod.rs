//! The command line: what can be asked for, and who answers.
//!
//! One file for each command. A new command is: a file with its arguments (the doc comments are the
//! help) and its `run`, a line in [`Command`], examples in its help, a snapshot in `tests/cli/`, and
//! `completions/` written anew.
//!
//! Only [`ui`] prints, only [`report`] decides exit statuses, and values become text in [`render`].
//! Nothing is read, connected or started before the arguments are understood: help is instant.

pub mod check;
pub mod cluster;
pub mod codes;
mod complete;
pub mod completions;
pub mod config;
pub mod deploy;
pub mod diff;
pub mod events;
pub mod exec;
pub mod explain;
pub mod explain_code;
pub mod filter;
pub mod format;
pub mod history;
pub mod hook;
mod inputs;
mod inspected;
mod ledger;
pub mod log;
mod logs;
pub mod ls;
mod machine;
pub mod man;
mod mask;
mod moment;
pub mod node;
mod notify;
pub mod ps;
pub mod rebalance;
pub mod reconcile;
mod recorded;
mod records;
pub mod release_name;
pub mod render;
pub mod report;
pub mod restart;
pub mod rm;
pub mod rollback;
mod rollout;
pub mod rollout_args;
mod saved_plan;
pub mod scale;
mod sealed;
pub mod service;
pub mod service_name;
pub mod services;
pub mod show;
mod small_release;
pub mod snapshot;
pub mod stackfiles;
mod standing;
pub mod status;
pub mod suspend;
pub mod template;
pub mod ui;
pub mod undo;
pub mod unlock;
mod verbs;
pub mod version;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueHint};

use crate::ledger::place::LedgerPlace;
use report::{Exit, Failure};
use ui::{Settings, Ui};

/// Runs compose v3 stackfiles on plain Docker hosts reached over SSH
///
/// Reads the same stackfiles as `docker stack deploy`, shows what will happen, and makes it so on the
/// hosts of an inventory. Nothing is installed on the hosts but Docker.
#[derive(Debug, Parser)]
#[command(name = "stackctl", version, after_help = examples(EXAMPLES), after_long_help = long_help())]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
#[command(max_term_width = 100, infer_subcommands = false)]
pub struct Args {
    /// What holds for every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &[(&str, &str)] = &[
    ("See what a deploy would do", "stackctl diff -c docker-compose.yml shop"),
    ("Do it, after a look at the plan", "stackctl deploy -c docker-compose.yml shop"),
    ("See what runs where", "stackctl ps shop"),
];

/// Flags that every command takes.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// The hosts of the cluster
    #[arg(short, long, global = true, value_name = "FILE", env = "STACKCTL_INVENTORY")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub inventory: Option<PathBuf>,
    /// Where the cluster's records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`,
    /// `zookeeper://…` or `consul://…` [default: what the inventory says, or else volumes]
    #[arg(long, global = true, value_name = "PLACE", env = "STACKCTL_LEDGER", value_parser = records::place)]
    pub ledger: Option<LedgerPlace>,
    /// No colours (as with NO_COLOR set)
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Only data, warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more about what is done
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the cluster run what the stackfile says
    #[command(visible_alias = "up", after_help = examples(deploy::EXAMPLES))]
    Deploy(deploy::Deploy),
    /// Show what a deploy would change, and change nothing
    #[command(after_help = examples(diff::EXAMPLES))]
    Diff(diff::Diff),
    /// Keep what runs in a file, to compare with where no host can be reached
    #[command(after_help = examples(snapshot::EXAMPLES))]
    Snapshot(snapshot::Snapshot),
    /// Remove stacks: their tasks and networks, never their volumes
    #[command(visible_aliases = ["remove", "down"], after_help = examples(rm::EXAMPLES))]
    Rm(rm::Rm),
    /// Deploy an older release of a stack
    #[command(after_help = examples(rollback::EXAMPLES))]
    Rollback(rollback::Rollback),
    /// List the releases of a stack: what was deployed when, by whom and from what
    #[command(after_help = examples(history::EXAMPLES))]
    History(history::Arguments),
    /// List everything that was done to the cluster: what, when, by whom, and how it ended
    #[command(after_help = examples(log::EXAMPLES))]
    Log(log::Arguments),
    /// Tell what happened, and with --follow what happens: operations, tasks, nodes
    ///
    /// In the words of `reconcile --format json`, described in schemas/events.json. How the loop finds each
    /// stack is in the loop's own lines alone.
    #[command(after_help = examples(events::EXAMPLES))]
    Events(events::Events),
    /// Declare again what was declared before an operation
    ///
    /// An undo is an operation of its own: planned, shown and confirmed, and undone by another one. Of a
    /// release only what it changed goes back, and what came later stays. What only moved or replaced tasks
    /// cannot be undone; a stack that was removed comes back with its volumes, which `rm` keeps.
    #[command(after_help = examples(undo::EXAMPLES))]
    Undo(undo::Undo),
    /// Show what a release consists of
    #[command(after_help = examples(show::EXAMPLES))]
    Show(show::Show),
    /// Keep every stack as it was declared: heal what drifts, move what a lost node ran
    #[command(after_help = examples(reconcile::EXAMPLES))]
    Reconcile(reconcile::Reconcile),
    /// Release what is pushed into a repository, while whoever pushes looks on
    #[command(after_help = examples(hook::EXAMPLES))]
    Hook(hook::Hook),
    /// Have the reconcile loop leave stacks as they are
    #[command(after_help = examples(suspend::EXAMPLES_OF_SUSPEND))]
    Suspend(suspend::Suspend),
    /// Have the reconcile loop look after stacks again
    #[command(after_help = examples(suspend::EXAMPLES_OF_RESUME))]
    Resume(suspend::Resume),
    /// End the lease of somebody who deploys no more
    #[command(after_help = examples(unlock::EXAMPLES))]
    Unlock(unlock::Unlock),
    /// Move all records to another place, keep them in a file, bring them back
    #[command(after_help = examples(ledger::EXAMPLES))]
    Ledger(ledger::LedgerArgs),
    /// List the stacks of the cluster
    #[command(visible_alias = "list", after_help = examples(ls::EXAMPLES))]
    Ls(ls::Ls),
    /// Show how every stack stands: as declared or not, well or not, and what came of the last operation
    ///
    /// Sync is `in sync`, `behind` (the newest release was not reached), `drifted`, `suspended` or `unknown`;
    /// health is `healthy`, `progressing`, `degraded` or `unknown`; the last operation is told in the words of
    /// `history`, or `under way`, or `cut off`. `--format '{{.Why}}'` says why a stack is not in sync. With
    /// `--repo` a stack is `behind`, too, if the repository declares something else than was released.
    #[command(after_help = examples(status::EXAMPLES))]
    Status(status::Status),
    /// List the tasks of a stack, ended ones below their successors
    #[command(after_help = examples(ps::EXAMPLES))]
    Ps(ps::Ps),
    /// List the services of a stack
    #[command(after_help = examples(services::EXAMPLES))]
    Services(services::Services),
    /// Set the number of tasks of services
    #[command(after_help = examples(scale::EXAMPLES))]
    Scale(scale::Scale),
    /// Replace the tasks of a stack or a service, though nothing changed
    #[command(after_help = examples(restart::EXAMPLES))]
    Restart(restart::Restart),
    /// Change, inspect and list single services
    #[command(after_help = examples(service::EXAMPLES))]
    Service(service::Service),
    /// Run a command in a task's container
    #[command(after_help = examples(exec::EXAMPLES))]
    Exec(exec::Exec),
    /// Show the output of a stack's tasks, merged by time
    #[command(after_help = examples(logs::EXAMPLES))]
    Logs(logs::Logs),
    /// Look at the nodes of the cluster, drain them, label them
    #[command(after_help = examples(node::EXAMPLES))]
    Node(node::Node),
    /// Look for mistakes in the stackfile without asking any host
    #[command(after_help = examples(check::EXAMPLES))]
    Check(check::Check),
    /// Print the stackfile with its variables filled in and its files merged
    #[command(after_help = examples(config::EXAMPLES))]
    Config(config::Config),
    /// Tell why a service's tasks are where they are, and why not elsewhere
    #[command(after_help = examples(explain::EXAMPLES))]
    Explain(explain::Explain),
    /// Move a few tasks to where they would be placed today
    #[command(after_help = examples(rebalance::EXAMPLES))]
    Rebalance(rebalance::Rebalance),
    /// Explain the code of a message: where it comes from, what to do
    #[command(after_help = examples(explain_code::EXAMPLES))]
    ExplainCode(explain_code::ExplainCode),
    /// Print the version of stackctl, and of every engine with --hosts
    #[command(after_help = examples(version::EXAMPLES))]
    Version(version::Version),
    /// Print a completion script for a shell
    #[command(after_help = examples(completions::EXAMPLES))]
    Completions(completions::Completions),
    /// Print the manual page of a command, or write all pages
    #[command(after_help = examples(man::EXAMPLES))]
    Man(man::Man),
}

/// What a command works with.
#[derive(Debug)]
pub struct Context {
    /// The terminal.
    pub ui: Ui,
    /// Flags that every command takes.
    pub globals: Globals,
}

/// The whole program: arguments in, exit status out.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(answered) = complete::answer(&args) {
        return answered.map_or_else(|error| usage(&error, true), |()| Exit::Done.code());
    }
    // Looked for by hand, since a mistake in the arguments has to be shown too.
    let is_plain = args.iter().any(|arg| arg == "--no-color");
    let parsed = command().try_get_matches_from(args).and_then(|matches| Args::from_arg_matches(&matches));
    let args = match parsed {
        Ok(args) => args,
        Err(error) => return usage(&error, is_plain),
    };
    let settings = Settings { is_plain, is_quiet: args.globals.quiet, is_verbose: args.globals.verbose };
    let context = Context { ui: Ui::new(settings), globals: args.globals };
    let result = answer(args.command, &context);
    if let Err(failure) = &result {
        context.ui.talk(&report::draw(&*failure.report, context.ui.look()));
    }
    let exit = report::exit(&result);
    let look = context.ui.look();
    match context.ui.finish() {
        Ok(()) => exit.code(),
        Err(error) => {
            let failure = Failure::refused(error);
            Ui::new(settings).talk(&report::draw(&*failure.report, look));
            report::exit(&Err(failure)).code().max(exit.code())
        }
    }
}

/// The parser, for completions and tests too.
#[must_use]
pub fn command() -> clap::Command {
    Args::command()
}

fn answer(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Deploy(args) => deploy::run(&args, context),
        Command::Diff(args) => diff::run(&args, context),
        Command::Snapshot(args) => snapshot::run(&args, context),
        Command::Rm(args) => rm::run(&args, context),
        Command::Rollback(args) => rollback::run(&args, context),
        Command::History(args) => history::run(&args, context),
        Command::Log(args) => log::run(&args, context),
        Command::Events(args) => events::run(&args, context),
        Command::Undo(args) => undo::run(&args, context),
        Command::Show(args) => show::run(&args, context),
        Command::Reconcile(args) => reconcile::run(&args, context),
        Command::Hook(args) => hook::answer(&args, context),
        Command::Suspend(args) => suspend::suspend(&args, context),
        Command::Resume(args) => suspend::resume(&args, context),
        Command::Unlock(args) => unlock::run(&args, context),
        Command::Ledger(args) => ledger::run(&args, context),
        Command::Ls(args) => ls::run(&args, context),
        Command::Status(args) => status::run(&args, context),
        Command::Ps(args) => ps::run(&args, context),
        Command::Services(args) => services::run(&args, context),
        Command::Scale(args) => scale::run(&args, context),
        Command::Restart(args) => restart::run(&args, context),
        Command::Service(args) => service::run(&args, context),
        Command::Exec(args) => exec::run(&args, context),
        Command::Logs(args) => logs::run(&args, context),
        Command::Node(args) => node::run(&args, context),
        Command::Check(args) => check::run(&args, context),
        Command::Config(args) => config::run(&args, context),
        Command::Explain(args) => explain::run(&args, context),
        Command::Rebalance(args) => rebalance::run(&args, context),
        Command::ExplainCode(args) => explain_code::run(&args, context),
        Command::Version(args) => version::run(&args, context),
        Command::Completions(args) => completions::run(&args, context),
        Command::Man(args) => man::run(&args, context),
    }
}

/// Help and versions are answers and go to stdout; mistakes go to stderr with status 64.
fn usage(error: &clap::Error, is_plain: bool) -> u8 {
    let ui = Ui::new(Settings { is_plain, ..Settings::default() });
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        ui.talk(&text);
        return Exit::Usage.code();
    }
    ui.data(&text);
    Exit::Done.code()
}

/// Examples as the end of a help page.
fn examples(examples: &[(&str, &str)]) -> clap::builder::StyledStr {
    let heading = render::style::paint(anstyle::Style::new().bold().underline(), "Examples:");
    let lines: Vec<String> = examples.iter().map(|(what, line)| format!("  {what}:\n    {line}")).collect();
    format!("{heading}\n{}", lines.join("\n")).into()
}

fn long_help() -> clap::builder::StyledStr {
    let heading = render::style::paint(anstyle::Style::new().bold().underline(), "Exit status:");
    format!("{}\n\n{heading}\n{}", examples(EXAMPLES).ansi(), Exit::table().trim_end()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_teaches_with_two_or_three_examples() {
        for command in command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let count = help.matches("\n    stackctl ").count();
            assert!((2..=3).contains(&count), "{} has {count} examples", command.get_name());
        }
    }
}
