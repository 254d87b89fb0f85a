//! Images as `stackctl image` shows them.

use serde_json::json;

use super::list::{Columns, Row};
use super::nodes::bytes;
use super::services::into_row;
use super::text::some_of;
use crate::model::NodeName;
use crate::ops::images::listed::Listed;

/// Digits of an id, where they need only tell images apart.
const SHORT_CHARS: usize = 12;
/// Hosts and users that a cell names.
const NAMED_MAX: usize = 3;

/// The columns of `image ls`.
pub const COLUMNS: Columns = Columns {
    fields: &[
        ("Name", "NAME"),
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("ID", "IMAGE ID"),
        ("Size", "SIZE"),
        ("Bytes", "BYTES"),
        ("Nodes", "NODES"),
        ("UsedBy", "USED BY"),
        ("CreatedAt", "CREATED"),
    ],
    table: &["Name", "ID", "Size", "Nodes", "UsedBy"],
};

/// An id without its algorithm, shortened.
#[must_use]
pub fn short_id(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..SHORT_CHARS).unwrap_or(hex)
}

/// Lines of the list, of so many hosts; whole ids and all names if asked for.
#[must_use]
pub fn rows(images: &[&Listed], hosts: usize, is_whole: bool) -> Vec<Row> {
    images.iter().map(|image| row(image, hosts, is_whole)).collect()
}

fn row(image: &Listed, hosts: usize, is_whole: bool) -> Row {
    const NONE: &str = "<none>";
    let name = image.name.as_deref().unwrap_or(NONE);
    let (repository, tag) = match name.split_once('@') {
        Some((repository, _)) => (repository, NONE),
        None => name.rsplit_once(':').unwrap_or((name, NONE)),
    };
    // A whole digest would be wider than a terminal.
    let shown = match name.split_once("@sha256:") {
        Some((repository, hex)) if !is_whole => {
            format!("{repository}@sha256:{}…", hex.get(..SHORT_CHARS).unwrap_or(hex))
        }
        _ => name.to_owned(),
    };
    let nodes: Vec<String> = image.nodes.iter().map(NodeName::to_string).collect();
    let users: Vec<String> = image.users.iter().cloned().collect();
    let (nodes, users) = match is_whole {
        true => (nodes.join(","), users.join(",")),
        false if nodes.len() == hosts && hosts > NAMED_MAX => {
            (format!("all {hosts}"), some_of(&users, NAMED_MAX))
        }
        false => (some_of(&nodes, NAMED_MAX), some_of(&users, NAMED_MAX)),
    };
    into_row(json!({
        "Name": shown,
        "Repository": repository,
        "Tag": tag,
        "ID": if is_whole { image.id.as_str() } else { short_id(&image.id) },
        "Size": bytes(i64::try_from(image.bytes).unwrap_or(i64::MAX)),
        "Bytes": image.bytes.to_string(),
        "Nodes": nodes,
        "UsedBy": users,
        "CreatedAt": jiff::Timestamp::from_second(image.created).map(|at| at.to_string()).unwrap_or_default(),
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::testing::node_name;

    #[test]
    fn names_digests_and_what_has_no_name_fit_a_terminal() {
        let image = |name: Option<&str>| Listed {
            name: name.map(str::to_owned),
            id: format!("sha256:{}", "ab".repeat(32)),
            bytes: 2048,
            created: 0,
            nodes: ["h1", "h2", "h3", "h4"].map(node_name).into(),
            users: BTreeSet::from(["shop_web".to_owned()]),
        };
        let pinned = format!("nginx@sha256:{}", "12".repeat(32));
        let all = [image(None), image(Some("registry:5000/app:1")), image(Some(&pinned))];
        let all: Vec<&Listed> = all.iter().collect();
        let text = COLUMNS.render(None, &rows(&all, 4, false)).unwrap();
        assert_eq!(
            text,
            "NAME                         IMAGE ID       SIZE      NODES     USED BY\n\
             <none>                       abababababab   2KiB      all 4     shop_web\n\
             registry:5000/app:1          abababababab   2KiB      all 4     shop_web\n\
             nginx@sha256:121212121212…   abababababab   2KiB      all 4     shop_web\n"
        );
        let parts =
            COLUMNS.render(Some("{{.Repository}} {{.Tag}} {{.Nodes}}"), &rows(&all, 4, true)).unwrap();
        assert_eq!(
            parts,
            "<none> <none> h1,h2,h3,h4\nregistry:5000/app 1 h1,h2,h3,h4\nnginx <none> h1,h2,h3,h4\n"
        );
    }
}
