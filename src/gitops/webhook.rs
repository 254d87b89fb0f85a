//! Webhook deliveries of forges: whether the signature is valid, whether the delivery is a duplicate, and
//! which repository it is about.
//!
//! Pure: headers, body and time are handed in. The content is not trusted: the most that a delivery can do is
//! to have a repository polled earlier.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::model::ids::sha256_hex;

/// How far the clock of a signature with a time in it may be from ours, in seconds, as Standard Webhooks has
/// it.
const CLOCK_S: i64 = 5 * 60;
/// Remembered deliveries. A forge that sends more than that in a while sends pushes.
const SEEN_MAX: usize = 4096;
/// Length up to which a remembered name counts.
const NAME_MAX: usize = 200;

/// The shared secrets of the forges: one for each line of a file, so that they can be rotated.
#[derive(Clone)]
pub struct Secrets(Vec<Vec<u8>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

/// An authenticated delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A ping.
    Ping,
    /// A push.
    Push(Push),
    /// Another event, which does not concern us.
    Other,
}

/// A push, as a forge reports it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Push {
    /// The ref, in full.
    pub reference: String,
    /// Addresses by which the repository is known, and its name.
    pub repositories: Vec<String>,
}

/// Why a delivery is refused. The reason is not sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No known signature header.
    NotSigned,
    /// It does not fit.
    BadSignature,
    /// It is of another time.
    TooOld,
    /// The signature is valid, and the body makes no sense.
    Senseless,
}

impl Refused {
    /// In words, for the log.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotSigned => "it has no signature",
            Self::BadSignature => "its signature does not fit",
            Self::TooOld => "its signature is of another time",
            Self::Senseless => "it makes no sense",
        }
    }
}

impl Secrets {
    /// Parses the secrets; `None` if there is none.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let all: Vec<Vec<u8>> = lines.filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
        (!all.is_empty()).then_some(Self(all))
    }

    /// Whether a delivery was signed with one of them. All are tried, whichever fits.
    ///
    /// GitHub: `X-Hub-Signature-256`, `sha256=` and hex. Gitea, Forgejo and Gogs: the same in hex alone under
    /// their own names. GitLab: the signature of Standard Webhooks for a signing token, or the secret itself.
    pub fn check<'h>(
        &self,
        header: &dyn Fn(&str) -> Option<&'h str>,
        body: &[u8],
        now_s: i64,
    ) -> Result<(), Refused> {
        let any = |fits: &dyn Fn(&[u8]) -> bool| {
            let is_one = self.0.iter().fold(false, |is, secret| fits(secret) | is);
            if is_one { Ok(()) } else { Err(Refused::BadSignature) }
        };
        if let Some(signature) = header("x-hub-signature-256") {
            let tag = signature.strip_prefix("sha256=").and_then(unhex);
            return any(&|secret| tag.as_ref().is_some_and(|tag| signs(secret, &[body], tag)));
        }
        for name in ["x-forgejo-signature", "x-gitea-signature", "x-gogs-signature"] {
            if let Some(signature) = header(name) {
                let tag = unhex(signature);
                return any(&|secret| tag.as_ref().is_some_and(|tag| signs(secret, &[body], tag)));
            }
        }
        if let Some(signatures) = header("webhook-signature") {
            let (Some(id), Some(at)) = (header("webhook-id"), header("webhook-timestamp")) else {
                return Err(Refused::NotSigned);
            };
            let tags = signatures.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
            let tags: Vec<Vec<u8>> = tags.collect();
            let parts = [id.as_bytes(), b".", at.as_bytes(), b".", body];
            any(&|secret| {
                let key = key_of(secret);
                tags.iter().fold(false, |is, tag| signs(&key, &parts, tag) | is)
            })?;
            let is_now = at.parse::<i64>().is_ok_and(|at| (now_s - at).abs() <= CLOCK_S);
            return if is_now { Ok(()) } else { Err(Refused::TooOld) };
        }
        match header("x-gitlab-token") {
            Some(token) => any(&|secret| secret.ct_eq(token.as_bytes()).into()),
            None => Err(Refused::NotSigned),
        }
    }
}

/// The key of Standard Webhooks: the part behind `whsec_`.
fn key_of(secret: &[u8]) -> Vec<u8> {
    let decoded = secret.strip_prefix(b"whsec_").and_then(|text| STANDARD.decode(text).ok());
    decoded.unwrap_or_else(|| secret.to_vec())
}

/// Compares two tags in constant time.
fn signs(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("keys may have any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.verify_slice(tag).is_ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_hex = digits.len() == 64 && digits.iter().all(u8::is_ascii_hexdigit);
    is_hex.then(|| digits.chunks(2).map(pair).collect()).flatten()
}

/// Earlier deliveries, by the forge's delivery id and by content.
#[derive(Debug, Default)]
pub struct Seen {
    known: BTreeSet<String>,
    order: VecDeque<String>,
}

impl Seen {
    /// Whether a delivery is new. It is remembered from now on.
    pub fn is_new<'h>(&mut self, header: &dyn Fn(&str) -> Option<&'h str>, body: &[u8]) -> bool {
        let names = ["x-github-delivery", "x-forgejo-delivery", "x-gitea-delivery", "webhook-id"];
        let name = names.into_iter().chain(["x-gitlab-event-uuid", "x-gogs-delivery"]).find_map(header);
        let name = name.map(|name| format!("id {}", name.chars().take(NAME_MAX).collect::<String>()));
        let marks: Vec<String> = name.into_iter().chain([format!("body {}", sha256_hex(body))]).collect();
        let is_new = !marks.iter().any(|mark| self.known.contains(mark));
        for mark in marks {
            if self.known.insert(mark.clone()) {
                self.order.push_back(mark);
            }
        }
        while self.order.len() > SEEN_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        is_new
    }
}

/// Parses an authenticated delivery.
pub fn read<'h>(header: &dyn Fn(&str) -> Option<&'h str>, body: &[u8]) -> Result<Delivery, Refused> {
    let names = ["x-github-event", "x-forgejo-event", "x-gitea-event", "x-gogs-event", "x-gitlab-event"];
    match names.into_iter().find_map(header) {
        Some("ping") => return Ok(Delivery::Ping),
        Some("push" | "create" | "Push Hook" | "Tag Push Hook") => {}
        Some(_) => return Ok(Delivery::Other),
        None => return Err(Refused::Senseless),
    }
    let payload: Value = serde_json::from_slice(body).map_err(|_| Refused::Senseless)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let Some(reference) = text(&payload["ref"]) else { return Err(Refused::Senseless) };
    // A new tag or branch comes with its short name.
    let reference = match payload["ref_type"].as_str() {
        Some("tag") if !reference.starts_with("refs/") => format!("refs/tags/{reference}"),
        Some("branch") if !reference.starts_with("refs/") => format!("refs/heads/{reference}"),
        _ => reference,
    };
    let keys = [
        (
            "repository",
            &["clone_url", "ssh_url", "git_url", "html_url", "full_name", "git_http_url", "git_ssh_url"][..],
        ),
        ("project", &["git_http_url", "git_ssh_url", "web_url", "path_with_namespace"][..]),
    ];
    let repositories: Vec<String> = keys
        .into_iter()
        .flat_map(|(of, keys)| keys.iter().map(move |key| (of, *key)))
        .filter_map(|(of, key)| text(&payload[of][key]))
        .collect();
    if repositories.is_empty() {
        return Err(Refused::Senseless);
    }
    Ok(Delivery::Push(Push { reference, repositories }))
}

impl Push {
    /// Whether this is about a repository that is followed, `URL` or `URL#REF`.
    ///
    /// Only the path is compared: the same repository may be reached under several host names, and polling
    /// one repository too many does no harm. A repository that is followed by a local path can only be
    /// matched by its ref.
    #[must_use]
    pub fn is_about(&self, followed: &str) -> bool {
        let (url, reference) = followed.rsplit_once('#').map_or((followed, None), |(url, r)| (url, Some(r)));
        let is_ref = reference.is_none_or(|name| {
            ["", "refs/", "refs/heads/", "refs/tags/"]
                .iter()
                .any(|before| self.reference == format!("{before}{name}"))
        });
        let is_of_a_machine = url.contains("://") && !url.starts_with("file://")
            || url.split_once(':').is_some_and(|(host, _)| !host.contains('/'));
        let ours = path_of(url);
        is_ref && (!is_of_a_machine || self.repositories.iter().any(|theirs| path_of(theirs) == ours))
    }
}

/// `ops/stacks` of `https://git.example.com/ops/stacks.git` and of `git@git.example.com:ops/stacks`.
fn path_of(url: &str) -> String {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => match url.split_once(':') {
            Some((host, path)) if !host.contains('/') => path,
            _ => url,
        },
    };
    let path = path.trim_matches('/');
    path.strip_suffix(".git").unwrap_or(path).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given<'h>(all: &'h [(&'h str, &'h str)]) -> impl Fn(&str) -> Option<&'h str> {
        move |name| all.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    /// The values that GitHub's documentation gives for trying out an implementation.
    #[test]
    fn githubs_own_example() {
        const TAG: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let secrets = Secrets::parse(b"another\nIt's a Secret to Everybody\n").unwrap();
        let check = |name, value: &str, body: &[u8]| secrets.check(&given(&[(name, value)]), body, 0);
        let (good, bad) = (Ok(()), Err(Refused::BadSignature));
        assert_eq!(check("x-hub-signature-256", &format!("sha256={TAG}"), b"Hello, World!"), good);
        assert_eq!(check("x-gitea-signature", TAG, b"Hello, World!"), good);
        assert_eq!(check("x-forgejo-signature", TAG, b"Hello, World!"), good);
        assert_eq!(check("x-hub-signature-256", &format!("sha256={TAG}"), b"Hello, World?"), bad);
        for value in [TAG, "sha256=", &format!("sha256={}", &TAG[..62]), &format!("sha1={TAG}"), "sha256=é"]
        {
            assert_eq!(check("x-hub-signature-256", value, b"Hello, World!"), bad, "{value}");
        }
        let others = Secrets::parse(b"It's a secret to everybody").unwrap();
        let header = [("x-gitea-signature", TAG)];
        assert_eq!(others.check(&given(&header), b"Hello, World!", 0), bad);
        // What is checked is the strongest that is there: a good one of another kind saves none.
        let token = [("x-gitlab-token", "It's a Secret to Everybody"), ("x-hub-signature-256", "sha256=00")];
        assert_eq!(secrets.check(&given(&token), b"", 0), bad);
        assert_eq!(secrets.check(&given(&token[..1]), b"", 0), good);
        assert_eq!(secrets.check(&given(&[("x-gitlab-token", "it")]), b"", 0), bad);
        assert_eq!(secrets.check(&given(&[]), b"", 0), Err(Refused::NotSigned));
        assert!(Secrets::parse(b" \n\n").is_none());
        assert!(!format!("{secrets:?}").contains("Secret to"));
    }

    /// The example of the Standard Webhooks libraries, which GitLab's signing tokens follow.
    #[test]
    fn standard_webhooks_own_example() {
        let secrets = Secrets::parse(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let headers = [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ];
        let check = |now| secrets.check(&given(&headers), body, now);
        assert_eq!(check(1_614_265_330 + 299), Ok(()));
        assert_eq!(check(1_614_265_330 + 301), Err(Refused::TooOld));
        assert_eq!(check(1_614_265_330 - 301), Err(Refused::TooOld));
        assert_eq!(secrets.check(&given(&headers), b"{}", 1_614_265_330), Err(Refused::BadSignature));
        assert_eq!(secrets.check(&given(&headers[1..]), body, 1_614_265_330), Err(Refused::NotSigned));
    }

    #[test]
    fn a_repeated_delivery_is_a_duplicate() {
        let mut seen = Seen::default();
        let named = |id| [("x-github-delivery", id)];
        assert!(seen.is_new(&given(&named("1")), b"a"));
        assert!(!seen.is_new(&given(&named("1")), b"b"), "the same delivery with something else in it");
        assert!(!seen.is_new(&given(&named("2")), b"a"), "the same under another name");
        assert!(seen.is_new(&given(&named("3")), b"c") && !seen.is_new(&given(&[]), b"c"));
        for number in 0..10_000_u32 {
            seen.is_new(&given(&[]), &number.to_be_bytes());
        }
        assert_eq!((seen.known.len(), seen.order.len()), (SEEN_MAX, SEEN_MAX));
        assert!(seen.is_new(&given(&named("1")), b"a"), "long ago");
    }

    #[test]
    fn pushes_of_each_forge() {
        let github = br#"{"ref":"refs/heads/main","repository":{"full_name":"ops/stacks","clone_url":"https://git.example.com/ops/stacks.git"}}"#;
        let gitlab =
            br#"{"ref":"refs/tags/v1","project":{"git_ssh_url":"git@git.example.com:ops/Stacks.git"}}"#;
        let tag = br#"{"ref":"v1","ref_type":"tag","repository":{"full_name":"ops/stacks"}}"#;
        let push = |event, body: &[u8]| match read(&given(&[event]), body) {
            Ok(Delivery::Push(push)) => push,
            other => panic!("{other:?}"),
        };
        let one = push(("x-github-event", "push"), github);
        for (followed, is_about) in [
            ("https://git.example.com/ops/stacks.git#main", true),
            ("ssh://git.intern:2222/ops/stacks#main", true),
            ("git@git.example.com:ops/stacks.git#refs/heads/main", true),
            ("https://git.example.com/ops/stacks", true),
            ("https://git.example.com/ops/stacks#live", false),
            ("https://git.example.com/ops/other#main", false),
            ("/srv/git/ops.git#main", true),
            ("file:///srv/git/ops.git#live", false),
        ] {
            assert_eq!(one.is_about(followed), is_about, "{followed}");
        }
        assert!(push(("x-gitlab-event", "Tag Push Hook"), gitlab).is_about("https://h/ops/stacks#v1"));
        assert!(push(("x-gitea-event", "create"), tag).is_about("https://h/ops/stacks.git#v1"));
        assert_eq!(read(&given(&[("x-github-event", "ping")]), b"{}"), Ok(Delivery::Ping));
        assert_eq!(read(&given(&[("x-gitea-event", "issues")]), b"{}"), Ok(Delivery::Other));
        for (headers, body) in [
            (&[][..], &github[..]),
            (&[("x-github-event", "push")][..], b"{"),
            (&[("x-github-event", "push")][..], b"{\"ref\":\"x\"}"),
            (&[("x-github-event", "push")][..], b"[1]"),
        ] {
            assert_eq!(read(&given(headers), body), Err(Refused::Senseless));
        }
    }
}
