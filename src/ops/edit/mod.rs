//! Small releases: what runs now, with one thing changed.
//!
//! The change is a function of the stack's history, not a spec: an operation that waited for another one makes
//! its spec again from what that one left. What `scale`, `restart` and the verbs of `service` have in common
//! for every surface; they are carried out as any other plan, by [`release::rollout`](super::release::rollout).

pub mod change;
mod error;
mod service;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use change::ServiceChange;
pub use error::{EditError, Misfit};
pub use service::apply;
pub use standing::{Left, Standing, running, standing};

use self::service::{bounded, force, service_of, set_replicas};
use super::cluster::{Cluster, drifted};
use super::order::{Job, Order};
use super::release::{Draft, Edit};
use super::vault::refuse_all_lost;
use super::{Error, Progress};
use crate::ledger::release::History;
use crate::ledger::{Current, NoCurrent, put_back};
use crate::model::spec::DependencyCondition;
use crate::model::{Observed, ServiceName, StackName, StackSpec};
use crate::orchestrator::{Note, Planned};

/// One stack's part of what was asked for.
#[derive(Clone)]
pub struct SmallRelease {
    /// The stack.
    pub stack: StackName,
    /// For the history: `scale web=5`.
    pub verb: String,
    /// How its spec is made.
    pub edit: Edit,
    /// What belongs to the plan.
    pub notes: Vec<Note>,
}

impl std::fmt::Debug for SmallRelease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmallRelease")
            .field("stack", &self.stack)
            .field("verb", &self.verb)
            .finish_non_exhaustive()
    }
}

impl SmallRelease {
    /// Another number of tasks for some services of a stack.
    #[must_use]
    pub fn scale(stack: StackName, wanted: BTreeMap<ServiceName, u32>) -> Self {
        let words: Vec<String> = wanted.iter().map(|(name, count)| format!("{name}={count}")).collect();
        let verb = format!("scale {}", words.join(" "));
        Self::of(stack, verb, move |_, current| scaled(current.spec, &wanted))
    }

    /// New tasks for one service, or for every service of a stack except for jobs and what is done once.
    #[must_use]
    pub fn restart(stack: StackName, service: Option<ServiceName>) -> Self {
        let verb = match &service {
            Some(service) => format!("restart {service}"),
            None => "restart".to_owned(),
        };
        Self::of(stack, verb, move |_, current| restarted(current.spec, service.as_ref()))
    }

    /// A service changed. The verb is the caller's: it may name no value that could be secret.
    #[must_use]
    pub fn update(stack: StackName, service: ServiceName, verb: String, change: ServiceChange) -> Self {
        Self::of(stack, verb, move |_, mut current| {
            apply(&mut current.spec, &service, &change).map(|()| current.spec)
        })
    }

    /// A service as it was before it was changed last, beside the others as they are. As docker: what was
    /// rolled back is what a second rollback goes back to.
    #[must_use]
    pub fn roll_back(stack: StackName, service: ServiceName) -> Self {
        let verb = format!("service rollback {service}");
        Self::of(stack, verb, move |history, current| previous(history, current, &service))
    }

    /// With what belongs to the plan.
    #[must_use]
    pub fn with_notes(self, notes: Vec<Note>) -> Self {
        Self { notes, ..self }
    }

    fn of(
        stack: StackName,
        verb: String,
        change: impl Fn(&History, Current) -> Result<StackSpec, EditError> + Send + Sync + 'static,
    ) -> Self {
        let name = stack.clone();
        let edit: Edit = Arc::new(move |history| Ok(change(history, current(&name, history)?)?));
        Self { stack, verb, edit, notes: Vec::new() }
    }
}

/// What runs now, as it was declared.
///
/// # Errors
///
/// If that is not known.
pub fn current(stack: &StackName, history: &History) -> Result<Current, EditError> {
    history.current().map_err(|why| EditError::NoCurrent { stack: stack.clone(), why })
}

fn scaled(mut spec: StackSpec, wanted: &BTreeMap<ServiceName, u32>) -> Result<StackSpec, EditError> {
    for (name, &count) in wanted {
        set_replicas(service_of(&mut spec, name)?, count)?;
    }
    if let Some(largest) = wanted.iter().max_by_key(|(_, count)| **count) {
        bounded(&spec, largest.0)?;
    }
    Ok(spec)
}

fn restarted(mut spec: StackSpec, only: Option<&ServiceName>) -> Result<StackSpec, EditError> {
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

fn previous(history: &History, mut current: Current, service: &ServiceName) -> Result<StackSpec, EditError> {
    let forced = service_of(&mut current.spec, service)?.task.force_update;
    let Some(then) = history.previous_of(&current, service.as_str()) else {
        return Err(EditError::NoPrevious { stack: current.spec.name.clone(), service: service.clone() });
    };
    let services = BTreeSet::from([service.clone()]);
    let mut spec = put_back(&current.spec, Some(&then.spec), &services).map_err(|config| {
        let why = Misfit::ConfigChanged { release: then.number, config };
        EditError::BadChange { service: service.clone(), why }
    })?;
    Arc::make_mut(&mut service_of(&mut spec, service)?.task).force_update = forced;
    Ok(spec)
}

/// How small releases are prepared.
#[derive(Debug, Clone, Default)]
pub struct Preparing {
    /// What the user says about them.
    pub message: Option<String>,
    /// Only look: nothing is written, and nothing can be carried out.
    pub dry_run: bool,
    /// How long to wait for another process that holds the lock of a stack whose newest release is unfinished,
    /// in milliseconds.
    pub patience_ms: i64,
}

/// A small release whose spec is made, ready to be planned. `E` is the error of the surface.
#[derive(Debug)]
pub struct Ready<E> {
    small: SmallRelease,
    observed: Observed,
    spec: StackSpec,
    /// None if it is only looked at.
    order: Option<Order<E>>,
    history: History,
}

/// Reads what is remembered, looks at the hosts, and makes the spec.
///
/// # Errors
///
/// If the ledger cannot be read, what runs is not known, or the edit does not fit.
pub async fn prepare<E: From<Error>>(
    cluster: &Cluster,
    small: SmallRelease,
    how: &Preparing,
    progress: &impl Progress<Planned>,
) -> Result<Ready<E>, Error> {
    let stack = &small.stack;
    if how.dry_run {
        let (mut observed, remembered) = tokio::join!(cluster.observe(), cluster.remembered_for_sure(stack));
        let history = remembered?.history;
        let spec = edited(cluster, &small, &history).await?;
        cluster.ask_memory(&mut observed, &spec).await;
        return Ok(Ready { small, observed, spec, order: None, history });
    }
    let draft = || Draft { verb: small.verb.clone(), message: how.message.clone(), ..Draft::default() };
    let (mut observed, order) = Order::beside(cluster, stack, draft(), cluster.observe()).await;
    let mut order = order?;
    if let Err(NoCurrent::Unfinished(_)) = order.history().current() {
        order.settle(cluster, stack, how.patience_ms, progress).await?;
        let (again, fresh) = Order::beside(cluster, stack, draft(), cluster.observe()).await;
        (observed, order) = (again, fresh?);
    }
    let history = order.history().clone();
    let spec = edited(cluster, &small, &history).await?;
    cluster.ask_memory(&mut observed, &spec).await;
    let order = Some(order.edited_by(Arc::clone(&small.edit)));
    Ok(Ready { small, observed, spec, order, history })
}

/// Where nothing is remembered, it may have been lost.
async fn edited(cluster: &Cluster, small: &SmallRelease, history: &History) -> Result<StackSpec, Error> {
    if history.releases.is_empty() {
        refuse_all_lost(&cluster.ledger).await?;
    }
    (small.edit)(history)
}

impl<E: From<Error>> Ready<E> {
    /// Looks at the hosts again: another release may have taken the room that this one was to have.
    #[must_use]
    pub async fn looked_again(self, cluster: &Cluster) -> Self {
        Self { observed: cluster.observe_for(&self.spec).await, ..self }
    }

    /// Plans it.
    #[must_use]
    pub fn plan(self, cluster: &Cluster) -> Job<E> {
        let Self { small, observed, spec, order, history } = self;
        let drift = drifted(&observed, &history);
        // Services that are not in the release are not this stack's to prune.
        let options = cluster.plan_options(false);
        let planned = Planned::make(observed, spec, options).with_notes(small.notes).with_drift(drift);
        let planned = planned.with_known(history.newest_specs());
        Job::new(planned, order.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{depends, global, replicated, service, stack};
    use crate::model::{ServiceMode, secret_env};

    #[test]
    fn only_replicated_services_are_scaled() {
        let spec = stack(vec![replicated("web", 2), global("agent")]);
        let one = |name: &str| BTreeMap::from([(ServiceName::unchecked(name), 5)]);
        let changed = scaled(spec.clone(), &one("web")).unwrap();
        assert_eq!(changed.services["web"].mode, ServiceMode::Replicated { replicas: 5 });
        for refused in ["agent", "none"] {
            assert!(scaled(spec.clone(), &one(refused)).is_err(), "{refused}");
        }
    }

    #[test]
    fn no_stack_is_scaled_beyond_what_can_be_planned() {
        let spec = stack(vec![replicated("web", 2), replicated("db", 600_000)]);
        let to = |count: u32| scaled(spec.clone(), &BTreeMap::from([(ServiceName::unchecked("web"), count)]));
        assert!(to(400_000).is_ok());
        for count in [400_001, u32::MAX] {
            assert!(matches!(to(count), Err(EditError::BadChange { .. })), "{count}");
            let change = ServiceChange { replicas: Some(count), ..ServiceChange::default() };
            let refused = apply(&mut spec.clone(), &ServiceName::unchecked("web"), &change);
            assert!(matches!(refused, Err(EditError::BadChange { .. })), "{count}");
        }
    }

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

    /// The program of a task would otherwise still get the secret.
    #[test]
    fn a_variable_that_is_set_or_removed_is_no_secret_any_more() {
        let file = |source: &str| {
            serde_json::from_value(serde_json::json!({
                "source": source, "uid": "0", "gid": "0", "mode": 292, "content": "v1",
            }))
        };
        let mut spec = stack(vec![replicated("web", 1)]);
        let web = ServiceName::unchecked("web");
        let task = Arc::make_mut(&mut spec.services.get_mut(&web).unwrap().task);
        for name in ["SET", "GONE", "KEPT"] {
            task.secrets.insert(secret_env::file_of(name), file("db").unwrap());
        }
        let mut change = ServiceChange::default();
        change.container.environment.set = vec![("SET".into(), Some("text".into()))];
        change.container.environment.remove = vec!["GONE".into()];
        apply(&mut spec, &web, &change).unwrap();
        let task = &spec.services[&web].task;
        assert_eq!(secret_env::names(task).collect::<Vec<_>>(), ["KEPT"]);
        assert_eq!(task.environment["SET"].as_deref(), Some("text"));
    }
}
