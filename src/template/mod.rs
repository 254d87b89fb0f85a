//! Go's text templates, read and filled: those of `--format`, and contents of configs ([`payload`]).
//!
//! The language is that of Go's `text/template`: fields, variables, pipes, `if`, `with`, `range`, `define`, `template`,
//! `block`, and its functions but `call`. What this reader does not know is refused by name, at its place, and all
//! mistakes of a text at once.
//!
//! Works on JSON values and knows nothing of what they mean. What differs from one use to the other is a [`Dialect`]:
//! further functions, what a field is that the data does not have, and how a value becomes text that is safe where it
//! goes. Who fills a template of another author's sets [`Limits`].

mod eval;
mod functions;
mod given;
mod parse;
pub mod payload;
mod printf;
mod scan;

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Number, Value};

pub use given::{Given, bad, go_text, kind};

/// The limit of nesting, which keeps a hostile template from overflowing the stack.
const DEPTH_MAX: usize = 64;
/// Mistakes of one text that are reported.
const FAULTS_MAX: usize = 100;

/// A template, read once and filled many times.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    nodes: Vec<Node>,
    /// What stands between `{{define}}` and `{{end}}`, by name.
    defined: BTreeMap<String, Vec<Node>>,
}

/// What is wrong with a template, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Bytes of the text.
    pub at: Range<usize>,
    pub wrong: Wrong,
}

/// What is wrong. Quotes names of functions, fields and variables, never a text of the template or a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The text is not a template.
    #[error("{0}")]
    Syntax(String),
    /// The data has no such field.
    #[error("no field `{field}` here")]
    UnknownField { field: String, known: Vec<String> },
    /// Neither Go nor the dialect has such a function.
    #[error("no function `{0}`")]
    UnknownFunction(String),
    /// A function got an argument that it cannot use.
    #[error("`{function}` cannot use its arguments: {why}")]
    BadArgument { function: String, why: String },
    /// The template makes more than it may, or takes too long.
    #[error("{0}")]
    TooMuch(String),
}

/// How much a template may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the result.
    pub bytes_max: usize,
    /// Bytes that may still be copied on the way; each step counts as some.
    pub work: usize,
}

impl Limits {
    /// For templates of the user who waits for the result.
    pub const NONE: Self = Self { bytes_max: usize::MAX, work: usize::MAX };
}

/// What differs from one use of templates to another.
pub trait Dialect {
    /// Names of functions besides Go's own.
    fn functions(&self) -> &'static [&'static str];

    /// What one of them makes of its arguments.
    fn call(&self, name: &str, args: Vec<Given>) -> Result<Given, Wrong>;

    /// Whether a path that begins at the whole of the data can be there.
    fn check_path(&self, _path: &[String]) -> Result<(), Wrong> {
        Ok(())
    }

    /// What a field is that `of` does not have.
    fn lacking(&self, of: &Value, is_root: bool, name: &str) -> Result<Value, Wrong>;

    /// What `index` finds in a map that has no such key.
    fn absent(&self) -> Value {
        Value::Null
    }

    /// A value of the data as text, safe for where it goes.
    fn text(&self, value: &Value) -> Result<String, Wrong>;

    /// Whether a value of the wrong kind is an error for `printf`, and one too many.
    fn is_strict(&self) -> bool {
        false
    }
}

/// How the parts of a template nest.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Text(String),
    Print(Pipe),
    /// `if` and `with`: of these, the one for which its condition holds.
    Choose {
        is_with: bool,
        arms: Vec<(Pipe, Vec<Node>)>,
        otherwise: Vec<Node>,
    },
    Range {
        over: Pipe,
        each: Vec<Node>,
        otherwise: Vec<Node>,
    },
    /// What is defined under a name, filled with something else.
    Use {
        at: Range<usize>,
        name: String,
        with: Option<Pipe>,
    },
    Break,
    Continue,
}

/// `$x := a | b 1 | c`: each command takes the one before as its last argument.
#[derive(Debug, Clone, PartialEq)]
struct Pipe {
    at: Range<usize>,
    /// Variables that get the value.
    names: Vec<String>,
    /// Whether they are made by it: `:=`.
    is_new: bool,
    commands: Vec<Vec<Operand>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Operand {
    at: Range<usize>,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    /// `.`, `.A.B`, `$`, `$.A`, `$x.A`, `(…).A`.
    Field {
        of: Base,
        path: Vec<String>,
    },
    Text(String),
    Number(Number),
    Bool(bool),
    Nil,
    Function(String),
}

#[derive(Debug, Clone, PartialEq)]
enum Base {
    Dot,
    Root,
    Variable(String),
    Group(Box<Pipe>),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// All mistakes, in the order of the text.
    pub fn parse(text: &str, dialect: &dyn Dialect) -> Result<Self, Vec<Fault>> {
        parse::parse(text, dialect)
    }

    /// Fills the template with `data`. What it takes is taken from the limits.
    ///
    /// # Errors
    ///
    /// The first thing that cannot be filled in.
    pub fn render(&self, data: &Value, dialect: &dyn Dialect, limits: &mut Limits) -> Result<String, Fault> {
        eval::render(self, data, dialect, limits)
    }

    /// Whether a function stands in it, also where it may never be called.
    #[must_use]
    pub fn names(&self, function: &str) -> bool {
        [&self.nodes].into_iter().chain(self.defined.values()).any(|nodes| name(nodes, function))
    }
}

fn name(nodes: &[Node], function: &str) -> bool {
    let in_pipe = |pipe: &Pipe| pipe_names(pipe, function);
    nodes.iter().any(|node| match node {
        Node::Text(_) | Node::Break | Node::Continue => false,
        Node::Print(pipe) => in_pipe(pipe),
        Node::Choose { is_with: _, arms, otherwise } => {
            arms.iter().any(|(pipe, nodes)| in_pipe(pipe) || name(nodes, function))
                || name(otherwise, function)
        }
        Node::Range { over, each, otherwise } => {
            in_pipe(over) || name(each, function) || name(otherwise, function)
        }
        Node::Use { at: _, name: _, with } => with.as_ref().is_some_and(in_pipe),
    })
}

fn pipe_names(pipe: &Pipe, function: &str) -> bool {
    pipe.commands.iter().flatten().any(|operand| match &operand.what {
        What::Function(name) => name == function,
        What::Field { of: Base::Group(pipe), path: _ } => pipe_names(pipe, function),
        What::Field { .. } | What::Text(_) | What::Number(_) | What::Bool(_) | What::Nil => false,
    })
}

/// Every function of a dialect, Go's own included, in order.
#[must_use]
pub fn functions(dialect: &dyn Dialect) -> Vec<&'static str> {
    let mut all = [functions::OWN, dialect.functions()].concat();
    all.sort_unstable();
    all
}

/// The name of those that a mistyped one is most like: that differs in its letters' case alone.
#[must_use]
pub fn meant<'k>(name: &str, known: &'k [String]) -> Option<&'k String> {
    known.iter().find(|one| one.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
