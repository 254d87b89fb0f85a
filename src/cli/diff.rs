//! `stackctl diff`: shows what a deploy would do, and changes nothing.

mod against;
mod review;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{ValueEnum, ValueHint};

use super::Context;
use super::cluster;
use super::deploy::ResolveImage;
use super::image::offer::Offers;
use super::records::{drifted, remembered};
use super::release_name::{ReleaseName, find_named, release_name, warn_of_sealed};
use super::render::plan;
use super::render::table::align;
use super::render::text::clean;
use super::report::{self, Exit, Failure};
use super::rollout::{self, Kind};
use super::rollout_args::{RegistryAuth, values};
use super::saved_plan;
use super::show::yaml;
use super::stackfiles::Stackfiles;
use crate::artifact::redact::masked_stack;
use crate::artifact::saved_plan::SavedPlanError;
use crate::compose::{SecretFiles, SecretTexts, Written, short};
use crate::engine::{self, Request};
use crate::fleet::ConnectOptions;
use crate::model::json::json_line;
use crate::model::{ClusterName, MarkKey, NodeName, StackSpec};
use crate::ops::cluster::Cluster;
use crate::ops::records::Release;
use crate::ops::vault::stack::settle_as_known;
use crate::orchestrator::what_if::{Landing, NewNode, landings};
use crate::orchestrator::{Note, Planned, WhatIf, pin};
use review::FromFiles;

/// How a mark begins.
const MARK: &str = "(hidden:";

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("See what would change (status 2 if something would)", "stackctl diff -c docker-compose.yml shop"),
    (
        "As a comment on a pull request, without access to the hosts",
        "stackctl diff --against snapshot.json --format markdown -c app.yml shop",
    ),
    (
        "Save the plan and carry it out later; a stale plan is refused",
        "stackctl diff --out plan.bin -c app.yml shop; stackctl deploy plan.bin",
    ),
];

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
pub struct Diff {
    /// Name of the stack [default: the stackfile's `name`]; or one of its releases, STACK@N, to see what a
    /// rollback to it would do
    #[arg(value_name = "STACK[@N]", value_parser = release_name, add = super::complete::stacks_and_releases())]
    pub stack: Option<ReleaseName>,
    /// Another release, to compare with the first
    #[arg(value_name = "STACK@M", value_parser = release_name, add = super::complete::releases())]
    pub other: Option<ReleaseName>,
    #[command(flatten)]
    pub stackfiles: Stackfiles,
    /// Also plan the removal of services that are no longer in the stackfile
    #[arg(long)]
    pub prune: bool,
    /// When to ask the registry which image a tag stands for
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub resolve_image: ResolveImage,
    /// Plan as if `deploy --push` had brought images that only this machine's engine has, and show what it would bring
    #[arg(long, conflicts_with_all = ["other", "against", "out", "simulate_loss", "simulate_add"])]
    pub push: bool,
    #[command(flatten)]
    pub auth: RegistryAuth,
    /// Plan as if these nodes were lost
    #[arg(long, value_name = "NODE", value_delimiter = ',')]
    pub simulate_loss: Vec<String>,
    /// Plan as if this node were there too: NAME[:label=VALUE,…][:cpus=N,memory=SIZE]
    #[arg(long, value_name = "NODE", value_parser = new_node)]
    pub simulate_add: Vec<NewNode>,
    /// Compare with a snapshot, and ask no host: a tag whose digest the snapshot does not have
    /// stays a tag
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with_all = ["other", "with_registry_auth", "without_registry_auth"])]
    pub against: Option<PathBuf>,
    /// With --against: the key that `snapshot --key-out` wrote [default: the value of
    /// `STACKCTL_SNAPSHOT_KEY`]. Without it hidden values cannot be compared, which counts as a difference
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// Also save the plan to this file: `stackctl deploy FILE` carries out exactly that plan, or refuses it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with_all = ["other", "against", "simulate_loss", "simulate_add"])]
    pub out: Option<PathBuf>,
    /// Show values of variables, labels, commands, options and configs [default: only which of them change]
    #[arg(long)]
    pub show_values: bool,
    /// How to show it
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object.
    Json,
    /// For a comment on a pull request, with a marker that names the stack.
    Markdown,
    /// For the lines of a pull request on GitHub: workflow commands.
    Github,
    /// For the lines of a merge request on GitLab: a code quality report.
    Gitlab,
}

impl Format {
    /// Whether this form also reports why there is no plan.
    fn is_for_pull_requests(self) -> bool {
        match self {
            Self::Markdown | Self::Github | Self::Gitlab => true,
            Self::Text | Self::Json => false,
        }
    }
}

/// `--simulate-loss` names a node that does not exist.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`--simulate-loss` names a node that does not exist: `{0}`")]
#[diagnostic(code(stackctl::inventory::no_such_node), help("`stackctl node ls` lists them"))]
struct NoSuchNode(String);

/// A release is in the ledger, and a snapshot has only what runs.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("a snapshot holds no releases: `{0}` cannot be compared with it")]
#[diagnostic(
    code(stackctl::saved::no_releases),
    help("leave `--against` out to compare a release with what runs, or name the stack alone")
)]
struct NoReleases(ReleaseName);

fn what_if<'n>(args: &Diff, nodes: impl Iterator<Item = &'n NodeName>) -> Result<WhatIf, Failure> {
    let nodes: Vec<&NodeName> = nodes.collect();
    let mut what_if = WhatIf { add: args.simulate_add.clone(), ..WhatIf::default() };
    for name in &args.simulate_loss {
        let Some(known) = nodes.iter().find(|node| node.as_str() == name) else {
            return Err(Failure::usage(NoSuchNode(name.clone())));
        };
        what_if.lose.insert(NodeName::clone(known));
    }
    Ok(what_if)
}

/// `h4:zone=b,disk=ssd:cpus=8,memory=16G`; the parts behind the name in either order.
fn new_node(text: &str) -> Result<NewNode, String> {
    let mut parts = text.split(':');
    let name = NodeName::new(parts.next().unwrap_or_default()).map_err(|error| error.to_string())?;
    let mut new = NewNode { name, labels: Default::default(), nano_cpus: None, memory: None };
    for pair in parts.flat_map(|part| part.split(',')) {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(format!("`{pair}` is not `label=VALUE`, `cpus=N` or `memory=SIZE`"));
        };
        match key {
            "cpus" => new.nano_cpus = Some(short::nano_cpus(value).map_err(|error| error.0)?),
            "memory" => new.memory = Some(short::bytes(value).map_err(|error| error.0)?),
            _ => drop(new.labels.insert(key.to_owned(), value.to_owned())),
        }
    }
    Ok(new)
}

/// Tasks on each node, now and in the simulated cluster.
fn table(landed: &[Landing], lost: &BTreeSet<NodeName>) -> String {
    let mut lines = vec!["SERVICE\tNODE\tTASKS NOW\tTHEN".to_owned()];
    lines.extend(landed.iter().map(|one| {
        let end = if lost.contains(&one.node) { " (lost)" } else { "" };
        format!("{}\t{}{end}\t{}\t{}", one.service, one.node, one.now, one.then)
    }));
    align(&lines)
}

/// With contents of external configs and versions of secrets; and a note of those whose values are not here, or cannot be decrypted here: they count as
/// unchanged.
async fn settled(
    cluster: &Cluster,
    context: &Context,
    spec: StackSpec,
    texts: &SecretTexts,
) -> Result<(StackSpec, Vec<Note>), Failure> {
    let mut secrets = Vec::new();
    let before = match spec.secrets.is_empty() {
        true => None,
        false => cluster.remembered(&spec.name).await.ok().and_then(|known| {
            let newest = || known.history.last().map(|(_, release, _)| release.spec.clone());
            known.history.current().ok().map(|current| current.spec).or_else(newest)
        }),
    };
    let untold = |key: &str, why: String| {
        context.ui.detail(&clean(&format!("Secret {key} is not compared: {why}")));
        secrets.push(key.to_owned());
    };
    let spec =
        settle_as_known(&cluster.ledger, &cluster.secrets, spec, texts, before.as_ref(), untold).await?;
    let notes = if secrets.is_empty() { Vec::new() } else { vec![Note::SecretsUntold { secrets }] };
    Ok((spec, notes))
}

pub(super) fn run(args: &Diff, context: &Context) -> Result<Exit, Failure> {
    let result = diff(args, context);
    if let Err(failure) = &result {
        review::failure(args, context, failure);
    }
    result
}

fn diff(args: &Diff, context: &Context) -> Result<Exit, Failure> {
    if let Some(release) = args.stack.as_ref().filter(|name| name.number.is_some() || args.other.is_some()) {
        if args.against.is_some() {
            return Err(Failure::usage(NoReleases(release.clone())));
        }
        if args.out.is_some() {
            return Err(Failure::usage(SavedPlanError::OfRelease { stack: release.stack.clone() }));
        }
        return of_release(args, release, context);
    }
    if let Some(path) = &args.against {
        return against::run(args, path, context);
    }
    let stack = args.stack.as_ref().map(|name| &name.stack);
    let (loaded, inputs) = args.stackfiles.load_recorded(stack, SecretFiles::Try, context)?;
    cluster::with(context, args.auth.connect(), async |cluster| {
        let options = cluster.plan_options(args.prune);
        let what_if = what_if(args, cluster.inventory.hosts.keys())?;
        let lost = what_if.lose.clone();
        let is_real = what_if.is_empty();
        let resolve = args.resolve_image.into();
        let request = Request { options, resolve, what_if, ..Request::default() };
        let given = stack;
        let stack = loaded.spec.name.clone();
        let ledger = &cluster.ledger;
        let (spec, notes) = settled(cluster, context, loaded.spec, &loaded.secrets).await?;
        let plan = async |request: Request| {
            engine::plan(cluster.cluster_reader(), cluster.clock.now(), spec.clone(), request).await
        };
        let mut offers = match args.push {
            true => Offers::of(context, cluster, &plan(request.clone()).await).await?,
            false => Offers::default(),
        };
        let request = Request { offered: offers.offered(), ..request };
        let (planned, remembered) = tokio::join!(plan(request), remembered(ledger, &stack));
        offers.narrow(&planned)?;
        let mut planned = planned.with_notes(notes);
        match remembered {
            Ok(mut remembered) if is_real => {
                if args.show_values {
                    cluster.secrets.open(&mut remembered).await;
                }
                let drift = drifted(planned.observed(), &remembered.history);
                planned = planned.with_drift(drift).with_known(remembered.history.newest_specs());
            }
            Ok(_) => {}
            Err(error) => context.ui.detail(&format!("Drift is unknown: {error}")),
        }
        let landed = landings(planned.observed(), planned.stack(), &lost, planned.plan());
        let files = FromFiles {
            written: Written { sources: &loaded.sources, merged: &loaded.merged },
            notes: &loaded.notes,
        };
        let imagined = (!is_real).then_some((&landed[..], &lost));
        let exit = show(args, context, &planned, imagined, Some(&files), &offers)?;
        if let Some(path) = &args.out {
            saved_plan::keep(path, &planned, &args.stackfiles, given, inputs, args.prune)?;
            let path = path.display();
            context.ui.say(&format!(
                "The plan is in {path}: `stackctl deploy` carries out exactly that plan, or refuses it."
            ));
        }
        Ok(exit)
    })
}

/// Tasks on each node in a simulated cluster, and the nodes that it lacks.
type Imagined<'a> = (&'a [Landing], &'a BTreeSet<NodeName>);

fn show(
    args: &Diff,
    context: &Context,
    planned: &Planned,
    imagined: Option<Imagined<'_>>,
    files: Option<&FromFiles<'_>>,
    offers: &Offers,
) -> Result<Exit, Failure> {
    let ui = &context.ui;
    let diff = planned.diff(values(args.show_values));
    let view = rollout::view(planned, &diff, Kind::Deploy, ui.is_verbose());
    if args.format == Format::Json {
        let mut value = plan::to_json(&view);
        value["problems"] =
            planned.plan().problems.iter().map(|one| report::to_json(one)).collect::<Vec<_>>().into();
        if let Some((landed, _)) = imagined {
            let row = |one: &Landing| {
                serde_json::json!({
                    "service": one.service, "node": one.node, "now": one.now, "then": one.then,
                })
            };
            value["landings"] = landed.iter().map(row).collect();
        }
        if args.push {
            value["pushes"] = offers.to_json();
        }
        ui.data(&(json_line(&value) + "\n"));
    }
    // Shows where tasks could run even if some could not.
    if let Some((landed, lost)) = imagined {
        match args.format {
            Format::Text => ui.data(&(table(landed, lost) + "\n")),
            Format::Markdown => ui.data(&format!("```\n{}```\n\n", table(landed, lost))),
            Format::Json | Format::Github | Format::Gitlab => {}
        }
    }
    if args.format.is_for_pull_requests() {
        ui.data(&review::plan(args, &view, &planned.plan().problems, files));
    }
    rollout::refuse_problems(ui, planned)?;
    if args.format == Format::Text {
        let lines = offers.lines();
        ui.data(&if lines.is_empty() { lines } else { lines + "\n" });
        ui.data(&plan::text(&view));
    }
    Ok(if planned.plan().is_empty() { Exit::Done } else { Exit::Differs })
}

/// Shows what a rollback to a release would do, or how two releases differ.
fn of_release(args: &Diff, name: &ReleaseName, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let history = cluster.remembered_open(&name.stack).await?.history;
        let (number, release, _) = find_named(&context.ui, name, &history)?;
        if let Some(other) = &args.other {
            let to = self::release(context, cluster, other).await?;
            warn_of_sealed(&context.ui, number, release);
            return Ok(between(args, context, (name, release), (other, &to)));
        }
        let mut spec = release.spec.clone();
        let observed = cluster.observe_for(&spec).await;
        pin::keep_forced(&mut spec, observed.tasks().filter(|task| task.stack == name.stack));
        let planned = Planned::make(observed, spec, cluster.plan_options(true));
        let planned = planned.with_known(history.newest_specs());
        show(args, context, &planned, None, None, &Offers::default())
    })
}

async fn release(context: &Context, cluster: &Cluster, name: &ReleaseName) -> Result<Release, Failure> {
    let history = cluster.remembered_open(&name.stack).await?.history;
    let (number, release, _) = find_named(&context.ui, name, &history)?;
    warn_of_sealed(&context.ui, number, release);
    Ok(release.clone())
}

/// Line by line, as `diff -u` has it.
fn between(
    args: &Diff,
    context: &Context,
    from: (&ReleaseName, &Release),
    to: (&ReleaseName, &Release),
) -> Exit {
    let text = |release: &Release| if args.show_values { yaml(release) } else { marked(release) };
    let (old, new) = (text(from.1), text(to.1));
    if old == new {
        return Exit::Done;
    }
    let lines = similar::TextDiff::from_lines(&old, &new);
    let names = (from.0.to_string(), to.0.to_string());
    let text = lines.unified_diff().header(&names.0, &names.1).to_string();
    context.ui.data(&if args.show_values { text } else { without_marks(&text) });
    Exit::Differs
}

/// With marks for values: equal ones are equal, and no more is known of them. The marks do not leave this command.
fn marked(release: &Release) -> String {
    let spec = masked_stack(&ClusterName::unchecked(""), &release.spec, &MarkKey::unset());
    yaml(&Release { spec, ..release.clone() })
}

/// The same text with one word for all marks.
fn without_marks(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(MARK) {
        let digits = after.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(after.len());
        let is_mark = digits > 0 && after[digits..].starts_with(')');
        out.push_str(before);
        out.push_str(if is_mark { "(hidden" } else { MARK });
        rest = if is_mark { &after[digits..] } else { after };
    }
    out + rest
}
