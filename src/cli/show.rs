//! `stackctl show`: what a release was.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::Context;
use super::cluster::{self, Cluster};
use super::records::{reading, remembered};
use super::release_name::{ReleaseName, find_named, release_name};
use super::report::{Exit, Failure};
use super::template::json_lines;
use crate::fleet::ConnectOptions;
use crate::ledger::release::Release;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("What release 3 consists of", "stackctl show shop@3"),
    ("All that is known of the newest, for a program", "stackctl show --format json shop"),
];

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// A release: the stack's name, @ and the number; without a number the newest
    #[arg(value_name = "STACK@N", value_parser = release_name, add = super::complete::releases())]
    pub release: ReleaseName,
    /// yaml for what was to run; json for that, and who deployed it when and from what
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
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
        let history = remembered(reading(cluster), &args.release.stack).await?.history;
        let (at, release, outcome) = find_named(&context.ui, &args.release, &history)?;
        match args.format {
            Format::Yaml => context.ui.data(&yaml(release)),
            Format::Json => {
                let mut value = json!(release);
                value["release"] = json!(at);
                value["outcome"] = outcome.map_or(Value::Null, |one| json!(one)["outcome"].clone());
                context.ui.data(&(json_lines(&value) + "\n"));
            }
        }
        Ok(Exit::Done)
    })
}

/// A spec as YAML.
pub(super) fn yaml(release: &Release) -> String {
    // JSON of our own making is never too much for YAML.
    serde_saphyr::to_string(&json!(release.spec)).unwrap_or_else(|error| format!("# {error}\n"))
}
