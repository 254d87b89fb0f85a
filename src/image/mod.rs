//! Images as files: archives of `docker save`, OCI layouts, and the archives in which engines are sent a part of one.
//!
//! ```text
//! file or folder ─▶ Files ─▶ open() ─▶ Source: images by name ─▶ Image: one for each platform
//!                                                                 └─▶ load::parts(): what to send, in which order
//! ```
//!
//! Distrusts what it reads: names in an archive are looked up and never become paths, everything that is held in memory
//! has a limit, and what has a digest is held against it. An archive that was cut off, one that is damaged, and one whose
//! contents are not what they say they are, each have an error of their own.
//!
//! Knows no engine: what a host has is handed in.

mod blob;
mod docker;
mod entry;
mod fault;
mod files;
pub mod load;
mod oci;
mod source;
pub mod spare;
mod tar;

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "makes the files that are read")]
mod testing;

use bytes::Bytes;

pub use blob::{Blob, Compression};
pub use fault::Fault;
pub use source::{NoOrigin, Origin, Source, nameless, of_archive, open, spool};

use crate::model::spec::Platform;

/// Bytes of a document of an image: a manifest, an index, a configuration. Engines refuse longer ones, too.
const DOCUMENT_MAX: u64 = 4 << 20;
/// Layers of an image; no engine can run one with more than some hundred.
const LAYERS_MAX: usize = 512;

/// An image for one platform.
#[derive(Debug, Clone)]
pub struct Image {
    /// What it is for.
    pub platform: Platform,
    /// The configuration, as it is.
    pub config: Bytes,
    /// `sha256:…` of it: what engines with a graph driver call the image.
    pub config_digest: String,
    /// The manifest, as it is; archives of older engines have none.
    pub manifest: Option<Manifest>,
    /// From the lowest up.
    pub layers: Vec<Layer>,
}

/// The manifest of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// As it is.
    pub bytes: Bytes,
    /// `sha256:…` of it.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
}

/// A layer of an image.
#[derive(Debug, Clone)]
pub struct Layer {
    /// `sha256:…` of what it unpacks to, by the configuration.
    pub diff_id: String,
    /// `sha256:…` of the bytes as they are, by the manifest; none where only the configuration speaks of it.
    pub digest: Option<String>,
    /// Its media type, if there is a manifest.
    pub media_type: Option<String>,
    /// Where the bytes are.
    pub blob: Blob,
    /// How they are compressed.
    pub compression: Compression,
}

impl Layer {
    /// `sha256:…` of the bytes as they are, where something says it.
    #[must_use]
    pub fn known_digest(&self) -> Option<&str> {
        let plain = (self.compression == Compression::None).then_some(&self.diff_id);
        self.digest.as_ref().or(plain).map(String::as_str)
    }

    /// Reads the whole layer and holds it against its digests. A compressed one without a digest of its own is left to
    /// the engine, which unpacks it and compares what comes out.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is another one.
    pub fn verify(&self) -> Result<(), Fault> {
        let is_plain = self.compression == Compression::None;
        let wanted: Vec<&String> = self.digest.iter().chain(is_plain.then_some(&self.diff_id)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let found = self.blob.digest()?;
        match wanted.into_iter().find(|wanted| **wanted != found) {
            None => Ok(()),
            Some(wanted) => {
                Err(Fault::WrongDigest { what: "a layer".to_owned(), wanted: wanted.clone(), found })
            }
        }
    }
}

impl Image {
    /// Bytes of all layers, as they are.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.blob.size()).sum()
    }

    /// What layers unpack to, from the lowest up.
    pub fn diff_ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.layers.iter().map(|layer| layer.diff_id.as_str())
    }

    /// How many layers, from the lowest up, are the same as another image's.
    #[must_use]
    pub fn common(&self, other: &[String]) -> usize {
        self.diff_ids().zip(other).take_while(|(ours, theirs)| ours == theirs).count()
    }
}
