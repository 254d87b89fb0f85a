//! The ledger's registers as docker volumes of the managers.
//!
//! `POST /volumes/create` of a name that is there answers with the first one's labels: a volume is a
//! register that can be written once (docker `volume/service/store.go`, `create`, which holds a lock on
//! the name). The volumes are empty and never mounted; what is in the register is in their labels. A volume counts if its
//! name is the one that its labels call for: labels alone anybody can write who makes a volume.
//!
//! An engine that dies between making a volume and storing its labels leaves a volume without them: that is
//! an empty register, permanently. Records that a user prunes are lost on that host only; the next writer
//! copies them back (see [`Ledger::replicate`](crate::ledger::register)).

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::Inner;
use super::docker::client::{CallError, DEFAULT_LIMIT, Reader, escaped, with_query};
use super::docker::wire;
use super::host::{Host, Up};
use super::spare;
use crate::ledger::register::{Content, Found, Kind, Place, ReadRegisters, Silent, Stream, WriteRegisters};
use crate::model::ids::sha256_hex;
use crate::model::node::Role;
use crate::model::{ClusterName, StackName, Timestamp};

/// Prefix of our volumes' names.
pub(super) const PREFIX: &str = "stackctl-ledger-";
/// The cluster; a volume with this label is a register.
const CLUSTER: &str = "io.stackctl.ledger";
/// The stream.
const STREAM: &str = "io.stackctl.ledger.stream";
/// The place in the stream.
const SEQ: &str = "io.stackctl.ledger.seq";
/// The attempt to agree on it.
const ROUND: &str = "io.stackctl.ledger.round";
/// The content; missing in a register that stays empty.
const DATA: &str = "io.stackctl.ledger.data";

/// A write. A renewal has to reach the other managers well before the lease's TTL.
const WRITE_LIMIT: Duration = Duration::from_secs(3);
/// A read: as patient as a write with all its attempts, which has ten seconds. An engine that is pulling images may take
/// seconds to list its volumes, and where it is the only manager that answers, nothing can be done without it. Where a
/// majority answers, the others are not waited for.
const READ_LIMIT: Duration = Duration::from_secs(8);
/// A volume's name is also the name of a directory: this much of a stream's name is readable in it.
const READABLE_MAX: usize = 80;

/// Reads registers, and cannot write any.
#[derive(Debug, Clone)]
pub struct RegisterReader {
    inner: Arc<Inner>,
    names: Vec<String>,
    hosts: Vec<Arc<Host>>,
}

/// Reads and writes registers.
#[derive(Debug, Clone)]
pub struct RegisterWriter(RegisterReader);

/// What an engine has of a stream; `None` if it has no volume of it, whatever is in them.
pub(super) async fn any_of(
    reader: &Reader,
    cluster: &ClusterName,
    stream: &Stream,
) -> Result<Option<Vec<Found>>, CallError> {
    let volumes: wire::Volumes = reader.get(&filter(cluster, stream), READ_LIMIT).await?;
    let has_any = volumes.volumes.iter().any(|volume| volume.name.starts_with(PREFIX));
    Ok(has_any.then(|| found(volumes, cluster, stream)))
}

/// The registers of a stream among volumes.
fn found(volumes: wire::Volumes, cluster: &ClusterName, stream: &Stream) -> Vec<Found> {
    let register = |mut volume: wire::Volume| {
        let place = place(&volume.labels)?;
        // Labels can be written by others: by a stackfile of docker's own client, or by a tool that copies
        // volumes with theirs.
        if volume.name != name(cluster, stream, place) {
            return None;
        }
        let content = volume.labels.remove(DATA);
        Some(Found { place, content, created: created(&volume.created_at) })
    };
    volumes.volumes.into_iter().filter_map(register).collect()
}

/// Of the volume that is a register.
fn name(cluster: &ClusterName, stream: &Stream, place: Place) -> String {
    let whole = format!("{cluster}\n{stream}");
    let (readable, hash) = (readable(cluster, stream), sha256_hex(whole.as_bytes()));
    format!("{PREFIX}{readable}-{}-{}.{}", &hash[..12], place.seq, place.round)
}

fn readable(cluster: &ClusterName, stream: &Stream) -> String {
    let whole = format!("{cluster}.{}.{}", stream.kind.word(), stream.of);
    whole.chars().take(READABLE_MAX).collect()
}

fn filter(cluster: &ClusterName, stream: &Stream) -> String {
    let wanted = [format!("{CLUSTER}={cluster}"), format!("{STREAM}={stream}")];
    with_query("/volumes", &[("filters", &json!({ "label": wanted }).to_string())])
}

impl RegisterReader {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        let is_manager = |host: &Arc<Host>| host.entry.member.role == Role::Manager;
        let membership = inner.membership();
        // A discovered host may leave at any time: the managers that agree on records must be in the
        // inventory.
        let named = || membership.hosts.iter().filter(|(_, host)| host.entry.member.found_by.is_none());
        let has_managers = named().any(|(_, host)| is_manager(host));
        // By name: the map is in that order.
        let (names, hosts) = named()
            .filter(|(_, host)| !has_managers || is_manager(host))
            .map(|(name, host)| (name.to_string(), Arc::clone(host)))
            .unzip();
        Self { inner, names, hosts }
    }

    fn filter(&self, stream: &Stream) -> String {
        filter(&self.inner.cluster, stream)
    }

    fn name(&self, stream: &Stream, place: Place) -> String {
        name(&self.inner.cluster, stream, place)
    }

    fn readable(&self, stream: &Stream) -> String {
        readable(&self.inner.cluster, stream)
    }

    fn labels(&self, stream: &Stream, place: Place, content: &Content) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([
            (CLUSTER.to_owned(), self.inner.cluster.to_string()),
            (STREAM.to_owned(), stream.to_string()),
            (SEQ.to_owned(), place.seq.to_string()),
            (ROUND.to_owned(), place.round.to_string()),
        ]);
        labels.extend(content.clone().map(|text| (DATA.to_owned(), text)));
        labels
    }

    /// Sends a request to a manager. It waits for no turn: a lease is not to be lost because many hosts are looked at.
    /// A call that takes too long continues in the background: all of them may
    /// be repeated, and may arrive late.
    async fn ask<T, F, A>(&self, manager: usize, limit: Duration, question: F) -> Result<T, Silent>
    where
        T: Send + 'static,
        F: Fn(Arc<Up>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<T, CallError>> + Send,
    {
        let host = Arc::clone(&self.hosts[manager]);
        let up = match host.up() {
            Ok(up) => up,
            Err(error) => {
                host.reconnect_later();
                return Err(Silent(error.to_string()));
            }
        };
        let asking = tokio::spawn(async move { host.read(up, question).await });
        match timeout(limit, asking).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(error))) => Err(Silent(error.to_string())),
            Ok(Err(_)) => Err(Silent("the call was given up".to_owned())),
            Err(_) => Err(Silent(format!("no answer within {} s", limit.as_secs()))),
        }
    }
}

/// Names are letters, digits and these.
fn escaped_in_pattern(c: char) -> String {
    if c == '.' { "\\.".to_owned() } else { c.to_string() }
}

/// Of which stream a record's volume is, by its name: the word of its kind, and whose it is. A long name
/// is cut in the volume's: then it is only how it begins.
pub(super) fn named(volume: &str, cluster: &ClusterName) -> Option<(String, String)> {
    let rest = volume.strip_prefix(PREFIX)?.strip_prefix(cluster.as_str())?.strip_prefix('.')?;
    let (rest, _place) = rest.rsplit_once('-')?;
    let (readable, _hash) = rest.rsplit_once('-')?;
    let (kind, of) = readable.split_once('.')?;
    Some((kind.to_owned(), of.to_owned()))
}

fn place(labels: &BTreeMap<String, String>) -> Option<Place> {
    Some(Place { seq: labels.get(SEQ)?.parse().ok()?, round: labels.get(ROUND)?.parse().ok()? })
}

/// A time that cannot be parsed counts as now: no holder is taken for dead because of it.
fn created(text: &str) -> Timestamp {
    let at = text.parse::<jiff::Timestamp>().map_or(i64::MAX, jiff::Timestamp::as_millisecond);
    Timestamp(at)
}

impl ReadRegisters for RegisterReader {
    fn managers(&self) -> &[String] {
        &self.names
    }

    async fn list(&self, manager: usize, stream: &Stream) -> Result<Vec<Found>, Silent> {
        let path = self.filter(stream);
        let question = move |up: Arc<Up>| {
            let path = path.clone();
            async move { up.engine.reader.for_records().get::<wire::Volumes>(&path, DEFAULT_LIMIT).await }
        };
        Ok(found(self.ask(manager, READ_LIMIT, question).await?, &self.inner.cluster, stream))
    }

    async fn get(&self, manager: usize, stream: &Stream, place: Place) -> Result<Option<Content>, Silent> {
        let name = self.name(stream, place);
        let path = format!("/volumes/{}", escaped(&name));
        let question = move |up: Arc<Up>| {
            let path = path.clone();
            async move {
                match up.engine.reader.for_records().get::<wire::Volume>(&path, DEFAULT_LIMIT).await {
                    Err(CallError::Status { code: 404, .. }) => Ok(None),
                    found => found.map(Some),
                }
            }
        };
        let Some(mut found) = self.ask(manager, READ_LIMIT, question).await? else { return Ok(None) };
        // One that another program made under this name holds nothing of ours.
        let wanted = self.labels(stream, place, &None);
        let is_ours = wanted.iter().all(|(key, value)| found.labels.get(key) == Some(value));
        Ok(Some(found.labels.remove(DATA).filter(|_| is_ours)))
    }

    /// Read from the names of the leases' volumes: they are few and small, where releases are large. Labels
    /// can only be fetched whole.
    async fn stacks(&self, manager: usize) -> Result<BTreeSet<StackName>, Silent> {
        let stream = Stream::new(Kind::Lease, "");
        let start: String = self.readable(&stream).chars().map(escaped_in_pattern).collect();
        let filters = json!({
            "label": [format!("{CLUSTER}={}", self.inner.cluster)], "name": [format!("^{PREFIX}{start}")],
        });
        let path = with_query("/volumes", &[("filters", &filters.to_string())]);
        let question = move |up: Arc<Up>| {
            let path = path.clone();
            async move { up.engine.reader.for_records().get::<wire::Volumes>(&path, DEFAULT_LIMIT).await }
        };
        let volumes = self.ask(manager, READ_LIMIT, question).await?.volumes;
        let of = |volume: &wire::Volume| {
            let stack = StackName::new(volume.labels.get(STREAM)?.strip_prefix(&stream.to_string())?).ok()?;
            let own = self.name(&Stream::new(Kind::Lease, stack.as_str()), place(&volume.labels)?);
            (volume.name == own).then_some(stack)
        };
        Ok(volumes.iter().filter_map(of).collect())
    }

    async fn clock(&self, manager: usize) -> Result<Timestamp, Silent> {
        let question = |up: Arc<Up>| async move {
            up.engine.reader.for_records().get::<wire::Info>("/info", DEFAULT_LIMIT).await
        };
        let info = self.ask(manager, READ_LIMIT, question).await?;
        let at = info.system_time.parse::<jiff::Timestamp>();
        at.map(|at| Timestamp(at.as_millisecond()))
            .map_err(|_| Silent(format!("its time `{}` cannot be read", info.system_time)))
    }

    async fn spare(&self, manager: usize) -> Result<Option<String>, Silent> {
        let cluster = self.inner.cluster.clone();
        let question = move |up: Arc<Up>| {
            let cluster = cluster.clone();
            async move { spare::get(&up.engine.reader, &cluster).await }
        };
        self.ask(manager, spare::LIMIT, question).await
    }

    fn keeps_spares(&self) -> bool {
        true
    }
}

impl RegisterWriter {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self(RegisterReader::new(inner))
    }
}

impl ReadRegisters for RegisterWriter {
    fn managers(&self) -> &[String] {
        self.0.managers()
    }

    async fn list(&self, manager: usize, stream: &Stream) -> Result<Vec<Found>, Silent> {
        self.0.list(manager, stream).await
    }

    async fn get(&self, manager: usize, stream: &Stream, place: Place) -> Result<Option<Content>, Silent> {
        self.0.get(manager, stream, place).await
    }

    async fn stacks(&self, manager: usize) -> Result<BTreeSet<StackName>, Silent> {
        self.0.stacks(manager).await
    }

    async fn clock(&self, manager: usize) -> Result<Timestamp, Silent> {
        self.0.clock(manager).await
    }

    async fn spare(&self, manager: usize) -> Result<Option<String>, Silent> {
        self.0.spare(manager).await
    }

    fn keeps_spares(&self) -> bool {
        self.0.keeps_spares()
    }
}

impl WriteRegisters for RegisterWriter {
    async fn create(
        &self,
        manager: usize,
        stream: &Stream,
        place: Place,
        content: &Content,
    ) -> Result<Content, Silent> {
        let (name, labels) = (self.0.name(stream, place), self.0.labels(stream, place, content));
        let body = json!({ "Name": name, "Driver": "local", "Labels": labels });
        let question = move |up: Arc<Up>| {
            let body = body.clone();
            async move {
                up.engine.for_records().post::<wire::Volume>("/volumes/create", &body, DEFAULT_LIMIT).await
            }
        };
        let mut there = self.0.ask(manager, WRITE_LIMIT, question).await?.labels;
        let is_ours = |key: &str| there.get(key).is_none_or(|value| *value == labels[key]);
        if ![CLUSTER, STREAM, SEQ, ROUND].into_iter().all(is_ours) {
            return Err(Silent(format!("its volume `{name}` does not hold this record")));
        }
        Ok(there.remove(DATA))
    }

    async fn remove(&self, manager: usize, stream: &Stream, place: Place) -> Result<(), Silent> {
        let path = format!("/volumes/{}", escaped(&self.0.name(stream, place)));
        let question = move |up: Arc<Up>| {
            let path = path.clone();
            async move { up.engine.for_records().delete(&path, DEFAULT_LIMIT).await }
        };
        self.0.ask(manager, WRITE_LIMIT, question).await
    }

    async fn put_spare(&self, manager: usize, copy: &str) -> Result<(), Silent> {
        let (cluster, copy) = (self.0.inner.cluster.clone(), Arc::<str>::from(copy));
        let question = move |up: Arc<Up>| {
            let (cluster, copy) = (cluster.clone(), Arc::clone(&copy));
            async move { spare::put(&up.engine, &cluster, &copy).await }
        };
        self.0.ask(manager, spare::LIMIT * 2, question).await
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use serde_json::Value;

    use super::super::fake::{Answer, FakeEngine};
    use super::super::{ConnectOptions, Fleet};
    use super::*;
    use crate::inventory;

    /// An engine that keeps volumes as docker does, with a clock of its own.
    fn engine(folder: &Path) -> FakeEngine {
        let volumes: Mutex<BTreeMap<String, Value>> = Mutex::default();
        let engine = FakeEngine::start("h1", folder);
        engine.answer_by(move |line, body| {
            let mut volumes = volumes.lock().unwrap();
            match line.split('?').next().unwrap_or_default() {
                "POST /volumes/create" => {
                    let name = body["Name"].as_str().unwrap().to_owned();
                    let made = json!({"Name": name, "Labels": body["Labels"], "CreatedAt": "2020-01-01T00:00:00+01:00"});
                    Some(Answer::Json(201, volumes.entry(name).or_insert(made).clone()))
                }
                "GET /volumes" => Some(Answer::ok(json!({ "Volumes": volumes.values().collect::<Vec<_>>() }))),
                "GET /info" => Some(Answer::ok(json!({ "SystemTime": "2020-01-01T00:00:07.5Z" }))),
                path => {
                    let name = path.strip_prefix("DELETE /volumes/")?;
                    volumes.remove(name)?;
                    Some(Answer::Json(204, Value::Null))
                }
            }
        });
        engine
    }

    #[tokio::test]
    async fn a_volume_is_a_register_that_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        let text = format!("hosts: {{h1: {{address: \"{}\", role: manager}}}}", engine.address());
        let (inventory, _) = inventory::parse(&text, "stackctl.yml").unwrap();
        let fleet = Fleet::connect(&inventory, ConnectOptions::default()).await;
        let registers = RegisterWriter::new(Arc::clone(&fleet.inner));
        assert_eq!(registers.managers(), ["h1"]);
        let stream = Stream::new(Kind::Releases, "shop");
        let place = Place { seq: 3, round: 1 };
        let value = |text: &str| Some(text.to_owned());
        let first = registers.create(0, &stream, place, &value("a")).await.unwrap();
        assert_eq!(first, value("a"));
        assert_eq!(registers.create(0, &stream, place, &value("b")).await.unwrap(), value("a"));
        assert_eq!(registers.create(0, &stream, place, &None).await.unwrap(), value("a"));
        let nil = Place { seq: 3, round: 0 };
        assert_eq!(registers.create(0, &stream, nil, &None).await.unwrap(), None);
        assert_eq!(registers.create(0, &stream, nil, &value("b")).await.unwrap(), None);

        let created = Timestamp(1_577_833_200_000);
        let found = registers.list(0, &stream).await.unwrap();
        assert!(found.contains(&Found { place, content: value("a"), created }), "{found:?}");
        assert!(found.contains(&Found { place: nil, content: None, created }), "{found:?}");
        assert_eq!(registers.clock(0).await.unwrap().since_ms(created), 3_607_500);
        registers.remove(0, &stream, place).await.unwrap();
        assert_eq!(registers.list(0, &stream).await.unwrap().len(), 1);
        registers.remove(0, &stream, place).await.unwrap();

        engine.crash();
        assert!(registers.list(0, &stream).await.is_err());
    }

    #[tokio::test]
    async fn labels_alone_make_no_register() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        let text = format!("hosts: {{h1: {{address: \"{}\", role: manager}}}}", engine.address());
        let (inventory, _) = inventory::parse(&text, "stackctl.yml").unwrap();
        let fleet = Fleet::connect(&inventory, ConnectOptions::default()).await;
        let registers = RegisterWriter::new(Arc::clone(&fleet.inner));
        let place = |seq| Place { seq, round: 0 };
        let data = Some("x".to_owned());
        for kind in [Kind::Releases, Kind::Lease] {
            let stream = Stream::new(kind, "victim");
            registers.create(0, &stream, place(3), &data).await.unwrap();
            let own = registers.list(0, &stream).await.unwrap();
            // What a stackfile names a volume, a copy by another tool, and the name of a register nearby.
            let near = registers.0.name(&stream, place(3));
            for name in ["evil_seed", "stackctl-ledger-default.releases.victim-000000000000-900.0", &near] {
                let labels = registers.0.labels(&stream, place(900), &data);
                let body = json!({ "Name": name, "Labels": labels });
                let up = registers.0.hosts[0].up().unwrap();
                let _made = up.engine.post::<wire::Volume>("/volumes/create", &body, DEFAULT_LIMIT).await;
            }
            assert_eq!(registers.list(0, &stream).await.unwrap(), own, "{stream}");
        }
        let other = registers.0.labels(&Stream::new(Kind::Lease, "ghost"), place(1), &data);
        let body = json!({ "Name": "copy-of-a-lease", "Labels": other });
        let up = registers.0.hosts[0].up().unwrap();
        let _made = up.engine.post::<wire::Volume>("/volumes/create", &body, DEFAULT_LIMIT).await.unwrap();
        let stacks = registers.stacks(0).await.unwrap();
        assert_eq!(stacks.iter().map(StackName::as_str).collect::<Vec<_>>(), ["victim"]);
    }

    #[tokio::test]
    async fn names_are_docker_s_and_no_two_streams_share_one() {
        let (inventory, _) =
            inventory::parse("cluster: a.b\nhosts: {h1: unix:///nowhere, h2: unix:///nohow}", "x").unwrap();
        let fleet = Fleet::connect(&inventory, ConnectOptions::default()).await;
        let reader = RegisterReader::new(Arc::clone(&fleet.inner));
        assert_eq!(reader.managers(), ["h1", "h2"], "without a manager all are");
        let place = Place { seq: 12, round: 0 };
        let name = |of: &str| reader.name(&Stream::new(Kind::Lease, of), place);
        assert_eq!(name("shop"), "stackctl-ledger-a.b.lease.shop-83ee5c7284d6-12.0");
        let read = |volume: &str| named(volume, &inventory.cluster);
        assert_eq!(read(&name("my-shop")), Some(("lease".to_owned(), "my-shop".to_owned())));
        assert_eq!(read("stackctl-ledger-a.c.lease.shop-83ee5c7284d6-12.0"), None);
        let long = "x".repeat(63);
        assert!(name(&long).len() < 140);
        assert_ne!(name(&format!("{long}a")), name(&format!("{long}b")));
    }
}
