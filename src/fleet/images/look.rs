//! What an engine has of images.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt as _;

use super::{HeldImage, Holder, HostImages, Looks};
use crate::fleet::docker::client::{ApiVersion, CallError, DEFAULT_LIMIT, Reader, escaped};
pub(super) use crate::fleet::docker::image::inspect;
use crate::fleet::docker::labels;
use crate::fleet::docker::observe::platform;
use crate::fleet::docker::wire;
use crate::fleet::error::HostError;
use crate::fleet::host::{Host, Up};
use crate::fleet::{Inner, turns};
use crate::image::load::Store;
use crate::model::{NodeName, Timestamp};

/// Images that are asked for at a time.
const ASKED_MAX: usize = 8;
/// From this version on an engine says whether all of an image is there.
const SAYS_WHOLE: ApiVersion = ApiVersion::v1(48);

/// Asks every host at once.
pub(super) async fn all(inner: &Inner, now: impl Fn() -> Timestamp) -> Looks {
    let membership = inner.membership();
    let ask = |_: NodeName, host: Arc<Host>| async move { one(&host).await };
    let again = |node, host, _| ask(node, host);
    let answers = turns::ask_all(&membership.hosts, ask, again, |_: &HostError| false).await;
    let at = now();
    answers
        .into_iter()
        .map(|(name, answer)| (name, answer.map_err(|error| error.to_unreachable(at))))
        .collect()
}

/// Asks one host.
pub(super) async fn one(host: &Arc<Host>) -> Result<HostImages, HostError> {
    let up = host.up_or_revived().await?;
    host.read(up, |up: Arc<Up>| async move { ask(&up.engine.reader).await }).await
}

/// What an engine has, and what holds it.
async fn ask(reader: &Reader) -> Result<HostImages, CallError> {
    let (has, containers) = tokio::try_join!(
        images(reader),
        reader.get::<Option<Vec<wire::Container>>>("/containers/json?all=1", DEFAULT_LIMIT),
    )?;
    let holder = |container: wire::Container| Holder {
        name: holder_name(&container),
        image: container.image.clone(),
        image_id: container.image_id.clone(),
    };
    let holders = containers.unwrap_or_default().into_iter().map(holder).collect();
    Ok(HostImages { holders, ..has })
}

/// What an engine has, without what holds it.
pub(super) async fn images(reader: &Reader) -> Result<HostImages, CallError> {
    let (info, images) = tokio::try_join!(
        reader.get::<wire::Info>("/info", DEFAULT_LIMIT),
        reader.get::<Option<Vec<wire::Image>>>("/images/json", DEFAULT_LIMIT),
    )?;
    let is_name = |name: &String| !name.contains("<none>");
    let image = |image: wire::Image| HeldImage {
        id: image.id,
        names: image.repo_tags.into_iter().filter(is_name).collect(),
        digests: image.repo_digests.into_iter().filter(is_name).collect(),
        bytes: u64::try_from(image.size).unwrap_or_default(),
        created: image.created,
    };
    Ok(HostImages {
        store: store(&info),
        platform: platform(&info),
        images: images.unwrap_or_default().into_iter().map(image).collect(),
        holders: Vec::new(),
    })
}

/// What a container is of: a service of a stack, or itself.
fn holder_name(container: &wire::Container) -> String {
    let label = |key: &str| container.labels.get(key);
    match (label(labels::STACK), label(labels::SERVICE)) {
        (Some(stack), Some(service)) => format!("{stack}_{service}"),
        _ => container.name().to_owned(),
    }
}

/// How an engine keeps images: it says so among what it says of its driver.
fn store(info: &wire::Info) -> Store {
    let is_containerd = |words: &Vec<String>| {
        words.first().is_some_and(|key| key == "driver-type")
            && words.get(1).is_some_and(|value| value.starts_with("io.containerd.snapshotter"))
    };
    if info.driver_status.iter().any(is_containerd) { Store::Containerd } else { Store::GraphDriver }
}

/// The layers of images, each list from the lowest up. An image that is removed meanwhile is left out.
pub(super) async fn layers(reader: &Reader, ids: &BTreeSet<String>) -> Result<Vec<Vec<String>>, CallError> {
    let asked = ids.iter().map(|id| inspect(reader, id));
    let all: Vec<_> = futures_util::stream::iter(asked).buffer_unordered(ASKED_MAX).collect().await;
    let mut layers = Vec::new();
    for found in all {
        // One that is damaged says nothing of the others.
        if let Ok(Some(image)) = found {
            layers.push(image.root_fs.layers);
        } else if let Err(error) = found
            && error.is_silence()
        {
            return Err(error);
        }
    }
    Ok(layers)
}

/// Whether an engine with containerd's store has everything of an image. Older ones leave an image that lacks something
/// out of their lists.
pub(super) async fn is_whole(reader: &Reader, name: &str) -> Result<bool, CallError> {
    if reader.api >= SAYS_WHOLE {
        let path = format!("/images/{}/json?manifests=1", escaped(name));
        return match reader.get::<wire::ImageInspect>(&path, DEFAULT_LIMIT).await {
            Ok(image) => Ok(image.manifests.iter().all(|manifest| manifest.available)),
            Err(error) if error.status() == Some(404) => Ok(false),
            Err(error) => Err(error),
        };
    }
    let images: Option<Vec<wire::Image>> = reader.get("/images/json", DEFAULT_LIMIT).await?;
    Ok(images.into_iter().flatten().any(|image| image.repo_tags.iter().any(|tag| tag == name)))
}
