//! What can be wrong between agents.

use crate::model::Timestamp;

/// What is wrong between the agent of a host and the others. Its tasks run; after the host was off they may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peers {
    /// It does not know who it is among them.
    Unknown,
    /// Its certificate ends soon.
    Ends {
        /// Then.
        until: Timestamp,
    },
    /// Its certificate is of another authority than the cluster's.
    OtherAuthority,
    /// Others have said to it that its host is no member.
    Out,
    /// It knows other members, or other places of them, than the inventory has.
    Outdated,
    /// It does not listen.
    Deaf {
        /// Why not.
        why: String,
    },
    /// It does not reach another one.
    NotReached {
        /// The other one's host.
        host: String,
        /// The port of that.
        port: u16,
        why: String,
    },
    /// Another one, which it reaches, does not keep what it has.
    NotKept {
        /// The other one's host.
        host: String,
        why: String,
    },
    /// Tasks whose secrets no agent has that it reaches.
    Lacking(usize),
}
