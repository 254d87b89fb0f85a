//! A file that holds a secret or a config, encrypted or not.

use super::decrypt::decrypt;
use super::detect::detect;
use super::error::{FileError, Format};
use crate::vault::{self, Keyring, Kind, Plaintext};

/// How a file holds what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// As it is.
    Plain,
    /// Encrypted: one of these keys opened it.
    Encrypted(Format),
}

impl Source {
    /// Gives what a file holds, and says how it held it. A file that is encrypted, also one that is damaged, is never given
    /// as it is.
    ///
    /// # Errors
    ///
    /// It is encrypted and cannot be opened.
    pub fn open_file(bytes: Plaintext, name: &str, keys: &Keyring) -> Result<(Self, Plaintext), FileError> {
        let Some(format) = detect(bytes.expose(), name) else { return Ok((Self::Plain, bytes)) };
        let plain = open(bytes.expose(), format, keys)?;
        Ok((Self::Encrypted(format), plain))
    }
}

/// Decrypts a file of a format.
///
/// # Errors
///
/// See [`FileError`]: it gives all of what the file holds, or nothing.
pub fn open(bytes: &[u8], format: Format, keys: &Keyring) -> Result<Plaintext, FileError> {
    match format {
        Format::Age => vault::open(keys, bytes, Kind::Config.bytes_max()).map_err(FileError::Age),
        other => Ok(decrypt(bytes, other, keys)?),
    }
}
