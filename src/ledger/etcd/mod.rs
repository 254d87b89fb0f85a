//! Registers as keys of etcd.
//!
//! etcd replicates by itself, so the ledger sees it as one manager. A register is made by a transaction that
//! puts a key only if there is none. It does not matter which member is asked, or how often.
//!
//! ```text
//! <prefix>/<cluster>/<kind>/<of>/<seq>.<round>     a register
//! <prefix>/<cluster>/signs/<of>/<seq>.<round>      beside one of a lease: there for so long as it is young
//! ```
//!
//! # The age of a heartbeat
//!
//! etcd reports no time, and the clocks of its members are not comparable. But it counts down TTLs: a key
//! beside each heartbeat is bound to an etcd lease, and the remaining TTL gives the heartbeat's age. A new
//! etcd leader restarts that count, so a heartbeat may look younger than it is and never older. A client that
//! waits for the lease also measures the time itself ([`take`](crate::engine::lease::take)). A heartbeat that
//! reaches etcd after its own TTL finds its etcd lease gone, and is refused.

mod client;
mod open;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::timeout;

use super::register::{Content, Found, Kind, Place, ReadRegisters, Silent, Stream, WriteRegisters, Written};
use super::watcher;
use crate::model::{ClusterName, StackName, Timestamp};

pub use client::Client;
pub use open::open;

use super::http_cluster::Failure;

/// What the keys of heartbeats have in place of a kind.
const SIGNS: &str = "signs";
/// TTL of a heartbeat's key: longer than any lease's TTL.
const SIGN_S: i64 = 60;
/// A watch that is silent for so long is opened again, perhaps at another member: while there is a leader,
/// etcd sends progress far more often.
const SILENCE: Duration = Duration::from_secs(12);

/// Registers of a cluster in etcd.
#[derive(Debug)]
pub struct EtcdRegisters {
    client: Arc<Client>,
    /// Before every key, with a slash at its end.
    base: String,
    /// The one manager there is. Its name does not say which members there are: they change.
    names: [String; 1],
}

/// A key and what is there.
#[derive(Debug, Deserialize)]
struct Pair {
    #[serde(default, deserialize_with = "text")]
    key: String,
    #[serde(default, deserialize_with = "text")]
    value: String,
    #[serde(default, deserialize_with = "number")]
    lease: i64,
}

#[derive(Debug, Default, Deserialize)]
struct Range {
    #[serde(default)]
    kvs: Vec<Pair>,
}

#[derive(Debug, Deserialize)]
struct Transaction {
    #[serde(default)]
    succeeded: bool,
    #[serde(default)]
    responses: Vec<Answer>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    response_range: Option<Range>,
}

#[derive(Debug, Deserialize)]
struct Granted {
    #[serde(rename = "ID", deserialize_with = "number")]
    id: i64,
}

#[derive(Debug, Deserialize)]
struct Left {
    #[serde(rename = "TTL", default, deserialize_with = "number")]
    ttl: i64,
    #[serde(rename = "grantedTTL", default, deserialize_with = "number")]
    granted: i64,
}

/// One message of a watch.
#[derive(Debug, Deserialize)]
struct WatchEvent {
    result: Option<Happened>,
}

#[derive(Debug, Deserialize)]
struct Happened {
    #[serde(default)]
    created: bool,
    #[serde(default)]
    canceled: bool,
    #[serde(default)]
    events: Vec<Change>,
}

#[derive(Debug, Deserialize)]
struct Change {
    /// `PUT` is the one that is not said.
    #[serde(default, rename = "type")]
    kind: String,
    kv: Pair,
}

/// Keys and values are base64.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    use serde::de::Error as _;
    let bytes = STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)?;
    String::from_utf8(bytes).map_err(D::Error::custom)
}

/// Numbers of 64 bits are texts in JSON.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    use serde::de::Error as _;
    match serde_json::Value::deserialize(from)? {
        serde_json::Value::String(text) => text.parse().map_err(D::Error::custom),
        other => other.as_i64().ok_or_else(|| D::Error::custom("no number")),
    }
}

fn coded(text: &str) -> String {
    STANDARD.encode(text)
}

/// All keys that begin with this, which ends with a slash.
fn all_below(start: &str) -> serde_json::Value {
    // `0` is the character after the slash.
    json!({ "key": coded(start), "range_end": coded(&format!("{}0", start.trim_end_matches('/'))) })
}

fn silent(failure: Failure) -> Silent {
    Silent(failure.why())
}

impl EtcdRegisters {
    /// The registers of a cluster.
    #[must_use]
    pub fn new(client: Arc<Client>, cluster: &ClusterName) -> Self {
        let prefix = &client.place().prefix;
        let (base, names) = (format!("{prefix}/{cluster}/"), [format!("etcd {prefix}")]);
        Self { client, base, names }
    }

    fn below(&self, stream: &Stream) -> String {
        format!("{}{}/{}/", self.base, stream.kind.word(), stream.of)
    }

    /// The key of a register; with it, if it is of a lease, that of its heartbeat.
    fn keys(&self, stream: &Stream, place: Place) -> (String, Option<String>) {
        let name = place.name();
        let sign = (stream.kind == Kind::Lease).then(|| format!("{}{SIGNS}/{}/{name}", self.base, stream.of));
        (format!("{}{name}", self.below(stream)), sign)
    }

    async fn put(&self, stream: &Stream, place: Place, content: &Content) -> Result<Content, Failure> {
        let (key, sign) = self.keys(stream, place);
        let text = content.clone().unwrap_or_default();
        let mut puts = vec![json!({ "request_put": { "key": coded(&key), "value": coded(&text) } })];
        if let Some(sign) = sign {
            let grant = json!({ "TTL": SIGN_S.to_string() });
            let Granted { id } = self.client.call("/v3/lease/grant", &grant).await?;
            puts.push(
                json!({ "request_put": { "key": coded(&sign), "value": "", "lease": id.to_string() } }),
            );
        }
        let transaction = json!({
            "compare": [{
                "key": coded(&key), "target": "CREATE", "result": "EQUAL", "create_revision": "0",
            }],
            "success": puts,
            "failure": [{ "request_range": { "key": coded(&key) } }],
        });
        let done: Transaction = self.client.call("/v3/kv/txn", &transaction).await?;
        if done.succeeded {
            return Ok(content.clone());
        }
        let there = done.responses.into_iter().find_map(|answer| answer.response_range?.kvs.pop());
        match there {
            Some(Pair { value, .. }) => Ok((!value.is_empty()).then_some(value)),
            None => Err(Failure::Away("its answer to a transaction makes no sense".to_owned())),
        }
    }

    async fn found(&self, stream: &Stream) -> Result<Vec<Found>, Failure> {
        let below = self.below(stream);
        let signs = format!("{}{SIGNS}/{}/", self.base, stream.of);
        let mut ranges = vec![json!({ "request_range": all_below(&below) })];
        if stream.kind == Kind::Lease {
            ranges.push(json!({ "request_range": all_below(&signs) }));
        }
        let read: Transaction = self.client.call("/v3/kv/txn", &json!({ "success": ranges })).await?;
        let mut ranges = read.responses.into_iter().map(|answer| answer.response_range.unwrap_or_default());
        let registers = ranges.next().unwrap_or_default().kvs;
        let signs = ranges.next().unwrap_or_default().kvs;
        let mut found: Vec<Found> = Vec::new();
        for Pair { key, value, .. } in registers {
            let Some(place) = key.strip_prefix(&below).and_then(Place::named) else { continue };
            let content = (!value.is_empty()).then_some(value);
            found.push(Found { place, content, created: Timestamp(0) });
        }
        if stream.kind == Kind::Lease {
            let created = Timestamp(0).plus_ms(-self.age_ms(&found, &signs).await?);
            // Those before it are older: a reader that thinks them younger only waits longer.
            found.iter_mut().for_each(|register| register.created = created);
        }
        Ok(found)
    }

    /// How long ago the newest of the registers was made, or longer: beyond the TTL the exact age does not
    /// matter.
    async fn age_ms(&self, found: &[Found], signs: &[Pair]) -> Result<i64, Failure> {
        let newest = found.iter().map(|register| register.place).max();
        let sign = signs.iter().rev().find(|sign| {
            sign.key.rsplit('/').next().and_then(Place::named).is_some_and(|place| Some(place) == newest)
        });
        let Some(sign) = sign else { return Ok(SIGN_S * 1000) };
        let asked = json!({ "ID": sign.lease.to_string() });
        let Left { ttl, granted } = self.client.call("/v3/lease/timetolive", &asked).await?;
        // Over between the two questions.
        Ok(if ttl < 0 { SIGN_S * 1000 } else { (granted - ttl) * 1000 })
    }

    async fn leased(&self) -> Result<BTreeSet<StackName>, Failure> {
        let below = format!("{}{}/", self.base, Kind::Lease.word());
        let mut range = all_below(&below);
        range["keys_only"] = json!(true);
        let found: Range = self.client.call("/v3/kv/range", &range).await?;
        let of = |pair: Pair| StackName::new(pair.key.strip_prefix(&below)?.split('/').next()?).ok();
        Ok(found.kvs.into_iter().filter_map(of).collect())
    }
}

/// Every key that begins with this, which ends with a slash, without it; and what is there. Asked of a
/// majority, so that nothing is missed.
pub async fn values_below(client: &Client, below: &str) -> Result<BTreeMap<String, String>, String> {
    let found: Range = client.call("/v3/kv/range", &all_below(below)).await.map_err(Failure::why)?;
    let pairs = found.kvs.into_iter().map(|pair| {
        let name = pair.key.strip_prefix(below).unwrap_or(&pair.key).to_owned();
        (name, pair.value)
    });
    Ok(pairs.collect())
}

impl ReadRegisters for EtcdRegisters {
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
        let (key, _) = self.keys(stream, place);
        let found: Range =
            self.client.call("/v3/kv/range", &json!({ "key": coded(&key) })).await.map_err(silent)?;
        let content = |pair: Pair| (!pair.value.is_empty()).then_some(pair.value);
        Ok(found.kvs.into_iter().next().map(content))
    }

    async fn stacks(&self, _: usize) -> Result<BTreeSet<StackName>, Silent> {
        self.leased().await.map_err(silent)
    }

    /// Time zero: ages are reported as how long before now. The clock is read after the age, so a register
    /// can only look younger.
    async fn clock(&self, _: usize) -> Result<Timestamp, Silent> {
        Ok(Timestamp(0))
    }

    fn listen(&self) -> Option<Receiver<Written>> {
        let (client, base) = (Arc::clone(&self.client), self.base.clone());
        Some(watcher::following(move |tell| {
            let (client, base) = (Arc::clone(&client), base.clone());
            async move { follow(&client, &base, &tell).await }
        }))
    }
}

impl WriteRegisters for EtcdRegisters {
    async fn create(
        &self,
        _: usize,
        stream: &Stream,
        place: Place,
        content: &Content,
    ) -> Result<Content, Silent> {
        let put = match self.put(stream, place, content).await {
            // What was granted ran out on the way, or an etcd came back without it.
            Err(Failure::NotFound(_)) => self.put(stream, place, content).await,
            put => put,
        };
        put.map_err(silent)
    }

    async fn remove(&self, _: usize, stream: &Stream, place: Place) -> Result<(), Silent> {
        let (key, sign) = self.keys(stream, place);
        let deletes: Vec<_> = [Some(key), sign]
            .into_iter()
            .flatten()
            .map(|key| json!({ "request_delete_range": { "key": coded(&key) } }))
            .collect();
        let removed: Result<serde_json::Value, _> =
            self.client.call("/v3/kv/txn", &json!({ "success": deletes })).await;
        removed.map(|_| ()).map_err(silent)
    }
}

/// Reports writes until the watch breaks or goes silent.
async fn follow(client: &Client, base: &str, tell: &Sender<Written>) {
    // Chunks come first in the order of keys, and are large: `0` is the character after the slash.
    let mut range = all_below(base);
    range["key"] = json!(coded(&format!("{base}{}0", Kind::Chunks.word())));
    let watch = json!({ "create_request": range });
    let Ok(mut body) = client.open("/v3/watch", &watch).await else { return };
    let mut bytes = Vec::new();
    while let Ok(Some(Ok(frame))) = timeout(SILENCE, body.frame()).await {
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = bytes.drain(..=end).collect();
            let event = serde_json::from_slice::<WatchEvent>(&line).ok().and_then(|event| event.result);
            let Some(event) = event.filter(|event| !event.canceled) else { return };
            // The watch does not report what was written before it.
            if event.created && tell.send(Written::Perhaps).await.is_err() {
                return;
            }
            let written = event.events.iter().filter(|change| change.kind != "DELETE");
            for stream in written.filter_map(|change| Stream::of_register(change.kv.key.strip_prefix(base)?))
            {
                if tell.send(Written::In(stream)).await.is_err() {
                    return;
                }
            }
        }
    }
}
