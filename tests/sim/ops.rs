//! The driver of commands, as it is, over simulated hosts.
#![allow(dead_code, reason = "the file serves loops, too")]

pub use stackctl::ops::{Error, Event, Progress, RunReport, Tail, failures, release, shortfall};

#[path = "../../src/ops/hosts.rs"]
pub mod hosts;
