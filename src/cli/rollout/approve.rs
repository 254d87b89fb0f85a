//! Asks the user at the terminal whether to carry out plans.

use super::super::not_confirmed::NotConfirmed;
use super::{Kind, RolloutOptions};
use crate::cli::render::text::count;
use crate::cli::report::Failure;
use crate::cli::ui::Ui;
use crate::model::ClusterName;
use crate::ops::release::Approve;
use crate::orchestrator::Planned;

/// Asks at the terminal, unless `--yes` was given.
pub(super) struct Terminal<'a> {
    pub(super) ui: &'a Ui,
    pub(super) cluster: &'a ClusterName,
    pub(super) choices: &'a RolloutOptions,
}

impl Approve<Planned> for Terminal<'_> {
    type Error = Failure;

    async fn approve(&mut self, plans: &[&Planned]) -> Result<(), Failure> {
        if self.choices.yes {
            return Ok(());
        }
        let stacks: Vec<&str> = plans.iter().map(|planned| planned.stack().as_str()).collect();
        let question = question(self.choices.kind, &stacks, self.cluster);
        if self.ui.confirm(&question).map_err(Failure::refused)? {
            return Ok(());
        }
        Err(Failure::refused(NotConfirmed))
    }
}

fn question(kind: Kind, stacks: &[&str], cluster: &ClusterName) -> String {
    match (kind, stacks) {
        (Kind::Move, all) => format!("Move tasks of {} in cluster {cluster}?", all.join(", ")),
        (Kind::Deploy, _) => format!("Deploy {} to cluster {cluster}?", stacks.join(", ")),
        (Kind::Remove, [one]) => format!("Remove stack {one} from cluster {cluster}?"),
        (Kind::Remove, all) => {
            format!("Remove {} ({}) from cluster {cluster}?", count(all.len(), "stack"), all.join(", "))
        }
    }
}
