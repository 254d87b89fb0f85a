//! Agents of a cluster: which host has which one, and bringing, replacing and removing them.
//!
//! [`look`] asks; [`plan`](mod@plan) compares what is there with what this program would ship, without an effect;
//! [`install`](mod@install) and [`remove`](mod@remove) carry out, one host after the other, step by step, each by another
//! look: whatever interrupted an earlier run, the next one goes on from what it finds, and does nothing where nothing
//! is left to do; [`lock`] sees to it that there is one run at a time. [`programs`] finds the files; [`join`](mod@join) tells agents who they
//! are among the others, and [`over`] which tasks of hosts that are off are over.
//!
//! An agent has root's rights on its host. So the first one of a host wants a consent of its own: see
//! [`plan::Permission`].

pub mod install;
pub mod join;
pub mod lock;
pub mod need;
pub mod over;
pub mod plan;
pub mod programs;
pub mod remove;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::log::Actor;
use crate::agent::client::{self, AskError};
use crate::agent::join::Standing;
use crate::agent::wire::{Answer, Hello, Keeping, Request, Status};
use crate::engine::{Clock, Writing};
use crate::fleet::agents::{HostAgents, Installed};
use crate::fleet::{Fleet, HostError};
use crate::model::{NodeName, Unreachable};

/// For an agent to say who it is, the way to it included.
const HELLO_LIMIT: Duration = Duration::from_secs(5);
/// For an agent to do something on its host, for which it may have to ask its engine.
const ASK_LIMIT: Duration = Duration::from_secs(20);

/// What an agent says when it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It answers.
    Up(Hello),
    /// The engine has it running, and it does not answer; why.
    Silent(String),
    /// The engine does not have it running.
    Off,
}

/// An agent, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    pub installed: Installed,
    pub seen: Seen,
    /// What it keeps of secrets, where it says so.
    pub secrets: Option<Keeping>,
    /// How it stands with other agents, where it knows who it is.
    pub standing: Option<Standing>,
}

impl Agent {
    /// Whether it runs, and keeps secrets.
    #[must_use]
    pub fn keeps_secrets(&self) -> bool {
        matches!(&self.seen, Seen::Up(hello) if hello.knows_secrets()) && !self.installed.rights.is_empty()
    }
}

/// A host, and its agents of this cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnHost {
    pub host: HostAgents,
    pub agents: Vec<Agent>,
}

/// Every host that was asked. One that is silent may have an agent or not.
pub type Look = BTreeMap<NodeName, Result<OnHost, Unreachable>>;

/// What agents are brought and removed with.
#[derive(Debug, Clone, Copy)]
pub struct Hands<'a> {
    pub fleet: &'a Fleet,
    pub actor: &'a Actor,
    pub writing: &'a Arc<Writing>,
}

/// Looks at these hosts, or at all of them.
pub async fn look(fleet: &Fleet, clock: Clock, nodes: Option<&BTreeSet<NodeName>>) -> Look {
    let mut hosts = fleet.agents(|| clock.now()).await;
    hosts.retain(|node, _| nodes.is_none_or(|nodes| nodes.contains(node)));
    let asked = hosts.into_iter().map(|(node, host)| async move {
        let on = match host {
            Ok(host) => Ok(with_words(fleet, &node, host).await),
            Err(why) => Err(why),
        };
        (node, on)
    });
    join_all(asked).await.into_iter().collect()
}

/// The agents of one host, and what they say, without anything else of that host.
///
/// # Errors
///
/// The host is silent.
pub async fn on_host(fleet: &Fleet, node: &NodeName) -> Result<Vec<Agent>, HostError> {
    let installed = fleet.agents_on(node).await?;
    Ok(words(fleet, node, &installed).await)
}

async fn with_words(fleet: &Fleet, node: &NodeName, host: HostAgents) -> OnHost {
    let agents = words(fleet, node, &host.agents).await;
    OnHost { host, agents }
}

async fn words(fleet: &Fleet, node: &NodeName, installed: &[Installed]) -> Vec<Agent> {
    let asked = installed.iter().map(|installed| async {
        let seen = if installed.is_on { seen(fleet, node, installed).await } else { Seen::Off };
        let status = match &seen {
            Seen::Up(hello) if hello.knows_secrets() => status(fleet, node, installed).await,
            _ => None,
        };
        let (secrets, standing) =
            status.map(|status| (status.secrets, status.standing.map(|one| *one))).unwrap_or_default();
        Agent { installed: installed.clone(), seen, secrets, standing }
    });
    join_all(asked).await
}

async fn seen(fleet: &Fleet, node: &NodeName, agent: &Installed) -> Seen {
    match greeted(fleet, node, &agent.mark(), &agent.digest).await {
        Ok(hello) => Seen::Up(hello),
        Err(why) => Seen::Silent(why),
    }
}

/// How an agent is; nothing is known where it does not say so in time.
async fn status(fleet: &Fleet, node: &NodeName, agent: &Installed) -> Option<Status> {
    match asked(fleet, node, agent, &Request::Status).await {
        Ok(Answer::Status(status)) => Some(status),
        Ok(_) | Err(_) => None,
    }
}

/// Asks an agent something; or why there is no answer.
async fn asked(
    fleet: &Fleet,
    node: &NodeName,
    agent: &Installed,
    request: &Request,
) -> Result<Answer, String> {
    let asked = async {
        let stream = fleet.agent_stream(node, &agent.mark()).await.map_err(|error| error.to_string())?;
        client::ask(stream, request, ASK_LIMIT).await.map_err(|error| error.to_string())
    };
    timeout(ASK_LIMIT, asked).await.map_err(|_| AskError::Late(ASK_LIMIT).to_string())?
}

/// What the agent with this mark and digest says of itself; or why it says nothing. One with another digest is another one.
async fn greeted(fleet: &Fleet, node: &NodeName, mark: &str, digest: &str) -> Result<Hello, String> {
    let asked = async {
        let stream = fleet.agent_stream(node, mark).await.map_err(|error| error.to_string())?;
        client::hello(stream, HELLO_LIMIT).await.map_err(|error| match error {
            // What ssh forwards can be opened whether anything listens there or not.
            AskError::Broken(_) => "nothing answers at its socket".to_owned(),
            other => other.to_string(),
        })
    };
    let hello = timeout(HELLO_LIMIT, asked).await.map_err(|_| AskError::Late(HELLO_LIMIT).to_string())??;
    match hello.digest == digest {
        true => Ok(hello),
        false => Err(format!("another program answers, of version {}", hello.version)),
    }
}
