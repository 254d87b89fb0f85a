//! The cluster's key, and the secrets that are encrypted to it.
//!
//! Every change is made under one lease, so that no value is encrypted to a key that is being replaced, and no value is
//! collected that is being written. Sealing a value needs no private key: each client that may write the ledger may give a
//! secret a new value. Knows no terminal; [`private`] alone reads files and starts a program.

pub mod authority;
pub mod config;
pub mod key;
pub mod logins;
mod opening;
pub mod private;
pub mod releases;
mod sealing;
pub mod secret;
pub mod stack;
pub mod users;
pub mod values;

use std::sync::Arc;

use futures_util::future::join_all;
use miette::Diagnostic;
use thiserror::Error;

use super::log::{Actor, NewEntry, Unended, logged};
use crate::engine::Lease;
use crate::engine::lease::{Busy, NotTaken, Wanted, take};
use crate::engine::node_records::{self, Beginning};
use crate::ledger::lease::{Held, Holder, Terms, vault_stream};
use crate::ledger::spare::{self, Spare};
use crate::ledger::{
    Ledger, LedgerError, ReadRegisters, Stream, WriteRegisters, configs, document, key as kept, secrets,
};
use crate::model::{MarkKey, ReleaseKey, StackName, Timestamp};
use crate::stores::StoreError;
use crate::vault::{
    BadSize, ChangeError, ClusterKey, KeyRecord, NotUsable, ObjectName, SealError, ValueError,
};
use crate::words::count;

/// Why the key or a secret was not changed, or could not be read.
#[derive(Debug, Error, Diagnostic)]
pub enum VaultError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ledger(#[from] LedgerError),
    /// All of it was removed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lost(#[from] Lost),
    /// There is no key to encrypt to.
    #[error("the cluster has no key yet, to which secrets could be encrypted")]
    #[diagnostic(code(stackctl::key::none), help("make one, once for the cluster: `stackctl key init`"))]
    NoKey,
    #[error("the cluster has a key already, of epoch {epoch}: its recipients are {recipients}")]
    #[diagnostic(
        code(stackctl::key::exists),
        help("nothing was changed; `stackctl key add-recipient NAME KEY` lets another person open it")
    )]
    KeyExists { epoch: u64, recipients: String },
    /// The record of the key is refused.
    #[error(transparent)]
    #[diagnostic(
        code(stackctl::key::not_usable),
        help(
            "nothing was changed; the record of before is in a backup (`stackctl ledger restore`), or in the places before the \
             newest of the stream key/cluster"
        )
    )]
    NotUsable(NotUsable),
    /// No private key that was given opens it.
    #[error(transparent)]
    #[diagnostic(
        code(stackctl::key::no_key_fits),
        help(
            "give the private key of a recipient: `--key FILE`, STACKCTL_KEY_FILE or STACKCTL_KEY; or have a recipient add \
             you: `stackctl key add-recipient`"
        )
    )]
    NoKeyFits(NotUsable),
    #[error(transparent)]
    #[diagnostic(
        code(stackctl::key::recipient),
        help("nothing was changed; `stackctl key show` lists the recipients")
    )]
    Change(ChangeError),
    /// Another process holds the lease.
    #[error("{} (process {}, `{}`) is changing the key or the secrets", .0.who, .0.pid, .0.verb)]
    #[diagnostic(code(stackctl::key::in_use), help("nothing was changed; run the command again"))]
    InUse(Box<Holder>),
    /// The record of the key was replaced in the middle.
    #[error("another process has changed the key meanwhile")]
    #[diagnostic(code(stackctl::key::changed), help("nothing was changed; run the command again"))]
    Overtaken,
    /// The lease expired in the middle.
    #[error("the lock of the secrets was lost before all was done: another process may hold it by now")]
    #[diagnostic(
        code(stackctl::key::lock_lost),
        help("what was done stays; run the command again, which goes on from there")
    )]
    LockLost,
    /// Stacks run with it.
    #[error("secret `{name}` is in use by {}", stacks.iter().map(StackName::as_str).collect::<Vec<_>>().join(", "))]
    #[diagnostic(
        code(stackctl::secret::in_use),
        help("nothing was removed; deploy these stacks without it first, or remove them: `stackctl rm`")
    )]
    Used { name: ObjectName, stacks: Vec<StackName> },
    #[error("there is a secret `{0}` already")]
    #[diagnostic(
        code(stackctl::secret::exists),
        help("nothing was changed; `stackctl secret rotate {0} FILE` gives it a new value")
    )]
    Exists(ObjectName),
    #[error("there is no secret `{name}`")]
    #[diagnostic(code(stackctl::secret::unknown), help("there {}", known_words(.known)))]
    Unknown { name: String, known: Vec<String> },
    #[error("there is a config `{0}` already")]
    #[diagnostic(
        code(stackctl::config::exists),
        help("nothing was changed; `stackctl config rotate {0} FILE` gives it a new content")
    )]
    ConfigExists(ObjectName),
    #[error("there is no config `{name}`")]
    #[diagnostic(code(stackctl::config::unknown), help("there {}", known_configs(.known)))]
    NoConfig { name: String, known: Vec<String> },
    /// Stacks run with it.
    #[error("config `{name}` is in use by {}", stacks.iter().map(StackName::as_str).collect::<Vec<_>>().join(", "))]
    #[diagnostic(
        code(stackctl::config::in_use),
        help("nothing was removed; deploy these stacks without it first, or remove them: `stackctl rm`")
    )]
    ConfigUsed { name: ObjectName, stacks: Vec<StackName> },
    /// It goes with the releases of its stack.
    #[error("config `{name}` belongs to stack `{stack}`")]
    #[diagnostic(
        code(stackctl::config::of_stack),
        help(
            "nothing was removed; take it out of the stackfile and deploy: it goes with the last release that names it"
        )
    )]
    ConfigOfStack { name: ObjectName, stack: StackName },
    /// It is empty or too large.
    #[error("the content of config `{name}`: {why}")]
    #[diagnostic(code(stackctl::config::size), help("nothing was changed; the limits are those of Swarm"))]
    ConfigSize { name: ObjectName, why: BadSize },
    /// A task with it could not be made.
    #[error(
        "the content of config `{name}` is a template that cannot be filled in: line {line}, column {column}: {why}"
    )]
    #[diagnostic(
        code(stackctl::config::template),
        help("nothing was changed; `stackctl help configs` says what templates may have")
    )]
    ConfigTemplate { name: ObjectName, line: usize, column: usize, why: String },
    /// It was lost or damaged.
    #[error("the content of config `{name}` cannot be read: {why}")]
    #[diagnostic(
        code(stackctl::config::content),
        help(
            "a backup may have it (`stackctl ledger restore`); `stackctl config rotate {name} FILE` gives it a new content"
        )
    )]
    ConfigContent { name: String, why: String },
    /// Of registries.
    #[error("`{0}` is no registry")]
    #[diagnostic(
        code(stackctl::registry::bad_name),
        help(
            "write it as in the name of an image: `registry.example.com:5000`, or `docker.io` for Docker Hub"
        )
    )]
    BadRegistry(String),
    /// It is changed and removed as what it is.
    #[error("secret `{name}` is the login of registry `{registry}`")]
    #[diagnostic(
        code(stackctl::registry::is_login),
        help(
            "nothing was changed; `stackctl registry login {registry}` replaces it, `stackctl registry logout {registry}` removes it"
        )
    )]
    IsLogin { name: ObjectName, registry: String },
    #[error("the cluster keeps no login of registry `{registry}`")]
    #[diagnostic(code(stackctl::registry::unknown), help("there {}", known_logins(.known)))]
    NoLogin { registry: String, known: Vec<String> },
    /// It is the cluster's own.
    #[error("secret `{0}` is the cluster's own")]
    #[diagnostic(code(stackctl::secret::reserved), help("nothing was changed; give the secret another name"))]
    Reserved(ObjectName),
    /// The authority of agents.
    #[error("agents can have no certificates: {0}")]
    #[diagnostic(
        code(stackctl::agent::authority),
        help("`stackctl doctor` says what is wrong with the records")
    )]
    Authority(String),
    /// Of releases.
    #[error("to which key values of releases are encrypted was written by other hands")]
    #[diagnostic(
        code(stackctl::key::foreign_releases),
        help(
            "nothing was changed: who wrote it could read them; `stackctl key rotate` makes another key of releases"
        )
    )]
    ForeignReleaseKey,
    #[error("the key of releases cannot be used: {0}")]
    #[diagnostic(
        code(stackctl::key::releases),
        help(
            "a backup may have it (`stackctl ledger restore`); what is deployed with its stackfile needs none"
        )
    )]
    ReleaseKey(String),
    /// Docker has names with other signs, too.
    #[error("`{0}` is no name of a secret")]
    #[diagnostic(
        code(stackctl::secret::bad_name),
        help(
            "1 to 64 letters, digits and `.`, `_`, `-`, beginning and ending with a letter or digit: write it as its `name:`"
        )
    )]
    BadName(String),
    /// Another stack's, or one that a command made.
    #[error("there is a secret `{name}` that stack `{stack}` has not made")]
    #[diagnostic(
        code(stackctl::secret::not_ours),
        help(
            "nothing was changed; write `external: true` to use it, or give the stack's own another `name:`"
        )
    )]
    NotOurs { name: ObjectName, stack: StackName },
    /// A release names it, and the ledger does not have it.
    #[error("version {version} of secret `{name}` is no longer kept")]
    #[diagnostic(
        code(stackctl::secret::no_version),
        help(
            "nothing was changed; `stackctl secret inspect {name}` shows the versions that are kept; deploy a stackfile with the value"
        )
    )]
    NoVersion { name: String, version: String },
    /// More than an agent takes.
    #[error(
        "the secrets of a task of service `{service}` come to {bytes} bytes, and a task may have {max} at most"
    )]
    #[diagnostic(
        code(stackctl::secret::task_too_large),
        help(
            "nothing was changed; give the service fewer secrets, or keep what is large in an encrypted file of its own"
        )
    )]
    TaskTooLarge { service: String, bytes: usize, max: usize },
    /// Linux would start no program with them.
    #[error(
        "variables and arguments of service `{service}` come to {bytes} bytes, of which variable {variable} is the longest, and Linux \
         takes {max}"
    )]
    #[diagnostic(
        code(stackctl::compose::variables_too_long),
        help(
            "nothing was changed; they have a quarter of the stack, 2 MiB where `ulimits: {{stack: BYTES}}` says nothing else; or name \
             secrets under `secrets` of the service"
        )
    )]
    VariablesTooLong { service: String, variable: String, bytes: usize, max: usize },
    /// What a stackfile names cannot be read as a secret.
    #[error("secret `{secret}` cannot be read from {from}: {why}")]
    #[diagnostic(code(stackctl::secret::not_read), help("nothing was changed"))]
    Text { secret: String, from: String, why: String },
    /// What a stackfile names asks a store.
    #[error("secret `{secret}` cannot be had from {from}: {why}")]
    #[diagnostic(
        code(stackctl::secret::driver),
        help("nothing was changed; see `stackctl help secrets` for drivers and their options")
    )]
    Store { secret: String, from: String, why: String },
    /// A stackfile alone starts nothing.
    #[error("secret `{secret}` cannot be had from {from}: {why}")]
    #[diagnostic(
        code(stackctl::secret::driver_not_allowed),
        help(
            "what drivers start is decided in the inventory: `secrets: {{drivers: […]}}`; see `stackctl help secrets`"
        )
    )]
    NotAllowed { secret: String, from: String, why: StoreError },
    /// No private key of this machine can be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    NoKeys(#[from] private::NoKeys),
    /// It is empty or too large.
    #[error("the value of secret `{name}`: {why}")]
    #[diagnostic(code(stackctl::secret::size), help("nothing was changed; the limits are those of Swarm"))]
    Size { name: ObjectName, why: BadSize },
    /// It was lost, damaged, or belongs to a key that is not kept.
    #[error("the value of secret `{name}`, version {version}, cannot be opened: {why}")]
    #[diagnostic(
        code(stackctl::secret::value),
        help(
            "a backup may have it (`stackctl ledger restore`); `stackctl secret rotate {name} FILE` gives it a new value"
        )
    )]
    Value { name: ObjectName, version: String, why: String },
}

/// Of so many secrets the names are listed.
const KNOWN_MAX: usize = 8;

fn known_words(known: &[String]) -> String {
    match known {
        [] => "is none yet: `stackctl secret create NAME FILE` makes one".to_owned(),
        [one] => format!("is {one}"),
        some if some.len() <= KNOWN_MAX => format!("are {}", some.join(", ")),
        many => format!("are {} others: `stackctl secret ls` lists them", many.len()),
    }
}

fn known_logins(known: &[String]) -> String {
    match known {
        [] => "is none yet: `stackctl registry login REGISTRY --username USER` makes one".to_owned(),
        [one] => format!("is one of {one}"),
        some => format!("are those of {}", some.join(", ")),
    }
}

fn known_configs(known: &[String]) -> String {
    match known {
        [] => "is none yet: `stackctl config create NAME FILE` makes one".to_owned(),
        [one] => format!("is {one}"),
        some if some.len() <= KNOWN_MAX => format!("are {}", some.join(", ")),
        many => format!("are {} others: `stackctl config ls` lists them", many.len()),
    }
}

impl From<NotUsable> for VaultError {
    fn from(why: NotUsable) -> Self {
        match why {
            NotUsable::NoKeyFits { .. } => Self::NoKeyFits(why),
            other => Self::NotUsable(other),
        }
    }
}

impl From<ChangeError> for VaultError {
    fn from(why: ChangeError) -> Self {
        match why {
            ChangeError::NotUsable(why) => why.into(),
            other => Self::Change(other),
        }
    }
}

impl VaultError {
    /// Whether [`mend`] is what helps.
    fn is_undecided(&self) -> bool {
        matches!(self, Self::Ledger(LedgerError::Undecided { .. }))
    }

    fn value(name: &ObjectName, version: &str, why: &ValueError) -> Self {
        Self::Value { name: name.clone(), version: version.to_owned(), why: why.to_string() }
    }

    fn size(name: &ObjectName, why: SealError) -> Self {
        match why {
            SealError::Size(why) => Self::Size { name: name.clone(), why },
            SealError::NoRecipients => unreachable!("a value is sealed to one key"),
        }
    }
}

/// All records are gone, and a manager keeps a [spare copy](spare) that has the cluster's key.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
#[error(
    "the ledger has lost the cluster's key, secrets and configs: manager {manager} keeps a copy of them, of {at}, with {}",
    named_words(*secrets, *configs)
)]
#[diagnostic(
    code(stackctl::ledger::lost),
    help(
        "nothing was changed; `stackctl ledger restore --spare` brings them back; `stackctl help ledger` says how volumes are \
         lost, and how to begin again without them"
    )
)]
pub struct Lost {
    pub manager: String,
    pub at: Timestamp,
    pub secrets: usize,
    pub configs: usize,
}

impl Lost {
    fn of(spare: Spare) -> Self {
        let (secrets, configs) = spare.named();
        Self { manager: spare.manager, at: spare.at, secrets, configs }
    }
}

fn named_words(secrets: usize, configs: usize) -> String {
    format!("{} and {}", count(secrets, "secret"), count(configs, "config"))
}

/// The key as the ledger has it.
#[derive(Debug, Clone)]
pub struct Known {
    /// Makes versions of values, and proves the record of the key.
    pub marks: MarkKey,
    /// To whom values of releases are encrypted.
    release_key: Option<ReleaseKey>,
    /// As it was read: what replaces it is compared with that.
    record: KeyRecord,
    key: Option<ClusterKey>,
}

impl Known {
    /// The key.
    ///
    /// # Errors
    ///
    /// There is none yet.
    pub fn key(&self) -> Result<&ClusterKey, VaultError> {
        self.key.as_ref().ok_or(VaultError::NoKey)
    }

    /// The key, if there is one.
    #[must_use]
    pub const fn there(&self) -> Option<&ClusterKey> {
        self.key.as_ref()
    }
}

/// Reads the key, and checks that this cluster wrote it.
///
/// # Errors
///
/// The ledger cannot be read, or the record is refused.
pub async fn known<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Known, VaultError> {
    let (records, record) = tokio::join!(node_records::read(ledger), kept::read(ledger));
    let (_, records) = records?;
    let marks = records.key.as_ref().map(node_records::marks_key).unwrap_or_default();
    let record = record?;
    let key = if record.is_none() { None } else { Some(record.check(&marks)?) };
    if key.is_none() {
        refuse_lost(ledger, &kept::stream()).await?;
    }
    Ok(Known { marks, release_key: records.release_key, record, key })
}

/// Refuses a document that is not there at all, if managers keep a copy of the cluster's: it was lost. One of which all was
/// removed is there, and empty.
async fn refuse_lost<R: ReadRegisters>(ledger: &Ledger<R>, stream: &Stream) -> Result<(), VaultError> {
    if ledger.read(stream).await?.last().is_some() {
        return Ok(());
    }
    match spare::left(ledger).await? {
        Some(spare) if spare.has(stream) => Err(Lost::of(spare).into()),
        _ => Ok(()),
    }
}

/// Refuses what begins with records that are not there, if managers keep a copy of the cluster's: they were lost.
///
/// # Errors
///
/// They were, or the ledger cannot be read.
pub async fn refuse_all_lost<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<(), VaultError> {
    spare::lost(ledger).await?.map_or(Ok(()), |spare| Err(Lost::of(spare).into()))
}

/// What a change is made under.
struct Work<'a, R> {
    ledger: &'a Arc<Ledger<R>>,
    lease: Lease<R>,
}

impl<R: WriteRegisters + Send + Sync + 'static> Work<'_, R> {
    /// Whether no other process may be at work.
    fn may(&self) -> bool {
        self.lease.validity().is_valid()
    }

    fn check(&self) -> Result<(), VaultError> {
        if self.may() { Ok(()) } else { Err(VaultError::LockLost) }
    }
}

/// Has decided what a killed process left incomplete of keys, secrets and configs: reading never guesses at it, and so nothing
/// that begins with reading would come to where it is settled. Where nothing is incomplete nothing is written.
///
/// # Errors
///
/// The ledger cannot be read or written, has lost what a copy has, or another process is at work.
pub async fn mend<R>(ledger: &Arc<Ledger<R>>, actor: &Actor) -> Result<(), VaultError>
where
    R: WriteRegisters + Send + Sync + 'static,
{
    let streams = [kept::stream(), secrets::stream(), configs::stream()];
    let open = join_all(streams.iter().map(|stream| document::is_open(ledger, stream))).await;
    if !open.into_iter().collect::<Result<Vec<_>, _>>()?.contains(&true) {
        return Ok(());
    }
    let lease = hold(ledger, actor, "settle").await?;
    let settled = async {
        for stream in &streams {
            document::settle(ledger, stream).await?;
        }
        Ok(())
    };
    let settled = settled.await;
    // One that cannot be given back expires by itself.
    let _expires_by_itself = lease.release().await;
    settled
}

/// How long another process is waited for: a change takes seconds, and one that died is over after the lease's TTL.
const PATIENCE_MS: i64 = 60_000;

/// Takes the lease, unless what is there to change is lost.
async fn hold<R>(ledger: &Arc<Ledger<R>>, actor: &Actor, verb: &str) -> Result<Lease<R>, VaultError>
where
    R: WriteRegisters + Send + Sync + 'static,
{
    // Whatever it is about to change: all of it was lost together.
    refuse_all_lost(ledger).await?;
    let holder = actor.me.holder("vault", verb);
    let wanted = Wanted { stream: vault_stream(), holder, terms: Terms::STACK, patience_ms: PATIENCE_MS };
    take(ledger, actor.clock, wanted, actor.me.is_gone, |_| ()).await.map_err(|why| match why {
        NotTaken::Ledger(error) => VaultError::Ledger(error),
        NotTaken::Held(Busy { held: Held { holder, .. }, .. }) => VaultError::InUse(Box::new(holder)),
    })
}

/// Takes the lease, writes the operation down, does it, and gives the lease back.
async fn under_lease<R, T>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    verb: &str,
    unended: impl FnOnce(Unended),
    work: impl AsyncFnOnce(&Work<'_, R>) -> Result<T, VaultError>,
) -> Result<T, VaultError>
where
    R: WriteRegisters + Send + Sync + 'static,
{
    let lease = hold(ledger, actor, verb).await?;
    let held = Work { ledger, lease };
    let entry = NewEntry { verb: verb.to_owned(), ..NewEntry::default() };
    let done = logged(actor, ledger, entry, work(&held), unended).await;
    if done.is_ok() && held.may() {
        // What a manager does not take now is missing until the next change, or `ledger sync`: `doctor` says so.
        let _is_reported_later = spare::keep(ledger, actor.clock.now()).await;
    }
    // One that cannot be given back expires by itself.
    let _expires_by_itself = held.lease.release().await;
    done
}

/// The key of marks; a cluster that has none yet gets one, as with its first release.
async fn settled_marks<R: WriteRegisters>(actor: &Actor, ledger: &Ledger<R>) -> Result<MarkKey, LedgerError> {
    let (_, records) = node_records::read(ledger).await?;
    if let Some(root) = &records.key {
        return Ok(node_records::marks_key(root));
    }
    actor.me.new_key.draw();
    Beginning { key: actor.me.new_key.get(), ..Beginning::default() }.write(ledger).await?;
    let (_, records) = node_records::read(ledger).await?;
    Ok(records.key.as_ref().map(node_records::marks_key).unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test damages files")]
mod tests;
