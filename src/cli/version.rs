//! `stackctl version`: prints the version of the program, and of the engines.

use serde_json::{Value, json};

use super::Context;
use super::cluster;
use super::render::text::clean;
use super::report::{Exit, Failure};
use super::template::Template;
use crate::fleet::ConnectOptions;
use crate::model::json::json_line;
use crate::model::{NodeView, Observed};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("The version of this program", "stackctl version"),
    ("Also the version of every engine in the cluster", "stackctl version --hosts"),
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
    let mut version = json!({ "Client": client() });
    let template = match args.format.as_deref() {
        None | Some("json") => None,
        Some(template) => Some(Template::parse(template)?),
    };
    let mut exit = Exit::Done;
    if args.hosts {
        let observed = cluster::with(context, ConnectOptions::default(), async |cluster| {
            Ok(cluster.observer.observe(cluster.clock.now()).await)
        })?;
        version["Hosts"] = hosts(&observed);
        exit = cluster::or_silent(exit, &observed);
    }
    let text = match &template {
        Some(template) => template.render(&version)? + "\n",
        None if args.format.is_some() => json_line(&version) + "\n",
        None => pretty(&version),
    };
    context.ui.data(&text);
    Ok(exit)
}

fn hosts(observed: &Observed) -> Value {
    let host = |node: &crate::model::observed::ObservedNode| match &node.view {
        NodeView::Facts(facts) => json!({
            "Name": node.member.name,
            "Version": facts.engine_version,
            "ApiVersion": facts.api_version,
            "Os": facts.platform.os,
            "Arch": facts.platform.architecture,
            "Error": "",
        }),
        NodeView::Unreachable(why) => json!({
            "Name": node.member.name,
            "Version": "", "ApiVersion": "", "Os": "", "Arch": "",
            "Error": why.reason,
        }),
    };
    observed.nodes.values().map(host).collect::<Vec<_>>().into()
}

fn client() -> Value {
    json!({
        "Name": "stackctl",
        "Version": env!("CARGO_PKG_VERSION"),
        "Os": std::env::consts::OS,
        "Arch": go_arch(std::env::consts::ARCH),
    })
}

/// Docker names platforms as Go does.
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
    let mut out =
        format!("Client:\n Version:   {}\n OS/Arch:   {}/{}\n", text("Version"), text("Os"), text("Arch"));
    for host in version["Hosts"].as_array().into_iter().flatten() {
        let text = |name: &str| clean(host[name].as_str().unwrap_or_default()).into_owned();
        out.push_str(&format!("\nHost {}:\n", text("Name")));
        if text("Error").is_empty() {
            out.push_str(&format!(" Version:   {} (API {})\n", text("Version"), text("ApiVersion")));
            out.push_str(&format!(" OS/Arch:   {}/{}\n", text("Os"), text("Arch")));
        } else {
            out.push_str(&format!(" Silent:    {}\n", text("Error")));
        }
    }
    out
}
