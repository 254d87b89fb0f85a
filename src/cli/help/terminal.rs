//! A topic as text for a terminal. Colours are lost on the way to a pipe, and it stays legible without them.

use super::super::render::{style, text};
use super::find;
use super::markdown::{Block, Inline, inline};

/// Text is no wider than this, however wide the terminal is.
const WIDTH_MAX: usize = 100;
/// Columns of a cell below which a table is not squeezed.
const CELL_MIN: usize = 10;
const GAP: usize = 3;
/// Keeps the words of a short piece of code on one line.
const HARD_BLANK: char = '\u{a0}';

/// Blocks as text.
pub(super) fn render(blocks: &[Block], width: usize) -> String {
    let width = width.min(WIDTH_MAX);
    let mut out = String::new();
    let mut last: Option<&Block> = None;
    for block in blocks {
        let is_next_item = matches!((last, block), (Some(Block::Item(..)), Block::Item(..)));
        if last.is_some() && !is_next_item {
            out.push('\n');
        }
        out.push_str(&one(block, width));
        last = Some(block);
    }
    // Headings are not wrapped.
    out.replace(HARD_BLANK, " ")
}

fn one(block: &Block, width: usize) -> String {
    match block {
        Block::Heading(depth, title) => {
            let title = plain(title);
            let title = if *depth == 1 { title.to_uppercase() } else { title };
            format!("{}\n", style::paint(style::STRONG, title))
        }
        Block::Paragraph(words) => wrap(&styled(words), "", "", width),
        Block::Item(sign, words) => {
            let indent = " ".repeat(sign.len() + 3);
            wrap(&styled(words), &format!("  {sign} "), &indent, width)
        }
        Block::Code(_, code) => {
            code.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect()
        }
        Block::Table(header, rows) => table(header, rows, width),
    }
}

/// A text with its marks turned into styles. Backticks stay: they quote where there are no colours.
fn styled(words: &str) -> String {
    pieces(words, |text| style::paint(style::STRONG, text))
}

/// A text without marks and without styles.
fn plain(words: &str) -> String {
    pieces(words, str::to_owned)
}

fn pieces(words: &str, strong: impl Fn(&str) -> String) -> String {
    const CODE_MAX: usize = 32;
    let piece = |piece: &Inline<'_>| match *piece {
        Inline::Text(text) | Inline::Emphasis(text) => text.to_owned(),
        Inline::Strong(text) => strong(text),
        Inline::Code(code) if code.len() <= CODE_MAX => {
            format!("`{}`", code.replace(' ', &HARD_BLANK.to_string()))
        }
        Inline::Code(code) => format!("`{code}`"),
        Inline::Link(text, target) => link(text, target),
    };
    inline(words).iter().map(piece).collect()
}

/// A link leads to a topic, to a page of the web, or to a file that only the repository has.
fn link(text: &str, target: &str) -> String {
    let topic = target.split('#').next().and_then(|file| file.strip_suffix(".md")).and_then(find);
    match topic {
        Some(topic) if topic.name == text => format!("`stackctl{HARD_BLANK}help{HARD_BLANK}{text}`"),
        Some(topic) => format!("{text} (`stackctl{HARD_BLANK}help{HARD_BLANK}{}`)", topic.name),
        None if target.contains("://") => format!("{text} ({target})"),
        None => text.to_owned(),
    }
}

/// Words in lines, the first behind `first`, the others behind `indent`.
fn wrap(words: &str, first: &str, indent: &str, width: usize) -> String {
    let room = width.saturating_sub(text::width(indent)).max(CELL_MIN);
    let mut out = String::new();
    for (at, line) in lines(words, room).iter().enumerate() {
        out.push_str(if at == 0 { first } else { indent });
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Words in lines of at most `room` columns, unless a word is longer.
fn lines(words: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let line = lines.last_mut().expect("never empty");
        if line.is_empty() {
            line.push_str(word);
        } else if text::width(line) + 1 + text::width(word) <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.iter().map(|line| line.replace(HARD_BLANK, " ")).collect()
}

fn table(header: &[String], rows: &[Vec<String>], width: usize) -> String {
    let has_header = header.iter().any(|cell| !cell.is_empty());
    let heads: Vec<String> =
        header.iter().map(|cell| style::paint(style::STRONG, plain(cell).to_uppercase())).collect();
    let body: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| of_cell(cell)).collect()).collect();
    let all: Vec<&Vec<String>> = has_header.then_some(&heads).into_iter().chain(&body).collect();
    let widths = columns(&all, header.len(), width);
    let mut drawn: Vec<Vec<String>> = all.iter().map(|row| cells(row, &widths)).collect();
    // Rows of several lines need a blank line between them.
    let tall = drawn.iter().filter(|lines| lines.len() > 1).count();
    if 3 * tall > drawn.len() {
        let last = drawn.len() - 1;
        drawn[..last].iter_mut().for_each(|lines| lines.push(String::new()));
    }
    drawn.concat().iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A cell that is nothing but a link shows the name of the topic alone.
fn of_cell(cell: &str) -> String {
    match inline(cell).as_slice() {
        [Inline::Link(text, _)] => (*text).to_owned(),
        _ => styled(cell),
    }
}

/// The width of each column: that of its cells, with the widest columns shrunk if the table is too wide.
fn columns(rows: &[&Vec<String>], count: usize, width: usize) -> Vec<usize> {
    let column = |at: usize| rows.iter().filter_map(move |row| row.get(at));
    let words = |cell: &String| cell.split(' ').map(text::width).max().unwrap_or(0);
    let mut widths: Vec<usize> =
        (0..count).map(|at| column(at).map(|cell| text::width(cell)).max().unwrap_or(0)).collect();
    let least: Vec<usize> =
        (0..count).map(|at| column(at).map(words).max().unwrap_or(0).max(CELL_MIN)).collect();
    while widths.iter().sum::<usize>() + GAP * (count - 1) > width {
        let widest = (0..count).filter(|&at| widths[at] > least[at]).max_by_key(|&at| widths[at]);
        match widest {
            Some(at) => widths[at] -= 1,
            None => break,
        }
    }
    widths
}

/// The lines of one row.
fn cells(row: &[String], widths: &[usize]) -> Vec<String> {
    let wrapped: Vec<Vec<String>> = row.iter().zip(widths).map(|(cell, &width)| lines(cell, width)).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    let line = |at: usize| {
        let parts = wrapped
            .iter()
            .zip(widths)
            .map(|(cell, &width)| text::pad(cell.get(at).map_or("", String::as_str), width));
        parts.collect::<Vec<_>>().join(&" ".repeat(GAP))
    };
    (0..height).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::TOPICS;
    use super::super::markdown::parse;
    use super::*;

    fn shown(text: &str, width: usize) -> String {
        anstream::adapter::strip_str(&render(&parse(text), width)).to_string()
    }

    #[test]
    fn blocks_become_lines() {
        insta::assert_snapshot!(
            shown(
                "# A title\n\nSee [placement](placement.md), [there](https://example.com) and `a b` *now*.\n\n\
                 - one\n- two words\n\n```sh\nstackctl ps\n```\n\n\
                 | what happens | what follows |\n|---|---|\n| a node is silent | its tasks are run elsewhere |\n",
                34
            ),
            @r"
        A TITLE

        See `stackctl help placement`,
        there (https://example.com) and
        `a b` now.

          - one
          - two words

            stackctl ps

        WHAT HAPPENS       WHAT FOLLOWS

        a node is silent   its tasks are
                           run elsewhere
        "
        );
    }

    #[test]
    fn every_topic_fits_80_columns() {
        for topic in TOPICS {
            let text = anstream::adapter::strip_str(&render(&parse(topic.text), 80)).to_string();
            for line in text.lines().filter(|line| !line.starts_with("    ")) {
                // An error code stays in one piece, to be copied: the longest ones leave the words less room than
                // they need.
                let max = if topic.name == "error-codes" { 90 } else { 80 };
                assert!(text::width(line) <= max, "{}: {line}", topic.name);
            }
        }
    }
}
