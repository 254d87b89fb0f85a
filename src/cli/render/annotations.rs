//! Mistakes of a stackfile and changes of a deploy as annotations of a pull request: GitHub's workflow commands,
//! GitLab's code quality report.
//!
//! No value can end a command or a field: GitHub's own escapes and JSON prevent that.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstream::adapter::strip_str;
use miette::Diagnostic;
use serde_json::{Value, json};

use super::plan::{PlanView, change_lines, summary};
use super::text::clean_block;
use crate::cli::report::to_json;
use crate::compose::Written;
use crate::diff::DiffKind;
use crate::model::ids::sha256_hex;
use crate::yaml::{Drawn, Place, Severity};

/// Characters of one message.
const MESSAGE_CHARS_MAX: usize = 2_000;
/// The code of annotations that come from a diff and not from a diagnostic.
const DIFF: &str = "stackctl diff";

/// An annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// A diagnostic's code, or that of a diff.
    pub title: String,
    pub message: String,
    /// Name of the file, or empty.
    pub file: String,
    /// From 1; 0 without a place.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The deploy is blocked.
    Error,
    /// The deploy is possible, but perhaps not as intended.
    Warning,
    /// Good to know.
    Notice,
}

impl Finding {
    fn new(level: Level, title: &str, message: &str) -> Self {
        let message = clean_block(&strip_str(message).to_string()).into_owned();
        let cut = message.char_indices().nth(MESSAGE_CHARS_MAX).map(|(at, _)| at);
        let message = cut.map_or_else(|| message.clone(), |at| format!("{}…", &message[..at]));
        Self { level, title: title.to_owned(), message, file: String::new(), line: 0, column: 0 }
    }

    /// At a place.
    #[must_use]
    pub fn at(self, place: &Place<'_>) -> Self {
        Self { file: place.file.to_owned(), line: place.line, column: place.column, ..self }
    }

    /// Whether the author should act on it.
    #[must_use]
    pub fn is_worse_than_a_notice(&self) -> bool {
        self.level < Level::Notice
    }

    /// `compose.yaml:3:5`, if it has a place.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        (!self.file.is_empty()).then(|| format!("{}:{}:{}", self.file, self.line, self.column))
    }
}

/// The annotations of a diagnostic, or of the diagnostics that it consists of.
#[must_use]
pub fn of_diagnostic(diagnostic: &dyn Diagnostic) -> Vec<Finding> {
    let mut found = Vec::new();
    collect(&to_json(diagnostic), &mut found);
    found
}

fn collect(value: &Value, found: &mut Vec<Finding>) {
    let related = value["related"].as_array().map(Vec::as_slice).unwrap_or_default();
    let label = &value["labels"][0];
    if !related.is_empty() && label.is_null() {
        related.iter().for_each(|one| collect(one, found));
        return;
    }
    let level = match value["severity"].as_str() {
        Some("warning") => Level::Warning,
        Some("advice") => Level::Notice,
        _ => Level::Error,
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut message = text(&value["message"]);
    for cause in value["causes"].as_array().into_iter().flatten() {
        let _ = write!(message, ": {}", text(cause));
    }
    if let Some(help) = value["help"].as_str() {
        let _ = write!(message, "\nhelp: {help}");
    }
    let title = value["code"].as_str().unwrap_or("stackctl");
    let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let finding = Finding::new(level, title, &message);
    let (file, line, column) = (text(&label["file"]), number(&label["line"]), number(&label["column"]));
    found.push(Finding { file, line, column, ..finding });
}

/// The annotations of warnings and notes.
#[must_use]
pub fn of_notes(notes: &[Drawn]) -> Vec<Finding> {
    let one = |drawn: &Drawn| {
        let level = match drawn.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
            Severity::Note => Level::Notice,
        };
        let help = drawn.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
        let finding = Finding::new(level, &drawn.code, &format!("{}{help}", drawn.message));
        Finding { file: drawn.file.clone(), line: drawn.line, column: drawn.column, ..finding }
    };
    notes.iter().map(one).collect()
}

/// The annotations of a plan: each change at its field, and one line with the sum of a deploy.
#[must_use]
pub fn of_plan(view: &PlanView<'_>, written: Option<&Written<'_>>) -> Vec<Finding> {
    let mut found = Vec::new();
    let placed = |finding: Finding, service: &str, path: &str| match written {
        Some(written) => finding.at(&written.of_field(service, path)),
        None => finding,
    };
    for service in &view.diff.services {
        let name = service.name.as_str();
        let whole = match service.kind {
            DiffKind::Added => Some(format!("service {name} is new")),
            DiffKind::Removed => Some(format!("service {name} is removed")),
            DiffKind::Changed | DiffKind::Unchanged => None,
        };
        found.extend(whole.map(|text| placed(Finding::new(Level::Notice, DIFF, &text), name, "")));
        for change in &service.changes {
            let text = format!("{name}: {}", change_lines(change).join("\n"));
            found.push(placed(Finding::new(Level::Notice, DIFF, &text), name, &change.path));
        }
    }
    for drift in &view.drift.found {
        let text = format!("drift: {}.{} on {}: {}", drift.service, drift.slot, drift.node, drift.kind);
        found.push(placed(Finding::new(Level::Warning, DIFF, &text), drift.service.as_str(), ""));
    }
    found.extend(view.notes.iter().map(|note| Finding::new(Level::Notice, DIFF, &note.to_string())));
    found.push(Finding::new(Level::Notice, DIFF, &format!("stack {}: {}", view.stack, summary(view))));
    found
}

/// Workflow commands: GitHub shows them at the lines.
#[must_use]
pub fn github(found: &[Finding]) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut out = String::new();
    for one in found {
        let command = match one.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Notice => "notice",
        };
        let mut properties = Vec::new();
        if !one.file.is_empty() {
            properties.push(format!("file={}", property(&one.file)));
            properties.push(format!("line={},col={}", one.line, one.column));
        }
        properties.push(format!("title={}", property(&one.title)));
        let _ = writeln!(out, "::{command} {}::{}", properties.join(","), data(&one.message));
    }
    out
}

/// A code quality report. GitLab needs a file and a line for each: without one, it goes to the top of `file`.
#[must_use]
pub fn gitlab(found: &[Finding], file: &str) -> Value {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let issues = found.iter().map(|one| {
        let severity = match one.level {
            Level::Error => "critical",
            Level::Warning => "minor",
            Level::Notice => "info",
        };
        let path = if one.file.is_empty() { file } else { &one.file };
        // The line is left out, so that a moved issue keeps its fingerprint.
        let key = format!("{}\n{path}\n{}", one.title, one.message);
        let nth = seen.entry(key.clone()).or_default();
        let fingerprint = sha256_hex(format!("{key}\n{nth}").as_bytes());
        *nth += 1;
        json!({
            "description": one.message,
            "check_name": one.title,
            "fingerprint": fingerprint,
            "severity": severity,
            "location": { "path": path.trim_start_matches("./"), "lines": { "begin": one.line.max(1) } },
        })
    });
    issues.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nasty() -> Finding {
        let finding = Finding::new(Level::Error, "a::b", "50%\r\n::error::\x1b[2J x");
        Finding { file: "a,b:c.yml".into(), line: 3, column: 5, ..finding }
    }

    #[test]
    fn nothing_in_a_value_ends_a_command() {
        assert_eq!(
            github(&[nasty()]),
            "::error file=a%2Cb%3Ac.yml,line=3,col=5,title=a%3A%3Ab::50%25\\r%0A::error:: x\n"
        );
    }

    #[test]
    fn every_issue_has_a_place_and_a_fingerprint_of_its_own() {
        let homeless = Finding::new(Level::Notice, "x", "y");
        let report = gitlab(&[nasty(), homeless.clone(), homeless], "./app.yml");
        assert_eq!(report[0]["location"], json!({"path": "a,b:c.yml", "lines": {"begin": 3}}));
        assert_eq!(report[1]["location"], json!({"path": "app.yml", "lines": {"begin": 1}}));
        assert_eq!((&report[0]["severity"], &report[1]["severity"]), (&"critical".into(), &"info".into()));
        assert_ne!(report[1]["fingerprint"], report[2]["fingerprint"]);
        assert_eq!(report, gitlab(&[nasty(), report_of("y"), report_of("y")], "./app.yml"));
    }

    fn report_of(text: &str) -> Finding {
        Finding::new(Level::Notice, "x", text)
    }

    #[test]
    fn long_messages_are_cut() {
        let one = Finding::new(Level::Notice, "x", &"é".repeat(5_000));
        assert_eq!(one.message.chars().count(), MESSAGE_CHARS_MAX + 1);
    }
}
