//! Decisions: what should run where, and what to do about the difference.
//!
//! Knows nothing of Docker's API, SSH, clocks, environment, randomness or terminals. Time comes in as a
//! [`Timestamp`](crate::model::Timestamp), the world as events; out go [`Action`]s, each with its reason.

pub mod action;
pub mod event;
pub mod reason;

pub use action::{Action, ActionId, Failure, FailureKind, Outcome, TaskHandle, TaskPlan, What};
pub use event::Event;
pub use reason::Reason;
