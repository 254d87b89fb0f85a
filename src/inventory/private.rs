//! Values of an inventory that no excerpt in a diagnostic shows: what programs are started with, where notifications go,
//! variables of stacks, and the user and password before the `@` of an address.

use crate::yaml::{Node, Sink, Value};

/// Keys below which everything is masked.
const KEYS: [&str; 4] = ["command", "webhook", "fence", "variables"];

/// Hides them in a file as it was read.
pub(super) fn hide(node: &Node, sink: &Sink<'_>) {
    match &node.value {
        Value::List(list) => list.iter().for_each(|item| hide(item, sink)),
        Value::Map(map) => {
            for entry in &map.entries {
                let is_one = KEYS.contains(&entry.key.value.as_str());
                if is_one { sink.hide_values(&entry.value) } else { hide(&entry.value, sink) }
            }
        }
        Value::Text(_) => {
            let written = sink.sources().slice(node.span);
            // A webhook, perhaps, whose key is misspelt.
            let web = ["http://", "https://"].iter().find_map(|web| Some(written.find(web)? + web.len()));
            if let Some(path) = web.and_then(|host| Some(host + written[host..].find(['/', '?'])?)) {
                sink.hide(node.span.part(path + 1..written.len()));
            } else if let (Some(scheme), Some(at)) = (written.find("://"), written.rfind('@'))
                && scheme < at
                && written[scheme + 3..at].contains(':')
            {
                sink.hide(node.span.part(scheme + 3..at));
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
    }
}
