//! `stackctl service update`: one service changed by flags.

use std::collections::BTreeSet;

use super::apply::apply;
use super::flags::Flags;
use super::rollback;
use crate::cli::Context;
use crate::cli::cluster::{self, Cluster};
use crate::cli::report::{Exit, Failure};
use crate::cli::rollout_args::StartArgs;
use crate::cli::service_name::{Named, named};
use crate::cli::small_release::{self, SmallRelease, edit};
use crate::cli::verbs::full_names;
use crate::model::ImageRef;
use crate::orchestrator::Note;
use crate::orchestrator::pin::Resolved;

/// Arguments of `service update`.
#[derive(Debug, clap::Args)]
pub struct Update {
    /// The service, STACK_SERVICE
    #[arg(value_name = "SERVICE", value_parser = named, add = crate::cli::complete::full_services())]
    pub service: Named,
    /// What is to be changed.
    #[command(flatten)]
    pub flags: Flags,
    /// Do not ask the registry which image the tag of --image stands for
    #[arg(long)]
    pub no_resolve_image: bool,
    /// Take the service back to what it was before it was changed last
    #[arg(long)]
    pub rollback: bool,
    /// How it is carried out.
    #[command(flatten)]
    pub start: StartArgs,
}

/// Nothing can be changed on the way back.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("--rollback goes with no other change: {}", .0.join(" "))]
#[diagnostic(
    code(stackctl::usage::rollback_alone),
    help("roll back first, and then change what is to be changed")
)]
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
        let (flags, service) = (args.flags.clone(), name.service);
        let edit = edit(&name.stack, move |_, mut current| {
            let changed = apply(&mut current.spec, &service, &flags, resolved.as_ref(), &cluster::env);
            changed.map(|()| current.spec).map_err(Failure::refused)
        });
        let all = vec![SmallRelease { stack: name.stack, verb: verb.join(" "), edit, notes }];
        small_release::carry_out(context, cluster, &args.start, "service update", all).await
    })
}

/// What the registry says of the new image. That it says nothing is a note, as in a deploy.
async fn resolve(args: &Update, cluster: &Cluster) -> (Option<Resolved>, Vec<Note>) {
    let Some(image) = args.flags.image.clone().filter(|_| !args.no_resolve_image) else {
        return (None, Vec::new());
    };
    // One that is pinned by whoever typed it is asked of nobody.
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
