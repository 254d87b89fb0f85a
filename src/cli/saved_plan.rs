//! A plan that is kept in a file: made and read in a pull request, carried out later or not at all.
//!
//! `diff --out FILE` writes it, `deploy FILE` carries it out. It holds what was to be deployed, from which
//! inputs, what was seen, and what was to be done. A deploy reads the inputs anew, looks at the hosts anew
//! and plans anew, and refuses if any of that comes to something else. That is why it needs neither files nor
//! values of variables: they are read where they are kept, and only compared, see [`mask`](super::mask).
//!
//! What is taken from it is which stackfiles are read and how, and the digests of images. So whoever may
//! write a plan has a say in what is deployed: its checksum is no signature.

use std::path::{Path, PathBuf};

use anstream::adapter::strip_str;
use serde::{Deserialize, Serialize};

use super::Context;
use super::cluster::{Cluster, env, show_notes};
use super::inputs::Inputs;
use super::mask::{Salt, is_masked, masked_stack};
use super::render::plan::{self, PlanView, action_json};
use super::report::Failure;
use super::rollout::{self, Kind as Change};
use super::sealed::{self, Kind};
use super::snapshot::fingerprint;
use super::stackfiles::Stackfiles;
use crate::diff::HIDDEN;
use crate::engine::Planned;
use crate::fleet::inventory;
use crate::model::ids::sha256_hex;
use crate::model::{ClusterName, StackName, StackSpec, Timestamp};
use crate::orchestrator::{Forecast, Plan, PlanOptions, pin};

/// A saved plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SavedPlan {
    cluster: ClusterName,
    pub(super) stack: StackName,
    at: Timestamp,
    asked: Asked,
    inputs: Inputs,
    /// Images pinned, values masked.
    spec: StackSpec,
    /// What was seen.
    state: String,
    /// What was to be done.
    actions: String,
    /// The same for people.
    shown: String,
}

/// How the stackfiles were named on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    /// The name that was given.
    stack: Option<StackName>,
    files: Vec<PathBuf>,
    profiles: Vec<String>,
    env_files: Vec<PathBuf>,
    strict_docker: bool,
    prune: bool,
}

/// Why a plan is not carried out, or cannot be kept.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum SavedPlanError {
    #[error("the plan is not true any more: {why}")]
    #[diagnostic(
        code(stackctl::plan::stale),
        help("both are shown above, and nothing was changed; look at it anew: `stackctl diff --out FILE …`")
    )]
    Stale { why: String },
    #[error("what the plan was made from is not the same any more: {}", changed.join("; "))]
    #[diagnostic(
        code(stackctl::plan::inputs_changed),
        help(
            "nothing was changed; deploy from the commit and with the variables of the plan, or make it anew"
        )
    )]
    InputsChanged { changed: Vec<String> },
    #[error("the plan {} says itself what is deployed, and how it was asked for", path.display())]
    #[diagnostic(
        code(stackctl::plan::says_all),
        help(
            "leave out what names or reads stackfiles (`-c`, `--profile`, `--env-file`, `--strict-docker`, `--prune`, \
             `--resolve-image`); a stack whose name ends in `.bin` is named in its file"
        )
    )]
    SaysAll { path: PathBuf },
    #[error("a plan is kept of stackfiles, not of a release")]
    #[diagnostic(
        code(stackctl::plan::of_release),
        help("`stackctl rollback {stack} --to N` goes back to a release")
    )]
    OfRelease { stack: StackName },
    #[error("a plan cannot be kept of what comes from stdin: a deploy reads its files again")]
    #[diagnostic(code(stackctl::plan::from_stdin), help("write the stackfile to a file first"))]
    FromStdin,
}

impl SavedPlan {
    /// Keeps a plan that was just made.
    pub(super) fn of(
        planned: &Planned,
        stackfiles: &Stackfiles,
        given: Option<&StackName>,
        inputs: Inputs,
        prune: bool,
    ) -> Result<Self, Failure> {
        if stackfiles.reads_stdin() {
            return Err(Failure::refused(SavedPlanError::FromStdin));
        }
        let observed = &planned.observed;
        let stack = planned.spec.name.clone();
        let salt = Salt::new(&format!("{}/{stack}", observed.cluster));
        Ok(Self {
            cluster: observed.cluster.clone(),
            at: observed.at,
            asked: Asked {
                stack: given.cloned(),
                files: stackfiles.files.clone(),
                profiles: stackfiles.profiles.clone(),
                env_files: stackfiles.env_files.clone(),
                strict_docker: stackfiles.strict_docker,
                prune,
            },
            inputs: inputs.masked(&salt),
            spec: masked_stack(&observed.cluster, &planned.spec),
            state: fingerprint(observed),
            actions: actions(&planned.plan.forecast),
            shown: shown(planned),
            stack,
        })
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        sealed::write(path, &sealed::seal(Kind::Plan, self.at, self))
    }

    /// Reads a plan, which must be of the inventory's cluster.
    pub(super) fn open(path: &Path, context: &Context) -> Result<Self, Failure> {
        let saved: Self = sealed::open(Kind::Plan, path)?;
        let (inventory, notes) =
            inventory::load(context.globals.inventory.as_deref(), &env).map_err(Failure::refused)?;
        show_notes(&context.ui, &notes);
        if inventory.cluster != saved.cluster {
            return Err(sealed::foreign(Kind::Plan, path, &saved.cluster, &inventory.cluster));
        }
        Ok(saved)
    }

    /// What it was made from.
    pub(super) fn stackfiles(&self) -> Stackfiles {
        Stackfiles {
            files: self.asked.files.clone(),
            profiles: self.asked.profiles.clone(),
            env_files: self.asked.env_files.clone(),
            strict_docker: self.asked.strict_docker,
        }
    }

    /// Reads the inputs anew, which must be the same and come to the same.
    pub(super) fn read_again(&self, context: &Context) -> Result<StackSpec, Failure> {
        let (loaded, inputs) = self.stackfiles().load_recorded(self.asked.stack.as_ref(), context)?;
        let salt = Salt::new(&format!("{}/{}", self.cluster, self.stack));
        let mut changed = self.inputs.changed(&inputs.masked(&salt));
        let mut spec = loaded.spec;
        self.pin(&mut spec);
        // Through its text, as the one in the plan: numbers may lose a last digit there.
        let text = serde_json::to_string(&masked_stack(&self.cluster, &spec)).expect("string keys");
        let masked: StackSpec = serde_json::from_str(&text).expect("it was just written");
        if changed.is_empty() && masked != self.spec {
            changed.push(format!("stack {} reads otherwise here{}", self.stack, self.differing(&masked)));
        }
        if changed.is_empty() {
            return Ok(spec);
        }
        Err(Failure::refused(SavedPlanError::InputsChanged { changed }))
    }

    /// Images as the plan has them: whatever a tag stands for by now.
    fn pin(&self, spec: &mut StackSpec) {
        for (name, service) in &mut spec.services {
            let Some(kept) = self.spec.services.get(name) else { continue };
            service.placement.platforms.clone_from(&kept.placement.platforms);
            let task = std::sync::Arc::make_mut(&mut service.task);
            task.digest.clone_from(&kept.task.digest);
            task.force_update = kept.task.force_update;
        }
    }

    fn differing(&self, masked: &StackSpec) -> String {
        let differs = |name: &&crate::model::ServiceName| {
            self.spec.services.get(name.as_str()) != masked.services.get(name.as_str())
        };
        let names: Vec<&str> = masked.services.keys().filter(differs).map(|name| name.as_str()).collect();
        if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
    }

    /// The choices that made the plan.
    pub(super) fn options(&self, cluster: &Cluster) -> PlanOptions {
        cluster.plan_options(self.asked.prune)
    }

    /// Looks and plans anew.
    pub(super) async fn plan_again(
        &self,
        cluster: &Cluster,
        mut spec: StackSpec,
        options: PlanOptions,
    ) -> Planned {
        let observed = cluster.observe().await;
        pin::keep_forced(&mut spec, observed.tasks().filter(|task| task.stack == self.stack));
        let plan = Plan::make(&observed, &spec, options);
        Planned { observed, spec, plan }
    }

    /// Holds a plan that is made now against this one. With nothing left to do all is as it was to be.
    pub(super) fn compare(&self, context: &Context, now: &Planned) -> Result<(), Failure> {
        if self.actions == actions(&now.plan.forecast) || now.plan.is_empty() {
            if self.state != fingerprint(&now.observed) {
                context
                    .ui
                    .detail("The cluster is not as it was when the plan was made; what is to be done is.");
            }
            return Ok(());
        }
        let then = format!("The plan of {} said:\n\n{}", self.at, self.shown);
        context.ui.talk(&format!("{then}\nIt would now be:\n\n{}\n", shown(now)));
        let why = if self.state == fingerprint(&now.observed) {
            "the same cluster calls for something else".to_owned()
        } else {
            format!("cluster {} has changed since {}", self.cluster, self.at)
        };
        Err(Failure::refused(SavedPlanError::Stale { why }))
    }
}

/// What is done, as a digest: the ids of tasks stand for what they run.
fn actions(forecast: &Forecast) -> String {
    let waves: Vec<Vec<serde_json::Value>> =
        forecast.waves.iter().map(|wave| wave.iter().map(action_json).collect()).collect();
    format!("sha256:{}", sha256_hex(sealed::in_order(waves.into()).to_string().as_bytes()))
}

/// The plan as people read it, but for values that may be secret: it is kept.
fn shown(planned: &Planned) -> String {
    let mut diff = planned.plan.diff.clone();
    let changes = diff.services.iter_mut().flat_map(|service| &mut service.changes);
    for change in changes.filter(|change| is_masked(&change.path)) {
        for value in [&mut change.before, &mut change.after].into_iter().flatten() {
            *value = HIDDEN.into();
        }
    }
    let view = PlanView { diff: &diff, ..rollout::view(planned, Change::Deploy, false) };
    strip_str(&plan::text(&view)).to_string()
}
