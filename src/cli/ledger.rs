//! `stackctl ledger`: migrates, backs up and restores all records.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Subcommand, ValueHint};

use super::Context;
use super::cluster::{self, Cluster};
use super::key::PrivateKey;
use super::not_confirmed::NotConfirmed;
use super::recorded::warn_unended;
use super::records::{self, Writing};
use super::render::text::count;
use super::report::{Blame, Exit, Failure};
use crate::artifact::envelope;
use crate::fleet::ConnectOptions;
use crate::model::StackName;
use crate::ops::cluster::Backend;
use crate::ops::ledger::{self as ops, NotDone};
use crate::ops::records::{Archive, BadBackup, Holder, LedgerPlace, NotCopied, owner_of_secrets};
use crate::ops::vault::known;
use crate::orchestrator::Problem;
use crate::vault::{OpenError, Plaintext, is_sealed};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    (
        "From volumes of the managers to etcd",
        "stackctl ledger migrate volumes 'etcd://h1,h2,h3/prod?ca=/etc/stackctl/ca.pem'",
    ),
    ("Back up all records to a file", "stackctl ledger backup ledger.jsonl"),
    ("Restore them into an empty ledger", "stackctl ledger restore ledger.jsonl"),
];

/// Arguments of `ledger`.
#[derive(Debug, clap::Args)]
pub struct LedgerArgs {
    #[command(subcommand)]
    pub command: LedgerCommand,
}

/// The commands of `ledger`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Copy all records to another place, and read them back there
    ///
    /// stackctl holds every lease until the copy is done, so no other process can change the cluster meanwhile.
    /// The new place must be empty, or hold a part of an earlier copy that was cut off. The records in the old
    /// place stay there; afterwards, set `ledger:` in the inventory to the new place.
    Migrate(Box<Migrate>),
    /// Write all records into a file
    ///
    /// Releases contain what stackfiles say, including environments of services. So once the cluster has a key (`stackctl
    /// key init`), the file is encrypted to its recipients, and a restore needs the private key of one. Only the owner can
    /// read the file in any case.
    Backup(Backup),
    /// Write the records of a file into the ledger
    Restore(Restore),
    /// Bring all records to every manager
    ///
    /// Run it after each change of the managers, before the next one. A deploy does the same if it finds that the managers
    /// have changed. stackctl takes the lease of one stack at a time. All managers must answer.
    Sync,
}

/// Arguments of `ledger migrate`.
#[derive(Debug, clap::Args)]
pub struct Migrate {
    /// Where the records are: `volumes`, `file:///path`, `etcd://host,…/prefix`, `zookeeper://…` or `consul://…`
    #[arg(value_name = "FROM", value_parser = records::place)]
    pub from: LedgerPlace,
    /// Where to copy them
    #[arg(value_name = "TO", value_parser = records::place)]
    pub to: LedgerPlace,
}

/// Arguments of `ledger backup`.
#[derive(Debug, clap::Args)]
pub struct Backup {
    /// A file that does not exist yet
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Do not encrypt it, whether the cluster has a key or not
    #[arg(long)]
    pub unencrypted: bool,
}

/// Arguments of `ledger restore`.
#[derive(Debug, clap::Args)]
pub struct Restore {
    /// A file that `ledger backup` wrote
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "spare")]
    pub file: Option<PathBuf>,
    /// Restore the cluster's keys, secrets and configs from the copy that managers keep apart from their volumes
    ///
    /// For records that were removed on all managers, as by `docker volume prune`. Releases are not in that copy: what runs is
    /// on the hosts, and the next deploy of each stack is its first release.
    #[arg(long, conflicts_with_all = ["file", "files", "force"])]
    pub spare: bool,
    #[command(flatten)]
    pub private: PrivateKey,
    /// Remove what the ledger holds now, and accept a backup of another cluster
    #[arg(long)]
    pub force: bool,
    /// With `--force`: do not ask before the records of stacks are removed that the backup does not have
    #[arg(short, long, env = "STACKCTL_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
}

/// Another process holds a lease.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{who} (process {pid}, `{verb}`) is using the ledger")]
#[diagnostic(
    code(stackctl::ledger::in_use),
    help("nothing was changed; wait until that process is done, and stop the reconcile loops")
)]
struct InUse {
    who: String,
    pid: u32,
    verb: String,
}

/// Another process works with some of the records.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the records of {of} were not copied: {who} (process {pid}, `{verb}`) is at work with them")]
#[diagnostic(
    code(stackctl::ledger::not_synced),
    help(
        "all others are on the managers of the inventory; wait until that process is done (a loop is started again with this \
         inventory), and run `stackctl ledger sync`"
    )
)]
struct NotSynced {
    of: String,
    who: String,
    pid: u32,
    verb: String,
}

/// The file.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the backup {} cannot be {what}: {why}", file.display())]
#[diagnostic(
    code(stackctl::ledger::backup_file),
    help("an existing file is not overwritten: choose another name")
)]
struct BadFile {
    file: PathBuf,
    what: &'static str,
    why: String,
}

/// It is encrypted, and was not opened.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the backup {} cannot be opened: {why}", file.display())]
#[diagnostic(
    code(stackctl::ledger::sealed_backup),
    help("nothing was changed; give the private key of a recipient of then: `--key FILE`")
)]
struct Sealed {
    file: PathBuf,
    why: OpenError,
}

/// Larger than any ledger.
const BACKUP_MAX: u64 = 1 << 30;

/// The backup belongs to another cluster.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the backup belongs to cluster `{theirs}`, and the inventory to `{ours}`")]
#[diagnostic(code(stackctl::ledger::other_cluster), help("nothing was changed; `--force` restores it here"))]
struct OtherCluster {
    theirs: String,
    ours: String,
}

/// Source and target are the same.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("source and target ledger are both `{0}`")]
#[diagnostic(code(stackctl::ledger::same_place), help("name two places"))]
struct SamePlace(String);

impl From<NotDone> for Failure {
    fn from(error: NotDone) -> Self {
        match error {
            NotDone::InUse(Holder { who, pid, verb, .. }) => {
                Self::new(Blame::Locked, InUse { who, pid, verb })
            }
            NotDone::Left { of, holder: Holder { who, pid, verb, .. } } => {
                Self::new(Blame::Locked, NotSynced { of, who, pid, verb })
            }
            NotDone::OtherCluster { theirs, ours } => Self::refused(OtherCluster { theirs, ours }),
            NotDone::NoSpare => Self::refused(NoSpare),
            NotDone::NotCopied(NotCopied::Ledger(error)) => error.into(),
            NotDone::NotCopied(other) => Self::refused(other),
        }
    }
}

pub(super) fn run(args: &LedgerArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        LedgerCommand::Migrate(args) => migrate(args, context),
        LedgerCommand::Backup(args) => backup(args, context),
        LedgerCommand::Restore(args) => restore(args, context),
        LedgerCommand::Sync => sync(context),
    }
}

fn migrate(args: &Migrate, context: &Context) -> Result<Exit, Failure> {
    if args.from == args.to {
        return Err(Failure::usage(SamePlace(args.from.to_string())));
    }
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let open = |place| -> Result<Arc<Writing>, Failure> {
            let backend = Backend::open(place, &cluster::env).map_err(Failure::refused)?;
            Ok(backend.writing(&cluster.inventory, &cluster.fleet))
        };
        let (from, to) = (open(&args.from)?, open(&args.to)?);
        let verb = format!("ledger migrate {} {}", args.from, args.to);
        let copy = ops::migrate(&from, &to, &cluster.actor(), verb, warn_unended(&context.ui)).await?;
        context.ui.say(&format!("{} in {}, and verified.", sum(&copy), args.to));
        warn_missing(&copy, context);
        context.ui.say(&format!(
            "Now set `ledger:` in the inventory to the new place. Do not use {} any more; its records are still there.",
            args.from
        ));
        Ok(Exit::Done)
    })
}

fn sync(context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let stacks = sync_now(context, cluster).await?;
        let (behind, failed) = ops::keep_spares(&cluster.writing(), &cluster.actor()).await?;
        for (manager, why) in &failed {
            context.ui.warn(&format!(
                "manager {manager} keeps no copy of the cluster's key, secrets and configs apart from its volumes: {why}"
            ));
        }
        // Managers that keep nothing lack nothing: the records may be on a host that was one.
        if stacks.is_none()
            && let Some(why) = cluster.observe().await.records_unknown
        {
            return Err(Failure::refused(Problem::RecordsUnknown { why }));
        }
        let spares = behind.len().saturating_sub(failed.len());
        context.ui.say(&match stacks {
            None if spares > 0 => format!(
                "All records are on all managers; {} of the cluster's key, secrets and configs {} written apart from volumes.",
                count(spares, "copy"), if spares == 1 { "was" } else { "were" }
            ),
            None => "All records are on all managers.".to_owned(),
            Some(stacks) => {
                format!("All records are on all managers, those of {} since now.", count(stacks, "stack"))
            }
        });
        Ok(Exit::Done)
    })
}

/// Of how many stacks records were copied, if any records were.
async fn sync_now(context: &Context, cluster: &Cluster) -> Result<Option<usize>, NotDone> {
    let ledger = cluster.writing();
    ops::sync(&ledger, &cluster.actor(), "ledger sync".to_owned(), warn_unended(&context.ui)).await
}

/// Brings the records to the managers of now, since others wrote them: before a deploy, which people run between two
/// changes. The deploy goes on if that fails, and needs nothing but its own stack's records.
pub(super) async fn follow_managers(context: &Context, cluster: &Cluster) {
    match sync_now(context, cluster).await {
        Ok(_) => context.ui.say("The managers have changed: all records are on those of the inventory now."),
        Err(error) => context.ui.warn(&format!(
            "the managers have changed, and not all records are on those of the inventory: {error}; run `stackctl ledger \
             sync` before you change them again"
        )),
    }
}

fn backup(args: &Backup, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let name = &cluster.inventory.cluster;
        let key = if args.unencrypted { None } else { known(&cluster.ledger).await?.there().cloned() };
        let backup = ops::backup(&cluster.ledger, name, cluster.clock.now()).await?;
        let bad = |why: io::Error| {
            Failure::refused(BadFile { file: args.file.clone(), what: "written", why: why.to_string() })
        };
        let text = Plaintext::new(backup.text.into_bytes());
        match &key {
            Some(key) => write(&args.file, &key.seal_for_recipients(&text)),
            None => write(&args.file, text.expose()),
        }
        .map_err(bad)?;
        let sealed =
            key.map(|key| format!(", encrypted to {}", key.recipients().words())).unwrap_or_default();
        context.ui.say(&format!("{} in {}{sealed}.", sum(&backup.archive), args.file.display()));
        warn_missing(&backup.archive, context);
        Ok(Exit::Done)
    })
}

/// No manager keeps one.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no manager that answers keeps a copy of the cluster's key, secrets and configs")]
#[diagnostic(
    code(stackctl::ledger::no_spare),
    help(
        "nothing was changed; managers have one after the first change of the key, a secret or a config, if the ledger is in \
         their volumes; a backup has all records: `stackctl ledger restore FILE`"
    )
)]
struct NoSpare;

fn restore_spare(context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let verb = "ledger restore --spare".to_owned();
        let (ledger, actor) = (cluster.writing(), cluster.actor());
        let spare = ops::restore_spare(&ledger, &actor, verb, warn_unended(&context.ui)).await?;
        let (secrets, configs) = spare.named();
        context.ui.say(&format!(
            "The cluster's keys, {} and {} are in the ledger again, as of {}, from manager {}.",
            count(secrets, "secret"),
            count(configs, "config"),
            spare.at,
            spare.manager
        ));
        Ok(Exit::Done)
    })
}

fn restore(args: &Restore, context: &Context) -> Result<Exit, Failure> {
    let Some(file) = &args.file else { return restore_spare(context) };
    let bad = |why| Failure::refused(BadFile { file: file.clone(), what: "read", why });
    let bytes = Plaintext::new(envelope::read_at_most(file, BACKUP_MAX).map_err(bad)?);
    let is_sealed = is_sealed(bytes.expose());
    // A mistake in the file costs no connection.
    let saved = if is_sealed { None } else { Some(parse(&bytes)?) };
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let saved = match saved {
            Some(saved) => saved,
            None => parse(&opened(args, file, &bytes).await?)?,
        };
        let (ledger, name) = (cluster.writing(), &cluster.inventory.cluster);
        let force = if args.force { "--force " } else { "" };
        let verb = format!("ledger restore {force}{}", file.display());
        if args.force {
            confirm_removal(args, context, &ops::not_in(&saved, &ledger).await?)?;
        }
        let (actor, warn) = (cluster.actor(), warn_unended(&context.ui));
        ops::restore(&saved, &ledger, name, args.force, &actor, verb, warn).await?;
        context.ui.say(&format!("{} in the ledger, as of {}.", sum(&saved.archive), saved.head.at));
        Ok(Exit::Done)
    })
}

/// Opens an encrypted backup: a cluster that has lost all is not asked for anything.
async fn opened(args: &Restore, file: &Path, bytes: &Plaintext) -> Result<Plaintext, Failure> {
    let found = args.private.read().await?;
    let most = usize::try_from(BACKUP_MAX).unwrap_or(usize::MAX);
    let opened = crate::vault::open(&found.keys, bytes.expose(), most);
    opened.map_err(|why| Failure::refused(Sealed { file: file.to_owned(), why }))
}

fn parse(text: &Plaintext) -> Result<ops::Saved, Failure> {
    let text = std::str::from_utf8(text.expose())
        .map_err(|_| Failure::refused(BadBackup("it is no text".to_owned())))?;
    let (head, archive) = Archive::parse(text).map_err(Failure::refused)?;
    Ok(ops::Saved { head, archive })
}

/// Records that the backup does not have are gone afterwards.
fn confirm_removal(args: &Restore, context: &Context, stacks: &BTreeSet<StackName>) -> Result<(), Failure> {
    if stacks.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = stacks.iter().map(StackName::as_str).collect();
    let many = count(names.len(), "stack");
    context.ui.warn(&format!(
        "the backup has nothing of {many}, whose records are removed from the ledger: {}",
        names.join(", ")
    ));
    let question = format!("Remove the records of {many}?");
    if args.yes || context.ui.confirm(&question).map_err(Failure::refused)? {
        return Ok(());
    }
    Err(Failure::refused(NotConfirmed))
}

/// All the rest is there.
fn warn_missing(all: &Archive, context: &Context) {
    for (owner, why) in all.missing() {
        let what = if *owner == owner_of_secrets() {
            "the value of a secret".to_owned()
        } else {
            format!("a content of a config of stack {owner}")
        };
        context.ui.warn(&format!("{what} could not be read and is not copied: {why}"));
    }
}

fn sum(all: &Archive) -> String {
    let records = all.records();
    let (stacks, is) = (all.stacks().len(), if records == 1 { "is" } else { "are" });
    format!("{} of {} {is}", count(records, "record"), count(stacks, "stack"))
}

#[expect(clippy::disallowed_methods, reason = "the file is what was asked for")]
fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut opened = std::fs::File::options().write(true).create_new(true).mode(0o600).open(file)?;
    let written = opened.write_all(text).and_then(|()| opened.sync_all());
    if written.is_err() {
        // A partial backup is of no use.
        let _is_told = std::fs::remove_file(file);
    }
    written
}
