//! Ctrl-C: the first one asks a run to stop, the next one leaves at once. A terminal that is closed asks once: its shell and the
//! kernel may both say so.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::cli::report::Exit;
use crate::ops::release::Stop;

/// Listens for SIGINT, SIGTERM and SIGHUP while a run goes on.
#[derive(Debug)]
pub(in crate::cli) struct Interrupt {
    asked: Arc<Notify>,
    /// Whether the run has ended or was asked to, so that no signal needs to be handled any more.
    is_over: Arc<AtomicBool>,
    /// Whether a run goes on.
    is_armed: Arc<AtomicBool>,
}

impl Interrupt {
    /// Until a run begins, signals end the process as usual.
    pub(in crate::cli) fn listen() -> Self {
        Self::listen_to(signal(SignalKind::interrupt()).ok(), hangup())
    }

    /// Listens to SIGTERM only: another part of the program handles Ctrl-C.
    pub(in crate::cli) fn listen_to_term() -> Self {
        Self::listen_to(None, None)
    }

    fn listen_to(mut int: Option<Signal>, mut hangup: Option<Signal>) -> Self {
        let is_over = Arc::new(AtomicBool::new(true));
        let this = Self { asked: Arc::default(), is_over: Arc::clone(&is_over), is_armed: Arc::default() };
        let (asked, is_armed) = (Arc::clone(&this.asked), Arc::clone(&this.is_armed));
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            tokio::spawn(async move {
                loop {
                    let is_hangup = tokio::select! {
                        () = heard(&mut int) => false,
                        _ = term.recv() => false,
                        () = heard(&mut hangup) => true,
                    };
                    if is_hangup && is_armed.load(Ordering::SeqCst) && is_over.load(Ordering::SeqCst) {
                        continue;
                    }
                    if is_over.swap(true, Ordering::SeqCst) {
                        #[allow(clippy::exit, reason = "the user asked twice")]
                        std::process::exit(Exit::Interrupted.code().into());
                    }
                    asked.notify_one();
                }
            });
        }
        this
    }
}

impl Stop for Interrupt {
    fn arm(&self) {
        self.is_armed.store(true, Ordering::SeqCst);
        self.is_over.store(false, Ordering::SeqCst);
    }

    async fn stopped(&self) {
        self.asked.notified().await;
    }

    /// The next signal ends the process.
    fn disarm(&self) {
        self.is_armed.store(false, Ordering::SeqCst);
        self.is_over.store(true, Ordering::SeqCst);
    }
}

/// Says when the terminal is closed; `None` where the process is to go on then.
pub(in crate::cli) fn hangup() -> Option<Signal> {
    if ignores_hangup() { None } else { signal(SignalKind::hangup()).ok() }
}

/// Whether this process was started to go on when its terminal is closed (`nohup`): a signal that is listened for is not ignored
/// any more.
#[expect(clippy::disallowed_methods, reason = "the kernel's word of this process is there at once")]
fn ignores_hangup() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        // A system that does not say: `nohup` turns the output away from the terminal.
        return !std::io::stderr().is_terminal();
    };
    is_ignored(&status, SignalKind::hangup().as_raw_value())
}

/// Whether a process with this `/proc/PID/status` ignores a signal.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// The next signal; waits forever where none is listened for.
async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_stays_ignored() {
        let status = |mask: &str| format!("SigBlk:\t0000000000000003\nSigIgn:\t{mask}\nSigCgt:\t1\n");
        assert!(is_ignored(&status("0000000000001001"), 1));
        assert!(!is_ignored(&status("0000000000001000"), 1) && !is_ignored("", 1));
    }
}
