//! Brings tasks' secrets to the agents of their hosts, which keep them in memory, and takes them away.
//!
//! Values are asked for only if the agent has none of the same name and version: the first request is without any, and
//! the agent says what it misses.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Installed, NoWay, look, parcel};
use crate::agent::client::{self, AskError};
use crate::agent::wire::{Answer, Refusal, Request, SecretsPut};
use crate::fleet::Inner;
use crate::fleet::error::HostError;
use crate::fleet::host::Host;
use crate::http::stream::Stream;
use crate::model::ClusterName;
use crate::vault::Plaintext;

/// One file of a task.
pub use crate::agent::wire::SecretFile;

/// For an agent to answer, and to take values over a slow line.
const LIMIT: Duration = Duration::from_secs(60);
/// Requests for one task: values that the agent said it had can be gone with their task a moment later.
const ROUNDS_MAX: usize = 4;

/// Where values of secrets come from.
pub trait SecretValues: std::fmt::Debug + Send + Sync {
    /// The value of this version.
    fn value<'a>(
        &'a self,
        name: &'a str,
        version: &'a str,
    ) -> BoxFuture<'a, Result<Arc<Plaintext>, String>>;
}

/// Why a host does not have a task's secrets, or still has them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDelivered {
    /// The host is silent.
    #[error(transparent)]
    Silent(#[from] HostError),
    /// There is no agent on it.
    #[error("the host has no agent, which would keep secrets in memory there")]
    NoAgent,
    /// The agent does not do it; why.
    #[error("{0}")]
    Agent(String),
    /// A value cannot be had.
    #[error("there is no value of secret `{name}` (version {version}): {why}")]
    Value {
        /// The secret's name.
        name: String,
        /// The version that the task needs.
        version: String,
        /// Why not.
        why: String,
    },
}

/// Where the file stands on its host, for a bind mount (read-only) of the task's container. `at` is its place in the list
/// of files.
#[must_use]
pub fn path_on_host(cluster: &ClusterName, engine_socket: &Path, task: &str, at: usize) -> PathBuf {
    parcel::secrets_folder(cluster, engine_socket).join(task).join(at.to_string())
}

/// Brings a task's secrets to its host's agent: all of them or none. May be repeated. Values that the host has already, of
/// any of its tasks, are neither asked for nor sent.
///
/// # Errors
///
/// See [`NotDelivered`]; the host has none of them then.
#[cfg_attr(not(test), expect(dead_code, reason = "what makes containers will bring their secrets by it"))]
pub(in crate::fleet) async fn deliver(
    inner: &Inner,
    host: &Arc<Host>,
    task: &str,
    files: &[SecretFile],
    values: &dyn SecretValues,
) -> Result<(), NotDelivered> {
    if files.is_empty() {
        return Ok(());
    }
    let mut found: Vec<Option<Arc<Plaintext>>> = vec![None; files.len()];
    for _ in 0..ROUNDS_MAX {
        let files_with = files.iter().cloned().zip(found.iter().cloned()).collect();
        let put = Request::SecretsPut(SecretsPut { task: task.to_owned(), files: files_with });
        let missing = match asked(inner, host, &put).await? {
            Some(Answer::Missing(missing)) => missing,
            Some(_) => return Err(NotDelivered::Agent("the agent answered something else".to_owned())),
            None => return Err(NotDelivered::NoAgent),
        };
        if missing.is_empty() {
            return Ok(());
        }
        for at in missing {
            let Some(file) = files.get(at).filter(|_| found[at].is_none()) else {
                return Err(NotDelivered::Agent("the agent misses a value that it was sent".to_owned()));
            };
            // A secret that is several files is sent once: the agent takes the others from the first.
            if (0..at).any(|other| found[other].is_some() && files[other].has_value_of(file)) {
                continue;
            }
            let value = values.value(&file.name, &file.version).await;
            found[at] = Some(value.map_err(|why| NotDelivered::Value {
                name: file.name.clone(),
                version: file.version.clone(),
                why,
            })?);
        }
    }
    Err(NotDelivered::Agent("the secrets that the agent has change while they are asked for".to_owned()))
}

/// Takes a task's secrets away, after its container is gone. What was never there is gone, too; a host without an agent is
/// no error.
///
/// # Errors
///
/// See [`NotDelivered`]. The agent removes them itself, some minutes later.
#[cfg_attr(not(test), expect(dead_code, reason = "what removes containers will take their secrets away by it"))]
pub(in crate::fleet) async fn forget(inner: &Inner, host: &Arc<Host>, task: &str) -> Result<(), NotDelivered> {
    asked(inner, host, &Request::SecretsDrop { task: task.to_owned() }).await.map(drop)
}

/// Asks the agents of a host one after the other, the newest first, until one answers. `None` if there is none that
/// knows of secrets, and nothing may be left to forget.
async fn asked(inner: &Inner, host: &Arc<Host>, request: &Request) -> Result<Option<Answer>, NotDelivered> {
    let mut agents = look::agents_of(host, &inner.cluster).await?;
    if agents.is_empty() {
        return Ok(None);
    }
    // One that was given rights before one that was not: only that one can keep anything.
    agents.sort_by_key(|agent| (!agent.is_on, agent.rights.is_empty()));
    let mut why = None;
    for agent in &agents {
        match of_agent(inner, host, agent, request).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(Unanswered::Silent(error)) => return Err(error.into()),
            Err(Unanswered::TooOld) if matches!(request, Request::SecretsDrop { .. }) => {}
            Err(other) => why = why.or(Some(other.to_string())),
        }
    }
    why.map_or(Ok(None), |why| Err(NotDelivered::Agent(why)))
}

/// Why one agent gave no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error(transparent)]
    Silent(HostError),
    #[error("the agent on the host is too old to keep secrets: `stackctl agent install` brings a newer one")]
    TooOld,
    #[error("the agent on the host does not run: `stackctl agent install` starts it")]
    Off,
    #[error("{0}")]
    Other(String),
}

async fn of_agent(
    inner: &Inner,
    host: &Arc<Host>,
    agent: &Installed,
    request: &Request,
) -> Result<Answer, Unanswered> {
    if !agent.is_on {
        return Err(Unanswered::Off);
    }
    let stream: Stream = inner.agent_stream(host, &agent.mark()).await.map_err(|error| match error {
        NoWay::Silent(error) => Unanswered::Silent(error),
        NoWay::Socket(..) => Unanswered::Other(error.to_string()),
    })?;
    client::ask(stream, request, LIMIT).await.map_err(|error| match error {
        AskError::Refused(Refusal::Protocol { .. } | Refusal::UnknownRequest { .. }) => Unanswered::TooOld,
        AskError::Broken(_) => Unanswered::Other("nothing answers at the agent's socket".to_owned()),
        other => Unanswered::Other(other.to_string()),
    })
}
