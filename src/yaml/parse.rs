//! Text to tree. With `syntax` the only file that knows `granit-parser`, which is young and changes often.
//!
//! Expands aliases here, within a budget of values and of bytes, so that later code need not guard against alias bombs; each copy records the
//! alias that it came from. Merge keys are applied here, too: an entry of the mapping itself wins
//! over a merged one, and the first of several merged mappings wins over the next.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle, Tag, options};

use super::budget::{FILE_MAX, PAIR};
use super::report::{Diagnostic, Sink};
use super::scalar;
use super::source::{SourceId, Sources, Span, Spanned};
use super::tree::{Entry, Map, Node, Places, Value};
use super::{anchors, masks, swallowed, syntax};

/// Nodes a file may have, aliases expanded. The largest stackfile we know of has 9,000.
const NODES_MAX: usize = 100_000;
/// Collections within collections.
const DEPTH_MAX: usize = 64;

/// Reads the first document of a text, as docker does; later ones get a warning. What is wrong goes to
/// the sink. `None` after a mistake that leaves nothing to go on with; then no excerpt shows a value of the file.
#[must_use]
pub fn parse(sources: &Sources, file: SourceId, sink: &Sink<'_>) -> Option<Node> {
    match read(sources, file, sink) {
        Ok(root) => root,
        Err(Broken { signs }) => {
            masks::hide_text(sink, file, 0, &signs);
            None
        }
    }
}

/// A text without a tree, and the signs in it that are wrong by themselves.
#[derive(Default)]
struct Broken {
    signs: Vec<Span>,
}

fn read(sources: &Sources, file: SourceId, sink: &Sink<'_>) -> Result<Option<Node>, Broken> {
    let text = &sources.get(file).text;
    if text.len() > FILE_MAX {
        sink.push(
            Diagnostic::error("too_large", format!("the file is larger than {} MiB", FILE_MAX >> 20))
                .at(Span::new(file, 0..0), "in this file"),
        );
        return Err(Broken::default());
    }
    let options = options! {
        emit_unresolved_aliases: true,
        emit_comments: false,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut builder =
        Builder { file, sink, stack: Vec::new(), anchors: BTreeMap::new(), nodes: 0, at: 0, root: None };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut end = text.len();
    loop {
        let (event, span) = match parser.next() {
            None => break,
            Some(Ok(next)) => next,
            Some(Err(error)) => {
                let at = error.marker().byte_offset().unwrap_or(text.len());
                let found = syntax::error(file, text, at, error.kind(), DEPTH_MAX);
                let is_sign = |span: &Span| {
                    let written = sources.slice(*span).as_bytes();
                    matches!(written, [sign] if sign.is_ascii_punctuation())
                };
                let signs = found.labels.iter().map(|label| label.span).filter(is_sign).collect();
                sink.push(found);
                return Err(Broken { signs });
            }
        };
        let span = Span::new(file, span.byte_range().unwrap_or(0..0));
        if matches!(event, Event::DocumentEnd) {
            end = span.range().end;
            break;
        }
        builder.take(event, span).ok_or_else(Broken::default)?;
    }
    let rest = match parser.next() {
        None | Some(Ok((Event::StreamEnd, _))) => None,
        Some(Ok((_, span))) => span.byte_range(),
        // Docker does not look at it either.
        Some(Err(_)) => {
            let start = text.len() - text[end..].trim_start().len();
            Some(start..text[start..].find('\n').map_or(text.len(), |newline| start + newline))
        }
    };
    if let Some(rest) = rest {
        masks::hide_text(sink, file, end.min(rest.start), &[]);
        sink.push(
            Diagnostic::warning("more_documents", "only the first document of a file counts")
                .at(Span::new(file, rest), "from here on nothing is read")
                .help("put each document into a file of its own"),
        );
    }
    Ok(builder.root)
}

/// A collection that is not closed yet.
struct Open {
    span: Span,
    flow: bool,
    anchor: usize,
    tag: Option<String>,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    Map { map: Map, places: Places, key: Option<Key>, merges: Vec<Node>, merge_key: Option<Span> },
}

enum Key {
    Named(Spanned<String>),
    Merge(Span),
}

struct Builder<'a> {
    file: SourceId,
    sink: &'a Sink<'a>,
    stack: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    /// The end of what was taken last.
    at: usize,
    root: Option<Node>,
}

impl Builder<'_> {
    /// Takes one event. `None` when there is no going on.
    fn take(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        let before = std::mem::replace(&mut self.at, span.range().end);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = matches!(style, ScalarStyle::Plain);
                let merge = plain && tag.is_none() && text == "<<";
                if plain && let Some(found) = swallowed::check(self.sink.sources().slice(span), span) {
                    self.sink.push(found);
                }
                let value = resolve(&text, plain, tag.as_deref());
                let properties =
                    if anchor != 0 || tag.is_some() { self.properties(before, span) } else { None };
                let node = Node::made(value, span)
                    .tagged(tag.as_deref().and_then(custom))
                    .with_properties(properties);
                self.remember(anchor, &node)?;
                self.place(node, merge)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.open(span, style, anchor, tag.as_deref(), Kind::List(Vec::new()))
            }
            Event::MappingStart(style, anchor, tag) => {
                let kind = Kind::Map {
                    map: Map::default(),
                    places: Places::default(),
                    key: None,
                    merges: Vec::new(),
                    merge_key: None,
                };
                self.open(span, style, anchor, tag.as_deref(), kind)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(id) => {
                let Some(target) = self.anchors.get(&id) else {
                    self.sink.push(
                        Diagnostic::error("recursive_alias", "an alias inside the very value it stands for")
                            .at(span, "would never end"),
                    );
                    return self.place(Node::made(Value::Null, span), false);
                };
                self.nodes += target.count();
                if !self.sink.afford(target.bytes(), span) {
                    return None;
                }
                let mut node = target.clone();
                node.reach_through(span);
                self.place(node, false)
            }
            Event::UnresolvedAlias(name) => {
                self.sink.push(anchors::unknown(self.sink, &name, span));
                self.place(Node::made(Value::Null, span), false)
            }
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..) => Some(()),
            // A variant of the parser's `comments` feature, which another crate may have switched on.
            #[allow(unreachable_patterns, reason = "depends on a feature of the parser")]
            _ => Some(()),
        }
    }

    /// Where the anchor and the tag of a scalar are, which stand between it and what was before it.
    fn properties(&self, before: usize, scalar: Span) -> Option<Span> {
        let rest = Span::new(self.file, before..scalar.range().start);
        let between = self.sink.sources().slice(rest).trim_end();
        Some(rest.part(between.find(['&', '!'])?..between.len()))
    }

    fn open(
        &mut self,
        span: Span,
        style: StructureStyle,
        anchor: usize,
        tag: Option<&Tag>,
        kind: Kind,
    ) -> Option<()> {
        let flow = matches!(style, StructureStyle::Flow);
        self.stack.push(Open { span, flow, anchor, tag: tag.and_then(custom), kind });
        Some(())
    }

    fn close(&mut self, end: Span) -> Option<()> {
        let open = self.stack.pop()?;
        let (value, first) = match open.kind {
            Kind::List(mut list) => {
                let first = list.first().map(Node::place);
                list.shrink_to_fit();
                (Value::List(list), first)
            }
            Kind::Map { mut map, mut places, merges, merge_key, .. } => {
                let first = map.entries.first().map(|entry| entry.key.span).or(merge_key);
                self.merge(&mut map, &mut places, merges);
                // Most mappings have few entries, and grew for more.
                map.entries.shrink_to_fit();
                (Value::Map(map), first)
            }
        };
        let span = if open.flow {
            Span { end: end.end.max(open.span.end), ..open.span }
        } else {
            first.unwrap_or(open.span)
        };
        let node = Node::made(value, span).tagged(open.tag);
        self.remember(open.anchor, &node)?;
        self.place(node, false)
    }

    /// Applies `<<`.
    fn merge(&mut self, map: &mut Map, places: &mut Places, merges: Vec<Node>) {
        for merge in merges {
            let place = merge.place();
            let parts = match merge.value {
                Value::List(parts) => parts,
                _ => vec![merge],
            };
            for part in parts {
                // What is in no tree its reader cannot hide.
                let Value::Map(part) = part.value else {
                    self.sink.hide_values(&part);
                    self.sink.push(
                        Diagnostic::error("bad_merge", "`<<` takes a mapping, or a list of mappings")
                            .at(place, format!("this is {}", part.value.kind())),
                    );
                    continue;
                };
                for entry in part.entries {
                    if places.find(map, &entry.key).is_none() {
                        map.entries.push(entry);
                    } else {
                        self.sink.hide_values(&entry.value);
                    }
                }
            }
        }
    }

    /// Keeps a copy for aliases: anchors within anchors make as many of what is innermost.
    fn remember(&mut self, anchor: usize, node: &Node) -> Option<()> {
        if anchor != 0 {
            if !self.sink.afford(node.bytes() + PAIR * node.count(), node.place()) {
                return None;
            }
            self.anchors.insert(anchor, node.clone());
        }
        Some(())
    }

    /// Puts a finished node where it belongs: into the open collection, or at the root.
    fn place(&mut self, node: Node, merge: bool) -> Option<()> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            self.sink.push(
                Diagnostic::error("too_many_nodes", format!("the file has more than {NODES_MAX} values"))
                    .at(node.place(), "this one is too many")
                    .help("each alias counts as often as it is used"),
            );
            return None;
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Some(());
        };
        match &mut open.kind {
            Kind::List(list) => list.push(node),
            Kind::Map { map, places, key, merges, merge_key } => match key.take() {
                Some(Key::Merge(span)) => {
                    merge_key.get_or_insert(span);
                    merges.push(node);
                }
                Some(Key::Named(name)) => match places.find(map, &name) {
                    None => map.entries.push(Entry { key: name, value: node }),
                    Some(first) => {
                        // What is in no tree its reader cannot hide.
                        self.sink.hide_values(&node);
                        let first = &map.entries[first];
                        let shown = self.sink.clean(&name);
                        self.sink.push(
                            Diagnostic::error("duplicate_key", format!("`{shown}` is written twice"))
                                .at(name.span, "again here")
                                .also(first.key.span, "first here")
                                .help("keep one of the two"),
                        );
                    }
                },
                None if merge && merge_key.is_some() => {
                    let first = merge_key.unwrap_or(node.span);
                    self.sink.push(
                        Diagnostic::error("duplicate_key", "`<<` is written twice")
                            .at(node.span, "again here")
                            .also(first, "first here")
                            .help("merge several with a list: `<<: [*a, *b]`"),
                    );
                    *key = Some(Key::Merge(node.span));
                }
                None if merge => *key = Some(Key::Merge(node.span)),
                None => {
                    let span = node.place();
                    let name = name_of(self.sink, node, map.entries.len());
                    *key = Some(Key::Named(Spanned::new(name, span)));
                }
            },
        }
        debug_assert!(self.file == open.span.file);
        Some(())
    }
}

/// The name of a key; one that is no text is a mistake, and is given a name.
fn name_of(sink: &Sink<'_>, node: Node, number: usize) -> String {
    let span = node.place();
    if let Value::Text(text) = node.value {
        return text;
    }
    let found = Diagnostic::error("key_not_text", "a key must be text");
    sink.push(found.at(span, format!("this is {}", node.value.kind())).help("put it in quotes"));
    sink.spoil(span);
    // What is in no tree its reader cannot hide.
    if matches!(node.value, Value::Map(_) | Value::List(_)) {
        sink.hide_values(&node);
    }
    format!("{}#{number}", sink.sources().slice(span))
}

fn custom(tag: &Tag) -> Option<String> {
    if tag.is_yaml_core_schema() {
        return None;
    }
    let (handle, suffix) = tag.parts();
    (handle == "!" && !suffix.is_empty()).then(|| format!("!{suffix}"))
}

fn resolve(text: &str, plain: bool, tag: Option<&Tag>) -> Value {
    let as_text = || Value::Text(text.to_owned());
    match tag.map(Tag::core_suffix) {
        None if plain => scalar::resolve(text),
        Some(Some("str")) | None => as_text(),
        // `! 5`: the non-specific tag makes text of anything.
        Some(None) if tag.is_some_and(|t| t.parts() == ("", "!")) => as_text(),
        Some(Some("float")) => match scalar::resolve(text) {
            #[expect(clippy::cast_precision_loss, reason = "what a float tag asks for")]
            Value::Int(int) => Value::Float(int.get() as f64),
            value => value,
        },
        Some(Some("int" | "bool" | "null")) => scalar::resolve(text),
        Some(_) if plain => scalar::resolve(text),
        Some(_) => as_text(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Report;
    use super::super::source::SourceText;
    use super::*;

    fn read(text: &str) -> Result<(Node, Vec<String>), Report> {
        let sources = Sources::new();
        let id = sources.add(SourceText { name: "a.yml".into(), bytes: text.into() }).unwrap();
        let sink = Sink::new("test", &sources);
        let node = parse(&sources, id, &sink);
        let notes = sink.finish()?;
        Ok((node.unwrap(), notes.into_iter().map(|note| note.code).collect()))
    }

    fn faults(text: &str) -> Vec<(String, usize, usize)> {
        let report = read(text).unwrap_err();
        let short = |code: &str| code.rsplit(':').next().unwrap_or("").to_owned();
        report.faults.iter().map(|f| (short(&f.code), f.line, f.column)).collect()
    }

    #[test]
    fn an_entry_wins_over_a_merged_one_and_the_first_merge_over_the_next() {
        let (node, _) = read("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\n").unwrap();
        let c = node.as_map().unwrap().get("c").unwrap().as_map().unwrap();
        let value = |key| c.get(key).unwrap().value.clone();
        assert_eq!([value("x"), value("y"), value("z")], [3, 1, 2].map(|n| Value::Int(n.into())));
        assert!(c.get("y").unwrap().via().is_some() && c.get("x").unwrap().via().is_none());
    }

    #[test]
    fn what_a_merge_and_a_key_leave_out_of_the_tree_is_hidden() {
        for (text, shown) in [
            ("a: {<<: {e: {P: hunter2}}, e: {B: 1}}\n", "a: {<<: {e: {P: *******}}, e: {B: 1}}\n"),
            ("x: &e {P: hunter2}\na: {<<: *e, P: b}\n", "x: &e {P: *******}\na: {<<: *e, P: b}\n"),
            ("a: {<<: [{P: b}, {P: [hunter2]}]}\n", "a: {<<: [{P: b}, {P: [*******]}]}\n"),
            ("a: {<<: [hunter2, {P: b}, [hunter2]]}\n", "a: {<<: [*******, {P: b}, [*******]]}\n"),
            ("x: &e hunter2\na: {<<: *e}\n", "x: ** *******\na: {<<: *e}\n"),
            ("? {x: hunter2}\n: 1\n", "? {x: *******}\n: 1\n"),
            ("? [hunter2, [a: hunter2]]\n", "? [*******, [a: *******]]\n"),
            ("? x: hunter2\n  y: hunter2\n: 1\n", "? x: *******\n  y: *******\n: 1\n"),
            ("3: 1\n", "3: 1\n"),
        ] {
            let sources = Sources::new();
            let id = sources.add(SourceText { name: "a.yml".into(), bytes: text.into() }).unwrap();
            let sink = Sink::new("test", &sources);
            assert!(parse(&sources, id, &sink).is_some());
            sink.push(Diagnostic::error("x", "x").at(Span::new(id, 0..0), "x"));
            let report = sink.finish().unwrap_err();
            let page = miette::Diagnostic::source_code(&report.faults[0]).unwrap();
            let all = page.read_span(&(0, text.len()).into(), 0, 0).unwrap();
            assert_eq!(String::from_utf8_lossy(all.data()), shown);
        }
    }

    #[test]
    fn every_mistake_is_found_with_its_place() {
        let found = faults("a: 1\né: *nope\na: 2\n3: x\nb: &r [*r]\nc: {<<: 1}\n");
        let place = |code: &str, line, column| (code.to_owned(), line, column);
        assert_eq!(
            found,
            [
                place("unknown_anchor", 2, 4),
                place("duplicate_key", 3, 1),
                place("key_not_text", 4, 1),
                place("recursive_alias", 5, 8),
                place("bad_merge", 6, 9),
            ]
        );
    }

    #[test]
    fn a_bomb_is_refused_soon() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..10 {
            let alias = format!("*a{}, ", n - 1).repeat(10);
            text.push_str(&format!("a{n}: &a{n} [{alias}]\n"));
        }
        assert_eq!(faults(&text)[0].0, "too_many_nodes");
        let deep = "[".repeat(100_000);
        assert_eq!(faults(&deep)[0].0, "yaml_syntax");
        let deep = (0..2000).fold(String::new(), |text, n| text + &" ".repeat(n) + "a:\n");
        assert_eq!(faults(&deep)[0].0, "yaml_syntax");
    }

    #[test]
    fn only_the_first_document_counts() {
        let (node, notes) = read("\u{feff}---\na: 1\n---\nb: [\n").unwrap();
        assert_eq!(node.count(), 3);
        assert_eq!(notes, ["stackctl::test::more_documents"]);
    }

    /// Also where no parser takes it.
    #[test]
    fn what_follows_the_first_document_is_hidden() {
        for (text, shown) in [
            ("a: 1\n---\nP: hunter2\n", "a: 1\n---\nP: *******\n"),
            ("a: 1\n...\n%BAD\nP: hunter2\n", "a: 1\n...\n****\nP: *******\n"),
            ("a: 1\n...\n%hunter2 x\n---\nP: hunter2\n", "a: 1\n...\n******** *\n---\nP: *******\n"),
            ("a: 1\n...\n@hunter2\n", "a: 1\n...\n********\n"),
            ("a: 1\n...\n# hunter2\n]\n- [hunter2\n", "a: 1\n...\n# *******\n]\n- [*******\n"),
        ] {
            let sources = Sources::new();
            let id = sources.add(SourceText { name: "a.yml".into(), bytes: text.into() }).unwrap();
            let sink = Sink::new("test", &sources);
            assert_eq!(parse(&sources, id, &sink).unwrap().count(), 3);
            let notes = sink.finish().unwrap();
            assert!(notes.len() == 1 && notes[0].code.ends_with("more_documents"), "{notes:?}");
            let page = miette::Diagnostic::source_code(&notes[0]).unwrap();
            let all = page.read_span(&(0, text.len()).into(), 0, 0).unwrap();
            assert_eq!(String::from_utf8_lossy(all.data()), shown);
        }
        assert_eq!(faults("a: 1\n... hunter2\n")[0].0, "yaml_syntax");
        assert!(read("a: 1\n...\n# b\n\n").unwrap().1.is_empty());
    }

    #[test]
    fn tags_of_yaml_are_obeyed_and_others_kept() {
        let (node, _) = read("a: !!str 1\nb: !reset\nc: !!float 1\n").unwrap();
        let map = node.as_map().unwrap();
        assert_eq!(map.get("a").unwrap().value, Value::Text("1".into()));
        assert_eq!(map.get("b").unwrap().tag(), Some("!reset"));
        assert_eq!(map.get("c").unwrap().value, Value::Float(1.0));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-c&*<:{}\\[\\]\\-!\"'#|> \n\t0-9]{0,60}") {
            let _ = read_any(&text);
        }
    }

    fn read_any(text: &str) -> Option<Node> {
        let sources = Sources::new();
        let id = sources.add(SourceText { name: "a.yml".into(), bytes: text.into() }).unwrap();
        parse(&sources, id, &Sink::new("test", &sources))
    }
}
