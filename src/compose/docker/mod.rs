//! Docker's reading to the letter ([`Reading::Docker`](super::Reading)): what a file means to
//! `docker stack deploy`, in the places where we read it otherwise on purpose.
//!
//! - An operator works without braces, and nothing nests ([`variables`]).
//! - Several files merge by docker's rules ([`merge`]): zero and empty never win, lists pile up.
//! - What a swarm service has no place for, or the loader forgets, is dropped ([`drops`]); `restart: "no"`
//!   restarts.
//! - An empty variable takes the caller's value (`normal`).
//! - One letter before a colon is a Windows drive (`short`).
//! - What only the engine refuses passes: templates beyond ours, relative targets (`lower`).
//!
//! Still refused is what docker refuses at a deploy, and what swarm mode refuses. More than docker takes is
//! taken: forms of the Compose specification that it does not know keep their meaning.

pub mod drops;
pub mod merge;
pub mod variables;
