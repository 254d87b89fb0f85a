//! `stackctl service rollback`: one service as it was before it was changed last.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cli::Context;
use crate::cli::cluster::{self, Cluster};
use crate::cli::report::{Exit, Failure};
use crate::cli::rollout_args::StartArgs;
use crate::cli::service_name::{FullName, Named, named};
use crate::cli::small_release::{self, SmallRelease, edit};
use crate::cli::verbs::{ServiceError, full_names, service_of};
use crate::ledger::release::History;
use crate::ledger::{Current, put_back};
use crate::model::StackSpec;

/// Arguments of `service rollback`.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// The service, STACK_SERVICE
    #[arg(value_name = "SERVICE", value_parser = named, add = crate::cli::complete::full_services())]
    pub service: Named,
    /// How it is carried out.
    #[command(flatten)]
    pub start: StartArgs,
}

pub(super) fn run(args: &Rollback, context: &Context) -> Result<Exit, Failure> {
    back(context, &args.service, &args.start, "service rollback")
}

/// As docker: what was rolled back is what a second rollback goes back to.
pub(super) fn back(
    context: &Context,
    service: &Named,
    start: &StartArgs,
    command: &'static str,
) -> Result<Exit, Failure> {
    cluster::with(context, start.connect(), async |cluster: &Cluster| {
        let name = full_names(cluster, std::iter::once(service)).await?.remove(0);
        let verb = format!("service rollback {}", name.service);
        let stack = name.stack.clone();
        let edit = edit(&stack, move |history, current| previous(history, current, &name));
        let all = vec![SmallRelease { stack, verb, edit, notes: Vec::new() }];
        small_release::carry_out(context, cluster, start, command, all).await
    })
}

/// The service as it was, beside the others as they are.
fn previous(history: &History, mut current: Current, name: &FullName) -> Result<StackSpec, Failure> {
    let FullName { stack, service } = name;
    let forced = service_of(&mut current.spec, service)?.task.force_update;
    let Some(then) = history.previous_of(&current, service.as_str()) else {
        let (stack, service) = (stack.clone(), service.clone());
        return Err(Failure::refused(ServiceError::NoPrevious { stack, service }));
    };
    let services = BTreeSet::from([service.clone()]);
    let mut spec = put_back(&current.spec, Some(&then.spec), &services).map_err(|config| {
        let why = format!(
            "in release {} its config {config} has another content, and other services use the new one",
            then.number
        );
        Failure::refused(ServiceError::BadChange { service: service.clone(), why })
    })?;
    Arc::make_mut(&mut service_of(&mut spec, service)?.task).force_update = forced;
    Ok(spec)
}
