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

const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Length of a task id: what SwarmKit uses, so that columns and habits fit.
pub const TASK_ID_CHARS: usize = 25;

impl TaskId {
    /// The id of the `attempt`-th task of a slot under a spec, on a node.
    ///
    /// A function of its inputs alone, so that a create whose reply was lost, when repeated, meets a
    /// container that already carries the name, and is known to be done rather than done twice. The node
    /// is part of it: a slot that was moved off a silent host has another task there when it is back.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "each of them must make a difference")]
    pub fn derive(
        cluster: &ClusterName,
        stack: &StackName,
        service: &ServiceName,
        slot: &super::Slot,
        node: &NodeName,
        hash: &SpecHash,
        is_job: bool,
        attempt: u32,
    ) -> Self {
        let mut digest = Sha256::new();
        for part in [cluster.as_str(), stack.as_str(), service.as_str(), node.as_str(), hash.as_str()] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        match slot {
            super::Slot::Replica(number) => digest.update(number.to_le_bytes()),
            super::Slot::Node(node) => digest.update(node.as_str().as_bytes()),
        }
        digest.update([0, u8::from(is_job)]);
        digest.update(attempt.to_le_bytes());
        let hash = digest.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        let mut value = u128::from_be_bytes(bytes);
        let mut text = [0u8; TASK_ID_CHARS];
        for place in text.iter_mut().rev() {
            *place = BASE36[(value % 36) as usize];
            value /= 36;
        }
        Self(Arc::from(std::str::from_utf8(&text).expect("base 36 is ASCII")))
    }
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
    use super::super::Slot;
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(StackName::new("efk").is_ok());
        assert_eq!(StackName::new(" "), Err(NameError::Empty));
        assert_eq!(StackName::new("a b"), Err(NameError::BadCharacter(' ')));
        assert_eq!(StackName::new("-a"), Err(NameError::BadCharacter('-')));
        assert!(matches!(StackName::new(&"a".repeat(64)), Err(NameError::TooLong(64, 63))));
    }

    #[test]
    fn task_ids_depend_on_every_part() {
        let id = |stack: &str, service: &str, slot: Slot, attempt| {
            TaskId::derive(
                &ClusterName::unchecked("c"),
                &StackName::unchecked(stack),
                &ServiceName::unchecked(service),
                &slot,
                &NodeName::unchecked("h1"),
                &SpecHash::of(b"x"),
                false,
                attempt,
            )
        };
        let first = id("a", "b", Slot::Replica(1), 1);
        assert_eq!(first, id("a", "b", Slot::Replica(1), 1));
        assert_eq!(first.as_str().len(), TASK_ID_CHARS);
        for other in [
            id("a", "b", Slot::Replica(1), 2),
            id("a", "b", Slot::Replica(2), 1),
            id("a", "c", Slot::Replica(1), 1),
            id("ab", "", Slot::Replica(1), 1),
            id("a", "b", Slot::Node(NodeName::unchecked("h1")), 1),
        ] {
            assert_ne!(first, other);
        }
    }
}
