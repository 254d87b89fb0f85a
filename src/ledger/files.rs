//! Registers as files of a directory, for one machine or a disk that several share.
//!
//! A register is made by linking a finished file to its name, which fails if the name exists: a reader sees
//! all of it or nothing, after a crash too. Ages are measured by the file system's own clock, read from a new
//! file.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::register::{Content, Found, Kind, Place, ReadRegisters, Silent, Stream, WriteRegisters};
use crate::model::{ClusterName, StackName, Timestamp};

/// Before names that are not registers yet.
const UNFINISHED: &str = ".tmp-";

/// Registers below a directory.
#[derive(Debug)]
pub struct FileRegisters {
    dir: PathBuf,
    /// The directory stands for the one manager there is.
    names: [String; 1],
}

/// Files that this process has made: two that write into one directory share it.
static MADE: AtomicU64 = AtomicU64::new(0);

impl FileRegisters {
    /// The registers of a cluster below a directory, which is made when something is written.
    #[must_use]
    pub fn new(dir: &Path, cluster: &ClusterName) -> Self {
        let names = [format!("file://{}", dir.display())];
        Self { dir: dir.join(cluster.as_str()), names }
    }

    fn dir(&self, stream: &Stream) -> PathBuf {
        self.dir.join(stream.kind.word()).join(&stream.of)
    }

    /// A finished file under a name of its own.
    #[expect(clippy::disallowed_methods, reason = "registers are files")]
    fn finished(&self, dir: &Path, text: &str) -> io::Result<PathBuf> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!("{UNFINISHED}{}-{number}", std::process::id()));
        // Left by a process of this number that died.
        let _ = fs::remove_file(&path);
        let mut file = File::create_new(&path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(path)
    }

    #[expect(clippy::disallowed_methods, reason = "registers are files")]
    fn put(&self, stream: &Stream, place: Place, content: &Content) -> io::Result<Content> {
        let (dir, text) = (self.dir(stream), content.clone().unwrap_or_default());
        let path = dir.join(place.name());
        fs::create_dir_all(&dir)?;
        let finished = self.finished(&dir, &text)?;
        let linked = fs::hard_link(&finished, &path);
        fs::remove_file(&finished)?;
        match linked {
            Ok(()) => File::open(&dir)?.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        read(&path)
    }

    #[expect(clippy::disallowed_methods, reason = "registers are files")]
    fn found(&self, stream: &Stream) -> io::Result<Vec<Found>> {
        let mut all = Vec::new();
        let entries = match fs::read_dir(self.dir(stream)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let Some(place) = entry.file_name().to_str().and_then(Place::named) else { continue };
            let made = entry.metadata().and_then(|about| about.modified());
            match (made, read(&entry.path())) {
                (Ok(made), Ok(content)) => all.push(Found { place, content, created: timestamp(made) }),
                // Trimmed by another process meanwhile.
                (Err(error), _) | (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
                (Err(error), _) | (_, Err(error)) => return Err(error),
            }
        }
        Ok(all)
    }

    #[expect(clippy::disallowed_methods, reason = "registers are files")]
    fn leased(&self) -> io::Result<BTreeSet<StackName>> {
        let entries = match fs::read_dir(self.dir.join(Kind::Lease.word())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries?,
        };
        let names = entries.map(|entry| Ok(entry?.file_name()));
        let names = names.collect::<io::Result<Vec<_>>>()?;
        Ok(names.iter().filter_map(|name| StackName::new(name.to_str()?).ok()).collect())
    }

    #[expect(clippy::disallowed_methods, reason = "registers are files")]
    fn time(&self) -> io::Result<Timestamp> {
        fs::create_dir_all(&self.dir)?;
        let path = self.finished(&self.dir, "")?;
        let time = fs::metadata(&path)?.modified()?;
        fs::remove_file(&path)?;
        Ok(timestamp(time))
    }
}

#[expect(clippy::disallowed_methods, reason = "registers are files")]
fn read(path: &Path) -> io::Result<Content> {
    let text = fs::read_to_string(path)?;
    Ok((!text.is_empty()).then_some(text))
}

fn timestamp(time: std::time::SystemTime) -> Timestamp {
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn silent(error: &io::Error) -> Silent {
    Silent(error.to_string())
}

impl ReadRegisters for FileRegisters {
    fn managers(&self) -> &[String] {
        &self.names
    }

    async fn list(&self, _: usize, stream: &Stream) -> Result<Vec<Found>, Silent> {
        self.found(stream).map_err(|error| silent(&error))
    }

    async fn stacks(&self, _: usize) -> Result<BTreeSet<StackName>, Silent> {
        self.leased().map_err(|error| silent(&error))
    }

    async fn clock(&self, _: usize) -> Result<Timestamp, Silent> {
        self.time().map_err(|error| silent(&error))
    }
}

impl WriteRegisters for FileRegisters {
    async fn create(
        &self,
        _: usize,
        stream: &Stream,
        place: Place,
        content: &Content,
    ) -> Result<Content, Silent> {
        self.put(stream, place, content).map_err(|error| silent(&error))
    }

    #[expect(clippy::disallowed_methods, reason = "registers are files")]
    async fn remove(&self, _: usize, stream: &Stream, place: Place) -> Result<(), Silent> {
        match fs::remove_file(self.dir(stream).join(place.name())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(silent(&error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "looks at the files")]
mod tests {
    use std::sync::Arc;

    use super::super::{Appended, Ledger, Limits, Value};
    use super::*;

    fn value(id: &str) -> Value {
        Value { id: id.to_owned(), managers: Vec::new(), data: id.into() }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_writers_share_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let stream = Stream::new(Kind::Releases, "shop");
        let writers = (0..8).map(|writer| {
            let cluster = ClusterName::unchecked("test");
            let ledger = Arc::new(Ledger::new(FileRegisters::new(dir.path(), &cluster), Limits::default()));
            let stream = stream.clone();
            tokio::spawn(async move {
                let mut won = Vec::new();
                for seq in 1..=20 {
                    let value = Value {
                        managers: ledger.registers().managers().to_vec(),
                        ..value(&format!("{writer}.{seq}"))
                    };
                    if ledger.append(&stream, seq, &value).await.unwrap() == Appended::Won {
                        won.push(seq);
                    }
                }
                (ledger, won)
            })
        });
        let mut won = Vec::new();
        let mut one = None;
        for writer in futures_util::future::join_all(writers).await {
            let (ledger, mut more) = writer.unwrap();
            won.append(&mut more);
            one = Some(ledger);
        }
        won.sort_unstable();
        assert_eq!(won, (1..=20).collect::<Vec<_>>());
        let ledger = one.unwrap();
        assert!(ledger.stacks().await.unwrap().is_empty(), "nothing is written without a lease");
        let lease = Value { managers: ledger.registers().managers().to_vec(), ..value("a") };
        ledger.append(&Stream::new(Kind::Lease, "shop"), 1, &lease).await.unwrap();
        assert_eq!(ledger.stacks().await.unwrap(), [StackName::unchecked("shop")].into());
        // What a crash leaves behind is no register.
        fs::write(dir.path().join("test/releases/shop/.tmp-1-1"), "half").unwrap();
        let log = ledger.read(&stream).await.unwrap();
        assert_eq!((log.entries.len(), log.next()), (20, 21));
        let (_, last) = log.last().unwrap();
        let age = ledger.clocks().await.unwrap()[&0].since_ms(last.copies[0].1);
        assert!((0..10_000).contains(&age), "{age}");
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_said() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let cluster = ClusterName::unchecked("test");
        let ledger = Ledger::new(FileRegisters::new(&dir.path().join("file"), &cluster), Limits::default());
        let said = ledger.read(&Stream::new(Kind::Lease, "shop")).await.unwrap_err().to_string();
        assert!(said.starts_with("ledger: 0 of 1 manager answers, 1 is needed: file:///"), "{said}");
    }
}
