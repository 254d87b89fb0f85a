//! What the cluster remembers besides what runs: releases, how they ended, and who is deploying.
//!
//! One meaning carries all of it, *create if absent*: [`Ledger::append`] puts a value into place number
//! `seq` of a stream, and says whether it won the place or lost it to another value, which is then there
//! for good. Below it are write-once registers on the managers of the cluster ([`register`]); above it
//! the [lease](lease), the [releases](release) and what is remembered of [nodes](nodes).
//!
//! ```text
//! lease, release ─▶ Ledger::append / read / trim ─▶ ReadRegisters, WriteRegisters
//!                        (decide, log)                  ├ volumes of the managers (fleet)
//!                                                       ├ files of a directory (files)
//!                                                       ├ keys of etcd (etcd)
//!                                                       ├ nodes of ZooKeeper (zookeeper)
//!                                                       └ keys of Consul (consul)
//! ```
//!
//! Losing the ledger loses history, never the cluster: what runs is read from the containers' labels.
//!
//! # Which managers
//!
//! Those of the inventory, by name; where it has none, every host. A change of the managers is safe if one is
//! added or removed at a time, and no client uses the old inventory any more: any majorities of two such sets
//! overlap, so that nothing decided can be missed. Each record names the managers it was written under; a
//! larger change is refused (see [`LedgerError::ManagersChanged`]). The next writer of a stream copies what is missing to
//! a manager that is new or was away ([`Ledger::replicate`]); a change of the managers takes all streams along ([`sync`]).
//!
//! Knows nothing of Docker, ssh or terminals, and reads no clock but for waiting.

mod access;
pub mod archive;
pub mod configs;
pub mod consul;
pub mod contents;
pub mod current;
mod decide;
pub mod document;
mod error;
pub mod etcd;
pub mod files;
mod http_cluster;
pub mod key;
pub mod lease;
mod log;
pub mod nodes;
pub mod operation;
pub mod patience;
pub mod payload;
pub mod place;
pub mod register;
pub mod release;
mod sealed;
pub mod secrets;
pub mod settings;
pub mod spare;
pub mod sync;
#[cfg(test)]
pub(crate) mod testing;
mod unpacked;
pub mod volumes;
mod watcher;
#[cfg(feature = "zookeeper")]
pub mod zookeeper;
#[cfg(not(feature = "zookeeper"))]
#[path = "zookeeper/absent.rs"]
pub mod zookeeper;
// Tests are built with the feature, and what stands for it has tests too.
#[cfg(all(test, feature = "zookeeper"))]
#[path = "zookeeper/absent.rs"]
#[expect(dead_code, reason = "of a module that is never reached, tests reach its one way in")]
mod without_zookeeper;

pub use access::OpenError;
pub use consul::ConsulRegisters;
pub use current::{Current, NoCurrent, put_back};
pub use decide::{Appended, Ledger, Limits};
pub use error::LedgerError;
pub use etcd::EtcdRegisters;
pub use files::FileRegisters;
pub use log::{Entry, Log};
pub use payload::Value;
pub use register::{Content, Found, Kind, Place, ReadRegisters, Silent, Stream, WriteRegisters, Written};
pub use zookeeper::ZookeeperRegisters;
