//! Declarative stack deployer for plain Docker hosts reached over SSH.

pub mod fleet;
pub mod model;
pub mod orchestrator;
pub mod yaml;
