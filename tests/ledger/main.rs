//! The ledger on those who really keep it: the same laws on files, on etcd, on ZooKeeper and on Consul, and
//! what becomes of them when their members are killed or stopped.
//!
//! Starts etcd itself. Where there is none these tests say so and pass; with `STACKCTL_TEST_ETCD` set, as
//! `.ci/run` sets it, they fail. ZooKeeper and Consul are tried where `STACKCTL_TEST_ZOOKEEPER` and
//! `STACKCTL_TEST_CONSUL` are set; `STACKCTL_TEST_CONSUL_BIN` says where Consul is.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test starts programs, reads files and measures time"
)]

#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../support/engine/mod.rs"]
mod engine;
#[path = "../cli/hosts.rs"]
#[allow(dead_code)]
mod hosts;
#[path = "../cli/run.rs"]
#[allow(dead_code)]
mod run;

mod agents;
mod consul;
mod controller;
mod controllers;
mod etcd;
mod faults;
mod keeper;
mod laws;
mod moments;
mod processes;
mod records;
mod server;
#[path = "../support/splitmix.rs"]
mod splitmix;
mod wire;
#[cfg(feature = "zookeeper")]
mod zoo;
#[cfg(feature = "zookeeper")]
mod zookeeper;

/// Asked for and left out must not look like passed.
#[cfg(not(feature = "zookeeper"))]
#[test]
fn zookeeper_is_tried_where_it_was_asked_for() {
    assert!(
        std::env::var_os("STACKCTL_TEST_ZOOKEEPER").is_none(),
        "STACKCTL_TEST_ZOOKEEPER is set, and this build is without ZooKeeper: add --features zookeeper"
    );
}
