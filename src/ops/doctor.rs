//! Whether a cluster is in order: its hosts and their clocks and disks, the managers, all records and contents, what
//! earlier versions and dead programs left behind, and who may read what lies on this machine.
//!
//! Everything is asked at once, and each question has its time. A host that does not answer is a finding. Writes nothing,
//! takes no lock, and knows no words: a surface names each finding and its remedy.

mod agents;
mod causes;
mod naming;
mod peers;
mod streams;
mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

pub use causes::{Cause, by_cause};
pub use naming::Naming;
pub use peers::Peers;
pub use streams::{Gap, counts_with_one_fewer};

use streams::{of_lease, of_stream};

use super::cluster::Cluster;
use crate::engine::node_records;
use crate::engine::records::{Remembered, remembered};
use crate::fleet::{Checkup, Disk};
use crate::ledger::place::{LedgerPlace, PasswordFrom};
use crate::ledger::register::{Kind, Silent, Stream};
use crate::ledger::release::releases;
use crate::ledger::{
    Ledger, LedgerError, ReadRegisters, configs, contents, key, lease, nodes, operation, secrets,
};
use crate::model::{NodeFacts, NodeName, NodeView, Observed, Slot, StackName, Unreachable};

/// One stack's records and contents.
const STACK_LIMIT: Duration = Duration::from_secs(60);
/// A clock that is off by more is worth a word.
const CLOCK_OFF_MS: i64 = 2_000;
/// By so much, the age of a lock is not what it seems: its TTL.
const CLOCK_WRONG_MS: i64 = 15_000;
/// Less free space than this, and pulls and logs may fill the disk at any moment.
const DISK_LOW_BYTES: u64 = 1 << 30;

/// Engines further apart have little in common: 20.10 and 26, or 23 and 27.
const GENERATIONS_MAX: u32 = 3;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// In order.
    Ok,
    /// Nothing is broken, and something should be done.
    Warning,
    /// Something does not work, or is in danger.
    Fault,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Connections and engines.
    Hosts,
    /// Their clocks.
    Clocks,
    /// Their disks.
    Disks,
    /// Who keeps the records.
    Managers,
    /// What they keep.
    Records,
    /// What runs or lies on hosts and should not.
    Leftovers,
    /// Files of this machine.
    Rights,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// A host answers.
    Host {
        /// How long it took.
        took_ms: i64,
        /// Of its engine.
        version: String,
    },
    /// A host does not, or may not be used.
    Silent(Unreachable),
    /// A name is not that of the machine before.
    Naming(Naming),
    /// A swarm schedules beside us.
    Swarm,
    /// Engines whose versions are far apart.
    Engines {
        /// Version and host.
        oldest: (String, NodeName),
        /// The same.
        newest: (String, NodeName),
    },
    /// Which hosts there are is not known.
    HostsUnknown(Unreachable),
    /// How far the clock of a host is ahead of ours.
    Clock {
        /// In milliseconds.
        ahead_ms: i64,
    },
    /// What a host says is no time.
    NoClock,
    /// The disk of an engine.
    Disk(Disk),
    /// Managers that answer.
    Managers {
        /// Where the records are.
        place: String,
        /// How many of them.
        answering: usize,
        /// Of how many.
        all: usize,
        /// The others, and why they do not.
        silent: Vec<(String, String)>,
    },
    /// An even number of managers: as many may be lost as with one less.
    EvenManagers(usize),
    /// One manager has the only copy, and the only clock.
    OneManager,
    /// Records, or a part of them, cannot be read.
    Unreadable(LedgerError),
    /// These are not the records of the cluster that runs, or they cannot be used.
    RecordsUnknown(Unreachable),
    /// A stack runs, and no release of it is decided.
    NoRelease {
        /// So many tasks.
        tasks: usize,
    },
    /// It took too long.
    TooSlow,
    /// A stream that is not whole.
    Gap(Gap),
    /// Records of a stack are in order.
    Records {
        /// How many releases.
        releases: usize,
        /// Bytes of the contents that they name.
        contents: u64,
    },
    /// A content that releases name cannot be read.
    Content(LedgerError),
    /// A content is on fewer managers than answer.
    Copies {
        /// `config` or `secret`.
        kind: &'static str,
        /// The config's key in the stackfile, or the secret's full name.
        name: String,
        /// On so many.
        holders: usize,
        /// Of so many that answer.
        answering: usize,
        /// Names of those that lack it, or a part of it.
        lacking: Vec<String>,
    },
    /// A value of a secret that can be had from no manager.
    SecretLost {
        /// Its full name.
        secret: String,
        version: String,
        why: String,
    },
    /// Managers keep no spare copy of the cluster's key, secrets and configs, or an old one.
    NoSpare(BTreeSet<String>),
    /// Tasks have secrets, and no agent on their host keeps these.
    NoAgent {
        /// The tasks.
        users: Vec<String>,
        /// Why one that is there does not answer, if one is.
        silent: Option<String>,
    },
    /// Something is wrong between the agent of a host and the others.
    Peers(Peers),
    /// Contents that no release names.
    Unnamed(usize),
    /// The cluster has stacks and no key for marks: an older version deployed them.
    NoKey,
    /// A container of this cluster that is not understood.
    NotUnderstood {
        /// Its name.
        container: String,
        /// Why.
        why: String,
    },
    /// Containers whose labels hold values of variables.
    ValuesInLabels(Vec<String>),
    /// Live tasks of one slot.
    Twins(Vec<String>),
    /// Volumes or networks of another cluster.
    Foreign {
        /// Which cluster.
        cluster: String,
        /// Their names.
        names: Vec<String>,
    },
    /// Containers of another cluster: no fault, and nothing to do.
    Neighbours {
        /// Which cluster.
        cluster: String,
        /// Their names.
        containers: Vec<String>,
    },
    /// The inventory was found in the folder, and asks for programs or passwords. No host was asked.
    NotTrusted {
        /// For what, in words.
        wants: Vec<String>,
    },
    /// A file that others may read or write.
    Open {
        /// Its permissions.
        mode: u32,
    },
    /// Nothing of that kind was found.
    Nothing,
}

/// A finding, and of what.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What it is about.
    pub area: Area,
    /// The host, stack, or file; empty for the cluster.
    pub of: String,
    /// What was found.
    pub finding: Finding,
}

impl Finding {
    /// How bad it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Host { .. } | Self::Records { .. } | Self::Neighbours { .. } | Self::Nothing => Level::Ok,
            Self::Clock { ahead_ms } if ahead_ms.abs() < CLOCK_OFF_MS => Level::Ok,
            Self::Clock { ahead_ms } if ahead_ms.abs() >= CLOCK_WRONG_MS => Level::Fault,
            Self::Disk(disk) if disk.free < DISK_LOW_BYTES || disk.free < disk.bytes / 20 => Level::Fault,
            Self::Disk(disk) if disk.free > disk.bytes / 7 => Level::Ok,
            Self::Managers { answering, all, .. } if answering == all => Level::Ok,
            Self::Managers { answering, all, .. } if *answering < all / 2 + 1 => Level::Fault,
            Self::Naming(naming) => naming.level(),
            Self::Gap(gap) => gap.level(),
            Self::Swarm
            | Self::Engines { .. }
            | Self::Clock { .. }
            | Self::NoClock
            | Self::Disk(_)
            | Self::Managers { .. }
            | Self::EvenManagers(_)
            | Self::OneManager
            | Self::Copies { .. }
            | Self::NoSpare(_)
            | Self::Peers(_)
            | Self::Unnamed(_)
            | Self::NoKey
            | Self::ValuesInLabels(_)
            | Self::Twins(_)
            | Self::Foreign { .. } => Level::Warning,
            Self::Silent(_)
            | Self::HostsUnknown(_)
            | Self::Unreadable(_)
            | Self::RecordsUnknown(_)
            | Self::NoRelease { .. }
            | Self::TooSlow
            | Self::Content(_)
            | Self::SecretLost { .. }
            | Self::NoAgent { .. }
            | Self::NotUnderstood { .. }
            | Self::NotTrusted { .. }
            | Self::Open { .. } => Level::Fault,
        }
    }
}

fn check(area: Area, of: impl ToString, finding: Finding) -> Check {
    Check { area, of: of.to_string(), finding }
}

/// Looks at everything. The checks are in the order of their areas, the worst of each first.
pub async fn doctor(cluster: &Cluster, place: &LedgerPlace) -> Vec<Check> {
    let clock = cluster.clock;
    let (observed, known, checkups, managers, mut records) = tokio::join!(
        // As labels have it: what they say themselves is asked here.
        cluster.observer.observe(clock.now()),
        // With what is remembered, as every plan has it.
        cluster.observe(),
        cluster.fleet.checkups(|| clock.now()),
        managers(&cluster.ledger, place),
        records(&cluster.ledger),
    );
    let key = node_records::read(&cluster.ledger).await.ok().map(|(_, known)| known.key.is_some());
    let mut all = hosts(&known, &checkups);
    all.extend(naming::names(&known));
    all.extend(agents::agents(cluster, &known).await);
    all.extend(unknown_records(&known, &mut records));
    all.extend(engines(&observed));
    all.extend(managers);
    let has_stacks = records
        .iter()
        .any(|check| matches!(check.finding, Finding::Records { releases, .. } if releases > 0));
    all.extend(records);
    if has_stacks && key == Some(false) {
        all.push(check(Area::Records, "", Finding::NoKey));
    }
    all.extend(leftovers(&observed));
    all.extend(rights(cluster, place));
    all.sort_by_key(|check| (check.area, std::cmp::Reverse(check.finding.level())));
    all
}

fn hosts(observed: &Observed, checkups: &BTreeMap<NodeName, Result<Checkup, Unreachable>>) -> Vec<Check> {
    let mut all = Vec::new();
    if let Some(why) = &observed.hosts_unknown {
        all.push(check(Area::Hosts, "", Finding::HostsUnknown(why.clone())));
    }
    for (name, node) in &observed.nodes {
        let checkup = checkups.get(name).and_then(|checkup| checkup.as_ref().ok());
        let failed = checkups.get(name).and_then(|checkup| checkup.as_ref().err());
        let silent = match &node.view {
            NodeView::Unreachable(why) => Some(why),
            NodeView::Facts(_) => failed,
        };
        if let Some(why) = silent {
            all.push(check(Area::Hosts, name, Finding::Silent(why.clone())));
            continue;
        }
        let (Some(facts), Some(checkup)) = (node.view.facts(), checkup) else { continue };
        let version = facts.engine_version.clone();
        all.push(check(Area::Hosts, name, Finding::Host { took_ms: checkup.took_ms, version }));
        if facts.swarm_active {
            all.push(check(Area::Hosts, name, Finding::Swarm));
        }
        // The answer was given at some moment while we waited for it.
        let off = |ahead_ms: i64| ahead_ms.signum() * (ahead_ms.abs() - checkup.took_ms / 2).max(0);
        let clock =
            checkup.ahead_ms.map_or(Finding::NoClock, |ahead_ms| Finding::Clock { ahead_ms: off(ahead_ms) });
        all.push(check(Area::Clocks, name, clock));
        if let Some(disk) = &checkup.disk {
            all.push(check(Area::Disks, name, Finding::Disk(disk.clone())));
        }
    }
    all
}

/// Why nothing is planned, if so; and stacks that run and of which no release is remembered.
fn unknown_records(known: &Observed, records: &mut Vec<Check>) -> Vec<Check> {
    let is_said = |check: &Check| matches!(check.finding, Finding::Unreadable(_));
    // Beside the hosts it may be known which of them are the managers of before: then that is said in place of the error alone.
    let is_less = |why: &Unreachable, check: &Check| match &check.finding {
        Finding::Unreadable(error) => {
            let error = error.to_string();
            error.len() < why.reason.len() && why.reason.starts_with(&error)
        }
        _ => false,
    };
    let why = known.records_unknown.clone();
    let is_more = |why: &Unreachable| records.iter().any(|check| is_less(why, check));
    let why = why.filter(|why| is_more(why) || !records.iter().any(is_said));
    records.retain(|check| !why.as_ref().is_some_and(|why| is_less(why, check)));
    let mut all: Vec<Check> =
        why.map(|why| check(Area::Records, "", Finding::RecordsUnknown(why))).into_iter().collect();
    let mut tasks: BTreeMap<&StackName, usize> = BTreeMap::new();
    for task in known.tasks().filter(|task| task.is_live()) {
        *tasks.entry(&task.stack).or_default() += 1;
    }
    let is_known = |stack: &StackName| {
        let has = |finding: &Finding| match finding {
            Finding::Records { releases, .. } => *releases > 0,
            // That is said of it already.
            finding => {
                finding.level() == Level::Fault || matches!(finding, Finding::Gap(Gap::OtherManagers { .. }))
            }
        };
        records.iter().any(|check| check.of == stack.as_str() && has(&check.finding))
    };
    // Where the records are elsewhere no release is lost.
    let is_elsewhere = known.records_unknown.as_ref().is_some_and(|why| why.code == node_records::ELSEWHERE);
    let is_said = is_elsewhere || is_said_of_all(records);
    let unknown = tasks.into_iter().filter(|(stack, _)| !is_said && !is_known(stack));
    all.extend(unknown.map(|(stack, tasks)| check(Area::Records, stack, Finding::NoRelease { tasks })));
    all
}

/// Whether no records can be read at all.
fn is_said_of_all(records: &[Check]) -> bool {
    records.iter().any(|check| check.of.is_empty() && matches!(check.finding, Finding::Unreadable(_)))
}

/// Engines whose versions are far apart: what one can do, the other may not.
fn engines(observed: &Observed) -> Option<Check> {
    let versions = observed.reachable().filter_map(|(member, facts)| {
        let version = &facts.engine_version;
        Some((generation(version)?, version.clone(), member.name.clone()))
    });
    let all: Vec<(u32, String, NodeName)> = versions.collect();
    let (old, oldest, on_old) = all.iter().min_by_key(|(generation, ..)| *generation)?.clone();
    let (new, newest, on_new) = all.iter().max_by_key(|(generation, ..)| *generation)?.clone();
    let found = Finding::Engines { oldest: (oldest, on_old), newest: (newest, on_new) };
    (new - old > GENERATIONS_MAX).then(|| check(Area::Hosts, "", found))
}

/// Docker's version by the number that grows with each larger release: 23 came after 20.10.
fn generation(version: &str) -> Option<u32> {
    let major: u32 = version.split('.').next()?.parse().ok()?;
    match major {
        // Another program with docker's API counts from one.
        0..=16 => None,
        17..=22 => Some(22),
        newer => Some(newer),
    }
}

async fn managers<R: ReadRegisters>(ledger: &Ledger<R>, place: &LedgerPlace) -> Vec<Check> {
    let (registers, stream) = (ledger.registers(), nodes::stream());
    let names = registers.managers();
    let asked = (0..names.len()).map(|manager| registers.list(manager, &stream));
    let answers = join_all(asked).await;
    let silent: Vec<(String, String)> = (names.iter().zip(&answers))
        .filter_map(|(name, answer)| answer.as_ref().err().map(|Silent(why)| (name.clone(), why.clone())))
        .collect();
    let (all, answering) = (names.len(), names.len() - silent.len());
    let place_name = place.to_string();
    let mut found =
        vec![check(Area::Managers, "", Finding::Managers { place: place_name, answering, all, silent })];
    // Other backends have members of their own.
    if *place == LedgerPlace::Volumes && all == 1 {
        found.push(check(Area::Managers, "", Finding::OneManager));
    }
    if *place == LedgerPlace::Volumes && all > 0 && all % 2 == 0 {
        found.push(check(Area::Managers, "", Finding::EvenManagers(all)));
    }
    found
}

async fn records<R: ReadRegisters>(ledger: &Ledger<R>) -> Vec<Check> {
    let stacks = match ledger.stacks().await {
        Ok(stacks) => stacks,
        Err(error) => return vec![check(Area::Records, "", Finding::Unreadable(error))],
    };
    let of_stacks = join_all(stacks.iter().map(async |stack| {
        let late = || vec![check(Area::Records, stack, Finding::TooSlow)];
        timeout(STACK_LIMIT, of_stack(ledger, stack)).await.unwrap_or_else(|_| late())
    }));
    let of_cluster = join_all(of_cluster().map(async |stream| {
        let mut found = match stream.kind {
            Kind::Lease => of_lease(ledger, &stream).await,
            _ => of_stream(ledger, &stream).await.0,
        };
        found.iter_mut().for_each(|check| check.of = String::new());
        found
    }));
    let of_secrets = async {
        let late = || vec![check(Area::Records, "secrets", Finding::TooSlow)];
        let looks = async {
            let (values, spares) = tokio::join!(vault::values(ledger), vault::spares(ledger));
            values.into_iter().chain(spares).collect()
        };
        timeout(STACK_LIMIT, looks).await.unwrap_or_else(|_| late())
    };
    let (of_stacks, of_cluster, of_secrets) = tokio::join!(of_stacks, of_cluster, of_secrets);
    of_cluster.into_iter().chain([of_secrets]).chain(of_stacks).flatten().collect()
}

fn of_cluster() -> [Stream; 6] {
    [
        nodes::stream(),
        operation::stream(),
        key::stream(),
        secrets::stream(),
        configs::stream(),
        lease::leader_stream(),
    ]
}

async fn of_stack<R: ReadRegisters>(ledger: &Ledger<R>, stack: &StackName) -> Vec<Check> {
    let kinds = [Kind::Releases, Kind::Outcomes, Kind::Settings, Kind::Heals, Kind::Volumes];
    let streams = kinds.map(|kind| Stream::new(kind, stack));
    let lease = lease::stream(stack);
    let (streams, lease, record) = tokio::join!(
        join_all(streams.iter().map(|stream| of_stream(ledger, stream))),
        of_lease(ledger, &lease),
        remembered(ledger, stack)
    );
    let mut found: Vec<Check> = streams.into_iter().flat_map(|(found, _)| found).chain(lease).collect();
    match record {
        Ok(record) => found.extend(of_contents(ledger, stack, &record).await),
        // Streams have said so unless what is wrong is in a release alone.
        Err(error) if found.iter().all(|check| check.finding.level() < Level::Fault) => {
            found.push(check(Area::Records, stack, Finding::Unreadable(error)));
        }
        Err(_) => {}
    }
    found
}

/// Contents are read on every manager: whether they are what they were is known only then.
async fn of_contents<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    record: &Remembered,
) -> Vec<Check> {
    let releases_kept = record.history.releases.len();
    if !record.history.has_contents_apart() {
        return vec![check(Area::Records, stack, Finding::Records { releases: releases_kept, contents: 0 })];
    }
    let shelf = match contents::shelf(ledger, stack).await {
        Ok(shelf) => shelf,
        Err(error) => return vec![check(Area::Records, stack, Finding::Unreadable(error))],
    };
    let (mut found, mut seen, mut bytes) = (Vec::new(), BTreeSet::new(), 0);
    for (release, _) in record.history.releases.values() {
        for (key, content) in &release.contents {
            let crate::ledger::release::Content::Apart(content) = content else { continue };
            if !seen.insert(content.name.clone()) {
                continue;
            }
            bytes += content.bytes;
            let mut spec = release.spec.clone();
            spec.configs.retain(|config, _| config == key);
            if let Err(error) = record.contents(ledger, &spec).await {
                found.push(check(Area::Records, stack, Finding::Content(error)));
                continue;
            }
            let lacking = contents::lacking(ledger, stack, &shelf, content).await;
            if !lacking.is_empty() {
                let names = ledger.registers().managers();
                let (holders, answering) = (shelf.answered() - lacking.len(), shelf.answered());
                let lacking = lacking.into_iter().map(|manager| names[manager].clone()).collect();
                let copies =
                    Finding::Copies { kind: "config", name: key.clone(), holders, answering, lacking };
                found.push(check(Area::Records, stack, copies));
            }
        }
    }
    // One that a deploy has just written is named by no release yet, and by none that was read before.
    let named = ledger.read(&releases(stack)).await.ok().and_then(|log| contents::named(&log));
    let unnamed = named
        .map_or(0, |named| shelf.contents().iter().filter(|content| !named.contains(&content.name)).count());
    if unnamed > 0 {
        found.push(check(Area::Records, stack, Finding::Unnamed(unnamed)));
    }
    found.push(check(Area::Records, stack, Finding::Records { releases: releases_kept, contents: bytes }));
    found
}

fn leftovers(observed: &Observed) -> Vec<Check> {
    let mut all = Vec::new();
    for (member, facts) in observed.reachable() {
        let mut found = |finding| all.push(check(Area::Leftovers, &member.name, finding));
        for container in &facts.unreadable {
            let (container, why) = (container.name.clone(), container.why.clone());
            found(Finding::NotUnderstood { container, why });
        }
        let old: Vec<String> = facts
            .tasks
            .iter()
            .filter(|task| task.key_id.is_none() && !task.spec.environment.is_empty())
            .map(|task| task.container.clone())
            .collect();
        if !old.is_empty() {
            found(Finding::ValuesInLabels(old));
        }
        for (cluster, names) in foreign(observed, facts) {
            found(Finding::Foreign { cluster, names });
        }
        for (cluster, containers) in neighbours(observed, facts) {
            found(Finding::Neighbours { cluster, containers });
        }
    }
    let mut slots: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for task in observed.tasks().filter(|task| task.is_live() && !task.is_job) {
        let slot = match &task.slot {
            Slot::Replica(number) => number.to_string(),
            Slot::Node(node) => node.to_string(),
        };
        let of = format!("{}_{}", task.stack, task.service);
        slots.entry((of, slot)).or_default().push(format!("{} on {}", task.container, task.node));
    }
    for ((of, _), tasks) in slots.into_iter().filter(|(_, tasks)| tasks.len() > 1) {
        all.push(check(Area::Leftovers, of, Finding::Twins(tasks)));
    }
    if all.iter().all(|check| check.finding.level() == Level::Ok) {
        all.push(check(Area::Leftovers, "", Finding::Nothing));
    }
    all
}

/// Volumes and networks of other clusters, by cluster.
fn foreign(observed: &Observed, facts: &NodeFacts) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (volume, cluster) in &facts.foreign_volumes {
        all.entry(cluster.clone()).or_default().push(format!("volume {volume}"));
    }
    for (name, network) in &facts.networks {
        if let Some(cluster) =
            network.cluster.as_ref().filter(|cluster| **cluster != observed.cluster.as_str())
        {
            all.entry(cluster.clone()).or_default().push(format!("network {name}"));
        }
    }
    all
}

/// Containers of other clusters, by cluster.
fn neighbours(observed: &Observed, facts: &NodeFacts) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for container in &facts.foreign {
        let cluster = container.cluster.as_ref().filter(|cluster| **cluster != observed.cluster.as_str());
        if let Some(cluster) = cluster {
            all.entry(cluster.clone()).or_default().push(container.name.clone());
        }
    }
    all
}

/// What others may not write, and what they may not read either.
fn rights(cluster: &Cluster, place: &LedgerPlace) -> Vec<Check> {
    const WRITE: u32 = 0o022;
    const ANY: u32 = 0o077;
    const OTHERS: u32 = 0o007;
    let mut files: Vec<(PathBuf, u32)> = Vec::new();
    files.extend(cluster.inventory.file.clone().map(|file| (file, WRITE)));
    files.extend(cluster.inventory.ssh_config.clone().map(|file| (file, WRITE)));
    files.extend(cluster.inventory.known_hosts_file.clone().map(|file| (file, WRITE)));
    files.extend(cluster.journals.clone().map(|dir| (dir, ANY)));
    // Who may write into the folder above may put another directory in its place.
    let sockets = cluster.fleet.sockets();
    let above = sockets.as_deref().and_then(Path::parent).filter(|above| !is_sticky(above));
    files.extend(above.map(|above| (above.to_owned(), WRITE)));
    files.extend(sockets.map(|sockets| (sockets, ANY)));
    let secret = |from: &Option<PasswordFrom>| match from {
        Some(PasswordFrom::File(path)) => Some((path.clone(), ANY)),
        Some(PasswordFrom::Variable(_)) | None => None,
    };
    match place {
        LedgerPlace::Volumes => {}
        LedgerPlace::Directory(dir) => files.push((dir.join(cluster.inventory.cluster.as_str()), OTHERS)),
        LedgerPlace::Etcd(etcd) => {
            files.extend(etcd.key.clone().map(|key| (key, ANY)));
            files.extend(secret(&etcd.password));
        }
        LedgerPlace::Zookeeper(zookeeper) => files.extend(secret(&zookeeper.password)),
        LedgerPlace::Consul(consul) => {
            files.extend(consul.key.clone().map(|key| (key, ANY)));
            files.extend(secret(&consul.token));
        }
    }
    let found = files.into_iter().filter_map(|(path, forbidden)| {
        let mode = mode(&path).filter(|mode| mode & forbidden != 0)?;
        Some(check(Area::Rights, path.display(), Finding::Open { mode }))
    });
    let mut found: Vec<Check> = found.collect();
    if found.is_empty() {
        found.push(check(Area::Rights, "", Finding::Nothing));
    }
    found
}

/// Whether each user may move only files of their own there, as below /tmp.
fn is_sticky(dir: &Path) -> bool {
    permissions(dir).is_some_and(|bits| bits & 0o1000 != 0)
}

fn mode(path: &Path) -> Option<u32> {
    permissions(path).map(|bits| bits & 0o777)
}

#[expect(clippy::disallowed_methods, reason = "who may read files of this machine is what is asked")]
fn permissions(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(std::fs::metadata(path).ok()?.permissions().mode())
}

#[cfg(test)]
mod tests;
