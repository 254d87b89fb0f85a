//! Hosts that the inventory does not name itself, but knows whom to ask for.
//!
//! ```text
//! command (command) ─────┐ text   ┌────────┐ entries   ┌───────┐
//! etcd, zookeeper, consul ├──────▶ │ answer │─────────▶ │ merge │──▶ hosts beside those of the inventory
//!                        ┘        └────────┘           └───────┘
//! ```
//!
//! *Unreachable is not empty*: a source that fails, takes too long or prints nonsense is an error of the
//! whole, never a source without hosts. One that suddenly names few hosts of those it named before is more
//! likely at fault than right, see [`missing`]; who remembers what was named before is the engine's affair.
//!
//! A discovered host never keeps records in its volumes: the set of those who do must not wander with what
//! a program prints.
//!
//! Knows nothing of connections and plans.

mod answer;
mod command;
mod error;
mod merge;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::time::timeout;

pub use error::DiscoverError;
pub use merge::missing;

use crate::fleet::inventory::{HostEntry, Inventory, Source, SourceKind, parse_found};
use crate::ledger::OpenError;
use crate::ledger::consul;
use crate::ledger::etcd::{self, Client};
use crate::ledger::zookeeper::{self, Session};
use crate::model::NodeName;

/// Asks for hosts. Nothing it does changes anything.
#[derive(Debug)]
pub struct Discovery {
    /// Hosts of the inventory itself.
    named: BTreeMap<NodeName, HostEntry>,
    sources: Vec<Ready>,
    /// Whether records are kept in volumes of managers.
    is_in_volumes: bool,
}

/// A source, and what is needed to ask it.
#[derive(Debug)]
struct Ready {
    source: Source,
    keeper: Keeper,
}

/// With whom a source is spoken.
#[derive(Debug)]
enum Keeper {
    Nobody,
    Etcd(Arc<Client>),
    Zookeeper(Arc<Session>),
    Consul(Arc<consul::Client>),
}

/// Hosts that were found.
pub type Found = BTreeMap<NodeName, HostEntry>;

impl Discovery {
    /// Makes the sources of an inventory ready; `None` if it has none.
    pub fn of(
        inventory: &Inventory,
        is_in_volumes: bool,
        env: impl Fn(&str) -> Option<String> + Copy,
    ) -> Result<Option<Self>, DiscoverError> {
        if inventory.discover.is_empty() {
            return Ok(None);
        }
        if is_in_volumes && inventory.hosts.is_empty() {
            return Err(DiscoverError::NoKeeper);
        }
        let ready = |source: &Source| {
            let unusable = |error: OpenError| DiscoverError::Unusable {
                source_name: source.name.clone(),
                why: error.to_string(),
            };
            let keeper = match &source.kind {
                SourceKind::Command { .. } => Keeper::Nobody,
                SourceKind::Etcd(place) => Keeper::Etcd(etcd::open(place, env).map_err(unusable)?),
                SourceKind::Zookeeper(place) => {
                    Keeper::Zookeeper(Arc::new(zookeeper::open(place, env).map_err(unusable)?))
                }
                SourceKind::Consul(place) | SourceKind::Service { place, .. } => {
                    Keeper::Consul(consul::open(place, env).map_err(unusable)?)
                }
            };
            Ok(Ready { source: source.clone(), keeper })
        };
        let sources = inventory.discover.iter().map(ready).collect::<Result<_, DiscoverError>>()?;
        Ok(Some(Self { named: inventory.hosts.clone(), sources, is_in_volumes }))
    }

    /// What the sources are called.
    #[must_use]
    pub fn sources(&self) -> BTreeSet<String> {
        self.sources.iter().map(|ready| ready.source.name.clone()).collect()
    }

    /// Asks all sources at once; hosts beside those of the inventory.
    pub async fn look(&self) -> Result<Found, DiscoverError> {
        let answers = join_all(self.sources.iter().map(|ready| async {
            let hosts = ready.hosts().await?;
            Ok((ready.source.name.as_str(), hosts))
        }));
        let answers = answers.await.into_iter().collect::<Result<Vec<_>, DiscoverError>>()?;
        merge::merge(&self.named, answers, self.is_in_volumes)
    }
}

impl Ready {
    async fn hosts(&self) -> Result<Found, DiscoverError> {
        let Source { name, kind, timeout: limit } = &self.source;
        let late = || DiscoverError::Late { source_name: name.clone(), seconds: limit.as_secs() };
        let silent = |why| DiscoverError::Silent { source_name: name.clone(), why };
        let text = match (kind, &self.keeper) {
            (SourceKind::Etcd(place), Keeper::Etcd(client)) => {
                let below = format!("{}/", place.prefix);
                let asked = timeout(*limit, etcd::values_below(client, &below)).await;
                answer::of_values(asked.map_err(|_| late())?.map_err(silent)?)
            }
            (SourceKind::Zookeeper(place), Keeper::Zookeeper(session)) => {
                let below = format!("/{}", place.prefix);
                let asked = timeout(*limit, zookeeper::values_below(session, &below)).await;
                answer::of_values(asked.map_err(|_| late())?.map_err(silent)?)
            }
            (SourceKind::Consul(place), Keeper::Consul(client)) => {
                let below = format!("{}/", place.prefix);
                let asked = timeout(*limit, consul::values_below(client, &below)).await;
                answer::of_values(asked.map_err(|_| late())?.map_err(silent)?)
            }
            (SourceKind::Service { service, user, .. }, Keeper::Consul(client)) => {
                let asked = timeout(*limit, consul::instances(client, service)).await;
                answer::of_instances(asked.map_err(|_| late())?.map_err(silent)?, user.as_deref())
            }
            (SourceKind::Command { argv, folder }, _) => {
                let printed = timeout(*limit, command::output(name, argv, folder)).await;
                answer::of_text(&printed.map_err(|_| late())??)
            }
            (
                SourceKind::Etcd(_)
                | SourceKind::Zookeeper(_)
                | SourceKind::Consul(_)
                | SourceKind::Service { .. },
                _,
            ) => {
                unreachable!("a source is made ready with what it needs")
            }
        };
        let bad = |why| DiscoverError::BadAnswer { source_name: name.clone(), why };
        let text = text.map_err(bad)?;
        parse_found(&text, name).map_err(|report| {
            let first = report.faults.first();
            let first = first.map_or_else(String::new, |fault| match &fault.help {
                Some(help) => format!("{}: {help}", fault.message),
                None => fault.message.clone(),
            });
            bad(match report.faults.len() {
                0 | 1 => first,
                more => format!("{first} (and {} more)", more - 1),
            })
        })
    }
}

#[cfg(test)]
mod tests;
