//! Where an image to push comes from: a file, a folder, standard input, or the engine of this machine.

use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};

use crate::fleet::images::{Checked, NotRemoved};
use crate::fleet::{ConnectOptions, Fleet, HostError};
use crate::image::load::is_of_parts;
use crate::image::{Fault, Origin, Source, nameless, of_archive, open, spool};
use crate::inventory::{Env, Inventory, InventoryError, local};
use crate::model::NodeName;
use crate::model::image::ImageRef;

/// Why an image is not at hand.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum NotAtHand {
    /// It cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fault(#[from] Fault),
    /// The engine of this machine cannot be named.
    #[error(transparent)]
    #[diagnostic(transparent)]
    NoEngine(#[from] InventoryError),
    /// It does not answer.
    #[error("the engine of this machine does not answer: {0}")]
    #[diagnostic(
        code(stackctl::image::no_engine),
        help(
            "images come from the engine that docker itself would use (DOCKER_HOST); or name an archive: `./image.tar`"
        )
    )]
    Silent(String),
    /// It has no such image.
    #[error("the engine of this machine has no image `{0}`")]
    #[diagnostic(
        code(stackctl::image::unknown_here),
        help("`docker image ls` lists those that it has; a path begins with `/` or `./`, or ends in `.tar`")
    )]
    Unknown(String),
    /// It does not save the image.
    #[error("the engine of this machine does not save `{image}`: {why}")]
    #[diagnostic(code(stackctl::image::not_saved), help("try `docker save {image} | wc -c`"))]
    NotSaved {
        /// Its name.
        image: String,
        /// Why.
        why: String,
    },
    /// A name that is none.
    #[error("`{0}` is no name with a tag")]
    #[diagnostic(
        code(stackctl::image::bad_reference),
        help("write it as `myapp:1.2` or `registry:5000/myapp:1.2`")
    )]
    BadName(String),
}

/// An image that can be read: under which names it is pushed, and for which platforms it is there.
#[derive(Debug, Clone)]
pub struct AtHand {
    /// Names, with their tags.
    pub names: Vec<String>,
    /// One for each platform.
    pub images: Vec<Arc<Checked>>,
}

impl AtHand {
    /// Of what was read. `tags` are names instead of its own.
    ///
    /// # Errors
    ///
    /// It has no name, or one that is none.
    pub fn of(source: Source, tags: &[String]) -> Result<Self, NotAtHand> {
        let names = if tags.is_empty() { &source.names } else { tags };
        let mut all: Vec<String> = Vec::new();
        for name in names {
            let name = tagged(name)?;
            if !all.contains(&name) {
                all.push(name);
            }
        }
        if all.is_empty() {
            return Err(Fault::Nameless.into());
        }
        let images = source.images.into_iter().map(|image| Arc::new(Checked::new(image))).collect();
        Ok(Self { names: all, images })
    }

    /// `linux/amd64, linux/arm64`.
    #[must_use]
    pub fn platforms(&self) -> String {
        let of = |image: &Arc<Checked>| {
            let is = &image.image().platform;
            format!("{}/{}", is.os, is.architecture)
        };
        self.images.iter().map(of).collect::<Vec<_>>().join(", ")
    }
}

/// A name with a tag, as engines list it.
///
/// # Errors
///
/// It is none, has a digest, or is one of those under which parts of images go to hosts.
pub fn tagged(name: &str) -> Result<String, NotAtHand> {
    let bad = || NotAtHand::BadName(name.to_owned());
    let image = ImageRef::parse(name).map_err(|_| bad())?;
    if image.digest.is_some() || is_of_parts(&image) {
        return Err(bad());
    }
    let tag = image.effective_tag().unwrap_or("latest");
    Ok(format!("{}:{tag}", image.familiar_name()))
}

/// The engine of this machine, as docker itself would find it.
#[derive(Debug)]
pub struct Engine {
    fleet: Fleet,
    node: NodeName,
}

impl Engine {
    /// Connects to it.
    ///
    /// # Errors
    ///
    /// DOCKER_HOST leads nowhere, or it does not answer.
    pub async fn connect(env: Env<'_>, options: ConnectOptions) -> Result<Self, NotAtHand> {
        let inventory: Inventory = local(env)?;
        let fleet = Fleet::connect(&inventory, options).await;
        let node = inventory.hosts.keys().next().cloned();
        match fleet.errors().into_values().next() {
            Some(error) => Err(silent(&error)),
            None => match node {
                Some(node) => Ok(Self { fleet, node }),
                None => Err(NotAtHand::Silent("there is none".to_owned())),
            },
        }
    }

    /// Whether it has an image.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub async fn has(&self, image: &str) -> Result<bool, NotAtHand> {
        Ok(self.id(image).await?.is_some())
    }

    /// What it calls an image, if it has that.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub async fn id(&self, image: &str) -> Result<Option<String>, NotAtHand> {
        let found = self.fleet.find_image(&self.node, image).await.map_err(|error| silent(&error))?;
        Ok(found.map(|(id, _)| id))
    }

    /// Has it save an image into a file of this process alone. `far` hears how many bytes have come.
    ///
    /// # Errors
    ///
    /// It has no such image, or does not save it, or the folder has no room.
    pub async fn save(&self, image: &str, folder: &Path, far: impl Fn(u64)) -> Result<Source, NotAtHand> {
        if !self.has(image).await? {
            return Err(NotAtHand::Unknown(image.to_owned()));
        }
        let not_saved = |why: String| NotAtHand::NotSaved { image: image.to_owned(), why };
        let stream = self.fleet.save_image(&self.node, image).await.map_err(|error| match error {
            NotRemoved::Silent(error) => silent(&error),
            NotRemoved::Refused(why) => not_saved(why),
        })?;
        let file = spooled(stream, folder, far).await.map_err(not_saved)?;
        let wanted = image.to_owned();
        let read = tokio::task::spawn_blocking(move || of_archive(file, &wanted, None)).await;
        let mut source = read.map_err(|error| not_saved(error.to_string()))??;
        // It was asked for by this name; by an id it has those that it has.
        if let Ok(name) = tagged(image)
            && !is_id(image)
        {
            source.names = vec![name];
        }
        Ok(source)
    }

    /// Takes leave.
    pub async fn close(self) {
        self.fleet.close().await;
    }
}

/// Whether a word may be the beginning of an id as well as a name: then its names are those of the archive.
fn is_id(image: &str) -> bool {
    let hex = image.strip_prefix("sha256:").unwrap_or(image);
    hex.len() >= 12 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn silent(error: &HostError) -> NotAtHand {
    NotAtHand::Silent(error.to_string())
}

/// What comes, in a file without a name.
async fn spooled<E: std::fmt::Display>(
    stream: impl Stream<Item = Result<bytes::Bytes, E>>,
    folder: &Path,
    far: impl Fn(u64),
) -> Result<std::fs::File, String> {
    let mut file = nameless(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut stream = std::pin::pin!(stream);
    let mut all = 0;
    while let Some(next) = stream.next().await {
        let bytes = next.map_err(|error| error.to_string())?;
        all += bytes.len() as u64;
        // Into memory of the system, which writes it when it likes.
        file.write_all(&bytes).map_err(|error| format!("{}: {error}", folder.display()))?;
        far(all);
    }
    file.rewind().map_err(|error| error.to_string())?;
    Ok(file)
}

/// Reads an image from a file, a folder or standard input; `None` for one of an engine.
///
/// # Errors
///
/// It cannot be read.
pub async fn read(origin: &Origin, wanted: Option<&str>, folder: &Path) -> Result<Option<Source>, NotAtHand> {
    let (origin, wanted, folder) = (origin.clone(), wanted.map(str::to_owned), PathBuf::from(folder));
    let read = tokio::task::spawn_blocking(move || match origin {
        Origin::Engine(_) => Ok(None),
        Origin::Path(path) => open(&path, wanted.as_deref()).map(Some),
        Origin::Stdin => {
            spool(std::io::stdin().lock(), "standard input", &folder, wanted.as_deref()).map(Some)
        }
    });
    let failed = |error: tokio::task::JoinError| {
        NotAtHand::Fault(Fault::Unreadable { what: "the image".to_owned(), why: error.to_string() })
    };
    Ok(read.await.map_err(failed)??)
}
