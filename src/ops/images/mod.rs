//! Images on the hosts of a cluster, without a registry: bringing one that is [at hand](source), [pushing](push) it,
//! [by which way](ways) it gets to them,
//! what hosts [have](listed) of them, what releases [need](needed), [removing](prune) the rest, and doing so [before disks are
//! full](collect).

pub mod collect;
pub mod listed;
pub mod needed;
pub mod prune;
pub mod push;
pub mod source;
mod ways;

pub use crate::fleet::images::{Looks, Meter, Need, NotPushed, NotRemoved, Pushed};
