//! What a git repository declares: the stacks in the tree of a commit, and of each what it was made from.
//!
//! ```text
//! repository ──git──▶ Tree, blobs ──list──▶ which stacks ──compose::load──▶ Declared: spec, inputs
//!  (a mirror)      files of one commit    list or convention     reads are noted down
//! ```
//!
//! Nothing is checked out: stackfiles are read from the commit itself, so that there is no incomplete work
//! tree, no hook, no filter, and no link out of the repository. Knows no hosts and no ledger beyond the types
//! that it hands over; acting on a declaration is the loop's part.

pub mod command;
pub mod declaration;
pub mod declare;
mod error;
pub mod follow;
pub mod git;
pub mod hook;
pub mod inputs;
pub mod list;
mod login;
mod mirror;
mod signature;
pub mod tree;
pub mod webhook;

pub use declaration::{Declaration, Declared, Fault};
pub use error::GitError;
pub use follow::{Before, FollowedRepo, Following, LastReleased, RepoUpdate, Unusable, follow, read};
pub use git::Repository;
pub use signature::Signed;
