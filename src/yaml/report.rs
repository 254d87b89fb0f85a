//! Diagnostics: collected in a [`Sink`], ordered and limited, and returned as a [`Report`] that draws itself or becomes
//! JSON.
//!
//! Three voices: the headline says what is wrong, the label says where, the help says what to do next.
//! Nothing from a file reaches a message with its control characters, and a value that came out of a
//! variable never reaches one at all: messages quote the file as written.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use miette::{LabeledSpan, SourceCode};
use serde::Serialize;

use super::budget::{ALL_MAX, Budget, VALUE_MAX};
use super::page::{Page, without};
use super::source::{Ranges, SourceId, Sources, Span};
use super::tree::Node;

/// Faults drawn in one report; the rest is counted.
const FAULTS_MAX: usize = 50;
/// Faults, and notes, that are kept at all: a file can be made to have any number.
const KEPT_MAX: usize = 1000;
/// Mistakes for which near words are looked for.
const ADVISED_MAX: usize = 200;
/// Labels for further uses of a value with one fault.
const USES_MAX: usize = 3;
/// Characters of a file's name.
const NAME_MAX: usize = 4096;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can be used, but perhaps not as intended.
    Warning,
    /// Good to know.
    Note,
}

/// A place with a word on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// One finding about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Last part of the code; the sink puts `stackctl::<room>::` in front.
    pub code: &'static str,
    pub severity: Severity,
    pub message: String,
    /// Places; the first is the one it is about.
    pub labels: Vec<Label>,
    pub help: Option<String>,
    /// Places that the message or the help quotes, and what is said in its stead if one turns out to be hidden: what is
    /// secret in a file is known once it is read.
    quoted: Vec<(Span, Instead)>,
}

/// What is said without a quote.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Instead {
    Message(String),
    Help(String),
}

impl Diagnostic {
    /// A new one of some severity.
    pub fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Self { code, severity, message: message.into(), labels: Vec::new(), help: None, quoted: Vec::new() }
    }

    /// An error: the file cannot be used.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A warning: perhaps not as intended.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// A note.
    pub fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message)
    }

    /// The same, as bad as this.
    #[must_use]
    pub const fn as_bad_as(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Where it is.
    #[must_use]
    pub fn at(mut self, span: Span, label: impl Into<String>) -> Self {
        self.labels.insert(0, Label { span, text: label.into() });
        self
    }

    /// At a value, and at the alias that brought it, if one did.
    #[must_use]
    pub fn on(self, node: &Node, label: impl Into<String>) -> Self {
        let this = self.at(node.span, label);
        match node.via() {
            Some(via) => this.also(via, "used here"),
            None => this,
        }
    }

    /// Another place that matters.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        if self.labels.iter().all(|other| other.span != span) {
            self.labels.push(Label { span, text: label.into() });
        }
        self
    }

    /// What to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The message quotes a place; `instead` does not.
    #[must_use]
    pub fn message_quotes(mut self, place: Span, instead: impl Into<String>) -> Self {
        self.quoted.push((place, Instead::Message(instead.into())));
        self
    }

    /// The help quotes a place; `instead` does not.
    #[must_use]
    pub fn help_quotes(mut self, place: Span, instead: impl Into<String>) -> Self {
        self.quoted.push((place, Instead::Help(instead.into())));
        self
    }

    /// Leaves out what is hidden.
    fn unquote(&mut self, hidden: &Ranges) {
        for (place, instead) in self.quoted.drain(..) {
            match instead {
                _ if hidden.touching(place).is_none() => {}
                Instead::Message(message) => self.message = message,
                Instead::Help(help) => self.help = Some(help),
            }
        }
    }

    /// Escapes control characters. Callers clean what they quote from a file, but messages of a parser may quote it,
    /// too, such as an unknown unit or an invalid character.
    fn spell_out(&mut self) {
        let labels = self.labels.iter_mut().map(|label| &mut label.text);
        for text in labels.chain([&mut self.message]).chain(&mut self.help) {
            if text.contains(is_unsafe) {
                *text = clean_up_to(text, usize::MAX);
            }
        }
    }

    /// What to do, if there is something to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

/// Collects diagnostics. All readers of one set of files share it.
#[derive(Debug)]
pub struct Sink<'a> {
    room: &'static str,
    sources: &'a Sources,
    found: RefCell<Found>,
    errors: Cell<usize>,
    spoiled: RefCell<Ranges>,
    /// What no excerpt of a file shows, and no message quotes.
    pub(super) hidden: RefCell<Ranges>,
    replaced: RefCell<BTreeMap<Span, Span>>,
    budget: Budget,
    is_spent: Cell<bool>,
}

/// What was found, and where each is: a file can be made to have any number of mistakes.
#[derive(Debug, Default)]
struct Found {
    list: Vec<Diagnostic>,
    places: BTreeMap<(&'static str, Option<Span>), usize>,
    kept: [usize; 2],
}

impl<'a> Sink<'a> {
    /// An empty one. `room` is the middle of every code: `stackctl::<room>::unknown_key`.
    #[must_use]
    pub fn new(room: &'static str, sources: &'a Sources) -> Self {
        Self {
            room,
            sources,
            found: RefCell::default(),
            errors: Cell::new(0),
            spoiled: RefCell::default(),
            hidden: RefCell::default(),
            replaced: RefCell::default(),
            budget: Budget::default(),
            is_spent: Cell::new(false),
        }
    }

    /// The texts that spans point into.
    #[must_use]
    pub const fn sources(&self) -> &'a Sources {
        self.sources
    }

    /// Takes a diagnostic. One with the code and place of an earlier one is the same mistake reached by
    /// another alias: its place of use is added to the earlier one.
    pub fn push(&self, mut diagnostic: Diagnostic) {
        diagnostic.spell_out();
        let at = diagnostic.labels.first().map(|label| label.span);
        if at.is_some_and(|span| self.spoiled.borrow().touching(span).is_some()) {
            return;
        }
        self.keep(diagnostic, at);
    }

    fn keep(&self, diagnostic: Diagnostic, at: Option<Span>) {
        let mut found = self.found.borrow_mut();
        if let Some(&same) = found.places.get(&(diagnostic.code, at)) {
            let same = &mut found.list[same];
            for label in diagnostic.labels.into_iter().skip(1) {
                let known = same.labels.iter().any(|other| other.span == label.span);
                if !known && same.labels.len() <= USES_MAX {
                    same.labels.push(label);
                }
            }
            return;
        }
        let error = diagnostic.severity == Severity::Error;
        if error {
            self.errors.set(self.errors.get() + 1);
        }
        let kept = &mut found.kept[usize::from(error)];
        if *kept < KEPT_MAX {
            *kept += 1;
            let place = found.list.len();
            found.places.insert((diagnostic.code, at), place);
            found.list.push(diagnostic);
        }
    }

    /// What may be made of what the files hold.
    #[must_use]
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Counts bytes that are about to be made at a place. Reports there, once, if they are too many for all
    /// files together, and returns `false`.
    pub fn afford(&self, bytes: usize, at: Span) -> bool {
        let is_enough = self.budget.take(bytes);
        if !is_enough && !self.is_spent.replace(true) {
            let found = Diagnostic::error(
                "too_many_bytes",
                format!("the files come to more than {} MiB", ALL_MAX >> 20),
            )
            .at(at, "this is too much")
            .help(
                "aliases, variables, environment files, included files and extended services count as often as \
                 they are used",
            );
            // Also where all has been said: whatever is left out now has to have a reason.
            self.keep(found, Some(at));
        }
        is_enough
    }

    /// Reports a value that is too long by itself.
    pub fn too_long(&self, at: Span) {
        let found =
            Diagnostic::error("too_many_bytes", format!("a value of more than {} MiB", VALUE_MAX >> 20))
                .at(at, "comes to this with all that it names")
                .help("put the text into a file of an image or a volume");
        self.keep(found, Some(at));
    }

    /// Marks a value as reported: later diagnostics about it would only be consequences.
    pub fn spoil(&self, span: Span) {
        self.spoiled.borrow_mut().add(span);
    }

    /// Records that one place overrides another: a later file wins. Diagnostics about the one that won show the
    /// overridden one, too.
    pub fn replaces(&self, winner: Span, loser: Span) {
        self.replaced.borrow_mut().insert(winner, loser);
    }

    /// Errors so far.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors.get()
    }

    /// Whether there are so many mistakes already that one more needs no advice.
    #[must_use]
    pub fn is_flooded(&self) -> bool {
        self.errors.get() > ADVISED_MAX
    }

    /// The mistake of a file that leaves nothing to go on with, if no other was found.
    pub fn nothing_to_read(&self) {
        if self.errors() == 0 {
            let place = Span::default();
            let mut empty =
                Diagnostic::error("empty_file", "the file is empty").help("it begins with `services:`");
            if self.sources.iter().next().is_some() {
                empty = empty.at(place, "nothing is written");
            }
            self.push(empty);
        }
    }

    /// Everything, in the order of the files: the errors, or else warnings and notes.
    pub fn finish(self) -> Result<Vec<Drawn>, Report> {
        let mut found = self.found.into_inner().list;
        let replaced = self.replaced.into_inner();
        let hidden = self.hidden.into_inner();
        for diagnostic in &mut found {
            diagnostic.unquote(&hidden);
            let winner = diagnostic.labels.first().map(|label| label.span);
            if let Some(loser) = winner.and_then(|winner| replaced.get(&winner)) {
                let known = diagnostic.labels.iter().any(|label| label.span == *loser);
                if !known {
                    diagnostic
                        .labels
                        .push(Label { span: *loser, text: "counts in place of this".to_owned() });
                }
            }
        }
        found.sort_by_key(|d| d.labels.first().map(|label| label.span));
        let pages = Pages::new(self.sources, &hidden);
        let (faults, notes): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|d| d.severity == Severity::Error);
        let draw = |list: Vec<Diagnostic>| -> Vec<Drawn> {
            list.into_iter().map(|d| pages.draw(self.room, self.sources, d)).collect()
        };
        if faults.is_empty() {
            return Ok(draw(notes));
        }
        let left_out = self.errors.get().saturating_sub(faults.len());
        Err(Report { faults: draw(faults), notes: draw(notes), left_out })
    }
}

/// The sources as they may be shown on a terminal.
struct Pages(Vec<Arc<Page>>);

impl Pages {
    fn new(sources: &Sources, hidden: &Ranges) -> Self {
        let mut of: BTreeMap<usize, Vec<Span>> = BTreeMap::new();
        hidden.iter().for_each(|span| of.entry(span.file.index()).or_default().push(span));
        let pages = sources.iter().enumerate().map(|(at, source)| {
            let language = if source.name.ends_with("json") { "json" } else { "yaml" };
            let here = of.get(&at).into_iter().flatten();
            let text = without(harmless(&source.text), here.map(|span| span.range()));
            Arc::new(Page::new(clean_up_to(&source.name, NAME_MAX), language, text))
        });
        Self(pages.collect())
    }

    fn draw(&self, room: &str, sources: &Sources, diagnostic: Diagnostic) -> Drawn {
        let first = diagnostic.labels.first().map(|label| label.span);
        let home = first.map(|span| span.file);
        let mut drawn = Drawn {
            code: format!("stackctl::{room}::{}", diagnostic.code),
            severity: diagnostic.severity,
            message: diagnostic.message,
            help: diagnostic.help,
            file: String::new(),
            line: 0,
            column: 0,
            label: String::new(),
            related: Vec::new(),
            page: None,
            labels: Vec::new(),
            elsewhere: Vec::new(),
        };
        if let Some(span) = first {
            let place = sources.place(span);
            (drawn.file, drawn.line, drawn.column) =
                (clean_up_to(place.file, NAME_MAX), place.line, place.column);
            drawn.page = Some(self.page(span.file));
        }
        drawn.label = diagnostic.labels.first().map(|label| label.text.clone()).unwrap_or_default();
        drawn.related = diagnostic.labels.iter().skip(1).map(|label| related(sources, label)).collect();
        for label in diagnostic.labels {
            let range = self.page(label.span.file).drawable(label.span.range());
            let here = LabeledSpan::new(Some(label.text.clone()), range.start, range.len());
            if Some(label.span.file) == home {
                drawn.labels.push(here);
            } else {
                let place = sources.place(label.span);
                drawn.elsewhere.push(Drawn {
                    // It has been reported already.
                    code: String::new(),
                    severity: Severity::Note,
                    message: format!("in `{}`", clean_up_to(place.file, NAME_MAX)),
                    help: None,
                    file: clean_up_to(place.file, NAME_MAX),
                    line: place.line,
                    column: place.column,
                    label: String::new(),
                    related: Vec::new(),
                    page: Some(self.page(label.span.file)),
                    labels: vec![here],
                    elsewhere: Vec::new(),
                });
            }
        }
        drawn
    }

    fn page(&self, file: SourceId) -> Arc<Page> {
        Arc::clone(&self.0[file.index()])
    }
}

fn related(sources: &Sources, label: &Label) -> MachinePlace {
    let place = sources.place(label.span);
    MachinePlace {
        file: clean_up_to(place.file, NAME_MAX),
        line: place.line,
        column: place.column,
        label: label.text.clone(),
    }
}

/// A diagnostic with its source at hand: it can be printed anywhere.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// `stackctl::compose::unknown_key`.
    pub code: String,
    pub severity: Severity,
    pub message: String,
    pub help: Option<String>,
    pub file: String,
    /// From 1; 0 if it is about no place.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    label: String,
    related: Vec<MachinePlace>,
    page: Option<Arc<Page>>,
    labels: Vec<LabeledSpan>,
    elsewhere: Vec<Self>,
}

/// A diagnostic for a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MachineDiagnostic {
    pub severity: Severity,
    /// `stackctl::compose::unknown_key`.
    pub code: String,
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Other places that have to do with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<MachinePlace>,
}

/// A further place of a diagnostic, for a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MachinePlace {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub label: String,
}

impl Drawn {
    /// The form for a machine.
    #[must_use]
    pub fn machine(&self) -> MachineDiagnostic {
        MachineDiagnostic {
            severity: self.severity,
            code: self.code.clone(),
            file: self.file.clone(),
            line: self.line,
            column: self.column,
            message: self.message.clone(),
            label: self.label.clone(),
            help: self.help.clone(),
            related: self.related.clone(),
        }
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Drawn {}

impl miette::Diagnostic for Drawn {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.code.is_empty()).then(|| Box::new(&self.code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.page.as_deref().map(|page| page as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        if self.elsewhere.is_empty() {
            return None;
        }
        Some(Box::new(self.elsewhere.iter().map(|drawn| drawn as &dyn miette::Diagnostic)))
    }
}

/// Why a set of files cannot be used: every fault, in the order of the files.
#[derive(Debug, Clone)]
pub struct Report {
    /// The errors; never empty.
    pub faults: Vec<Drawn>,
    /// Warnings and notes that were found besides.
    pub notes: Vec<Drawn>,
    /// Faults beyond those that are kept.
    pub left_out: usize,
}

impl Report {
    /// The form for a machine: faults first, then what was found besides.
    #[must_use]
    pub fn machine(&self) -> Vec<MachineDiagnostic> {
        self.faults.iter().chain(&self.notes).map(Drawn::machine).collect()
    }

    fn only(&self) -> Option<&Drawn> {
        match self.faults.as_slice() {
            [only] if self.left_out == 0 => Some(only),
            _ => None,
        }
    }

    /// The diagnostics that are drawn, up to a readable number.
    fn drawn(&self) -> &[Drawn] {
        &self.faults[..self.faults.len().min(FAULTS_MAX)]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(only) = self.only() {
            return only.fmt(f);
        }
        let mut files: Vec<&str> = self.faults.iter().map(|fault| fault.file.as_str()).collect();
        files.dedup();
        let count = self.faults.len() + self.left_out;
        match files.as_slice() {
            [file] => write!(f, "{count} mistakes in `{file}`")?,
            files => write!(f, "{count} mistakes in {} files", files.len())?,
        }
        if count > self.drawn().len() {
            write!(f, ", of which the first {} are shown", self.drawn().len())?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

impl miette::Diagnostic for Report {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.only().and_then(miette::Diagnostic::code)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.only().and_then(miette::Diagnostic::help)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.only().and_then(miette::Diagnostic::source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.only().and_then(miette::Diagnostic::labels)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        match self.only() {
            Some(only) => only.related(),
            None => Some(Box::new(self.drawn().iter().map(|fault| fault as &dyn miette::Diagnostic))),
        }
    }
}

/// Text up to so many characters, with its control characters escaped.
pub(super) fn clean_up_to(text: &str, max: usize) -> String {
    let mut shown = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == max {
            shown.push('…');
            break;
        }
        if is_unsafe(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// A source as it may be shown: whatever could command a terminal is replaced by as many bytes of
/// something that cannot, so that places stay true.
fn harmless(text: &str) -> String {
    if !text.contains(|c: char| is_unsafe(c) && !matches!(c, '\n' | '\r' | '\t')) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| {
            let (c, times) = match c {
                '\n' | '\r' | '\t' => (c, 1),
                c if is_unsafe(c) => ('?', c.len_utf8()),
                c => (c, 1),
            };
            std::iter::repeat_n(c, times)
        })
        .collect()
}

/// Control characters, and those that turn the direction of text around.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
