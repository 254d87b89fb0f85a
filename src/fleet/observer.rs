//! Reads from the hosts. Cannot write: it has no method that could.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, join_all};

use crate::ledger::register::{Found, Stream};
use crate::model::image::Resolved;
use crate::model::in_place::Seen;
use crate::model::observed::ObservedNode;
use crate::model::{
    MarkKey, NodeName, NodeView, Observed, StackName, Task, TaskId, TaskSpec, TaskStatus, Timestamp,
    Unreachable,
};

use super::Inner;
use super::docker::client::{CallError, Reader};
use super::docker::inspect::{self, TaskDetails};
use super::docker::{observe, reveal, update};
use super::error::HostError;
use super::events::{self, ContainerExits, EngineEvents};
use super::host::{AskError, Host};
use super::logs::{self, LogOptions, LogStream};
use super::probe::Probe;
use super::registers;
use super::registry;
use super::turns;

/// What an engine is about to say of a container; nothing if it is gone.
type Answer<'r, T> = BoxFuture<'r, Result<Option<T>, CallError>>;

/// The tasks of a stack, by node; or that the node is unreachable.
pub type Looks = BTreeMap<NodeName, Result<Vec<(TaskId, TaskStatus)>, Unreachable>>;

/// Asks hosts, and cannot change them.
#[derive(Debug, Clone)]
pub struct Observer {
    inner: Arc<Inner>,
    /// Hosts that are not connected count as unreachable, and are not waited for.
    is_brisk: bool,
}

impl Observer {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner, is_brisk: false }
    }

    /// The same, without waiting: a host without a connection counts as unreachable, and is dialled in the
    /// background.
    #[must_use]
    pub fn non_blocking(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), is_brisk: true }
    }

    /// Observes every host, all at once, and reconnects to those that were lost. Members are as in the
    /// inventory.
    pub async fn observe(&self, now: Timestamp) -> Observed {
        let membership = self.inner.membership();
        let ask = |name: NodeName, host: Arc<Host>| async move { self.facts(&name, &host).await };
        let again = |name: NodeName, host: Arc<Host>, error| async move {
            if host.is_there().await { self.facts(&name, &host).await } else { Err(error) }
        };
        let looks = turns::ask_all(&membership.hosts, ask, again, |error| error.may_be_ours(false)).await;
        let there = looks.into_iter().map(|(name, facts)| {
            let member = membership.members[&name].clone();
            let view = match facts {
                Ok(facts) => NodeView::Facts(Box::new(facts)),
                Err(error) => NodeView::Unreachable(error.to_unreachable(now)),
            };
            (name, ObservedNode { member, view })
        });
        let left = membership.left.iter().map(|(name, (member, why))| {
            let view = NodeView::Unreachable(why.clone());
            (name.clone(), ObservedNode { member: member.clone(), view })
        });
        Observed {
            cluster: self.inner.cluster.clone(),
            at: now,
            // What the ledger says comes later.
            key: MarkKey::unset(),
            release_key: None,
            nodes: there.chain(left).collect(),
            memory_use: BTreeMap::new(),
            unsure: BTreeSet::new(),
            in_place: BTreeMap::new(),
            known: BTreeMap::new(),
            records_unknown: None,
            hosts_unknown: membership.unknown.clone(),
            remembered: BTreeMap::new(),
        }
    }

    async fn facts(&self, name: &NodeName, host: &Arc<Host>) -> Result<crate::model::NodeFacts, HostError> {
        let up = match host.up() {
            Err(error) if self.is_brisk => {
                host.reconnect_later();
                return Err(error);
            }
            _ => host.up_or_revived().await?,
        };
        let (api, ip) = (up.engine.reader.api, up.address.map(|address| address.ip()));
        let answers = host.read(up, |up| async move { observe::ask(&up.engine.reader).await }).await?;
        let facts = observe::facts(answers, &self.inner.cluster, name, api, ip);
        self.inner.sightings().observed(name, &facts);
        Ok(facts)
    }

    /// The tasks of a stack: one small call for each host. A host that was lost is redialled in the
    /// background, so that the others are not delayed.
    pub async fn look(&self, now: Timestamp, stack: &StackName) -> Looks {
        let membership = self.inner.membership();
        let ask = |name, host| self.tasks_of(name, host, stack);
        let again = |name, host: Arc<Host>, error| async move {
            if host.is_there().await { self.tasks_of(name, host, stack).await } else { Err(error) }
        };
        let seen = turns::ask_all(&membership.hosts, ask, again, |error| error.may_be_ours(false)).await;
        let seen =
            seen.into_iter().map(|(name, seen)| (name, seen.map_err(|error| error.to_unreachable(now))));
        let left = membership.left.iter().map(|(name, (_, why))| (name.clone(), Err(why.clone())));
        seen.chain(left).collect()
    }

    async fn tasks_of(
        &self,
        name: NodeName,
        host: Arc<Host>,
        stack: &StackName,
    ) -> Result<Vec<(TaskId, TaskStatus)>, HostError> {
        let question = |up: Arc<super::host::Up>| async move {
            observe::look(&up.engine.reader, &self.inner.cluster, stack).await
        };
        let seen = match host.up() {
            Ok(up) => host.read(up, question).await,
            Err(error) => Err(error),
        };
        if seen.is_err() {
            host.reconnect_later();
        }
        let observe::Looked { tasks, volumes } = seen?;
        self.inner.sightings().looked(&name, stack, volumes);
        Ok(tasks)
    }

    /// The discovery sources of the inventory.
    #[must_use]
    pub fn sources(&self) -> BTreeSet<String> {
        self.inner.membership().sources.clone()
    }

    /// Sends probes to one host.
    #[must_use]
    pub fn probe(&self, node: &NodeName) -> Option<Probe> {
        self.inner.host(node).map(Probe::new)
    }

    /// Events of one host that concern stacks of the cluster; `None` if there is no connection, or no stream
    /// left on it.
    pub async fn engine_events(&self, node: &NodeName) -> Option<EngineEvents> {
        let up = self.inner.host(node)?.up().ok()?;
        events::engine_events(&up, &self.inner.cluster).await
    }

    /// Container exits of a stack on every host that answers.
    pub fn container_exits(&self, stack: &StackName) -> ContainerExits {
        events::container_exits(self.inner.membership().hosts.iter(), stack)
    }

    /// Digests and platforms of images, asked of a registry through an engine.
    pub async fn resolve(&self, images: &BTreeSet<String>) -> BTreeMap<String, Result<Resolved, String>> {
        let engines = self.inner.managers_first();
        let readers: Vec<_> = engines.iter().map(|up| &up.engine.reader).collect();
        registry::resolve(&readers, &self.inner.credentials, &self.inner.registries, images).await
    }

    /// Reads the values of tasks whose marks are under another key than the observation's, since that key is lost: from
    /// the containers themselves, once for each. A task that cannot be read is not understood.
    pub async fn reveal(&self, observed: &mut Observed) {
        let id = observed.key.id();
        let is_lost = |task: &&Task| task.key_id.as_deref().is_some_and(|of| of != id);
        let known = |task: &Task| self.inner.revealed().get(&task.id).cloned();
        let asks = observed.tasks().filter(is_lost).map(|task| async move {
            let spec = match known(task) {
                Some(spec) => Some(spec),
                None => self.revealed(task).await.ok().map(Arc::new),
            };
            (task.id.clone(), spec)
        });
        let all: BTreeMap<TaskId, Option<Arc<TaskSpec>>> = join_all(asks).await.into_iter().collect();
        let found = all.iter().filter_map(|(id, spec)| Some((id.clone(), spec.clone()?)));
        self.inner.revealed().extend(found);
        observed.reveal(&all);
    }

    async fn revealed(&self, task: &Task) -> Result<TaskSpec, HostError> {
        let host = self.host(&task.node)?;
        let question = |up: Arc<super::host::Up>| async move {
            reveal::spec(&up.engine.reader, &task.container, &task.spec, task.is_job).await
        };
        host.read(host.up()?, question).await
    }

    /// What tasks show of what can be changed in place; of those that answer.
    pub async fn tuning_of(&self, tasks: &[&Task]) -> BTreeMap<TaskId, Seen> {
        self.of_each(tasks, |reader, name| Box::pin(update::seen(reader, name))).await
    }

    /// How much memory tasks use, in bytes; of those that answer.
    pub async fn memory_use(&self, tasks: &[&Task]) -> BTreeMap<TaskId, i64> {
        self.of_each(tasks, |reader, name| Box::pin(update::memory_use(reader, name))).await
    }

    /// Asks for each task's container by name, all at once. What does not answer, or is not there, is left out.
    async fn of_each<T>(
        &self,
        tasks: &[&Task],
        ask: for<'r> fn(&'r Reader, &'r str) -> Answer<'r, T>,
    ) -> BTreeMap<TaskId, T> {
        let asks = tasks.iter().map(|task| async move {
            let question =
                |up: Arc<super::host::Up>| async move { ask(&up.engine.reader, &task.container).await };
            let host = self.host(&task.node).ok()?;
            let answer = host.read(host.up().ok()?, question).await.ok()??;
            Some((task.id.clone(), answer))
        });
        join_all(asks).await.into_iter().flatten().collect()
    }

    /// One container in detail, by name; `None` if it is gone.
    pub async fn inspect_task(
        &self,
        node: &NodeName,
        container: &str,
    ) -> Result<Option<TaskDetails>, HostError> {
        let host = self.host(node)?;
        let question = |up: Arc<super::host::Up>| async move {
            let found = inspect::container(&up.engine.reader, container).await?;
            found.as_ref().map(inspect::details).transpose()
        };
        host.read(host.up()?, question).await
    }

    /// The log of a container, by name; `None` if it is gone. Ends when the container does, or at once
    /// without `follow`.
    pub async fn logs(
        &self,
        node: &NodeName,
        container: &str,
        options: &LogOptions,
    ) -> Result<Option<LogStream>, HostError> {
        let host = self.host(node)?;
        let question = |up: Arc<super::host::Up>| async move {
            let Some(found) = inspect::container(&up.engine.reader, container).await? else {
                return Ok(None);
            };
            logs::open(&up.engine.reader, container, options, found.config.tty).await.map(Some)
        };
        let up = host.up()?;
        let full = |_| HostError::StreamsTaken { host: host.called() };
        let turn = Arc::clone(&up.turns).try_acquire_owned().map_err(full)?;
        let opened = host.ask(up, question).await.map_err(|error| match error {
            AskError::Silent(error) => error,
            AskError::Refused(error) => {
                HostError::LogsUnavailable { container: container.to_owned(), detail: error.to_string() }
            }
        })?;
        let lost = HostError::ConnectionLost { host: host.called() };
        let lines = opened.map(|opened| logs::lines(opened, lost));
        Ok(lines.map(|lines| -> LogStream {
            Box::pin(lines.inspect(move |_| {
                // Held as long as the stream.
                let _ = &turn;
            }))
        }))
    }

    /// The last lines that a container wrote, for the report of a failure; empty if they cannot be read.
    pub async fn tail(&self, node: &NodeName, container: &str, lines_max: u32) -> Vec<String> {
        let options = LogOptions { tail: Some(lines_max), ..LogOptions::default() };
        let Ok(Some(lines)) = self.logs(node, container, &options).await else { return Vec::new() };
        let texts = lines.filter_map(|line| async move { Some(line.ok()?.text()) });
        let all: Vec<String> = texts.collect().await;
        // Both streams have their own tail.
        let skipped = all.len().saturating_sub(lines_max as usize);
        all.into_iter().skip(skipped).collect()
    }

    /// What a host has of a stream of this cluster's ledger, as managers have, and those that were managers; `None` if it has
    /// nothing of it, or does not answer.
    pub async fn records_of(&self, node: &NodeName, stream: &Stream) -> Option<Vec<Found>> {
        let question = |up: Arc<super::host::Up>| async move {
            registers::any_of(&up.engine.reader, &self.inner.cluster, stream).await
        };
        let host = self.host(node).ok()?;
        host.read(host.up().ok()?, question).await.ok()?
    }

    fn host(&self, node: &NodeName) -> Result<Arc<Host>, HostError> {
        let unknown = || HostError::NameNotResolved { host: node.to_string() };
        self.inner.host(node).ok_or_else(unknown)
    }
}
