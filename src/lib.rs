//! Declarative stack deployer for plain Docker hosts reached over SSH.
