//! Declarative stack deployer for plain Docker hosts reached over SSH.

pub mod cli;
pub mod compose;
pub mod diff;
pub mod engine;
pub mod fleet;
pub mod model;
pub mod orchestrator;
pub mod yaml;

// The small worlds of tests/support serve the unit tests too, under the name other crates see us by.
#[cfg(test)]
extern crate self as stackctl;
#[cfg(test)]
#[path = "../tests/support/builder.rs"]
#[allow(missing_docs, dead_code)]
mod builder;
