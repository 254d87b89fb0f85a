//! The result of reading a commit, as data: for code that decides about it without reading anything.

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::compose::SecretTexts;
use crate::ledger::release::Git;
use crate::model::{StackName, StackSpec};
use crate::yaml::Report;

/// What a commit declares.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    pub commit: Git,
    /// Every stack that was read.
    pub stacks: BTreeMap<StackName, Arc<Declared>>,
    /// Stacks that could not be read, and why. What runs of them stays as it is.
    pub faults: BTreeMap<String, Fault>,
}

/// Why a stack could not be read.
#[derive(Debug, Clone)]
pub struct Fault {
    /// In words, all of it.
    pub why: String,
    /// The mistakes of its files, to be drawn.
    pub report: Option<Arc<Report>>,
}

impl PartialEq for Fault {
    fn eq(&self, other: &Self) -> bool {
        // The text lists every mistake with its place.
        self.why == other.why
    }
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self { why, report: None }
    }
}

/// A stack as a commit declares it.
#[derive(Debug, Clone)]
pub struct Declared {
    /// What is to run; images are not pinned yet, and secrets have no versions.
    pub spec: StackSpec,
    /// What the values of its secrets were read as.
    pub secrets: SecretTexts,
    /// Its stackfiles, from the repository's top.
    pub files: Vec<String>,
    /// What it was made from.
    pub inputs: Inputs,
    /// The same in one word.
    pub digest: String,
    /// What the loop may do about it.
    pub policy: Policy,
}

impl Declared {
    /// From parts.
    #[must_use]
    pub fn new(spec: StackSpec, files: Vec<String>, inputs: Inputs, digest: String, policy: Policy) -> Self {
        Self { spec, secrets: SecretTexts::new(), files, inputs, digest, policy }
    }

    /// With values of secrets.
    #[must_use]
    pub fn with_secrets(self, secrets: SecretTexts) -> Self {
        Self { secrets, ..self }
    }
}

/// The inputs stand for the values of secrets, which are not compared.
impl PartialEq for Declared {
    fn eq(&self, other: &Self) -> bool {
        let Self { spec, secrets: _, files, inputs, digest, policy } = self;
        *spec == other.spec
            && *files == other.files
            && *inputs == other.inputs
            && *digest == other.digest
            && *policy == other.policy
    }
}

/// What a stack was made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inputs {
    /// Path to the name of its content; `None` was looked for and is not there.
    pub files: BTreeMap<String, Option<String>>,
    /// Digests of the variables that come from outside the repository.
    pub variables: BTreeMap<String, Option<String>>,
    /// Digest of how the stack is listed: which files, with which variables and under which policy.
    pub listed: String,
}

/// The policy of a stack, as its repository declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Stacks of a lower number are released before those of a higher one.
    pub order: u32,
    /// Whether services are removed that are no longer in the stackfile.
    pub prune: bool,
    /// Whether the whole stack is removed once the repository no longer has it.
    pub remove: bool,
}
