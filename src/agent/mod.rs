//! The agent: the part of stackctl that stays on a host, for what no client that comes and goes can do.
//!
//! It is this same program, started by the engine of its host (`stackctl agent serve`), once for each cluster. It
//! listens at a unix socket beside the engine's own, which the same users may open, and answers requests:
//!
//! ```text
//! client ─▶ ssh's connection ─▶ socket on the host ─▶ http ─▶ wire::Request ─▶ desk, secrets ─▶ wire::Answer
//! ```
//!
//! [`wire`] is the protocol, without an effect; [`desk`] says who and how it is; [`secrets`] keeps secrets of tasks in
//! memory; `mesh` has agents of other hosts keep them as well, by what a client says of all of them ([`join`]);
//! [`relay`] has layers of images passed on among them; [`serve`](mod@serve) has the sockets; [`client`] asks.
//! [`program`] says which file can be an agent on which host, and what it is called. How the file gets there is the
//! [`fleet`](crate::fleet)'s, and when it does is up to [`ops`](crate::ops).
//!
//! Knows nothing of stacks, plans, records or the inventory. What it is told it was told by a client that may open the
//! engine's socket as well, and so has root's rights on the host already.
//!
//! # Why HTTP
//!
//! Frames of our own would need what [`http`](crate::http) has: a length that is known before anything is read,
//! time limits for each part, an end for a client that does not read. And `docker system dial-stdio`, by which
//! hosts are reached whose sshd forwards no sockets, connects to what it takes for an engine.

pub mod client;
pub mod desk;
pub mod join;
mod mesh;
pub mod program;
mod put;
pub mod relay;
pub mod secrets;
pub mod serve;
pub mod wire;
