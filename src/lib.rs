//! Declarative stack deployer for plain Docker hosts reached over SSH.

pub mod cli;
pub mod compose;
pub mod diff;
pub mod engine;
pub mod fleet;
pub mod model;
pub mod orchestrator;
pub mod yaml;
