//! The input of the converger.

use crate::model::ids::{NodeName, TaskId};
use crate::model::{TaskStatus, Unreachable};

use crate::model::action::{ActionId, Outcome};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Begin; also sent when nothing but time has passed.
    Tick,
    /// An action ended.
    ActionDone { id: ActionId, outcome: Outcome },
    /// A task was seen doing something; sent for every watched task at each look.
    TaskSeen {
        node: NodeName,
        task: TaskId,
        /// What it does; `None` if its container is gone.
        status: Option<TaskStatus>,
    },
    /// A task's container ended, whether or not its engine starts it again.
    TaskExited { task: TaskId, exit_code: i64 },
    /// A node went silent. Its tasks are unknown from here on.
    NodeSilent { node: NodeName, why: Unreachable },
}
