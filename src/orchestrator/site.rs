//! A node as the scheduler sees it while it plans: what it is, and what is taken there so far.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::Observed;
use crate::model::image::ImageRef;
use crate::model::node::{Member, NodeFacts, NodeView, Unreachable};
use crate::model::spec::{HostPort, Protocol, TaskSpec};
use crate::model::task::Task;

/// A node and its load. Borrows the observation: clusters are large, plans are short-lived.
pub(crate) struct Site<'o> {
    pub(crate) member: &'o Member,
    pub(crate) view: Result<&'o NodeFacts, &'o Unreachable>,
    /// What it has in all; nothing while it is silent.
    pub(crate) capacity: Capacity,
    pub(crate) load: Load,
}

/// What a node has. Beside the load, and not behind the facts: ranking looks at both again and again.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Capacity {
    pub(crate) nano_cpus: i64,
    pub(crate) memory: i64,
}

/// What tasks take of a node.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Load {
    /// Live tasks of all stacks.
    pub(crate) tasks: u32,
    pub(crate) nano_cpus: i64,
    pub(crate) memory: i64,
    pub(crate) generic: BTreeMap<String, i64>,
    ports: BTreeMap<(u16, Protocol), Vec<Option<IpAddr>>>,
}

/// What one task takes of a node.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Demand {
    pub(crate) nano_cpus: i64,
    pub(crate) memory: i64,
    pub(crate) generic: Vec<(String, i64)>,
    pub(crate) ports: Vec<HostPort>,
}

impl Demand {
    pub(crate) fn of(spec: &TaskSpec) -> Self {
        let reserved = &spec.resources.reservations;
        Self {
            nano_cpus: reserved.nano_cpus,
            memory: reserved.memory,
            generic: reserved.generic.iter().map(|(kind, n)| (kind.clone(), *n)).collect(),
            ports: spec.host_ports().collect(),
        }
    }
}

impl Demand {
    /// Whether it asks for a share of what a node has, ports apart.
    pub(crate) fn reserves(&self) -> bool {
        self.nano_cpus > 0 || self.memory > 0 || !self.generic.is_empty()
    }
}

impl Load {
    pub(crate) fn add(&mut self, demand: &Demand) {
        self.tasks += 1;
        self.nano_cpus += demand.nano_cpus;
        self.memory += demand.memory;
        for (kind, n) in &demand.generic {
            *self.generic.entry(kind.clone()).or_default() += n;
        }
        for port in &demand.ports {
            self.take_port(port);
        }
    }

    pub(crate) fn take_port(&mut self, port: &HostPort) {
        self.ports.entry((port.number, port.protocol)).or_default().push(port.ip);
    }

    pub(crate) fn remove(&mut self, demand: &Demand) {
        self.tasks = self.tasks.saturating_sub(1);
        self.nano_cpus -= demand.nano_cpus;
        self.memory -= demand.memory;
        for (kind, n) in &demand.generic {
            *self.generic.entry(kind.clone()).or_default() -= n;
        }
        for port in &demand.ports {
            if let Some(ips) = self.ports.get_mut(&(port.number, port.protocol))
                && let Some(at) = ips.iter().position(|ip| *ip == port.ip)
            {
                ips.swap_remove(at);
            }
        }
    }

    /// The part of it that is reserved, without ports.
    pub(crate) fn reserved(self) -> Self {
        Self { tasks: 0, ports: BTreeMap::new(), ..self }
    }

    /// Whether more is reserved than a node has.
    pub(crate) fn exceeds(&self, site: &Site<'_>) -> bool {
        site.view.is_ok_and(|facts| {
            let there = |kind| *facts.generic.get(kind).unwrap_or(&0);
            self.nano_cpus > facts.nano_cpus
                || self.memory > facts.memory
                || self.generic.iter().any(|(kind, n)| *n > there(kind))
        })
    }

    /// At least as much of everything that can be reserved.
    pub(crate) fn raise_to(&mut self, other: &Self) {
        self.nano_cpus = self.nano_cpus.max(other.nano_cpus);
        self.memory = self.memory.max(other.memory);
        for (kind, n) in &other.generic {
            let mine = self.generic.entry(kind.clone()).or_default();
            *mine = (*mine).max(*n);
        }
    }

    /// The first wanted port that is taken.
    pub(crate) fn port_clash(&self, wanted: &[HostPort]) -> Option<HostPort> {
        wanted.iter().copied().find(|port| {
            self.ports
                .get(&(port.number, port.protocol))
                .is_some_and(|ips| ips.iter().any(|ip| HostPort { ip: *ip, ..*port }.clashes_with(port)))
        })
    }
}

/// Every node, ordered by name, with the load of everything that lives there.
pub(crate) fn sites(observed: &Observed) -> Vec<Site<'_>> {
    observed
        .nodes
        .values()
        .map(|node| {
            let mut load = Load::default();
            let view = match &node.view {
                NodeView::Unreachable(why) => Err(why),
                NodeView::Facts(facts) => {
                    for task in facts.tasks.iter().filter(|task| task.is_live()) {
                        load.add(&Demand::of(&task.spec));
                    }
                    for foreign in facts.foreign.iter().filter(|foreign| foreign.running) {
                        load.tasks += 1;
                        foreign.ports.iter().for_each(|port| load.take_port(port));
                    }
                    Ok(&**facts)
                }
            };
            let capacity = view.map_or_else(
                |_| Capacity::default(),
                |facts: &NodeFacts| Capacity { nano_cpus: facts.nano_cpus, memory: facts.memory },
            );
            Site { member: &node.member, view, capacity, load }
        })
        .collect()
}

impl Site<'_> {
    /// Gives back what a task takes that is about to go.
    pub(crate) fn release(&mut self, task: &Task) {
        if task.is_live() {
            self.load.remove(&Demand::of(&task.spec));
        }
    }
}

/// The name of an image on a node: by digest where it is pinned, or else by tag.
pub(crate) fn name_on_node(image: &str) -> Option<String> {
    let Ok(image) = ImageRef::parse(image) else { return Some(image.to_owned()) };
    match (&image.digest, image.effective_tag()) {
        (Some(digest), _) => Some(format!("{}@{digest}", image.familiar_name())),
        (None, Some(tag)) => Some(format!("{}:{tag}", image.familiar_name())),
        (None, None) => None,
    }
}
