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
/// What follows a name of a secret: `password=…`, `token: …`, `Bearer …`.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)(?P<name>(?:passw(?:or)?d|passphrase|passwd|pwd|secret|token|api[_-]?key|credentials?|bearer|basic)['"]?(?:\s*[=:]\s*|\s+)['"]?)[^\s'"&]+"#,
    )
});
/// What follows the option by which programs take a password: `-P …`, `-p…`.
static OPTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?P<name>(?:^|\s)-[pP]\s*)\S+"));
/// `scheme://user:password@`.
static LOGIN: LazyLock<Regex> = LazyLock::new(|| pattern(r"://[^\s/@]+@"));
static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"\S+"));
/// A part of an address.
static PART: LazyLock<Regex> = LazyLock::new(|| pattern(r"[^/?&=#:]+"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is ours, and tested")
}

/// `said` without what looks like a secret. Its lines stay.
#[must_use]
pub fn without_secrets(said: &str) -> String {
    let shown = NAMED.replace_all(said, format!("${{name}}{HIDDEN}"));
    let shown = OPTION.replace_all(&shown, format!("${{name}}{HIDDEN}"));
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

/// A long run of letters and digits is more likely a token than a word, or a part of a host's name.
fn unless_random(word: &str) -> String {
    let is_random = |part: &str| {
        let has = |is: fn(&char) -> bool| part.chars().any(|c| is(&c));
        part.len() >= TOKEN_MIN && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
    };
    if word.split('.').any(is_random) { HIDDEN.to_owned() } else { word.to_owned() }
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
