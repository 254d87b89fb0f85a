//! Brings a host what it lacks of an image, and goes on where it was if the connection breaks.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;

use super::group::{Member, Role};
use super::load::{Gate, NotLoaded, load};
use super::passed::Passing;
use super::{Checked, HostImages, Push, look};
use crate::fleet::agents::{asked, socket_on_host};
use crate::fleet::docker::client::{CallError, DEFAULT_LIMIT, Reader, escaped, with_query};
use crate::fleet::error::HostError;
use crate::fleet::host::{AskError, Host, Up};
use crate::image::load::{Archive, Parcel, Store, part_of};
use crate::image::{Fault, Image};
use crate::model::image::ImageRef;
use crate::model::spec::Platform;
use crate::model::{ClusterName, NodeName};

/// Archives on their way to a host at a time: one that is unpacked, and the next.
const AT_ONCE: usize = 2;
/// How often in a row a broken connection is made again when nothing came of the last one.
const TRIES_MAX: usize = 3;
/// Parts of other pushes that are so old are of processes that were killed, in seconds.
const PART_AGE_MAX: i64 = 24 * 3600;

/// What a host lacks of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What the engine calls the image, once it has it.
    pub id: String,
    /// How it keeps images.
    pub store: Store,
    /// Layers that it has, from the lowest up.
    pub has: usize,
    /// Layers that it lacks.
    pub lacks: usize,
    /// Bytes of these.
    pub bytes: u64,
    /// Names that the image does not have there.
    pub names: Vec<String>,
    /// Whether it has parts of pushes that did not come to their end.
    pub has_parts: bool,
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
    /// Bytes of all requests from here: archives have headers, and a part that was cut off was sent twice.
    pub sent: u64,
    /// What the engine calls the image.
    pub id: String,
    /// Parts that it went in, besides the image itself.
    pub parts: usize,
    /// What another host's agent passed on of it.
    pub passed_on: Option<PassedOn>,
}

/// Layers that did not come from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOn {
    /// The host whose agent did it.
    pub by: NodeName,
    /// Bytes of them.
    pub bytes: u64,
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

/// What a host lacks of the image that is for it.
pub(super) async fn need(
    host: &Arc<Host>,
    images: &[Arc<Checked>],
    names: &[String],
) -> Result<(Arc<Checked>, Need), NotPushed> {
    let has =
        asked(host, |up| async move { look::images(&up.engine.reader).await }).await.map_err(refused)?;
    let is = &has.platform;
    let fits = |image: &&Arc<Checked>| {
        let platform = &image.image().platform;
        platform.os == is.os && platform.architecture == is.architecture
    };
    let Some(image) = images.iter().find(fits) else {
        let image = images.first().map(|image| image.image().platform.clone()).unwrap_or_default();
        return Err(NotPushed::Platform { image, host: has.platform });
    };
    let parcel = parcel(image, has.store).await?;
    let (of, has, id) = (image.image(), &has, parcel.id(image.image()));
    let need = asked(host, |up| async move { compare(of, names, &up.engine.reader, has, id).await });
    Ok((Arc::clone(image), need.await.map_err(refused)?))
}

/// What engines of this kind are sent. A layer may have to be read for it.
async fn parcel(image: &Arc<Checked>, store: Store) -> Result<Parcel, Fault> {
    let of = Arc::clone(image);
    let made = tokio::task::spawn_blocking(move || Parcel::of(of.image(), store)).await;
    made.unwrap_or_else(|error| Err(Fault::Unreadable { what: "a layer".to_owned(), why: error.to_string() }))
}

async fn compare(
    image: &Image,
    names: &[String],
    reader: &Reader,
    has: &HostImages,
    id: &str,
) -> Result<Need, CallError> {
    let all = image.layers.len();
    let is_missing = |name: &&String| {
        let same = |other: &String| other == *name || familiar(other) == familiar(name);
        !has.images.iter().any(|held| held.id == *id && held.names.iter().any(same))
    };
    let names = names.iter().filter(is_missing).cloned().collect();
    let has_parts = has.images.iter().flat_map(|held| &held.names).any(|name| part_of(name, None).is_some());
    let (id, store) = (id.to_owned(), has.store);
    if let Some(held) = has.images.iter().find(|held| held.id == id) {
        let name = held.names.first().unwrap_or(&id);
        // A push that was killed may have left it without some of its layers.
        if store == Store::GraphDriver || look::is_whole(reader, name).await? {
            return Ok(Need { id, store, has: all, lacks: 0, bytes: 0, names, has_parts });
        }
        let bytes = image.bytes();
        return Ok(Need { id, store, has: 0, lacks: all, bytes, names, has_parts });
    }
    let ids: BTreeSet<String> = has.images.iter().map(|held| held.id.clone()).collect();
    let layers = look::layers(reader, &ids).await?;
    let has = layers.iter().map(|other| image.common(other)).max().unwrap_or(0);
    let bytes = image.layers[has..].iter().map(|layer| layer.blob.size()).sum();
    Ok(Need { id, store, has, lacks: all - has, bytes, names, has_parts })
}

/// The same of a host that is sent what lies above that many layers, whether it has more or not.
fn from_layer(image: &Image, need: &Need, has: usize) -> Need {
    let bytes = image.layers[has..].iter().map(|layer| layer.blob.size()).sum();
    Need { has, lacks: image.layers.len() - has, bytes, ..need.clone() }
}

fn refused(error: AskError) -> NotPushed {
    match error {
        AskError::Silent(error) => error.into(),
        AskError::Refused(error) => NotPushed::Refused(error.to_string()),
    }
}

/// Pushes one image to one host.
pub(super) struct Pusher<'a> {
    pub host: Arc<Host>,
    pub cluster: &'a ClusterName,
    pub image: &'a Arc<Checked>,
    pub push: &'a Push<'a>,
}

/// What came of one try.
enum Tried {
    Done,
    /// The connection broke.
    Broken(CallError),
    /// What the host was thought to have is not there.
    NotThere,
    /// Agents did not pass on what they should; why.
    Lost(String),
}

impl Pusher<'_> {
    /// Brings what is needed; by agents at first, if the host is a member of such a group.
    pub(super) async fn push(&self, need: &Need, member: Option<Member>) -> Result<Pushed, NotPushed> {
        // What pulls wait for, this waits for: both keep the engine busy for long.
        let _host = self.host.pulls.acquire().await.expect("the semaphore is never closed");
        let (mut pushed, mut tries, mut trusts) = (Pushed::default(), 0, true);
        let (mut need, mut is_fresh, mut has_parts) = (need.clone(), false, false);
        let mut member = member;
        loop {
            if !trusts {
                let image = self.image.image();
                need = Need { has: 0, lacks: image.layers.len(), bytes: image.bytes(), ..need };
            }
            if let Some(group) = self.push.group.filter(|_| member.is_some()) {
                need = from_layer(self.image.image(), &need, group.has());
            }
            let meter = self.push.meter;
            meter.set_total(meter.came() + need.bytes);
            let before = pushed.layers;
            // Whatever comes of it: by agents there is one try, and the others wait for it no longer.
            let with = member.take();
            let tried = self.try_once(&need, &mut pushed, with.as_ref()).await?;
            drop(with);
            has_parts |= need.has_parts || pushed.parts > 0;
            match tried {
                Tried::Done => break,
                Tried::Lost(why) => (self.push.warn)(&why),
                // Perhaps it was there when it was asked for, and was removed since.
                Tried::NotThere if !is_fresh => {}
                Tried::NotThere if trusts => trusts = false,
                Tried::NotThere => {
                    return Err(NotPushed::Refused("it loses layers as they are sent".to_owned()));
                }
                Tried::Broken(error) => {
                    tries = if pushed.layers > before { 1 } else { tries + 1 };
                    if tries >= TRIES_MAX {
                        return Err(self.broken(&error).into());
                    }
                }
            }
            need = self::need(&self.host, std::slice::from_ref(self.image), self.push.names).await?.1;
            is_fresh = true;
        }
        pushed.id = need.id;
        pushed.sent = self.push.meter.sent();
        let bytes = self.push.meter.passed();
        let by = self.push.group.map(|group| group.relay().clone()).filter(|_| bytes > 0);
        pushed.passed_on = by.map(|by| PassedOn { by, bytes });
        if has_parts {
            self.tidy().await;
        }
        Ok(pushed)
    }

    fn broken(&self, error: &CallError) -> HostError {
        let host = self.host.called();
        match error {
            CallError::Deadline(limit) => HostError::NoAnswer { host, seconds: limit.as_secs() },
            _ => HostError::ConnectionLost { host },
        }
    }

    /// Sends the archives: while the engine unpacks one, the next is on its way, and its end waits for that.
    async fn try_once(
        &self,
        need: &Need,
        pushed: &mut Pushed,
        member: Option<&Member>,
    ) -> Result<Tried, NotPushed> {
        if need.is_nothing() {
            return Ok(Tried::Done);
        }
        let image = self.image.image();
        let parcel = parcel(self.image, need.store).await?;
        let archives = parcel.archives(image, self.push.names, need.has, self.push.stamp)?;
        let mut before = None;
        let loads: Vec<_> = archives
            .iter()
            .enumerate()
            .map(|(at, archive)| {
                let (done, next) = watch::channel(None);
                let gate = before.replace(next);
                async move {
                    let loaded = self.load(archive, gate, member.map(|member| (member, at))).await;
                    done.send_replace(Some(loaded.is_ok()));
                    loaded
                }
            })
            .collect();
        let mut ends =
            std::pin::pin!(stream::iter(loads).buffered(AT_ONCE).zip(stream::iter(&archives)).enumerate());
        while let Some((at, (end, archive))) = ends.next().await {
            match end {
                Ok(()) => {}
                Err(NotLoaded::Fault(fault)) => return Err(fault.into()),
                Err(NotLoaded::Silent(error)) => return Err(error.into()),
                Err(NotLoaded::Lost(why)) => return Ok(Tried::Lost(why)),
                Err(NotLoaded::Call(error)) if error.is_silence() => return Ok(Tried::Broken(error)),
                Err(NotLoaded::Call(error)) if need.has > 0 && is_missing(&error) => {
                    return Ok(Tried::NotThere);
                }
                Err(NotLoaded::Call(error)) => return Err(NotPushed::Refused(error.to_string())),
            }
            pushed.layers += archive.layers.len();
            pushed.layer_bytes += archive.layer_bytes(image);
            pushed.parts += usize::from(archive.part.is_some());
            // Which blobs an engine has is known only by what it says of an image that names them.
            let name = archive.part.as_ref().or(self.push.names.first());
            if at == 0
                && need.has > 0
                && need.store == Store::Containerd
                && let Some(name) = name
                && !self.ask(|up| async move { look::is_whole(&up.engine.reader, name).await }).await?
            {
                return Ok(Tried::NotThere);
            }
        }
        self.verify(&need.id).await.map(|()| Tried::Done)
    }

    async fn load(
        &self,
        archive: &Archive,
        gate: Option<Gate>,
        member: Option<(&Member, usize)>,
    ) -> Result<(), NotLoaded> {
        match member {
            Some((member, at)) => self.load_by_agents(archive, gate, member, at).await,
            None => self.load_from_here(archive, gate).await,
        }
    }

    async fn load_from_here(&self, archive: &Archive, gate: Option<Gate>) -> Result<(), NotLoaded> {
        // In the order of the archives: none waits for a turn that the next one has.
        let _fleet = self.host.turns().action(true).await;
        let up = self.host.up_or_revived().await.map_err(NotLoaded::Silent)?;
        let _stream = up.turns.acquire().await.expect("the semaphore is never closed");
        let loaded = load(&up.engine, archive, self.image, self.push.meter, gate).await;
        if let Err(NotLoaded::Call(error)) = &loaded
            && error.is_silence()
        {
            self.host.recover_later(Arc::clone(&up), error.clone());
        }
        loaded
    }

    /// Takes no turn of the fleet: a host that is passed layers on has almost nothing over the link from here, and waits for
    /// others, which must not wait for its turn.
    async fn load_by_agents(
        &self,
        archive: &Archive,
        gate: Option<Gate>,
        member: &Member,
        at: usize,
    ) -> Result<(), NotLoaded> {
        let up = self.host.up_or_revived().await.map_err(NotLoaded::Silent)?;
        let stream = up.turns.acquire().await.expect("the semaphore is never closed");
        let socket = socket_on_host(self.cluster, self.host.socket(), member.mark());
        let passing = Passing { member, up: &up, socket, meter: self.push.meter };
        let role = member.come(at).await;
        if role == Role::Alone && member.is_relay() {
            // There is none to pass anything on to.
            drop(stream);
            return self.load_from_here(archive, gate).await;
        }
        let loaded = passing.load(at, role, archive, self.image, gate).await;
        drop(stream);
        loaded
    }

    /// Whether the engine has the image under every name, and calls it what it is.
    async fn verify(&self, id: &str) -> Result<(), NotPushed> {
        for name in self.push.names {
            let found = self.ask(|up| async move { look::inspect(&up.engine.reader, name).await }).await?;
            let found = found.map_or_else(|| "nothing".to_owned(), |image| image.id);
            if found != id {
                return Err(NotPushed::Other { wanted: id.to_owned(), found });
            }
        }
        Ok(())
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
        let has = look::images(reader).await?;
        let names = has.images.into_iter().flat_map(|image| image.names);
        let is_done_with = |name: &String| {
            part_of(name, Some(self.image.image()))
                .is_some_and(|(is_ours, stamp)| is_ours || stamp + PART_AGE_MAX < self.push.stamp)
        };
        Ok(names.filter(is_done_with).collect())
    }

    async fn ask<T, F, A>(&self, question: F) -> Result<T, NotPushed>
    where
        F: Fn(Arc<Up>) -> A,
        A: Future<Output = Result<T, CallError>>,
    {
        asked(&self.host, question).await.map_err(refused)
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
