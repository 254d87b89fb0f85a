//! Hosts as the program sees them: the fleet's own interface, over a network and engines that are as unkind as TCP and
//! dockerd. What the program does above it (leases, runs, the driver of commands) is its own code.

mod dockerd;
mod net;
mod registers;

pub mod events {
    //! No engine tells of anything here: all is found by looking.

    use stackctl::model::{NodeName, TaskId};

    pub struct ContainerExit {
        #[allow(dead_code, reason = "as the fleet's")]
        pub node: NodeName,
        pub task: TaskId,
        pub exit_code: i64,
    }

    pub type ContainerExits = futures_util::stream::Pending<ContainerExit>;
}

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use stackctl::fleet::Fence;
use stackctl::ledger::{Found, Stream};
use stackctl::model::action::{Action, Failure, FailureKind, Outcome, What};
use stackctl::model::image::Resolutions;
use stackctl::model::in_place::Seen;
use stackctl::model::node::{NodeView, Unreachable};
use stackctl::model::volume::AnonymousVolumes;
use stackctl::model::{MarkKey, NodeName, Observed, StackName, Task, TaskId, TaskStatus, Timestamp};
use tokio::sync::Semaphore;

pub use dockerd::Dockerd;

use crate::container::Container;
pub use net::{Broken, Cut, GIVEN_UP_MS, Net, Process, SILENCE_MS, Trouble, World, lock};
pub use registers::{RegisterReader, RegisterWriter};

/// Actions on one host at a time.
const TURNS: usize = 8;
/// Over a stop's grace period.
const STOP_MARGIN: Duration = Duration::from_secs(30);
const ACTION_LIMIT: Duration = Duration::from_secs(60);
const READ_LIMIT: Duration = Duration::from_secs(60);

/// The hosts that a process knows of, and its way to them.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub net: Net,
    pub process: usize,
    /// Those of its inventory.
    pub named: Arc<BTreeSet<NodeName>>,
    turns: Arc<BTreeMap<NodeName, Semaphore>>,
}

impl Fleet {
    pub fn new(net: Net, process: usize, named: BTreeSet<NodeName>) -> Self {
        let turns = named.iter().map(|node| (node.clone(), Semaphore::new(TURNS))).collect();
        Self { net, process, named: Arc::new(named), turns: Arc::new(turns) }
    }

    pub fn observer(&self) -> Observer {
        Observer(self.clone())
    }

    pub fn executor(&self, stack: &StackName, _: &MarkKey) -> Executor {
        Executor { fleet: self.clone(), stack: stack.clone(), fence: None, unanswered: Arc::default() }
    }

    /// No image here has volumes of its own.
    pub fn anonymous_volumes(&self, _: &StackName) -> AnonymousVolumes {
        AnonymousVolumes::default()
    }

    /// Whether what was sent may outlive its connection for long.
    pub fn has_dialled_loose(&self) -> bool {
        lock(&self.net).given_up_ms >= GIVEN_UP_MS
    }

    /// Connections of simulated programs end with them, or go on as the schedule says: no other program ends them.
    #[expect(clippy::unused_async, reason = "as the fleet of real hosts has it")]
    pub async fn end_connections_of_the_killed(&self) {}

    /// All are reached over the network.
    pub fn is_local(&self, _: &NodeName) -> bool {
        false
    }

    /// None is discovered.
    pub fn found(&self) -> BTreeMap<NodeName, String> {
        BTreeMap::new()
    }
}

type Looks = BTreeMap<NodeName, Result<Vec<(TaskId, TaskStatus)>, Unreachable>>;

/// Looks at hosts.
#[derive(Debug, Clone)]
pub struct Observer(Fleet);

fn unreachable(now: Timestamp) -> Unreachable {
    Unreachable {
        since: now,
        code: "stackctl::ssh::unreachable".into(),
        reason: "no answer".into(),
        help: None,
    }
}

impl Observer {
    pub async fn observe(&self, now: Timestamp) -> Observed {
        let fleet = &self.0;
        let asked = fleet.named.iter().map(|node| async move {
            let of = node.clone();
            let view = fleet.net.read(fleet.process, node, READ_LIMIT, move |world| world.facts(&of)).await;
            (node.clone(), view)
        });
        let answers: Vec<_> = join_all(asked).await;
        let mut observed = lock(&fleet.net).hosts.base.clone();
        observed.at = now;
        observed.nodes.retain(|node, _| fleet.named.contains(node));
        for (node, view) in answers {
            let node = observed.nodes.get_mut(&node).expect("a host of the inventory");
            node.view = match view {
                Ok(facts) => NodeView::Facts(facts),
                Err(_) => NodeView::Unreachable(unreachable(now)),
            };
        }
        observed
    }

    pub async fn look(&self, now: Timestamp, stack: &StackName) -> Looks {
        let fleet = &self.0;
        let asked = fleet.named.iter().map(|node| async move {
            let (of, stack) = (node.clone(), stack.clone());
            let tasks = move |world: &mut World| world.tasks_of(&of, &stack);
            let seen = fleet.net.read(fleet.process, node, READ_LIMIT, tasks).await;
            (node.clone(), seen.map_err(|_| unreachable(now)))
        });
        join_all(asked).await.into_iter().collect()
    }

    pub fn container_exits(&self, _: &StackName) -> events::ContainerExits {
        futures_util::stream::pending()
    }

    pub fn sources(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    pub async fn tuning_of(&self, tasks: &[&Task]) -> BTreeMap<TaskId, Seen> {
        let fleet = &self.0;
        let asked = tasks.iter().map(|task| async move {
            let (node, id) = (task.node.clone(), task.id.clone());
            let seen = move |world: &mut World| world.hosts.containers[&node].get(&id).map(Container::seen);
            Some((task.id.clone(), fleet.net.read(fleet.process, &task.node, READ_LIMIT, seen).await.ok()??))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    pub async fn records_of(&self, node: &NodeName, stream: &Stream) -> Option<Vec<Found>> {
        let fleet = &self.0;
        let read = |world: &mut World| registers::found(world, node, stream);
        let found = fleet.net.read(fleet.process, node, READ_LIMIT, read).await.unwrap_or_default();
        Some(found).filter(|found| !found.is_empty())
    }

    /// Programs here use no memory.
    pub fn memory_use(&self, _: &[&Task]) -> impl Future<Output = BTreeMap<TaskId, i64>> {
        ready(BTreeMap::new())
    }

    pub fn reveal(&self, _: &mut Observed) -> impl Future<Output = ()> {
        ready(())
    }

    pub fn resolve(&self, _: &BTreeSet<String>) -> impl Future<Output = Resolutions> {
        ready(BTreeMap::new())
    }

    pub fn tail(&self, _: &NodeName, _: &str, _: u32) -> impl Future<Output = Vec<String>> {
        ready(Vec::new())
    }
}

/// Acts on hosts.
#[derive(Debug)]
pub struct Executor {
    fleet: Fleet,
    stack: StackName,
    fence: Option<Fence>,
    /// Changes that were sent and not answered, by host.
    unanswered: Arc<Mutex<Vec<NodeName>>>,
}

fn silent() -> Outcome {
    Outcome::Failed(Failure {
        kind: FailureKind::HostSilent,
        code: "sim::silent".into(),
        message: "no answer".into(),
        help: None,
    })
}

impl Executor {
    pub fn fenced(self, fence: Fence) -> Self {
        Self { fence: Some(fence), ..self }
    }

    /// A simulated pull comes at once.
    #[must_use]
    pub fn pulled(&self, _: stackctl::model::action::ActionId) -> Option<stackctl::model::action::Pulled> {
        None
    }

    /// No simulated task has a secret.
    #[must_use]
    pub fn with_secrets(self, _: Arc<dyn stackctl::fleet::agents::secrets::SecretValues>) -> Self {
        self
    }

    /// There is nothing that was swapped, then.
    pub async fn settle_files(&self, _: &[(NodeName, stackctl::model::TaskId)]) {}

    /// As the fleet's own: connections of which something was not answered are ended, where they can be.
    pub async fn is_uncertain(&self) -> bool {
        let unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        !unanswered.is_empty() && !self.fleet.net.ends(self.fleet.process, &unanswered)
    }

    /// As the fleet's own: a turn of the host, a connection, the request, and once more if the connection breaks.
    pub async fn execute(&self, action: &Action) -> Outcome {
        let (net, process, node) = (&self.fleet.net, self.fleet.process, &action.node);
        let Some(turns) = self.fleet.turns.get(node) else { return silent() };
        let _turn = turns.acquire().await.expect("never closed");
        net.thawed(process).await;
        if !net.connects(process, node).await {
            return silent();
        }
        let is_pull = action.what.is_pull();
        if !is_pull {
            self.unanswered.lock().unwrap_or_else(PoisonError::into_inner).push(node.clone());
        }
        let mut answer = self.sent(action).await;
        let is_repeated = matches!(answer, Err(Broken::Lost)) && net.connects(process, node).await;
        if is_repeated {
            answer = self.sent(action).await;
        }
        // What was sent first may arrive once more.
        if !is_pull && !is_repeated && matches!(answer, Ok(_) | Err(Broken::Fenced)) {
            let mut unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
            let at = unanswered.iter().position(|of| of == node).expect("it is among them");
            unanswered.remove(at);
        }
        answer.unwrap_or_else(|_| silent())
    }

    async fn sent(&self, action: &Action) -> Result<Outcome, Broken> {
        let (net, process) = (&self.fleet.net, self.fleet.process);
        net.thawed(process).await;
        if self.fence.as_ref().is_some_and(|fence| !fence.is_open()) {
            return Err(Broken::Fenced);
        }
        let limit = match &action.what {
            What::StopTask { grace, .. } => {
                let ms = grace.map_or(10_000, |grace| grace.as_millis());
                Duration::from_millis(ms.unsigned_abs()) + STOP_MARGIN
            }
            _ => ACTION_LIMIT,
        };
        net.sends(process, action, &self.stack);
        let (action, stack) = (action.clone(), self.stack.clone());
        let node = action.node.clone();
        net.call(
            process,
            &node,
            limit,
            move |net| async move { net.carry_out(process, &stack, &action).await },
        )
        .await
    }
}
