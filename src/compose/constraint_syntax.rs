//! The grammar of placement constraints, `node.labels.zone == a`, as SwarmKit's
//! `manager/constraint` has it. Says whether one can be read, not whether a node meets it.

use std::ops::Range;

use crate::yaml::closest;

/// Keys with a fixed name; besides them there are `node.labels.<key>` and `engine.labels.<key>`.
const KEYS: [&str; 7] = [
    "node.id",
    "node.hostname",
    "node.ip",
    "node.role",
    "node.platform.os",
    "node.platform.arch",
    "node.labels.",
];

/// What is wrong with a constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Fit for a label.
    pub why: String,
    /// Which part of the text.
    pub part: Range<usize>,
    /// What may have been meant.
    pub help: Option<String>,
}

/// Checks one constraint.
pub fn check(text: &str) -> Result<(), SyntaxError> {
    let fault = |why: &str, part: Range<usize>, help: Option<String>| {
        Err(SyntaxError { why: why.to_owned(), part, help })
    };
    let Some(at) = ["==", "!="].iter().filter_map(|operator| text.find(operator)).min() else {
        return fault(
            "no `==` or `!=` in it",
            0..text.len(),
            Some("write it as `node.role == worker`".to_owned()),
        );
    };
    let (key, value) = (text[..at].trim(), text[at + 2..].trim());
    let key_start = text[..at].len() - text[..at].trim_start().len();
    let key_part = key_start..key_start + key.len();
    let lower = key.to_ascii_lowercase();
    let mut chars = lower.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    let rest = chars.as_str();
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if !first || rest.is_empty() || !rest.chars().all(allowed) {
        return fault("not a key", key_part, Some("a key looks like `node.labels.zone`".to_owned()));
    }
    if value.is_empty() {
        return fault("nothing to compare with", at..text.len(), None);
    }
    let value_fits = value
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c.is_whitespace() || r":-_.*()?+[]\^$|/".contains(c));
    if !value_fits {
        return fault(
            "a character that a value cannot have",
            at + 2..text.len(),
            Some("a value has letters, digits and any of `-_.:/`".to_owned()),
        );
    }
    let labelled = |prefix: &str| lower.strip_prefix(prefix).is_some_and(|label| !label.is_empty());
    if labelled("node.labels.") || labelled("engine.labels.") || KEYS[..6].contains(&lower.as_str()) {
        return Ok(());
    }
    let known: Vec<&str> = KEYS.iter().map(|known| known.trim_start_matches("node.")).collect();
    let own = lower.strip_prefix("node.");
    let help = match (closest(own.unwrap_or(&lower), &known), own) {
        (Some(near), _) => format!("did you mean `node.{near}`?"),
        (None, Some(own)) => format!("did you mean `node.labels.{own}`?"),
        (None, None) => "keys are `node.id`, `node.hostname`, `node.ip`, `node.role`, `node.platform.os`, \
                 `node.platform.arch`, `node.labels.…` and `engine.labels.…`"
            .to_owned(),
    };
    fault("no node has such a property", key_part, Some(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_swarmkit_reads_is_read() {
        for text in [
            "node.role == worker",
            "node.role==manager",
            "node.labels.com.example.zone != eu-1",
            "engine.labels.operatingsystem == ubuntu 14.04",
            "node.hostname != *",
            " node.platform.os == linux ",
            "node.ip == 10.0.0.0/8",
            "Node.Role == worker",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_it_does_not_is_pointed_at() {
        let shown = |text: &str| {
            let error = check(text).unwrap_err();
            format!("{}: `{}` {}", error.why, &text[error.part], error.help.unwrap_or_default())
        };
        assert_eq!(
            shown("node.rol == worker"),
            "no node has such a property: `node.rol` did you mean `node.role`?"
        );
        assert_eq!(
            shown("node.zone == a"),
            "no node has such a property: `node.zone` did you mean `node.labels.zone`?"
        );
        assert_eq!(
            shown("node.role = worker"),
            "no `==` or `!=` in it: `node.role = worker` write it as `node.role == worker`"
        );
        assert!(shown("1a == b").starts_with("not a key: `1a`"));
        assert!(shown("node.id ==").starts_with("nothing to compare with"));
    }
}
