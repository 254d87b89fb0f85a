//! Brings hosts their agents: first ones side by side, and then new ones for old, one host after the other. The new one has
//! answered before the old one is ended.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep};

use super::lock::{NotLocked, alone};
use super::plan::{Change, Plan, Planned, Step, change, is_of, next};
use super::{Hands, greeted, look};
use crate::agent::program::Program;
use crate::agent::wire::Hello;
use crate::fleet::agents::parcel::mark;
use crate::fleet::agents::{How, Installed, NotShipped, Rights};
use crate::fleet::{Fleet, HostError};
use crate::ledger::LedgerError;
use crate::ledger::lease::Holder;
use crate::model::NodeName;
use crate::ops::log::{NewEntry, Unended, logged};

/// So long an agent has to answer after its start.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Between two attempts to greet it.
const GREET_PAUSE: Duration = Duration::from_millis(100);
/// Hosts that get their first agent at a time.
const AT_ONCE: usize = 8;
/// Steps of one host. More would be a host on which nothing that is done stays done.
const STEPS_MAX: usize = 32;

/// What happens on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// The program is being sent, so many bytes.
    Sending(usize),
    /// It was sent and started.
    Shipped(How),
    /// It has answered.
    Answered(Hello),
    /// An earlier agent was ended and removed.
    Removed(Installed),
}

/// Why a host did not get its agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotInstalled {
    /// The engine refuses.
    #[error(transparent)]
    NotShipped(#[from] NotShipped),
    /// It was started and does not answer; it was removed again.
    #[error("the agent was started and did not answer ({why}): it was removed again")]
    NoAnswer {
        /// The last attempt.
        why: String,
    },
    /// It answers in a protocol that this version does not know; it was removed again.
    #[error("the agent speaks another protocol than this version of stackctl: it was removed again")]
    Protocol,
    /// What is done does not stay done.
    #[error("the host changes while it is worked on: another process may do the same")]
    NoEnd,
}

impl NotInstalled {
    /// Whether the host went silent.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::NotShipped(NotShipped::Silent(_)))
    }
}

impl From<HostError> for NotInstalled {
    fn from(error: HostError) -> Self {
        Self::NotShipped(error.into())
    }
}

/// How the operation is written into the log if it failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfinished {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("{failed} of {all} hosts: {why}")]
    Failed { failed: usize, all: usize, why: String },
}

/// Hosts that did not become what they were to be, each with the reason.
pub type Failed<E> = Vec<(NodeName, E)>;

/// Carries a plan out, for which there is a [permission](super::plan::permission). A host that fails keeps what it had,
/// and the others go on.
///
/// # Errors
///
/// If the operation cannot be written down, or another process does the same for too long. Nothing is done then.
pub async fn install(
    hands: &Hands<'_>,
    plan: &Plan,
    happened: impl Fn(&NodeName, Happened),
    waiting: impl FnMut(&Holder),
    unended: impl FnOnce(Unended),
) -> Result<Failed<NotInstalled>, NotLocked> {
    let names: Vec<String> = plan.changes().map(|(node, _)| node.to_string()).collect();
    let verb = format!("agent install {}", names.join(" "));
    let work = install_alone(hands, plan, (&verb, names.len()), happened, unended);
    Ok(alone(hands, &verb, waiting, work).await??)
}

async fn install_alone(
    hands: &Hands<'_>,
    plan: &Plan,
    (verb, all): (&str, usize),
    happened: impl Fn(&NodeName, Happened),
    unended: impl FnOnce(Unended),
) -> Result<Failed<NotInstalled>, LedgerError> {
    let nodes: BTreeSet<NodeName> = plan.changes().map(|(node, _)| node.clone()).collect();
    // Another process may have done the same since the plan was made, or have brought a later version.
    let now = look(hands.fleet, hands.actor.clock, Some(&nodes)).await;
    let is_done = |node: &NodeName, planned: &Planned| match now.get(node) {
        Some(Ok(on)) => !change(on, &planned.program).is_any(),
        Some(Err(_)) | None => false,
    };
    let mut failed = Vec::new();
    let work = async {
        let missing = plan.changes().filter(|(node, planned)| !is_done(node, planned));
        let one = async |(node, planned): (&NodeName, &Planned)| {
            let tell = |what| happened(node, what);
            let done = install_on(hands.fleet, node, planned, tell).await;
            done.err().map(|why| (node.clone(), why))
        };
        // A host without one has nothing to lose. Where one takes over, no more than one host at a time is without.
        let (first, others): (Vec<_>, Vec<_>) =
            missing.partition(|(_, planned)| planned.change == Change::Install);
        let first: Vec<_> = stream::iter(first.into_iter().map(one)).buffered(AT_ONCE).collect().await;
        failed.extend(first.into_iter().flatten());
        for other in others {
            failed.extend(one(other).await);
        }
        result(&failed, all)
    };
    let entry = NewEntry { verb: verb.to_owned(), ..NewEntry::default() };
    match logged(hands.actor, &**hands.writing, entry, work, unended).await {
        Err(Unfinished::Ledger(error)) => Err(error),
        Ok(()) | Err(Unfinished::Failed { .. }) => Ok(failed),
    }
}

pub(super) fn result<E: std::fmt::Display>(failed: &Failed<E>, all: usize) -> Result<(), Unfinished> {
    match failed.first() {
        None => Ok(()),
        Some((node, why)) => {
            Err(Unfinished::Failed { failed: failed.len(), all, why: format!("{node}: {why}") })
        }
    }
}

async fn install_on(
    fleet: &Fleet,
    node: &NodeName,
    planned: &Planned,
    happened: impl Fn(Happened),
) -> Result<(), NotInstalled> {
    let (program, rights) = (&planned.program, Rights::of_agents());
    let shipper = fleet.shipper(node)?;
    let mut has_answered = false;
    for _ in 0..STEPS_MAX {
        let host = fleet.agents_of(node).await?;
        let Some(step) = next(&host, program, has_answered) else { return Ok(()) };
        match step {
            Step::Ship => {
                happened(Happened::Sending(program.bytes.len()));
                let how = shipper.install(program, &rights, host.takes_plugins).await?;
                happened(Happened::Shipped(how));
            }
            Step::Start(agent) => shipper.start(&agent).await?,
            Step::Greet => match greet(fleet, node, program, &rights).await {
                Ok(hello) => {
                    has_answered = true;
                    happened(Happened::Answered(hello));
                }
                Err(why) => {
                    // The one before goes on, if there is one.
                    for agent in host.agents.iter().filter(|agent| is_of(agent, program)) {
                        shipper.remove(agent).await?;
                    }
                    return Err(why);
                }
            },
            Step::Remove(agent) => {
                shipper.remove(&agent).await?;
                happened(Happened::Removed(agent));
            }
            Step::RemoveImage(image) => shipper.remove_image(&image).await?,
        }
    }
    Err(NotInstalled::NoEnd)
}

/// Waits until an agent answers.
async fn greet(
    fleet: &Fleet,
    node: &NodeName,
    program: &Program,
    rights: &Rights,
) -> Result<Hello, NotInstalled> {
    let (end, mark) = (Instant::now() + START_LIMIT, mark(&program.digest, &rights.word()));
    loop {
        match greeted(fleet, node, &mark, &program.digest).await {
            Ok(hello) if hello.is_understood() => return Ok(hello),
            Ok(_) => return Err(NotInstalled::Protocol),
            Err(why) if Instant::now() >= end => return Err(NotInstalled::NoAnswer { why }),
            Err(_) => sleep(GREET_PAUSE).await,
        }
    }
}
