//! Registers as files of a directory, for one machine or a disk that several share.
//!
//! A register is made by linking a finished file to its name, which fails if the name exists: a reader sees
//! all of it or nothing, after a crash too. Ages are measured by the file system's own clock, read from a new
//! file.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::payload::fresh_id;
use super::register::{Content, Found, Kind, Place, ReadRegisters, Silent, Stream, WriteRegisters};
use crate::model::{ClusterName, StackName, Timestamp};

/// Before names that are not registers yet.
const UNFINISHED: &str = ".tmp-";
/// An unfinished file of this age has no writer any more.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// Registers below a directory.
#[derive(Debug)]
pub struct FileRegisters {
    dir: PathBuf,
    /// The directory stands for the one manager there is.
    names: [String; 1],
}

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

    /// What the group may do, as it may in the directory that the user named. Others may nothing: records hold values
    /// of variables.
    #[expect(clippy::disallowed_methods, reason = "registers are files")]
    fn group_bits(&self) -> io::Result<u32> {
        let top = self.dir.parent().unwrap_or(&self.dir);
        match fs::metadata(top) {
            Ok(about) => Ok(about.permissions().mode() & 0o070),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Makes a directory below the cluster's, and closes the cluster's for others: before 0.3.0 everyone could read it.
    #[expect(clippy::disallowed_methods, reason = "registers are files")]
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() && !is_open_to_others(&self.dir)? {
            return Ok(());
        }
        let mode = 0o700 | self.group_bits()?;
        if let Some(top) = self.dir.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(top)?;
        }
        let below: Vec<&Path> = dir.ancestors().take_while(|dir| dir.starts_with(&self.dir)).collect();
        for dir in below.into_iter().rev() {
            match DirBuilder::new().mode(mode).create(dir) {
                // The process's umask has no say in what the group may do.
                Ok(()) => fs::set_permissions(dir, Permissions::from_mode(mode))?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        if is_open_to_others(&self.dir)? {
            // Only its owner can.
            let _is_closed = fs::set_permissions(&self.dir, Permissions::from_mode(mode));
        }
        Ok(())
    }

    /// A finished file under a name of its own.
    #[expect(clippy::disallowed_methods, reason = "registers are files")]
    fn finished(&self, dir: &Path, text: &str) -> io::Result<PathBuf> {
        sweep(dir);
        // By chance, and not by a process's number: two containers on one directory have equal numbers.
        let path = dir.join(format!("{UNFINISHED}{}", fresh_id()));
        let mode = 0o600 | (self.group_bits()? & 0o060);
        let mut file = File::options().write(true).create_new(true).mode(mode).open(&path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(path)
    }

    #[expect(clippy::disallowed_methods, reason = "registers are files")]
    fn put(&self, stream: &Stream, place: Place, content: &Content) -> io::Result<Content> {
        let (dir, text) = (self.dir(stream), content.clone().unwrap_or_default());
        let path = dir.join(place.name());
        self.make_dir(&dir)?;
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
        self.make_dir(&self.dir)?;
        let path = self.finished(&self.dir, "")?;
        let time = fs::metadata(&path)?.modified()?;
        fs::remove_file(&path)?;
        Ok(timestamp(time))
    }
}

#[expect(clippy::disallowed_methods, reason = "registers are files")]
fn is_open_to_others(dir: &Path) -> io::Result<bool> {
    Ok(fs::metadata(dir)?.permissions().mode() & 0o007 != 0)
}

/// Removes what writers that died have left. One that is still at work is done within seconds.
#[expect(clippy::disallowed_methods, reason = "registers are files")]
fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let is_old = |entry: &fs::DirEntry| {
        let made = entry.metadata().and_then(|about| about.modified());
        made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > LEFT_BEHIND))
    };
    let is_unfinished = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(UNFINISHED);
    for entry in entries.flatten().filter(|entry| is_unfinished(entry) && is_old(entry)) {
        let _is_gone = fs::remove_file(entry.path());
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

    async fn get(&self, _: usize, stream: &Stream, place: Place) -> Result<Option<Content>, Silent> {
        match read(&self.dir(stream).join(place.name())) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(silent(&error)),
        }
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
    use crate::model::Format;

    fn value(id: &str) -> Value {
        Value { id: id.to_owned(), managers: Vec::new(), format: Format::CURRENT, data: id.into() }
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

    fn modes(below: &Path) -> BTreeSet<u32> {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let mut all = BTreeSet::from([mode(below)]);
        for entry in fs::read_dir(below).unwrap().flatten() {
            match entry.path().is_dir() {
                true => all.extend(modes(&entry.path())),
                false => drop(all.insert(mode(&entry.path()))),
            }
        }
        all
    }

    async fn write_into(dir: &Path) {
        let registers = FileRegisters::new(dir, &ClusterName::unchecked("test"));
        let ledger = Ledger::new(registers, Limits::default());
        let value = Value { managers: ledger.registers().managers().to_vec(), ..value("a") };
        let next = ledger.read(&Stream::new(Kind::Lease, "shop")).await.unwrap().next();
        ledger.append(&Stream::new(Kind::Lease, "shop"), next, &value).await.unwrap();
        ledger.clocks().await.unwrap();
    }

    #[tokio::test]
    async fn others_can_read_nothing_and_a_group_what_its_directory_lets_it() {
        let dir = tempfile::tempdir().unwrap();
        write_into(&dir.path().join("new")).await;
        assert_eq!(modes(&dir.path().join("new")), [0o700, 0o600].into());
        let shared = dir.path().join("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, Permissions::from_mode(0o775)).unwrap();
        write_into(&shared).await;
        let below = modes(&shared.join("test"));
        // What a umask takes from files is only the right to write, and registers are written once.
        assert!(below.contains(&0o770) && below.iter().all(|mode| mode & 0o007 == 0), "{below:?}");
        // As a program before 0.3.0 made it.
        fs::set_permissions(shared.join("test"), Permissions::from_mode(0o755)).unwrap();
        write_into(&shared).await;
        assert!(!is_open_to_others(&shared.join("test")).unwrap());
    }

    #[tokio::test]
    async fn what_writers_left_is_swept_when_it_is_old() {
        let dir = tempfile::tempdir().unwrap();
        write_into(dir.path()).await;
        let left = |name: &str, age: Duration| {
            let path = dir.path().join("test/lease/shop").join(name);
            let file = File::create(&path).unwrap();
            file.set_modified(std::time::SystemTime::now() - age).unwrap();
            path
        };
        let old = left(".tmp-1-1", Duration::from_secs(2 * 3600));
        let fresh = left(".tmp-1-2", Duration::from_secs(60));
        write_into(dir.path()).await;
        assert_eq!((old.exists(), fresh.exists()), (false, true));
    }

    #[tokio::test]
    async fn a_file_that_another_container_is_writing_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        write_into(dir.path()).await;
        // Both are process 7, say, of their containers, and both have just begun to count.
        let of_other = |count: usize| {
            dir.path().join("test/lease/shop").join(format!("{UNFINISHED}{}-{count}", std::process::id()))
        };
        let all: Vec<PathBuf> = (0..500).map(of_other).collect();
        all.iter().for_each(|path| fs::write(path, "half").unwrap());
        write_into(dir.path()).await;
        assert!(all.iter().all(|path| fs::read_to_string(path).unwrap() == "half"));
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
