//! Sends an event as a POST to an address, signed if there is a secret.
//!
//! Redirects are not followed: only the inventory decides who gets an event. Messages never contain a whole address,
//! because its path is often a token.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Request;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http_body_util::Full;
use sha2::Sha256;

use super::DeliveryError;
use crate::http::tls::{Authorities, Certificates, SYSTEM_AUTHORITIES, Tls};
use crate::http::{client, stream};
use crate::inventory::Env;
use crate::inventory::notifications::Secret;
use crate::ledger::payload::fresh_id;

/// `sha256=` and the HMAC of the body, as GitHub's `X-Hub-Signature-256` has it.
const SIGNATURE: &str = "x-stackctl-signature-256";
const EVENT: &str = "x-stackctl-event";
/// The same for every attempt to deliver one event.
const DELIVERY: &str = "x-stackctl-delivery";

/// A webhook, ready to send to.
pub(super) struct Webhook {
    host: String,
    port: u16,
    /// Host and port, as in the address.
    authority: String,
    path: String,
    tls: Option<Tls>,
    secret: Option<Vec<u8>>,
}

impl Webhook {
    /// Reads secret and authorities, or says why the webhook cannot be used.
    pub(super) fn new(
        url: &str,
        secret: Option<&Secret>,
        ca: Option<&Path>,
        env: Env<'_>,
    ) -> Result<Self, String> {
        let (is_tls, rest) = match url.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, url.strip_prefix("http://").ok_or("it is no http address")?),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let default = if is_tls { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of `[::1]` belong to the address.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| "its port is no number")?)
            }
            _ => (authority, default),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self {
            host,
            port,
            authority: authority.to_owned(),
            path,
            tls: is_tls.then(|| tls(ca, env)).transpose()?,
            secret: secret.map(|secret| read_secret(secret, env)).transpose()?,
        })
    }

    /// The address without its path, which may be shown.
    pub(super) fn name(&self) -> String {
        format!("webhook at {}", self.authority)
    }

    /// Sends once.
    pub(super) async fn post(&self, kind: &str, delivery: &str, body: &str) -> Result<(), DeliveryError> {
        let again = |error: &dyn std::fmt::Display| DeliveryError { why: error.to_string(), is_final: false };
        let stream = stream::tcp(&self.host, self.port, self.tls.as_ref()).await;
        let stream = stream.map_err(|error| again(&error))?;
        let request = self.request(kind, delivery, body).map_err(|error| again(&error))?;
        let answer = client::send_once(stream, request).await.map_err(|error| again(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        // A refusal is final, except for rate limits and timeouts.
        let is_final = !status.is_server_error() && !matches!(status.as_u16(), 408 | 425 | 429);
        Err(DeliveryError { why: format!("it answered {status}"), is_final })
    }

    fn request(&self, kind: &str, delivery: &str, body: &str) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut request = Request::post(&self.path)
            .header(HOST, &self.authority)
            .header(USER_AGENT, concat!("stackctl/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header(EVENT, kind)
            .header(DELIVERY, delivery);
        if let Some(secret) = &self.secret {
            request = request.header(SIGNATURE, format!("sha256={}", signed(secret, body.as_bytes())));
        }
        request.body(Full::new(Bytes::from(body.to_owned())))
    }
}

/// The id of a delivery.
pub(super) fn delivery() -> String {
    fresh_id()
}

/// HMAC-SHA256, in hex.
fn signed(key: &[u8], message: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("keys may have any length");
    mac.update(message);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_secret(secret: &Secret, env: Env<'_>) -> Result<Vec<u8>, String> {
    let text = match secret {
        Secret::Variable(name) => {
            env(name).ok_or_else(|| format!("its secret: variable {name} is not set"))?
        }
        Secret::File(path) => {
            let bytes = read(path).map_err(|error| format!("its secret ({}): {error}", path.display()))?;
            String::from_utf8(bytes).map_err(|_| format!("its secret ({}) is no text", path.display()))?
        }
    };
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.as_bytes().to_vec()),
        _ => Err("its secret is empty".to_owned()),
    }
}

#[expect(clippy::disallowed_methods, reason = "secrets and authorities are in files of this machine")]
fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

fn tls(ca: Option<&Path>, env: Env<'_>) -> Result<Tls, String> {
    let path = match ca {
        Some(path) => path.to_owned(),
        None => env("SSL_CERT_FILE")
            .map(PathBuf::from)
            .or_else(|| SYSTEM_AUTHORITIES.iter().map(PathBuf::from).find(|path| path.is_file()))
            .ok_or("this machine has no list of authorities: name one with `ca`")?,
    };
    let bad = |error: &dyn std::fmt::Display| format!("its authorities ({}): {error}", path.display());
    let text = read(&path).map_err(|error| bad(&error))?;
    let all = Certificates::parse(&text).map_err(|error| bad(&error))?;
    let authorities = if ca.is_some() { Authorities::chosen(all) } else { Authorities::of_system(all) };
    authorities.and_then(Tls::anonymous).map_err(|error| bad(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standard() {
        // RFC 4231, cases 2, 1 and 6.
        assert_eq!(
            signed(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            signed(&[0x0b; 20], b"Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            signed(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn addresses_are_taken_apart_and_never_shown_whole() {
        let of = |url: &str| {
            Webhook::new(url, None, None, &|_| None).map(|hook| (hook.host, hook.port, hook.path))
        };
        assert_eq!(of("http://a.b/c?d=e"), Ok(("a.b".into(), 80, "/c?d=e".into())));
        assert_eq!(of("http://a.b:8080"), Ok(("a.b".into(), 8080, "/".into())));
        assert_eq!(of("http://[::1]:9/x"), Ok(("::1".into(), 9, "/x".into())));
        assert_eq!(of("http://[::1]/x"), Ok(("::1".into(), 80, "/x".into())));
        assert_eq!(of("http://a?x"), Ok(("a".into(), 80, "/?x".into())));
        assert!(of("http://a:x/").is_err());
        let name = Webhook::new("http://a.b/hunter2", None, None, &|_| None).unwrap().name();
        assert_eq!(name, "webhook at a.b");
        let missing = Secret::File("/nowhere/secret".into());
        let error = Webhook::new("http://a/", Some(&missing), None, &|_| None).err().unwrap();
        assert!(error.contains("/nowhere/secret"), "{error}");
    }
}
