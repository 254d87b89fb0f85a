//! Ships agents to an engine and takes them away. Each step may be repeated: what is there already is left, and what is
//! gone already is gone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::parcel::{Parcel, Rights};
use super::{Installed, Kind, asked};
use crate::agent::program::Program;
use crate::fleet::docker::client::{CallError, Engine, with_query};
use crate::fleet::error::HostError;
use crate::fleet::host::{AskError, Host, Up};
use crate::model::ClusterName;

/// For a program of some tens of megabytes, over a slow line.
const SHIP_LIMIT: Duration = Duration::from_secs(600);
/// For the engine to start a plugin, which it waits for itself, and to end one.
const SWITCH_LIMIT: Duration = Duration::from_secs(60);
/// So long the engine waits for a plugin's socket, in seconds.
const START_WAIT: &str = "20";
/// So long a container has to end, in seconds, before it is killed.
const END_WAIT: &str = "10";

/// How an agent came to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// As a plugin.
    Plugin,
    /// As a container, since plugins are refused: what the engine said, where it was asked.
    Container(Option<String>),
}

/// Why an agent did not get to a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotShipped {
    /// The host is silent.
    #[error(transparent)]
    Silent(#[from] HostError),
    /// The engine refuses.
    #[error("the engine refuses to {what}: {why}")]
    Refused {
        /// What it was asked to do.
        what: &'static str,
        /// Its words.
        why: String,
    },
    /// The agent does not remove what it keeps.
    #[error("the agent does not remove the secrets that it keeps: {0}")]
    Secrets(String),
    /// It takes neither a plugin nor a container.
    #[error("the engine takes it neither as a plugin ({plugin}) nor as a container ({container})")]
    Neither {
        /// Its words about the plugin.
        plugin: String,
        /// Its words about the container.
        container: String,
    },
}

/// Ships to one host.
#[derive(Debug, Clone)]
pub(crate) struct Shipper {
    host: Arc<Host>,
    cluster: ClusterName,
}

impl Shipper {
    pub(super) fn new(host: Arc<Host>, cluster: ClusterName) -> Self {
        Self { host, cluster }
    }

    /// Brings an agent to the host and starts it: as a plugin, or as a container where plugins are refused.
    pub(crate) async fn install(
        &self,
        program: &Program,
        rights: &Rights,
        takes_plugins: bool,
    ) -> Result<How, NotShipped> {
        let engine = self.host.socket().to_owned();
        let parcel = Parcel { cluster: &self.cluster, program, rights, engine: &engine };
        if !takes_plugins {
            self.as_container(&parcel).await?;
            return Ok(How::Container(None));
        }
        let refused = match self.as_plugin(&parcel).await {
            Ok(()) => return Ok(How::Plugin),
            Err(NotShipped::Refused { what, why }) => format!("{what}: {why}"),
            Err(other) => return Err(other),
        };
        // One that was made and cannot be started must not stay.
        self.remove_plugin(&parcel.plugin_name()).await?;
        match self.as_container(&parcel).await {
            Ok(()) => Ok(How::Container(Some(refused))),
            Err(NotShipped::Refused { what, why }) => {
                Err(NotShipped::Neither { plugin: refused, container: format!("{what}: {why}") })
            }
            Err(other) => Err(other),
        }
    }

    /// Starts an agent that the engine has.
    pub(crate) async fn start(&self, agent: &Installed) -> Result<(), NotShipped> {
        match agent.kind {
            Kind::Plugin => self.enable(&agent.name).await,
            Kind::Container => self.start_container(&agent.name).await,
        }
    }

    /// Ends an agent and removes it. It takes its socket away when it ends.
    pub(crate) async fn remove(&self, agent: &Installed) -> Result<(), NotShipped> {
        match agent.kind {
            Kind::Plugin => self.remove_plugin(&agent.name).await,
            Kind::Container => {
                let stop = with_query(&format!("/containers/{}/stop", agent.name), &[("t", END_WAIT)]);
                self.post("stop the container", stop, &[304, 404]).await?;
                self.delete("remove the container", format!("/containers/{}?force=1", agent.name)).await
            }
        }
    }

    /// Removes an image that an agent was started from.
    pub(crate) async fn remove_image(&self, image: &str) -> Result<(), NotShipped> {
        self.delete("remove the image", format!("/images/{image}")).await
    }

    async fn as_plugin(&self, parcel: &Parcel<'_>) -> Result<(), NotShipped> {
        let name = parcel.plugin_name();
        let archive = archive(parcel.plugin())?;
        let create = with_query("/plugins/create", &[("name", &name)]);
        self.send("make the plugin", create, archive, SHIP_LIMIT, &[409]).await?;
        self.enable(&name).await
    }

    async fn as_container(&self, parcel: &Parcel<'_>) -> Result<(), NotShipped> {
        let archive = archive(parcel.image_archive())?;
        self.send("load the image", "/images/load?quiet=1".to_owned(), archive, SHIP_LIMIT, &[]).await?;
        let name = parcel.container_name();
        let create = with_query("/containers/create", &[("name", &name)]);
        let asked_for = parcel.container();
        let (create, asked_for) = (&create, &asked_for);
        self.ask("make the container", &[409], |engine: Engine| async move {
            engine.post::<serde_json::Value>(create, asked_for, SWITCH_LIMIT).await.map(drop)
        })
        .await?;
        self.start_container(&name).await
    }

    async fn start_container(&self, name: &str) -> Result<(), NotShipped> {
        self.post("start the container", format!("/containers/{name}/start"), &[304]).await
    }

    async fn enable(&self, name: &str) -> Result<(), NotShipped> {
        let path = with_query(&format!("/plugins/{name}/enable"), &[("timeout", START_WAIT)]);
        // An engine says of one that is enabled already that it is, with one status or another.
        match self.post("start the plugin", path, &[]).await {
            Err(NotShipped::Refused { why, .. }) if why.contains("already enabled") => Ok(()),
            other => other,
        }
    }

    async fn remove_plugin(&self, name: &str) -> Result<(), NotShipped> {
        let disable = with_query(&format!("/plugins/{name}/disable"), &[("force", "1")]);
        match self.post("end the plugin", disable, &[404]).await {
            Err(NotShipped::Refused { why, .. }) if why.contains("disabled") => {}
            other => other?,
        }
        self.delete("remove the plugin", format!("/plugins/{name}?force=1")).await
    }

    async fn post(&self, what: &'static str, path: String, fine: &[u16]) -> Result<(), NotShipped> {
        self.send(what, path, Bytes::new(), SWITCH_LIMIT, fine).await
    }

    async fn send(
        &self,
        what: &'static str,
        path: String,
        archive: Bytes,
        limit: Duration,
        fine: &[u16],
    ) -> Result<(), NotShipped> {
        let path = &path;
        let send = |engine: Engine| {
            let archive = archive.clone();
            async move { engine.post_archive(path, archive, limit).await }
        };
        self.ask(what, fine, send).await
    }

    async fn delete(&self, what: &'static str, path: String) -> Result<(), NotShipped> {
        let path = &path;
        self.ask(what, &[404], |engine: Engine| async move { engine.delete(path, SWITCH_LIMIT).await }).await
    }

    /// Sends something; the statuses that are `fine` say that it is as wanted already.
    async fn ask<F, A>(&self, what: &'static str, fine: &[u16], send: F) -> Result<(), NotShipped>
    where
        F: Fn(Engine) -> A,
        A: Future<Output = Result<(), CallError>>,
    {
        let send = &send;
        let sent = asked(&self.host, |up: Arc<Up>| async move { send(up.engine.clone()).await }).await;
        match sent {
            Ok(()) => Ok(()),
            Err(AskError::Silent(error)) => Err(error.into()),
            Err(AskError::Refused(error)) if error.status().is_some_and(|code| fine.contains(&code)) => {
                Ok(())
            }
            Err(AskError::Refused(error)) => Err(NotShipped::Refused { what, why: error.to_string() }),
        }
    }
}

fn archive(made: std::io::Result<Bytes>) -> Result<Bytes, NotShipped> {
    made.map_err(|error| NotShipped::Refused { what: "be sent an archive", why: error.to_string() })
}
