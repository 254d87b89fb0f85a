//! What the hook calls: the stacks that a push changes are released, and the person who pushes sees it.
//!
//! What is done, and in which order, is [`ops::push`](crate::ops::push)'s. Here are the arguments, what git hands
//! over, and the words.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueHint;

use super::{Follows, Unreadable};
use crate::cli::Context;
use crate::cli::cluster::{self, Cluster};
use crate::cli::format::Format;
use crate::cli::reconcile::repositories::variables;
use crate::cli::render::age::elapsed;
use crate::cli::render::style::{BAD, GOOD, paint};
use crate::cli::render::text::{clean, count, some_of};
use crate::cli::report::{self, Exit, Failure};
use crate::cli::rollout::{self, Interrupt, Job, Kind, PUSH, RolloutOptions};
use crate::compose;
use crate::fleet::ConnectOptions;
use crate::gitops::hook::{Followed, Pushed, short as short_ref};
use crate::gitops::{GitError, Signed, Unusable};
use crate::model::StackName;
use crate::ops::push::{Event, Follow, NotReleased, Report, Settled, Surface, push};
use crate::ops::records::{Git, History};
use crate::ops::release::Ran;
use crate::ops::{RunReport, reason};
use crate::orchestrator::{End, Ending, Planned, Verdict};

/// How long a push waits for another process that holds the lock of a stack: that ends by itself, or by its own
/// time limit.
const LOCK_TIMEOUT: &str = "15m";
/// Names in a line before the rest is counted.
const NAMES_MAX: usize = 8;

/// Arguments of `hook run`.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// The bare repository
    #[arg(value_name = "REPOSITORY", default_value = ".", value_hint = ValueHint::DirPath)]
    pub repository: PathBuf,
    /// The branch to follow, or the full name of a ref; of `refs/tags/v*`, the highest version
    #[arg(long = "ref", value_name = "REF", value_parser = Followed::parse)]
    pub reference: Followed,
    /// What is released.
    #[command(flatten)]
    pub follows: Follows,
}

/// Nothing that git would say to a hook.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{0}` is not `OLD NEW REF`")]
#[diagnostic(code(stackctl::hook::bad_line), help("git calls this: `stackctl hook install` has it do so"))]
struct BadLine(String);

/// A file of variables with a mistake in it.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{}:{line}: {why}", path.display())]
#[diagnostic(code(stackctl::hook::bad_env_file), help("write `NAME=value`, one a line, as in a `.env` file"))]
struct BadEnvFile {
    path: PathBuf,
    line: usize,
    why: &'static str,
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        Self::refused(error)
    }
}

impl From<Unusable> for Failure {
    fn from(error: Unusable) -> Self {
        Self::refused(error)
    }
}

pub(super) fn run(args: &Run, context: &Context) -> Result<Exit, Failure> {
    let clock = cluster::clock()?;
    let begun = clock.now();
    let mut report = Report::default();
    let done = pushed(args, context).and_then(|is_followed| {
        if is_followed {
            let follow = args.follow()?;
            cluster::with(context, ConnectOptions::default(), async |cluster| {
                let interrupt = Interrupt::listen_to_term();
                let terminal = Terminal { context, cluster, follow: &follow, interrupt };
                push(cluster, &follow, &terminal, &mut report).await
            })?;
        }
        Ok(is_followed)
    });
    let stopped = match done {
        Ok(false) => return Ok(Exit::Done),
        Ok(true) => None,
        Err(failure) => Some(failure),
    };
    if let Some(failure) = &stopped {
        context.ui.talk(&report::draw(&*failure.report, context.ui.look()));
    }
    let took = elapsed(clock.now().since_ms(begun));
    context.ui.talk(&last_line(&report, stopped.as_ref(), &took));
    Ok(exit(&report, stopped.as_ref()))
}

/// Reads what was pushed, and says what is not followed. Whether anything is.
fn pushed(args: &Run, context: &Context) -> Result<bool, Failure> {
    let (ui, followed) = (&context.ui, &args.reference);
    let mut is_followed = false;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| Failure::refused(BadLine(error.to_string())))?;
        let pushed =
            Pushed::parse(&line).ok_or_else(|| Failure::usage(BadLine(clean(&line).into_owned())))?;
        let name = clean(&pushed.reference).into_owned();
        match pushed.commit {
            _ if !followed.is(&pushed.reference) => {
                ui.say(&format!("stackctl: {name} is not followed: {} is", followed.short()));
            }
            None => {
                ui.say(&format!("stackctl: {name} is deleted: nothing is removed, and what runs goes on"))
            }
            Some(commit) => {
                // Before any host is reached: the person who pushes sees that the hook runs.
                let short: String = commit.chars().take(7).collect();
                ui.say(&format!("stackctl: {} was pushed ({short})", short_ref(&name)));
                is_followed = true;
            }
        }
    }
    Ok(is_followed)
}

impl Run {
    fn follow(&self) -> Result<Follow, Failure> {
        Ok(Follow {
            dir: std::path::absolute(&self.repository).unwrap_or_else(|_| self.repository.clone()),
            reference: self.reference.clone(),
            root: self.follows.root.clone().unwrap_or_default(),
            signed: self.follows.allowed_signers.as_ref().map(|signers| Signed {
                signers: std::path::absolute(signers).unwrap_or_else(|_| signers.clone()),
                accepted: self.follows.accept_history.clone(),
            }),
            variables: self.follows.variables()?,
        })
    }
}

impl Follows {
    /// What stackfiles see: files first, and the environment over them.
    #[expect(clippy::disallowed_methods, reason = "a file of variables is for this")]
    fn variables(&self) -> Result<Arc<BTreeMap<String, String>>, Failure> {
        let mut all = BTreeMap::new();
        for path in &self.env_files {
            let text = std::fs::read(path).map_err(|error| {
                Failure::refused(Unreadable { path: path.clone(), words: error.to_string() })
            })?;
            let found = compose::variables_of(&text, &|name| all.get(name).cloned());
            all.extend(
                found
                    .map_err(|(line, why)| Failure::refused(BadEnvFile { path: path.clone(), line, why }))?,
            );
        }
        all.extend(variables(&self.variables)?);
        Ok(Arc::new(all))
    }
}

/// The terminal of the person who pushes.
struct Terminal<'a> {
    context: &'a Context,
    cluster: &'a Cluster,
    follow: &'a Follow,
    interrupt: Interrupt,
}

impl Surface for Terminal<'_> {
    type Error = Failure;

    fn event(&self, event: Event<'_, Failure>) {
        let ui = &self.context.ui;
        let followed = self.follow.reference.short();
        match event {
            Event::RefGone => ui.say(&format!("stackctl: {followed} is gone: what runs goes on")),
            Event::Commit { commit, is_moved } => {
                let moved = if is_moved { "by now " } else { "" };
                ui.say(&format!(
                    "stackctl: {} is {moved}at {} ({})",
                    commit.branch.as_deref().unwrap_or(followed),
                    commit.short(),
                    clean(&commit.subject)
                ));
            }
            Event::Unread { fault, .. } => match &fault.report {
                Some(report) => ui.talk(&report::draw(&**report, ui.look())),
                None => ui.talk(&format!("{} {}\n", paint(BAD, "error:"), clean(&fault.why))),
            },
            Event::NothingDeclared => {
                ui.say("stackctl: no stack is declared: nothing is removed, and what runs goes on");
            }
            Event::Settled { stack, settled } => self.settled(stack, settled),
            Event::Failed { error, .. } => ui.talk(&report::draw(&*error.report, ui.look())),
        }
    }

    async fn carry_out(
        &self,
        job: Job,
        is_removal: bool,
        still: impl AsyncFnMut(&History) -> Result<bool, Failure>,
    ) -> Result<Option<Ran<Planned>>, Failure> {
        let kind = if is_removal { Kind::Remove } else { Kind::Deploy };
        let choices = RolloutOptions {
            command: PUSH,
            kind,
            format: Format::Text,
            yes: true,
            dry_run: false,
            is_exact: false,
            detach: false,
            timeout: None,
            lock_timeout: LOCK_TIMEOUT.parse().ok(),
            values: crate::diff::Values::Hidden,
        };
        rollout::carry_out_unasked(self.context, self.cluster, job, choices, &self.interrupt, still).await
    }
}

impl Terminal<'_> {
    fn settled(&self, stack: &StackName, settled: &Settled) {
        let ui = &self.context.ui;
        match settled {
            Settled::Suspended(suspended) => {
                let why = suspended.why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
                ui.say(&format!(
                    "stackctl: {stack} is suspended by {}{}: it is released once it is resumed",
                    suspended.who,
                    clean(&why)
                ));
            }
            Settled::Released(number, outcome) => {
                ui.say(&format!("stackctl: {stack}: release {number} of this commit is {}", outcome.words()));
            }
            Settled::FailedBefore(number, outcome) => ui.warn(&format!(
                "{stack}: release {number}, made from the same files, is {}; that is not tried again",
                outcome.words()
            )),
            Settled::Superseded => {}
        }
    }
}

/// Why a stack is not as the commit wants it, and the status that makes.
fn failed(why: &NotReleased<Failure>) -> (String, Exit) {
    match why {
        NotReleased::Ran(ran) => (ended(&ran.report), rollout::exit(&ran.report)),
        NotReleased::Recorded(number, outcome) => {
            (format!("release {number} of this commit is {}", outcome.words()), Exit::Refused)
        }
        NotReleased::Error(failure) => (failure.report.to_string(), failure.exit()),
    }
}

fn ended(report: &RunReport<Planned>) -> String {
    match &report.end {
        End::Verdict(verdict) => judged(verdict),
        _ if report.is_unbegun => "not begun: its images were not pulled".to_owned(),
        // A stack that is watched no longer did not fail.
        End::Detached => String::new(),
        End::TimedOut(_) => "not as wanted when its time was over".to_owned(),
        End::Interrupted => "interrupted half way".to_owned(),
        End::LeaseLost => "its lease was lost on the way".to_owned(),
    }
}

fn judged(verdict: &Verdict) -> String {
    let names: Vec<&str> = verdict.services.iter().map(|service| service.service.as_str()).collect();
    let who = if names.is_empty() { String::new() } else { format!("{} ", some_of(&names, NAMES_MAX)) };
    let why = reason(verdict);
    match verdict.ending {
        Ending::Converged => "another look shows that it is not as wanted".to_owned(),
        Ending::NotPrepared => format!("not begun: {why}; what ran before is still running"),
        Ending::Failed => format!("{who}not as wanted: {why}"),
        Ending::RolledBack => format!("{who}rolled back: {why}; the previous version is running"),
        Ending::Paused => format!("{who}paused half way: {why}"),
        Ending::RollbackPaused => format!("{who}paused half way back: {why}"),
        Ending::HostSilent => format!("a host went silent on the way: {why}"),
    }
}

/// The line that scripts look for, after everything else.
fn last_line(report: &Report<Failure>, stopped: Option<&Failure>, took: &str) -> String {
    let commit = report.commit.as_ref().map(Git::short).unwrap_or_default();
    let names: Vec<&str> = report.released.iter().map(StackName::as_str).collect();
    let released = format!("released {} from {commit}", some_of(&names, NAMES_MAX));
    let unread = report.unread.iter().map(|(stack, fault)| {
        let first = fault.why.split("; ").next().unwrap_or_default();
        format!("{stack}: cannot be read: {first}")
    });
    let failed = report.failed.iter().map(|(stack, why)| format!("{stack}: {}", failed(why).0));
    let failures: Vec<String> = unread
        .chain(stopped.map(|failure| failure.report.to_string()))
        .chain(failed)
        .map(|line| clean(&line).into_owned())
        .collect();
    if !failures.is_empty() {
        let besides = if names.is_empty() { String::new() } else { format!(" ({released})") };
        return format!("{} {}{besides}\n", paint(BAD, "stackctl: FAILED:"), failures.join("; "));
    }
    if commit.is_empty() {
        return format!("stackctl: nothing to release, in {took}\n");
    }
    if names.is_empty() {
        let stacks = count(report.stacks, "stack");
        return format!("stackctl: nothing to release at {commit} ({stacks}), in {took}\n");
    }
    format!("stackctl: {} in {took}\n", paint(GOOD, released))
}

/// The highest status of all that went wrong.
fn exit(report: &Report<Failure>, stopped: Option<&Failure>) -> Exit {
    let unread = if report.unread.is_empty() { Exit::Done } else { Exit::Refused };
    let of_stacks = report.failed.values().map(|why| failed(why).1);
    of_stacks.chain(stopped.map(Failure::exit)).max().map_or(unread, |exit| exit.max(unread))
}
