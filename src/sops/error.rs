//! Why an encrypted file gives nothing. No text here quotes a value: keys, lines and kinds are named.

use crate::vault::OpenError;

/// What kind of a file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A whole file that is encrypted with age, in either of its forms.
    Age,
    /// SOPS, with the values of a YAML file encrypted.
    Yaml,
    /// SOPS, with the values of a JSON file encrypted.
    Json,
    /// SOPS, with the values of a file of `NAME=value` lines encrypted.
    Dotenv,
    /// SOPS, with a file of any kind encrypted as one value, in JSON.
    Binary,
    /// SOPS, with the values of an INI file encrypted. It is known, so that it can be refused by name.
    Ini,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Age => "age",
            Self::Yaml => "SOPS (YAML)",
            Self::Json => "SOPS (JSON)",
            Self::Dotenv => "SOPS (dotenv)",
            Self::Binary => "SOPS (binary)",
            Self::Ini => "SOPS (INI)",
        })
    }
}

/// What does not fit in a file, a value, or the work that is done for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of the encrypted file.
    File,
    /// Bytes of what comes out.
    Plain,
    /// Bytes of a path of keys.
    Path,
    /// Bytes of the part `sops`, each with its path.
    Metadata,
    /// Bytes that are decrypted, authenticated and compared.
    Work,
    /// Values of a document.
    Values,
    /// Documents of a file.
    Documents,
}

impl Limit {
    /// How many there may be.
    #[must_use]
    pub const fn most(self) -> usize {
        match self {
            Self::File => 8 << 20,
            Self::Plain => crate::vault::Kind::Config.bytes_max(),
            Self::Path => 4 << 10,
            Self::Metadata => 4 << 20,
            Self::Work => 128 << 20,
            Self::Values => 100_000,
            Self::Documents => 1000,
        }
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::File => ("it", "bytes"),
            Self::Plain => ("what it holds", "bytes"),
            Self::Path => ("one of its paths of keys", "bytes"),
            Self::Metadata => ("its part `sops`", "bytes"),
            Self::Work => ("what has to be authenticated for it", "bytes"),
            Self::Values => ("it", "values"),
            Self::Documents => ("it", "documents"),
        }
    }
}

/// Why a SOPS file gives nothing. It gives all of its values, or none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SopsError {
    #[error(
        "it is an INI file that SOPS encrypted, which is not supported: encrypt it as binary, or as dotenv"
    )]
    Ini,
    #[error(
        "it has values that SOPS encrypted, and no part `sops` with their key: it was cut off, or that part was removed"
    )]
    NoMetadata,
    /// It cannot be read as a file of its format.
    #[error("it is damaged or cut off: line {line} is no {format}")]
    Malformed { format: &'static str, line: usize },
    #[error("it is damaged: it is not UTF-8")]
    NotUtf8,
    /// It can be read, and SOPS writes no such file.
    #[error("line {line} has {what}, which SOPS does not write: it cannot be decrypted in place")]
    Layout { line: usize, what: &'static str },
    #[error("its part `sops` is damaged: {what}")]
    Metadata { what: &'static str },
    #[error("it was written by SOPS {version}, and this program knows the format of SOPS 3")]
    Version { version: String },
    #[error("its part `sops` has a rule `{rule}` that is no regular expression that this program knows")]
    Rule { rule: &'static str },
    #[error(
        "its part `sops` has `{rule}` together with `mac_only_encrypted`: who has no key could add values to it"
    )]
    CommentRule { rule: &'static str },
    #[error("its key is split over {groups} groups of keys (Shamir), which is not supported: use one group")]
    KeyGroups { groups: usize },
    #[error("it is encrypted to {keys} and to no age or ssh key: add one (`sops rotate --add-age`)")]
    NoAgeKey { keys: String },
    /// None of the private keys is of a recipient.
    #[error("{} opens it: it is encrypted to {sealed_to}", tried_words(*.tried))]
    NoKeyFits { tried: usize, sealed_to: String },
    /// The data key is there for one of the private keys, and cannot be opened.
    #[error("the key in its part `sops` cannot be opened: {0}")]
    DataKey(OpenError),
    #[error("the key in its part `sops` is of another length than that of SOPS")]
    DataKeyLength,
    #[error("the value of `{at}` is not encrypted, and should be: it was added or changed without SOPS")]
    NotEncrypted { at: String },
    #[error("the value of `{at}` is cut off or damaged")]
    CutOff { at: String },
    #[error("the value of `{at}` was changed, or moved there, after it was encrypted")]
    Tampered { at: String },
    #[error("the value of `{at}` is not what its type says, or is of a type that this program does not know")]
    Type { at: String },
    #[error("the value of `{at}` is not text, and its file cannot hold bytes: encrypt that file as binary")]
    NotText { at: String },
    #[error("its MAC is missing: nothing shows that all of its values are there")]
    NoMac,
    #[error("its MAC, or the time in `lastmodified`, was changed after it was encrypted")]
    MacTampered,
    #[error("its MAC does not fit its values: some were added, removed, moved or changed without SOPS")]
    WrongMac,
    #[error("it is too large: {} has more than {} {}", .0.words().0, .0.most(), .0.words().1)]
    TooLarge(Limit),
}

/// Why an encrypted file gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("the age file cannot be opened: {0}")]
    Age(OpenError),
    #[error("the SOPS file cannot be opened: {0}")]
    Sops(#[from] SopsError),
}

fn tried_words(tried: usize) -> String {
    match tried {
        0 => "there is no private key that".to_owned(),
        1 => "the one private key does not fit, no other".to_owned(),
        some => format!("none of the {some} private keys"),
    }
}
