//! Declarations for unit tests.

use std::sync::Arc;

use crate::gitops::declaration::{Declaration, Declared, Inputs, Policy};
use crate::ledger::release::Git;
use crate::model::{StackName, StackSpec};

/// A commit on no branch.
pub(crate) fn commit(id: &str) -> Git {
    Git { commit: id.to_owned(), branch: None, dirty: false, subject: String::new() }
}

/// What a repository declares: stacks by the digest of their inputs, and names of what cannot be read.
pub(crate) fn declaration(stacks: &[(&str, &str)], faults: &[&str]) -> Arc<Declaration> {
    let declared = |name: &str, digest: &str| {
        let spec = StackSpec::empty(StackName::unchecked(name));
        Arc::new(Declared::new(spec, Vec::new(), Inputs::default(), digest.to_owned(), Policy::default()))
    };
    let stacks = stacks.iter().map(|(name, digest)| (StackName::unchecked(name), declared(name, digest)));
    let faults = faults.iter().map(|name| ((*name).to_owned(), "no".to_owned().into()));
    Arc::new(Declaration { commit: commit("c0ffee00"), stacks: stacks.collect(), faults: faults.collect() })
}
