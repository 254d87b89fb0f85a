//! The terminal: the only place that prints or asks.
//!
//! Data goes to stdout, talk to stderr, so that `stackctl … | jq` sees data alone. Text comes with
//! ANSI colours and loses them here where they are not wanted. A reader that goes away (`| head`) is
//! no error: what is left unsaid stays unsaid, and a deploy that was begun goes on.

use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::sync::Mutex;

use anstream::{AutoStream, ColorChoice};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::render::{style, text};
use super::report::Look;

/// Columns where nobody says how many there are.
const WIDTH_DEFAULT: usize = 100;

/// What the global flags say about talking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// `--no-color`.
    pub is_plain: bool,
    /// `--quiet`.
    pub is_quiet: bool,
    /// `--verbose`.
    pub is_verbose: bool,
}

/// The way to the terminal.
#[derive(Debug)]
pub struct Ui {
    settings: Settings,
    out: Mutex<Stream<io::Stdout>>,
    err: Mutex<Stream<io::Stderr>>,
    width: usize,
    is_unicode: bool,
    is_live: bool,
}

#[derive(Debug)]
struct Stream<W: Write> {
    to: W,
    has_colour: bool,
    is_closed: bool,
    error: Option<io::Error>,
}

impl<W: Write> Stream<W> {
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

/// Nobody is there to answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("cannot ask for confirmation: stdin is not a terminal")]
#[diagnostic(
    code(stackctl::cli::no_terminal),
    help("pass `--yes` (or set STACKCTL_YES=1) to go ahead without asking")
)]
pub struct NoTerminal;

/// Stdout did not take what was written.
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
            out: Mutex::new(Stream { to: out, has_colour: out_colour, is_closed: false, error: None }),
            err: Mutex::new(Stream { to: err, has_colour: err_colour, is_closed: false, error: None }),
            width: columns(),
            is_unicode: is_unicode(),
            is_live,
        }
    }

    /// Data, to stdout, as it is.
    pub fn data(&self, text: &str) {
        self.out.lock().expect("no panic while writing").write(text);
    }

    /// Data that need not be text: what a container wrote.
    pub fn data_bytes(&self, bytes: &[u8]) {
        self.out.lock().expect("no panic while writing").write_bytes(bytes);
    }

    /// Whether the reader of stdout has gone away.
    #[must_use]
    pub fn is_stdout_closed(&self) -> bool {
        self.out.lock().expect("no panic while writing").is_closed
    }

    /// Talk, to stderr; a newline is added. Silent with `--quiet`.
    pub fn say(&self, text: &str) {
        if !self.settings.is_quiet {
            self.talk(&format!("{text}\n"));
        }
    }

    /// Talk that only `--verbose` lets through.
    pub fn detail(&self, text: &str) {
        if self.settings.is_verbose {
            self.talk(&format!("{text}\n"));
        }
    }

    /// Something that is not as it should be; `--quiet` does not silence it.
    pub fn warn(&self, what: &str) {
        self.talk(&format!("{} {}\n", style::paint(style::CHANGE.bold(), "warning:"), text::clean(what)));
    }

    /// Text to stderr, whatever the flags: reports of errors.
    pub fn talk(&self, text: &str) {
        self.err.lock().expect("no panic while writing").write(text);
    }

    /// Bytes to stderr that need not be text: what a command in a container wrote there.
    pub fn talk_bytes(&self, bytes: &[u8]) {
        self.err.lock().expect("no panic while writing").write_bytes(bytes);
    }

    /// Asks a question on stderr; anything but yes is no. An error where nobody can answer.
    pub fn confirm(&self, question: &str) -> Result<bool, NoTerminal> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Err(NoTerminal);
        }
        self.talk(&format!("{} [y/N] ", style::paint(style::STRONG, question)));
        let mut answer = String::new();
        if stdin.lock().read_line(&mut answer).unwrap_or(0) == 0 {
            // End of input: the cursor still stands behind the question.
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

    /// Rows on stderr that are drawn over and over, where there is a terminal for it.
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

    /// Whether stdout took everything. To be asked once, at the end.
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
        // The terminal is gone: there is nobody to tell.
        let _ = self.rows.println(self.fit(text));
    }

    /// Leaves the rows as they are and goes on below them.
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

/// Only a locale that says otherwise keeps us to ASCII.
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

    #[test]
    fn a_reader_that_goes_away_is_no_error_and_a_full_disk_is_one() {
        for (kind, is_error) in [(io::ErrorKind::BrokenPipe, false), (io::ErrorKind::StorageFull, true)] {
            let mut stream = Stream { to: Failing(kind), has_colour: false, is_closed: false, error: None };
            stream.write("a");
            stream.write("b");
            assert!(stream.is_closed);
            assert_eq!(stream.error.is_some(), is_error);
        }
    }

    #[test]
    fn colours_go_where_they_are_not_wanted() {
        let mut stream = Stream { to: Vec::new(), has_colour: false, is_closed: false, error: None };
        stream.write("\x1b[1mbold\x1b[0m\n");
        assert_eq!(stream.to, b"bold\n");
    }

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("y\n") && is_yes("YES") && is_yes(" yes "));
        assert!(!is_yes("") && !is_yes("\n") && !is_yes("yess") && !is_yes("no"));
    }
}
