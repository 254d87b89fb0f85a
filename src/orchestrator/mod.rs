//! Decisions: what should run where, and what to do about the difference.
//!
//! Knows nothing of Docker's API, SSH, clocks, environment, randomness or terminals. Time comes in as a
//! [`Timestamp`](crate::model::Timestamp), the world as an [`Observed`](crate::model::Observed) and as
//! [`Event`]s; out go [`Action`](crate::model::action::Action)s, each with its reason.
//!
//! ```text
//!   Observed ┐
//!            ├─ assign ──> Assignment ──> Converger::step(now, event) ──> actions, wake-up, verdict
//!   StackSpec┘   (where)                     (in which order)      ▲              │
//!                                                                  └── events <───┘
//! ```
//!
//! Every placement is decided once, by [`assign()`]; [`Converger`] only puts it in order: prepare, then
//! slot by slot by the update policy, then tidy up. [`forecast`] runs the very same `Converger` in
//! virtual time against a world where all goes well: that is the plan people read.

pub mod assign;
pub mod converge;
pub mod drift;
pub mod event;
pub mod explain;
pub mod fencing;
pub mod forecast;
mod least;
pub mod liveness;
pub mod lost;
pub mod note;
pub mod notice;
pub mod options;
pub mod pin;
pub mod planned;
pub mod problem;
pub mod rebalance;
pub mod report;
pub mod restart_backoff;
pub mod same_image;
pub mod scheduler;
mod site;
pub mod what_if;

pub use assign::{Assignment, assign};
pub use converge::{Converger, Ending, ServiceEnding, ServiceVerdict, Step, TaskFailure, Verdict};
pub use drift::{Drift, DriftKind, Drifted, drift};
pub use event::Event;
pub use forecast::{Forecast, Plan, Summary};
pub use liveness::{Liveness, NodeNews};
pub use note::Note;
pub use notice::Notice;
pub use options::PlanOptions;
pub use planned::Planned;
pub use problem::{Problem, leads_to};
pub use rebalance::rebalance;
pub use report::{End, Progress};
pub use restart_backoff::{Backoff, RestartBackoff, Suppressed};
pub use what_if::WhatIf;
