//! Hides what looks like a password in values that are shown.
//!
//! Plans are pasted into pull requests and shown to users who push. Passwords belong in `secrets:`, but people also put
//! them into addresses, arguments and health checks. Values are compared before this hides a part of them.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::Value;

use crate::model::marks::is_mark;

/// Replaces a value that looks like a password.
pub const HIDDEN: &str = "(hidden)";

/// Words in names of secrets, such as `PGPASSWORD`, `--api-key` and `client_secret`.
const WORDS: &str =
    "pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|api[_-]?key|access[_-]?key|private[_-]?key";

/// `scheme://user:password@`, and `scheme://token@` where that is too long for the name of a user.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    expect(r#"(?P<before>[A-Za-z][A-Za-z0-9+.-]*://(?:[^\s/:@'"?#]*:)?)(?P<secret>[^\s/'"?#]+)@"#)
});
/// `NAME=value`, `NAME = value` and `NAME: value`.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    expect(&format!(
        r#"(?i)(?P<before>[a-z0-9_.-]*(?:{WORDS})[a-z0-9_.-]*["']?(?:\s*=\s*|:\s+))(?P<secret>"[^"]*"|'[^']*'|[^\s,;&'"]+)"#
    ))
});
/// A flag whose value is the next word.
static FLAG: LazyLock<Regex> = LazyLock::new(|| expect(&format!("(?i)^--?[a-z0-9_.-]*(?:{WORDS})$")));
/// Tokens with a recognizable form, of GitHub, GitLab, Slack, Stripe, AWS, and JSON web tokens.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    expect(
        r"\b(?:gh[opsur]_|github_pat_|glpat-|xox[abeprs]-|[rs]k_live_|AKIA|eyJ[A-Za-z0-9_-]+\.)[A-Za-z0-9_.-]{8,}",
    )
});
/// `$NAME` and `${NAME}`.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| expect(r"^\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})$"));
/// A user of an address that is longer is a token.
const USER_CHARS_MAX: usize = 16;

fn expect(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is ours, and tested")
}

/// Whether a name is that of a secret.
pub(super) fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "pass",
        "pwd",
        "secret",
        "token",
        "credential",
        "private",
        "cookie",
        "api_key",
        "apikey",
        "access_key",
        "auth",
        "_pat",
        "dsn",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// A value as it may be shown.
pub(super) fn veiled(value: &Value) -> Value {
    match value {
        Value::String(text) if is_mark(text) => HIDDEN.into(),
        Value::String(text) => text_veiled(text).into_owned().into(),
        Value::Array(all) => Value::Array(words_veiled(all)),
        Value::Object(all) => all
            .iter()
            .map(|(key, value)| (key.clone(), veiled(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// Words of a command: a password may be the one after its flag.
fn words_veiled(all: &[Value]) -> Vec<Value> {
    let mut before: Option<&str> = None;
    let mut shown = Vec::new();
    for value in all {
        let word = value.as_str();
        shown.push(match (before, word) {
            (Some(flag), Some(word)) if FLAG.is_match(flag) && !word.starts_with('-') => HIDDEN.into(),
            (Some("-u" | "--user"), Some(word)) => match word.split_once(':') {
                // `--user 1000:1000` is an owner, not a password.
                Some((user, password)) if password.parse::<u32>().is_err() => {
                    format!("{user}:{HIDDEN}").into()
                }
                _ => veiled(value),
            },
            _ => veiled(value),
        });
        before = word;
    }
    shown
}

fn text_veiled(text: &str) -> Cow<'_, str> {
    let text = ADDRESS.replace_all(text, |found: &regex_lite::Captures<'_>| {
        let (before, secret) = (&found["before"], &found["secret"]);
        // Without a password, this part is the user.
        if before.ends_with("//") && secret.chars().count() <= USER_CHARS_MAX {
            return found[0].to_owned();
        }
        format!("{before}{HIDDEN}@")
    });
    let text = TOKEN.replace_all(&text, HIDDEN).into_owned();
    let text = NAMED.replace_all(&text, |found: &regex_lite::Captures<'_>| {
        let (before, secret) = (&found["before"], &found["secret"]);
        // Not secret: the name of a file, a variable that is filled in later, and what is hidden already.
        let is_elsewhere = before.to_ascii_lowercase().contains("file")
            || VARIABLE.is_match(secret)
            || secret.starts_with(HIDDEN);
        if is_elsewhere { found[0].to_owned() } else { format!("{before}{HIDDEN}") }
    });
    text.into_owned().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn passwords_in_values_are_hidden_and_what_is_around_them_is_not() {
        for (text, shown) in [
            ("postgres://app:hunter2@db:5432/x", "postgres://app:(hidden)@db:5432/x"),
            ("postgres://app:hun@ter2@db/x", "postgres://app:(hidden)@db/x"),
            ("redis://:hunter2@r:6379", "redis://:(hidden)@r:6379"),
            ("https://0123456789abcdef0123@sentry.example.com/1", "https://(hidden)@sentry.example.com/1"),
            ("ssh://git@git.example.com/x", "ssh://git@git.example.com/x"),
            ("http://h:80/a?mail=a@b http://h/@x", "http://h:80/a?mail=a@b http://h/@x"),
            (
                "curl http://a:b@h && curl http://c:d@h",
                "curl http://a:(hidden)@h && curl http://c:(hidden)@h",
            ),
            ("--password=hunter2 --port=80", "--password=(hidden) --port=80"),
            ("PGPASSWORD='hun ter2' psql -h db", "PGPASSWORD=(hidden) psql -h db"),
            ("a = 1\npassword = hunter2\nb = 2\n", "a = 1\npassword = (hidden)\nb = 2\n"),
            ("client_secret: hunter2\nname: x\n", "client_secret: (hidden)\nname: x\n"),
            ("{\"api_key\": \"hunter2\", \"n\": 1}", "{\"api_key\": (hidden), \"n\": 1}"),
            ("PASSWORD_FILE=/run/secrets/db --token=$TOKEN", "PASSWORD_FILE=/run/secrets/db --token=$TOKEN"),
            ("/run/secrets:/x my-token:80", "/run/secrets:/x my-token:80"),
            ("use ghp_0123456789abcdef now", "use (hidden) now"),
            ("plain text, --mode=fast", "plain text, --mode=fast"),
        ] {
            assert_eq!(veiled(&json!(text)), json!(shown), "{text}");
        }
    }

    #[test]
    fn the_word_after_a_flag_is_hidden() {
        let command =
            json!(["run", "--password", "hunter2", "-u", "ann:hunter2", "--user", "1000:1000", "x"]);
        let shown =
            json!(["run", "--password", "(hidden)", "-u", "ann:(hidden)", "--user", "1000:1000", "x"]);
        assert_eq!(veiled(&command), shown);
        let flags = json!(["--token-stdin", "--no-password", "--fast"]);
        assert_eq!(veiled(&flags), flags);
    }
}
