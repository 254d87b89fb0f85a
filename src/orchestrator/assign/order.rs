//! Which service is placed before which.

use std::collections::{BTreeMap, BTreeSet};

use super::super::note::Note;
use super::super::problem::Problem;
use super::super::scheduler::constraints;
use super::Planner;
use crate::model::ServiceName;
use crate::model::circles::circles;
use crate::model::constraint::Beside;
use crate::model::spec::{DependencyCondition, ServiceSpec};

/// Service to the services that go before it.
type Edges<'o> = BTreeMap<&'o ServiceName, BTreeSet<&'o ServiceName>>;

impl<'o> Planner<'o> {
    /// Drops the dependencies that close a cycle, with a note. A stackfile has none left; a release that
    /// was recorded by another version may.
    pub(super) fn break_circles(&mut self) {
        let services = &self.spec.services;
        let edges = services.iter().map(|(name, service)| {
            (name.as_str(), service.depends_on.keys().map(ServiceName::as_str).collect())
        });
        for ring in circles(&edges.collect()) {
            let names: Vec<ServiceName> = ring.iter().map(|name| ServiceName::unchecked(name)).collect();
            let [circle @ .., on] = &names[..] else { continue };
            let Some(service) = circle.last() else { continue };
            self.not_awaited.insert((service.clone(), on.clone()));
            self.notes.push(Note::CircleBroken {
                service: service.clone(),
                on: on.clone(),
                circle: circle.to_vec(),
            });
        }
    }

    /// What a service waits for, and how.
    pub(super) fn awaited(
        &self,
        service: &'o ServiceSpec,
    ) -> impl Iterator<Item = (&'o ServiceName, DependencyCondition)> {
        let is_kept = |on: &ServiceName| {
            self.not_awaited.is_empty() || !self.not_awaited.contains(&(service.name.clone(), on.clone()))
        };
        let known = |on: &ServiceName| self.spec.services.contains_key(on.as_str());
        service
            .depends_on
            .iter()
            .filter(move |(on, _)| known(on) && is_kept(on))
            .map(|(on, condition)| (on, *condition))
    }

    /// Dependencies first, then by name; but first of all, the targets of affinities.
    pub(super) fn in_order(&mut self) -> Vec<&'o ServiceSpec> {
        let all: Vec<&'o ServiceName> = self.spec.services.keys().collect();
        let depends = |name: &'o ServiceName| {
            self.awaited(&self.spec.services[name.as_str()]).map(|(on, _)| on).collect()
        };
        let dependencies: Edges<'o> = all.iter().map(|name| (*name, depends(name))).collect();
        let (order, _) = sorted(&all, &dependencies);
        let order = if self.occupants.is_some() { self.affinity_targets_first(order) } else { order };
        order.into_iter().map(|name| &self.spec.services[name.as_str()]).collect()
    }

    fn affinity_targets_first(&mut self, order: Vec<&'o ServiceName>) -> Vec<&'o ServiceName> {
        let (mut needed, mut preferred): (Edges<'o>, Edges<'o>) = Default::default();
        let mut shunned: BTreeSet<(&'o ServiceName, &'o ServiceName)> = BTreeSet::new();
        for (name, service) in &self.spec.services {
            for constraint in constraints(service).unwrap_or_default() {
                let Some((Beside::Service, wanted)) = constraint.affinity() else { continue };
                let full = |other: &ServiceName| format!("{}_{other}", self.spec.name);
                let meant = |other: &&ServiceName| {
                    *other != name && (constraint.matches(other.as_str()) || constraint.matches(&full(other)))
                };
                for other in self.spec.services.keys().filter(meant) {
                    let edges = if constraint.is_soft() { &mut preferred } else { &mut needed };
                    edges.entry(name).or_default().insert(other);
                    if !wanted {
                        shunned.insert((name, other));
                    }
                }
            }
        }
        // Two services with an anti-affinity are kept apart whichever is placed first.
        for (one, other) in shunned.iter().filter(|(one, other)| shunned.contains(&(*other, *one))) {
            if let Some(edges) = needed.get_mut(one) {
                edges.remove(other);
            }
        }
        let (order, ring) = sorted(&order, &needed);
        if !ring.is_empty() {
            self.problems.push(Problem::AffinityCycle { services: cloned(&ring) });
            return order;
        }
        // Soft affinities are followed as long as they close no cycle with the hard ones.
        for (name, others) in preferred {
            needed.entry(name).or_default().extend(others);
        }
        match sorted(&order, &needed) {
            (with_wishes, ring) if ring.is_empty() => with_wishes,
            _ => order,
        }
    }
}

fn cloned(names: &[&ServiceName]) -> Vec<ServiceName> {
    names.iter().map(|name| (*name).clone()).collect()
}

/// Topological order, stable and wave by wave; and the services that are on a cycle or depend on one.
fn sorted<'o>(names: &[&'o ServiceName], edges: &Edges<'o>) -> (Vec<&'o ServiceName>, Vec<&'o ServiceName>) {
    let mut left: Vec<&'o ServiceName> = names.to_vec();
    let mut waiting: BTreeSet<&'o ServiceName> = names.iter().copied().collect();
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let is_ready = |name: &&'o ServiceName| {
            edges.get(*name).is_none_or(|needed| !needed.iter().any(|other| waiting.contains(other)))
        };
        let (ready, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(is_ready);
        if ready.is_empty() {
            order.extend(&rest);
            return (order, rest);
        }
        waiting.retain(|name| !ready.contains(name));
        order.extend(ready);
        left = rest;
    }
    (order, Vec::new())
}
