//! Finds overrides by later files: records them, so that a diagnostic about a value can show the overridden one, and
//! notes them where docker would merge differently. Reads the trees before they are merged, and changes nothing.

use std::collections::BTreeMap;

use super::docker::merge as docker;
use crate::yaml::{Diagnostic, Node, Sink, Span, Value};

/// Reports to the sink which places of an earlier file are overridden, and to users where docker would not override
/// them.
pub fn note(base: &Node, later: &Node, sink: &Sink<'_>) {
    Notes { sink }.node(base, later, &mut Vec::new());
}

/// The limit of ports of a service that are compared: a range is a few bytes, and more notes would not help.
const PORTS_MAX: usize = 1000;

struct Notes<'a> {
    sink: &'a Sink<'a>,
}

impl Notes<'_> {
    fn node(&self, base: &Node, later: &Node, path: &mut Vec<String>) {
        if later.tag().is_some() {
            return;
        }
        match (&base.value, &later.value) {
            (Value::Map(base), Value::Map(later)) => {
                for theirs in &later.entries {
                    if let Some(ours) = base.entry(&theirs.key)
                        && !theirs.value.is_null()
                    {
                        path.push(theirs.key.value.clone());
                        self.node(&ours.value, &theirs.value, path);
                        path.pop();
                    }
                }
            }
            // Lists are merged item by item.
            (Value::List(ours), Value::List(theirs)) => self.lists(ours, theirs, (base, later), path),
            (_, Value::Null) => {}
            _ => {
                self.sink.replaces(later.span, base.span);
                if docker::passes_over(path, later) && !docker::is_empty(base) {
                    self.tell("wins, because its file is later", later.span, "docker keeps this", base.span);
                }
            }
        }
    }

    fn lists(&self, ours: &[Node], theirs: &[Node], whole: (&Node, &Node), path: &[String]) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["services", _, "ports"] => self.ports(ours, theirs),
            ["services", _, "healthcheck", "test"] if !ours.is_empty() && !theirs.is_empty() => {
                let label = "replaces the other";
                self.tell(label, whole.1.place(), "docker appends one to the other", whole.0.place());
            }
            ["services", _, "command" | "entrypoint"] if !ours.is_empty() && theirs.is_empty() => {
                self.tell("counts: nothing is left", whole.1.place(), "docker keeps this", whole.0.place());
            }
            _ => {}
        }
    }

    /// Docker distinguishes ports by their published number alone, and those without one not at all.
    fn ports(&self, ours: &[Node], theirs: &[Node]) {
        // Of each number, one port of each kind.
        let mut known: BTreeMap<docker::Identity, BTreeMap<Option<String>, Span>> = BTreeMap::new();
        for port in ours.iter().take(PORTS_MAX) {
            let kinds = known.entry(docker::published(port)).or_default();
            kinds.entry(super::merge::port(port)).or_insert(port.span);
        }
        for port in theirs.iter().take(PORTS_MAX) {
            let Some(kinds) = known.get(&docker::published(port)) else { continue };
            let own = super::merge::port(port);
            if let Some((_, other)) = kinds.iter().find(|(kind, _)| **kind != own) {
                self.tell("published beside the other", port.span, "docker drops this one", *other);
            }
        }
    }

    fn tell(&self, ours: &str, later: Span, dockers: &str, earlier: Span) {
        self.sink.push(
            Diagnostic::note("merged_otherwise", "docker merges these two files differently")
                .at(later, ours)
                .also(earlier, dockers)
                .help("`--strict-docker` merges as docker does"),
        );
    }
}
