//! What the decider is told.

use crate::model::ids::{NodeName, TaskId};
use crate::model::{TaskStatus, Unreachable};

use super::action::{ActionId, Outcome};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Begin; also sent when nothing but time has passed.
    Tick,
    /// An action ended.
    ActionDone {
        /// Which.
        id: ActionId,
        /// How.
        outcome: Outcome,
    },
    /// A task was seen doing something; sent for every watched task at each look.
    TaskSeen {
        /// Where.
        node: NodeName,
        /// Which.
        task: TaskId,
        /// What it does; `None` if its container is gone.
        status: Option<TaskStatus>,
    },
    /// A task's container ended, whether or not its engine starts it again.
    TaskFell {
        /// Which.
        task: TaskId,
        /// With which status.
        exit_code: i64,
    },
    /// A node went silent. Its tasks are unknown from here on.
    NodeSilent {
        /// Which.
        node: NodeName,
        /// Why.
        why: Unreachable,
    },
}
