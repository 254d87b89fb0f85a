//! Finds the place of a field in the files: from the path in a diff back to the stackfile.
//!
//! A diff speaks of specs, whose fields are called as in the stackfile but stand a little elsewhere at times:
//! `resources` is under `deploy`, mounts are by target. What cannot be found is as near as it gets: the
//! service, or else the place where services begin.

use crate::yaml::{Node, Place, Sources, Span, Value};

/// The texts and the tree they make.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    pub sources: &'a Sources,
    /// The merged tree, see [`Loaded`](super::Loaded).
    pub merged: &'a Node,
}

impl<'a> Written<'a> {
    /// Where a service's field is written, by its path in a diff.
    #[must_use]
    pub fn of_field(&self, service: &str, path: &str) -> Place<'a> {
        let steps = steps(path);
        let below = |first: &[&str]| -> Vec<String> {
            let first = first.iter().map(|step| (*step).to_owned());
            first.chain(steps.iter().map(|step| renamed(step).to_owned())).collect()
        };
        let (depth, span) = self.walk(&below(&["services", service]));
        if depth > 2 || steps.is_empty() {
            return self.sources.place(span);
        }
        let (depth, in_deploy) = self.walk(&below(&["services", service, "deploy"]));
        self.sources.place(if depth > 3 { in_deploy } else { span })
    }

    /// Where a service is written.
    #[must_use]
    pub fn of_service(&self, service: &str) -> Place<'a> {
        self.of_field(service, "")
    }

    /// Follows a path as far as it leads.
    fn walk(&self, way: &[String]) -> (usize, Span) {
        let (mut node, mut span) = (self.merged, self.merged.span);
        for (depth, step) in way.iter().enumerate() {
            let next = match &node.value {
                Value::Map(map) => map.entry(step).map(|entry| (&entry.value, entry.key.span)),
                Value::List(list) => {
                    list.iter().find(|item| is_called(item, step)).map(|item| (item, item.span))
                }
                Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => None,
            };
            match next {
                Some((inner, at)) => (node, span) = (inner, at),
                None => return (depth, span),
            }
        }
        (way.len(), span)
    }
}

/// Keys with another name in the spec than in the file.
fn renamed(step: &str) -> &str {
    match step {
        "nano_cpus" => "cpus",
        plain => plain,
    }
}

/// Whether an item of a list is the one that specs keep under this key.
fn is_called(item: &Node, key: &str) -> bool {
    let Some(map) = item.as_map() else { return item.as_text() == Some(key) };
    ["target", "source"].iter().any(|name| map.get(name).and_then(Node::as_text) == Some(key))
}

/// `volumes["/data"].read_only` in its steps.
fn steps(path: &str) -> Vec<String> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let end = quoted.find("\"]").unwrap_or(quoted.len());
            steps.push(quoted[..end].replace("\\\"", "\"").replace("\\\\", "\\"));
            rest = quoted.get(end + 2..).unwrap_or_default();
        } else {
            let end = rest.find(['.', '[']).filter(|end| *end > 0).unwrap_or(rest.len());
            steps.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_diff_are_taken_apart() {
        assert_eq!(steps("volumes[\"/da.ta\"].read_only"), ["volumes", "/da.ta", "read_only"]);
        assert_eq!(steps("environment.LOG"), ["environment", "LOG"]);
        assert_eq!(steps("labels[\"a\"]"), ["labels", "a"]);
        assert_eq!(steps("odd[0].x"), ["odd", "[0].x"]);
        assert!(steps("").is_empty());
    }
}
