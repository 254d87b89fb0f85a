//! How commands end: the exit statuses, and errors as a report for people or as JSON for programs.
//!
//! Other modules report what went wrong, with a code; this module decides who is to blame and which exit status
//! follows. It makes text and prints none: that is [`ui`](super::ui).

use std::fmt::Write as _;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, Severity, ThemeCharacters, ThemeStyles};
use serde_json::{Value, json};

use super::render::text;

/// Exit statuses. The table in `stackctl --help` is made from these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Refused because of the file or the cluster.
    Refused,
    /// `diff` found changes.
    Differs,
    /// An update failed and was rolled back.
    RolledBack,
    /// The time limit passed.
    Deadline,
    /// Another process holds the lock.
    Locked,
    /// A host that is needed does not answer.
    Unreachable,
    /// An update failed and is paused.
    Paused,
    /// The command line is wrong.
    Usage,
    /// Ctrl-C, or another request to end.
    Interrupted,
    /// The status of a command in a container.
    Command(u8),
}

impl Exit {
    /// All statuses of stackctl itself, in order.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Refused,
        Self::Differs,
        Self::RolledBack,
        Self::Deadline,
        Self::Locked,
        Self::Unreachable,
        Self::Paused,
        Self::Usage,
        Self::Interrupted,
    ];

    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Differs => 2,
            Self::RolledBack => 3,
            Self::Deadline => 4,
            Self::Locked => 5,
            Self::Unreachable => 6,
            Self::Paused => 7,
            Self::Usage => 64,
            Self::Interrupted => 130,
            Self::Command(status) => status,
        }
    }

    /// For the table.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or nothing to do",
            Self::Refused => "refused because of the stackfile or the cluster; nothing found; not confirmed",
            Self::Differs => "diff: there are changes",
            Self::RolledBack => "an update failed and was rolled back",
            Self::Deadline => "--timeout passed; the cluster is still converging",
            Self::Locked => "another process holds the lock",
            Self::Unreachable => "a host that is needed does not answer",
            Self::Paused => "an update failed and is paused",
            Self::Usage => "wrong usage",
            Self::Interrupted => "interrupted: Ctrl-C, SIGTERM or SIGHUP",
            Self::Command(_) => "exec: the command's own",
        }
    }

    /// The table for `--help`.
    #[must_use]
    pub fn table() -> String {
        Self::ALL.iter().fold(String::new(), |mut out, exit| {
            let _ = writeln!(out, "  {:>3}  {}", exit.code(), exit.meaning());
            out
        })
    }
}

/// Who can fix it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The user who typed the command.
    Usage,
    /// The stackfile, the inventory or the cluster's own state.
    Refused,
    /// Another deploy.
    Locked,
    /// A host or the way to it.
    Unreachable,
}

/// A command that could not do its work.
#[derive(Debug)]
pub struct Failure {
    /// Who can fix it.
    pub blame: Blame,
    /// What is wrong, where, and what to do.
    pub report: miette::Report,
}

impl Failure {
    /// A failure with its blame.
    pub fn new(blame: Blame, diagnostic: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { blame, report: miette::Report::new(diagnostic) }
    }

    /// Wrong usage.
    pub fn usage(diagnostic: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self::new(Blame::Usage, diagnostic)
    }

    /// Refused because of the file or the cluster.
    pub fn refused(diagnostic: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self::new(Blame::Refused, diagnostic)
    }
}

/// What is wrong, in one line.
impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.report, f)
    }
}

impl From<super::template::TemplateError> for Failure {
    fn from(error: super::template::TemplateError) -> Self {
        Self::usage(error)
    }
}

impl From<super::filter::FilterError> for Failure {
    fn from(error: super::filter::FilterError) -> Self {
        Self::usage(error)
    }
}

/// The one place where an exit status is decided.
#[must_use]
pub fn exit(result: &Result<Exit, Failure>) -> Exit {
    match result {
        Ok(exit) => *exit,
        Err(failure) => failure.exit(),
    }
}

impl Failure {
    /// The exit status that it makes.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self.blame {
            Blame::Usage => Exit::Usage,
            Blame::Refused => Exit::Refused,
            Blame::Locked => Exit::Locked,
            Blame::Unreachable => Exit::Unreachable,
        }
    }
}

/// How a report is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    pub width: usize,
    /// Line-drawing characters beyond ASCII.
    pub is_unicode: bool,
}

/// A diagnostic with those related to it, for people.
#[must_use]
pub fn draw(diagnostic: &dyn Diagnostic, look: Look) -> String {
    let theme = GraphicalTheme {
        characters: if look.is_unicode { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() },
        styles: ThemeStyles::ansi(),
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(look.width).with_links(false);
    let mut out = String::new();
    if handler.render_report(&mut out, diagnostic).is_err() {
        out = format!("error: {diagnostic}\n");
    }
    text::only_colours(&out)
}

/// A diagnostic for programs.
#[must_use]
pub fn to_json(diagnostic: &dyn Diagnostic) -> Value {
    let severity = match diagnostic.severity().unwrap_or_default() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Advice => "advice",
    };
    let mut value = json!({ "severity": severity, "message": diagnostic.to_string() });
    if let Some(code) = diagnostic.code() {
        value["code"] = code.to_string().into();
    }
    if let Some(help) = diagnostic.help() {
        value["help"] = help.to_string().into();
    }
    let mut causes: Vec<Value> = Vec::new();
    let mut source = std::error::Error::source(diagnostic);
    while let Some(cause) = source {
        causes.push(cause.to_string().into());
        source = cause.source();
    }
    if !causes.is_empty() {
        value["causes"] = causes.into();
    }
    let labels: Vec<Value> = diagnostic
        .labels()
        .into_iter()
        .flatten()
        .map(|label| {
            let mut at = json!({ "offset": label.offset(), "length": label.len() });
            if let Some(text) = label.label() {
                at["label"] = text.into();
            }
            if let Some(place) =
                diagnostic.source_code().and_then(|source| source.read_span(label.inner(), 0, 0).ok())
            {
                at["line"] = (place.line() + 1).into();
                at["column"] = (place.column() + 1).into();
                if let Some(name) = place.name() {
                    at["file"] = name.into();
                }
            }
            at
        })
        .collect();
    if !labels.is_empty() {
        value["labels"] = labels.into();
    }
    let related: Vec<Value> = diagnostic.related().into_iter().flatten().map(to_json).collect();
    if !related.is_empty() {
        value["related"] = related.into();
    }
    value
}

#[cfg(test)]
mod tests {
    use miette::{NamedSource, SourceSpan};

    use super::*;

    #[derive(Debug, thiserror::Error, Diagnostic)]
    #[error("unknown key `imge` in service \x1b[2J`web`")]
    #[diagnostic(code(stackctl::compose::unknown_key), help("did you mean `image`?"))]
    struct Sample {
        #[source_code]
        text: NamedSource<String>,
        #[label("not a compose v3 service key")]
        at: SourceSpan,
    }

    fn sample() -> Sample {
        let text = "services:\n  web:\n    imge: nginx\n".to_owned();
        Sample { text: NamedSource::new("docker-compose.yml", text), at: (21, 4).into() }
    }

    #[test]
    fn statuses_are_those_of_the_table() {
        assert_eq!(exit(&Ok(Exit::Differs)).code(), 2);
        assert_eq!(exit(&Err(Failure::usage(sample()))).code(), 64);
        assert_eq!(exit(&Err(Failure::refused(sample()))).code(), 1);
        assert_eq!(exit(&Err(Failure::new(Blame::Unreachable, sample()))).code(), 6);
        assert_eq!(exit(&Err(Failure::new(Blame::Locked, sample()))).code(), 5);
        assert!(Exit::table().contains("\n   64  wrong usage\n"));
    }

    #[test]
    fn a_report_shows_what_where_and_what_to_do_and_cannot_clear_the_screen() {
        let drawn = draw(&sample(), Look { width: 80, is_unicode: false });
        let plain = anstream::adapter::strip_str(&drawn).to_string();
        for part in
            ["stackctl::compose::unknown_key", "docker-compose.yml:3:5", "not a compose", "did you mean"]
        {
            assert!(plain.contains(part), "{plain}");
        }
        assert!(!drawn.contains("\x1b[2J"));
    }

    #[test]
    fn json_has_line_and_column() {
        let value = to_json(&sample());
        assert_eq!(value["code"], "stackctl::compose::unknown_key");
        assert_eq!(value["labels"][0]["line"], 3);
        assert_eq!(value["labels"][0]["column"], 5);
        assert_eq!(value["labels"][0]["file"], "docker-compose.yml");
    }
}
