//! Brings a host what it lacks of an image, and goes on where it was if the connection breaks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::load::{NotLoaded, load};
use super::{Checked, HostImages, look};
use crate::fleet::agents::asked;
use crate::fleet::docker::client::{CallError, DEFAULT_LIMIT, Reader, escaped, with_query};
use crate::fleet::error::HostError;
use crate::fleet::host::{AskError, Host, Up};
use crate::image::load::{Archive, Parcel, Store, part_of};
use crate::image::{Fault, Image};
use crate::model::image::ImageRef;
use crate::model::spec::Platform;

/// How often in a row a broken connection is made again when nothing came of the last one.
const TRIES_MAX: usize = 3;
/// Parts of other pushes that are so old are of processes that were killed, in seconds.
const PART_AGE_MAX: i64 = 24 * 3600;

/// How far a push has come.
#[derive(Debug, Default)]
pub struct Meter {
    sent: AtomicU64,
    total: AtomicU64,
}

impl Meter {
    pub(super) fn add(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes of requests that were handed to the connection.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Bytes of layers that are to be sent, once that is known.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

/// What a host lacks of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What the engine calls the image, once it has it.
    pub id: String,
    /// Layers that it has, from the lowest up.
    pub has: usize,
    /// Layers that it lacks.
    pub lacks: usize,
    /// Bytes of these.
    pub bytes: u64,
    /// Names that the image does not have there.
    pub names: Vec<String>,
}

impl Need {
    /// Whether the host has the image, under all of its names.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.lacks == 0 && self.names.is_empty()
    }
}

/// What was sent to a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pushed {
    /// Layers, and the bytes of them.
    pub layers: usize,
    /// Bytes of these layers.
    pub layer_bytes: u64,
    /// Bytes of all requests: archives have headers, and a part that was cut off was sent twice.
    pub sent: u64,
    /// What the engine calls the image.
    pub id: String,
}

/// Why a host did not get an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPushed {
    /// The host is silent.
    #[error(transparent)]
    Silent(#[from] HostError),
    /// The image cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The image is for another platform.
    #[error("the image is for {} and the host is {}", of(.image), of(.host))]
    Platform {
        /// What the image is for.
        image: Platform,
        /// What the host is.
        host: Platform,
    },
    /// The engine does not take it.
    #[error("the engine does not take it: {0}")]
    Refused(String),
    /// The engine took it, and has something else.
    #[error("the engine calls it {found} instead of {wanted}")]
    Other {
        /// What it should be.
        wanted: String,
        /// What it is.
        found: String,
    },
}

fn of(platform: &Platform) -> String {
    format!("{}/{}", platform.os, platform.architecture)
}

/// Pushes one image to one host.
pub(super) struct Pusher<'a> {
    host: Arc<Host>,
    image: &'a Image,
    names: &'a [String],
    stamp: i64,
}

/// What came of one try.
enum Tried {
    Done(String),
    /// The connection broke.
    Broken(CallError),
    /// What the host was thought to have is not there.
    NotThere,
}

impl<'a> Pusher<'a> {
    pub(super) fn new(host: Arc<Host>, image: &'a Checked, names: &'a [String], stamp: i64) -> Self {
        Self { host, image: image.image(), names, stamp }
    }

    /// What the host lacks.
    pub(super) async fn need(&self) -> Result<Need, NotPushed> {
        let (_, need) = self.look().await?;
        Ok(need)
    }

    async fn look(&self) -> Result<(Parcel, Need), NotPushed> {
        let (parcel, need) = self
            .ask(|up| async move {
                let has = look::ask(&up.engine.reader).await?;
                let parcel = match self.parcel(&has) {
                    Ok(parcel) => parcel,
                    Err(why) => return Ok(Err(why)),
                };
                let need = self.compare(&up.engine.reader, &has, parcel.id(self.image)).await?;
                Ok(Ok((parcel, need)))
            })
            .await??;
        Ok((parcel, need))
    }

    fn parcel(&self, has: &HostImages) -> Result<Parcel, NotPushed> {
        let (image, host) = (&self.image.platform, &has.platform);
        if image.os != host.os || image.architecture != host.architecture {
            return Err(NotPushed::Platform { image: image.clone(), host: host.clone() });
        }
        Ok(Parcel::of(self.image, has.store)?)
    }

    async fn compare(&self, reader: &Reader, has: &HostImages, id: &str) -> Result<Need, CallError> {
        let all = self.image.layers.len();
        let is_named = |name: &&String| {
            let same = |other: &String| other == *name || familiar(other) == familiar(name);
            !has.images.iter().any(|held| held.id == *id && held.names.iter().any(same))
        };
        let names = self.names.iter().filter(is_named).cloned().collect();
        let id = id.to_owned();
        if has.images.iter().any(|held| held.id == id) {
            return Ok(Need { id, has: all, lacks: 0, bytes: 0, names });
        }
        let ids: BTreeSet<String> = has.images.iter().map(|held| held.id.clone()).collect();
        let layers = look::layers(reader, &ids).await?;
        let has = layers.iter().map(|other| self.image.common(other)).max().unwrap_or(0);
        let bytes = self.image.layers[has..].iter().map(|layer| layer.blob.size()).sum();
        Ok(Need { id, has, lacks: all - has, bytes, names })
    }

    /// Brings it.
    pub(super) async fn push(&self, checked: &Arc<Checked>, meter: &Arc<Meter>) -> Result<Pushed, NotPushed> {
        // What pulls wait for, this waits for: both keep the engine busy for long.
        let _host = self.host.pulls.acquire().await.expect("the semaphore is never closed");
        let (mut pushed, mut tries, mut trusts) = (Pushed::default(), 0, true);
        loop {
            let (parcel, mut need) = self.look().await?;
            if !trusts {
                need = Need { has: 0, lacks: self.image.layers.len(), bytes: self.image.bytes(), ..need };
            }
            meter.total.store(meter.sent() + need.bytes, Ordering::Relaxed);
            let before = pushed.layers;
            match self.try_once(&parcel, &need, checked, meter, &mut pushed).await? {
                Tried::Done(id) => {
                    pushed.id = id;
                    break;
                }
                Tried::NotThere if trusts => trusts = false,
                Tried::NotThere => {
                    return Err(NotPushed::Refused("it loses layers as they are sent".to_owned()));
                }
                Tried::Broken(error) => {
                    tries = if pushed.layers > before { 1 } else { tries + 1 };
                    if tries >= TRIES_MAX {
                        let host = self.host.called();
                        return Err(match error {
                            CallError::Deadline(limit) => {
                                HostError::NoAnswer { host, seconds: limit.as_secs() }.into()
                            }
                            _ => HostError::ConnectionLost { host }.into(),
                        });
                    }
                }
            }
        }
        pushed.sent = meter.sent();
        self.tidy().await;
        Ok(pushed)
    }

    async fn try_once(
        &self,
        parcel: &Parcel,
        need: &Need,
        checked: &Arc<Checked>,
        meter: &Arc<Meter>,
        pushed: &mut Pushed,
    ) -> Result<Tried, NotPushed> {
        let id = parcel.id(self.image);
        if need.is_nothing() {
            return Ok(Tried::Done(id.to_owned()));
        }
        let archives = parcel.archives(self.image, self.names, need.has, self.stamp)?;
        for (at, archive) in archives.iter().enumerate() {
            let up = self.host.up_or_revived().await?;
            match self.load(&up, archive, checked, meter).await {
                Ok(()) => {}
                Err(NotLoaded::Fault(fault)) => return Err(fault.into()),
                Err(NotLoaded::Call(error)) if error.is_silence() => {
                    self.host.recover_later(up, error.clone());
                    return Ok(Tried::Broken(error));
                }
                Err(NotLoaded::Call(error)) if need.has > 0 && is_missing(&error) => {
                    return Ok(Tried::NotThere);
                }
                Err(NotLoaded::Call(error)) => return Err(NotPushed::Refused(error.to_string())),
            }
            pushed.layers += archive.layers.len();
            pushed.layer_bytes += archive.layer_bytes(self.image);
            // Which blobs an engine has is known only by what it says of an image that names them.
            let name = archive.part.as_ref().or(self.names.first());
            if at == 0
                && need.has > 0
                && parcel.store() == Store::Containerd
                && let Some(name) = name
                && !self.ask(|up| async move { look::is_whole(&up.engine.reader, name).await }).await?
            {
                return Ok(Tried::NotThere);
            }
        }
        self.verified(id).await
    }

    async fn load(
        &self,
        up: &Arc<Up>,
        archive: &Archive,
        checked: &Arc<Checked>,
        meter: &Arc<Meter>,
    ) -> Result<(), NotLoaded> {
        let _fleet = self.host.turns().action(true).await;
        let _stream = up.turns.acquire().await.expect("the semaphore is never closed");
        load(&up.engine, archive, checked, meter).await
    }

    /// Whether the engine has the image under every name, and calls it what it is.
    async fn verified(&self, id: &str) -> Result<Tried, NotPushed> {
        for name in self.names {
            let found = self.ask(|up| async move { look::inspect(&up.engine.reader, name).await }).await?;
            let found = found.map_or_else(|| "nothing".to_owned(), |image| image.id);
            if found != id {
                return Err(NotPushed::Other { wanted: id.to_owned(), found });
            }
        }
        Ok(Tried::Done(id.to_owned()))
    }

    /// Removes the parts of this push, and those that killed processes left. Best effort: the next push does it again.
    async fn tidy(&self) {
        let parts = self.ask(|up| async move { self.parts(&up.engine.reader).await }).await;
        for part in parts.unwrap_or_default() {
            let path = with_query(&format!("/images/{}", escaped(&part)), &[("noprune", "1")]);
            let path = &path;
            let _is_tidied_later =
                self.ask(|up| async move { up.engine.delete(path, DEFAULT_LIMIT).await }).await;
        }
    }

    async fn parts(&self, reader: &Reader) -> Result<Vec<String>, CallError> {
        let has = look::ask(reader).await?;
        let names = has.images.into_iter().flat_map(|image| image.names);
        let is_done_with = |name: &String| {
            part_of(name, Some(self.image))
                .is_some_and(|(is_ours, stamp)| is_ours || stamp + PART_AGE_MAX < self.stamp)
        };
        Ok(names.filter(is_done_with).collect())
    }

    async fn ask<T, F, A>(&self, question: F) -> Result<T, NotPushed>
    where
        F: Fn(Arc<Up>) -> A,
        A: Future<Output = Result<T, CallError>>,
    {
        asked(&self.host, question).await.map_err(|error| match error {
            AskError::Silent(error) => error.into(),
            AskError::Refused(error) => NotPushed::Refused(error.to_string()),
        })
    }
}

/// Whether an engine says that it lacks something that was left out.
fn is_missing(error: &CallError) -> bool {
    let text = error.to_string().to_lowercase();
    ["no such file", "not found", "does not exist"].iter().any(|words| text.contains(words))
}

/// A name as people write it, with the tag that it stands for.
fn familiar(name: &str) -> Option<(String, Option<String>)> {
    let image = ImageRef::parse(name).ok()?;
    Some((image.familiar_name(), image.effective_tag().map(str::to_owned)))
}
