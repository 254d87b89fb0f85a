//! Which file can be an agent on which host, and what an agent is called there. Reads no file: bytes are handed in.
//!
//! An agent runs in a root directory with nothing else in it, so its program has to be static. It is known by its
//! digest: an engine's ids of images differ between its stores, and one version may have many builds.

use bytes::Bytes;

use crate::model::ClusterName;
use crate::model::ids::sha256_hex;

/// What a program that can be an agent has in it: a file of which only the bytes are known says so that it is one, and
/// of which version.
const MARK: &str = concat!("stackctl-agent-program <", env!("CARGO_PKG_VERSION"), ">");
/// Where in [`MARK`] the version begins.
const MARK_HEAD: usize = "stackctl-agent-program <".len();
const VERSION_BYTES_MAX: usize = 40;
/// Digits of a digest that tell one agent of a host from another.
const TAG_CHARS: usize = 12;
/// The longest name of a cluster that stands in names and paths as it is: a socket's path is limited to some 100 bytes.
const SLUG_CHARS: usize = 32;

/// The version of this program.
#[must_use]
pub fn own_version() -> &'static str {
    // Through the mark, which therefore is in every build.
    std::hint::black_box(MARK)[MARK_HEAD..].trim_end_matches('>')
}

/// A program that can be an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub bytes: Bytes,
    /// SHA-256, in hexadecimal digits.
    pub digest: String,
    pub version: String,
    /// The processor that it is for, as engines name it.
    pub architecture: String,
}

/// Why a file can be no agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAgent {
    /// No program of Linux.
    #[error("it is no program for Linux")]
    NoProgram,
    /// It needs a loader and libraries, which are not there where it would run.
    #[error("it is not static")]
    Dynamic,
    /// It is for a processor that engines have no name for here.
    #[error("it is for a processor that is not known here (ELF machine {0})")]
    UnknownMachine(u16),
    /// Another program, or a stackctl that is too old.
    #[error("it is no stackctl that can be an agent")]
    Other,
}

/// ELF's numbers of processors, and what engines call them (`Architecture` of `docker info`).
const MACHINES: [(u16, &str); 7] = [
    (62, "x86_64"),
    (183, "aarch64"),
    (40, "armv7l"),
    (243, "riscv64"),
    (22, "s390x"),
    (21, "ppc64le"),
    (3, "i686"),
];

impl Program {
    /// Looks at the bytes of a file.
    ///
    /// # Errors
    ///
    /// It can be no agent.
    pub fn of(bytes: Bytes) -> Result<Self, NotAnAgent> {
        let (machine, is_static) = header(&bytes).ok_or(NotAnAgent::NoProgram)?;
        if !is_static {
            return Err(NotAnAgent::Dynamic);
        }
        let version = version_in(&bytes).ok_or(NotAnAgent::Other)?;
        let known = MACHINES.iter().find(|(number, _)| *number == machine);
        let (_, architecture) = known.ok_or(NotAnAgent::UnknownMachine(machine))?;
        let digest = sha256_hex(&bytes);
        Ok(Self { bytes, digest, version, architecture: (*architecture).to_owned() })
    }

    /// What tells it from other agents of its cluster on a host.
    #[must_use]
    pub fn tag(&self) -> String {
        tag(&self.digest)
    }

    /// Whether it runs on a host, by what the engine there says.
    #[must_use]
    pub fn fits(&self, architecture: &str) -> bool {
        self.architecture == canonical(architecture)
    }
}

/// One name for each processor: engines have some of them by two.
#[must_use]
pub fn canonical(architecture: &str) -> &str {
    match architecture {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "armv6l" | "armhf" | "arm" => "armv7l",
        "i386" | "386" | "i586" => "i686",
        other => other,
    }
}

/// What tells the agent of a digest from others of its cluster on a host.
#[must_use]
pub fn tag(digest: &str) -> String {
    digest.chars().take(TAG_CHARS).collect()
}

/// A cluster's name where only lower-case letters, digits and single signs between them may be, and few of them.
#[must_use]
pub fn slug(cluster: &ClusterName) -> String {
    let name = cluster.as_str();
    let is_sign = |c: char| matches!(c, '.' | '_' | '-');
    let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || is_sign(c));
    let is_edge = name.starts_with(is_sign) || name.ends_with(is_sign);
    let has_pair = name.as_bytes().windows(2).any(|pair| pair.iter().all(|c| is_sign(char::from(*c))));
    if is_plain && !is_edge && !has_pair && name.len() <= SLUG_CHARS && !name.starts_with("x.") {
        return name.to_owned();
    }
    format!("x.{}", &sha256_hex(name.as_bytes())[..TAG_CHARS])
}

/// The processor, and whether the program needs no loader. `None` if it is no program for Linux.
fn header(bytes: &[u8]) -> Option<(u16, bool)> {
    const PT_INTERP: u32 = 3;
    let is_64 = match bytes.get(..6)? {
        [0x7f, b'E', b'L', b'F', 2, 1 | 2] => true,
        [0x7f, b'E', b'L', b'F', 1, 1 | 2] => false,
        _ => return None,
    };
    let is_little = bytes[5] == 1;
    let number = |at: usize, size: usize| -> Option<u64> {
        let part = bytes.get(at..at.checked_add(size)?)?;
        let fold = |all: u64, byte: &u8| all << 8 | u64::from(*byte);
        Some(if is_little { part.iter().rev().fold(0, fold) } else { part.iter().fold(0, fold) })
    };
    let kind = number(16, 2)?;
    // An executable, or one that may be loaded anywhere.
    if !matches!(kind, 2 | 3) {
        return None;
    }
    let machine = u16::try_from(number(18, 2)?).ok()?;
    let (table, size, count) = match is_64 {
        true => (number(32, 8)?, number(54, 2)?, number(56, 2)?),
        false => (number(28, 4)?, number(42, 2)?, number(44, 2)?),
    };
    let mut is_static = true;
    for entry in 0..count {
        let at = usize::try_from(table.checked_add(entry * size)?).ok()?;
        is_static &= number(at, 4)? != u64::from(PT_INTERP);
    }
    (count > 0).then_some((machine, is_static))
}

/// The version that a file says it is of.
fn version_in(bytes: &[u8]) -> Option<String> {
    let head = &MARK.as_bytes()[..MARK_HEAD];
    let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+');
    let mut rest = bytes;
    while let Some(at) = rest.windows(head.len()).position(|part| part == head) {
        rest = &rest[at + head.len()..];
        let length = rest.iter().take(VERSION_BYTES_MAX).take_while(|byte| is_sign(byte)).count();
        if length > 0 && rest.get(length) == Some(&b'>') {
            return Some(String::from_utf8_lossy(&rest[..length]).into_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a program: for 64 or 32 bits, with these kinds of segments.
    fn elf(is_64: bool, machine: u16, segments: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; if is_64 { 64 } else { 52 }];
        bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', if is_64 { 2 } else { 1 }, 1]);
        bytes[16] = 3;
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        let (table, size, count, entry) = if is_64 { (32, 54, 56, 56) } else { (28, 42, 44, 32) };
        bytes[table] = u8::try_from(bytes.len()).unwrap();
        bytes[size] = entry;
        bytes[count] = u8::try_from(segments.len()).unwrap();
        for kind in segments {
            let mut segment = vec![0; usize::from(entry)];
            segment[..4].copy_from_slice(&kind.to_le_bytes());
            bytes.extend(segment);
        }
        bytes
    }

    fn made(mut bytes: Vec<u8>, mark: &str) -> Result<Program, NotAnAgent> {
        bytes.extend(mark.as_bytes());
        Program::of(bytes.into())
    }

    #[test]
    fn a_static_stackctl_is_an_agent_for_its_processor() {
        let program = made(elf(true, 62, &[6, 1, 1, 2]), MARK).unwrap();
        assert_eq!((program.version.as_str(), program.architecture.as_str()), (own_version(), "x86_64"));
        assert!(program.fits("x86_64") && program.fits("amd64") && !program.fits("aarch64"));
        assert_eq!((program.digest.len(), program.tag().len()), (64, 12));
        let arm = made(elf(false, 40, &[1]), "stackctl-agent-program <\0 stackctl-agent-program <9.1.0-rc1>")
            .unwrap();
        assert_eq!((arm.version.as_str(), arm.fits("armhf")), ("9.1.0-rc1", true));
    }

    #[test]
    fn what_can_be_no_agent_is_told_apart() {
        assert_eq!(made(elf(true, 62, &[6, 3, 1]), MARK), Err(NotAnAgent::Dynamic));
        assert_eq!(made(elf(true, 7, &[1]), MARK), Err(NotAnAgent::UnknownMachine(7)));
        assert_eq!(made(elf(true, 62, &[1]), "busybox"), Err(NotAnAgent::Other));
        for bytes in [&b"#!/bin/sh\n"[..], b"", b"\x7fELF", &elf(true, 62, &[1, 1])[..100]] {
            assert_eq!(Program::of(bytes.to_vec().into()), Err(NotAnAgent::NoProgram));
        }
        // Headers that lead out of the file.
        let mut far = elf(true, 62, &[1]);
        far[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(made(far, MARK), Err(NotAnAgent::NoProgram));
    }

    #[test]
    fn a_cluster_is_called_what_engines_allow() {
        for name in ["prod", "eu-1.prod", "a_b"] {
            assert_eq!(slug(&ClusterName::unchecked(name)), name);
        }
        let long = "n".repeat(40);
        let mut slugs: Vec<String> =
            ["Prod", "a--b", "x.y", long.as_str()].map(|name| slug(&ClusterName::unchecked(name))).to_vec();
        assert!(slugs.iter().all(|slug| slug.starts_with("x.") && slug.len() == 14), "{slugs:?}");
        slugs.sort();
        slugs.dedup();
        assert_eq!(slugs.len(), 4);
    }

    #[test]
    fn this_very_program_says_its_version() {
        assert_eq!(own_version(), env!("CARGO_PKG_VERSION"));
        assert_eq!(version_in(format!("x{MARK}y").as_bytes()).as_deref(), Some(own_version()));
    }
}
