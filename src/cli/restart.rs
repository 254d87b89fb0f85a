//! `stackctl restart`: replaces tasks one after the other, though nothing changed.

use std::sync::Arc;

use super::Context;
use super::cluster::{self, Cluster};
use super::report::{Exit, Failure};
use super::rollout_args::StartArgs;
use super::service_name::{named, not_found};
use super::small_release::{self, SmallRelease, edit};
use super::verbs::service_of;
use crate::model::spec::DependencyCondition;
use crate::model::{Observed, ServiceName, ServiceSpec, StackName, StackSpec};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Every task of a service, by its update policy", "stackctl restart shop_web"),
    ("Every service of a stack, except for jobs", "stackctl restart --yes shop"),
];

/// Arguments of `restart`.
#[derive(Debug, clap::Args)]
pub struct Restart {
    /// A stack, or one service of it as STACK_SERVICE
    #[arg(value_name = "STACK[_SERVICE]", add = super::complete::full_services())]
    pub what: String,
    /// How it is carried out.
    #[command(flatten)]
    pub start: StartArgs,
}

pub(super) fn run(args: &Restart, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, args.start.connect(), async |cluster: &Cluster| {
        let observed = cluster.observe().await;
        let (stack, service) = meant(&args.what, &observed)?;
        let verb = match &service {
            Some(service) => format!("restart {service}"),
            None => "restart".to_owned(),
        };
        let edit = edit(&stack, move |_, current| restarted(current.spec, service.as_ref()));
        let all = vec![SmallRelease { stack, verb, edit, notes: Vec::new() }];
        small_release::carry_out(context, cluster, &args.start, "restart", all).await
    })
}

/// A stack that runs; or else a service.
fn meant(text: &str, observed: &Observed) -> Result<(StackName, Option<ServiceName>), Failure> {
    if let Some(task) = observed.tasks().find(|task| task.stack.as_str() == text) {
        return Ok((task.stack.clone(), None));
    }
    let Ok(name) = named(text) else { return Err(not_found(text, observed)) };
    let full = name.find(observed).map_err(Failure::refused)?;
    Ok((full.stack, Some(full.service)))
}

fn restarted(mut spec: StackSpec, only: Option<&ServiceName>) -> Result<StackSpec, Failure> {
    if let Some(name) = only {
        force(service_of(&mut spec, name)?);
        return Ok(spec);
    }
    // What has been done is not done again: a migration that ran is none that a restart should run.
    let awaited: Vec<ServiceName> = spec
        .services
        .values()
        .flat_map(|service| &service.depends_on)
        .filter(|(_, condition)| **condition == DependencyCondition::ServiceCompletedSuccessfully)
        .map(|(name, _)| name.clone())
        .collect();
    for service in spec.services.values_mut() {
        if !service.mode.is_job() && !awaited.contains(&service.name) {
            force(service);
        }
    }
    Ok(spec)
}

/// SwarmKit's way: a counter in the task's spec, so that every task is out of date.
pub(super) fn force(service: &mut ServiceSpec) {
    Arc::make_mut(&mut service.task).force_update += 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{depends, replicated, service, stack};
    use crate::model::ServiceMode;

    #[test]
    fn a_restart_of_a_stack_leaves_out_what_is_done() {
        let migrate =
            depends(replicated("web", 1), "migrate", DependencyCondition::ServiceCompletedSuccessfully);
        let job = service("job", ServiceMode::ReplicatedJob { total: 1, max_concurrent: 1 });
        let spec = stack(vec![migrate, replicated("migrate", 1), replicated("db", 1), job]);
        let forced = |spec: &StackSpec| -> Vec<u64> {
            spec.services.values().map(|service| service.task.force_update).collect()
        };
        // db, job, migrate, web
        assert_eq!(forced(&restarted(spec.clone(), None).unwrap()), [1, 0, 0, 1]);
        let one = restarted(spec.clone(), Some(&ServiceName::unchecked("job"))).unwrap();
        assert_eq!(forced(&one), [0, 1, 0, 0]);
        assert!(restarted(spec, Some(&ServiceName::unchecked("none"))).is_err());
    }
}
