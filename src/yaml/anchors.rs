//! An alias without its anchor: what may have been meant.

use super::decode::closest;
use super::report::{Diagnostic, Sink};
use super::source::Span;

/// Says that there is no such anchor above an alias, and shows the one below it if there is one.
pub fn unknown(sink: &Sink<'_>, name: &str, alias: Span) -> Diagnostic {
    let text = &sink.sources().get(alias.file).text;
    let shown = sink.clean(name);
    let diagnostic = Diagnostic::error("unknown_anchor", format!("no anchor `&{shown}` before this alias"))
        .at(alias, "not defined above");
    if sink.is_flooded() {
        return diagnostic;
    }
    if let Some((at, _)) = names(text).find(|(at, known)| *at > alias.end as usize && *known == name) {
        return diagnostic
            .also(Span::new(alias.file, at..at + 1 + name.len()), "defined here, too late")
            .help("move the anchor above its first alias");
    }
    let above: Vec<&str> =
        names(text).filter(|(at, _)| *at < alias.start as usize).map(|(_, known)| known).collect();
    diagnostic.help(match closest(name, &above) {
        Some(near) => format!("did you mean `*{}`?", sink.clean(near)),
        None => "an anchor must stand above its aliases, in the same file".to_owned(),
    })
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
