//! Events of engines: containers of a stack that exit, as it happens.
//!
//! Polling misses a task that exits and is restarted between two polls; events do not. They are not replayed:
//! an observation covers what happened before the stream was open.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, SelectAll, StreamExt};
use futures_util::{FutureExt, Stream};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;

use crate::model::{ClusterName, NodeName, StackName, TaskId};

use super::docker::client::with_query;
use super::docker::labels;
use super::host::{Host, Up};
use super::lines::{LINE_MAX, Lines};
use super::registers;

/// For the beginning of the answer.
const EVENTS_LIMIT: Duration = Duration::from_secs(30);

/// A container of a stack ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerExit {
    pub node: NodeName,
    pub task: TaskId,
    pub exit_code: i64,
}

/// An event on a host that a loop wants to look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineEvent {
    /// A container of this stack started, exited, was removed, or changed its health.
    Container {
        /// Of which stack.
        stack: StackName,
        what: String,
        /// `web.1`: service and slot.
        task: String,
        /// With which status it ended, if it did.
        exit_code: Option<i64>,
    },
    /// A record was written into the ledger.
    Record {
        /// The word of its [kind](crate::ledger::register::Kind).
        kind: String,
        /// Whose it is; of a very long name only the beginning.
        of: String,
    },
}

/// Events of one host, until its connection ends.
pub type EngineEvents = Pin<Box<dyn Stream<Item = EngineEvent> + Send>>;

/// Container exits of all hosts, as they happen. Ends for a host when the connection to it does.
pub type ContainerExits = SelectAll<Pin<Box<dyn Stream<Item = ContainerExit> + Send>>>;

/// Opens the event streams. Nothing is awaited here: each host is asked when the stream is polled.
pub(super) fn container_exits<'a>(
    hosts: impl Iterator<Item = (&'a NodeName, &'a Arc<Host>)>,
    stack: &StackName,
) -> ContainerExits {
    let mut all = SelectAll::new();
    for (node, host) in hosts {
        let Ok(up) = host.up() else { continue };
        // If every stream is taken, polling has to do.
        let Ok(turn) = Arc::clone(&up.turns).try_acquire_owned() else { continue };
        let (node, stack) = (node.clone(), stack.clone());
        let opened = async move { open(&up, &stack).await };
        let container_exits = opened.into_stream().flat_map(move |body| {
            let node = node.clone();
            lines(body).filter_map(move |line| {
                let exit = read(&line, &node);
                async move { exit }
            })
        });
        let held: Pin<Box<dyn Stream<Item = ContainerExit> + Send>> =
            Box::pin(container_exits.inspect(move |_| {
                // Held as long as the stream.
                let _ = &turn;
            }));
        all.push(held);
    }
    all
}

async fn open(up: &Up, stack: &StackName) -> Option<Incoming> {
    let filters = serde_json::json!({
        "type": ["container"],
        "event": ["die"],
        "label": [format!("{}={stack}", labels::STACK)],
    });
    let path = with_query("/events", &[("filters", &filters.to_string())]);
    up.engine.reader.stream(&path, EVENTS_LIMIT).await.ok()
}

/// Opens the events of one host that concern any stack of a cluster. `None` if no stream can be opened.
///
/// Volumes carry no labels in events, so that containers cannot be selected by label in the same stream: what
/// is not ours is filtered out here.
pub(super) async fn engine_events(up: &Arc<Up>, cluster: &ClusterName) -> Option<EngineEvents> {
    let turn = Arc::clone(&up.turns).try_acquire_owned().ok()?;
    let filters = serde_json::json!({
        "type": ["container", "volume"],
        "event": ["create", "start", "die", "destroy", "pause", "unpause", "health_status"],
    });
    let path = with_query("/events", &[("filters", &filters.to_string())]);
    let body = up.engine.reader.stream(&path, EVENTS_LIMIT).await.ok()?;
    let cluster = cluster.clone();
    let read = lines(Some(body)).filter_map(move |line| {
        // Held as long as the stream.
        let _ = &turn;
        let event = event(&line, &cluster);
        async move { event }
    });
    Some(Box::pin(read))
}

fn event(line: &[u8], cluster: &ClusterName) -> Option<EngineEvent> {
    let message = serde_json::from_slice::<Message>(line).ok()?;
    if message.kind == "volume" {
        let (kind, of) = registers::named(&message.actor.id, cluster)?;
        return (message.action == "create").then_some(EngineEvent::Record { kind, of });
    }
    let attributes = message.actor.attributes;
    if attributes.get(labels::CLUSTER)? != cluster.as_str() {
        return None;
    }
    let stack = StackName::new(attributes.get(labels::STACK)?).ok()?;
    let label = |name| attributes.get(name).map_or("", String::as_str);
    // A slot that is a node has a prefix before its name.
    let slot = label(labels::SLOT).rsplit(':').next().unwrap_or_default();
    let task = format!("{}.{slot}", label(labels::SERVICE));
    let exit_code = attributes.get("exitCode").and_then(|code| code.parse().ok());
    Some(EngineEvent::Container { stack, what: message.action, task, exit_code })
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "Type", default)]
    kind: String,
    #[serde(rename = "Action", default)]
    action: String,
    #[serde(rename = "Actor")]
    actor: Actor,
}

#[derive(Deserialize)]
struct Actor {
    #[serde(rename = "ID", default)]
    id: String,
    #[serde(rename = "Attributes", default)]
    attributes: std::collections::BTreeMap<String, String>,
}

/// Lines of a body, one JSON object each; none if there is no body. One that is too long is passed over: the next look
/// sees what it was about.
fn lines(body: Option<Incoming>) -> impl Stream<Item = Vec<u8>> + Send {
    stream::unfold((body, Lines::new(LINE_MAX)), |(mut body, mut lines)| async move {
        loop {
            while let Some(line) = lines.next() {
                if let Ok(line) = line {
                    return Some((line, (body, lines)));
                }
            }
            let frame = body.as_mut()?.frame().await?.ok()?;
            lines.push(frame.data_ref().map_or(&[][..], |data| data));
        }
    })
}

fn read(line: &[u8], node: &NodeName) -> Option<ContainerExit> {
    let attributes = serde_json::from_slice::<Message>(line).ok()?.actor.attributes;
    let task = attributes.get(labels::TASK)?;
    let exit_code = attributes.get("exitCode")?.parse().ok()?;
    Some(ContainerExit { node: node.clone(), task: TaskId::unchecked(task), exit_code })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_read_with_its_task_and_status() {
        let line = br#"{"status":"die","id":"0a1b","Type":"container","Action":"die","Actor":{"ID":"0a1b","Attributes":{"exitCode":"137","image":"web:1","io.stackctl.task":"2b0x","name":"app_web.1.2b0x"}},"scope":"local","time":1700000000,"timeNano":1700000000000000001}"#;
        let node = NodeName::unchecked("h1");
        let exit = read(line, &node).unwrap();
        assert_eq!((exit.task.as_str(), exit.exit_code, exit.node), ("2b0x", 137, node.clone()));
        for bad in ["", "{}", "not json", r#"{"Actor":{"Attributes":{"exitCode":"1"}}}"#] {
            assert_eq!(read(bad.as_bytes(), &node), None, "{bad}");
        }
    }
    #[test]
    fn what_concerns_the_cluster_is_heard() {
        let cluster = ClusterName::unchecked("prod");
        let heard = |text: &str| event(text.as_bytes(), &cluster);
        let container = |cluster: &str, action: &str| {
            format!(
                r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"0a","Attributes":{{"io.stackctl.cluster":"{cluster}","com.docker.stack.namespace":"shop","io.stackctl.service":"web","io.stackctl.slot":"node:h1","exitCode":"3"}}}}}}"#
            )
        };
        let shop = StackName::unchecked("shop");
        let what = "health_status: unhealthy".to_owned();
        let task = "web.h1".to_owned();
        let expected = EngineEvent::Container { stack: shop, what: what.clone(), task, exit_code: Some(3) };
        assert_eq!(heard(&container("prod", &what)), Some(expected));
        assert_eq!(heard(&container("test", "die")), None);
        let volume = |name: &str, action: &str| {
            format!(
                r#"{{"Type":"volume","Action":"{action}","Actor":{{"ID":"{name}","Attributes":{{"driver":"local"}}}}}}"#
            )
        };
        let name = "stackctl-ledger-prod.releases.shop-0123456789ab-3.0";
        assert_eq!(
            heard(&volume(name, "create")),
            Some(EngineEvent::Record { kind: "releases".to_owned(), of: "shop".to_owned() })
        );
        assert_eq!(heard(&volume(name, "destroy")), None);
        assert_eq!(heard(&volume("shop_data", "create")), None);
        assert_eq!(heard("{}"), None);
    }
}
