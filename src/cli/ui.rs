//! The terminal: the only place that prints or asks.
//!
//! Data goes to stdout, talk to stderr, so that `stackctl … | jq` sees data alone. Text comes with
//! ANSI colours, which are stripped here where they are not wanted. A reader that goes away (`| head`) is
//! no error: the rest of the output is dropped, and a deploy that began continues. A reader that stands still holds up
//! no work either; what becomes of the text is [`output`](super::output)'s.

use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use tokio::signal::unix::{SignalKind, signal};

use super::output::{Kind, Output};
use super::render::{style, text};
use super::report::{Exit, Look};
use super::rollout::hangup;

/// The width if neither the terminal nor `COLUMNS` has one.
const WIDTH_DEFAULT: usize = 100;

/// How long a process that was asked to end waits for its readers: what has asked, such as systemd, waits for the process.
const READERS_LIMIT: Duration = Duration::from_secs(5);

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
    out: Stream,
    err: Stream,
    width: usize,
    is_unicode: bool,
    is_live: bool,
    /// A signal ended the work.
    was_asked_to_end: AtomicBool,
}

#[derive(Debug)]
struct Stream {
    to: Output,
    has_colour: bool,
}

impl Stream {
    fn new(to: impl Write + Send + 'static, has_colour: bool) -> Self {
        Self { to: Output::new(to), has_colour }
    }

    fn write(&self, kind: Kind, text: &str, notice: impl FnOnce(u64) -> String) {
        if self.has_colour {
            self.to.write(kind, text.as_bytes(), notice);
        } else {
            self.to.write(kind, anstream::adapter::strip_str(text).to_string().as_bytes(), notice);
        }
    }
}

/// Where nothing else says that lines were dropped.
fn notice(lines: u64) -> String {
    format!("warning: {lines} lines of output were dropped: they were not read in time\n")
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
            out: Stream::new(out, out_colour),
            err: Stream::new(err, err_colour),
            width: columns(),
            is_unicode: is_unicode(),
            is_live,
            was_asked_to_end: AtomicBool::new(false),
        }
    }

    /// A terminal for tests: both streams go to one buffer.
    #[cfg(test)]
    pub(super) fn captured(settings: Settings, to: impl Write + Clone + Send + 'static) -> Self {
        Self {
            settings,
            out: Stream::new(to.clone(), false),
            err: Stream::new(to, false),
            width: WIDTH_DEFAULT,
            is_unicode: false,
            is_live: false,
            was_asked_to_end: AtomicBool::new(false),
        }
    }

    /// Writes data to stdout, unchanged. All of it is kept until it is read.
    pub fn data(&self, text: &str) {
        self.out.write(Kind::Data, text, notice);
    }

    /// Writes a part of what may have no end to stdout, and waits for its reader. Not for work that holds a lease.
    pub fn flow(&self, text: &str) {
        self.out.write(Kind::Flow, text, notice);
    }

    /// Writes a line of a log to stdout. If it is not read it is dropped; `notice` makes the line that then says so.
    pub fn log(&self, line: &str, notice: impl FnOnce(u64) -> String) {
        self.out.write(Kind::Log, line, notice);
    }

    /// How many lines of the log on stdout were dropped.
    pub fn dropped(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let out = self.out.to.clone();
        move || out.dropped()
    }

    /// Writes bytes to stdout, such as the output of a command in a container, and waits for their reader.
    pub fn data_bytes(&self, bytes: &[u8]) {
        self.flow_bytes(bytes);
        // In the order of both streams.
        let _may_be_slow = self.out.to.is_drained_soon();
    }

    /// The same for many of them, such as lines of a log.
    pub fn flow_bytes(&self, bytes: &[u8]) {
        self.out.to.write(Kind::Flow, bytes, notice);
    }

    /// Whether the reader of stdout has gone away.
    #[must_use]
    pub fn is_stdout_closed(&self) -> bool {
        self.out.to.is_closed()
    }

    /// Prints a line to stderr, unless `--quiet`.
    pub fn say(&self, text: &str) {
        if !self.settings.is_quiet {
            self.err.write(Kind::Log, &format!("{text}\n"), notice);
        }
    }

    /// Prints a line to stderr with `--verbose` only.
    pub fn detail(&self, text: &str) {
        if self.settings.is_verbose {
            self.err.write(Kind::Log, &format!("{text}\n"), notice);
        }
    }

    /// Prints a warning, also with `--quiet`.
    pub fn warn(&self, what: &str) {
        let text = format!("{} {}\n", style::paint(style::CHANGE.bold(), "warning:"), text::clean(what));
        self.err.write(Kind::Log, &text, notice);
    }

    /// Prints text to stderr, whatever the flags, such as an error.
    pub fn talk(&self, text: &str) {
        self.err.write(Kind::Data, text, notice);
    }

    /// Writes bytes to stderr, such as the error output of a command in a container, and waits for their reader.
    pub fn talk_bytes(&self, bytes: &[u8]) {
        self.err.to.write(Kind::Flow, bytes, notice);
        let _may_be_slow = self.err.to.is_drained_soon();
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
        const HZ: u8 = 20;
        let has_colour = self.err.has_colour;
        let is_live = self.is_live && !self.settings.is_quiet;
        is_live.then(|| {
            let (height, width) = (self.height(), self.width);
            let term = Term { to: self.err.to.clone(), width, height, frame: Mutex::default() };
            let target = ProgressDrawTarget::term_like_with_hz(Box::new(term), HZ);
            Live { rows: MultiProgress::with_draw_target(target), bars: Vec::new(), has_colour }
        })
    }

    /// Rows that fit on the terminal.
    #[must_use]
    pub fn height(&self) -> usize {
        const HEIGHT_DEFAULT: usize = 24;
        let lines = env("LINES").and_then(|text| text.parse::<usize>().ok()).filter(|&lines| lines > 0);
        let found = || terminal_size::terminal_size().map(|(_, height)| usize::from(height.0));
        lines.or_else(found).unwrap_or(HEIGHT_DEFAULT)
    }

    /// Says that a signal ended the work: [`finish`](Self::finish) then waits for readers for a few seconds only.
    pub fn was_asked_to_end(&self) {
        self.was_asked_to_end.store(true, Ordering::Relaxed);
    }

    /// Waits until everything is written, and fails if a write to stdout failed. Called once, at the end, when no lease
    /// is held any more: a reader may take its time. `exit` is how the program ends, also if its readers are given up.
    pub fn finish(self, exit: Exit) -> Result<(), StdoutError> {
        if !(self.out.to.is_drained_soon() && self.err.to.is_drained_soon()) {
            let is_limited = exit == Exit::Interrupted || self.was_asked_to_end.load(Ordering::Relaxed);
            drain_unless_ended([self.out.to.clone(), self.err.to.clone()], is_limited.then_some(exit));
        }
        self.out.to.take_error().map_or(Ok(()), |error| Err(StdoutError(error)))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.to.end();
    }
}

/// Waits until all is written, or a signal ends the process: by now it has no other effect, since a runtime that ended has
/// left its handlers behind. `at_limit` is how a process ends that waits for a few seconds only.
fn drain_unless_ended(all: [Output; 2], at_limit: Option<Exit>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let drained = runtime.spawn_blocking(move || all.iter().for_each(Output::drain));
    let end = runtime.block_on(async {
        let interrupted = |is_broken: bool| is_broken.then_some(Exit::Interrupted);
        let Ok(mut term) = signal(SignalKind::terminate()) else {
            return interrupted(drained.await.is_err());
        };
        tokio::select! {
            drained = drained => interrupted(drained.is_err()),
            _ = tokio::signal::ctrl_c() => Some(Exit::Interrupted),
            _ = term.recv() => Some(Exit::Interrupted),
            () = hung_up() => Some(Exit::Interrupted),
            () = tokio::time::sleep(READERS_LIMIT), if at_limit.is_some() => at_limit,
        }
    });
    if let Some(exit) = end {
        #[allow(clippy::exit, reason = "the user does not want to wait for the reader")]
        std::process::exit(exit.code().into());
    }
}

async fn hung_up() {
    match hangup() {
        Some(mut hangup) => drop(hangup.recv().await),
        None => std::future::pending().await,
    }
}

/// The terminal as the rows see it: a frame is written at once, and left out while the terminal stands still.
#[derive(Debug)]
struct Term {
    to: Output,
    width: usize,
    height: usize,
    frame: Mutex<String>,
}

impl Term {
    fn add(&self, text: &str) -> io::Result<()> {
        self.frame.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }

    fn go(&self, by: usize, way: char) -> io::Result<()> {
        if by == 0 { Ok(()) } else { self.add(&format!("\x1b[{by}{way}")) }
    }
}

impl TermLike for Term {
    fn width(&self) -> u16 {
        // Asked again each time: a window changes its size.
        terminal_size::terminal_size()
            .map_or_else(|| self.width.try_into().unwrap_or(u16::MAX), |size| size.0.0)
    }

    fn height(&self) -> u16 {
        terminal_size::terminal_size()
            .map_or_else(|| self.height.try_into().unwrap_or(u16::MAX), |size| size.1.0)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.go(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.go(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.go(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.go(n, 'D')
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.add(s)?;
        self.add("\n")
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        self.add(s)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let frame = std::mem::take(&mut *self.frame.lock().unwrap_or_else(PoisonError::into_inner));
        self.to.write(Kind::Log, frame.as_bytes(), notice);
        Ok(())
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
    fn colours_go_where_they_are_not_wanted() {
        let kept = Kept::default();
        Stream::new(kept.clone(), false).write(Kind::Data, "\x1b[1mbold\x1b[0m\n", notice);
        assert_eq!(*kept.0.lock().unwrap(), b"bold\n");
    }

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("y\n") && is_yes("YES") && is_yes(" yes "));
        assert!(!is_yes("") && !is_yes("\n") && !is_yes("yess") && !is_yes("no"));
    }
}
