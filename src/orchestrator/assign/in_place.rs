//! Tasks that are changed as they run: which can be, and which are replaced after all.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::note::{NotSwapped, Note};
use super::super::site::Demand;
use super::service::Table;
use super::{Adopt, Planner, ServiceWork, SlotKind, SlotWork, handle};
use crate::model::action::{InPlaceUpdate, Reload, SecretPlan};
use crate::model::in_place::{Retune, Tuning};
use crate::model::reason::Reason;
use crate::model::spec::{FailureAction, FileMount};
use crate::model::task::Task;
use crate::model::{Health, TaskStatus, secret_env, swap};

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
            Retune::Engine if !may_reload(table, task) => Retune::Replace,
            // An update that may go back has to be able to.
            Retune::Engine
                if self.may_go_back(table) && table.tuning.to(&now, task.is_job) == Retune::Replace =>
            {
                Retune::Replace
            }
            other => other,
        }
    }

    /// Why a secret that is another one has a task replaced although a signal has its files read again.
    pub(super) fn note_swaps(&mut self, table: &Table<'_>) {
        let wanted = &table.service.task;
        if wanted.on_config.is_none() {
            return;
        }
        let tasks = self.running.get(&table.service.name).map(Vec::as_slice).unwrap_or_default();
        let mut why = BTreeSet::new();
        for task in tasks.iter().filter(|task| task.is_live() && task.spec.on_config == wanted.on_config) {
            let has_other = |target: &str, mount: &FileMount| {
                task.spec.secrets.get(target).is_some_and(|now| now.content != mount.content)
            };
            let variables = wanted.secrets.iter().filter(|(target, mount)| has_other(target, mount));
            why.extend(
                variables
                    .filter_map(|(target, _)| secret_env::variable_of(target))
                    .map(|name| NotSwapped::Variable { name: name.to_owned() }),
            );
            if !swap::secrets(wanted).any(|(target, mount)| has_other(target, mount)) {
                continue;
            }
            match swap::of(wanted) {
                Some(Err(reason)) => drop(why.insert(NotSwapped::Place { reason })),
                Some(Ok(())) if !task.spec.swaps => drop(why.insert(NotSwapped::OlderVersion)),
                Some(Ok(())) | None => {}
            }
        }
        let service = &table.service.name;
        self.notes.extend(why.into_iter().map(|why| Note::NotSwapped { service: service.clone(), why }));
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
            Some(signal) if from.differs_in_files(&to) => Some(Reload {
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

/// Whether the files of a task that runs can become those that are wanted.
fn may_reload(table: &Table<'_>, task: &Task) -> bool {
    let now = Tuning::of(&task.spec);
    if !now.differs_in_files(&table.tuning) {
        return true;
    }
    match (task.spec.swaps, table.plan.swaps) {
        (true, true) => true,
        // Its files are mounted one by one; and its agent fills one in with what is in its configs for a new task alone.
        (false, false) => {
            now.secrets == table.tuning.secrets && !table.plan.secrets.iter().any(SecretPlan::is_template)
        }
        (false, true) | (true, false) => false,
    }
}

/// Whether a change of a running container is watched with any meaning: one that is down, or paused, is replaced.
fn is_well(status: TaskStatus) -> bool {
    match status {
        TaskStatus::Running { health } => health != Health::Unhealthy,
        _ => false,
    }
}
