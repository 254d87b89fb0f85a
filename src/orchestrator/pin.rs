//! Images are pinned to a digest when the plan is made, so that every node runs the same bits and a tag
//! that moves does not change what runs by itself.
//!
//! The modes are `docker stack deploy --resolve-image`'s. Where the look-up fails, an unchanged image
//! keeps the digest that runs: Docker drops the pin then, and rolls every task for an unchanged file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::note::Note;
use crate::model::spec::{Platform, StackSpec};
use crate::model::task::Task;
use crate::model::{ServiceName, image::ImageRef};

/// When a registry is asked for an image's digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResolveImage {
    /// Every time.
    #[default]
    Always,
    /// Only for services whose image differs from the one that was deployed.
    Changed,
    /// Never.
    Never,
}

/// What a registry said of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// `sha256:…`.
    pub digest: String,
    /// Platforms the image is made for.
    pub platforms: Vec<Platform>,
}

/// Answers of registries, by image as written; the error is the registry's words.
pub type Resolutions = BTreeMap<String, Result<Resolved, String>>;

/// Images a registry should be asked about before the plan is made.
#[must_use]
pub fn images_to_resolve<'t>(
    spec: &StackSpec,
    mode: ResolveImage,
    running: impl Iterator<Item = &'t Task>,
) -> Vec<String> {
    let deployed = deployed(running);
    let mut images: Vec<String> = spec
        .services
        .values()
        .filter(|service| match mode {
            ResolveImage::Always => true,
            ResolveImage::Changed => {
                deployed.get(&service.name).is_none_or(|task| task.spec.image != service.task.image)
            }
            ResolveImage::Never => false,
        })
        .filter(|service| !has_digest(&service.task.image))
        .map(|service| service.task.image.clone())
        .collect();
    images.sort();
    images.dedup();
    images
}

/// Puts digests and platforms into a spec.
pub fn pin<'t>(
    spec: &mut StackSpec,
    mode: ResolveImage,
    running: impl Iterator<Item = &'t Task>,
    answers: &Resolutions,
) -> Vec<Note> {
    let deployed = deployed(running);
    let mut notes = Vec::new();
    for service in spec.services.values_mut() {
        let image = service.task.image.clone();
        if has_digest(&image) {
            continue;
        }
        let kept = deployed
            .get(&service.name)
            .filter(|task| task.spec.image == image)
            .and_then(|task| task.spec.digest.clone());
        let unchanged = deployed.get(&service.name).is_some_and(|task| task.spec.image == image);
        let digest = match (mode, answers.get(&image)) {
            (ResolveImage::Never, _) => kept,
            (ResolveImage::Changed, _) if unchanged => kept,
            (_, Some(Ok(resolved))) => {
                service.placement.platforms.clone_from(&resolved.platforms);
                Some(resolved.digest.clone())
            }
            (_, Some(Err(why))) => {
                let note = if kept.is_some() {
                    Note::PinKept { image: image.clone(), why: why.clone() }
                } else {
                    Note::NotPinned { image: image.clone(), why: why.clone() }
                };
                notes.push(note);
                kept
            }
            (_, None) => kept,
        };
        if digest.is_some() {
            Arc::make_mut(&mut service.task).digest = digest;
        }
    }
    notes.sort();
    notes.dedup();
    notes
}

/// The newest task of each service: what was deployed last.
fn deployed<'t>(running: impl Iterator<Item = &'t Task>) -> BTreeMap<&'t ServiceName, &'t Task> {
    let mut newest: BTreeMap<&ServiceName, &Task> = BTreeMap::new();
    for task in running {
        let entry = newest.entry(&task.service).or_insert(task);
        if (task.is_live(), task.created_at, &task.id) > (entry.is_live(), entry.created_at, &entry.id) {
            *entry = task;
        }
    }
    newest
}

fn has_digest(image: &str) -> bool {
    ImageRef::parse(image).is_ok_and(|image| image.digest.is_some())
}
