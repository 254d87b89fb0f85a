//! The repositories that a loop follows: their arguments, and the channel on which the loop hears of commits.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueHint;
use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cli::cluster::{Cluster, env};
use crate::cli::report::Failure;
use crate::cli::rollout_args::duration;
use crate::gitops::{FollowedRepo, Following, LastReleased, RepoUpdate, Repository, Signed, follow};
use crate::model::GoDuration;
use crate::ops::declared::Declarations;
use crate::ops::pending::last_released;
use crate::process_group;
use crate::words::of_panic;

/// Before a repository is read again after that panicked.
const AGAIN: Duration = Duration::from_secs(30);

/// Arguments about repositories.
#[derive(Debug, clap::Args)]
pub struct Repositories {
    /// Which, and what of them may be used.
    #[command(flatten)]
    pub declared: Declared,
    /// How often to poll a repository
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub poll: GoDuration,
}

/// Which repositories, and what of them may be used.
#[derive(Debug, clap::Args)]
pub struct Declared {
    /// A git repository that declares what runs, with its branch or tag behind a `#`. The stacks are those of its
    /// stackctl.yml (`stacks:`), or else each folder of stacks/ that has a stackfile. Keep a token in git's
    /// credential helper or in this variable
    #[arg(long = "repo", value_name = "URL[#REF]", env = "STACKCTL_REPO", hide_env_values = true)]
    pub repositories: Vec<String>,
    /// The folder of the repository with stackctl.yml or stacks/ [default: its top]
    #[arg(long = "repo-path", value_name = "DIR", requires = "repositories", value_parser = folder)]
    pub root: Option<String>,
    /// Accept only commits that are signed with one of these ssh keys: a file in the format of ALLOWED SIGNERS
    /// in ssh-keygen(1)
    #[arg(long, value_name = "FILE", requires = "repositories", value_hint = ValueHint::FilePath)]
    pub allowed_signers: Option<PathBuf>,
    /// Also accept signed commits that descend from this one, and not from the commit that was released last: for a
    /// branch whose history was rewritten on purpose
    #[arg(long, value_name = "COMMIT", requires = "allowed_signers", value_parser = commit)]
    pub accept_history: Option<String>,
    /// A variable of this process's environment that stackfiles of repositories may use; they see no others
    #[arg(long = "variable", value_name = "NAME", requires = "repositories")]
    pub variables: Vec<String>,
}

pub(in crate::cli) fn folder(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err("it must not lead out of the repository".to_owned());
    }
    Ok(parts.join("/"))
}

/// A commit in full: what is meant has to be looked up, not guessed.
pub(in crate::cli) fn commit(text: &str) -> Result<String, String> {
    let is_whole = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_whole {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("it is no commit in full, of 40 digits".to_owned())
    }
}

/// There is no directory for a mirror.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("this machine has no directory for a mirror of the repository")]
#[diagnostic(
    code(stackctl::repository::no_place),
    help("set XDG_STATE_HOME or HOME to a directory that can be written")
)]
struct NoPlace;

/// A variable that is not set.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the environment has no variable `{0}`")]
#[diagnostic(code(stackctl::repository::no_variable), help("set it, or leave `--variable {0}` out"))]
struct NoVariable(String);

/// Repositories that are being followed, until this is dropped.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) declarations: watch::Receiver<Declarations>,
    pub(super) asked: BTreeMap<String, FollowedRepo>,
    _following: JoinSet<()>,
}

impl Declared {
    /// The repositories that were named, each once.
    pub(in crate::cli) fn repositories(&self, cluster: &Cluster) -> Result<Vec<Repository>, Failure> {
        let state = cluster.journals.clone().ok_or_else(|| Failure::refused(NoPlace))?;
        // Git runs in another directory.
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let signed = self
            .allowed_signers
            .as_ref()
            .map(|signers| Signed { signers: absolute(signers), accepted: self.accept_history.clone() });
        let all: BTreeSet<&String> = self.repositories.iter().collect();
        let repository =
            |text: &String| Repository::new(text, &state, signed.clone()).map_err(Failure::usage);
        all.into_iter().map(repository).collect()
    }

    /// The variables that stackfiles see.
    pub(in crate::cli) fn variables(&self) -> Result<Arc<BTreeMap<String, String>>, Failure> {
        variables(&self.variables).map(Arc::new)
    }
}

/// Variables of the environment, all of which must be set. Stackfiles may make secrets of them: so programs that this one
/// starts, some of them before the stackfiles are read, do not get them.
pub(in crate::cli) fn variables(names: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let value = |name: &String| {
        let value = env(name).ok_or_else(|| Failure::refused(NoVariable(name.clone())))?;
        process_group::keep_back(name);
        Ok((name.clone(), value))
    };
    names.iter().map(value).collect()
}

/// A repository is followed on after a fault of this program, which is said as its trouble.
async fn again_after_panics<H, F>(hear: H, follow: impl Fn(H) -> F)
where
    H: Fn(RepoUpdate) -> bool + Clone,
    F: Future<Output = ()>,
{
    while let Err(said) = AssertUnwindSafe(follow(hear.clone())).catch_unwind().await {
        let why = format!("reading it panicked, which is a fault of stackctl: {}", of_panic(&*said));
        if !hear(RepoUpdate::Trouble(why)) {
            return;
        }
        sleep(AGAIN).await;
    }
}

impl Repositories {
    /// Begins to follow them; `None` if there are none.
    pub(super) fn follow(&self, cluster: &Cluster) -> Result<Option<Followed>, Failure> {
        if self.declared.repositories.is_empty() {
            return Ok(None);
        }
        let variables = self.declared.variables()?;
        let all = self.declared.repositories(cluster)?;
        let expected = all.iter().map(Repository::name).collect();
        let (say, declarations) = watch::channel(Declarations { expected, ..Declarations::default() });
        let say = Arc::new(say);
        let ledger = Arc::new(cluster.backend.reading(&cluster.inventory, &cluster.fleet));
        let mut following = JoinSet::new();
        let mut asked = BTreeMap::new();
        for repository in all {
            let (say, name) = (Arc::clone(&say), repository.name());
            let (ledger, of) = (Arc::clone(&ledger), name.clone());
            let released: LastReleased = Arc::new(move || {
                let (ledger, of) = (Arc::clone(&ledger), of.clone());
                Box::pin(async move {
                    let last = last_released(&ledger, &of).await;
                    last.map_err(|error| format!("it is unknown which commit was released last: {error}"))
                })
            });
            let one = Following {
                asked: FollowedRepo::new(repository),
                root: self.declared.root.clone().unwrap_or_default(),
                poll: self.poll.to_std(),
                variables: Arc::clone(&variables),
                released,
            };
            asked.insert(name.clone(), one.asked.clone());
            let hear = move |heard| {
                say.send_modify(|all| match heard {
                    RepoUpdate::Declared(declaration) => {
                        all.trouble.remove(&name);
                        all.declared.insert(name.clone(), declaration);
                    }
                    RepoUpdate::Trouble(why) => drop(all.trouble.insert(name.clone(), why)),
                });
                !say.is_closed()
            };
            following.spawn(again_after_panics(hear, move |hear| follow(one.clone(), hear)));
        }
        Ok(Some(Followed { declarations, asked, _following: following }))
    }
}
