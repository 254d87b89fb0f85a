//! `stackctl show`: shows the contents of a release, or the details of another operation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use serde_json::{Value, json};

use super::Context;
use super::cluster::{self, Cluster};
use super::log::to_json;
use super::release_name::{ReleaseName, find_named, release_name, warn_of_sealed};
use super::report::{Exit, Failure};
use super::time_arg;
use crate::engine::operations::Id;
use crate::fleet::ConnectOptions;
use crate::model::json::json_lines;
use crate::ops::records::{Outcome, Release};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("The contents of release 3", "stackctl show shop@3"),
    ("All details of the newest release, for a program", "stackctl show --format json shop"),
    ("What was declared at a certain time", "stackctl show --at 2026-01-30T12:00:00Z shop"),
];

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// A release, STACK@N, or STACK for the newest release; or another operation, as `log` names it
    #[arg(value_name = "STACK@N", value_parser = shown, add = super::complete::releases())]
    pub shown: Shown,
    /// The release that was the newest then: a time, or an operation as `log` names it. It shows what was
    /// declared, not what ran
    #[arg(long, value_name = "ID|TIME")]
    pub at: Option<String>,
    /// yaml for the declared stack; json for the whole record: also who deployed it, when and from what
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

/// What is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A release.
    Release(ReleaseName),
    /// Another operation.
    Operation(Id),
}

fn shown(text: &str) -> Result<Shown, String> {
    match Id::parse(text) {
        Some(id @ (Id::Cluster(_) | Id::Heal(..))) => Ok(Shown::Operation(id)),
        Some(Id::Release(..)) | None => release_name(text).map(Shown::Release),
    }
}

/// How a release is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// What was to run.
    #[default]
    Yaml,
    /// All of the record.
    Json,
}

pub(super) fn run(args: &Show, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let name = match &args.shown {
            Shown::Release(name) => name,
            Shown::Operation(id) => return operation(args, context, cluster, id).await,
        };
        let mut remembered = cluster.remembered_open(&name.stack).await?;
        let history = &mut remembered.history;
        if let Some(then) = &args.at {
            time_arg::until(cluster, &name.stack, then, history).await?;
        }
        let (at, release, outcome) = find_named(&context.ui, name, &remembered.history)?;
        warn_of_sealed(&context.ui, at, release);
        if args.at.is_some() {
            let how = outcome.map_or_else(|| "unfinished".to_owned(), Outcome::words);
            context.ui.say(&format!(
                "Release {at} of stack {} ({how}), as declared at {}:",
                name.stack, release.at
            ));
        }
        match args.format {
            Format::Yaml => context.ui.data(&yaml(release)),
            Format::Json => {
                // What only a key opens is nothing to read.
                let mut value = json!(Release { sealed: None, ..release.clone() });
                let contents = remembered.contents(&cluster.ledger, &release.spec).await?;
                for (key, config) in &release.spec.configs {
                    if let Some(bytes) = config.content.as_ref().or_else(|| contents.get(&config.digest)) {
                        value["contents"][key] = json!(STANDARD.encode(bytes));
                    }
                }
                value["release"] = json!(at);
                value["outcome"] = outcome.map_or(Value::Null, |one| json!(one)["outcome"].clone());
                context.ui.data(&(json_lines(&value) + "\n"));
            }
        }
        Ok(Exit::Done)
    })
}

async fn operation(args: &Show, context: &Context, cluster: &Cluster, id: &Id) -> Result<Exit, Failure> {
    let value = to_json(&time_arg::find(cluster, id).await?);
    context.ui.data(&match args.format {
        // Our own JSON is always valid YAML.
        Format::Yaml => serde_saphyr::to_string(&value).unwrap_or_else(|error| format!("# {error}\n")),
        Format::Json => json_lines(&value) + "\n",
    });
    Ok(Exit::Done)
}

/// A spec as YAML.
pub(super) fn yaml(release: &Release) -> String {
    // Our own JSON is always valid YAML.
    serde_saphyr::to_string(&json!(release.spec)).unwrap_or_else(|error| format!("# {error}\n"))
}
