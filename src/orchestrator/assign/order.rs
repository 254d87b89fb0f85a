//! Which service is placed before which.

use std::collections::{BTreeMap, BTreeSet};

use super::super::constraint::Beside;
use super::super::problem::Problem;
use super::super::scheduler::constraints;
use super::Planner;
use crate::model::ServiceName;
use crate::model::spec::ServiceSpec;

/// Service to the services that go before it.
type Edges<'o> = BTreeMap<&'o ServiceName, BTreeSet<&'o ServiceName>>;

impl<'o> Planner<'o> {
    /// Dependencies first, then by name; but first of all, those whose company others look for. A circle
    /// is a problem, and then the order is by name.
    pub(super) fn in_order(&mut self) -> Vec<&'o ServiceSpec> {
        let all: Vec<&'o ServiceName> = self.spec.services.keys().collect();
        let depends = |name: &'o ServiceName| {
            let known = self.spec.services[name.as_str()].depends_on.keys();
            known.filter(|other| self.spec.services.contains_key(other.as_str())).collect()
        };
        let dependencies: Edges<'o> = all.iter().map(|name| (*name, depends(name))).collect();
        let (order, ring) = sorted(&all, &dependencies);
        if !ring.is_empty() {
            self.problems.push(Problem::DependencyCycle { services: cloned(&ring) });
        }
        let order = if self.residents.is_some() { self.in_order_of_company(order) } else { order };
        order.into_iter().map(|name| &self.spec.services[name.as_str()]).collect()
    }

    fn in_order_of_company(&mut self, order: Vec<&'o ServiceName>) -> Vec<&'o ServiceName> {
        let (mut needed, mut wished): (Edges<'o>, Edges<'o>) = Default::default();
        let mut shunned: BTreeSet<(&'o ServiceName, &'o ServiceName)> = BTreeSet::new();
        for (name, service) in &self.spec.services {
            for constraint in constraints(service).unwrap_or_default() {
                let Some((Beside::Service, wanted)) = constraint.company() else { continue };
                let full = |other: &ServiceName| format!("{}_{other}", self.spec.name);
                let meant = |other: &&ServiceName| {
                    *other != name && (constraint.matches(other.as_str()) || constraint.matches(&full(other)))
                };
                for other in self.spec.services.keys().filter(meant) {
                    let edges = if constraint.is_soft() { &mut wished } else { &mut needed };
                    edges.entry(name).or_default().insert(other);
                    if !wanted {
                        shunned.insert((name, other));
                    }
                }
            }
        }
        // Two that shun each other are kept apart whichever is placed first.
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
        // Wishes are followed as far as they and the needs make no circle.
        for (name, others) in wished {
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

/// The names so that each comes after those it needs, otherwise as they were, wave by wave; and those that
/// need one another in a circle, or hang on one.
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
