//! Nodes: what is remembered of them over the inventory, and which tasks move when that changes.
//!
//! [`update`] changes the record, [`drain`] plans the moves that follow from it, [`back`] undoes an update,
//! [`forget()`] drops members permanently, and [`fence`] makes sure that a host is off. The ledger's managers stay those of the inventory,
//! whatever the roles here. Knows no arguments and asks nothing: a surface approves what is planned.

pub mod back;
pub mod drain;
pub mod fence;
mod forget;
pub mod update;

pub use forget::{NotForgotten, forget, named};
pub use update::{Change, Difference, NodeDifferences, Recorded, Update, declared};
