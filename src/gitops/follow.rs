//! Follows a repository: asks it again and again where it stands, and tells when it declares something else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::declare::{Declaration, declare};
use super::git::Repository;

/// How a repository is followed.
#[derive(Debug, Clone)]
pub struct Following {
    /// Which.
    pub repository: Repository,
    /// Where in it the list or the `stacks` folder is; `""` is the top.
    pub root: String,
    /// From one question to the next.
    pub poll: Duration,
    /// Variables that stackfiles may use, from outside of the repository.
    pub variables: Arc<std::collections::BTreeMap<String, String>>,
}

/// What is heard of a repository.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A commit that was read.
    Declared(Arc<Declaration>),
    /// It cannot be asked, or its commit cannot be used. What it declared before stands.
    Trouble(String),
}

/// Follows until `hear` says that nobody listens any more. `asked` is a reason not to wait for the next turn.
pub async fn follow(following: Following, asked: Arc<Notify>, mut hear: impl FnMut(Heard) -> bool) {
    let mut last: Option<Arc<Declaration>> = None;
    let mut trouble: Option<String> = None;
    loop {
        let heard = match look(&following, last.as_ref()).await {
            Ok(None) => {
                // It was in trouble, and stands where it stood before.
                trouble.take().and(last.clone()).map(Heard::Declared)
            }
            Ok(Some(declaration)) => {
                trouble = None;
                last = Some(Arc::clone(&declaration));
                Some(Heard::Declared(declaration))
            }
            Err(why) if trouble.as_ref() == Some(&why) => None,
            Err(why) => {
                trouble = Some(why.clone());
                Some(Heard::Trouble(why))
            }
        };
        if let Some(heard) = heard
            && !hear(heard)
        {
            return;
        }
        tokio::select! {
            () = sleep(following.poll) => {}
            () = asked.notified() => {
                // Pushes come in flocks.
                let _quiet = timeout(Duration::from_millis(50), asked.notified()).await;
            }
        }
    }
}

/// One question. `None`: it stands where it stood.
async fn look(
    following: &Following,
    last: Option<&Arc<Declaration>>,
) -> Result<Option<Arc<Declaration>>, String> {
    let Following { repository, root, variables, .. } = following;
    let commit = repository.fetch().await.map_err(|error| error.to_string())?;
    if last.is_some_and(|last| last.commit.commit == commit.commit) {
        return Ok(None);
    }
    let tree = repository.tree(&commit.commit).await.map_err(|error| error.to_string())?;
    let (repository, root, variables) = (repository.clone(), root.clone(), Arc::clone(variables));
    let (before, id) = (last.cloned(), commit.short());
    let read = tokio::task::spawn_blocking(move || {
        let blobs = repository.blobs().map_err(|error| error.to_string())?;
        let env = |name: &str| variables.get(name).cloned();
        declare(commit, &tree, &blobs, &env, &root, before.as_deref()).map_err(|error| in_words(&error))
    });
    let declaration = read.await.map_err(|error| error.to_string())?;
    declaration.map(|all| Some(Arc::new(all))).map_err(|why| format!("commit {id}: {why}"))
}

fn in_words(error: &super::list::ListError) -> String {
    match error {
        super::list::ListError::Bad(report) => super::declare::told(report),
        super::list::ListError::Unreadable { .. } => error.to_string(),
    }
}
