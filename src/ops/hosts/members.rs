//! Which hosts have something of a stack, once a run is over. What a run begins with is written where it begins.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Hosts;
use crate::engine::node_records::Beginning;
use crate::model::action::What;
use crate::ops::RunReport;
use crate::orchestrator::Planned;

impl Hosts<'_> {
    /// Takes hosts off the record that have nothing of the stack any more, as a look after the run shows: one that is
    /// taken out of the inventory then is missed by no one. Where no run can have emptied a host, none is looked at.
    pub(super) async fn release_members(&self, report: &RunReport<Planned>) {
        let stack = report.plan.stack();
        let looked = match &report.proof {
            Some(proof) => Arc::clone(proof.observed()),
            None if may_empty_a_host(&report.plan) => {
                Arc::new(self.look(&mut report.plan.options().clone()).await)
            }
            None => return,
        };
        if looked.records_unknown.is_some() || looked.hosts_unknown.is_some() {
            return;
        }
        let members = looked.member_news(stack, BTreeSet::new());
        // What is not written stays on the record, and the next run looks at it again.
        let _stays_on_record = Beginning { members, ..Beginning::default() }.write(&self.writing).await;
    }
}

/// Whether a run of this plan may have taken the last of its stack from a host.
fn may_empty_a_host(plan: &Planned) -> bool {
    let (observed, stack) = (plan.observed(), plan.stack());
    let (mut goes, mut gets) = (BTreeSet::new(), BTreeSet::new());
    for action in plan.plan().forecast.actions() {
        match &action.what {
            What::StopTask { task, .. } | What::RemoveTask { task } => {
                goes.insert(&task.id);
            }
            What::CreateTask { .. } | What::CreateVolume { .. } => {
                gets.insert(&action.node);
            }
            _ => {}
        }
    }
    observed.answered().any(|(member, facts)| {
        observed.known.get(&member.name).is_some_and(|known| known.stacks.contains(stack))
            && !gets.contains(&member.name)
            && !facts.may_hold_without(stack, |id| goes.contains(id))
    })
}
