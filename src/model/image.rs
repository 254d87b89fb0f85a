//! Image references, by the grammar of Docker's `reference` package: what is the repository, the tag,
//! the digest, and what Docker Hub's short names stand for; and what a registry says of one.

use std::collections::BTreeMap;
use std::fmt;

use super::spec::Platform;

/// A parsed image reference. `Display` gives the familiar form (`nginx:1.25`, not
/// `docker.io/library/nginx:1.25`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    /// Registry host with port, `docker.io` where none is written.
    pub domain: String,
    /// Repository path, with `library/` in front of Docker Hub's own images.
    pub path: String,
    /// The tag, if written.
    pub tag: Option<String>,
    /// `sha256:…`, if written.
    pub digest: Option<String>,
}

/// What a registry said of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// `sha256:…`.
    pub digest: String,
    /// Platforms the image is made for.
    pub platforms: Vec<Platform>,
}

/// Answers of registries, by image as written; the error is the registry's words.
pub type Resolutions = BTreeMap<String, Result<Resolved, String>>;

/// Why a text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Nothing written.
    #[error("the image is empty")]
    Empty,
    /// Repository names are lower case.
    #[error("a repository name must be lower case")]
    UpperCase,
    /// Anything else the grammar refuses.
    #[error("not an image reference")]
    Malformed,
}

impl ImageRef {
    /// Reads a reference as Docker's `ParseNormalizedNamed` does.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        if text.is_empty() {
            return Err(ImageError::Empty);
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|d| !is_digest(d)) {
            return Err(ImageError::Malformed);
        }
        let last_slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[last_slash..].rfind(':') {
            Some(colon) => (&rest[..last_slash + colon], Some(&rest[last_slash + colon + 1..])),
            None => (rest, None),
        };
        if tag.is_some_and(|t| !is_tag(t)) {
            return Err(ImageError::Malformed);
        }
        let (domain, path) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || has_upper(first) => {
                (first, rest.to_owned())
            }
            Some(_) => ("docker.io", name.to_owned()),
            None => ("docker.io", format!("library/{name}")),
        };
        if has_upper(&path) {
            return Err(ImageError::UpperCase);
        }
        if !is_path(&path) || !is_domain(domain) {
            return Err(ImageError::Malformed);
        }
        let domain = if domain == "index.docker.io" { "docker.io" } else { domain };
        let path =
            if domain == "docker.io" && !path.contains('/') { format!("library/{path}") } else { path };
        Ok(Self {
            domain: domain.to_owned(),
            path,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// The repository as people write it: `nginx`, `elastic/kibana`, `registry:5000/web`.
    #[must_use]
    pub fn familiar_name(&self) -> String {
        if self.domain == "docker.io" {
            return self.path.strip_prefix("library/").unwrap_or(&self.path).to_owned();
        }
        format!("{}/{}", self.domain, self.path)
    }

    /// The tag that a pull would take: the written one, or `latest` where neither tag nor digest is.
    #[must_use]
    pub fn effective_tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some("latest"),
            (None, Some(_)) => None,
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.familiar_name())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn has_upper(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_uppercase())
}

/// Names or an address, and perhaps a port. As Docker has it, a first part with upper case is a registry.
fn is_domain(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_number = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let is_part = |part: &str| {
        let is_inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !part.is_empty() && part.bytes().all(is_inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_part),
    };
    is_host && port.is_none_or(is_number)
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty() && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

fn is_tag(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

fn is_path(text: &str) -> bool {
    !text.is_empty()
        && text.split('/').all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.ends_with(|c: char| c.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn familiar_and_full_names() {
        for (text, domain, path, tag) in [
            ("nginx", "docker.io", "library/nginx", None),
            ("nginx:1.25", "docker.io", "library/nginx", Some("1.25")),
            ("elastic/kibana:6.4.3", "docker.io", "elastic/kibana", Some("6.4.3")),
            ("registry:5000/web:1", "registry:5000", "web", Some("1")),
            ("localhost/web", "localhost", "web", None),
            ("ghcr.io/a/b/c", "ghcr.io", "a/b/c", None),
            ("docker.io/nginx", "docker.io", "library/nginx", None),
            ("[::1]:5000/web", "[::1]:5000", "web", None),
            ("REGISTRY/web", "REGISTRY", "web", None),
        ] {
            let image = ImageRef::parse(text).unwrap();
            assert_eq!(
                (image.domain.as_str(), image.path.as_str(), image.tag.as_deref()),
                (domain, path, tag)
            );
        }
        assert_eq!(ImageRef::parse("docker.io/library/nginx:1").unwrap().to_string(), "nginx:1");
    }

    #[test]
    fn refuses_what_docker_refuses() {
        assert_eq!(ImageRef::parse(""), Err(ImageError::Empty));
        assert_eq!(ImageRef::parse("a/B"), Err(ImageError::UpperCase));
        for bad in [
            "a b",
            "nginx:",
            "nginx@sha256:zz",
            "/nginx",
            "-a",
            "a//b",
            "../x",
            "-a.b/x",
            "a_b.c/x",
            "h:/x",
            "[::1:5/x",
        ] {
            assert_eq!(ImageRef::parse(bad), Err(ImageError::Malformed), "{bad}");
        }
    }
}
