//! An observation against what is [remembered](super::known) of members: which are missing, renamed, replaced or there
//! twice.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::{NodeName, StackName, TaskId};
use super::known::{KnownMember, KnownMembers, MemberNews};
use super::node::{Member, NodeFacts, NodeView, Unreachable, UnreadableContainer};
use super::observed::{Observed, ObservedNode};
use super::task::Task;

/// The code of a member that the inventory does not name.
const MISSING: &str = "stackctl::cluster::node_missing";

impl Observed {
    /// Takes what is remembered of members. One that is not named and had tasks or data is silent from now on. `sources`
    /// are the sources of discovery that are asked.
    pub fn recall(&mut self, known: KnownMembers, sources: &BTreeSet<String>, declare: impl Fn(&mut Member)) {
        self.known = known;
        let renamed: BTreeSet<NodeName> = self.renamed().map(|(old, _)| old.clone()).collect();
        for (name, known) in &self.known {
            if self.nodes.contains_key(name) || known.stacks.is_empty() || renamed.contains(name) {
                continue;
            }
            let found_by = known.found_by.clone().filter(|source| sources.contains(source));
            let reason = match &found_by {
                Some(source) if self.hosts_unknown.is_some() => format!("{source} has not named it"),
                Some(source) => format!("it has left: {source} does not name it any more"),
                None => "the inventory does not name it".to_owned(),
            };
            let mut member = Member { found_by, ..known.member(name) };
            declare(&mut member);
            let help = Some(format!(
                "put it back into the inventory; if it is gone for good, `stackctl node forget {name}`"
            ));
            let why = Unreachable { since: self.at, code: MISSING.to_owned(), reason, help };
            self.nodes.insert(name.clone(), ObservedNode { member, view: NodeView::Unreachable(why) });
        }
    }

    /// Whether a node is remembered, and not named.
    #[must_use]
    pub fn is_missing(&self, node: &NodeName) -> bool {
        let why = match self.nodes.get(node).map(|node| &node.view) {
            Some(NodeView::Unreachable(why)) => Some(why),
            Some(NodeView::Facts(_)) => self.remembered.get(node),
            None => None,
        };
        why.is_some_and(|why| why.code == MISSING)
    }

    /// Whether something of a stack may be on a silent node. On one that is only remembered, what is remembered says so.
    #[must_use]
    pub fn may_hold(&self, node: &NodeName, stack: &StackName) -> bool {
        !self.is_missing(node) || self.known.get(node).is_some_and(|known| known.stacks.contains(stack))
    }

    /// Nodes that sources of discovery do not name any more, and that are waited for no longer: a source is asked again
    /// and believed, while a file may lack a line.
    pub fn left(&self) -> impl Iterator<Item = &NodeName> {
        let has_left =
            |node: &&ObservedNode| node.member.found_by.is_some() && self.is_missing(&node.member.name);
        self.nodes.values().filter(has_left).map(|node| &node.member.name)
    }

    /// Silent members that a deploy of this stack cannot do without.
    pub fn silent_for<'o>(
        &'o self,
        stack: &'o StackName,
    ) -> impl Iterator<Item = (&'o Member, &'o Unreachable)> {
        self.silent_and_needed().filter(|(member, _)| self.may_hold(&member.name, stack))
    }

    /// Members under another name than the one that is remembered: the old and the new name.
    pub fn renamed(&self) -> impl Iterator<Item = (&NodeName, &NodeName)> {
        let gone =
            self.known.iter().filter(|(name, _)| !self.nodes.contains_key(*name) || self.is_missing(name));
        gone.filter_map(|(old, known)| {
            let is_it = |(member, facts): &(&Member, &NodeFacts)| {
                // One that was a member beside it is a copy.
                !self.known.contains_key(&member.name) && known.is_machine(facts)
            };
            self.answered().find(is_it).map(|(member, _)| (old, &member.name))
        })
    }

    /// Nodes whose address leads to another machine than the one where the stack has tasks or data.
    pub fn replaced<'o>(&'o self, stack: &'o StackName) -> impl Iterator<Item = &'o NodeName> {
        let is_other = |(member, facts): &(&Member, &NodeFacts)| {
            self.known.get(&member.name).is_some_and(|known| {
                member.found_by.is_none() && known.stacks.contains(stack) && known.is_another_machine(facts)
            })
        };
        self.answered().filter(is_other).map(|(member, _)| &member.name)
    }

    /// The same for all stacks.
    #[must_use]
    pub fn replaced_for_any(&self) -> BTreeSet<&NodeName> {
        let stacks: BTreeSet<&StackName> = self.known.values().flat_map(|known| &known.stacks).collect();
        stacks.into_iter().flat_map(|stack| self.replaced(stack)).collect()
    }

    /// Under which other name the machine is remembered to which a node's address leads.
    #[must_use]
    pub fn remembered_as(&self, node: &NodeName) -> Option<&NodeName> {
        let facts = self.nodes.get(node)?.view.facts()?;
        let mut others = self.known.iter().filter(|(name, _)| *name != node);
        others.find(|(_, known)| known.is_machine(facts)).map(|(name, _)| name)
    }

    /// Pairs of names of one machine.
    #[must_use]
    pub fn doubled(&self) -> Vec<(&NodeName, &NodeName)> {
        let mut first: BTreeMap<(&str, &str), &NodeName> = BTreeMap::new();
        let mut pairs = Vec::new();
        for (member, facts) in self.answered().filter(|(_, facts)| !facts.id.is_empty()) {
            let is_first = first.insert((&facts.id, &facts.hostname), &member.name);
            pairs.extend(is_first.map(|other| (other, &member.name)));
        }
        pairs
    }

    /// Takes tasks that are on two machines apart: a disk that was cloned has its containers and their labels, too. The one
    /// on the machine for which it was made is the task, or else the older one; the others are not understood from now on,
    /// as are copies on one machine. Two names of one machine are [another matter](Self::doubled).
    pub(super) fn part_copies(&mut self) {
        let mut ids: Vec<&TaskId> = self.tasks().map(|task| &task.id).collect();
        ids.sort_unstable();
        if ids.windows(2).all(|pair| pair[0] != pair[1]) {
            return;
        }
        let mut places: BTreeMap<&TaskId, Vec<(&NodeFacts, &Task)>> = BTreeMap::new();
        for (_, facts) in self.reachable() {
            for task in &facts.tasks {
                places.entry(&task.id).or_default().push((facts, task));
            }
        }
        places.retain(|_, places| places.len() > 1);
        let mut copies: BTreeMap<(NodeName, TaskId), String> = BTreeMap::new();
        for (id, places) in places {
            let is_own = |task: &Task| {
                let Task { stack, service, slot, node, spec_hash, is_job, attempt, .. } = task;
                TaskId::derive(&self.cluster, stack, service, slot, node, spec_hash, *is_job, *attempt) == *id
            };
            let own = |(_, task): &&(&NodeFacts, &Task)| (!is_own(task), task.created_at, task.node.clone());
            let Some((home, original)) = places.iter().min_by_key(own) else { continue };
            let is_same = |facts: &NodeFacts| (&facts.id, &facts.hostname) == (&home.id, &home.hostname);
            for (_, copy) in places.iter().filter(|(facts, _)| !is_same(facts)) {
                let why = format!("it is a copy of `{}` on node `{}`", original.container, original.node);
                copies.insert((copy.node.clone(), id.clone()), why);
            }
        }
        if copies.is_empty() {
            return;
        }
        for (name, node) in &mut self.nodes {
            let Some(facts) = node.view.facts_mut() else { continue };
            for task in std::mem::take(&mut facts.tasks) {
                match copies.remove(&(name.clone(), task.id.clone())) {
                    None => facts.tasks.push(task),
                    Some(why) => facts.unreadable.push(UnreadableContainer {
                        is_live: task.is_live(),
                        name: task.container,
                        stack: Some(task.stack),
                        why,
                    }),
                }
            }
        }
    }

    /// What is to be remembered of members before a stack is changed; `None` if that is known already. `placed` are the
    /// nodes that are about to get something.
    #[must_use]
    pub fn member_news(&self, stack: &StackName, placed: BTreeSet<NodeName>) -> Option<MemberNews> {
        let named = self.nodes.values().filter(|node| !self.is_missing(&node.member.name));
        let mut news = MemberNews {
            stack: stack.clone(),
            named: BTreeMap::new(),
            seen: BTreeSet::new(),
            holds: placed,
            renamed: self.renamed().map(|(old, new)| (old.clone(), new.clone())).collect(),
        };
        for node in named {
            let Member { name, address, found_by, .. } = node.member.clone();
            let mut now = KnownMember { address, found_by, ..KnownMember::default() };
            if let NodeView::Facts(facts) = &node.view
                && !self.remembered.contains_key(&name)
            {
                (now.engine, now.hostname) = (facts.id.clone(), facts.hostname.clone());
                news.seen.insert(name.clone());
                if facts.may_hold(stack) {
                    news.holds.insert(name.clone());
                }
            }
            news.named.insert(name, now);
        }
        let mut after = self.known.clone();
        news.apply(&mut after);
        (after != self.known).then_some(news)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::super::time::Timestamp;
    use super::*;

    fn stack(name: &str) -> StackName {
        StackName::unchecked(name)
    }

    fn name(name: &str) -> NodeName {
        NodeName::unchecked(name)
    }

    /// A cluster of these nodes, each an engine of its own.
    fn cluster(names: &[&str]) -> Observed {
        let mut observed = testing::cluster(names.iter().map(|name| testing::node(name)).collect());
        for node in observed.nodes.values_mut() {
            let id = format!("ID:{}", node.member.name);
            let facts = testing::facts(node);
            (facts.id, facts.hostname) = (id, "debian".to_owned());
        }
        observed
    }

    /// What is remembered after `shop` was put onto these nodes.
    fn known(names: &[&str], placed: &[&str]) -> KnownMembers {
        let mut members = KnownMembers::new();
        let placed = placed.iter().map(|one| name(one)).collect();
        cluster(names).member_news(&stack("shop"), placed).unwrap().apply(&mut members);
        members
    }

    fn recalled(names: &[&str], known: KnownMembers) -> Observed {
        let mut observed = cluster(names);
        observed.recall(known, &BTreeSet::new(), |_| ());
        observed
    }

    #[test]
    fn a_member_that_is_not_named_is_silent_for_the_stacks_it_has() {
        let observed = recalled(&["h1"], known(&["h1", "h2", "h3"], &["h2"]));
        let silent = |of: &str| -> Vec<String> {
            let stack = stack(of);
            observed.silent_for(&stack).map(|(member, _)| member.name.to_string()).collect()
        };
        assert_eq!((silent("shop"), silent("other")), (vec!["h2".to_owned()], vec![]));
        assert!(observed.is_missing(&name("h2")) && !observed.nodes.contains_key("h3"), "it had nothing");
    }

    #[test]
    fn what_is_known_already_is_not_written_again() {
        let members = known(&["h1", "h2"], &["h1"]);
        let mut again = recalled(&["h1", "h2"], members.clone());
        testing::facts(again.nodes.get_mut("h1").unwrap()).volumes.insert("shop_data".to_owned());
        assert_eq!(again.member_news(&stack("shop"), BTreeSet::new()), None);
        let gone = recalled(&["h1", "h2"], members);
        let news = gone.member_news(&stack("shop"), BTreeSet::new()).expect("nothing is there any more");
        let mut after = gone.known.clone();
        news.apply(&mut after);
        assert!(after.values().all(|member| member.stacks.is_empty()));
    }

    #[test]
    fn an_earlier_look_says_nothing_about_what_a_silent_member_has() {
        let members = known(&["h1", "h2"], &["h2"]);
        let mut observed = recalled(&["h1", "h2"], members.clone());
        let why = Unreachable { since: Timestamp(0), code: String::new(), reason: String::new(), help: None };
        observed.remembered.insert(name("h2"), why);
        // It was empty, and another machine.
        testing::facts(observed.nodes.get_mut("h2").unwrap()).id = "ID:before".to_owned();
        assert_eq!(observed.member_news(&stack("shop"), BTreeSet::new()), None);
        // One that the inventory does not name is not named by its facts either.
        let mut missing = recalled(&["h1"], members);
        let NodeView::Unreachable(why) = missing.nodes["h2"].view.clone() else { panic!("it is missing") };
        missing.nodes.get_mut("h2").unwrap().view = NodeView::Facts(Box::default());
        missing.remembered.insert(name("h2"), why);
        assert!(missing.is_missing(&name("h2")));
        assert_eq!(missing.member_news(&stack("shop"), BTreeSet::new()), None);
    }

    #[test]
    fn what_others_have_written_meanwhile_and_what_has_no_use_yet_stays() {
        let mut members = known(&["h1", "h2"], &["h1"]);
        let observed = recalled(&["h1", "h2"], members.clone());
        let news = observed.member_news(&stack("web"), [name("h2")].into()).unwrap();
        let h2 = members.get_mut("h2").unwrap();
        h2.stacks.insert(stack("third"));
        h2.data_address = Some("10.0.0.2".to_owned());
        h2.agent = Some(serde_json::json!({ "port": 1 }));
        h2.public_keys.insert("data".to_owned(), "k".to_owned());
        let before = h2.clone();
        news.apply(&mut members);
        let stacks = [stack("third"), stack("web")].into();
        assert_eq!(members["h2"], KnownMember { stacks, ..before });
        assert_eq!(members["h1"].stacks, [stack("shop")].into());
    }

    #[test]
    fn a_renamed_member_is_known_by_its_engine_and_its_machine() {
        let members = known(&["h1", "h2"], &["h2"]);
        let mut observed = cluster(&["h1", "h9"]);
        testing::facts(observed.nodes.get_mut("h9").unwrap()).id = "ID:h2".to_owned();
        let mut copy = observed.clone();
        observed.recall(members.clone(), &BTreeSet::new(), |_| ());
        assert_eq!(observed.renamed().collect::<Vec<_>>(), [(&name("h2"), &name("h9"))]);
        assert_eq!(observed.silent().count(), 0);
        let mut after = members.clone();
        observed.member_news(&stack("shop"), BTreeSet::new()).unwrap().apply(&mut after);
        assert_eq!(after.keys().map(NodeName::as_str).collect::<Vec<_>>(), ["h1", "h9"]);
        // A copy of a virtual machine has the id, and another name.
        testing::facts(copy.nodes.get_mut("h9").unwrap()).hostname = "copy".to_owned();
        copy.recall(members, &BTreeSet::new(), |_| ());
        assert_eq!((copy.renamed().count(), copy.silent().count()), (0, 1));
    }

    #[test]
    fn one_machine_has_one_name_and_one_name_is_one_machine() {
        let members = known(&["h1", "h2"], &["h2"]);
        let mut observed = recalled(&["h1", "h2"], members);
        assert_eq!((observed.doubled(), observed.replaced(&stack("shop")).count()), (vec![], 0));
        let facts = testing::facts(observed.nodes.get_mut("h2").unwrap());
        facts.id = "ID:h1".to_owned();
        assert_eq!(observed.doubled(), [(&name("h1"), &name("h2"))]);
        let facts = testing::facts(observed.nodes.get_mut("h2").unwrap());
        (facts.id, facts.hostname) = ("ID:new".to_owned(), "other".to_owned());
        let replaced = |of: &str| observed.replaced(&stack(of)).count();
        assert_eq!((replaced("shop"), replaced("web")), (1, 0));
        assert_eq!(observed.remembered_as(&name("h2")), None, "it is new");
    }

    #[test]
    fn two_members_that_were_exchanged_are_each_known_as_the_other() {
        let members = known(&["h1", "h2", "h3"], &["h2"]);
        let mut observed = recalled(&["h1", "h2", "h3"], members);
        assert!(observed.replaced_for_any().is_empty() && observed.remembered_as(&name("h2")).is_none());
        for (one, machine) in [("h2", "h3"), ("h3", "h2")] {
            let facts = testing::facts(observed.nodes.get_mut(one).unwrap());
            (facts.id, facts.hostname) = (format!("ID:{machine}"), machine.to_owned());
        }
        for (one, known) in &mut observed.known {
            known.hostname = one.to_string();
        }
        assert_eq!(observed.replaced_for_any(), [&name("h2")].into(), "h3 has nothing of any stack");
        assert_eq!(observed.remembered_as(&name("h2")), Some(&name("h3")));
    }

    #[test]
    fn a_host_that_its_source_names_no_more_has_left() {
        let mut members = known(&["h1", "h2"], &["h2"]);
        members.get_mut("h2").unwrap().found_by = Some("etcd".to_owned());
        let mut observed = cluster(&["h1"]);
        observed.recall(members.clone(), &["etcd".to_owned()].into(), |_| ());
        assert_eq!(observed.left().collect::<Vec<_>>(), [&name("h2")]);
        // Its source is asked no more: the file decides.
        let observed = recalled(&["h1"], members);
        assert_eq!((observed.left().count(), observed.silent().count()), (0, 1));
    }
}
