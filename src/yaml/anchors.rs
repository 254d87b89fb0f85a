//! An alias without its anchor: what may have been meant.

use super::decode::closest;
use super::report::{Diagnostic, Sink};
use super::source::Span;

/// What to do where a text may be meant.
const IN_QUOTES: &str = "put a text that begins with `*` in quotes; an anchor must stand above its aliases";

/// Says that there is no such anchor above an alias, and shows the one below it if there is one.
pub fn unknown(sink: &Sink<'_>, name: &str, alias: Span) -> Diagnostic {
    let text = &sink.sources().get(alias.file).text;
    let shown = sink.clean(name);
    let diagnostic = Diagnostic::error("unknown_anchor", format!("no anchor `&{shown}` before this alias"))
        .message_quotes(alias, "no such anchor before this alias")
        .at(alias, "not defined above");
    if sink.is_flooded() {
        return diagnostic;
    }
    if let Some((at, _)) = names(text).find(|(at, known)| *at > alias.end as usize && *known == name) {
        return diagnostic
            .also(place(alias, at, name), "defined here, too late")
            .help("move the anchor above its first alias");
    }
    let above: Vec<(usize, &str)> = names(text).filter(|(at, _)| *at < alias.start as usize).collect();
    let names: Vec<&str> = above.iter().map(|(_, known)| *known).collect();
    let near = closest(name, &names).and_then(|near| above.iter().find(|(_, known)| *known == near));
    match near {
        Some((at, near)) => diagnostic
            .help(format!("did you mean `*{}`?", sink.clean(near)))
            .help_quotes(place(alias, *at, near), IN_QUOTES),
        None => diagnostic
            .help("an anchor must stand above its aliases, in the same file")
            .help_quotes(alias, IN_QUOTES),
    }
}

/// The anchor of a name that stands at a byte.
fn place(alias: Span, at: usize, name: &str) -> Span {
    Span::new(alias.file, at..at + 1 + name.len())
}

/// What looks like an anchor in a text, and where.
fn names(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices('&').filter_map(move |(at, _)| {
        let begins = text[..at].ends_with([' ', '\n', '[', ',', '{']);
        let rest = &text[at + 1..];
        let end = rest.find(|c: char| c.is_whitespace() || "[]{},".contains(c)).unwrap_or(rest.len());
        (begins && end > 0).then(|| (at, &rest[..end]))
    })
}
