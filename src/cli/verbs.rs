//! What the verbs on services ask of a stack's spec, and what is wrong when they ask in vain.

use super::cluster::Cluster;
use super::report::Failure;
use super::service_name::{FullName, Named};
use crate::model::{ServiceName, ServiceSpec, StackName, StackSpec};

/// A change that a service, or its stack, has no room for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub(super) enum ServiceError {
    #[error("no service `{service}` in the current release of stack `{stack}`")]
    #[diagnostic(code(stackctl::cli::no_such_service), help("there are: {}", known.join(", ")))]
    NoService { stack: StackName, service: ServiceName, known: Vec<String> },
    #[error("service `{service}` is {mode}: only replicated services have a number of tasks to be set")]
    #[diagnostic(
        code(stackctl::service::not_replicated),
        help("a global service has a task on each node that fits; a job is run again by deploying it")
    )]
    NotReplicated { service: ServiceName, mode: String },
    #[error("stack `{stack}` has no {kind} `{name}`")]
    #[diagnostic(code(stackctl::service::not_in_stack), help("{help}"))]
    NotInStack { stack: StackName, kind: &'static str, name: String, help: String },
    #[error("service `{service}`: {why}")]
    #[diagnostic(code(stackctl::service::bad_change))]
    BadChange { service: ServiceName, why: String },
    #[error("service `{service}` has no earlier form to go back to")]
    #[diagnostic(
        code(stackctl::service::no_previous),
        help("no release that is remembered has the service otherwise: `stackctl history {stack}`")
    )]
    NoPrevious { stack: StackName, service: ServiceName },
}

/// A service of a spec, by its short name.
pub(super) fn service_of<'s>(
    spec: &'s mut StackSpec,
    name: &ServiceName,
) -> Result<&'s mut ServiceSpec, Failure> {
    let known = spec.services.keys().map(ToString::to_string).collect();
    let (stack, service) = (spec.name.clone(), name.clone());
    spec.services
        .get_mut(name)
        .ok_or_else(|| Failure::refused(ServiceError::NoService { stack, service, known }))
}

/// Which services are meant. The hosts are asked only where the names leave it open.
pub(super) async fn full_names<'n>(
    cluster: &Cluster,
    names: impl Iterator<Item = &'n Named>,
) -> Result<Vec<FullName>, Failure> {
    let names: Vec<&Named> = names.collect();
    if let Some(all) = names.iter().map(|name| name.only().cloned()).collect() {
        return Ok(all);
    }
    let observed = cluster.observe().await;
    names.iter().map(|name| name.find(&observed).map_err(Failure::refused)).collect()
}
