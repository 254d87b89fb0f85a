//! Why a service cannot be edited as asked. Nothing was changed then.

use crate::ledger::NoCurrent;
use crate::model::spec::TASKS_MAX;
use crate::model::{ServiceName, StackName};

/// An edit that a stack, or a service of it, has no room for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It is not known what runs, so that there is nothing to edit.
    #[error("stack `{stack}` cannot be changed: {why}")]
    NoCurrent {
        /// The stack.
        stack: StackName,
        /// Why it is not known.
        why: NoCurrent,
    },
    /// The stack has no such service.
    #[error("no service `{service}` in the current release of stack `{stack}`")]
    NoService {
        /// The stack.
        stack: StackName,
        /// What was asked for.
        service: ServiceName,
        /// The services that it has.
        known: Vec<ServiceName>,
    },
    /// Only replicated services are scaled.
    #[error("service `{service}` is {mode}: only replicated services have a number of tasks to be set")]
    NotReplicated {
        /// The service.
        service: ServiceName,
        /// Its mode, in the words of a stackfile.
        mode: String,
    },
    /// The stack declares no such volume, config or network.
    #[error("stack `{stack}` has no {kind} `{name}`")]
    NotInStack {
        /// The stack.
        stack: StackName,
        /// `volume`, `config` or `network`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// Those that it declares.
        known: Vec<String>,
    },
    /// The service would not be sound.
    #[error("service `{service}`: {why}")]
    BadChange {
        /// The service.
        service: ServiceName,
        /// What does not fit.
        why: Misfit,
    },
    /// There is nothing to roll the service back to.
    #[error("service `{service}` has no earlier form to go back to")]
    NoPrevious {
        /// The stack.
        stack: StackName,
        /// The service.
        service: ServiceName,
    },
}

/// What does not fit into a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Two ports that cannot both be published.
    #[error("port {port} would be published twice")]
    PublishedTwice {
        /// One of them.
        port: String,
    },
    /// More tasks than any stack may have.
    #[error("the stack would have {tasks} tasks, and a stack has at most {TASKS_MAX}")]
    TooManyTasks {
        /// Of all its services.
        tasks: u64,
    },
    /// A network mode leaves no room for networks.
    #[error("its network_mode is `{mode}`, and leaves no room for networks")]
    NetworkMode {
        /// The mode.
        mode: String,
    },
    /// It cannot leave a network that it is not on.
    #[error("it is not on network `{0}`")]
    NotOnNetwork(String),
    /// It cannot join a network twice.
    #[error("it is on network `{0}` already")]
    OnNetwork(String),
    /// Other services use a config of the same name with another content.
    #[error(
        "in release {release} its config {config} has another content, and other services use the new one"
    )]
    ConfigChanged {
        /// The release to go back to.
        release: u64,
        /// Key of the config.
        config: String,
    },
}
