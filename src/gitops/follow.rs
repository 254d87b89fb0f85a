//! Follows a repository: polls it, and reports when it declares something else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::declaration::Declaration;
use super::declare::declare;
use super::error::GitError;
use super::git::Repository;
use super::list::ListError;
use crate::ledger::release::Git;

/// Which commit of the repository was released last, by all that is remembered.
pub type LastReleased = Arc<dyn Fn() -> BoxFuture<'static, Result<Option<String>, String>> + Send + Sync>;

/// How a repository is followed.
#[derive(Clone)]
pub struct Following {
    pub asked: FollowedRepo,
    /// Where in it the list or the `stacks` folder is; `""` is the top.
    pub root: String,
    /// Poll interval.
    pub poll: Duration,
    /// Variables from outside the repository that stackfiles may use.
    pub variables: Arc<BTreeMap<String, String>>,
    /// Asked where commits have to be signed.
    pub released: LastReleased,
}

/// A followed repository: its state, and a way to poll it at once.
#[derive(Debug, Clone)]
pub struct FollowedRepo {
    repository: Repository,
    poll_now: Arc<Notify>,
    /// Its current commit, if that cannot be used.
    refused: Arc<Mutex<Option<String>>>,
}

impl FollowedRepo {
    /// A repository that will be followed.
    #[must_use]
    pub fn new(repository: Repository) -> Self {
        Self { repository, poll_now: Arc::default(), refused: Arc::default() }
    }

    /// Polls it now instead of at the next interval.
    pub fn poll_now(&self) {
        self.poll_now.notify_one();
    }

    /// Whether a commit is still the current declaration: it is there now, or what is there now cannot be
    /// used.
    pub async fn is_at(&self, commit: &str) -> Result<bool, String> {
        let head = self.repository.head().await.map_err(|error| error.to_string())?;
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(head == commit || Some(head) == refused)
    }

    fn refuse(&self, commit: Option<String>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = commit;
    }
}

/// What following a repository reports.
#[derive(Debug, Clone, PartialEq)]
pub enum RepoUpdate {
    /// A commit that was read.
    Declared(Arc<Declaration>),
    /// It cannot be reached, or its commit cannot be used. Its last declaration stays in effect.
    Trouble(String),
}

/// Follows until `hear` returns false.
pub async fn follow(following: Following, mut hear: impl FnMut(RepoUpdate) -> bool) {
    let mut last: Option<Arc<Declaration>> = None;
    let mut trouble: Option<String> = None;
    let poll_now = Arc::clone(&following.asked.poll_now);
    loop {
        let heard = match look(&following, last.as_ref()).await {
            Ok(None) => {
                // It failed, and is back at the same commit.
                trouble.take().and(last.clone()).map(RepoUpdate::Declared)
            }
            Ok(Some(declaration)) => {
                trouble = None;
                last = Some(Arc::clone(&declaration));
                Some(RepoUpdate::Declared(declaration))
            }
            Err(why) if trouble.as_ref() == Some(&why) => None,
            Err(why) => {
                trouble = Some(why.clone());
                Some(RepoUpdate::Trouble(why))
            }
        };
        if let Some(heard) = heard
            && !hear(heard)
        {
            return;
        }
        tokio::select! {
            () = sleep(following.poll) => {}
            () = poll_now.notified() => {
                // Pushes come in flocks.
                let _quiet = timeout(Duration::from_millis(50), poll_now.notified()).await;
            }
        }
    }
}

/// One poll. `None`: the commit has not changed.
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
    let released = match asked.repository.is_signed() {
        true => (following.released)().await?,
        false => None,
    };
    let read =
        read(&asked.repository, commit, root, variables, Before { last: last.cloned(), released }).await;
    asked.refuse(read.is_err().then_some(id));
    read.map(|all| Some(Arc::new(all))).map_err(|why| why.to_string())
}

/// Why a commit cannot be used at all.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Unusable {
    /// An error of git.
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
    /// Its reader is gone.
    #[error("it cannot be read: {0}")]
    Gone(String),
}

/// What there was before a commit.
#[derive(Debug, Default)]
pub struct Before {
    /// What was read last, of which what is the same is kept.
    pub last: Option<Arc<Declaration>>,
    /// The commit that was released last: a signed one has to come after it.
    pub released: Option<String>,
}

/// Reads a commit, once its signature is checked where one is required.
pub async fn read(
    repository: &Repository,
    commit: Git,
    root: &str,
    variables: &Arc<BTreeMap<String, String>>,
    before: Before,
) -> Result<Declaration, Unusable> {
    let Before { last, released } = before;
    repository.check_signature(&commit.commit, released.as_deref()).await?;
    let tree = repository.tree(&commit.commit).await?;
    let (repository, root, variables) = (repository.clone(), root.to_owned(), Arc::clone(variables));
    let read = tokio::task::spawn_blocking(move || {
        let blobs = repository.blobs()?;
        let env = |name: &str| variables.get(name).cloned();
        let id = commit.short();
        declare(commit, &tree, &blobs, &env, &root, last.as_deref())
            .map_err(|list| Unusable::List { commit: id, list })
    });
    read.await.map_err(|error| Unusable::Gone(error.to_string()))?
}

fn in_words(error: &ListError) -> String {
    match error {
        ListError::Bad(report) => super::declare::lines_of(report),
        ListError::Unreadable { .. } => error.to_string(),
    }
}
