//! `stackctl config`: the stackfile as it is understood.

use clap::ValueEnum;

use super::Context;
use super::report::{Exit, Failure};
use super::stackfiles::Stackfiles;
use super::template::json_lines;
use crate::compose::config::text;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("The file as it is understood", "stackctl config -c docker-compose.yml"),
    ("Two files merged, as JSON", "stackctl config --format json -c app.yml -c prod.yml"),
];

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
pub struct Config {
    /// What to print.
    #[command(flatten)]
    pub stackfiles: Stackfiles,
    /// yaml for the merged file, json for what it comes to
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

/// How a configuration is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// The merged file.
    #[default]
    Yaml,
    /// What it comes to, every default filled in.
    Json,
}

pub(super) fn run(args: &Config, context: &Context) -> Result<Exit, Failure> {
    let loaded = args.stackfiles.load_unnamed(context)?;
    if context.ui.is_quiet() {
        return Ok(Exit::Done);
    }
    let text = match args.format {
        // A dollar sign is doubled, so that what is printed can be deployed.
        Format::Yaml => text(&loaded.merged, true),
        Format::Json => json_lines(&serde_json::json!(loaded.spec)) + "\n",
    };
    context.ui.data(&text);
    Ok(Exit::Done)
}
