//! Where the files of an archive are. Reads headers and passes over what is between them.
//!
//! The headers are few and the limits ours: a name that is longer than any that an image has is refused, and never held.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::blob::{Blob, Compression};
use super::fault::Fault;

/// A tar's unit.
const BLOCK: u64 = 512;
/// Files in an archive.
const ENTRIES_MAX: usize = 100_000;
/// Bytes of a long name, or of an entry that extends the next one.
const EXTENSION_MAX: u64 = 64 << 10;
/// How often a link may lead to a link.
const LINKS_MAX: usize = 8;

/// The files of an archive by their names, which are only compared with others.
#[derive(Debug, Default)]
pub(super) struct Entries {
    files: BTreeMap<String, Blob>,
    links: BTreeMap<String, String>,
}

impl Entries {
    /// A file, or the one that a link of that name leads to.
    pub fn find(&self, name: &str) -> Option<&Blob> {
        let mut name = plain(name)?;
        for _ in 0..LINKS_MAX {
            if let Some(file) = self.files.get(&name) {
                return Some(file);
            }
            name = self.links.get(&name)?.clone();
        }
        None
    }
}

/// A name without `.` and `..`, from the top of the archive; `None` for one that leads out of it.
fn plain(name: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What stands before an entry and is about it.
#[derive(Debug, Default)]
struct Extension {
    name: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

/// Reads an archive.
pub(super) fn entries(file: &Arc<File>, of: &Arc<str>) -> Result<Entries, Fault> {
    let length = file.metadata().map_err(|error| Fault::unreadable(of, &error))?.len();
    let reader = Reader { file, of, length };
    reader.check_begin()?;
    let (mut all, mut at, mut before) = (Entries::default(), 0, Extension::default());
    loop {
        let header = reader.bytes(at, BLOCK)?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(all);
        }
        let header = Header::of(&header).map_err(|why| Fault::damaged(of, why))?;
        let size = before.size.unwrap_or(header.size);
        let data = at + BLOCK;
        let end = data.checked_add(size).filter(|end| *end <= length).ok_or_else(|| reader.truncated())?;
        match header.kind {
            b'x' => before = extension(&reader.extension(data, size)?, before),
            b'L' => before.name = Some(reader.text(data, size)?),
            b'K' => before.link = Some(reader.text(data, size)?),
            b'g' => {}
            kind => {
                let given = std::mem::take(&mut before);
                let name = plain(&given.name.unwrap_or(header.name));
                let link = given.link.unwrap_or(header.link);
                match (kind, name) {
                    (b'0' | 0, Some(name)) => {
                        let blob = Blob::new(Arc::clone(file), Arc::clone(of), data, size);
                        all.files.insert(name, blob);
                    }
                    (b'1' | b'2', Some(name)) => {
                        if let Some(target) = target(&name, &link, kind == b'2') {
                            all.links.insert(name, target);
                        }
                    }
                    _ => {}
                }
            }
        }
        if all.files.len() + all.links.len() > ENTRIES_MAX {
            return Err(Fault::damaged(of, format!("it has more than {ENTRIES_MAX} files")));
        }
        at = end.div_ceil(BLOCK) * BLOCK;
    }
}

/// Where a link leads. A symbolic one begins in its own folder.
fn target(name: &str, link: &str, is_symbolic: bool) -> Option<String> {
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    match is_symbolic && !link.starts_with('/') {
        true => plain(&format!("{folder}/{link}")),
        false => plain(link),
    }
}

struct Reader<'a> {
    file: &'a File,
    of: &'a str,
    length: u64,
}

impl Reader<'_> {
    fn truncated(&self) -> Fault {
        Fault::Truncated { what: self.of.to_owned() }
    }

    /// What is no archive at all is not called a damaged one.
    fn check_begin(&self) -> Result<(), Fault> {
        let what = self.of.to_owned();
        if self.length == 0 {
            return Err(self.truncated());
        }
        let head = self.bytes(0, self.length.min(BLOCK))?;
        match Compression::of(&head) {
            Compression::None if self.length < BLOCK => Err(Fault::NotAnImage { what }),
            Compression::None if Header::of(&head).is_err() => Err(Fault::NotAnImage { what }),
            Compression::None => Ok(()),
            how => Err(Fault::Compressed { what, how: how.word() }),
        }
    }

    fn bytes(&self, at: u64, size: u64) -> Result<Vec<u8>, Fault> {
        if at.checked_add(size).is_none_or(|end| end > self.length) {
            return Err(self.truncated());
        }
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| self.truncated())?];
        let read = self.file.read_exact_at(&mut bytes, at);
        read.map_err(|error| Fault::unreadable(self.of, &error))?;
        Ok(bytes)
    }

    fn extension(&self, at: u64, size: u64) -> Result<Vec<u8>, Fault> {
        if size > EXTENSION_MAX {
            return Err(Fault::damaged(self.of, "a name in it is too long"));
        }
        self.bytes(at, size)
    }

    fn text(&self, at: u64, size: u64) -> Result<String, Fault> {
        Ok(text(&self.extension(at, size)?))
    }
}

/// Up to the first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The lines of a PAX header: `LENGTH KEY=VALUE\n`.
fn extension(bytes: &[u8], mut into: Extension) -> Extension {
    let mut rest = bytes;
    while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
        let length = std::str::from_utf8(&rest[..space]).ok().and_then(|text| text.parse::<usize>().ok());
        let Some(line) = length.and_then(|length| rest.get(space + 1..length)) else { break };
        rest = &rest[space + 1 + line.len()..];
        let line = String::from_utf8_lossy(line);
        match line.trim_end_matches('\n').split_once('=') {
            Some(("path", value)) => into.name = Some(value.to_owned()),
            Some(("linkpath", value)) => into.link = Some(value.to_owned()),
            Some(("size", value)) => into.size = value.parse().ok(),
            _ => {}
        }
    }
    into
}

#[derive(Debug)]
struct Header {
    name: String,
    link: String,
    size: u64,
    kind: u8,
}

impl Header {
    fn of(block: &[u8]) -> Result<Self, &'static str> {
        const SUM: std::ops::Range<usize> = 148..156;
        let at = |byte: usize| if SUM.contains(&byte) { b' ' } else { block[byte] };
        let sum: u64 = (0..block.len()).map(|byte| u64::from(at(byte))).sum();
        if number(&block[SUM]) != Some(sum) {
            return Err("the checksum of a header is wrong");
        }
        let size = number(&block[124..136]).ok_or("the size of a file is no number")?;
        let (mut name, prefix) = (text(&block[..100]), text(&block[345..500]));
        // GNU's own form has other things there.
        if &block[257..263] == b"ustar\0" && !prefix.is_empty() {
            name = format!("{prefix}/{name}");
        }
        Ok(Self { name, link: text(&block[157..257]), size, kind: block[156] })
    }
}

/// Octal digits, or a number in binary for what does not fit.
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        let mut all: u64 = u64::from(field[0] & 0x7f);
        for byte in &field[1..] {
            all = all.checked_mul(256)?.checked_add(u64::from(*byte))?;
        }
        return Some(all);
    }
    let digits = text(field);
    let digits = digits.trim();
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "makes the files that are read")]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn of(bytes: &[u8]) -> Result<Entries, Fault> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        entries(&Arc::new(file), &"it".into())
    }

    fn archive() -> Vec<u8> {
        let mut builder = ::tar::Builder::new(Vec::new());
        let mut add = |name: &str, content: &[u8]| {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, content).unwrap();
        };
        add("one/layer.tar", b"one");
        add(&format!("{}/layer.tar", "n".repeat(300)), &[7; 1000]);
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(::tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "two/layer.tar", "../one/layer.tar").unwrap();
        builder.append_link(&mut header, "evil/layer.tar", "../../etc/passwd").unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn files_are_found_by_their_names_and_by_links_to_them() {
        let all = of(&archive()).unwrap();
        for name in ["one/layer.tar", "./one/layer.tar", "two/layer.tar", "x/../one//layer.tar"] {
            assert_eq!(all.find(name).unwrap().whole("it", 10).unwrap(), &b"one"[..], "{name}");
        }
        assert_eq!(all.find(&format!("{}/layer.tar", "n".repeat(300))).unwrap().size(), 1000);
        for name in ["", "layer.tar", "../one/layer.tar", "evil/layer.tar", "/etc/passwd"] {
            assert!(all.find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_name_of_the_newer_form_is_taken() {
        let long = format!("blobs/sha256/{}", "a".repeat(200));
        let line = format!("path={long}\n");
        let record = format!("{} {line}", line.len() + 4);
        let mut builder = ::tar::Builder::new(Vec::new());
        let mut header = ::tar::Header::new_ustar();
        header.set_entry_type(::tar::EntryType::XHeader);
        header.set_size(record.len() as u64);
        builder.append_data(&mut header, "pax", record.as_bytes()).unwrap();
        let mut header = ::tar::Header::new_ustar();
        header.set_size(2);
        builder.append_data(&mut header, "short", &b"hi"[..]).unwrap();
        let all = of(&builder.into_inner().unwrap()).unwrap();
        assert!(all.find(&long).is_some() && all.find("short").is_none());
    }

    #[test]
    fn what_was_cut_off_is_told_from_what_is_damaged_and_from_what_is_none() {
        let whole = archive();
        for end in [0, 513, 600, 1024, 1500, whole.len() - 1100] {
            let error = of(&whole[..end]).unwrap_err();
            assert_eq!(error, Fault::Truncated { what: "it".into() }, "{end}");
        }
        let mut damaged = whole.clone();
        damaged[1024] ^= 1;
        assert!(matches!(of(&damaged), Err(Fault::Damaged { .. })));
        assert!(matches!(of(b"FROM scratch\n"), Err(Fault::NotAnImage { .. })));
        assert!(matches!(of(&[b'x'; 2000]), Err(Fault::NotAnImage { .. })));
        assert!(matches!(of(&[0x1f, 0x8b, 8, 0, 0]), Err(Fault::Compressed { how: "gzip", .. })));
    }
}
