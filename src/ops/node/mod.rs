//! Nodes: what is remembered of them over the inventory, and which tasks move when that changes.
//!
//! [`update`] changes the record, [`drain`] plans the moves that follow from it, [`back`] undoes an update,
//! and [`forget()`] drops discovered hosts permanently. The ledger's managers stay those of the inventory,
//! whatever the roles here. Knows no arguments and asks nothing: a surface approves what is planned.

pub mod back;
pub mod drain;
mod forget;
pub mod update;

pub use forget::{NotForgotten, forget};
pub use update::{Change, Difference, NodeDifferences, Recorded, Update};
