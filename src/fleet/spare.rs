//! The spare copy of what a ledger in volumes alone has, as an image of the engine.
//!
//! `docker volume prune` removes registers: up to engine 22 all of them, and later those without a name. It leaves images
//! that have a name alone, and so does `docker system prune --volumes`. Only what removes every image that no container uses
//! (`docker image prune --all`) takes the copy as well. The image has one layer with one file, and is never run. Knows
//! nothing of what is in the copy.

use std::io::{self, Read as _};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::json;

use super::docker::client::{CallError, DEFAULT_LIMIT, Engine, Reader, escaped, with_query};
use super::docker::image::inspect;
use super::docker::wire;
use super::images::bytes_of;
use super::one_layer::{self, Archive};
use crate::image::spare::NAME;
use crate::model::ClusterName;
use crate::model::ids::sha256_hex;

/// For an archive of some megabytes to be stored, or to be sent.
pub(super) const LIMIT: Duration = Duration::from_secs(60);
/// Bytes of an archive that is read. What is in it is kept twice as text: encrypted values, of 500 kB at most each.
const BYTES_MAX: usize = 128 << 20;
/// The file in the layer.
const FILE: &str = "spare.jsonl";
/// Characters by which clusters are told apart. Their names may have signs that names of images cannot have.
const CLUSTER_CHARS: usize = 12;

/// What the image is called.
fn name(cluster: &ClusterName) -> String {
    format!("{NAME}:{}", &sha256_hex(cluster.as_str().as_bytes())[..CLUSTER_CHARS])
}

/// Stores a copy in the place of the one before, and reads it back.
pub(super) async fn put(engine: &Engine, cluster: &ClusterName, text: &str) -> Result<(), CallError> {
    let name = name(cluster);
    let reader = &engine.reader;
    let (before, info) =
        tokio::try_join!(inspect(reader, &name), reader.get::<wire::Info>("/info", DEFAULT_LIMIT))?;
    let mut layer = Archive::new();
    let archive = layer
        .file(FILE, 0o600, text.as_bytes())
        .and_then(|()| one_layer::image(&name, &info.architecture, &json!({}), layer));
    let archive = archive.map_err(|error| CallError::Decode(error.to_string()))?;
    engine.post_archive("/images/load?quiet=1", archive, LIMIT).await?;
    // A load that fails has answered "200 OK".
    if get(reader, cluster).await?.as_deref() != Some(text) {
        return Err(CallError::Decode("the engine has not kept it as it was sent".to_owned()));
    }
    if let Some(before) = before
        && inspect(reader, &name).await?.is_none_or(|now| now.id != before.id)
    {
        // It has no name any more. What is not removed is what `docker image prune` is for.
        let path = with_query(&format!("/images/{}", escaped(&before.id)), &[("force", "1")]);
        let _is_only_left_over = engine.delete(&path, DEFAULT_LIMIT).await;
    }
    Ok(())
}

/// The copy, if there is one.
pub(super) async fn get(reader: &Reader, cluster: &ClusterName) -> Result<Option<String>, CallError> {
    let name = name(cluster);
    // An engine answers for an image that it does not have with an archive that is cut off, or with an empty one.
    if inspect(reader, &name).await?.is_none() {
        return Ok(None);
    }
    let saved = reader.stream(&format!("/images/{}/get", escaped(&name)), LIMIT).await?;
    let mut saved = std::pin::pin!(bytes_of(saved));
    let mut archive = Vec::new();
    while let Some(bytes) = saved.next().await {
        archive.extend_from_slice(&bytes?);
        if archive.len() > BYTES_MAX {
            return Err(CallError::TooLong(format!("`{name}` has more than {} MiB", BYTES_MAX >> 20)));
        }
    }
    // One without the file in it is there all the same, and cannot be read: it has no beginning.
    Ok(Some(found(&archive.into()).unwrap_or_default()))
}

/// The file, in whichever of the archive's files it is: each engine names its layers in another way.
fn found(archive: &Bytes) -> io::Result<String> {
    let mut outer = tar::Archive::new(&archive[..]);
    for entry in outer.entries()? {
        let mut layer = Vec::new();
        entry?.read_to_end(&mut layer)?;
        let mut inner = tar::Archive::new(&layer[..]);
        // What is no archive has no entry, or one that cannot be read.
        let Ok(entries) = inner.entries() else { continue };
        for entry in entries {
            let Ok(mut entry) = entry else { break };
            if entry.path().is_ok_and(|path| path.as_os_str() == FILE) {
                let mut text = String::new();
                entry.read_to_string(&mut text)?;
                return Ok(text);
            }
        }
    }
    Err(io::Error::other("there is no copy in it"))
}
