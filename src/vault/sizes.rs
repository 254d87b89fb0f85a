//! What a secret and a config may hold: Swarm's limits, so that what is kept here fits there, and the other way round.

use std::fmt;

use crate::model::Plaintext;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Secret,
    Config,
}

impl Kind {
    /// The most bytes that one has. Swarm's limit is the first size that it refuses.
    #[must_use]
    pub const fn bytes_max(self) -> usize {
        match self {
            Self::Secret => 500 * 1024 - 1,
            Self::Config => 1000 * 1024 - 1,
        }
    }

    /// # Errors
    ///
    /// It is empty or too large.
    pub fn check(self, plain: &Plaintext) -> Result<(), BadSize> {
        match plain.len() {
            0 => Err(BadSize::Empty(self)),
            bytes if bytes > self.bytes_max() => Err(BadSize::TooLarge(self)),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "secret",
            Self::Config => "config",
        })
    }
}

/// A value of a size that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSize {
    #[error("it is empty: a {0} has at least one byte")]
    Empty(Kind),
    /// How large is not said: a file is not read to its end, and the size of a secret tells of it.
    #[error("it is too large: a {0} has {max} bytes at most", max = .0.bytes_max())]
    TooLarge(Kind),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_swarm() {
        let of = |bytes| Plaintext::new(vec![b'x'; bytes]);
        assert_eq!(Kind::Secret.check(&of(1)), Ok(()));
        assert_eq!(Kind::Secret.check(&of(511_999)), Ok(()));
        assert_eq!(Kind::Config.check(&of(1_023_999)), Ok(()));
        let words = |kind: Kind, bytes| kind.check(&of(bytes)).unwrap_err().to_string();
        assert_eq!(words(Kind::Secret, 0), "it is empty: a secret has at least one byte");
        assert_eq!(words(Kind::Secret, 512_000), "it is too large: a secret has 511999 bytes at most");
        assert_eq!(words(Kind::Config, 1_024_000), "it is too large: a config has 1023999 bytes at most");
    }
}
