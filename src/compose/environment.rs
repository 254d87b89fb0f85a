//! Where the variables of a file come from, and the environment of a service.
//!
//! The caller's variables win. After them come those of `.env` in the project's directory, or of the files
//! named in its place; and in a file that is included, those of the `.env` beside it or of the include's
//! own `env_file`. That is Compose's order. `docker stack deploy` reads no `.env`: a note says so when a
//! value came from one that the user did not name.
//!
//! A service's own environment is put together here, too: its `env_file`s in order, then `environment`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::normal::unreadable;
use super::paths::Shown;
use super::{Files, How, Reading, dotenv, short};
use crate::yaml::{Diagnostic, Map, Node, PAIR, Places, Sink, SourceId, SourceText, Span, Spanned, Value};

/// The variable that names the stack, as Compose has it.
pub const STACK_VARIABLE: &str = "COMPOSE_PROJECT_NAME";
/// Names that a note lists.
const NAMES_MAX: usize = 5;

/// The variables of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct EnvId(usize);

/// Variables that files set, on top of those of another.
#[derive(Debug, Default)]
struct Layer {
    below: Option<EnvId>,
    own: BTreeMap<String, (String, Span)>,
    /// Whether it was read because it exists, not because it was named.
    is_found: bool,
    /// The files that were read into it.
    paths: Vec<String>,
}

/// A layer and those below it, down to the project's.
fn chain(layers: &[Layer], top: EnvId) -> impl Iterator<Item = &Layer> {
    std::iter::successors(layers.get(top.0), |layer| layers.get(layer.below?.0))
}

/// The file with variables that is looked for in a directory.
fn dotenv_of(directory: &str) -> String {
    super::paths::beside(directory, ".env")
}

/// All environments of one run. The first is the project's.
pub struct Environments<'a> {
    caller: &'a dyn Fn(&str) -> Option<String>,
    files: &'a dyn Files,
    shown: &'a Shown,
    sink: &'a Sink<'a>,
    stack: RefCell<Option<String>>,
    layers: RefCell<Vec<Layer>>,
    of_source: RefCell<BTreeMap<SourceId, EnvId>>,
    used: RefCell<BTreeSet<(Span, String)>>,
    is_silent: Cell<bool>,
}

impl<'a> Environments<'a> {
    /// Only the caller's variables, so far.
    pub fn new(
        caller: &'a dyn Fn(&str) -> Option<String>,
        files: &'a dyn Files,
        shown: &'a Shown,
        sink: &'a Sink<'a>,
    ) -> Self {
        Self {
            caller,
            files,
            shown,
            sink,
            stack: RefCell::default(),
            layers: RefCell::new(vec![Layer::default()]),
            of_source: RefCell::default(),
            used: RefCell::default(),
            is_silent: Cell::new(false),
        }
    }

    /// Reads the files of the project: those named, or else `.env` where it is there.
    pub fn read_project(&self, project_dir: &str, named: Option<&[String]>) {
        match named {
            Some(named) => {
                self.layers.borrow_mut()[0].paths = named.to_vec();
                for path in named {
                    self.read(EnvId(0), path, None);
                }
            }
            None => {
                let path = dotenv_of(project_dir);
                let is_found = self.read_if_there(EnvId(0), &path);
                let project = &mut self.layers.borrow_mut()[0];
                (project.paths, project.is_found) = (vec![path], is_found);
            }
        }
    }

    /// What a file that `below` includes sees: with files named where it is included, or else with the
    /// `.env` of its directory.
    pub fn included(&self, below: EnvId, directory: &str, named: Option<&[(String, Span)]>) -> EnvId {
        let paths: Vec<String> = match named {
            Some(named) => named.iter().map(|(path, _)| path.clone()).collect(),
            None => vec![dotenv_of(directory)],
        };
        let id = {
            let mut layers = self.layers.borrow_mut();
            // Files that were read already add nothing; and one file read twice is to be known for one.
            let again = |layer: &Layer| layer.below == Some(below) && layer.paths == paths;
            if let Some(known) = layers.iter().position(again) {
                return if layers[known].own.is_empty() { below } else { EnvId(known) };
            }
            if chain(&layers, below).any(|layer| layer.paths == paths) {
                return below;
            }
            layers.push(Layer { below: Some(below), paths, ..Layer::default() });
            EnvId(layers.len() - 1)
        };
        match named {
            Some(named) => {
                for (path, span) in named {
                    self.read(id, path, Some(*span));
                }
            }
            None => {
                self.read_if_there(id, &dotenv_of(directory));
            }
        }
        if self.layers.borrow()[id.0].own.is_empty() { below } else { id }
    }

    /// The values of variables in a text.
    pub fn belongs(&self, source: SourceId, env: EnvId) {
        self.of_source.borrow_mut().insert(source, env);
    }

    /// The environment of a text.
    pub fn of(&self, source: SourceId) -> EnvId {
        self.of_source.borrow().get(&source).copied().unwrap_or_default()
    }

    /// Sets Compose's variable for the stack's name.
    pub fn name_stack(&self, name: &str) {
        *self.stack.borrow_mut() = Some(name.to_owned());
    }

    /// A variable as a text sees it.
    pub fn look_up(&self, env: EnvId, name: &str) -> Option<String> {
        if let Some(value) = (self.caller)(name) {
            return Some(value);
        }
        let layers = self.layers.borrow();
        // The project's own variables win over those of an include.
        let chain: Vec<&Layer> = chain(&layers, env).collect();
        for layer in chain.into_iter().rev() {
            if let Some((value, span)) = layer.own.get(name) {
                if layer.is_found && !self.is_silent.get() {
                    self.used.borrow_mut().insert((*span, name.to_owned()));
                }
                return Some(value.clone());
            }
        }
        self.stack.borrow().clone().filter(|_| name == STACK_VARIABLE)
    }

    /// Notes which values come from a `.env`, which docker does not read.
    pub fn note_found(&self) {
        let used = self.used.borrow();
        let Some((span, _)) = used.first() else { return };
        let names: Vec<String> =
            used.iter().take(NAMES_MAX).map(|(_, name)| format!("`{}`", self.sink.clean(name))).collect();
        let more = match used.len().saturating_sub(NAMES_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        self.sink.push(
            Diagnostic::note("dotenv_used", format!("values come from `.env`: {}{more}", names.join(", ")))
                .at(*span, "set here")
                .help("`docker stack deploy` would not read it; name it with `--env-file` to silence this"),
        );
    }

    fn read_if_there(&self, into: EnvId, path: &str) -> bool {
        match self.files.read(path) {
            Ok(bytes) => self.take(into, path, bytes),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => {
                return false;
            }
            Err(error) => self.unreadable(path, &error),
        }
        true
    }

    fn read(&self, into: EnvId, path: &str, named: Option<Span>) {
        if path == "/dev/null" {
            return;
        }
        match (self.files.read(path), named) {
            (Ok(bytes), _) => self.take(into, path, bytes),
            (Err(error), Some(span)) => {
                let node = Node::text(path, span);
                self.sink.push(unreadable(self.sink, &node, &error));
            }
            (Err(error), None) => self.unreadable(path, &error),
        }
    }

    fn unreadable(&self, path: &str, error: &io::Error) {
        let path = self.sink.clean(&self.shown.name(path));
        let why = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::PermissionDenied => "no permission to read it".to_owned(),
            _ => self.sink.clean(&error.to_string()),
        };
        self.sink.push(
            Diagnostic::error("unreadable_env_file", format!("cannot read variables from `{path}`: {why}"))
                .help("name another with `--env-file`"),
        );
    }

    /// Reads one file into a layer: the later wins. Whatever is shown of it has only names in it.
    fn take(&self, into: EnvId, path: &str, bytes: Vec<u8>) {
        let sources = self.sink.sources();
        let size = bytes.len();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(bytes);
        let named = |text: String| SourceText { name: self.shown.name(path), bytes: text.into_bytes() };
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                // The valid part may be a secret, too.
                let lines =
                    error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n');
                let lines = lines.count();
                let (Ok(id) | Err((id, _))) = sources.add(named("\n".repeat(lines)));
                self.sink.not_utf8(id, lines);
                return;
            }
        };
        self.is_silent.set(true);
        let parsed = dotenv::parse(&text, &|name| self.look_up(into, name), self.sink.budget());
        self.is_silent.set(false);
        let names: Vec<_> = parsed.iter().flatten().map(|variable| variable.at.clone()).collect();
        let (shown, places) = dotenv::masked(&text, &names);
        let line = |number: usize| {
            let start: usize = shown.split_inclusive('\n').take(number).map(str::len).sum();
            start..start + shown[start..].lines().next().map_or(0, str::len)
        };
        let faulty = parsed.as_ref().err().map(|fault| line(text[..fault.at].matches('\n').count()));
        let (Ok(id) | Err((id, _))) = sources.add(named(shown));
        let whole = Span::new(id, 0..0);
        match parsed {
            // Not only what it sets takes room, but its text as well.
            Ok(_) if !self.sink.afford(size, whole) => {}
            Ok(found) => {
                let own = &mut self.layers.borrow_mut()[into.0].own;
                for (variable, place) in found.into_iter().zip(places) {
                    own.insert(variable.name, (variable.value, Span::new(id, place)));
                }
            }
            Err(fault) if fault.is_excess => {
                self.sink.push(
                    Diagnostic::error("too_many_bytes", "variables that come to too much")
                        .at(Span::new(id, faulty.unwrap_or(0..0)), fault.why)
                        .help("a variable counts as often as it is used; values are not shown here"),
                );
            }
            Err(fault) => {
                self.sink.push(
                    Diagnostic::error("bad_env_file", "not a file of variables")
                        .at(Span::new(id, faulty.unwrap_or(0..0)), fault.why)
                        .help("one `NAME=value` a line; values are not shown here"),
                );
            }
        }
    }
}

/// Puts together what the tasks of the chosen services get: environment files first, then `environment`; a
/// name alone takes the caller's value.
pub fn fill(root: &mut Node, environments: &Environments<'_>, how: How, is_chosen: &dyn Fn(&str) -> bool) {
    let services = root.as_map_mut().and_then(|top| top.get_mut("services")).and_then(Node::as_map_mut);
    for entry in services.into_iter().flat_map(|services| &mut services.entries) {
        let chosen = is_chosen(&entry.key.value);
        if let Some(service) = entry.value.as_map_mut() {
            Filler { environments, how, sink: environments.sink }.service(service, chosen);
        }
    }
}

struct Filler<'a> {
    environments: &'a Environments<'a>,
    how: How,
    sink: &'a Sink<'a>,
}

impl Filler<'_> {
    /// Whether the value comes from the caller: docker does that also if the file sets it to empty.
    fn is_open(&self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Text(text) => text.is_empty() && self.how.reading == Reading::Docker,
            Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::List(_) | Value::Map(_) => false,
        }
    }

    /// Docker takes the caller's value if the file sets none.
    fn note_empty(&self, name: &str, value: &Node, at: Span) {
        let is_empty = value.as_text() == Some("") && self.how.reading == Reading::Ours;
        if is_empty && (self.environments.caller)(name).is_some_and(|callers| !callers.is_empty()) {
            let name = self.sink.clean(name);
            self.sink.push(
                Diagnostic::note("stays_empty", format!("variable `{name}` stays empty, as the file has it"))
                    .at(at, "docker takes the value from your environment instead")
                    .help(format!("to take that value, write the name alone: `- {name}`")),
            );
        }
    }

    fn look_up(&self, span: Span, name: &str) -> Option<String> {
        self.environments.look_up(self.environments.of(span.file), name)
    }

    fn service(&self, map: &mut Map, chosen: bool) {
        let mut all = Pairs::default();
        let mut span = Span::default();
        if let Some(entry) = map.entry("env_file")
            && entry.value.as_list().is_some()
        {
            span = entry.key.span;
            let files = map.remove("env_file").map(|entry| entry.value);
            // The files of a service that is not chosen need not exist.
            for file in files.iter().filter_map(Node::as_list).flatten().filter(|_| chosen) {
                self.env_file(file, &mut all);
            }
        }
        match map.get_mut("environment").map(|node| &mut node.value) {
            Some(Value::Map(own)) => {
                for mut entry in std::mem::take(&mut own.entries) {
                    self.note_empty(&entry.key, &entry.value, entry.value.span);
                    if self.is_open(&entry.value.value)
                        && let Some(value) = self.look_up(entry.key.span, &entry.key)
                        && self.sink.afford(value.len(), entry.key.span)
                    {
                        let value = self.how.as_is(value);
                        entry.value.value = Value::Text(value);
                    }
                    all.set(entry.key, entry.value);
                }
                own.entries = all.map.entries;
            }
            Some(Value::Null) | None if !all.map.entries.is_empty() => {
                let key = Spanned::new("environment".to_owned(), span);
                map.set(key, Node::made(Value::Map(all.map), span));
            }
            _ => {}
        }
    }

    fn env_file(&self, node: &Node, all: &mut Pairs) {
        let syntax = match &node.value {
            Value::Text(_) => Syntax::Raw,
            Value::Map(map) => match map.get("format").and_then(Node::as_text) {
                Some("raw") => Syntax::Raw,
                Some(_) | None => Syntax::Dotenv,
            },
            _ => return,
        };
        let (path, required) = match &node.value {
            Value::Map(map) => {
                let required = map.get("required").is_none_or(|r| r.value != Value::Bool(false));
                match map.get("path") {
                    Some(path) => (path, required),
                    None => return,
                }
            }
            _ => (node, true),
        };
        let Some(text) = path.as_text() else { return };
        let bytes = match self.environments.files.read(text) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !required => return,
            Err(error) => {
                self.sink.push(unreadable(self.sink, path, &error));
                return;
            }
        };
        let bad = |why: String, help: &str| {
            let written = self.sink.written(path);
            self.sink.push(
                Diagnostic::error("bad_env_file", format!("`{written}` is not an environment file"))
                    .on(path, why)
                    .help(help),
            );
        };
        // It is read for each service that names it.
        if !self.sink.afford(bytes.len(), path.span) {
            return;
        }
        const RAW: &str = "one `NAME=value` a line, as it is: no quotes, no `export`, no blanks in the name";
        const DOTENV: &str = "one `NAME=value` a line; `format: raw` takes values as they are";
        let Ok(text) = String::from_utf8(bytes) else { return bad("it is not UTF-8".to_owned(), RAW) };
        match syntax {
            Syntax::Raw => match short::env_file(&text) {
                Ok(pairs) => self.raw(pairs, node, path.span, all),
                Err((line, error)) => bad(format!("line {line}: {error}"), RAW),
            },
            Syntax::Dotenv => {
                let earlier = |name: &str| all.map.get(name).and_then(Node::as_text).map(str::to_owned);
                let look = |name: &str| self.look_up(node.span, name).or_else(|| earlier(name));
                match dotenv::parse(&text, &look, self.sink.budget()) {
                    Ok(found) => {
                        found.into_iter().for_each(|v| all.add(v.name, self.how.as_is(v.value), node))
                    }
                    Err(fault) => {
                        let line = text[..fault.at].matches('\n').count() + 1;
                        let why = format!("line {line}: {}", fault.why);
                        if fault.is_excess { self.excess(path, why) } else { bad(why, DOTENV) }
                    }
                }
            }
        }
    }

    /// Takes over the lines of a file; a name alone takes the caller's value.
    fn raw(&self, pairs: Vec<(String, Option<String>)>, node: &Node, at: Span, all: &mut Pairs) {
        for (name, value) in pairs {
            let value = value.map_or(Value::Null, Value::Text);
            self.note_empty(&name, &Node::made(value.clone(), node.span), node.span);
            let callers = if self.is_open(&value) { self.look_up(node.span, &name) } else { None };
            if let Value::Text(value) = callers.map_or(value, Value::Text)
                && self.sink.afford(PAIR + value.len(), at)
            {
                all.add(name, self.how.as_is(value), node);
            }
        }
    }

    fn excess(&self, path: &Node, why: String) {
        let written = self.sink.written(path);
        let message = format!("the variables of `{written}` come to too much");
        self.sink.push(Diagnostic::error("too_many_bytes", message).on(path, why));
    }
}

/// How an environment file is read. Docker takes a line as it is, and knows the short form only; the long form comes
/// from Compose, which knows quotes and variables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Raw,
    Dotenv,
}

/// Pairs in the order they came.
#[derive(Default)]
struct Pairs {
    map: Map,
    places: Places,
}

impl Pairs {
    fn add(&mut self, name: String, value: String, from: &Node) {
        self.set(Spanned::new(name, from.span), Node::text(value, from.span));
    }

    fn set(&mut self, key: Spanned<String>, value: Node) {
        self.places.set(&mut self.map, key, value);
    }
}
