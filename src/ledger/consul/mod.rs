//! Registers as keys of Consul.
//!
//! Consul's servers replicate among themselves, so the ledger sees them as one manager. A register is made by
//! a write that fails if the key exists (`cas=0`). Every read is `consistent`: the leader first asks a
//! majority whether it still leads. It does not matter which member is asked, or how often.
//!
//! ```text
//! <prefix>/<cluster>/<kind>/<of>/<seq>.<round>     a register
//! <prefix>/<cluster>/signs/<of>/<seq>.<round>      beside one of a lease: locked for so long as it is young
//! ```
//!
//! # The age of a heartbeat
//!
//! Consul reports no time. But it expires a session by the clock of its leader, which a change of leader
//! restarts: never too early, and up to twice too late (`session_ttl` says so). So each heartbeat is the lock
//! of a session of its own, which is never renewed or destroyed. A heartbeat without its lock is older than
//! any lease's TTL. Sessions also end with their node, when that is removed from the catalog. So a heartbeat
//! names the node of its session; unless that node is still there and unchanged, the age is unknown.
//!
//! A heartbeat that is still locked has some age below the TTL. Repeated reads narrow it down: it is at least
//! as old as the time since this process first saw it, by its own clock. That time is kept here for callers
//! that start over with each read; a client that waits for a lease also measures the time itself
//! ([`take`](crate::engine::lease::take)).
//!
//! # Missing permissions
//!
//! Consul silently leaves keys out of a list that the token may not read. So beside each list a key is read
//! that need not exist: for a single key Consul does report a missing permission.

mod catalog;
mod client;
mod open;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

use super::http_cluster::Failure;
use super::register::{Content, Found, Kind, Place, ReadRegisters, Silent, Stream, WriteRegisters, Written};
use super::watcher;
use crate::model::{ClusterName, StackName, Timestamp};

pub use catalog::{Instance, instances};
pub use client::Client;
pub use open::open;

use client::parse;

/// What the keys of heartbeats have in place of a kind.
const SIGNS: &str = "signs";
/// TTL of a heartbeat's session: longer than any lease's TTL.
const SIGN_S: i64 = 38;
/// Never written.
const PROBE: &str = "may-we-read-here";
/// What Consul takes at once unless its `kv_max_value_size` says something else.
const VALUE_MAX: usize = 512 << 10;
/// A register that is removed between the write that fails and the look at what is there was far behind.
const PUTS_MAX: usize = 3;

/// Registers of a cluster in Consul.
#[derive(Debug)]
pub struct ConsulRegisters {
    client: Arc<Client>,
    /// Before every key, with a slash at its end.
    base: String,
    names: [String; 1],
    /// The newest heartbeat of each lease, and when it was first seen here.
    seen: Mutex<BTreeMap<String, (Place, Instant)>>,
}

/// A key and what is there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pair {
    key: String,
    /// Base64; nothing, or an empty text, of an empty value.
    value: Option<String>,
    session: Option<String>,
}

impl Pair {
    fn text(&self) -> Result<String, Failure> {
        let bad = || Failure::Refused(format!("what is at `{}` is no text", self.key));
        let bytes = STANDARD.decode(self.value.as_deref().unwrap_or_default()).map_err(|_| bad())?;
        String::from_utf8(bytes).map_err(|_| bad())
    }
}

/// The result of a transaction.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Transaction {
    results: Option<Vec<Done>>,
    errors: Option<Vec<Fault>>,
}

#[derive(Debug, Deserialize)]
struct Done {
    #[serde(rename = "KV")]
    pair: Pair,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fault {
    op_index: usize,
    what: String,
}

/// Of which node a sign's session is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SessionNode {
    node: String,
    /// Another one, if it was taken out of the catalog and came back.
    index: u64,
}

fn silent(failure: Failure) -> Silent {
    Silent(failure.why())
}

fn coded(text: &str) -> String {
    STANDARD.encode(text)
}

fn content_of(text: String) -> Content {
    (!text.is_empty()).then_some(text)
}

impl ConsulRegisters {
    /// The registers of a cluster.
    #[must_use]
    pub fn new(client: Arc<Client>, cluster: &ClusterName) -> Self {
        let prefix = &client.place().prefix;
        let (base, names) = (format!("{prefix}/{cluster}/"), [format!("consul {prefix}")]);
        Self { client, base, names, seen: Mutex::default() }
    }

    fn below(&self, stream: &Stream) -> String {
        format!("{}{}/{}/", self.base, stream.kind.word(), stream.of)
    }

    fn signs(&self, stream: &Stream) -> String {
        format!("{}{SIGNS}/{}/", self.base, stream.of)
    }

    async fn put(&self, stream: &Stream, place: Place, content: &Content) -> Result<Content, Failure> {
        let key = format!("{}{}", self.below(stream), place.name());
        let text = content.clone().unwrap_or_default();
        for _ in 0..PUTS_MAX {
            let is_ours = if stream.kind == Kind::Lease {
                let sign = format!("{}{}", self.signs(stream), place.name());
                self.put_signed(&key, &text, &sign).await?
            } else {
                self.put_plain(&key, &text).await?
            };
            if is_ours {
                return Ok(content.clone());
            }
            // Whose it is; our own, if the answer to our write was lost.
            let there: Option<Vec<Pair>> = self.client.get(&format!("/v1/kv/{key}?consistent")).await?;
            if let Some(pair) = there.and_then(|mut pairs| pairs.pop()) {
                return Ok(content_of(pair.text()?));
            }
        }
        Err(Failure::Away("it has a key and has it not".to_owned()))
    }

    /// Puts a key, if there is none; whether it has.
    async fn put_plain(&self, key: &str, text: &str) -> Result<bool, Failure> {
        let path = format!("/v1/kv/{key}?cas=0");
        let done = self.client.call(Method::PUT, &path, Bytes::from(text.to_owned())).await;
        match done {
            Ok(answer) => parse(&answer),
            // Consul refuses it and hangs up while we are still sending: its message may be lost.
            Err(Failure::Away(why)) if text.len() > VALUE_MAX => Err(Failure::Away(format!(
                "{why}; the record has {} bytes, and Consul's kv_max_value_size is 524288 unless it is set",
                text.len()
            ))),
            Err(failure) => Err(failure),
        }
    }

    /// Puts a key of a lease, with its heartbeat, if there is none; whether it has.
    async fn put_signed(&self, key: &str, text: &str, sign: &str) -> Result<bool, Failure> {
        let (session, session_node) = self.session().await?;
        let transaction = json!([
            { "KV": { "Verb": "check-not-exists", "Key": key } },
            { "KV": { "Verb": "set", "Key": key, "Value": coded(text) } },
            {
                "KV": {
                    "Verb": "lock",
                    "Key": sign,
                    "Value": coded(&json!(session_node).to_string()),
                    "Session": session,
                }
            },
        ]);
        let body = Bytes::from(transaction.to_string());
        let answer = self.client.call(Method::PUT, "/v1/txn", body).await?;
        if answer.status == StatusCode::OK {
            return Ok(true);
        }
        let done: Transaction = parse(&answer)?;
        let faults = done.errors.unwrap_or_default();
        match faults.first() {
            Some(fault) if fault.op_index == 0 => Ok(false),
            // Its session is over already, or its node gone.
            Some(fault) => Err(Failure::Away(fault.what.clone())),
            None => Err(Failure::Away("its answer to a transaction makes no sense".to_owned())),
        }
    }

    /// A session that ends by itself, and of which node it is.
    async fn session(&self) -> Result<(String, SessionNode), Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "UPPERCASE")]
        struct Made {
            id: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Session {
            node: String,
            node_checks: Option<Vec<serde_json::Value>>,
            service_checks: Option<Vec<serde_json::Value>>,
            checks: Option<Vec<serde_json::Value>>,
        }
        // By no check: a node that is thought to be gone ends nothing. Before Consul 1.7 these were `Checks`.
        let body = json!({
            "Name": "stackctl", "TTL": format!("{SIGN_S}s"), "Behavior": "release", "LockDelay": "0s",
            "NodeChecks": [], "Checks": [],
        });
        let body = Bytes::from(body.to_string());
        let Made { id } = parse(&self.client.call(Method::PUT, "/v1/session/create", body).await?)?;
        let made: Option<Vec<Session>> =
            self.client.get(&format!("/v1/session/info/{id}?consistent")).await?;
        let Some(Session { node, node_checks, service_checks, checks }) =
            made.and_then(|mut sessions| sessions.pop())
        else {
            return Err(Failure::Refused(
                "our token does not let us read sessions (session:read)".to_owned(),
            ));
        };
        // One that ends for another reason than its time would make a lease look old that is not.
        if [node_checks, service_checks, checks].into_iter().flatten().any(|checks| !checks.is_empty()) {
            return Err(Failure::Refused("it ends sessions by checks that we have not asked for".to_owned()));
        }
        match self.node(&node).await? {
            Some(index) => Ok((id, SessionNode { node, index })),
            None => {
                Err(Failure::Refused(format!("our token does not let us read node `{node}` (node:read)")))
            }
        }
    }

    /// When a node came into the catalog; `None` if it is not there, or not for us to see.
    async fn node(&self, name: &str) -> Result<Option<u64>, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Node {
            create_index: u64,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Of {
            node: Node,
        }
        let path = format!("/v1/catalog/node/{name}?consistent");
        let of: Option<Option<Of>> = self.client.get(&path).await?;
        Ok(of.flatten().map(|of| of.node.create_index))
    }

    async fn found(&self, stream: &Stream) -> Result<Vec<Found>, Failure> {
        let (below, is_lease) = (self.below(stream), stream.kind == Kind::Lease);
        let asked = Instant::now();
        let read = async {
            match is_lease {
                true => self.both(&below, &self.signs(stream)).await,
                false => Ok((all_below(&self.client, &below).await?, Vec::new())),
            }
        };
        let ((registers, signs), ()) = tokio::try_join!(read, may_read(&self.client, &below))?;
        let mut found: Vec<Found> = Vec::new();
        for pair in registers {
            let Some(place) = pair.key.strip_prefix(&below).and_then(Place::named) else { continue };
            found.push(Found { place, content: content_of(pair.text()?), created: Timestamp(0) });
        }
        if is_lease && let Some(newest) = found.iter().map(|register| register.place).max() {
            let sign = signs.iter().find(|sign| {
                let place = sign.key.rsplit('/').next().and_then(Place::named);
                place == Some(newest)
            });
            let age_ms = self.age_ms(stream, newest, sign, asked).await?;
            let created = Timestamp(0).plus_ms(-age_ms);
            // Those before it are older: a reader that thinks them younger only waits longer.
            found.iter_mut().for_each(|register| register.created = created);
        }
        Ok(found)
    }

    /// The registers of a lease and their heartbeats, as of one moment.
    async fn both(&self, registers: &str, signs: &str) -> Result<(Vec<Pair>, Vec<Pair>), Failure> {
        let trees = json!([
            { "KV": { "Verb": "get-tree", "Key": registers } },
            { "KV": { "Verb": "get-tree", "Key": signs } },
        ]);
        let body = Bytes::from(trees.to_string());
        let answer = self.client.call(Method::PUT, "/v1/txn?consistent", body).await?;
        let read: Transaction = parse(&answer)?;
        if let Some(fault) = read.errors.unwrap_or_default().pop() {
            return Err(Failure::Refused(fault.what));
        }
        let pairs = read.results.unwrap_or_default().into_iter().map(|done| done.pair);
        Ok(pairs.partition(|pair| pair.key.starts_with(registers)))
    }

    /// How long ago the newest register of a lease was made, at least.
    async fn age_ms(
        &self,
        stream: &Stream,
        newest: Place,
        sign: Option<&Pair>,
        asked: Instant,
    ) -> Result<i64, Failure> {
        let here_ms = self.seen_for_ms(stream, newest, asked);
        let Some(sign) = sign.filter(|sign| sign.session.is_none()) else { return Ok(here_ms) };
        let Ok(session_node) = serde_json::from_str::<SessionNode>(&sign.text()?) else { return Ok(here_ms) };
        let is_the_same = self.node(&session_node.node).await? == Some(session_node.index);
        Ok(if is_the_same { here_ms.max(SIGN_S * 1000) } else { here_ms })
    }

    /// How long it has been the newest as far as was seen here. It was so when it was `asked` for.
    fn seen_for_ms(&self, stream: &Stream, newest: Place, asked: Instant) -> i64 {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get(&stream.of) {
            Some((place, first)) if *place == newest => {
                i64::try_from(asked.saturating_duration_since(*first).as_millis()).unwrap_or(i64::MAX)
            }
            _ => {
                seen.insert(stream.of.clone(), (newest, Instant::now()));
                0
            }
        }
    }

    async fn leased(&self) -> Result<BTreeSet<StackName>, Failure> {
        let below = format!("{}{}/", self.base, Kind::Lease.word());
        let path = format!("/v1/kv/{below}?keys&separator=/&consistent");
        let names = self.client.get::<Vec<String>>(&path);
        let (names, ()) = tokio::try_join!(names, may_read(&self.client, &below))?;
        let of = |key: String| StackName::new(key.strip_prefix(&below)?.trim_end_matches('/')).ok();
        Ok(names.unwrap_or_default().into_iter().filter_map(of).collect())
    }
}

/// Every key that begins with this.
async fn all_below(client: &Client, below: &str) -> Result<Vec<Pair>, Failure> {
    let found: Option<Vec<Pair>> = client.get(&format!("/v1/kv/{below}?recurse&consistent")).await?;
    Ok(found.unwrap_or_default())
}

/// Whether what is below may be read at all.
async fn may_read(client: &Client, below: &str) -> Result<(), Failure> {
    let _nothing: Option<serde_json::Value> =
        client.get(&format!("/v1/kv/{below}{PROBE}?consistent")).await?;
    Ok(())
}

/// Every key that begins with this, which ends with a slash, without it; and what is there.
pub async fn values_below(client: &Client, below: &str) -> Result<BTreeMap<String, String>, String> {
    let read = async {
        let (pairs, ()) = tokio::try_join!(all_below(client, below), may_read(client, below))?;
        let pairs = pairs.into_iter().filter_map(|pair| {
            let name = pair.key.strip_prefix(below).unwrap_or(&pair.key).to_owned();
            // Consul's own pages make folders: keys with a slash at their ends.
            (!name.is_empty() && !name.ends_with('/')).then(|| Ok((name, pair.text()?)))
        });
        pairs.collect::<Result<_, Failure>>()
    };
    read.await.map_err(Failure::why)
}

impl ReadRegisters for ConsulRegisters {
    fn measures_age(&self) -> bool {
        true
    }

    fn managers(&self) -> &[String] {
        &self.names
    }

    async fn list(&self, _: usize, stream: &Stream) -> Result<Vec<Found>, Silent> {
        self.found(stream).await.map_err(silent)
    }

    async fn get(&self, _: usize, stream: &Stream, place: Place) -> Result<Option<Content>, Silent> {
        let path = format!("/v1/kv/{}{}?consistent", self.below(stream), place.name());
        let found: Option<Vec<Pair>> = self.client.get(&path).await.map_err(silent)?;
        let content = |pair: Pair| pair.text().map(content_of);
        found.and_then(|mut pairs| pairs.pop()).map(content).transpose().map_err(silent)
    }

    async fn stacks(&self, _: usize) -> Result<BTreeSet<StackName>, Silent> {
        self.leased().await.map_err(silent)
    }

    /// Time zero: ages are reported as how long before now.
    async fn clock(&self, _: usize) -> Result<Timestamp, Silent> {
        Ok(Timestamp(0))
    }

    fn listen(&self) -> Option<Receiver<Written>> {
        let (client, base) = (Arc::clone(&self.client), self.base.clone());
        Some(watcher::following(move |tell| {
            let (client, base) = (Arc::clone(&client), base.clone());
            async move { watch::follow(&client, &base, &tell).await }
        }))
    }
}

impl WriteRegisters for ConsulRegisters {
    async fn create(
        &self,
        _: usize,
        stream: &Stream,
        place: Place,
        content: &Content,
    ) -> Result<Content, Silent> {
        let put = match self.put(stream, place, content).await {
            // A session that was over on the way.
            Err(Failure::Away(why)) if why.contains("invalid session") => {
                self.put(stream, place, content).await
            }
            put => put,
        };
        put.map_err(silent)
    }

    async fn remove(&self, _: usize, stream: &Stream, place: Place) -> Result<(), Silent> {
        let name = place.name();
        let mut keys = vec![format!("{}{name}", self.below(stream))];
        if stream.kind == Kind::Lease {
            keys.push(format!("{}{name}", self.signs(stream)));
        }
        for key in keys {
            let path = format!("/v1/kv/{key}");
            self.client.call(Method::DELETE, &path, Bytes::new()).await.map_err(silent)?;
        }
        Ok(())
    }
}
