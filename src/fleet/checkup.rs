//! What a host says when it is asked whether all is in order: what its clock shows, and how full the disk of its engine is.
//!
//! The engine's API tells nothing of disks. Where the connection is by ssh, `df` is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Inner;
use super::docker::client::DEFAULT_LIMIT;
use super::docker::wire;
use super::error::HostError;
use super::host::{Host, Up};
use super::turns;
use crate::model::{NodeName, Timestamp, Unreachable};

/// What a host said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkup {
    /// How far its clock is ahead of ours, in milliseconds; `None` if what it says is no time.
    pub ahead_ms: Option<i64>,
    /// How long the answer took: the clock may be off by half of that.
    pub took_ms: i64,
    /// The file system of the engine's data, where it can be looked at.
    pub disk: Option<Disk>,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The engine's folder on it.
    pub folder: String,
    pub bytes: u64,
    /// What programs without privileges may still write.
    pub free: u64,
}

impl Disk {
    /// Of what `df -Pk` prints.
    fn of(folder: &str, text: &str) -> Option<Self> {
        let mut words = text.lines().nth(1)?.split_whitespace().skip(1);
        let bytes = words.next()?.parse::<u64>().ok()?.checked_mul(1024)?;
        let free = words.nth(1)?.parse::<u64>().ok()?.checked_mul(1024)?;
        Some(Self { folder: folder.to_owned(), bytes, free })
    }
}

/// Asks every host at once.
pub(super) async fn checkups(
    inner: &Inner,
    now: impl Fn() -> Timestamp + Copy,
) -> BTreeMap<NodeName, Result<Checkup, Unreachable>> {
    let membership = inner.membership();
    let ask = |_: NodeName, host: Arc<Host>| async move { checkup(&host, now).await };
    let again = |_: NodeName, _: Arc<Host>, error: HostError| async move { Err(error) };
    let answers = turns::ask_all(&membership.hosts, ask, again, |_| false).await;
    let at = now();
    answers
        .into_iter()
        .map(|(name, answer)| (name, answer.map_err(|error| error.to_unreachable(at))))
        .collect()
}

async fn checkup(host: &Arc<Host>, now: impl Fn() -> Timestamp) -> Result<Checkup, HostError> {
    let up = host.up_or_revived().await?;
    let question =
        |up: Arc<Up>| async move { up.engine.reader.get::<wire::Info>("/info", DEFAULT_LIMIT).await };
    // The first answer may have waited for a connection.
    host.read(Arc::clone(&up), question).await?;
    let before = now();
    let info = host.read(Arc::clone(&up), question).await?;
    let took_ms = now().since_ms(before);
    let there = info.system_time.parse::<jiff::Timestamp>().ok();
    let ahead_ms = there.map(|there| there.as_millisecond() - before.0 - took_ms / 2);
    let folder = info.docker_root_dir;
    let text = match up.master().filter(|_| !folder.is_empty()) {
        Some(master) => master.disk(&folder).await,
        None => None,
    };
    let disk = text.and_then(|text| Disk::of(&folder, &text));
    Ok(Checkup { ahead_ms, took_ms, disk })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_read_from_df() {
        let text =
            "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 1000 400 600 40% /\n";
        let disk = Disk { folder: "/var/lib/docker".into(), bytes: 1_024_000, free: 614_400 };
        assert_eq!(Disk::of("/var/lib/docker", text), Some(disk));
        for bad in ["", "df: no such file\n", "Filesystem\n/dev/vda1 x y z\n"] {
            assert_eq!(Disk::of("/", bad), None);
        }
    }
}
