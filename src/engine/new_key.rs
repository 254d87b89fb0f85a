//! The key of marks that a cluster gets with its first release. Knows nothing of how it is kept.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::{Arc, OnceLock};

use crate::model::MarkKey;

/// What this process would give a cluster that has no key. It is drawn when something is first to be changed, and
/// written down before that: a plan that is only looked at is made without one, and so the same each time.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    drawn: Arc<OnceLock<MarkKey>>,
    given: Option<MarkKey>,
}

/// Holds a key in place of a random one: tests have the same ids of tasks each time.
pub const VARIABLE: &str = "STACKCTL_NEW_KEY";

impl NewKey {
    /// The key that will be drawn is this one, where there is one.
    #[must_use]
    pub fn given(given: Option<MarkKey>) -> Self {
        Self { given, ..Self::default() }
    }

    /// Draws the key, once.
    ///
    /// # Panics
    ///
    /// If the system has no randomness to give: a key that can be guessed would protect nothing.
    pub fn draw(&self) {
        let random = || MarkKey::new(random().expect("the system gives random bytes"));
        self.drawn.get_or_init(|| self.given.clone().unwrap_or_else(random));
    }

    /// The key, if it was drawn.
    #[must_use]
    pub fn get(&self) -> Option<&MarkKey> {
        self.drawn.get()
    }
}

#[expect(clippy::disallowed_methods, reason = "the system's own source of randomness")]
fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
