//! Configs, secrets and mounts that land on each other, and configs and secrets where no file can be. Two of one kind in
//! one place are found where they are lowered.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Scene;
use crate::compose::paths::{clean, is_absolute};
use crate::compose::short::is_windows_path;
use crate::compose::stackfile::{FileRef, Service};
use crate::yaml::Span;

/// Where the kernel shows itself, or the engine mounts something else over what is put there.
const TAKEN: [&str; 3] = ["proc", "sys", "dev"];
/// Files that the engine makes itself.
const OF_THE_ENGINE: [&str; 3] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
/// Linux's limit on a path in bytes, the end of it included.
const PATH_MAX: usize = 4096;
/// Permissions, set-user-ID, set-group-ID and the sticky bit.
const MODE_MAX: u32 = 0o7777;

pub(super) fn check(scene: &Scene<'_>, service: &Service) {
    landing(scene, service);
    places(scene, service);
    for (what, files) in [("a config", &service.configs), ("a secret", &service.secrets)] {
        for mode in files.iter().filter_map(|file| file.mode) {
            if mode.value > MODE_MAX {
                scene.sink.push(
                    scene
                        .hopeless("bad_file_mode", format!("{what} of service `{}` has a mode that no file can have", service.key.value))
                        .at(mode.span, "more than permissions")
                        .help("the largest is 07777; YAML takes a number with a leading 0 for octal: `mode: 0440`"),
                );
            }
        }
    }
    owners(scene, service);
    within(scene, service);
}

/// Owners that are no numbers: names are known inside the image alone, and Swarm's tasks fail by one.
fn owners(scene: &Scene<'_>, service: &Service) {
    let (name, files) = (&service.key.value, kinds(service).into_iter());
    let files = files.flat_map(|(what, _, files)| files.iter().map(move |file| (what, file)));
    for (what, file) in files {
        for (key, id) in [("uid", &file.uid), ("gid", &file.gid)] {
            let Some(id) = id.as_ref().filter(|id| id.parse::<u32>().is_err()) else { continue };
            scene.sink.push(
                scene
                    .hopeless("bad_file_owner", format!("`{key}` of {what} of service `{name}` is no number"))
                    .at(id.span, "not a number from 0 to 4294967295")
                    .help(format!("write it as a number, such as `{key}: \"1000\"`: names are known only inside the image")),
            );
        }
    }
}

/// Files that are to be where no file can be.
fn places(scene: &Scene<'_>, service: &Service) {
    for (what, directory, files) in kinds(service) {
        for file in files {
            let (path, span) = target(file, directory);
            let place = clean(&path);
            let first = place[1..].split('/').next().unwrap_or_default();
            let why = match place.as_str() {
                _ if is_windows_path(&path) => continue,
                _ if path.split('/').any(|part| part == "..") => "`..` leads elsewhere",
                "/" => "this is the root directory",
                _ if path.len() >= PATH_MAX => "longer than a path can be: 4095 bytes",
                _ if path.ends_with('/') => "this is a directory",
                _ if TAKEN.contains(&first) => "the kernel or the engine has this place",
                place if OF_THE_ENGINE.contains(&place) => "the engine makes this file",
                _ => continue,
            };
            scene.sink.push(
                scene
                    .hopeless(
                        "bad_file_target",
                        format!("{what} of service `{}` cannot be here", service.key.value),
                    )
                    .at(span, why)
                    .help("give it the path of a file, such as `target: /etc/app.conf`"),
            );
        }
    }
}

/// A file below another, which would have to be a directory, and two in one place that are written in two ways. Each place
/// is looked up: files are compared with one another in no more steps than there are, however many there are.
fn within(scene: &Scene<'_>, service: &Service) {
    // The first of each place in the order of the file, and how it is written.
    let mut firsts: BTreeMap<String, (&str, String, Span)> = BTreeMap::new();
    let mut twins = Vec::new();
    for (what, directory, files) in kinds(service) {
        for file in files {
            let (path, span) = target(file, directory);
            match firsts.entry(clean(&path)) {
                Entry::Vacant(free) => drop(free.insert((what, path, span))),
                // What is written in the same way is found where it is lowered, or as a mount is.
                Entry::Occupied(taken) if taken.get().1 != path => {
                    twins.push((taken.key().clone(), what, span))
                }
                Entry::Occupied(_) => {}
            }
        }
    }
    let name = &service.key.value;
    for (place, (what, _, span)) in &firsts {
        // A longer one is no path of a file (`places`), and each directory of it would be looked up.
        let above = place.match_indices('/').map(|(at, _)| &place[..at]).filter(|_| place.len() <= PATH_MAX);
        if let Some((other, _, first)) = above.into_iter().find_map(|outer| firsts.get(outer)) {
            scene.sink.push(
                scene
                    .hopeless("bad_file_target", format!("{what} of service `{name}` is below {other}"))
                    .at(*span, "below a file")
                    .also(*first, format!("{other}: a file, not a directory"))
                    .help("give one of the two another `target`"),
            );
        }
    }
    for (place, what, span) in twins {
        let Some((other, _, first)) = firsts.get(&place) else { continue };
        scene.sink.push(
            scene
                .hopeless("duplicate_target", format!("service `{name}` has {other} and {what} in one place"))
                .at(span, "the same place")
                .also(*first, format!("{other} here"))
                .help("give one of the two another `target`"),
        );
    }
}

fn kinds(service: &Service) -> [(&'static str, &'static str, &Vec<FileRef>); 2] {
    [("a config", "/", &service.configs), ("a secret", "/run/secrets/", &service.secrets)]
}

/// Two of different kinds in one place.
fn landing(scene: &Scene<'_>, service: &Service) {
    let mut taken: BTreeMap<String, (&str, Span)> = BTreeMap::new();
    for mount in &service.volumes {
        taken.insert(mount.target.trim_end_matches('/').to_owned(), ("a mount", mount.target.span));
    }
    for (what, directory, files) in kinds(service) {
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
