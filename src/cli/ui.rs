//! The terminal: the only place that prints or asks.
//!
//! Data goes to stdout, talk to stderr, so that `stackctl … | jq` sees data alone. Text comes with
//! ANSI colours, which are stripped here where they are not wanted. A reader that goes away (`| head`) is
//! no error: the rest of the output is dropped, and a deploy that began continues.

use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::sync::Mutex;

use anstream::{AutoStream, ColorChoice};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::render::{style, text};
use super::report::Look;

/// The width if neither the terminal nor `COLUMNS` has one.
const WIDTH_DEFAULT: usize = 100;

/// The global flags about output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    pub is_plain: bool,
    pub is_quiet: bool,
    pub is_verbose: bool,
}

/// The terminal: all output and questions go through it.
#[derive(Debug)]
pub struct Ui {
    settings: Settings,
    out: Mutex<Stream>,
    err: Mutex<Stream>,
    width: usize,
    is_unicode: bool,
    is_live: bool,
}

struct Stream {
    to: Box<dyn Write + Send>,
    has_colour: bool,
    is_closed: bool,
    error: Option<io::Error>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("is_closed", &self.is_closed).finish_non_exhaustive()
    }
}

impl Stream {
    fn new(to: impl Write + Send + 'static, has_colour: bool) -> Self {
        Self { to: Box::new(to), has_colour, is_closed: false, error: None }
    }

    fn write(&mut self, text: &str) {
        if self.has_colour {
            self.write_bytes(text.as_bytes());
        } else {
            self.write_bytes(anstream::adapter::strip_str(text).to_string().as_bytes());
        }
    }

    fn write_bytes(&mut self, bytes: &[u8]) {
        if self.is_closed {
            return;
        }
        if let Err(error) = self.to.write_all(bytes).and_then(|()| self.to.flush()) {
            self.is_closed = true;
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.error = Some(error);
            }
        }
    }
}

/// There is no terminal to ask at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("cannot ask for confirmation: stdin is not a terminal")]
#[diagnostic(
    code(stackctl::cli::no_terminal),
    help("pass `--yes` (or set STACKCTL_YES=1) to proceed without asking")
)]
pub struct NoTerminal;

/// A write to stdout failed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot write to stdout")]
#[diagnostic(code(stackctl::cli::stdout))]
pub struct StdoutError(#[source] io::Error);

impl Ui {
    /// Looks at the streams and the environment once.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let has_colour = |choice: ColorChoice| !settings.is_plain && choice != ColorChoice::Never;
        let is_live = err.is_terminal() && env("TERM").is_none_or(|term| term != "dumb");
        let (out_colour, err_colour) =
            (has_colour(AutoStream::choice(&out)), has_colour(AutoStream::choice(&err)));
        Self {
            settings,
            out: Mutex::new(Stream::new(out, out_colour)),
            err: Mutex::new(Stream::new(err, err_colour)),
            width: columns(),
            is_unicode: is_unicode(),
            is_live,
        }
    }

    /// A terminal for tests: both streams go to one buffer.
    #[cfg(test)]
    pub(super) fn captured(settings: Settings, to: impl Write + Clone + Send + 'static) -> Self {
        Self {
            settings,
            out: Mutex::new(Stream::new(to.clone(), false)),
            err: Mutex::new(Stream::new(to, false)),
            width: WIDTH_DEFAULT,
            is_unicode: false,
            is_live: false,
        }
    }

    /// Writes data to stdout, unchanged.
    pub fn data(&self, text: &str) {
        self.out.lock().expect("no panic while writing").write(text);
    }

    /// Writes bytes to stdout, such as the output of a container.
    pub fn data_bytes(&self, bytes: &[u8]) {
        self.out.lock().expect("no panic while writing").write_bytes(bytes);
    }

    /// Whether the reader of stdout has gone away.
    #[must_use]
    pub fn is_stdout_closed(&self) -> bool {
        self.out.lock().expect("no panic while writing").is_closed
    }

    /// Prints a line to stderr, unless `--quiet`.
    pub fn say(&self, text: &str) {
        if !self.settings.is_quiet {
            self.talk(&format!("{text}\n"));
        }
    }

    /// Prints a line to stderr with `--verbose` only.
    pub fn detail(&self, text: &str) {
        if self.settings.is_verbose {
            self.talk(&format!("{text}\n"));
        }
    }

    /// Prints a warning, also with `--quiet`.
    pub fn warn(&self, what: &str) {
        self.talk(&format!("{} {}\n", style::paint(style::CHANGE.bold(), "warning:"), text::clean(what)));
    }

    /// Prints text to stderr, whatever the flags, such as an error.
    pub fn talk(&self, text: &str) {
        self.err.lock().expect("no panic while writing").write(text);
    }

    /// Writes bytes to stderr, such as the error output of a command in a container.
    pub fn talk_bytes(&self, bytes: &[u8]) {
        self.err.lock().expect("no panic while writing").write_bytes(bytes);
    }

    /// Asks a question on stderr; any answer but yes is no. An error without a terminal.
    pub fn confirm(&self, question: &str) -> Result<bool, NoTerminal> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Err(NoTerminal);
        }
        self.talk(&format!("{} [y/N] ", style::paint(style::STRONG, question)));
        let mut answer = String::new();
        if stdin.lock().read_line(&mut answer).unwrap_or(0) == 0 {
            // End of input: the cursor is still behind the question.
            self.talk("\n");
        }
        Ok(is_yes(&answer))
    }

    /// How reports are to be drawn.
    #[must_use]
    pub fn look(&self) -> Look {
        Look { width: self.width, is_unicode: self.is_unicode }
    }

    /// Columns of the terminal, or what stands in for them.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether `--verbose` was given.
    #[must_use]
    pub fn is_verbose(&self) -> bool {
        self.settings.is_verbose
    }

    /// Whether `--quiet` was given.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.settings.is_quiet
    }

    /// Rows on stderr that are redrawn in place, if there is a terminal.
    #[must_use]
    pub fn live(&self) -> Option<Live> {
        let has_colour = self.err.lock().expect("no panic while writing").has_colour;
        let is_live = self.is_live && !self.settings.is_quiet;
        is_live.then(|| Live { rows: MultiProgress::new(), bars: Vec::new(), has_colour })
    }

    /// Rows that fit on the terminal.
    #[must_use]
    pub fn height(&self) -> usize {
        const HEIGHT_DEFAULT: usize = 24;
        let lines = env("LINES").and_then(|text| text.parse::<usize>().ok()).filter(|&lines| lines > 0);
        let found = || terminal_size::terminal_size().map(|(_, height)| usize::from(height.0));
        lines.or_else(found).unwrap_or(HEIGHT_DEFAULT)
    }

    /// Flushes stdout, and fails if a write failed. Called once, at the end.
    pub fn finish(self) -> Result<(), StdoutError> {
        let out = self.out.into_inner().expect("no panic while writing");
        out.error.map_or(Ok(()), |error| Err(StdoutError(error)))
    }
}

/// Rows at the end of stderr that change in place.
#[derive(Debug)]
pub struct Live {
    rows: MultiProgress,
    bars: Vec<ProgressBar>,
    has_colour: bool,
}

impl Live {
    /// Shows these rows in place of those before.
    pub fn draw(&mut self, rows: &[String]) {
        while self.bars.len() > rows.len() {
            if let Some(bar) = self.bars.pop() {
                bar.finish_and_clear();
                self.rows.remove(&bar);
            }
        }
        while self.bars.len() < rows.len() {
            let style = ProgressStyle::with_template("{msg}").expect("a template without fields but one");
            self.bars.push(self.rows.add(ProgressBar::new(0).with_style(style)));
        }
        for (bar, row) in self.bars.iter().zip(rows) {
            bar.set_message(self.fit(row));
        }
    }

    /// A line above the rows, which stays.
    pub fn line(&self, text: &str) {
        // The terminal is gone: nothing is left to do.
        let _ = self.rows.println(self.fit(text));
    }

    /// Leaves the rows as they are; later output goes below them.
    pub fn leave(self) {
        for bar in &self.bars {
            bar.abandon();
        }
    }

    fn fit(&self, text: &str) -> String {
        if self.has_colour { text.to_owned() } else { anstream::adapter::strip_str(text).to_string() }
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[expect(clippy::disallowed_methods, reason = "the terminal is described by the environment")]
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `COLUMNS`, or the terminal's own answer.
fn columns() -> usize {
    const WIDTH_MIN: usize = 40;
    let asked = env("COLUMNS").and_then(|text| text.parse::<usize>().ok()).filter(|&columns| columns > 0);
    let found = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    asked.or_else(found).unwrap_or(WIDTH_DEFAULT).max(WIDTH_MIN)
}

/// Unicode, unless the locale excludes it.
fn is_unicode() -> bool {
    let locale = env("LC_ALL").or_else(|| env("LC_CTYPE")).or_else(|| env("LANG"));
    locale.is_none_or(|locale| locale != "C" && locale != "POSIX")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that goes away after some bytes, or a disk that is full.
    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What was written, to be looked at afterwards.
    #[derive(Clone, Default)]
    struct Kept(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error_and_a_full_disk_is_one() {
        for (kind, is_error) in [(io::ErrorKind::BrokenPipe, false), (io::ErrorKind::StorageFull, true)] {
            let mut stream =
                Stream { to: Box::new(Failing(kind)), has_colour: false, is_closed: false, error: None };
            stream.write("a");
            stream.write("b");
            assert!(stream.is_closed);
            assert_eq!(stream.error.is_some(), is_error);
        }
    }

    #[test]
    fn colours_go_where_they_are_not_wanted() {
        let kept = Kept::default();
        let to = Box::new(kept.clone());
        let mut stream = Stream { to, has_colour: false, is_closed: false, error: None };
        stream.write("\x1b[1mbold\x1b[0m\n");
        assert_eq!(*kept.0.lock().unwrap(), b"bold\n");
    }

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("y\n") && is_yes("YES") && is_yes(" yes "));
        assert!(!is_yes("") && !is_yes("\n") && !is_yes("yess") && !is_yes("no"));
    }
}
