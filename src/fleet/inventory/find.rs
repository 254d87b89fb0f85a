//! Where the inventory is: the flag, the variable, this folder, the user's configuration; or no file
//! and one local engine.

use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

use crate::yaml::{Drawn, Report};

use super::{Address, DEFAULT_SOCKET, Inventory, parse};

/// The file's name in a folder.
pub const FILE: &str = "stackctl.yml";
/// The variable that names it.
pub const VARIABLE: &str = "STACKCTL_INVENTORY";

/// Why there is no inventory.
#[derive(Debug, Error, Diagnostic)]
pub enum InventoryError {
    /// A file that was named, and cannot be read.
    #[error("the inventory {} cannot be read: {words}", path.display())]
    #[diagnostic(
        code(stackctl::inventory::unreadable),
        help(
            "name another with `-i FILE` or {VARIABLE}, or write one: `hosts: {{h1: \"ssh://root@10.0.0.1\"}}`"
        )
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        words: String,
    },
    /// Mistakes in the file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Faults(#[from] Report),
    /// A `DOCKER_HOST` that we cannot follow; taking another engine instead would be worse.
    #[error("DOCKER_HOST is `{value}`, and stackctl reaches engines by ssh:// and unix:// alone")]
    #[diagnostic(
        code(stackctl::inventory::bad_docker_host),
        help("unset DOCKER_HOST, or name the hosts in ./{FILE}")
    )]
    BadDockerHost {
        /// Its value.
        value: String,
    },
}

/// Looks a variable up.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Finds the inventory and reads it. With it come warnings.
#[expect(clippy::disallowed_methods, reason = "the inventory is a file")]
pub fn load(explicit: Option<&Path>, env: Env<'_>) -> Result<(Inventory, Vec<Drawn>), InventoryError> {
    let Some(path) = find(explicit, env) else { return Ok((without_file(env)?, Vec::new())) };
    let unreadable = |words: String| InventoryError::Unreadable { path: path.clone(), words };
    let text = std::fs::read_to_string(&path).map_err(|error| unreadable(words(&error)))?;
    let (mut inventory, notes) = parse(&text, &path.to_string_lossy())?;
    for file in [&mut inventory.ssh_config, &mut inventory.known_hosts_file].into_iter().flatten() {
        *file = at_home(file, env);
    }
    Ok((inventory, notes))
}

/// The file to read, if there is one. A file that was named is taken whether it is there or not.
#[must_use]
pub fn find(explicit: Option<&Path>, env: Env<'_>) -> Option<PathBuf> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(named) = explicit.map(Path::to_owned).or_else(|| set(VARIABLE)) {
        return Some(named);
    }
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    let places = [Some(PathBuf::from(FILE)), config.map(|folder| folder.join("stackctl").join(FILE))];
    places.into_iter().flatten().find(|path| path.is_file())
}

/// The engine that `docker` itself would use, as far as we can.
fn without_file(env: Env<'_>) -> Result<Inventory, InventoryError> {
    let address = match env("DOCKER_HOST").filter(|value| !value.is_empty()) {
        None => Address::Unix(PathBuf::from(DEFAULT_SOCKET)),
        Some(value) if value.contains("://") => {
            Address::parse(&value).map_err(|_| InventoryError::BadDockerHost { value })?
        }
        Some(value) => return Err(InventoryError::BadDockerHost { value }),
    };
    Ok(Inventory::local(address))
}

/// `~/` is the shell's word, and people write it into files.
fn at_home(path: &Path, env: Env<'_>) -> PathBuf {
    // The file's folder was put in front of it, as of everything relative.
    let mut parts = path.components().skip_while(|part| part.as_os_str() != "~").skip(1).peekable();
    match (parts.peek().is_some(), env("HOME")) {
        (true, Some(home)) => Path::new(&home).join(parts.collect::<PathBuf>()),
        (true, None) | (false, _) => path.to_owned(),
    }
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes the files that are to be found")]
mod tests {
    use super::*;

    fn env<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_flag_wins_over_the_variable_and_both_over_the_folders() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("stackctl");
        std::fs::create_dir(&config).unwrap();
        std::fs::write(config.join(FILE), "").unwrap();
        let xdg = folder.path().to_str().unwrap();
        let all = [(VARIABLE, "b.yml"), ("XDG_CONFIG_HOME", xdg)];
        assert_eq!(find(Some(Path::new("a.yml")), &env(&all)), Some("a.yml".into()));
        assert_eq!(find(None, &env(&all)), Some("b.yml".into()));
        assert_eq!(find(None, &env(&all[1..])), Some(config.join(FILE)));
        assert_eq!(find(None, &env(&[])), None);
    }

    #[test]
    fn without_a_file_there_is_the_engine_that_docker_uses() {
        let address = |value| {
            without_file(&env(&[("DOCKER_HOST", value)])).map(|i| i.hosts["local"].address.to_string())
        };
        assert_eq!(address("").unwrap(), "unix:///var/run/docker.sock");
        assert_eq!(address("unix:///run/d.sock").unwrap(), "unix:///run/d.sock");
        assert_eq!(address("ssh://me@h1").unwrap(), "ssh://me@h1");
        for bad in ["tcp://10.0.0.1:2375", "h1"] {
            assert!(matches!(address(bad), Err(InventoryError::BadDockerHost { .. })), "{bad}");
        }
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        let error = load(Some(Path::new("/nowhere/x.yml")), &env(&[])).unwrap_err();
        assert_eq!(error.to_string(), "the inventory /nowhere/x.yml cannot be read: there is no such file");
    }

    #[test]
    fn paths_start_at_the_file_and_the_tilde_at_home() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        std::fs::write(&file, "ssh_config: ~/.ssh/lab\nknown_hosts_file: known\nhosts: {h1: h1}\n").unwrap();
        let (inventory, _) = load(Some(&file), &env(&[("HOME", "/home/me")])).unwrap();
        assert_eq!(inventory.ssh_config, Some("/home/me/.ssh/lab".into()));
        assert_eq!(inventory.known_hosts_file, Some(folder.path().join("known")));
    }
}
