//! Files of a task that are swapped while its container runs: secrets, and the configs beside them.
//!
//! A file that is mounted by itself is the same file for as long as its container runs. So all files of such a task stand in
//! one folder of its host's memory, which is mounted as `/run/secrets`: a folder for each set of them, and a link `..data` to
//! the set that holds. A new set is written whole beside the old one, and then the link is renamed: a reader finds all
//! files of one set, or all of the other. What has another place in the container is a link there, to its file in the set.
//!
//! Variables whose values are secrets are not among them: a process reads its variables once, when it starts.

use super::secret_env;
use super::spec::{FileMount, Mount, TaskSpec};

/// The folder in containers, in which docker puts secrets.
pub const FOLDER: &str = "/run/secrets";
/// In it, the link to the set that holds.
pub const NOW: &str = "..data";
/// What names in the folder begin with that are not files of a task.
const OURS: &str = "..";
/// Where the kernel or the engine puts something else over what a container was made with.
const COVERED: [&str; 4] = ["/dev", "/proc", "/sys", "/var/run"];

/// Whether a secret at this place is swapped, and no variable.
#[must_use]
pub fn is_file(target: &str) -> bool {
    secret_env::variable_of(target).is_none()
}

/// The secrets of a task that are files.
pub fn secrets(spec: &TaskSpec) -> impl Iterator<Item = (&String, &FileMount)> {
    spec.secrets.iter().filter(|(target, _)| is_file(target))
}

/// The same, to be changed.
pub fn secrets_mut(spec: &mut TaskSpec) -> impl Iterator<Item = (&String, &mut FileMount)> {
    spec.secrets.iter_mut().filter(|(target, _)| is_file(target))
}

/// The name of a file in the folder, if it is there that it is looked for.
#[must_use]
pub fn name_in_folder(target: &str) -> Option<&str> {
    target.strip_prefix(FOLDER)?.strip_prefix('/').filter(|name| !name.is_empty())
}

/// What a link elsewhere in the container says, to the file at this place in the list of files.
#[must_use]
pub fn link_to(at: usize) -> String {
    format!("{FOLDER}/{NOW}/{at}")
}

/// Whether files of tasks with this spec are swapped: nothing where there are none to be, and otherwise why they are not, if
/// they are not.
#[must_use]
pub fn of(spec: &TaskSpec) -> Option<Result<(), String>> {
    let mut targets: Vec<&str> = secrets(spec).map(|(target, _)| target.as_str()).collect();
    if spec.on_config.is_none() || targets.is_empty() {
        return None;
    }
    targets.extend(spec.configs.keys().map(String::as_str));
    Some(why_not(spec, &targets).map_or(Ok(()), Err))
}

/// Why the files at these places cannot be swapped in a container of this task, if they cannot.
fn why_not(spec: &TaskSpec, targets: &[&str]) -> Option<String> {
    let is_in = |path: &str, folder: &str| {
        path.strip_prefix(folder.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if let Some(mounted) = spec.volumes.keys().find(|mounted| is_in(mounted, FOLDER)) {
        return Some(format!("something else is mounted at {mounted}"));
    }
    for target in targets {
        if let Some(name) = name_in_folder(target) {
            let is_ours =
                name.split('/').any(|part| part.is_empty() || part.starts_with(OURS) || part == ".");
            let is_folder = targets.iter().any(|other| other != target && is_in(other, target));
            if is_ours || is_folder {
                return Some(format!("{target} is no name for a file of that folder"));
            }
            continue;
        }
        if is_in(target, FOLDER) || COVERED.iter().any(|folder| is_in(target, folder)) {
            return Some(format!("there can be no link at {target}"));
        }
        if let Some((mounted, mount)) = spec.volumes.iter().find(|(mounted, _)| is_in(target, mounted)) {
            let what = if matches!(mount, Mount::Tmpfs { .. }) { "tmpfs" } else { "mount" };
            return Some(format!("{target} is in the {what} at {mounted}, where there can be no link to it"));
        }
        // A config has the folder that it is in made a volume there.
        if spec.read_only && !spec.configs.contains_key(*target) {
            return Some(format!("the root is read-only, so that there can be no link at {target}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::file_mount;

    #[test]
    fn a_file_is_in_the_folder_or_a_link_to_it_and_a_variable_is_neither() {
        let mut spec = TaskSpec::default();
        for target in ["/run/secrets/db", "/etc/key", "/run/stackctl/env/DB"] {
            spec.secrets.insert(target.into(), file_mount("db", "v1"));
        }
        assert_eq!(of(&spec), None, "no signal has them read again");
        spec.on_config = Some("SIGHUP".into());
        assert_eq!(of(&spec), Some(Ok(())));
        spec.read_only = true;
        assert!(of(&spec).is_some_and(|can| can.is_err()));
        let files: Vec<&String> = secrets(&spec).map(|(target, _)| target).collect();
        assert_eq!(files, ["/etc/key", "/run/secrets/db"]);
        assert_eq!(name_in_folder("/run/secrets/a/b"), Some("a/b"));
        for target in ["/run/secrets", "/run/secrets/", "/run/secrets2/a", "/etc/a"] {
            assert_eq!(name_in_folder(target), None, "{target}");
        }
        assert_eq!(link_to(3), "/run/secrets/..data/3");
    }

    #[test]
    fn where_no_link_can_be_nothing_is_swapped_and_it_is_said_why() {
        let tmpfs = || Mount::Tmpfs { size: 0, mode: None, options: Vec::new() };
        let with = |mounted: &[&str], read_only: bool| TaskSpec {
            volumes: mounted.iter().map(|target| ((*target).to_owned(), tmpfs())).collect(),
            configs: [("/etc/site.conf".to_owned(), file_mount("site", "x"))].into(),
            read_only,
            ..TaskSpec::default()
        };
        let why = |mounted: &[&str], read_only, targets: &[&str]| why_not(&with(mounted, read_only), targets);
        for targets in [
            &["/run/secrets/a", "/run/secrets/b/c"][..],
            &["/etc/key", "/etc/site.conf"],
            &["/run/other/a", "/devices/a"],
        ] {
            assert_eq!(why(&[], false, targets), None, "{targets:?}");
        }
        assert_eq!(why(&["/run", "/tmp"], true, &["/run/secrets/a", "/etc/site.conf"]), None);
        for (mounted, read_only, targets, said) in [
            (
                &["/run/secrets"][..],
                false,
                &["/run/secrets/a"][..],
                "something else is mounted at /run/secrets",
            ),
            (&["/run/secrets/x"], false, &["/run/secrets/a"], "mounted at /run/secrets/x"),
            (&[], false, &["/run/secrets/..data"], "/run/secrets/..data is no name"),
            (&[], false, &["/run/secrets/a", "/run/secrets/a/b"], "/run/secrets/a is no name"),
            (&[], false, &["/dev/shm/a"], "no link at /dev/shm/a"),
            (&[], false, &["/var/run/secrets/a"], "no link at /var/run/secrets/a"),
            (&["/etc"], false, &["/etc/key"], "/etc/key is in the tmpfs at /etc"),
            (&["/"], false, &["/etc/key"], "in the tmpfs at /,"),
            (&[], true, &["/etc/key"], "the root is read-only"),
        ] {
            let found = why(mounted, read_only, targets).unwrap_or_default();
            assert!(found.contains(said), "{mounted:?} {targets:?}: {found}");
        }
    }
}
