//! What should be done, where, and why. The decider returns these; `engine` has `fleet` carry them out.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::ids::{ClusterName, NodeName, ServiceName, SpecHash, StackName, TaskId};
use crate::model::in_place::{Retune, Tuning};
use crate::model::spec::{NetworkSpec, TaskSpec, VolumeSpec};
use crate::model::swap;
use crate::model::task::Slot;
use crate::model::template::Fields;
use crate::model::{GoDuration, TaskStatus};

use super::reason::Reason;

/// Number of an action within one run, from 0, in the order of issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ActionId(pub u32);

/// One thing to do on one node. Every action may be repeated: done twice is done once.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// Number within the run.
    pub id: ActionId,
    pub node: NodeName,
    pub what: What,
    pub why: Reason,
}

/// What an action belongs to, as programs read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// A task, or what a stack has on a node: its networks, volumes and images. The word is left out: every
    /// action was of this kind once, and programs that read plans need not know of the others.
    Stack(&'a NodeName, Option<&'a TaskHandle>),
    /// A host, whatever stacks run there.
    Host(&'a NodeName),
    /// The cluster: no host in particular.
    Cluster,
}

/// An action for programs, as plans, progress and saved plans have it. `node` is there unless the action belongs
/// to the cluster; `scope` is `host` or `cluster` where it belongs to no stack. A program that reads plans has
/// to expect both, and may skip a `scope` that it does not know.
#[must_use]
pub fn entry(id: ActionId, scope: Scope<'_>, verb: &str, object: &str, why: &Reason) -> Value {
    let mut value = match scope {
        Scope::Stack(node, _) => json!({ "id": id, "node": node }),
        Scope::Host(node) => json!({ "id": id, "scope": "host", "node": node }),
        Scope::Cluster => json!({ "id": id, "scope": "cluster" }),
    };
    value["verb"] = verb.into();
    value["object"] = object.into();
    value["why"] = why.to_string().into();
    // The reason is an object with its own fields; they stand beside the others.
    if let Value::Object(reason) = json!(why) {
        for (key, field) in reason {
            let key = if value.get(&key).is_some() { format!("reason_{key}") } else { key };
            value[key] = field;
        }
    }
    if let Scope::Stack(_, Some(task)) = scope {
        value["service"] = task.service.as_str().into();
        value["slot"] = task.slot.to_string().into();
        value["task"] = task.id.as_str().into();
    }
    value
}

impl Action {
    /// The action for programs: see [`entry`].
    #[must_use]
    pub fn to_json(&self) -> Value {
        let task = self.what.task();
        let scope = Scope::Stack(&self.node, task.as_ref());
        entry(self.id, scope, self.what.verb(), &self.what.object(), &self.why)
    }
}

/// The verbs.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Make a network of the stack on the node.
    CreateNetwork { network: Arc<NetworkSpec> },
    /// Make a named volume of the stack on the node.
    CreateVolume { volume: Arc<VolumeSpec> },
    /// Bring an image to the node.
    PullImage {
        /// As a container is created from it: pinned where a digest is known.
        image: Arc<str>,
    },
    /// Make the container, start nothing.
    CreateTask {
        /// Everything needed for it.
        task: Arc<TaskPlan>,
    },
    /// Complete the container (further networks, config files) and start it.
    ///
    /// Completing belongs to the start, not to the create: a container found half made by an earlier
    /// run that was killed can then simply be started.
    StartTask {
        /// The same plan as for the create.
        task: Arc<TaskPlan>,
    },
    /// Start a container that has run before, as it is: the way back of an update.
    StartAgain { task: TaskHandle },
    /// Ask the container to stop, and after the grace period make it.
    StopTask {
        task: TaskHandle,
        /// Time between signal and SIGKILL; without one the engine's own default, 10 s.
        grace: Option<GoDuration>,
    },
    /// Change a running container as it is: see [`in_place`](crate::model::in_place).
    UpdateTask { task: TaskHandle, update: Arc<InPlaceUpdate> },
    /// Remove the container with its anonymous volumes.
    RemoveTask { task: TaskHandle },
    /// Remove a network of the stack from the node.
    RemoveNetwork {
        /// Full name.
        name: Arc<str>,
    },
}

/// What all tasks of one service have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct ServicePlan {
    pub cluster: ClusterName,
    pub stack: StackName,
    /// Service, short name.
    pub service: ServiceName,
    /// What each task runs, before templates are expanded; this goes into the label.
    pub spec: Arc<TaskSpec>,
    pub spec_hash: SpecHash,
    /// The spec with marks for values, as canonical JSON.
    pub spec_json: Arc<str>,
    /// The id of the marks' key.
    pub key_id: Arc<str>,
    /// Whether its tasks are meant to end: restart policies differ, see `restart::engine_policy`.
    pub is_job: bool,
    /// Contents of the config files, by absolute target path.
    pub files: Vec<FilePlan>,
    /// Files that are secret, in the memory of their host: secrets, by absolute target path, and behind them configs that are
    /// made of secrets. Values are nowhere in a plan. Where files can be swapped, all configs are among them.
    pub secrets: Vec<SecretPlan>,
    /// Whether its containers are made so that their files can be [swapped](super::swap).
    pub swaps: bool,
}

impl ServicePlan {
    /// Whether a file of its tasks is filled in for each of them.
    #[must_use]
    pub fn has_templates(&self) -> bool {
        self.files.iter().any(|file| file.template_driver.is_some())
            || self.secrets.iter().any(SecretPlan::is_template)
    }
}

/// A change of a task that goes on running.
#[derive(Debug, Clone, PartialEq)]
pub struct InPlaceUpdate {
    /// As it is.
    pub from: Tuning,
    /// As it is to be.
    pub to: Tuning,
    /// Whether it is meant to end: engines then have another restart policy.
    pub is_job: bool,
    /// Files that the running container gets, where contents of its configs or secrets differ.
    pub reload: Option<Reload>,
}

/// Files of a running container, which its process reads again on a signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Reload {
    pub signal: String,
    /// The task as one made now would be: its files, and what fills them in.
    pub task: Arc<TaskPlan>,
    /// The files that it had before this are put back.
    pub is_back: bool,
}

impl InPlaceUpdate {
    /// The way back.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let reload = self.reload.as_ref().map(|reload| Reload { is_back: !reload.is_back, ..reload.clone() });
        Self { from: self.to.clone(), to: self.from.clone(), is_job: self.is_job, reload }
    }

    /// Whether an engine has anything to do about it.
    #[must_use]
    pub fn is_engines(&self) -> bool {
        self.from.to(&self.to, self.is_job) != Retune::Remember
    }
}

/// A file that must be in place before a task starts.
#[derive(Debug, Clone, PartialEq)]
pub struct FilePlan {
    /// Absolute path in the container.
    pub target: String,
    pub uid: u64,
    pub gid: u64,
    pub mode: u32,
    /// `None` in a plan of an older release whose contents were not read: it is shown, and cannot be carried out.
    pub content: Option<Arc<[u8]>>,
    /// What fills the content in for each task, if it is a template.
    pub template_driver: Option<String>,
}

/// A secret that must be in its host's memory before a container with it can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPlan {
    /// Absolute path in the container.
    pub target: String,
    /// Full name of the secret, or of the config.
    pub name: String,
    pub source: SecretSource,
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

/// What is in a secret file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The value of a secret.
    Secret {
        /// Which of its values.
        version: String,
        /// Whether it is a template, which is filled in for each task.
        is_template: bool,
    },
    /// The content of a config, a template that asks for secrets.
    Config(Arc<[u8]>),
    /// The content of a config that asks for none, and is swapped together with secrets.
    Beside {
        /// `None` as in a [`FilePlan`].
        content: Option<Arc<[u8]>>,
        template_driver: Option<String>,
    },
}

impl SecretPlan {
    /// Whether it is filled in for each task.
    #[must_use]
    pub const fn is_template(&self) -> bool {
        matches!(
            self.source,
            SecretSource::Config(_)
                | SecretSource::Secret { is_template: true, .. }
                | SecretSource::Beside { template_driver: Some(_), .. }
        )
    }

    /// The version of the secret of which it is the value.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        match &self.source {
            SecretSource::Secret { version, .. } => Some(version),
            SecretSource::Config(_) | SecretSource::Beside { .. } => None,
        }
    }
}

/// One task to make.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPlan {
    /// What it shares with its siblings.
    pub service: Arc<ServicePlan>,
    pub slot: Slot,
    pub node: NodeName,
    pub attempt: u32,
    pub id: TaskId,
    /// The spec with this task's templates expanded; the service's own where there are none.
    pub spec: Arc<TaskSpec>,
    /// What its files are filled in with, where one of them is a template and its node is known.
    pub fields: Option<Arc<Fields>>,
}

impl TaskPlan {
    /// Links in its container to files that can be swapped, which are looked for elsewhere: where each is, and what it says.
    pub fn links(&self) -> impl Iterator<Item = (&str, String)> {
        let files = self.service.secrets.iter().enumerate().filter(|_| self.service.swaps);
        let elsewhere =
            |one: &SecretPlan| swap::is_file(&one.target) && swap::name_in_folder(&one.target).is_none();
        files.filter(move |(_, one)| elsewhere(one)).map(|(at, one)| (one.target.as_str(), swap::link_to(at)))
    }

    /// `<stack>_<service>.<slot>.<task id>`, Docker's own form.
    #[must_use]
    pub fn container_name(&self) -> String {
        container_name(&self.service.stack, &self.service.service, &self.slot, &self.id)
    }

    /// Its stop, with its own grace period.
    #[must_use]
    pub fn stop(&self) -> What {
        What::StopTask { task: self.handle(), grace: self.spec.stop_grace_period }
    }

    /// What later actions on this task need.
    #[must_use]
    pub fn handle(&self) -> TaskHandle {
        TaskHandle {
            id: self.id.clone(),
            stack: self.service.stack.clone(),
            service: self.service.service.clone(),
            slot: self.slot.clone(),
        }
    }
}

/// A task that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskHandle {
    pub id: TaskId,
    pub stack: StackName,
    /// Service, short name.
    pub service: ServiceName,
    pub slot: Slot,
}

impl TaskHandle {
    /// Name of its container.
    #[must_use]
    pub fn container_name(&self) -> String {
        container_name(&self.stack, &self.service, &self.slot, &self.id)
    }
}

impl fmt::Display for TaskHandle {
    /// `web.1`: service and slot, as `docker service ps` names tasks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.service, self.slot)
    }
}

fn container_name(stack: &StackName, service: &ServiceName, slot: &Slot, id: &TaskId) -> String {
    format!("{stack}_{service}.{slot}.{id}")
}

impl What {
    /// The verb for people and machines: `create task`, `pull image`.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::CreateNetwork { .. } => "create network",
            Self::CreateVolume { .. } => "create volume",
            Self::PullImage { .. } => "pull image",
            Self::CreateTask { .. } => "create task",
            Self::StartTask { .. } => "start task",
            Self::StartAgain { .. } => "start task again",
            Self::StopTask { .. } => "stop task",
            Self::UpdateTask { .. } => "update task",
            Self::RemoveTask { .. } => "remove task",
            Self::RemoveNetwork { .. } => "remove network",
        }
    }

    /// Whether it only brings an image to the node, which changes nothing that runs.
    #[must_use]
    pub fn is_pull(&self) -> bool {
        matches!(self, Self::PullImage { .. })
    }

    /// What the verb is done to: a container, network, volume or image name.
    #[must_use]
    pub fn object(&self) -> String {
        match self {
            Self::CreateNetwork { network } => network.name.clone(),
            Self::CreateVolume { volume } => volume.name.clone(),
            Self::PullImage { image } => image.to_string(),
            Self::CreateTask { task } | Self::StartTask { task } => task.container_name(),
            Self::StartAgain { task }
            | Self::StopTask { task, .. }
            | Self::UpdateTask { task, .. }
            | Self::RemoveTask { task } => task.container_name(),
            Self::RemoveNetwork { name } => name.to_string(),
        }
    }

    /// The service whose task it is about, if it is about one.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::CreateTask { task } | Self::StartTask { task } => Some(&task.service.service),
            Self::StartAgain { task }
            | Self::StopTask { task, .. }
            | Self::UpdateTask { task, .. }
            | Self::RemoveTask { task } => Some(&task.service),
            Self::CreateNetwork { .. }
            | Self::CreateVolume { .. }
            | Self::PullImage { .. }
            | Self::RemoveNetwork { .. } => None,
        }
    }

    /// The task it is about, if it is about one.
    #[must_use]
    pub fn task(&self) -> Option<TaskHandle> {
        match self {
            Self::CreateTask { task } | Self::StartTask { task } => Some(task.handle()),
            Self::StartAgain { task }
            | Self::StopTask { task, .. }
            | Self::UpdateTask { task, .. }
            | Self::RemoveTask { task } => Some(task.clone()),
            Self::CreateNetwork { .. }
            | Self::CreateVolume { .. }
            | Self::PullImage { .. }
            | Self::RemoveNetwork { .. } => None,
        }
    }
}

/// How far a pull has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulled {
    /// So much of the image is on the node; what was there before does not count.
    pub bytes: u64,
    /// So much is to come in all, once all of its layers have said so.
    pub total: Option<u64>,
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Done, or found to be done already.
    Done,
    /// A start, and what the container was seen doing right after it.
    Started(TaskStatus),
    /// Not done.
    Failed(Failure),
}

/// Why an action was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Which kind, for decisions.
    pub kind: FailureKind,
    /// Diagnostic code, e.g. `stackctl::docker::image_missing`.
    pub code: String,
    /// The engine's words, cleaned.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// What kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The host went silent: whether it was done is unknown.
    HostSilent,
    /// The engine said no: bad mount, port taken, no such image, disk full.
    Refused,
    /// It took longer than its deadline.
    Deadline,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_no_stack_says_so_and_what_does_is_written_as_ever() {
        let (node, why) = (NodeName::unchecked("h1"), Reason::ScaledUp { from: 1, to: 3 });
        let of = |scope| entry(ActionId(4), scope, "create network", "shop_default", &why);
        let stack = of(Scope::Stack(&node, None));
        let keys: Vec<&String> = stack.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["from", "id", "node", "object", "reason", "to", "verb", "why"]);
        let host = of(Scope::Host(&node));
        assert_eq!((&host["scope"], &host["node"]), (&json!("host"), &json!("h1")));
        let cluster = of(Scope::Cluster);
        assert_eq!((&cluster["scope"], cluster.get("node")), (&json!("cluster"), None));
        assert_eq!(cluster["verb"], "create network");
    }
}
