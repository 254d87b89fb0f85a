//! Images on hosts: what engines have of them ([`look`](mod@look)), how one gets there without a registry
//! ([`push`](mod@push)), and how one is removed.
//!
//! Everything goes over the connection that a host has anyway, in requests that its engine answers. Where hosts have agents,
//! layers may [come](passed) from one of them to the [others](group). Takes no decision: which image goes where, who passes
//! it on, and which can go, is for `ops` to say.

mod group;
mod load;
mod look;
mod passed;
mod push;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::agents::Installed;
use super::docker::client::{CallError, escaped, with_query};
use super::error::HostError;
use super::host::AskError;
use super::{Fleet, agents};
use crate::image::load::Store;
use crate::image::{Fault, Image};
use crate::model::spec::Platform;
use crate::model::{NodeName, Timestamp, Unreachable};
use group::Member;

pub use group::Group;
pub use load::Meter;
pub(in crate::fleet) use load::bytes_of;
pub use push::{Need, NotPushed, PassedOn, Pushed};

/// For the removal of an image, which may have many layers.
const REMOVE_LIMIT: Duration = Duration::from_secs(300);

/// An image that an engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldImage {
    /// What the engine calls it.
    pub id: String,
    /// With their tags.
    pub names: Vec<String>,
    /// With the digests of registries.
    pub digests: Vec<String>,
    /// Bytes, layers that it shares with others included.
    pub bytes: u64,
    /// When it was made, in seconds.
    pub created: i64,
}

/// A container that an engine has, whether it runs or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The service that it is a task of, as `stack_service`; otherwise its own name.
    pub name: String,
    /// The image that it was made with, as it was asked for.
    pub image: String,
    /// The id of that.
    pub image_id: String,
}

/// A host, as far as images are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostImages {
    /// How its engine keeps images.
    pub store: Store,
    /// What images are to be for.
    pub platform: Platform,
    /// All images with a name, and those that have lost theirs.
    pub images: Vec<HeldImage>,
    /// All containers.
    pub holders: Vec<Holder>,
}

/// What hosts have of images; or why they do not say.
pub type Looks = BTreeMap<NodeName, Result<HostImages, Unreachable>>;

/// An image that is sent to several hosts: each layer is held against its digest once, whatever the number of hosts.
#[derive(Debug)]
pub struct Checked {
    image: Image,
    checks: Vec<OnceCell<Result<(), Fault>>>,
    digests: Vec<OnceCell<Result<String, Fault>>>,
}

impl Checked {
    /// Nothing of it is checked yet.
    #[must_use]
    pub fn new(image: Image) -> Self {
        let checks = image.layers.iter().map(|_| OnceCell::new()).collect();
        let digests = image.layers.iter().map(|_| OnceCell::new()).collect();
        Self { image, checks, digests }
    }

    /// The image.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Layers are read soon, each in a task of its own.
    fn check_soon(self: &Arc<Self>, layers: Range<usize>) {
        for layer in layers {
            let checked = Arc::clone(self);
            drop(tokio::spawn(async move { checked.check(layer).await.is_ok() }));
        }
    }

    /// `sha256:…` of a layer's bytes, as they are. One that nothing says it of is read for it, once.
    async fn digest(&self, layer: usize) -> Result<String, Fault> {
        let digest = || async {
            let layer = self.image.layers[layer].clone();
            if let Some(known) = layer.known_digest() {
                return Ok(known.to_owned());
            }
            let read = tokio::task::spawn_blocking(move || layer.blob.digest()).await;
            read.unwrap_or_else(|error| {
                Err(Fault::Unreadable { what: "a layer".to_owned(), why: error.to_string() })
            })
        };
        self.digests[layer].get_or_init(digest).await.clone()
    }

    /// Waits until a layer was read and is what it is said to be.
    async fn check(&self, layer: usize) -> Result<(), Fault> {
        let check = || async {
            let layer = self.image.layers[layer].clone();
            let verified = tokio::task::spawn_blocking(move || layer.verify()).await;
            verified.unwrap_or_else(|error| {
                Err(Fault::Unreadable { what: "a layer".to_owned(), why: error.to_string() })
            })
        };
        self.checks[layer].get_or_init(check).await.clone()
    }
}

/// What an image is pushed with.
pub(crate) struct Push<'a> {
    pub names: &'a [String],
    /// When it began, in seconds.
    pub stamp: i64,
    pub meter: &'a Arc<Meter>,
    /// Hosts whose agents pass layers on to each other; it may have others than this one.
    pub group: Option<&'a Arc<Group>>,
    /// Hears why agents did not pass on what they should.
    pub warn: &'a dyn Fn(&str),
}

impl fmt::Debug for Push<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").field("names", &self.names).field("group", &self.group).finish_non_exhaustive()
    }
}

/// Why an image was not removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRemoved {
    /// The host is silent.
    #[error(transparent)]
    Silent(#[from] HostError),
    /// A container has it by now, or it has another name.
    #[error("{0}")]
    Refused(String),
}

impl Fleet {
    /// Asks every engine for its images, and for what holds them.
    pub async fn images(&self, now: impl Fn() -> Timestamp) -> Looks {
        look::all(&self.inner, now).await
    }

    /// The same of one host.
    ///
    /// # Errors
    ///
    /// The host is silent.
    pub async fn images_of(&self, node: &NodeName) -> Result<HostImages, HostError> {
        let host = self.inner.known(node)?;
        look::one(&host).await
    }

    /// The archive of an image, as the engine of a host saves it, as a stream.
    ///
    /// # Errors
    ///
    /// The host is silent, or has no such image.
    pub async fn save_image(
        &self,
        node: &NodeName,
        image: &str,
    ) -> Result<impl futures_util::Stream<Item = Result<Bytes, CallError>> + use<>, NotRemoved> {
        let host = self.inner.known(node)?;
        let path = format!("/images/{}/get", escaped(image));
        let path = &path;
        let body =
            agents::asked(&host, |up| async move { up.engine.reader.stream(path, REMOVE_LIMIT).await });
        match body.await {
            Ok(body) => Ok(bytes_of(body)),
            Err(AskError::Silent(error)) => Err(error.into()),
            Err(AskError::Refused(error)) => Err(NotRemoved::Refused(error.to_string())),
        }
    }

    /// What the engine of a host calls an image, and the layers of that; `None` if it has no such image.
    ///
    /// # Errors
    ///
    /// The host is silent.
    pub async fn find_image(
        &self,
        node: &NodeName,
        image: &str,
    ) -> Result<Option<(String, Vec<String>)>, HostError> {
        let host = self.inner.known(node)?;
        match agents::asked(&host, |up| async move { look::inspect(&up.engine.reader, image).await }).await {
            Ok(found) => Ok(found.map(|image| (image.id, image.root_fs.layers))),
            Err(AskError::Silent(error)) => Err(error),
            Err(AskError::Refused(_)) => Ok(None),
        }
    }

    /// Which of these images, each for another platform, is for a host, and what the host lacks of it; it is to have these
    /// names there.
    ///
    /// # Errors
    ///
    /// The host is silent, or none is for its platform, or the image cannot be read.
    pub async fn image_need(
        &self,
        node: &NodeName,
        images: &[Arc<Checked>],
        names: &[String],
    ) -> Result<(Arc<Checked>, Need), NotPushed> {
        push::need(&self.inner.known(node)?, images, names).await
    }

    /// Brings a host what it [lacks](Self::image_need) of an image. Only for this crate: others do so through `ops::images`.
    ///
    /// # Errors
    ///
    /// See [`NotPushed`].
    pub(crate) async fn push_image(
        &self,
        node: &NodeName,
        image: &Arc<Checked>,
        need: &Need,
        push: &Push<'_>,
    ) -> Result<Pushed, NotPushed> {
        let host = self.inner.known(node)?;
        let member = push.group.and_then(|group| Member::of(group, node));
        let pusher = push::Pusher { host, cluster: &self.inner.cluster, image, push };
        pusher.push(need, member).await
    }

    /// Agents that the engine of a host has of this cluster, whether they run or not.
    ///
    /// # Errors
    ///
    /// The host is silent.
    pub(crate) async fn agents_on(&self, node: &NodeName) -> Result<Vec<Installed>, HostError> {
        agents::on(&self.inner.known(node)?, &self.inner.cluster).await
    }

    /// Removes an image by one of its names, or by its id if it has none. What is gone already counts as removed.
    ///
    /// # Errors
    ///
    /// The host is silent, or its engine refuses, as it does for an image that a container has.
    pub(crate) async fn remove_image(&self, node: &NodeName, image: &str) -> Result<(), NotRemoved> {
        let host = self.inner.known(node)?;
        let path = with_query(&format!("/images/{}", escaped(image)), &[("noprune", "1")]);
        let path = &path;
        let removed = agents::asked(&host, |up| async move { up.engine.delete(path, REMOVE_LIMIT).await });
        removed.await.map_err(|error| match error {
            AskError::Silent(error) => error.into(),
            AskError::Refused(error) => NotRemoved::Refused(error.to_string()),
        })
    }
}
