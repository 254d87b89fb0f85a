//! The authority of a cluster's agents: it signs the certificates by which they know each other, and is kept as a secret
//! of the cluster itself.
//!
//! Certificates begin long before they are made: a host's clock may be years behind when it boots. The time is handed in.

use std::fmt;
use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::draw::draw;
use crate::model::ids::{hex, sha256_hex};
use crate::model::{Plaintext, Timestamp};

const DAY_MS: i64 = 24 * 3_600_000;
/// Another authority takes its place before its last certificate ends.
const AUTHORITY_DAYS: i64 = 20 * 365;
const CERTIFICATE_DAYS: i64 = 5 * 365;
/// One that ends within these days is replaced.
const SOON_DAYS: i64 = 90;
/// Digits of a host's digest in its name: a label of a host name has 63 at most.
const NAME_CHARS: usize = 40;
/// By chance, in the name of an authority, and in the numbers of certificates.
const NAME_BYTES: usize = 8;
const SERIAL_BYTES: usize = 16;

/// A text of PEM is wrong, or the system gives no randomness.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAuthority(String);

impl BadAuthority {
    fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// The name that a host's certificate is for. Names of hosts may have signs in them, and a length, that no certificate's
/// name has.
#[must_use]
pub fn name_of_host(host: &str) -> String {
    format!("h{}.agent.stackctl.internal", &sha256_hex(host.as_bytes())[..NAME_CHARS])
}

/// The name by which the authority vouches for a list of agents, in the certificates of those that are in it: its number,
/// and its digest in hexadecimal digits.
#[must_use]
pub fn name_of_list(number: u64, digest: &str) -> String {
    format!("m{number}-{}.agent.stackctl.internal", digest.get(..NAME_CHARS).unwrap_or(digest))
}

/// What tells one authority from another: a digest of its certificate.
#[must_use]
pub fn fingerprint(certificate: &str) -> String {
    sha256_hex(certificate.as_bytes())
}

/// Whether something that ends then is to be replaced now.
#[must_use]
pub fn ends_soon(until: Timestamp, now: Timestamp) -> bool {
    until.since_ms(now) < SOON_DAYS * DAY_MS
}

/// A certificate and its key.
pub struct Issued {
    /// PEM.
    pub certificate: String,
    /// PEM. Never shown.
    pub key: Zeroizing<String>,
    pub until: Timestamp,
}

/// Who can sign certificates of agents.
pub struct Authority {
    /// PEM.
    certificate: String,
    key: Zeroizing<String>,
    name: String,
    until: Timestamp,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Written<'a> {
    name: &'a str,
    until: Timestamp,
    certificate: &'a str,
    key: &'a str,
}

#[derive(Deserialize)]
struct Read {
    name: String,
    until: Timestamp,
    certificate: String,
    key: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    ///
    /// The system gives no randomness.
    pub fn make(cluster: &str, now: Timestamp) -> Result<Self, BadAuthority> {
        // Two of one cluster have different names, so that no certificate is looked up under the wrong one.
        let name = format!("agents of {cluster} {}", hex(draw(NAME_BYTES).expose()));
        let until = Timestamp(now.0 + AUTHORITY_DAYS * DAY_MS);
        let key = KeyPair::generate().map_err(BadAuthority::new)?;
        let certificate = params_of(&name, until).self_signed(&key).map_err(BadAuthority::new)?;
        let key = Zeroizing::new(key.serialize_pem());
        Ok(Self { certificate: certificate.pem(), key, name, until })
    }

    /// Its certificate, in PEM: what agents trust.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Until when it is good.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// As it is kept.
    #[must_use]
    pub fn to_plaintext(&self) -> Plaintext {
        let written =
            Written { name: &self.name, until: self.until, certificate: &self.certificate, key: &self.key };
        Plaintext::new(serde_json::to_vec(&written).expect("texts are JSON"))
    }

    /// As it was kept.
    ///
    /// # Errors
    ///
    /// It is something else. The words have nothing of it in them.
    pub fn of_plaintext(kept: &Plaintext) -> Result<Self, BadAuthority> {
        let read: Read = serde_json::from_slice(kept.expose())
            .map_err(|_| BadAuthority("it is no authority of agents".to_owned()))?;
        let Read { name, until, certificate, key } = read;
        Ok(Self { certificate, key: Zeroizing::new(key), name, until })
    }

    /// A certificate for a host at an address, which vouches for a list of agents by its [name](name_of_list).
    ///
    /// # Errors
    ///
    /// The authority's key is not understood.
    pub fn issue(
        &self,
        host: &str,
        address: IpAddr,
        list: Option<&str>,
        now: Timestamp,
    ) -> Result<Issued, BadAuthority> {
        let own = KeyPair::from_pem(&self.key).map_err(|_| BadAuthority("its key is damaged".to_owned()))?;
        let issuer = Issuer::new(params_of(&self.name, self.until), own);
        let until = Timestamp(self.until.0.min(now.0 + CERTIFICATE_DAYS * DAY_MS));
        let names: Vec<String> = std::iter::once(name_of_host(host)).chain(list.map(str::to_owned)).collect();
        let mut params = CertificateParams::new(names).map_err(BadAuthority::new)?;
        params.subject_alt_names.push(SanType::IpAddress(address));
        params.distinguished_name = named(host);
        end_on(&mut params, until);
        params.serial_number = Some(serial());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(BadAuthority::new)?;
        let certificate = params.signed_by(&key, &issuer).map_err(BadAuthority::new)?;
        Ok(Issued { certificate: certificate.pem(), key: Zeroizing::new(key.serialize_pem()), until })
    }
}

fn params_of(name: &str, until: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    end_on(&mut params, until);
    params.serial_number = Some(serial());
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut all = DistinguishedName::new();
    all.push(DnType::CommonName, name);
    all
}

fn serial() -> SerialNumber {
    let mut bytes = draw(SERIAL_BYTES).expose().to_vec();
    // A positive number that does not begin with nothing.
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from(bytes)
}

/// The last day of a certificate: a whole one, since no more is needed.
fn end_on(params: &mut CertificateParams, until: Timestamp) {
    let at = jiff::Timestamp::from_millisecond(until.0).unwrap_or(jiff::Timestamp::MAX);
    let day = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    let (month, day_of_month) = (day.month().unsigned_abs(), day.day().unsigned_abs());
    params.not_after = date_time_ymd(i32::from(day.year()), month, day_of_month);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_796_000_000_000);

    #[test]
    fn an_authority_is_kept_and_signs_as_before() {
        let made = Authority::make("prod", NOW).unwrap();
        let kept = Authority::of_plaintext(&made.to_plaintext()).unwrap();
        assert_eq!((kept.certificate(), kept.until()), (made.certificate(), made.until()));
        let issued = kept.issue("h1", "10.0.0.1".parse().unwrap(), None, NOW).unwrap();
        assert!(issued.until < kept.until() && !ends_soon(issued.until, NOW));
        assert!(ends_soon(issued.until, issued.until.plus_ms(-80 * DAY_MS)));
        assert!(!format!("{made:?}").contains("PRIVATE"));
        let other = Authority::make("prod", NOW).unwrap();
        assert_ne!(fingerprint(other.certificate()), fingerprint(made.certificate()));
    }

    #[test]
    fn what_is_no_authority_is_said_to_be_none_without_its_text() {
        for text in ["", "{}", r#"{"name": "hunter2"}"#, r#""hunter2""#] {
            let why = Authority::of_plaintext(&Plaintext::new(text.into())).unwrap_err().to_string();
            assert_eq!(why, "it is no authority of agents");
        }
    }

    #[test]
    fn every_host_has_a_name_that_certificates_can_have() {
        let long = "x_".repeat(31);
        let list = name_of_list(u64::MAX, &sha256_hex(b"a list"));
        let names = ["h1", "h_1", "H1", "a.b", long.as_str()].map(name_of_host);
        assert!(list.split('.').all(|label| label.len() <= 63) && !names.contains(&list));
        assert!(names.iter().all(|name| name.split('.').all(|label| label.len() <= 63)));
        let different: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len());
    }
}
