//! A saved plan: made and reviewed in a pull request, and later carried out exactly as it is, or refused.
//!
//! It contains the stack, marks of its inputs, the observation, and the actions. A deploy reads the inputs, observes
//! the hosts and plans again, and refuses if any of these differ. So the file needs neither contents of files nor
//! values of variables: the deploy reads them at their source, and only compares them, see
//! [`redact`](super::redact).
//!
//! A deploy takes from the plan which stackfiles to read, the options for that, and the digests of images. So an author
//! of plans influences what is deployed: the checksum is no signature.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::envelope::{self, Kind, SealError};
use super::inputs::Inputs;
use super::redact::{Salt, masked_stack};
use super::snapshot::fingerprint;
use crate::model::action::Action;
use crate::model::ids::sha256_hex;
use crate::model::reason::Reason;
use crate::model::{ClusterName, MarkKey, Observed, ServiceName, StackName, StackSpec, Timestamp};
use crate::orchestrator::{Forecast, PlanOptions, Planned, pin};

/// A saved plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedPlan {
    cluster: ClusterName,
    stack: StackName,
    at: Timestamp,
    asked: PlanRequest,
    inputs: Inputs,
    /// The stack, with pinned images and masked values.
    spec: StackSpec,
    /// The id of the key of the marks.
    key_id: String,
    /// The observation.
    state: String,
    /// The actions.
    actions: String,
    /// The plan as text.
    shown: String,
}

/// How the stackfiles were named on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRequest {
    /// The name that was given.
    pub stack: Option<StackName>,
    /// Stackfiles, in their order.
    pub files: Vec<PathBuf>,
    /// Profiles that were chosen.
    pub profiles: Vec<String>,
    /// Files with variables.
    pub env_files: Vec<PathBuf>,
    /// Whether docker's own client has to read it the same way.
    pub strict_docker: bool,
    /// Whether services that the files do not name are removed.
    pub prune: bool,
}

/// Why a plan is not carried out, or cannot be saved.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SavedPlanError {
    /// stackctl would make another plan now.
    #[error("the saved plan is stale: {why}")]
    #[diagnostic(
        code(stackctl::plan::stale),
        help(
            "both plans are shown above, and nothing was changed; review a new plan: `stackctl diff --out FILE …`"
        )
    )]
    Stale { why: String },
    /// Files or variables have changed.
    #[error("the inputs of the saved plan have changed: {}", changed.join("; "))]
    #[diagnostic(
        code(stackctl::plan::inputs_changed),
        help(
            "nothing was changed; deploy from the commit and with the variables of the plan, or make a new one"
        )
    )]
    InputsChanged {
        /// What has changed, in words.
        changed: Vec<String>,
    },
    /// A saved plan with arguments that it contains already.
    #[error("the saved plan {} already contains the stackfiles and options", path.display())]
    #[diagnostic(
        code(stackctl::plan::says_all),
        help(
            "remove the arguments about stackfiles (`-c`, `--profile`, `--env-file`, `--strict-docker`, `--prune`, \
             `--resolve-image`, `--push`); to deploy a stack whose name ends in `.bin`, set `name` in its file"
        )
    )]
    SaysAll { path: PathBuf },
    /// A release has no files to read again.
    #[error("only plans of stackfiles can be saved, not of a release")]
    #[diagnostic(
        code(stackctl::plan::of_release),
        help("roll back without a file: `stackctl rollback {stack} --to N`")
    )]
    OfRelease { stack: StackName },
    /// stdin cannot be read again.
    #[error("a plan of a stackfile from stdin cannot be saved: its deploy reads the files again")]
    #[diagnostic(code(stackctl::plan::from_stdin), help("write the stackfile to a file first"))]
    FromStdin,
}

/// How a new plan agrees with a saved one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// The same actions on the same cluster.
    Whole,
    /// The cluster has changed, but the actions are the same, or already done.
    OfActions,
}

impl SavedPlan {
    /// Saves a plan that was just made. `shown` is the plan as text, without values that may be secret.
    #[must_use]
    pub fn of(planned: &Planned, asked: PlanRequest, inputs: Inputs, shown: String) -> Self {
        let observed = planned.observed();
        let stack = planned.spec().name.clone();
        let salt = Salt::new(&observed.key, &format!("{}/{stack}", observed.cluster));
        Self {
            cluster: observed.cluster.clone(),
            at: observed.at,
            asked,
            inputs: inputs.masked(&salt),
            spec: masked_stack(&observed.cluster, planned.spec(), &observed.key),
            key_id: observed.key.id(),
            state: fingerprint(observed),
            actions: actions(&planned.plan().forecast),
            shown,
            stack,
        }
    }

    /// Writes it into a file.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SealError> {
        envelope::write(path, &envelope::seal(Kind::Plan, self.at, self))
    }

    /// Reads it from a file.
    ///
    /// # Errors
    ///
    /// See [`envelope::open`].
    pub fn open(path: &Path) -> Result<Self, SealError> {
        envelope::open(Kind::Plan, path)
    }

    /// The cluster that it is about.
    #[must_use]
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// The stack that it is about.
    #[must_use]
    pub fn stack(&self) -> &StackName {
        &self.stack
    }

    /// When it was made.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// What it was made from.
    #[must_use]
    pub fn asked(&self) -> &PlanRequest {
        &self.asked
    }

    /// The plan as people read it.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Compares inputs that were read again, and the stack that they give, with those of the plan: they must be
    /// equal. `key` is the cluster's key of marks. Returns the stack with the image digests of the plan.
    ///
    /// # Errors
    ///
    /// [`SavedPlanError::InputsChanged`], with what has changed.
    ///
    /// # Panics
    ///
    /// Never: a stack has string keys.
    pub fn check(
        &self,
        mut spec: StackSpec,
        inputs: Inputs,
        key: &MarkKey,
    ) -> Result<StackSpec, SavedPlanError> {
        // A plan for a cluster without a key was made without one: it gets its key from the first release.
        let key = if self.key_id == MarkKey::unset().id() { &MarkKey::unset() } else { key };
        if self.key_id != key.id() {
            let why = format!("cluster {} has another key of marks than at {}", self.cluster, self.at);
            return Err(SavedPlanError::Stale { why });
        }
        let salt = Salt::new(key, &format!("{}/{}", self.cluster, self.stack));
        let mut changed = self.inputs.changed(&inputs.masked(&salt));
        self.pin(&mut spec);
        // Goes through text, like the one in the plan: numbers may lose a last digit there.
        let text = serde_json::to_string(&masked_stack(&self.cluster, &spec, key)).expect("string keys");
        let masked: StackSpec = serde_json::from_str(&text).expect("it was just written");
        if changed.is_empty() && masked != self.spec {
            changed.push(format!(
                "stack {} resolves differently here{}",
                self.stack,
                self.differing(&masked)
            ));
        }
        if changed.is_empty() { Ok(spec) } else { Err(SavedPlanError::InputsChanged { changed }) }
    }

    /// Sets the image digests of the plan, whatever the tags mean by now.
    fn pin(&self, spec: &mut StackSpec) {
        for (name, service) in &mut spec.services {
            let Some(kept) = self.spec.services.get(name) else { continue };
            service.placement.platforms.clone_from(&kept.placement.platforms);
            let task = Arc::make_mut(&mut service.task);
            task.digest.clone_from(&kept.task.digest);
            task.force_update = kept.task.force_update;
        }
    }

    fn differing(&self, masked: &StackSpec) -> String {
        let differs =
            |name: &&ServiceName| self.spec.services.get(name.as_str()) != masked.services.get(name.as_str());
        let names: Vec<&str> = masked.services.keys().filter(differs).map(|name| name.as_str()).collect();
        if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
    }

    /// Plans again, from a new observation.
    #[must_use]
    pub fn plan_again(
        &self,
        observed: impl Into<Arc<Observed>>,
        mut spec: StackSpec,
        options: PlanOptions,
    ) -> Planned {
        let observed = observed.into();
        pin::keep_forced(&mut spec, observed.tasks().filter(|task| task.stack == self.stack));
        Planned::make(observed, spec, options)
    }

    /// Compares a new plan with this one. A new plan without actions agrees, too: the saved one is done already.
    ///
    /// # Errors
    ///
    /// [`SavedPlanError::Stale`]: the actions differ now.
    pub fn compare(&self, now: &Planned) -> Result<Agreement, SavedPlanError> {
        let is_same_state = self.state == fingerprint(now.observed());
        let is_same_plan = self.actions == actions(&now.plan().forecast) || now.plan().is_empty();
        match (is_same_plan, is_same_state) {
            (true, true) => Ok(Agreement::Whole),
            (true, false) => Ok(Agreement::OfActions),
            (false, true) => {
                Err(SavedPlanError::Stale { why: "the same cluster now needs other actions".to_owned() })
            }
            (false, false) => Err(SavedPlanError::Stale {
                why: format!("cluster {} has changed since {}", self.cluster, self.at),
            }),
        }
    }
}

/// A reason without what differs from one look to the next: how much memory a task uses.
fn lasting(why: &Reason) -> Reason {
    match why {
        Reason::LimitBelowUse { limit, .. } => Reason::LimitBelowUse { uses: 0, limit: *limit },
        other => other.clone(),
    }
}

/// A digest of the actions, with the specs of tasks in place of their ids.
fn actions(forecast: &Forecast) -> String {
    let lasting = |action: &Action| Action { why: lasting(&action.why), ..action.clone() }.to_json();
    let waves: Vec<Vec<serde_json::Value>> =
        forecast.waves.iter().map(|wave| wave.iter().map(lasting).collect()).collect();
    format!("sha256:{}", sha256_hex(envelope::in_order(waves.into()).to_string().as_bytes()))
}
