//! TLS of a client: the authorities it trusts, and its own certificate.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ConfigBuilder, RootCertStore, client::WantsClientCert};

/// Where systems keep their trusted authorities, in order of preference.
pub const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// What is wrong with certificates or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

impl TlsError {
    pub(super) fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// The certificates of a PEM text, in its order.
#[derive(Debug)]
pub struct Certificates(pub(super) Vec<CertificateDer<'static>>);

impl Certificates {
    /// Reads a PEM text.
    ///
    /// # Errors
    ///
    /// It is not PEM, or there is no certificate in it.
    pub fn parse(pem: &[u8]) -> Result<Self, TlsError> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match all {
            Ok(all) if all.is_empty() => Err(TlsError::new("there is no certificate in it")),
            Ok(all) => Ok(Self(all)),
            Err(error) => Err(TlsError::new(error)),
        }
    }
}

/// A private key. Never shown.
pub struct PrivateKey(pub(super) PrivateKeyDer<'static>);

impl PrivateKey {
    /// Reads a PEM text.
    ///
    /// # Errors
    ///
    /// There is no private key in it.
    pub fn parse(pem: &[u8]) -> Result<Self, TlsError> {
        PrivateKeyDer::from_pem_slice(pem).map(Self).map_err(TlsError::new)
    }
}

/// The authorities whose signatures on a server's certificate are trusted.
#[derive(Debug)]
pub struct Authorities(pub(super) RootCertStore);

impl Authorities {
    /// All of these, which the user chose: one that is not understood is an error.
    ///
    /// # Errors
    ///
    /// A certificate that is not understood.
    pub fn chosen(all: Certificates) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in all.0 {
            roots.add(certificate).map_err(TlsError::new)?;
        }
        Ok(Self(roots))
    }

    /// A system's list, some of which may be of a kind that is not understood.
    ///
    /// # Errors
    ///
    /// None of them is understood.
    pub fn of_system(all: Certificates) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let (_understood, _others) = roots.add_parsable_certificates(all.0);
        if roots.is_empty() { Err(TlsError::new("there is no certificate in it")) } else { Ok(Self(roots)) }
    }

    fn config(self) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
        Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::new)?
            .with_root_certificates(self.0))
    }
}

/// How a client speaks TLS.
#[derive(Clone)]
pub struct Tls(TlsConnector);

impl Tls {
    /// For a client without a certificate of its own.
    ///
    /// # Errors
    ///
    /// The TLS library offers no version of the protocol.
    pub fn anonymous(authorities: Authorities) -> Result<Self, TlsError> {
        Ok(Self(TlsConnector::from(Arc::new(authorities.config()?.with_no_client_auth()))))
    }

    /// For a client that shows a certificate of its own.
    ///
    /// # Errors
    ///
    /// Certificate and key do not belong together.
    pub fn identified(
        authorities: Authorities,
        certificates: Certificates,
        key: PrivateKey,
    ) -> Result<Self, TlsError> {
        let config = authorities.config()?.with_client_auth_cert(certificates.0, key.0);
        Ok(Self(TlsConnector::from(Arc::new(config.map_err(TlsError::new)?))))
    }

    /// Greets the server at the other end, which must be `host` by its certificate.
    pub(super) async fn connect(&self, host: &str, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, tcp).await
    }
}
