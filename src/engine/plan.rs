//! Observes every host, asks the registries at the same time, and plans. Holds a [`ClusterReader`], which
//! cannot write: so nothing that only plans can write either.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ClusterReader;
use crate::fleet::Observer;
use crate::ledger::ReadRegisters;
use crate::model::image::Resolutions;
use crate::model::overlay;
use crate::model::{NodeFacts, NodeName, Observed, StackSpec, Timestamp};
pub use crate::orchestrator::lost::remember_lost;
use crate::orchestrator::pin::{ResolveImage, images_to_resolve, pin};
use crate::orchestrator::{PlanOptions, Planned, WhatIf};

/// What the user asked for besides the stackfile.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Choices of the plan.
    pub options: PlanOptions,
    pub resolve: ResolveImage,
    /// Hypothetical changes to the cluster.
    pub what_if: WhatIf,
    /// The last observations of lost nodes.
    pub last_seen: LastSeen,
    /// Images that hosts get before the plan is carried out.
    pub offered: Offered,
}

/// Images that hosts get before a plan is carried out: by node, their names and what its engine will call them.
pub type Offered = Arc<BTreeMap<NodeName, BTreeMap<String, String>>>;

/// The last observations of lost nodes.
pub type LastSeen = Arc<BTreeMap<NodeName, NodeFacts>>;

/// Observes and plans. Writes nothing anywhere.
pub async fn plan<R: ReadRegisters>(
    cluster_reader: ClusterReader<'_, R>,
    now: Timestamp,
    spec: StackSpec,
    request: Request,
) -> Planned {
    let observer = cluster_reader.observer;
    // Registries are asked while the hosts are: one round, not two.
    let nothing = std::iter::empty;
    let early: BTreeSet<String> = match request.resolve {
        ResolveImage::Always => images_to_resolve(&spec, request.resolve, nothing()).into_iter().collect(),
        ResolveImage::Changed | ResolveImage::Never => BTreeSet::new(),
    };
    let (mut observed, mut answers) = tokio::join!(cluster_reader.observe(now), observer.resolve(&early));
    let mut options = request.options;
    remember_lost(&mut observed, &mut options.lost, &request.last_seen);
    request.what_if.apply(&mut observed, &mut options);
    offer(&mut observed, &request.offered);
    ask_memory(observer, &mut observed, &spec).await;
    if request.resolve == ResolveImage::Changed {
        let running = observed.tasks().filter(|task| task.stack == spec.name);
        let late: BTreeSet<String> = images_to_resolve(&spec, request.resolve, running).into_iter().collect();
        answers = observer.resolve(&late).await;
    }
    plan_on(observed, spec, options, request.resolve, &answers)
}

/// As hosts will be once they have got these images.
fn offer(observed: &mut Observed, offered: &Offered) {
    for (node, images) in &**offered {
        let facts = observed.nodes.get_mut(node).and_then(|node| node.view.facts_mut());
        let Some(facts) = facts else { continue };
        for (name, id) in images {
            facts.images.insert(name.clone());
            facts.image_ids.insert(name.clone(), id.clone());
            facts.image_ids.insert(id.clone(), id.clone());
        }
    }
}

/// Asks the tasks that are to get a lower memory limit how much they use.
pub async fn ask_memory(observer: &Observer, observed: &mut Observed, spec: &StackSpec) {
    let lowered = overlay::lowered(observed, spec);
    if !lowered.is_empty() {
        let uses = observer.memory_use(&lowered).await;
        observed.memory_use.extend(uses);
    }
}

/// Plans on an observation without asking a host: tags without a running digest stay tags, and a note says
/// so.
#[must_use]
pub fn plan_without_hosts(mut observed: Observed, spec: StackSpec, request: Request) -> Planned {
    const WHY: &str = "no registry is asked without hosts";
    let mut options = request.options;
    remember_lost(&mut observed, &mut options.lost, &request.last_seen);
    request.what_if.apply(&mut observed, &mut options);
    let resolve = match request.resolve {
        ResolveImage::Always | ResolveImage::Changed => ResolveImage::Changed,
        ResolveImage::Never => ResolveImage::Never,
    };
    let running = observed.tasks().filter(|task| task.stack == spec.name);
    let open = images_to_resolve(&spec, resolve, running);
    let answers = open.into_iter().map(|image| (image, Err(WHY.to_owned()))).collect();
    plan_on(observed, spec, options, resolve, &answers)
}

fn plan_on(
    observed: Observed,
    mut spec: StackSpec,
    options: PlanOptions,
    resolve: ResolveImage,
    answers: &Resolutions,
) -> Planned {
    let stack = spec.name.clone();
    let running = observed.tasks().filter(|task| task.stack == stack);
    let mut notes = pin(&mut spec, resolve, running, answers);
    let planned = Planned::make(observed, spec, options);
    if planned.plan().is_empty() {
        notes.retain(|note| !note.is_about_doing());
    }
    planned.with_notes(notes)
}
