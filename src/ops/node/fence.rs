//! Fencing: a command of the inventory makes sure that a host is off, so that tasks with data may move away from it.
//!
//! It is run once a loss, by the leader of the loops alone. That it runs is written down first: a loop that takes the
//! lead over does not run it again. Whether it may run is decided elsewhere, but for one thing: it never runs against
//! the machine that this process runs on. Only its status 0 counts, and a host that answers afterwards is not off. Then
//! the node is drained by force, as `node update` does it, until a person lets it back.

use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::process::Command;
use tokio::time::timeout;

use crate::engine::node_records;
use crate::fleet::Fleet;
use crate::inventory::{Address, FenceCommand, HostEntry};
use crate::ledger::nodes::{Fence, FenceState, NodeRecord, NodeRecords};
use crate::ledger::operation::Changed;
use crate::ledger::{Ledger, LedgerError, WriteRegisters};
use crate::model::node::Availability;
use crate::model::{KnownMember, NodeFacts, NodeName};
use crate::ops::log::{Actor, NewEntry, logged_by};
use crate::process_group;

/// How long the command may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Of its output so much is read.
const OUTPUT_MAX: u64 = 1 << 20;
/// Of what it says when it fails so much is kept.
const WORDS_MAX: usize = 300;
/// How long an answer of a host that should be off is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// The variables that the command gets.
const NODE: &str = "STACKCTL_NODE";
const ADDRESS: &str = "STACKCTL_ADDRESS";

/// Why a host does not count as off.
#[derive(Debug, thiserror::Error)]
pub enum NotFenced {
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The command, or the host itself, says so.
    #[error("{0}")]
    Failed(String),
}

/// Has the command of a host make sure that it is off, and drains it by force. `seen` is what was last seen of it.
///
/// # Errors
///
/// If the command may not run, fails, or takes too long, if the host answers afterwards, or if that cannot be written
/// down. Its tasks stay then.
pub async fn fence<R: WriteRegisters>(
    fleet: &Fleet,
    ledger: &Ledger<R>,
    actor: &Actor,
    node: &NodeName,
    seen: Option<&NodeFacts>,
) -> Result<(), NotFenced> {
    let failed = |why: &str| NotFenced::Failed(why.to_owned());
    let entry = fleet.entry(node).ok_or_else(|| failed("the host has left"))?;
    let command = entry.fence.as_ref().ok_or_else(|| failed("no `fence:` is set for the host"))?;
    let (_, records) = node_records::read(ledger).await?;
    if records.nodes.get(node).is_some_and(|record| record.fence.is_some()) {
        return Err(failed("another process has begun that"));
    }
    let hostnames = records.members.values().map(|known| known.hostname.as_str());
    if is_hidden(own_name().as_deref(), hostnames) {
        const WHY: &str = "cannot tell whether the host is this machine: this loop runs in a container without the host's \
             network (`network_mode: host`)";
        return Err(failed(WHY));
    }
    not_ours(&entry, seen, records.members.get(node)).await.map_err(NotFenced::Failed)?;
    let begin = |records: &mut NodeRecords| {
        // Looked at once more: two loops may both think that they lead.
        if records.nodes.get(node).is_some_and(|record| record.fence.is_some()) {
            return Err(failed("another process has begun that"));
        }
        set(records, actor, node, FenceState::Running);
        Ok(())
    };
    node_records::change(ledger, begin).await?;
    let before = records.nodes.get(node).cloned().map(Box::new);
    let mut after = records.clone();
    set(&mut after, actor, node, FenceState::Off);
    let after = after.nodes.get(node).cloned().map(Box::new);
    let changes = vec![Changed::Node { node: node.clone(), before, after }];
    let entry_in_log = NewEntry { verb: format!("fence {node}"), changes, ..NewEntry::default() };
    let work = async {
        let done = match run(command, node, &entry.member.address, LIMIT).await {
            Ok(()) if answers(fleet, node).await => Err("the host answers all the same".to_owned()),
            done => done,
        };
        let state = match &done {
            Ok(()) => FenceState::Off,
            Err(why) => FenceState::Failed { why: why.clone() },
        };
        write(ledger, actor, node, state).await?;
        done.map_err(NotFenced::Failed)
    };
    // Without its end in the log it shows as cut off there; the record of the node says how it ended.
    logged_by(actor, ledger, entry_in_log, work, |_| ()).await
}

/// A host that answers needs no fence for this loss any more. One that is off stays drained.
///
/// # Errors
///
/// If the ledger cannot be read or written.
pub async fn clear<R: WriteRegisters>(ledger: &Ledger<R>, node: &NodeName) -> Result<(), LedgerError> {
    node_records::change(ledger, |records: &mut NodeRecords| {
        if let Some(record) = records.nodes.get_mut(node)
            && record.fence.as_ref().is_some_and(|fence| fence.state != FenceState::Off)
        {
            record.fence = None;
            if record.says_nothing() {
                records.nodes.remove(node);
            }
        }
        Ok(())
    })
    .await
    .map(|_| ())
}

async fn write<R: WriteRegisters>(
    ledger: &Ledger<R>,
    actor: &Actor,
    node: &NodeName,
    state: FenceState,
) -> Result<(), LedgerError> {
    let with = |records: &mut NodeRecords| {
        set(records, actor, node, state.clone());
        Ok(())
    };
    node_records::change(ledger, with).await.map(|_| ())
}

/// Only what is off is drained.
fn set(records: &mut NodeRecords, actor: &Actor, node: &NodeName, state: FenceState) {
    let (who, at) = (actor.me.who.clone(), actor.clock.now());
    let fresh = NodeRecord::new(who.clone(), at);
    let record = records.nodes.entry(node.clone()).or_insert(fresh);
    if state == FenceState::Off {
        (record.availability, record.abandons_data) = (Some(Availability::Drain), true);
        (record.who, record.at) = (who.clone(), at);
    }
    record.fence = Some(Fence { state, who, at });
}

/// Runs the command.
#[expect(
    clippy::disallowed_methods,
    reason = "the inventory says which program makes sure that a host is off"
)]
async fn run(command: &FenceCommand, node: &NodeName, address: &str, limit: Duration) -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("its fence cannot be started: {error}");
    let (program, args) = command.argv.split_first().ok_or("its fence names no program")?;
    // The folder of `stackctl.yml` has no name at all.
    let folder = std::path::absolute(Path::new(".").join(&command.folder)).map_err(cannot)?;
    let mut started = match program.contains('/') {
        true => Command::new(folder.join(program)),
        false => Command::new(program),
    };
    started.args(args).current_dir(&folder).env(NODE, node.as_str()).env(ADDRESS, address);
    started.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Dropped, and with it ended, once it takes too long.
    let output = match timeout(limit, process_group::output(&mut started, OUTPUT_MAX)).await {
        Err(_) => return Err(format!("its fence has not ended within {} s", limit.as_secs())),
        Ok(output) => output.map_err(cannot)?,
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let said: String = said.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect();
    let status =
        output.status.code().map_or_else(|| output.status.to_string(), |code| format!("status {code}"));
    Err(format!("its fence ended with {status}{}{said}", if said.is_empty() { "" } else { ": " }))
}

/// Whether the engine or the machine of a host answers.
async fn answers(fleet: &Fleet, node: &NodeName) -> bool {
    let Some(mut probe) = fleet.observer().probe(node) else { return false };
    probe.sign(ANSWER_LIMIT).await.is_ok()
}

/// A host that is this machine is never fenced, and neither is one of which that cannot be told.
async fn not_ours(
    entry: &HostEntry,
    seen: Option<&NodeFacts>,
    known: Option<&KnownMember>,
) -> Result<(), String> {
    const OURS: &str = "the host is the machine that stackctl runs on: it is never fenced";
    let Address::Ssh { host, port, .. } = &entry.address else { return Err(OURS.to_owned()) };
    let named = lookup_host((host.as_str(), port.unwrap_or(22))).await;
    let named = named.into_iter().flatten().map(|address| address.ip());
    let addresses: Vec<IpAddr> = named.chain(seen.and_then(|facts| facts.ip)).collect();
    let names = [seen.map(|facts| facts.hostname.as_str()), known.map(|known| known.hostname.as_str())];
    let names: Vec<&str> = names.into_iter().flatten().filter(|name| !name.is_empty()).collect();
    if names.is_empty() && addresses.is_empty() {
        return Err("cannot tell whether the host is this machine: it is not fenced".to_owned());
    }
    let here = own_name();
    let is_ours = names.iter().any(|name| here.as_deref() == Some(name))
        || addresses.iter().any(|address| is_local(*address));
    if is_ours { Err(OURS.to_owned()) } else { Ok(()) }
}

/// Whether this process is in a container that has another name and other addresses than its machine: the first process
/// there is this program, or one that only reaps for it.
#[expect(clippy::disallowed_methods, reason = "the system names its first process in a file")]
fn is_hidden<'m>(own_name: Option<&str>, mut members: impl Iterator<Item = &'m str>) -> bool {
    const FIRST: [&str; 5] = ["stackctl", "tini", "docker-init", "dumb-init", "catatonit"];
    let first = std::fs::read_to_string("/proc/1/comm").unwrap_or_default();
    FIRST.contains(&first.trim()) && !members.any(|name| own_name == Some(name))
}

#[expect(clippy::disallowed_methods, reason = "the system says how this machine is called in a file")]
fn own_name() -> Option<String> {
    Some(std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().to_owned())
}

/// Only addresses of this machine can be listened at. Nothing is sent.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || std::net::UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes the programs that are run")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::inventory::parse;

    fn script(folder: &Path, text: &str) -> FenceCommand {
        let path = folder.join("fence.sh");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        FenceCommand { argv: vec!["./fence.sh".to_owned(), "off".to_owned()], folder: folder.to_owned() }
    }

    async fn ended(text: &str, limit_ms: u64) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let command = script(folder.path(), text);
        let h2 = NodeName::unchecked("h2");
        run(&command, &h2, "ssh://root@10.0.0.2", Duration::from_millis(limit_ms)).await
    }

    #[tokio::test]
    async fn only_status_0_says_that_a_host_is_off() {
        let told = "[ \"$STACKCTL_NODE $STACKCTL_ADDRESS $1\" = 'h2 ssh://root@10.0.0.2 off' ]";
        assert_eq!(ended(told, 60_000).await, Ok(()));
        let failed = ended("echo no power >&2; exit 3", 60_000).await.unwrap_err();
        assert_eq!(failed, "its fence ended with status 3: no power");
        assert!(ended("kill -9 $$", 60_000).await.is_err());
        let late = ended("sleep 60", 1_000).await.unwrap_err();
        assert_eq!(late, "its fence has not ended within 1 s");
        let nothing = FenceCommand { argv: vec!["./nothing".to_owned()], folder: "/".into() };
        let missing = run(&nothing, &NodeName::unchecked("h2"), "", LIMIT).await.unwrap_err();
        assert!(missing.starts_with("its fence cannot be started"), "{missing}");
    }

    #[tokio::test]
    async fn this_machine_is_never_fenced() {
        let here = own_name().unwrap();
        let known = |hostname: &str| KnownMember { hostname: hostname.to_owned(), ..KnownMember::default() };
        let of = async |address: &str, hostname: &str| {
            let text = format!("hosts: {{h1: {{address: '{address}', role: manager}}}}\n");
            let (inventory, _) = parse(&text, "hosts.yml").unwrap();
            let entry = inventory.hosts.values().next().unwrap().clone();
            not_ours(&entry, None, Some(&known(hostname))).await
        };
        for (address, hostname) in [
            ("unix:///run/a.sock", "other"),
            ("ssh://127.0.0.1", "other"),
            ("ssh://192.0.2.1", here.as_str()),
        ] {
            assert!(of(address, hostname).await.unwrap_err().contains("is never fenced"), "{address}");
        }
        assert_eq!(of("ssh://192.0.2.1", "other").await, Ok(()));
        let facts = NodeFacts { ip: "127.0.0.1".parse().ok(), ..NodeFacts::default() };
        let text = "hosts: {h1: {address: 'ssh://192.0.2.1', role: manager}}\n";
        let (inventory, _) = parse(text, "hosts.yml").unwrap();
        let entry = inventory.hosts.values().next().unwrap();
        assert!(not_ours(entry, Some(&facts), None).await.is_err());
    }
}
