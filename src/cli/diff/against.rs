//! A diff without hosts: against a snapshot.

use std::path::Path;

use super::super::snapshot;
use super::review::FromFiles;
use super::{Diff, show, what_if};
use crate::artifact::envelope::{self, Kind};
use crate::artifact::untold::{Untold, make_untold};
use crate::cli::Context;
use crate::cli::report::{Exit, Failure};
use crate::compose::Written;
use crate::engine::{Request, plan_without_hosts};
use crate::orchestrator::Note;
use crate::orchestrator::what_if::landings;

/// Plans from the observation in the snapshot.
pub(super) fn run(args: &Diff, path: &Path, context: &Context) -> Result<Exit, Failure> {
    let stack = args.stack.as_ref().map(|name| &name.stack);
    let loaded = args.stackfiles.load(stack, context)?;
    let document = snapshot::open(path, context)?;
    let key = snapshot::key_of(&document, args.key.as_deref())?;
    let mut spec = loaded.spec;
    let mut observed = document
        .observed(&spec, &key.clone().unwrap_or_default())
        .map_err(|words| Failure::refused(envelope::damaged(Kind::Snapshot, path, words)))?;
    let Untold { secrets, configs } = make_untold(&mut observed, &mut spec);
    let what_if = what_if(args, observed.nodes.keys())?;
    let lost = what_if.lose.clone();
    let is_real = what_if.is_empty();
    let request = Request {
        options: document.plan_options(args.prune),
        resolve: args.resolve_image.into(),
        what_if,
        ..Request::default()
    };
    let mut planned = plan_without_hosts(observed, spec, request);
    if !secrets.is_empty() {
        planned = planned.with_notes(vec![Note::SecretsUntold { secrets }]);
    }
    if !configs.is_empty() {
        planned = planned.with_notes(vec![Note::ConfigsUntold { configs }]);
    }
    let unknown = if key.is_none() { planned.hidden() } else { Vec::new() };
    if !unknown.is_empty() {
        planned = planned.with_notes(vec![Note::CannotTell { services: unknown }]);
    }
    context.ui.detail(&format!("Comparing with cluster {} as of {}", document.cluster, document.at));
    let of_ledger = document.stacks.get(planned.stack());
    let unknown = of_ledger.and_then(|stack| stack.unknown.as_ref()).or(document.ledger_unknown.as_ref());
    match (unknown, of_ledger) {
        (Some(why), _) => context.ui.detail(&format!("Drift is unknown: {why}")),
        (None, Some(stack)) if is_real => planned = planned.with_drift(stack.drift.clone()),
        (None, _) => {}
    }
    let landed = landings(planned.observed(), planned.stack(), &lost, planned.plan());
    let files = FromFiles {
        written: Written { sources: &loaded.sources, merged: &loaded.merged },
        notes: &loaded.notes,
    };
    show(
        args,
        context,
        &planned,
        (!is_real).then_some((&landed[..], &lost)),
        Some(&files),
        &super::Offers::default(),
    )
}
