//! Everything that machines read, frozen: a file under `files/` for each format, and a test that holds it.
//!
//! # What a change of a golden file means
//!
//! A golden file changes when a **format** changes, and then programs of other people break: a label that
//! running containers carry, a record in a ledger, a saved plan, a field that a script reads, a metric on a
//! dashboard, a flag in a pipeline. Renaming a Rust type, field or variant, and moving code, change none of
//! them: where a derive would carry the new identifier out, an explicit `#[serde(rename = "…")]` keeps the
//! old word. So a golden file that differs is first of all a bug of the change that made it differ.
//!
//! - A word that is **gone or renamed** is wrong, unless the issue says so and the release notes tell users.
//! - A word that is **new** (a field, a variant, a flag, a code) is an addition: look at the difference, then
//!   write the file.
//! - Files under `files/recorded` were written by an older stackctl and are **never** written again: they
//!   stand for what users have. A program that cannot read them is wrong.
//!
//! `STACKCTL_WRITE_GENERATED=1 cargo test --test golden` writes all but those again; the difference belongs in
//! the commit message, with its reason. What differs from the first files on purpose is in `differences.md`.
//!
//! Sentences for people are no format: they are replaced by `[words]` before anything is compared, as are
//! times, durations and names of this machine (see [`mask`]).
//!
//! `compare/` holds two programs against each other, old and new, over stackfiles that are not ours.
#![allow(clippy::disallowed_methods, reason = "a test reads files and its environment, and runs programs")]

#[path = "../support/engine/mod.rs"]
mod engine;
#[path = "../cli/hosts.rs"]
#[allow(dead_code, reason = "shared with the tests of the command line, which need more of it")]
mod hosts;
#[path = "../cli/run.rs"]
#[allow(dead_code, reason = "shared with the tests of the command line, which need more of it")]
mod run;
#[path = "../support/samples.rs"]
mod sample_stacks;

mod changes;
mod cluster;
mod flags;
mod golden;
mod http;
mod ledger;
mod mask;
mod recorded;
mod samples;
mod shop;
mod skew;
mod templates;
mod trouble;
mod vault;
mod vocabulary;
