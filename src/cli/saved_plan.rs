//! `diff --out FILE` and `deploy FILE`: a [saved plan](crate::artifact::saved_plan), its stackfiles and its
//! inventory as the command line has them.

use std::path::Path;

use anstream::adapter::strip_str;

use super::Context;
use super::cluster::{Cluster, named_inventory, read_inventory, show_notes};
use super::render::plan;
use super::report::Failure;
use super::rollout::{self, Kind as Change};
use super::stackfiles::Stackfiles;
use crate::artifact::envelope::{self, Kind};
use crate::artifact::inputs::Inputs;
use crate::artifact::saved_plan::{Agreement, PlanRequest, SavedPlan, SavedPlanError};
use crate::compose::{Loaded, SecretFiles};
use crate::model::StackName;
use crate::orchestrator::{PlanOptions, Planned};

/// Saves a plan that was just made.
pub(super) fn keep(
    path: &Path,
    planned: &Planned,
    stackfiles: &Stackfiles,
    given: Option<&StackName>,
    inputs: Inputs,
    prune: bool,
) -> Result<(), Failure> {
    if stackfiles.reads_stdin() {
        return Err(Failure::refused(SavedPlanError::FromStdin));
    }
    let asked = PlanRequest {
        stack: given.cloned(),
        files: stackfiles.files.clone(),
        profiles: stackfiles.profiles.clone(),
        env_files: stackfiles.env_files.clone(),
        strict_docker: stackfiles.strict_docker,
        prune,
    };
    SavedPlan::of(planned, asked, inputs, shown(planned)).write(path).map_err(Failure::refused)
}

/// Reads a plan, which must belong to the inventory's cluster.
pub(super) fn open(path: &Path, context: &Context) -> Result<SavedPlan, Failure> {
    let saved = SavedPlan::open(path).map_err(Failure::refused)?;
    let (inventory, notes) = read_inventory(named_inventory(context)?.as_deref())?;
    show_notes(&context.ui, &notes);
    if inventory.cluster != *saved.cluster() {
        let foreign = envelope::foreign(Kind::Plan, path, saved.cluster(), &inventory.cluster);
        return Err(Failure::refused(foreign));
    }
    Ok(saved)
}

/// What it was made from.
pub(super) fn stackfiles(saved: &SavedPlan) -> Stackfiles {
    let asked = saved.asked();
    Stackfiles {
        files: asked.files.clone(),
        profiles: asked.profiles.clone(),
        env_files: asked.env_files.clone(),
        strict_docker: asked.strict_docker,
    }
}

/// Reads the inputs again. [`SavedPlan::check`] compares them.
pub(super) fn read_again(saved: &SavedPlan, context: &Context) -> Result<(Loaded, Inputs), Failure> {
    stackfiles(saved).load_recorded(saved.asked().stack.as_ref(), SecretFiles::Need, context)
}

/// The options that the plan was made with.
pub(super) fn options(saved: &SavedPlan, cluster: &Cluster) -> PlanOptions {
    cluster.plan_options(saved.asked().prune)
}

/// Compares a new plan with a saved one, and shows both if they differ.
pub(super) fn compare(saved: &SavedPlan, context: &Context, now: &Planned) -> Result<(), Failure> {
    let ui = &context.ui;
    match saved.compare(now) {
        Ok(Agreement::Whole) => Ok(()),
        Ok(Agreement::OfActions) => {
            ui.detail("The cluster has changed since the plan was made, but the actions are the same.");
            Ok(())
        }
        Err(stale) => {
            let then = format!("The plan of {} was:\n\n{}", saved.at(), saved.shown());
            ui.talk(&format!("{then}\nIt would now be:\n\n{}\n", shown(now)));
            Err(Failure::refused(stale))
        }
    }
}

/// The plan as text, without values, because it is saved.
fn shown(planned: &Planned) -> String {
    let view = rollout::view(planned, &planned.plan().diff, Change::Deploy, false);
    strip_str(&plan::text(&view)).to_string()
}
