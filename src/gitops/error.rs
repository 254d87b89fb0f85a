//! What can go wrong with a repository.

use std::path::PathBuf;

/// What went wrong with a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum GitError {
    /// There is no git here.
    #[error("the git program cannot be started: {0}")]
    #[diagnostic(code(stackctl::repository::no_git), help("install git on this machine"))]
    NoGit(String),
    /// An address in which a login may end at several places. It is not repeated.
    #[error(
        "the address of a repository has an `@` behind a `/`, `#` or `?`, so that it is unclear where its login ends"
    )]
    #[diagnostic(
        code(stackctl::repository::unclear_login),
        help(
            "percent-encode these characters in a user, password or token: `/` is `%2F`, `#` is `%23`, `?` is `%3F`, `@` \
             is `%40`; an `@` of the path is `%40`, too"
        )
    )]
    UnclearLogin,
    /// The mirror's directory.
    #[error("{} cannot be written: {words}", path.display())]
    #[diagnostic(
        code(stackctl::repository::no_mirror),
        help("set XDG_STATE_HOME to a directory that can be written")
    )]
    NoMirror { path: PathBuf, words: String },
    /// Git ended with an error.
    #[error("{what}: {words}")]
    #[diagnostic(
        code(stackctl::repository::git_failed),
        help("what was deployed from it stays as it is; it is asked again")
    )]
    Failed { what: String, words: String },
    /// It took too long.
    #[error("{what}: no answer within {seconds} s")]
    #[diagnostic(
        code(stackctl::repository::git_silent),
        help("what was deployed from it stays as it is; it is asked again")
    )]
    Silent { what: String, seconds: u64 },
    /// It has more to say than is kept.
    #[error("{what}: {words}")]
    #[diagnostic(
        code(stackctl::repository::too_large),
        help("what was deployed from it stays as it is; keep the stacks in a repository of their own")
    )]
    TooLarge { what: String, words: String },
    /// The commit is signed, and does not come after what was released.
    #[error("commit {commit} is signed, but does not descend from {released}, which was released last")]
    #[diagnostic(
        code(stackctl::repository::not_after),
        help(
            "what was deployed before stays as it is; if the history of the branch was rewritten on purpose, name the \
             commit once: `--accept-history {id}`"
        )
    )]
    NotAfter {
        /// Its hash, short.
        commit: String,
        /// Its hash.
        id: String,
        /// That of the other one, short.
        released: String,
    },
    /// The commit has no signature by a key that git trusts.
    #[error("commit {commit} is not signed by any of the allowed signers: {words}")]
    #[diagnostic(
        code(stackctl::repository::not_signed),
        help("what was deployed before stays as it is; sign the commit, or let a signed one follow")
    )]
    NotSigned {
        /// Its hash, short.
        commit: String,
        words: String,
    },
}
