//! Brings tasks' secrets to the agents of their hosts, which keep them in memory, and takes them away.
//!
//! Values are asked for only if the agent has none of the same name and version: the first request is without any, and
//! the agent says what it misses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Installed, NoWay, look, parcel};
use crate::agent::client::{self, AskError};
use crate::agent::secrets::FILES_FOLDER;
use crate::agent::wire::{Answer, KeptSecret, Owner, Refusal, Request, SecretsPut};
use crate::fleet::Inner;
use crate::fleet::error::HostError;
use crate::fleet::host::Host;
use crate::http::stream::Stream;
use crate::model::action::{SecretPlan, SecretSource, TaskPlan};
use crate::model::ids::sha256_hex;
use crate::model::{ClusterName, swap};
use crate::template::payload::{self, Payload, PayloadError};
use crate::vault::{Kind, Plaintext};

/// One file of a task.
pub use crate::agent::wire::SecretFile;

/// For an agent to answer, and to take values over a slow line.
const LIMIT: Duration = Duration::from_secs(60);
/// Requests for one task: values that the agent said it had can be gone with their task a moment later.
const ROUNDS_MAX: usize = 4;

/// Where values of secrets come from.
pub trait SecretValues: std::fmt::Debug + Send + Sync {
    /// The value of this version.
    fn value<'a>(&'a self, name: &'a str, version: &'a str) -> BoxFuture<'a, Result<Arc<Plaintext>, String>>;
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

impl NotDelivered {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Silent(_) => "`stackctl doctor` says what is wrong with the host".to_owned(),
            Self::NoAgent => "`stackctl agent install` brings an agent to each host".to_owned(),
            Self::Agent(_) => "`stackctl agent ls` says how the host's agent is".to_owned(),
            Self::Value { name, .. } => format!(
                "`stackctl secret inspect {name}` shows its versions; a private key that opens them is needed here"
            ),
        }
    }
}

/// What a task is of, for agents of other hosts.
#[must_use]
pub fn owner(plan: &TaskPlan) -> Owner {
    let (stack, service) = (plan.service.stack.to_string(), plan.service.service.to_string());
    Owner { stack, service, slot: plan.slot.to_string(), born: 0 }
}

/// The secret files of a task. One that is filled in for the task has a version of its own: no other task's is the same.
#[must_use]
pub fn files(plan: &TaskPlan) -> Vec<SecretFile> {
    let file = |secret: &SecretPlan| {
        let SecretPlan { target, name, source: _, uid, gid, mode } = secret;
        let version = version_of(plan, secret);
        let is_swapped = plan.service.swaps && swap::is_file(target);
        let place = is_swapped.then(|| swap::name_in_folder(target).unwrap_or_default().to_owned());
        SecretFile { name: name.clone(), version, uid: *uid, gid: *gid, mode: *mode, place }
    };
    plan.service.secrets.iter().map(file).collect()
}

fn version_of(plan: &TaskPlan, secret: &SecretPlan) -> String {
    let version = secret.version().unwrap_or("config");
    let (id, target) = (&plan.id, &secret.target);
    match (secret.is_template(), &secret.source) {
        // It may have anything in it that is in another file.
        (true, _) if plan.service.swaps => {
            format!("{version} of {id} at {target}: {}", digest_of_sources(plan))
        }
        (true, _) => format!("{version} of {id} at {target}"),
        (false, SecretSource::Beside { content: Some(content), .. }) => {
            format!("config {}", sha256_hex(content))
        }
        (false, _) => version.to_owned(),
    }
}

/// Of all that templates of a task are filled in with, and that can be swapped while it runs.
fn digest_of_sources(plan: &TaskPlan) -> String {
    let mut text = String::new();
    for secret in &plan.service.secrets {
        let source = match &secret.source {
            SecretSource::Secret { version, .. } => version.clone(),
            SecretSource::Config(content) | SecretSource::Beside { content: Some(content), .. } => {
                sha256_hex(content)
            }
            SecretSource::Beside { content: None, .. } => String::new(),
        };
        let _ = writeln!(text, "{} {source}", secret.target);
    }
    sha256_hex(text.as_bytes())
}

/// Values, and what templates of a task become with them.
#[derive(Debug)]
pub(in crate::fleet) struct Filled<'a> {
    pub plan: &'a TaskPlan,
    pub values: &'a dyn SecretValues,
}

impl SecretValues for Filled<'_> {
    fn value<'a>(&'a self, name: &'a str, version: &'a str) -> BoxFuture<'a, Result<Arc<Plaintext>, String>> {
        let is_made_here = |one: &&SecretPlan| one.is_template() || one.version().is_none();
        let secrets = self.plan.service.secrets.iter().filter(is_made_here);
        let found = secrets.into_iter().find(|one| one.name == name && version_of(self.plan, one) == version);
        match found {
            None => self.values.value(name, version),
            Some(secret) => Box::pin(self.filled(secret)),
        }
    }
}

impl Filled<'_> {
    /// A template, filled in for the task.
    async fn filled(&self, secret: &SecretPlan) -> Result<Arc<Plaintext>, String> {
        let (text, bytes_max) = match &secret.source {
            SecretSource::Config(content) => (Text::Config(Arc::clone(content)), Kind::Config.bytes_max()),
            SecretSource::Beside { content: None, .. } => {
                return Err("its content was not read from the ledger".to_owned());
            }
            SecretSource::Beside { content: Some(content), template_driver: None } => {
                return Ok(Arc::new(Plaintext::new(content.to_vec())));
            }
            SecretSource::Beside { template_driver: Some(driver), .. } if driver != payload::DRIVER => {
                return Err(PayloadError::Driver(driver.clone()).to_string());
            }
            SecretSource::Beside { content: Some(content), .. } => {
                (Text::Config(Arc::clone(content)), Kind::Config.bytes_max())
            }
            SecretSource::Secret { version, .. } => {
                (Text::Secret(self.values.value(&secret.name, version).await?), Kind::Secret.bytes_max())
            }
        };
        let mut values = BTreeMap::new();
        if Payload::parse(text.bytes()).is_ok_and(|payload| payload.is_secret()) {
            for one in &self.plan.service.secrets {
                if let Some(version) = one.version() {
                    values.insert(one.target.as_str(), self.values.value(&one.name, version).await?);
                }
            }
        }
        let secrets = values.iter().map(|(target, value)| (*target, Some(value.expose())));
        let filled = payload::filled(self.plan, text.bytes(), secrets.collect(), bytes_max);
        filled.map(|text| Arc::new(Plaintext::new(text.into_bytes()))).map_err(|why| {
            // Words of a secret's own text are not shown.
            match (why, &text) {
                (PayloadError::Template { line, column, .. }, Text::Secret(_)) => {
                    format!("it is a template that cannot be filled in: line {line}, column {column}")
                }
                (why, _) => format!("it is a template that cannot be filled in: {why}"),
            }
        })
    }
}

/// What a template is read from.
enum Text {
    Config(Arc<[u8]>),
    Secret(Arc<Plaintext>),
}

impl Text {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Config(content) => content,
            Self::Secret(value) => value.expose(),
        }
    }
}

/// Where on a host the files of its tasks stand.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    pub cluster: &'a ClusterName,
    pub engine_socket: &'a Path,
}

impl Places<'_> {
    /// The file at this place in a task's list.
    #[must_use]
    pub fn file(&self, task: &str, at: usize) -> String {
        path_on_host(self.cluster, self.engine_socket, task, at).display().to_string()
    }

    /// The folder of a task's files that are swapped.
    #[must_use]
    pub fn folder(&self, task: &str) -> String {
        folder_on_host(self.cluster, self.engine_socket, task).display().to_string()
    }

    /// The program that a task starts with whose variables are secrets.
    #[must_use]
    pub fn program(&self, task: &str) -> String {
        program_on_host(self.cluster, self.engine_socket, task).display().to_string()
    }
}

/// Where the file stands on its host, for a bind mount (read-only) of the task's container. `at` is its place in the list
/// of files.
#[must_use]
pub fn path_on_host(cluster: &ClusterName, engine_socket: &Path, task: &str, at: usize) -> PathBuf {
    parcel::secrets_folder(cluster, engine_socket).join(task).join(at.to_string())
}

/// Where the folder of a task's files stands that are swapped, for one mount in its container (read-only).
#[must_use]
pub fn folder_on_host(cluster: &ClusterName, engine_socket: &Path, task: &str) -> PathBuf {
    parcel::secrets_folder(cluster, engine_socket).join(task).join(FILES_FOLDER)
}

/// Where the program stands on its host that the task's container starts with, if its variables are secrets.
#[must_use]
pub fn program_on_host(cluster: &ClusterName, engine_socket: &Path, task: &str) -> PathBuf {
    parcel::programs_folder(cluster, engine_socket).join(task)
}

/// Has the agent of a host give a task the program to start with. May be repeated. The task's secrets are there.
///
/// # Errors
///
/// See [`NotDelivered`].
pub(in crate::fleet) async fn give_program(
    inner: &Inner,
    host: &Arc<Host>,
    task: &str,
) -> Result<(), NotDelivered> {
    required(inner, host, &Request::ProgramPut { task: task.to_owned() }).await
}

/// Brings a task's secrets to its host's agent, with what the task is of: all of them or none. May be repeated. Values that
/// the host has already, of any of its tasks, are neither asked for nor sent.
///
/// # Errors
///
/// See [`NotDelivered`]; the host has none of them then.
pub(in crate::fleet) async fn deliver(
    inner: &Inner,
    host: &Arc<Host>,
    (task, of): (&str, Option<Owner>),
    files: &[SecretFile],
    values: &dyn SecretValues,
) -> Result<(), NotDelivered> {
    if files.is_empty() {
        return Ok(());
    }
    sent(inner, host, Request::SecretsPut, (task, of), files, values).await
}

/// Has the agent of a host swap the files of a task whose container may run: all of them or none. May be repeated. What was
/// there before stays, until it is [put back](swap_back) or the change is [settled](settle).
///
/// # Errors
///
/// See [`NotDelivered`]; nothing was changed then, if the host is not silent.
pub(in crate::fleet) async fn swap(
    inner: &Inner,
    host: &Arc<Host>,
    task: &str,
    files: &[SecretFile],
    values: &dyn SecretValues,
) -> Result<(), NotDelivered> {
    sent(inner, host, Request::SecretsSwap, (task, None), files, values).await
}

/// Puts back what was there before the files of a task were swapped. May be repeated.
///
/// # Errors
///
/// See [`NotDelivered`].
pub(in crate::fleet) async fn swap_back(
    inner: &Inner,
    host: &Arc<Host>,
    task: &str,
) -> Result<(), NotDelivered> {
    required(inner, host, &Request::SecretsBack { task: task.to_owned() }).await
}

/// Has an agent of a host do something; a host without one is an error.
async fn required(inner: &Inner, host: &Arc<Host>, request: &Request) -> Result<(), NotDelivered> {
    asked(inner, host, request).await?.map(drop).ok_or(NotDelivered::NoAgent)
}

/// Says that the files which a task has are good: what was there before goes. May be repeated.
///
/// # Errors
///
/// See [`NotDelivered`]. The agent removes it itself, a day later.
pub(in crate::fleet) async fn settle(
    inner: &Inner,
    host: &Arc<Host>,
    task: &str,
) -> Result<(), NotDelivered> {
    asked(inner, host, &Request::SecretsSettle { task: task.to_owned() }).await.map(drop)
}

/// Names and versions of a task's files, as its host has them, in their order; none if it has nothing.
///
/// # Errors
///
/// See [`NotDelivered`].
pub(in crate::fleet) async fn versions(
    inner: &Inner,
    host: &Arc<Host>,
    task: &str,
) -> Result<Vec<KeptSecret>, NotDelivered> {
    match asked(inner, host, &Request::SecretsList).await? {
        Some(Answer::Kept(tasks)) => {
            Ok(tasks.into_iter().find(|one| one.task == task).map(|one| one.secrets).unwrap_or_default())
        }
        Some(_) => Err(NotDelivered::Agent("the agent answered something else".to_owned())),
        None => Err(NotDelivered::NoAgent),
    }
}

/// Whether an agent of a host, which runs, can swap files of tasks.
pub(in crate::fleet) async fn knows_swaps(inner: &Inner, host: &Arc<Host>, agent: &Installed) -> bool {
    let said = of_agent(inner, host, agent, &Request::Hello).await;
    matches!(said, Ok(Answer::Hello(hello)) if hello.knows_swaps())
}

/// Sends the files of a task, with values that the agent says it misses.
async fn sent(
    inner: &Inner,
    host: &Arc<Host>,
    request: fn(SecretsPut) -> Request,
    (task, of): (&str, Option<Owner>),
    files: &[SecretFile],
    values: &dyn SecretValues,
) -> Result<(), NotDelivered> {
    let mut found: Vec<Option<Arc<Plaintext>>> = vec![None; files.len()];
    for _ in 0..ROUNDS_MAX {
        let files_with = files.iter().cloned().zip(found.iter().cloned()).collect();
        let put = request(SecretsPut { task: task.to_owned(), of: of.clone(), files: files_with });
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

/// Names and versions of values that the agent of a host keeps, of whichever tasks.
///
/// # Errors
///
/// See [`NotDelivered`].
pub(in crate::fleet) async fn kept(
    inner: &Inner,
    host: &Arc<Host>,
) -> Result<BTreeSet<(String, String)>, NotDelivered> {
    match asked(inner, host, &Request::SecretsList).await? {
        Some(Answer::Kept(tasks)) => {
            let secrets = tasks.into_iter().flat_map(|task| task.secrets);
            Ok(secrets.map(|secret| (secret.name, secret.version)).collect())
        }
        Some(_) => Err(NotDelivered::Agent("the agent answered something else".to_owned())),
        None => Err(NotDelivered::NoAgent),
    }
}

/// Takes a task's secrets away, after its container is gone. What was never there is gone, too; a host without an agent is
/// no error.
///
/// # Errors
///
/// See [`NotDelivered`]. The agent removes them itself, some minutes later.
pub(in crate::fleet) async fn forget(
    inner: &Inner,
    host: &Arc<Host>,
    task: &str,
) -> Result<(), NotDelivered> {
    asked(inner, host, &Request::SecretsDrop { task: task.to_owned() }).await.map(drop)
}

/// Asks the agents of a host one after the other until one answers. `None` if there is none, or none from which there
/// could be something to forget.
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
    #[error(
        "the agent on the host is too old for what it is asked: `stackctl agent install` brings a newer one"
    )]
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

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test looks at files")]
mod tests;
