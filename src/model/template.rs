//! `{{.Node.Hostname}}` in host names, environment and mounts: expanded for each task.
//!
//! The fields are those of SwarmKit's `template` package. Go's template language is larger; only field
//! references and `index .Service.Labels "x"` are read, and `compose` refuses the rest with a caret. Contents of configs
//! may use all of it: see the room `template`, which takes the same [`Fields`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::node::{Member, NodeFacts};
use crate::model::spec::{Mount, ServiceSpec, TaskSpec};
use crate::model::task::Slot;
use crate::model::{StackName, TaskId};

/// What may stand between the braces, besides `index .Service.Labels "key"` and `.Service.Labels.key`.
pub const FIELDS: [&str; 9] = [
    ".Service.ID",
    ".Service.Name",
    ".Node.ID",
    ".Node.Hostname",
    ".Node.Platform.OS",
    ".Node.Platform.Architecture",
    ".Task.ID",
    ".Task.Name",
    ".Task.Slot",
];

/// The label that an expression asks for.
#[must_use]
pub fn label_key(expression: &str) -> Option<&str> {
    let plain = |key: &&str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_');
    if let Some(key) = expression.strip_prefix(".Service.Labels.").filter(plain) {
        return Some(key);
    }
    let rest = expression.strip_prefix("index ")?.trim_start().strip_prefix(".Service.Labels ")?.trim();
    // A string of Go: `"x"` or `` `x` ``.
    ['"', '`'].iter().find_map(|&quote| {
        let inner = rest.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(quote)).then_some(inner)
    })
}

/// Whether an expression can be expanded.
#[must_use]
pub fn is_known(expression: &str) -> bool {
    FIELDS.contains(&expression) || label_key(expression).is_some()
}

/// What a template may ask for, of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// Full name. A service has no id of its own on plain engines; its full name is unique in the cluster.
    pub service: String,
    /// Of the service.
    pub labels: BTreeMap<String, String>,
    pub node_id: String,
    pub hostname: String,
    pub os: String,
    pub architecture: String,
    /// Id.
    pub task: String,
    pub task_name: String,
    /// Number, or for a global task the node's id.
    pub slot: String,
}

/// Where the fields of a task come from.
pub struct Context<'a> {
    pub stack: &'a StackName,
    pub service: &'a ServiceSpec,
    /// Node, as the inventory has it.
    pub member: &'a Member,
    /// Node, as its engine has it.
    pub facts: &'a NodeFacts,
    pub task: &'a TaskId,
    pub slot: &'a Slot,
}

impl Context<'_> {
    /// The fields of the task.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let Self { stack, service, member: _, facts, task, slot } = self;
        let full_name = format!("{stack}_{}", service.name);
        Fields {
            labels: service.labels.clone(),
            node_id: facts.id.clone(),
            hostname: facts.hostname.clone(),
            os: facts.platform.os.clone(),
            architecture: facts.platform.architecture.clone(),
            task: task.to_string(),
            task_name: format!("{full_name}.{slot}.{task}"),
            slot: match slot {
                Slot::Replica(number) => number.to_string(),
                // SwarmKit: the node's id stands in for the slot of a global task.
                Slot::Node(_) => facts.id.clone(),
            },
            service: full_name,
        }
    }
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
pub fn expand(spec: &Arc<TaskSpec>, fields: &Fields) -> Arc<TaskSpec> {
    let mut spec = TaskSpec::clone(spec);
    if let Some(hostname) = &mut spec.hostname {
        *hostname = text(hostname, fields);
    }
    for value in spec.environment.values_mut().flatten() {
        *value = text(value, fields);
    }
    spec.volumes = std::mem::take(&mut spec.volumes)
        .into_iter()
        .map(|(target, mut mount)| {
            if let Some(source) = mount_source_mut(&mut mount) {
                *source = text(source, fields);
            }
            (text(&target, fields), mount)
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
pub fn text(template: &str, fields: &Fields) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find("{{") {
        let Some(close) = rest[open..].find("}}") else { break };
        let expression = rest[open + 2..open + close].trim_matches(|c: char| c == '-' || c.is_whitespace());
        out.push_str(&rest[..open]);
        match field(expression, fields) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[open..open + close + 2]),
        }
        rest = &rest[open + close + 2..];
    }
    out.push_str(rest);
    out
}

fn field(expression: &str, fields: &Fields) -> Option<String> {
    let value = match expression {
        ".Service.ID" | ".Service.Name" => &fields.service,
        ".Node.ID" => &fields.node_id,
        ".Node.Hostname" => &fields.hostname,
        ".Node.Platform.OS" => &fields.os,
        ".Node.Platform.Architecture" => &fields.architecture,
        ".Task.ID" => &fields.task,
        ".Task.Name" => &fields.task_name,
        ".Task.Slot" => &fields.slot,
        _ => return Some(fields.labels.get(label_key(expression)?).cloned().unwrap_or_default()),
    };
    Some(value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::node::{Availability, Role};
    use crate::model::spec::Platform;
    use crate::model::{NodeName, ServiceMode, ServiceName};

    #[test]
    fn what_is_known_is_expanded() {
        let service = ServiceSpec {
            name: ServiceName::unchecked("web"),
            mode: ServiceMode::Replicated { replicas: 1 },
            task: Arc::default(),
            placement: Default::default(),
            update_config: Default::default(),
            rollback_config: Default::default(),
            labels: [("a.b".to_owned(), "one".to_owned()), ("plain".to_owned(), "two".to_owned())].into(),
            endpoint_mode: crate::model::spec::EndpointMode::Vip,
            depends_on: Default::default(),
        };
        let member = Member {
            name: NodeName::unchecked("h1"),
            address: "ssh://h1".into(),
            role: Role::Worker,
            labels: Default::default(),
            availability: Availability::Active,
            abandons_data: false,
            found_by: None,
        };
        let facts = NodeFacts {
            id: "ID".into(),
            hostname: "host-1".into(),
            platform: Platform { os: "linux".into(), architecture: "amd64".into() },
            ..NodeFacts::default()
        };
        let fields = Context {
            stack: &StackName::unchecked("app"),
            service: &service,
            member: &member,
            facts: &facts,
            task: &TaskId::unchecked("t1"),
            slot: &Slot::Replica(3),
        }
        .fields();
        let expanded = |expression: &str| text(&format!("<{{{{ {expression} }}}}>"), &fields);
        let all: Vec<String> = FIELDS.iter().map(|field| expanded(field)).collect();
        assert_eq!(
            all,
            [
                "<app_web>",
                "<app_web>",
                "<ID>",
                "<host-1>",
                "<linux>",
                "<amd64>",
                "<t1>",
                "<app_web.3.t1>",
                "<3>"
            ]
        );
        assert_eq!(expanded("index .Service.Labels \"a.b\""), "<one>");
        assert_eq!(expanded(".Service.Labels.plain"), "<two>");
        assert_eq!(expanded(".Service.Labels"), "<{{ .Service.Labels }}>");
        for known in FIELDS.into_iter().chain(["index .Service.Labels `x`", ".Service.Labels.x"]) {
            assert!(is_known(known), "{known}");
        }
        for unknown in [".Service.Labels", "index .Service.Labels x", "if .Node", ".Node", ""] {
            assert!(!is_known(unknown), "{unknown}");
            assert!(field(unknown, &fields).is_none(), "{unknown}");
        }
    }
}
