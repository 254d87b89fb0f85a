//! Progress notices of a run: turns that no single action shows.

use std::fmt;

use serde::Serialize;

use crate::model::ids::ServiceName;

/// Something that changes where a run is going.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// Too much of a service failed: no more of its slots are touched.
    Paused { service: ServiceName, cause: String },
    /// A service goes back to its old tasks.
    RollingBack { service: ServiceName, cause: String },
    /// The whole stack goes back.
    RollingBackStack { service: ServiceName, cause: String },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused { service, cause } => write!(f, "update of {service} is paused: {cause}"),
            Self::RollingBack { service, cause } => write!(f, "rolling back {service}: {cause}"),
            Self::RollingBackStack { service, cause } => {
                write!(f, "rolling back the whole stack, because {service} failed: {cause}")
            }
        }
    }
}
