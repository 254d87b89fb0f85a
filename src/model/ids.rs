//! Names and ids: newtypes, checked once at the door, cheap to clone.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The label that names the stack of a thing. Docker's own, so that its tools see our stacks.
pub const STACK_LABEL: &str = "com.docker.stack.namespace";

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or only blanks.
    #[error("the name is empty")]
    Empty,
    /// Beyond what a container name and a DNS label can carry.
    #[error("the name is {0} characters long; at most {1} are allowed")]
    TooLong(usize, usize),
    /// Not in `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
    #[error("`{0}` is not allowed in a name here")]
    BadCharacter(char),
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// A name that was checked before, or that is only compared and shown.
            #[must_use]
            pub fn unchecked(text: &str) -> Self {
                Self(Arc::from(text))
            }

            /// A name fit for container names: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, at most 63 characters
            /// (the rule of SwarmKit's `validateAnnotations`, which wants a DNS label).
            pub fn new(text: &str) -> Result<Self, NameError> {
                check_name(text)?;
                Ok(Self::unchecked(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

const NAME_CHARS_MAX: usize = 63;

fn check_name(text: &str) -> Result<(), NameError> {
    if text.trim().is_empty() {
        return Err(NameError::Empty);
    }
    if text.chars().count() > NAME_CHARS_MAX {
        return Err(NameError::TooLong(text.chars().count(), NAME_CHARS_MAX));
    }
    let bad = text
        .char_indices()
        .find(|&(at, c)| !(c.is_ascii_alphanumeric() || (at > 0 && matches!(c, '-' | '_' | '.'))));
    bad.map_or(Ok(()), |(_, c)| Err(NameError::BadCharacter(c)))
}

name! {
    /// A cluster: the hosts of one inventory. Keeps two inventories on one host apart.
    ClusterName
}
name! {
    /// A stack, as given on the command line.
    StackName
}
name! {
    /// A service inside its stack, without the stack's prefix: `web`, not `app_web`.
    ServiceName
}
name! {
    /// A node by its inventory name. Known even while the host is silent, unlike its engine's id.
    NodeName
}
name! {
    /// One attempt to run one container. Derived, never drawn: see [`TaskId::derive`].
    TaskId
}
name! {
    /// A hash over a [`TaskSpec`](super::TaskSpec): equal hash, nothing to replace.
    SpecHash
}

impl SpecHash {
    /// The hash of canonical bytes: the first 16 bytes of SHA-256, in hex.
    #[must_use]
    pub fn of(canonical: &[u8]) -> Self {
        Self(Arc::from(hex(&Sha256::digest(canonical)[..16])))
    }
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// SHA-256 in hex: how file contents are identified.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(StackName::new("efk").is_ok());
        assert_eq!(StackName::new(" "), Err(NameError::Empty));
        assert_eq!(StackName::new("a b"), Err(NameError::BadCharacter(' ')));
        assert_eq!(StackName::new("-a"), Err(NameError::BadCharacter('-')));
        assert!(matches!(StackName::new(&"a".repeat(64)), Err(NameError::TooLong(64, 63))));
    }
}
