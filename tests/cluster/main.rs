//! The real binary on real hosts: a playground of docker hosts, which `tests/all` brings up. Without one
//! there is nothing to test on, and every test returns at once.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test starts programs and reads files"
)]

#[path = "../support/git.rs"]
mod git;

mod agents;
mod canaries;
mod containers;
mod corpus;
mod disks;
mod failures;
mod ground;
mod handover;
mod hook;
mod images;
mod in_place;
mod killed;
mod layers;
mod ledger;
mod lives;
mod load;
mod nodes;
mod plans;
mod reconcile;
mod refusals;
mod registries;
mod repositories;
mod rollouts;
mod secret_env;
mod secrets;
mod secrets_in_place;
mod sight;
mod updates;
mod verbs;
mod volumes;
mod writers;
