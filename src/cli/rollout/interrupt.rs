//! Ctrl-C: the first one asks a run to stop, the next one leaves at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::cli::report::Exit;

/// Listens for SIGINT and SIGTERM while a run goes on.
#[derive(Debug)]
pub(in crate::cli) struct Interrupt {
    asked: Arc<Notify>,
    /// Whether nobody is there to stop any more.
    is_over: Arc<AtomicBool>,
}

impl Interrupt {
    /// Signals go on ending the process until a run begins.
    pub(in crate::cli) fn listen() -> Self {
        Self::listen_to(signal(SignalKind::interrupt()).ok())
    }

    /// Only to SIGTERM: Ctrl-C is somebody else's.
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
                        #[allow(clippy::exit, reason = "asked for twice")]
                        std::process::exit(Exit::Interrupted.code().into());
                    }
                    asked.notify_one();
                }
            });
        }
        this
    }

    /// A run begins: the first signal asks it to stop.
    pub(in crate::cli) fn begin(&self) {
        self.is_over.store(false, Ordering::SeqCst);
    }

    /// Until somebody wants the run to stop.
    pub(in crate::cli) async fn wait(&self) {
        self.asked.notified().await;
    }

    /// The run is over: the next signal ends the process.
    pub(in crate::cli) fn over(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

/// The next one; never, where nobody listens.
async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
