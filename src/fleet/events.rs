//! What engines tell by themselves: containers of a stack that end, as it happens.
//!
//! A look every so often misses a task that ends and is started again between two looks; this does
//! not. It is an ear, not a memory: what happened while nobody listened is for a look to find.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, SelectAll, StreamExt};
use futures_util::{FutureExt, Stream};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;

use crate::model::{NodeName, StackName, TaskId};

use super::docker::client::with_query;
use super::docker::labels;
use super::host::{Host, Up};

/// For the beginning of the answer.
const EVENTS_LIMIT: Duration = Duration::from_secs(30);

/// A container of a stack ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fall {
    /// Where.
    pub node: NodeName,
    /// Which task.
    pub task: TaskId,
    /// With which status.
    pub exit_code: i64,
}

/// Falls as they happen, of all hosts. Ends for a host when the connection to it does.
pub type Falls = SelectAll<Pin<Box<dyn Stream<Item = Fall> + Send>>>;

/// Listens to hosts. Nothing is awaited here: each host is asked once the stream is.
pub(super) fn falls<'a>(
    hosts: impl Iterator<Item = (&'a NodeName, &'a Arc<Host>)>,
    stack: &StackName,
) -> Falls {
    let mut all = SelectAll::new();
    for (node, host) in hosts {
        let Ok(up) = host.up() else { continue };
        // Where every stream is taken, looks have to do.
        let Ok(turn) = Arc::clone(&up.turns).try_acquire_owned() else { continue };
        let (node, stack) = (node.clone(), stack.clone());
        let opened = async move { open(&up, &stack).await };
        let falls = opened.into_stream().flat_map(move |body| {
            let node = node.clone();
            lines(body).filter_map(move |line| {
                let fall = read(&line, &node);
                async move { fall }
            })
        });
        let held: Pin<Box<dyn Stream<Item = Fall> + Send>> = Box::pin(falls.inspect(move |_| {
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

/// Lines of a body, one JSON object each; none if there is no body.
fn lines(body: Option<Incoming>) -> impl Stream<Item = Vec<u8>> + Send {
    stream::unfold((body, Vec::new()), |(mut body, mut bytes)| async move {
        loop {
            if let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = bytes.drain(..=end).collect();
                return Some((line, (body, bytes)));
            }
            let frame = body.as_mut()?.frame().await?.ok()?;
            bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
    })
}

fn read(line: &[u8], node: &NodeName) -> Option<Fall> {
    #[derive(Deserialize)]
    struct Message {
        #[serde(rename = "Actor")]
        actor: Actor,
    }
    #[derive(Deserialize)]
    struct Actor {
        #[serde(rename = "Attributes")]
        attributes: std::collections::BTreeMap<String, String>,
    }
    let attributes = serde_json::from_slice::<Message>(line).ok()?.actor.attributes;
    let task = attributes.get(labels::TASK)?;
    let exit_code = attributes.get("exitCode")?.parse().ok()?;
    Some(Fall { node: node.clone(), task: TaskId::unchecked(task), exit_code })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_read_with_its_task_and_status() {
        let line = br#"{"status":"die","id":"0a1b","Type":"container","Action":"die","Actor":{"ID":"0a1b","Attributes":{"exitCode":"137","image":"web:1","io.stackctl.task":"2b0x","name":"app_web.1.2b0x"}},"scope":"local","time":1700000000,"timeNano":1700000000000000001}"#;
        let node = NodeName::unchecked("h1");
        let fall = read(line, &node).unwrap();
        assert_eq!((fall.task.as_str(), fall.exit_code, fall.node), ("2b0x", 137, node.clone()));
        for bad in ["", "{}", "not json", r#"{"Actor":{"Attributes":{"exitCode":"1"}}}"#] {
            assert_eq!(read(bad.as_bytes(), &node), None, "{bad}");
        }
    }
}
