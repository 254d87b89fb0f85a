//! `stackctl hook`: a push into a bare repository is released, with its progress in the pusher's terminal.

mod remote;
mod run;

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};

use super::Context;
use super::cluster::{env, named_inventory, read_inventory};
use super::reconcile::repositories::{commit, folder};
use super::report::{Exit, Failure};
use crate::gitops::hook::{Bare, Call, Followed, HookError, Installed, Removed};
use crate::inventory;
use remote::Place;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    (
        "Release what is pushed to the main branch, with the plan and its progress in the pusher's terminal",
        "stackctl hook install -i /etc/stackctl/stackctl.yml /srv/git/ops.git",
    ),
    (
        "The same on another machine, which has stackctl; pushes that fail end with status 1",
        "stackctl hook install --fail-push ssh://git@git.example.com/srv/git/ops.git",
    ),
    ("Take it away again", "stackctl hook remove /srv/git/ops.git"),
];

/// Arguments of `hook`.
#[derive(Debug, clap::Args)]
pub struct Hook {
    /// What to do.
    #[command(subcommand)]
    pub command: HookCommand,
}

/// The commands of `hook`.
#[derive(Debug, Subcommand)]
pub enum HookCommand {
    /// Write a post-receive hook that releases what is pushed
    ///
    /// The repository must be bare. The user who pushes needs what `deploy` needs on the machine of the
    /// repository: the inventory, and ssh keys for the hosts. The hook holds no secrets.
    Install(Box<Install>),
    /// Take the hook away, and put back what was there before it
    Remove(Remove),
    /// Release what was pushed, as the hook does: reads `OLD NEW REF` lines
    Run(Box<run::Run>),
}

/// Arguments of `hook install`.
#[derive(Debug, clap::Args)]
pub struct Install {
    /// A directory of this machine, or `ssh://[USER@]HOST[:PORT]/PATH` or `[USER@]HOST:PATH`; files named by
    /// options are then files there
    #[arg(value_name = "REPOSITORY", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub repository: String,
    /// What is released.
    #[command(flatten)]
    pub follows: Follows,
    /// The branch to follow, or the full name of a ref; of `refs/tags/v*`, the highest version
    /// [default: the branch of the repository's HEAD]
    #[arg(long = "ref", value_name = "REF", value_parser = Followed::parse)]
    pub reference: Option<Followed>,
    /// End `git push` with status 1 if something is not released, though the commit is in the repository
    #[arg(long)]
    pub fail_push: bool,
    /// Put it in the place of a hook that stackctl did not write; that one is kept beside it
    #[arg(long)]
    pub force: bool,
    /// Where stackctl is on the machine of the repository
    #[arg(long, value_name = "PROGRAM", default_value = "stackctl")]
    pub stackctl: String,
}

/// What of a repository is released, and with what.
#[derive(Debug, clap::Args)]
pub struct Follows {
    /// Where in the repository stackctl.yml or stacks/ is [default: its top]
    #[arg(long = "repo-path", value_name = "DIR", value_parser = folder)]
    pub root: Option<String>,
    /// Release only commits that one of these has signed by an ssh key: a file as ssh-keygen(1) has it
    /// under ALLOWED SIGNERS
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub allowed_signers: Option<PathBuf>,
    /// Also release signed commits that descend from this one, and not from the commit that was released last: for a
    /// branch whose history was rewritten on purpose
    #[arg(long, value_name = "COMMIT", requires = "allowed_signers", value_parser = commit)]
    pub accept_history: Option<String>,
    /// A file of variables that stackfiles may use, read again at each push
    #[arg(long = "env-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub env_files: Vec<PathBuf>,
    /// A variable of the hook's environment that stackfiles may use; they see no other
    #[arg(long = "variable", value_name = "NAME")]
    pub variables: Vec<String>,
}

/// Arguments of `hook remove`.
#[derive(Debug, clap::Args)]
pub struct Remove {
    /// As for `hook install`
    #[arg(value_name = "REPOSITORY", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub repository: String,
    /// Where stackctl is on the machine of the repository
    #[arg(long, value_name = "PROGRAM", default_value = "stackctl")]
    pub stackctl: String,
}

impl From<HookError> for Failure {
    fn from(error: HookError) -> Self {
        Self::refused(error)
    }
}

/// A file that the hook will need.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{} cannot be read: {words}", path.display())]
#[diagnostic(
    code(stackctl::hook::unreadable),
    help("the hook reads it at each push, as the user who pushes; nothing was written")
)]
struct Unreadable {
    path: PathBuf,
    words: String,
}

/// Which ref?
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the head of {} is not on any branch", .0.display())]
#[diagnostic(code(stackctl::hook::no_branch), help("say which branch is followed: `--ref main`"))]
struct NoBranch(PathBuf);

/// It belongs elsewhere.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("a hook takes the place of the records from its inventory, not from --ledger or STACKCTL_LEDGER")]
#[diagnostic(
    code(stackctl::hook::ledger),
    help("set `ledger:` in the inventory: the hook holds nothing that may be secret")
)]
struct NotHere;

pub(super) fn answer(hook: &Hook, context: &Context) -> Result<Exit, Failure> {
    match &hook.command {
        HookCommand::Install(args) => install(args, context),
        HookCommand::Remove(args) => match Place::parse(&args.repository)? {
            Place::There(there) => there.run(&args.stackctl, &["hook", "remove"], context),
            Place::Here(path) => remove(&path, context),
        },
        HookCommand::Run(args) => run::run(args, context),
    }
}

fn install(args: &Install, context: &Context) -> Result<Exit, Failure> {
    if context.globals.ledger.is_some() {
        return Err(Failure::usage(NotHere));
    }
    match Place::parse(&args.repository)? {
        Place::There(there) => {
            let mut words = vec!["hook".to_owned(), "install".to_owned()];
            if let Some(inventory) = &context.globals.inventory {
                words.extend(["--inventory".to_owned(), inventory.display().to_string()]);
            }
            if let Some(cluster) = &context.globals.cluster {
                words.extend(["--cluster".to_owned(), cluster.clone()]);
            }
            if let Some(reference) = &args.reference {
                words.extend(["--ref".to_owned(), reference.full().to_owned()]);
            }
            words.extend(args.follows.words(|path| Ok(path.to_owned()))?);
            let flags = [(args.fail_push, "--fail-push"), (args.force, "--force")];
            words.extend(flags.into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag.to_owned()));
            there.run(&args.stackctl, &words, context)
        }
        Place::Here(path) => install_here(&path, args, context),
    }
}

fn install_here(path: &Path, args: &Install, context: &Context) -> Result<Exit, Failure> {
    let bare = Bare::at(path)?;
    let reference = match &args.reference {
        Some(reference) => reference.clone(),
        None => {
            let head = bare.head().and_then(|head| Followed::parse(&head).ok());
            head.ok_or_else(|| Failure::refused(NoBranch(bare.dir.clone())))?
        }
    };
    let mut words = vec!["hook".to_owned(), "run".to_owned()];
    let named = named_inventory(context)?;
    if let Some(file) = inventory::find(named.as_deref(), &env) {
        // The hook names it, and what is named is trusted.
        let (inventory, _notes) = read_inventory(named.as_deref())?;
        super::trusted::settle(&inventory, named.as_deref(), &env, context)?;
        words.extend(["--inventory".to_owned(), readable(&file)?.display().to_string()]);
    }
    words.extend(["--ref".to_owned(), reference.full().to_owned()]);
    words.extend(args.follows.words(readable)?);
    let call = Call { program: ourselves()?, args: words, fails_push: args.fail_push };
    let Installed { path, is_changed, kept } = bare.install(&call.text(), args.force)?;
    let ui = &context.ui;
    if !is_changed {
        ui.say(&format!("Nothing has changed: {} is as it should be", path.display()));
        return Ok(Exit::Done);
    }
    if let Some(kept) = kept {
        ui.say(&format!("The hook that was there is {} now", kept.display()));
    }
    ui.say(&format!("Wrote {}: pushes to {} are released", path.display(), reference.short()));
    Ok(Exit::Done)
}

fn remove(path: &Path, context: &Context) -> Result<Exit, Failure> {
    let bare = Bare::at(path)?;
    context.ui.say(match bare.remove()? {
        Removed::Nothing => "Nothing has changed: there is no hook",
        Removed::Gone => "Removed: pushes are released no more, and what runs goes on",
        Removed::Before => "Removed: the hook from before is back, and what runs goes on",
    });
    Ok(Exit::Done)
}

impl Follows {
    /// As they were given, with every path as `at` has it.
    fn words(&self, at: impl Fn(&Path) -> Result<PathBuf, Failure>) -> Result<Vec<String>, Failure> {
        let mut words = Vec::new();
        if let Some(root) = &self.root {
            words.extend(["--repo-path".to_owned(), root.clone()]);
        }
        let signers = self.allowed_signers.iter().map(|file| ("--allowed-signers", file));
        for (flag, file) in signers.chain(self.env_files.iter().map(|file| ("--env-file", file))) {
            words.extend([flag.to_owned(), at(file)?.display().to_string()]);
        }
        if let Some(commit) = &self.accept_history {
            words.extend(["--accept-history".to_owned(), commit.clone()]);
        }
        for name in &self.variables {
            words.extend(["--variable".to_owned(), name.clone()]);
        }
        Ok(words)
    }
}

/// A file that is there, by a path that means the same wherever the hook runs.
#[expect(clippy::disallowed_methods, reason = "the hook will read it")]
fn readable(path: &Path) -> Result<PathBuf, Failure> {
    let opened = std::fs::File::open(path).and_then(|_| std::path::absolute(path));
    opened.map_err(|error| Failure::refused(Unreadable { path: path.to_owned(), words: error.to_string() }))
}

/// The program that the hook calls: this one.
fn ourselves() -> Result<String, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::refused(Unreadable { path: PathBuf::from("stackctl"), words: error.to_string() })
    })?;
    Ok(program.display().to_string())
}
