//! The real binary, seen from outside: what it prints where, and with which status it ends.

#[path = "../support/engine/mod.rs"]
mod engine;
mod run;

mod completions;
mod help;
mod hosts;
mod stack;
mod stacks;
mod version;
