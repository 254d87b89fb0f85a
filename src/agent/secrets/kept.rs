//! Secrets that go from host to host: those of this one, for others to keep, and those of other hosts, kept for them.
//!
//! What is kept for a host is a folder of its own, in the same memory: `.kept/NAME/TASK/…`, where only root looks. It is
//! replaced as a whole: what its host no longer has is gone here, too.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::store::{NotPut, Store};
use super::{Keeper, make_folder, refused};
use crate::agent::put::SecretsPut;
use crate::agent::wire::Refusal;
use crate::model::Timestamp;
use crate::model::ids::sha256_hex;

/// No task is called so.
const FOLDER: &str = ".kept";
/// In the folder of a host: its name, and the digest of what it has sent.
const OF: &str = "of";
const DIGEST: &str = "digest";
/// Before the name of a folder that is being made, or taken away.
const NEW: &str = ".new-";
const OLD: &str = ".old-";
/// Digits of a name's digest, by which its folder is called: names of hosts may have signs that paths do not take.
const NAME_CHARS: usize = 32;

/// A digest of what tasks have: versions stand for values.
#[must_use]
pub fn digest(set: &[SecretsPut]) -> String {
    let files = |put: &SecretsPut| put.files.iter().map(|(file, _)| file.clone()).collect::<Vec<_>>();
    let mut tasks: Vec<_> = set.iter().map(|put| (put.task.clone(), files(put))).collect();
    tasks.sort_by(|a, b| a.0.cmp(&b.0));
    sha256_hex(&serde_json::to_vec(&tasks).expect("texts and numbers are JSON"))
}

impl Keeper {
    /// What tasks of this host have, with each value once.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn own(&self) -> Result<Vec<SecretsPut>, Refusal> {
        let _turn = self.turn.lock().await;
        Ok(self.in_store(false, |store| store.set()).await?.unwrap_or_default())
    }

    /// The same without values.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn own_names(&self) -> Result<Vec<SecretsPut>, Refusal> {
        let _turn = self.turn.lock().await;
        let tasks = self.in_store(false, |store| store.list()).await?.unwrap_or_default();
        let bare = |(task, files): (String, Vec<_>)| SecretsPut {
            task,
            files: files.into_iter().map(|file| (file, None)).collect(),
        };
        Ok(tasks.into_iter().map(bare).collect())
    }

    /// Writes what another agent has kept, of tasks that have nothing here: their ids.
    ///
    /// # Errors
    ///
    /// It cannot keep secrets.
    pub async fn restore(&self, set: Vec<SecretsPut>, now: Timestamp) -> Result<Vec<String>, Refusal> {
        if set.is_empty() {
            return Ok(Vec::new());
        }
        let _turn = self.turn.lock().await;
        self.check().await?;
        let done = self.in_store(true, move |store| {
            let there: Vec<String> = store.list()?.into_iter().map(|(task, _)| task).collect();
            let (mut whole, mut done) = (filled(set), Vec::new());
            whole.retain(|put| !there.contains(&put.task));
            for put in &whole {
                match store.put(put, now) {
                    Ok(()) => done.push(put.task.clone()),
                    Err(NotPut::Files(error)) => return Err(error),
                    // Not what an agent sends: the other tasks are no worse for it.
                    Err(NotPut::Task(_) | NotPut::Missing(_) | NotPut::NoSuchSet(_)) => {}
                }
            }
            Ok(done)
        });
        Ok(done.await?.unwrap_or_default())
    }

    /// Whether just this is kept for a host.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn has_of(&self, host: &str, digest: &str) -> Result<bool, Refusal> {
        let _turn = self.turn.lock().await;
        let (folder, digest) = (folder_of(host), digest.to_owned());
        let is_same =
            self.in_kept(false, move |kept| Ok(text(&kept.join(folder).join(DIGEST)) == Some(digest)));
        Ok(is_same.await?.unwrap_or(false))
    }

    /// Keeps this for a host, instead of what was kept for it before.
    ///
    /// # Errors
    ///
    /// It cannot keep secrets, or it is not what it says to be.
    pub async fn keep_of(
        &self,
        host: &str,
        said: &str,
        set: Vec<SecretsPut>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if digest(&set) != said {
            return Err(refused(&"it is not what its digest says"));
        }
        let _turn = self.turn.lock().await;
        self.check().await?;
        let (name, of, said) = (folder_of(host), host.to_owned(), said.to_owned());
        let done = self.in_kept(true, move |kept| {
            let (new, old) = (kept.join(format!("{NEW}{name}")), kept.join(format!("{OLD}{name}")));
            // What an agent left that was killed in the middle of it.
            super::sets::remove(&new)?;
            super::sets::remove(&old)?;
            make_folder(&new)?;
            let store = Store::new(new.clone());
            for put in &set {
                if let Err(why) = store.put(put, now) {
                    super::sets::remove(&new)?;
                    return match why {
                        NotPut::Files(error) => Err(error),
                        other => Err(io::Error::other(other.to_string())),
                    };
                }
            }
            write(&new.join(OF), &of)?;
            write(&new.join(DIGEST), &said)?;
            super::store::move_over(&new, &kept.join(&name), &old)
        });
        done.await?.ok_or_else(|| refused(&"its folder is gone"))
    }

    /// What is kept for a host; `None` if nothing is.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn kept_of(&self, host: &str) -> Result<Option<Vec<SecretsPut>>, Refusal> {
        let _turn = self.turn.lock().await;
        let folder = folder_of(host);
        let kept = self.in_kept(false, move |kept| {
            let folder = kept.join(folder);
            if text(&folder.join(DIGEST)).is_none() { Ok(None) } else { Store::new(folder).set().map(Some) }
        });
        Ok(kept.await?.flatten())
    }

    /// Forgets what is kept for hosts that are none of these.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn keep_only_of(&self, hosts: Vec<String>) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        let left = self.in_kept(false, move |kept| {
            let stay: Vec<String> = hosts.iter().map(|host| folder_of(host)).collect();
            for name in names(kept)?.iter().filter(|name| !stay.contains(name)) {
                super::sets::remove(&kept.join(name))?;
            }
            Ok(())
        });
        left.await.map(drop)
    }

    /// Forgets what is kept for a host.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn drop_of(&self, host: &str) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        let folder = folder_of(host);
        self.in_kept(false, move |kept| super::sets::remove(&kept.join(folder))).await.map(drop)
    }

    /// Hosts for which something is kept.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn keeps_for(&self) -> Result<Vec<String>, Refusal> {
        let _turn = self.turn.lock().await;
        let hosts = self.in_kept(false, |kept| {
            let of = |name: &String| text(&kept.join(name).join(OF)).filter(|_| !name.starts_with('.'));
            let mut hosts: Vec<String> = names(kept)?.iter().filter_map(of).collect();
            hosts.sort();
            Ok(hosts)
        });
        Ok(hosts.await?.unwrap_or_default())
    }

    /// Works in the folder of what is kept for others; `None` where there is none, and none is to be made.
    async fn in_kept<T, W>(&self, is_to_be: bool, work: W) -> Result<Option<T>, Refusal>
    where
        T: Send + 'static,
        W: FnOnce(&Path) -> io::Result<T> + Send + 'static,
    {
        let done = self.in_store(is_to_be, move |store| {
            let kept = store.beside(FOLDER);
            if is_to_be {
                make_folder(&kept)?;
            } else if !super::is_folder(&kept) {
                return Ok(None);
            }
            let done = work(&kept)?;
            // It is left where something is in it.
            let _is_used = super::remove_folder(&kept);
            Ok(Some(done))
        });
        Ok(done.await?.flatten())
    }
}

/// Each file with its value, where another one of the same set has it.
#[must_use]
pub fn filled(mut set: Vec<SecretsPut>) -> Vec<SecretsPut> {
    let known: Vec<_> =
        set.iter().flat_map(|put| &put.files).filter(|(_, value)| value.is_some()).cloned().collect();
    for (file, value) in set.iter_mut().flat_map(|put| &mut put.files).filter(|(_, value)| value.is_none()) {
        let same = known.iter().find(|(other, _)| other.has_value_of(file));
        *value = same.and_then(|(_, value)| value.as_ref().map(Arc::clone));
    }
    set
}

fn folder_of(host: &str) -> String {
    sha256_hex(host.as_bytes())[..NAME_CHARS].to_owned()
}

#[expect(clippy::disallowed_methods, reason = "what is kept for others is files")]
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let name = |entry: io::Result<std::fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    std::fs::read_dir(folder)?.map(name).collect()
}

#[expect(clippy::disallowed_methods, reason = "what is kept for others is files")]
fn text(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

#[expect(clippy::disallowed_methods, reason = "what is kept for others is files")]
fn write(file: &PathBuf, text: &str) -> io::Result<()> {
    std::fs::write(file, text)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test looks at files")]
mod tests {
    use super::*;
    use crate::agent::put::SecretFile;
    use crate::agent::wire::Answer;
    use crate::vault::Plaintext;

    const NOW: Timestamp = Timestamp(1_769_860_000_000);

    fn put(task: &str, files: &[(&str, &str)]) -> SecretsPut {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let file = |(name, value): &(&str, &str)| {
            let version = format!("of {value}");
            let file = SecretFile { name: (*name).into(), version, uid, gid, mode: 0o400, place: None };
            (file, Some(Arc::new(Plaintext::new(value.as_bytes().to_vec()))))
        };
        SecretsPut { task: task.into(), files: files.iter().map(file).collect() }
    }

    fn tasks(set: &[SecretsPut]) -> Vec<&str> {
        set.iter().map(|put| put.task.as_str()).collect()
    }

    #[tokio::test]
    async fn what_is_kept_for_a_host_is_replaced_as_a_whole_and_is_no_task_of_this_one() {
        let own = tempfile::tempdir().unwrap();
        let keeper = Keeper::of_test(own.path(), None);
        let first = vec![put("t1", &[("a", "x")]), put("t2", &[("a", "x"), ("b", "y")])];
        let said = digest(&first);
        assert!(!keeper.has_of("h1", &said).await.unwrap());
        keeper.keep_of("h1", &said, first, NOW).await.unwrap();
        assert!(keeper.has_of("h1", &said).await.unwrap() && !keeper.has_of("h2", &said).await.unwrap());
        assert_eq!(keeper.keeps_for().await.unwrap(), ["h1"]);
        assert_eq!(keeper.list().await, Ok(Answer::Kept(Vec::new())));
        keeper.tidy(Timestamp(NOW.0 + 10_000_000)).await;
        let kept = keeper.kept_of("h1").await.unwrap().unwrap();
        assert_eq!((tasks(&kept), digest(&kept)), (vec!["t1", "t2"], said));
        assert!(kept[1].files[0].1.is_none(), "each value once");
        assert!(keeper.kept_of("h2").await.unwrap().is_none(), "only what is its own");
        let second = vec![put("t2", &[("b", "z")])];
        keeper.keep_of("h1", &digest(&second), second, NOW).await.unwrap();
        assert_eq!(tasks(&keeper.kept_of("h1").await.unwrap().unwrap()), ["t2"]);
        let folder = own.path().join("secrets/.kept").join(folder_of("h1"));
        assert!(!folder.join("t1").exists());
        // What was left of an agent that was killed while it moved one over the other.
        for left in [NEW, OLD] {
            let left = own.path().join("secrets/.kept").join(format!("{left}{}", folder_of("h1")));
            std::fs::create_dir_all(left.join("t1")).unwrap();
        }
        let third = vec![put("t2", &[("b", "w")])];
        keeper.keep_of("h1", &digest(&third), third, NOW).await.unwrap();
        assert_eq!(tasks(&keeper.kept_of("h1").await.unwrap().unwrap()), ["t2"]);
        assert_eq!(std::fs::read_dir(own.path().join("secrets/.kept")).unwrap().count(), 1);
        // Another digest than it says.
        assert!(keeper.keep_of("h1", "other", vec![put("t3", &[("a", "x")])], NOW).await.is_err());
        assert_eq!(tasks(&keeper.kept_of("h1").await.unwrap().unwrap()), ["t2"]);
        // A path for a task.
        let bad = vec![put("../t", &[("a", "x")])];
        assert!(keeper.keep_of("h1", &digest(&bad), bad, NOW).await.is_err());
        assert_eq!(tasks(&keeper.kept_of("h1").await.unwrap().unwrap()), ["t2"]);
        let other = vec![put("t9", &[("a", "x")])];
        keeper.keep_of("../../x", &digest(&other), other, NOW).await.unwrap();
        keeper.keep_only_of(vec!["../../x".into()]).await.unwrap();
        assert_eq!(keeper.keeps_for().await.unwrap(), ["../../x"]);
        keeper.drop_of("../../x").await.unwrap();
        assert_eq!(keeper.keeps_for().await.unwrap(), [""; 0]);
    }

    #[tokio::test]
    async fn what_comes_back_is_written_and_takes_no_tasks_place() {
        let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (here, there) = (Keeper::of_test(own.path(), None), Keeper::of_test(other.path(), None));
        for task in [put("t1", &[("a", "x")]), put("t2", &[("a", "x"), ("b", "y")])] {
            here.put(task, NOW).await.unwrap();
        }
        let set = here.own().await.unwrap();
        assert_eq!(digest(&set), digest(&here.own_names().await.unwrap()));
        there.keep_of("h1", &digest(&set), set, NOW).await.unwrap();
        here.forget("t2".into()).await.unwrap();
        let kept = there.kept_of("h1").await.unwrap().unwrap();
        assert_eq!(here.restore(kept, NOW).await, Ok(vec!["t2".to_owned()]));
        let text = |path: &str| std::fs::read_to_string(own.path().join("secrets").join(path)).unwrap();
        assert_eq!((text("t2/0"), text("t2/1")), ("x".into(), "y".into()));
        assert_eq!(here.own().await.unwrap().len(), 2);
    }
}
