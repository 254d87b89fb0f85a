//! What a program said, without what looks like a secret. Programs repeat their arguments and their variables when they
//! fail, and what they said goes into messages, logs and records, which many read.
//!
//! Nothing is known of what they were given: it goes by names and by looks. So more may be hidden than is secret.

use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

/// In place of what is hidden.
const HIDDEN: &str = "***";
/// Letters and digits of a word from which on it is more likely a token.
const TOKEN_MIN: usize = 20;
/// Letters of what stands behind the name of a scheme from which on it is no word of a message.
const SCHEME_MIN: usize = 12;
/// What is assigned to a name of a secret, in quotes or not: `password=…`, `AWS_SECRET_ACCESS_KEY=…`, `"token": "…"`.
static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)(?P<name>(?:passw(?:or)?d|passphrase|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)[\w-]*['"]?\s*[=:]\s*(?:(?:bearer|basic)\s+)?)(?:"[^"\n]*"?|'[^'\n]*'?|[^\s'"&]+)"#,
    )
});
/// What stands behind such a name, if it has a digit: `token 12ab`, and not `token expired`. What stands behind the name of a
/// scheme may have none.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)(?P<name>(?:\b(?:passw(?:or)?d|passphrase|passwd|pwd|secret|token|api[_-]?key|credentials?)[ \t]+['"]?)|(?:\b(?:bearer|basic)[ \t]+))(?P<value>[^\s'"&]+)"#,
    )
});
/// What follows an option by which programs take a password or a login: `-P …`, `-p…`, `-u ann:…`.
static OPTION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?P<name>(?:^|\s)(?:-[pP]\s*|(?:-u|--user)[\s=][^\s:/]+:))(?P<value>\S+)"));
/// `scheme://user:password@`, up to the last `@` before the path.
static LOGIN: LazyLock<Regex> = LazyLock::new(|| pattern(r"://[^\s/]+@"));
static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"\S+"));
/// A part of an address.
static PART: LazyLock<Regex> = LazyLock::new(|| pattern(r"[^/?&=#:]+"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is ours, and tested")
}

/// `said` without what looks like a secret. Its lines stay.
#[must_use]
pub fn without_secrets(said: &str) -> String {
    let shown = ASSIGNED.replace_all(said, format!("${{name}}{HIDDEN}"));
    let unless_word = |found: &Captures<'_>| {
        let is_scheme = ["bearer", "basic"].contains(&found["name"].trim_end().to_lowercase().as_str());
        // `basic auth required`.
        let is_long = is_scheme && found["value"].len() >= SCHEME_MIN;
        unless(!is_long && !found["value"].contains(|c: char| c.is_ascii_digit()), found)
    };
    let shown = NAMED.replace_all(&shown, unless_word);
    // A port, or a path.
    let is_plain = |value: &str| value.starts_with('/') || value.bytes().all(|byte| byte.is_ascii_digit());
    let shown = OPTION.replace_all(&shown, |found: &Captures<'_>| unless(is_plain(&found["value"]), found));
    let shown = LOGIN.replace_all(&shown, format!("://{HIDDEN}@"));
    let word = |found: &Captures<'_>| {
        let word = &found[0];
        match (word.contains("://"), word.contains('/')) {
            (true, _) => PART.replace_all(word, |part: &Captures<'_>| unless_random(&part[0])).into_owned(),
            // A path.
            (false, true) => word.to_owned(),
            (false, false) => unless_random(word),
        }
    };
    WORD.replace_all(&shown, word).into_owned()
}

/// A name with what follows it, which is hidden unless it is a word that tells what failed.
fn unless(is_word: bool, found: &Captures<'_>) -> String {
    if is_word { found[0].to_owned() } else { format!("{}{HIDDEN}", &found["name"]) }
}

/// A long run of letters and digits is more likely a token than a word, or a part of a host's name.
fn unless_random(word: &str) -> String {
    let is_random = |part: &str| {
        let has = |is: fn(&char) -> bool| part.chars().any(|c| is(&c));
        part.len() >= TOKEN_MIN && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
    };
    // An id with dashes in it is of something, and says of what.
    if word.split(['.', '-']).any(is_random) { HIDDEN.to_owned() } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_names_and_what_looks_like_a_token_is_hidden() {
        for (said, kept) in [
            ("no power", "no power"),
            ("curl -u a https://admin:s3cret@bmc/off: refused", "curl -u a https://***@bmc/off: refused"),
            ("ipmitool -H bmc -U root -P s3cret: timeout", "ipmitool -H bmc -U root -P *** timeout"),
            ("PASSWORD=s3cret is wrong", "PASSWORD=*** is wrong"),
            ("password:\n  s3cret", "password:\n  ***"),
            ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG no", "AWS_SECRET_ACCESS_KEY=*** no"),
            ("private_key: ab/cd", "private_key: ***"),
            ("PASSWORD='a b' is wrong", "PASSWORD=*** is wrong"),
            ("{\"token\": \"a b\", \"at\": 1}", "{\"token\": ***, \"at\": 1}"),
            ("curl -u ann:s3cret c", "curl -u ann:*** c"),
            ("curl --user=ann:s3cret c", "curl --user=ann:*** c"),
            ("postgres://u:p@ss@host/db", "postgres://***@host/db"),
            ("Basic YW5uOnBhc3N3b3Jk", "Basic ***"),
            ("glpat-aB3dE6gH9jK2mN5pQ8sT1", "***"),
            ("token expired", "token expired"),
            ("credentials not found", "credentials not found"),
            ("basic auth required", "basic auth required"),
            ("Invalid credentials\nConnection closed", "Invalid credentials\nConnection closed"),
            ("ssh -p 2222 c; mkdir -p /x", "ssh -p 2222 c; mkdir -p /x"),
            ("stackctl-worker-eu-central-1-node01", "stackctl-worker-eu-central-1-node01"),
            ("5f0c2a1e-9b3d-4c6f-8a7e-1d2c3b4a5f60", "5f0c2a1e-9b3d-4c6f-8a7e-1d2c3b4a5f60"),
            ("Authorization: Bearer s3cret refused", "Authorization: Bearer *** refused"),
            ("token ghp0123456789abcdefghij is old", "token *** is old"),
            ("key 0123456789abcdef01234567 is old", "key *** is old"),
            ("jwt eyJhbGciOiJIUzI1NiJ9.e30.x: no", "jwt *** no"),
            ("GET https://c/v1/hosts?token=s3cret&all=1 403", "GET https://c/v1/hosts?token=***&all=1 403"),
            ("https://c:8443/0123456789abcdef01234567/hosts", "https://c:8443/***/hosts"),
            ("no ec2-10-0-0-4.compute-1.amazonaws.com", "no ec2-10-0-0-4.compute-1.amazonaws.com"),
            (
                "File \"/opt/plugins-0123456789abcdef/x.py\", 3",
                "File \"/opt/plugins-0123456789abcdef/x.py\", 3",
            ),
        ] {
            assert_eq!(without_secrets(said), kept);
        }
    }
}
