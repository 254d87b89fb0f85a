//! Passes the local terminal on to a remote command: key by key, and its size.

use std::io::{IsTerminal as _, stdin};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::fleet::exec::Resizer;

/// Whether stdin is a terminal.
pub(super) fn is_there() -> bool {
    stdin().is_terminal()
}

/// The terminal on stdin.
pub(super) struct Terminal;

/// While it lives, the terminal passes keys on one by one, Ctrl-C included.
pub(super) struct Raw(Option<Termios>);

impl Terminal {
    pub(super) fn follow() -> Self {
        Self
    }

    /// Passes keys on as they are typed.
    pub(super) fn raw(&self) -> Raw {
        let Ok(before) = tcgetattr(stdin()) else { return Raw(None) };
        let mut raw = before.clone();
        raw.make_raw();
        Raw(tcsetattr(stdin(), OptionalActions::Now, &raw).is_ok().then_some(before))
    }

    /// Sends the size to the command, now and whenever it changes.
    pub(super) fn sizes(&self, resizer: Resizer) -> impl Future<Output = ()> + Send + 'static {
        let mut changes = signal(SignalKind::window_change()).ok();
        async move {
            loop {
                if let Some((width, height)) = terminal_size::terminal_size() {
                    resizer.resize(width.0, height.0).await;
                }
                match &mut changes {
                    Some(changes) => drop(Signal::recv(changes).await),
                    None => return,
                }
            }
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // The terminal may be gone already.
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}
