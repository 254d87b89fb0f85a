//! `stackctl config create`, `ls`, `inspect`, `rotate` and `rm`: configs that the cluster keeps.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Subcommand, ValueHint};

use super::super::Context;
use super::super::cluster::{self, Cluster};
use super::super::filter::Filters;
use super::super::inspected::Inspected;
use super::super::recorded::warn_unended;
use super::super::render::configs::{COLUMNS, inspect, pretty, rows};
use super::super::report::{Exit, Failure};
use super::super::secret::{labels, name, read_from};
use crate::fleet::ConnectOptions;
use crate::ops::vault::config::{self as ops, Found, New};
use crate::ops::vault::users::Held;
use crate::template::payload::DRIVER;
use crate::vault::{Kind, ObjectName, Plaintext};

/// The commands of `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Make a config from a file, or from the standard input
    ///
    /// For stackfiles that name it `external: true`. The cluster keeps it in its records, as they keep configs of stacks: not
    /// encrypted. What others must not read is a secret (`stackctl secret create`).
    Create(ConfigCreate),
    /// List configs: those made by `config create`, and those of stacks
    #[command(visible_alias = "list")]
    Ls(ConfigLs),
    /// Show configs, with what is in them
    Inspect(ConfigInspect),
    /// Give a config a new content: stacks that use it get it with their next deploy
    Rotate(ConfigRotate),
    /// Remove configs made by `config create`
    #[command(visible_alias = "remove")]
    Rm(ConfigRm),
}

/// Arguments of `config create`.
#[derive(Debug, clap::Args)]
pub struct ConfigCreate {
    /// Name of the config
    #[arg(value_name = "CONFIG", value_parser = name)]
    pub name: ObjectName,
    /// A file with the content, or `-` for the standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Label, as KEY=VALUE
    #[arg(short, long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<String>,
    /// What fills the content in for each task: golang
    #[arg(long, value_name = "DRIVER", value_parser = [DRIVER])]
    pub template_driver: Option<String>,
}

/// Arguments of `config ls`.
#[derive(Debug, clap::Args)]
pub struct ConfigLs {
    /// Filter: name=, label=KEY or label=KEY=VALUE, stack=
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    pub filters: Vec<String>,
    /// Names only
    #[arg(short, long, conflicts_with = "format")]
    pub quiet: bool,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// Arguments of `config inspect`.
#[derive(Debug, clap::Args)]
pub struct ConfigInspect {
    /// Names of the configs
    #[arg(value_name = "CONFIG", required = true)]
    pub names: Vec<String>,
    /// A Go template such as '{{.Spec.Name}}'
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "pretty")]
    pub format: Option<String>,
    /// For people
    #[arg(long)]
    pub pretty: bool,
}

/// Arguments of `config rotate`.
#[derive(Debug, clap::Args)]
pub struct ConfigRotate {
    /// Name of the config
    #[arg(value_name = "CONFIG", value_parser = name)]
    pub name: ObjectName,
    /// A file with the new content, or `-` for the standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Arguments of `config rm`.
#[derive(Debug, clap::Args)]
pub struct ConfigRm {
    /// Names of the configs
    #[arg(value_name = "CONFIG", required = true, value_parser = name)]
    pub names: Vec<ObjectName>,
}

/// The content cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the content cannot be read from {from}: {why}")]
#[diagnostic(code(stackctl::config::unreadable), help("nothing was changed"))]
struct Unreadable {
    from: String,
    why: String,
}

pub(super) fn run(command: &ConfigCommand, context: &Context) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Create(args) => create(args, context),
        ConfigCommand::Ls(args) => ls(args, context),
        ConfigCommand::Inspect(args) => inspect_configs(args, context),
        ConfigCommand::Rotate(args) => rotate(args, context),
        ConfigCommand::Rm(args) => rm(args, context),
    }
}

/// What stands in a file or comes from the standard input, read before any host is dialled.
fn read(file: &Path) -> Result<Plaintext, Failure> {
    let (read, from) = read_from(file, Kind::Config.bytes_max());
    read.map_err(|error| Failure::refused(Unreadable { from, why: error.to_string() }))
}

fn create(args: &ConfigCreate, context: &Context) -> Result<Exit, Failure> {
    let labels = labels(&args.labels)?;
    let content = read(&args.file)?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let template_driver = args.template_driver.clone();
        let new = New { name: &args.name, labels, template_driver, content: content.expose() };
        let warn = warn_unended(&context.ui);
        ops::create(&cluster.writing(), &cluster.actor(), new, warn).await?;
        context.ui.say(&format!("Config {} is made.", args.name));
        Ok(Exit::Done)
    })
}

fn rotate(args: &ConfigRotate, context: &Context) -> Result<Exit, Failure> {
    let content = read(&args.file)?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let (ledger, actor, warn) = (cluster.writing(), cluster.actor(), warn_unended(&context.ui));
        let given = ops::rotate(&ledger, &actor, &args.name, content.expose(), warn).await?;
        context.ui.say(&match given {
            Some(_) => format!(
                "Config {} has a new content: stacks that use it get it with their next deploy.",
                args.name
            ),
            None => format!("Config {} has that content already.", args.name),
        });
        Ok(Exit::Done)
    })
}

fn rm(args: &ConfigRm, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let (ledger, actor) = (cluster.writing(), cluster.actor());
        let held = Held::of(&cluster.observe().await);
        ops::remove(&ledger, &actor, &args.names, &held, warn_unended(&context.ui)).await?;
        for name in &args.names {
            context.ui.say(&format!("Config {name} is removed."));
        }
        Ok(Exit::Done)
    })
}

fn ls(args: &ConfigLs, context: &Context) -> Result<Exit, Failure> {
    let filters = Filters::parse(&args.filters, &["name", "label", "stack"])?;
    let format = if args.quiet { Some("{{.Name}}") } else { args.format.as_deref() };
    COLUMNS.render(format, &[])?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let all = ops::all(&cluster.ledger).await?;
        let is_shown = |found: &&Found| {
            filters.allows("name", |wanted| found.name.contains(wanted))
                && filters.allows_labels("label", &found.labels)
                && filters
                    .allows("stack", |wanted| found.used_by.iter().any(|stack| stack.as_str() == wanted))
        };
        let shown: Vec<&Found> = all.iter().filter(is_shown).collect();
        context.ui.data(&COLUMNS.render(format, &rows(&shown, cluster.clock.now()))?);
        Ok(Exit::Done)
    })
}

fn inspect_configs(args: &ConfigInspect, context: &Context) -> Result<Exit, Failure> {
    let inspected = Inspected::of(args.format.as_deref(), args.pretty)?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let all = ops::all(&cluster.ledger).await?;
        let (mut shown, mut texts) = (Vec::new(), Vec::new());
        for name in &args.names {
            let found = ops::find(&all, name)?;
            let content = ops::content(&cluster.ledger, found).await?;
            shown.push(inspect(found, &STANDARD.encode(&content)));
            texts.push(pretty(found, &content));
        }
        context.ui.data(&inspected.print(shown, |at| texts[at].clone())?);
        Ok(Exit::Done)
    })
}
