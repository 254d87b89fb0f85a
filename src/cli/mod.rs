//! The command line: its commands, and the function that runs each.
//!
//! One file for each command. A new command is: a file with its arguments (the doc comments are the
//! help) and its `run`, a line in [`Command`] and in the groups of [`help`], a topic, examples, a snapshot, and
//! the generated files written again (`STACKCTL_WRITE_GENERATED=1 cargo test --test generated`).
//!
//! Only [`ui`] prints, only [`report`] decides exit statuses, and values become text in [`render`].
//! stackctl reads, connects and starts nothing before it has parsed the arguments: help is instant.

pub mod agent;
pub mod check;
pub mod cluster;
pub mod codes;
mod complete;
pub mod completions;
pub mod config;
pub mod deploy;
pub mod diff;
pub mod doctor;
mod edit;
mod env_run;
pub mod events;
pub mod exec;
pub mod explain;
pub mod explain_code;
pub mod filter;
pub mod format;
pub mod help;
pub mod history;
pub mod hook;
pub mod image;
mod inspected;
pub mod key;
mod ledger;
pub mod log;
mod logs;
pub mod ls;
pub mod man;
pub mod node;
mod not_confirmed;
mod output;
pub mod ps;
pub mod rebalance;
pub mod reconcile;
mod recorded;
mod records;
pub mod registry;
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
pub mod secret;
pub mod service;
pub mod service_name;
pub mod services;
pub mod show;
pub mod snapshot;
pub mod stackfiles;
mod standing;
pub mod status;
pub mod suspend;
pub mod template;
mod time_arg;
pub mod trust;
mod trusted;
pub mod ui;
pub mod undo;
pub mod unlock;
mod verbs;
pub mod version;
pub mod volume;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueHint};

use crate::model::address;
use crate::ops::records::LedgerPlace;
use report::{Exit, Failure};
use ui::{Settings, Ui};

/// Runs compose v3 stackfiles on plain Docker hosts reached over SSH
///
/// Reads the same stackfiles as `docker stack deploy`, shows the plan, and carries it out on the hosts of an
/// inventory. The hosts need Docker and nothing else.
#[derive(Debug, Parser)]
#[command(name = "stackctl", version, after_help = examples(EXAMPLES), after_long_help = long_help())]
#[command(subcommand_required = true, arg_required_else_help = true)]
// The subcommand `help` is ours: it knows topics, too.
#[command(disable_help_subcommand = true)]
#[command(max_term_width = 100, infer_subcommands = false)]
pub struct Args {
    /// Flags of every command.
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &[(&str, &str)] = &[
    ("Show what a deploy would change", "stackctl diff -c docker-compose.yml shop"),
    ("Deploy, after a look at the plan", "stackctl deploy -c docker-compose.yml shop"),
    ("Show what runs where", "stackctl ps shop"),
];

/// Flags that every command takes.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Inventory file with the hosts of the cluster
    #[arg(short, long, global = true, value_name = "FILE", env = "STACKCTL_INVENTORY")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub inventory: Option<PathBuf>,
    /// Use the inventory of this cluster, one of ~/.config/stackctl/*.yml; instead of `-i`
    #[arg(long, global = true, value_name = "NAME", env = "STACKCTL_CLUSTER", add = complete::clusters())]
    pub cluster: Option<String>,
    /// Where the cluster's records are: `volumes` of the managers, `file:///path`, `etcd://h1,h2,h3/prefix`,
    /// `zookeeper://…` or `consul://…` [default: `ledger:` of the inventory, or else volumes]
    #[arg(long, global = true, value_name = "PLACE", env = "STACKCTL_LEDGER", value_parser = records::place)]
    pub ledger: Option<LedgerPlace>,
    /// No colours (as with NO_COLOR set)
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Print only data, warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more details
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

impl Globals {
    /// Between `-i` and `--cluster`, a flag wins over a variable. Two flags, or two variables, stay, and are
    /// refused where the inventory is loaded.
    fn settle(&mut self, source: &dyn Fn(&str) -> Option<ValueSource>) {
        // An empty variable counts as none. An empty flag may come of a variable that a script forgot: it names no
        // cluster, and must not lead to another one.
        let is_variable = source("cluster") == Some(ValueSource::EnvVariable);
        self.cluster.take_if(|name| name.is_empty() && is_variable);
        match (source("inventory"), source("cluster")) {
            (Some(ValueSource::CommandLine), Some(ValueSource::EnvVariable)) => self.cluster = None,
            (Some(ValueSource::EnvVariable), Some(ValueSource::CommandLine)) => self.inventory = None,
            _ => {}
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the cluster run what the stackfile declares
    #[command(visible_alias = "up", after_help = examples(deploy::EXAMPLES))]
    Deploy(deploy::Deploy),
    /// Show what a deploy would change; change nothing
    #[command(after_help = examples(diff::EXAMPLES))]
    Diff(diff::Diff),
    /// Save what runs to a file, for a diff without the hosts
    #[command(after_help = examples(snapshot::EXAMPLES))]
    Snapshot(snapshot::Snapshot),
    /// Remove stacks, never their volumes
    ///
    /// Tasks and networks of the stacks go. Volumes stay, and so do the releases: `rollback` and `undo` bring a
    /// removed stack back.
    #[command(visible_aliases = ["remove", "down"], after_help = examples(rm::EXAMPLES))]
    Rm(rm::Rm),
    /// Deploy an older release of a stack
    #[command(after_help = examples(rollback::EXAMPLES))]
    Rollback(rollback::Rollback),
    /// List the releases of a stack: when, by whom, from what
    #[command(after_help = examples(history::EXAMPLES))]
    History(history::Arguments),
    /// List every operation on the cluster, and how it ended
    #[command(after_help = examples(log::EXAMPLES))]
    Log(log::Arguments),
    /// Print operations, and what happens to tasks and nodes, as events
    ///
    /// The events have the format of `reconcile --format json`, which schemas/events.json describes. The state
    /// in which the loop finds each stack is in the loop's own output only.
    #[command(after_help = examples(events::EXAMPLES))]
    Events(events::Events),
    /// Restore what was declared before an operation
    ///
    /// An undo is an operation of its own: stackctl plans it, shows it and asks, and another undo takes it back.
    /// Undoing a release reverts only what that release changed; later changes stay. An operation that only
    /// moved or replaced tasks cannot be undone. A removed stack comes back with its volumes, which `rm` keeps.
    #[command(after_help = examples(undo::EXAMPLES))]
    Undo(undo::Undo),
    /// Show the contents of a release
    #[command(after_help = examples(show::EXAMPLES))]
    Show(show::Show),
    /// Keep every stack as declared: repair drift, replace lost tasks
    #[command(after_help = examples(reconcile::EXAMPLES))]
    Reconcile(reconcile::Reconcile),
    /// Deploy on git push, with progress in the pusher's terminal
    #[command(after_help = examples(hook::EXAMPLES))]
    Hook(hook::Hook),
    /// Make the reconcile loop leave stacks alone
    #[command(after_help = examples(suspend::EXAMPLES_OF_SUSPEND))]
    Suspend(suspend::Suspend),
    /// Let the reconcile loop manage stacks again
    #[command(after_help = examples(suspend::EXAMPLES_OF_RESUME))]
    Resume(suspend::Resume),
    /// Force-release a stale deploy lock
    #[command(after_help = examples(unlock::EXAMPLES))]
    Unlock(unlock::Unlock),
    /// Check that hosts, records and rights are in order
    ///
    /// Looks at connections, clocks, disks, managers, all records and contents, leftovers, and the modes of files
    /// here; says for each whether it is ok, a warning or a fault, and what to do. Changes nothing. Exits with 1 if
    /// there is a fault, such as a host that does not answer.
    #[command(after_help = examples(doctor::EXAMPLES))]
    Doctor(doctor::Doctor),
    /// Move, back up and restore the cluster's records
    #[command(after_help = examples(ledger::EXAMPLES))]
    Ledger(ledger::LedgerArgs),
    /// List the stacks of the cluster
    #[command(visible_alias = "list", after_help = examples(ls::EXAMPLES))]
    Ls(ls::Ls),
    /// Show sync, health and the last operation of every stack
    ///
    /// Sync is `in sync`, `behind` (the newest release was not reached), `drifted`, `suspended` or `unknown`.
    /// Health is `healthy`, `progressing`, `degraded` or `unknown`. The last operation is an outcome as `history`
    /// shows it, or `under way`, or `cut off`. `--format '{{.Why}}'` says why a stack is not in sync. With
    /// `--repo` a stack is also `behind` if the repository declares something other than what was released.
    #[command(after_help = examples(status::EXAMPLES))]
    Status(status::Status),
    /// List the tasks of a stack
    ///
    /// An ended task stands below the task that replaced it.
    #[command(after_help = examples(ps::EXAMPLES))]
    Ps(ps::Ps),
    /// List the services of a stack
    #[command(after_help = examples(services::EXAMPLES))]
    Services(services::Services),
    /// Set the number of tasks of services
    #[command(after_help = examples(scale::EXAMPLES))]
    Scale(scale::Scale),
    /// Replace the tasks of a stack or a service without a change
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
    /// List, drain and label the nodes of the cluster
    #[command(after_help = examples(node::EXAMPLES))]
    Node(node::Node),
    /// Make, list and change secrets, which are kept encrypted
    #[command(after_help = examples(secret::EXAMPLES))]
    Secret(secret::SecretArgs),
    /// Keep logins of registries for machines whose user has none
    #[command(after_help = examples(registry::EXAMPLES))]
    Registry(registry::RegistryArgs),
    /// Manage the key of the cluster's secrets, and who can open it
    #[command(after_help = examples(key::EXAMPLES))]
    Key(key::Key),
    /// List the volumes of all hosts, and remove what tasks have left
    #[command(after_help = examples(volume::EXAMPLES))]
    Volume(volume::Volume),
    /// Push images to hosts without a registry
    #[command(after_help = examples(image::EXAMPLES))]
    Image(image::Image),
    /// List, bring and remove the agents of hosts
    ///
    /// An agent is this same program, which the engine of a host keeps running for features that need one: so
    /// far secrets. A deploy that needs one shows that, and brings it after a question of its own.
    #[command(after_help = examples(agent::EXAMPLES))]
    Agent(agent::Agent),
    /// Trust the inventory of this folder to start what it names
    ///
    /// An inventory that was named, by `-i`, STACKCTL_INVENTORY or `--cluster`, and one in ~/.config/stackctl, needs no
    /// trust; nor does one of a folder that names hosts alone. The answer holds until the inventory or a file that it
    /// names changes.
    #[command(after_help = examples(trust::EXAMPLES))]
    Trust(trust::Trust),
    /// Find mistakes in a stackfile without asking any host
    #[command(after_help = examples(check::EXAMPLES))]
    Check(check::Check),
    /// Print the stackfile, or keep configs for all stacks
    ///
    /// Without a command it prints the stackfile and asks no host. Its commands look after the configs that the cluster
    /// keeps for stackfiles that name them `external`, and show those of stacks.
    #[command(after_help = examples(config::EXAMPLES))]
    Config(config::Config),
    /// Explain why tasks run where they do, and why not elsewhere
    #[command(after_help = examples(explain::EXAMPLES))]
    Explain(explain::Explain),
    /// Move a few tasks to the nodes that fit them best today
    #[command(after_help = examples(rebalance::EXAMPLES))]
    Rebalance(rebalance::Rebalance),
    /// Explain the code of a message: its cause and its remedy
    #[command(after_help = examples(explain_code::EXAMPLES))]
    ExplainCode(explain_code::ExplainCode),
    /// Print the version of stackctl, and with --hosts of the engines
    #[command(after_help = examples(version::EXAMPLES))]
    Version(version::Version),
    /// Print a completion script for a shell
    #[command(after_help = examples(completions::EXAMPLES))]
    Completions(completions::Completions),
    /// Print a manual page, or write all of them
    #[command(after_help = examples(man::EXAMPLES))]
    Man(man::Man),
    /// Show the help of a command, or a topic
    ///
    /// Where a command and a topic have the same name, the help of the command comes first.
    #[command(after_help = examples(help::command::EXAMPLES))]
    Help(help::command::Help),
}

/// What every command gets: terminal and global flags.
#[derive(Debug)]
pub struct Context {
    pub ui: Ui,
    /// Flags that every command takes.
    pub globals: Globals,
}

/// The whole program: arguments in, exit status out.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    // Not a command of the user's: ssh starts this, as its ProxyCommand.
    if args.get(1).is_some_and(|verb| verb == crate::fleet::DIAL_FOR_SSH) {
        return crate::fleet::dial_for_ssh(&args[2..]);
    }
    // Nor this: containers whose variables are secrets start with it.
    if args.get(1).is_some_and(|verb| verb == crate::model::secret_env::VERB) {
        return env_run::run(&args[2..]);
    }
    if let Some(answered) = complete::answer(&args) {
        return answered.map_or_else(|mut error| usage(&mut error, true), |()| Exit::Done.code());
    }
    // Looked for by hand, because mistakes in the arguments are shown in colour or without, too.
    let is_plain = args.iter().any(|arg| arg == "--no-color");
    let parsed = command().try_get_matches_from(args).and_then(|matches| {
        let mut args = Args::from_arg_matches(&matches)?;
        args.globals.settle(&|id| matches.value_source(id));
        Ok(args)
    });
    let args = match parsed {
        Ok(args) => args,
        Err(mut error) => return usage(&mut error, is_plain),
    };
    let settings = Settings { is_plain, is_quiet: args.globals.quiet, is_verbose: args.globals.verbose };
    let context = Context { ui: Ui::new(settings), globals: args.globals };
    let result = answer(args.command, &context);
    if let Err(failure) = &result {
        context.ui.talk(&report::draw(&*failure.report, context.ui.look()));
    }
    let exit = report::exit(&result);
    let look = context.ui.look();
    match context.ui.finish(exit) {
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
    help::groups::arrange(Args::command())
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
        Command::Doctor(args) => doctor::run(&args, context),
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
        Command::Volume(args) => volume::run(&args, context),
        Command::Image(args) => image::run(&args, context),
        Command::Secret(args) => secret::run(&args, context),
        Command::Registry(args) => registry::run(&args, context),
        Command::Key(args) => key::run(&args, context),
        Command::Agent(args) => agent::run(&args, context),
        Command::Check(args) => check::run(&args, context),
        Command::Config(args) => config::run(&args, context),
        Command::Explain(args) => explain::run(&args, context),
        Command::Trust(args) => trust::run(&args, context),
        Command::Rebalance(args) => rebalance::run(&args, context),
        Command::ExplainCode(args) => explain_code::run(&args, context),
        Command::Version(args) => version::run(&args, context),
        Command::Completions(args) => completions::run(&args, context),
        Command::Man(args) => man::run(&args, context),
        Command::Help(args) => help::command::run(&args, context),
    }
}

/// Help and versions are answers and go to stdout; mistakes go to stderr with status 64.
fn usage(error: &mut clap::Error, is_plain: bool) -> u8 {
    use clap::error::{ContextKind, ContextValue};
    // A value that is refused may be an address with a password.
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue)
        && value.contains("://")
    {
        let shown = address::shown(value);
        let _before = error.insert(ContextKind::InvalidValue, ContextValue::String(shown));
    }
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
    let heading = help::groups::heading("Examples");
    let lines: Vec<String> = examples.iter().map(|(what, line)| format!("  {what}:\n    {line}")).collect();
    format!("{heading}\n{}", lines.join("\n")).into()
}

fn long_help() -> clap::builder::StyledStr {
    let heading = help::groups::heading("Exit status");
    let more = "`stackctl help` lists the topics: placement, updates, releases and more.";
    format!("{}\n\n{heading}\n{}\n\n{more}", examples(EXAMPLES).ansi(), Exit::table().trim_end()).into()
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
