//! A push into a repository, released: every stack that its commit changes, one after the other.
//!
//! The commit that counts is the one the ref is at, not the one that git handed to the hook: of two pushes close
//! to one another either hook may finish first, and the newer commit has to run in the end. So a push goes in
//! rounds until the ref stands still. Each stack is released under its own lock, beside loops and commands.
//!
//! What a surface brings is [`Surface`]: it renders what happens, and carries a plan out by way of
//! [`rollout`](super::release::rollout::rollout).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::Error;
use super::cluster::Cluster;
use super::order::{Job, Order};
use super::pending::{PendingRelease, Released, State, last_released, pending};
use super::release::{Commit, Draft, Ran};
use crate::engine::{self, Request};
use crate::gitops::hook::Followed;
use crate::gitops::{Before, Declaration, Fault, GitError, Repository, Signed, Unusable, read};
use crate::ledger::LedgerError;
use crate::ledger::release::{Git, History, Outcome};
use crate::ledger::settings::settings;
use crate::model::StackName;
use crate::orchestrator::Planned;

/// What of a repository is released when it is pushed to.
#[derive(Debug)]
pub struct Follow {
    /// The bare repository, an absolute path.
    pub dir: PathBuf,
    /// The ref that counts.
    pub reference: Followed,
    /// The folder of the repository with `stackctl.yml` or `stacks/`; empty for its top.
    pub root: String,
    /// Which commits count, if they have to be signed.
    pub signed: Option<Signed>,
    /// What stackfiles may use.
    pub variables: Arc<BTreeMap<String, String>>,
}

/// What happens to a push. What happens to one of its stacks are the events of that stack's rollout.
#[derive(Debug)]
pub enum Event<'a, E> {
    /// The ref does not exist any more: nothing is removed.
    RefGone,
    /// A round begins.
    Commit {
        /// The commit the ref is at.
        commit: &'a Git,
        /// Whether the ref has moved since the round before.
        is_moved: bool,
    },
    /// A part of the commit cannot be read.
    Unread {
        /// The name of the stack, or the path of its folder.
        stack: &'a str,
        /// What is wrong with it.
        fault: &'a Fault,
    },
    /// The commit declares no stack at all: nothing is removed.
    NothingDeclared,
    /// Nothing is to be done about a stack.
    Settled {
        /// The stack.
        stack: &'a StackName,
        /// Why not.
        settled: &'a Settled,
    },
    /// A stack was not released.
    Failed {
        /// The stack.
        stack: &'a StackName,
        /// Why not.
        error: &'a E,
    },
}

/// Why nothing is to be done about a stack.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// A person suspended it.
    Suspended(crate::ledger::settings::Suspended),
    /// The commit was released, by this push or another one.
    Released(u64, Outcome),
    /// Another commit made from the same files failed, and is not tried again: the number of its release, and
    /// how that ended.
    FailedBefore(u64, Outcome),
    /// A person has released something since; that stands.
    Superseded,
}

/// Why a stack is not as the commit wants it.
#[derive(Debug)]
pub enum NotReleased<E> {
    /// The run of its release did not end well.
    Ran(Box<Ran<Planned>>),
    /// The commit was released before, and that did not end well; the number of that release.
    Recorded(u64, Outcome),
    /// It could not be begun.
    Error(E),
}

/// What came of a push so far.
#[derive(Debug)]
pub struct Report<E> {
    /// The commit of the last round.
    pub commit: Option<Git>,
    /// How many stacks that commit declares.
    pub stacks: usize,
    /// Stacks that are as the commit wants them, in the order in which they came to be so.
    pub released: Vec<StackName>,
    /// What of the commit cannot be read, and why.
    pub unread: BTreeMap<String, Fault>,
    /// Stacks that are not as the commit wants them.
    pub failed: BTreeMap<StackName, NotReleased<E>>,
}

impl<E> Default for Report<E> {
    fn default() -> Self {
        Self {
            commit: None,
            stacks: 0,
            released: Vec::new(),
            unread: BTreeMap::new(),
            failed: BTreeMap::new(),
        }
    }
}

/// The side of a push that faces people.
pub trait Surface {
    /// Its errors.
    type Error: From<Error> + From<LedgerError> + From<GitError> + From<Unusable>;

    /// Renders what happens.
    fn event(&self, event: Event<'_, Self::Error>);

    /// Shows a plan and carries it out without a question, unless `still`, asked under the lock with the newest
    /// history, says that it is not wanted any more. `is_removal` says that the plan takes the stack away. `None`
    /// if nothing was done.
    fn carry_out(
        &self,
        job: Job<Self::Error>,
        is_removal: bool,
        still: impl AsyncFnMut(&History) -> Result<bool, Self::Error>,
    ) -> impl Future<Output = Result<Option<Ran<Planned>>, Self::Error>>;
}

/// Releases the commit that the followed ref is at, and goes on until the ref does not move any more.
///
/// # Errors
///
/// What stops the push as a whole. What is wrong with one stack is in the `report`, with all that was done
/// before the error.
pub async fn push<S: Surface>(
    cluster: &Cluster,
    follow: &Follow,
    surface: &S,
    report: &mut Report<S::Error>,
) -> Result<(), S::Error> {
    let push = Push { cluster, follow, surface };
    let mut before: Option<Arc<Declaration>> = None;
    let mut done = None;
    loop {
        let Some(reference) = Repository::newest(&follow.dir, follow.reference.full()).await? else {
            surface.event(Event::RefGone);
            return Ok(());
        };
        let repository = push.repository(reference);
        let commit = repository.fetch().await?;
        let id = commit.commit.clone();
        if done.as_ref() == Some(&id) {
            return Ok(());
        }
        surface.event(Event::Commit { commit: &commit, is_moved: before.is_some() });
        report.commit = Some(commit.clone());
        let released = match repository.is_signed() {
            true => last_released(&cluster.ledger, &push.name(&repository)).await?,
            false => None,
        };
        let before_it = Before { last: before, released };
        let declaration =
            Arc::new(read(&repository, commit, &follow.root, &follow.variables, before_it).await?);
        done = push.round(&repository, &declaration, report).await?.then_some(id);
        before = Some(declaration);
    }
}

struct Push<'a, S> {
    cluster: &'a Cluster,
    follow: &'a Follow,
    surface: &'a S,
}

/// What came of one stack.
enum Became<E> {
    /// It is as the commit wants it, by this push.
    Released,
    /// Nothing was to be done.
    Settled,
    Failed(NotReleased<E>),
    /// The ref has moved: the next round decides.
    Stale,
}

impl<S: Surface> Push<'_, S> {
    fn repository(&self, reference: String) -> Repository {
        let Follow { dir, signed, .. } = self.follow;
        // As `git clone` takes it on another machine.
        let who = self.cluster.me.who.clone();
        let host = who.rsplit_once('@').map_or(who.as_str(), |(_, host)| host);
        let url = format!("{host}:{}", dir.display());
        Repository::here(dir, url, reference, signed.clone())
    }

    /// The name of the repository in the ledger: that of the ref which is followed, which may stand for several.
    fn name(&self, repository: &Repository) -> String {
        let name = repository.name();
        let url = name.rsplit_once('#').map_or(name.as_str(), |(url, _)| url);
        format!("{url}#{}", self.follow.reference.short())
    }

    /// Releases what one commit calls for; whether the ref was at it until the end.
    async fn round(
        &self,
        repository: &Repository,
        declaration: &Arc<Declaration>,
        report: &mut Report<S::Error>,
    ) -> Result<bool, S::Error> {
        let surface = self.surface;
        report.stacks = declaration.stacks.len();
        report.unread = declaration.faults.clone();
        for (stack, fault) in &declaration.faults {
            surface.event(Event::Unread { stack, fault });
        }
        if declaration.stacks.is_empty() && declaration.faults.is_empty() {
            surface.event(Event::NothingDeclared);
        }
        let name = self.name(repository);
        for one in pending(&self.cluster.ledger, &name, Arc::clone(declaration)).await? {
            let stack = &one.stack;
            let became = if is_to_do(&one.state) {
                self.release(repository, &one).await
            } else {
                Ok(self.settled(&one, &one.state))
            };
            match became {
                Ok(Became::Released) => {
                    report.failed.remove(stack);
                    report.released.retain(|other| other != stack);
                    report.released.push(stack.clone());
                }
                Ok(Became::Settled) => {}
                Ok(Became::Failed(why)) => drop(report.failed.insert(stack.clone(), why)),
                Ok(Became::Stale) => return Ok(false),
                Err(error) => {
                    surface.event(Event::Failed { stack, error: &error });
                    report.failed.insert(stack.clone(), NotReleased::Error(error));
                }
            }
        }
        Ok(true)
    }

    /// What becomes of a stack about which nothing is to be done.
    fn settled(&self, one: &PendingRelease, state: &State) -> Became<S::Error> {
        match settled(one.commit(), state) {
            Ok(settled) => {
                self.surface.event(Event::Settled { stack: &one.stack, settled: &settled });
                Became::Settled
            }
            Err((number, outcome)) => Became::Failed(NotReleased::Recorded(number, outcome)),
        }
    }

    /// Plans one stack, and has the plan carried out if that is still wanted under the lock.
    async fn release(
        &self,
        repository: &Repository,
        one: &PendingRelease,
    ) -> Result<Became<S::Error>, S::Error> {
        let (cluster, stack) = (self.cluster, &one.stack);
        let contents = one.contents();
        let request = Request { options: cluster.plan_options(contents.prune), ..Request::default() };
        let commit = one.commit().clone();
        let draft = Draft {
            verb: if one.is_removal() { "rm" } else { "push" }.to_owned(),
            files: contents.files,
            message: None,
            git: Some(Commit::Known(commit.clone())),
            source: Some(one.source()),
        };
        let spec = cluster.settle(contents.spec, &contents.secrets, false).await.map_err(Error::from)?;
        let plan = engine::plan(cluster.cluster_reader(), cluster.clock.now(), spec, request);
        let job = Order::with_plan(cluster, stack, draft, plan).await;
        let mut seen = None;
        let still = async |history: &History| {
            if repository.head().await? != commit.commit {
                return Ok(false);
            }
            let state = one.state_by(history, settings(&cluster.ledger, stack).await?);
            let is_to_do = is_to_do(&state);
            if !is_to_do {
                seen = Some(state);
            }
            Ok(is_to_do)
        };
        let ran = self.surface.carry_out(job, one.is_removal(), still).await?;
        Ok(match (ran, seen) {
            (Some(ran), _) if ran.report.is_well() => Became::Released,
            (Some(ran), _) => Became::Failed(NotReleased::Ran(Box::new(ran))),
            (None, Some(state)) => match (self.settled(one, &state), state) {
                // Another process was first, while this push waited for the lock.
                (Became::Settled, State::Released(_)) => Became::Released,
                (became, _) => became,
            },
            (None, None) => Became::Stale,
        })
    }
}

/// Whether a stack is to be released: it never was from these inputs, or another process is at it or was cut
/// off.
fn is_to_do(state: &State) -> bool {
    matches!(state, State::Due | State::Released(Released { outcome: None, is_last: true, .. }))
}

/// Why nothing is to be done about a stack, for a push of `commit`; or the release of that very commit that did
/// not end well.
fn settled(commit: &Git, state: &State) -> Result<Settled, (u64, Outcome)> {
    let Released { number, outcome, commit: of, is_last } = match state {
        State::Suspended(suspended) => return Ok(Settled::Suspended(suspended.clone())),
        State::Released(released) => released,
        State::Due => return Ok(Settled::Superseded),
    };
    let is_of_this = of.as_ref().is_some_and(|git| git.commit == commit.commit);
    match outcome {
        Some(outcome @ (Outcome::Deployed | Outcome::Removed)) if is_of_this => {
            Ok(Settled::Released(*number, outcome.clone()))
        }
        Some(Outcome::Deployed | Outcome::Removed) => Ok(Settled::Superseded),
        Some(outcome) if *is_last && is_of_this => Err((*number, outcome.clone())),
        Some(outcome) if *is_last => Ok(Settled::FailedBefore(*number, outcome.clone())),
        _ => Ok(Settled::Superseded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::settings::Suspended;
    use crate::model::Timestamp;
    use crate::ops::declared::testing::commit;

    fn released(of: &str, outcome: Option<Outcome>, is_last: bool) -> State {
        State::Released(Released { number: 7, outcome, commit: Some(commit(of)), is_last })
    }

    #[test]
    fn what_is_unfinished_is_released_again_and_what_ended_is_not() {
        assert!(is_to_do(&State::Due));
        assert!(is_to_do(&released("a", None, true)));
        assert!(!is_to_do(&released("a", None, false)));
        assert!(!is_to_do(&released("a", Some(Outcome::Failed), true)));
    }

    #[test]
    fn only_a_failure_of_the_pushed_commit_fails_the_push() {
        let pushed = commit("a");
        let (deployed, failed) = (Some(Outcome::Deployed), Some(Outcome::Failed));
        let of = |state: &State| settled(&pushed, state);
        assert_eq!(of(&released("a", deployed.clone(), true)), Ok(Settled::Released(7, Outcome::Deployed)));
        assert_eq!(of(&released("b", deployed, true)), Ok(Settled::Superseded));
        assert_eq!(of(&released("a", failed.clone(), true)), Err((7, Outcome::Failed)));
        assert_eq!(of(&released("b", failed.clone(), true)), Ok(Settled::FailedBefore(7, Outcome::Failed)));
        assert_eq!(of(&released("a", failed, false)), Ok(Settled::Superseded));
        let suspended = Suspended { who: "ann".into(), at: Timestamp(1), why: None };
        assert_eq!(of(&State::Suspended(suspended.clone())), Ok(Settled::Suspended(suspended)));
    }
}
