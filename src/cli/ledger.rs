//! `stackctl ledger`: the records as a whole, moved to another place, kept in a file, brought back.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Subcommand, ValueHint};

use super::Context;
use super::cluster::{self, Cluster};
use super::machine;
use super::recorded::{Said, recorded};
use super::records::{self, Home, Writing, reading, writing};
use super::render::text::count;
use super::report::{Blame, Exit, Failure};
use crate::engine::lease::{Busy, NotTaken, Wanted, take};
use crate::engine::{Lease, Store};
use crate::fleet::{ConnectOptions, RegisterWriter};
use crate::ledger::archive::{self, Archive, NotCopied};
use crate::ledger::lease::{Held, Terms, leader_stream, stream};
use crate::ledger::place::LedgerPlace;
use crate::model::StackName;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    (
        "From volumes of the managers to etcd",
        "stackctl ledger migrate volumes 'etcd://h1,h2,h3/prod?ca=/etc/stackctl/ca.pem'",
    ),
    ("Keep all records in a file", "stackctl ledger backup ledger.jsonl"),
    ("Bring them back into an empty ledger", "stackctl ledger restore ledger.jsonl"),
];

/// Arguments of `ledger`.
#[derive(Debug, clap::Args)]
pub struct LedgerArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: LedgerCommand,
}

/// The commands of `ledger`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Copy all records to another place, and read them back there
    ///
    /// Nobody may be at work meanwhile: every lease is held until it is done. The place must be empty, or
    /// hold what an earlier copy that was cut off has left. What is in the old place stays there; set
    /// `ledger:` in the inventory to the new one afterwards.
    Migrate(Box<Migrate>),
    /// Write all records into a file
    ///
    /// The file is for its owner alone: releases hold what stackfiles say, environments of services among it.
    Backup(Backup),
    /// Write the records of a file into the ledger
    Restore(Restore),
}

/// Arguments of `ledger migrate`.
#[derive(Debug, clap::Args)]
pub struct Migrate {
    /// Where the records are: `volumes`, `file:///path`, `etcd://host,…/prefix`, `zookeeper://…` or `consul://…`
    #[arg(value_name = "FROM", value_parser = records::place)]
    pub from: LedgerPlace,
    /// Where they shall be
    #[arg(value_name = "TO", value_parser = records::place)]
    pub to: LedgerPlace,
}

/// Arguments of `ledger backup`.
#[derive(Debug, clap::Args)]
pub struct Backup {
    /// A file that is not there yet
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Arguments of `ledger restore`.
#[derive(Debug, clap::Args)]
pub struct Restore {
    /// What `ledger backup` wrote
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Remove what the ledger holds now, and take a backup of another cluster too
    #[arg(long)]
    pub force: bool,
}

/// Somebody else is at work.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{who} (process {pid}, `{verb}`) is at work with the ledger")]
#[diagnostic(
    code(stackctl::ledger::in_use),
    help("nothing was changed; wait until it is done, and stop the reconcile loops")
)]
struct InUse {
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
    why: io::Error,
}

/// One name for two clusters?
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the backup is of cluster `{theirs}`, and this is `{ours}`")]
#[diagnostic(
    code(stackctl::ledger::other_cluster),
    help("nothing was changed; if it is to be restored here all the same: --force")
)]
struct OtherCluster {
    theirs: String,
    ours: String,
}

/// There is nothing to do.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the records are to go from `{0}` to where they are")]
#[diagnostic(code(stackctl::ledger::same_place), help("name two places"))]
struct SamePlace(String);

impl From<NotCopied> for Failure {
    fn from(error: NotCopied) -> Self {
        match error {
            NotCopied::Ledger(error) => error.into(),
            other => Self::refused(other),
        }
    }
}

pub(super) fn run(args: &LedgerArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        LedgerCommand::Migrate(args) => migrate(args, context),
        LedgerCommand::Backup(args) => backup(args, context),
        LedgerCommand::Restore(args) => restore(args, context),
    }
}

fn migrate(args: &Migrate, context: &Context) -> Result<Exit, Failure> {
    if args.from == args.to {
        return Err(Failure::usage(SamePlace(args.from.to_string())));
    }
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let open = |place| -> Result<Arc<Writing>, Failure> {
            let home = Home::of(place).map_err(Failure::refused)?;
            Ok(home.writing(&cluster.inventory, &cluster.fleet))
        };
        let (from, to) = (open(&args.from)?, open(&args.to)?);
        if let Some(Held { holder, .. }) = archive::holders(&to).await?.pop() {
            return Err(in_use(holder.who, holder.pid, holder.verb));
        }
        let leases = hold(cluster, &from, from.stacks().await?, "ledger migrate").await?;
        let copied = async {
            let (copy, written) = copy(&from, &to).await?;
            if written > 0 {
                // In both: a copy is what it is a copy of.
                let verb = format!("ledger migrate {} {}", args.from, args.to);
                let said = Said { verb, ..Said::default() };
                recorded(&context.ui, cluster, &from, said, async { Ok(()) }).await?;
                Archive::of(&from).await?.operations().write(&to).await?;
            }
            Ok::<_, Failure>(copy)
        };
        let copied = copied.await;
        give_back(leases).await;
        let copy = copied?;
        context.ui.say(&format!("{} in {}, and read back the same.", told(&copy), args.to));
        context.ui.say(&format!(
            "Set `ledger:` in the inventory to that now. Nobody may work with {} any more; it is left as it is.",
            args.from
        ));
        Ok(Exit::Done)
    })
}

/// What was copied, and how many records of it were not there.
async fn copy(from: &Writing, to: &Writing) -> Result<(Archive, usize), NotCopied> {
    archive::settle(from).await?;
    let all = Archive::of(from).await?;
    all.fits(to).await?;
    let written = all.write(to).await?;
    // No lease stands for what is remembered of nodes, nor for what is said to the loop.
    let again = Archive::of(from).await?;
    match again.clone().without_leases() == all.without_leases() {
        true => Ok((again, written)),
        false => {
            Err(NotCopied::Differs { stream: "what is remembered of nodes, or of the loop,".to_owned() })
        }
    }
}

fn backup(args: &Backup, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let all = Archive::of(reading(cluster)).await?;
        let text = all.text(cluster.inventory.cluster.as_str(), cluster.clock.now());
        let bad = |why| Failure::refused(BadFile { file: args.file.clone(), what: "written", why });
        write(&args.file, &text).map_err(bad)?;
        context.ui.say(&format!("{} in {}.", told(&all), args.file.display()));
        Ok(Exit::Done)
    })
}

fn restore(args: &Restore, context: &Context) -> Result<Exit, Failure> {
    let bad = |why| Failure::refused(BadFile { file: args.file.clone(), what: "read", why });
    let (head, all) = Archive::parse(&read(&args.file).map_err(bad)?).map_err(Failure::refused)?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let ours = cluster.inventory.cluster.to_string();
        if head.cluster != ours && !args.force {
            return Err(Failure::refused(OtherCluster { theirs: head.cluster.clone(), ours }));
        }
        let ledger = writing(cluster);
        if !args.force {
            all.fits(&ledger).await?;
        }
        let mut stacks = ledger.stacks().await?;
        stacks.extend(all.stacks());
        let leases = hold(cluster, &ledger, stacks, "ledger restore").await?;
        let restored = async {
            if args.force {
                archive::wipe(&ledger).await?;
            }
            all.clone().without_leases().write(&ledger).await
        };
        let restored = restored.await;
        give_back(leases).await;
        let written = restored?;
        let force = if args.force { "--force " } else { "" };
        let verb = format!("ledger restore {force}{}", args.file.display());
        let said = Said { verb, message: Some(format!("as of {}", head.at)), ..Said::default() };
        if written > 0 {
            recorded(&context.ui, cluster, &ledger, said, async { Ok(()) }).await?;
        }
        context.ui.say(&format!("{} in the ledger, as of {}.", told(&all), head.at));
        Ok(Exit::Done)
    })
}

/// Takes every lease there is, and that of the loops' leader, or none.
async fn hold(
    cluster: &Cluster,
    ledger: &Arc<Writing>,
    stacks: BTreeSet<StackName>,
    verb: &str,
) -> Result<Vec<Lease<Store<RegisterWriter>>>, Failure> {
    let me = machine::me();
    let of_stacks = stacks.iter().map(|stack| (stream(stack), stack.as_str()));
    let mut held = Vec::new();
    for (stream, name) in of_stacks.chain([(leader_stream(), "reconcile")]) {
        let wanted = Wanted { stream, holder: me.holder(name, verb), terms: Terms::STACK, patience_ms: 0 };
        match take(ledger, cluster.clock, wanted, me.is_gone, |_| ()).await {
            Ok(lease) => held.push(lease),
            Err(why) => {
                give_back(held).await;
                return Err(match why {
                    NotTaken::Ledger(error) => error.into(),
                    NotTaken::Held(Busy { held: Held { holder, .. }, .. }) => {
                        in_use(holder.who, holder.pid, holder.verb)
                    }
                });
            }
        }
    }
    Ok(held)
}

async fn give_back(leases: Vec<Lease<Store<RegisterWriter>>>) {
    for lease in leases {
        // What does not get through ends by itself.
        let _ends_by_itself = lease.release().await;
    }
}

fn in_use(who: String, pid: u32, verb: String) -> Failure {
    Failure::new(Blame::Locked, InUse { who, pid, verb })
}

fn told(all: &Archive) -> String {
    let records = all.records();
    let (stacks, is) = (all.stacks().len(), if records == 1 { "is" } else { "are" });
    format!("{} of {} {is}", count(records, "record"), count(stacks, "stack"))
}

#[expect(clippy::disallowed_methods, reason = "the file is what was asked for")]
fn write(file: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut opened = std::fs::File::options().write(true).create_new(true).mode(0o600).open(file)?;
    let written = opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all());
    if written.is_err() {
        // Half a backup is none.
        let _is_told = std::fs::remove_file(file);
    }
    written
}

#[expect(clippy::disallowed_methods, reason = "the file is what was asked for")]
fn read(file: &Path) -> io::Result<String> {
    std::fs::read_to_string(file)
}
