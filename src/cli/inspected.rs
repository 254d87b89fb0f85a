//! Output of `inspect` commands: JSON, a template filled for each object, or text for people.

use serde_json::Value;

use super::report::Failure;
use super::template::Template;
use crate::model::json::{json_line, json_lines};

/// An output format of `inspect`.
#[derive(Debug)]
pub(super) enum Inspected {
    /// All of it in one array: on many lines, or on one.
    Json { is_line: bool },
    /// A template, once for each.
    Filled(Template),
    /// As text.
    Pretty,
}

impl Inspected {
    /// The format that the flags choose.
    pub(super) fn of(format: Option<&str>, is_pretty: bool) -> Result<Self, Failure> {
        Ok(match format {
            _ if is_pretty => Self::Pretty,
            None => Self::Json { is_line: false },
            Some("json") => Self::Json { is_line: true },
            Some(template) => Self::Filled(Template::parse(template)?),
        })
    }

    /// Prints it; `pretty` makes the text of each, in the order of the values.
    pub(super) fn print(
        &self,
        values: Vec<Value>,
        pretty: impl FnMut(usize) -> String,
    ) -> Result<String, Failure> {
        Ok(match self {
            Self::Pretty => (0..values.len()).map(pretty).collect::<Vec<_>>().join("\n"),
            Self::Filled(template) => {
                let lines = values.iter().map(|value| Ok(template.render(value)? + "\n"));
                lines.collect::<Result<String, Failure>>()?
            }
            Self::Json { is_line: true } => json_line(&values.into()) + "\n",
            Self::Json { is_line: false } => json_lines(&values.into()) + "\n",
        })
    }
}
