//! Which version of stackctl may read, and which may write back, what another one wrote.
//!
//! Labels, records of the ledger, backups, snapshots and plans carry a [`Format`]. A program that is too old says which
//! version is needed, and leaves the thing as it is: it would drop what it does not know, or take for absent what it
//! does not understand.
//!
//! | number | since | what changed |
//! |---|---|---|
//! | 1 | 0.1.0 | carries no number |
//! | 2 | 0.3.0 | formats have numbers; labels of containers have [marks](super::marks) in place of values; contents of configs are apart from releases, in a form that a reader of the older one refuses |
//! | 3 | 0.7.0 | a release has [variables that are secrets](super::secret_env): an older program would start its tasks without them. All else is written as before |
//! | 4 | 0.8.0 | a release has [marks](super::hidden) in place of values, and those encrypted: an older program would start tasks with marks |

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version of stackctl: `major.minor.patch`. What follows a `-` or `+` does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(u32, u32, u32);

impl Version {
    /// The version of this program.
    ///
    /// # Panics
    ///
    /// Never: Cargo accepts no other versions.
    #[must_use]
    pub fn ours() -> Self {
        env!("CARGO_PKG_VERSION").parse().expect("Cargo checks the version of a package")
    }
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version of stackctl")]
pub struct BadVersion(String);

impl FromStr for Version {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let bad = || BadVersion(text.chars().take(40).collect());
        let plain = text.split(['-', '+']).next().unwrap_or_default();
        let parts: Vec<u32> =
            plain.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| bad())?;
        match parts[..] {
            [major, minor, patch] => Ok(Self(major, minor, patch)),
            _ => Err(bad()),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = BadVersion;

    fn try_from(text: String) -> Result<Self, BadVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(major, minor, patch) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// The format of one thing that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// Grows with each change of what is written.
    #[serde(rename = "format")]
    pub number: u32,
    /// The oldest version that may read it.
    pub read: Version,
    /// The oldest version that may write it back, replace it or remove it.
    pub write: Version,
}

impl Format {
    /// What carries no number.
    pub const FIRST: Self = Self { number: 1, read: Version(0, 1, 0), write: Version(0, 1, 0) };
    /// What this program writes.
    pub const CURRENT: Self = Self { number: 2, read: Version(0, 3, 0), write: Version(0, 3, 0) };
    /// Of a release some of whose variables are secrets.
    pub const SECRET_VARIABLES: Self = Self { number: 3, read: Version(0, 7, 0), write: Version(0, 7, 0) };

    /// Of a release whose values are encrypted.
    pub const SEALED_VALUES: Self = Self { number: 4, read: Version(0, 8, 0), write: Version(0, 8, 0) };

    /// # Errors
    ///
    /// This program is too old to read the thing.
    pub fn check_read(self) -> Result<(), TooOld> {
        self.check(Access::Read, self.read, Version::ours())
    }

    /// # Errors
    ///
    /// This program is too old to write the thing back.
    pub fn check_write(self) -> Result<(), TooOld> {
        self.check_read()?;
        self.check(Access::Write, self.write, Version::ours())
    }

    fn check(self, access: Access, needed: Version, ours: Version) -> Result<(), TooOld> {
        if needed > ours { Err(TooOld { format: self.number, access, needed, ours }) } else { Ok(()) }
    }
}

/// What a program may not do with a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    /// It may be read.
    Write,
}

/// This program is too old for a thing that a newer one wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOld {
    /// The number of the thing's format.
    pub format: u32,
    pub access: Access,
    /// The oldest version that may.
    pub needed: Version,
    /// The version of this program.
    pub ours: Version,
}

impl fmt::Display for TooOld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, access, needed, ours } = self;
        let verb = match access {
            Access::Read => "read",
            Access::Write => "change",
        };
        write!(f, "it has format {format}: stackctl {needed} or newer may {verb} it, and this is {ours}")
    }
}

/// As labels have it: `2 read=0.3.0 write=0.3.0`.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} read={} write={}", self.number, self.read, self.write)
    }
}

impl FromStr for Format {
    type Err = String;

    /// Back from a label. Words that this version does not know are passed over.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{}` is no format", text.chars().take(80).collect::<String>());
        let mut words = text.split(' ');
        let number = words.next().and_then(|word| word.parse().ok()).ok_or_else(bad)?;
        let (mut read, mut write) = (None, None);
        for word in words {
            match word.split_once('=') {
                Some(("read", version)) => read = version.parse().ok(),
                Some(("write", version)) => write = version.parse().ok(),
                _ => {}
            }
        }
        Ok(Self { number, read: read.ok_or_else(bad)?, write: write.ok_or_else(bad)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert!(version("0.10.0") > version("0.9.12"));
        assert_eq!(version("1.2.3-rc.1+x"), version("1.2.3"));
        assert_eq!(version("1.2.3").to_string(), "1.2.3");
        for bad in ["", "1", "1.2", "1.2.3.4", "a.b.c", "1.2.-3"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    #[test]
    fn this_program_may_read_and_write_its_own_format() {
        assert_eq!(Format::CURRENT.check_write(), Ok(()));
        assert_eq!(Format::FIRST.check_write(), Ok(()));
    }

    #[test]
    fn a_program_that_is_too_old_says_which_version_is_needed() {
        let format = Format { number: 7, read: Version(0, 3, 0), write: Version(99, 1, 0) };
        assert_eq!(format.check_read(), Ok(()));
        let why = format.check_write().unwrap_err().to_string();
        let ours = Version::ours();
        assert_eq!(
            why,
            format!("it has format 7: stackctl 99.1.0 or newer may change it, and this is {ours}")
        );
        let why = Format { read: Version(99, 0, 0), ..format }.check_write().unwrap_err().to_string();
        assert!(why.contains("99.0.0 or newer may read it"), "{why}");
    }

    #[test]
    fn a_label_comes_back() {
        let text = Format::CURRENT.to_string();
        assert_eq!(text.parse(), Ok(Format::CURRENT));
        assert_eq!(format!("{text} later=1").parse(), Ok(Format::CURRENT));
        for bad in ["", "x", "2", "2 read=0.3.0", "2 read=0.3.0 write=x", "-1 read=0.3.0 write=0.3.0"] {
            assert!(bad.parse::<Format>().is_err(), "{bad}");
        }
    }
}
