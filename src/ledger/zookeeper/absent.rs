//! ZooKeeper in a build without the feature `zookeeper`: every address of it is refused in one place.
//!
//! It has the names of the real module, so that code that opens a backend need not know which
//! build they are in. Its types hold [`Infallible`]: no value of them exists, and the compiler knows that
//! nothing below [`open`] is ever reached. Must not know ZooKeeper's client.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use super::access::OpenError;
use super::place::ZookeeperPlace;
use super::register::{Content, Found, Place, ReadRegisters, Silent, Stream, WriteRegisters, Written};
use crate::model::{ClusterName, StackName, Timestamp};

/// A session that cannot be.
#[derive(Debug)]
pub struct Session(Infallible);

/// Registers that cannot be.
#[derive(Debug)]
pub struct ZookeeperRegisters(Infallible);

/// Refuses the address. One with a password in it is refused for that, as in a build with the feature: the
/// password has to be changed whichever build reads it.
pub fn open(place: &ZookeeperPlace, _env: impl Fn(&str) -> Option<String>) -> Result<Session, OpenError> {
    match place.tells_password {
        true => Err(OpenError::PasswordInAddress),
        false => Err(OpenError::NoZookeeper { place: place.to_string() }),
    }
}

/// Every node below a path, with what is in it.
pub async fn values_below(session: &Session, _path: &str) -> Result<BTreeMap<String, String>, String> {
    match session.0 {}
}

impl ZookeeperRegisters {
    /// The registers of a cluster.
    #[must_use]
    pub fn new(session: Arc<Session>, _cluster: &ClusterName) -> Self {
        match session.0 {}
    }
}

impl ReadRegisters for ZookeeperRegisters {
    fn managers(&self) -> &[String] {
        match self.0 {}
    }

    async fn list(&self, _: usize, _: &Stream) -> Result<Vec<Found>, Silent> {
        match self.0 {}
    }

    async fn stacks(&self, _: usize) -> Result<BTreeSet<StackName>, Silent> {
        match self.0 {}
    }

    async fn clock(&self, _: usize) -> Result<Timestamp, Silent> {
        match self.0 {}
    }

    fn listen(&self) -> Option<Receiver<Written>> {
        match self.0 {}
    }
}

impl WriteRegisters for ZookeeperRegisters {
    async fn create(&self, _: usize, _: &Stream, _: Place, _: &Content) -> Result<Content, Silent> {
        match self.0 {}
    }

    async fn remove(&self, _: usize, _: &Stream, _: Place) -> Result<(), Silent> {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_refused_and_one_with_a_password_for_that() {
        let refused = |address: &str| {
            let place = ZookeeperPlace::of_hosts(address).unwrap();
            open(&place, |_| None).err().map(|why| why.to_string())
        };
        assert_eq!(
            refused("zookeeper://127.0.0.1:1/prod").as_deref(),
            Some("`zookeeper://127.0.0.1:1/prod` cannot be asked: this stackctl was built without ZooKeeper")
        );
        let of_password = refused("zookeeper://ann:hush@127.0.0.1:1/prod").unwrap();
        assert!(of_password.contains("password") && !of_password.contains("hush"), "{of_password}");
    }
}
