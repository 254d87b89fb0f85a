//! From an etcd's address to what is needed to speak with it: the files and the password it names.

use std::path::Path;
use std::sync::Arc;

use miette::Diagnostic;
use thiserror::Error;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::client::{Client, Login};
use crate::ledger::place::{EtcdPlace, PasswordFrom};

/// Why an etcd cannot even be asked.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum EtcdError {
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

/// Makes ready to speak. Nothing is sent yet.
pub fn open(place: &EtcdPlace, env: impl Fn(&str) -> Option<String>) -> Result<Arc<Client>, EtcdError> {
    if place.tells_password {
        return Err(EtcdError::PasswordInAddress);
    }
    let login = match (&place.user, &place.password) {
        (Some(user), Some(from)) => Some(Login { user: user.clone(), password: password(from, env)? }),
        _ => None,
    };
    Ok(Arc::new(Client::new(place, tls(place)?, login)))
}

pub(in crate::ledger) fn password(
    from: &PasswordFrom,
    env: impl Fn(&str) -> Option<String>,
) -> Result<String, EtcdError> {
    match from {
        PasswordFrom::Variable(name) => env(name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| bad(format!("password (variable {name})"), "it is not set")),
        PasswordFrom::File(path) => {
            let text = read(path, "password")?;
            let text = String::from_utf8(text).map_err(|_| bad(named("password", path), "it is no text"))?;
            match text.lines().next() {
                Some(line) if !line.is_empty() => Ok(line.to_owned()),
                _ => Err(bad(named("password", path), "its first line is empty")),
            }
        }
    }
}

fn tls(place: &EtcdPlace) -> Result<Option<TlsConnector>, EtcdError> {
    let Some(ca) = &place.ca else { return Ok(None) };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca, "ca")? {
        roots.add(certificate).map_err(|error| bad(named("ca", ca), error))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(named("ca", ca), error))?
        .with_root_certificates(roots);
    let config = match (&place.cert, &place.key) {
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

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, EtcdError> {
    let text = read(path, what)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match all {
        Ok(all) if all.is_empty() => Err(bad(named(what, path), "there is no certificate in it")),
        Ok(all) => Ok(all),
        Err(error) => Err(bad(named(what, path), error)),
    }
}

#[expect(clippy::disallowed_methods, reason = "certificates and passwords are in files")]
fn read(path: &Path, what: &str) -> Result<Vec<u8>, EtcdError> {
    std::fs::read(path).map_err(|error| bad(named(what, path), error))
}

fn named(what: &str, path: &Path) -> String {
    format!("{what} ({})", path.display())
}

fn bad(what: String, why: impl ToString) -> EtcdError {
    EtcdError::Option { what, why: why.to_string() }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the files it names")]
mod tests {
    use super::super::super::place::LedgerPlace;
    use super::*;

    fn opened(text: &str) -> Result<(), String> {
        let LedgerPlace::Etcd(place) = LedgerPlace::parse(text).unwrap() else { panic!("{text}") };
        let env = |name: &str| (name == "PW").then(|| "hush".to_owned());
        open(&place, env)
            .map(|client| assert!(!format!("{client:?}").contains("hush")))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn what_an_address_names_has_to_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (empty, pw) = (file("empty", "\n"), file("pw", "hush\n"));
        assert_eq!(opened("etcd://ann@h1?password-env=PW"), Ok(()));
        assert_eq!(opened(&format!("etcd://ann@h1?password-file={pw}")), Ok(()));
        for (text, word) in [
            ("etcd://ann:hush@h1".to_owned(), "has a password in it"),
            (
                "etcd://ann@h1?password-env=NONE".to_owned(),
                "password (variable NONE) cannot be used: it is not set",
            ),
            (format!("etcd://ann@h1?password-file={empty}"), "its first line is empty"),
            ("etcd://h1?ca=/nowhere/ca".to_owned(), "ca (/nowhere/ca) cannot be used: No such file"),
            (format!("etcd://h1?ca={pw}"), "there is no certificate in it"),
        ] {
            let error = opened(&text).unwrap_err();
            assert!(error.contains(word) && !error.contains("hush"), "{text}: {error}");
        }
    }
}
