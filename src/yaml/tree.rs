//! The tree that a file becomes: values of YAML, each with its place and, where it came by an alias or
//! a merge, the place that called for it.

use std::collections::BTreeMap;
use std::fmt;

use super::source::{Span, Spanned};

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it is written. Of a collection in block style, only its first key or item.
    pub span: Span,
    /// What few nodes have, kept apart: a file has tens of thousands of them.
    rare: Option<Box<Rare>>,
}

/// What only some nodes have.
#[derive(Debug, Clone, PartialEq, Default)]
struct Rare {
    via: Option<Span>,
    tag: Option<String>,
    properties: Option<Span>,
}

/// A value of YAML.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, `~`, `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(Whole),
    /// Any other number.
    Float(f64),
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping.
    Map(Map),
}

/// A whole number, wide enough for all that Go reads: from the least `int64` to the greatest `uint64`. Packed,
/// so that it makes no other value wider.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(Rust, packed(8))]
pub struct Whole(i128);

impl Whole {
    /// The number.
    #[must_use]
    pub const fn get(self) -> i128 {
        self.0
    }
}

impl<T: Into<i128>> From<T> for Whole {
    fn from(number: T) -> Self {
        Self(number.into())
    }
}

impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl Value {
    /// What to call it in a message.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// A mapping, in the order of the file. Keys are unique.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map {
    pub entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: Spanned<String>,
    pub value: Node,
}

impl Map {
    /// The entry of a key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.value == key)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|entry| entry.key.value == key).map(|entry| &mut entry.value)
    }

    /// Sets a key, in its old place if it has one.
    pub fn set(&mut self, key: Spanned<String>, value: Node) {
        match self.entries.iter_mut().find(|entry| entry.key.value == key.value) {
            Some(entry) => *entry = Entry { key, value },
            None => self.entries.push(Entry { key, value }),
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.key.value == key)?;
        Some(self.entries.remove(at))
    }
}

/// Finds the keys of a mapping that grows, quickly also where there are many. To be asked about one mapping
/// only, whose entries are added to and replaced, but not taken out in between.
#[derive(Debug, Clone, Default)]
pub struct Places {
    index: BTreeMap<String, usize>,
    indexed: usize,
}

impl Places {
    /// Mappings up to this size are looked through.
    const FEW: usize = 24;

    /// Where a key is among the entries.
    pub fn find(&mut self, map: &Map, key: &str) -> Option<usize> {
        if map.entries.len() <= Self::FEW {
            return map.entries.iter().position(|entry| entry.key.value == key);
        }
        for (at, entry) in map.entries.iter().enumerate().skip(self.indexed) {
            self.index.insert(entry.key.value.clone(), at);
        }
        self.indexed = map.entries.len();
        self.index.get(key).copied()
    }

    /// Sets a key of the mapping, in its old place if it has one.
    pub fn set(&mut self, map: &mut Map, key: Spanned<String>, value: Node) {
        let at = self.find(map, &key.value);
        let entry = Entry { key, value };
        match at {
            Some(at) => map.entries[at] = entry,
            None => map.entries.push(entry),
        }
    }
}

impl Node {
    /// A value made by us rather than read: it points at what it was made from.
    #[must_use]
    pub fn made(value: Value, span: Span) -> Self {
        Self { value, span, rare: None }
    }

    /// A whole number made by us.
    pub fn int(number: impl Into<i128>, span: Span) -> Self {
        Self::made(Value::Int(Whole::from(number)), span)
    }

    /// The `*alias` or `<<` through which it was reached, if it was.
    #[must_use]
    pub fn via(&self) -> Option<Span> {
        self.rare.as_ref()?.via
    }

    /// The place that distinguishes nodes: that of the alias, or its own.
    #[must_use]
    pub fn place(&self) -> Span {
        self.via().unwrap_or(self.span)
    }

    /// A tag that is not one of YAML's own, such as `!reset`.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.rare.as_ref()?.tag.as_deref()
    }

    /// The same with another tag, or none.
    #[must_use]
    pub fn tagged(mut self, tag: Option<String>) -> Self {
        self.set_rare(|rare| rare.tag = tag);
        self
    }

    /// Where the anchor and the tag of a scalar are written, if it has any.
    #[must_use]
    pub fn properties(&self) -> Option<Span> {
        self.rare.as_ref()?.properties
    }

    /// The same with its anchor and tag written there.
    #[must_use]
    pub fn with_properties(mut self, properties: Option<Span>) -> Self {
        self.set_rare(|rare| rare.properties = properties);
        self
    }

    /// The same, reached by another way, or none.
    #[must_use]
    pub fn reached(mut self, via: Option<Span>) -> Self {
        self.set_via(via);
        self
    }

    /// Forgets the tag.
    pub fn untag(&mut self) {
        self.set_rare(|rare| rare.tag = None);
    }

    /// Forgets by which way it was reached, or sets it.
    pub fn set_via(&mut self, via: Option<Span>) {
        self.set_rare(|rare| rare.via = via);
    }

    fn set_rare(&mut self, set: impl FnOnce(&mut Rare)) {
        let mut rare = self.rare.take().unwrap_or_default();
        set(&mut rare);
        self.rare = (*rare != Rare::default()).then_some(rare);
    }

    /// A text made by us.
    pub fn text(text: impl Into<String>, span: Span) -> Self {
        Self::made(Value::Text(text.into()), span)
    }

    /// A mapping made by us, of keys we know.
    #[must_use]
    pub fn map(entries: Vec<(&str, Self)>, span: Span) -> Self {
        let entries = entries
            .into_iter()
            .map(|(key, value)| Entry { key: Spanned::new(key.to_owned(), value.span), value })
            .collect();
        Self::made(Value::Map(Map { entries }), span)
    }

    /// The mapping, if it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The mapping, if it is one, to be changed.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, if it is one.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match &self.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The text, if it is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether there is nothing here.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// How many nodes this is, itself included.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.value {
            Value::List(list) => 1 + list.iter().map(Self::count).sum::<usize>(),
            Value::Map(map) => 1 + map.entries.iter().map(|entry| 1 + entry.value.count()).sum::<usize>(),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => 1,
        }
    }

    /// How many bytes its texts and keys have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.value {
            Value::Text(text) => text.len(),
            Value::List(list) => list.iter().map(Self::bytes).sum(),
            Value::Map(map) => map.entries.iter().map(|entry| entry.key.len() + entry.value.bytes()).sum(),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 0,
        }
    }

    /// Records on this node and all below it that they came through `use_site`.
    pub fn reach_through(&mut self, use_site: Span) {
        self.set_via(Some(use_site));
        match &mut self.value {
            Value::List(list) => list.iter_mut().for_each(|node| node.reach_through(use_site)),
            Value::Map(map) => {
                map.entries.iter_mut().for_each(|entry| entry.value.reach_through(use_site));
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
        }
    }

    /// Sorts the keys of every mapping, so that equal meaning has equal text. What is sorted grows no more,
    /// and gives back the room that it kept for that.
    pub fn sort(&mut self) {
        match &mut self.value {
            Value::List(list) => {
                list.shrink_to_fit();
                list.iter_mut().for_each(Self::sort);
            }
            Value::Map(map) => {
                map.entries.shrink_to_fit();
                map.entries.sort_by(|a, b| a.key.value.cmp(&b.key.value));
                map.entries.iter_mut().for_each(|entry| entry.value.sort());
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
        }
    }
}
