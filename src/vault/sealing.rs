//! Sealing bytes to recipients and opening them, in the age format. Knows nothing of clusters.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};

use age::{DecryptError, Decryptor, Encryptor};

use super::envelope::{BEGIN, END, FIRST_VERSION, MAGIC};
use super::keyring::Keyring;
use super::recipient::Recipient;
use crate::model::Plaintext;

/// How what is sealed is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As text. Only of this form it can be said for sure that it was cut off: its last line is missing then.
    Armored,
    Binary,
}

/// Why nothing was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("there is no recipient: nothing could open it")]
    NoRecipients,
    #[error(transparent)]
    Size(#[from] super::sizes::BadSize),
}

/// Why something cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("it is not encrypted in the age format")]
    NotSealed,
    #[error(
        "it has version {version} of the age format, and this program knows version 1: a newer one is needed"
    )]
    NewerFormat { version: u32 },
    #[error("it is encrypted with a passphrase: only what is encrypted to keys can be opened")]
    Passphrase,
    #[error("{} opens it: it is encrypted to {sealed_to}", tried_words(*.tried))]
    NoKeyFits { tried: usize, sealed_to: String },
    #[error("its end is missing: it was cut off")]
    CutOff,
    #[error("{}", tampered_words(*.form))]
    Tampered { form: Form },
    #[error("it has more than {bytes_max} bytes")]
    TooLarge { bytes_max: usize },
}

fn tried_words(tried: usize) -> String {
    match tried {
        0 => "there is no private key that".to_owned(),
        1 => "the one private key does not fit, no other".to_owned(),
        some => format!("none of the {some} private keys"),
    }
}

const fn tampered_words(form: Form) -> &'static str {
    match form {
        Form::Armored => "it was changed after it was encrypted",
        Form::Binary => "it was changed after it was encrypted, or its end is missing",
    }
}

/// More than the lines of a thousand recipients, and than the line breaks of a megabyte.
const AROUND_MAX: usize = 1 << 20;
/// A version is at most this long.
const VERSION_MAX: usize = 16;

/// Seals bytes so that each of the recipients can open them.
///
/// # Errors
///
/// There are no recipients.
///
/// # Panics
///
/// If the system has no randomness to give.
pub fn seal<'r>(
    to: impl IntoIterator<Item = &'r Recipient>,
    plain: &Plaintext,
    form: Form,
) -> Result<Vec<u8>, SealError> {
    let encryptor = match Encryptor::with_recipients(to.into_iter().map(Recipient::as_age)) {
        Ok(encryptor) => encryptor,
        Err(age::EncryptError::MissingRecipients) => return Err(SealError::NoRecipients),
        // Of plugins, passphrases and streams, none of which is here.
        Err(error) => unreachable!("recipients of two kinds go together: {error:?}"),
    };
    let armor = match form {
        Form::Armored => age::armor::Format::AsciiArmor,
        Form::Binary => age::armor::Format::Binary,
    };
    let written = (|| {
        let armored = age::armor::ArmoredWriter::wrap_output(Vec::new(), armor)?;
        let mut writer = encryptor.wrap_output(armored)?;
        writer.write_all(plain.expose())?;
        writer.finish()?.finish()
    })();
    Ok(written.expect("memory can be written to"))
}

/// Opens what was sealed to one of these keys, in either form.
///
/// # Errors
///
/// See [`OpenError`]: it gives all of the bytes, or none.
pub fn open(keys: &Keyring, sealed: &[u8], bytes_max: usize) -> Result<Plaintext, OpenError> {
    // Twice, since text is a third longer than bytes.
    if sealed.len() / 2 > bytes_max.saturating_add(AROUND_MAX) {
        return Err(OpenError::TooLarge { bytes_max });
    }
    let text = sealed.trim_ascii_start();
    if text.starts_with(BEGIN) {
        open_binary(keys, &without_armor(text)?, bytes_max, Form::Armored)
    } else {
        open_binary(keys, sealed, bytes_max, Form::Binary)
    }
}

fn without_armor(text: &[u8]) -> Result<Vec<u8>, OpenError> {
    if !text.trim_ascii_end().ends_with(END) {
        // With something behind it the end is there, and is not the end any more.
        let has_end = text.windows(END.len()).any(|part| part == END);
        return Err(if has_end { OpenError::Tampered { form: Form::Armored } } else { OpenError::CutOff });
    }
    let mut bytes = Vec::with_capacity(text.len());
    match age::armor::ArmoredReader::new(text).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(_) => Err(OpenError::Tampered { form: Form::Armored }),
    }
}

fn open_binary(keys: &Keyring, sealed: &[u8], bytes_max: usize, form: Form) -> Result<Plaintext, OpenError> {
    let tampered = || OpenError::Tampered { form };
    check_version(sealed, form)?;
    let mut rest = sealed;
    let decryptor = Decryptor::new_buffered(&mut rest).map_err(|error| match error {
        DecryptError::Io(error) if error.kind() == ErrorKind::UnexpectedEof => OpenError::CutOff,
        // Also "an unknown format", for which age takes a version 1 that it cannot read.
        _ => tampered(),
    })?;
    if decryptor.is_scrypt() {
        return Err(OpenError::Passphrase);
    }
    let mut reader = decryptor.decrypt(keys.as_age()).map_err(|error| match error {
        DecryptError::NoMatchingKeys => OpenError::NoKeyFits { tried: keys.len(), sealed_to: kinds(sealed) },
        _ => tampered(),
    })?;
    // As large as it can become, so that no part of it is left behind where it was too small.
    let mut plain = Plaintext::new(vec![0; sealed.len().min(bytes_max.saturating_add(1))]);
    let mut filled = 0;
    while filled < plain.len() {
        match reader.read(&mut plain.bytes_mut()[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(OpenError::CutOff),
            Err(_) => return Err(tampered()),
        }
    }
    if filled > bytes_max {
        return Err(OpenError::TooLarge { bytes_max });
    }
    plain.truncate(filled);
    Ok(plain)
}

/// The first line says what the rest is to be read as.
fn check_version(sealed: &[u8], form: Form) -> Result<(), OpenError> {
    let rest = sealed.strip_prefix(MAGIC).ok_or(OpenError::NotSealed)?;
    let Some(end) = rest.iter().take(VERSION_MAX).position(|byte| *byte == b'\n') else {
        return Err(if rest.len() < VERSION_MAX { OpenError::CutOff } else { OpenError::Tampered { form } });
    };
    let version = &rest[..end];
    if version == FIRST_VERSION {
        return Ok(());
    }
    let number = std::str::from_utf8(version).ok().and_then(|text| text.strip_prefix('v'));
    match number.and_then(|number| number.parse().ok()) {
        Some(version) if version > 1 => Err(OpenError::NewerFormat { version }),
        _ => Err(OpenError::Tampered { form }),
    }
}

/// To what kinds of keys something is sealed: its first lines say so openly.
fn kinds(sealed: &[u8]) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for line in sealed.split(|byte| *byte == b'\n').take_while(|line| !line.starts_with(b"---")) {
        let Some(stanza) = line.strip_prefix(b"-> ") else { continue };
        let kind = match stanza.split(|byte| *byte == b' ').next().unwrap_or_default() {
            b"X25519" => "age",
            b"ssh-ed25519" => "ssh-ed25519",
            b"ssh-rsa" => "ssh-rsa",
            // A line without meaning, by which programs are kept used to kinds that they do not know.
            grease if grease.ends_with(b"-grease") => continue,
            _ => "unknown",
        };
        *kinds.entry(kind).or_default() += 1;
    }
    let words: Vec<String> = kinds
        .into_iter()
        .map(|(kind, count)| format!("{count} {kind} key{}", if count == 1 { "" } else { "s" }))
        .collect();
    if words.is_empty() { "no key".to_owned() } else { words.join(", ") }
}
