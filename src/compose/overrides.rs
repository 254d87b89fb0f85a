//! Where a later file has the last word: remembered, so that what is said about a value that won can show
//! the one that lost; and told, where docker would have it otherwise. Looks at the trees before they are
//! merged; changes nothing.

use super::docker::merge as docker;
use crate::yaml::{Diagnostic, Node, Sink, Span, Value};

/// Tells the sink which places of an earlier file those of a later one stand in for, and people where docker
/// does not let them.
pub fn note(base: &Node, later: &Node, sink: &Sink<'_>) {
    Notes { sink }.node(base, later, &mut Vec::new());
}

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
            // Lists are laid together item by item.
            (Value::List(ours), Value::List(theirs)) => self.lists(ours, theirs, (base, later), path),
            (_, Value::Null) => {}
            _ => {
                self.sink.replaces(later.span, base.span);
                if docker::passes_over(path, later) && !docker::is_empty(base) {
                    self.tell("counts, as it is the later one", later.span, "docker keeps this", base.span);
                }
            }
        }
    }

    fn lists(&self, ours: &[Node], theirs: &[Node], whole: (&Node, &Node), path: &[String]) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["services", _, "ports"] => self.ports(ours, theirs),
            ["services", _, "healthcheck", "test"] if !ours.is_empty() && !theirs.is_empty() => {
                let label = "counts in place of the other";
                self.tell(label, whole.1.place(), "docker puts the two behind each other", whole.0.place());
            }
            ["services", _, "command" | "entrypoint"] if !ours.is_empty() && theirs.is_empty() => {
                self.tell("counts: nothing is left", whole.1.place(), "docker keeps this", whole.0.place());
            }
            _ => {}
        }
    }

    /// Docker tells ports apart by their published number alone, and those without one not at all.
    fn ports(&self, ours: &[Node], theirs: &[Node]) {
        for port in theirs {
            let number = docker::published(port);
            let same = ours.iter().find(|other| {
                docker::published(other) == number && super::merge::port(other) != super::merge::port(port)
            });
            if let Some(same) = same {
                self.tell("published beside the other", port.span, "docker drops this one", same.span);
            }
        }
    }

    fn tell(&self, ours: &str, later: Span, dockers: &str, earlier: Span) {
        self.sink.push(
            Diagnostic::note("merged_otherwise", "docker merges these two files to something else")
                .at(later, ours)
                .also(earlier, dockers)
                .help("`--strict-docker` merges as docker does"),
        );
    }
}
