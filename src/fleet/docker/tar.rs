//! Config files as one archive, for upload into a container before its start.
//!
//! Files only: a directory entry would change the owner and mode of a directory that the image has.
//! The engine makes missing parents itself, as root and 0755.

use std::borrow::Cow;
use std::io;

use bytes::Bytes;

use crate::model::action::FilePlan;

/// One archive of files, with their contents, in a folder of the container.
pub(super) fn archive(folder: &str, files: &[(&FilePlan, Option<Cow<'_, [u8]>>)]) -> io::Result<Bytes> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (file, content) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(::tar::EntryType::Regular);
        let content = content.as_deref().ok_or_else(|| not_at_hand(&file.target))?;
        header.set_size(content.len() as u64);
        header.set_uid(file.uid);
        header.set_gid(file.gid);
        header.set_mode(file.mode & 0o7777);
        header.set_mtime(0);
        builder.append_data(&mut header, inside(folder, &file.target), content)?;
    }
    builder.into_inner().map(Bytes::from)
}

/// One archive of links in a folder of the container: where each is, and what it says.
pub(super) fn links(folder: &str, links: &[(&str, String)]) -> io::Result<Bytes> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (target, to) in links {
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(::tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        builder.append_link(&mut header, inside(folder, target), to)?;
    }
    builder.into_inner().map(Bytes::from)
}

/// An empty file in its place would start the task with another config than was declared.
fn not_at_hand(target: &str) -> io::Error {
    io::Error::other(format!("the content of `{target}` was not read from the ledger"))
}

/// A path as seen from a folder.
fn inside<'a>(folder: &str, path: &'a str) -> &'a str {
    path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn owner_mode_and_content_arrive_and_nothing_else() {
        let long = format!("/etc/{}/app.conf", "x".repeat(120));
        let file = |target: &str, mode| FilePlan {
            target: target.into(),
            uid: 1000,
            gid: 33,
            mode,
            content: None,
            template_driver: None,
        };
        let (one, other) = (file("/etc/app.conf", 0o440), file(&long, 0o755));
        let hello = Some(Cow::Borrowed(&b"hello"[..]));
        let bytes = archive("/etc", &[(&one, hello.clone()), (&other, hello)]).unwrap();
        assert!(archive("/etc", &[(&one, None)]).is_err(), "no empty file in its place");
        let mut archive = ::tar::Archive::new(&bytes[..]);
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let header = entry.header();
            let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
            assert_eq!((uid, gid, content.as_str()), (1000, 33, "hello"));
            seen.push((format!("/etc/{}", entry.path().unwrap().display()), header.mode().unwrap()));
        }
        assert_eq!(seen, [("/etc/app.conf".to_owned(), 0o440), (long, 0o755)]);
    }

    #[test]
    fn links_arrive_as_links() {
        let bytes = links("/", &[("/etc/key", "/run/secrets/..data/3".to_owned())]).unwrap();
        let mut archive = ::tar::Archive::new(&bytes[..]);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.header().entry_type(), ::tar::EntryType::Symlink);
        assert_eq!(entry.path().unwrap().to_str(), Some("etc/key"));
        assert_eq!(entry.link_name().unwrap().unwrap().to_str(), Some("/run/secrets/..data/3"));
    }
}
