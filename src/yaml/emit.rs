//! Tree to text, so that docker reads the same back: two-space indent, quotes wherever a plain scalar
//! would be taken for something else by any reader we know of.

use super::report::is_unsafe;
use super::scalar::{go_float, resolve};
use super::tree::{Map, Node, Value};

/// A longer key has to be announced with a `?`: YAML gives up looking for the colon after 1024 characters.
const KEY_MAX: usize = 1000;

/// How text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// `$` becomes `$$`, so that a reader that interpolates gets it back.
    pub escape_dollars: bool,
}

/// A tree as a YAML document, keys in the order of the tree.
#[must_use]
pub fn yaml(node: &Node, style: Style) -> String {
    let mut out = String::new();
    let writer = Writer { style };
    match &node.value {
        Value::Map(map) if !map.entries.is_empty() => writer.map(&mut out, map, 0),
        Value::List(list) if !list.is_empty() => writer.list(&mut out, list, 0),
        _ => {
            writer.scalar(&mut out, node);
            out.push('\n');
        }
    }
    out
}

struct Writer {
    style: Style,
}

impl Writer {
    fn map(&self, out: &mut String, map: &Map, depth: usize) {
        for entry in &map.entries {
            indent(out, depth);
            let key = quote(&entry.key);
            if key.len() > KEY_MAX {
                out.push_str("? ");
                out.push_str(&key);
                out.push('\n');
                indent(out, depth);
            } else {
                out.push_str(&key);
            }
            out.push(':');
            self.value(out, &entry.value, depth + 1);
        }
    }

    fn list(&self, out: &mut String, list: &[Node], depth: usize) {
        for node in list {
            indent(out, depth);
            out.push('-');
            match &node.value {
                // The first key stands behind the dash.
                Value::Map(map) if !map.entries.is_empty() => {
                    let mut inner = String::new();
                    self.map(&mut inner, map, depth + 1);
                    out.push(' ');
                    out.push_str(inner.trim_start_matches(' '));
                }
                _ => self.value(out, node, depth + 1),
            }
        }
    }

    /// Behind a `:` or `-`.
    fn value(&self, out: &mut String, node: &Node, depth: usize) {
        match &node.value {
            Value::Map(map) if !map.entries.is_empty() => {
                out.push('\n');
                self.map(out, map, depth);
            }
            Value::List(list) if !list.is_empty() => {
                out.push('\n');
                self.list(out, list, depth);
            }
            _ => {
                out.push(' ');
                self.scalar(out, node);
                out.push('\n');
            }
        }
    }

    fn scalar(&self, out: &mut String, node: &Node) {
        match &node.value {
            Value::Null => out.push_str("null"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Int(int) => out.push_str(&int.to_string()),
            Value::Float(float) if float.is_nan() => out.push_str(".nan"),
            Value::Float(float) if float.is_infinite() => {
                out.push_str(if *float > 0.0 { ".inf" } else { "-.inf" });
            }
            Value::Float(float) => out.push_str(&go_float(*float)),
            Value::Text(text) if self.style.escape_dollars => {
                out.push_str(&quote(&text.replace('$', "$$")));
            }
            Value::Text(text) => out.push_str(&quote(text)),
            Value::List(_) => out.push_str("[]"),
            Value::Map(_) => out.push_str("{}"),
        }
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Text as a scalar: plain where every reader takes it for text, in double quotes elsewhere.
fn quote(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_special(c) => {
                let code = u32::from(c);
                out.push_str(&if code <= 0xff { format!("\\x{code:02x}") } else { format!("\\u{code:04x}") });
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// What a terminal would act on, or a reader of YAML take for something else.
fn is_special(c: char) -> bool {
    is_unsafe(c) || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}')
}

/// Whether text can stand without quotes. Stricter than YAML asks: what YAML 1.1, Go's or another
/// reader may take for a number, a date or a boolean is quoted.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 12] =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"];
    let Some(first) = text.chars().next() else { return false };
    let last = text.chars().last().unwrap_or(first);
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
    let dateish =
        numeric(first) && text.chars().all(|c| c.is_ascii_hexdigit() || "+-._:xXoO tTzZ".contains(c));
    !(first.is_whitespace()
        || last.is_whitespace()
        || "!&*-?:,[]{}#|>@`\"'%=~<".contains(first)
            && !(first == '-' && text.len() > 1 && !text.starts_with("- "))
        || last == ':'
        || text.starts_with("---")
        || text.starts_with("...")
        || text.contains(": ")
        || text.contains(" #")
        || text.contains(is_special)
        || WORDS.contains(&text.to_ascii_lowercase().as_str())
        || !matches!(resolve(text), Value::Text(_))
        || dateish)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Sink, SourceText, Sources, Value, parse};
    use super::*;

    fn read(text: &str) -> Node {
        let sources = Sources::new();
        let id = sources.add(SourceText { name: "x.yml".into(), bytes: text.into() }).unwrap();
        let sink = Sink::new("test", &sources);
        let node = parse(&sources, id, &sink).unwrap_or_else(|| panic!("{text}"));
        assert!(sink.finish().is_ok(), "{text}");
        node
    }

    fn bare(node: &Node) -> String {
        format!("{:?}", strip(node.clone()))
    }

    fn strip(mut node: Node) -> Node {
        node.span = Default::default();
        node.set_via(None);
        match &mut node.value {
            Value::List(list) => *list = list.drain(..).map(strip).collect(),
            Value::Map(map) => {
                for entry in &mut map.entries {
                    entry.key.span = Default::default();
                    entry.value = strip(entry.value.clone());
                }
            }
            _ => {}
        }
        node
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in [
            "a: [1, 2.5, true, null, x]\nb: {}\nc: []\nd:\n  - - 1\n    - 2\n  - x: 1\n    y: [a]\n",
            "a: \"yes\"\nb: \"12_000\"\nc: \"2024-01-01\"\nd: \"22:22\"\ne: \"<<\"\nf: \"- x\"\ng: -x\n",
            "\"1\": \"a: b\"\n\"#\": \"a #b\"\nk: |\n  two\n  lines\nl: \" \"\nm: \"\"\n",
        ] {
            let node = read(text);
            let written = yaml(&node, Style::default());
            assert_eq!(bare(&read(&written)), bare(&node), "{written}");
        }
    }

    #[test]
    fn keys_of_any_length_read_back() {
        let span = crate::yaml::Span::default();
        for key in ["k".repeat(1025), "k ".repeat(3000) + "k", "\u{202e}".repeat(500)] {
            let inner = Node::map(vec![(&key, Node::text("v", span)), ("z", Node::text("w", span))], span);
            let list = Node::made(Value::List(vec![inner.clone()]), span);
            let node = Node::map(vec![(&key, inner), ("l", list)], span);
            assert_eq!(bare(&read(&yaml(&node, Style::default()))), bare(&node));
        }
    }

    #[test]
    fn nothing_that_commands_a_terminal_is_written_raw() {
        let span = crate::yaml::Span::default();
        for bad in ["\u{1b}[2J", "\u{9b}31m", "a\u{202e}b", "\u{7f}", "\u{200f}"] {
            let node = Node::map(vec![(bad, Node::text(bad, span))], span);
            let written = yaml(&node, Style::default());
            assert!(written.chars().all(|c| c == '\n' || !is_unsafe(c)), "{written:?}");
            assert_eq!(bare(&read(&written)), bare(&node));
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_back_as_value_and_as_key(text in "\\PC{0,12}|[-+.0-9eExXoO_: ]{0,8}|[\\x00-\\x7f]{0,6}") {
            let span = crate::yaml::Span::default();
            let node = Node::map(vec![("k", Node::text(text.clone(), span)), (&format!("z{text}"), Node::int(1, span))], span);
            let written = yaml(&node, Style::default());
            prop_assert_eq!(bare(&read(&written)), bare(&node), "{}", written);
        }
    }
}
