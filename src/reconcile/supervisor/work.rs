//! Work on one stack as it is called for and as it ends; how it is done is not known here.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{NodeFacts, NodeName, StackName};
use crate::ops::declared::DesiredRelease;
use crate::orchestrator::{Plan, PlanOptions};

/// A stack that is to be healed.
#[derive(Debug)]
pub struct Job {
    /// Which.
    pub stack: StackName,
    /// The release as it was when this was decided.
    pub number: u64,
    /// The choices of its plan.
    pub options: PlanOptions,
    /// What was last seen of nodes that are lost.
    pub last_seen: Arc<BTreeMap<NodeName, NodeFacts>>,
}

/// A stack that is to be released.
#[derive(Debug)]
pub struct Task {
    /// Which.
    pub stack: StackName,
    /// The release as it was when this was decided.
    pub number: Option<u64>,
    /// What the repository declares.
    pub desired: DesiredRelease,
    /// The choices of its plan.
    pub options: PlanOptions,
    /// What was last seen of nodes that are lost.
    pub last_seen: Arc<BTreeMap<NodeName, NodeFacts>>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healed {
    /// It is as declared.
    Done,
    /// Another process holds its lock.
    Busy(String),
    /// It was no longer what it was when this was decided.
    Outdated,
    /// Stopped on the way.
    Stopped,
    /// It could not be done.
    Failed(String),
}

/// What stands in the way of a plan.
pub fn problems(plan: &Plan) -> String {
    let all: Vec<String> = plan.problems.iter().map(ToString::to_string).collect();
    all.join("; ")
}
