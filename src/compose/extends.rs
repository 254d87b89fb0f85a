//! `extends`: a service that starts as a copy of another one, of this file or of another file.
//!
//! Everything is inherited, `depends_on`, `volumes` and `networks` too; what they name is not: it has to be
//! defined where the service is used (the Compose specification, `extends`, "Restrictions"). Relative paths
//! of a service of another file start at that file. Of such a file nothing is looked at but the service
//! that is asked for and those it extends itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::merge;
use super::reader::{Reader, Unit};
use super::support::{self, At};
use crate::yaml::{Diagnostic, Fields, Map, Node, Places, Span, Spanned, Value, closest};

/// How many services may extend one another in a row.
const DEPTH_MAX: usize = 64;

/// Where a service is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Home {
    /// In the file that is being read, what it includes counted in.
    Here,
    /// In another file, by absolute path.
    File(String),
}

/// A service in a chain of `extends`.
struct Step {
    home: Home,
    name: String,
    span: Span,
}

/// Replaces every service that extends another by the merged result.
pub fn apply(root: &mut Node, unit: &Unit, reader: &Reader<'_>) {
    let Some(services) = root.as_map_mut().and_then(|top| top.get_mut("services")) else { return };
    let Some(map) = services.as_map() else { return };
    if map.entries.iter().all(|entry| entry.value.as_map().is_none_or(|own| own.get("extends").is_none())) {
        return;
    }
    let done = {
        let extender =
            Extender { here: map, places: RefCell::default(), unit, reader, memo: RefCell::default() };
        let resolve = |entry: &crate::yaml::Entry| {
            let wanted = entry.value.as_map().is_some_and(|own| own.get("extends").is_some());
            let full = wanted.then(|| extender.resolve(&Home::Here, &entry.key.value, &mut Vec::new()));
            // A missing base was reported; the service stays without it.
            full.flatten().map(|node| (*node).clone())
        };
        map.entries.iter().map(resolve).collect::<Vec<_>>()
    };
    let Some(map) = services.as_map_mut() else { return };
    for (entry, full) in map.entries.iter_mut().zip(done) {
        match full {
            Some(full) => entry.value = full,
            // Other mistakes, such as a missing image, are only a consequence.
            None if entry.value.as_map().is_some_and(|own| own.get("extends").is_some()) => {
                reader.sink.spoil(entry.key.span);
            }
            None => {}
        }
        if let Some(own) = entry.value.as_map_mut() {
            own.remove("extends");
        }
    }
}

/// A service merged with all that it extends, or nothing if something was not found.
type Resolved = Option<Rc<Node>>;

struct Extender<'a> {
    here: &'a Map,
    places: RefCell<Places>,
    unit: &'a Unit,
    reader: &'a Reader<'a>,
    memo: RefCell<BTreeMap<(Home, String), Resolved>>,
}

impl Extender<'_> {
    /// A service merged with all that it extends. `None` if something in the chain is missing.
    fn resolve(&self, home: &Home, name: &str, trail: &mut Vec<Step>) -> Resolved {
        let id = (home.clone(), name.to_owned());
        if let Some(known) = self.memo.borrow().get(&id) {
            return known.clone();
        }
        let full = self.resolve_new(home, name, trail);
        self.memo.borrow_mut().insert(id, full.clone());
        full
    }

    fn resolve_new(&self, home: &Home, name: &str, trail: &mut Vec<Step>) -> Option<Rc<Node>> {
        let mut service = match home {
            Home::Here => {
                let at = self.places.borrow_mut().find(self.here, name)?;
                self.here.entries[at].value.clone()
            }
            Home::File(path) => self.reader.service_of(path, name, self.unit.env)?,
        };
        let Some(extends) = service.as_map_mut().and_then(|map| map.remove("extends")) else {
            return Some(Rc::new(service));
        };
        if extends.value.is_null() {
            return Some(Rc::new(service));
        }
        if self.reader.is_spent() {
            return None;
        }
        let wanted = self.wanted(&extends.value, name)?;
        let target = match &wanted.file {
            None => home.clone(),
            Some(file) => {
                let base = match home {
                    Home::Here => self.reader.base(&self.unit.directory).resolve(file),
                    Home::File(path) => self.reader.base(&super::paths::directory(path)).resolve(file),
                };
                Home::File(base)
            }
        };
        let span = extends.key.span;
        trail.push(Step { home: home.clone(), name: name.to_owned(), span });
        let base = self.base(&target, &wanted, trail);
        trail.pop();
        let base = base?;
        if !self.reader.afford_copy(&base, span) {
            return None;
        }
        let mut full = (*base).clone();
        if wanted.file.is_some() {
            full.reach_through(span);
        }
        full.span = service.span;
        merge::extend(&mut full, service);
        Some(Rc::new(full))
    }

    fn base(&self, target: &Home, wanted: &Wanted, trail: &mut Vec<Step>) -> Option<Rc<Node>> {
        let sink = self.reader.sink;
        let ring = trail.iter().position(|step| step.home == *target && step.name == wanted.service.value);
        if let Some(first) = ring {
            let closing = trail.last().map_or(wanted.service.span, |step| step.span);
            let names: Vec<String> = trail[first..]
                .iter()
                .map(|step| step.name.as_str())
                .chain([wanted.service.as_str()])
                .map(|name| format!("`{}`", sink.clean(name)))
                .collect();
            let mut diagnostic = Diagnostic::error("extends_cycle", "services that extend each other")
                .at(closing, format!("closes the ring {}", names.join(" → ")));
            for step in &trail[first..trail.len() - 1] {
                diagnostic = diagnostic.also(step.span, format!("`{}` extends", sink.clean(&step.name)));
            }
            sink.push(diagnostic.help("remove one of them"));
            return None;
        }
        if trail.len() > DEPTH_MAX {
            sink.push(
                Diagnostic::error("extends_too_deep", "services extend each other too deeply")
                    .at(wanted.span, format!("more than {DEPTH_MAX} one after the other")),
            );
            return None;
        }
        let file;
        let services = match target {
            Home::Here => self.here,
            Home::File(path) => {
                file = self.reader.open(path, self.unit.env, wanted.span)?;
                match file.as_map().and_then(|top| top.get("services")).and_then(Node::as_map) {
                    Some(services) => services,
                    None => &Map::default(),
                }
            }
        };
        let is_there = match target {
            Home::Here => self.places.borrow_mut().find(services, &wanted.service).is_some(),
            Home::File(_) => services.get(&wanted.service).is_some(),
        };
        if !is_there {
            let known: Vec<&str> = services.entries.iter().map(|entry| entry.key.value.as_str()).collect();
            let shown = sink.shown(&wanted.service);
            let help = match (closest(&wanted.service, &known), target) {
                (Some(near), _) => format!("did you mean `{}`?", sink.clean(near)),
                (None, Home::Here) => {
                    "services are looked for in this file, and in what it includes; name another with `file`"
                        .to_owned()
                }
                (None, Home::File(_)) => "the file has no service of this name".to_owned(),
            };
            sink.push(
                Diagnostic::error("undefined_base", format!("there is no service `{shown}` to extend"))
                    .at(wanted.service.span, "not found")
                    .help(help),
            );
            return None;
        }
        self.resolve(target, &wanted.service, trail)
    }

    /// What `extends` asks for.
    fn wanted(&self, node: &Node, name: &str) -> Option<Wanted> {
        let sink = self.reader.sink;
        if let Value::Text(service) = &node.value {
            let service = Spanned::new(service.clone(), node.span);
            return Some(Wanted { service, file: None, span: node.span });
        }
        if node.as_map().is_none() {
            let what = format!("`extends` of service `{}`", sink.clean(name));
            crate::yaml::decode::wrong_type(sink, node, &what, "a mapping");
            return None;
        }
        let fields =
            Fields::of(sink, node, node.span, format!("`extends` of service `{}`", sink.clean(name)))?;
        support::check(&fields, At::Extends);
        let file = fields.text("file");
        let service = fields.required_text("service")?;
        let span = file.as_ref().map_or(node.span, |file| file.span);
        Some(Wanted { service, file: file.map(|file| file.value), span })
    }
}

struct Wanted {
    service: Spanned<String>,
    file: Option<String>,
    span: Span,
}
