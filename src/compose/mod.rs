//! A stackfile becomes a [`StackSpec`]: text in, specification out.
//!
//! ```text
//! yaml::parse ─▶ interpolate ─▶ normal ─▶ merge ─▶ stackfile::read ─▶ lower::stack
//!  text → tree     ${VAR}      one shape   -c -c    typed, places      defaults, names
//! ```
//!
//! Opens no files, sees no network, knows no clock and no environment: [`Options`] lends what it needs.
//! Behaves as `docker stack deploy` does for the meaning of a file; where it differs on purpose, the
//! module that differs says so. Every value keeps its place, and all mistakes are reported in one run.

pub mod config;
pub mod constraint_syntax;
mod docker;
mod interpolate;
mod lower;
mod merge;
mod normal;
mod paths;
pub mod short;
pub mod stackfile;
pub mod support;
pub mod templates;

#[cfg(test)]
mod tests;

use crate::model::{StackName, StackSpec};
use crate::yaml::{self, Drawn, Node, Sink, Sources};

pub use crate::yaml::{Report, SourceText};

/// Files beside the stackfile: environment files, contents of configs. Paths are absolute.
pub trait Files {
    /// The bytes of a file.
    fn read(&self, path: &str) -> std::io::Result<Vec<u8>>;
}

/// Whose reading of a file counts, where ours is not docker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// Ours: what is surely not meant is mended or refused, and docker's gaps are filled.
    #[default]
    Ours,
    /// Docker's to the letter, see `docker`.
    Docker,
}

/// What becomes of the variables in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variables {
    /// They are filled in.
    #[default]
    Fill,
    /// They stay as they are, and so do the texts they are in. The merged file is for people and tools;
    /// the spec is not for a deploy.
    Keep,
}

impl Reading {
    /// How bad it is what docker passes on and no engine can do.
    const fn severity(self) -> yaml::Severity {
        match self {
            Self::Ours => yaml::Severity::Error,
            Self::Docker => yaml::Severity::Warning,
        }
    }
}

/// What the outside lends to [`load`].
pub struct Options<'a> {
    /// The stack's name, from the command line.
    pub stack: &'a StackName,
    /// Absolute directory of the first file: all relative paths start here.
    pub project_dir: &'a str,
    /// What `~` stands for.
    pub home: Option<&'a str>,
    /// The caller's variables.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The caller's files.
    pub files: &'a dyn Files,
    /// Whose reading of the file counts.
    pub reading: Reading,
    /// What becomes of variables.
    pub variables: Variables,
}

/// What became of the files.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What to deploy.
    pub spec: StackSpec,
    /// The files as one, in normal form, variables filled in; see [`config::text`].
    pub merged: Node,
    /// Warnings and notes, in the order of the files.
    pub notes: Vec<Drawn>,
}

/// Reads stackfiles, the later ones over the earlier.
pub fn load(files: Vec<SourceText>, options: &Options<'_>) -> Result<Loaded, Report> {
    let mut sources = Sources::new();
    let added: Vec<_> = files.into_iter().map(|file| sources.add(file)).collect();
    let sink = Sink::new("compose", &sources);
    let base = paths::Base { project_dir: options.project_dir, home: options.home };
    let reading = options.reading;
    let variables = options.variables;
    let world = normal::World { base, env: options.env, files: options.files, reading, variables };

    let several = added.len() > 1;
    let mut merged: Option<Node> = None;
    for added in added {
        let id = match added {
            Ok(id) => id,
            Err((id, at)) => {
                sink.not_utf8(id, at);
                continue;
            }
        };
        let Some(mut tree) = yaml::parse(&sources, id, &sink) else { continue };
        match variables {
            Variables::Fill => interpolate::apply(&mut tree, options.env, reading, &sink),
            Variables::Keep => interpolate::leave(&tree, &sink),
        }
        normal::normalise(&mut tree, &world, &sink);
        if several {
            // Each file must be right by itself, even where a later one has the last word.
            let _ = read(&tree, reading, &sink);
        }
        match &mut merged {
            Some(base) => match reading {
                Reading::Ours => merge::overlay(base, tree),
                Reading::Docker => docker::merge::overlay(base, tree),
            },
            None => {
                merge::settle(&mut tree);
                merged = Some(tree);
            }
        }
    }
    let Some(mut merged) = merged else {
        sink.nothing_to_read();
        return Err(sink.finish().expect_err("a mistake was just reported"));
    };
    let stackfile = read(&merged, reading, &sink);
    let spec = lower::stack(options.stack, &stackfile, &world, &sink);
    config::settle(&mut merged, &base);
    let notes = sink.finish()?;
    Ok(Loaded { spec, merged, notes })
}

fn read(tree: &Node, reading: Reading, sink: &Sink<'_>) -> stackfile::Stackfile {
    match reading {
        Reading::Ours => stackfile::read(tree, sink),
        Reading::Docker => {
            let mut narrowed = tree.clone();
            docker::drops::narrow(&mut narrowed, sink);
            stackfile::read(&narrowed, sink)
        }
    }
}
