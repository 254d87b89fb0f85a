//! What the hook calls: the stacks that a push changes are released one after the other, and told to
//! whoever pushed.
//!
//! The commit that counts is the one the ref is at, not the one of the line that git handed over: of two
//! pushes close to one another either may come to the end first, and what runs then is the newer. Each stack
//! is released under its own lease, so that a loop may be at work beside it, whoever has the lead.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueHint;

use super::{Follows, Unreadable};
use crate::cli::Context;
use crate::cli::cluster::{self, Cluster};
use crate::cli::format::Format;
use crate::cli::machine;
use crate::cli::reconcile::repositories::variables;
use crate::cli::records::reading;
use crate::cli::render::age::elapsed;
use crate::cli::render::style::{BAD, GOOD, paint};
use crate::cli::render::text::{clean, count, some_of};
use crate::cli::report::{self, Exit, Failure};
use crate::cli::rollout::{self, Draft, Interrupt, Job, Kind, PUSH, Ran, Record, Wish};
use crate::compose;
use crate::engine::reconcile::once::{self, Call, Released, State};
use crate::engine::reconcile::reason;
use crate::engine::{self, End, Request};
use crate::fleet::ConnectOptions;
use crate::gitops::hook::{Followed, Pushed, short as short_ref};
use crate::gitops::{Declaration, GitError, Repository, read};
use crate::ledger::release::Outcome;
use crate::ledger::settings::settings;
use crate::model::StackName;
use crate::orchestrator::{Ending, Verdict};

/// How long somebody else's work on a stack is waited for: it ends by itself, or by its own time limit.
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

/// What came of a push, so far.
#[derive(Debug, Default)]
struct Tally {
    /// The commit, short.
    commit: String,
    stacks: usize,
    released: Vec<StackName>,
    /// What of the commit could not be read, and why.
    unread: BTreeMap<String, String>,
    /// What could not be released, and why; the status that makes.
    failed: BTreeMap<String, (String, Exit)>,
}

pub(super) fn run(args: &Run, context: &Context) -> Result<Exit, Failure> {
    let clock = cluster::clock()?;
    let begun = clock.now();
    let mut tally = Tally::default();
    let done = pushed(args, context).and_then(|is_followed| {
        if is_followed {
            let variables = args.follows.variables()?;
            cluster::with(context, ConnectOptions::default(), async |cluster| {
                Push { args, context, cluster, variables, interrupt: Interrupt::listen_to_term() }
                    .rounds(&mut tally)
                    .await
            })?;
        }
        Ok(is_followed)
    });
    let took = elapsed(clock.now().since_ms(begun));
    match done {
        Ok(false) => Ok(Exit::Done),
        Ok(true) => {
            context.ui.talk(&tally.last_line(&took));
            Ok(tally.exit())
        }
        Err(failure) => {
            context.ui.talk(&report::draw(&*failure.report, context.ui.look()));
            tally.failed.insert(String::new(), (failure.report.to_string(), report::exit(&Err(failure))));
            context.ui.talk(&tally.last_line(&took));
            Ok(tally.exit())
        }
    }
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
                // Before any host is reached: whoever pushes sees that somebody is at it.
                let short: String = commit.chars().take(7).collect();
                ui.say(&format!("stackctl: {} was pushed ({short})", short_ref(&name)));
                is_followed = true;
            }
        }
    }
    Ok(is_followed)
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

/// A push that is being released.
struct Push<'a> {
    args: &'a Run,
    context: &'a Context,
    cluster: &'a Cluster,
    variables: Arc<BTreeMap<String, String>>,
    interrupt: Interrupt,
}

/// What came of one stack.
enum Became {
    Released,
    /// Nothing was left to be done, and how it stands was told.
    Settled,
    Failed(String, Exit),
    /// The ref has moved on meanwhile.
    Stale,
}

impl Push<'_> {
    /// Releases the commit the ref is at, and again if it has moved on meanwhile.
    async fn rounds(&self, tally: &mut Tally) -> Result<(), Failure> {
        let (ui, followed) = (&self.context.ui, &self.args.reference);
        let dir = std::path::absolute(&self.args.repository).unwrap_or_else(|_| self.args.repository.clone());
        let mut before: Option<Arc<Declaration>> = None;
        let mut done = None;
        loop {
            let Some(reference) = Repository::newest(&dir, followed.full()).await? else {
                ui.say(&format!("stackctl: {} is gone: what runs goes on", followed.short()));
                return Ok(());
            };
            let repository = self.repository(&dir, reference);
            let commit = repository.fetch().await?;
            let id = commit.commit.clone();
            if done.as_ref() == Some(&id) {
                return Ok(());
            }
            tally.commit = commit.short();
            let moved = if before.is_some() { "by now " } else { "" };
            ui.say(&format!(
                "stackctl: {} is {moved}at {} ({})",
                commit.branch.as_deref().unwrap_or(followed.short()),
                commit.short(),
                clean(&commit.subject)
            ));
            let root = self.args.follows.root.as_deref().unwrap_or_default();
            let read = read(&repository, commit, root, &self.variables, before).await;
            let declaration = Arc::new(read.map_err(Failure::refused)?);
            done = self.round(&repository, &declaration, tally).await?.then_some(id);
            before = Some(declaration);
        }
    }

    fn repository(&self, dir: &Path, reference: String) -> Repository {
        // How `git clone` would be told of it from another machine.
        let who = machine::who();
        let host = who.rsplit_once('@').map_or(who.as_str(), |(_, host)| host);
        let url = format!("{host}:{}", dir.display());
        Repository::here(dir, url, reference, self.args.follows.allowed_signers.clone())
    }

    /// Releases what one commit calls for; whether it was the one that counts until the end.
    async fn round(
        &self,
        repository: &Repository,
        declaration: &Arc<Declaration>,
        tally: &mut Tally,
    ) -> Result<bool, Failure> {
        let ui = &self.context.ui;
        tally.stacks = declaration.stacks.len();
        tally.unread.clear();
        for (stack, fault) in &declaration.faults {
            match &fault.report {
                Some(report) => ui.talk(&report::draw(&**report, ui.look())),
                None => ui.talk(&format!("{} {}\n", paint(BAD, "error:"), clean(&fault.why))),
            }
            let first = fault.why.split("; ").next().unwrap_or_default();
            tally.unread.insert(stack.clone(), format!("cannot be read: {first}"));
        }
        if declaration.stacks.is_empty() && declaration.faults.is_empty() {
            ui.say("stackctl: no stack is declared: nothing is removed, and what runs goes on");
        }
        let name = format!(
            "{}#{}",
            repository.name().rsplit_once('#').map_or_else(|| repository.name(), |(url, _)| url.to_owned()),
            self.args.reference.short()
        );
        let calls = once::calls(reading(self.cluster), &name, Arc::clone(declaration)).await?;
        for call in calls {
            let became = match &call.state {
                State::Due => self.release(repository, &call).await,
                // Somebody is at it, or was cut off.
                State::Released(Released { outcome: None, is_last: true, .. }) => {
                    self.release(repository, &call).await
                }
                state => Ok(self.settled(&call, state)),
            };
            let stack = call.stack.to_string();
            match became {
                Ok(Became::Released) => {
                    tally.failed.remove(&stack);
                    tally.released.retain(|other| *other != call.stack);
                    tally.released.push(call.stack.clone());
                }
                Ok(Became::Settled) => {}
                Ok(Became::Failed(why, exit)) => drop(tally.failed.insert(stack, (why, exit))),
                Ok(Became::Stale) => return Ok(false),
                Err(failure) => {
                    ui.talk(&report::draw(&*failure.report, ui.look()));
                    let why = failure.report.to_string();
                    tally.failed.insert(stack, (why, report::exit(&Err(failure))));
                }
            }
        }
        Ok(true)
    }

    /// What is said of a stack about which nothing is to be done.
    fn settled(&self, call: &Call, state: &State) -> Became {
        let ui = &self.context.ui;
        match state {
            State::Due => Became::Settled,
            State::Suspended(suspended) => {
                let why = suspended.why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
                ui.say(&format!(
                    "stackctl: {} is suspended by {}{}: it is released once it is resumed",
                    call.stack,
                    suspended.who,
                    clean(&why)
                ));
                Became::Settled
            }
            State::Released(Released { number, outcome, commit, is_last }) => {
                let is_well = matches!(outcome, Some(Outcome::Deployed | Outcome::Removed));
                let words = outcome.as_ref().map_or_else(|| "unfinished".to_owned(), Outcome::words);
                let is_of_this = commit.as_ref().is_some_and(|git| git.commit == call.commit().commit);
                match (is_well, is_of_this) {
                    (true, true) => {
                        ui.say(&format!(
                            "stackctl: {}: release {number} of this commit is {words}",
                            call.stack
                        ));
                        Became::Settled
                    }
                    (false, true) if *is_last => {
                        Became::Failed(format!("release {number} of this commit is {words}"), Exit::Refused)
                    }
                    (false, _) if *is_last => {
                        ui.warn(&format!(
                            "{}: release {number}, made from the same files, is {words}; that is not tried again",
                            call.stack
                        ));
                        Became::Settled
                    }
                    _ => Became::Settled,
                }
            }
        }
    }

    /// Plans one stack, shows the plan, and carries it out.
    async fn release(&self, repository: &Repository, call: &Call) -> Result<Became, Failure> {
        let (cluster, stack) = (self.cluster, &call.stack);
        let contents = call.contents();
        let options = cluster.plan_options(contents.prune);
        let kind = if call.is_removal() { Kind::Remove } else { Kind::Deploy };
        let wish = Wish {
            command: PUSH,
            kind,
            format: Format::Text,
            yes: true,
            dry_run: false,
            is_exact: false,
            detach: false,
            timeout: None,
            lock_timeout: LOCK_TIMEOUT.parse().ok(),
            options: options.clone(),
            moves: BTreeMap::new(),
        };
        let request = Request { options, ..Request::default() };
        let commit = call.commit().clone();
        let draft = Draft {
            verb: if call.is_removal() { "rm" } else { "push" }.to_owned(),
            files: contents.files,
            message: None,
            git: Some(tokio::spawn(std::future::ready(Some(commit.clone())))),
            source: Some(call.source()),
        };
        let plan = engine::plan(cluster.lookout(), cluster.clock.now(), contents.spec, request);
        let Job { planned, record } = Record::with_plan(cluster, stack, draft, plan).await;
        let mut seen = None;
        let ran = rollout::carry_out_unasked(
            self.context,
            cluster,
            Job { planned, record },
            wish,
            &self.interrupt,
            async |history| {
                if repository.head().await? != commit.commit {
                    return Ok(false);
                }
                let state = call.state_by(history, settings(reading(cluster), stack).await?);
                let is_to_do = matches!(
                    state,
                    State::Due | State::Released(Released { outcome: None, is_last: true, .. })
                );
                if !is_to_do {
                    seen = Some(state);
                }
                Ok(is_to_do)
            },
        )
        .await?;
        Ok(match (ran, seen) {
            (Some(ran), _) => became(&ran),
            (None, Some(state)) => match (self.settled(call, &state), state) {
                // Somebody else came first, while whoever pushed looked on.
                (Became::Settled, State::Released(_)) => Became::Released,
                (became, _) => became,
            },
            (None, None) => Became::Stale,
        })
    }
}

/// What came of a run, for the last line.
fn became(ran: &Ran) -> Became {
    let why = match &ran.end {
        _ if ran.exit == Exit::Done => return Became::Released,
        End::Verdict(verdict) => failed(verdict),
        End::Detached => return Became::Released,
        End::TimedOut(_) => "not as wanted when its time was over".to_owned(),
        End::Interrupted => "interrupted half way".to_owned(),
        End::LeaseLost => "its lease was lost on the way".to_owned(),
    };
    Became::Failed(why, ran.exit)
}

fn failed(verdict: &Verdict) -> String {
    let names: Vec<&str> = verdict.services.iter().map(|service| service.service.as_str()).collect();
    let who = if names.is_empty() { String::new() } else { format!("{} ", some_of(&names, NAMES_MAX)) };
    let why = reason(verdict);
    match verdict.ending {
        Ending::Converged => "another look shows that it is not as wanted".to_owned(),
        Ending::NotPrepared => format!("not begun: {why}; what ran before serves on"),
        Ending::Failed => format!("{who}not as wanted: {why}"),
        Ending::RolledBack => format!("{who}rolled back: {why}; the version before serves on"),
        Ending::Paused => format!("{who}paused half way: {why}"),
        Ending::RollbackPaused => format!("{who}paused half way back: {why}"),
        Ending::HostSilent => format!("a host went silent on the way: {why}"),
    }
}

impl Tally {
    /// The line that scripts look for.
    fn last_line(&self, took: &str) -> String {
        let names: Vec<&str> = self.released.iter().map(StackName::as_str).collect();
        let released = format!("released {} from {}", some_of(&names, NAMES_MAX), self.commit);
        let failed = self.failed.iter().map(|(stack, (why, _))| (stack, why));
        let failures: Vec<String> = (self.unread.iter().chain(failed))
            .map(|(stack, why)| if stack.is_empty() { why.clone() } else { format!("{stack}: {why}") })
            .map(|line| clean(&line).into_owned())
            .collect();
        if !failures.is_empty() {
            let besides = if names.is_empty() { String::new() } else { format!(" ({released})") };
            return format!("{} {}{besides}\n", paint(BAD, "stackctl: FAILED:"), failures.join("; "));
        }
        if self.commit.is_empty() {
            return format!("stackctl: nothing to release, in {took}\n");
        }
        if names.is_empty() {
            let stacks = count(self.stacks, "stack");
            return format!("stackctl: nothing to release at {} ({stacks}), in {took}\n", self.commit);
        }
        format!("stackctl: {} in {took}\n", paint(GOOD, released))
    }

    fn exit(&self) -> Exit {
        let unread = if self.unread.is_empty() { Exit::Done } else { Exit::Refused };
        self.failed.values().map(|(_, exit)| *exit).max().map_or(unread, |exit| exit.max(unread))
    }
}
