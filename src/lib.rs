//! Declarative stack deployer: compose v3 stackfiles onto plain Docker hosts reached over SSH.
//!
//! This page is the map. Each room's own page says what it is for and what it must not know.
//!
//! # Rooms
//!
//! From the top floor down, each with the rooms that it names. No arrow points up.
//!
//! ```text
//! main          → cli
//! cli           → notify, reconcile, ops, engine, artifact, gitops, fleet, image, agent, inventory, compose,
//!                 swarm, orchestrator, diff, sops, vault, template, yaml, process_group, http, words, model
//! notify        → reconcile, engine, inventory, ledger::payload, http, process_group, words, model
//! reconcile     → ops, engine, gitops, discover, fleet, orchestrator, ledger, words, model
//! ops           → engine, gitops, discover, stores, fleet, image, agent, inventory, compose, orchestrator, ledger, sops,
//!                 vault, template, process_group, words, model
//! engine        → discover, fleet, orchestrator, ledger, vault, model
//! artifact      → compose::Files, orchestrator, model
//! discover      → inventory, ledger, process_group, words, model
//! stores        → inventory, process_group, http, words, model
//! gitops        → compose, inventory::private, ledger::release, yaml, process_group, model
//! fleet         → image, agent, inventory, ledger::register, vault, template, process_group, http, model
//! image         → model
//! agent         → vault, http, model
//! inventory     → ledger::place, yaml, model
//! compose       → template, yaml, model
//! swarm         → yaml, model
//! orchestrator  → diff, template, model
//! diff          → model
//! ledger        → vault, http, model
//! sops          → vault, yaml
//! vault         → model
//! template      → model
//! yaml          →
//! http          →
//! process_group →
//! words         →
//! model         →
//! ```
//!
//! - [`cli`]: one file for each command; values become text in [`cli::render`], and only [`cli::ui`] prints.
//! - [`notify`]: tells people and programs what happens, by the inventory's rules: commands and webhooks.
//! - [`reconcile`]: the loop that keeps every stack of the ledger as it was declared.
//! - [`ops`]: what stackctl does, for every surface: the one transaction in which what runs is changed, nodes,
//!   records, and how stacks stand.
//! - [`engine`]: carries a plan out, with the one clock and the journal.
//! - [`artifact`]: files that one stackctl writes and another reads: saved plans, snapshots, what they redact.
//! - [`discover`]: which hosts there are besides those that the inventory names, asked of programs, etcd,
//!   ZooKeeper and Consul.
//! - [`stores`]: values of secrets in stores outside of the cluster, asked by programs and by the API of Vault.
//! - [`gitops`]: what git repositories declare: stacks, clusters, and what a push changed.
//! - [`fleet`]: hosts. SSH, Docker's API, labels to model and back.
//! - [`image`]: images as files: archives, OCI layouts, and what is sent to engines of them.
//! - [`agent`]: the part of stackctl that stays on a host: its protocol, its sockets, what agents keep for each other, and
//!   which file can be one.
//! - [`inventory`]: the file that names the hosts, read and checked; finding it.
//! - [`compose`]: stackfiles to a [`StackSpec`](model::StackSpec). Opens no files itself, sees no network.
//! - [`swarm`]: a stack as the requests docker's own client would make of swarm mode, to compare readings.
//! - [`orchestrator`]: decisions. What runs where, in which order; no clock, no network, no chance.
//! - [`diff`]: what runs against what is wanted, field by field.
//! - [`ledger`]: what the cluster remembers: locks, releases, the log; kept in volumes, files, etcd,
//!   ZooKeeper or Consul.
//! - [`sops`]: files that hold secrets and configs encrypted, by age or by SOPS, opened with private keys.
//! - [`vault`]: secrets: what encrypts them where they rest, the cluster's key and who can open it. No effect but
//!   randomness.
//! - [`template`]: Go's text templates, read and filled: those of `--format`, and
//!   configs of which each task has its own content.
//! - [`yaml`]: text to a tree in which every value keeps its place, and drawing what is wrong with it.
//! - [`http`]: HTTP/1: client, server, TLS, unix sockets, upgrades. Knows nothing of what is asked.
//! - [`process_group`]: programs of this machine: what they get of our environment; ended with all that they started.
//! - [`words`]: text that is safe to show, and the forms that all sentences share.
//! - [`model`]: the nouns. Ids, [specs](model::StackSpec), [nodes](model::node), [tasks](model::Task),
//!   [what was seen](model::Observed), [what is to be done](model::action). Names no other room.
//!
//! Rooms without effects are a package of their own (`src/core.rs`, `stackctl_core`), since the quick build optimises
//! them and not the rest; this crate gives them out under their names. [`vault`] and [`sops`] are not among them: what they
//! name would have to be compiled before any of them.
//!
//! `tests/tidy` holds this drawing against the imports; effects (time, files, processes, environment) are
//! kept by `.clippy.toml`, and each exception says why. To place something new, ask what it may know: a fact
//! is the model's, a decision the orchestrator's, an effect the fleet's, a word the cli's.
//!
//! # `stackctl deploy`, function by function
//!
//! 1. [`cli::run`] reads the arguments; nothing is opened before they are understood.
//! 2. [`compose::load`] makes the stackfiles into a spec, or a [`Report`](compose::Report) of all that is
//!    wrong with them.
//! 3. [`inventory::load`] finds the hosts, and [`fleet::Fleet::connect`] dials them all at once.
//!    It gives an [`Observer`](fleet::Observer), which cannot write, and an [`Executor`](fleet::Executor).
//! 4. [`engine::plan()`] looks at every host and asks the registries in one round, pins images
//!    ([`orchestrator::pin`]) and makes the plan.
//! 5. [`orchestrator::Planned::make`] compares ([`diff::stack`]), decides every placement
//!    ([`orchestrator::assign()`]), and runs the [`Converger`](orchestrator::Converger) in virtual time
//!    against a world where all goes well: the [`Forecast`](orchestrator::Forecast) that people read.
//! 6. [`cli::render`] shows it; `diff` and `--dry-run` end here. They never hold anything that can write.
//! 7. `engine::run` has the same `Converger` say what to do, the executor do it, the observer watch, and
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

// The futures of a command are as deep as its layers: those of `deploy` passed 128 in a build that is not incremental.
#![recursion_limit = "256"]

pub mod agent;
pub mod artifact;
pub mod cli;
pub mod discover;
pub mod engine;
pub mod fleet;
pub mod gitops;
pub mod http;
pub mod image;
pub mod inventory;
pub mod ledger;
pub mod notify;
pub mod ops;
pub mod process_group;
pub mod reconcile;
pub mod sops;
pub mod stores;
pub mod vault;
pub mod words;

// What tests/support has for unit tests too names us as other crates do.
#[cfg(test)]
extern crate self as stackctl;

pub use stackctl_core::{compose, diff, model, orchestrator, swarm, template, yaml};
