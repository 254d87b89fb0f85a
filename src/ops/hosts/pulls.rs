//! Images are brought to their hosts before anything that runs is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::{Held, Hosts};
use crate::fleet::Executor;
use crate::model::NodeName;
use crate::model::action::{Action, ActionId, Outcome, Pulled, What};
use crate::ops::{Event, Progress};
use crate::orchestrator::{Planned, TaskFailure};

/// Between two reports of how far pulls have come.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The images that are there, by node, and what failed.
type Pulls = (BTreeSet<(NodeName, Arc<str>)>, Vec<TaskFailure>);

impl Hosts<'_> {
    /// Pulls every image of the plan, and says how far that has come.
    pub(super) async fn pull(
        &self,
        planned: &Planned,
        lock: &Held,
        progress: &impl Progress<Planned>,
    ) -> Pulls {
        let executor =
            self.fleet.executor(planned.stack(), &planned.observed().key).fenced(lock.validity().fence());
        let pulls: Vec<&Action> =
            planned.plan().forecast.actions().filter(|action| action.what.is_pull()).collect();
        let all = join_all(pulls.iter().map(|action| self.pull_one(&executor, action, progress)));
        let outcomes = tokio::select! {
            outcomes = all => outcomes,
            never = self.report_pulls(&executor, &pulls, progress) => match never {},
        };
        let (mut pulled, mut failed) = (BTreeSet::new(), Vec::new());
        for (action, outcome) in pulls.into_iter().zip(outcomes) {
            match (outcome, &action.what) {
                (Outcome::Failed(failure), _) => {
                    let what = format!("{} {}", action.what.verb(), action.what.object());
                    let node = action.node.clone();
                    failed.push(TaskFailure { node, what, container: None, task: None, failure });
                }
                (_, What::PullImage { image }) => {
                    pulled.insert((action.node.clone(), Arc::clone(image)));
                }
                _ => {}
            }
        }
        (pulled, failed)
    }

    async fn pull_one(
        &self,
        executor: &Executor,
        action: &Action,
        progress: &impl Progress<Planned>,
    ) -> Outcome {
        let begun = self.clock.now();
        if let Some(journal) = &mut self.run().journal {
            journal.began(begun, action);
        }
        progress.event(begun, Event::ActionBegan(action.clone()));
        let outcome = executor.execute(action).await;
        let now = self.clock.now();
        if let Some(journal) = &mut self.run().journal {
            journal.ended(now, action, &outcome);
        }
        progress.event(now, Event::ActionEnded(action.clone(), outcome.clone()));
        outcome
    }

    /// Says of each pull how far it has come, whenever that is more than before.
    async fn report_pulls(
        &self,
        executor: &Executor,
        pulls: &[&Action],
        progress: &impl Progress<Planned>,
    ) -> Infallible {
        let mut said: BTreeMap<ActionId, Pulled> = BTreeMap::new();
        loop {
            tokio::time::sleep(REPORT_EVERY).await;
            for action in pulls {
                if let Some(far) = executor.pulled(action.id)
                    && said.insert(action.id, far) != Some(far)
                {
                    progress.event(self.clock.now(), Event::ActionAdvanced((*action).clone(), far));
                }
            }
        }
    }
}
