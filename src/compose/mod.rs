//! A stackfile becomes a [`StackSpec`]: text in, specification out.
//!
//! ```text
//! yaml::parse ─▶ interpolate ─▶ include ─▶ normal ─▶ extends ─▶ environment ─▶ merge ─▶ profiles
//!  text → tree     ${VAR}     other files  one shape other services  env_file    -c -c   which services
//!
//!             ─▶ stackfile::read ─▶ lower::stack
//!                 typed, places     defaults, names
//! ```
//!
//! Opens no files, sees no network, knows no clock and no environment: [`Options`] lends what it needs.
//! A file has the meaning of `docker stack deploy`, and of `docker compose` for keys that `docker stack deploy` does
//! not know; each intended difference is documented in its module. Every value keeps its place, and all mistakes are
//! reported in one run.
//!
//! The author of a file is not trusted. A file's cost is limited: 16 MiB and 100,000 values for a file, aliases
//! expanded; 64 levels of nesting; 500 files and a million values for all that it includes and extends; 100,000 ports;
//! 16 MiB for a value with its variables filled in, and 64 MiB for all that is made of the files: copies for aliases,
//! values of variables, included and extended files, environment files, configs ([`Sink::afford`]).
//! Files that it names are read wherever they are, through symbolic links and outside the project, too: an author of
//! stackfiles may mount any path of the hosts, which is more. Messages contain no control characters of a file, and no
//! values of variables at all.

mod checks;
pub mod config;
pub mod constraint_syntax;
mod docker;
mod dotenv;
mod environment;
mod extends;
mod include;
mod interpolate;
mod lower;
mod merge;
mod moved;
mod normal;
mod overrides;
mod paths;
mod places;
mod platform;
mod private;
mod profiles;
mod project;
mod reader;
pub mod short;
pub mod stackfile;
pub mod support;
pub mod templates;
mod variable;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use environment::{EnvId, Environments};
use reader::{Reader, Unit};

use crate::model::{Plaintext, StackName, StackSpec};
use crate::yaml::{self, Diagnostic, Drawn, Node, Sink, Sources};

pub use crate::yaml::{Report, SourceText};
pub use lower::secret_payloads;
pub use places::Written;

/// Names of the default stackfile, in order of preference.
pub const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// Files beside the stackfile: environment files, contents of configs. Paths are absolute.
pub trait Files {
    /// The bytes of a file.
    fn read(&self, path: &str) -> std::io::Result<Vec<u8>>;
}

/// Which reading of a file applies, where stackctl's own differs from docker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// stackctl's own: surely unintended readings are corrected or refused, and docker's gaps are filled.
    #[default]
    Ours,
    /// Docker's exact reading, see `docker`.
    Docker,
}

/// How variables in a file are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variables {
    /// They are filled in.
    #[default]
    Fill,
    /// They stay as they are, and so do the texts they are in. The merged file is for people and tools;
    /// the spec is not for a deploy.
    Keep,
}

/// Whether the values of secrets are read, which stand in files and variables beside the stackfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecretFiles {
    /// They are not looked at.
    #[default]
    Leave,
    /// Those that are there are read.
    Try,
    /// The same, and those that are not there are warned of: another machine may have them.
    Look,
    /// Without one of them the stack is not what its author means: its absence is an error.
    Need,
}

/// Values of secrets as they were read, encrypted or not, by the secrets' keys in the file; or that another store has them.
pub type SecretTexts = BTreeMap<String, Arc<SecretText>>;

/// The value of one secret.
#[derive(Debug)]
pub struct SecretText {
    /// What messages call the place that it comes from: a file's name, which tells what is in it, a variable, or a driver and
    /// where it is named.
    pub from: String,
    pub held: Held,
}

/// Where the bytes of a value are.
#[derive(Debug)]
pub enum Held {
    /// In a file, which may be encrypted.
    File(Arc<Plaintext>),
    /// Somewhere else that was read.
    Plain(Arc<Plaintext>),
    /// In a store that the secret's driver asks.
    Elsewhere,
}

impl Reading {
    /// The severity of what docker passes on although no engine can do it.
    const fn severity(self) -> yaml::Severity {
        match self {
            Self::Ours => yaml::Severity::Error,
            Self::Docker => yaml::Severity::Warning,
        }
    }
}

/// Both, for the steps that go by them.
#[derive(Debug, Clone, Copy)]
struct How {
    reading: Reading,
    variables: Variables,
}

impl How {
    /// A value that is not from the file, as the file would have it.
    fn as_is(self, value: String) -> String {
        match self.variables {
            Variables::Fill => value,
            Variables::Keep => value.replace('$', "$$"),
        }
    }

    /// Whether a short form cannot be taken apart yet.
    fn is_open(self, text: &str) -> bool {
        self.variables == Variables::Keep && text.contains('$')
    }
}

/// How the stack gets its name.
#[derive(Debug, Clone, Copy)]
pub enum Stack<'a> {
    /// As the command line says, whatever the files say.
    Given(&'a StackName),
    /// From `COMPOSE_PROJECT_NAME`, or else the last file with a `name`, or else this name. An error if all are
    /// missing. Docker does not know the variable, and the strict reading ignores it.
    Otherwise(Option<&'a StackName>),
}

/// What the caller of [`load`] provides.
pub struct Options<'a> {
    pub stack: Stack<'a>,
    /// Absolute directory of the first file: all relative paths start here.
    pub project_dir: &'a str,
    /// The value of `~`.
    pub home: Option<&'a str>,
    /// The caller's variables.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    pub files: &'a dyn Files,
    /// Absolute paths of files with variables, the later over the earlier; `None` is the `.env` of the
    /// project's directory, if it is there. The caller's own variables win.
    pub env_files: Option<&'a [String]>,
    /// Profiles that are active; if there are none, those of `COMPOSE_PROFILES`.
    pub profiles: &'a [String],
    /// Whose reading of the file counts.
    pub reading: Reading,
    /// What becomes of variables.
    pub variables: Variables,
    /// What becomes of secrets.
    pub secrets: SecretFiles,
}

/// The result of loading files.
#[derive(Debug)]
pub struct Loaded {
    /// Of secrets it has names, and no versions yet.
    pub spec: StackSpec,
    /// What their values were read as.
    pub secrets: SecretTexts,
    /// The files as one, in normal form, variables filled in; see [`config::text`].
    pub merged: Node,
    /// Warnings and notes, in the order of the files.
    pub notes: Vec<Drawn>,
    /// The files themselves.
    pub sources: Sources,
}

/// Reads stackfiles, the later ones over the earlier.
pub fn load(files: Vec<SourceText>, options: &Options<'_>) -> Result<Loaded, Report> {
    let sources = Sources::new();
    let first = files.first().map(|file| file.name.clone()).unwrap_or_default();
    let shown = paths::Shown::new(options.project_dir, &first);
    let first = paths::beside(options.project_dir, base_name(&first));
    let added: Vec<_> = files.into_iter().map(|file| sources.add(file)).collect();
    let sink = Sink::new("compose", &sources);
    let how = How { reading: options.reading, variables: options.variables };
    let environments = Environments::new(options.env, options.files, &shown, &sink);
    // Docker reads no `.env`, but a file that the user names is read.
    if how.reading == Reading::Ours || options.env_files.is_some() {
        environments.read_project(options.project_dir, options.env_files);
    }

    let mut trees = Vec::new();
    for added in added {
        match added {
            Ok(id) => {
                let tree = yaml::parse(&sources, id, &sink);
                tree.iter().for_each(|tree| private::hide(tree, &sink));
                trees.extend(tree);
            }
            Err((id, at)) => sink.not_utf8(id, at),
        }
    }
    let name = stack_name(&trees, options.stack, how.reading, &environments, &sink);
    if how.reading == Reading::Ours {
        environments.name_stack(name.as_str());
    }
    let reader = Reader::new(&sink, &environments, options.files, options.home, &shown, how);
    let mut trail = vec![(first, None)];
    let directory = options.project_dir.to_owned();
    for tree in &mut trees {
        let unit = Unit { directory: directory.clone(), env: EnvId::default(), trail };
        let raw = std::mem::replace(tree, Node::text("", tree.span));
        *tree = reader.whole(raw, &unit);
        trail = Vec::new();
    }
    let active = profiles::active(options, &environments);
    let chosen = profiles::chosen(&trees, &active);
    for tree in &mut trees {
        environment::fill(tree, &environments, how, &|service| chosen.contains(service));
    }
    let Some(mut merged) = as_one(trees, how.reading, &sink) else {
        sink.nothing_to_read();
        return Err(sink.finish().expect_err("a mistake was just reported"));
    };
    let mut stackfile = read(&merged, how.reading, &sink);
    // Also those that only a service with an idle profile asks for are used.
    checks::unused(&stackfile, &merged, how.reading, &sink);
    profiles::choose(&mut stackfile, &mut merged, &chosen, options, &sink);
    checks::run(&stackfile, &merged, how.reading, &sink);
    config::settle(&mut merged);
    let (spec, secrets) = lower::stack(
        &name,
        stackfile,
        &lower::World {
            environments: &environments,
            files: options.files,
            shown: &shown,
            reading: how.reading,
            variables: how.variables,
            secrets: options.secrets,
        },
        &sink,
    );
    environments.note_found();
    let notes = sink.finish()?;
    Ok(Loaded { spec, secrets, merged, notes, sources })
}

/// Merges files, later ones over earlier ones; `None` if there are none.
fn as_one(trees: Vec<Node>, reading: Reading, sink: &Sink<'_>) -> Option<Node> {
    let several = trees.len() > 1;
    let mut merged: Option<Node> = None;
    for tree in trees {
        if several {
            // Each file must be valid by itself, even where a later one overrides it.
            let _ = read(&tree, reading, sink);
        }
        match &mut merged {
            Some(base) if reading == Reading::Docker => docker::merge::overlay(base, tree),
            _ => {
                if let Some(base) = &merged {
                    overrides::note(base, &tree, sink);
                }
                merge::add(&mut merged, tree);
            }
        }
    }
    merged
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

/// The last part of a path.
fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The name from a variable, which wins over the one in the file.
fn variables_name(name: &str, written: Option<&Node>, sink: &Sink<'_>) -> StackName {
    let variable = environment::STACK_VARIABLE;
    match StackName::new(name) {
        Ok(name) => {
            let note = Diagnostic::note(
                "named_by_variable",
                format!("the stack is called `{name}`, as `{variable}` says"),
            );
            sink.push(match written {
                Some(node) => note.on(node, "not this: the variable decides"),
                None => note.help("a name on the command line wins over it"),
            });
            name
        }
        Err(error) => {
            sink.push(
                Diagnostic::error("bad_name", format!("`{variable}` is not a name for a stack: {error}"))
                    .help("set it to another, or give a name on the command line"),
            );
            StackName::unchecked("stack")
        }
    }
}

/// The value of a variable in a file of variables such as `.env`, if it can be read; mistakes of the file are
/// reported where it is used.
#[must_use]
pub fn variable_in(file: &[u8], name: &str, env: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let text = std::str::from_utf8(file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file)).ok()?;
    let found = dotenv::parse(text, env, &yaml::Budget::default()).ok()?;
    found.into_iter().rev().find(|variable| variable.name == name).map(|variable| variable.value)
}

/// All variables of such a file, the last of a name; or the line that cannot be read, and why. Nothing of
/// the file is quoted.
pub fn variables_of(
    file: &[u8],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, (usize, &'static str)> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let line_of = |at: usize| file[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    let text =
        std::str::from_utf8(file).map_err(|error| (line_of(error.valid_up_to()), "it is not UTF-8"))?;
    let found =
        dotenv::parse(text, env, &yaml::Budget::default()).map_err(|fault| (line_of(fault.at), fault.why))?;
    Ok(found.into_iter().map(|variable| (variable.name, variable.value)).collect())
}

/// The chosen name: that of the command line, of the last file, or the default.
fn stack_name(
    trees: &[Node],
    wanted: Stack<'_>,
    reading: Reading,
    environments: &Environments<'_>,
    sink: &Sink<'_>,
) -> StackName {
    let written =
        trees.iter().rev().find_map(|tree| tree.as_map()?.get("name").filter(|name| !name.is_null()));
    let filled = written.map(|name| {
        let mut name = name.clone();
        interpolate::apply(
            &mut name,
            &|variable| environments.look_up(EnvId::default(), variable),
            Reading::Ours,
            sink,
        );
        name
    });
    let text = filled.as_ref().and_then(Node::as_text).filter(|text| !text.is_empty());
    if matches!(wanted, Stack::Otherwise(_))
        && reading == Reading::Ours
        && let Some(name) = environments.look_up(EnvId::default(), environment::STACK_VARIABLE)
        && !name.is_empty()
    {
        let written = filled.as_ref().filter(|_| text != Some(&name));
        return variables_name(&name, written, sink);
    }
    match (wanted, text, &filled) {
        (Stack::Given(given), Some(text), Some(node)) if text != given.as_str() => {
            sink.push(
                Diagnostic::note("other_name", format!("the stack is called `{given}`"))
                    .on(node, "not this: the command line decides"),
            );
            given.clone()
        }
        (Stack::Given(given), ..) => given.clone(),
        (Stack::Otherwise(_), Some(text), Some(node)) => StackName::new(text).unwrap_or_else(|error| {
            let why = if sink.may_quote(node) {
                error.to_string()
            } else {
                "not a name with its variables filled in".to_owned()
            };
            sink.push(
                Diagnostic::error("bad_name", format!("`{}` is not a name for a stack", sink.written(node)))
                    .on(node, why),
            );
            StackName::unchecked("stack")
        }),
        (Stack::Otherwise(Some(name)), ..) => name.clone(),
        (Stack::Otherwise(None), ..) => {
            sink.push(
                Diagnostic::error("no_stack_name", "the stack has no name")
                    .help("give one on the command line, or as `name` at the top of the file"),
            );
            StackName::unchecked("stack")
        }
    }
}
