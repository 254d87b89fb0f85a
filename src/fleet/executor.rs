//! Acts on the hosts: actions in, outcomes out, a limited number at a time on each host.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;

use crate::model::action::{
    Action, ActionId, Failure, FailureKind, Outcome, Pulled, TaskHandle, TaskPlan, What,
};
use crate::model::{MarkKey, NodeName, StackName, TaskId, secret_env};

use super::Inner;
use super::agents::secrets::{self, NotDelivered, SecretValues};
use super::docker::client::{CallError, Engine};
use super::docker::execute::{self, Context};
use super::docker::failure::ActionError;
use super::docker::files::{Former, Reloads};
use super::error::HostError;
use super::host::{AskError, Host, Up};
use super::swapper::{Swapper, Versions};
use super::transport::Fence;

/// The code of a disk without room.
const DISK_FULL: &str = "stackctl::docker::disk_full";

/// Carries out the actions of one stack.
#[derive(Debug, Clone)]
pub struct Executor {
    inner: Arc<Inner>,
    stack: StackName,
    key: MarkKey,
    fence: Option<Fence>,
    secrets: Option<Arc<dyn SecretValues>>,
    /// Changes that were sent and not answered, and the connections they went over: those by ssh keep what was written. A call
    /// that is given up, with the run, stays among them.
    unanswered: Arc<Mutex<BTreeMap<u64, Vec<Arc<Up>>>>>,
    pulls: Arc<Mutex<Pulls>>,
    former: Arc<Former>,
    swapped: Arc<Versions>,
}

/// Pulls of this executor.
#[derive(Debug, Default)]
struct Pulls {
    /// How far each has come.
    pulled: BTreeMap<ActionId, Pulled>,
    /// Hosts that had no room left for one: no other is begun there.
    full: BTreeMap<NodeName, Failure>,
}

impl Executor {
    pub(super) fn new(inner: Arc<Inner>, stack: StackName, key: MarkKey) -> Self {
        Self {
            inner,
            stack,
            key,
            fence: None,
            secrets: None,
            former: Arc::default(),
            swapped: Arc::default(),
            unanswered: Arc::default(),
            pulls: Arc::default(),
        }
    }

    /// An executor that sends changes only while the fence is open.
    #[must_use]
    pub fn fenced(self, fence: Fence) -> Self {
        Self { fence: Some(fence), ..self }
    }

    /// An executor that knows where values of secrets come from. Without them a task that has secrets is not made.
    #[must_use]
    pub fn with_secrets(self, secrets: Arc<dyn SecretValues>) -> Self {
        Self { secrets: Some(secrets), ..self }
    }

    /// Whether something that was sent over ssh and not answered may still arrive. What ssh has written is the kernel's, which
    /// sends it again long after the connection was closed. Connections that are dead are ended.
    pub async fn is_uncertain(&self) -> bool {
        let mut connections: Vec<Arc<Up>> = Vec::new();
        for up in self.unanswered().values().flatten() {
            if !connections.iter().any(|known| Arc::ptr_eq(known, up)) {
                connections.push(Arc::clone(up));
            }
        }
        let settled = join_all(connections.iter().map(|up| up.has_settled())).await;
        settled.contains(&false)
    }

    /// A change that is about to be sent.
    fn begin_call(&self) -> u64 {
        let mut unanswered = self.unanswered();
        let call = unanswered.last_key_value().map_or(0, |(last, _)| last + 1);
        unanswered.insert(call, Vec::new());
        call
    }

    /// It was answered, on the connection that it went over last. Where it had gone over another one before, which broke,
    /// it may arrive from there once more.
    fn answered(&self, call: u64) {
        let mut unanswered = self.unanswered();
        let Some(mut connections) = unanswered.remove(&call) else { return };
        connections.pop();
        if !connections.is_empty() {
            unanswered.insert(call, connections);
        }
    }

    fn unanswered(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<Arc<Up>>>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pulls(&self) -> MutexGuard<'_, Pulls> {
        self.pulls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far a pull has come, once its engine has said so.
    #[must_use]
    pub fn pulled(&self, pull: ActionId) -> Option<Pulled> {
        self.pulls().pulled.get(&pull).copied()
    }

    /// What comes of an action without asking its host: a pull, where an earlier one has filled the disk.
    fn known_already(&self, action: &Action) -> Option<Outcome> {
        let full = action.what.is_pull().then(|| self.pulls().full.get(&action.node).cloned());
        full.flatten().map(Outcome::Failed)
    }

    /// Remembers a disk that is full.
    fn note_full(&self, action: &Action, outcome: &Outcome) {
        if let (What::PullImage { .. }, Outcome::Failed(failure)) = (&action.what, outcome)
            && failure.code == DISK_FULL
        {
            self.pulls().full.entry(action.node.clone()).or_insert_with(|| failure.clone());
        }
    }

    /// Carries out an action. May be called many times at once: each host takes so many at a time.
    pub async fn execute(&self, action: &Action) -> Outcome {
        let Some(host) = self.inner.host(&action.node) else {
            return silent(not_resolved(&action.node));
        };
        if let What::CreateTask { task } | What::StartTask { task } = &action.what
            && let Err(why) = self.deliver(&host, task).await
        {
            return why;
        }
        if let What::CreateTask { task } = &action.what {
            self.end_waiting(&task.handle()).await;
        }
        let swapper = Swapper {
            inner: &self.inner,
            host: &host,
            values: self.secrets.as_ref(),
            fence: self.fence.as_ref(),
            before: &self.swapped,
        };
        let pulled = |far: Pulled| {
            self.pulls().pulled.insert(action.id, far);
        };
        let context = Context {
            places: secrets::Places { cluster: &self.inner.cluster, engine_socket: host.socket() },
            reloads: Reloads { swaps: &swapper, former: &self.former },
            pulled: &pulled,
            cluster: &self.inner.cluster,
            stack: &self.stack,
            key: &self.key,
            credentials: &self.inner.credentials,
            file_volumes: match &action.what {
                What::RemoveTask { task } => self.inner.sightings().for_files(&action.node, &task.id),
                _ => Vec::new(),
            },
        };
        let context = &context;
        let kind = match action.what {
            What::PullImage { .. } => CallKind::Pull,
            _ => CallKind::Change,
        };
        let run = |engine: Engine| async move {
            match self.known_already(action) {
                Some(outcome) => Ok(outcome),
                None => {
                    let done = execute::run(&engine, context, &action.what).await;
                    // Before the next pull has its turn.
                    if let Ok(outcome) = &done {
                        self.note_full(action, outcome);
                    }
                    done
                }
            }
        };
        let has_answered = |outcome: &Outcome| match outcome {
            Outcome::Failed(failure) => failure.kind == FailureKind::Refused,
            Outcome::Done | Outcome::Started(_) => true,
        };
        match self.send(&host, kind, run, has_answered).await {
            Ok(outcome) => {
                self.note_secrets(&host, action, &outcome).await;
                outcome
            }
            Err(AskError::Silent(error)) => silent(error),
            Err(AskError::Refused(error)) => {
                Outcome::Failed(ActionError::of(&error, &action.what).into_failure())
            }
        }
    }

    /// Brings the secrets of a task into its host's memory, before it is made, and once more before it is started: between
    /// the two an earlier run may have died, and the host may have been started again.
    async fn deliver(&self, host: &Arc<Host>, task: &TaskPlan) -> Result<(), Outcome> {
        let files = secrets::files(task);
        if files.is_empty() {
            return Ok(());
        }
        let delivered = match &self.secrets {
            Some(values) => {
                let values = secrets::Filled { plan: task, values: &**values };
                let id = task.id.as_str();
                let of = Some(secrets::owner(task));
                match secrets::deliver(&self.inner, host, (id, of), &files, &values).await {
                    Ok(()) if secret_env::names(&task.spec).next().is_some() => {
                        secrets::give_program(&self.inner, host, id).await
                    }
                    other => other,
                }
            }
            None => Err(NotDelivered::NoAgent),
        };
        delivered.map_err(|why| match why {
            NotDelivered::Silent(error) => silent(error),
            why => {
                let help = why.help();
                let error = ActionError::SecretsNotDelivered { why: why.to_string(), help };
                Outcome::Failed(error.into_failure())
            }
        })
    }

    /// Takes the secrets from those whose place a task is about to fill and that could not be started without: their agents
    /// would start them beside it as soon as other hosts give the secrets back. One that was started since it was seen is
    /// ended, which the plan took it to be.
    ///
    /// No way back leads to them, as they have never run since. What cannot be done is not waited for: two tasks of a slot
    /// are found by the next look, however they came to be.
    async fn end_waiting(&self, of: &TaskHandle) {
        let waiting = self.inner.sightings().take_waiting(of);
        for (node, task) in waiting {
            let Some(host) = self.inner.host(&node) else { continue };
            let _is_found_later = secrets::forget(&self.inner, &host, task.id.as_str()).await;
            let task = &task;
            let stop = |engine: Engine| async move { execute::end(&engine, task).await };
            let _is_found_later = self.send(&host, CallKind::Change, stop, |_| true).await;
        }
    }

    /// What a task leaves in its host's memory goes with its container.
    async fn note_secrets(&self, host: &Arc<Host>, action: &Action, outcome: &Outcome) {
        match (&action.what, outcome) {
            (What::CreateTask { task }, Outcome::Done) if !task.service.secrets.is_empty() => {
                self.inner.sightings().made_with_secrets(&action.node, &task.id);
            }
            (What::RemoveTask { task }, Outcome::Done)
                if self.inner.sightings().has_secrets(&action.node, &task.id) =>
            {
                // The agent tidies up what was not said to it.
                let _is_tidied_later = secrets::forget(&self.inner, host, task.id.as_str()).await;
            }
            _ => {}
        }
    }

    /// Says of tasks whose files were swapped that what they have is good: what was there before goes.
    pub async fn settle_files(&self, tasks: &[(NodeName, TaskId)]) {
        let settled = tasks.iter().map(async |(node, task)| {
            if let Some(host) = self.inner.host(node) {
                // The agent removes it itself, a day later.
                let _is_tidied_later = secrets::settle(&self.inner, &host, task.as_str()).await;
            }
        });
        join_all(settled).await;
    }

    /// Removes a volume of the stack; `false` if a container has it mounted.
    ///
    /// # Errors
    ///
    /// If the host is silent, or its engine refuses.
    pub async fn remove_volume(&self, node: &NodeName, name: &str) -> Result<bool, Failure> {
        let host = self.inner.host(node).ok_or_else(|| as_failure(not_resolved(node)))?;
        let remove = |engine: Engine| async move { execute::remove_volume(&engine, name).await };
        self.send(&host, CallKind::Change, remove, |_| true).await.map_err(|error| match error {
            AskError::Silent(error) => as_failure(error),
            AskError::Refused(error) => Failure {
                kind: FailureKind::Refused,
                code: String::new(),
                message: error.to_string(),
                help: None,
            },
        })
    }

    /// Sends something to a host once it has its turn, and behind the fence. What changes a host is remembered until it is
    /// answered: `has_answered` says whether a result is the engine's answer. Retried after a broken connection:
    /// everything that is sent may be repeated.
    async fn send<T, F, A>(
        &self,
        host: &Arc<Host>,
        kind: CallKind,
        what: F,
        has_answered: impl Fn(&T) -> bool,
    ) -> Result<T, AskError>
    where
        F: Fn(Engine) -> A,
        A: Future<Output = Result<T, CallError>>,
    {
        // A pull takes long and does not load the engine much; it must not hold up a start.
        let turns = match kind {
            CallKind::Pull => &host.pulls,
            CallKind::Change => &host.actions,
        };
        let _turn = turns.acquire().await.expect("the semaphore is never closed");
        // After the host's: what waits for a slow host takes nothing from the others.
        let _fleet = host.turns().action(kind == CallKind::Pull).await;
        let up = host.up().map_err(AskError::Silent)?;
        let _stream = up.turns.acquire().await.expect("the semaphore is never closed");
        let call = (kind == CallKind::Change).then(|| self.begin_call());
        let what = &what;
        let asked = host
            .ask(Arc::clone(&up), |up| async move {
                if let Some(call) = call {
                    self.unanswered().entry(call).or_default().push(Arc::clone(&up));
                }
                let engine = match &self.fence {
                    None => up.engine.clone(),
                    Some(fence) => up.engine.fenced(fence.clone())?,
                };
                what(engine).await
            })
            .await;
        let is_answered = match &asked {
            Ok(result) => has_answered(result),
            Err(AskError::Silent(_) | AskError::Refused(CallError::Deadline(_))) => false,
            Err(AskError::Refused(_)) => true,
        };
        if let Some(call) = call.filter(|_| is_answered) {
            self.answered(call);
        }
        asked
    }

    /// Of each change that was sent and not answered, over how many connections it went.
    #[cfg(test)]
    pub(super) fn open_calls(&self) -> Vec<usize> {
        self.unanswered().values().map(Vec::len).collect()
    }
}

/// What a call does to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallKind {
    /// Nothing that a later holder of the lease would have to wait for.
    Pull,
    Change,
}

fn not_resolved(node: &NodeName) -> HostError {
    HostError::NameNotResolved { host: node.to_string() }
}

fn silent(error: HostError) -> Outcome {
    Outcome::Failed(as_failure(error))
}

fn as_failure(error: HostError) -> Failure {
    let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
    let (code, message) = (error.code_text(), error.to_string());
    Failure { kind: FailureKind::HostSilent, code, message, help }
}
