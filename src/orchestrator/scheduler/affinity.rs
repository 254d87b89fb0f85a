//! Which services share a node: the part of placement that affinities ask about.
//!
//! Checked when a task is placed and not again later: a task is not evicted when the tasks it was placed
//! beside have left. (Swarm classic placed once and never checked again, either.)

use std::sync::Arc;

use super::super::site::Site;
use super::filter::Request;
use crate::model::action::TaskPlan;
use crate::model::constraint::{Beside, Constraint};
use crate::model::ids::{ServiceName, StackName, TaskId};
use crate::model::spec::{ServiceSpec, TaskSpec};
use crate::model::task::Task;

/// Everybody who will live on each node, as far as the plan has got. Made only for stacks with affinities.
#[derive(Debug)]
pub(crate) struct Occupants(Vec<Vec<Occupant>>);

#[derive(Debug)]
struct Occupant {
    container: String,
    /// Of containers that are not ours the name is all that is known.
    task: Option<(StackName, ServiceName, TaskId, Arc<TaskSpec>)>,
}

impl Occupants {
    pub(crate) fn of(sites: &[Site<'_>]) -> Self {
        let at = |site: &Site<'_>| {
            let Ok(facts) = site.view else { return Vec::new() };
            let ours = facts.tasks.iter().filter(|task| task.is_live()).map(|task| Occupant {
                container: task.container.clone(),
                task: Some((task.stack.clone(), task.service.clone(), task.id.clone(), task.spec.clone())),
            });
            let foreign = facts.foreign.iter().filter(|foreign| foreign.running);
            ours.chain(foreign.map(|foreign| Occupant { container: foreign.name.clone(), task: None }))
                .collect()
        };
        Self(sites.iter().map(at).collect())
    }

    /// A task will be gone.
    pub(crate) fn leave(&mut self, at: usize, task: &Task) {
        self.0[at].retain(|occupant| occupant.task.as_ref().is_none_or(|(_, _, id, _)| *id != task.id));
    }

    /// A task will be there.
    pub(crate) fn join(&mut self, at: usize, task: &TaskPlan) {
        let plan = &task.service;
        self.0[at].push(Occupant {
            container: task.container_name(),
            task: Some((plan.stack.clone(), plan.service.clone(), task.id.clone(), task.spec.clone())),
        });
    }
}

/// How a service stands on each node while it is being placed.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Its tasks.
    pub(crate) counts: Vec<u32>,
    wants: Vec<Want>,
}

#[derive(Debug)]
struct Want {
    constraint: Constraint,
    /// On each node.
    found: Vec<u32>,
    total: u32,
    /// Whether the service's own tasks are what is looked for.
    is_own: bool,
}

impl Tally {
    /// With no task placed yet.
    pub(crate) fn of(
        request: &Request,
        service: &ServiceSpec,
        stack: &StackName,
        occupants: Option<&Occupants>,
        sites: &[Site<'_>],
    ) -> Self {
        let want = |constraint: &Constraint| {
            let found: Vec<u32> = sites
                .iter()
                .enumerate()
                .map(|(at, site)| {
                    let there = occupants.map_or(&[][..], |occupants| &occupants.0[at]);
                    let tasks = there.iter().filter(|occupant| occupant.is_meant(constraint, stack)).count();
                    let images = image_there(constraint, site);
                    u32::try_from(tasks).unwrap_or(u32::MAX).saturating_add(u32::from(images))
                })
                .collect();
            Want {
                total: found.iter().fold(0, |sum, n| sum.saturating_add(*n)),
                found,
                is_own: is_meant(constraint, stack, (stack, &service.name), &service.task),
                constraint: constraint.clone(),
            }
        };
        Self { counts: vec![0; sites.len()], wants: request.affinities.iter().map(want).collect() }
    }

    /// A task of the service is placed.
    pub(crate) fn add(&mut self, at: usize) {
        self.counts[at] += 1;
        for want in self.wants.iter_mut().filter(|want| want.is_own) {
            want.found[at] += 1;
            want.total += 1;
        }
    }

    /// A task of the service is taken away.
    pub(crate) fn remove(&mut self, at: usize) {
        self.counts[at] -= 1;
        for want in self.wants.iter_mut().filter(|want| want.is_own) {
            want.found[at] = want.found[at].saturating_sub(1);
            want.total = want.total.saturating_sub(1);
        }
    }

    /// Whether placing a task may change what an affinity finds elsewhere.
    pub(crate) fn draws_its_own(&self) -> bool {
        self.wants.iter().any(|want| want.is_own)
    }

    /// Whether an affinity that must hold does not.
    pub(crate) fn refuses(&self, at: usize) -> bool {
        self.wants.iter().any(|want| !want.constraint.is_soft() && !want.holds(at))
    }

    /// How many of those that only prefer do not hold.
    pub(crate) fn preferences_missed(&self, at: usize) -> u64 {
        self.wants.iter().filter(|want| want.constraint.is_soft() && !want.holds(at)).count() as u64
    }

    /// Those that must hold and do not, as written.
    pub(crate) fn missed(&self, at: usize) -> Vec<String> {
        let missed = self.wants.iter().filter(|want| !want.constraint.is_soft() && !want.holds(at));
        missed.map(|want| want.constraint.to_string()).collect()
    }
}

impl Want {
    fn holds(&self, at: usize) -> bool {
        match self.constraint.affinity() {
            // The first of tasks with an affinity to their own service has none to join.
            Some((_, true)) => self.found[at] > 0 || (self.is_own && self.total == 0),
            Some((_, false)) => self.found[at] == 0,
            None => true,
        }
    }
}

impl Occupant {
    fn is_meant(&self, constraint: &Constraint, asking: &StackName) -> bool {
        match (constraint.affinity(), &self.task) {
            (Some((Beside::Container, _)), _) => constraint.matches(&self.container),
            (_, Some((stack, service, _, spec))) => is_meant(constraint, asking, (stack, service), spec),
            (_, None) => false,
        }
    }
}

/// Whether a task is what an affinity of a service in stack `asking` looks for.
fn is_meant(
    constraint: &Constraint,
    asking: &StackName,
    (stack, service): (&StackName, &ServiceName),
    spec: &TaskSpec,
) -> bool {
    match constraint.affinity() {
        Some((Beside::Service, _)) => {
            (asking == stack && constraint.matches(service.as_str()))
                || constraint.matches(&format!("{stack}_{service}"))
        }
        Some((Beside::Image, _)) => names_of_image(&spec.image).iter().any(|name| constraint.matches(name)),
        Some((Beside::Label(name), _)) => {
            spec.labels.get(name).is_some_and(|value| constraint.matches(value))
        }
        Some((Beside::Container, _)) | None => false,
    }
}

fn image_there(constraint: &Constraint, site: &Site<'_>) -> bool {
    matches!(constraint.affinity(), Some((Beside::Image, _)))
        && site.view.is_ok_and(|facts| {
            let mut names = facts.images.iter().flat_map(|image| names_of_image(image));
            names.any(|name| constraint.matches(name))
        })
}

/// An image with its tag or digest, and without.
fn names_of_image(image: &str) -> Vec<&str> {
    let bare = image.split('@').next().unwrap_or(image);
    let untagged = match bare.rsplit_once(':') {
        // What is behind the colon of a registry's port is no tag.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => bare,
    };
    vec![image, bare, untagged]
}
