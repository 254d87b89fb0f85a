//! Says to systemd that the loop goes round (`sd_notify(3)`): a datagram to the socket that `NOTIFY_SOCKET` names.
//!
//! A loop that does not turn says nothing, and is started again after `WatchdogSec`.

use std::convert::Infallible;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::reconcile::Snapshot;

/// Set by systemd.
pub(super) const VARIABLE: &str = "NOTIFY_SOCKET";
/// Between two signs of life: far less than any `WatchdogSec`.
const EVERY: Duration = Duration::from_secs(1);

/// Where to say it.
#[derive(Debug)]
pub(super) struct Watchdog {
    socket: UnixDatagram,
    to: SocketAddr,
}

impl Watchdog {
    /// For what the variable holds: a path, or a name behind an `@`. Such a socket that cannot be used is no reason not
    /// to run.
    pub(super) fn new(place: &str) -> Option<Self> {
        let open = || -> io::Result<Self> {
            let to = match place.strip_prefix('@') {
                Some(name) => abstract_name(name)?,
                None => SocketAddr::from_pathname(place)?,
            };
            let socket = UnixDatagram::unbound()?;
            // Must not wait for systemd either.
            socket.set_nonblocking(true)?;
            Ok(Self { socket, to })
        };
        open().ok()
    }

    fn say(&self, what: &str) {
        // The next one may get through.
        let _lost = self.socket.send_to_addr(what.as_bytes(), &self.to);
    }
}

#[cfg(target_os = "linux")]
fn abstract_name(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_name(_: &str) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Says it for each turn of the loop, but not too often; never ends.
pub(super) async fn tell(watchdog: Option<Watchdog>, mut turns: watch::Receiver<Snapshot>) -> Infallible {
    if let Some(watchdog) = watchdog {
        watchdog.say("READY=1");
        while turns.changed().await.is_ok() {
            watchdog.say("WATCHDOG=1");
            sleep(EVERY).await;
        }
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> Option<String> {
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_turns_is_alive_and_one_that_does_not_is_silent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        systemd.set_nonblocking(true).unwrap();
        let (turn, turns) = watch::channel(Snapshot::default());
        let watchdog = Watchdog::new(path.to_str().unwrap());
        assert!(watchdog.is_some());
        tokio::spawn(async move { match tell(watchdog, turns).await {} });
        sleep(EVERY).await;
        assert_eq!(heard(&systemd).as_deref(), Some("READY=1"));
        for _ in 0..10 {
            turn.send_replace(Snapshot::default());
            sleep(EVERY / 2).await;
        }
        let signs = std::iter::from_fn(|| heard(&systemd)).collect::<Vec<_>>();
        assert!((4..=6).contains(&signs.len()) && signs.iter().all(|sign| sign == "WATCHDOG=1"), "{signs:?}");
        sleep(EVERY * 60).await;
        let late = std::iter::from_fn(|| heard(&systemd)).count();
        assert!(late <= 1, "{late} signs of life of a loop that stands still");
        assert_eq!(heard(&systemd), None);
    }

    #[test]
    fn a_socket_that_is_not_there_is_no_reason_not_to_run() {
        assert!(Watchdog::new("/nowhere/at/all").is_some_and(|watchdog| {
            watchdog.say("READY=1");
            true
        }));
        assert!(Watchdog::new("").is_none() || Watchdog::new("@stackctl-test").is_some());
    }
}
