//! Declarative stack deployer: compose v3 stackfiles onto plain Docker hosts reached over SSH.
//!
//! This page is the map. Each room's own page says what it is for and what it must not know.
//!
//! # Rooms
//!
//! ```text
//! main → cli ─┬→ engine ─┬→ fleet ───────┐
//!             │          └→ orchestrator ┤→ model (plain data)
//!             └→ compose ───────────────┘      diff uses model only, swarm what compose has read
//! ```
//!
//! - [`model`]: the nouns. Ids, [specs](model::StackSpec), [nodes](model::node), [tasks](model::Task), and
//!   [what was seen](model::Observed). Names no other room.
//! - [`yaml`]: text to a tree in which every value keeps its place, and drawing what is wrong with it.
//! - [`compose`]: stackfiles to a [`StackSpec`](model::StackSpec). Opens no files itself, sees no network.
//! - [`swarm`]: a stack as the requests docker's own client would make of swarm mode, to compare readings.
//! - [`diff`]: what runs against what is wanted, field by field.
//! - [`orchestrator`]: decisions. What runs where, in which order; no clock, no network, no chance.
//! - [`fleet`]: hosts. The inventory, SSH, Docker's API, labels to model and back.
//! - [`engine`]: the one loop between the two, with the one clock and the journal.
//! - [`process_group`]: programs of this machine, ended with all that they started.
//! - [`cli`]: one file for each command; values become text in [`cli::render`], and only [`cli::ui`] prints.
//!
//! The arrows are kept by `tests/tidy.rs`, which reads the imports; effects (time, files, processes,
//! environment) by `.clippy.toml`, and each exception says why. To place something new, ask what it may
//! know: a fact is the model's, a decision the orchestrator's, an effect the fleet's, a word the cli's.
//!
//! # `stackctl deploy`, function by function
//!
//! 1. [`cli::run`] reads the arguments; nothing is opened before they are understood.
//! 2. [`compose::load`] makes the stackfiles into a spec, or a [`Report`](compose::Report) of all that is
//!    wrong with them.
//! 3. [`fleet::inventory::load`] finds the hosts, and [`fleet::Fleet::connect`] dials them all at once.
//!    It gives an [`Observer`](fleet::Observer), which cannot write, and an [`Executor`](fleet::Executor).
//! 4. [`engine::plan()`] looks at every host and asks the registries in one round, pins images
//!    ([`orchestrator::pin`]) and makes the plan.
//! 5. [`orchestrator::Plan::make`] compares ([`diff::stack`]), decides every placement
//!    ([`orchestrator::assign()`]), and runs the [`Converger`](orchestrator::Converger) in virtual time
//!    against a world where all goes well: the [`Forecast`](orchestrator::Forecast) that people read.
//! 6. [`cli::render`] shows it; `diff` and `--dry-run` end here. They never hold anything that can write.
//! 7. [`engine::run()`] has the same `Converger` say what to do, the executor do it, the observer watch, and
//!    feeds back what happened as [events](orchestrator::Event), until there is a
//!    [`Verdict`](orchestrator::Verdict). Every action and answer goes into the
//!    [`Journal`](engine::Journal).
//! 8. [`cli::report`] turns how it ended into words and an exit status.
//!
//! `rm` is a deploy of [nothing](model::StackSpec::empty).
//!
//! # Words
//!
//! - *Stack*: services, networks, volumes and configs under one name; one stackfile, or several merged.
//! - *Service*: a number of equal tasks, and how they are replaced ([`model::ServiceSpec`]).
//! - *Slot*: a place that a service keeps filled: a number, or the node for global services
//!   ([`model::Slot`]).
//! - *Task*: one attempt to run one container in a slot ([`model::Task`]). Never changed: it is replaced.
//!   Its [id](model::TaskId) is derived, so that doing an action twice is doing it once.
//! - *Node*: a member of the cluster ([`model::node`]). *Host*: the machine and the connection to it.
//! - *Cluster*: the nodes of one inventory. *Inventory*: the file that names them.
//! - *Silent*: a host that does not answer. Its tasks are unknown, never gone.
//! - *Spec*: what is wanted, after every default and variable is settled. *Observation*: what was seen.
//! - *Plan*: the difference, the forecast, and what stands in the way. *Wave*: actions that may be done at
//!   the same time.
//! - *Converged*: everything is as wanted; a second deploy does nothing.

pub mod cli;
pub mod compose;
pub mod diff;
pub mod discover;
pub mod engine;
pub mod fleet;
pub mod gitops;
pub mod ledger;
pub mod model;
pub mod orchestrator;
pub mod process_group;
pub mod swarm;
pub mod yaml;

// The small worlds of tests/support serve the unit tests too, under the name other crates see us by.
#[cfg(test)]
extern crate self as stackctl;
#[cfg(test)]
#[path = "../tests/support/builder.rs"]
#[allow(missing_docs, dead_code)]
mod builder;
