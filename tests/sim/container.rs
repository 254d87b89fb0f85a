//! A container of the simulated cluster: a task, and the life that its host gives it. How it lives is up to
//! [`crate::life`]; here its life is put into stackctl's words.

use stackctl::model::restart::{EnginePolicy, engine_policy};
use stackctl::model::spec::HostPort;
use stackctl::model::{Health, Task, TaskStatus, Timestamp};

use crate::life::{self, Binding, Life, Policy, State};

/// A container as its host knows it.
#[derive(Debug, Clone)]
pub struct Container {
    pub task: Task,
    pub life: Life,
}

impl Container {
    pub fn new(task: Task) -> Self {
        let policy = match engine_policy(&task.spec.restart_policy, task.is_job) {
            EnginePolicy::No => Policy::No,
            EnginePolicy::OnFailure(most) => Policy::OnFailure(most),
            EnginePolicy::UnlessStopped => Policy::UnlessStopped,
        };
        Self { task, life: Life::new(policy) }
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
