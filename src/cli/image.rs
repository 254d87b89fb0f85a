//! `stackctl image`: images on the hosts of the cluster, without a registry.

pub(super) mod offer;
mod prune;
pub(super) mod push;

use clap::Subcommand;

use super::Context;
use super::cluster::{self, Cluster};
use super::filter::Filters;
use super::render::images::{COLUMNS, rows, short_id};
use super::report::{Exit, Failure};
use super::ui::Ui;
use crate::fleet::ConnectOptions;
use crate::ops::images::Looks;
use crate::ops::images::listed::{Listed, listed};
pub use prune::ImagePrune;
pub use push::ImagePush;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Bring an image of this machine's engine to every host", "stackctl image push myapp:1.2"),
    (
        "An archive of `docker save`, to the hosts of one stack",
        "stackctl image push ./myapp.tar --stack shop",
    ),
    ("What no container has and no newer release needs", "stackctl image prune --dry-run"),
];

/// Arguments of `image`.
#[derive(Debug, clap::Args)]
pub struct Image {
    #[command(subcommand)]
    pub command: ImageCommand,
}

/// The commands of `image`.
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// List the images of all hosts: where each is, and what uses it
    ///
    /// An image is listed once for each of its names, with the hosts that have it and the services, or other containers,
    /// that use it, running or not. With `-q` only ids are printed. The images of a host that does not answer are unknown.
    #[command(visible_alias = "list")]
    Ls(ImageLs),
    /// Bring hosts an image, without a registry: only the layers that they lack
    ///
    /// IMAGE is a name of this machine's engine (the one that docker itself would use), the path of an archive of `docker
    /// save` or of an OCI layout, which is a folder or an archive, or `-` for an archive from standard input. A path begins
    /// with `/`, `./` or `../`, or ends in `.tar`; everything else is a name. Whether such a file exists makes no
    /// difference: `./myapp` is a path, `myapp` and `myapp.tar:latest` are names.
    ///
    /// All hosts are sent to at once, over the connections that they have anyway. What is cut off goes on where it was: run
    /// the command again. A second push sends nothing. If a host has another platform than the image, nothing is sent.
    Push(ImagePush),
    /// Remove images that no container has and no newer release needs
    ///
    /// Never removes an image that a container has, whether that runs or not, nor one that the newest releases of a stack
    /// name (3, or as --keep says), the release that runs and the one that a rollback would bring back among them, nor one
    /// that was pushed within the last hour. Takes only images that remembered releases have named or that `image push` has
    /// brought, unless --all is given. Hosts that do not answer are left alone.
    Prune(ImagePrune),
}

/// Arguments of `image ls`.
#[derive(Debug, clap::Args)]
pub struct ImageLs {
    /// Filter: reference=, node=, service=, dangling=true|false
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    pub filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print whole ids
    #[arg(long)]
    pub no_trunc: bool,
}

pub(super) fn run(args: &Image, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        ImageCommand::Ls(args) => ls(args, context),
        ImageCommand::Push(args) => push::run(args, context),
        ImageCommand::Prune(args) => prune::run(args, context),
    }
}

fn ls(args: &ImageLs, context: &Context) -> Result<Exit, Failure> {
    let filters = Filters::parse(&args.filters, &["reference", "node", "service", "dangling"])?;
    filters.check_values("dangling", &["true", "false"])?;
    COLUMNS.render(args.format.as_deref(), &[])?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let clock = cluster.clock;
        let looks = cluster.fleet.images(|| clock.now()).await;
        let all = listed(&looks);
        let shown: Vec<&Listed> = all.iter().filter(|one| fits(one, &filters)).collect();
        if context.ui.is_quiet() && args.format.is_none() {
            let id =
                |one: &&Listed| if args.no_trunc { one.id.clone() } else { short_id(&one.id).to_owned() };
            let mut ids: Vec<String> = shown.iter().map(id).collect();
            ids.dedup();
            context.ui.data(&ids.into_iter().map(|id| id + "\n").collect::<String>());
        } else {
            // For programs ids are whole: they are given to other commands.
            let is_table = args.format.as_deref().is_none_or(|format| format.trim().starts_with("table"));
            let rows = rows(&shown, looks.len(), args.no_trunc || !is_table);
            context.ui.data(&COLUMNS.render(args.format.as_deref(), &rows)?);
        }
        Ok(warn_of_silent(&context.ui, &looks))
    })
}

fn fits(one: &Listed, filters: &Filters) -> bool {
    let name = one.name.as_deref().unwrap_or_default();
    let is_reference = |wanted: &str| {
        let repository = name.rsplit_once(':').map_or(name, |(repository, _)| repository);
        name == wanted
            || repository == wanted
            || wanted.strip_suffix('*').is_some_and(|head| name.starts_with(head))
    };
    filters.allows("reference", is_reference)
        && filters.allows("node", |node| one.nodes.iter().any(|of| of.as_str() == node))
        && filters.allows("service", |service| one.users.contains(service))
        && filters.allows("dangling", |flag| one.name.is_none().to_string() == flag)
}

/// Says which hosts' images are unknown.
fn warn_of_silent(ui: &Ui, looks: &Looks) -> Exit {
    let mut exit = Exit::Done;
    for (node, look) in looks {
        if let Err(why) = look {
            ui.warn(&format!("node {node} is silent: {}; its images are unknown", why.reason));
            if let Some(help) = &why.help {
                ui.detail(&format!("  help: {help}"));
            }
            exit = Exit::Unreachable;
        }
    }
    exit
}
