//! The real binary, seen from outside: what it prints where, and with which status it ends.
#![allow(clippy::disallowed_methods, reason = "a test reads files and its environment")]

#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../support/engine/mod.rs"]
mod engine;
#[path = "../support/envelope.rs"]
mod envelope;
#[path = "../support/git.rs"]
mod git;
mod run;
#[path = "../support/samples.rs"]
mod samples;

mod agents;
mod calls;
mod check;
mod ci;
mod completions;
mod config;
mod configs;
mod contents;
mod discover;
mod doctor;
mod events;
mod example;
mod files;
mod help;
mod hook;
mod hosts;
mod images;
mod in_place;
mod inventories;
mod ledger;
mod log;
mod managers;
mod missing;
mod nodes;
mod notify;
mod readme;
mod reconcile;
mod registry;
mod repositories;
mod saved_plans;
mod sealed;
mod secret_variables;
mod secrets;
mod snapshot;
mod stack;
mod stacks;
mod stalled;
mod status;
mod stops;
mod stores;
mod topics;
mod trust;
mod understood;
mod undo;
mod values;
mod verbs;
mod version;
mod volumes;
mod webhook;
mod zookeeper;
