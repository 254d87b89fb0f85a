//! What messages quote of a file: as it is written there, and nothing that excerpts hide.
//!
//! Every quote goes through here, so that a value that may be secret stands neither in an excerpt nor beside it.

use super::report::{Sink, clean_up_to};
use super::source::{Span, Spanned};
use super::tree::{Node, Value};

/// Characters of a value that a headline quotes.
const SHOWN_MAX: usize = 60;
/// In place of a value that is hidden.
const HIDDEN: &str = "…";

impl Sink<'_> {
    /// No excerpt of a file shows this text, whatever a diagnostic is about, and no message quotes it: it may be secret, and
    /// diagnostics are printed by CI.
    pub fn hide(&self, span: Span) {
        if span.start < span.end {
            self.hidden.borrow_mut().add(span);
        }
    }

    /// Whether some of the text there is hidden: no message, label or help quotes it then.
    #[must_use]
    pub fn is_hidden(&self, span: Span) -> bool {
        self.hidden.borrow().touching(span).is_some()
    }

    /// Text fit for a message: no control characters, not too long.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        clean_up_to(text, SHOWN_MAX)
    }

    /// A value as the file writes it, fit for a message. Never what a variable stands for, nor what is hidden.
    #[must_use]
    pub fn written(&self, node: &Node) -> String {
        if self.is_hidden(node.span) {
            return HIDDEN.to_owned();
        }
        let written = self.sources().slice(node.span).trim();
        let bare = ['"', '\'']
            .iter()
            .find_map(|&quote| written.strip_prefix(quote)?.strip_suffix(quote))
            .unwrap_or(written);
        self.clean(bare)
    }

    /// A name as the file writes it, where it may have come out of a variable. Of `NAME=value`, the value may be hidden.
    #[must_use]
    pub fn shown(&self, name: &Spanned<String>) -> String {
        let mut seen = name.span;
        // A place without a byte lies within what is around it: that would never end.
        while seen.start < seen.end
            && let Some(hidden) = self.hidden.borrow().touching(seen)
        {
            seen.end = hidden.start.max(seen.start);
        }
        let written = self.sources().slice(seen);
        if seen != name.span && !written.contains(&name.value) {
            return HIDDEN.to_owned();
        }
        if written.contains(&name.value) {
            self.clean(name)
        } else {
            self.clean(written.trim_matches(['"', '\'']))
        }
    }

    /// Whether parts of a value may be quoted: the file itself writes it there, and none of it is hidden.
    #[must_use]
    pub fn may_quote(&self, node: &Node) -> bool {
        self.is_literal(node) && !self.is_hidden(node.span)
    }

    /// Whether the file itself writes this text there.
    #[must_use]
    pub fn is_literal(&self, node: &Node) -> bool {
        let written = self.sources().slice(node.span);
        match &node.value {
            Value::Text(text) => written.contains(text.as_str()),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => !written.contains('$'),
            Value::Null | Value::List(_) | Value::Map(_) => false,
        }
    }
}
