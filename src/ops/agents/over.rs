//! Tasks that are over on hosts that do not answer: agents of the others hear of them, and give those hosts none of their
//! secrets back. Otherwise what was removed or moved meanwhile would start again with its secrets when its host does.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::asked;
use crate::agent::wire::{Answer, KeptTask, Over, Request};
use crate::fleet::Fleet;
use crate::fleet::agents::Installed;
use crate::model::action::What;
use crate::model::{Availability, NodeName, Observed, StackSpec};
use crate::orchestrator::Planned;

/// A place that a service keeps filled: its name, and that of the slot.
type Place = (String, String);

/// What a stack is to be, for who asks which of its tasks are over.
#[derive(Debug)]
pub struct Wanted {
    spec: StackSpec,
    /// Places that are filled on hosts that answer.
    filled: BTreeSet<Place>,
    /// Hosts that may hold something of the stack and do not answer; whether they are to hold nothing.
    silent: BTreeMap<NodeName, bool>,
    /// Hosts that answer.
    others: Vec<NodeName>,
}

impl Wanted {
    /// By a plan that was carried out, and the last look at the hosts.
    #[must_use]
    pub fn of(plan: &Planned, looked: &Observed) -> Self {
        let spec = plan.spec().clone();
        let answered: BTreeSet<&NodeName> = looked.answered().map(|(member, _)| &member.name).collect();
        let live = looked
            .tasks()
            .filter(|task| task.stack == spec.name && task.is_live() && answered.contains(&task.node));
        let mut filled: BTreeSet<Place> =
            live.map(|task| (task.service.to_string(), task.slot.to_string())).collect();
        for action in plan.plan().forecast.actions() {
            if let What::CreateTask { task } = &action.what {
                filled.insert((task.service.service.to_string(), task.slot.to_string()));
            }
        }
        let silent = looked.nodes.values().map(|node| &node.member);
        let silent = silent
            .filter(|member| !answered.contains(&member.name) && looked.may_hold(&member.name, &spec.name));
        let is_drained = |availability: Availability| availability == Availability::Drain;
        let silent = silent.map(|member| (member.name.clone(), is_drained(member.availability))).collect();
        let others = answered.into_iter().cloned().collect();
        Self { spec, filled, silent, others }
    }

    /// Whether a task of a host that does not answer is over: its stack or service is gone, its place is filled elsewhere, or is
    /// none any more, or it has a secret, or a value of one, that is not used any more.
    fn is_over(&self, kept: &KeptTask, is_drained: bool) -> bool {
        let Some(of) = kept.of.as_ref().filter(|of| of.stack == self.spec.name.as_str()) else {
            return false;
        };
        let service = self.spec.services.iter().find(|(name, _)| name.as_str() == of.service);
        let Some((_, service)) = service else { return true };
        let is_place = match service.mode.is_global() {
            true => !is_drained,
            false => {
                let slots = service.mode.tasks(0);
                of.slot.parse::<u64>().is_ok_and(|slot| slot <= slots)
                    && !self.filled.contains(&(of.service.clone(), of.slot.clone()))
            }
        };
        !is_place || kept.secrets.iter().any(|one| !self.is_used(&one.name, &one.version))
    }

    fn is_used(&self, name: &str, version: &str) -> bool {
        let mut known = self.spec.secrets.values().filter(|secret| secret.name == name).peekable();
        // What is made of a config, or was not compared with anything, says nothing.
        if known.peek().is_none() {
            return self.spec.configs.values().any(|config| config.name == name);
        }
        known.any(|secret| {
            let rest = version.strip_prefix(secret.version.as_str());
            secret.version.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" of "))
        })
    }
}

/// Tells agents of hosts that answer which tasks of those that do not are over. How many that are; what an agent does not do
/// is no matter of the run, which has ended.
pub async fn tell(fleet: &Fleet, wanted: &Wanted) -> usize {
    if wanted.silent.is_empty() {
        return 0;
    }
    let found = join_all(wanted.others.iter().map(async |node| (node, fleet.agents_of(node).await)));
    let mut agents: Vec<(&NodeName, Installed)> = Vec::new();
    for (node, host) in found.await {
        let running =
            host.map(|host| host.agents.into_iter().find(|one| one.is_on && !one.rights.is_empty()));
        agents.extend(running.ok().flatten().map(|agent| (node, agent)));
    }
    let mut all = 0;
    for (silent, is_drained) in &wanted.silent {
        let request = Request::PeerKept { host: silent.to_string() };
        let kept = join_all(agents.iter().map(|(node, agent)| asked(fleet, node, agent, &request))).await;
        let kept = kept.into_iter().filter_map(|answer| match answer {
            Ok(Answer::Kept(tasks)) => Some(tasks),
            Ok(_) | Err(_) => None,
        });
        let over = kept.flatten().filter(|task| wanted.is_over(task, *is_drained));
        let over = over.filter_map(|task| Some(Over { born: task.of?.born, task: task.task }));
        let over: BTreeSet<Over> = over.collect();
        if over.is_empty() {
            continue;
        }
        all += over.len();
        let request = Request::PeerOver { host: silent.to_string(), over: over.into_iter().collect() };
        let _said_to_all_that_understand =
            join_all(agents.iter().map(|(node, agent)| asked(fleet, node, agent, &request))).await;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::wire::{KeptSecret, Owner};
    use crate::model::spec::{SecretSpec, ServiceMode, ServiceSpec};
    use crate::model::testing::*;
    use crate::orchestrator::PlanOptions;

    fn kept(service: &str, slot: &str, secrets: &[(&str, &str)]) -> KeptTask {
        let of = Owner { stack: STACK.into(), service: service.into(), slot: slot.into(), born: 7 };
        let secret =
            |(name, version): &(&str, &str)| KeptSecret { name: (*name).into(), version: (*version).into() };
        KeptTask { task: "t1".into(), secrets: secrets.iter().map(secret).collect(), of: Some(of) }
    }

    fn with_secret(services: Vec<ServiceSpec>) -> StackSpec {
        let mut spec = stack(services);
        let secret = SecretSpec { name: "db".into(), version: "v2".into(), ..SecretSpec::default() };
        spec.secrets.insert("db".into(), secret);
        spec
    }

    /// Two hosts, of which the second is silent; the first has a task of `web` in its first slot.
    fn wanted(spec: StackSpec, is_drained: bool) -> Wanted {
        let mut observed = nodes(2);
        let (first, second) = (node_name("n000001"), node_name("n000002"));
        let mut task = task_of(&spec.name, &replicated("web", 2), 1);
        task.node = first.clone();
        facts(observed.nodes.get_mut(&first).unwrap()).tasks.push(task);
        let node = observed.nodes.get_mut(&second).unwrap();
        silence(node);
        if is_drained {
            node.member.availability = Availability::Drain;
        }
        let planned = Planned::make(std::sync::Arc::new(observed), spec, PlanOptions::default());
        let mut wanted = Wanted::of(&planned, planned.observed());
        // What a plan would make elsewhere is no matter of this test.
        wanted.filled.retain(|(_, slot)| slot == "1");
        wanted
    }

    #[test]
    fn what_is_gone_or_moved_is_over_and_what_is_to_come_back_is_not() {
        let global = ServiceSpec { mode: ServiceMode::Global, ..replicated("each", 1) };
        let spec = || with_secret(vec![replicated("web", 2), global.clone()]);
        let now = &[("db", "v2")][..];
        let wanted_now = wanted(spec(), false);
        let silent: Vec<_> = wanted_now.silent.iter().map(|(node, is)| (node.as_str(), *is)).collect();
        assert_eq!(silent, [("n000002", false)]);
        assert_eq!(wanted_now.others, [node_name("n000001")]);
        let is_over = |task: &KeptTask| wanted_now.is_over(task, false);
        assert!(!is_over(&kept("web", "2", now)), "its place is filled nowhere else");
        assert!(is_over(&kept("web", "1", now)), "it is elsewhere");
        assert!(is_over(&kept("web", "3", now)), "there is no such place any more");
        assert!(is_over(&kept("db", "1", now)), "nor such a service");
        assert!(is_over(&kept("web", "2", &[("db", "v1")])), "an older value");
        assert!(is_over(&kept("web", "2", &[("other", "v2")])), "a secret that is not used any more");
        assert!(!is_over(&kept("web", "2", &[("db", "v2 of t1 at /x")])), "a template");
        assert!(!is_over(&kept("each", "n000002", now)), "it stays where it is");
        let mut elsewhere = kept("db", "1", now);
        elsewhere.of.as_mut().unwrap().stack = "blog".into();
        assert!(!is_over(&elsewhere) && !is_over(&KeptTask { of: None, ..kept("db", "1", now) }));
        // A host that is to hold nothing, and a stack that is removed.
        let drained = wanted(spec(), true);
        assert!(drained.silent["n000002"] && drained.is_over(&kept("each", "n000002", now), true));
        let removed = wanted(StackSpec::empty(spec().name), true);
        assert!(removed.is_over(&kept("web", "2", now), true));
    }
}
