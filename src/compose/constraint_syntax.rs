//! Mistakes of a placement constraint, with a caret and advice. What this accepts, the orchestrator can evaluate.

use std::ops::Range;

use crate::model::constraint::{Constraint, ConstraintError, KEYS, operator, value_start};
use crate::yaml::closest;

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
    let Err(error) = Constraint::parse(text) else { return Ok(()) };
    let fault = |why: &str, part: Range<usize>, help: Option<String>| {
        Err(SyntaxError { why: why.to_owned(), part, help })
    };
    let at = operator(text).unwrap_or(text.len());
    let key = text[..at].trim();
    let key_start = at - text[..at].trim_start().len();
    let key_part = key_start..key_start + key.len();
    match error {
        ConstraintError::NoOperator => fault(
            "no `==` or `!=` in it",
            0..text.len(),
            Some("write it as `node.role == worker`".to_owned()),
        ),
        ConstraintError::BadKey(_) => {
            fault("not a key", key_part, Some("a key looks like `node.labels.zone`".to_owned()))
        }
        ConstraintError::BadValue(value) if value.is_empty() => {
            fault("nothing to compare with", at..text.len(), None)
        }
        ConstraintError::BadValue(_) => fault(
            "a character that a value cannot have",
            value_start(text)..text.len(),
            Some("a value has letters, digits and any of `-_.:/`; `*` stands for any characters".to_owned()),
        ),
        ConstraintError::BadRegex { why, .. } => fault(
            "not a regular expression",
            value_start(text)..text.trim_end().len(),
            Some(format!("{}; what stands between two slashes is one", why.lines().last().unwrap_or(&why))),
        ),
        ConstraintError::UnknownKey(key) => {
            fault("no node has such a property", key_part, Some(meant(&key.to_ascii_lowercase())))
        }
    }
}

/// What may have been meant by a key, in lower case.
fn meant(key: &str) -> String {
    let known: Vec<&str> =
        KEYS.iter().map(|known| known.trim_start_matches("node.")).chain(["labels."]).collect();
    let own = key.strip_prefix("node.");
    match (closest(own.unwrap_or(key), &known), own) {
        (Some(near), _) => format!("did you mean `node.{near}`?"),
        (None, Some(own)) => format!("did you mean `node.labels.{own}`?"),
        (None, None) => "keys are `node.id`, `node.hostname`, `node.ip`, `node.role`, `node.platform.os`, \
             `node.platform.arch`, `node.labels.…` and `engine.labels.…`"
            .to_owned(),
    }
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
