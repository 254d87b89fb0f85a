//! `stackctl check`: reports all mistakes, warnings and notes of stackfiles. Asks no host.
//!
//! The findings are the answer, so they go to stdout; other commands print them to stderr.

use serde_json::json;

use super::Context;
use super::deploy::stack_name;
use super::format::Format;
use super::render::text;
use super::report::{Exit, Failure, draw};
use super::stackfiles::Stackfiles;
use crate::model::StackName;
use crate::yaml::{Drawn, Severity};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Find mistakes", "stackctl check -c docker-compose.yml"),
    ("In CI, with warnings as errors", "stackctl check --strict -c app.yml -c prod.yml"),
    ("For an editor or another program", "stackctl check --format json -c docker-compose.yml"),
];

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Check {
    #[command(flatten)]
    pub stackfiles: Stackfiles,
    /// Name of the stack [default: `name` in the files, or the name of the directory]
    #[arg(value_name = "STACK", value_parser = stack_name)]
    pub stack: Option<StackName>,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
    /// text, or json for programs
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

/// How many findings there are of each severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    errors: usize,
    warnings: usize,
    notes: usize,
}

pub(super) fn run(args: &Check, context: &Context) -> Result<Exit, Failure> {
    args.stackfiles.tell(&context.ui)?;
    let (mut found, left_out) = match args.stackfiles.read(args.stack.as_ref())? {
        Ok(loaded) => (loaded.notes, 0),
        Err(report) => {
            let mut found = report.faults;
            found.extend(report.notes);
            (found, report.left_out)
        }
    };
    let names = args.stackfiles.names()?;
    let rank = |file: &str| names.iter().position(|name| name == file).unwrap_or(names.len());
    // Faults and notes are in the order of the files already, and a stable sort keeps it.
    found.sort_by_key(|drawn| (rank(&drawn.file), drawn.line, drawn.column));
    if args.strict {
        for drawn in found.iter_mut().filter(|drawn| drawn.severity == Severity::Warning) {
            drawn.severity = Severity::Error;
        }
    }
    let mut counts = count(&found);
    counts.errors += left_out;
    match args.format {
        Format::Json => {
            let diagnostics: Vec<_> = found.iter().map(Drawn::machine).collect();
            let answer = json!({
                "files": names,
                "errors": counts.errors,
                "warnings": counts.warnings,
                "notes": counts.notes,
                "diagnostics": diagnostics,
            });
            context.ui.data(&format!("{answer:#}\n"));
        }
        Format::Text => {
            let is_quiet = context.ui.is_quiet();
            for drawn in found.iter().filter(|drawn| !is_quiet || drawn.severity != Severity::Note) {
                context.ui.data(&draw(drawn, context.ui.look()));
            }
            if left_out > 0 {
                context.ui.data(&format!("{left_out} more errors are not shown.\n"));
            }
            if !is_quiet {
                context.ui.data(&format!("{}\n", summary(&names, counts)));
            }
        }
    }
    Ok(if counts.errors > 0 { Exit::Refused } else { Exit::Done })
}

fn count(found: &[Drawn]) -> Counts {
    let of = |severity| found.iter().filter(|drawn| drawn.severity == severity).count();
    Counts { errors: of(Severity::Error), warnings: of(Severity::Warning), notes: of(Severity::Note) }
}

/// The last line: how many errors, warnings and notes.
fn summary(names: &[String], counts: Counts) -> String {
    let files = match names {
        [one] => one.clone(),
        several => format!("{} files", several.len()),
    };
    let parts: Vec<String> = [(counts.errors, "error"), (counts.warnings, "warning"), (counts.notes, "note")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| text::count(n, what))
        .collect();
    if parts.is_empty() {
        format!("{files}: nothing found")
    } else {
        format!("{files}: {}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_what_there_is() {
        let one = ["a.yml".to_owned()];
        let counts = |errors, warnings, notes| Counts { errors, warnings, notes };
        assert_eq!(summary(&one, counts(0, 0, 0)), "a.yml: nothing found");
        assert_eq!(summary(&one, counts(1, 0, 2)), "a.yml: 1 error, 2 notes");
        let two = ["a.yml".to_owned(), "b.yml".to_owned()];
        assert_eq!(summary(&two, counts(0, 3, 0)), "2 files: 3 warnings");
    }
}
