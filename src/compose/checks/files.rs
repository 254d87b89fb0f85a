//! Configs, secrets and mounts that land on each other. Two of one kind are found where they are lowered.

use std::collections::BTreeMap;

use super::Scene;
use crate::compose::paths::is_absolute;
use crate::compose::stackfile::{FileRef, Service};
use crate::yaml::Span;

pub(super) fn check(scene: &Scene<'_>, service: &Service) {
    let mut taken: BTreeMap<String, (&str, Span)> = BTreeMap::new();
    for mount in &service.volumes {
        taken.insert(mount.target.trim_end_matches('/').to_owned(), ("a mount", mount.target.span));
    }
    for (what, directory, files) in
        [("a config", "/", &service.configs), ("a secret", "/run/secrets/", &service.secrets)]
    {
        for file in files {
            let (path, span) = target(file, directory);
            match taken.get(&path) {
                Some((other, first)) if *other != what => scene.sink.push(
                    scene
                        .hopeless(
                            "duplicate_target",
                            format!("service `{}` has {other} and {what} in one place", service.key.value),
                        )
                        .at(span, format!("{what} here"))
                        .also(*first, format!("{other} here"))
                        .help("give one of the two another `target`"),
                ),
                _ => drop(taken.insert(path, (what, span))),
            }
        }
    }
}

fn target(file: &FileRef, directory: &str) -> (String, Span) {
    let target = file.target.as_ref().filter(|target| !target.is_empty()).unwrap_or(&file.source);
    let path =
        if is_absolute(target) { target.value.clone() } else { format!("{directory}{}", target.value) };
    (path, target.span)
}
