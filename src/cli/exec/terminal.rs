//! The terminal we run in, handed through to a command elsewhere: keys as they come, and its size.

use std::io::{IsTerminal as _, stdin};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::fleet::exec::Resizer;

/// Whether our input is a terminal.
pub(super) fn is_there() -> bool {
    stdin().is_terminal()
}

/// The terminal of our input.
pub(super) struct Terminal;

/// As long as it lives, keys are passed on one by one, Ctrl-C among them.
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

    /// Tells the command the size, now and whenever it changes.
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
            // Nobody is left to be told if that fails.
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}
