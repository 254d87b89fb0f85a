//! Where a later file has the last word: remembered, so that what is said about a value that won can show
//! the one that lost. Looks at the trees before they are merged; changes nothing.

use crate::yaml::{Node, Sink, Value};

/// Tells the sink which places of an earlier file those of a later one stand in for.
pub fn note(base: &Node, later: &Node, sink: &Sink<'_>) {
    match (&base.value, &later.value) {
        (Value::Map(base), Value::Map(later)) => {
            for theirs in &later.entries {
                if let Some(ours) = base.entry(&theirs.key)
                    && !theirs.value.is_null()
                {
                    note(&ours.value, &theirs.value, sink);
                }
            }
        }
        // Lists are laid together item by item.
        (Value::List(_), Value::List(_)) | (_, Value::Null) => {}
        _ => sink.replaces(later.span, base.span),
    }
}
