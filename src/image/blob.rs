//! Bytes that are a piece of a file.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};
use sha2::{Digest as _, Sha256};

use super::Fault;

/// Bytes that are read at a time.
pub const CHUNK: usize = 1 << 20;

/// A piece of a file, of which nothing is in memory. A clone is the same piece.
#[derive(Debug, Clone)]
pub struct Blob {
    file: Arc<File>,
    /// What messages call the file.
    of: Arc<str>,
    offset: u64,
    size: u64,
}

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// By gzip, which every engine reads.
    Gzip,
    /// By zstd.
    Zstd,
    /// By xz.
    Xz,
    /// By bzip2.
    Bzip2,
}

impl Compression {
    /// By the first bytes.
    #[must_use]
    pub fn of(head: &[u8]) -> Self {
        const MAGIC: [(&[u8], Compression); 4] = [
            (&[0x1f, 0x8b, 0x08], Compression::Gzip),
            (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
            (&[0xfd, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
            (b"BZh", Compression::Bzip2),
        ];
        MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map_or(Self::None, |(_, kind)| *kind)
    }

    /// The program's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }
}

impl Blob {
    /// A piece of a file, which is there: the file is long enough.
    pub(super) fn new(file: Arc<File>, of: Arc<str>, offset: u64, size: u64) -> Self {
        Self { file, of, offset, size }
    }

    /// How many bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Some bytes from within it: `at` from its beginning, [`CHUNK`] of them at most. Nothing behind its end.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has become shorter.
    pub fn read(&self, at: u64) -> Result<Bytes, Fault> {
        let left = self.size.saturating_sub(at);
        let length = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        // Without writing zeros first: a push reads a gigabyte so.
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let from = self.offset.saturating_add(at).saturating_add(bytes.len() as u64);
            match pread(&*self.file, spare_capacity(&mut bytes), from) {
                Ok(0) => return Err(Fault::unreadable(&self.of, &io::ErrorKind::UnexpectedEof.into())),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(Fault::unreadable(&self.of, &error.into())),
            }
        }
        bytes.truncate(length);
        Ok(bytes.into())
    }

    /// All of it, if it is not longer than that.
    pub(super) fn whole(&self, what: &str, max: u64) -> Result<Bytes, Fault> {
        if self.size > max {
            return Err(Fault::damaged(what, format!("it has {} bytes, of at most {max}", self.size)));
        }
        let mut all = Vec::new();
        while (all.len() as u64) < self.size {
            all.extend_from_slice(&self.read(all.len() as u64)?);
        }
        Ok(all.into())
    }

    /// `sha256:…` of all of it.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn digest(&self) -> Result<String, Fault> {
        let (mut hash, mut at) = (Sha256::new(), 0);
        while at < self.size {
            let bytes = self.read(at)?;
            at += bytes.len() as u64;
            hash.update(&bytes);
        }
        Ok(digest_text(&hash.finalize()))
    }

    /// How it is compressed.
    pub(super) fn compression(&self) -> Result<Compression, Fault> {
        const HEAD: u64 = 8;
        let head = Self { size: self.size.min(HEAD), ..self.clone() };
        Ok(Compression::of(&head.read(0)?))
    }
}

/// `sha256:…` of some bytes.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    digest_text(&Sha256::digest(bytes))
}

fn digest_text(hash: &[u8]) -> String {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The digits of a digest that can be checked: SHA-256 alone, in lower case.
pub(super) fn hex_of(digest: &str) -> Option<&str> {
    let hex = digest.strip_prefix("sha256:")?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (hex.len() == 64 && hex.bytes().all(is_digit)).then_some(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_are_known_by_their_first_bytes() {
        assert_eq!(Compression::of(&[0x1f, 0x8b, 8, 0]), Compression::Gzip);
        assert_eq!(Compression::of(&[0x28, 0xb5, 0x2f, 0xfd]), Compression::Zstd);
        assert_eq!(Compression::of(b"etc/passwd"), Compression::None);
        assert_eq!(Compression::of(b""), Compression::None);
    }

    #[test]
    fn only_digests_that_can_be_checked_are_taken() {
        let digest = digest_of(b"x");
        assert_eq!(hex_of(&digest).map(str::len), Some(64));
        for bad in ["sha256:../../etc/passwd", "sha512:00", &digest.to_uppercase(), &digest[..70], ""] {
            assert_eq!(hex_of(bad), None, "{bad}");
        }
    }
}
