//! Reads files within the limits of a stack: a whole file as a tree, or one service of it.
//! [`project`](super::project) and [`extends`](super::extends) decide which files.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::environment::{EnvId, Environments};
use super::normal::{normalise, unreadable};
use super::paths::{Base, Shown, directory};
use super::{Files, How, Variables, interpolate, private};
use crate::yaml::{self, Diagnostic, Map, Node, Sink, SourceText, Span, Value};

/// Files that `include` and `extends` may have read.
const READS_MAX: usize = 500;
/// Values that all files may come to, copies counted.
const VALUES_MAX: usize = 1_000_000;

/// How a file is read.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Absolute; relative paths start here.
    pub directory: String,
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
    /// Whose variables are filled in.
    pub environments: &'a Environments<'a>,
    files: &'a dyn Files,
    home: Option<&'a str>,
    shown: &'a Shown,
    /// How the files are read.
    pub how: How,
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

    /// Fills in the variables of a tree, or leaves them.
    pub fn fill(&self, tree: &mut Node, env: EnvId) {
        match self.how.variables {
            Variables::Fill => {
                let look_up = |name: &str| self.environments.look_up(env, name);
                interpolate::apply(tree, &look_up, self.how.reading, self.sink);
            }
            Variables::Keep => interpolate::leave(tree, self.sink),
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
        if !self.sink.afford(bytes.len(), at) {
            return None;
        }
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
        private::hide(&tree, self.sink);
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

    /// Whether a limit was exceeded, which was reported; then nothing more is read.
    pub fn is_spent(&self) -> bool {
        self.values.get() > VALUES_MAX
    }

    /// Counts what is about to be copied. Reports and returns `false` if it is too much.
    pub fn afford_copy(&self, node: &Node, at: Span) -> bool {
        self.afford(node.count(), at) && self.sink.afford(node.bytes(), at)
    }

    /// Counts values. Reports and returns `false` if there are too many.
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
