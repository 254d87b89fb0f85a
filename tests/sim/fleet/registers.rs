//! The records of managers: volumes on hosts, over the same network, with the hosts' own clocks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use stackctl::ledger::{Content, Found, Place, ReadRegisters, Silent, Stream, WriteRegisters};
use stackctl::model::{NodeName, StackName, Timestamp};

use super::{Net, World};

const LIMIT: Duration = Duration::from_secs(3);

/// A process's way to the records.
#[derive(Debug, Clone)]
pub struct RegisterWriter {
    pub net: Net,
    pub process: usize,
    /// The managers of its inventory, by name.
    pub names: Arc<Vec<String>>,
}

/// Here a reader is trusted not to write.
pub type RegisterReader = RegisterWriter;

impl World {
    fn clock(&self, node: &NodeName) -> Timestamp {
        let ahead = self.ahead.get(node).copied().unwrap_or(0);
        Timestamp(crate::commands::EPOCH_MS + self.now() + ahead)
    }
}

impl RegisterWriter {
    fn node(&self, manager: usize) -> NodeName {
        NodeName::unchecked(&self.names[manager])
    }

    async fn ask<T>(
        &self,
        manager: usize,
        ask: impl FnOnce(&mut World, &NodeName) -> T,
    ) -> Result<T, Silent> {
        let node = self.node(manager);
        let answer = self.net.read(self.process, &node, LIMIT, |world| ask(world, &node)).await;
        answer.map_err(|_| Silent("is silent".to_owned()))
    }

    async fn write<T: Send + 'static>(
        &self,
        manager: usize,
        act: impl FnOnce(&mut World, &NodeName) -> T + Send + 'static,
    ) -> Result<T, Silent> {
        let (node, at) = (self.node(manager), self.node(manager));
        self.net.thawed(self.process).await;
        let silent = |_| Silent("is silent".to_owned());
        if !tokio::time::timeout(LIMIT, self.net.connects(self.process, &node)).await.unwrap_or(false) {
            return Err(silent(()));
        }
        let acts = move |net: Net| async move { act(&mut super::lock(&net), &at) };
        self.net.call(self.process, &node, LIMIT, acts).await.map_err(|_| silent(()))
    }
}

/// What a host has of a stream.
pub(super) fn found(world: &World, node: &NodeName, stream: &Stream) -> Vec<Found> {
    let of = stream.to_string();
    let first = (node.clone(), of.clone(), Place { seq: 0, round: 0 });
    let of_stream =
        world.registers.range(first..).take_while(|((at, stream, _), _)| at == node && *stream == of);
    let found = |((.., place), (content, created)): (&(_, _, Place), &(Content, Timestamp))| Found {
        place: *place,
        content: content.clone(),
        created: *created,
    };
    of_stream.map(|(key, value): (&(NodeName, String, Place), _)| found((key, value))).collect()
}

impl ReadRegisters for RegisterWriter {
    fn managers(&self) -> &[String] {
        &self.names
    }

    async fn list(&self, manager: usize, stream: &Stream) -> Result<Vec<Found>, Silent> {
        self.ask(manager, |world, node| found(world, node, stream)).await
    }

    async fn stacks(&self, manager: usize) -> Result<BTreeSet<StackName>, Silent> {
        self.ask(manager, |world, node| {
            let of_node = world.registers.keys().filter(|(at, ..)| at == node);
            let stacks = of_node.filter_map(|(_, stream, _)| stream.strip_prefix("releases/"));
            stacks.map(StackName::unchecked).collect()
        })
        .await
    }

    async fn clock(&self, manager: usize) -> Result<Timestamp, Silent> {
        self.ask(manager, |world, node| world.clock(node)).await
    }
}

impl WriteRegisters for RegisterWriter {
    async fn create(
        &self,
        manager: usize,
        stream: &Stream,
        place: Place,
        content: &Content,
    ) -> Result<Content, Silent> {
        let (stream, content) = (stream.to_string(), content.clone());
        self.write(manager, move |world, node| {
            let now = world.clock(node);
            world.registers.entry((node.clone(), stream, place)).or_insert((content, now)).0.clone()
        })
        .await
    }

    async fn remove(&self, manager: usize, stream: &Stream, place: Place) -> Result<(), Silent> {
        let stream = stream.to_string();
        self.write(manager, move |world, node| drop(world.registers.remove(&(node.clone(), stream, place))))
            .await
    }
}
