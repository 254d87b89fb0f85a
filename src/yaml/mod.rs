//! YAML as people write it, with the place of every value: what the readers of our files stand on.
//!
//! Text goes in ([`Sources`]), a tree in which every node knows its bytes comes out ([`parse`]), a
//! reader walks it with [`Fields`], and whatever is wrong lands in a [`Sink`], so that all mistakes of
//! a file are reported in one run ([`Report`]).
//!
//! Knows nothing of stackfiles or inventories: a reader brings its own keys and its own words.
//!
//! ```text
//! Sources ──▶ parse ──▶ Node ──▶ Fields ──▶ the reader's own types
//!                 ╲        ╲        ╲
//!                  ╰────────┴────────┴──▶ Sink ──▶ Report
//! ```

mod anchors;
mod budget;
pub mod decode;
pub mod emit;
mod masks;
mod page;
mod parse;
mod quotes;
pub mod report;
pub mod scalar;
pub mod source;
mod swallowed;
mod syntax;
pub mod tree;

pub use budget::{Budget, PAIR, VALUE_MAX};
pub use decode::{Fields, closest, list, scalar_text, text};
pub use parse::parse;
pub use report::{Diagnostic, Drawn, Label, MachineDiagnostic, MachinePlace, Report, Severity, Sink};
pub use source::{Place, SourceId, SourceText, Sources, Span, Spanned};
pub use tree::{Entry, Map, Node, Places, Value, Whole};
