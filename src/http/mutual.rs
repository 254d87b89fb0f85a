//! TLS between equals: both sides show a certificate of one authority, which is the only one that they trust, and speak
//! TLS 1.3 alone. Each connection is greeted in full: nothing of an earlier one is taken up again.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::rustls::client::{
    Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::stream::Stream;
use super::tls::{Authorities, Certificates, PrivateKey, TlsError};

/// One of the equals.
#[derive(Clone)]
pub struct Mutual {
    roots: Arc<RootCertStore>,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl fmt::Debug for Mutual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mutual")
    }
}

/// The certificate that the other side has shown. It is of the authority.
#[derive(Debug)]
pub struct Shown(CertificateDer<'static>);

impl Shown {
    /// Whether it is for this name.
    #[must_use]
    pub fn is_for(&self, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name.to_owned()) else { return false };
        ParsedCertificate::try_from(&self.0).is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
    }
}

impl Mutual {
    /// With the authority's certificate, and an own one with its key. All are PEM texts.
    ///
    /// # Errors
    ///
    /// One of them is not understood, or certificate and key do not belong together.
    pub fn of(authority: &[u8], certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(Authorities::chosen(Certificates::parse(authority)?)?.0);
        let certificates = Certificates::parse(certificate)?.0;
        let key = PrivateKey::parse(key)?.0;
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let clients = clients.build().map_err(TlsError::new)?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::new)?
            .with_client_cert_verifier(clients)
            .with_single_cert(certificates.clone(), key.clone_key())
            .map_err(TlsError::new)?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::new)?
            .with_root_certificates(Arc::clone(&roots))
            .with_client_auth_cert(certificates, key)
            .map_err(TlsError::new)?;
        client.resumption = Resumption::disabled();
        Ok(Self {
            roots,
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
        })
    }

    /// Whether a certificate (a PEM text) is for this name, by whichever authority.
    #[must_use]
    pub fn is_for(certificate: &str, name: &str) -> bool {
        first(certificate).is_some_and(|shown| shown.is_for(name))
    }

    /// Whether the authority has signed a certificate (a PEM text) that is for this name and not over at this time since
    /// 1970. Who shows it need not be the one whose it is.
    #[must_use]
    pub fn has_signed(&self, certificate: &str, name: &str, at: Duration) -> bool {
        let Some(shown) = first(certificate) else { return false };
        let algorithms = ring::default_provider().signature_verification_algorithms.all;
        let at = UnixTime::since_unix_epoch(at);
        let is_signed = ParsedCertificate::try_from(&shown.0).is_ok_and(|parsed| {
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, &[], at, algorithms).is_ok()
        });
        is_signed && shown.is_for(name)
    }

    /// Greets a client, which must show a certificate of the authority.
    ///
    /// # Errors
    ///
    /// It does not, or speaks something else.
    pub async fn accept(&self, tcp: TcpStream) -> io::Result<(Stream, Shown)> {
        let tls = self.acceptor.accept(tcp).await?;
        let shown = tls.get_ref().1.peer_certificates().and_then(|all| all.first());
        let shown = shown.ok_or_else(|| io::Error::other("it shows no certificate"))?.clone().into_owned();
        Ok((Box::new(tls), Shown(shown)))
    }

    /// Greets a server, whose certificate must be of the authority and for this name.
    ///
    /// # Errors
    ///
    /// It is not, or the server speaks something else.
    pub async fn connect(&self, name: &str, tcp: TcpStream) -> io::Result<Stream> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(self.connector.connect(name, tcp).await?))
    }
}

/// The first certificate of a PEM text.
fn first(pem: &str) -> Option<Shown> {
    Some(Shown(Certificates::parse(pem.as_bytes()).ok()?.0.into_iter().next()?))
}
