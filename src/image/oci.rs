//! OCI layouts: `index.json`, manifests, blobs. Archives of newer engines are such layouts, too.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::blob::digest_of;
use super::docker::Config;
use super::entry::Entry;
use super::fault::Fault;
use super::files::Files;
use super::{DOCUMENT_MAX, Image, LAYERS_MAX, Layer, Manifest};
use crate::model::image::ImageRef;

/// The file that a layout begins with.
const INDEX: &str = "index.json";
/// How often an index may list an index.
const DEPTH_MAX: usize = 3;
/// Manifests of one image: each platform has one, and perhaps one about how it was made.
const MANIFESTS_MAX: usize = 256;

/// The annotations that name an image: containerd's, and the layout's own, which may be a tag alone.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
/// The annotation of what is about an image, and none.
const IS_ABOUT: &str = "vnd.docker.reference.type";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ManifestBody {
    media_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

impl Descriptor {
    fn is_index(&self) -> bool {
        self.media_type.contains("image.index") || self.media_type.contains("manifest.list")
    }

    /// Names as references; a tag alone is none.
    fn names(&self) -> impl Iterator<Item = String> + '_ {
        let given = NAMES.iter().filter_map(|key| self.annotations.get(*key));
        given.filter(|name| name.contains([':', '/'])).filter_map(|name| {
            let image = ImageRef::parse(name).ok()?;
            image.tag.is_some().then(|| image.to_string())
        })
    }
}

/// The images of a layout; `None` if it is none.
pub(super) fn entries(files: &Files) -> Result<Option<Vec<Entry>>, Fault> {
    let Some(index) = files.find(INDEX)? else { return Ok(None) };
    let index = index.whole(INDEX, DOCUMENT_MAX)?;
    let index: Index = serde_json::from_slice(&index).map_err(|error| Fault::damaged(INDEX, error))?;
    let mut by_digest: BTreeMap<String, Entry> = BTreeMap::new();
    for descriptor in &index.manifests {
        if descriptor.annotations.contains_key(IS_ABOUT) {
            continue;
        }
        if !by_digest.contains_key(&descriptor.digest) {
            by_digest.insert(descriptor.digest.clone(), entry(files, descriptor)?);
        }
        if let Some(entry) = by_digest.get_mut(&descriptor.digest) {
            for name in descriptor.names() {
                if !entry.names.contains(&name) {
                    entry.names.push(name);
                }
            }
        }
    }
    Ok(Some(by_digest.into_values().collect()))
}

/// An image with all its platforms that are there. One platform of many is what an archive of an engine has.
fn entry(files: &Files, descriptor: &Descriptor) -> Result<Entry, Fault> {
    let mut found = Vec::new();
    collect(files, descriptor, 0, &mut found)?;
    let mut entry = Entry { names: Vec::new(), images: Vec::new(), broken: None };
    for manifest in found {
        match image(files, manifest) {
            Ok(Some(image)) => entry.images.push(image),
            Ok(None) => {}
            Err(fault @ Fault::Incomplete { .. }) => entry.broken = Some(fault),
            Err(fault) => return Err(fault),
        }
    }
    Ok(entry)
}

fn collect(
    files: &Files,
    descriptor: &Descriptor,
    depth: usize,
    found: &mut Vec<Manifest>,
) -> Result<(), Fault> {
    if depth > DEPTH_MAX || found.len() > MANIFESTS_MAX {
        return Err(Fault::damaged(INDEX, "it lists too much"));
    }
    let Some(bytes) = document(files, &descriptor.digest, "a manifest")? else { return Ok(()) };
    let body: ManifestBody = parsed(&bytes)?;
    let media_type =
        if descriptor.media_type.is_empty() { body.media_type } else { descriptor.media_type.clone() };
    if !(descriptor.is_index() || (body.layers.is_empty() && body.config.digest.is_empty())) {
        found.push(Manifest { bytes, digest: descriptor.digest.clone(), media_type });
        return Ok(());
    }
    let index: Index = parsed(&bytes)?;
    for inner in index.manifests.iter().filter(|inner| !inner.annotations.contains_key(IS_ABOUT)) {
        collect(files, inner, depth + 1, found)?;
    }
    Ok(())
}

fn parsed<T: serde::de::DeserializeOwned>(bytes: &Bytes) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| Fault::damaged("a manifest", error))
}

/// A document by its digest, which it has; `None` if it is not there.
fn document(files: &Files, digest: &str, what: &str) -> Result<Option<Bytes>, Fault> {
    let Some(blob) = files.blob(digest)? else { return Ok(None) };
    let bytes = blob.whole(what, DOCUMENT_MAX)?;
    let found = digest_of(&bytes);
    if found != digest {
        return Err(Fault::WrongDigest { what: what.to_owned(), wanted: digest.to_owned(), found });
    }
    Ok(Some(bytes))
}

/// The image of a manifest; `None` if it is of something else than an image.
fn image(files: &Files, manifest: Manifest) -> Result<Option<Image>, Fault> {
    let body: ManifestBody = parsed(&manifest.bytes)?;
    if !body.config.media_type.contains("image.config") && !body.config.media_type.contains("container.image")
    {
        return Ok(None);
    }
    if body.layers.len() > LAYERS_MAX {
        return Err(Fault::damaged("a manifest", format!("it has {} layers", body.layers.len())));
    }
    let missing = |what: String| Fault::Incomplete { what };
    let config = document(files, &body.config.digest, "the configuration")?
        .ok_or_else(|| missing("the configuration".to_owned()))?;
    let (platform, diff_ids) = Config::of(&config)?;
    if platform.os == "unknown" {
        return Ok(None);
    }
    if diff_ids.len() != body.layers.len() {
        let why = format!("it has {} layers of {}", body.layers.len(), diff_ids.len());
        return Err(Fault::damaged("a manifest", why));
    }
    let mut layers = Vec::new();
    for (diff_id, of) in diff_ids.into_iter().zip(body.layers) {
        let blob = files.blob(&of.digest)?.ok_or_else(|| missing(format!("the layer {}", of.digest)))?;
        if blob.size() != of.size {
            let why = format!("{} has {} bytes of {}", of.digest, blob.size(), of.size);
            return Err(Fault::damaged("a layer", why));
        }
        let compression = blob.compression()?;
        let (digest, media_type) = (Some(of.digest), Some(of.media_type));
        layers.push(Layer { diff_id, digest, media_type, blob, compression });
    }
    let config_digest = body.config.digest;
    Ok(Some(Image { platform, config, config_digest, manifest: Some(manifest), layers }))
}
