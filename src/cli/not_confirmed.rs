//! What every command answers to a no.

/// The user did not say yes.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("not confirmed: stackctl changed nothing")]
#[diagnostic(code(stackctl::cli::not_confirmed))]
pub(super) struct NotConfirmed;
