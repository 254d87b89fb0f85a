//! Layers of images that agents pass on to each other, so that a client sends each of them once.
//!
//! ```text
//! client ─ archive with layers ─▶ relay ─▶ its engine
//!    │                              │
//!    │                              └─ layers, over the mesh ─┐
//!    └─ archive without layers ──▶ taker ◀────────────────────┘
//!                                    └─▶ its engine
//! ```
//!
//! A host must not be able to put an image into another host's engine. So each agent hears from the *client* what it is to
//! load, over the connection that the client has to that host: all of the archive but the layers' bytes, and of each layer its size and
//! its digest. Only those bytes come from another agent, and what is not that layer is never given its archive's end:
//! [`serve`](mod@serve). Who comes for layers is known by its certificate, as everywhere in the mesh, and is let in if the
//! client has named it: [`board`].
//!
//! Nothing is kept: bytes go on as they come, as fast as the slowest takes them, and one that takes nothing for too long is
//! let go. [`frames`] is what goes over the streams; [`feed`] is the engine.

pub mod board;
mod feed;
pub mod frames;
pub mod serve;

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test has an engine's socket")]
mod tests;

/// The path of such streams, and what they are called where they begin.
pub const PATH: &str = "/layers";
/// See [`PATH`].
pub const STREAM: &str = "stackctl-layers";
