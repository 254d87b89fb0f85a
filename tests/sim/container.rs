//! A container of the simulated cluster: a task, and the life that its host gives it. How it lives is up to
//! [`crate::life`]; here its life is put into stackctl's words.

use std::sync::Arc;

use stackctl::model::action::InPlaceUpdate;
use stackctl::model::in_place::Seen;
use stackctl::model::restart::{EnginePolicy, engine_policy};
use stackctl::model::spec::HostPort;
use stackctl::model::{Health, Task, TaskStatus, Timestamp, Tuning};

use crate::life::{self, Binding, Life, Policy, State};

/// A container as its host knows it.
#[derive(Debug, Clone)]
pub struct Container {
    /// By its labels, which stay.
    pub task: Task,
    pub life: Life,
    /// What it was given while it ran.
    tuned: Option<Tuning>,
}

impl Container {
    pub fn new(task: Task) -> Self {
        let policy = policy(engine_policy(&task.spec.restart_policy, task.is_job));
        Self { task, life: Life::new(policy), tuned: None }
    }

    /// It is changed as it is.
    pub fn update(&mut self, update: &InPlaceUpdate) {
        self.tuned = Some(update.to.clone());
        self.life.set_policy(policy(self.seen().policy));
    }

    /// What it has now.
    pub fn tuning(&self) -> Tuning {
        self.tuned.clone().unwrap_or_else(|| Tuning::of(&self.task.spec))
    }

    /// What it shows of that.
    pub fn seen(&self) -> Seen {
        let Tuning { limits, restart_policy, .. } = self.tuning();
        Seen { limits, policy: engine_policy(&restart_policy, self.task.is_job) }
    }

    /// The task with what it has now.
    pub fn as_it_is(&self) -> Task {
        let mut task = self.task.clone();
        if let Some(tuned) = &self.tuned {
            tuned.apply(Arc::make_mut(&mut task.spec));
        }
        task
    }

    /// Something happens to it, and from then on its task shows how it stands.
    pub fn lives<T>(&mut self, happens: impl FnOnce(&mut Life) -> T) -> T {
        let outcome = happens(&mut self.life);
        self.task.status = status(&self.life);
        outcome
    }

    /// A person stops it by hand, past stackctl.
    pub fn stop(&mut self, now: Timestamp, code: i64) {
        self.lives(|life| life.stop(now.0, code));
    }

    pub fn bindings(&self) -> Vec<Binding> {
        let binding =
            |port: HostPort| Binding { ip: port.ip, port: port.number, protocol: port.protocol.to_string() };
        self.task.spec.host_ports().map(binding).collect()
    }
}

fn policy(policy: EnginePolicy) -> Policy {
    match policy {
        EnginePolicy::No => Policy::No,
        EnginePolicy::OnFailure(most) => Policy::OnFailure(most),
        EnginePolicy::UnlessStopped => Policy::UnlessStopped,
    }
}

fn status(life: &Life) -> TaskStatus {
    let exit_code = life.ended().map_or(0, |(_, code)| code);
    match life.state() {
        State::Created => TaskStatus::Created,
        State::Running => TaskStatus::Running {
            health: match life.health() {
                None => Health::None,
                Some(life::Health::Starting) => Health::Starting,
                Some(life::Health::Healthy) => Health::Healthy,
                Some(life::Health::Unhealthy) => Health::Unhealthy,
            },
        },
        State::Paused => TaskStatus::Paused,
        State::Restarting => TaskStatus::Restarting { exit_code },
        State::Exited => TaskStatus::Exited { exit_code },
    }
}
