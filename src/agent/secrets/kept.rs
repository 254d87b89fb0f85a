//! Secrets that go from host to host: those of this one, for others to keep, and those of other hosts, kept for them.
//!
//! What is kept for a host is a folder of its own, in the same memory: `.kept/NAME/TASK/…`, where only root looks. It is
//! replaced as a whole: what its host no longer has is gone here, too.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::store::{NotPut, Store};
use super::{Keeper, make_folder, refused};
use crate::agent::put::{Over, Part, SecretFile, SecretsPut};
use crate::agent::wire::Refusal;
use crate::model::Timestamp;
use crate::model::ids::sha256_hex;

/// No task is called so.
const FOLDER: &str = ".kept";
/// In the folder of a host: its name, and the digest of what it has sent.
const OF: &str = "of";
const DIGEST: &str = "digest";
/// While it comes in parts: the number of the next, and the digest of the whole.
const NEXT: &str = "next";
/// And the digest of what its tasks are of.
const OWNERS: &str = "owners";
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

/// A digest of what tasks are of. It is another one than that of what they have: agents of 0.8.0 know of that alone.
#[must_use]
pub fn owners(set: &[SecretsPut]) -> String {
    let mut tasks: Vec<_> = set.iter().map(|put| (&put.task, &put.of)).collect();
    tasks.sort();
    sha256_hex(&serde_json::to_vec(&tasks).expect("texts and numbers are JSON"))
}

impl Keeper {
    /// What tasks of this host have, with each value once.
    ///
    /// # Errors
    ///
    /// The system refuses.
    #[cfg(test)]
    pub(crate) async fn own(&self) -> Result<Vec<SecretsPut>, Refusal> {
        let _turn = self.turn.lock().await;
        Ok(self.in_store(false, |store| store.set()).await?.unwrap_or_default())
    }

    /// A part of it: see [`Store::part`].
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn own_part(
        &self,
        after: &str,
        bytes_max: usize,
        mut known: Vec<SecretFile>,
    ) -> Result<(Vec<SecretsPut>, bool, Vec<SecretFile>), Refusal> {
        let _turn = self.turn.lock().await;
        let after = after.to_owned();
        let part = self.in_store(false, move |store| {
            let (set, more) = store.part(&after, bytes_max, &mut known)?;
            Ok((set, more, known))
        });
        Ok(part.await?.unwrap_or_default())
    }

    /// The same without values.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn own_names(&self) -> Result<Vec<SecretsPut>, Refusal> {
        let _turn = self.turn.lock().await;
        Ok(self.in_store(false, bare).await?.unwrap_or_default())
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

    /// Whether just this is kept for a host. `owners` is empty where the host does not say what its tasks are of.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn has_of(&self, host: &str, digest: &str, owners: &str) -> Result<bool, Refusal> {
        let _turn = self.turn.lock().await;
        let (folder, digest, owners) = (folder_of(host), digest.to_owned(), owners.to_owned());
        let is_same = self.in_kept(false, move |kept| {
            let said = |name: &str| text(&kept.join(&folder).join(name)).unwrap_or_default();
            // One that says nothing of what tasks are of does not send it, either.
            Ok(said(DIGEST) == digest && (owners.is_empty() || said(OWNERS) == owners))
        });
        Ok(is_same.await?.unwrap_or(false))
    }

    /// Keeps this for a host, instead of what was kept for it before: a set with this digest, or a part of it, once the last
    /// one is there.
    ///
    /// # Errors
    ///
    /// It cannot keep secrets, or it is not what it says to be.
    pub async fn keep_of(
        &self,
        host: &str,
        said: &str,
        part: Part,
        set: Vec<SecretsPut>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        self.check().await?;
        let (name, of, said) = (folder_of(host), host.to_owned(), said.to_owned());
        let over = self.over_of_now(host).await?;
        let mut left = over.clone();
        let done = self.in_kept(true, move |kept| {
            let new = kept.join(format!("{NEW}{name}"));
            let done = (|| {
                begin(&new, &said, part)?;
                let store = Store::new(new.clone());
                for put in &set {
                    store.put(put, now).map_err(|why| match why {
                        NotPut::Files(error) => error,
                        other => io::Error::other(other.to_string()),
                    })?;
                }
                if !part.is_last {
                    write(&new.join(NEXT), &format!("{} {said}", part.at + 1))?;
                    return Ok(Vec::new());
                }
                let all = bare(&store)?;
                if digest(&all) != said {
                    return Err(io::Error::other("it is not what its digest says"));
                }
                // What a client said to be over while the host was off is not kept, whatever that still has.
                for put in all.iter().filter(|put| over.iter().any(|one| one.is_of(put))) {
                    super::sets::remove(&new.join(&put.task))?;
                }
                write(&new.join(OF), &of)?;
                write(&new.join(OWNERS), &owners(&all))?;
                write(&new.join(DIGEST), &said)?;
                let old = kept.join(format!("{OLD}{name}"));
                super::sets::remove(&old)?;
                super::store::move_over(&new, &kept.join(&name), &old)?;
                Ok(all)
            })();
            done.inspect_err(|_: &io::Error| drop(super::sets::remove(&new)))
        });
        let all = done.await?.ok_or_else(|| refused(&"its folder is gone"))?;
        // One that was made again since under the same id is another one.
        let before = left.len();
        left.retain(|one| !all.iter().any(|put| put.task == one.task && !one.is_of(put)));
        if left.len() < before { self.write_over(host, left).await } else { Ok(()) }
    }

    /// What is kept for a host; `None` if nothing is.
    ///
    /// # Errors
    ///
    /// The system refuses.
    #[cfg(test)]
    pub(crate) async fn kept_of(&self, host: &str) -> Result<Option<Vec<SecretsPut>>, Refusal> {
        let _turn = self.turn.lock().await;
        let folder = folder_of(host);
        let kept = self.in_kept(false, move |kept| {
            let folder = kept.join(folder);
            if text(&folder.join(DIGEST)).is_none() { Ok(None) } else { Store::new(folder).set().map(Some) }
        });
        Ok(kept.await?.flatten())
    }

    /// A part of what is kept for a host, which can be written without the others; and whether there are more.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn kept_part_of(
        &self,
        host: &str,
        after: &str,
        bytes_max: usize,
    ) -> Result<(Vec<SecretsPut>, bool), Refusal> {
        let _turn = self.turn.lock().await;
        let (folder, after) = (folder_of(host), after.to_owned());
        let kept = self.in_kept(false, move |kept| {
            let folder = kept.join(folder);
            match text(&folder.join(DIGEST)) {
                None => Ok((Vec::new(), false)),
                Some(_) => Store::new(folder).part(&after, bytes_max, &mut Vec::new()),
            }
        });
        Ok(kept.await?.unwrap_or_default())
    }

    /// The same without values; nothing if nothing is kept.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn kept_names_of(&self, host: &str) -> Result<Vec<SecretsPut>, Refusal> {
        let _turn = self.turn.lock().await;
        let folder = folder_of(host);
        let kept = self.in_kept(false, move |kept| {
            let folder = kept.join(folder);
            if text(&folder.join(DIGEST)).is_none() { Ok(Vec::new()) } else { bare(&Store::new(folder)) }
        });
        Ok(kept.await?.unwrap_or_default())
    }

    /// Forgets what is kept for hosts that are none of these.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn keep_only_of(&self, hosts: Vec<String>) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        self.keep_over_only_of(&hosts).await?;
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

    /// Forgets these tasks of what is kept for a host: how many of them were there.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(super) async fn drop_tasks_of(&self, host: &str, over: Vec<Over>) -> Result<usize, Refusal> {
        let folder = folder_of(host);
        let dropped = self.in_kept(false, move |kept| {
            let store = Store::new(kept.join(folder));
            let is_it = |one: &&Over| store.of(&one.task).is_some_and(|of| of.born == one.born);
            let mut dropped = 0;
            for one in over.iter().filter(is_it) {
                // What is no task's name has no owner.
                dropped += usize::from(store.forget(&one.task).is_ok());
            }
            Ok(dropped)
        });
        Ok(dropped.await?.unwrap_or(0))
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

/// Makes the folder of a set, or finds the one that has the parts before this one.
fn begin(new: &Path, said: &str, part: Part) -> io::Result<()> {
    if part.at == 0 {
        // What an agent left that was killed in the middle of it.
        super::sets::remove(new)?;
        return make_folder(new);
    }
    let is_next = text(&new.join(NEXT)).is_some_and(|next| next == format!("{} {said}", part.at));
    if is_next { Ok(()) } else { Err(io::Error::other("the parts before this one are not there")) }
}

/// What tasks have, without values.
fn bare(store: &Store) -> io::Result<Vec<SecretsPut>> {
    let bare = |(task, files): (String, Vec<_>)| SecretsPut {
        of: store.of(&task),
        task,
        files: files.into_iter().map(|file| (file, None)).collect(),
    };
    Ok(store.list()?.into_iter().map(bare).collect())
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

pub(super) fn folder_of(host: &str) -> String {
    sha256_hex(host.as_bytes())[..NAME_CHARS].to_owned()
}

#[expect(clippy::disallowed_methods, reason = "what is kept for others is files")]
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let name = |entry: io::Result<std::fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    std::fs::read_dir(folder)?.map(name).collect()
}

#[expect(clippy::disallowed_methods, reason = "what is kept for others is files")]
pub(super) fn text(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

#[expect(clippy::disallowed_methods, reason = "what is kept for others is files")]
pub(super) fn write(file: &Path, text: &str) -> io::Result<()> {
    std::fs::write(file, text)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test looks at files")]
mod tests {
    use super::*;
    use crate::agent::wire::Answer;
    use crate::vault::Plaintext;

    const ALL: Part = Part { at: 0, is_last: true };
    const NOW: Timestamp = Timestamp(1_769_860_000_000);

    fn put(task: &str, files: &[(&str, &str)]) -> SecretsPut {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let file = |(name, value): &(&str, &str)| {
            let version = format!("of {value}");
            let file = SecretFile { name: (*name).into(), version, uid, gid, mode: 0o400, place: None };
            (file, Some(Arc::new(Plaintext::new(value.as_bytes().to_vec()))))
        };
        SecretsPut { task: task.into(), of: None, files: files.iter().map(file).collect() }
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
        assert!(!keeper.has_of("h1", &said, "").await.unwrap());
        keeper.keep_of("h1", &said, ALL, first, NOW).await.unwrap();
        assert!(
            keeper.has_of("h1", &said, "").await.unwrap() && !keeper.has_of("h2", &said, "").await.unwrap()
        );
        assert_eq!(keeper.keeps_for().await.unwrap(), ["h1"]);
        assert_eq!(keeper.list().await, Ok(Answer::Kept(Vec::new())));
        keeper.tidy(Timestamp(NOW.0 + 10_000_000)).await;
        let kept = keeper.kept_of("h1").await.unwrap().unwrap();
        assert_eq!((tasks(&kept), digest(&kept)), (vec!["t1", "t2"], said));
        assert!(kept[1].files[0].1.is_none(), "each value once");
        assert!(keeper.kept_of("h2").await.unwrap().is_none(), "only what is its own");
        let second = vec![put("t2", &[("b", "z")])];
        keeper.keep_of("h1", &digest(&second), ALL, second, NOW).await.unwrap();
        assert_eq!(tasks(&keeper.kept_of("h1").await.unwrap().unwrap()), ["t2"]);
        let folder = own.path().join("secrets/.kept").join(folder_of("h1"));
        assert!(!folder.join("t1").exists());
        // What was left of an agent that was killed while it moved one over the other.
        for left in [NEW, OLD] {
            let left = own.path().join("secrets/.kept").join(format!("{left}{}", folder_of("h1")));
            std::fs::create_dir_all(left.join("t1")).unwrap();
        }
        let third = vec![put("t2", &[("b", "w")])];
        keeper.keep_of("h1", &digest(&third), ALL, third, NOW).await.unwrap();
        assert_eq!(tasks(&keeper.kept_of("h1").await.unwrap().unwrap()), ["t2"]);
        assert_eq!(std::fs::read_dir(own.path().join("secrets/.kept")).unwrap().count(), 1);
        // Another digest than it says.
        assert!(keeper.keep_of("h1", "other", ALL, vec![put("t3", &[("a", "x")])], NOW).await.is_err());
        assert_eq!(tasks(&keeper.kept_of("h1").await.unwrap().unwrap()), ["t2"]);
        // A path for a task.
        let bad = vec![put("../t", &[("a", "x")])];
        assert!(keeper.keep_of("h1", &digest(&bad), ALL, bad, NOW).await.is_err());
        assert_eq!(tasks(&keeper.kept_of("h1").await.unwrap().unwrap()), ["t2"]);
        let other = vec![put("t9", &[("a", "x")])];
        keeper.keep_of("../../x", &digest(&other), ALL, other, NOW).await.unwrap();
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
        there.keep_of("h1", &digest(&set), ALL, set, NOW).await.unwrap();
        here.forget("t2".into()).await.unwrap();
        let kept = there.kept_of("h1").await.unwrap().unwrap();
        assert_eq!(here.restore(kept, NOW).await, Ok(vec!["t2".to_owned()]));
        let text = |path: &str| std::fs::read_to_string(own.path().join("secrets").join(path)).unwrap();
        assert_eq!((text("t2/0"), text("t2/1")), ("x".into(), "y".into()));
        assert_eq!(here.own().await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn what_comes_in_parts_is_kept_when_all_of_it_is_there() {
        let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (here, there) = (Keeper::of_test(own.path(), None), Keeper::of_test(other.path(), None));
        let long = "x".repeat(100);
        for (task, value) in [("t1", "a"), ("t2", long.as_str()), ("t3", "a"), ("t4", "d")] {
            here.put(put(task, &[("n", value)]), NOW).await.unwrap();
        }
        let names = here.own_names().await.unwrap();
        let (mut parts, mut known, mut after) = (Vec::new(), Vec::new(), String::new());
        loop {
            let (set, more, next) = here.own_part(&after, 50, known).await.unwrap();
            (known, after) = (next, set.last().unwrap().task.clone());
            parts.push(set);
            if !more {
                break;
            }
        }
        assert_eq!(
            parts.iter().map(|set| tasks(set)).collect::<Vec<_>>(),
            [vec!["t1", "t2"], vec!["t3", "t4"]]
        );
        assert!(parts[1][0].files[0].1.is_none(), "each value once");
        let said = digest(&names);
        let part = |at, is_last| Part { at, is_last };
        let keep = async |at, is_last, set: &Vec<SecretsPut>| {
            there.keep_of("h1", &said, part(at, is_last), set.clone(), NOW).await
        };
        assert!(keep(1, true, &parts[1]).await.is_err(), "the first one is missing");
        keep(0, false, &parts[0]).await.unwrap();
        assert!(there.kept_of("h1").await.unwrap().is_none(), "not before all is there");
        assert!(there.keep_of("h1", "other", part(1, true), parts[1].clone(), NOW).await.is_err());
        keep(0, false, &parts[0]).await.unwrap();
        assert!(keep(1, true, &parts[1][..1].to_vec()).await.is_err(), "one is missing");
        keep(0, false, &parts[0]).await.unwrap();
        keep(1, true, &parts[1]).await.unwrap();
        assert!(there.has_of("h1", &said, &owners(&names)).await.unwrap());
        // Given back in parts that are good by themselves.
        let (first, more) = there.kept_part_of("h1", "", 50).await.unwrap();
        let (second, end) = there.kept_part_of("h1", "t2", 50).await.unwrap();
        assert_eq!(
            (tasks(&first), more, tasks(&second), end),
            (vec!["t1", "t2"], true, vec!["t3", "t4"], false)
        );
        assert!(second[0].files[0].1.is_some());
        let left = std::fs::read_dir(other.path().join("secrets/.kept")).unwrap().count();
        assert_eq!(left, 1, "nothing is left beside it");
    }
}
