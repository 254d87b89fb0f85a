//! Discovers hosts from the sources that the inventory names.
//!
//! ```text
//! command (command) ─────┐ text   ┌────────┐ entries   ┌───────┐
//! etcd, zookeeper, consul ├──────▶ │ answer │─────────▶ │ merge │──▶ hosts beside those of the inventory
//!                        ┘        └────────┘           └───────┘
//! ```
//!
//! *Unreachable is not empty*: a source that fails, takes too long or prints invalid output is an error of the whole
//! discovery, never a source without hosts. A source that suddenly names few of its earlier hosts is probably at fault,
//! see [`missing`]; the engine remembers the earlier hosts.
//!
//! A discovered host never keeps records in its volumes: the managers must not change with the output of a program.
//!
//! Knows nothing of connections and plans.

mod answer;
mod command;
mod error;
mod merge;
mod missing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::time::timeout;

pub use error::DiscoverError;
pub use missing::missing;

use crate::inventory::{HostEntry, Inventory, Source, SourceKind, parse_found};
use crate::ledger::OpenError;
use crate::ledger::consul;
use crate::ledger::etcd::{self, Client};
use crate::ledger::zookeeper::{self, Session};
use crate::model::NodeName;

/// Asks sources for hosts, and changes nothing.
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
    client: SourceClient,
}

/// The client of a source.
#[derive(Debug)]
enum SourceClient {
    Program,
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
            return Err(DiscoverError::NoBackend);
        }
        let ready = |source: &Source| {
            let unusable = |error: OpenError| match error {
                OpenError::NoZookeeper { .. } => DiscoverError::NotBuilt(error),
                error => {
                    let source_name = source.name.clone();
                    DiscoverError::Unusable { source_name, why: error.to_string() }
                }
            };
            let client = match &source.kind {
                SourceKind::Command { .. } => SourceClient::Program,
                SourceKind::Etcd(place) => SourceClient::Etcd(etcd::open(place, env).map_err(unusable)?),
                SourceKind::Zookeeper(place) => {
                    SourceClient::Zookeeper(Arc::new(zookeeper::open(place, env).map_err(unusable)?))
                }
                SourceKind::Consul(place) | SourceKind::Service { place, .. } => {
                    SourceClient::Consul(consul::open(place, env).map_err(unusable)?)
                }
            };
            Ok(Ready { source: source.clone(), client })
        };
        let sources = inventory.discover.iter().map(ready).collect::<Result<_, DiscoverError>>()?;
        Ok(Some(Self { named: inventory.hosts.clone(), sources, is_in_volumes }))
    }

    /// The names of the sources.
    #[must_use]
    pub fn sources(&self) -> BTreeSet<String> {
        self.sources.iter().map(|ready| ready.source.name.clone()).collect()
    }

    /// Asks all sources concurrently, and returns the hosts in addition to those of the inventory.
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
        let text = match (kind, &self.client) {
            (SourceKind::Etcd(place), SourceClient::Etcd(client)) => {
                let below = format!("{}/", place.prefix);
                let asked = timeout(*limit, etcd::values_below(client, &below)).await;
                answer::of_values(asked.map_err(|_| late())?.map_err(silent)?)
            }
            (SourceKind::Zookeeper(place), SourceClient::Zookeeper(session)) => {
                let below = format!("/{}", place.prefix);
                let asked = timeout(*limit, zookeeper::values_below(session, &below)).await;
                answer::of_values(asked.map_err(|_| late())?.map_err(silent)?)
            }
            (SourceKind::Consul(place), SourceClient::Consul(client)) => {
                let below = format!("{}/", place.prefix);
                let asked = timeout(*limit, consul::values_below(client, &below)).await;
                answer::of_values(asked.map_err(|_| late())?.map_err(silent)?)
            }
            (SourceKind::Service { service, user, .. }, SourceClient::Consul(client)) => {
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
