//! The user's inventories by cluster: `--cluster NAME` picks one.
//!
//! They are the files `*.yml` of the folder in which the default inventory is looked for, too.

use std::path::PathBuf;

use super::error::{ClusterFile, InventoryError};
use super::find::{Env, user_folder};
use super::parse::cluster_of;

/// All inventories of the user, in order of cluster and file.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "inventories are files")]
pub fn clusters(env: Env<'_>) -> Vec<ClusterFile> {
    let Some(folder) = user_folder(env) else { return Vec::new() };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = entries.filter(|path| path.extension().is_some_and(|end| end == "yml") && path.is_file());
    let cluster = |file: &PathBuf| cluster_of(&std::fs::read_to_string(file).ok()?);
    let mut known: Vec<ClusterFile> = files
        .map(|file| ClusterFile { cluster: cluster(&file).map(|name| name.to_string()), file })
        .collect();
    known.sort();
    known
}

/// The inventory of this cluster.
pub fn by_cluster(name: &str, env: Env<'_>) -> Result<PathBuf, InventoryError> {
    let known = clusters(env);
    let of_name = known.iter().filter(|one| one.cluster.as_deref() == Some(name));
    let mut files: Vec<PathBuf> = of_name.map(|one| one.file.clone()).collect();
    let (name, folder) = (name.to_owned(), user_folder(env).unwrap_or_default());
    match (files.pop(), files.len()) {
        (Some(file), 0) => Ok(file),
        (None, _) => Err(InventoryError::UnknownCluster { name, folder, known }),
        (Some(last), _) => {
            files.push(last);
            Err(InventoryError::AmbiguousCluster { name, folder, files, known })
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes the files that are to be found")]
mod tests {
    use miette::Diagnostic as _;

    use super::*;

    fn message(error: &InventoryError) -> String {
        format!("{error}; {}", error.help().unwrap())
    }

    #[test]
    fn a_cluster_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap().to_owned();
        let env = |name: &str| (name == "HOME").then(|| home.clone());
        let all = folder.path().join(".config/stackctl");
        let none = message(&by_cluster("prod", &env).unwrap_err());
        assert!(
            none.ends_with("it has no inventories: write one there, with `cluster: NAME` at its top"),
            "{none}"
        );
        std::fs::create_dir_all(&all).unwrap();
        for (file, text) in [
            ("stackctl.yml", "hosts: {h1: h1}\n"),
            ("p.yml", "cluster: prod\nhosts: {h1: tcp://wrong}\n"),
            ("lab1.yml", "cluster: lab\n"),
            ("lab2.yml", "{cluster: lab}\n"),
            ("broken.yml", "cluster: [\n"),
            ("other.yaml", "cluster: other\n"),
        ] {
            std::fs::write(all.join(file), text).unwrap();
        }
        assert_eq!(by_cluster("prod", &env).unwrap(), all.join("p.yml"), "whatever else is wrong with it");
        assert_eq!(by_cluster("default", &env).unwrap(), all.join("stackctl.yml"));
        let there = "there are: `default` (stackctl.yml), `lab` (lab1.yml), `lab` (lab2.yml), `prod` (p.yml), \
                     broken.yml cannot be read";
        assert_eq!(
            message(&by_cluster("other", &env).unwrap_err()),
            format!("no inventory in {} belongs to cluster `other`; {there}", all.display())
        );
        assert_eq!(
            message(&by_cluster("lab", &env).unwrap_err()),
            format!(
                "2 inventories in {} belong to cluster `lab`; name one of them with `-i FILE`; {there}",
                all.display()
            )
        );
    }

    #[test]
    fn the_folder_is_where_the_default_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let xdg = folder.path().to_str().unwrap().to_owned();
        let env = |name: &str| (name == "XDG_CONFIG_HOME").then(|| xdg.clone());
        std::fs::create_dir(folder.path().join("stackctl")).unwrap();
        let file = folder.path().join("stackctl/a.yml");
        std::fs::write(&file, "cluster: a\n").unwrap();
        assert_eq!(by_cluster("a", &env).unwrap(), file);
        assert_eq!(clusters(&|_| None), []);
    }
}
