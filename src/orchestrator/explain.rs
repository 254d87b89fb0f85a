//! Why the tasks of a service are where they are, and why not elsewhere.
//!
//! Takes a spec from wherever one is known: a stackfile, or a release that was recorded.

use serde::Serialize;

use super::options::PlanOptions;
use super::problem::Problem;
use super::scheduler::{FilterKind, Occupants, Request, Tally, has_image, refusal};
use super::site::sites;
use crate::model::Observed;
use crate::model::ids::{NodeName, ServiceName};
use crate::model::spec::{StackSpec, Strategy};
use crate::model::task::{Slot, TaskStatus};

/// Everything that bears on the placement of one service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    pub service: ServiceName,
    pub strategy: Strategy,
    /// Its live tasks, by slot.
    pub tasks: Vec<Placed>,
    pub nodes: Vec<NodeReasons>,
}

/// A live task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Placed {
    pub slot: Slot,
    pub node: NodeName,
    /// Docker's word for what it does.
    pub state: &'static str,
}

/// One node as the scheduler sees it for one more task of the service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeReasons {
    pub node: NodeName,
    /// The filter that refuses another task here, if one does.
    pub refused_by: Option<FilterKind>,
    pub why: Option<String>,
    /// Live tasks of the service.
    pub tasks_of_service: u32,
    /// Live tasks of all stacks, and containers of others that run.
    pub tasks: u32,
    /// CPU reserved, in billionths of a core.
    pub cpu_reserved: i64,
    /// CPU there is.
    pub cpu: i64,
    /// Memory reserved, in bytes.
    pub memory_reserved: i64,
    /// Memory there is.
    pub memory: i64,
    /// Whether the image need not be pulled.
    pub has_image: bool,
    /// Soft constraints and affinities that it misses.
    #[serde(rename = "wishes_missed")]
    pub preferences_missed: u64,
    /// Values of the labels that are spread over.
    pub branch: Vec<String>,
}

/// Explains one service of a stack.
pub fn explain(
    observed: &Observed,
    spec: &StackSpec,
    options: &PlanOptions,
    name: &ServiceName,
) -> Option<Result<Explanation, Problem>> {
    let service = spec.services.get(name.as_str())?;
    let request = match Request::of(service, spec) {
        Ok(request) => request,
        Err(why) => {
            return Some(Err(Problem::BadConstraint { service: name.clone(), why: why.to_string() }));
        }
    };
    let sites = sites(observed);
    let occupants = Occupants::of(&sites);
    let mut tally = Tally::of(&request, service, &spec.name, Some(&occupants), &sites);
    let mut tasks = Vec::new();
    for task in observed.tasks().filter(|task| task.stack == spec.name && task.service == *name) {
        if task.is_live() && task.status != TaskStatus::Created {
            tasks.push(Placed {
                slot: task.slot.clone(),
                node: task.node.clone(),
                state: task.status.swarm_word(),
            });
        }
    }
    tasks.sort();
    for (at, site) in sites.iter().enumerate() {
        let here = tasks.iter().filter(|task| task.node == site.member.name).count();
        tally.counts[at] = u32::try_from(here).unwrap_or(u32::MAX);
    }
    let nodes = sites.iter().enumerate().map(|(at, site)| {
        let refused = refusal(&request, site, &tally, at).err();
        let branch = |preference: &String| {
            let name = preference.split_once("labels.").map_or("", |(_, name)| name);
            let labels = match (preference.starts_with("engine."), site.view) {
                (true, Ok(facts)) => facts.engine_labels.get(name),
                (true, Err(_)) => None,
                (false, _) => site.member.labels.get(name),
            };
            labels.cloned().unwrap_or_default()
        };
        NodeReasons {
            node: site.member.name.clone(),
            refused_by: refused.as_ref().map(|(kind, _)| *kind),
            why: refused.map(|(_, why)| why),
            tasks_of_service: tally.counts[at],
            tasks: site.load.tasks,
            cpu_reserved: site.load.nano_cpus,
            cpu: site.capacity.nano_cpus,
            memory_reserved: site.load.memory,
            memory: site.capacity.memory,
            has_image: has_image(&request, site),
            preferences_missed: request.preferences_missed(site) + tally.preferences_missed(at),
            branch: service.placement.spread.iter().map(branch).collect(),
        }
    });
    let strategy = service.placement.strategy.unwrap_or(options.strategy);
    Some(Ok(Explanation { service: name.clone(), strategy, nodes: nodes.collect(), tasks }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::*;

    #[test]
    fn every_node_says_why_it_would_not_take_a_task() {
        let mut small = labelled("h2", &[("zone", "a")]);
        facts(&mut small).memory = 1 << 20;
        let mut silent = node("h3");
        silence(&mut silent);
        let observed = cluster(vec![labelled("h1", &[("zone", "a")]), small, silent, node("h4")]);
        let web = with_task(constrained(replicated("web", 1), "node.labels.zone == a"), |task| {
            task.resources.reservations.memory = 1 << 30;
        });
        let spec = stack(vec![web]);
        let explained = explain(&observed, &spec, &PlanOptions::default(), &service_name("web"));
        let explained = explained.unwrap().unwrap();
        let whys: Vec<_> = explained.nodes.iter().map(|node| node.why.as_deref().unwrap_or("fits")).collect();
        assert_eq!(
            whys,
            [
                "fits",
                "1024 MiB asked, 1 of 1 MiB free",
                "silent: no route to host",
                "node.labels.zone == a does not hold"
            ]
        );
        assert!(explain(&observed, &spec, &PlanOptions::default(), &service_name("db")).is_none());
    }
}
