//! How something sealed begins and ends.

/// Before the version, in the binary form.
pub const MAGIC: &[u8] = b"age-encryption.org/";
pub const FIRST_VERSION: &[u8] = b"v1";
/// The first line of the armored form.
pub const BEGIN: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
pub const END: &[u8] = b"-----END AGE ENCRYPTED FILE-----";

/// Whether bytes are said to be encrypted in the age format: they may be damaged all the same.
#[must_use]
pub fn is_sealed(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    bytes.starts_with(MAGIC) || text.starts_with(BEGIN)
}
