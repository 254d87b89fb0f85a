//! What a look at the hosts calls for: each stack is judged, and work begins on those that need it.

use std::sync::Arc;

use super::event::{ClusterEvent, StackStatus};
use super::options::{HEALS_MAX, Policy, SETTLE_MS};
use super::stack::Judgement;
use super::term::Term;
use super::work::{Job, Task};
use super::world::{Command, Look};
use crate::model::NodeName;
use crate::orchestrator::PlanOptions;
use crate::orchestrator::lost::remember_lost;

impl Term {
    pub(super) fn seen(&mut self, look: Option<Box<Look>>) {
        let Some(look) = look else {
            // Given up. A host that did not answer is soon lost, or answers.
            self.look_soon();
            return;
        };
        let Look { mut observed, records, took_ms } = *look;
        self.has_looked = true;
        self.counts.looks += 1;
        self.counts.looks_ms += u64::try_from(took_ms).unwrap_or(0);
        let mut lost = self.liveness.lost();
        self.with_hosts(&mut observed, &records, &mut lost);
        remember_lost(&mut observed, &mut lost, &self.last_seen);
        let seen = observed.answered().map(|(member, facts)| (member.name.clone(), facts.clone()));
        Arc::make_mut(&mut self.last_seen).extend(seen);
        self.seen_at.extend(observed.answered().map(|(member, _)| (member.name.clone(), observed.at)));
        let base = PlanOptions { lost, upkeep: true, ..self.setup.options.plan.clone() };
        let may_heal = self.setup.options.policy == Policy::Heal && !self.liveness.is_partitioned();
        let turn =
            self.stacks.values().filter_map(|stack| stack.order(observed.at)).min().unwrap_or(u32::MAX);
        let (mut news, mut heals, mut releases) = (Vec::new(), Vec::new(), Vec::new());
        for (name, stack) in &mut self.stacks {
            let is_outdated =
                |node: &&NodeName| self.seen_at.get(*node).is_none_or(|at| stack.may_have_changed(node, *at));
            let outdated = observed.remembered.keys().filter(is_outdated).cloned().collect();
            let base = PlanOptions { outdated, ..base.clone() };
            let judgement = stack.judge(name, &observed, &base, turn);
            if let Some(standing) = stack.news(&judgement) {
                news.push(ClusterEvent::Stack { stack: name.clone(), release: stack.number(), standing });
            }
            let has_room = self.working.len() < HEALS_MAX;
            match judgement {
                Judgement::Heal { number, options } if may_heal && has_room => {
                    stack.begin_work(&base.lost);
                    stack.standing = StackStatus::Healing;
                    self.working.insert(name.clone(), self.now);
                    heals.push((name.clone(), number, options));
                }
                Judgement::Release(desired) if may_heal && has_room => {
                    stack.begin_work(&base.lost);
                    stack.standing = StackStatus::Releasing { commit: desired.commit.short() };
                    self.working.insert(name.clone(), self.now);
                    releases.push((name.clone(), stack.number(), base, desired));
                }
                Judgement::Leave | Judgement::Heal { .. } | Judgement::Release(_) => {}
            }
            if let Some(at) = stack.wakes_at() {
                self.look_at = self.look_at.min(at.max(observed.at.plus_ms(SETTLE_MS)));
            }
        }
        for one in news {
            self.say(one);
        }
        for (stack, number, options) in heals {
            let last_seen = Arc::clone(&self.last_seen);
            self.out.push(Command::Heal(Job { stack, number, options, last_seen }));
        }
        // A single round does not wait for the end of a fence.
        let may_fence = may_heal && self.setup.may_write && !self.setup.options.once;
        self.fence_lost(&observed, &records, may_fence);
        self.forget_hosts();
        // What a deploy does is not what upkeep does: it starts what was given up on, too.
        for (stack, number, base, desired) in releases {
            let (options, last_seen) = (PlanOptions { upkeep: false, ..base }, Arc::clone(&self.last_seen));
            self.out.push(Command::Release(Task { stack, number, desired, options, last_seen }));
        }
    }
}
