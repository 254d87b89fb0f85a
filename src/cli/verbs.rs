//! Shared by the commands that change services: which services are meant, and why an edit is refused.

use super::cluster::Cluster;
use super::report::Failure;
use super::service_name::{FullName, Named};
use crate::ops::edit::{EditError, Misfit};

/// An edit that does not fit a service or its stack, with the message of the edit itself.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum NotEdited {
    #[error("{0}")]
    #[diagnostic(code(stackctl::history::no_current), help("{1}"))]
    NoCurrent(EditError, String),
    #[error("{0}")]
    #[diagnostic(code(stackctl::cli::no_such_service), help("there are: {1}"))]
    NoService(EditError, String),
    #[error("{0}")]
    #[diagnostic(
        code(stackctl::service::not_replicated),
        help("a global service has one task on each node that fits; deploy a job to run it again")
    )]
    NotReplicated(EditError),
    #[error("{0}")]
    #[diagnostic(code(stackctl::service::not_in_stack), help("{1}"))]
    NotInStack(EditError, String),
    #[error("{0}{1}")]
    #[diagnostic(code(stackctl::service::bad_change))]
    BadChange(EditError, &'static str),
    #[error("{0}")]
    #[diagnostic(
        code(stackctl::service::no_previous),
        help("no kept release has another spec of the service: `stackctl history {1}`")
    )]
    NoPrevious(EditError, crate::model::StackName),
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        Self::refused(match &error {
            EditError::NoCurrent { why, .. } => {
                let help = miette::Diagnostic::help(why).map(|help| help.to_string()).unwrap_or_default();
                NotEdited::NoCurrent(error, help)
            }
            EditError::NoService { known, .. } => {
                let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
                let known = known.join(", ");
                NotEdited::NoService(error, known)
            }
            EditError::NotReplicated { .. } => NotEdited::NotReplicated(error),
            EditError::NotInStack { kind, known, .. } => {
                let help = if known.is_empty() {
                    format!("its stackfile declares none: add the {kind} there and deploy it")
                } else {
                    format!("there are: {}; others are added in the stackfile", known.join(", "))
                };
                NotEdited::NotInStack(error, help)
            }
            EditError::BadChange { why, .. } => {
                let what_to_do = match why {
                    Misfit::PublishedTwice { .. } => "; remove one with --publish-rm",
                    Misfit::TooManyTasks { .. } => "; ask for fewer",
                    Misfit::NetworkMode { .. }
                    | Misfit::NotOnNetwork(_)
                    | Misfit::OnNetwork(_)
                    | Misfit::ConfigChanged { .. } => "",
                };
                NotEdited::BadChange(error, what_to_do)
            }
            EditError::NoPrevious { stack, .. } => {
                let stack = stack.clone();
                NotEdited::NoPrevious(error, stack)
            }
        })
    }
}

/// Which services are meant. Asks the hosts only if the names are ambiguous.
pub(super) async fn full_names<'n>(
    cluster: &Cluster,
    names: impl Iterator<Item = &'n Named>,
) -> Result<Vec<FullName>, Failure> {
    let names: Vec<&Named> = names.collect();
    if let Some(all) = names.iter().map(|name| name.only().cloned()).collect() {
        return Ok(all);
    }
    let observed = cluster.observe().await;
    names.iter().map(|name| name.find(&observed).map_err(Failure::refused)).collect()
}
