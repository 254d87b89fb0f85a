//! Trust in an inventory that merely lies in the current folder: a repository that was cloned or an archive that was
//! unpacked brings one, and the user has not chosen it.
//!
//! An inventory can have programs started, and passwords sent to an address. One that was named, by `-i`, by a variable
//! or by its cluster, and one of the user's configuration are trusted. One that was found is trusted once the user has
//! seen what it asks for; the answer holds for these very files, as direnv has it. What the files name in turn is not
//! looked into.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::drivers::DriverKind;
use super::find::{Env, set, user_folder};
use super::notifications::{Secret, Target};
use super::{FILE, FenceCommand, Inventory, SourceKind, VARIABLE};
use crate::ledger::place::{LedgerPlace, PasswordFrom};
use crate::model::ids::sha256_hex;

/// The variable by which a script says what it trusts: `1`, or the digest of one inventory.
pub const TRUST_VARIABLE: &str = "STACKCTL_TRUST";
/// The list, in the folder of what stackctl keeps. No cluster's folder begins with a dot.
const LIST: &str = ".trusted";
/// Of a file that is trusted so much may be read, and of the list.
const BYTES_MAX: u64 = 16 << 20;

/// Whether nothing names the inventory: it is used because it lies in the current folder.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the inventory is a file")]
pub fn is_merely_found(explicit: Option<&Path>, env: Env<'_>) -> bool {
    if explicit.is_some() || set(env, VARIABLE).is_some() || !Path::new(FILE).is_file() {
        return false;
    }
    // The folder may be that of the user's inventories.
    let users = user_folder(env).and_then(|folder| std::fs::canonicalize(folder.join(FILE)).ok());
    users.is_none() || std::fs::canonicalize(FILE).ok() != users
}

/// What an inventory would have stackctl start, or hand out, in words; nothing of that for most.
#[must_use]
pub fn wants(inventory: &Inventory) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(path) = &inventory.ssh_config {
        words.push(format!("ssh reads `{}`, which can start programs", path.display()));
    }
    for source in &inventory.discover {
        match &source.kind {
            SourceKind::Command { argv, .. } => {
                words.push(format!("`{}` runs to find hosts", argv.join(" ")))
            }
            SourceKind::Etcd(place) => sent(&mut words, place.password.as_ref(), &source.name),
            SourceKind::Zookeeper(place) => sent(&mut words, place.password.as_ref(), &source.name),
            SourceKind::Consul(place) | SourceKind::Service { place, .. } => {
                sent(&mut words, place.token.as_ref(), &source.name);
            }
        }
    }
    let fences: BTreeSet<String> = fences(inventory).map(|fence| fence.argv.join(" ")).collect();
    words.extend(fences.into_iter().map(|fence| format!("`{fence}` runs to make sure that a host is off")));
    let to = "where the records are kept";
    sent(&mut words, inventory.ledger.secret(), to);
    if let LedgerPlace::Directory(path) = &inventory.ledger {
        words.push(format!("records are written to `{}`", path.display()));
    }
    words.extend(inventory.drivers.iter().map(|(name, driver)| driver.wants(name)));
    for notification in &inventory.notifications {
        words.push(match &notification.target {
            Target::Command(argv) => format!("`{}` runs with what happens", argv.join(" ")),
            Target::Webhook { secret: Some(Secret::Variable(name)), .. } => {
                format!("the variable `{name}` signs what is posted to a webhook")
            }
            Target::Webhook { secret: Some(Secret::File(path)), .. } => {
                format!("`{}` signs what is posted to a webhook", path.display())
            }
            Target::Webhook { secret: None, .. } => "what happens is posted to a webhook".to_owned(),
        });
    }
    words
}

fn fences(inventory: &Inventory) -> impl Iterator<Item = &FenceCommand> {
    inventory.hosts.values().filter_map(|host| host.fence.as_ref())
}

fn sent(words: &mut Vec<String>, password: Option<&PasswordFrom>, to: &str) {
    words.extend(password.map(|from| match from {
        PasswordFrom::Variable(name) => format!("the variable `{name}` is sent as a password: {to}"),
        PasswordFrom::File(path) => format!("`{}` is sent as a password: {to}", path.display()),
    }));
}

/// The files that matter: the inventory, the configuration for ssh, and every word of a command that is a file.
#[expect(clippy::disallowed_methods, reason = "trust is about files")]
fn files(inventory: &Inventory) -> BTreeSet<PathBuf> {
    let folder = inventory.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let commands = inventory
        .discover
        .iter()
        .filter_map(|source| match &source.kind {
            SourceKind::Command { argv, .. } => Some(argv),
            _ => None,
        })
        .chain(fences(inventory).map(|fence| &fence.argv))
        .chain(inventory.notifications.iter().filter_map(|one| match &one.target {
            Target::Command(argv) => Some(argv),
            Target::Webhook { .. } => None,
        }))
        .chain(inventory.drivers.values().filter_map(|driver| match &driver.kind {
            DriverKind::Command { argv, .. } => Some(argv),
            DriverKind::Program | DriverKind::Pass { .. } | DriverKind::Vault(_) => None,
        }));
    let words = commands.flatten().map(|word| folder.join(word));
    let named = inventory.file.iter().chain(&inventory.ssh_config).cloned().chain(words);
    named.filter_map(|path| std::fs::canonicalize(path).ok()).filter(|path| path.is_file()).collect()
}

/// One word for the inventory and the files that it names: another one as soon as any of them changes.
#[expect(clippy::disallowed_methods, reason = "trust is about files")]
pub fn digest(inventory: &Inventory) -> io::Result<String> {
    let mut all = String::new();
    for path in files(inventory) {
        let mut bytes = Vec::new();
        std::fs::File::open(&path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > BYTES_MAX {
            let words = format!("{} is larger than {} MiB", path.display(), BYTES_MAX >> 20);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, words));
        }
        let path = path.to_string_lossy();
        all.push_str(&format!("{} {path} {}\n", path.len(), sha256_hex(&bytes)));
    }
    Ok(sha256_hex(all.as_bytes()))
}

/// Whether the environment says that this digest is trusted.
#[must_use]
pub fn is_given(digest: &str, env: Env<'_>) -> bool {
    let given = env(TRUST_VARIABLE).unwrap_or_default();
    given == "1" || given.split([' ', ',']).any(|one| one == digest)
}

/// The answers that the user gave.
#[derive(Debug)]
pub struct Trusted {
    path: PathBuf,
    list: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    digest: String,
    file: PathBuf,
}

impl Trusted {
    /// Reads them. `None` for a user without a home.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "answers are kept in a file")]
    pub fn read(env: Env<'_>) -> Option<Self> {
        let state = set(env, "XDG_STATE_HOME").or_else(|| Some(set(env, "HOME")?.join(".local/state")))?;
        let path = state.join("stackctl").join(LIST);
        let mut text = String::new();
        if let Ok(file) = std::fs::File::open(&path) {
            let _unreadable = file.take(BYTES_MAX).read_to_string(&mut text);
        }
        // A line that cannot be read is an answer that was not given.
        let list = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Some(Self { path, list })
    }

    /// Whether these very files are trusted.
    #[must_use]
    pub fn has(&self, file: &Path, digest: &str) -> bool {
        let file = whole(file);
        self.list.iter().any(|entry| entry.file == file && entry.digest == digest)
    }

    /// Whether the file was trusted, as it is or as it was.
    #[must_use]
    pub fn knows(&self, file: &Path) -> bool {
        let file = whole(file);
        self.list.iter().any(|entry| entry.file == file)
    }

    /// Trusts it, in place of what it was before.
    pub fn add(&mut self, file: &Path, digest: &str) -> io::Result<()> {
        let file = whole(file);
        self.list.retain(|entry| entry.file != file);
        self.list.push(Entry { digest: digest.to_owned(), file });
        self.write()
    }

    /// Trusts it no more; whether it was trusted.
    pub fn remove(&mut self, file: &Path) -> io::Result<bool> {
        let file = whole(file);
        let before = self.list.len();
        self.list.retain(|entry| entry.file != file);
        let was_there = self.list.len() < before;
        if was_there {
            self.write()?;
        }
        Ok(was_there)
    }

    #[expect(clippy::disallowed_methods, reason = "answers are kept in a file")]
    fn write(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lines: Vec<String> = self.list.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let new = self.path.with_extension(format!("new-{}", std::process::id()));
        let _left_by_a_process_of_this_number = std::fs::remove_file(&new);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(lines.iter().map(|line| format!("{line}\n")).collect::<String>().as_bytes())?;
        std::fs::rename(&new, &self.path)
    }
}

/// With links resolved.
#[expect(clippy::disallowed_methods, reason = "trust is about files")]
fn whole(file: &Path) -> PathBuf {
    std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes the files that are trusted")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::inventory::parse;

    fn inventory(folder: &Path, text: &str) -> Inventory {
        let file = folder.join(FILE);
        std::fs::write(&file, text).unwrap();
        parse(text, &file.to_string_lossy()).unwrap_or_else(|report| panic!("{report:?}")).0
    }

    #[test]
    fn hosts_alone_want_nothing_and_programs_and_passwords_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let of = |text: &str| wants(&inventory(folder.path(), text));
        assert_eq!(
            of("cluster: a\nknown_hosts: accept-new\nhosts: {h1: root@h1, h2: 'unix:///a'}\n"),
            [""; 0]
        );
        let all = of("hosts: {h1: {address: h1, role: manager, fence: [./power, off]}}\nssh_config: ./ssh\n\
             discover:\n- command: [sh, -c, 'evil it']\n- etcd: etcd://e1/hosts\n\
             notifications:\n- command: [./tell, --all]\n- webhook: https://h/x\n");
        let folder = folder.path().display();
        assert_eq!(
            all,
            [
                format!("ssh reads `{folder}/./ssh`, which can start programs"),
                "`sh -c evil it` runs to find hosts".to_owned(),
                "`./power off` runs to make sure that a host is off".to_owned(),
                "`./tell --all` runs with what happens".to_owned(),
                "what happens is posted to a webhook".to_owned(),
            ]
        );
    }

    #[test]
    fn an_answer_holds_for_these_very_files() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap().to_owned();
        let env = |name: &str| (name == "HOME").then(|| home.clone());
        let text = "hosts: {h1: {address: h1, role: manager, fence: [./power]}}\nssh_config: ./ssh\ndiscover:\n- command: [python3, find.py, --list]\n";
        for (name, text) in [("ssh", "Host *\n"), ("find.py", "print()\n"), ("power", "off\n")] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let one = inventory(folder.path(), text);
        let file = one.file.clone().unwrap();
        let first = digest(&one).unwrap();
        let mut trusted = Trusted::read(&env).unwrap();
        assert!(!trusted.has(&file, &first) && !trusted.knows(&file));
        trusted.add(&file, &first).unwrap();
        let list = folder.path().join(".local/state/stackctl/.trusted");
        assert_eq!(std::fs::metadata(&list).unwrap().permissions().mode() & 0o777, 0o600);
        let mut trusted = Trusted::read(&env).unwrap();
        assert!(trusted.has(&file, &digest(&one).unwrap()));
        for (name, text) in [("find.py", "evil()\n"), ("ssh", "ProxyCommand evil\n"), ("power", "evil\n")] {
            std::fs::write(folder.path().join(name), text).unwrap();
            assert!(!trusted.has(&file, &digest(&one).unwrap()), "{name} has changed");
            assert!(trusted.knows(&file));
            trusted.add(&file, &digest(&one).unwrap()).unwrap();
        }
        let other = inventory(folder.path(), &format!("{text}- command: [other]\n"));
        assert!(!trusted.has(&file, &digest(&other).unwrap()));
        // The same files elsewhere are others.
        let copy = tempfile::tempdir().unwrap();
        assert!(!trusted.knows(&copy.path().join(FILE)));
        assert!(trusted.remove(&file).unwrap() && !trusted.remove(&file).unwrap());
        assert!(!Trusted::read(&env).unwrap().knows(&file));
        std::fs::write(&list, "not json\n").unwrap();
        assert!(!Trusted::read(&env).unwrap().knows(&file));
    }

    #[test]
    fn the_environment_answers_for_a_script() {
        let given = |value: &'static str| {
            let env = move |name: &str| (name == TRUST_VARIABLE).then(|| value.to_owned());
            is_given("d1", &env)
        };
        assert!(given("1") && given("d1") && given("d0,d1") && given("d0 d1"));
        assert!(!given("") && !given("0") && !given("d") && !given("true") && !given("d0"));
    }
}
