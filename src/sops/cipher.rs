//! One encrypted value: its text, and AES-256-GCM. Knows nothing of files, and of a path only that it is additional data.

use std::cell::Cell;

use aes_gcm::aead::KeyInit as _;
use aes_gcm::aead::consts::U32;
use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInPlace as _, AesGcm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::{Limit, SopsError};
use crate::vault::Plaintext;

/// How every encrypted value begins.
pub const BEGIN: &str = "ENC[AES256_GCM,data:";
/// Of a key, and of what SOPS draws for each value.
const KEY_LEN: usize = 32;
const IV_LEN: usize = 32;
const TAG_LEN: usize = 16;

/// What a value was before it was encrypted. Nothing authenticates it: see the room's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Whole,
    Float,
    Bool,
    Time,
    Comment,
}

/// A value as it stands in a file.
#[derive(Debug, PartialEq)]
pub struct Encrypted {
    data: Vec<u8>,
    iv: [u8; IV_LEN],
    tag: [u8; TAG_LEN],
    /// `None`: a type that this program does not know.
    pub kind: Option<Kind>,
}

impl Encrypted {
    /// Reads `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`. `None` if it is anything else, also a part of one.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(BEGIN)?.strip_suffix(']')?;
        let (data, rest) = rest.split_once(",iv:")?;
        let (iv, rest) = rest.split_once(",tag:")?;
        let (tag, kind) = rest.split_once(",type:")?;
        let data = STANDARD.decode(data).ok().filter(|data| !data.is_empty())?;
        let iv = STANDARD.decode(iv).ok()?.try_into().ok()?;
        let tag = STANDARD.decode(tag).ok()?.try_into().ok()?;
        let kind = match kind {
            // Bytes are of SOPS 1, which had two kinds of text.
            "str" | "bytes" => Some(Kind::Text),
            "int" => Some(Kind::Whole),
            "float" => Some(Kind::Float),
            "bool" => Some(Kind::Bool),
            "time" => Some(Kind::Time),
            "comment" => Some(Kind::Comment),
            _ => None,
        };
        Some(Self { data, iv, tag, kind })
    }
}

/// Why a value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Another key, another path, or other bytes.
    Tampered,
    /// Too much has been tried already.
    Spent,
}

/// The key of a file's values.
pub struct Cipher {
    gcm: AesGcm<Aes256, U32>,
    work: Cell<usize>,
}

impl Cipher {
    /// # Errors
    ///
    /// The key is too short or too long.
    pub fn new(key: &Plaintext) -> Result<Self, SopsError> {
        if key.len() != KEY_LEN {
            return Err(SopsError::DataKeyLength);
        }
        let gcm = AesGcm::new(GenericArray::from_slice(key.expose()));
        Ok(Self { gcm, work: Cell::new(0) })
    }

    /// Counts work that is about to be done.
    pub fn spend(&self, bytes: usize) -> Result<(), Closed> {
        let work = self.work.get().saturating_add(bytes);
        self.work.set(work);
        if work > Limit::Work.most() { Err(Closed::Spent) } else { Ok(()) }
    }

    /// The bytes of a value. Where it does not open they are those that were encrypted, and are overwritten as well.
    pub fn open(&self, value: &Encrypted, path: &[u8]) -> Result<Zeroizing<Vec<u8>>, Closed> {
        // A block more, so that small ones are not free.
        self.spend(value.data.len() + path.len() + 64)?;
        let mut bytes = Zeroizing::new(value.data.clone());
        let (iv, tag) = (GenericArray::from_slice(&value.iv), GenericArray::from_slice(&value.tag));
        self.gcm.decrypt_in_place_detached(iv, path, &mut bytes, tag).map_err(|_| Closed::Tampered)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "ENC[AES256_GCM,data:KS4jwQ==,iv:BHAAOzxfG2nSMH7JKtMWIE3IP5ciIySQAinfJVGlP+A=,\
                         tag:PXc5rfAcKVKuHpXFCwS7bw==,type:str]";

    #[test]
    fn a_part_of_a_value_is_none() {
        assert_eq!(Encrypted::parse(WHOLE).unwrap().kind, Some(Kind::Text));
        for end in 0..WHOLE.len() {
            assert_eq!(Encrypted::parse(&WHOLE[..end]), None, "{end}");
        }
        for (from, to) in [
            ("data:KS4jwQ==", "data:"),
            ("data:KS4jwQ==", "data:KS4jwR=="),
            ("iv:BH", "iv:"),
            ("tag:PXc5", "tag:"),
            ("AES256", "AES128"),
            ("ENC", " ENC"),
            ("]", "] "),
        ] {
            assert_eq!(Encrypted::parse(&WHOLE.replace(from, to)), None, "{from} {to}");
        }
        assert_eq!(Encrypted::parse(&WHOLE.replace("str", "new")).unwrap().kind, None);
    }

    #[test]
    fn keys_have_one_length() {
        for len in [0, 16, 31, 33] {
            let made = Cipher::new(&Plaintext::new(vec![1; len]));
            assert_eq!(made.err(), Some(SopsError::DataKeyLength), "{len}");
        }
    }

    #[test]
    fn what_is_tried_is_counted() {
        let cipher = Cipher::new(&Plaintext::new(vec![1; 32])).unwrap();
        let value = Encrypted::parse(WHOLE).unwrap();
        assert_eq!(cipher.open(&value, b"a:").err(), Some(Closed::Tampered));
        cipher.work.set(Limit::Work.most() - 64);
        assert_eq!(cipher.open(&value, b"a:").err(), Some(Closed::Spent));
    }
}
