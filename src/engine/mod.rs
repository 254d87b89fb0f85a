//! The one loop between decisions and hosts: observe, step, execute, feed back the outcome.
//!
//! Decides nothing itself: what to do comes from [`orchestrator`](crate::orchestrator), how it is done is
//! [`fleet`](crate::fleet)'s. Holds the one clock and the journal. Prints nothing: callers get reports
//! through [`Progress`].

pub mod clock;
mod fence;
pub mod journal;
mod keepers;
pub mod lease;
pub mod me;
pub mod new_key;
pub mod node_records;
pub mod operations;
pub mod plan;
pub mod pulse;
pub mod records;
mod run;
pub mod stops;
mod store;

pub use clock::Clock;
pub use journal::Journal;
pub use lease::{Lease, Validity};
pub use me::Me;
pub use node_records::ClusterReader;
pub use plan::{Request, plan, plan_without_hosts};
pub use pulse::Pulse;
pub(crate) use run::{RunContext, RunOptions, run};
pub use store::{Reading, Store, Writing};
