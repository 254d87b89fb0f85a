//! What a file of any format becomes: keys and values in the file's order, each with its place in the text. Knows nothing
//! of formats, nor of what is encrypted.

use std::ops::Range;

/// A file. Only YAML can have more than one document in it.
#[derive(Debug, PartialEq)]
pub struct Document {
    pub branches: Vec<Branch>,
}

/// One document of a file.
#[derive(Debug, PartialEq)]
pub struct Branch {
    /// Its part of the text.
    pub range: Range<usize>,
    pub entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    /// Where the key is written.
    pub key_at: Range<usize>,
    /// One past the last byte of the value.
    pub end: usize,
    pub value: Item,
}

/// A value, with those that it has in it.
#[derive(Debug, PartialEq)]
pub enum Item {
    Map(Vec<Entry>),
    List(Vec<Self>),
    Leaf(Leaf),
}

/// A value that has no others in it.
#[derive(Debug, PartialEq)]
pub struct Leaf {
    /// Where it is written, with its quotes.
    pub at: Range<usize>,
    pub value: Value,
}

/// What a leaf says.
#[derive(Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Whole(i128),
    Float(f64),
    Text(String),
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Item {
    /// Whether this, or what is in it, has a leaf of this kind.
    pub fn any_leaf(&self, is: &impl Fn(&Leaf) -> bool) -> bool {
        match self {
            Self::Map(entries) => entries.iter().any(|entry| entry.value.any_leaf(is)),
            Self::List(items) => items.iter().any(|item| item.any_leaf(is)),
            Self::Leaf(leaf) => is(leaf),
        }
    }
}

/// The number of the line that a byte of a text is in, from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// Where the line begins that a byte of a text is in.
pub fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Where the next line begins, or the text ends.
pub fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}
