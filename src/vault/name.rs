//! By which people speak of a recipient, and of a secret.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a recipient: of a person, of CI, of the loop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecipientName(String);

const NAME_MAX: usize = 63;

/// A text that is no name of a recipient. Does not repeat it: it may be a key in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no name: 1 to 63 letters, digits and `.`, `_`, `-`, `@`, `+`, beginning with a letter or digit"
)]
pub struct BadName;

impl RecipientName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RecipientName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte);
        let begins_right = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        // A private key has the form of a name, and would stand in every list.
        let is_key = text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY");
        if begins_right && text.len() <= NAME_MAX && text.bytes().all(is_right) && !is_key {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName)
        }
    }
}

impl TryFrom<String> for RecipientName {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<RecipientName> for String {
    fn from(name: RecipientName) -> Self {
        name.0
    }
}

impl fmt::Display for RecipientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a secret or a config, as Swarm allows it (swarmkit `manager/controlapi/secret.go`,
/// `validateConfigOrSecretName`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectName(String);

const OBJECT_NAME_MAX: usize = 64;

/// A text that is no name of a secret or a config. Does not repeat it: it may be the secret in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no name: 1 to 64 letters, digits and `.`, `_`, `-`, with a letter or digit at both ends")]
pub struct BadObjectName;

impl ObjectName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectName {
    type Err = BadObjectName;

    fn from_str(text: &str) -> Result<Self, BadObjectName> {
        let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = text.as_bytes();
        let ends_right = is_end(bytes.first()) && is_end(bytes.last());
        if ends_right && bytes.len() <= OBJECT_NAME_MAX && bytes.iter().all(|byte| is_right(*byte)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadObjectName)
        }
    }
}

impl TryFrom<String> for ObjectName {
    type Error = BadObjectName;

    fn try_from(text: String) -> Result<Self, BadObjectName> {
        text.parse()
    }
}

impl From<ObjectName> for String {
    fn from(name: ObjectName) -> Self {
        name.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_those_of_swarm() {
        let longest = "a".repeat(64);
        for name in ["a", "db_password", "tls.key-2", "9", longest.as_str()] {
            assert!(name.parse::<ObjectName>().is_ok(), "{name}");
        }
        let too_long = "a".repeat(65);
        for name in ["", "-a", "a-", "_a", "a.", "a b", "a/b", "é", too_long.as_str()] {
            assert_eq!(name.parse::<ObjectName>(), Err(BadObjectName), "{name}");
        }
    }
}
