//! `stackctl exec`: runs a command in the container of a task, on whichever node it is.
//!
//! It changes nothing that is declared, so it makes no release and takes no lease.

mod terminal;

use std::path::PathBuf;

use clap::ValueHint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Context;
use super::cluster::{self, Cluster, env};
use super::report::{Blame, Exit, Failure};
use super::service_name::not_found;
use crate::fleet::ConnectOptions;
use crate::fleet::exec::{Command, ExecError, Input, Session};
use crate::fleet::logs::Output;
use crate::model::{Observed, Task, TaskStatus};

use terminal::Terminal;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("A shell in a task of a service", "stackctl exec -it shop_web sh"),
    ("A command in its second task", "stackctl exec shop_web.2 nginx -t"),
    ("With input from a file", "stackctl exec -i shop_db psql shop <dump.sql"),
];

/// Arguments of `exec`.
#[derive(Debug, clap::Args)]
pub struct Exec {
    /// Inventory file with the hosts of the cluster; `-i` has another meaning here
    // Has the id of the global argument, and so replaces it.
    #[arg(id = "inventory", long, value_name = "FILE", env = "STACKCTL_INVENTORY")]
    #[arg(value_hint = ValueHint::FilePath, help_heading = "Global options")]
    pub inventory: Option<PathBuf>,
    /// Pass this command's input on
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Set a variable; a name alone takes the value it has here
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Run as this user, or uid:gid
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// Run in this directory of the container
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Give the command all capabilities
    #[arg(long)]
    pub privileged: bool,
    /// A service, STACK_SERVICE, of which stackctl takes the first running task; or a certain task, STACK_SERVICE.SLOT
    #[arg(value_name = "SERVICE[.SLOT]", add = super::complete::full_services())]
    pub task: String,
    /// The command and its arguments; stackctl ends with its exit status
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum BadExec {
    #[error("--tty needs a terminal, and stdin is none")]
    #[diagnostic(code(stackctl::cli::not_a_terminal), help("leave out `-t`"))]
    NoTerminal,
    #[error("no task of {name} runs")]
    #[diagnostic(
        code(stackctl::cli::no_running_task),
        help("`stackctl ps {stack}` shows why its tasks ended")
    )]
    NotRunning { name: String, stack: String },
    #[error("`{text}` may be {} or {}", .both[0], .both[1])]
    #[diagnostic(code(stackctl::cli::ambiguous_service), help("write it with a slash: STACK/SERVICE"))]
    Several { text: String, both: Vec<String> },
}

impl From<ExecError> for Failure {
    fn from(error: ExecError) -> Self {
        let blame = match &error {
            ExecError::Host(_) | ExecError::Broken { .. } => Blame::Unreachable,
            ExecError::Refused { .. } => Blame::Refused,
        };
        Self::new(blame, error)
    }
}

pub(super) fn run(args: &Exec, context: &Context) -> Result<Exit, Failure> {
    if args.tty && args.interactive && !terminal::is_there() {
        return Err(Failure::usage(BadExec::NoTerminal));
    }
    let variable = |text: &String| match text.contains('=') {
        true => Some(text.clone()),
        false => env(text).map(|value| format!("{text}={value}")),
    };
    let command = Command {
        words: args.command.clone(),
        env: args.env.iter().filter_map(variable).collect(),
        user: args.user.clone(),
        workdir: args.workdir.clone(),
        privileged: args.privileged,
        tty: args.tty,
        stdin: args.interactive,
    };
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let observed = cluster.observe().await;
        let task = find(&args.task, &observed)?;
        let (session, input) = cluster.fleet.exec(&task.node, &task.container, &command).await?;
        attend(context, session, input, &command).await
    })
}

/// Picks the task: the first of the service that is up, or else the first that runs.
fn find<'o>(text: &str, observed: &'o Observed) -> Result<&'o Task, Failure> {
    let is_named = |task: &&Task| {
        ['_', '/'].iter().any(|sign| {
            let service = format!("{}{sign}{}", task.stack, task.service);
            match text.strip_prefix(&service) {
                Some("") => true,
                Some(rest) => rest.strip_prefix('.').is_some_and(|slot| slot == task.slot.to_string()),
                None => false,
            }
        })
    };
    let mut named: Vec<&Task> = observed.tasks().filter(is_named).collect();
    let Some(first) = named.first().copied() else { return Err(not_found(text, observed)) };
    if let Some(other) =
        named.iter().find(|task| (&task.stack, &task.service) != (&first.stack, &first.service))
    {
        let both = [first, other].map(|task| format!("{}/{}", task.stack, task.service));
        return Err(Failure::refused(BadExec::Several { text: text.to_owned(), both: both.to_vec() }));
    }
    named.retain(|task| matches!(task.status, TaskStatus::Running { .. }));
    named.sort_by_key(|task| (!task.status.is_up(), &task.slot, std::cmp::Reverse(task.created_at)));
    named.first().copied().ok_or_else(|| {
        let (name, stack) = (text.to_owned(), first.stack.to_string());
        let is_silent = observed.silent_and_needed().next().is_some();
        Failure::new(cluster::blame(is_silent), BadExec::NotRunning { name, stack })
    })
}

/// Copies input and output until the command has ended.
async fn attend(
    context: &Context,
    mut session: Session,
    input: Input,
    command: &Command,
) -> Result<Exit, Failure> {
    let terminal = (command.tty && terminal::is_there()).then(Terminal::follow);
    let _raw = terminal.as_ref().filter(|_| command.stdin).map(Terminal::raw);
    let sizes = terminal.as_ref().map(|terminal| tokio::spawn(terminal.sizes(session.resizer())));
    // Keeps the write half open even without input: closing it would end the command's output.
    let feed = tokio::spawn(feed(input, command.stdin));
    let ended = loop {
        match session.output().await {
            Ok(Some((Output::Stdout, bytes))) => context.ui.data_bytes(&bytes),
            Ok(Some((Output::Stderr, bytes))) => context.ui.talk_bytes(&bytes),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        if context.ui.is_stdout_closed() {
            break Ok(());
        }
    };
    feed.abort();
    if let Some(sizes) = sizes {
        sizes.abort();
    }
    ended?;
    let status = session.status().await?;
    Ok(match u8::try_from(status) {
        Ok(0) => Exit::Done,
        Ok(status) => Exit::Command(status),
        Err(_) => Exit::Command(u8::MAX),
    })
}

async fn feed(mut input: Input, has_stdin: bool) {
    const BYTES: usize = 16 << 10;
    if has_stdin {
        let mut stdin = tokio::io::stdin();
        let mut buffer = vec![0; BYTES];
        while let Ok(count @ 1..) = stdin.read(&mut buffer).await {
            if input.write_all(&buffer[..count]).await.is_err() || input.flush().await.is_err() {
                return;
            }
        }
        // The command sees the end of its input, and may still write output.
        let _ = input.shutdown().await;
    }
    std::future::pending::<()>().await;
}
