//! Compares stacks with what repositories declare, for `status`: which differ from their release, or have none.
//! Writes nothing but the mirror.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::Context;
use crate::cli::cluster::Cluster;
use crate::cli::reconcile::repositories::Declared;
use crate::cli::render::text::clean;
use crate::cli::report::Failure;
use crate::gitops::{Before, Declaration, GitError, Repository, read};
use crate::model::StackName;
use crate::ops::pending::{PendingRelease, State, last_released, pending};
use crate::ops::status::Undeployed;

/// A mirror may be in use by a loop of this machine.
const AGAIN: Duration = Duration::from_millis(300);

/// What the repositories declare.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What each stack's repository declares; of two repositories the first one has the stack.
    calls: BTreeMap<StackName, PendingRelease>,
    /// Stacks that cannot be read, with the commit.
    faults: BTreeMap<String, (String, String)>,
    /// Whether every repository could be read, and every stack of it.
    pub(super) is_whole: bool,
}

/// Asks every repository that was named.
pub(super) async fn look(context: &Context, cluster: &Cluster, args: &Declared) -> Result<Found, Failure> {
    let mut found = Found { is_whole: true, ..Found::default() };
    if args.repositories.is_empty() {
        return Ok(found);
    }
    let variables = args.variables()?;
    let root = args.root.as_deref().unwrap_or_default();
    for repository in args.repositories(cluster)? {
        let name = repository.name();
        match declaration(cluster, &repository, root, &variables).await {
            Ok(declaration) => {
                let declaration = Arc::new(declaration);
                let commit = declaration.commit.short();
                for (stack, fault) in &declaration.faults {
                    // The stack may never have run, so that no row names it.
                    let (stack_name, why) = (clean(stack), clean(&fault.why));
                    context.ui.warn(&format!("{stack_name} of {name} cannot be read at {commit}: {why}"));
                    found.is_whole = false;
                    found.faults.entry(stack.clone()).or_insert((commit.clone(), fault.why.clone()));
                }
                for call in pending(&cluster.ledger, &name, declaration).await? {
                    found.calls.entry(call.stack.clone()).or_insert(call);
                }
            }
            Err(why) => {
                found.is_whole = false;
                context.ui.warn(&format!("it is unknown what {name} declares: {why}"));
            }
        }
    }
    Ok(found)
}

async fn declaration(
    cluster: &Cluster,
    repository: &Repository,
    root: &str,
    variables: &Arc<BTreeMap<String, String>>,
) -> Result<Declaration, String> {
    let in_words = |error: GitError| error.to_string();
    let commit = match repository.fetch().await {
        Ok(commit) => commit,
        Err(_) => {
            tokio::time::sleep(AGAIN).await;
            repository.fetch().await.map_err(in_words)?
        }
    };
    let released = match repository.is_signed() {
        true => {
            last_released(&cluster.ledger, &repository.name()).await.map_err(|error| error.to_string())?
        }
        false => None,
    };
    let read = read(repository, commit, root, variables, Before { last: None, released }).await;
    read.map_err(|why| why.to_string())
}

impl Found {
    /// Stacks that are declared, whether they were ever deployed or not.
    pub(super) fn stacks(&self) -> impl Iterator<Item = StackName> + '_ {
        self.calls.keys().cloned()
    }

    /// The declared inputs of a stack that are not released yet.
    pub(super) fn due(&self, stack: &StackName) -> Option<Undeployed> {
        let call = self.calls.get(stack)?;
        let State::Due = call.state else { return None };
        let (commit, repository) = (call.commit().short(), call.source().repository);
        Some(Undeployed::Due { commit, repository, is_removal: call.is_removal() })
    }

    /// Why the stack cannot be read in its repository.
    pub(super) fn fault(&self, stack: &StackName) -> Option<Undeployed> {
        let (commit, why) = self.faults.get(stack.as_str())?.clone();
        Some(Undeployed::Unreadable { commit, why })
    }

    /// The commit that declares the stack.
    pub(super) fn commit(&self, stack: &StackName) -> Option<String> {
        self.calls.get(stack).map(|call| call.commit().short())
    }
}
