//! The two ways in which a command answers that has no other: for people, and for programs.

use clap::ValueEnum;

/// How an answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}
