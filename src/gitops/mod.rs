//! What a git repository declares: the stacks in the tree of a commit, and of each what it was made from.
//!
//! ```text
//! repository ──git──▶ Tree, blobs ──list──▶ which stacks ──compose::load──▶ Declared: spec, inputs
//!  (a mirror)      files of one commit    list or convention     reads are noted down
//! ```
//!
//! Nothing is checked out: stackfiles are read from the commit itself, so that there is no work tree that
//! could be half written, no hook, no filter, and no link out of the repository. Knows no hosts and no
//! ledger beyond the names of what it hands over; what is to be done about a declaration is the loop's.

pub mod declare;
pub mod follow;
pub mod git;
pub mod hook;
pub mod inputs;
pub mod list;
mod mirror;
pub mod tree;
pub mod webhook;

pub use declare::{Declaration, Declared, Fault};
pub use follow::{Asked, Following, Heard, Unusable, follow, read};
pub use git::{GitError, Repository};
