//! Images without a digest, which were loaded or built on their host: they count by the engine's id.
//!
//! A digest is the same everywhere and is compared as part of the spec. An id is not: another engine may give the same
//! image another one. So ids are compared host by host, and what was observed is brought into the words of what is
//! wanted before anything is decided.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::note::Note;
use super::site::name_on_node;
use crate::model::image::ImageRef;
use crate::model::{Marks, NodeFacts, Observed, ServiceName, StackSpec, Task, TaskSpec};

/// Gives tasks whose image is the wanted one under another name the wanted name, and tasks whose image has lost its name
/// to another the id of their own. The second is a change, and not for a loop to make (`is_upkeep`): it keeps what was
/// declared, and nothing was.
pub(super) fn fold(observed: &mut Arc<Observed>, wanted: &StackSpec, is_upkeep: bool) -> BTreeSet<Note> {
    if !has_any(observed, wanted, is_upkeep) {
        return BTreeSet::new();
    }
    rewrite(Arc::make_mut(observed), wanted, is_upkeep)
}

/// The observation as a loop is to see it. Nothing is copied where nothing has another name.
#[must_use]
pub fn folded<'o>(observed: &'o Observed, wanted: &StackSpec) -> Cow<'o, Observed> {
    if !has_any(observed, wanted, true) {
        return Cow::Borrowed(observed);
    }
    let mut all = observed.clone();
    let _notes_are_for_people = rewrite(&mut all, wanted, true);
    Cow::Owned(all)
}

/// Services with tasks whose image has lost its name to another one: the next deploy replaces these.
#[must_use]
pub fn reloaded(observed: &Observed, wanted: &StackSpec) -> BTreeSet<ServiceName> {
    let of_node =
        observed.reachable().flat_map(|(_, facts)| facts.tasks.iter().map(move |task| (facts, task)));
    let is_reloaded = |(facts, task): &(&NodeFacts, &Task)| {
        task.is_live()
            && folded_spec(facts, task, wanted, false).is_some()
            && folded_spec(facts, task, wanted, true).is_none()
    };
    of_node.filter(is_reloaded).map(|(_, task)| task.service.clone()).collect()
}

fn has_any(observed: &Observed, wanted: &StackSpec, is_upkeep: bool) -> bool {
    let folds = |facts: &NodeFacts, task: &Task| folded_spec(facts, task, wanted, is_upkeep).is_some();
    observed.reachable().any(|(_, facts)| facts.tasks.iter().any(|task| folds(facts, task)))
}

fn rewrite(observed: &mut Observed, wanted: &StackSpec, is_upkeep: bool) -> BTreeSet<Note> {
    let (mut notes, key) = (BTreeSet::new(), observed.key.clone());
    for facts in observed.nodes.values_mut().filter_map(|node| node.view.facts_mut()) {
        for at in 0..facts.tasks.len() {
            let Some(spec) = folded_spec(facts, &facts.tasks[at], wanted, is_upkeep) else { continue };
            let task = &mut facts.tasks[at];
            if spec.image != task.spec.image {
                let (was, is) = (task.spec.image.clone(), spec.image.clone());
                notes.insert(Note::SameImage { service: task.service.clone(), was, is });
            }
            task.spec_hash = Marks::of(&key, &task.stack, &task.service).hash(&spec);
            task.spec = Arc::new(spec);
        }
    }
    notes
}

/// The spec of a task in the words of the wanted one, where that is another.
fn folded_spec(facts: &NodeFacts, task: &Task, wanted: &StackSpec, is_upkeep: bool) -> Option<TaskSpec> {
    let service = wanted.services.get(&task.service).filter(|_| task.stack == wanted.name)?;
    let wanted = &service.task;
    if has_digest(&task.spec) && has_digest(wanted) {
        return None;
    }
    let made_from = facts.task_images.get(&task.id)?;
    let is = facts.image_ids.get(&name_on_node(&wanted.pinned_image())?)?;
    let (image, digest) = if made_from == is {
        (wanted.image.clone(), wanted.digest.clone())
    } else {
        let is_renamed = !is_upkeep
            && !has_digest(&task.spec)
            && !has_digest(wanted)
            && task.spec.image == wanted.image
            // Engines that keep images by platform list another id than containers have. That is no change.
            && facts.image_ids.contains_key(made_from);
        if !is_renamed {
            return None;
        }
        (task.spec.image.clone(), Some(made_from.clone()))
    };
    let is_news = image != task.spec.image || digest != task.spec.digest;
    is_news.then(|| TaskSpec { image, digest, ..TaskSpec::clone(&task.spec) })
}

fn has_digest(spec: &TaskSpec) -> bool {
    spec.digest.is_some() || ImageRef::parse(&spec.image).is_ok_and(|image| image.digest.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::*;
    use crate::model::{ServiceSpec, StackName, TaskId};
    use crate::orchestrator::{Plan, PlanOptions, Planned, drift};

    const OLD: &str = "sha256:aa";
    const NEW: &str = "sha256:bb";

    /// Two tasks of `web:1` that were made from `OLD`, on a host with images of these names and ids.
    fn running(images: &[(&str, &str)]) -> Observed {
        let (service, mut observed) = (replicated("web", 2), nodes(1));
        let facts = facts(observed.nodes.values_mut().next().unwrap());
        for number in 1..=2 {
            facts.tasks.push(task_of(&StackName::unchecked(STACK), &service, number));
            facts.task_images.insert(TaskId::unchecked(&format!("web{number}")), OLD.to_owned());
        }
        facts.images = images.iter().map(|(name, _)| (*name).to_owned()).collect();
        facts.image_ids = images.iter().map(|(name, id)| ((*name).to_owned(), (*id).to_owned())).collect();
        observed
    }

    fn plan(observed: Observed, service: ServiceSpec, upkeep: bool) -> Planned {
        Planned::make(observed, stack(vec![service]), PlanOptions { upkeep, ..PlanOptions::default() })
    }

    #[test]
    fn another_name_of_the_same_image_is_a_note() {
        let images = [("web:1", OLD), ("web:2", OLD)];
        let planned = plan(running(&images), with_image(replicated("web", 2), "web:2"), false);
        assert!(planned.plan().is_empty() && planned.plan().diff.is_empty(), "{:?}", planned.plan().diff);
        let note =
            Note::SameImage { service: service_name("web"), was: "web:1".to_owned(), is: "web:2".to_owned() };
        assert_eq!(planned.plan().notes.iter().filter(|other| **other == note).count(), 1);
        let other = [("web:1", OLD), ("web:2", NEW)];
        let planned = plan(running(&other), with_image(replicated("web", 2), "web:2"), false);
        assert_eq!(planned.plan().forecast.summary().replace, 2);
    }

    #[test]
    fn another_image_under_the_same_name_replaces_what_runs_and_no_loop_does_it() {
        let loaded = [("web:1", NEW), (OLD, OLD)];
        let planned = plan(running(&loaded), replicated("web", 2), false);
        assert_eq!(planned.plan().forecast.summary().replace, 2);
        assert_eq!(planned.plan().diff.services[0].changes[0].path, "image");
        assert!(plan(running(&loaded), replicated("web", 2), true).plan().is_empty());
        let spec = stack(vec![replicated("web", 2)]);
        let amiss = Planned::amiss(running(&loaded), spec.clone(), PlanOptions::default());
        assert!(amiss.plan().is_empty());
        assert_eq!(reloaded(&running(&loaded), &spec), [service_name("web")].into());
        assert!(reloaded(&running(&[("web:1", OLD)]), &spec).is_empty());
        // As a loop judges, which makes no plan to be carried out.
        let renamed = running(&[("web:1", OLD), ("web:2", OLD)]);
        let spec = stack(vec![with_image(replicated("web", 2), "web:2")]);
        let looked = folded(&renamed, &spec);
        assert!(Plan::make(&looked, &spec, PlanOptions::default()).is_empty());
        assert!(drift(&looked, &spec, &PlanOptions::default()).is_empty());
        let by_platform = [("web:1", NEW)];
        assert!(plan(running(&by_platform), replicated("web", 2), false).plan().is_empty());
        assert!(plan(running(&[]), replicated("web", 2), false).plan().diff.is_empty());
    }
}
