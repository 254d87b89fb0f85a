//! A plan as a comment on a pull request: the sum is visible, the rest folded, and a marker lets a later run find
//! the comment again.
//!
//! No value can end its block or become Markdown or HTML of its own, and the comment is never too long: text
//! that does not fit is cut, with a note.

use std::fmt::Write as _;

use anstream::adapter::strip_str;

use super::super::annotations::{Finding, Level};
use super::PlanView;
use super::moves::Moves;
use super::text::{Depth, Mark, drift_lines, sections, summary};

/// The size limits. A comment on GitHub holds 65,536 characters; the parts below have fewer bytes together.
const BLOCK_BYTES_MAX: usize = 45_000;
/// Of drift, of notes, and of findings each.
const LIST_BYTES_MAX: usize = 6_000;
/// Of one line in a list.
const ITEM_BYTES_MAX: usize = 1_000;

/// The plan as GitHub's Markdown.
#[must_use]
pub fn markdown(view: &PlanView<'_>) -> String {
    let plain = |text: &str| strip_str(text).to_string();
    let sum = plain(&summary(view));
    let mut out = head(view.stack.as_str(), &format!("Stack `{}` on cluster `{}`", view.stack, view.cluster));
    let _ = writeln!(out, "**{sum}**");
    let moves = Moves::of(view.forecast);
    let mut block = String::new();
    for (at, section) in sections(view, &moves).iter().enumerate() {
        if at > 0 {
            block.push('\n');
        }
        for line in section {
            // In a `diff` block the first character gives the colour: `!` is the one for changes.
            let first = match line.mark {
                Mark::Add | Mark::StartFirst => "+",
                Mark::Remove => "-",
                Mark::Change | Mark::StopFirst => "!",
                Mark::Same => "=",
                Mark::None => " ",
            };
            let text = plain(&line.text);
            let _ = match (line.depth, line.mark) {
                (Depth::Service, _) => writeln!(block, "{first} {text}"),
                (Depth::Task, Mark::StopFirst | Mark::StartFirst) => {
                    writeln!(block, "{first}     {} {text}", line.mark.sign())
                }
                (Depth::Task, _) => writeln!(block, "{first}     {text}"),
                (Depth::Field, _) => writeln!(block, "        {text}"),
            };
        }
    }
    if !block.is_empty() {
        let whole = block.len();
        block.truncate(floor(&block, BLOCK_BYTES_MAX));
        if block.len() < whole {
            let kilobytes = (whole - block.len()).div_ceil(1000);
            let _ = write!(block, "\n… cut: another {kilobytes} kB do not fit into a comment\n");
        }
        let fence = fence(&block);
        let _ = write!(
            out,
            "\n<details><summary>Details</summary>\n\n{fence}diff\n{block}{fence}\n\n</details>\n"
        );
    }
    if let Some(lines) = drift_lines(view) {
        let _ = writeln!(out, "\n**{}**\n", lines.heading);
        list(&mut out, lines.found.iter().map(|line| ("🔧", line.clone())));
    }
    if !view.notes.is_empty() {
        out.push('\n');
        list(&mut out, view.notes.iter().map(|note| ("⚠️", note.to_string())));
    }
    out
}

/// The comment if there is no plan, with the reason. It replaces an earlier comment.
#[must_use]
pub fn no_plan(stack: &str, found: &[Finding]) -> String {
    let mut out = head(stack, &format!("Stack `{stack}`"));
    let errors = found.iter().filter(|one| one.level == Level::Error).count();
    let _ = writeln!(out, "**No plan: {}**\n", super::super::text::count(errors.max(1), "problem"));
    out.push_str(&findings(found));
    out
}

/// Findings, one a line.
#[must_use]
pub fn findings(found: &[Finding]) -> String {
    let mut out = String::new();
    list(
        &mut out,
        found.iter().map(|one| {
            let sign = match one.level {
                Level::Error => "❌",
                Level::Warning => "⚠️",
                Level::Notice => "ℹ️",
            };
            let place = one.place().map(|place| format!("{place}: ")).unwrap_or_default();
            (sign, format!("{place}{}", one.message.replace('\n', "; ")))
        }),
    );
    out
}

/// The marker by which a later run finds the comment, and a heading.
fn head(stack: &str, title: &str) -> String {
    format!("<!-- stackctl:diff:{stack} -->\n### {title}\n\n")
}

/// Items until there is no room, and how many were left out.
fn list(out: &mut String, items: impl Iterator<Item = (&'static str, String)>) {
    let begin = out.len();
    let mut left_out = 0;
    for (sign, text) in items {
        let text = escaped(&text);
        if out.len() - begin + text.len().min(ITEM_BYTES_MAX) > LIST_BYTES_MAX {
            left_out += 1;
            continue;
        }
        let end = floor(&text, ITEM_BYTES_MAX);
        let _ = writeln!(out, "- {sign} {}{}", &text[..end], if end < text.len() { "…" } else { "" });
    }
    if left_out > 0 {
        let _ = writeln!(out, "- … and {left_out} more, which do not fit into a comment");
    }
}

/// The last place for a cut that is not beyond `max`.
fn floor(text: &str, max: usize) -> usize {
    (0..=max.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// A fence longer than any run of backticks inside, which could end the block.
fn fence(block: &str) -> String {
    let longest = block.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// Text with Markdown and HTML escaped.
fn escaped(text: &str) -> String {
    let text = super::super::text::clean(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '*' | '_' | '`' | '[' | ']' | '\\' | '|' | '@' | '#' | '~' | '!' | '>' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markdown() {
        assert_eq!(
            escaped("a <b> @all [x](y) `c` #1 &lt;"),
            "a &lt;b\\> \\@all \\[x\\](y) \\`c\\` \\#1 &amp;lt;"
        );
        assert_eq!(fence("a ```` b"), "`````");
    }

    #[test]
    fn lists_are_cut_and_say_so() {
        let mut out = String::new();
        list(&mut out, (0..100).map(|_| ("x", "é".repeat(600))));
        assert!(
            out.len() < LIST_BYTES_MAX + 200 && out.ends_with("more, which do not fit into a comment\n"),
            "{out}"
        );
        assert!(out.lines().next().is_some_and(|line| line.ends_with("é…")), "{out}");
    }
}
