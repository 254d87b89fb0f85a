//! Private keys of this machine, and the bytes of secrets that are handed in: read into memory that is overwritten, and
//! shown nowhere.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use miette::Diagnostic;
use thiserror::Error;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::inventory::Env;
use crate::process_group;
use crate::vault::{BadKey, Keyring, Plaintext};

/// Names the file with the private key.
pub const FILE: &str = "STACKCTL_KEY_FILE";
/// Holds the private key itself, as CI hands it in.
pub const TEXT: &str = "STACKCTL_KEY";
/// A program and its arguments, parted by blanks, that prints the private key. No shell reads it.
pub const COMMAND: &str = "STACKCTL_KEY_COMMAND";

/// More than a file with a hundred keys has.
const KEYS_MAX: usize = 256 << 10;
/// A password manager may ask a person.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// Why there are no private keys. Quotes nothing of what was read.
#[derive(Debug, Error, Diagnostic)]
pub enum NoKeys {
    #[error("{name} cannot be read: {why}")]
    #[diagnostic(code(stackctl::key::unreadable))]
    Unreadable { name: String, why: String },
    #[error(transparent)]
    #[diagnostic(code(stackctl::key::bad_private))]
    Bad(#[from] BadKey),
    #[error("there is no private key on this machine that could open secrets")]
    #[diagnostic(
        code(stackctl::key::no_private),
        help("give one by `--key FILE`, {TEXT}, {FILE} or {COMMAND}, or put it into {}", .default.display())
    )]
    NoneThere { default: PathBuf },
}

/// Private keys, and where they were found.
#[derive(Debug)]
pub struct Found {
    pub keys: Keyring,
    /// Each in words: `the file /home/ann/.config/stackctl/key.txt`.
    pub from: Vec<String>,
}

/// Where this machine keeps the user's own key. `None` for a user without a home.
#[must_use]
pub fn own_file(env: Env<'_>) -> Option<PathBuf> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(config.join("stackctl").join("key.txt"))
}

/// The private keys: of the files that were named, or else of the first of the variables [`TEXT`], [`FILE`] and [`COMMAND`]
/// that is set, or else of the user's own files: the key of stackctl, and ssh keys without a passphrase.
///
/// # Errors
///
/// A file that was named cannot be read, or has no key; or there is none at all.
pub async fn keyring(files: &[PathBuf], env: Env<'_>) -> Result<Found, NoKeys> {
    in_places(files, &KeyPlaces::of(env)).await
}

async fn in_places(files: &[PathBuf], places: &KeyPlaces) -> Result<Found, NoKeys> {
    let mut found = Found { keys: Keyring::default(), from: Vec::new() };
    if !files.is_empty() {
        for file in files {
            found.add_file(file)?;
        }
        return Ok(found);
    }
    let set = |name: &str| places.get(name).filter(|value| !value.trim().is_empty());
    if let Some(text) = set(TEXT) {
        found.add(&Plaintext::new(text.into_bytes()), format!("the variable {TEXT}"))?;
    } else if let Some(file) = set(FILE) {
        found.add_file(Path::new(&file))?;
    } else if let Some(words) = set(COMMAND) {
        found.add(&printed_by(&words).await?, format!("the command of {COMMAND}"))?;
    } else {
        found.add_own(&|name| places.get(name))?;
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, text: &Plaintext, name: String) -> Result<(), BadKey> {
        self.keys.append(Keyring::parse(text, &name)?);
        self.from.push(name);
        Ok(())
    }

    fn add_file(&mut self, file: &Path) -> Result<(), NoKeys> {
        let name = format!("the file {}", file.display());
        let text = read_file(file, KEYS_MAX)
            .map_err(|error| NoKeys::Unreadable { name: name.clone(), why: error.to_string() })?;
        Ok(self.add(&text, name)?)
    }

    /// Those that happen to be there. An ssh key with a passphrase is passed over: it may be meant for something else.
    fn add_own(&mut self, env: Env<'_>) -> Result<(), NoKeys> {
        let own = own_file(env);
        if let Some(file) = own.as_deref().filter(|file| is_there(file)) {
            self.add_file(file)?;
        }
        let home = env("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        for name in ["id_ed25519", "id_rsa"] {
            let Some(file) = home.as_ref().map(|home| home.join(".ssh").join(name)) else { continue };
            if is_there(&file) {
                let _is_of_no_use = self.add_file(&file);
            }
        }
        if self.keys.is_empty() {
            return Err(NoKeys::NoneThere { default: own.unwrap_or_else(|| "key.txt".into()) });
        }
        Ok(())
    }
}

/// The variables that say where the private keys of this machine are, for a process that may need them later.
#[derive(Clone, Default)]
pub struct KeyPlaces(BTreeMap<&'static str, Zeroizing<String>>);

impl KeyPlaces {
    /// As the environment says.
    #[must_use]
    pub fn of(env: Env<'_>) -> Self {
        let set = |name: &'static str| Some((name, Zeroizing::new(env(name)?)));
        Self([TEXT, FILE, COMMAND, "XDG_CONFIG_HOME", "HOME"].into_iter().filter_map(set).collect())
    }

    /// The private keys that are there: see [`keyring`].
    ///
    /// # Errors
    ///
    /// There are none, or they cannot be read.
    pub async fn keyring(&self) -> Result<Found, NoKeys> {
        in_places(&[], self).await
    }

    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| value.to_string())
    }
}

impl fmt::Debug for KeyPlaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn is_there(file: &Path) -> bool {
    file.exists()
}

#[expect(clippy::disallowed_methods, reason = "the user says which program has the key")]
async fn printed_by(words: &str) -> Result<Plaintext, NoKeys> {
    let failed = |why: String| NoKeys::Unreadable { name: format!("the command of {COMMAND}"), why };
    let mut words = words.split_whitespace();
    let mut command = process_group::program(words.next().unwrap_or_default());
    command.args(words).stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let output = timeout(COMMAND_LIMIT, process_group::output(&mut command, KEYS_MAX as u64)).await;
    let output =
        output.map_err(|_| failed(format!("it has not ended within {} s", COMMAND_LIMIT.as_secs())))?;
    let output = output.map_err(|error| failed(error.to_string()))?;
    let printed = Plaintext::new(output.stdout);
    if output.status.success() { Ok(printed) } else { Err(failed(format!("it failed: {}", output.status))) }
}

/// The bytes of a file, one more than `most` at the most: who reads it tells that it is too large.
///
/// # Errors
///
/// It cannot be read.
#[expect(clippy::disallowed_methods, reason = "the file is what was asked for")]
pub fn read_file(file: &Path, most: usize) -> io::Result<Plaintext> {
    read_all(std::fs::File::open(file)?, most)
}

/// The same of what is read to its end, such as the standard input.
///
/// # Errors
///
/// It cannot be read.
pub fn read_all(from: impl Read, most: usize) -> io::Result<Plaintext> {
    // As large as it can become: a buffer that grows leaves copies behind.
    let mut bytes = Vec::with_capacity(most + 2);
    match from.take(most as u64 + 1).read_to_end(&mut bytes) {
        Ok(_) => Ok(Plaintext::new(bytes)),
        Err(error) => {
            drop(Plaintext::new(bytes));
            Err(error)
        }
    }
}

/// Makes a key for the user of this machine in a file that only they can read, and gives its public half; of a file that is
/// there already, the public half of its key.
///
/// # Errors
///
/// The file cannot be written, or has no key.
#[expect(clippy::disallowed_methods, reason = "the user's own file")]
pub fn own_key(file: &Path) -> Result<(Keyring, bool), NoKeys> {
    use std::io::Write as _;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};

    let name = format!("the file {}", file.display());
    let failed = |error: io::Error| NoKeys::Unreadable { name: name.clone(), why: error.to_string() };
    if file.exists() {
        let text = read_file(file, KEYS_MAX).map_err(failed)?;
        return Ok((Keyring::parse(&text, &name)?, false));
    }
    if let Some(folder) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let (keys, text) = Keyring::generate();
    let mut opened =
        std::fs::File::options().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
    let written = opened.write_all(text.expose()).and_then(|()| opened.sync_all());
    if let Err(error) = written {
        // Half a key is none, and would be in the way.
        let _is_told = std::fs::remove_file(file);
        return Err(failed(error));
    }
    Ok((keys, true))
}

/// The public key in a file, as `ssh-keygen` and `age-keygen -y` write one; in words why there is none.
///
/// # Errors
///
/// It cannot be read, is too large or no text.
pub fn public_of(file: &Path) -> Result<String, String> {
    let read = read_file(file, KEYS_MAX).map_err(|error| format!("{}: {error}", file.display()))?;
    // A private key may have been named in place of the public one: its bytes go no further than this.
    let text = std::str::from_utf8(read.expose()).map_err(|_| format!("{} is no text", file.display()))?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(line.unwrap_or_default().to_owned())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test looks at files")]
mod tests {
    use super::*;

    fn in_home(home: &Path) -> impl Fn(&str) -> Option<String> + Sync {
        let home = home.display().to_string();
        move |name| (name == "HOME").then(|| home.clone())
    }

    #[tokio::test]
    async fn what_is_named_wins_over_variables_and_these_over_files_of_the_user() {
        let dir = tempfile::tempdir().unwrap();
        let env = in_home(dir.path());
        let none = keyring(&[], &env).await.unwrap_err();
        assert!(matches!(none, NoKeys::NoneThere { .. }), "{none}");
        let own = own_file(&env).unwrap();
        let (mine, is_new) = own_key(&own).unwrap();
        assert!(is_new && !own_key(&own).unwrap().1);
        let found = keyring(&[], &env).await.unwrap();
        assert_eq!(found.keys.publics(), mine.publics());
        // An ssh file that is no key is passed over; a named one is not.
        let ssh = dir.path().join(".ssh");
        std::fs::create_dir(&ssh).unwrap();
        std::fs::write(ssh.join("id_ed25519"), "hunter2").unwrap();
        assert_eq!(keyring(&[], &env).await.unwrap().keys.len(), 1);
        let error = keyring(&[ssh.join("id_ed25519")], &env).await.unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        let (_, other) = Keyring::generate();
        let other = String::from_utf8(other.expose().to_vec()).unwrap();
        let text = |name: &str| if name == TEXT { Some(other.clone()) } else { env(name) };
        let by_variable = keyring(&[], &text).await.unwrap();
        assert_eq!(by_variable.from, ["the variable STACKCTL_KEY"]);
        assert_ne!(by_variable.keys.publics(), mine.publics());
        let named = keyring(&[own], &text).await.unwrap();
        assert_eq!(named.keys.publics(), mine.publics());
    }

    #[tokio::test]
    async fn a_command_prints_the_key_or_says_why_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key.txt");
        let (mine, _) = own_key(&file).unwrap();
        let words = format!("cat {}", file.display());
        let env = |name: &str| (name == COMMAND).then(|| words.clone());
        assert_eq!(keyring(&[], &env).await.unwrap().keys.publics(), mine.publics());
        for (words, why) in [("false", "it failed"), ("/no/such", "No such file"), ("echo hunter2", "line 1")]
        {
            let env = |name: &str| (name == COMMAND).then(|| words.to_owned());
            let error = keyring(&[], &env).await.unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("hunter2"), "{words}: {error}");
        }
    }

    #[test]
    fn a_key_is_for_its_owner_alone_and_what_is_too_large_is_seen() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a/key.txt");
        own_key(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_all(&[b'x'; 9][..], 5).unwrap().len(), 6);
        assert_eq!(read_all(&[b'x'; 5][..], 5).unwrap().len(), 5);
    }
}
