//! Fencing: a command of the inventory makes sure that a host is off, so that tasks with data may move away from it.
//!
//! It is run once a loss, by the leader of the loops alone. That it runs is written down first: a loop that takes the
//! lead over does not run it again. If that cannot be written, it has not run, and is tried again; the record may have
//! come through all the same, and is known as one's own by who decided it, and when. What came of the command is written
//! as often as it takes, since the command must not run again. A loop that ends before leaves the record of a fence that
//! runs: the tasks stay, and a person sees why. Whether it may run is decided elsewhere, but for one thing: it never runs against
//! the machine that this process runs on. Only its status 0 counts, and a host that answers afterwards is not off. Then
//! the node is drained by force, as `node update` does it, until a person lets it back.

use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::engine::node_records;
use crate::fleet::Fleet;
use crate::inventory::{Address, FenceCommand, HostEntry};
use crate::ledger::nodes::{Fence, FenceState, NodeRecord, NodeRecords};
use crate::ledger::operation::Changed;
use crate::ledger::{Ledger, LedgerError, WriteRegisters};
use crate::model::node::Availability;
use crate::model::{KnownMember, NodeFacts, NodeName, Timestamp};
use crate::ops::log::{Actor, NewEntry, logged};
use crate::process_group;
use crate::words::without_secrets;

/// How long the command may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Of its output so much is read.
const OUTPUT_MAX: u64 = 1 << 20;
/// Of the first line that it says when it fails so much is kept.
const WORDS_MAX: usize = 100;
/// How long an answer of a host that should be off is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// Between two attempts to write down what came of it.
const WRITE_AGAIN: Duration = Duration::from_secs(2);
/// Of a record that is no longer that of this fence.
const TAKEN_BACK: &str =
    "what was recorded of the fence was taken back meanwhile: the host answers, or was let back";

/// The variables that the command gets.
const NODE: &str = "STACKCTL_NODE";
const ADDRESS: &str = "STACKCTL_ADDRESS";

/// Why a host does not count as off.
#[derive(Debug, thiserror::Error)]
pub enum NotFenced {
    /// The ledger cannot be read or written, and the command has not run.
    #[error(transparent)]
    NotBegun(#[from] LedgerError),
    /// The command, or the host itself, says so.
    #[error("{0}")]
    Failed(String),
}

/// A host that is to be fenced.
#[derive(Debug, Clone, Copy)]
pub struct Loss<'a> {
    pub node: &'a NodeName,
    /// What was last seen of it.
    pub seen: Option<&'a NodeFacts>,
    /// When that was decided. The same for each attempt to begin.
    pub decided: Timestamp,
}

/// Has the command of a host make sure that it is off, and drains it by force.
///
/// # Errors
///
/// If the command may not run, fails, or takes too long, if the host answers afterwards, or if it cannot be written
/// down that it runs. Its tasks stay then.
pub async fn fence<R: WriteRegisters>(
    fleet: &Fleet,
    ledger: &Ledger<R>,
    actor: &Actor,
    loss: Loss<'_>,
) -> Result<(), NotFenced> {
    let failed = |why: &str| NotFenced::Failed(why.to_owned());
    let node = loss.node;
    let entry = fleet.entry(node).ok_or_else(|| failed("the host has left"))?;
    let command = entry.fence.as_ref().ok_or_else(|| failed("no `fence:` is set for the host"))?;
    let ours = Ours { who: &actor.me.who, node, decided: loss.decided };
    let (_, records) = node_records::read(ledger).await?;
    ours.may_begin(&records).map_err(NotFenced::Failed)?;
    if let Err(why) = Here::read().may_run(&entry, loss.seen, &records).await {
        node_records::change(ledger, |records| ours.refuse(records, &why)).await?;
        return Err(NotFenced::Failed(why));
    }
    // Looked at once more: two loops may both think that they lead.
    node_records::change(ledger, |records| ours.begin(records).map_err(NotFenced::Failed)).await?;
    let before = records.nodes.get(node).cloned().map(Box::new);
    let mut after = records.clone();
    ours.set(&mut after, FenceState::Off);
    let after = after.nodes.get(node).cloned().map(Box::new);
    let changes = vec![Changed::Node { node: node.clone(), before, after }];
    let entry_in_log = NewEntry { verb: format!("fence {node}"), changes, ..NewEntry::default() };
    let work = async {
        let state = match run(command, node, &entry.member.address, LIMIT).await {
            Ok(()) => FenceState::Off,
            Err(why) => FenceState::Failed { why, is_refused: false },
        };
        write_end(ledger, &ours, state, || answers(fleet, node)).await
    };
    // Without its end in the log it shows as cut off there; the record of the node says how it ended.
    logged(actor, ledger, entry_in_log, work, |_| ()).await
}

/// Writes down what came of the command, until that is written or the record is no longer ours. A host that answers in
/// the meantime is not off.
async fn write_end<R: WriteRegisters, F: Future<Output = bool>>(
    ledger: &Ledger<R>,
    ours: &Ours<'_>,
    mut state: FenceState,
    answers: impl Fn() -> F,
) -> Result<(), NotFenced> {
    loop {
        if state == FenceState::Off && answers().await {
            let why = "the host answers all the same".to_owned();
            state = FenceState::Failed { why, is_refused: false };
        }
        let end = |records: &mut NodeRecords| ours.end(records, &state).map_err(NotFenced::Failed);
        match node_records::change(ledger, end).await {
            Ok((_, after)) => {
                return match ours.recorded(&after).map(|fence| &fence.state) {
                    Some(FenceState::Off) => Ok(()),
                    Some(FenceState::Failed { why, .. }) => Err(NotFenced::Failed(why.clone())),
                    Some(FenceState::Running) | None => Err(NotFenced::Failed(TAKEN_BACK.to_owned())),
                };
            }
            // What was run is not run again: it is written as often as it takes.
            Err(NotFenced::NotBegun(_)) => tokio::time::sleep(WRITE_AGAIN).await,
            Err(failed) => return Err(failed),
        }
    }
}

/// The record of a fence that this process began, or is about to.
#[derive(Debug)]
struct Ours<'a> {
    who: &'a str,
    node: &'a NodeName,
    decided: Timestamp,
}

impl Ours<'_> {
    fn recorded<'r>(&self, records: &'r NodeRecords) -> Option<&'r Fence> {
        records.nodes.get(self.node).and_then(|record| record.fence.as_ref())
    }

    fn is_ours(&self, fence: &Fence) -> bool {
        fence.who == self.who && fence.at == self.decided
    }

    /// An attempt that did not know whether it was written may have been.
    fn may_begin(&self, records: &NodeRecords) -> Result<(), String> {
        let is_free = self.recorded(records).is_none_or(|fence| {
            !fence.state.has_begun() || (fence.state == FenceState::Running && self.is_ours(fence))
        });
        if is_free { Ok(()) } else { Err("another process has begun that".to_owned()) }
    }

    fn begin(&self, records: &mut NodeRecords) -> Result<(), String> {
        self.may_begin(records)?;
        self.set(records, FenceState::Running);
        Ok(())
    }

    /// What was taken back meanwhile stays so: the host has answered, or a person let it back.
    fn end(&self, records: &mut NodeRecords, state: &FenceState) -> Result<(), String> {
        let fence = self.recorded(records).filter(|fence| self.is_ours(fence)).ok_or(TAKEN_BACK)?;
        if fence.state != FenceState::Off {
            self.set(records, state.clone());
        }
        Ok(())
    }

    /// That this process may not run the command is put down for `status`. It is no reason for another process.
    fn refuse(&self, records: &mut NodeRecords, why: &str) -> Result<(), LedgerError> {
        let state = FenceState::Failed { why: why.to_owned(), is_refused: true };
        let is_put_down =
            |fence: &Fence| fence.state.has_begun() || (fence.state == state && fence.who == self.who);
        if !self.recorded(records).is_some_and(is_put_down) {
            self.set(records, state);
        }
        Ok(())
    }

    /// Only what is off is drained.
    fn set(&self, records: &mut NodeRecords, state: FenceState) {
        let (who, at) = (self.who.to_owned(), self.decided);
        let fresh = NodeRecord::new(who.clone(), at);
        let record = records.nodes.entry(self.node.clone()).or_insert(fresh);
        if state == FenceState::Off {
            (record.availability, record.abandons_data) = (Some(Availability::Drain), true);
            (record.who, record.at) = (who.clone(), at);
        }
        record.fence = Some(Fence { state, who, at });
    }
}

/// What this machine says of itself.
#[derive(Debug)]
struct Here {
    /// What the first process is called.
    first_process: String,
    hostname: Option<String>,
}

impl Here {
    #[expect(clippy::disallowed_methods, reason = "the system says who it is in files")]
    fn read() -> Self {
        let read = |path: &str| Some(std::fs::read_to_string(path).ok()?.trim().to_owned());
        Self {
            first_process: read("/proc/1/comm").unwrap_or_default(),
            hostname: read("/proc/sys/kernel/hostname"),
        }
    }

    /// Whether this process is in a container that has another name and other addresses than its machine: the first
    /// process there is this program, or one that only reaps for it.
    fn is_hidden(&self, records: &NodeRecords) -> bool {
        const FIRST: [&str; 5] = ["stackctl", "tini", "docker-init", "dumb-init", "catatonit"];
        let is_here = |known: &KnownMember| self.hostname.as_deref() == Some(known.hostname.as_str());
        FIRST.contains(&self.first_process.as_str()) && !records.members.values().any(is_here)
    }

    /// Whether this process may run the command of a host.
    async fn may_run(
        &self,
        entry: &HostEntry,
        seen: Option<&NodeFacts>,
        records: &NodeRecords,
    ) -> Result<(), String> {
        if self.is_hidden(records) {
            const WHY: &str = "cannot tell whether the host is this machine: this loop runs in a container without the \
                 host's network (`network_mode: host`)";
            return Err(WHY.to_owned());
        }
        self.is_not(entry, seen, records.members.get(&entry.member.name)).await
    }

    /// A host that is this machine is never fenced, and neither is one of which that cannot be told.
    async fn is_not(
        &self,
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
        let is_ours = names.iter().any(|name| self.hostname.as_deref() == Some(name))
            || addresses.iter().any(|address| is_local(*address));
        if is_ours { Err(OURS.to_owned()) } else { Ok(()) }
    }
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
        true => process_group::program(folder.join(program)),
        false => process_group::program(program),
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
    let said = first_words(&String::from_utf8_lossy(&output.stderr));
    let status =
        output.status.code().map_or_else(|| output.status.to_string(), |code| format!("status {code}"));
    Err(format!("its fence ended with {status}{}{said}", if said.is_empty() { "" } else { ": " }))
}

/// The first line that a command said, without what looks like a secret: it goes into the ledger, and everyone who may ask
/// for the status reads it.
fn first_words(said: &str) -> String {
    let line = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let plain: String = line.chars().filter(|c| !c.is_control()).collect();
    let shown = without_secrets(&plain);
    shown.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(WORDS_MAX).collect()
}

/// Whether the engine or the machine of a host answers.
async fn answers(fleet: &Fleet, node: &NodeName) -> bool {
    let Some(mut probe) = fleet.observer().probe(node) else { return false };
    probe.sign(ANSWER_LIMIT).await.is_ok()
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
    async fn what_is_written_down_of_a_failure_is_one_line_without_secrets() {
        for (said, kept) in [
            ("no power\nsession s3cret", "no power"),
            (
                "\n  curl  -u a https://admin:s3cret@bmc/off: refused",
                "curl -u a https://***@bmc/off: refused",
            ),
        ] {
            assert_eq!(first_words(said), kept);
        }
        let failed = ended("echo no power >&2; echo password s3cret >&2; exit 3", 60_000).await.unwrap_err();
        assert_eq!(failed, "its fence ended with status 3: no power");
        assert_eq!(first_words(&"x ".repeat(300)).len(), WORDS_MAX);
    }

    #[tokio::test]
    async fn only_status_0_says_that_a_host_is_off() {
        let told = "[ \"$STACKCTL_NODE $STACKCTL_ADDRESS $1\" = 'h2 ssh://root@10.0.0.2 off' ]";
        assert_eq!(ended(told, 60_000).await, Ok(()));
        let failed = ended("echo no power >&2; exit 3", 60_000).await.unwrap_err();
        assert_eq!(failed, "its fence ended with status 3: no power");
        let failed = ended("echo 'auth failed: password=s3cret'; echo more s3cret", 60_000).await;
        assert_eq!(failed, Ok(()), "what it says when all went well is not looked at");
        assert!(ended("kill -9 $$", 60_000).await.is_err());
        let late = ended("sleep 60", 1_000).await.unwrap_err();
        assert_eq!(late, "its fence has not ended within 1 s");
        let nothing = FenceCommand { argv: vec!["./nothing".to_owned()], folder: "/".into() };
        let missing = run(&nothing, &NodeName::unchecked("h2"), "", LIMIT).await.unwrap_err();
        assert!(missing.starts_with("its fence cannot be started"), "{missing}");
    }

    #[tokio::test]
    async fn this_machine_is_never_fenced() {
        let here = |first: &str| Here { first_process: first.to_owned(), hostname: Some("mill".to_owned()) };
        let of = async |here: &Here, address: &str, hostname: &str, seen: Option<&NodeFacts>| {
            let text = format!("hosts: {{h1: {{address: '{address}', role: manager}}}}\n");
            let (inventory, _) = parse(&text, "hosts.yml").unwrap();
            let entry = inventory.hosts.values().next().unwrap().clone();
            let mut records = NodeRecords::default();
            let known = KnownMember { hostname: hostname.to_owned(), ..KnownMember::default() };
            records.members.insert(entry.member.name.clone(), known);
            here.may_run(&entry, seen, &records).await
        };
        for (address, hostname) in
            [("unix:///run/a.sock", "other"), ("ssh://127.0.0.1", "other"), ("ssh://192.0.2.1", "mill")]
        {
            let why = of(&here("systemd"), address, hostname, None).await.unwrap_err();
            assert!(why.contains("is never fenced"), "{address}: {why}");
        }
        assert_eq!(of(&here("systemd"), "ssh://192.0.2.1", "other", None).await, Ok(()));
        let facts = NodeFacts { ip: "127.0.0.1".parse().ok(), ..NodeFacts::default() };
        assert!(of(&here("systemd"), "ssh://192.0.2.1", "other", Some(&facts)).await.is_err());
        // In a container every machine looks like another one.
        let why = of(&here("tini"), "ssh://192.0.2.1", "other", None).await.unwrap_err();
        assert!(why.contains("runs in a container"), "{why}");
        assert!(!Here::read().hostname.unwrap_or_default().is_empty());
    }

    fn state_of(records: &NodeRecords) -> Option<&FenceState> {
        records.nodes.values().next().and_then(|record| record.fence.as_ref()).map(|fence| &fence.state)
    }

    #[test]
    fn the_command_runs_once_a_loss_and_a_record_that_may_have_come_through_is_known_as_ones_own() {
        let h2 = NodeName::unchecked("h2");
        let ours = Ours { who: "loop@mill", node: &h2, decided: Timestamp(5) };
        let mut records = NodeRecords::default();
        ours.begin(&mut records).unwrap();
        // Its answer was lost.
        ours.begin(&mut records).unwrap();
        for other in [
            Ours { who: "loop@barn", node: &h2, decided: Timestamp(5) },
            Ours { who: "loop@mill", node: &h2, decided: Timestamp(6) },
        ] {
            assert!(other.begin(&mut records).is_err(), "{other:?}");
        }
        ours.end(&mut records, &FenceState::Off).unwrap();
        assert!(ours.begin(&mut records).is_err(), "it has run");
        // That it is off was written, though its answer was lost: tasks may have moved by now.
        ours.end(&mut records, &FenceState::Failed { why: "it answers".to_owned(), is_refused: false })
            .unwrap();
        assert_eq!(state_of(&records), Some(&FenceState::Off));
        assert!(records.nodes[&h2].abandons_data);
    }

    #[test]
    fn only_a_host_that_is_off_loses_its_tasks() {
        let h2 = NodeName::unchecked("h2");
        let ours = Ours { who: "loop@mill", node: &h2, decided: Timestamp(5) };
        let mut records = NodeRecords::default();
        ours.begin(&mut records).unwrap();
        assert!(!records.nodes[&h2].abandons_data);
        let failed = FenceState::Failed { why: "no power".to_owned(), is_refused: false };
        ours.end(&mut records, &failed).unwrap();
        assert_eq!((state_of(&records), records.nodes[&h2].availability), (Some(&failed), None));
        // The host has answered since, or a person let it back.
        records.nodes.clear();
        assert!(ours.end(&mut records, &FenceState::Off).is_err());
        assert!(records.nodes.is_empty());
    }

    #[test]
    fn that_a_process_may_not_run_it_is_put_down_and_is_no_reason_for_another() {
        let h2 = NodeName::unchecked("h2");
        let ours = Ours { who: "loop@mill", node: &h2, decided: Timestamp(5) };
        let mut records = NodeRecords::default();
        ours.refuse(&mut records, "it is this machine").unwrap();
        let words = records.nodes[&h2].fence.as_ref().unwrap().to_string();
        assert!(words.starts_with("not fenced by loop@mill at ") && words.ends_with(": it is this machine"));
        let before = records.clone();
        let later = Ours { decided: Timestamp(9), ..ours };
        later.refuse(&mut records, "it is this machine").unwrap();
        assert_eq!(records, before, "the same is not written again");
        let other = Ours { who: "loop@barn", node: &h2, decided: Timestamp(7) };
        other.begin(&mut records).unwrap();
        later.refuse(&mut records, "it is this machine").unwrap();
        assert_eq!(state_of(&records), Some(&FenceState::Running), "it runs there");
    }

    #[tokio::test]
    async fn a_host_that_answers_afterwards_is_not_off() {
        use crate::ledger::{FileRegisters, Limits};
        let folder = tempfile::tempdir().unwrap();
        let cluster = crate::model::ClusterName::unchecked("test");
        let ledger = Ledger::new(FileRegisters::new(folder.path(), &cluster), Limits::default());
        let h2 = NodeName::unchecked("h2");
        for (answers, is_off) in [(true, false), (false, true)] {
            let ours = Ours { who: "loop@mill", node: &h2, decided: Timestamp(5) };
            let begin = |records: &mut NodeRecords| {
                records.nodes.clear();
                ours.begin(records).map_err(NotFenced::Failed)
            };
            node_records::change(&ledger, begin).await.unwrap();
            let done = write_end(&ledger, &ours, FenceState::Off, || std::future::ready(answers)).await;
            assert_eq!(done.is_ok(), is_off);
            let (_, records) = node_records::read(&ledger).await.unwrap();
            assert_eq!(records.nodes[&h2].abandons_data, is_off);
        }
    }
}
