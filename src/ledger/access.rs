//! The files and secrets that a backend's address names: certificates, a password, a token.

use std::path::Path;

use miette::Diagnostic;
use thiserror::Error;

use super::place::PasswordFrom;
use crate::http::tls::{Authorities, Certificates, PrivateKey, Tls};

/// Why a backend cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum OpenError {
    /// Every user who can list processes or read the inventory could read it.
    #[error("the address of the ledger has a password in it")]
    #[diagnostic(
        code(stackctl::ledger::password_in_address),
        help(
            "take it out and change it: `etcd://USER@host/…?password-env=VARIABLE`, or `password-file=/path`; it is \
             not shown here"
        )
    )]
    PasswordInAddress,
    /// The same of a token.
    #[error("the address of Consul has a token in it")]
    #[diagnostic(
        code(stackctl::ledger::token_in_address),
        help(
            "take it out and change it: `consul://host/…?token-env=VARIABLE`, or `token-file=/path`; it is not shown here"
        )
    )]
    TokenInAddress,
    /// The client of ZooKeeper is a feature of the build, and this build is without it.
    #[error("`{place}` cannot be asked: this stackctl was built without ZooKeeper")]
    #[diagnostic(
        code(stackctl::ledger::no_zookeeper),
        help("build it in: `cargo build --release --features zookeeper`; released binaries have it")
    )]
    NoZookeeper {
        /// The address, which holds no password.
        place: String,
    },
    /// A file that the address names, or the variable.
    #[error("the ledger's {what} cannot be used: {why}")]
    #[diagnostic(
        code(stackctl::ledger::bad_etcd_option),
        help("certificates and keys are PEM files; paths are of this machine")
    )]
    Option {
        /// `ca`, `cert`, `key` or `password`, and where it was looked for.
        what: String,
        why: String,
    },
}

/// A secret, which is called `what`.
pub(super) fn secret(
    what: &str,
    from: &PasswordFrom,
    env: impl Fn(&str) -> Option<String>,
) -> Result<String, OpenError> {
    match from {
        PasswordFrom::Variable(name) => env(name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| bad(format!("{what} (variable {name})"), "it is not set")),
        PasswordFrom::File(path) => {
            let text = read(path, what)?;
            let text = String::from_utf8(text).map_err(|_| bad(named(what, path), "it is no text"))?;
            match text.lines().next() {
                Some(line) if !line.is_empty() => Ok(line.to_owned()),
                _ => Err(bad(named(what, path), "its first line is empty")),
            }
        }
    }
}

/// A secret that is there, and cannot be one.
pub(super) fn unfit(what: &str, from: &PasswordFrom, why: &str) -> OpenError {
    match from {
        PasswordFrom::Variable(name) => bad(format!("{what} (variable {name})"), why),
        PasswordFrom::File(path) => bad(named(what, path), why),
    }
}

/// TLS, where the address names a CA.
pub(super) fn tls(
    ca: Option<&Path>,
    cert: Option<&Path>,
    key: Option<&Path>,
) -> Result<Option<Tls>, OpenError> {
    let Some(ca) = ca else { return Ok(None) };
    let unusable = |error| bad(named("ca", ca), error);
    let authorities = Authorities::chosen(certificates(ca, "ca")?).map_err(unusable)?;
    let tls = match (cert, key) {
        (Some(cert), Some(path)) => {
            let key =
                PrivateKey::parse(&read(path, "key")?).map_err(|error| bad(named("key", path), error))?;
            Tls::identified(authorities, certificates(cert, "cert")?, key)
                .map_err(|error| bad(named("cert", cert), error))?
        }
        _ => Tls::anonymous(authorities).map_err(unusable)?,
    };
    Ok(Some(tls))
}

fn certificates(path: &Path, what: &str) -> Result<Certificates, OpenError> {
    Certificates::parse(&read(path, what)?).map_err(|error| bad(named(what, path), error))
}

#[expect(clippy::disallowed_methods, reason = "certificates and passwords are in files")]
fn read(path: &Path, what: &str) -> Result<Vec<u8>, OpenError> {
    std::fs::read(path).map_err(|error| bad(named(what, path), error))
}

fn named(what: &str, path: &Path) -> String {
    format!("{what} ({})", path.display())
}

fn bad(what: String, why: impl ToString) -> OpenError {
    OpenError::Option { what, why: why.to_string() }
}
