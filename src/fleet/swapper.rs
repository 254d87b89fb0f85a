//! Swaps files of tasks in the memory of their host, while their containers run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;

use super::Inner;
use super::agents::secrets::{self, NotDelivered, SecretValues};
use super::docker::failure::ActionError;
use super::docker::files::{NotSwapped, Swaps};
use super::host::Host;
use super::transport::{Fence, TransportError};
use crate::agent::wire::KeptSecret;
use crate::model::TaskId;
use crate::model::action::Reload;

/// What tasks had before a run swapped their files: names and versions, by which a way back is known to lead there.
pub(super) type Versions = Mutex<BTreeMap<TaskId, Vec<KeptSecret>>>;

/// Swaps files on one host.
pub(super) struct Swapper<'a> {
    pub inner: &'a Inner,
    pub host: &'a Arc<Host>,
    pub values: Option<&'a Arc<dyn SecretValues>>,
    pub fence: Option<&'a Fence>,
    pub before: &'a Versions,
}

impl Swapper<'_> {
    fn before(&self) -> MutexGuard<'_, BTreeMap<TaskId, Vec<KeptSecret>>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn swapped(&self, reload: &Reload) -> Result<(), NotSwapped> {
        if self.fence.is_some_and(|fence| !fence.is_open()) {
            return Err(NotSwapped::Silent(TransportError::Fenced.to_string()));
        }
        let (inner, host, id) = (self.inner, self.host, &reload.task.id);
        let task = id.as_str();
        if reload.is_back {
            secrets::swap_back(inner, host, task).await.map_err(not_swapped)?;
            let Some(before) = self.before().get(id).cloned() else { return Ok(()) };
            // A host that was started again meanwhile may have been given the one or the other.
            if secrets::versions(inner, host, task).await.map_err(not_swapped)? == before {
                return Ok(());
            }
            let words = "its host no longer has what was in its files before".to_owned();
            return Err(NotSwapped::Refused(ActionError::Refused { words }));
        }
        let files = secrets::files(&reload.task);
        let now = secrets::versions(inner, host, task).await.map_err(not_swapped)?;
        let is_there = now.len() == files.len()
            && now.iter().zip(&files).all(|(one, file)| one.name == file.name && one.version == file.version);
        // What an earlier run has swapped, and not finished, was not there before that.
        if !is_there {
            self.before().entry(id.clone()).or_insert(now);
        }
        let Some(values) = self.values else { return Err(not_swapped(NotDelivered::NoAgent)) };
        let values = secrets::Filled { plan: &reload.task, values: &**values };
        secrets::swap(inner, host, task, &files, &values).await.map_err(not_swapped)
    }
}

impl Swaps for Swapper<'_> {
    fn swap<'a>(&'a self, reload: &'a Reload) -> BoxFuture<'a, Result<(), NotSwapped>> {
        Box::pin(self.swapped(reload))
    }
}

fn not_swapped(why: NotDelivered) -> NotSwapped {
    match why {
        NotDelivered::Silent(error) => NotSwapped::Silent(error.to_string()),
        why => {
            let help = why.help();
            NotSwapped::Refused(ActionError::SecretsNotDelivered { why: why.to_string(), help })
        }
    }
}
