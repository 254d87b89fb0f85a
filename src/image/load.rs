//! What an engine is sent of an image: archives for `POST /images/load`, each with a few layers, and each an image by
//! itself.
//!
//! No engine takes a single layer by its API, so layers go in images that name them. An engine with a *graph driver*
//! reads `manifest.json` and asks its layers by what lies below each of them before it opens a layer's file: files of
//! layers that it has may be missing. One with the *containerd store* keeps every blob of an archive by its digest, and
//! looks only there when it unpacks: blobs that it has may be missing.
//!
//! Of a load that was cut off nothing stays. So a large image goes in several: the first ones are [parts](part_name),
//! images of our own with the lowest layers, which keep those until the real image names them. What is cut off goes on
//! behind the last part. The last archive has the real configuration and the real names.
//!
//! The list of layers comes last in each archive, and is held back until the layers were held against their digests: an
//! engine makes nothing of an archive without it.

use std::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde_json::{Value, json};

use super::blob::{Blob, digest_of, hex_of};
use super::fault::Fault;
use super::{Compression, Image, Manifest};
use crate::model::image::ImageRef;

/// So much of an image goes at a time: what a cut costs, and what one more request costs, are both small.
const PART_BYTES: u64 = 32 << 20;
/// A tar's unit.
const BLOCK: u64 = 512;
/// The name of all parts. A domain that cannot exist: no engine can pull such a name.
const PART: &str = "stackctl.invalid/part";
/// Digits of a digest that tell parts of different images apart.
const TAG_CHARS: usize = 12;

/// How an engine keeps images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Store {
    /// By a graph driver: `overlay2` and others.
    GraphDriver,
    /// By containerd's content store and snapshotters.
    Containerd,
}

/// A piece of an archive.
#[derive(Debug, Clone)]
pub enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// Those of a layer.
    Blob(Blob),
    /// What follows is sent only if these layers are what they are said to be.
    Verified(Range<usize>),
}

/// An archive for one request.
#[derive(Debug, Clone)]
pub struct Archive {
    /// From its beginning to its end.
    pub pieces: Vec<Piece>,
    /// The layers that are in it.
    pub layers: Range<usize>,
    /// What the image in it is called, if it is a part.
    pub part: Option<String>,
}

impl Archive {
    /// Bytes of the layers in it.
    #[must_use]
    pub fn layer_bytes(&self, image: &Image) -> u64 {
        image.layers[self.layers.clone()].iter().map(|layer| layer.blob.size()).sum()
    }
}

/// What is sent of an image to engines of one kind.
#[derive(Debug, Clone)]
pub struct Parcel {
    store: Store,
    manifest: Manifest,
}

/// The name of a part with so many layers of an image. `stamp` is when the push began, in seconds.
#[must_use]
pub fn part_name(image: &Image, layers: usize, stamp: i64) -> String {
    format!("{PART}:{}-{layers}-{stamp}", tag(image))
}

/// Whether a name is kept for parts: what has one is collected.
#[must_use]
pub fn is_of_parts(name: &ImageRef) -> bool {
    PART.split_once('/').is_some_and(|(domain, _)| name.domain == domain)
}

/// Of the name of a part: whether it is one of this image, and when its push began. `None` for any other name.
#[must_use]
pub fn part_of(name: &str, image: Option<&Image>) -> Option<(bool, i64)> {
    let rest = name.strip_prefix(PART)?.strip_prefix(':')?;
    let mut words = rest.split('-');
    let (of, _layers, stamp) = (words.next()?, words.next()?, words.next()?);
    Some((image.is_some_and(|image| tag(image) == of), stamp.parse().ok()?))
}

fn tag(image: &Image) -> String {
    let hex = hex_of(&image.config_digest).unwrap_or_default();
    hex.chars().take(TAG_CHARS).collect()
}

impl Parcel {
    /// For engines of this kind.
    ///
    /// # Errors
    ///
    /// A layer cannot be read: one that is compressed and has no digest of its own is read for it.
    pub fn of(image: &Image, store: Store) -> Result<Self, Fault> {
        let manifest = match (&image.manifest, store) {
            (Some(manifest), _) => manifest.clone(),
            // It is not sent, and need not be right.
            (None, Store::GraphDriver) => made(image, &image.config, vec![Value::Null; image.layers.len()]),
            (None, Store::Containerd) => {
                let layers = image.layers.iter().map(|layer| {
                    let digest = match (&layer.digest, layer.compression) {
                        (Some(digest), _) => digest.clone(),
                        (None, Compression::None) => layer.diff_id.clone(),
                        (None, _) => layer.blob.digest()?,
                    };
                    let ending = match layer.compression {
                        Compression::None => "",
                        Compression::Zstd => "+zstd",
                        Compression::Gzip | Compression::Xz | Compression::Bzip2 => "+gzip",
                    };
                    let media_type = format!("application/vnd.oci.image.layer.v1.tar{ending}");
                    Ok(json!({ "mediaType": media_type, "digest": digest, "size": layer.blob.size() }))
                });
                made(image, &image.config, layers.collect::<Result<_, Fault>>()?)
            }
        };
        Ok(Self { store, manifest })
    }

    /// How those engines keep images.
    #[must_use]
    pub fn store(&self) -> Store {
        self.store
    }

    /// What the engine calls the image.
    #[must_use]
    pub fn id<'a>(&'a self, image: &'a Image) -> &'a str {
        match self.store {
            Store::GraphDriver => &image.config_digest,
            Store::Containerd => &self.manifest.digest,
        }
    }

    /// The archives for a host that has the lowest `from` layers, in order. The last one is the image itself.
    ///
    /// # Errors
    ///
    /// The manifest of the image cannot be read.
    pub fn archives(
        &self,
        image: &Image,
        names: &[String],
        from: usize,
        stamp: i64,
    ) -> Result<Vec<Archive>, Fault> {
        let groups = groups(image, from);
        let last = groups.len() - 1;
        let archive = |(at, layers): (usize, Range<usize>)| {
            if at == last {
                let content = (image.config.clone(), self.manifest.clone());
                return Ok(self.archive(image, layers, content, names, None));
            }
            let name = part_name(image, layers.end, stamp);
            let content = self.part(image, layers.end)?;
            Ok(self.archive(image, layers, content, std::slice::from_ref(&name), Some(name.clone())))
        };
        groups.into_iter().enumerate().map(archive).collect()
    }

    /// Configuration and manifest of a part.
    fn part(&self, image: &Image, layers: usize) -> Result<(Bytes, Manifest), Fault> {
        let diff_ids: Vec<&str> = image.diff_ids().take(layers).collect();
        let config = json!({
            "architecture": image.platform.architecture,
            "os": image.platform.os,
            "created": "1970-01-01T00:00:00Z",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = Bytes::from(config.to_string());
        let whole: Value = serde_json::from_slice(&self.manifest.bytes)
            .map_err(|error| Fault::damaged("a manifest", error))?;
        let all = whole["layers"].as_array().cloned().unwrap_or_default();
        let manifest = made(image, &config, all.into_iter().take(layers).collect());
        Ok((config, manifest))
    }

    fn archive(
        &self,
        image: &Image,
        layers: Range<usize>,
        (config, manifest): (Bytes, Manifest),
        names: &[String],
        part: Option<String>,
    ) -> Archive {
        let mut tar = Tar::default();
        match self.store {
            Store::GraphDriver => {
                let count = part.as_ref().map_or(image.layers.len(), |_| layers.end);
                let all: Vec<String> = (0..count).map(|at| format!("layer-{at}")).collect();
                tar.bytes("config.json", &config);
                for at in layers.clone() {
                    tar.blob(&all[at], &image.layers[at].blob);
                }
                tar.pieces.push(Piece::Verified(layers.clone()));
                let list = json!([{ "Config": "config.json", "RepoTags": names, "Layers": all }]);
                tar.bytes("manifest.json", list.to_string().as_bytes());
            }
            Store::Containerd => {
                tar.bytes("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
                tar.bytes(&blob_name(&digest_of(&config)), &config);
                let all: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
                for at in layers.clone() {
                    let digest = all["layers"][at]["digest"].as_str().unwrap_or_default();
                    tar.blob(&blob_name(digest), &image.layers[at].blob);
                }
                tar.pieces.push(Piece::Verified(layers.clone()));
                tar.bytes(&blob_name(&manifest.digest), &manifest.bytes);
                let descriptor = |name: &String| {
                    json!({
                        "mediaType": manifest.media_type,
                        "digest": manifest.digest,
                        "size": manifest.bytes.len(),
                        "annotations": { "io.containerd.image.name": full(name) },
                    })
                };
                let manifests: Vec<Value> = names.iter().map(descriptor).collect();
                let index = json!({
                    "schemaVersion": 2,
                    "mediaType": "application/vnd.oci.image.index.v1+json",
                    "manifests": manifests,
                });
                tar.bytes("index.json", index.to_string().as_bytes());
            }
        }
        Archive { pieces: tar.end(), layers, part }
    }
}

/// A manifest of our own.
fn made(image: &Image, config: &Bytes, layers: Vec<Value>) -> Manifest {
    let (of, media_type) = match &image.manifest {
        Some(manifest) if manifest.media_type.contains("docker") => (
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.distribution.manifest.v2+json",
        ),
        _ => ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.manifest.v1+json"),
    };
    let body = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": { "mediaType": of, "digest": digest_of(config), "size": config.len() },
        "layers": layers,
    });
    let bytes = Bytes::from(body.to_string());
    Manifest { digest: digest_of(&bytes), bytes, media_type: media_type.to_owned() }
}

/// Layers that go together. There is always one, if only for the name.
fn groups(image: &Image, from: usize) -> Vec<Range<usize>> {
    let (mut groups, mut begin, mut bytes) = (Vec::new(), from, 0);
    for (at, layer) in image.layers.iter().enumerate().skip(from) {
        bytes += layer.blob.size();
        if bytes >= PART_BYTES && at + 1 < image.layers.len() {
            groups.push(begin..at + 1);
            (begin, bytes) = (at + 1, 0);
        }
    }
    groups.push(begin..image.layers.len());
    groups
}

/// A name with all that it stands for, as containerd has it.
fn full(name: &str) -> String {
    let Ok(image) = ImageRef::parse(name) else { return name.to_owned() };
    let tag = image.effective_tag().map(|tag| format!(":{tag}")).unwrap_or_default();
    format!("{}/{}{tag}", image.domain, image.path)
}

fn blob_name(digest: &str) -> String {
    format!("blobs/sha256/{}", hex_of(digest).unwrap_or_default())
}

/// An archive that is being written.
#[derive(Debug, Default)]
struct Tar {
    pieces: Vec<Piece>,
}

impl Tar {
    fn bytes(&mut self, name: &str, content: &[u8]) {
        let size = content.len() as u64;
        let mut bytes = BytesMut::from(&header(name, size)[..]);
        bytes.extend_from_slice(content);
        bytes.put_bytes(0, padding(size));
        self.pieces.push(Piece::Bytes(bytes.freeze()));
    }

    fn blob(&mut self, name: &str, blob: &Blob) {
        self.pieces.push(Piece::Bytes(header(name, blob.size())));
        self.pieces.push(Piece::Blob(blob.clone()));
        self.pieces.push(Piece::Bytes(vec![0; padding(blob.size())].into()));
    }

    fn end(mut self) -> Vec<Piece> {
        self.pieces.push(Piece::Bytes(vec![0; 2 * BLOCK as usize].into()));
        self.pieces
    }
}

fn padding(size: u64) -> usize {
    usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or_default()
}

fn header(name: &str, size: u64) -> Bytes {
    let mut header = ::tar::Header::new_ustar();
    header.set_entry_type(::tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(size);
    // Ours are short.
    let _is_short = header.set_path(name);
    header.set_cksum();
    Bytes::copy_from_slice(header.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::testing::{image_of, sample};
    use super::*;

    fn whole(archive: &Archive) -> Vec<u8> {
        let mut all = Vec::new();
        for piece in &archive.pieces {
            match piece {
                Piece::Bytes(bytes) => all.extend_from_slice(bytes),
                Piece::Blob(blob) => all.extend_from_slice(&blob.whole("it", u64::MAX).unwrap()),
                Piece::Verified(_) => {}
            }
        }
        all
    }

    fn files(archive: &Archive) -> Vec<(String, Vec<u8>)> {
        let bytes = whole(archive);
        let mut archive = ::tar::Archive::new(&bytes[..]);
        let read = |entry: std::io::Result<::tar::Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().display().to_string(), content)
        };
        archive.entries().unwrap().map(read).collect()
    }

    #[test]
    fn large_images_go_in_parts_and_small_layers_together() {
        const MB: usize = 1 << 20;
        let image = image_of(&[20 * MB, 20 * MB, 1, 2, 40 * MB, 3]);
        assert_eq!(groups(&image, 0), [0..2, 2..5, 5..6]);
        assert_eq!(groups(&image, 3), [3..5, 5..6]);
        assert_eq!(groups(&image, 6), vec![std::ops::Range { start: 6, end: 6 }], "only the name is missing");
        let image = image_of(&[40 * MB]);
        assert_eq!(groups(&image, 0), vec![std::ops::Range { start: 0, end: 1 }]);
    }

    #[test]
    fn an_archive_for_a_graph_driver_lists_what_it_leaves_out() {
        let image = sample().images.remove(0);
        let parcel = Parcel::of(&image, Store::GraphDriver).unwrap();
        let archives = parcel.archives(&image, &["app:1".to_owned()], 1, 7).unwrap();
        assert_eq!((archives.len(), parcel.id(&image)), (1, image.config_digest.as_str()));
        let files = files(&archives[0]);
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["config.json", "layer-1", "manifest.json"]);
        assert_eq!(files[0].1, image.config);
        let list: Value = serde_json::from_slice(&files[2].1).unwrap();
        assert_eq!(list[0]["Layers"], json!(["layer-0", "layer-1"]));
        assert_eq!(list[0]["RepoTags"], json!(["app:1"]));
        // The list is behind the check.
        let check = archives[0].pieces.iter().position(|piece| matches!(piece, Piece::Verified(_)));
        assert_eq!(check.unwrap() + 3, archives[0].pieces.len());
    }

    #[test]
    fn an_archive_for_containerd_has_blobs_by_their_digests() {
        let image = sample().images.remove(0);
        let parcel = Parcel::of(&image, Store::Containerd).unwrap();
        let files = files(&parcel.archives(&image, &["app:1".to_owned()], 1, 7).unwrap()[0]);
        for (name, content) in files.iter().filter(|(name, _)| name.starts_with("blobs/")) {
            assert_eq!(*name, blob_name(&digest_of(content)));
        }
        let index: Value = serde_json::from_slice(&files.last().unwrap().1).unwrap();
        let of = &index["manifests"][0];
        assert_eq!(of["annotations"]["io.containerd.image.name"], "docker.io/library/app:1");
        assert_eq!(of["digest"], parcel.id(&image));
        assert_eq!(files.len(), 5, "layout, configuration, one layer, manifest, index");
        // The same source makes the same id.
        let again = Parcel::of(&sample().images.remove(0), Store::Containerd).unwrap();
        assert_eq!(again.id(&image), parcel.id(&image));
    }

    #[test]
    fn a_part_is_an_image_of_the_lowest_layers() {
        let image = image_of(&[40 << 20, 5]);
        for store in [Store::GraphDriver, Store::Containerd] {
            let parcel = Parcel::of(&image, store).unwrap();
            let archives = parcel.archives(&image, &["app:1".to_owned()], 0, 7).unwrap();
            assert_eq!(archives.iter().map(|one| one.layers.clone()).collect::<Vec<_>>(), [0..1, 1..2]);
            let part = archives[0].part.as_deref().unwrap();
            assert_eq!(part_of(part, Some(&image)), Some((true, 7)), "{part}");
            assert_eq!(part_of(part, Some(&image_of(&[1]))), Some((false, 7)));
            assert_eq!((part_of("app:1", None), &archives[1].part), (None, &None));
            let files = files(&archives[0]);
            let config = files.iter().find_map(|(_, content)| {
                let value: Value = serde_json::from_slice(content).ok()?;
                value["rootfs"]["diff_ids"].as_array().map(Vec::len)
            });
            assert_eq!(config, Some(1));
        }
    }
}
