//! Images for tests.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::blob::{Blob, digest_of};
use super::source::{Source, of_archive};
use super::{Compression, Fault, Image, Layer};
use crate::model::spec::Platform;

/// A file with these bytes.
pub(super) fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// An image with layers of these sizes, of nothing but holes.
pub(super) fn image_of(sizes: &[usize]) -> Image {
    let layers = sizes.iter().enumerate().map(|(at, size)| {
        let file = tempfile::tempfile().unwrap();
        file.set_len(*size as u64).unwrap();
        Layer {
            diff_id: digest_of(format!("{at} {size}").as_bytes()),
            digest: None,
            media_type: None,
            blob: Blob::new(Arc::new(file), "it".into(), 0, *size as u64),
            compression: Compression::None,
        }
    });
    let config = Bytes::from(format!("{{\"of\":{sizes:?}}}"));
    let platform = Platform { os: "linux".into(), architecture: "amd64".into() };
    let config_digest = digest_of(&config);
    Image { platform, config, config_digest, manifest: None, layers: layers.collect() }
}

/// An archive with these files.
pub(super) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A configuration for two layers.
pub(super) fn config(architecture: &str, layers: &[&[u8]]) -> String {
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest_of(layer)).collect();
    json!({
        "os": "linux", "architecture": architecture, "rootfs": { "type": "layers", "diff_ids": diff_ids }
    })
    .to_string()
}

/// An archive of an older engine.
pub(super) fn old_form() -> Vec<u8> {
    let config = config("amd64", &[b"one", b"two"]);
    let name = format!("{}.json", &digest_of(config.as_bytes())[7..]);
    let list = json!([{ "Config": name, "RepoTags": ["app:1"], "Layers": ["a/layer.tar", "b/layer.tar"] }]);
    archive(&[
        (&name, config.as_bytes()),
        ("a/layer.tar", b"one"),
        ("b/layer.tar", b"two"),
        ("manifest.json", list.to_string().as_bytes()),
    ])
}

pub(super) fn read(bytes: &[u8], wanted: Option<&str>) -> Result<Source, Fault> {
    of_archive(file(bytes), "it", wanted)
}

/// The image of [`old_form`].
pub(super) fn sample() -> Source {
    read(&old_form(), None).unwrap()
}

/// The files of a layout with an image for each of these platforms, under one name.
pub(super) fn layout(architectures: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec())];
    let mut blob = |content: Vec<u8>| {
        let digest = digest_of(&content);
        let size = content.len();
        files.push((format!("blobs/sha256/{}", &digest[7..]), content));
        (digest, size)
    };
    let mut manifests = Vec::new();
    for architecture in architectures {
        let layers: Vec<Vec<u8>> = vec![b"one".to_vec(), architecture.as_bytes().to_vec()];
        let text = config(architecture, &layers.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let (of, size) = blob(text.into_bytes());
        let layers = layers.into_iter().map(|layer| {
            let (digest, size) = blob(layer);
            json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": size })
        });
        let layers: Vec<_> = layers.collect();
        let kind = "application/vnd.oci.image.config.v1+json";
        let manifest = json!({
            "schemaVersion": 2, "config": { "mediaType": kind, "digest": of, "size": size }, "layers": layers
        });
        let (digest, size) = blob(manifest.to_string().into_bytes());
        let kind = "application/vnd.oci.image.manifest.v1+json";
        manifests.push(json!({ "mediaType": kind, "digest": digest, "size": size }));
    }
    let inner = json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
    let (digest, size) = blob(inner.into_bytes());
    let name = json!({ "io.containerd.image.name": "docker.io/library/app:1" });
    let index = json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest, "size": size, "annotations": name
    }]});
    files.push(("index.json".to_owned(), index.to_string().into_bytes()));
    files
}

/// A layout as a folder.
pub(super) fn folder(at: &Path, files: &[(String, Vec<u8>)]) {
    std::fs::create_dir_all(at.join("blobs/sha256")).unwrap();
    for (name, content) in files {
        std::fs::write(at.join(name), content).unwrap();
    }
}
