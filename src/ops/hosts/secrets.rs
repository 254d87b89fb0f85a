//! What is done for a stack with secrets before anything else of a plan.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Hosts, HostsRecord};
use crate::engine::records::Remembered;
use crate::model::Observed;
use crate::ops::agents::need::{EnsureAgents, needing};
use crate::ops::agents::over::Wanted;
use crate::ops::log::Actor;
use crate::ops::release::Remembers as _;
use crate::ops::vault::values::Values;
use crate::ops::{Error, RunReport, vault};
use crate::orchestrator::Planned;

impl Hosts<'_> {
    /// With values of secrets, and what brings the agents that keep them on hosts.
    #[must_use]
    pub fn with_secrets(self, values: Arc<Values>, agents: Arc<dyn EnsureAgents>) -> Self {
        Self { secrets: Some((values, agents)), ..self }
    }

    /// Opens the values of releases, as far as the private keys of this machine can.
    pub(super) async fn open(&self, remembered: &mut Remembered) {
        if let Some((values, _)) = &self.secrets {
            values.open(remembered).await;
        }
    }

    /// To whom the values of a release are encrypted.
    pub(super) fn release_recipient<'s>(
        &'s self,
        observed: &'s Observed,
    ) -> BoxFuture<'s, Result<Option<vault::releases::Recipient>, Error>> {
        Box::pin(async move {
            let to = vault::releases::recipient(&observed.key, observed.release_key.as_ref())?;
            if let (Some(to), Some((values, _))) = (&to, &self.secrets)
                && !values.trusts(to).await
            {
                return Err(vault::VaultError::ForeignReleaseKey.into());
            }
            Ok(to)
        })
    }

    /// Before anything of a stack with secrets is done: hosts that get such tasks have agents, the ledger has the values, and
    /// each value can be had that a host lacks.
    ///
    /// Its layers are not to be those of every command's future: so it is a future of its own.
    pub(super) fn keep_secrets<'s>(
        &'s self,
        plan: &'s Planned,
        record: &'s HostsRecord,
        is_release: bool,
    ) -> BoxFuture<'s, Result<(), Error>> {
        Box::pin(self.secrets_kept(plan, record, is_release))
    }

    /// Has agents hear which tasks of hosts that did not answer are over now.
    pub(super) async fn end_of_silent(&self, report: &RunReport<Planned>) {
        let Some((_, agents)) = self.secrets.as_ref().filter(|_| report.is_converged()) else { return };
        let looked = report.proof.as_ref().unwrap_or(&report.plan);
        agents.ended(&Wanted::of(&report.plan, looked.observed())).await;
    }

    async fn secrets_kept(
        &self,
        plan: &Planned,
        record: &HostsRecord,
        is_release: bool,
    ) -> Result<(), Error> {
        let Some((values, agents)) = &self.secrets else { return Ok(()) };
        let needing = needing(plan);
        // All that can be refused comes before anything is brought to a host or written.
        let pending = match vault::stack::pending(&self.writing, values, plan.spec(), record.history()).await
        {
            // A heal does what it can: the tasks that need this version fail, the others do not.
            Err(vault::VaultError::NoVersion { .. }) if !is_release => None,
            pending => pending?,
        };
        for (node, wanted) in needing.iter().filter(|_| is_release) {
            let mut kept = None;
            for (name, version) in &wanted.values {
                let Err(why) = values.get(name, version).await else { continue };
                // Whose private key opens nothing can still have a host make a task of what is there.
                let kept = match &mut kept {
                    Some(kept) => kept,
                    none => none.insert(agents.kept(node).await),
                };
                if !kept.contains(&(name.clone(), version.clone())) {
                    return Err(why.into());
                }
            }
        }
        let unknown = agents.ensure(needing).await?;
        self.run().unknown = unknown;
        if let Some(pending) = pending {
            let actor = Actor { me: self.me.clone(), clock: self.clock };
            vault::stack::keep(&self.writing, &actor, values, &pending, |_| ()).await?;
        }
        Ok(())
    }
}
