//! The room that carries plans out, over simulated hosts: its own files, which here name the [fleet](crate::fleet) of
//! the simulator. What speaks to no host is the program's own.
#![allow(dead_code, unused_imports, reason = "the files serve commands, too, that are not simulated")]

pub use journal::Journal;
pub use node_records::ClusterReader;
pub use plan::{Request, plan};
pub use run::{RunContext, RunOptions, run};
pub use stackctl::engine::{Clock, Lease, Me, Validity, lease, me, new_key, records};

use crate::fleet::{RegisterReader, RegisterWriter};
use stackctl::ledger::Ledger;

/// There is one kind of register.
pub type Store<V> = V;
pub type Reading = Ledger<Store<RegisterReader>>;
pub type Writing = Ledger<Store<RegisterWriter>>;

#[path = "../../src/engine/journal.rs"]
pub mod journal;
#[path = "../../src/engine/keepers.rs"]
mod keepers;
#[path = "../../src/engine/node_records.rs"]
pub mod node_records;
#[path = "../../src/engine/plan.rs"]
pub mod plan;
#[path = "../../src/engine/run.rs"]
mod run;
