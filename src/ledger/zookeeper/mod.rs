//! Registers as nodes of ZooKeeper.
//!
//! ZooKeeper replicates by itself, as etcd does, so the ledger sees it as one manager. Creating a znode that
//! must not exist is creating a register. Reads follow a check in which a majority takes part: ZooKeeper's
//! own `sync` only asks the member that thinks it leads (ZOOKEEPER-1675).
//!
//! ```text
//! /<prefix>/<cluster>/<kind>/<of>/<seq>.<round>    a register
//! /<prefix>/<cluster>/clock                        written again and again: when, is what is asked for
//! /<prefix>/<cluster>/signs/<of>/<seq>.<round>     beside one of a lease: there while its writer's session is
//! ```
//!
//! # The age of a heartbeat
//!
//! A znode's time is read from the clock of the member that led when it was made; writing a znode again reads
//! that clock now. The clocks of two members are not comparable: if the leader has changed since, which the
//! upper half of the transaction id shows, a heartbeat that is still there counts as young. A heartbeat that
//! is missing is older than any lease's TTL, since its writer's session has expired after 40 s without
//! contact. A client that waits for a lease also measures the time itself
//! ([`take`](crate::engine::lease::take)).

mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::sync::mpsc::{Receiver, Sender};
use zookeeper_client::{AddWatchMode, Client, CreateMode, Error, EventType, SessionState};

use super::register::{Content, Found, Kind, Place, ReadRegisters, Silent, Stream, WriteRegisters, Written};
use super::watcher;
use crate::model::{ClusterName, StackName, Timestamp};

use session::{SESSION, words};
pub use session::{Session, open};

/// What the keys of heartbeats have in place of a kind.
const SIGNS: &str = "signs";
/// The node that tells the time.
const CLOCK: &str = "clock";

/// Registers of a cluster in ZooKeeper.
#[derive(Debug)]
pub struct ZookeeperRegisters {
    session: Arc<Session>,
    /// Above every node of the cluster.
    base: String,
    names: [String; 1],
}

fn silent(error: &Error) -> Silent {
    Silent(words(error))
}

/// A node that is not there has nothing below it.
fn or_none<T: Default>(read: Result<T, Error>) -> Result<T, Error> {
    match read {
        Err(Error::NoNode) => Ok(T::default()),
        read => read,
    }
}

/// Waits until the member that we speak with has seen everything that was decided before.
async fn barrier(client: &Client) -> Result<(), Error> {
    let mut writer = client.new_multi_writer();
    writer.add_check_version("/", -1)?;
    writer.commit().await?;
    Ok(())
}

/// The nodes below one, with what is in them. What is removed meanwhile is left out.
async fn below(client: &Client, path: &str) -> Result<BTreeMap<String, String>, Error> {
    let names = or_none(client.list_children(path).await)?;
    let values = try_join_all(names.into_iter().map(|name| async move {
        match client.get_data(&format!("{path}/{name}")).await {
            Ok((bytes, _)) => {
                let text = String::from_utf8(bytes)
                    .map_err(|_| Error::UnexpectedError(format!("{path}/{name} is no text")))?;
                Ok(Some((name, text)))
            }
            Err(Error::NoNode) => Ok(None),
            Err(error) => Err(error),
        }
    }));
    Ok(values.await?.into_iter().flatten().collect())
}

/// Every node below a path, with what is in it.
pub async fn values_below(session: &Session, path: &str) -> Result<BTreeMap<String, String>, String> {
    let read = session.ask(async |client: Client| {
        barrier(&client).await?;
        below(&client, path).await
    });
    read.await.map_err(|error| words(&error))
}

impl ZookeeperRegisters {
    /// The registers of a cluster.
    #[must_use]
    pub fn new(session: Arc<Session>, cluster: &ClusterName) -> Self {
        let prefix = &session.place().prefix;
        let (base, names) = (format!("/{prefix}/{cluster}"), [format!("zookeeper {prefix}")]);
        Self { session, base, names }
    }

    fn folder(&self, stream: &Stream) -> String {
        format!("{}/{}/{}", self.base, stream.kind.word(), stream.of)
    }

    fn clock_path(&self) -> String {
        format!("{}/{CLOCK}", self.base)
    }

    fn signs(&self, stream: &Stream) -> String {
        format!("{}/{SIGNS}/{}", self.base, stream.of)
    }

    async fn put(
        &self,
        client: &Client,
        stream: &Stream,
        place: Place,
        content: &Content,
    ) -> Result<Content, Error> {
        let name = place.name();
        let (folder, signs) = (self.folder(stream), self.signs(stream));
        let path = format!("{folder}/{name}");
        let mut writer = client.new_multi_writer();
        let text = content.clone().unwrap_or_default();
        writer.add_create(&path, text.as_bytes(), &self.session.options(CreateMode::Persistent))?;
        if stream.kind == Kind::Lease {
            let sign = format!("{signs}/{name}");
            writer.add_create(&sign, b"", &self.session.options(CreateMode::Ephemeral))?;
        }
        match writer.commit().await.map_err(Error::from) {
            Ok(_) => Ok(content.clone()),
            Err(Error::NoNode) => {
                let folders = self.session.options(CreateMode::Persistent);
                // First: a lease that can be found must have a clock.
                client.mkdir(&self.clock_path(), &folders).await?;
                client.mkdir(&folder, &folders).await?;
                client.mkdir(&signs, &folders).await?;
                // Where both are there now, it is not the way that is missing.
                Box::pin(self.put(client, stream, place, content)).await
            }
            Err(Error::NodeExists) => {
                let (bytes, _) = client.get_data(&path).await?;
                let there = String::from_utf8(bytes).unwrap_or_default();
                Ok((!there.is_empty()).then_some(there))
            }
            Err(error) => Err(error),
        }
    }

    async fn found(&self, client: &Client, stream: &Stream) -> Result<Vec<Found>, Error> {
        let now = if stream.kind == Kind::Lease {
            // It does what a barrier does, too. Without the node nothing was ever written.
            match client.set_data(&self.clock_path(), b"", None).await {
                Err(Error::NoNode) => return Ok(Vec::new()),
                stat => Some(stat?),
            }
        } else {
            barrier(client).await?;
            None
        };
        let registers = below(client, &self.folder(stream)).await?;
        let mut found: Vec<Found> = Vec::new();
        for (name, text) in registers {
            let Some(place) = Place::named(&name) else { continue };
            found.push(Found { place, content: (!text.is_empty()).then_some(text), created: Timestamp(0) });
        }
        let newest = found.iter().map(|register| register.place).max();
        if let (Some(now), Some(newest)) = (now, newest) {
            let sign = format!("{}/{}", self.signs(stream), newest.name());
            let age_ms = match client.check_stat(&sign).await? {
                None => i64::try_from(SESSION.as_millis()).unwrap_or(i64::MAX),
                Some(sign) if led_by(sign.czxid) == led_by(now.mzxid) => now.mtime - sign.ctime,
                Some(_) => 0,
            };
            let created = Timestamp(0).plus_ms(-age_ms.max(0));
            // Those before it are older: a reader that thinks them younger only waits longer.
            found.iter_mut().for_each(|register| register.created = created);
        }
        Ok(found)
    }
}

/// During whose lead a transaction was made.
fn led_by(transaction: i64) -> i64 {
    transaction >> 32
}

impl ReadRegisters for ZookeeperRegisters {
    fn managers(&self) -> &[String] {
        &self.names
    }

    async fn list(&self, _: usize, stream: &Stream) -> Result<Vec<Found>, Silent> {
        self.session
            .ask(|client| async move { self.found(&client, stream).await })
            .await
            .map_err(|e| silent(&e))
    }

    async fn get(&self, _: usize, stream: &Stream, place: Place) -> Result<Option<Content>, Silent> {
        let path = format!("{}/{}", self.folder(stream), place.name());
        let path = &path;
        let read = self.session.ask(|client| async move {
            barrier(&client).await?;
            match client.get_data(path).await {
                Err(Error::NoNode) => Ok(None),
                read => Ok(Some(read?.0)),
            }
        });
        let bytes = read.await.map_err(|error| silent(&error))?;
        let text = |bytes| String::from_utf8(bytes).unwrap_or_default();
        Ok(bytes.map(|bytes| Some(text(bytes)).filter(|text| !text.is_empty())))
    }

    async fn stacks(&self, _: usize) -> Result<BTreeSet<StackName>, Silent> {
        let folder = format!("{}/{}", self.base, Kind::Lease.word());
        let folder = &folder;
        let read = self.session.ask(|client| async move {
            barrier(&client).await?;
            or_none(client.list_children(folder).await)
        });
        let names = read.await.map_err(|error| silent(&error))?;
        Ok(names.iter().filter_map(|name| StackName::new(name).ok()).collect())
    }

    /// Time zero: ages are reported as how long before now.
    async fn clock(&self, _: usize) -> Result<Timestamp, Silent> {
        Ok(Timestamp(0))
    }

    fn listen(&self) -> Option<Receiver<Written>> {
        let (session, base) = (Arc::clone(&self.session), self.base.clone());
        Some(watcher::following(move |tell| {
            let (session, base) = (Arc::clone(&session), base.clone());
            async move { follow(&session, &base, &tell).await }
        }))
    }
}

impl WriteRegisters for ZookeeperRegisters {
    async fn create(
        &self,
        _: usize,
        stream: &Stream,
        place: Place,
        content: &Content,
    ) -> Result<Content, Silent> {
        let put = self.session.ask(|client| async move { self.put(&client, stream, place, content).await });
        put.await.map_err(|error| silent(&error))
    }

    async fn remove(&self, _: usize, stream: &Stream, place: Place) -> Result<(), Silent> {
        let name = place.name();
        let nodes = [format!("{}/{name}", self.folder(stream)), format!("{}/{name}", self.signs(stream))];
        let nodes = &nodes;
        let removed = self.session.ask(|client| async move {
            for node in nodes {
                or_none(client.delete(node, None).await)?;
            }
            Ok(())
        });
        removed.await.map_err(|error| silent(&error))
    }
}

/// Tells what is written until the session is over.
async fn follow(session: &Session, base: &str, tell: &Sender<Written>) {
    let watching =
        session.ask(|client| async move { client.watch(base, AddWatchMode::PersistentRecursive).await });
    let Ok(mut watcher) = watching.await else { return };
    // The watch does not report what was written before it.
    if tell.send(Written::Perhaps).await.is_err() {
        return;
    }
    loop {
        let event = watcher.changed().await;
        let written = match (event.event_type, event.session_state) {
            (EventType::NodeCreated, _) => {
                let name = event.path.strip_prefix(base).and_then(|path| path.strip_prefix('/'));
                name.and_then(Stream::of_register).map(Written::In)
            }
            // A watch may lose what happens while it goes from one member to another (ZOOKEEPER-4698).
            (EventType::Session, SessionState::SyncConnected) => Some(Written::Perhaps),
            (EventType::Session, SessionState::Disconnected) => None,
            (EventType::Session, _) => return,
            _ => None,
        };
        if let Some(written) = written
            && tell.send(written).await.is_err()
        {
            return;
        }
    }
}
