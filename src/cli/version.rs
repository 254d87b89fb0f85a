//! `stackctl version`: which program this is, and which engines it talks to.

use serde_json::{Value, json};

use super::Context;
use super::report::{Exit, Failure};
use super::template::{Template, json_line};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Of this program", "stackctl version"),
    ("Of every engine in the cluster too", "stackctl version --hosts"),
    ("For a script", "stackctl version --format '{{.Client.Version}}'"),
];

/// Arguments of `version`.
#[derive(Debug, clap::Args)]
pub struct Version {
    /// Ask the engine of every node as well
    #[arg(long)]
    pub hosts: bool,
    /// `json`, or a Go template such as '{{.Client.Version}}'
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

pub(super) fn run(args: &Version, context: &Context) -> Result<Exit, Failure> {
    let version = json!({ "Client": client() });
    let text = match args.format.as_deref() {
        Some("json") => json_line(&version) + "\n",
        Some(template) => Template::parse(template)?.render(&version)? + "\n",
        None => pretty(&version),
    };
    context.ui.data(&text);
    Ok(Exit::Done)
}

fn client() -> Value {
    json!({
        "Name": "stackctl",
        "Version": env!("CARGO_PKG_VERSION"),
        "Os": std::env::consts::OS,
        "Arch": go_arch(std::env::consts::ARCH),
    })
}

/// Docker speaks of machines in Go's words.
fn go_arch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn pretty(version: &Value) -> String {
    let client = &version["Client"];
    let text = |name: &str| client[name].as_str().unwrap_or_default().to_owned();
    format!("Client:\n Version:   {}\n OS/Arch:   {}/{}\n", text("Version"), text("Os"), text("Arch"))
}
