//! Tasks that are over on a host that is off: a client says so to the agents of the others, which give it none of their
//! secrets back.
//!
//! They are remembered in the same memory, `.over/NAME`, by host: that of this agent is among them, of which it hears from
//! the others when it begins. A task is known by its id and by what its agent drew when it was brought the secrets, so one
//! that is made again under the same id is another one.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::kept::{folder_of, names, text, write};
use super::{Keeper, kept_task, make_folder, refused};
use crate::agent::put::{Over, SecretsPut};
use crate::agent::wire::{Answer, Refusal};

/// No task is called so.
const FOLDER: &str = ".over";
/// Tasks of a host that are remembered: the newest.
const TASKS_MAX: usize = 1000;

impl Keeper {
    /// What is kept for a host, by task, without values.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn list_of(&self, host: &str) -> Result<Answer, Refusal> {
        let kept = |put: SecretsPut| kept_task(put.task, put.files.into_iter().map(|(file, _)| file), put.of);
        let all = self.kept_names_of(host).await?;
        Ok(Answer::Kept(all.into_iter().map(kept).collect()))
    }

    /// Remembers that tasks of a host are over, and forgets what is kept of them: of how many there was something.
    ///
    /// # Errors
    ///
    /// It cannot keep anything.
    pub async fn end_of(&self, host: &str, over: Vec<Over>) -> Result<usize, Refusal> {
        let _turn = self.turn.lock().await;
        self.check().await?;
        let mut all = self.over_of_now(host).await?;
        all.retain(|one| !over.contains(one));
        all.extend(over.iter().cloned());
        let all = all.split_off(all.len().saturating_sub(TASKS_MAX));
        self.write_over(host, all).await?;
        self.drop_tasks_of(host, over).await
    }

    /// Tasks of a host that are over.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn over_of(&self, host: &str) -> Result<Vec<Over>, Refusal> {
        let _turn = self.turn.lock().await;
        self.over_of_now(host).await
    }

    /// A task of a host is there again: a client has brought its secrets.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn begin_of(&self, host: &str, task: &str) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        let mut all = self.over_of_now(host).await?;
        let before = all.len();
        all.retain(|one| one.task != task);
        if all.len() < before { self.write_over(host, all).await } else { Ok(()) }
    }

    /// The same within a turn.
    pub(super) async fn over_of_now(&self, host: &str) -> Result<Vec<Over>, Refusal> {
        let name = folder_of(host);
        let all = self.in_store(false, move |store| {
            let text = text(&store.beside(FOLDER).join(name)).unwrap_or_default();
            Ok(serde_json::from_str(&text).unwrap_or_default())
        });
        Ok(all.await?.unwrap_or_default())
    }

    pub(super) async fn write_over(&self, host: &str, all: Vec<Over>) -> Result<(), Refusal> {
        let name = folder_of(host);
        let written = self.in_store(true, move |store| {
            let folder = store.beside(FOLDER);
            make_folder(&folder)?;
            let file = folder.join(name);
            write(&file, &serde_json::to_string(&all)?)
        });
        written.await?.ok_or_else(|| refused(&"its folder is gone"))
    }

    /// Hosts that are no members any more have nothing that is over. What is known of this host itself stays.
    pub(super) async fn keep_over_only_of(&self, hosts: &[String]) -> Result<(), Refusal> {
        let stay: BTreeSet<String> = hosts.iter().map(|host| folder_of(host)).collect();
        let left = self.in_store(false, move |store| {
            let folder = store.beside(FOLDER);
            if !super::is_folder(&folder) {
                return Ok(());
            }
            for name in names(&folder)?.iter().filter(|name| !stay.contains(*name)) {
                remove(&folder.join(name))?;
            }
            Ok(())
        });
        left.await.map(drop)
    }
}

#[expect(clippy::disallowed_methods, reason = "what is over is in files")]
fn remove(file: &Path) -> io::Result<()> {
    std::fs::remove_file(file)
}
