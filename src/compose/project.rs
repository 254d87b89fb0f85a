//! Turns files into trees: each file is completed by itself, with what it includes and extends, and with its own
//! directory and variables.
//!
//! ```text
//! parse ─▶ interpolate ─▶ include ─▶ normal ─▶ extends
//! ```
//!
//! The cost of a file is limited: by the number of files that are read for it, by their nesting, and by the number of
//! values and bytes in all of them.

use super::extends;
use super::include::{self, Include};
use super::merge;
use super::normal::normalise;
use super::paths::directory;
use super::reader::{Reader, Unit};
use super::stackfile;
use crate::yaml::{Diagnostic, Node, Span};

/// Files that may include one another in a row.
const DEPTH_MAX: usize = 32;
/// What a file that is included costs of these besides what it holds: two files that are empty but for
/// two includes each may ask for a third four times, and so on.
const FILE_COST: usize = 200;

impl Reader<'_> {
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
            if !self.sink.afford(tree.bytes(), path.span) {
                return;
            }
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
            // Not all of its mistakes would be visible from outside.
            let _ = stackfile::read(&merged, self.sink);
            include::import(into, merged, first.span, self.sink);
        }
    }

    fn may_include(&self, path: &str, span: Span, unit: &Unit) -> bool {
        if let Some((_, named)) = unit.trail.iter().find(|(open, _)| open == path) {
            let mut diagnostic = Diagnostic::error("include_cycle", "files that include each other")
                .at(span, "included again while it is being read")
                .help("remove one of the includes");
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
}
