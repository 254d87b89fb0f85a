//! What is written down before anything of a plan is done.

use std::collections::{BTreeMap, BTreeSet};

use super::Hosts;
use crate::engine::node_records::{Beginning, marks_key};
use crate::ledger::volumes;
use crate::model::TaskId;
use crate::model::action::{Action, What};
use crate::ops::{Error, in_place};
use crate::orchestrator::Planned;

impl Hosts<'_> {
    /// Writes down what has to be known before anything is changed: the key of the plan's marks, where the cluster had
    /// none, the hosts that were found, which members have something of the stack, and which tasks are changed in place.
    /// Mostly that is known already, or there are none. Whether the plan's key is the cluster's.
    pub(super) async fn write_beginning(&self, plan: &Planned, is_release: bool) -> Result<bool, Error> {
        let observed = plan.observed();
        let makes =
            |action: &&Action| matches!(action.what, What::CreateTask { .. } | What::CreateVolume { .. });
        let placed = plan.plan().forecast.actions().filter(makes).map(|action| action.node.clone()).collect();
        let beginning = Beginning {
            key: self.me.new_key.get().filter(|new| marks_key(new) == observed.key),
            found: (self.discovers && is_release).then(|| self.fleet.found()),
            members: observed.member_news(plan.stack(), placed),
            unsure: in_place::changed(plan),
        };
        Ok(beginning.write(&self.writing).await?)
    }

    /// Writes down which volumes engines have made for tasks of the stack, before one of those is removed: nothing else
    /// knows it then; and which of those tasks are known to have served. A stack without such volumes costs no call.
    pub(super) async fn remember_volumes(
        &self,
        plan: &Planned,
        served: &BTreeSet<&TaskId>,
    ) -> Result<(), Error> {
        let stack = plan.stack();
        let mut seen = self.fleet.anonymous_volumes(stack);
        if seen.is_empty() {
            return Ok(());
        }
        for made in seen.values_mut().flat_map(BTreeMap::values_mut) {
            made.has_served |= served.contains(&made.task);
        }
        Ok(volumes::remember(&self.writing, stack, &seen, plan.observed()).await?)
    }
}
