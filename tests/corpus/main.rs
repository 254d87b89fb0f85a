//! Real stackfiles. With `STACKCTL_CORPUS` naming a directory of them (and `../oracle` beside it holding
//! what docker made of each, and `../compare_specs.py` telling whether two readings mean the same), every
//! file must mean here what it means to docker, but for the lists in `reasons`. Without it there is
//! nothing to do, and that is said.
#![allow(clippy::disallowed_methods, reason = "a test reads files and its environment, and runs programs")]

mod compare;
mod probes;
mod reasons;
mod roundtrip;
mod samples;
mod swarm;
#[allow(dead_code, reason = "shared with a benchmark and tests on hosts, which need more of it")]
mod world;
