//! What happens during an operation, as data: recorded, replayed, and rendered by each surface in its own
//! way. Holds no sentence that a person reads, and no value of a variable, config or secret beyond what the
//! plan itself holds.

use std::path::PathBuf;
use std::sync::Arc;

use crate::ledger::lease::Holder;
use crate::ledger::release::Outcome as ReleaseOutcome;
use crate::model::action::{Action, Outcome, Pulled, TaskHandle};
use crate::model::{NodeName, StackName, TaskStatus, Timestamp};
use crate::orchestrator::{End, Progress as RunProgress};
use crate::orchestrator::{Ending, Notice, TaskFailure, Verdict};

/// One thing that happened. `P` is the plan of the driver.
#[derive(Debug, Clone)]
pub enum Event<P> {
    /// The plan has problems; an [`Error::Refused`](super::Error::Refused) follows.
    Problems(Arc<P>),
    /// A plan is there to be looked at, and approved where that is needed.
    Plan(Arc<P>),
    /// Another process holds the lock of the stack and is waited for. Repeated for as long as that takes.
    Waiting {
        /// The stack whose lock it is.
        stack: StackName,
        /// The process that holds it.
        holder: Holder,
    },
    /// The last holder of the lock left these stops under way: until their tasks have ended, or so many seconds at most,
    /// nothing is begun.
    WaitingForStops {
        /// The stack.
        stack: StackName,
        /// `web.1 on h1`; none if it is not known which.
        tasks: Vec<String>,
        /// How long it may take.
        seconds: i64,
    },
    /// The stack runs, and the ledger remembers no lock of it: a holder that it may have forgotten has stopped, and what it
    /// began is over, within so many seconds. Nothing is begun before.
    WaitingForForgotten {
        /// The stack.
        stack: StackName,
        /// How long it may take.
        seconds: i64,
    },
    /// Another process has applied the same in the meantime.
    AlreadyApplied {
        /// The stack.
        stack: StackName,
    },
    /// Another process worked on the stack after the plan was made. The new plan follows.
    PlanChanged {
        /// The stack.
        stack: StackName,
    },
    /// The operation is in the ledger: from now on hosts are changed.
    Began(Began),
    /// This plan is being carried out: first its images are pulled. Again if another look after the pulls
    /// made another plan of it.
    RunBegan(Arc<P>),
    /// The agent of a host, or each of them, does not know the others: secrets of its tasks are not handed over.
    AgentsUnknown(Unknown),
    /// A journal of the run could not be made in this directory.
    NoJournal {
        /// Where it was to be.
        dir: PathBuf,
        /// Why.
        why: String,
    },
    /// An action was begun.
    ActionBegan(Action),
    /// A pull has come so far.
    ActionAdvanced(Action, Pulled),
    /// An action ended.
    ActionEnded(Action, Outcome),
    /// A task was seen in another state than before; `None` if its container is gone.
    TaskSeen(NodeName, TaskHandle, Option<TaskStatus>),
    /// A node stopped answering.
    NodeSilent(NodeName, String),
    /// The run turned: it paused, or it rolls back.
    Noticed(Notice),
    /// Nothing happened for a while.
    Tick,
    /// The run was asked to stop and finishes the actions that it has begun.
    Stopping,
    /// The run ended.
    RunEnded(Arc<RunReport<P>>),
    /// The ledger holds how the release ended. `None` for one that stays unfinished.
    Ended {
        /// The stack.
        stack: StackName,
        /// Its number.
        release: u64,
        /// How it ended.
        outcome: Option<ReleaseOutcome>,
    },
    /// How the release ended could not be written down.
    NotRecorded {
        /// Its number.
        release: u64,
        /// Why.
        why: String,
    },
    /// The lock could not be given back. It expires by itself.
    LockNotReturned {
        /// Why.
        why: String,
    },
}

/// An agent that does not know the others, or all of them: after its host was off, tasks wait for their secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Its host; none where it is so of all.
    pub node: Option<NodeName>,
    pub why: String,
}

/// What was written down when an operation began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Began {
    /// The stack.
    pub stack: StackName,
    /// The number of the release; of a heal, the release that the stack is brought back to.
    pub release: u64,
    /// Whether nothing new is released: what was declared is restored.
    pub is_heal: bool,
    /// The commit that it is made from, short.
    pub commit: Option<String>,
    /// How many actions are planned.
    pub actions: usize,
}

/// How a run went.
#[derive(Debug)]
pub struct RunReport<P> {
    /// The plan that was carried out.
    pub plan: Arc<P>,
    /// When it began.
    pub began: Timestamp,
    /// When it ended, another look included.
    pub ended: Timestamp,
    /// The time limit, in milliseconds.
    pub timeout_ms: i64,
    /// How it ended.
    pub end: End,
    /// Whether it ended while images were pulled: then nothing that runs was changed, and no release was written.
    pub is_unbegun: bool,
    /// The plan that another look at the hosts gave after all went well, where it was taken. If anything is
    /// left in it, the stack is not as wanted.
    pub proof: Option<Arc<P>>,
    /// The last lines of output of containers that failed.
    pub tails: Vec<Tail>,
    /// Where the journal of the run is.
    pub journal: Option<PathBuf>,
}

/// The last lines of a container's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The node it ran on.
    pub node: NodeName,
    /// Its id.
    pub container: String,
    /// The lines, oldest first.
    pub lines: Vec<String>,
}

impl<P> RunReport<P> {
    /// The verdict, if the run came to one.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        match &self.end {
            End::Verdict(verdict) => Some(verdict),
            _ => None,
        }
    }

    /// Whether every action was done, as the run itself saw it.
    #[must_use]
    pub fn is_converged(&self) -> bool {
        self.verdict().is_some_and(|verdict| verdict.ending == Ending::Converged)
    }
}

/// Every failure of a verdict: of what belongs to no task first, then of tasks, service by service.
pub fn failures(verdict: &Verdict) -> impl Iterator<Item = &TaskFailure> {
    let of_services = verdict.services.iter().flat_map(|one| one.failures.iter().chain(&one.return_failures));
    verdict.failures.iter().chain(of_services)
}

/// The first thing that went wrong, and how many more did.
#[must_use]
pub fn reason(verdict: &Verdict) -> String {
    let mut all = failures(verdict);
    let Some(TaskFailure { node, what, failure, .. }) = all.next() else {
        return "not as declared".to_owned();
    };
    let more = match all.count() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    format!("{what} on {node}: {}{more}", failure.message)
}

/// Why a run did not bring a stack to what was declared, for the log; `None` if it did.
#[must_use]
pub fn shortfall(end: &End) -> Option<String> {
    match end {
        End::Verdict(verdict) if verdict.ending == Ending::Converged => None,
        End::Verdict(verdict) => Some(reason(verdict)),
        End::Detached => None,
        End::TimedOut(_) => Some("not as declared after 10 minutes".to_owned()),
        End::Interrupted => Some("stopped before it was done".to_owned()),
        End::LeaseLost => Some("the stack's lease was lost on the way".to_owned()),
    }
}

impl<P> Event<P> {
    /// What a run tells, as data that outlives it.
    #[must_use]
    pub fn of_run(progress: &RunProgress<'_>) -> Self {
        match *progress {
            RunProgress::Began(action) => Self::ActionBegan(action.clone()),
            RunProgress::Ended(action, outcome) => Self::ActionEnded(action.clone(), outcome.clone()),
            RunProgress::Seen(node, task, status) => Self::TaskSeen(node.clone(), task.clone(), status),
            RunProgress::Silent(node, why) => Self::NodeSilent(node.clone(), why.to_owned()),
            RunProgress::Noticed(notice) => Self::Noticed(notice.clone()),
            RunProgress::Tick => Self::Tick,
        }
    }
}

/// Takes note of what happens: a terminal, a log, a recording.
pub trait Progress<P> {
    /// Called for each event, in order. Must not block: a run waits for it.
    fn event(&self, at: Timestamp, event: Event<P>);
}

/// Keeps every event, to look at it later or to render it again.
#[derive(Debug)]
pub struct Recording<P>(std::sync::Mutex<Vec<(Timestamp, Event<P>)>>);

impl<P> Default for Recording<P> {
    fn default() -> Self {
        Self(std::sync::Mutex::default())
    }
}

impl<P> Recording<P> {
    /// What was recorded so far, in order.
    #[must_use]
    pub fn take(&self) -> Vec<(Timestamp, Event<P>)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl<P> Progress<P> for Recording<P> {
    fn event(&self, at: Timestamp, event: Event<P>) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((at, event));
    }
}

/// Ignores every event.
impl<P> Progress<P> for () {
    fn event(&self, _: Timestamp, _: Event<P>) {}
}
