//! The Docker API, and the model seen through it: labels, create bodies, observations, actions.
//!
//! Bollard speaks where its types fit. What is read goes through wire types of our own, since bollard's
//! enums are closed: one container in a state it has never heard of would lose the whole host.

pub mod client;
pub mod create;
pub mod execute;
pub mod failure;
pub mod inspect;
pub mod labels;
pub mod network;
pub mod observe;
mod tar;
pub(super) mod wire;
