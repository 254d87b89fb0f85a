//! Declarative stack deployer for plain Docker hosts reached over SSH.

pub mod cli;
pub mod diff;
pub mod model;
pub mod orchestrator;
