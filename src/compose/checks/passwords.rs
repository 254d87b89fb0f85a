//! Passwords that the stackfile itself holds in `environment`: all readers of the repository see them, and so does
//! everyone who may inspect the container.
//!
//! Only what the file writes is meant. A variable that is filled in (`${DB_PASSWORD}`) and an `env_file` keep the value out
//! of the file, which is the first step; a literal default (`${DB_PASSWORD:-hunter2}`) does not. A name that ends in `_FILE`
//! names a file, an empty value is none, and `yes` and `no` are settings, such as `ALLOW_EMPTY_PASSWORD`.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::Scene;
use crate::compose::stackfile::Service;
use crate::model::secret_env::SCHEME;
use crate::yaml::{Diagnostic, Entry, Node, Value};

/// Ends of names, in words: `POSTGRES_PASSWORD`, `PGPASSWORD`, `DJANGO_SECRET_KEY`, `GITHUB_TOKEN`.
static NAME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:passw(?:or)?d|passphrase|(?:^|_)(?:pass|pwd)|secret|token|credentials?|(?:^|_)(?:api_?key|access_?key|(?:private|secret|encryption|signing|master)_?key(?:_base)?))[0-9]*$",
    )
});
/// `scheme://user:password@host`.
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'"?#]*:[^\s/@'"?#$]+@"#));
/// Keys and tokens with a form of their own: PEM, GitHub, GitLab, Slack, Stripe, AWS, and JSON web tokens.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(?:gh[opsur]_|github_pat_|glpat-|xox[abeprs]-|[rs]k_(?:live|test)_|AKIA|eyJ[A-Za-z0-9_-]+\.)[A-Za-z0-9_.-]{8,}",
    )
});
/// A default that is written out: `${NAME:-hunter2}`.
static DEFAULT: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$\{[A-Za-z_]\w*:?-(?P<default>[^}$]+)\}"));
/// Values that switch something.
const SWITCHES: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "0", "1", "none", "null"];

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is ours, and tested")
}

pub(super) fn check(scene: &Scene<'_>, service: &Service) {
    let Some(environment) = scene.under(service, &["environment"]).and_then(Node::as_map) else { return };
    // What names a secret is none.
    let is_reference = |node: &Node| node.as_text().is_some_and(|text| text.starts_with(SCHEME));
    let is_plain = |name: &str| service.plain_values.iter().any(|plain| plain.value == name);
    let entries =
        environment.entries.iter().filter(|entry| !is_plain(&entry.key) && !is_reference(&entry.value));
    let found: Vec<&Entry> = entries.filter(|entry| is_password(scene, entry)).collect();
    found.into_iter().for_each(|entry| tell(scene, service, entry));
}

fn is_password(scene: &Scene<'_>, entry: &Entry) -> bool {
    let name = entry.key.value.as_str();
    // From an environment file: its place is that of the file's name.
    let is_written_here = scene.sink.sources().slice(entry.key.span).contains(name);
    // What a variable stands for is not the file's; a default is.
    let value = if scene.sink.is_literal(&entry.value) {
        text(&entry.value)
    } else {
        default(scene.sink.sources().slice(entry.value.span))
    };
    let Some(value) = value.filter(|value| !value.is_empty() && is_written_here) else { return false };
    let is_switch = SWITCHES.contains(&value.to_lowercase().as_str());
    let is_path = value.starts_with('/') && !value.contains(char::is_whitespace);
    let is_named_so = NAME.is_match(name) && !is_switch && !is_path;
    is_named_so || ADDRESS.is_match(&value) || TOKEN.is_match(&value)
}

/// The default of a variable that is filled in.
fn default(written: &str) -> Option<String> {
    DEFAULT.captures(written).map(|found| found["default"].to_owned())
}

/// A scalar as the container gets it.
fn text(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(_) | Value::Float(_) => Some("a number".to_owned()),
        Value::Bool(_) | Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

fn tell(scene: &Scene<'_>, service: &Service, entry: &Entry) {
    let name = scene.sink.shown(&entry.key);
    scene.sink.push(
        Diagnostic::warning(
            "password_in_stackfile",
            format!("variable `{name}` of service `{}` looks like a password", service.key.value),
        )
        .at(entry.key.span, "its value stands in the stackfile")
        .help(format!(
            "fill it in, `{name}: ${{{name}}}`, or take it from an `env_file` outside the repository; if it is no \
             secret, list the name in `x-stackctl: {{plain_values: [{name}]}}` of the service"
        )),
    );
}
