//! Reads a mapping key by key, and continues after each mistake.
//!
//! A reader takes the keys that it knows from a [`Fields`], and gets `None` both for a missing value and for a wrong
//! one (which is then in the sink), so it can continue and find the next mistake.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use super::report::{Diagnostic, Sink};
use super::scalar::go_float;
use super::source::{Span, Spanned};
use super::tree::{Entry, Map, Node, Value};

/// Names and their short values. A list, because they are never looked up by name, and large files have many.
pub type Pairs = Vec<(String, Spanned<Option<String>>)>;

/// A mapping that is being read.
#[derive(Debug)]
pub struct Fields<'a> {
    sink: &'a Sink<'a>,
    map: &'a Map,
    owner: String,
    path: String,
    span: Span,
    taken: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Fields<'a> {
    /// The mapping at a node. A missing value is `None`, without a diagnostic.
    /// `what` names it in messages: ``service `web` ``. `key` is the place of its key, or of itself.
    pub fn of(sink: &'a Sink<'a>, node: &'a Node, key: Span, what: impl Into<String>) -> Option<Self> {
        Self::inner(sink, node, key, what.into(), String::new())
    }

    fn inner(sink: &'a Sink<'a>, node: &'a Node, key: Span, owner: String, path: String) -> Option<Self> {
        match &node.value {
            Value::Map(map) => Some(Self { sink, map, owner, path, span: key, taken: RefCell::default() }),
            Value::Null => None,
            _ => {
                let name = describe(&path, &owner);
                let name = if name.is_empty() { "the top of the file" } else { &name };
                wrong_type(sink, node, name, "a mapping");
                None
            }
        }
    }

    /// Where diagnostics go.
    #[must_use]
    pub const fn sink(&self) -> &'a Sink<'a> {
        self.sink
    }

    /// What messages call this mapping: ``service `web` ``, or `` `deploy.resources` of service `web` ``.
    #[must_use]
    pub fn what(&self) -> String {
        describe(&self.path, &self.owner)
    }

    /// The place of its key.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }

    /// All entries.
    #[must_use]
    pub fn entries(&self) -> &'a [Entry] {
        &self.map.entries
    }

    /// How messages call one of its values: `` `image` of service `web` ``.
    #[must_use]
    pub fn name(&self, key: &str) -> String {
        describe(&self.path_of(key), &self.owner)
    }

    fn path_of(&self, key: &str) -> String {
        let key = self.sink.clean(key);
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// The entry of a key, unless it is absent or empty. The key now counts as known.
    pub fn entry(&self, key: &str) -> Option<&'a Entry> {
        let entry = self.map.entry(key)?;
        self.taken.borrow_mut().insert(&entry.key.value);
        (!entry.value.is_null()).then_some(entry)
    }

    /// The value of a key.
    pub fn node(&self, key: &str) -> Option<&'a Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Whether a key is written, even with nothing behind it.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.map.entry(key).is_some()
    }

    /// Counts a key as known without reading it.
    pub fn skip(&self, key: &str) {
        let _ = self.entry(key);
    }

    /// Text.
    pub fn text(&self, key: &str) -> Option<Spanned<String>> {
        text(self.sink, self.node(key)?, || self.name(key))
    }

    /// Text that has to be there.
    pub fn required_text(&self, key: &str) -> Option<Spanned<String>> {
        if self.entry(key).is_none() {
            self.missing(key);
        }
        self.text(key)
    }

    /// Reports that a key is missing.
    pub fn missing(&self, key: &str) {
        let what = self.what();
        let message =
            if what.is_empty() { format!("`{key}` is missing") } else { format!("{what} has no `{key}`") };
        self.sink.push(
            Diagnostic::error("missing_key", message)
                .at(self.span, "needs it")
                .help(format!("add `{key}: …`")),
        );
    }

    /// Text of some form, read by `parse`; `expected` says which: `a duration such as `1m30s``.
    pub fn parsed<T, E: fmt::Display>(
        &self,
        key: &str,
        code: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Spanned<T>> {
        self.parsed_by(key, parse, |node, error| self.bad_value(code, key, node, expected, error))
    }

    /// The same, by a `parse` whose error quotes nothing that may be secret: it is shown even if the value is not.
    pub fn parsed_in_private<T, E: fmt::Display>(
        &self,
        key: &str,
        code: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Spanned<T>> {
        self.parsed_by(key, parse, |node, error| {
            let message = format!("{} is not {expected}", self.name(key));
            self.sink.push(Diagnostic::error(code, message).on(node, error.to_string()));
        })
    }

    fn parsed_by<T, E>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
        report: impl FnOnce(&Node, E),
    ) -> Option<Spanned<T>> {
        let node = self.node(key)?;
        let text = text(self.sink, node, || self.name(key))?;
        match parse(&text) {
            Ok(value) => Some(Spanned::new(value, text.span)),
            Err(error) => {
                report(node, error);
                None
            }
        }
    }

    /// Reports a value of the right type but the wrong form.
    pub fn bad_value(
        &self,
        code: &'static str,
        key: &str,
        node: &Node,
        expected: &str,
        why: impl fmt::Display,
    ) {
        let label = if self.sink.may_quote(node) { why.to_string() } else { format!("not {expected}") };
        self.sink
            .push(Diagnostic::error(code, format!("{} is not {expected}", self.name(key))).on(node, label));
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<Spanned<T>> {
        self.choose(key, words, |word, text| word == text)
    }

    /// One of a few words, capitals or not.
    pub fn choice_in_any_case<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<Spanned<T>> {
        self.choose(key, words, str::eq_ignore_ascii_case)
    }

    fn choose<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
        same: impl Fn(&str, &str) -> bool,
    ) -> Option<Spanned<T>> {
        let node = self.node(key)?;
        let text = text(self.sink, node, || self.name(key))?;
        if let Some((_, value)) = words.iter().find(|(word, _)| same(word, &text)) {
            return Some(Spanned::new(*value, text.span));
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help = match closest(&text, &known) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("one of {}", quoted(&known)),
        };
        let written = self.sink.written(node);
        self.sink.push(
            Diagnostic::error("unknown_word", format!("{} cannot be `{written}`", self.name(key)))
                .on(node, "not a value that this key allows")
                .help(help),
        );
        None
    }

    /// A boolean.
    pub fn boolean(&self, key: &str) -> Option<Spanned<bool>> {
        let node = self.node(key)?;
        if let Value::Bool(value) = node.value {
            return Some(Spanned::new(value, node.span));
        }
        let expected = "`true` or `false`";
        match node.as_text().map(str::to_ascii_lowercase).as_deref() {
            Some(word @ ("yes" | "no" | "on" | "off" | "y" | "n" | "true" | "false")) => {
                let meant = matches!(word, "yes" | "on" | "y" | "true");
                let help = match word {
                    "true" | "false" => format!("write `{meant}` without quotes"),
                    _ => format!("write `{meant}`: to YAML 1.2 `{word}` is text"),
                };
                self.sink.push(
                    Diagnostic::error("wrong_type", format!("{} must be {expected}", self.name(key)))
                        .on(node, "this is text")
                        .help(help),
                );
            }
            _ => wrong_type(self.sink, node, &self.name(key), expected),
        }
        None
    }

    /// A whole number from `min` up to what `T` holds.
    pub fn integer<T: TryFrom<i128>>(&self, key: &str, min: i128) -> Option<Spanned<T>> {
        self.integer_of(self.entry(key)?, min)
    }

    /// The same of an entry at hand.
    pub fn integer_of<T: TryFrom<i128>>(&self, entry: &Entry, min: i128) -> Option<Spanned<T>> {
        let (key, node) = (entry.key.value.as_str(), &entry.value);
        let whole = match node.value {
            Value::Int(int) => Some(int.get()),
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
            Value::Float(float) if float.fract() == 0.0 && float.abs() < 1e18 => Some(float as i128),
            _ => None,
        };
        let Some(whole) = whole else {
            wrong_type(self.sink, node, &self.name(key), "a whole number");
            return None;
        };
        match T::try_from(whole) {
            Ok(value) if whole >= min => Some(Spanned::new(value, node.span)),
            _ => {
                let label =
                    if whole < min { format!("must be {min} or more") } else { "too large".to_owned() };
                self.sink.push(
                    Diagnostic::error("out_of_range", format!("{} is out of range", self.name(key)))
                        .on(node, label),
                );
                None
            }
        }
    }

    /// A number.
    pub fn float(&self, key: &str) -> Option<Spanned<f64>> {
        let node = self.node(key)?;
        match node.value {
            Value::Float(float) => Some(Spanned::new(float, node.span)),
            #[expect(clippy::cast_precision_loss, reason = "small numbers in practice, and docker's way")]
            Value::Int(int) => Some(Spanned::new(int.get() as f64, node.span)),
            _ => {
                wrong_type(self.sink, node, &self.name(key), "a number");
                None
            }
        }
    }

    /// The nodes of a list.
    pub fn list(&self, key: &str) -> Option<&'a [Node]> {
        list(self.sink, self.node(key)?, &self.name(key))
    }

    /// A list of texts.
    pub fn texts(&self, key: &str) -> Option<Vec<Spanned<String>>> {
        let name = self.name(key);
        let nodes = self.list(key)?;
        Some(each(Some(nodes), |node| text(self.sink, node, || format!("an item of {name}"))))
    }

    /// A mapping whose values are short: text, numbers, or nothing. In the order of the file, each name once.
    pub fn pairs(&self, key: &str) -> Option<Pairs> {
        let fields = self.fields(key)?;
        let pair = |entry: &Entry| {
            let name = format!("`{}` in {}", self.sink.shown(&entry.key), self.name(key));
            let value = if entry.value.is_null() {
                Spanned::new(None, entry.key.span)
            } else {
                scalar_text(self.sink, &entry.value, &name)?.map(Some)
            };
            Some((entry.key.value.clone(), value))
        };
        Some(each(Some(fields.entries()), pair))
    }

    /// The mapping of a key.
    pub fn fields(&self, key: &str) -> Option<Self> {
        let entry = self.entry(key)?;
        Self::inner(self.sink, &entry.value, entry.key.span, self.owner.clone(), self.path_of(key))
    }

    /// The mapping of an entry of this mapping.
    pub fn under(&self, entry: &'a Entry) -> Option<Self> {
        Self::inner(self.sink, &entry.value, entry.key.span, self.owner.clone(), self.path_of(&entry.key))
    }

    /// Reports every key that the reader did not ask for, with the nearest known key. Accepts `x-` keys.
    pub fn deny_unknown(&self, known: &[&str]) {
        let taken = self.taken.borrow();
        for entry in &self.map.entries {
            let key = entry.key.value.as_str();
            if taken.contains(key) || key.starts_with("x-") || known.contains(&key) {
                continue;
            }
            unknown_key(self.sink, entry, &self.what(), known);
        }
    }
}

fn describe(path: &str, owner: &str) -> String {
    match (path, owner) {
        ("", owner) => owner.to_owned(),
        (path, "") => format!("`{path}`"),
        (path, owner) => format!("`{path}` of {owner}"),
    }
}

/// Reports an unknown key.
pub fn unknown_key(sink: &Sink<'_>, entry: &Entry, what: &str, known: &[&str]) {
    misplaced_key(sink, entry, what, known, None);
}

/// The same, where it may be known to which place the key belongs.
pub fn misplaced_key(sink: &Sink<'_>, entry: &Entry, what: &str, known: &[&str], home: Option<String>) {
    let known = if sink.is_flooded() { &[] } else { known };
    let key = sink.clean(&entry.key);
    let message = if what.is_empty() {
        format!("unknown key `{key}` at the top of the file")
    } else {
        format!("unknown key `{key}` in {what}")
    };
    let help = match closest(&entry.key, known) {
        _ if home.is_some() => home,
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None if known.len() <= 8 => Some(format!("it knows {}", quoted(known))),
        None => Some("remove it; notes of your own go under a key that starts with `x-`".to_owned()),
    };
    let mut diagnostic = Diagnostic::error("unknown_key", message).at(entry.key.span, "unknown here");
    if let Some(via) = entry.value.via() {
        diagnostic = diagnostic.also(via, "used here");
    }
    sink.push(diagnostic.maybe_help(help));
}

/// Reports a value of the wrong type.
pub fn wrong_type(sink: &Sink<'_>, node: &Node, name: &str, expected: &str) {
    let kind = node.value.kind();
    let label = if node.is_null() {
        "nothing is written".to_owned()
    } else if sink.sources().slice(node.span).contains('$') {
        format!("with its variables filled in, this is {kind}")
    } else {
        format!("this is {kind}")
    };
    let mut diagnostic =
        Diagnostic::error("wrong_type", format!("{name} must be {expected}")).on(node, label);
    if let Some(help) = meant(sink, node, expected) {
        diagnostic = diagnostic.help(help);
    }
    sink.push(diagnostic);
}

/// How a value of the wrong type would look in the right one, if that is obvious.
fn meant(sink: &Sink<'_>, node: &Node, expected: &str) -> Option<String> {
    let written = sink.written(node);
    let is_short = !written.contains('…') && sink.may_quote(node);
    match (&node.value, expected) {
        (Value::Bool(_) | Value::Int(_) | Value::Float(_), "text") if sink.is_hidden(node.span) => {
            Some("put it in quotes".to_owned())
        }
        (Value::Bool(_) | Value::Int(_) | Value::Float(_), "text") => {
            Some(format!("put it in quotes: `\"{written}\"`"))
        }
        (Value::Text(_) | Value::Bool(_) | Value::Int(_) | Value::Float(_), "a list") if is_short => {
            Some(format!("write it as a list: `[\"{written}\"]`"))
        }
        (Value::Text(_), "a list") if sink.is_hidden(node.span) => {
            Some("write it as a list: `[\"…\", \"…\"]`".to_owned())
        }
        (Value::Map(_), "a list") => Some("begin each of its items with `- `".to_owned()),
        (Value::List(_), "a mapping") => Some("leave the `- ` out".to_owned()),
        (Value::Text(_), "a mapping") => Some("write its keys below it, indented further".to_owned()),
        (Value::Text(text), "a whole number" | "a number")
            if is_short && text.trim().parse::<f64>().is_ok() =>
        {
            Some(format!("leave the quotes out: `{}`", text.trim()))
        }
        _ => None,
    }
}

/// Text, and nothing that is converted to text. The name is made only for a message: a file may hold
/// a hundred thousand of these.
pub fn text(sink: &Sink<'_>, node: &Node, name: impl FnOnce() -> String) -> Option<Spanned<String>> {
    match &node.value {
        Value::Text(text) => Some(Spanned::new(text.clone(), node.span)),
        _ => {
            wrong_type(sink, node, &name(), "text");
            None
        }
    }
}

/// Any scalar as text, the way docker makes text of numbers in `environment` and labels.
pub fn scalar_text(sink: &Sink<'_>, node: &Node, name: &str) -> Option<Spanned<String>> {
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Int(int) => int.to_string(),
        Value::Float(float) => go_float(*float),
        Value::Bool(value) => value.to_string(),
        Value::Null => String::new(),
        Value::List(_) | Value::Map(_) => {
            wrong_type(sink, node, name, "text");
            return None;
        }
    };
    Some(Spanned::new(text, node.span))
}

/// The nodes of a list.
pub fn list<'a>(sink: &Sink<'_>, node: &'a Node, name: &str) -> Option<&'a [Node]> {
    let list = node.as_list();
    if list.is_none() {
        wrong_type(sink, node, name, "a list");
    }
    list
}

/// Reads each item, and keeps those that are valid. Allocates no more than needed, since there are many short lists.
pub fn each<'a, N, T>(all: Option<&'a [N]>, read: impl FnMut(&'a N) -> Option<T>) -> Vec<T> {
    let all = all.unwrap_or_default();
    let mut found = Vec::with_capacity(all.len());
    found.extend(all.iter().filter_map(read));
    found
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// Words that are compared with one that is not among them.
const WORDS_MAX: usize = 2000;

/// The nearest of some words, if it is near enough for a suggestion.
#[must_use]
pub fn closest<'w>(word: &str, words: &[&'w str]) -> Option<&'w str> {
    let lower = word.to_lowercase();
    let limit = (word.chars().count() / 3).clamp(1, 3);
    words
        .iter()
        .take(WORDS_MAX)
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), *candidate))
        .filter(|&(distance, candidate)| distance <= limit && candidate != word)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits between two words: insert, delete, replace, swap of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_if_it_is_near() {
        let words = ["image", "init", "ports", "pid"];
        assert_eq!(closest("imge", &words), Some("image"));
        assert_eq!(closest("prots", &words), Some("ports"));
        assert_eq!(closest("Image", &words), Some("image"));
        assert_eq!(closest("colour", &words), None);
    }
}
