//! Follows a repository: asks it again and again where it stands, and tells when it declares something else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::declare::{Declaration, declare};
use super::git::{GitError, Repository};
use super::list::ListError;
use crate::ledger::release::Git;

/// How a repository is followed.
#[derive(Debug, Clone)]
pub struct Following {
    /// Which.
    pub asked: Asked,
    /// Where in it the list or the `stacks` folder is; `""` is the top.
    pub root: String,
    /// From one question to the next.
    pub poll: Duration,
    /// Variables that stackfiles may use, from outside of the repository.
    pub variables: Arc<BTreeMap<String, String>>,
}

/// A repository that is being followed, for those who want to know more of it, and sooner.
#[derive(Debug, Clone)]
pub struct Asked {
    repository: Repository,
    sooner: Arc<Notify>,
    /// The commit that it is at and that cannot be used.
    refused: Arc<Mutex<Option<String>>>,
}

impl Asked {
    /// Of a repository that is going to be followed.
    #[must_use]
    pub fn new(repository: Repository) -> Self {
        Self { repository, sooner: Arc::default(), refused: Arc::default() }
    }

    /// There is a reason to ask it before its next turn.
    pub fn sooner(&self) {
        self.sooner.notify_one();
    }

    /// Whether a commit is still what it declares: it is there now, or what is there now cannot be used.
    pub async fn is_at(&self, commit: &str) -> Result<bool, String> {
        let head = self.repository.head().await.map_err(|error| error.to_string())?;
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(head == commit || Some(head) == refused)
    }

    fn refuse(&self, commit: Option<String>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = commit;
    }
}

/// What is heard of a repository.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A commit that was read.
    Declared(Arc<Declaration>),
    /// It cannot be asked, or its commit cannot be used. What it declared before stands.
    Trouble(String),
}

/// Follows until `hear` says that nobody listens any more.
pub async fn follow(following: Following, mut hear: impl FnMut(Heard) -> bool) {
    let mut last: Option<Arc<Declaration>> = None;
    let mut trouble: Option<String> = None;
    let sooner = Arc::clone(&following.asked.sooner);
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
            () = sooner.notified() => {
                // Pushes come in flocks.
                let _quiet = timeout(Duration::from_millis(50), sooner.notified()).await;
            }
        }
    }
}

/// One question. `None`: it stands where it stood.
async fn look(
    following: &Following,
    last: Option<&Arc<Declaration>>,
) -> Result<Option<Arc<Declaration>>, String> {
    let Following { asked, root, variables, .. } = following;
    let commit = asked.repository.fetch().await.map_err(|error| error.to_string())?;
    if last.is_some_and(|last| last.commit.commit == commit.commit) {
        asked.refuse(None);
        return Ok(None);
    }
    let id = commit.commit.clone();
    let read = read(&asked.repository, commit, root, variables, last.cloned()).await;
    asked.refuse(read.is_err().then_some(id));
    read.map(|all| Some(Arc::new(all))).map_err(|why| why.to_string())
}

/// Why nothing of a commit can be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Unusable {
    /// Git says so.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Git(#[from] GitError),
    /// Its list of stacks.
    #[error("commit {commit}: {}", in_words(list))]
    List {
        /// Its hash, short.
        commit: String,
        /// What is wrong with it.
        list: Box<ListError>,
    },
    /// Whoever read it is gone.
    #[error("it cannot be read: {0}")]
    Gone(String),
}

/// Reads a commit, if it is signed by whoever has to.
pub async fn read(
    repository: &Repository,
    commit: Git,
    root: &str,
    variables: &Arc<BTreeMap<String, String>>,
    before: Option<Arc<Declaration>>,
) -> Result<Declaration, Unusable> {
    repository.check_signature(&commit.commit).await?;
    let tree = repository.tree(&commit.commit).await?;
    let (repository, root, variables) = (repository.clone(), root.to_owned(), Arc::clone(variables));
    let read = tokio::task::spawn_blocking(move || {
        let blobs = repository.blobs()?;
        let env = |name: &str| variables.get(name).cloned();
        let id = commit.short();
        declare(commit, &tree, &blobs, &env, &root, before.as_deref())
            .map_err(|list| Unusable::List { commit: id, list })
    });
    read.await.map_err(|error| Unusable::Gone(error.to_string()))?
}

fn in_words(error: &ListError) -> String {
    match error {
        ListError::Bad(report) => super::declare::told(report),
        ListError::Unreadable { .. } => error.to_string(),
    }
}
