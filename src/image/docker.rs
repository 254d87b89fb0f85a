//! The archives of `docker save`, by their `manifest.json`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::blob::digest_of;
use super::entry::Entry;
use super::fault::Fault;
use super::files::Files;
use super::{DOCUMENT_MAX, Image, LAYERS_MAX, Layer};
use crate::model::spec::Platform;

/// The file that lists the images.
pub(super) const MANIFEST: &str = "manifest.json";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// What is read of a configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    os: String,
    architecture: String,
    rootfs: RootFs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RootFs {
    diff_ids: Option<Vec<String>>,
}

impl Config {
    /// Reads one.
    pub fn of(bytes: &Bytes) -> Result<(Platform, Vec<String>), Fault> {
        let what = "the configuration of the image";
        let config: Self = serde_json::from_slice(bytes).map_err(|error| Fault::damaged(what, error))?;
        let diff_ids = config.rootfs.diff_ids.unwrap_or_default();
        if diff_ids.is_empty() || diff_ids.len() > LAYERS_MAX {
            return Err(Fault::damaged(what, format!("it has {} layers", diff_ids.len())));
        }
        if let Some(bad) = diff_ids.iter().find(|id| super::blob::hex_of(id).is_none()) {
            return Err(Fault::damaged(what, format!("`{bad}` is no digest by SHA-256")));
        }
        let os = if config.os.is_empty() { "linux".to_owned() } else { config.os };
        Ok((Platform { os, architecture: config.architecture }, diff_ids))
    }
}

/// The images of an archive; `None` if it has no such list.
pub(super) fn entries(files: &Files) -> Result<Option<Vec<Entry>>, Fault> {
    let Some(list) = files.find(MANIFEST)? else { return Ok(None) };
    let list = list.whole(MANIFEST, DOCUMENT_MAX)?;
    let items: Vec<Item> = serde_json::from_slice(&list).map_err(|error| Fault::damaged(MANIFEST, error))?;
    // One image may be listed once for each of its names.
    let mut by_config: BTreeMap<String, Entry> = BTreeMap::new();
    for item in items {
        let image = image(files, &item)?;
        let entry = by_config.entry(image.config_digest.clone()).or_insert_with(|| Entry {
            names: Vec::new(),
            images: vec![image],
            broken: None,
        });
        entry.names.extend(item.repo_tags.unwrap_or_default());
    }
    Ok(Some(by_config.into_values().collect()))
}

fn image(files: &Files, item: &Item) -> Result<Image, Fault> {
    let config = files
        .find(&item.config)?
        .ok_or_else(|| Fault::Incomplete { what: "the configuration".to_owned() })?
        .whole("the configuration of the image", DOCUMENT_MAX)?;
    let config_digest = digest_of(&config);
    // `<digits>.json`, or `blobs/sha256/<digits>`: the name says what it should be.
    let stem = item.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    if stem.len() == 64 && stem != &config_digest["sha256:".len()..] {
        return Err(Fault::WrongDigest {
            what: "the configuration".to_owned(),
            wanted: format!("sha256:{stem}"),
            found: config_digest,
        });
    }
    let (platform, diff_ids) = Config::of(&config)?;
    let names = item.layers.clone().unwrap_or_default();
    if names.len() != diff_ids.len() {
        let why = format!("it lists {} layers of {}", names.len(), diff_ids.len());
        return Err(Fault::damaged(MANIFEST, why));
    }
    let mut layers = Vec::new();
    for (diff_id, name) in diff_ids.into_iter().zip(names) {
        let missing = || Fault::Incomplete { what: format!("the layer {diff_id}") };
        let blob = files.find(&name)?.ok_or_else(missing)?;
        let compression = blob.compression()?;
        layers.push(Layer { diff_id, digest: None, media_type: None, blob, compression });
    }
    Ok(Image { platform, config, config_digest, manifest: None, layers })
}
