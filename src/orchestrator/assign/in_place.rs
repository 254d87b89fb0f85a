//! Tasks that are changed as they run: which can be, and which are replaced after all.

use std::sync::Arc;

use super::super::note::Note;
use super::super::site::Demand;
use super::service::Table;
use super::{Adopt, Planner, ServiceWork, SlotKind, SlotWork, handle};
use crate::model::action::{InPlaceUpdate, Reload, SecretPlan};
use crate::model::in_place::{Retune, Tuning};
use crate::model::reason::Reason;
use crate::model::spec::FailureAction;
use crate::model::task::Task;
use crate::model::{Health, TaskStatus};

impl Planner<'_> {
    /// What it takes to give a task, whose spec is as wanted otherwise, the tuning that is wanted.
    pub(super) fn retune(&self, table: &Table<'_>, task: &Task) -> Retune {
        let now = Tuning::of(&task.spec);
        match now.to(&table.tuning, task.is_job) {
            Retune::None => Retune::None,
            // It is made with the wrong ones, and nothing is lost.
            _ if task.status == TaskStatus::Created => Retune::Replace,
            Retune::Remember | Retune::Engine if !self.may_reserve(table, task) => Retune::Replace,
            Retune::Engine if !is_well(task.status) || self.uses_more(table, task).is_some() => {
                Retune::Replace
            }
            // Its agent has filled a file in with what is in its configs, and does so for a new task alone.
            Retune::Engine
                if now.configs != table.tuning.configs
                    && table.plan.secrets.iter().any(SecretPlan::is_template) =>
            {
                Retune::Replace
            }
            // An update that may go back has to be able to.
            Retune::Engine
                if self.may_go_back(table) && table.tuning.to(&now, task.is_job) == Retune::Replace =>
            {
                Retune::Replace
            }
            other => other,
        }
    }

    fn may_go_back(&self, table: &Table<'_>) -> bool {
        self.options.atomic || table.service.update_config.failure_action == FailureAction::Rollback
    }

    /// Why a task of the wanted hash is replaced, if it is.
    pub(super) fn outgrown(&self, table: &mut Table<'_>, task: &Task) -> Option<Reason> {
        if task.spec_hash != table.plan.spec_hash || self.retune(table, task) != Retune::Replace {
            return None;
        }
        let fields = || Reason::SpecChanged { fields: table.tuned_fields(task) };
        Some(self.uses_more(table, task).unwrap_or_else(fields))
    }

    /// Whether the kernel would end a task under its new limit.
    fn uses_more(&self, table: &Table<'_>, task: &Task) -> Option<Reason> {
        let limit = Tuning::of(&task.spec).lowered_memory(&table.tuning)?;
        let uses = *self.observed.memory_use.get(&task.id)?;
        (uses > limit).then_some(Reason::LimitBelowUse { uses, limit })
    }

    /// Whether its node has what it is to reserve.
    fn may_reserve(&self, table: &Table<'_>, task: &Task) -> bool {
        let (now, wanted) = (&task.spec.resources.reservations, &table.tuning.reservations);
        let grows = wanted.nano_cpus > now.nano_cpus
            || wanted.memory > now.memory
            || wanted.generic.iter().any(|(kind, n)| n > now.generic.get(kind).unwrap_or(&0));
        if !grows {
            return true;
        }
        let site = &self.sites[self.node_index(&task.node)];
        let mut load = site.load.clone();
        load.remove(&Demand::of(&task.spec));
        load.add(&table.request.demand);
        !load.exceeds(site)
    }

    /// Changes a task that stays, if anything about it is to be changed.
    pub(super) fn keep_in_place(
        &mut self,
        table: &mut Table<'_>,
        work: &mut ServiceWork,
        task: &Task,
    ) -> bool {
        if matches!(self.retune(table, task), Retune::None | Retune::Replace) {
            return false;
        }
        let at = self.node_index(&task.node);
        let load = &mut self.sites[at].load;
        load.remove(&Demand::of(&task.spec));
        load.add(&table.request.demand);
        let (from, to) = (Tuning::of(&task.spec), table.tuning.clone());
        let reload = match &table.service.task.on_config {
            Some(signal) if from.configs != to.configs => Some(Reload {
                signal: signal.clone(),
                task: self.made_again(table, task, at),
                is_back: false,
            }),
            _ => None,
        };
        if from.stop_grace_period != to.stop_grace_period {
            self.notes.push(Note::OldStopGrace { service: table.service.name.clone() });
        }
        work.slots.push(SlotWork {
            kind: SlotKind::InPlace,
            node: at,
            fresh: None,
            adopt: Adopt::No,
            old: Vec::new(),
            expired: Vec::new(),
            watch: Some((handle(task), task.status)),
            update: Some(Arc::new(InPlaceUpdate { from, to, is_job: task.is_job, reload })),
            beside: false,
            may_return_beside: false,
            after: Vec::new(),
            why: Reason::SpecChanged { fields: table.tuned_fields(task) },
        });
        true
    }
}

/// Whether a change of a running container is watched with any meaning: one that is down, or paused, is replaced.
fn is_well(status: TaskStatus) -> bool {
    match status {
        TaskStatus::Running { health } => health != Health::Unhealthy,
        _ => false,
    }
}
