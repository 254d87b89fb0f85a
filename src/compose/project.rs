//! From files to trees: each file is made whole by itself, with what it includes and extends, and with its
//! own directory and variables.
//!
//! ```text
//! parse ─▶ interpolate ─▶ include ─▶ normal ─▶ extends
//! ```
//!
//! What one file can make us do is bounded: by the number of files that are read for it, by how deep they
//! lie in one another, and by the values that all of it comes to.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::environment::{EnvId, Environments};
use super::include::{self, Include};
use super::normal::{normalise, unreadable};
use super::paths::{Base, Shown, directory};
use super::{Files, How, Variables, extends, interpolate, merge, stackfile};
use crate::yaml::{self, Diagnostic, Map, Node, Sink, SourceText, Span, Value};

/// Files that `include` and `extends` may have read.
const READS_MAX: usize = 500;
/// Files that may include one another in a row.
const DEPTH_MAX: usize = 32;
/// Values that all files may come to, copies counted.
const VALUES_MAX: usize = 1_000_000;
/// What a file that is included costs of these besides what it holds: two files that are empty but for
/// two includes each may ask for a third four times, and so on.
const FILE_COST: usize = 200;

/// How a file is read.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Absolute; relative paths start here.
    pub directory: String,
    /// Its variables.
    pub env: EnvId,
    /// The files that are being read, outermost first, and where each is named.
    pub trail: Vec<(String, Option<Span>)>,
}

/// A file as a tree, or nothing if it could not be read.
type Opened = Option<Rc<Node>>;

/// Reads files and what they call for.
pub struct Reader<'a> {
    /// Where mistakes go.
    pub sink: &'a Sink<'a>,
    environments: &'a Environments<'a>,
    files: &'a dyn Files,
    home: Option<&'a str>,
    shown: &'a Shown,
    how: How,
    values: Cell<usize>,
    opened: RefCell<BTreeMap<(String, EnvId), Opened>>,
}

impl<'a> Reader<'a> {
    /// Nothing read so far.
    pub fn new(
        sink: &'a Sink<'a>,
        environments: &'a Environments<'a>,
        files: &'a dyn Files,
        home: Option<&'a str>,
        shown: &'a Shown,
        how: How,
    ) -> Self {
        Self { sink, environments, files, home, shown, how, values: Cell::new(0), opened: RefCell::default() }
    }

    /// Where relative paths start.
    pub fn base<'d>(&'d self, directory: &'d str) -> Base<'d> {
        Base { project_dir: directory, home: self.home }
    }

    /// A tree as its author means it: variables filled in, other files taken in, every key in one shape.
    pub fn whole(&self, mut tree: Node, unit: &Unit) -> Node {
        self.fill(&mut tree, unit.env);
        let includes = include::take(&mut tree, self.sink);
        normalise(&mut tree, &self.base(&unit.directory), self.how, self.sink);
        for include in includes {
            self.include(&mut tree, &include, unit);
        }
        extends::apply(&mut tree, unit, self);
        tree
    }

    fn fill(&self, tree: &mut Node, env: EnvId) {
        match self.how.variables {
            Variables::Fill => {
                let look_up = |name: &str| self.environments.look_up(env, name);
                interpolate::apply(tree, &look_up, self.how.reading, self.sink);
            }
            Variables::Keep => interpolate::leave(tree, self.sink),
        }
    }

    fn include(&self, into: &mut Node, include: &Include, unit: &Unit) {
        let base = self.base(&unit.directory);
        let Some(first) = include.paths.first() else { return };
        let own = match &include.project_directory {
            Some(directory) => base.resolve(directory),
            None => directory(&base.resolve(first)),
        };
        let env_files: Option<Vec<(String, Span)>> = include
            .env_files
            .as_ref()
            .map(|files| files.iter().map(|file| (base.resolve(file), file.span)).collect());
        let env = self.environments.included(unit.env, &own, env_files.as_deref());
        let mut merged: Option<Node> = None;
        for path in &include.paths {
            let full = base.resolve(path);
            if self.is_spent() || !self.may_include(&full, path.span, unit) {
                return;
            }
            if !self.afford(FILE_COST, path.span) {
                return;
            }
            let Some(tree) = self.open(&full, env, path.span) else { return };
            let mut trail = unit.trail.clone();
            trail.push((full, Some(path.span)));
            self.note_name(&tree);
            let tree = self.whole((*tree).clone(), &Unit { directory: own.clone(), env, trail });
            if !self.afford(tree.count(), path.span) {
                return;
            }
            merge::add(&mut merged, tree);
        }
        if let Some(merged) = merged {
            // What is wrong with it would not all be seen from outside.
            let _ = stackfile::read(&merged, self.sink);
            include::import(into, merged, first.span, self.sink);
        }
    }

    fn may_include(&self, path: &str, span: Span, unit: &Unit) -> bool {
        if let Some((_, named)) = unit.trail.iter().find(|(open, _)| open == path) {
            let mut diagnostic = Diagnostic::error("include_cycle", "files that include each other")
                .at(span, "included again while it is being read")
                .help("take one of the includes out");
            if let Some(named) = named {
                diagnostic = diagnostic.also(*named, "first included here");
            }
            if let Some((_, Some(last))) = unit.trail.last() {
                diagnostic = diagnostic.also(*last, "by way of this");
            }
            self.sink.push(diagnostic);
            return false;
        }
        if unit.trail.len() >= DEPTH_MAX {
            self.sink.push(
                Diagnostic::error("include_too_deep", "files include each other too deeply")
                    .at(span, format!("more than {DEPTH_MAX} one in the other")),
            );
            return false;
        }
        true
    }

    fn note_name(&self, tree: &Node) {
        if let Some(name) = tree.as_map().and_then(|top| top.entry("name")) {
            self.sink.push(
                Diagnostic::note("unneeded_key", "`name` of an included file has no effect")
                    .at(name.key.span, "the stack is named by the file that includes it"),
            );
        }
    }

    /// A file as a raw tree, read once for each environment. `None` was reported, at the place that asks.
    pub fn open(&self, path: &str, env: EnvId, at: Span) -> Option<Rc<Node>> {
        let id = (path.to_owned(), env);
        if let Some(known) = self.opened.borrow().get(&id) {
            return known.clone();
        }
        if self.opened.borrow().len() >= READS_MAX {
            self.sink.push(
                Diagnostic::error("too_many_files", format!("more than {READS_MAX} files are asked for"))
                    .at(at, "this one is too many"),
            );
            return None;
        }
        let tree = self.open_new(path, env, at).map(Rc::new);
        self.opened.borrow_mut().insert(id, tree.clone());
        tree
    }

    fn open_new(&self, path: &str, env: EnvId, at: Span) -> Option<Node> {
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.sink.push(unreadable(self.sink, &Node::text(path, at), &error));
                return None;
            }
        };
        let sources = self.sink.sources();
        let id = match sources.add(SourceText { name: self.shown.name(path), bytes }) {
            Ok(id) => id,
            Err((id, at)) => {
                self.sink.not_utf8(id, at);
                return None;
            }
        };
        self.environments.belongs(id, env);
        let tree = yaml::parse(sources, id, self.sink)?;
        if tree.as_map().is_none() && !tree.is_null() {
            yaml::decode::wrong_type(self.sink, &tree, "an included file", "a mapping");
            return None;
        }
        Some(tree)
    }

    /// A service of another file, by itself: nothing else of that file is looked at.
    pub fn service_of(&self, path: &str, name: &str, env: EnvId) -> Option<Node> {
        let file = self.opened.borrow().get(&(path.to_owned(), env)).cloned().flatten()?;
        let entry = file.as_map()?.get("services")?.as_map()?.entry(name)?;
        let mut service = entry.clone();
        if service.value.is_null() {
            service.value.value = Value::Map(Map::default());
        }
        let span = service.value.span;
        let services = Node::made(Value::Map(Map { entries: vec![service] }), span);
        let mut alone = Node::map(vec![("services", services)], span);
        self.fill(&mut alone, env);
        normalise(&mut alone, &self.base(&directory(path)), self.how, self.sink);
        let services = alone.as_map_mut()?.remove("services")?;
        match services.value.value {
            Value::Map(mut map) => map.entries.pop().map(|entry| entry.value),
            _ => None,
        }
    }

    /// Whether there was too much already: it was said, and nothing more is done.
    pub fn is_spent(&self) -> bool {
        self.values.get() > VALUES_MAX
    }

    /// Counts values that were copied. `false`, with a word, when there are too many.
    pub fn afford(&self, values: usize, at: Span) -> bool {
        let total = self.values.get().saturating_add(values);
        self.values.set(total);
        if total > VALUES_MAX {
            self.sink.push(
                Diagnostic::error(
                    "too_many_values",
                    format!("the files come to more than {VALUES_MAX} values"),
                )
                .at(at, "this is too much")
                .help("a service counts as often as it is extended, a file as often as it is included"),
            );
            return false;
        }
        true
    }
}
