//! Those who keep the records, three of each, as a test has them in its hands.

use std::ops::Deref;

use crate::agents::Agents;
use crate::processes::Processes;
use crate::server::Server;
#[cfg(feature = "zookeeper")]
use crate::zoo::Zoo;

/// Those who keep the records.
pub trait Keeper: Deref<Target = Processes> + Send + Sync + 'static {
    /// What addresses begin with.
    const SCHEME: &'static str;

    /// The address of something in it.
    fn place(&self, prefix: &str) -> String;

    /// Of clients.
    fn ports(&self) -> Vec<u16>;

    /// Which member leads.
    fn leader(&self) -> usize;

    /// Starts a member with what it has on disk.
    fn start_again(&self, member: usize);
}

macro_rules! keepers {
    ($($kind:ty: $scheme:literal),*) => {$(
        impl Keeper for $kind {
            const SCHEME: &'static str = $scheme;

            fn place(&self, prefix: &str) -> String {
                self.place(prefix)
            }

            fn ports(&self) -> Vec<u16> {
                self.ports()
            }

            fn leader(&self) -> usize {
                self.leader()
            }

            fn start_again(&self, member: usize) {
                self.start_again(member);
            }
        }
    )*};
}

keepers!(Server: "etcd", Agents: "consul");
#[cfg(feature = "zookeeper")]
keepers!(Zoo: "zookeeper");
