//! Variables as docker's pattern sees them: after a name an operator and its text may follow, braces or
//! not, up to the next `}`. Source: `cli/compose/template` of docker's client.

use std::ops::Range;

use crate::compose::variable::{Env, name};

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No variable behind the dollar.
    Malformed(Range<usize>),
    /// Required, and not set or empty. With its name and message.
    Required(Range<usize>, String, String),
}

/// Fills in the variables of a text.
pub fn fill(text: &str, env: Env<'_>) -> Result<String, Fault> {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(dollar) = text[at..].find('$').map(|offset| at + offset) {
        out.push_str(&text[at..dollar]);
        let rest = &text[dollar + 1..];
        let (inner, end) = if rest.starts_with('$') {
            out.push('$');
            at = dollar + 2;
            continue;
        } else if let Some(length) = substitution(rest) {
            (&rest[..length], dollar + 1 + length)
        } else if let Some(inside) = rest.strip_prefix('{')
            && let Some(length) = substitution(inside)
            && inside[length..].starts_with('}')
        {
            (&inside[..length], dollar + 2 + length + 1)
        } else {
            let end = dollar + 1 + rest.chars().next().map_or(0, char::len_utf8);
            return Err(Fault::Malformed(dollar..end));
        };
        out.push_str(&value(inner, env, dollar..end)?);
        at = end;
    }
    out.push_str(&text[at..]);
    Ok(out)
}

/// How much of a text is a name with, perhaps, an operator and what belongs to it.
fn substitution(text: &str) -> Option<usize> {
    let name = name(text).len();
    if name == 0 {
        return None;
    }
    let behind = &text[name..];
    let has_operator = [":-", ":?", "-", "?"].iter().any(|operator| behind.starts_with(operator));
    Some(if has_operator { name + behind.find('}').unwrap_or(behind.len()) } else { name })
}

/// The operators are looked for anywhere, one after the other: in `A-b:-c` the name is `A-b`.
fn value(inner: &str, env: Env<'_>, part: Range<usize>) -> Result<String, Fault> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    if let Some((name, default)) = inner.split_once(":-") {
        return Ok(set(name).unwrap_or_else(|| default.to_owned()));
    }
    if let Some((name, default)) = inner.split_once('-') {
        return Ok(env(name).unwrap_or_else(|| default.to_owned()));
    }
    let required = |name: &str, message: &str, value: Option<String>| {
        value.ok_or_else(|| Fault::Required(part.clone(), name.to_owned(), message.to_owned()))
    };
    if let Some((name, message)) = inner.split_once(":?") {
        return required(name, message, set(name));
    }
    if let Some((name, message)) = inner.split_once('?') {
        return required(name, message, env(name));
    }
    Ok(env(inner).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("va".to_owned()),
            "E" => Some(String::new()),
            _ => None,
        }
    }

    /// Answers of docker's client 28.2.2.
    #[test]
    fn as_docker_fills_in() {
        for (text, expected) in [
            ("x:${U:-}|${U-}|", "x:||"),
            ("$A-b", "va"),
            ("$U-bar/$A x", "bar/$A x"),
            ("$U-b} z $A", "b} z va"),
            ("${A-b:-c}", "c"),
            ("${U?x-y}", "y"),
            ("$A?", "va"),
            ("${U:-$$A}", "$$A"),
            ("${U:-${A}}", "${A}"),
            ("$U:x", ":x"),
            ("$A:b", "va:b"),
            ("${E:-d}${E-d}", "d"),
            ("$$A", "$A"),
        ] {
            assert_eq!(fill(text, &env).as_deref(), Ok(expected), "{text}");
        }
        for text in ["${U:+b}", "$", "${}", "$1", "${A", "$é"] {
            assert!(matches!(fill(text, &env), Err(Fault::Malformed(_))), "{text}");
        }
        assert_eq!(fill("a$U?x", &env), Err(Fault::Required(1..5, "U".to_owned(), "x".to_owned())));
        assert!(fill("${E:?}", &env).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[${}A:?+a é-]{0,24}") {
            let _ = fill(&text, &env);
        }
    }
}
