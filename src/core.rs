//! The rooms of stackctl that have no effects: nouns, stackfiles, comparison, decisions. What each is for, and what it
//! may name, is in the map of the crate `stackctl`, which gives them all out under the same names.
//!
//! A package of its own only for how it is built: deciding is what takes time, so the quick build optimises these
//! rooms, and leaves the others, which wait for hosts, as they are.

pub mod compose;
pub mod diff;
pub mod model;
pub mod orchestrator;
pub mod swarm;
pub mod template;
pub mod yaml;
