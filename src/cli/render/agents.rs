//! Agents as `stackctl agent` shows them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::age::human_duration;
use super::list::{Columns, Row};
use super::services::into_row;
use super::text::{clean, count, megabytes};
use crate::agent::join::Standing;
use crate::agent::program::tag;
use crate::fleet::agents::{How, Installed, Rights};
use crate::model::{ClusterName, NodeName, Timestamp};
use crate::ops::agents::install::Happened;
use crate::ops::agents::plan::{Change, Plan};
use crate::ops::agents::remove::Removal;
use crate::ops::agents::{Agent, Look, Seen};

/// The columns of `agent ls`.
pub const COLUMNS: Columns = Columns {
    fields: &[
        ("Node", "NODE"),
        ("Status", "STATUS"),
        ("Version", "VERSION"),
        ("Digest", "DIGEST"),
        ("Kind", "KIND"),
        ("Name", "NAME"),
        ("Protocol", "PROTOCOL"),
        ("Up", "UP"),
        ("Secrets", "SECRETS"),
        ("Identity", "IDENTITY"),
        ("Reaches", "REACHES"),
        ("KeptBy", "KEPT BY"),
        ("KeepsFor", "KEEPS FOR"),
        ("Why", "WHY"),
    ],
    table: &[
        "Node", "Status", "Version", "Digest", "Kind", "Up", "Secrets", "Identity", "Reaches", "KeepsFor",
        "Why",
    ],
};

/// What an agent says that heard of others that it is no member, and what one knows that was off while members changed.
const OUT: &str =
    "the other agents have heard that this host is no member: `stackctl agent install` takes it in again";
const OUTDATED: &str = "knows other hosts, or other addresses or ports of them, than the inventory has: `stackctl agent install` tells it";

/// Lines of the list: one for each agent, and one for each host without. `outdated`: hosts whose agents know other members
/// than the inventory has.
#[must_use]
pub fn rows(look: &Look, outdated: &BTreeSet<NodeName>, now: Timestamp) -> Vec<Row> {
    let mut rows = Vec::new();
    for (node, on) in look {
        match on {
            Err(why) => rows.push(without(node, "unreachable", &why.reason)),
            Ok(on) if on.agents.is_empty() => rows.push(without(node, "none", "")),
            Ok(on) => {
                let is_outdated = outdated.contains(node);
                rows.extend(on.agents.iter().map(|agent| row(node, agent, is_outdated, now)));
            }
        }
    }
    rows
}

fn without(node: &NodeName, status: &str, why: &str) -> Row {
    into_row(json!({
        "Node": node, "Status": status, "Version": "", "Digest": "", "Kind": "", "Name": "", "Protocol": "", "Up": "",
        "Secrets": "", "Identity": "", "Reaches": "", "KeptBy": "", "KeepsFor": "", "Why": clean(why),
    }))
}

fn row(node: &NodeName, agent: &Agent, is_outdated: bool, now: Timestamp) -> Row {
    let Agent { installed, seen, secrets, standing } = agent;
    let (status, why) = match seen {
        Seen::Up(hello) if hello.is_understood() => ("up", String::new()),
        Seen::Up(_) => ("up", "speaks another protocol than this version of stackctl".to_owned()),
        Seen::Silent(why) => ("silent", why.clone()),
        Seen::Off => ("off", "its engine does not have it running".to_owned()),
    };
    let why_not = secrets.as_ref().and_then(|secrets| secrets.why_not.clone());
    let why = if why.is_empty() {
        why_not.or_else(|| trouble(standing.as_ref()?, is_outdated)).unwrap_or_default()
    } else {
        why
    };
    let names = |hosts: &[String]| clean(&hosts.join(", ")).into_owned();
    let of = |text: &dyn Fn(&Standing) -> String| standing.as_ref().map(text).unwrap_or_default();
    let identity = match (seen, standing) {
        (Seen::Up(_), None) => "no".to_owned(),
        (_, standing) => standing.as_ref().map(|standing| day(standing.until)).unwrap_or_default(),
    };
    let hello = if let Seen::Up(hello) = seen { Some(hello) } else { None };
    let version = hello.map_or(&installed.version, |hello| &hello.version);
    let protocol = hello.map(|hello| match (hello.protocol_from, hello.protocol_to) {
        (from, to) if from == to => to.to_string(),
        (from, to) => format!("{from}-{to}"),
    });
    into_row(json!({
        "Node": node,
        "Status": status,
        "Version": clean(version),
        "Digest": clean(&tag(&installed.digest)),
        "Kind": installed.kind.word(),
        "Name": clean(&installed.name),
        "Protocol": protocol.unwrap_or_default(),
        "Up": hello.map(|hello| human_duration(now.since_ms(hello.started))).unwrap_or_default(),
        "Secrets": secrets.as_ref().map(|secrets| count(secrets.tasks, "task")).unwrap_or_default(),
        "Identity": identity,
        "Reaches": of(&|one| format!("{} of {}", one.reached.len(), one.reached.len() + one.unreached.len())),
        "KeptBy": of(&|one| names(&one.kept_by)),
        "KeepsFor": of(&|one| names(&one.keeps_for)),
        "Why": clean(&why),
    }))
}

/// The day of a time, in UTC.
fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// What is wrong between an agent and the others.
fn trouble(standing: &Standing, is_outdated: bool) -> Option<String> {
    if standing.is_out {
        return Some(OUT.to_owned());
    }
    if let Some(why) = &standing.why_not {
        return Some(why.clone());
    }
    if standing.lacking > 0 {
        let tasks = count(standing.lacking, "task");
        return Some(format!("no agent that it reaches has the secrets of {tasks} any more"));
    }
    if is_outdated {
        return Some(OUTDATED.to_owned());
    }
    if let Some((host, why)) = standing.not_kept.first() {
        return Some(format!("the agent of {host} does not keep the secrets of this host: {why}"));
    }
    if let Some((host, why)) = standing.unreached.first() {
        return Some(format!("does not reach the agent of {host}: {why}"));
    }
    if standing.over > 0 {
        let tasks = count(standing.over, "task");
        return Some(format!(
            "removed or moved while the host was off, and so without secrets: {tasks}; a deploy, the loop or `rm` removes \
             what is left of them"
        ));
    }
    None
}

/// What `install` is about to do.
#[must_use]
pub fn plan_text(plan: &Plan, cluster: &ClusterName, port: u16) -> String {
    let mut out = format!("Agents of cluster {cluster}\n\n");
    let rights = Rights::of_agents().words().join(" and ");
    let may = format!("as root beside the engine, with {rights}, where it listens at TCP port {port}");
    let (mut new, mut replaced, mut finished, mut same) = (0, 0, 0, 0);
    for (node, planned) in &plan.hosts {
        let program = &planned.program;
        let is =
            format!("{} ({}, {})", program.version, program.tag(), megabytes(program.bytes.len() as u64));
        let line = match &planned.change {
            Change::Install => {
                new += 1;
                format!("+ {node}  agent {is}, {may}")
            }
            Change::Upgrade { from } => {
                replaced += 1;
                format!("~ {node}  agent {from} -> {is}, {may}")
            }
            Change::Finish => {
                finished += 1;
                format!("~ {node}  agent {is}: to be started again, or to be rid of what is beside it")
            }
            Change::Nothing => {
                same += 1;
                continue;
            }
            Change::Newer { version } => {
                same += 1;
                format!("= {node}  agent {version}, which is later than this stackctl ({})", program.version)
            }
        };
        out += &format!("{}\n", clean(&line));
    }
    if same == plan.hosts.len() {
        return out + &format!("= {} as wanted\n", count(same, "host"));
    }
    if same > 0 {
        out += &format!("= {} as wanted\n", count(same, "host"));
    }
    out + &format!("\nPlan: {new} to install, {replaced} to replace, {finished} to finish\n")
}

/// A line about what happens on a host.
#[must_use]
pub fn happened(node: &NodeName, what: &Happened) -> String {
    match what {
        Happened::Sending(bytes) => format!("{node}: sending {}", megabytes(*bytes as u64)),
        Happened::Shipped(How::Plugin) => format!("{node}: started, as a plugin of the engine"),
        Happened::Shipped(How::Container(None)) => {
            format!("{node}: started, as a container: the engine takes no plugins")
        }
        Happened::Shipped(How::Container(Some(why))) => {
            format!("{node}: started, as a container: the engine refuses the plugin ({why})")
        }
        Happened::Answered(hello) => format!("{node}: agent {} answers", hello.version),
        Happened::Removed(agent) => removed(node, agent),
    }
}

/// A line about an agent that is gone.
#[must_use]
pub fn removed(node: &NodeName, agent: &Installed) -> String {
    format!("{node}: agent {} ({}) is removed", agent.version, tag(&agent.digest))
}

/// What agents remember, by time.
#[must_use]
pub fn log_text(look: &Look) -> String {
    let mut lines = Vec::new();
    for (node, on) in look {
        let Ok(on) = on else { continue };
        for noted in on.agents.iter().filter_map(|agent| agent.standing.as_ref()).flat_map(|one| &one.log) {
            let times = if noted.times > 1 { format!(" ({} times)", noted.times) } else { String::new() };
            lines.push((noted.at, format!("{}  {node}  {}{times}", noted.at, noted.text)));
        }
    }
    lines.sort();
    lines.iter().map(|(_, line)| format!("{}\n", clean(line))).collect()
}

/// What `rm` is about to do.
#[must_use]
pub fn removal_text(hosts: &BTreeMap<NodeName, Removal>) -> String {
    let mut out = String::new();
    for (node, removal) in hosts {
        for agent in &removal.agents {
            let line = format!("- {node}  {} {}, agent {}", agent.kind.word(), agent.name, agent.version);
            out += &format!("{}\n", clean(&line));
        }
        for user in &removal.users {
            out += &format!(
                "{}\n",
                clean(&format!("! {node}  the secrets of {user}, whose container is there"))
            );
        }
        for image in &removal.images {
            out += &format!("{}\n", clean(&format!("- {node}  image {image}")));
        }
    }
    out + &format!("\nPlan: agents of {} to remove\n", count(hosts.len(), "host"))
}
