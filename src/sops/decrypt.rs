//! Opens a SOPS file in one pass over its text: each value is decrypted, counted into the MAC, and written in the place of
//! what was encrypted. All else of the text stays as it is. Nothing is given out before the MAC fits.

use std::ops::Range;

use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::cipher::{BEGIN, Cipher, Closed, Encrypted, Kind};
use super::error::{Format, Limit, SopsError};
use super::metadata::{Flat, Metadata, NAME, is_part};
use super::out::{Out, digits, number};
use super::rule::{Path, Rule};
use super::tree::{Document, Entry, Item, Leaf, Value, line_of};
use super::{dotenv, json, yaml_file};
use crate::vault::{Keyring, Plaintext};

/// Reads the text of a format.
pub fn read(text: &str, format: Format) -> Result<Document, SopsError> {
    match format {
        Format::Yaml => yaml_file::read(text),
        Format::Json | Format::Binary => json::read(text),
        Format::Dotenv => dotenv::read(text),
        // Of age there is no text.
        Format::Ini | Format::Age => Err(SopsError::Ini),
    }
}

/// The text of a file, without a byte order mark.
pub fn text_of(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).ok()
}

/// Decrypts a file of SOPS.
pub fn decrypt(bytes: &[u8], format: Format, keys: &Keyring) -> Result<Plaintext, SopsError> {
    if format == Format::Ini {
        return Err(SopsError::Ini);
    }
    if bytes.len() > Limit::File.most() {
        return Err(SopsError::TooLarge(Limit::File));
    }
    let text = text_of(bytes).ok_or(SopsError::NotUtf8)?;
    let document = read(text, format)?;
    let flat = Flat::of(&document, format)?.ok_or(SopsError::NoMetadata)?;
    let metadata = flat.read()?;
    let cipher = flat.key(keys)?;
    let mac = mac(&cipher, &metadata)?;
    let (cuts, comments) = edits(text, &document, format)?;
    let mut hash = Sha512::new();
    if metadata.mac_only_encrypted {
        // So that no MAC of one kind is taken for one of the other.
        hash.update(Sha256::digest(NAME));
    }
    let pass = Pass {
        text,
        format,
        cipher: &cipher,
        metadata: &metadata,
        hash,
        out: Out::new(text.len()),
        at: 0,
        cuts: &cuts,
        comments: &comments,
        path: Path::default(),
        before: Path::default(),
    };
    pass.run(&document, &mac)
}

/// The MAC that the file has.
fn mac(cipher: &Cipher, metadata: &Metadata) -> Result<Zeroizing<Vec<u8>>, SopsError> {
    let mac = Encrypted::parse(&metadata.mac).ok_or(SopsError::MacTampered)?;
    cipher.open(&mac, metadata.modified.as_bytes()).map_err(|_| SopsError::MacTampered)
}

type Places = Vec<Range<usize>>;

/// What is taken out of a text, and which comments are in it.
fn edits(text: &str, document: &Document, format: Format) -> Result<(Places, Places), SopsError> {
    match format {
        Format::Yaml => Ok((yaml_file::cuts(text, document)?, yaml_file::comments(text, document))),
        Format::Dotenv => Ok((dotenv_cuts(text, document), dotenv::comments(text))),
        _ => Ok((json_cuts(document), Vec::new())),
    }
}

fn entries(document: &Document) -> &[Entry] {
    document.branches.first().map_or(&[], |branch| &branch.entries)
}

fn dotenv_cuts(text: &str, document: &Document) -> Places {
    let parts = entries(document).iter().filter(|entry| is_part(entry, Format::Dotenv));
    parts.map(|entry| entry.key_at.start..super::tree::line_end(text, entry.end)).collect()
}

/// With the comma before it, or the one behind it if it is the first.
fn json_cuts(document: &Document) -> Places {
    let entries = entries(document);
    let Some(at) = entries.iter().position(|entry| entry.key == NAME) else { return Vec::new() };
    let part = &entries[at];
    vec![match (at.checked_sub(1).map(|before| &entries[before]), entries.get(at + 1)) {
        (Some(before), _) => before.end..part.end,
        (None, Some(next)) => part.key_at.start..next.key_at.start,
        (None, None) => part.key_at.start..part.end,
    }]
}

/// The one walk over a file.
struct Pass<'a> {
    text: &'a str,
    format: Format,
    cipher: &'a Cipher,
    metadata: &'a Metadata,
    hash: Sha512,
    out: Out,
    /// Up to where the text is done.
    at: usize,
    /// What is left to be taken out.
    cuts: &'a [Range<usize>],
    /// What is left of the comments.
    comments: &'a [Range<usize>],
    path: Path,
    /// That of the value before.
    before: Path,
}

impl Pass<'_> {
    fn run(mut self, document: &Document, mac: &[u8]) -> Result<Plaintext, SopsError> {
        if self.format == Format::Binary {
            self.check_binary(document)?;
        }
        for branch in &document.branches {
            let is_empty = branch.entries.iter().all(|entry| is_part(entry, self.format));
            self.entries(&branch.entries, true)?;
            self.advance(branch.range.end)?;
            // The part was all that there was: without it, a document would be nothing instead of an empty mapping.
            if is_empty && self.format == Format::Yaml {
                if !self.out.ends_line() {
                    self.out.push(b"\n")?;
                }
                self.out.push(b"{}\n")?;
            }
        }
        let found = Zeroizing::new(hex(&self.hash.finalize()));
        if bool::from(found.as_bytes().ct_eq(mac)) { Ok(self.out.finish()) } else { Err(SopsError::WrongMac) }
    }

    /// It has one value, and that is all that comes out.
    fn check_binary(&self, document: &Document) -> Result<(), SopsError> {
        let mut values = entries(document).iter().filter(|entry| entry.key != NAME);
        let is_data = |entry: &&Entry| {
            entry.key == "data" && matches!(&entry.value, Item::Leaf(leaf) if leaf.value.as_text().is_some())
        };
        match (values.next().filter(is_data), values.next()) {
            (Some(_), None) => Ok(()),
            (_, other) => {
                let at = other.map_or(0, |entry| entry.key_at.start);
                Err(SopsError::Layout {
                    line: line_of(self.text, at),
                    what: "a binary file without one value `data`",
                })
            }
        }
    }

    fn entries(&mut self, entries: &[Entry], is_top: bool) -> Result<(), SopsError> {
        let format = self.format;
        for entry in entries.iter().filter(|entry| !(is_top && is_part(entry, format))) {
            let cost = entry.key.len() * self.metadata.rule.cost();
            self.cipher.spend(cost).map_err(|_| SopsError::TooLarge(Limit::Work))?;
            self.path.push(&entry.key, &self.metadata.rule);
            if self.path.bytes().len() > Limit::Path.most() {
                return Err(SopsError::TooLarge(Limit::Path));
            }
            match &entry.value {
                Item::Leaf(leaf) => self.leaf(leaf, None)?,
                other => self.nested(other)?,
            }
            self.path.pop();
        }
        Ok(())
    }

    fn nested(&mut self, item: &Item) -> Result<(), SopsError> {
        match item {
            Item::Map(entries) => self.entries(entries, false),
            Item::List(items) => {
                let mut comments = 0;
                for item in items {
                    match item {
                        Item::Leaf(leaf) => self.leaf(leaf, Some(&mut comments))?,
                        other => self.nested(other)?,
                    }
                }
                if comments > 0 && comments == items.len() {
                    let line = line_of(self.text, self.at);
                    return Err(SopsError::Layout { line, what: "a list of comments alone" });
                }
                Ok(())
            }
            Item::Leaf(leaf) => self.leaf(leaf, None),
        }
    }

    /// `comments` counts those of the list that it is in: there SOPS keeps encrypted comments as items.
    fn leaf(&mut self, leaf: &Leaf, comments: Option<&mut usize>) -> Result<(), SopsError> {
        let text = leaf.value.as_text();
        let encrypted = match &self.metadata.rule {
            Rule::Names { are_encrypted, .. } => self.path.fits() == *are_encrypted,
            Rule::Looks => text.is_some_and(|text| text.starts_with(BEGIN)),
        };
        match text {
            // Neither of the two has anything that could be encrypted.
            _ if leaf.value == Value::Null => {}
            Some("") => {}
            _ if !encrypted => {
                if !self.metadata.mac_only_encrypted {
                    self.hash.update(hashed(&leaf.value).as_bytes());
                }
            }
            Some(text) => self.encrypted(text, leaf, comments)?,
            None => return Err(SopsError::NotEncrypted { at: self.path.shown() }),
        }
        if !self.comments.is_empty() {
            self.advance(leaf.at.start)?;
            self.before = self.path.clone();
        }
        Ok(())
    }

    fn encrypted(&mut self, text: &str, leaf: &Leaf, comments: Option<&mut usize>) -> Result<(), SopsError> {
        let at = || self.path.shown();
        let Some(value) = Encrypted::parse(text) else {
            let is_begun = text.starts_with(BEGIN);
            return Err(if is_begun {
                SopsError::CutOff { at: at() }
            } else {
                SopsError::NotEncrypted { at: at() }
            });
        };
        let kind = value.kind.ok_or_else(|| SopsError::Type { at: at() })?;
        let bytes = self.cipher.open(&value, self.path.bytes()).map_err(|closed| match closed {
            Closed::Tampered => SopsError::Tampered { at: at() },
            Closed::Spent => SopsError::TooLarge(Limit::Work),
        })?;
        if kind == Kind::Comment {
            let comments = comments.filter(|_| self.format == Format::Yaml);
            *comments.ok_or_else(|| SopsError::Type { at: at() })? += 1;
            return self.listed_comment(&bytes, leaf);
        }
        if self.format == Format::Yaml && !is_in_place(self.text, &leaf.at) {
            let line = line_of(self.text, leaf.at.start);
            return Err(SopsError::Layout { line, what: "an encrypted value in an unusual place" });
        }
        self.advance(leaf.at.start)?;
        self.write(kind, &bytes)?;
        self.at = leaf.at.end;
        Ok(())
    }

    /// Writes a value, and counts it into the MAC.
    fn write(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), SopsError> {
        let wrong = || SopsError::Type { at: self.path.shown() };
        let text = std::str::from_utf8(bytes).ok();
        let is_json = self.format == Format::Json;
        // Of dotenv and binary files all values are text, whatever they were in other files.
        let is_typed = is_json || self.format == Format::Yaml;
        match kind {
            Kind::Comment => Err(wrong()),
            _ if self.format == Format::Binary && kind != Kind::Text => Err(wrong()),
            Kind::Text => {
                self.hash.update(bytes);
                match (self.format, text) {
                    (Format::Binary, _) => self.out.push(bytes),
                    (Format::Dotenv, _) => self.out.push_line(bytes),
                    (_, Some(text)) => self.out.push_quoted(text),
                    (Format::Yaml, None) => self.out.push_yaml_bytes(bytes),
                    (_, None) => Err(SopsError::NotText { at: self.path.shown() }),
                }
            }
            Kind::Whole => {
                let number: i64 = text.and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
                let written = Zeroizing::new(number.to_string());
                self.hash.update(written.as_bytes());
                self.out.push(written.as_bytes())
            }
            Kind::Float => {
                let value: f64 = text.and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
                let written = if is_typed { number(value, is_json) } else { Some(digits(value)) };
                let written = written.ok_or_else(wrong)?;
                self.hash.update(digits(value).as_bytes());
                self.out.push(written.as_bytes())
            }
            Kind::Bool => {
                let (hashed, written) = match text {
                    Some("True" | "true" | "TRUE" | "t" | "T" | "1") => ("True", "true"),
                    Some("False" | "false" | "FALSE" | "f" | "F" | "0") => ("False", "false"),
                    _ => return Err(wrong()),
                };
                self.hash.update(hashed.as_bytes());
                self.out.push(written.as_bytes())
            }
            Kind::Time => {
                let is_time = |text: &&str| {
                    text.len() >= 20
                        && text.bytes().all(|byte| byte.is_ascii_digit() || b"TZ:+-.".contains(&byte))
                };
                let text = text.filter(is_time).ok_or_else(wrong)?;
                self.hash.update(text.as_bytes());
                if is_json { self.out.push_quoted(text) } else { self.out.push(text.as_bytes()) }
            }
        }
    }

    /// Puts a comment in the place of the item that it was.
    fn listed_comment(&mut self, bytes: &[u8], leaf: &Leaf) -> Result<(), SopsError> {
        let layout = || SopsError::Layout {
            line: line_of(self.text, leaf.at.start),
            what: "a comment in a list of one line",
        };
        let before = self.text[..leaf.at.start].trim_end_matches([' ', '\t']);
        let comment = one_line(bytes).ok_or_else(|| SopsError::Type { at: self.path.shown() })?;
        if !before.ends_with('-') || !is_in_place(self.text, &leaf.at) {
            return Err(layout());
        }
        self.advance(before.len() - 1)?;
        self.out.push(b"#")?;
        self.out.push(comment.as_bytes())?;
        self.at = leaf.at.end;
        Ok(())
    }

    /// Copies the text up to a place, without what is taken out, and with its comments decrypted.
    fn advance(&mut self, to: usize) -> Result<(), SopsError> {
        if self.format == Format::Binary {
            return Ok(());
        }
        while self.at < to {
            let cut = self.cuts.first().filter(|cut| cut.start < to);
            let until = cut.map_or(to, |cut| cut.start).max(self.at);
            self.copy(until)?;
            if let Some(cut) = cut {
                self.at = cut.end.max(self.at);
                self.cuts = &self.cuts[1..];
            }
        }
        Ok(())
    }

    /// As [`advance`](Self::advance), where nothing is taken out.
    fn copy(&mut self, to: usize) -> Result<(), SopsError> {
        while let Some(comment) = self.comments.first().filter(|comment| comment.start < to) {
            self.comments = &self.comments[1..];
            // One of the part that was taken out.
            if comment.start < self.at {
                continue;
            }
            self.out.push(&self.text.as_bytes()[self.at..comment.start])?;
            let written = &self.text[comment.clone()];
            match self.comment(written)? {
                Some(plain) => self.out.push(&plain)?,
                None => self.out.push(written.as_bytes())?,
            }
            self.at = comment.end;
        }
        if self.at < to {
            self.out.push(&self.text.as_bytes()[self.at..to])?;
            self.at = to;
        }
        Ok(())
    }

    /// A comment that was encrypted. Which value it belonged to is lost, so the paths around it are tried. `None` if it is
    /// none, or none that opens: as for SOPS, it stays as it is, and nothing depends on it.
    fn comment(&self, written: &str) -> Result<Option<Zeroizing<Vec<u8>>>, SopsError> {
        let Some(value) = Encrypted::parse(written).filter(|value| value.kind == Some(Kind::Comment)) else {
            return Ok(None);
        };
        for path in self.path.upwards().chain(self.before.upwards()) {
            match self.cipher.open(&value, path) {
                Ok(bytes) if one_line(&bytes).is_some() => return Ok(Some(bytes)),
                Ok(_) | Err(Closed::Tampered) => {}
                Err(Closed::Spent) => return Err(SopsError::TooLarge(Limit::Work)),
            }
        }
        Ok(None)
    }
}

/// Whether what is put in the place of a value of YAML is a value again: it would be something else in a text that is
/// announced with `|` or `>`.
fn is_in_place(text: &str, at: &Range<usize>) -> bool {
    let before = text[..at.start].trim_end();
    match before.strip_suffix('-') {
        Some(rest) => rest.is_empty() || rest.ends_with(char::is_whitespace),
        None => before.ends_with([':', '?', '[', '{', ',']),
    }
}

/// The text of a comment, if it ends with its line.
fn one_line(bytes: &[u8]) -> Option<&str> {
    let is_end = |sign: char| matches!(sign, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains(is_end))
}

/// A value that is not encrypted, as SOPS makes its MAC of it.
fn hashed(value: &Value) -> std::borrow::Cow<'_, str> {
    match value {
        Value::Null => "".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Whole(number) => number.to_string().into(),
        Value::Float(number) => digits(*number).to_string().into(),
        Value::Text(text) => text.into(),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
