//! The loop that keeps every stack of the ledger as it was declared.
//!
//! ```text
//! probes, events of engines ─┐                            ┌─▶ looks, reads, listening (effects, senses)
//! the ledger, repositories ──┼─▶ shell ─▶ supervisor ─────┼─▶ heal: its lease, plan, engine::run
//! what was begun and ended ──┘           (pure: step)     └─▶ release: the same, and a record
//! ```
//!
//! All that is decided is decided by [`supervisor`], which has no effects; the simulator drives it as the
//! [shell] does. What looks at a cluster without a loop uses the same words: [`events`] watches.

mod effects;
pub mod events;
mod heal;
mod host_watcher;
pub mod intent;
mod leader;
mod records;
mod release;
mod shell;
pub mod supervisor;
mod tasks;
mod words;

pub use heal::LoopContext;
pub use shell::reconcile;
pub use supervisor::event::{self, ActionEvent, ClusterEvent, Counts, NodeStatus, Snapshot, StackStatus};
pub use supervisor::{Options, Policy};

use supervisor::work;
