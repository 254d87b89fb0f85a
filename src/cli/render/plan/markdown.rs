//! A plan for a pull request: the sum in sight, the rest folded, one marker so that a later run finds
//! its comment again.

use std::fmt::Write as _;

use anstream::adapter::strip_str;

use super::PlanView;
use super::moves::Moves;
use super::text::{Depth, Mark, drift_lines, sections, summary};

/// A comment on GitHub holds 65,536 characters; this leaves room for what is around.
const BLOCK_CHARS_MAX: usize = 60_000;

/// The plan as GitHub's Markdown.
#[must_use]
pub fn markdown(view: &PlanView<'_>) -> String {
    let plain = |text: &str| strip_str(text).to_string();
    let sum = plain(&summary(view));
    let mut out = format!(
        "<!-- stackctl:diff:{}:{} -->\n### Stack `{}` on cluster `{}`\n\n**{sum}**\n",
        view.cluster, view.stack, view.stack, view.cluster
    );
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
        let cut = (0..=BLOCK_CHARS_MAX.min(block.len())).rev().find(|&at| block.is_char_boundary(at));
        let cut = cut.unwrap_or(0);
        if cut < block.len() {
            block.truncate(cut);
            block.push_str("\n… cut: too long for a comment\n");
        }
        let fence = fence(&block);
        let _ = write!(
            out,
            "\n<details><summary>Details</summary>\n\n{fence}diff\n{block}{fence}\n\n</details>\n"
        );
    }
    if let Some(lines) = drift_lines(view) {
        let _ = writeln!(out, "\n**{}**\n", lines.heading);
        for line in &lines.found {
            let _ = writeln!(out, "- 🔧 {}", escaped(line));
        }
    }
    if !view.notes.is_empty() {
        out.push('\n');
        for note in view.notes {
            let _ = writeln!(out, "- ⚠️ {}", escaped(&note.to_string()));
        }
    }
    out
}

/// Longer than any run of backticks inside, which could end the block.
fn fence(block: &str) -> String {
    let longest = block.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// Text in which Markdown and HTML find nothing of theirs.
fn escaped(text: &str) -> String {
    let text = super::super::text::clean(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '*' | '_' | '`' | '[' | ']' | '\\' | '|' | '@' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
