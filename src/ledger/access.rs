//! The files and secrets that the address of a keeper of records names: certificates, a password, a token.

use std::path::Path;
use std::sync::Arc;

use miette::Diagnostic;
use thiserror::Error;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::place::PasswordFrom;

/// Why a keeper of records cannot even be asked.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum OpenError {
    /// Whoever lists processes or reads the inventory could read it.
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
    /// A file that the address names, or the variable.
    #[error("the ledger's {what} cannot be used: {why}")]
    #[diagnostic(
        code(stackctl::ledger::bad_etcd_option),
        help("certificates and keys are PEM files; paths are of this machine")
    )]
    Option {
        /// `ca`, `cert`, `key` or `password`, and where it was looked for.
        what: String,
        /// What is wrong.
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

/// TLS, where somebody is named whose certificates are believed.
pub(super) fn tls(
    ca: Option<&Path>,
    cert: Option<&Path>,
    key: Option<&Path>,
) -> Result<Option<TlsConnector>, OpenError> {
    let Some(ca) = ca else { return Ok(None) };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca, "ca")? {
        roots.add(certificate).map_err(|error| bad(named("ca", ca), error))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(named("ca", ca), error))?
        .with_root_certificates(roots);
    let config = match (cert, key) {
        (Some(cert), Some(key)) => {
            let private = PrivateKeyDer::from_pem_slice(&read(key, "key")?)
                .map_err(|error| bad(named("key", key), error))?;
            config
                .with_client_auth_cert(certificates(cert, "cert")?, private)
                .map_err(|error| bad(named("cert", cert), error))?
        }
        _ => config.with_no_client_auth(),
    };
    Ok(Some(TlsConnector::from(Arc::new(config))))
}

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let text = read(path, what)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match all {
        Ok(all) if all.is_empty() => Err(bad(named(what, path), "there is no certificate in it")),
        Ok(all) => Ok(all),
        Err(error) => Err(bad(named(what, path), error)),
    }
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
