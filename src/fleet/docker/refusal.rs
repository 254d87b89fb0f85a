//! What a registry refused, read from the words of the engine that asked it.
//!
//! Engines answer a failed pull with status 404, 500 or 200, whatever the registry said: the words tell more. Whether
//! credentials are missing or wrong is the one thing that we know better: we sent them, or did not.

use super::client::CallError;

/// Why a registry did not give an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fleet) enum Refusal {
    /// It wants credentials, and none were sent.
    CredentialsMissing,
    /// It does not take those that were sent.
    CredentialsRefused,
    /// It denies access to this image, to this user or to all.
    Denied,
    /// It has had too many requests.
    TooManyRequests,
    /// It failed, by a status from 500 on.
    Failed,
    /// The host has no way to it.
    Unreachable,
    /// The host does not trust its certificate.
    Untrusted,
    /// It was reached, and did not answer in time.
    Slow,
    /// It has no such image.
    ImageMissing,
}

impl Refusal {
    /// Reads the engine's answer to a pull or a look-up. `were_sent`: whether credentials went with it.
    pub(in crate::fleet) fn of(error: &CallError, were_sent: bool) -> Option<Self> {
        let (code, words) = match error {
            CallError::Deadline(_) => return Some(Self::Slow),
            CallError::Status { code, message } => (*code, essence(message.trim()).to_lowercase()),
            CallError::Transport(_) | CallError::Decode(_) | CallError::TooLong(_) => return None,
        };
        let has = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
        let status = status_in(&words);
        // No answer of a registry: the engine quotes those, and they may hold any word.
        if has(&["dial tcp", "proxyconnect", "no such host"]) {
            return Some(Self::Unreachable);
        }
        if code == 429 || status == Some(429) || has(&["toomanyrequests", "too many requests"]) {
            return Some(Self::TooManyRequests);
        }
        // Docker Hub says so of an image that does not exist as well; its own words mention both.
        if has(&["pull access denied", "requested access to the resource"]) {
            return Some(if were_sent && has(&["expired"]) {
                Self::CredentialsRefused
            } else {
                Self::Denied
            });
        }
        let unauthorized =
            ["no basic auth", "unauthorized", "authentication required", "incorrect username or password"];
        if code == 401 || status == Some(401) || has(&unauthorized) {
            return Some(if were_sent { Self::CredentialsRefused } else { Self::CredentialsMissing });
        }
        if code == 403 || status == Some(403) || has(&["denied:", "access denied"]) {
            return Some(if were_sent && has(&["expired"]) {
                Self::CredentialsRefused
            } else {
                Self::Denied
            });
        }
        if status.is_some_and(|status| status >= 500) {
            return Some(Self::Failed);
        }
        if code == 404
            || status == Some(404)
            || has(&["manifest unknown", "manifest for", "not found", "no matching manifest"])
        {
            return Some(Self::ImageMissing);
        }
        if has(&["x509:", "http response to https"]) {
            return Some(Self::Untrusted);
        }
        let slow = [
            "tls handshake timeout",
            "client.timeout",
            "deadline exceeded",
            "i/o timeout",
            "timeout awaiting",
        ];
        if has(&slow) {
            return Some(Self::Slow);
        }
        let broken = ["connection refused", "connection reset", "network is unreachable", "tls: ", "eof"];
        has(&broken).then_some(Self::Unreachable)
    }

    /// Whether another host may have better luck: it is the way that failed, not the registry that said no.
    pub(in crate::fleet) fn is_of_the_way(self) -> bool {
        match self {
            Self::Unreachable | Self::Untrusted | Self::Slow => true,
            Self::CredentialsMissing
            | Self::CredentialsRefused
            | Self::Denied
            | Self::TooManyRequests
            | Self::Failed
            | Self::ImageMissing => false,
        }
    }

    /// Whether credentials may help, where none were sent. A registry counts requests by user.
    pub(in crate::fleet) fn wants_credentials(self) -> bool {
        match self {
            Self::CredentialsMissing | Self::Denied | Self::TooManyRequests => true,
            Self::CredentialsRefused
            | Self::Failed
            | Self::Unreachable
            | Self::Untrusted
            | Self::Slow
            | Self::ImageMissing => false,
        }
    }

    /// What happened, without the engine's words.
    pub(in crate::fleet) fn words(self) -> &'static str {
        match self {
            Self::CredentialsMissing => "the registry wants credentials, and none were sent",
            Self::CredentialsRefused => "the registry does not take the credentials",
            Self::Denied => "the registry denies access",
            Self::TooManyRequests => "the registry has had too many requests",
            Self::Failed => "the registry failed",
            Self::Unreachable => "the registry cannot be reached",
            Self::Untrusted => "the registry's certificate is not trusted",
            Self::Slow => "the registry does not answer in time",
            Self::ImageMissing => "the registry has no such image",
        }
    }
}

/// Without the request, whose address has the image's name in it: `Head "https://…": no basic auth credentials`.
pub(in crate::fleet) fn essence(words: &str) -> &str {
    let request = ["Get \"", "Head \"", "Post \""].iter().find_map(|method| words.strip_prefix(method));
    request.and_then(|rest| rest.split_once("\": ")).map_or(words, |(_, rest)| rest)
}

/// The status that a registry answered with, where the engine quotes it.
fn status_in(words: &str) -> Option<u16> {
    let after = ["unexpected http status: ", "error parsing http ", "unexpected status code "];
    let number = after.iter().find_map(|before| Some(words.split_once(before)?.1))?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(code: u16, words: &str, were_sent: bool) -> Option<Refusal> {
        Refusal::of(&CallError::Status { code, message: words.into() }, were_sent)
    }

    /// Each text here was said by a real engine, 20.10.24 or 26.1.5.
    #[test]
    fn what_engines_say_of_registries() {
        use Refusal::*;
        for (code, words, were_sent, wanted) in [
            (
                500,
                "Head \"https://10.89.2.1:5443/v2/app/manifests/1\": no basic auth credentials",
                false,
                CredentialsMissing,
            ),
            (401, "unauthorized: authentication required", true, CredentialsRefused),
            (500, "unauthorized: authentication required", true, CredentialsRefused),
            (500, "unauthorized: ", false, CredentialsMissing),
            (
                500,
                "Head \"https://10.89.2.1:5447/v2/bearer/manifests/1\": unauthorized: incorrect username or password",
                true,
                CredentialsRefused,
            ),
            (
                200,
                "error pulling image configuration: download failed after attempts=1: unauthorized: authentication required",
                true,
                CredentialsRefused,
            ),
            (403, "denied: <html><body>nginx 403</body></html>", true, Denied),
            (500, "error parsing HTTP 403 response body: unexpected end of JSON input: \"\"", true, Denied),
            (
                404,
                "pull access denied for 10.89.2.1:5444/man-403, repository does not exist or may require 'docker login': denied: ",
                false,
                Denied,
            ),
            (
                200,
                "error pulling image configuration: download failed after attempts=1: denied: <html><body>nginx 403</body></html>",
                true,
                Denied,
            ),
            (
                500,
                "error parsing HTTP 429 response body: unexpected end of JSON input: \"\"",
                true,
                TooManyRequests,
            ),
            (429, "toomanyrequests: ", false, TooManyRequests),
            (500, "toomanyrequests: <html><body>nginx 429</body></html>", false, TooManyRequests),
            (
                500,
                "Head \"https://10.89.2.1:5448/v2/bearer/manifests/1\": toomanyrequests",
                false,
                TooManyRequests,
            ),
            (
                200,
                "error pulling image configuration: download failed after attempts=1: toomanyrequests: ",
                true,
                TooManyRequests,
            ),
            (500, "received unexpected HTTP status: 500 Internal Server Error", true, Failed),
            (500, "received unexpected HTTP status: 504 Gateway Timeout", true, Failed),
            (
                200,
                "error pulling image configuration: download failed after attempts=6: received unexpected HTTP status: 500 Internal Server Error",
                true,
                Failed,
            ),
            (404, "manifest unknown: manifest unknown", true, ImageMissing),
            (
                500,
                "error parsing HTTP 404 response body: invalid character '<' looking for beginning of value: \"<html><body>nginx 404</body></html>\"",
                true,
                ImageMissing,
            ),
            (
                500,
                "Get \"https://10.89.2.1:5459/v2/\": dial tcp 10.89.2.1:5459: connect: connection refused",
                true,
                Unreachable,
            ),
            (
                500,
                "Get \"https://10.89.9.1:5459/v2/\": dial tcp 10.89.9.1:5459: connect: no route to host",
                true,
                Unreachable,
            ),
            (500, "Get \"https://10.89.2.1:5460/v2/\": net/http: TLS handshake timeout", true, Slow),
            (
                500,
                "Get \"https://10.89.2.1:5461/v2/\": x509: certificate signed by unknown authority",
                true,
                Untrusted,
            ),
            (
                500,
                "Get \"https://10.89.2.1:5461/v2/\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
                true,
                Untrusted,
            ),
            (
                500,
                "Get \"https://10.89.2.1:5462/v2/\": http: server gave HTTP response to HTTPS client",
                true,
                Untrusted,
            ),
        ] {
            assert_eq!(read(code, words, were_sent), Some(wanted), "{words}");
        }
    }

    #[test]
    fn the_name_of_an_image_says_nothing() {
        let words =
            |image: &str| format!("Head \"https://r.example.com/v2/{image}/manifests/1\": something else");
        for image in ["unauthorized", "toomanyrequests", "x509:eof", "not found"] {
            assert_eq!(read(500, &words(image), true), None, "{image}");
        }
        assert_eq!(read(500, "something else", true), None);
    }
}
