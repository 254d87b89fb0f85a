//! The files of an image: in an archive, or in a folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::blob::{Blob, hex_of};
use super::fault::Fault;
use super::tar::{Entries, entries};

/// Where the files of an image are.
#[derive(Debug)]
pub(super) enum Files {
    /// In an archive.
    Archive(Entries),
    /// In a folder: an OCI layout.
    Folder(PathBuf),
}

/// Files of a layout besides blobs.
const OF_A_LAYOUT: [&str; 2] = ["index.json", "oci-layout"];

impl Files {
    /// Those of an archive.
    pub fn of_archive(file: File, of: &str) -> Result<Self, Fault> {
        Ok(Self::Archive(entries(&Arc::new(file), &of.into())?))
    }

    /// A file by its name, if it is there. Of a folder only the names that a layout has are looked for.
    pub fn find(&self, name: &str) -> Result<Option<Blob>, Fault> {
        match self {
            Self::Archive(entries) => Ok(entries.find(name).cloned()),
            Self::Folder(folder) if OF_A_LAYOUT.contains(&name) => open(&folder.join(name)),
            Self::Folder(_) => Ok(None),
        }
    }

    /// A blob by its digest, if it is there.
    pub fn blob(&self, digest: &str) -> Result<Option<Blob>, Fault> {
        let Some(hex) = hex_of(digest) else {
            return Err(Fault::damaged("the image", format!("`{digest}` is no digest by SHA-256")));
        };
        match self {
            Self::Archive(entries) => Ok(entries.find(&format!("blobs/sha256/{hex}")).cloned()),
            Self::Folder(folder) => open(&folder.join("blobs/sha256").join(hex)),
        }
    }
}

/// An ordinary file as a blob.
#[expect(clippy::disallowed_methods, reason = "images are read from files")]
fn open(path: &Path) -> Result<Option<Blob>, Fault> {
    let what = path.display().to_string();
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::unreadable(&what, &error)),
    };
    // A pipe would be waited for.
    if !metadata.is_file() {
        return Err(Fault::damaged(&what, "it is no ordinary file"));
    }
    let file = File::open(path).map_err(|error| Fault::unreadable(&what, &error))?;
    Ok(Some(Blob::new(Arc::new(file), what.into(), 0, metadata.len())))
}
