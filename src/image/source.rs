//! Where an image comes from, and which of its images is meant.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::entry::Entry;
use super::fault::Fault;
use super::files::Files;
use super::{Image, docker, oci};
use crate::model::image::ImageRef;
use crate::model::spec::Platform;

/// Where an image is, by how it is written. Whether a file of that name exists must not change what is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An archive from standard input: `-`.
    Stdin,
    /// An archive or a folder: begins with `/`, `./` or `../`, or ends in `.tar`.
    Path(PathBuf),
    /// A name of the client's engine.
    Engine(String),
}

/// Why a word names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("neither a path, which begins with `/` or `./` or ends in `.tar`, nor an image: {0}")]
pub struct NoOrigin(crate::model::image::ImageError);

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        let begins = ["/", "./", "../"];
        if text == "-" {
            return Ok(Self::Stdin);
        }
        if begins.iter().any(|begin| text.starts_with(begin)) || text.ends_with(".tar") || text == "." {
            return Ok(Self::Path(PathBuf::from(text)));
        }
        ImageRef::parse(text).map_err(NoOrigin)?;
        Ok(Self::Engine(text.to_owned()))
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdin => f.write_str("-"),
            Self::Path(path) => path.display().fmt(f),
            Self::Engine(name) => f.write_str(name),
        }
    }
}

/// An image that was chosen.
#[derive(Debug)]
pub struct Source {
    /// Its names.
    pub names: Vec<String>,
    /// One for each platform.
    pub images: Vec<Image>,
}

impl Source {
    /// The image for a host.
    #[must_use]
    pub fn for_platform(&self, wanted: &Platform) -> Option<&Image> {
        let fits = |ours: &str, theirs: &str| theirs.is_empty() || ours == theirs;
        self.images.iter().find(|image| {
            let is = &image.platform;
            fits(&is.os, &wanted.os) && fits(&is.architecture, &wanted.architecture)
        })
    }
}

/// Opens an archive or an OCI layout; `wanted` chooses by name where there are several images.
///
/// # Errors
///
/// It cannot be read, or is none.
#[expect(clippy::disallowed_methods, reason = "images are read from files")]
pub fn open(path: &Path, wanted: Option<&str>) -> Result<Source, Fault> {
    let what = path.display().to_string();
    let metadata = std::fs::metadata(path).map_err(|error| Fault::unreadable(&what, &error))?;
    if metadata.is_dir() {
        return of(&Files::Folder(path.to_owned()), &what, wanted);
    }
    if !metadata.is_file() {
        let why = "it is no ordinary file; `-` reads from a pipe".to_owned();
        return Err(Fault::Unreadable { what, why });
    }
    let file = File::open(path).map_err(|error| Fault::unreadable(&what, &error))?;
    of_archive(file, &what, wanted)
}

/// Reads an archive that is open already.
///
/// # Errors
///
/// It cannot be read, or is no image.
pub fn of_archive(file: File, what: &str, wanted: Option<&str>) -> Result<Source, Fault> {
    of(&Files::of_archive(file, what)?, what, wanted)
}

/// Copies an archive into a file of this process alone, which has no name and is gone with it, and opens that.
///
/// # Errors
///
/// It cannot be read or written, or is no image.
pub fn spool(mut from: impl Read, what: &str, folder: &Path, wanted: Option<&str>) -> Result<Source, Fault> {
    let failed = |error: &std::io::Error| Fault::unreadable(what, error);
    let mut file = nameless(folder).map_err(|error| failed(&error))?;
    std::io::copy(&mut from, &mut file).map_err(|error| failed(&error))?;
    file.flush().map_err(|error| failed(&error))?;
    of_archive(file, what, wanted)
}

/// A file without a name, which this user alone can read.
///
/// # Errors
///
/// The folder cannot be written.
pub fn nameless(folder: &Path) -> std::io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let (flags, mode) = (OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
    if let Ok(file) = rustix::fs::open(folder, flags | OFlags::TMPFILE, mode) {
        return Ok(file.into());
    }
    // Not every file system makes files without a name.
    let mut random = [0_u8; 8];
    getrandom::getrandom(&mut random).map_err(std::io::Error::other)?;
    let path = folder.join(format!(".stackctl-image-{:016x}", u64::from_ne_bytes(random)));
    let file = rustix::fs::open(&path, flags | OFlags::CREATE | OFlags::EXCL, mode)?;
    rustix::fs::unlink(&path)?;
    Ok(file.into())
}

fn of(files: &Files, what: &str, wanted: Option<&str>) -> Result<Source, Fault> {
    let entries = match oci::entries(files)? {
        Some(entries) => Some(entries),
        None => docker::entries(files)?,
    };
    let none = || Fault::NotAnImage { what: what.to_owned() };
    chosen(entries.ok_or_else(none)?, wanted).and_then(|entry| {
        let Entry { mut names, images, broken } = entry;
        if images.is_empty() {
            return Err(broken.unwrap_or_else(none));
        }
        names.sort();
        names.dedup();
        Ok(Source { names, images })
    })
}

fn chosen(mut entries: Vec<Entry>, wanted: Option<&str>) -> Result<Entry, Fault> {
    let names = |entries: &[Entry]| -> Vec<String> {
        entries
            .iter()
            .map(|entry| entry.names.first().cloned().unwrap_or_else(|| "one without a name".to_owned()))
            .collect()
    };
    let Some(wanted) = wanted else {
        return match entries.len() {
            1 => Ok(entries.remove(0)),
            0 => Err(Fault::Incomplete { what: "every manifest".to_owned() }),
            _ => Err(Fault::Several { names: names(&entries) }),
        };
    };
    let is = |name: &str| normal(name) == normal(wanted);
    let at = entries.iter().position(|entry| entry.names.iter().any(|name| is(name)));
    match at {
        Some(at) => Ok(entries.swap_remove(at)),
        None => Err(Fault::NotThere { wanted: wanted.to_owned(), names: names(&entries) }),
    }
}

/// A name with all that it stands for.
fn normal(name: &str) -> Option<(String, String, Option<String>)> {
    let image = ImageRef::parse(name).ok()?;
    let tag = image.effective_tag().map(str::to_owned);
    Some((image.domain, image.path, tag))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "makes the files that are read")]
mod tests {
    use super::super::blob::digest_of;
    use super::super::testing::{archive, folder, layout, old_form, read, sample};
    use super::*;

    fn parts(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, of)| (name.as_str(), of.as_slice())).collect();
        archive(&files)
    }

    fn on(architecture: &str) -> Platform {
        Platform { os: "linux".into(), architecture: architecture.into() }
    }

    #[test]
    fn what_is_meant_is_seen_from_the_word_alone() {
        let path = |text: &str| Ok(Origin::Path(text.into()));
        for text in ["./app", "/srv/app.tar", "../x", "app.tar", "./ghcr.io/a/b"] {
            assert_eq!(text.parse(), path(text));
        }
        for text in ["app", "ghcr.io/a/b:1", "app.tar:latest", "app@sha256:0123456789abcdef0123456789abcdef"]
        {
            assert_eq!(text.parse(), Ok(Origin::Engine(text.into())));
        }
        assert_eq!("-".parse(), Ok(Origin::Stdin));
        for bad in ["", "App/x y", "~/app"] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }

    #[test]
    fn archives_of_older_engines_are_read() {
        let source = sample();
        let image = &source.images[0];
        assert_eq!((source.names.as_slice(), image.layers.len()), (&["app:1".to_owned()][..], 2));
        assert_eq!((image.platform.clone(), image.bytes()), (on("amd64"), 6));
        image.layers.iter().for_each(|layer| layer.verify().unwrap());
        assert_eq!(image.common(&[digest_of(b"one"), digest_of(b"three")]), 1);
        assert!(source.for_platform(&on("arm64")).is_none());
    }

    #[test]
    fn layouts_are_read_from_folders_and_archives_for_each_platform() {
        let files = layout(&["amd64", "arm64"]);
        let dir = tempfile::tempdir().unwrap();
        folder(dir.path(), &files);
        for source in [open(dir.path(), None).unwrap(), read(&parts(&files), None).unwrap()] {
            assert_eq!(source.names, ["app:1"]);
            for architecture in ["amd64", "arm64"] {
                let image = source.for_platform(&on(architecture)).unwrap();
                assert!(image.manifest.is_some());
                image.layers.iter().for_each(|layer| layer.verify().unwrap());
                assert_eq!(image.layers[1].diff_id, digest_of(architecture.as_bytes()));
            }
            assert!(source.for_platform(&on("s390x")).is_none());
        }
    }

    #[test]
    fn a_platform_that_is_listed_and_not_there_is_left_out() {
        let files = layout(&["amd64", "arm64"]);
        // An engine that has pulled one platform saves that one alone.
        let of_arm = digest_of(b"arm64");
        let without: Vec<_> =
            files.iter().filter(|(name, _)| !name.contains(&of_arm[7..])).cloned().collect();
        let source = read(&parts(&without), None).unwrap();
        assert!(source.for_platform(&on("amd64")).is_some() && source.for_platform(&on("arm64")).is_none());
        let files = layout(&["arm64"]);
        let without: Vec<_> =
            files.iter().filter(|(name, _)| !name.contains(&of_arm[7..])).cloned().collect();
        assert!(matches!(read(&parts(&without), None), Err(Fault::Incomplete { .. })));
    }

    #[test]
    fn a_part_that_was_changed_is_found() {
        let files = layout(&["amd64"]);
        for at in 0..files.len() {
            let mut changed = files.clone();
            let (name, content) = &mut changed[at];
            if !name.starts_with("blobs/") {
                continue;
            }
            // Stays JSON, and as long as it was.
            let space = content.iter().rposition(|byte| byte.is_ascii_alphabetic()).unwrap();
            content[space] = if content[space] == b'x' { b'y' } else { b'x' };
            let found = read(&parts(&changed), None)
                .and_then(|source| source.images[0].layers.iter().try_for_each(super::super::Layer::verify));
            assert!(matches!(found, Err(Fault::WrongDigest { .. })), "{}: {found:?}", changed[at].0);
        }
        let mut old = old_form();
        let at = old.windows(3).position(|bytes| bytes == b"two").unwrap();
        old[at] = b'T';
        let fault = read(&old, None).unwrap().images[0].layers[1].verify().unwrap_err();
        assert!(matches!(fault, Fault::WrongDigest { .. }));
        let mut old = old_form();
        let at = old.windows(5).position(|bytes| bytes == b"amd64").unwrap();
        old[at] = b'b';
        assert!(matches!(read(&old, None), Err(Fault::WrongDigest { .. })));
    }

    #[test]
    fn one_of_several_is_chosen_by_its_name() {
        let config = super::super::testing::config("amd64", &[b"one"]);
        let other = super::super::testing::config("arm64", &[b"one"]);
        let list = serde_json::json!([
            { "Config": "a.json", "RepoTags": ["app:1"], "Layers": ["layer"] },
            { "Config": "b.json", "RepoTags": ["docker.io/library/db:2"], "Layers": ["layer"] },
        ]);
        let list = list.to_string();
        let bytes = archive(&[
            ("a.json", config.as_bytes()),
            ("b.json", other.as_bytes()),
            ("layer", b"one"),
            ("manifest.json", list.as_bytes()),
        ]);
        assert!(matches!(read(&bytes, None), Err(Fault::Several { names }) if names.len() == 2));
        assert_eq!(read(&bytes, Some("db:2")).unwrap().images[0].platform, on("arm64"));
        assert!(matches!(read(&bytes, Some("db:3")), Err(Fault::NotThere { .. })));
    }

    #[test]
    fn what_leads_out_of_an_archive_or_is_missing_is_not_there() {
        let config = super::super::testing::config("amd64", &[b"one"]);
        for layer in ["../../etc/passwd", "/etc/passwd", "nothing"] {
            let list =
                serde_json::json!([{ "Config": "c", "RepoTags": ["a:1"], "Layers": [layer] }]).to_string();
            let bytes = archive(&[("c", config.as_bytes()), ("manifest.json", list.as_bytes())]);
            assert!(matches!(read(&bytes, None), Err(Fault::Incomplete { .. })), "{layer}");
        }
        let bytes = archive(&[("hello.txt", b"hello")]);
        assert!(matches!(read(&bytes, None), Err(Fault::NotAnImage { .. })));
        let list = serde_json::json!([{ "Config": "c", "RepoTags": ["a:1"], "Layers": [] }]).to_string();
        let bytes = archive(&[("c", config.as_bytes()), ("manifest.json", list.as_bytes())]);
        assert!(matches!(read(&bytes, None), Err(Fault::Damaged { .. })));
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(open(dir.path(), None), Err(Fault::NotAnImage { .. })));
        assert!(matches!(open(&dir.path().join("x.tar"), None), Err(Fault::Unreadable { .. })));
    }

    #[test]
    fn what_comes_from_a_pipe_is_kept_in_a_file_without_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = old_form();
        let source = spool(&bytes[..], "standard input", dir.path(), None).unwrap();
        source.images[0].layers.iter().for_each(|layer| layer.verify().unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let cut = spool(&bytes[..bytes.len() - 1500], "standard input", dir.path(), None);
        assert!(matches!(cut, Err(Fault::Truncated { .. })));
    }
}
