//! The Docker API, and the model seen through it: labels, create bodies, observations, actions.
//!
//! Writes go through bollard where its types fit. Reads go through wire types of our own, since bollard's
//! enums are closed: one container in an unknown state would make the whole host unreadable.

pub mod client;
pub mod create;
pub mod execute;
pub mod failure;
pub(super) mod files;
pub(super) mod image;
pub mod inspect;
pub mod labels;
pub mod network;
pub mod observe;
mod pull;
pub(super) mod refusal;
pub mod reveal;
mod tar;
mod task;
pub mod update;
pub(super) mod wire;
mod wrap;
