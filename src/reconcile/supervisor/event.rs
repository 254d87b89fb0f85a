//! What a loop tells: its log, line by line, as data.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::action::{Action, Outcome};
use crate::model::reason::Reason;
use crate::model::{NodeName, StackName, Timestamp};
use crate::orchestrator::Drift;

/// Something to log.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClusterEvent {
    /// This loop is the one that acts.
    Leading,
    /// Another loop has the lead.
    StandingBy {
        /// Which.
        leader: String,
    },
    /// The lead is lost: a majority of the managers was out of reach, or another process took it away.
    LeadLost,
    /// A node counts as lost.
    NodeLost {
        /// Which.
        node: NodeName,
        /// Since its last sign of life.
        silent_ms: i64,
        /// What its last probe said.
        why: String,
    },
    /// A lost node is back.
    NodeBack {
        /// Which.
        node: NodeName,
    },
    /// The command that makes sure that a lost node is off begins.
    FenceBegan {
        /// Which.
        node: NodeName,
    },
    /// It ended. Tasks with data move away only if it did not fail.
    FenceEnded {
        /// Which.
        node: NodeName,
        /// Why the node may not be off, if so.
        failed: Option<String>,
    },
    /// A host was discovered.
    NodeJoined {
        /// Which.
        node: NodeName,
        /// Who named it.
        source: String,
    },
    /// A host is not discovered any more: stackctl connects to it no longer, and its tasks run elsewhere in a while.
    NodeLeft {
        /// Which.
        node: NodeName,
    },
    /// Who names hosts cannot be asked or is not believed; the hosts stay those that were known.
    HostsUnknown {
        /// Why.
        why: String,
    },
    /// Those who name hosts are asked and believed again.
    HostsKnown,
    /// So many nodes are lost that it is more likely us: nothing is done until that changes.
    CutOff,
    /// A stack stands otherwise than before.
    Stack {
        /// Which.
        stack: StackName,
        /// Of which release.
        release: Option<u64>,
        /// How it stands.
        #[serde(flatten)]
        standing: StackStatus,
    },
    /// Work on a stack began.
    HealBegan {
        /// Which.
        stack: StackName,
        /// The release it is brought back to.
        release: u64,
        /// How many actions are planned.
        actions: usize,
    },
    /// An action was done, or failed.
    Acted(ActionEvent),
    /// Work on a stack ended.
    HealEnded {
        /// Which.
        stack: StackName,
        /// Why it is not as declared, if so.
        failed: Option<String>,
        /// From its begin.
        took_ms: i64,
    },
    /// A repository stands at a commit that was read.
    Commit {
        /// Which repository.
        repository: String,
        /// Its hash, short.
        commit: String,
        /// First line of its message.
        subject: String,
        /// How many stacks it declares.
        stacks: usize,
    },
    /// A stack of a commit that cannot be used; what runs of it stays.
    Declined {
        /// Which repository.
        repository: String,
        /// The commit, short.
        commit: String,
        /// How the stack is called there.
        stack: String,
        /// What is wrong with it.
        why: String,
    },
    /// A repository cannot be read; what it declared before stands.
    RepositoryTrouble {
        /// Which.
        repository: String,
        /// Why.
        why: String,
    },
    /// A release of what a repository declares began.
    ReleaseBegan {
        /// Of which stack.
        stack: StackName,
        /// Its number.
        release: u64,
        /// From which commit, if it is from one.
        #[serde(skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
        /// How many actions are planned, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        actions: Option<usize>,
    },
    /// It ended.
    ReleaseEnded {
        /// Of which stack.
        stack: StackName,
        /// Its number.
        release: u64,
        /// How, in the words of the history.
        outcome: String,
    },
    /// Something began that is no release and no heal: to nodes, to a lease, to the loop's orders.
    OperationBegan {
        /// Its name in the log.
        operation: String,
        /// The words of the command.
        verb: String,
        /// `user@machine`.
        who: String,
    },
    /// It ended.
    OperationEnded {
        /// Its name in the log.
        operation: String,
        /// The words of the command.
        verb: String,
        /// Why it failed, if it did.
        failed: Option<String>,
    },
    /// A task's container began, ended, went away, or changed its health.
    Task {
        /// Where.
        node: NodeName,
        /// Of which stack.
        stack: StackName,
        /// `web.1`.
        task: String,
        /// The engine's word: `start`, `die`, `health_status: healthy`.
        what: String,
        /// With which status it ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i64>,
    },
    /// The ledger cannot be read or written.
    LedgerTrouble {
        /// Its words.
        why: String,
    },
    /// A task of this program panicked: a fault of stackctl's. The loop goes on, and tries again.
    TaskPanicked {
        /// What it was to do.
        task: String,
        /// What it said.
        why: String,
    },
    /// Lines of the log were dropped before this one: its reader did not read.
    LinesDropped {
        /// How many.
        lines: u64,
    },
    /// All loops of the process end.
    Stopping,
}

/// One action that was carried out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActionEvent {
    /// For which stack.
    pub stack: StackName,
    /// Where.
    pub node: NodeName,
    /// `start task`.
    pub verb: &'static str,
    /// `web.1`.
    pub object: String,
    /// Why it was done.
    pub why: Reason,
    /// Why it was not, if it failed.
    pub failed: Option<String>,
}

impl ActionEvent {
    /// Of an action and what came of it.
    #[must_use]
    pub fn of(stack: &StackName, action: &Action, outcome: &Outcome) -> Self {
        Self {
            stack: stack.clone(),
            node: action.node.clone(),
            verb: action.what.verb(),
            object: action.what.object(),
            why: action.why.clone(),
            failed: match outcome {
                Outcome::Failed(failure) => Some(failure.message.clone()),
                Outcome::Done | Outcome::Started(_) => None,
            },
        }
    }
}

/// How a stack stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum StackStatus {
    /// Not looked at yet.
    Unknown,
    /// As declared.
    InSync,
    /// As declared but for slots that wait: for a lost node, or after failures.
    Degraded {
        /// Each, in words.
        waiting: Vec<String>,
    },
    /// Not as declared.
    Drifted {
        /// What is different; empty if only the cluster itself is, as after the loss of a node.
        found: Vec<Drift>,
        /// Actions that would repair it.
        actions: usize,
    },
    /// A repository declares something else; that is to be released.
    Behind {
        /// The commit.
        commit: String,
    },
    /// Being released as a repository declares it.
    Releasing {
        /// The commit.
        commit: String,
    },
    /// Being brought back.
    Healing,
    /// Another process holds its lock.
    Busy {
        /// Who.
        who: String,
    },
    /// A person said to leave it as it is.
    Suspended {
        /// Who.
        who: String,
        /// What they said.
        why: Option<String>,
        /// Actions that would bring it back.
        actions: usize,
    },
    /// There is nothing it could be kept at.
    Held {
        /// Why.
        why: String,
    },
    /// Something is in the way.
    Blocked {
        /// What.
        why: String,
    },
    /// It could not be brought back; it is tried again.
    Failed {
        /// Why.
        why: String,
        /// When it is tried again.
        again_at: Timestamp,
    },
    /// It was removed.
    Removed,
}

impl StackStatus {
    /// In a word, for metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::InSync => "in_sync",
            Self::Degraded { .. } => "degraded",
            Self::Drifted { .. } => "drifted",
            Self::Behind { .. } => "behind",
            Self::Releasing { .. } => "releasing",
            Self::Healing => "healing",
            Self::Busy { .. } => "busy",
            Self::Suspended { .. } => "suspended",
            Self::Held { .. } => "held",
            Self::Blocked { .. } => "blocked",
            Self::Failed { .. } => "failed",
            Self::Removed => "removed",
        }
    }

    /// All words there are.
    pub const WORDS: [&'static str; 13] = [
        "unknown",
        "in_sync",
        "degraded",
        "drifted",
        "behind",
        "releasing",
        "healing",
        "busy",
        "suspended",
        "held",
        "blocked",
        "failed",
        "removed",
    ];
}

/// How a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    /// Its last probe was answered.
    Up,
    /// Its last probe failed.
    Silent,
    /// It counts as lost.
    Lost,
}

/// All that a loop knows of itself, for those who watch it from outside.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Whether this loop is the one that acts.
    pub is_leading: bool,
    /// Whether another one is.
    pub is_standing_by: bool,
    /// The last time it went round.
    pub at: Timestamp,
    /// Every node.
    pub nodes: BTreeMap<NodeName, NodeStatus>,
    /// Every stack.
    pub stacks: BTreeMap<StackName, StackStatus>,
    /// Repositories, and stacks of them, that cannot be used as they are.
    pub repository_faults: usize,
    /// Whether the ledger has failed the same question several times in a row: what is shown lacks its answer.
    pub is_ledger_failing: bool,
    /// What happened since the start.
    pub counts: Counts,
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Full looks at all hosts.
    pub looks: u64,
    /// Time they took, in milliseconds.
    pub looks_ms: u64,
    /// Times a stack was brought back.
    pub heals: u64,
    /// Failed attempts.
    pub heals_failed: u64,
    /// Releases of what repositories declare.
    pub releases: u64,
    /// Those that did not end well.
    pub releases_failed: u64,
    /// Actions that were carried out.
    pub actions: u64,
    /// Actions that failed.
    pub actions_failed: u64,
    /// Nodes that were lost.
    pub nodes_lost: u64,
    /// Lost nodes that were made sure to be off.
    pub nodes_fenced: u64,
    /// Those that may not be off.
    pub fences_failed: u64,
    /// Questions that the ledger did not answer.
    pub ledger_failed: u64,
    /// Times that the sources of hosts could not be asked, or were not believed.
    pub discoveries_failed: u64,
    /// Tasks of this program that panicked.
    pub panics: u64,
}
