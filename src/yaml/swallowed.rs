//! A list item that is indented too far is no item: YAML takes it for more of the text above.
//!
//! ```yaml
//! environment:
//!   - A=1
//!     - B=2      # A is "1 - B=2"
//! ```
//!
//! Right by the rules, and hardly ever meant, so there is a warning.

use super::report::Diagnostic;
use super::source::Span;

/// Looks at a text without quotes as the file writes it.
pub fn check(written: &str, span: Span) -> Option<Diagnostic> {
    let first = span.part(0..written.find('\n')?);
    let mut items: Vec<(Span, usize)> = Vec::new();
    let mut at = 0;
    for (n, line) in written.split('\n').enumerate() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if n > 0 && text.starts_with("- ") {
            items.push((span.part(at + indent..at + indent + text.trim_end().len()), indent));
        }
        at += line.len() + 1;
    }
    let (item, indent) = items.first()?;
    let diagnostic = Diagnostic::warning("swallowed_line", "a list item became part of the text above it");
    // Several that stand under each other are right, and the one above them is not.
    let is_one_of_several = items.len() > 1 && items.iter().all(|(_, other)| other == indent);
    Some(if is_one_of_several {
        diagnostic
            .at(first, "the text goes on over the items below")
            .also(*item, "taken for text, not for an item")
            .help("indent it like the items below it")
    } else {
        diagnostic
            .at(*item, "indented too far to be an item")
            .also(first, "the text goes on from here")
            .help("indent it like its siblings; if the text is meant to go on, put it in quotes")
    })
}
