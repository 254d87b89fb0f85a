//! `stackctl service update`: one service changed by flags.

use std::collections::BTreeSet;

use super::flags::Flags;
use super::rollback;
use crate::cli::Context;
use crate::cli::cluster::{self, Cluster};
use crate::cli::edit;
use crate::cli::report::{Exit, Failure};
use crate::cli::rollout_args::StartArgs;
use crate::cli::service_name::{Named, named};
use crate::cli::verbs::full_names;
use crate::model::ImageRef;
use crate::model::image::Resolved;
use crate::ops::edit::SmallRelease;
use crate::orchestrator::Note;

/// Arguments of `service update`.
#[derive(Debug, clap::Args)]
pub struct Update {
    /// The service, STACK_SERVICE
    #[arg(value_name = "SERVICE", value_parser = named, add = crate::cli::complete::full_services())]
    pub service: Named,
    #[command(flatten)]
    pub flags: Flags,
    /// Do not ask the registry which image the tag of --image stands for
    #[arg(long)]
    pub no_resolve_image: bool,
    /// Undo the last change of the service
    #[arg(long)]
    pub rollback: bool,
    #[command(flatten)]
    pub start: StartArgs,
}

/// `--rollback` with other changes.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("--rollback cannot be combined with other changes: {}", .0.join(" "))]
#[diagnostic(code(stackctl::usage::rollback_alone), help("roll back first, then change the service"))]
struct RollbackAlone(Vec<String>);

pub(super) fn run(args: &Update, context: &Context) -> Result<Exit, Failure> {
    let words = args.flags.words();
    if args.rollback {
        if !words.is_empty() {
            return Err(Failure::usage(RollbackAlone(words)));
        }
        return rollback::back(context, &args.service, &args.start, "service update --rollback");
    }
    cluster::with(context, args.start.connect(), async |cluster: &Cluster| {
        let name = full_names(cluster, std::iter::once(&args.service)).await?.remove(0);
        let (resolved, notes) = resolve(args, cluster).await;
        let verb: Vec<String> = std::iter::once("service update".to_owned())
            .chain(words)
            .chain([name.service.to_string()])
            .collect();
        let change = args.flags.change(resolved, &cluster::env);
        let small = SmallRelease::update(name.stack, name.service, verb.join(" "), change);
        let all = vec![small.with_notes(notes)];
        edit::carry_out(context, cluster, &args.start, "service update", all).await
    })
}

/// Asks the registry about the new image. If it does not answer, that is a note, as in a deploy.
async fn resolve(args: &Update, cluster: &Cluster) -> (Option<Resolved>, Vec<Note>) {
    let Some(image) = args.flags.image.clone().filter(|_| !args.no_resolve_image) else {
        return (None, Vec::new());
    };
    // An image with a digest needs no look-up.
    if ImageRef::parse(&image).is_ok_and(|image| image.digest.is_some()) {
        return (None, Vec::new());
    }
    let answer = cluster.observer.resolve(&BTreeSet::from([image.clone()])).await.remove(&image);
    match answer {
        Some(Ok(resolved)) => (Some(resolved), Vec::new()),
        Some(Err(why)) => {
            let why = crate::orchestrator::pin::brief(&why);
            (None, vec![Note::NotPinned { images: vec![image], why }])
        }
        None => (None, Vec::new()),
    }
}
