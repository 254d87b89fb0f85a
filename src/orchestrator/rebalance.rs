//! Which tasks would be better placed elsewhere: a bounded list of moves, and none the second time.
//!
//! Placement never looks back, so a node that returns or is added stays empty until something else
//! happens (moby#24103). Only tasks without local data are moved, only where filters and affinities let
//! them, and only if that levels something: first the branches of the spread preferences, then the
//! service's tasks on nodes, then all tasks on nodes. Each move lowers the first of these sums of
//! squares that it changes, and a sum of squares cannot go down for ever: no two moves undo each other.

use std::collections::BTreeMap;

use serde::Serialize;

use super::assign::loss::local_data;
use super::options::PlanOptions;
use super::scheduler::{Occupants, Request, Tally, refusal};
use super::site::{Demand, Site, sites};
use crate::model::ids::{NodeName, ServiceName, StackName};
use crate::model::node::NodeView;
use crate::model::observed::ObservedNode;
use crate::model::spec::{ServiceMode, ServiceSpec, StackSpec, Strategy};
use crate::model::task::{Slot, Task, TaskStatus};
use crate::model::{Marks, Observed};

/// One task to move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Move {
    pub service: ServiceName,
    pub slot: Slot,
    pub from: NodeName,
    pub to: NodeName,
    pub gain: Gain,
}

/// What a move levels: how many tasks one side has more than the other before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gain {
    /// Branches of a spread preference, the outermost being 0.
    Branch {
        level: usize,
        /// Tasks of the service more.
        excess: u32,
    },
    /// The service's tasks on two nodes.
    Service { excess: u32 },
    /// All tasks on two nodes.
    Node { excess: u32 },
}

/// The moves that level a stack's tasks, `max_moves` at most, best first.
#[must_use]
pub fn rebalance(
    observed: &Observed,
    spec: &StackSpec,
    options: &PlanOptions,
    max_moves: usize,
) -> Vec<Move> {
    let mut sites = sites(observed);
    let mut services: Vec<Balance<'_>> = spec
        .services
        .values()
        .filter_map(|service| Balance::of(service, spec, observed, &sites, options))
        .collect();
    let mut moves = Vec::new();
    while moves.len() < max_moves {
        let better = services
            .iter()
            .enumerate()
            .filter_map(|(at, balance)| Some((at, balance.best(&sites)?)))
            .min_by_key(|(at, (level, excess, ..))| (*level, std::cmp::Reverse(*excess), *at));
        let Some((at, (level, excess, from, to))) = better else { break };
        moves.push(services[at].carry_out(&mut sites, level, excess, from, to));
    }
    moves
}

/// The state after a move, as the input for moves of another stack.
pub fn carry(observed: &mut Observed, stack: &StackName, one: &Move) {
    let view = |observed: &mut Observed, name: &NodeName| match observed.nodes.get_mut(name) {
        Some(ObservedNode { view: NodeView::Facts(facts), .. }) => Some(std::mem::take(&mut facts.tasks)),
        Some(_) | None => None,
    };
    let Some(there) = view(observed, &one.from) else { return };
    let goes = |task: &Task| {
        task.stack == *stack && task.service == one.service && task.slot == one.slot && task.is_live()
    };
    let (gone, stayed): (Vec<Task>, Vec<Task>) = there.into_iter().partition(goes);
    let put = |observed: &mut Observed, name: &NodeName, tasks: Vec<Task>| {
        if let Some(ObservedNode { view: NodeView::Facts(facts), .. }) = observed.nodes.get_mut(name) {
            facts.tasks.extend(tasks);
        }
    };
    put(observed, &one.from, stayed);
    let moved = gone.into_iter().map(|task| Task { node: one.to.clone(), ..task }).collect();
    put(observed, &one.to, moved);
}

/// One service and where its tasks are.
struct Balance<'o> {
    service: &'o ServiceSpec,
    request: Request,
    tally: Tally,
    /// Tasks that may be moved, by node; the highest slot last, which goes first.
    tasks: BTreeMap<usize, Vec<&'o Task>>,
    /// The value of each spread preference on each node.
    branches: Vec<Vec<String>>,
}

impl<'o> Balance<'o> {
    fn of(
        service: &'o ServiceSpec,
        spec: &'o StackSpec,
        observed: &'o Observed,
        sites: &[Site<'o>],
        options: &PlanOptions,
    ) -> Option<Self> {
        let strategy = service.placement.strategy.unwrap_or(options.strategy);
        let may_move = matches!(service.mode, ServiceMode::Replicated { .. })
            && strategy == Strategy::Spread
            && local_data(service, spec).is_none();
        let request = Request::of(service, spec).ok().filter(|_| may_move)?;
        let occupants = Occupants::of(sites);
        let mut tally = Tally::of(&request, service, &spec.name, Some(&occupants), sites);
        let index: BTreeMap<&NodeName, usize> =
            sites.iter().enumerate().map(|(at, site)| (&site.member.name, at)).collect();
        let wanted = Marks::of(&observed.key, &spec.name, &service.name).hash(&service.task);
        let mut tasks: BTreeMap<usize, Vec<&Task>> = BTreeMap::new();
        for task in one_of_each_slot(observed, spec, service) {
            let at = index[&task.node];
            tally.counts[at] += 1;
            // What is not as wanted yet is the next deploy's to replace.
            if task.status.is_up() && task.spec_hash == wanted {
                tasks.entry(at).or_default().push(task);
            }
        }
        tasks.values_mut().for_each(|tasks| tasks.sort_by(|a, b| a.slot.cmp(&b.slot)));
        let value = |preference: &String, site: &Site<'_>| {
            let label =
                |labels: &BTreeMap<String, String>, name: &str| labels.get(name).cloned().unwrap_or_default();
            match (preference.strip_prefix("node.labels."), preference.strip_prefix("engine.labels.")) {
                (Some(name), _) => label(&site.member.labels, name),
                (None, Some(name)) => {
                    site.view.map_or_else(|_| String::new(), |facts| label(&facts.engine_labels, name))
                }
                (None, None) => String::new(),
            }
        };
        let branches = sites
            .iter()
            .map(|site| service.placement.spread.iter().map(|preference| value(preference, site)).collect())
            .collect();
        Some(Self { service, request, tally, tasks, branches })
    }

    /// The move that levels most: level, excess, from and to. Levels beyond the branches are the service's
    /// tasks and all tasks.
    fn best(&self, sites: &[Site<'_>]) -> Option<(usize, u32, usize, usize)> {
        let depth = self.service.placement.spread.len();
        // Tasks in each branch, a branch being the values down to its level.
        let mut in_branch: BTreeMap<&[String], u32> = BTreeMap::new();
        for (at, values) in self.branches.iter().enumerate() {
            for level in 1..=depth {
                *in_branch.entry(&values[..level]).or_default() += self.tally.counts[at];
            }
        }
        // Nodes of one branch differ only in their tasks: the fullest gives, the emptiest that may takes.
        let key = |at: usize| (self.tally.counts[at], sites[at].load.tasks);
        let mut givers: BTreeMap<&[String], usize> = BTreeMap::new();
        for &at in self.tasks.iter().filter(|(_, tasks)| !tasks.is_empty()).map(|(at, _)| at) {
            let best = givers.entry(&self.branches[at]).or_insert(at);
            if key(at) > key(*best) {
                *best = at;
            }
        }
        let mut takers: BTreeMap<&[String], usize> = BTreeMap::new();
        for (at, site) in sites.iter().enumerate() {
            if refusal(&self.request, site, &self.tally, at).is_ok() {
                let best = takers.entry(&self.branches[at]).or_insert(at);
                if key(at) < key(*best) {
                    *best = at;
                }
            }
        }
        let mut best: Option<(usize, u32, usize, usize)> = None;
        for (&giving, &from) in &givers {
            for (&taking, &to) in &takers {
                let more_wishes = |at: usize| {
                    self.request.preferences_missed(&sites[at]) + self.tally.preferences_missed(at)
                };
                if from == to || more_wishes(to) > more_wishes(from) {
                    continue;
                }
                let branch_levels = (1..=depth)
                    .filter(|level| giving[..*level] != taking[..*level])
                    .map(|level| (level - 1, in_branch[&giving[..level]], in_branch[&taking[..level]]));
                let node_levels = [
                    (depth, self.tally.counts[from], self.tally.counts[to]),
                    (depth + 1, sites[from].load.tasks, sites[to].load.tasks),
                ];
                // Two more on one side get nearer by a move, one more only changes sides, none gets worse.
                let decides = branch_levels.chain(node_levels).find(|(_, from, to)| *from != to + 1);
                let Some((level, a, b)) = decides.filter(|(_, a, b)| *a >= b + 2) else { continue };
                let found = (level, a - b, from, to);
                let is_better = |other: &(usize, u32, usize, usize)| {
                    (found.0, std::cmp::Reverse(found.1)) < (other.0, std::cmp::Reverse(other.1))
                };
                if best.as_ref().is_none_or(is_better) {
                    best = Some(found);
                }
            }
        }
        best
    }

    fn carry_out(
        &mut self,
        sites: &mut [Site<'_>],
        level: usize,
        excess: u32,
        from: usize,
        to: usize,
    ) -> Move {
        let task = self.tasks.get_mut(&from).and_then(Vec::pop).expect("a giver has a task");
        sites[from].load.remove(&Demand::of(&task.spec));
        sites[to].load.add(&self.request.demand);
        self.tally.remove(from);
        self.tally.add(to);
        let depth = self.service.placement.spread.len();
        Move {
            service: self.service.name.clone(),
            slot: task.slot.clone(),
            from: sites[from].member.name.clone(),
            to: sites[to].member.name.clone(),
            gain: match level.checked_sub(depth) {
                None => Gain::Branch { level, excess },
                Some(0) => Gain::Service { excess },
                Some(_) => Gain::Node { excess },
            },
        }
    }
}

/// The task of each slot that will stay: a run that was killed may have left others beside it, which the
/// next one removes.
fn one_of_each_slot<'o>(
    observed: &'o Observed,
    spec: &StackSpec,
    service: &ServiceSpec,
) -> impl Iterator<Item = &'o Task> {
    let ours = |task: &&Task| task.stack == spec.name && task.service == service.name && task.is_live();
    let mut by_slot: BTreeMap<&Slot, &Task> = BTreeMap::new();
    let rank = |task: &Task| {
        (task.status == TaskStatus::Created, !task.status.is_up(), task.created_at, task.id.clone())
    };
    for task in observed.tasks().filter(ours) {
        let best = by_slot.entry(&task.slot).or_insert(task);
        if rank(task) < rank(best) {
            *best = task;
        }
    }
    by_slot.into_values()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::*;
    use crate::model::{Health, Timestamp};

    /// The stack's tasks on these nodes, in order of slot.
    fn placed(mut observed: Observed, spec: &StackSpec, at: &[(&str, &[&str])]) -> Observed {
        for (service, nodes) in at {
            for (n, name) in nodes.iter().enumerate() {
                let slot = Slot::Replica(u32::try_from(n).unwrap() + 1);
                let spec_hash = hash_of(&spec.name, &spec.services[*service]);
                let spec = spec.services[*service].task.clone();
                let task = Task {
                    id: crate::model::TaskId::unchecked(&format!("{service}{n}")),
                    stack: crate::model::StackName::unchecked(STACK),
                    service: service_name(service),
                    container: format!("{STACK}_{service}.{slot}"),
                    slot,
                    node: node_name(name),
                    attempt: 1,
                    is_job: false,
                    spec_hash,
                    spec,
                    key_id: None,
                    status: TaskStatus::Running { health: Health::None },
                    created_at: Timestamp(0),
                    since: None,
                    published: Vec::new(),
                };
                let node = observed.nodes.get_mut(&node_name(name)).unwrap();
                let NodeView::Facts(facts) = &mut node.view else { panic!("silent") };
                facts.tasks.push(task);
            }
        }
        observed
    }

    fn printed(moves: &[Move]) -> Vec<String> {
        moves.iter().map(|m| format!("{}.{} {} to {}", m.service, m.slot, m.from, m.to)).collect()
    }

    fn moves(observed: &Observed, spec: &StackSpec, max: usize) -> Vec<String> {
        printed(&rebalance(observed, spec, &PlanOptions::default(), max))
    }

    #[test]
    fn an_empty_node_gets_its_share_and_no_more() {
        let spec = stack(vec![replicated("web", 6)]);
        let three = || cluster(vec![node("h1"), node("h2"), node("h3")]);
        let observed = placed(three(), &spec, &[("web", &["h1", "h1", "h1", "h2", "h2", "h2"])]);
        assert_eq!(moves(&observed, &spec, 9), ["web.3 h1 to h3", "web.6 h2 to h3"]);
        assert_eq!(moves(&observed, &spec, 1), ["web.3 h1 to h3"]);
        let after = placed(three(), &spec, &[("web", &["h1", "h1", "h3", "h2", "h2", "h3"])]);
        assert_eq!(moves(&after, &spec, 9), [""; 0], "the second time there is nothing to do");
    }

    #[test]
    fn branches_are_levelled_before_nodes() {
        let mut web = replicated("web", 4);
        web.placement.spread = vec!["node.labels.zone".into()];
        let spec = stack(vec![web]);
        let zones = [("h1", "a"), ("h2", "a"), ("h3", "b")];
        let observed = cluster(zones.iter().map(|(name, zone)| labelled(name, &[("zone", zone)])).collect());
        let observed = placed(observed, &spec, &[("web", &["h1", "h1", "h2", "h2"])]);
        assert_eq!(moves(&observed, &spec, 9), ["web.2 h1 to h3", "web.4 h2 to h3"]);
    }

    #[test]
    fn services_of_one_task_are_levelled_over_nodes() {
        let spec = stack(vec![replicated("a", 1), replicated("b", 1), replicated("c", 1)]);
        let observed = cluster(vec![node("h1"), node("h2")]);
        let observed = placed(observed, &spec, &[("a", &["h1"]), ("b", &["h1"]), ("c", &["h1"])]);
        assert_eq!(moves(&observed, &spec, 9), ["a.1 h1 to h2"]);
    }

    #[test]
    fn only_what_may_move_moves_and_only_where_it_fits() {
        let two = || cluster(vec![labelled("h1", &[("zone", "a")]), node("h2")]);
        let at = [("web", &["h1", "h1", "h1"][..])];
        let data = with_task(replicated("web", 3), |task| {
            let source = Some("app_data".to_owned());
            let mount =
                crate::model::spec::Mount::Volume { source, read_only: false, nocopy: false, subpath: None };
            task.volumes.insert("/data".into(), mount);
        });
        let big = with_task(replicated("web", 3), |task| task.resources.reservations.memory = 9 << 30);
        for service in [data, big, constrained(replicated("web", 3), "node.labels.zone == a")] {
            let spec = stack(vec![service]);
            assert_eq!(moves(&placed(two(), &spec, &at), &spec, 9), [""; 0]);
        }
    }
}
