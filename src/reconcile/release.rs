//! One stack released as a repository declares it: a deploy like a person's, under the same lock, checked by
//! health and taken back the same way, and remembered with the commit it is from.

use std::sync::Arc;

use tokio::sync::{mpsc::UnboundedSender, watch};

use super::event::ClusterEvent;
use super::heal::{LoopContext, Refusal, work};
use super::work::{Healed, Task};
use crate::ledger::release::History;
use crate::ledger::settings::{Settings, settings};
use crate::model::Timestamp;
use crate::ops;
use crate::ops::declared::record::StackRecord;
use crate::ops::log::Actor;
use crate::ops::release::{Intent, Wanted};
use crate::ops::vault::stack::{settle, settle_to_write};

/// Releases one stack.
pub(super) async fn release(
    context: Arc<LoopContext>,
    task: Task,
    stop: watch::Receiver<bool>,
    tell: UnboundedSender<(Timestamp, ClusterEvent)>,
) -> Healed {
    let (stack, last_seen) = (task.stack.clone(), Arc::clone(&task.last_seen));
    work(&context, &stack, last_seen, Declared { context: &context, task }, stop, tell).await
}

/// What a commit declares, as long as it is the newest and was not released.
struct Declared<'a> {
    context: &'a LoopContext,
    task: Task,
}

impl Declared<'_> {
    async fn settings(&self) -> Result<Settings, Refusal> {
        Ok(settings(&self.context.reading, &self.task.stack).await.map_err(ops::Error::Ledger)?)
    }
}

impl Intent for Declared<'_> {
    type Error = Refusal;

    async fn wanted(&mut self, history: &History) -> Result<Option<Wanted>, Refusal> {
        let settings = self.settings().await?;
        let Some(mut wanted) = self.task.wanted(&StackRecord::of(history, settings)) else { return Ok(None) };
        let texts = self.task.desired.contents(&self.task.stack).secrets;
        let (values, _) = &self.context.secrets;
        let settled = match &self.context.writing {
            Some(writing) => {
                let actor = Actor { me: self.context.me.clone(), clock: self.context.clock };
                settle_to_write(writing, &actor, values, wanted.spec, &texts).await
            }
            None => settle(&self.context.reading, values, wanted.spec, &texts).await,
        };
        wanted.spec = settled.map_err(ops::Error::from)?;
        Ok(Some(wanted))
    }

    /// Pulls may have taken minutes: a person may have said to leave the stack, and what is released here may
    /// by now be older than what a push hook has released from the same repository, which must stay.
    async fn is_still_wanted(&mut self, _: &History) -> Result<bool, Refusal> {
        if self.settings().await?.suspended.is_some() {
            return Ok(false);
        }
        let Task { desired, .. } = &self.task;
        let Some(asked) = self.context.followed.get(&desired.repository) else { return Ok(true) };
        let is_newest = asked.is_at(&desired.commit.commit).await.map_err(Refusal::Other)?;
        if !is_newest {
            asked.poll_now();
        }
        Ok(is_newest)
    }
}
