//! The operations of stackctl, for every surface: commands, the push hook, the loop, and other programs.
//!
//! A surface decides what is wanted, approves plans, and renders what happens; what is done, and in which
//! order, is decided here. Errors are typed ([`Error`]), progress is data ([`Event`]), and nothing here makes
//! a sentence for people beyond `#[error]`. Knows no arguments, no terminal and no exit status.
//!
//! [`release`] is the heart: the one transaction in which what runs is changed. [`cluster`] opens what the
//! others work with, [`identity`] says in whose name, and [`order`] is what is read before a plan is made.
//! [`edit`], [`undo`] and [`rollback`](mod@rollback) make specs from what is remembered, [`removal`](mod@removal) takes
//! stacks away, [`rebalance`](mod@rebalance) moves tasks, and
//! [`push`](mod@push) releases what a repository [declares](declared). [`suspend`] and what is no release go
//! through [`log`](mod@log): changes of [`node`]s, and of all records ([`ledger`](mod@ledger)), removal of [`volumes`], and
//! the [`agents`] that stay on hosts, and the cluster's key and secrets ([`vault`]).
//! [`status`], [`pending`] and [`doctor`](mod@doctor) only look, and [`records`] names what they find in the ledger.
//!
//! # A program of your own
//!
//! `tests/examples/deploy.rs` deploys a stackfile through this room, without stackctl's command line. What a
//! surface brings are three small things: a plan, an approval of it, and a place for what happens.
//!
//! ```no_run
//! use stackctl::engine::{self, Request};
//! use stackctl::model::StackSpec;
//! use stackctl::ops::cluster::Cluster;
//! use stackctl::ops::order::Order;
//! use stackctl::ops::release::{ApproveAll, Draft, Rollout, rollout};
//! use stackctl::ops::{Error, Recording};
//!
//! /// Whether the stack is as wanted in the end.
//! async fn deploy(cluster: &Cluster, spec: StackSpec) -> Result<bool, Error> {
//!     let stack = spec.name.clone();
//!     let draft = Draft { verb: "deploy".to_owned(), ..Draft::default() };
//!     let request = Request { options: cluster.plan_options(false), ..Request::default() };
//!     let plan = engine::plan(cluster.cluster_reader(), cluster.clock.now(), spec, request);
//!     let job = Order::<Error>::with_plan(cluster, &stack, draft, plan).await;
//!     let (happened, driver) = (Recording::default(), cluster.driver());
//!     let mut approve = ApproveAll::new();
//!     let how = Rollout::default();
//!     let done = rollout(&driver, vec![job], &how, &mut approve, async || Ok(()), &(), &happened).await?;
//!     Ok(done.iter().all(|one| one.is_well()))
//! }
//! ```

pub mod agents;
pub mod cluster;
pub mod declared;
pub mod doctor;
pub mod edit;
pub mod error;
pub mod event;
pub mod hosts;
pub mod identity;
pub mod images;
mod in_place;
pub mod ledger;
pub mod log;
pub mod node;
pub mod order;
pub mod pending;
pub mod push;
pub mod rebalance;
pub mod records;
pub mod release;
pub mod removal;
pub mod rollback;
mod served;
pub mod status;
pub mod suspend;
#[cfg(test)]
mod testing;
pub mod undo;
pub mod vault;
pub mod volumes;

pub use error::Error;
pub use event::{Began, Event, Progress, Recording, RunReport, Tail, Unknown, failures, reason, shortfall};
pub use hosts::{Hosts, HostsRecord};
