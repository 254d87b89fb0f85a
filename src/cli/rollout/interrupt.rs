//! Ctrl-C: the first one asks a run to stop, the next one leaves at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::cli::report::Exit;
use crate::ops::release::Stop;

/// Listens for SIGINT and SIGTERM while a run goes on.
#[derive(Debug)]
pub(in crate::cli) struct Interrupt {
    asked: Arc<Notify>,
    /// Whether the run has ended, so that no signal needs to be handled any more.
    is_over: Arc<AtomicBool>,
}

impl Interrupt {
    /// Until a run begins, signals end the process as usual.
    pub(in crate::cli) fn listen() -> Self {
        Self::listen_to(signal(SignalKind::interrupt()).ok())
    }

    /// Listens to SIGTERM only: another part of the program handles Ctrl-C.
    pub(in crate::cli) fn listen_to_term() -> Self {
        Self::listen_to(None)
    }

    fn listen_to(mut int: Option<Signal>) -> Self {
        let this = Self { asked: Arc::default(), is_over: Arc::new(AtomicBool::new(true)) };
        let (asked, is_over) = (Arc::clone(&this.asked), Arc::clone(&this.is_over));
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            tokio::spawn(async move {
                loop {
                    tokio::select! {
                        () = heard(&mut int) => {}
                        _ = term.recv() => {}
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
        self.is_over.store(false, Ordering::SeqCst);
    }

    async fn stopped(&self) {
        self.asked.notified().await;
    }

    /// The next signal ends the process.
    fn disarm(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

/// The next signal; waits forever where none is listened for.
async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
