//! `stackctl explain-code`: explains a diagnostic code at length.

use serde_json::{Value, json};

use super::Context;
use super::codes::{self, Code};
use super::format::Format;
use super::render::{style, table, text};
use super::report::{Exit, Failure};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("A whole code", "stackctl explain-code stackctl::compose::bad_port"),
    ("The last part is enough", "stackctl explain-code bad_port"),
    ("List all codes", "stackctl explain-code"),
];

/// Arguments of `explain-code`.
#[derive(Debug, clap::Args)]
pub struct ExplainCode {
    /// A code as a message shows it, or its last part; without one all codes are listed
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
    /// text, or json for programs
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("there is no code `{asked}`")]
#[diagnostic(code(stackctl::cli::unknown_code), help("{help}"))]
struct UnknownCode {
    asked: String,
    help: String,
}

pub(super) fn run(args: &ExplainCode, context: &Context) -> Result<Exit, Failure> {
    let rows: Vec<&Code> = match &args.code {
        None => codes::all().collect(),
        Some(asked) => codes::find(asked),
    };
    if let (Some(asked), true) = (&args.code, rows.is_empty()) {
        let help = match codes::near(asked) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`stackctl explain-code` lists all of them".to_owned(),
        };
        return Err(Failure::usage(UnknownCode { asked: text::clean(asked).into_owned(), help }));
    }
    let out = match (args.format, &args.code) {
        (Format::Json, _) => {
            format!("{:#}\n", Value::Array(rows.iter().flat_map(|row| machine(row)).collect()))
        }
        (Format::Text, None) => list(&rows),
        (Format::Text, Some(_)) => {
            let pages: Vec<String> = rows.iter().map(|row| page(row, context.ui.width())).collect();
            pages.join("\n")
        }
    };
    context.ui.data(&out);
    Ok(Exit::Done)
}

fn machine(code: &Code) -> impl Iterator<Item = Value> {
    code.codes().map(|full| {
        json!({
            "code": full,
            "title": code.title,
            "cause": code.cause,
            "remedy": code.remedy,
            "example": code.example,
        })
    })
}

fn list(rows: &[&Code]) -> String {
    let mut lines: Vec<String> =
        rows.iter().flat_map(|row| row.codes().map(|full| format!("{full}\t{}", row.title))).collect();
    lines.sort();
    table::align(&lines)
}

fn page(code: &Code, width: usize) -> String {
    let mut out = String::new();
    for full in code.codes() {
        out.push_str(&style::paint(style::STRONG, &full));
        out.push('\n');
    }
    out.push_str(&format!("  {}\n", code.title));
    for (heading, paragraph) in [("Cause", code.cause), ("Remedy", code.remedy)] {
        out.push_str(&format!("\n{}\n{}", style::paint(style::STRONG, heading), wrapped(paragraph, width)));
    }
    out.push_str(&format!("\n{}\n", style::paint(style::STRONG, "Example")));
    for line in code.example.lines() {
        out.push_str(&format!("    {line}\n"));
    }
    let topic = code.topic();
    out.push_str(&format!("\n{}\n    stackctl help {topic}\n", style::paint(style::STRONG, "Topic")));
    out
}

/// A paragraph, indented, broken between words.
fn wrapped(paragraph: &str, width: usize) -> String {
    const INDENT: &str = "  ";
    const WIDTH_MAX: usize = 90;
    let room = width.min(WIDTH_MAX).saturating_sub(INDENT.len());
    let mut out = String::new();
    let mut line = String::new();
    for word in paragraph.split(' ') {
        if !line.is_empty() && text::width(&line) + 1 + text::width(word) > room {
            out.push_str(&format!("{INDENT}{line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    out + &format!("{INDENT}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_broken_between_words() {
        assert_eq!(wrapped("one two three four", 11), "  one two\n  three\n  four\n");
        assert_eq!(wrapped("a-word-that-does-not-fit b", 10), "  a-word-that-does-not-fit\n  b\n");
    }
}
