//! What engines have of a cluster's agents.

use std::path::Path;
use std::sync::Arc;

use super::parcel::{
    CLUSTER_VARIABLE, DIGEST_VARIABLE, RIGHTS_VARIABLE, VERSION_VARIABLE, image_name, plugin_head,
    secrets_folder,
};
use super::{HostAgents, Installed, Kind, Looks};
use crate::agent::program::canonical;
use crate::fleet::Inner;
use crate::fleet::docker::client::{CallError, DEFAULT_LIMIT, Reader, with_query};
use crate::fleet::docker::{labels, wire};
use crate::fleet::error::HostError;
use crate::fleet::host::{Host, Up};
use crate::fleet::turns;
use crate::model::{ClusterName, NodeName, Timestamp};

/// What an engine answers that has no managed plugins: the whole path is unknown to it, or not for us.
const NO_PLUGINS: [u16; 4] = [403, 404, 405, 501];

/// Asks every host at once.
pub(super) async fn all(inner: &Inner, now: impl Fn() -> Timestamp) -> Looks {
    let membership = inner.membership();
    let ask = |_: NodeName, host: Arc<Host>| async move { one(&host, &inner.cluster).await };
    let again = |_: NodeName, _: Arc<Host>, error: HostError| async move { Err(error) };
    let answers = turns::ask_all(&membership.hosts, ask, again, |_| false).await;
    let at = now();
    answers
        .into_iter()
        .map(|(name, answer)| (name, answer.map_err(|error| error.to_unreachable(at))))
        .collect()
}

/// Asks one host.
pub(super) async fn one(host: &Arc<Host>, cluster: &ClusterName) -> Result<HostAgents, HostError> {
    let up = host.up_or_revived().await?;
    let secrets = secrets_folder(cluster, host.socket());
    let secrets = &secrets;
    host.read(up, |up: Arc<Up>| async move { of_engine(&up.engine.reader, cluster, secrets).await }).await
}

/// Only the agents, of a host that has answered before.
pub(super) async fn agents_of(host: &Arc<Host>, cluster: &ClusterName) -> Result<Vec<Installed>, HostError> {
    let up = host.up_or_revived().await?;
    let installed = |up: Arc<Up>| async move { installed(&up.engine.reader, cluster).await };
    host.read(up, installed).await.map(|(agents, _)| agents)
}

async fn of_engine(reader: &Reader, cluster: &ClusterName, secrets: &Path) -> Result<HostAgents, CallError> {
    let named = serde_json::json!({ "reference": [image_name(cluster)] }).to_string();
    let images = with_query("/images/json", &[("filters", &named)]);
    let (info, installed, tasks, images) = tokio::join!(
        reader.get::<wire::Info>("/info", DEFAULT_LIMIT),
        installed(reader, cluster),
        labelled(reader, labels::TASK),
        reader.get::<Vec<wire::ListedImage>>(&images, DEFAULT_LIMIT),
    );
    let (info, (agents, takes_plugins)) = (info?, installed?);
    let uses = |container: &wire::Container| {
        container.mounts.iter().any(|mount| Path::new(&mount.source).starts_with(secrets))
    };
    let mut users: Vec<String> = tasks?.iter().filter(|one| uses(one)).map(user).collect();
    // One for all containers that a slot has had.
    users.sort();
    users.dedup();
    // The filter is a pattern, and engines differ in what fits it.
    let head = format!("{}:", image_name(cluster));
    let tags = images?.into_iter().flat_map(|image| image.repo_tags);
    let mut images: Vec<String> = tags.filter(|tag| tag.starts_with(&head)).collect();
    images.sort();
    Ok(HostAgents {
        system: info.os_type,
        architecture: canonical(&info.architecture).to_owned(),
        is_rootless: info.security_options.iter().any(|option| option == "name=rootless"),
        takes_plugins,
        agents,
        images,
        users,
    })
}

/// The agents, and whether the engine has plugins at all.
async fn installed(reader: &Reader, cluster: &ClusterName) -> Result<(Vec<Installed>, bool), CallError> {
    let of_cluster = format!("{}={cluster}", labels::AGENT_CLUSTER);
    let (plugins, containers) = tokio::join!(
        reader.get::<Option<Vec<wire::Plugin>>>("/plugins", DEFAULT_LIMIT),
        labelled(reader, &of_cluster),
    );
    let (plugins, takes_plugins) = match plugins {
        Ok(plugins) => (plugins.unwrap_or_default(), true),
        Err(error) if error.status().is_some_and(|code| NO_PLUGINS.contains(&code)) => (Vec::new(), false),
        Err(error) => return Err(error),
    };
    let mut agents: Vec<Installed> =
        plugins.into_iter().filter_map(|plugin| of_plugin(plugin, cluster)).collect();
    agents.extend(containers?.into_iter().filter_map(of_container));
    agents.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok((agents, takes_plugins))
}

async fn labelled(reader: &Reader, label: &str) -> Result<Vec<wire::Container>, CallError> {
    let filters = serde_json::json!({ "label": [label] }).to_string();
    let path = with_query("/containers/json", &[("all", "1"), ("filters", &filters)]);
    reader.get(&path, DEFAULT_LIMIT).await
}

/// What a container is of, in words.
fn user(container: &wire::Container) -> String {
    let label = |key: &str| container.labels.get(key);
    match (label(labels::STACK), label(labels::SERVICE), label(labels::SLOT)) {
        (Some(stack), Some(service), Some(slot)) => format!("{stack}_{service}.{slot}"),
        _ => container.name().to_owned(),
    }
}

/// A plugin that calls itself an agent of this cluster, and is called like one.
fn of_plugin(plugin: wire::Plugin, cluster: &ClusterName) -> Option<Installed> {
    let value = |name: &str| {
        plugin.config.env.iter().find(|one| one.name == name).map(|one| one.value.clone()).unwrap_or_default()
    };
    let is_ours =
        plugin.name.starts_with(&plugin_head(cluster)) && value(CLUSTER_VARIABLE) == cluster.as_str();
    is_ours.then(|| Installed {
        kind: Kind::Plugin,
        digest: value(DIGEST_VARIABLE),
        version: value(VERSION_VARIABLE),
        rights: value(RIGHTS_VARIABLE),
        is_on: plugin.enabled,
        name: plugin.name.clone(),
    })
}

fn of_container(container: wire::Container) -> Option<Installed> {
    let label = |key: &str| container.labels.get(key).cloned();
    Some(Installed {
        kind: Kind::Container,
        name: container.names.first()?.trim_start_matches('/').to_owned(),
        digest: label(labels::AGENT)?,
        version: label(labels::AGENT_VERSION).unwrap_or_default(),
        rights: label(labels::AGENT_RIGHTS).unwrap_or_default(),
        is_on: container.state == "running" || container.state == "restarting",
    })
}
