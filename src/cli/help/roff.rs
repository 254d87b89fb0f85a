//! A topic as a manual page of section 7.

use super::Topic;
use super::markdown::{Block, Inline, inline, parse};

/// The page of a topic: `stackctl-placement(7)`.
pub(in super::super) fn page(topic: &Topic) -> String {
    let name = format!("stackctl-{}", topic.name);
    let mut out = format!(
        ".TH {} 7 \"\" \"stackctl {}\"\n.SH NAME\n{} \\- {}\n.SH DESCRIPTION\n",
        escaped(&name),
        env!("CARGO_PKG_VERSION"),
        escaped(&name),
        escaped(topic.summary)
    );
    for block in parse(topic.text) {
        out.push_str(&one(&block));
    }
    out.push_str(".SH SEE ALSO\n\\fBstackctl\\fR(1)\n");
    out
}

fn one(block: &Block) -> String {
    match block {
        // The title is the page's name already.
        Block::Heading(1, _) => String::new(),
        Block::Heading(_, title) => format!(".SH {}\n", heading(title)),
        Block::Paragraph(words) => format!(".PP\n{}\n", line(words)),
        Block::Item(sign, words) => {
            let sign = if sign == "-" { "\\(bu" } else { sign };
            format!(".IP {sign} 4\n{}\n", line(words))
        }
        Block::Code(_, code) => {
            let code: String = code.lines().map(|line| guarded(&escaped(line)) + "\n").collect();
            format!(".PP\n.RS 4\n.nf\n{code}.fi\n.RE\n")
        }
        Block::Table(_, rows) => rows.iter().map(|row| entry(row)).collect(),
    }
}

/// Capitals, without font changes: the reader sets the font of a heading.
fn heading(title: &str) -> String {
    let text = |piece: &Inline<'_>| match *piece {
        Inline::Text(text)
        | Inline::Code(text)
        | Inline::Strong(text)
        | Inline::Emphasis(text)
        | Inline::Link(text, _) => text.to_uppercase(),
    };
    escaped(&inline(title).iter().map(text).collect::<String>())
}

/// A row of a table: all cells but the last are the tag, the last is the text.
fn entry(row: &[String]) -> String {
    let Some((last, tag)) = row.split_last() else { return String::new() };
    let tag: Vec<String> = tag.iter().filter(|cell| !cell.is_empty()).map(|cell| pieces(cell)).collect();
    format!(".TP\n{}\n{}\n", guarded(&tag.join(", ")), line(last))
}

fn line(words: &str) -> String {
    guarded(&pieces(words))
}

fn pieces(words: &str) -> String {
    let piece = |piece: &Inline<'_>| match *piece {
        Inline::Text(text) => escaped(text),
        Inline::Emphasis(text) => format!("\\fI{}\\fR", escaped(text)),
        Inline::Strong(text) | Inline::Code(text) => format!("\\fB{}\\fR", escaped(text)),
        Inline::Link(text, target) => link(text, target),
    };
    inline(words).iter().map(piece).collect()
}

fn link(text: &str, target: &str) -> String {
    let file = target.split('#').next().and_then(|file| file.strip_suffix(".md"));
    match file.and_then(super::find) {
        Some(topic) if topic.name == text => format!("\\fBstackctl\\-{}\\fR(7)", escaped(topic.name)),
        Some(topic) => format!("{} (\\fBstackctl\\-{}\\fR(7))", escaped(text), escaped(topic.name)),
        None if target.contains("://") => format!("{} ({})", escaped(text), escaped(target)),
        None => escaped(text),
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// A line that begins with a dot or a quote would be a request.
fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_name_and_no_accidental_requests() {
        let topic = Topic {
            name: "editors",
            summary: "a summary",
            text: "# T\n\n.env is *read*, `a-b` too: [placement](placement.md).\n\n## More of `it`\n\n- x\n\n```sh\n.y \\ z\n```\n\n| a | b |\n|---|---|\n| `c` | d |\n",
            commands: &[],
        };
        insta::assert_snapshot!(page(&topic).replace(env!("CARGO_PKG_VERSION"), "VERSION"), @r#"
        .TH stackctl\-editors 7 "" "stackctl VERSION"
        .SH NAME
        stackctl\-editors \- a summary
        .SH DESCRIPTION
        .PP
        \&.env is \fIread\fR, \fBa\-b\fR too: \fBstackctl\-placement\fR(7).
        .SH MORE OF IT
        .IP \(bu 4
        x
        .PP
        .RS 4
        .nf
        \&.y \e z
        .fi
        .RE
        .TP
        \fBc\fR
        d
        .SH SEE ALSO
        \fBstackctl\fR(1)
        "#);
    }
}
