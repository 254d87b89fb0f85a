//! `stackctl config`: prints the stackfile as stackctl understands it. With a word behind it: configs that the cluster keeps.

mod store;

use std::collections::BTreeSet;

use clap::ValueEnum;

use super::Context;
use super::deploy::stack_name;
use super::render::text::{clean, count};
use super::report::{Exit, Failure};
use super::stackfiles::Stackfiles;
use super::ui::Ui;
use crate::compose::Variables;
use crate::compose::config::{Loss, for_docker, text};
use crate::model::json::json_lines;
use crate::model::{MarkKey, Marks, ServiceName, ServiceSpec, StackName, StackSpec};
use crate::swarm;
use crate::yaml::closest;
pub use store::{ConfigCommand, ConfigCreate, ConfigInspect, ConfigLs, ConfigRm, ConfigRotate};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("The file as stackctl understands it", "stackctl config -c docker-compose.yml"),
    ("A config for stackfiles that name it `external`", "stackctl config create site nginx.conf"),
    (
        "The requests that `docker stack deploy` would send to a swarm",
        "stackctl config --format swarm --stack shop",
    ),
];

/// Stands for every service.
const ALL: &str = "*";

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Config {
    #[command(subcommand)]
    pub command: Option<ConfigCommand>,
    #[command(flatten)]
    pub stackfiles: Stackfiles,
    /// yaml for the merged file, docker for one that `docker stack deploy` can read, json for the resulting
    /// specification, swarm for the requests that `docker stack deploy` would send to an engine
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
    /// Name of the stack [default: the `name` of the files, or else the name of their directory]
    #[arg(long, value_name = "NAME", value_parser = stack_name)]
    pub stack: Option<StackName>,
    /// Leave variables as they are
    #[arg(long)]
    pub skip_interpolation: bool,
    /// Print the names of the services, one a line
    #[arg(long, conflicts_with_all = ["format", "images", "hash"])]
    pub services: bool,
    /// Print the images, one a line, each once
    #[arg(long, conflicts_with_all = ["format", "hash"])]
    pub images: bool,
    /// Print services with the hash of their task specification, one a line; a new hash means replaced tasks
    #[arg(long, value_name = "SERVICE", num_args = 0..=1, default_missing_value = ALL, value_delimiter = ',')]
    #[arg(conflicts_with_all = ["format", "skip_interpolation"])]
    pub hash: Vec<String>,
}

/// How a configuration is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// The merged file.
    #[default]
    Yaml,
    /// The merged file without keys that docker's client cannot read.
    Docker,
    /// The resulting specification, with every default filled in.
    Json,
    /// The requests of docker's client.
    Swarm,
}

/// Why something cannot be printed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum ConfigError {
    /// A specification is made of values.
    #[error("without the values of variables, only the merged file can be printed")]
    #[diagnostic(
        code(stackctl::cli::no_values),
        help("remove `--skip-interpolation`, or print `--format yaml`")
    )]
    NoValues,
    /// `--hash` names a service that does not exist.
    #[error("no service `{name}` in the stackfile")]
    #[diagnostic(code(stackctl::cli::unknown_service), help("{help}"))]
    UnknownService { name: String, help: String },
}

pub(super) fn run(args: &Config, context: &Context) -> Result<Exit, Failure> {
    if let Some(command) = &args.command {
        return store::run(command, context);
    }
    let lists = args.services || args.images;
    let is_file = matches!(args.format, Format::Yaml | Format::Docker);
    if args.skip_interpolation && !is_file {
        return Err(Failure::usage(ConfigError::NoValues));
    }
    let variables = if args.skip_interpolation { Variables::Keep } else { Variables::Fill };
    let loaded = args.stackfiles.load_unnamed(args.stack.as_ref(), variables, context)?;
    let spec = &loaded.spec;
    let text = match args.format {
        _ if !args.hash.is_empty() => hashes(spec, &args.hash)?,
        _ if context.ui.is_quiet() && !lists => return Ok(Exit::Done),
        _ if args.services => lines(spec.services.keys().map(ToString::to_string)),
        _ if args.images => {
            // With uninterpolated variables, images were not checked.
            let images: BTreeSet<_> = spec.services.values().map(|s| clean(&s.task.image)).collect();
            lines(images.into_iter().map(Into::into))
        }
        // A dollar sign is doubled, so that the output can be deployed; a variable that is not yet
        // filled in stays as it is.
        Format::Yaml | Format::Docker => {
            let (narrowed, losses) = for_docker(&loaded.merged);
            let is_dockers = args.format == Format::Docker || args.stackfiles.strict_docker;
            tell(&context.ui, &losses, is_dockers);
            text(if is_dockers { &narrowed } else { &loaded.merged }, variables == Variables::Fill)
        }
        Format::Json => json_lines(&serde_json::json!(spec)) + "\n",
        Format::Swarm => json_lines(&swarm::bodies(spec, &loaded.merged)) + "\n",
    };
    context.ui.data(&text);
    Ok(Exit::Done)
}

/// Warns about keys that docker's client cannot read, or that were left out for it.
fn tell(ui: &Ui, losses: &[Loss], is_left_out: bool) {
    let Some(first) = losses.first() else { return };
    if is_left_out {
        for loss in losses {
            ui.warn(&format!("`{}` is {}", clean(&loss.path), loss.why));
        }
    } else {
        let others = match losses.len() - 1 {
            0 => String::new(),
            others => format!(" and {}", count(others, "other key")),
        };
        let path = clean(&first.path);
        ui.say(&format!(
            "docker's client cannot read `{path}`{others}: with `--format docker` they are left out"
        ));
    }
}

fn hashes(spec: &StackSpec, wanted: &[String]) -> Result<String, Failure> {
    let known: Vec<&str> = spec.services.keys().map(ServiceName::as_str).collect();
    let is_all = wanted.iter().any(|name| name == ALL);
    if let Some(name) = wanted.iter().find(|name| !is_all && !known.contains(&name.as_str())) {
        let help = match closest(name, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        return Err(Failure::refused(ConfigError::UnknownService { name: name.clone(), help }));
    }
    let services = spec.services.values().filter(|s| is_all || wanted.iter().any(|w| w == s.name.as_str()));
    // Of the file alone: the hashes of a cluster are made with its key.
    let key = MarkKey::unset();
    let hash = |service: &ServiceSpec| Marks::of(&key, &spec.name, &service.name).hash_of_all(&service.task);
    Ok(lines(services.map(|service| format!("{} {}", service.name, hash(service)))))
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}
