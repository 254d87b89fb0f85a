//! Hosts that keep records which count for nothing, since the inventory names other managers: by which name each wrote them.
//! The records know the machines of the cluster, and the inventory may have given a manager's name to another one.

use futures_util::future::join_all;

use crate::fleet::Observer;
use crate::ledger::nodes;
use crate::model::{KnownMembers, NodeName, Observed};

/// A host with node records.
#[derive(Debug)]
pub(super) struct Keeper {
    /// Its name in the inventory.
    pub node: NodeName,
    /// Under which managers they were written last; empty if that cannot be read.
    pub managers: Vec<String>,
    /// What they say of members.
    members: KnownMembers,
}

/// A manager of the records that has another name in the inventory.
#[derive(Debug)]
pub(super) struct Renamed {
    old: String,
    new: NodeName,
}

/// The hosts that keep node records.
pub(super) async fn keepers(observer: &Observer, observed: &Observed) -> Vec<Keeper> {
    let stream = nodes::stream();
    let asked = observed.reachable().map(|(member, _)| &member.name).map(async |node| {
        let found = observer.records_of(node, &stream).await?;
        let (managers, records) = nodes::shown_by(found).unwrap_or_default();
        Some(Keeper { node: node.clone(), managers, members: records.members })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// Those of them that wrote under another name. From now on the observation knows the members that their records name.
pub(super) fn renamed(keepers: &[Keeper], observed: &mut Observed) -> Vec<Renamed> {
    let mut all = Vec::new();
    for keeper in keepers {
        observed.known.clone_from(&keeper.members);
        let known = observed.remembered_as(&keeper.node).map(ToString::to_string);
        let old = match &keeper.managers[..] {
            // It had no other name: there was none besides it.
            [only] if known.is_none() && !keeper.members.contains_key(&keeper.node) => Some(only.clone()),
            managers => known.filter(|name| managers.contains(name)),
        };
        let new = keeper.node.clone();
        all.extend(old.filter(|old| old != new.as_str()).map(|old| Renamed { old, new }));
    }
    all
}

/// What is to be added to why the records cannot be used.
pub(super) fn why(renamed: &[Renamed]) -> String {
    renamed
        .iter()
        .map(|Renamed { old, new }| format!("; {new} is the machine that was manager {old}"))
        .collect()
}

/// What to do if managers have other names; `None` if they have those of before.
pub(super) fn help(renamed: &[Renamed], observed: &Observed) -> Option<String> {
    let back = renamed.iter().map(|Renamed { old, new }| {
        if observed.nodes.contains_key(old.as_str()) {
            format!(
                "correct the addresses of {old} and {new} in the inventory, with `role: manager` for {old}"
            )
        } else {
            format!("give {new} the name {old} again, with `role: manager`")
        }
    });
    let back: Vec<String> = back.collect();
    (!back.is_empty()).then(|| {
        format!(
            "managers are known by their names: {}; to rename a manager, go by the steps of `stackctl help ledger` then",
            back.join("; ")
        )
    })
}
