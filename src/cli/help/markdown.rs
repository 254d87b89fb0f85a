//! Markdown to blocks, as much of it as topics use: headings, paragraphs, lists, tables, code, comments.
//!
//! It is no general parser. `tests/cli/topics.rs` reads the blocks, too, to run what they say.

/// A part of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading and its depth, 1 for the title.
    Heading(usize, String),
    /// Text, its lines joined.
    Paragraph(String),
    /// An entry of a list: the sign in front (`-` or `1.`), and its text.
    Item(String, String),
    /// Code: what stands behind the opening fence, and the lines.
    Code(String, String),
    /// A table: its header, which may be empty, and its rows.
    Table(Vec<String>, Vec<Vec<String>>),
}

/// A piece of a line of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inline<'t> {
    /// As it is.
    Text(&'t str),
    /// Between backticks.
    Code(&'t str),
    /// Between two stars.
    Strong(&'t str),
    /// Between single stars.
    Emphasis(&'t str),
    /// A link: its text and where it leads.
    Link(&'t str, &'t str),
}

/// The blocks of a text, in order.
#[must_use]
pub fn parse(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let bare = line.trim();
        if bare.is_empty() {
            continue;
        }
        if bare.starts_with("<!--") {
            let mut last = bare;
            while !last.contains("-->") {
                let Some(next) = lines.next() else { break };
                last = next;
            }
        } else if let Some(info) = bare.strip_prefix("```") {
            let code: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
            blocks.push(Block::Code(info.to_owned(), code.join("\n")));
        } else if let Some((depth, title)) = heading(bare) {
            blocks.push(Block::Heading(depth, title.to_owned()));
        } else if bare.starts_with('|') {
            let mut rows = vec![cells(bare)];
            while let Some(row) = lines.next_if(|line| line.trim_start().starts_with('|')) {
                rows.push(cells(row.trim()));
            }
            let header = rows.remove(0);
            rows.retain(|row| {
                !row.iter().all(|cell| !cell.is_empty() && cell.chars().all(|c| "-:".contains(c)))
            });
            blocks.push(Block::Table(header, rows));
        } else {
            let (sign, first) = item(bare);
            let mut text = first.to_owned();
            while let Some(more) = lines.next_if(|line| goes_on(line)) {
                text.push(' ');
                text.push_str(more.trim());
            }
            blocks.push(match sign {
                Some(sign) => Block::Item(sign.to_owned(), text),
                None => Block::Paragraph(text),
            });
        }
    }
    blocks
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let depth = line.bytes().take_while(|byte| *byte == b'#').count();
    line[depth..].strip_prefix(' ').filter(|_| depth > 0).map(|title| (depth, title))
}

/// The sign of an entry of a list, and the rest.
fn item(line: &str) -> (Option<&str>, &str) {
    if let Some(rest) = line.strip_prefix("- ") {
        return (Some("-"), rest);
    }
    match line.split_once(' ') {
        Some((sign, rest)) if is_number(sign) => (Some(sign), rest),
        _ => (None, line),
    }
}

fn is_number(sign: &str) -> bool {
    sign.strip_suffix('.')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a line continues the paragraph or entry above it.
fn goes_on(line: &str) -> bool {
    let bare = line.trim();
    !(bare.is_empty()
        || bare.starts_with("```")
        || bare.starts_with('|')
        || bare.starts_with("<!--")
        || heading(bare).is_some()
        || item(bare).0.is_some())
}

/// The cells of a row. `\|` is a bar within a cell, and so is one in code.
fn cells(row: &str) -> Vec<String> {
    let row = row.strip_prefix('|').unwrap_or(row);
    let row = row.strip_suffix('|').unwrap_or(row);
    let mut cells = vec![String::new()];
    let mut chars = row.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'|') => cells.last_mut().expect("never empty").extend(chars.next()),
            '|' => cells.push(String::new()),
            c => cells.last_mut().expect("never empty").push(c),
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// The pieces of a text.
#[must_use]
pub fn inline(text: &str) -> Vec<Inline<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        let piece = between(&rest[at..]);
        let Some((piece, length)) = piece else {
            let end = at + 1;
            pieces.push(Inline::Text(&rest[..end]));
            rest = &rest[end..];
            continue;
        };
        if at > 0 {
            pieces.push(Inline::Text(&rest[..at]));
        }
        pieces.push(piece);
        rest = &rest[at + length..];
    }
    if !rest.is_empty() {
        pieces.push(Inline::Text(rest));
    }
    pieces
}

/// The marked piece that a text opens with, and its length.
fn between<'t>(text: &'t str) -> Option<(Inline<'t>, usize)> {
    if let Some(link) = text.strip_prefix('[') {
        let (label, rest) = link.split_once("](")?;
        let (target, _) = rest.split_once(')')?;
        let is_label = !label.contains(['[', ']']);
        return is_label.then(|| (Inline::Link(label, target), label.len() + target.len() + 4));
    }
    let (mark, make): (&str, fn(&'t str) -> Inline<'t>) = if text.starts_with('`') {
        ("`", Inline::Code)
    } else if text.starts_with("**") {
        ("**", Inline::Strong)
    } else {
        ("*", Inline::Emphasis)
    };
    let inner = &text[mark.len()..];
    let end = inner.find(mark).filter(|end| *end > 0)?;
    let is_marked = mark == "`" || !inner.starts_with(' ') && !inner[..end].ends_with(' ');
    is_marked.then(|| (make(&inner[..end]), end + 2 * mark.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_apart() {
        let text = "# Title\n\nOne\ntwo.\n- a\n  b\n- c\n1. d\n<!-- not\nshown -->\n```sh x\nrun\n\nit\n```\n\n\
                    | a | `b\\|c` |\n|---|---|\n| 1 | |\n";
        assert_eq!(
            parse(text),
            [
                Block::Heading(1, "Title".into()),
                Block::Paragraph("One two.".into()),
                Block::Item("-".into(), "a b".into()),
                Block::Item("-".into(), "c".into()),
                Block::Item("1.".into(), "d".into()),
                Block::Code("sh x".into(), "run\n\nit".into()),
                Block::Table(vec!["a".into(), "`b|c`".into()], vec![vec!["1".into(), String::new()]]),
            ]
        );
    }

    #[test]
    fn text_has_pieces() {
        assert_eq!(
            inline("a `*b*` **c** *d* [e](f.md), 2 * 3"),
            [
                Inline::Text("a "),
                Inline::Code("*b*"),
                Inline::Text(" "),
                Inline::Strong("c"),
                Inline::Text(" "),
                Inline::Emphasis("d"),
                Inline::Text(" "),
                Inline::Link("e", "f.md"),
                Inline::Text(", 2 *"),
                Inline::Text(" 3"),
            ]
        );
    }
}
