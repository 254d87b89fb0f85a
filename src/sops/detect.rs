//! What kind of an encrypted file some bytes are. A file is taken for one of SOPS by its part `sops`, or because one of its
//! values is written as SOPS writes encrypted ones: also what was cut off or damaged has to be refused, and not handed on
//! as if its encrypted text were the secret. A file that only quotes such a value is none.

use zeroize::Zeroizing;

use super::cipher::BEGIN;
use super::decrypt::read;
use super::error::{Format, Limit};
use super::metadata::{Flat, NAME, names};
use super::tree::{Document, Leaf};
use crate::vault::is_sealed;

/// Tells what some bytes are, by what they are and by the name of their file: a binary file and a JSON file of SOPS look
/// the same, and the name says which it is. `None`: nothing that this room opens.
#[must_use]
pub fn detect(bytes: &[u8], name: &str) -> Option<Format> {
    if is_sealed(bytes) {
        return Some(Format::Age);
    }
    let may_have_part = has(bytes, NAME) && has(bytes, "lastmodified");
    if !may_have_part && !has(bytes, BEGIN) {
        return None;
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Of a damaged file as much as can be read.
    let lossy;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => {
            lossy = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
            &lossy
        }
    };
    let named = Named::of(name);
    let seen = Seen::of(text);
    if bytes.len() > Limit::File.most() {
        return seen.format(named);
    }
    let candidates = if text.trim_start().starts_with('{') || named == Some(Named::Json) {
        &[Format::Json][..]
    } else {
        &[Format::Dotenv, Format::Yaml]
    };
    let mut is_read = false;
    for format in candidates {
        let document = read(text, *format);
        is_read = document.is_ok();
        match document {
            Ok(document) if is_of_sops(&document, *format) => {
                let is_binary = *format == Format::Json && named.is_none() && is_binary(&document);
                return Some(if is_binary { Format::Binary } else { *format });
            }
            _ => {}
        }
    }
    // All that has an `=` in each line is dotenv, so that says nothing.
    if is_read { None } else { seen.format(named) }
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|part| part == word.as_bytes())
}

/// What the end of a file's name says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Yaml,
    Json,
    Dotenv,
    Ini,
}

impl Named {
    fn of(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        match ending {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "env" => Some(Self::Dotenv),
            "ini" => Some(Self::Ini),
            _ => None,
        }
    }
}

fn is_binary(document: &Document) -> bool {
    names(document).into_iter().all(|name| name == NAME || name == "data")
}

fn is_of_sops(document: &Document, format: Format) -> bool {
    let is_encrypted = |leaf: &Leaf| leaf.value.as_text().is_some_and(|text| text.starts_with(BEGIN));
    // A part that is too large is one.
    let has_part = Flat::of(document, format).map_or(true, |flat| flat.is_some_and(|flat| flat.is_of_sops()));
    let mut entries = document.branches.iter().flat_map(|branch| &branch.entries);
    has_part || entries.any(|entry| entry.value.any_leaf(&is_encrypted))
}

/// What the lines of a text look like, where it cannot be read as a whole.
#[derive(Debug, Default)]
struct Seen {
    yaml: bool,
    json: bool,
    dotenv: bool,
    ini: bool,
    /// The part `sops` of YAML is what it ends with.
    yaml_part: bool,
    /// It begins as JSON does, or ends with that part.
    json_part: bool,
    dotenv_part: bool,
    ini_part: bool,
    /// All lines but the last are such.
    all_dotenv: bool,
}

impl Seen {
    fn of(text: &str) -> Self {
        let mut seen = Self { all_dotenv: true, ..Self::default() };
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            match line.find(BEGIN).map(|at| &line[..at]) {
                Some(before) => seen.value(before),
                None if line.starts_with("sops_") => seen.dotenv_part |= line.contains('='),
                None => {}
            }
            let is_dotenv = line.is_empty() || line.starts_with('#') || is_dotenv(line);
            seen.all_dotenv &= is_dotenv || lines.peek().is_none();
            seen.ini_part |= line.trim_end() == "[sops]";
            seen.json_part |= line.trim_start().starts_with("\"sops\":");
            // Whatever follows at its level was not written by SOPS: it may be a page that quotes such a file.
            let is_top = !line.starts_with([' ', '\t', '#']) && !line.trim().is_empty();
            seen.yaml_part = if is_top { line.trim_end() == "sops:" } else { seen.yaml_part };
        }
        seen.json_part = text.starts_with('{') || (seen.json_part && text.trim_end().ends_with('}'));
        seen
    }

    /// Takes what stands before an encrypted value in its line.
    fn value(&mut self, before: &str) {
        let indented = before.trim_start();
        let bare = before.strip_suffix(['"', '\'']).unwrap_or(before);
        let is_item = !indented.is_empty() && bare.trim_start().replace("- ", "").is_empty();
        if is_json(before) {
            self.json = true;
        } else if before == "#" {
            self.yaml = true;
            self.dotenv = true;
        } else if before.ends_with('=') && is_dotenv(before) {
            self.dotenv = true;
        } else if before.trim_end().ends_with('=') {
            self.ini = true;
        } else if indented == "#" || is_item || bare.ends_with(": ") {
            self.yaml = true;
        }
    }

    fn format(&self, named: Option<Named>) -> Option<Format> {
        match named {
            Some(Named::Yaml) if self.yaml => Some(Format::Yaml),
            Some(Named::Json) if self.json => Some(Format::Json),
            Some(Named::Dotenv) if self.dotenv => Some(Format::Dotenv),
            Some(Named::Ini) if self.ini => Some(Format::Ini),
            _ if self.ini_part && self.ini => Some(Format::Ini),
            _ if self.json_part && self.json => {
                Some(if named.is_none() { Format::Binary } else { Format::Json })
            }
            _ if self.dotenv && (self.all_dotenv || self.dotenv_part) => Some(Format::Dotenv),
            _ if self.yaml_part && self.yaml => Some(Format::Yaml),
            _ => None,
        }
    }
}

/// Whether what stands before a value opens a text of JSON.
fn is_json(before: &str) -> bool {
    let Some(rest) = before.strip_suffix('"').map(str::trim_end) else { return false };
    match rest.strip_suffix(':') {
        Some(key) => key.trim_end().ends_with('"'),
        None => rest.is_empty() || rest.ends_with(['[', ',']),
    }
}

/// Whether a line begins with a name and `=`.
fn is_dotenv(line: &str) -> bool {
    let Some((name, _)) = line.split_once('=') else { return false };
    let name = name.strip_prefix("export ").unwrap_or(name);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}
