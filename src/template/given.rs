//! Values on their way through a template, and what is said of them.

use serde_json::Value;

use super::{Dialect, Wrong};

/// A value on its way: from the data, or text that is already safe where it goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    Data(Value),
    Safe(String),
}

impl Given {
    /// The value, wherever it comes from.
    #[must_use]
    pub fn into_value(self) -> Value {
        match self {
            Self::Data(value) => value,
            Self::Safe(text) => Value::String(text),
        }
    }

    /// A text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Safe(text) | Self::Data(Value::String(text)) => Some(text),
            Self::Data(_) => None,
        }
    }

    /// What it is, for a message.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Data(value) => kind(value),
            Self::Safe(_) => "a text",
        }
    }

    /// As Go prints it (`%v`), safe where it goes.
    pub(super) fn shown(&self, dialect: &dyn Dialect) -> Result<String, Wrong> {
        match self {
            Self::Safe(text) => Ok(text.clone()),
            Self::Data(value) => dialect.text(value),
        }
    }

    /// Go's notion of truth: not zero, not empty.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Safe(text) => !text.is_empty(),
            Self::Data(Value::Null) => false,
            Self::Data(Value::Bool(value)) => *value,
            Self::Data(Value::Number(number)) => number.as_f64() != Some(0.0),
            Self::Data(Value::String(text)) => !text.is_empty(),
            Self::Data(Value::Array(items)) => !items.is_empty(),
            Self::Data(Value::Object(map)) => !map.is_empty(),
        }
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Safe(text) => text.len(),
            Self::Data(value) => bytes(value),
        }
    }
}

fn bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| bytes(item) + 32).sum(),
        Value::Object(map) => map.iter().map(|(key, item)| key.len() + bytes(item) + 64).sum(),
    }
}

/// The mistake of a function that cannot use what it is given.
pub fn bad(function: &str, why: impl Into<String>) -> Wrong {
    Wrong::BadArgument { function: function.to_owned(), why: why.into() }
}

/// What a value is, for a message.
#[must_use]
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// As Go prints it (`%v`).
#[must_use]
pub fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(String::new, fraction),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_text).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let pairs: Vec<_> = map.iter().map(|(key, value)| format!("{key}:{}", go_text(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

/// As few digits as the number needs, with an exponent if it is very large or small.
fn fraction(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-4..1e21).contains(&size) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) =
                exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

/// The mistake of a text that is too long.
pub(super) fn too_long(bytes_max: usize) -> Wrong {
    Wrong::TooMuch(format!("it comes to more than {bytes_max} bytes"))
}
