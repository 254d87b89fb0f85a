//! All records as a whole: copied to another place, taken out, brought back.
//!
//! Every lock is held meanwhile, that of the loops' leader among them, so that no process works on records
//! that are being copied. Knows no files: the text of a backup is handed in and out.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::log::{Actor, NewEntry, Unended, logged};
use super::vault::{self, VaultError};
use crate::engine::lease::{Busy, NotTaken, Wanted, take};
use crate::engine::{Lease, node_records};
use crate::ledger::archive::{self, Archive, Head, NotCopied};
use crate::ledger::lease::{Held, Holder, Terms, leader_stream, stream, vault_stream};
use crate::ledger::spare::{self, Spare};
use crate::ledger::{
    Kind, Ledger, LedgerError, ReadRegisters, Stream, WriteRegisters, configs, contents, nodes, secrets, sync,
};
use crate::model::{ClusterName, StackName, Timestamp};

/// Why the records were not copied or restored.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// Another process works with the ledger. Nothing was changed.
    #[error("{} (process {}, `{}`) is at work with the ledger", .0.who, .0.pid, .0.verb)]
    InUse(Holder),
    /// All other records were copied.
    #[error("the records of {of} were not copied: {} (process {}, `{}`) is at work with them", .holder.who, .holder.pid, .holder.verb)]
    Left {
        /// Of a stack, or of the loops.
        of: String,
        /// Who is at work.
        holder: Holder,
    },
    /// No manager that answers keeps a spare copy that can be read. Nothing was changed.
    #[error("no manager that answers keeps a copy of the cluster's key, secrets and configs")]
    NoSpare,
    /// The backup is of a cluster with another name. Nothing was changed.
    #[error("the backup is of cluster `{theirs}`, and this is `{ours}`")]
    OtherCluster {
        /// The cluster of the backup.
        theirs: String,
        /// The cluster of the ledger.
        ours: String,
    },
    /// A record cannot be read or written, or what was read back is not what was written.
    #[error(transparent)]
    NotCopied(#[from] NotCopied),
}

impl From<LedgerError> for NotDone {
    fn from(error: LedgerError) -> Self {
        Self::NotCopied(error.into())
    }
}

/// A backup, as it is to be kept.
#[derive(Debug)]
pub struct Backup {
    /// What is in it.
    pub archive: Archive,
    /// The whole text. Confidential: releases hold the environments of services.
    pub text: String,
}

/// A backup that was read back.
#[derive(Debug, Clone)]
pub struct Saved {
    /// Of which cluster it is, and of when.
    pub head: Head,
    /// What is in it.
    pub archive: Archive,
}

/// Copies all records from one place to another, and reads them back there. What is in the old place stays.
/// `verb` is written into the logs of both.
///
/// # Errors
///
/// If either place is in use, the new one holds other records, or they differ in the end.
pub async fn migrate<R: WriteRegisters + Send + Sync + 'static>(
    from: &Arc<Ledger<R>>,
    to: &Ledger<R>,
    actor: &Actor,
    verb: String,
    unended: impl FnOnce(Unended),
) -> Result<Archive, NotDone> {
    if let Some(Held { holder, .. }) = archive::holders(to).await?.pop() {
        return Err(NotDone::InUse(holder));
    }
    let leases = hold(from, actor, from.stacks().await?, "ledger migrate").await?;
    let copied = async {
        let (copy, written) = copy(from, to).await?;
        if written > 0 {
            // In both: a copy is what it is a copy of.
            let entry = NewEntry { verb, ..NewEntry::default() };
            let nothing = async { Ok::<_, NotDone>(()) };
            logged(actor, from, entry, nothing, unended).await?;
            Archive::of(from).await?.operations().write(to).await?;
        }
        Ok::<_, NotDone>(copy)
    };
    let copied = copied.await;
    give_back(leases).await;
    copied
}

/// What was copied, and how many records of it were not there.
async fn copy<R: WriteRegisters>(from: &Ledger<R>, to: &Ledger<R>) -> Result<(Archive, usize), NotCopied> {
    archive::settle(from).await?;
    let all = Archive::of(from).await?;
    all.fits(to).await?;
    let written = all.write(to).await?;
    // No lock protects what is remembered of nodes, nor the settings of the loop.
    let again = Archive::of(from).await?;
    match again.clone().without_leases() == all.without_leases() {
        true => Ok((again, written)),
        false => {
            Err(NotCopied::Differs { stream: "what is remembered of nodes, or of the loop,".to_owned() })
        }
    }
}

/// Takes all records out. Holds no lock: what a process is writing is waited for for a moment.
///
/// # Errors
///
/// If the records cannot be read, or the managers do not agree on one.
pub async fn backup<R: ReadRegisters>(
    ledger: &Ledger<R>,
    cluster: &ClusterName,
    now: Timestamp,
) -> Result<Backup, LedgerError> {
    let archive = Archive::of(ledger).await?;
    let text = archive.text(cluster.as_str(), now);
    Ok(Backup { archive, text })
}

/// Stacks of which the ledger has records and the backup has none: a forced restore removes those.
///
/// # Errors
///
/// The ledger cannot be read.
pub async fn not_in<R: ReadRegisters>(
    saved: &Saved,
    ledger: &Ledger<R>,
) -> Result<BTreeSet<StackName>, LedgerError> {
    let kept: BTreeSet<StackName> = saved.archive.recorded();
    let mut all = BTreeSet::new();
    for stack in ledger.stacks().await?.difference(&kept) {
        if archive::has_records(ledger, stack).await? {
            all.insert(stack.clone());
        }
    }
    Ok(all)
}

/// Writes the records of a backup of `cluster` into its ledger. `is_forced` removes what the ledger holds
/// now, and takes a backup of another cluster too. `verb` is written into the log.
///
/// # Errors
///
/// If the ledger is in use, or, unless forced, holds other records or is of another cluster.
pub async fn restore<R: WriteRegisters + Send + Sync + 'static>(
    saved: &Saved,
    ledger: &Arc<Ledger<R>>,
    cluster: &ClusterName,
    is_forced: bool,
    actor: &Actor,
    verb: String,
    unended: impl FnOnce(Unended),
) -> Result<(), NotDone> {
    let Saved { head, archive: all } = saved;
    // What was changed on running containers since the backup is not in it.
    let all = &all.clone().as_of_then();
    if head.cluster != cluster.as_str() && !is_forced {
        return Err(NotDone::OtherCluster { theirs: head.cluster.clone(), ours: cluster.to_string() });
    }
    if !is_forced {
        all.fits(ledger).await?;
    }
    let mut stacks = ledger.stacks().await?;
    stacks.extend(all.stacks());
    let leases = hold(ledger, actor, stacks, "ledger restore").await?;
    let restored = async {
        if is_forced {
            archive::wipe(ledger).await?;
        }
        all.clone().without_leases().write(ledger).await
    };
    let restored = restored.await;
    give_back(leases).await;
    if restored? > 0 {
        let message = Some(format!("as of {}", head.at));
        let entry = NewEntry { verb, message, ..NewEntry::default() };
        let nothing = async { Ok::<_, NotDone>(()) };
        logged(actor, ledger, entry, nothing, unended).await?;
    }
    Ok(())
}

/// Brings back what the newest [spare copy](spare) of a manager has: the cluster's keys, secrets and configs.
///
/// # Errors
///
/// No manager that answers keeps one, the ledger has other records of the kind, or it is in use.
pub async fn restore_spare<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    verb: String,
    unended: impl FnOnce(Unended),
) -> Result<Spare, NotDone> {
    let spare = spare::newest(ledger).await?.ok_or(NotDone::NoSpare)?;
    let leases = hold(ledger, actor, ledger.stacks().await?, "ledger restore").await?;
    let work = async {
        spare.write(ledger).await?;
        let keys = spare.keys();
        // A key that was made since marked what was deployed since: that is compared by its values, and stays as it is.
        node_records::change(ledger, |records| {
            records.key.clone_from(&keys.key);
            records.release_key.clone_from(&keys.release_key);
            Ok::<(), LedgerError>(())
        })
        .await?;
        Ok::<(), NotDone>(())
    };
    let message = Some(format!("as of {}", spare.at));
    let entry = NewEntry { verb, message, ..NewEntry::default() };
    let restored = logged(actor, ledger, entry, work, unended).await;
    give_back(leases).await;
    restored?;
    Ok(spare)
}

/// Has managers keep a spare copy that have none, or an old one; the names of those, and which of them did not take it.
///
/// # Errors
///
/// The ledger cannot be read, or the secrets are being changed.
pub async fn keep_spares<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
) -> Result<(BTreeSet<String>, Vec<(String, String)>), NotDone> {
    let behind = spare::behind(ledger).await?;
    if behind.is_empty() {
        return Ok((behind, Vec::new()));
    }
    let lease = hold_one(ledger, actor, (vault_stream(), "vault"), "ledger sync").await?;
    let kept = spare::keep(ledger, actor.clock.now()).await;
    lease.release().await?;
    Ok((behind, kept?))
}

/// Whether the records of nodes, which are written in most operations, name other managers than there are now.
pub async fn managers_changed<R: ReadRegisters>(ledger: &Ledger<R>) -> bool {
    let log = ledger.read(&nodes::stream()).await;
    log.is_ok_and(|log| !sync::names(&log, ledger.registers().managers()))
}

/// Brings all records to every manager, so that the managers can be changed once more; of how many stacks something was
/// missing, `None` if nothing was. Takes one lock at a time. `verb` is written into the log, if there is anything to do.
///
/// # Errors
///
/// A record cannot be read or written, a manager does not answer, or a process is at work: then the rest is copied.
pub async fn sync<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    verb: String,
    unended: impl FnOnce(Unended),
) -> Result<Option<usize>, NotDone> {
    match vault::mend(ledger, actor).await {
        Err(VaultError::InUse(holder)) => return Err(NotDone::InUse(*holder)),
        Err(VaultError::Ledger(error)) => return Err(error.into()),
        // What is lost is brought back by another command; the rest is copied.
        Ok(()) | Err(_) => {}
    }
    let stacks = ledger.stacks().await?;
    let behind = sync::behind(ledger, &stacks).await?;
    let mut lacking: Vec<StackName> = Vec::new();
    for stack in stacks {
        let is_behind = behind.iter().any(|stream| stream.of == stack.as_str());
        if is_behind || !contents::are_everywhere(ledger, &stack).await? {
            lacking.push(stack);
        }
    }
    let is_of_vault = |stream: &Stream| matches!(stream.kind, Kind::Key | Kind::Secrets | Kind::Configs);
    let is_vault_behind = behind.iter().any(is_of_vault)
        || !secrets::are_everywhere(ledger).await?
        || !configs::are_everywhere(ledger).await?;
    if behind.is_empty() && lacking.is_empty() && !is_vault_behind {
        return Ok(None);
    }
    let entry = NewEntry { verb, ..NewEntry::default() };
    let work = copy_behind(ledger, actor, &behind, &lacking, is_vault_behind);
    let copied = logged(actor, ledger, entry, work, unended).await;
    sync::operations(ledger).await?;
    copied.map(Some)
}

/// Copies what is behind, and says of how many stacks that was something.
async fn copy_behind<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    behind: &[Stream],
    stacks: &[StackName],
    is_vault_behind: bool,
) -> Result<usize, NotDone> {
    let mut left = None;
    for stack in stacks {
        let wanted = (stream(stack), stack.as_str());
        match hold_one(ledger, actor, wanted, "ledger sync").await {
            Ok(lease) => {
                let copied = sync::stack(ledger, stack, || lease.validity().is_valid()).await;
                lease.release().await?;
                copied?;
                sync::copy(ledger, &stream(stack)).await?;
            }
            Err(NotDone::InUse(holder)) => left = Some((format!("stack {stack}"), holder)),
            Err(error) => return Err(error),
        }
    }
    if is_vault_behind || behind.contains(&vault_stream()) {
        match hold_one(ledger, actor, (vault_stream(), "vault"), "ledger sync").await {
            Ok(lease) => {
                let copied = sync::vault(ledger, || lease.validity().is_valid()).await;
                lease.release().await?;
                copied?;
                sync::copy(ledger, &vault_stream()).await?;
            }
            Err(NotDone::InUse(holder)) => left = Some(("the secrets".to_owned(), holder)),
            Err(error) => return Err(error),
        }
    }
    if behind.contains(&leader_stream()) {
        match copy_leader(ledger, actor).await {
            Ok(()) => {}
            Err(NotDone::InUse(holder)) => left = Some(("the reconcile loops".to_owned(), holder)),
            Err(error) => return Err(error),
        }
    }
    if let Some((of, holder)) = left {
        return Err(NotDone::Left { of, holder });
    }
    // Last: they say that all is done.
    sync::nodes(ledger).await?;
    Ok(stacks.len())
}

/// The lease of the loops' leader. One that renews it under the managers of now has taken it along.
async fn copy_leader<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
) -> Result<(), NotDone> {
    let log = ledger.read(&leader_stream()).await?;
    let held = hold_one(ledger, actor, (leader_stream(), "reconcile"), "ledger sync").await;
    let in_use = match held {
        Ok(lease) => {
            lease.release().await?;
            None
        }
        Err(NotDone::InUse(_)) if sync::names(&log, ledger.registers().managers()) => None,
        Err(NotDone::InUse(holder)) => Some(holder),
        Err(error) => return Err(error),
    };
    sync::copy(ledger, &leader_stream()).await?;
    match in_use {
        None => Ok(()),
        Some(holder) => Err(NotDone::InUse(holder)),
    }
}

/// Takes the lock of each of these stacks, that of the loops' leader and that of the secrets, or none.
async fn hold<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    stacks: BTreeSet<StackName>,
    verb: &str,
) -> Result<Vec<Lease<R>>, NotDone> {
    let of_stacks = stacks.iter().map(|stack| (stream(stack), stack.as_str()));
    let mut held = Vec::new();
    for (stream, name) in of_stacks.chain([(leader_stream(), "reconcile"), (vault_stream(), "vault")]) {
        match hold_one(ledger, actor, (stream, name), verb).await {
            Ok(lease) => held.push(lease),
            Err(why) => {
                give_back(held).await;
                return Err(why);
            }
        }
    }
    Ok(held)
}

async fn hold_one<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    (stream, name): (Stream, &str),
    verb: &str,
) -> Result<Lease<R>, NotDone> {
    let me = &actor.me;
    let wanted = Wanted { stream, holder: me.holder(name, verb), terms: Terms::STACK, patience_ms: 0 };
    take(ledger, actor.clock, wanted, me.is_gone, |_| ()).await.map_err(|why| match why {
        NotTaken::Ledger(error) => error.into(),
        NotTaken::Held(Busy { held: Held { holder, .. }, .. }) => NotDone::InUse(holder),
    })
}

async fn give_back<R: WriteRegisters + Send + Sync + 'static>(leases: Vec<Lease<R>>) {
    for lease in leases {
        // One that cannot be given back expires by itself.
        let _expires_by_itself = lease.release().await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::engine::stops::Stops;
    use crate::ledger::FileRegisters;
    use crate::ledger::lease::{BegunStop, Left};
    use crate::ledger::operation::{self, Ending, Recorded};
    use crate::model::{NodeName, TaskId};
    use crate::ops::testing::{self, actor, quiet};

    fn ledger(dir: &Path, name: &str) -> Arc<Ledger<FileRegisters>> {
        testing::ledger(&dir.join(name))
    }

    async fn log(ledger: &Ledger<FileRegisters>) -> Vec<(String, Option<Ending>)> {
        let all = operation::read(ledger, &operation::stream()).await.unwrap();
        let of = |Recorded { operation, ended, .. }: Recorded| (operation.verb, ended.map(|(_, how)| how));
        all.into_iter().map(of).collect()
    }

    /// A ledger with one operation in it.
    async fn used(dir: &Path, actor: &Actor) -> Arc<Ledger<FileRegisters>> {
        let one = ledger(dir, "one");
        let entry = NewEntry { verb: "unlock shop".into(), ..NewEntry::default() };
        logged(actor, &one, entry, async { Ok::<_, LedgerError>(()) }, quiet).await.unwrap();
        one
    }

    #[tokio::test]
    async fn a_copy_has_in_its_log_that_it_is_one_and_all_locks_are_free_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let actor = actor();
        let (one, two) = (used(dir.path(), &actor).await, ledger(dir.path(), "two"));
        migrate(&one, &two, &actor, "ledger migrate one two".into(), quiet).await.unwrap();
        let logs = (log(&one).await, log(&two).await);
        assert_eq!(logs.0, logs.1);
        let verbs = ["unlock shop", "ledger migrate one two"].map(|verb| (verb.into(), Some(Ending::Done)));
        assert_eq!(logs.0, verbs);
        assert!(archive::holders(&one).await.unwrap().is_empty());
    }

    /// Takes the lock of `shop`, and gives it back.
    async fn pass(ledger: &Arc<Ledger<FileRegisters>>, actor: &Actor, act: impl FnOnce(&Stops)) -> Left {
        let holder = actor.me.holder("shop", "deploy");
        let stream = stream(&StackName::unchecked("shop"));
        let wanted = Wanted { stream, holder, terms: Terms::STACK, patience_ms: 0 };
        let lease = take(ledger, actor.clock, wanted, |_| false, |_| ()).await.unwrap();
        let stops = lease.validity().stops().unwrap();
        let (_, found) = stops.under_way();
        act(stops);
        lease.release().await.unwrap();
        found
    }

    #[tokio::test]
    async fn what_a_holder_left_under_way_is_known_after_a_copy_and_a_restore() {
        let dir = tempfile::tempdir().unwrap();
        let actor = actor();
        let (one, two) = (used(dir.path(), &actor).await, ledger(dir.path(), "two"));
        let (node, task) = (NodeName::unchecked("h1"), TaskId::unchecked("x"));
        let left = vec![BegunStop::new(node, task, "web.1".into(), 40_000)];
        pass(&one, &actor, |stops| {
            stops.none_is_forgotten();
            stops.outlasted(left.clone());
        })
        .await;
        migrate(&one, &two, &actor, String::new(), quiet).await.unwrap();
        assert_eq!(pass(&two, &actor, |_| ()).await.stops, left);
        let cluster = ClusterName::unchecked("test");
        let Backup { text, .. } = backup(&one, &cluster, actor.clock.now()).await.unwrap();
        let (head, archive) = Archive::parse(&text).unwrap();
        let saved = Saved { head, archive };
        restore(&saved, &two, &cluster, true, &actor, String::new(), quiet).await.unwrap();
        assert_eq!(pass(&two, &actor, |_| ()).await.stops, left);
        // A ledger that knew nothing of the stack: a holder may work with it.
        let three = ledger(dir.path(), "three");
        restore(&saved, &three, &cluster, true, &actor, String::new(), quiet).await.unwrap();
        assert!(pass(&three, &actor, |_| ()).await.found_nothing);
    }

    #[tokio::test]
    async fn records_that_a_process_works_with_are_left_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let actor = actor();
        let (one, two) = (used(dir.path(), &actor).await, ledger(dir.path(), "two"));
        let holder = actor.me.holder("reconcile", "reconcile");
        let wanted = Wanted { stream: leader_stream(), holder, terms: Terms::STACK, patience_ms: 0 };
        let lease = take(&one, actor.clock, wanted, |_| false, |_| ()).await.unwrap();
        let error = migrate(&one, &two, &actor, String::new(), quiet).await.unwrap_err();
        assert!(matches!(&error, NotDone::InUse(holder) if holder.verb == "reconcile"), "{error}");
        assert_eq!(log(&two).await, []);
        lease.release().await.unwrap();
    }

    #[tokio::test]
    async fn a_backup_of_another_cluster_is_restored_by_force_alone() {
        let dir = tempfile::tempdir().unwrap();
        let actor = actor();
        let (one, two) = (used(dir.path(), &actor).await, ledger(dir.path(), "two"));
        let (ours, theirs) = (ClusterName::unchecked("test"), ClusterName::unchecked("other"));
        let Backup { text, .. } = backup(&one, &theirs, actor.clock.now()).await.unwrap();
        let (head, archive) = Archive::parse(&text).unwrap();
        let saved = Saved { head, archive };
        let error = restore(&saved, &two, &ours, false, &actor, "restore".into(), quiet).await.unwrap_err();
        assert!(matches!(&error, NotDone::OtherCluster { .. }), "{error}");
        restore(&saved, &two, &ours, true, &actor, "restore".into(), quiet).await.unwrap();
        let verbs: Vec<String> = log(&two).await.into_iter().map(|(verb, _)| verb).collect();
        assert_eq!(verbs, ["unlock shop", "restore"]);
    }
}
