//! Images are pinned to a digest when the plan is made, so that every node runs the same bits and a tag
//! that moves does not change what runs by itself.
//!
//! The modes are `docker stack deploy --resolve-image`'s. If the look-up fails, an unchanged image keeps the
//! running digest: Docker drops the pin then, and rolls every task for an unchanged file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::note::Note;
use crate::model::image::Resolutions;
use crate::model::spec::StackSpec;
use crate::model::task::Task;
use crate::model::{ServiceName, image::ImageRef};

/// When a registry is asked for an image's digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResolveImage {
    #[default]
    Always,
    /// Only for services whose image differs from the one that was deployed.
    Changed,
    Never,
}

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
    take_over_forced(spec, &deployed);
    let mut same = Vec::new();
    // One note for all images with the same error: a registry that is down is reported once.
    let (mut kept_pins, mut unpinned) = (Troubles::new(), Troubles::new());
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
                let troubles = if kept.is_some() { &mut kept_pins } else { &mut unpinned };
                troubles.entry(brief(why)).or_default().insert(image.clone());
                kept
            }
            (_, None) => kept,
        };
        let runs = deployed.get(&service.name).map(|task| &task.spec);
        if let Some(runs) =
            runs.filter(|runs| digest.is_some() && runs.digest == digest && runs.image != image)
        {
            let (service, was) = (service.name.clone(), runs.image.clone());
            same.push(Note::SameImage { service, was, is: image });
        }
        if digest.is_some() {
            Arc::make_mut(&mut service.task).digest = digest;
        }
    }
    let kept = kept_pins.into_iter().map(|(why, images)| (why, images.into_iter().collect()));
    let open = unpinned.into_iter().map(|(why, images)| (why, images.into_iter().collect()));
    kept.map(|(why, images)| Note::PinKept { images, why })
        .chain(open.map(|(why, images)| Note::NotPinned { images, why }))
        .chain(same)
        .collect()
}

/// Takes over from what runs how often its tasks were replaced by force, as `docker stack deploy` does: a
/// restart is no change that a later deploy, or a rollback, would have to undo.
pub fn keep_forced<'t>(spec: &mut StackSpec, running: impl Iterator<Item = &'t Task>) {
    take_over_forced(spec, &deployed(running));
}

fn take_over_forced(spec: &mut StackSpec, deployed: &BTreeMap<&ServiceName, &Task>) {
    for service in spec.services.values_mut() {
        let forced = deployed.get(&service.name).map_or(0, |task| task.spec.force_update);
        if service.task.force_update != forced {
            Arc::make_mut(&mut service.task).force_update = forced;
        }
    }
}

/// What went wrong, and the images it went wrong for.
type Troubles = BTreeMap<String, BTreeSet<String>>;

/// An engine's account of a registry it cannot reach names sockets that differ each time; equal
/// circumstances must make equal plans. What a registry itself says is left as it is.
#[must_use]
pub fn brief(why: &str) -> String {
    let Some((_, after)) = why.split_once("dial tcp") else { return why.to_owned() };
    let last = after.rsplit(": ").next().unwrap_or(after).trim();
    format!("the registry cannot be reached: {last}")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::image::Resolved;
    use crate::model::testing::*;

    fn answer(text: &str) -> Resolutions {
        let resolved = Resolved { digest: format!("sha256:{text}"), platforms: Vec::new() };
        [("web:1".to_owned(), Ok(resolved))].into()
    }

    #[test]
    fn images_are_pinned_to_what_the_registry_says() {
        let mut spec = stack(vec![replicated("web", 1)]);
        assert!(pin(&mut spec, ResolveImage::Always, std::iter::empty(), &answer("aa")).is_empty());
        assert_eq!(spec.services["web"].task.digest.as_deref(), Some("sha256:aa"));
    }

    #[test]
    fn a_restart_is_nothing_that_a_deploy_would_undo() {
        let restarted = with_task(replicated("web", 1), |task| task.force_update = 3);
        let task = Task {
            id: crate::model::TaskId::unchecked("t1"),
            stack: crate::model::StackName::unchecked(STACK),
            service: service_name("web"),
            slot: crate::model::task::Slot::Replica(1),
            node: node_name("n1"),
            attempt: 1,
            is_job: false,
            spec_hash: hash_of(&crate::model::StackName::unchecked(STACK), &restarted),
            spec: Arc::clone(&restarted.task),
            key_id: None,
            container: "app_web.1.t1".into(),
            status: crate::model::TaskStatus::Running { health: crate::model::Health::None },
            created_at: crate::model::Timestamp(0),
            since: None,
            published: Vec::new(),
        };
        let mut spec = stack(vec![replicated("web", 1), replicated("new", 1)]);
        pin(&mut spec, ResolveImage::Never, [&task].into_iter(), &Resolutions::new());
        let forced = |name: &str| spec.services[name].task.force_update;
        assert_eq!((forced("web"), forced("new")), (3, 0));
        assert_eq!(hash_of(&spec.name, &spec.services["web"]), hash_of(&spec.name, &restarted));
    }

    #[test]
    fn a_pinned_image_is_not_looked_up() {
        let pinned = format!("web:1@sha256:{}", "a".repeat(64));
        let spec = stack(vec![with_image(replicated("web", 1), &pinned)]);
        assert!(images_to_resolve(&spec, ResolveImage::Always, std::iter::empty()).is_empty());
    }

    #[test]
    fn one_registry_that_is_down_is_one_note_without_sockets() {
        let mut spec = stack(vec![replicated("a", 1), replicated("b", 1)]);
        let why = |port: u16| {
            Err(format!(
                "Get \"https://r/v2/\": dial tcp: lookup r on 10.0.0.1:53: read udp 10.0.0.2:{port}->10.0.0.1:53: read: connection refused"
            ))
        };
        let answers = [("a:1".to_owned(), why(1)), ("b:1".to_owned(), why(2))].into();
        let notes = pin(&mut spec, ResolveImage::Always, std::iter::empty(), &answers);
        let printed: Vec<String> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(
            printed,
            [
                "not pinned to a digest, used or pulled by tag (the registry cannot be reached: connection refused): a:1, b:1"
            ]
        );
    }
}
