//! What tasks need of a node besides room: networks, volumes, images.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::note::Note;
use super::super::problem::Problem;
use super::super::site::{Site, name_on_node};
use super::{Adopt, Planner, ServiceWork, Step};
use crate::model::action::What;
use crate::model::node::{NodeFacts, ObservedNetwork};
use crate::model::reason::Reason;
use crate::model::spec::{NetworkSpec, VolumeSpec};
use crate::model::{Marks, ServiceName, SpecHash, TaskId};

impl Planner<'_> {
    /// Networks, volumes and images that nodes lack for their fresh tasks, each once, in order of node.
    pub(super) fn prepare(&mut self, services: &[ServiceWork]) -> Vec<Step> {
        let networks: BTreeMap<&str, Arc<NetworkSpec>> =
            self.spec.networks.values().map(|n| (n.name.as_str(), Arc::new(n.clone()))).collect();
        let volumes: BTreeMap<&str, Arc<VolumeSpec>> =
            self.spec.volumes.values().map(|v| (v.name.as_str(), Arc::new(v.clone()))).collect();
        self.check_networks(&networks);
        self.check_volumes(services, &volumes);
        let mut steps: Vec<(usize, What, &ServiceName)> = Vec::new();
        let mut local: BTreeSet<String> = BTreeSet::new();
        for work in services {
            // All fresh tasks of a service share image, networks and, but for templates, volumes: look at
            // each node once.
            let mut seen = vec![false; self.sites.len()];
            // Templates never change the image.
            let Some(first) = work.slots.iter().find_map(|slot| slot.fresh.as_ref()) else { continue };
            let image: Arc<str> = Arc::from(first.spec.pinned_image());
            let name_there = name_on_node(&image);
            for slot in &work.slots {
                let Some(fresh) = &slot.fresh else { continue };
                let Ok(facts) = self.sites[slot.node].view else { continue };
                let templated = !Arc::ptr_eq(&fresh.spec, &fresh.service.spec);
                if std::mem::replace(&mut seen[slot.node], true) && !templated {
                    continue;
                }
                let mut need = |what: What| steps.push((slot.node, what, &work.name));
                for name in fresh.spec.networks.keys() {
                    if let Some(network) = networks.get(name.as_str()).filter(|network| !network.external) {
                        if !local.contains(name) {
                            local.insert(name.clone());
                        }
                        if !facts.networks.contains_key(name) {
                            need(What::CreateNetwork { network: network.clone() });
                        }
                    }
                }
                for volume in self.missing_volumes(fresh, facts, &volumes) {
                    need(What::CreateVolume { volume });
                }
                if slot.adopt == Adopt::No
                    && !name_there.as_ref().is_some_and(|name| facts.images.contains(name))
                {
                    need(What::PullImage { image: image.clone() });
                }
            }
        }
        self.note_local(&local);
        // The first service is the one that is named.
        steps.sort_by(|(a, what_a, _), (b, what_b, _)| (a, resource(what_a)).cmp(&(b, resource(what_b))));
        steps.dedup_by(|(b, what_b, _), (a, what_a, _)| (*a, resource(what_a)) == (*b, resource(what_b)));
        steps
            .into_iter()
            .map(|(node, what, service)| Step {
                node,
                what,
                why: Reason::NeededBy { service: service.clone() },
            })
            .collect()
    }

    /// Volumes that a fresh task mounts, and its node does not have.
    fn missing_volumes(
        &self,
        fresh: &super::TaskPlan,
        facts: &NodeFacts,
        volumes: &BTreeMap<&str, Arc<VolumeSpec>>,
    ) -> Vec<Arc<VolumeSpec>> {
        let named = fresh.spec.volumes.values().filter_map(|mount| mount.named_volume());
        let missing = named.filter(|name| !facts.volumes.contains(*name));
        let definition = |name: &str| match volumes.get(name) {
            Some(volume) if volume.external => None,
            Some(volume) => Some(volume.clone()),
            // A templated name: declared under its template, made under its own.
            None => {
                Some(Arc::new(VolumeSpec { name: name.to_owned(), ..self.templated_volume(fresh, name) }))
            }
        };
        missing.filter_map(definition).collect()
    }

    /// Notes that networks which are meant to span nodes do not.
    fn note_local(&mut self, used: &BTreeSet<String>) {
        let bridged: Vec<String> = self
            .spec
            .networks
            .values()
            .filter(|network| used.contains(&network.name) && network.driver.as_deref() != Some("bridge"))
            .map(|network| network.name.clone())
            .collect();
        if !bridged.is_empty() && self.sites.len() > 1 {
            self.notes.push(Note::NetworksAreLocal { networks: bridged });
        }
    }

    /// The definition of a volume whose name was a template.
    fn templated_volume(&self, fresh: &super::TaskPlan, name: &str) -> VolumeSpec {
        let targets = fresh.spec.volumes.iter().filter(|(_, mount)| mount.named_volume() == Some(name));
        targets
            .filter_map(|(target, _)| fresh.service.spec.volumes.get(target)?.named_volume())
            .find_map(|written| self.spec.volumes.values().find(|volume| volume.name == written))
            .cloned()
            .unwrap_or_default()
    }

    /// Volumes of the wanted names that another cluster has made on a task's node: its tasks write to them.
    fn check_volumes(&mut self, services: &[ServiceWork], volumes: &BTreeMap<&str, Arc<VolumeSpec>>) {
        let mut found = BTreeSet::new();
        for (at, fresh) in services
            .iter()
            .flat_map(|work| &work.slots)
            .filter_map(|slot| Some((slot.node, slot.fresh.as_ref()?)))
        {
            let Ok(facts) = self.sites[at].view else { continue };
            let named = fresh.spec.volumes.values().filter_map(|mount| mount.named_volume());
            for name in named.filter(|name| volumes.get(*name).is_none_or(|volume| !volume.external)) {
                if let Some(cluster) = facts.foreign_volumes.get(name) {
                    found.insert((self.sites[at].member.name.clone(), name.to_owned(), cluster.clone()));
                }
            }
        }
        let problem = |(node, volume, cluster)| Problem::VolumeOfOther { node, volume, cluster };
        self.problems.extend(found.into_iter().map(problem));
    }

    /// Networks of the wanted names that are there and are something else.
    fn check_networks(&mut self, wanted: &BTreeMap<&str, Arc<NetworkSpec>>) {
        let mut problems = Vec::new();
        for (name, network) in wanted.iter().filter(|(_, network)| !network.external) {
            let keyed = Marks::of_stack(&self.observed.key, &self.spec.name).network_hash(network);
            let (first, key_id) = (network.hash(), self.observed.key.id());
            for (member, facts) in self.observed.reachable() {
                let Some(there) = facts.networks.get(*name) else { continue };
                // Before 0.3.0 the hash had no key. Under a key that is lost it says nothing: nothing is replaced for that.
                let hash = match there.key_id.as_deref() {
                    None => Some(&first),
                    Some(id) if id == key_id => Some(&keyed),
                    Some(_) => None,
                };
                let Some((why, help)) = self.conflict(there, hash) else { continue };
                problems.push(Problem::NetworkConflict {
                    node: member.name.clone(),
                    network: (*name).to_owned(),
                    why,
                    help,
                });
            }
        }
        self.problems.extend(problems);
    }

    fn conflict(&self, there: &ObservedNetwork, hash: Option<&SpecHash>) -> Option<(String, String)> {
        let ours = there.cluster.as_deref() == Some(self.observed.cluster.as_str());
        if !ours || there.stack.as_deref() != Some(self.spec.name.as_str()) {
            let owner = match (&there.cluster, &there.stack) {
                (Some(cluster), Some(stack)) => format!("belongs to stack {stack} of cluster {cluster}"),
                (_, Some(stack)) => format!("belongs to stack {stack}, made by another tool"),
                (_, None) => "was not made by stackctl".to_owned(),
            };
            return Some((
                owner,
                "remove it, or give the network another `name:`, or make it `external`".to_owned(),
            ));
        }
        if hash.is_none_or(|hash| there.spec_hash.as_deref() == Some(hash.as_str())) {
            return None;
        }
        let stack = &self.spec.name;
        Some((
            "was made from another definition, and a network cannot be altered while tasks are on it"
                .to_owned(),
            format!("run `stackctl rm {stack}` and deploy again, or give the network another `name:`"),
        ))
    }

    /// Networks of this stack on nodes where no container of the stack will be left that refers to them;
    /// ended ones count, or a kept task could not even be looked into by starting it again.
    pub(super) fn unused_networks(&self, services: &[ServiceWork]) -> Vec<Step> {
        let ours = |network: &ObservedNetwork| {
            network.cluster.as_deref() == Some(self.observed.cluster.as_str())
                && network.stack.as_deref() == Some(self.spec.name.as_str())
        };
        let there = |site: &Site<'_>| site.view.is_ok_and(|facts| facts.networks.values().any(ours));
        if !self.sites.iter().any(there) {
            return Vec::new();
        }
        let mut used: BTreeSet<(usize, &str)> = BTreeSet::new();
        let mut going: BTreeSet<&TaskId> = BTreeSet::new();
        for slot in services.iter().flat_map(|work| &work.slots) {
            let removed = slot.old.iter().filter(|old| old.discard).chain(&slot.expired);
            going.extend(removed.map(|old| &old.handle.id));
            if let Some(fresh) = &slot.fresh {
                used.extend(fresh.spec.networks.keys().map(|name| (slot.node, name.as_str())));
            }
        }
        for task in self.observed.tasks().filter(|task| task.stack == self.spec.name) {
            if !going.contains(&task.id) {
                let at = self.node_index(&task.node);
                used.extend(task.spec.networks.keys().map(|name| (at, name.as_str())));
            }
        }
        let mut steps = Vec::new();
        for (at, site) in self.sites.iter().enumerate() {
            let Ok(facts) = site.view else { continue };
            for (name, network) in &facts.networks {
                if ours(network) && !used.contains(&(at, name.as_str())) {
                    let what = What::RemoveNetwork { name: Arc::from(name.as_str()) };
                    steps.push(Step { node: at, what, why: Reason::Unused });
                }
            }
        }
        steps
    }
}

/// What a step makes: kind and name, in the order in which they are made.
fn resource(what: &What) -> (u8, &str) {
    match what {
        What::CreateNetwork { network } => (0, &network.name),
        What::CreateVolume { volume } => (1, &volume.name),
        What::PullImage { image } => (2, image),
        What::CreateTask { .. }
        | What::StartTask { .. }
        | What::StartAgain { .. }
        | What::StopTask { .. }
        | What::UpdateTask { .. }
        | What::RemoveTask { .. }
        | What::RemoveNetwork { .. } => unreachable!("not a preparation"),
    }
}
