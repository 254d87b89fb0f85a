//! What a supervisor hears and what it calls for: the only way in and the only way out.
//!
//! [`World`] is carried out twice: by the shell, with tasks and sockets, and by the simulator of
//! `tests/sim/supervisor`, in virtual time. Whatever is begun by a [`Command`] ends with exactly one
//! [`Input`], a failure included, unless the term of leadership ends before.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{ClusterEvent, Snapshot};
use super::work::{Healed, Job, Task};
use crate::ledger::Written;
use crate::ledger::nodes::NodeRecords;
use crate::model::{NodeFacts, NodeName, Observed, StackName, Timestamp, Unreachable};
use crate::ops::declared::Declarations;
use crate::ops::declared::record::StackRecord;

/// What a supervisor acts through. It never waits: what takes time is begun here and heard of later.
pub trait World {
    /// The time by which decisions are made, in milliseconds.
    fn now(&self) -> Timestamp;

    /// Carries a command out, or begins to. The answer of one that has its answer at once
    /// ([`Command::TakeOverHosts`]) is returned, and heard before anything else.
    fn carry_out(&mut self, command: Command) -> Option<Input>;

    /// Shows those outside what the supervisor knows by now.
    fn show(&mut self, snapshot: Snapshot);
}

/// What a supervisor calls for.
#[derive(Debug)]
pub enum Command {
    /// Compete for the lead of the loops: [`Input::LeadTaken`], [`Input::LeadRefused`] or
    /// [`Input::LeadFailed`], and [`Input::LeadElsewhere`] as often as another leader is seen meanwhile.
    TakeLead {
        /// How long to wait for another leader, in milliseconds.
        patience_ms: i64,
        /// Not before so many milliseconds have passed.
        after_ms: i64,
    },
    /// Compete no longer.
    CancelLead,
    /// Give the lead back: [`Input::LeadReturned`].
    ReturnLead,
    /// From now on listen to these hosts, to the ledger and to repositories, whose last word is repeated.
    BeginTerm {
        /// The members of the cluster.
        hosts: Vec<NodeName>,
    },
    /// Let go of all that was begun for this term and listen no more. Nothing of it is heard later.
    EndTerm,
    /// Listen to one more host.
    WatchHost(NodeName),
    /// Listen to a host no more.
    UnwatchHost(NodeName),
    /// A host counts as lost: every request to it fails at once.
    MarkHostLost(NodeName),
    /// Look at every host and at the records of nodes, for at most so long: [`Input::Looked`].
    Look {
        /// In milliseconds.
        limit_ms: i64,
    },
    /// End the look that is under way; [`Input::Looked`] follows all the same.
    AbortLook,
    /// Read which stacks there are, and repair the records of nodes: [`Input::Listed`].
    ListStacks,
    /// Read the records of a stack: [`Input::Read`].
    ReadStack(StackName),
    /// Ask the sources of hosts: [`Input::HostsNamed`].
    AskForHosts,
    /// Make the hosts that were named last the members of the cluster: [`Input::HostsTakenOver`], at once.
    TakeOverHosts,
    /// Who else there is cannot be known.
    SetHostsUnknown(Unreachable),
    /// Say no more of a host that left.
    ForgetHost(NodeName),
    /// Write down which hosts are discovered, and by which source. Nothing is heard of it.
    RememberHosts(BTreeMap<NodeName, String>),
    /// Make sure that a lost host is off, and drain it: [`Input::Fenced`].
    Fence {
        node: NodeName,
        /// What was last seen of it.
        seen: Option<Box<NodeFacts>>,
        /// When that was decided; the same for each attempt to begin.
        decided: Timestamp,
    },
    /// A host answers: what its fence came to is forgotten. Nothing is heard of it.
    ClearFence(NodeName),
    /// Bring a stack back: [`Input::Said`] meanwhile, and then [`Input::Worked`].
    Heal(Job),
    /// Release a stack: the same.
    Release(Task),
    /// Let the work on stacks come to a stop between two actions.
    StopWork,
    /// Log this.
    Report(Timestamp, ClusterEvent),
    /// All is over.
    Done,
}

/// What a supervisor hears.
#[derive(Debug)]
pub enum Input {
    /// Nothing happened for a while. Also the first input of all.
    Tick,
    /// It is to end.
    Stop,
    /// Another loop has the lead, and is waited for.
    LeadElsewhere {
        /// Of that lease alone.
        id: String,
        /// Who, in words.
        leader: String,
    },
    /// This loop is the leader.
    LeadTaken,
    /// Another loop has the lead, and the patience is over.
    LeadRefused,
    /// The ledger could not be asked for the lead.
    LeadFailed(String),
    /// The lead has expired, or another loop took it.
    LeadLost,
    /// The lead is given back, or the attempt is over.
    LeadReturned,
    /// A host gave a sign.
    Host(HostSignal),
    /// Something was written into the ledger.
    Written(Written),
    /// A look ended; `None` if it was given up.
    Looked(Option<Box<Look>>),
    /// The names of all stacks, or why they are not known.
    Listed(Result<BTreeSet<StackName>, String>),
    /// The records of a stack, or why they could not be read.
    Read(StackName, Result<Box<StackRecord>, String>),
    /// The sources of hosts answered, or why they did not.
    HostsNamed(Result<Named, String>),
    /// Members came and went.
    HostsTakenOver(TakenOver),
    /// A host is off; or why it may not be.
    Fenced(NodeName, Result<(), Unfenced>),
    /// Repositories declare something else.
    Declared(Declarations),
    /// The work on a stack has something to log.
    Said(Timestamp, ClusterEvent),
    /// The work on a stack ended.
    Worked(StackName, Healed),
}

/// Why a host may not be off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfenced {
    /// Its command has not run, since that could not be written down.
    NotBegun(String),
    /// The command has run, or may have; or it may not run.
    Failed(String),
}

/// What is heard of a host without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostSignal {
    /// Its engine answered a probe.
    Engine(NodeName),
    /// Its machine answered a probe, and its engine did not.
    Machine(NodeName),
    /// Nothing answered a probe; the reason.
    Missed(NodeName, String),
    /// Its events are heard from now on: what happened before has to be looked for.
    Listening,
    /// A container of this stack began, ended, went away, or changed its health.
    Container(StackName),
    /// A record was written: the word of its kind, and whose it is, cut off if that is very long.
    Record {
        /// `releases`, `nodes`, …
        kind: String,
        /// The stack, or its beginning.
        of: String,
    },
}

/// One look at every host.
#[derive(Debug)]
pub struct Look {
    /// What was seen.
    pub observed: Observed,
    /// What is remembered of nodes.
    pub records: NodeRecords,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
}

/// Members of the cluster, as far as a supervisor has to know them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    /// Every member.
    pub nodes: BTreeSet<NodeName>,
    /// Those that were discovered, and by which source.
    pub found: BTreeMap<NodeName, String>,
    /// Those that left and are still spoken of.
    pub left: BTreeSet<NodeName>,
    /// Those that have a command that makes sure that they are off.
    pub fences: BTreeSet<NodeName>,
}

/// What the sources of hosts said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Hosts beside those of the inventory, and the source of each.
    pub hosts: BTreeMap<NodeName, String>,
    /// What was remembered of nodes afterwards.
    pub records: NodeRecords,
}

/// Who came and who went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TakenOver {
    /// Members that were not there before, or whose address changed.
    pub joined: Vec<NodeName>,
    /// Members that are not there any more, or whose address changed.
    pub left: Vec<NodeName>,
    /// Whether anything is declared otherwise than before.
    pub is_news: bool,
    /// All as it is now.
    pub roster: Roster,
}
