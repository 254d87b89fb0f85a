//! `{{.Node.Hostname}}` in host names, environment and mounts: expanded for each task.
//!
//! The fields are those of SwarmKit's `template` package. Go's template language is larger; only field
//! references and `index .Service.Labels "x"` are read, and `compose` refuses the rest with a caret.

use std::sync::Arc;

use crate::model::node::{Member, NodeFacts};
use crate::model::spec::{Mount, ServiceSpec, TaskSpec};
use crate::model::task::Slot;
use crate::model::{StackName, TaskId};

/// What a template may ask for.
pub struct Context<'a> {
    /// Stack.
    pub stack: &'a StackName,
    /// Service.
    pub service: &'a ServiceSpec,
    /// Node, as the inventory has it.
    pub member: &'a Member,
    /// Node, as its engine has it.
    pub facts: &'a NodeFacts,
    /// Task.
    pub task: &'a TaskId,
    /// Slot.
    pub slot: &'a Slot,
}

/// Whether a spec holds templates at all: most do not, and share one spec among all tasks.
#[must_use]
pub fn is_templated(spec: &TaskSpec) -> bool {
    let has = |text: &str| text.contains("{{");
    spec.hostname.as_deref().is_some_and(has)
        || spec.environment.values().flatten().any(|value| has(value))
        || spec.volumes.iter().any(|(target, mount)| has(target) || mount_source(mount).is_some_and(has))
}

/// The spec with every template expanded for one task.
#[must_use]
pub fn expand(spec: &Arc<TaskSpec>, context: &Context<'_>) -> Arc<TaskSpec> {
    let mut spec = TaskSpec::clone(spec);
    if let Some(hostname) = &mut spec.hostname {
        *hostname = text(hostname, context);
    }
    for value in spec.environment.values_mut().flatten() {
        *value = text(value, context);
    }
    spec.volumes = std::mem::take(&mut spec.volumes)
        .into_iter()
        .map(|(target, mut mount)| {
            if let Some(source) = mount_source_mut(&mut mount) {
                *source = text(source, context);
            }
            (text(&target, context), mount)
        })
        .collect();
    Arc::new(spec)
}

fn mount_source(mount: &Mount) -> Option<&str> {
    match mount {
        Mount::Bind { source, .. } | Mount::Npipe { source } => Some(source),
        Mount::Volume { source, .. } => source.as_deref(),
        Mount::Tmpfs { .. } => None,
    }
}

fn mount_source_mut(mount: &mut Mount) -> Option<&mut String> {
    match mount {
        Mount::Bind { source, .. } | Mount::Npipe { source } => Some(source),
        Mount::Volume { source, .. } => source.as_mut(),
        Mount::Tmpfs { .. } => None,
    }
}

/// One text, expanded. What is no known field is left as it is: `compose` has refused it already.
#[must_use]
pub fn text(template: &str, context: &Context<'_>) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find("{{") {
        let Some(close) = rest[open..].find("}}") else { break };
        let expression = rest[open + 2..open + close].trim_matches(|c: char| c == '-' || c.is_whitespace());
        out.push_str(&rest[..open]);
        match field(expression, context) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[open..open + close + 2]),
        }
        rest = &rest[open + close + 2..];
    }
    out.push_str(rest);
    out
}

fn field(expression: &str, context: &Context<'_>) -> Option<String> {
    let full_name = || format!("{}_{}", context.stack, context.service.name);
    Some(match expression {
        // A service has no id of its own on plain engines; its full name is unique in the cluster.
        ".Service.ID" | ".Service.Name" => full_name(),
        ".Node.ID" => context.facts.id.clone(),
        ".Node.Hostname" => context.facts.hostname.clone(),
        ".Node.Platform.OS" => context.facts.platform.os.clone(),
        ".Node.Platform.Architecture" => context.facts.platform.architecture.clone(),
        ".Task.ID" => context.task.to_string(),
        ".Task.Name" => format!("{}.{}.{}", full_name(), context.slot, context.task),
        ".Task.Slot" => match context.slot {
            Slot::Replica(number) => number.to_string(),
            // SwarmKit: the node's id stands in for the slot of a global task.
            Slot::Node(_) => context.facts.id.clone(),
        },
        _ => {
            let key = expression
                .strip_prefix("index .Service.Labels")
                .map(|key| key.trim().trim_matches(['"', '`']))
                .or_else(|| expression.strip_prefix(".Service.Labels."))?;
            context.service.labels.get(key).cloned().unwrap_or_default()
        }
    })
}
