//! What the right side of a constraint stands for: a text, a glob, or a regular expression.
//!
//! The two patterns are Swarm classic's (`scheduler/filter/expr.go`): `*` stands for any characters, a
//! value between slashes is a regular expression and need not match the whole. Case never matters, as in
//! SwarmKit's comparison of texts; an expression that cares says `(?-i)`.

use std::cmp::Ordering;

use regex_lite::{Regex, RegexBuilder};

/// The value of a constraint, ready to be compared with.
///
/// A text compares as SwarmKit compares. In SwarmKit a `*` stands for itself, so a constraint with one
/// holds nowhere unless a label's value has the star too, and such a value is matched by the glob as well.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// As it stands.
    Text(String),
    /// Parts between the stars.
    Glob(String),
    /// Compiled, with its source.
    Regex(String, Regex),
}

/// Memory that one compiled expression may take: a file cannot make a plan large.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl Pattern {
    /// Whether a value is written as an expression.
    pub(super) fn is_regex(value: &str) -> bool {
        value.len() > 2 && value.starts_with('/') && value.ends_with('/')
    }

    /// Reads a value; the error says what is wrong with an expression.
    pub(super) fn parse(value: &str) -> Result<Self, String> {
        if Self::is_regex(value) {
            let source = &value[1..value.len() - 1];
            let built = RegexBuilder::new(source).case_insensitive(true).size_limit(REGEX_BYTES_MAX).build();
            return Ok(Self::Regex(value.to_owned(), built.map_err(|error| error.to_string())?));
        }
        Ok(if value.contains('*') { Self::Glob(value.to_owned()) } else { Self::Text(value.to_owned()) })
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Glob(_) | Self::Regex(..) => None,
        }
    }

    /// As written.
    pub(super) fn written(&self) -> &str {
        let (Self::Text(text) | Self::Glob(text) | Self::Regex(text, _)) = self;
        text
    }

    /// Whether a property has this value.
    pub(super) fn matches(&self, actual: &str) -> bool {
        match self {
            Self::Text(text) => text.eq_ignore_ascii_case(actual),
            Self::Glob(glob) => glob_matches(glob, actual),
            Self::Regex(_, regex) => regex.is_match(actual),
        }
    }
}

/// Each part between stars is taken where it first occurs: if any choice fits, that one does.
fn glob_matches(glob: &str, actual: &str) -> bool {
    let (glob, actual) = (glob.to_ascii_lowercase(), actual.to_ascii_lowercase());
    let mut parts = glob.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = actual.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

// Equal sources compile alike.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pattern {}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        let kind = |pattern: &Self| match pattern {
            Self::Text(_) => 0,
            Self::Glob(_) => 1,
            Self::Regex(..) => 2,
        };
        (kind(self), self.written()).cmp(&(kind(other), other.written()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_swarm_classic() {
        for (value, actual, matches) in [
            ("eu-1", "EU-1", true),
            ("eu-1", "eu-11", false),
            ("eu-*", "eu-west", true),
            ("EU-*", "eu-", true),
            ("eu-*", "us-eu-1", false),
            ("*-1", "eu-1", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*b", "a-b", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("/^eu-[12]$/", "eu-2", true),
            ("/^eu-[12]$/", "eu-3", false),
            ("/EU/", "in-eu-1", true),
            ("/(?-i)EU/", "in-eu-1", false),
            ("/", "/", true),
            ("//", "//", true),
        ] {
            assert_eq!(Pattern::parse(value).unwrap().matches(actual), matches, "{value} {actual}");
        }
        assert!(Pattern::parse("/eu-(/").is_err());
    }
}
