//! The merged file as text: what `stackctl config` prints, and what docker reads back to the same
//! meaning.

use super::paths::Base;
use crate::yaml::emit::{Style, yaml};
use crate::yaml::{Node, Value};

/// Sections in the order they are printed; `x-` keys come last.
const ORDER: [&str; 6] = ["version", "services", "networks", "volumes", "secrets", "configs"];

/// The merged file as YAML. With `escape_dollars` a reader that fills in variables gets the same values
/// back; without it the text is what docker's own `stack config` prints.
#[must_use]
pub fn text(merged: &Node, escape_dollars: bool) -> String {
    yaml(merged, Style { escape_dollars })
}

/// Makes the tree independent of where it is read: sorts its keys, makes paths of files absolute.
pub(super) fn settle(root: &mut Node, base: &Base<'_>) {
    root.sort();
    let Some(top) = root.as_map_mut() else { return };
    let rank = |key: &str| ORDER.iter().position(|section| *section == key).unwrap_or(ORDER.len());
    top.entries.sort_by_key(|entry| rank(&entry.key.value));
    for section in ["secrets", "configs"] {
        let Some(resources) = top.get_mut(section).and_then(Node::as_map_mut) else { continue };
        for resource in &mut resources.entries {
            if let Some(file) = resource.value.as_map_mut().and_then(|map| map.get_mut("file"))
                && let Value::Text(path) = &file.value
            {
                file.value = Value::Text(base.resolve(path));
            }
        }
    }
}
