//! The one loop between decisions and hosts: observe, step, execute, hear what came of it.
//!
//! Decides nothing itself: what to do comes from [`orchestrator`](crate::orchestrator), how it is done is
//! [`fleet`](crate::fleet)'s. Holds the one clock and the journal. Prints nothing: whoever watches is told
//! by [`Progress`].

pub mod clock;
pub mod journal;
pub mod lease;
pub mod me;
pub mod members;
pub mod operations;
pub mod outcome;
pub mod plan;
pub mod reconcile;
pub mod records;
pub mod run;
pub mod watch;

pub use clock::Clock;
pub use journal::Journal;
pub use lease::{Lease, Validity};
pub use me::Me;
pub use members::Lookout;
pub use plan::{Planned, Request, plan, plan_without_hosts};
pub use records::Store;
pub use run::{Crew, End, Progress, RunOptions, run};
