//! Finds the inventory: the flag, the variable, this folder, the user's configuration; or else the local engine
//! without a file.

use std::io;
use std::path::{Path, PathBuf};

use crate::yaml::Drawn;

use super::error::InventoryError;
use super::{Address, DEFAULT_SOCKET, FILE, Inventory, VARIABLE, contexts, parse_with};

/// Looks a variable up.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Finds and reads the inventory. Returns it with warnings.
#[expect(clippy::disallowed_methods, reason = "the inventory is a file")]
pub fn load(explicit: Option<&Path>, env: Env<'_>) -> Result<(Inventory, Vec<Drawn>), InventoryError> {
    let Some(path) = find(explicit, env) else { return Ok((without_file(env)?, Vec::new())) };
    let unreadable = |words: String| InventoryError::Unreadable { path: path.clone(), words };
    let text = std::fs::read_to_string(&path).map_err(|error| unreadable(words(&error)))?;
    let context = |name: &str| read_context(name, env);
    let (mut inventory, notes) = parse_with(&text, &path.to_string_lossy(), Some(&context))?;
    for file in [&mut inventory.ssh_config, &mut inventory.known_hosts_file].into_iter().flatten() {
        *file = at_home(file, env);
    }
    Ok((inventory, notes))
}

/// The file of docker's client about a context.
#[expect(clippy::disallowed_methods, reason = "docker keeps contexts in files")]
fn read_context(name: &str, env: Env<'_>) -> io::Result<Vec<u8>> {
    let config = set(env, "DOCKER_CONFIG").or_else(|| Some(set(env, "HOME")?.join(".docker")));
    std::fs::read(contexts::file(&config.ok_or(io::ErrorKind::NotFound)?, name))
}

/// A path in a variable, unless it is empty.
pub(super) fn set(env: Env<'_>, name: &str) -> Option<PathBuf> {
    env(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The folder of the user's inventories.
pub(super) fn user_folder(env: Env<'_>) -> Option<PathBuf> {
    let config = set(env, "XDG_CONFIG_HOME").or_else(|| Some(set(env, "HOME")?.join(".config")));
    config.map(|folder| folder.join("stackctl"))
}

/// The file to read, if there is one. A named file is used whether it exists or not.
#[must_use]
pub fn find(explicit: Option<&Path>, env: Env<'_>) -> Option<PathBuf> {
    if let Some(named) = explicit.map(Path::to_owned).or_else(|| set(env, VARIABLE)) {
        return Some(named);
    }
    let places = [Some(PathBuf::from(FILE)), user_folder(env).map(|folder| folder.join(FILE))];
    places.into_iter().flatten().find(|path| path.is_file())
}

/// The engine that `docker` itself would use, if stackctl supports it, as an inventory of one host.
///
/// # Errors
///
/// DOCKER_HOST is no address that is supported.
pub fn local(env: Env<'_>) -> Result<Inventory, InventoryError> {
    without_file(env)
}

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

/// Expands `~/`, which people also write into files.
fn at_home(path: &Path, env: Env<'_>) -> PathBuf {
    // The file's folder is already in front of it, as of every relative path.
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
    fn a_context_is_where_dockers_client_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        let inventory = folder.path().join(FILE);
        std::fs::write(&inventory, "hosts: {h1: 'context://lab', h2: h2}\n").unwrap();
        let keep = |config: &Path, host: &str| {
            let file = contexts::file(config, "lab");
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, format!("{{\"Endpoints\":{{\"docker\":{{\"Host\":\"{host}\"}}}}}}"))
                .unwrap();
        };
        let address = |pairs: &[(&str, &str)]| {
            let (read, _) = load(Some(&inventory), &env(pairs)).map_err(|error| format!("{error:?}"))?;
            Ok::<_, String>(read.hosts["h1"].address.to_string())
        };
        let missing = address(&[("HOME", home)]).unwrap_err();
        assert!(missing.contains("docker has no context of this name"), "{missing}");
        assert!(address(&[]).is_err());
        keep(&folder.path().join(".docker"), "ssh://root@h1");
        keep(&folder.path().join("other"), "unix:///run/d.sock");
        assert_eq!(address(&[("HOME", home)]).unwrap(), "ssh://root@h1");
        let other = folder.path().join("other");
        let pairs = [("HOME", home), ("DOCKER_CONFIG", other.to_str().unwrap())];
        assert_eq!(address(&pairs).unwrap(), "unix:///run/d.sock");
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
