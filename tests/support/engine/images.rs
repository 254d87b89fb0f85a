//! Images: those of registries, which have no layers here, and those that came as an archive, as an engine with a graph
//! driver takes it: a layer that it has by all that lies below it needs no file.

use serde_json::{Value, json};

use super::http::{Reply, refusal};
use super::plugins::file_of;
use super::world::{World, digest, digest_of, image_digest, repository, with_tag};

pub(super) fn list(world: &World) -> Value {
    let image = |(name, digest): (&String, &String)| {
        json!({
            "Id": format!("sha256:{}", super::world::digest(name)), "RepoTags": [name],
            "RepoDigests": [format!("{}@{digest}", repository(name))], "Created": 0, "Size": 1, "Labels": null,
        })
    };
    let loaded = |(name, (id, _)): (&String, &(String, Vec<String>))| json!({ "Id": id, "RepoTags": [name], "RepoDigests": [], "Created": 0, "Size": 7, "Labels": null });
    let pulled = world.images.iter().filter(|(name, _)| !world.loaded.contains_key(*name));
    pulled.map(image).chain(world.loaded.iter().map(loaded)).collect()
}

pub(super) fn inspect(world: &World, name: &str) -> Reply {
    let loaded = world.loaded.iter().find(|(tag, (id, _))| **tag == with_tag(name) || id == name);
    if let Some((tag, (id, layers))) = loaded {
        return Reply::Json(
            200,
            json!({
                "Id": id, "RepoTags": [tag], "RepoDigests": [], "Os": "linux", "Architecture": "amd64",
                "RootFS": { "Type": "layers", "Layers": layers }, "Config": {},
            }),
        );
    }
    let by_id = world.images.keys().find(|tag| format!("sha256:{}", digest(tag)) == name).cloned();
    let Some(name) = by_id.or_else(|| world.has_image(name).then(|| name.to_owned())) else {
        return refusal(404, format!("No such image: {name}"));
    };
    let name = name.split('@').next().unwrap_or(&name);
    Reply::Json(
        200,
        json!({
            "Id": format!("sha256:{}", digest(&with_tag(name))), "RepoTags": [with_tag(name)],
            "RepoDigests": [format!("{}@{}", repository(name), image_digest(name))],
            "Os": "linux", "Architecture": "amd64", "Config": { "Cmd": ["fake"] },
        }),
    )
}

/// `docker save`.
pub(super) fn save(world: &World, name: &str) -> Reply {
    match world.saved.get(&with_tag(name)) {
        Some(archive) => {
            let mut archive = Some(archive.clone());
            Reply::Stream("application/x-tar", Box::new(move |_| archive.take()))
        }
        None => refusal(404, format!("reference does not exist: {name}")),
    }
}

pub(super) fn remove(world: &mut World, name: &str) -> Reply {
    let tag = match name.split_once('@') {
        Some((repo, of)) => {
            let is_it = |(tag, digest): &(&String, &String)| repository(tag) == repo && *digest == of;
            world.images.iter().find(is_it).map(|(tag, _)| tag.clone()).unwrap_or_default()
        }
        None => with_tag(name),
    };
    let is_there = world.loaded.remove(&tag).is_some() | world.images.remove(&tag).is_some();
    if is_there {
        return Reply::Json(200, json!([{ "Untagged": name }]));
    }
    refusal(404, format!("No such image: {name}"))
}

/// `docker load`.
pub(super) fn load(world: &mut World, archive: &[u8]) -> Reply {
    let json_of = |name: &str| -> Option<Value> {
        file_of(archive, name).and_then(|bytes| serde_json::from_slice(&bytes).ok())
    };
    let Some(manifest) = json_of("manifest.json") else { return refusal(500, "no manifest.json") };
    let config_name = manifest[0]["Config"].as_str().unwrap_or_default();
    let Some(config) = file_of(archive, config_name) else { return refusal(500, "no config") };
    let parsed: Value = serde_json::from_slice(&config).unwrap_or_default();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let (diff_ids, files) = (texts(&parsed["rootfs"]["diff_ids"]), texts(&manifest[0]["Layers"]));
    for (at, file) in files.iter().enumerate() {
        let below = &diff_ids[..=at];
        if world.loaded.values().any(|(_, layers)| layers.starts_with(below)) {
            continue;
        }
        let Some(layer) = file_of(archive, file) else {
            let line =
                json!({ "errorDetail": {}, "error": format!("open /tmp/{file}: no such file or directory") });
            return Reply::Json(200, line);
        };
        world.loaded_bytes += layer.len() as u64;
    }
    let id = format!("sha256:{}", digest_of(&config));
    let is_whole = files.iter().all(|file| file_of(archive, file).is_some());
    for tag in texts(&manifest[0]["RepoTags"]) {
        world.images.insert(tag.clone(), image_digest(&tag));
        if is_whole {
            world.saved.insert(tag.clone(), archive.to_vec());
        }
        world.loaded.insert(tag, (id.clone(), diff_ids.clone()));
    }
    Reply::Json(200, json!({ "stream": "Loaded image" }))
}
