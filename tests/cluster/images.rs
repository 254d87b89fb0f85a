//! Images without a registry on real engines: with a graph driver and with the containerd store.
//!
//! The engine of `h4` stands for that of the machine at which the command is typed.

use std::path::PathBuf;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::ground::{Ground, Run};

pub const CONTAINERD: &str = r#"daemon HOST {"features":{"containerd-snapshotter":true}}"#;
pub const MB: usize = 1 << 20;

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that nothing compresses.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A layer with one file.
fn layer(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    builder.append_data(&mut header, name, content).expect("a layer");
    builder.into_inner().expect("a layer")
}

/// An archive with these layers, as `docker save` of older engines writes it.
pub fn archive(tag: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", hex(layer))).collect();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = json!({
        "os": "linux", "architecture": architecture, "created": "2026-01-01T00:00:00Z",
        "config": { "Cmd": ["/bin/sh", "-c", "exec sleep 1000000"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = config.to_string();
    let name = format!("{}.json", hex(config.as_bytes()));
    let files: Vec<String> = (0..layers.len()).map(|at| format!("{at}/layer.tar")).collect();
    let list = json!([{ "Config": name, "RepoTags": [tag], "Layers": files }]).to_string();
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content).expect("an archive");
    };
    add(&name, config.as_bytes());
    files.iter().zip(layers).for_each(|(file, layer)| add(file, layer));
    add("manifest.json", list.as_bytes());
    builder.into_inner().expect("an archive")
}

/// So many layers of so many bytes.
pub fn layers(seed: u64, count: u64, bytes: usize) -> Vec<Vec<u8>> {
    (0..count).map(|at| layer(&format!("file-{at}"), &noise(seed + at, bytes))).collect()
}

pub fn written(ground: &Ground, name: &str, bytes: &[u8]) -> PathBuf {
    let path = ground.path().join(name);
    std::fs::write(&path, bytes).expect("a file of the test");
    path
}

/// What the command says of one host at its end.
pub fn host<'l>(lines: &'l [Value], node: &str) -> &'l Value {
    let hosts = lines[0]["hosts"].as_array().expect("hosts");
    hosts.iter().find(|host| host["node"] == node).expect("the host")
}

fn push(ground: &Ground, what: &str) -> Vec<Value> {
    let run = ground.stackctl(&format!("image push {what} --format json"));
    run.ends(0).lines("image_pushed")
}

/// Layers of parts are named by the image once it is there.
pub fn assert_no_parts(ground: &Ground, hosts: &[&str]) {
    for host in hosts {
        let all = ground.docker(host, &["image", "ls", "-a", "--format", "{{.Repository}}:{{.Tag}}"]);
        assert!(!all.contains("stackctl.invalid"), "{host}: {all}");
    }
}

/// `h2` and on, some of them with the containerd store.
fn with_stores() -> Option<Ground> {
    let ground = Ground::new()?;
    for host in ["h2", "h3"] {
        if ground.docker(host, &["version", "--format", "{{.Server.Version}}"]).starts_with("20.") {
            continue;
        }
        ground.playground(&CONTAINERD.replace("HOST", host));
        let driver = ground.docker(host, &["info", "--format", "{{json .DriverStatus}}"]);
        assert!(driver.contains("io.containerd.snapshotter"), "{host}: {driver}");
        return Some(ground);
    }
    Some(ground)
}

/// Also what is there of an image must be whole: an engine can save it.
pub fn assert_whole(ground: &Ground, host: &str, image: &str, layers: &[Vec<u8>]) {
    let saved = ground.try_docker(host, &["save", image]);
    assert!(saved.status.success(), "{host}: {}", String::from_utf8_lossy(&saved.stderr));
    let least: usize = layers.iter().map(Vec::len).sum();
    assert!(saved.stdout.len() >= least, "{host}: {} of {least} bytes", saved.stdout.len());
    let listed = ground.docker(host, &["image", "inspect", image, "--format", "{{json .RootFS.Layers}}"]);
    let diff_ids: Vec<String> = serde_json::from_str(&listed).expect("layers");
    let wanted: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", hex(layer))).collect();
    assert_eq!(diff_ids, wanted, "{host}");
}

#[test]
fn only_missing_layers_are_sent_and_nothing_twice() {
    let Some(ground) = with_stores() else { return };
    let mut ten = layers(100, 10, 4 * MB);
    let path = written(&ground, "ten.tar", &archive("pushed:1", &ten));
    let all: u64 = ten.iter().map(|layer| layer.len() as u64).sum();
    let hosts = ["h1", "h2", "h3"];
    let first = push(&ground, &format!("{} --host h1,h2,h3", path.display()));
    for node in hosts {
        let host = host(&first, node);
        assert_eq!((&host["layers"], &host["layer_bytes"]), (&json!(10), &json!(all)), "{host}");
        // Headers of archives, and the configuration again in each part.
        assert!(host["sent"].as_u64().expect("bytes") < all + 100_000, "{host}");
        assert_whole(&ground, node, "pushed:1", &ten);
    }
    assert_no_parts(&ground, &hosts);
    let again = push(&ground, &format!("{} --host h1,h2,h3", path.display()));
    assert_eq!(again[0]["sent"], 0, "{}", again[0]);

    // The last of ten is another one.
    ten[9] = layer("file-9", &noise(777, 4 * MB));
    let path = written(&ground, "ten.tar", &archive("pushed:2", &ten));
    let changed = push(&ground, &format!("{} --host h1,h2,h3", path.display()));
    for node in hosts {
        let host = host(&changed, node);
        assert_eq!((&host["layers"], &host["layer_bytes"]), (&json!(1), &json!(ten[9].len())), "{host}");
        assert_whole(&ground, node, "pushed:2", &ten);
    }
    // The first of them: engines know a layer by all that lies below it.
    ten[0] = layer("file-0", &noise(778, 4 * MB));
    let path = written(&ground, "ten.tar", &archive("pushed:3", &ten));
    push(&ground, &format!("{} --host h1,h2,h3", path.display()));
    for node in hosts {
        assert_whole(&ground, node, "pushed:3", &ten);
        drop(ground.docker(node, &["image", "rm", "pushed:1", "pushed:2", "pushed:3"]));
    }
    assert_no_parts(&ground, &hosts);
}

#[test]
fn what_an_engine_saves_is_what_another_one_gets() {
    let Some(ground) = with_stores() else { return };
    let two = layers(200, 2, MB);
    let path = written(&ground, "two.tar", &archive("saved:1", &two));
    drop(ground.docker("h4", &["load", "-i", &path.display().to_string()]));
    let socket = format!("unix://{}", ground.socket("h4").display());
    let from_engine = |words: &str| {
        let mut command = ground.command(words);
        let output =
            command.env("DOCKER_HOST", &socket).env("TMPDIR", "/var/tmp").output().expect("the binary");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    };
    from_engine("image push saved:1 --host h1,h2,h3");
    for node in ["h1", "h2", "h3"] {
        assert_whole(&ground, node, "saved:1", &two);
        // And from each kind of engine back into a file, which is pushed under another name.
        let saved = ground.try_docker(node, &["save", "saved:1"]).stdout;
        let path = written(&ground, "again.tar", &saved);
        push(&ground, &format!("{} --host h1,h2,h3 --tag again:{node}", path.display()));
        for other in ["h1", "h2", "h3"] {
            assert_whole(&ground, other, &format!("again:{node}"), &two);
        }
    }
    let again = from_engine("image push saved:1 --host h1,h2,h3 --format json");
    assert!(again.contains(r#""sent":0"#), "{again}");
    for node in ["h1", "h2", "h3", "h4"] {
        let all = ground.docker(node, &["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]);
        for name in all.lines().filter(|name| name.starts_with("saved:") || name.starts_with("again:")) {
            drop(ground.docker(node, &["image", "rm", name]));
        }
    }
}

#[test]
fn what_was_cut_off_goes_on_where_it_was() {
    let Some(ground) = with_stores() else { return };
    let six = layers(300, 6, 40 * MB);
    let path = written(&ground, "six.tar", &archive("cut:1", &six));
    for node in ["h1", "h2", "h3"] {
        // Slow enough to be cut within.
        let mut running = ground.begin(&format!("image push {} --host {node} --format json", path.display()));
        let far = |line: &Value| line["bytes"].as_u64().unwrap_or_default() > 100 * MB as u64;
        let seen = running.line_of("image_progress", far);
        match seen {
            Some(_) => drop(running.kill()),
            None => panic!("{node}: it was over too soon\n{}", running.wait().whole()),
        }
        let rest = push(&ground, &format!("{} --host {node}", path.display()));
        let host = host(&rest, node);
        let layers = host["layers"].as_u64().expect("layers");
        assert!((1..=5).contains(&layers), "{node} began again: {host}");
        assert_whole(&ground, node, "cut:1", &six);
        assert_no_parts(&ground, &[node]);
        drop(ground.docker(node, &["image", "rm", "cut:1"]));
    }
}

#[test]
fn a_file_that_was_changed_reaches_no_host() {
    let Some(ground) = with_stores() else { return };
    let two = layers(400, 2, MB);
    let mut bytes = archive("changed:1", &two);
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    let path = written(&ground, "changed.tar", &bytes);
    let run = ground.stackctl(&format!("image push {} --host h1,h2,h3", path.display())).ends(1);
    assert!(run.stderr.contains("stackctl::image::wrong_digest"), "{}", run.whole());
    for node in ["h1", "h2", "h3"] {
        let all = ground.docker(node, &["image", "ls", "-aq", "--filter", "reference=changed"]);
        assert_eq!(all, "", "{node}");
    }
}

/// A layout with one image for each of these processors.
fn layout(tag: &str, processors: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content).expect("an archive");
    };
    let mut blob = |content: &[u8]| {
        add(&format!("blobs/sha256/{}", hex(content)), content);
        json!({ "digest": format!("sha256:{}", hex(content)), "size": content.len() })
    };
    let with = |mut blob: Value, key: &str, value: Value| {
        blob[key] = value;
        blob
    };
    let kind = |of: &str| json!(format!("application/vnd.oci.image.{of}"));
    let mut manifests = Vec::new();
    for (architecture, layer) in processors {
        let config = json!({
            "os": "linux", "architecture": architecture, "created": "2026-01-01T00:00:00Z", "config": {},
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hex(layer))] },
        });
        let config = with(blob(config.to_string().as_bytes()), "mediaType", kind("config.v1+json"));
        let layer = with(blob(layer), "mediaType", kind("layer.v1.tar"));
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind("manifest.v1+json"), "config": config, "layers": [layer],
        });
        let manifest = with(blob(manifest.to_string().as_bytes()), "mediaType", kind("manifest.v1+json"));
        manifests.push(with(manifest, "platform", json!({ "os": "linux", "architecture": architecture })));
    }
    let all = json!({ "schemaVersion": 2, "mediaType": kind("index.v1+json"), "manifests": manifests });
    let index = with(blob(all.to_string().as_bytes()), "mediaType", kind("index.v1+json"));
    let index = with(index, "annotations", json!({ "io.containerd.image.name": tag }));
    let index = json!({ "schemaVersion": 2, "manifests": [index] });
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    add("index.json", index.to_string().as_bytes());
    builder.into_inner().expect("an archive")
}

/// An engine says of itself what its kernel says, and one that was started for another personality is told of another
/// processor.
#[test]
fn a_host_of_another_processor_gets_what_is_for_it_or_nothing() {
    if cfg!(not(target_arch = "x86_64")) {
        return;
    }
    let Some(ground) = Ground::new() else { return };
    ground.playground("processor h3 i686");
    let is = |host: &str, image: &str| {
        ground.docker(host, &["image", "inspect", image, "--format", "{{.Architecture}}"]).trim().to_owned()
    };
    let one = layers(500, 1, MB);
    let path = written(&ground, "one.tar", &archive("other:1", &one));
    let run = ground.stackctl(&format!("image push {} --host h1,h3", path.display())).ends(1);
    run.says(&["stackctl::image::wrong_platform", "the image is for linux/amd64 alone", "h3 (linux/386)"]);
    for host in ["h1", "h3"] {
        assert_eq!(ground.docker(host, &["image", "ls", "-q", "other:1"]), "", "{host}");
    }
    let layer_of = |seed: u64| layer("file", &noise(seed, MB));
    let both = layout("docker.io/library/other:2", &[("amd64", layer_of(501)), ("386", layer_of(502))]);
    let path = written(&ground, "both.tar", &both);
    let lines = push(&ground, &format!("{} --host h1,h3", path.display()));
    for node in ["h1", "h3"] {
        assert_eq!(host(&lines, node)["layers"], 1, "{lines:?}");
    }
    assert_eq!((is("h1", "other:2").as_str(), is("h3", "other:2").as_str()), ("amd64", "386"));
    ground.playground("processor h3 right");
    let again = push(&ground, &format!("{} --host h1", path.display()));
    assert_eq!(host(&again, "h1")["sent"], 0, "{again:?}");
}

/// A layer from which something runs.
fn runnable(ground: &Ground) -> Vec<u8> {
    let saved = ground.try_docker("h4", &["save", "busybox:1"]).stdout;
    let mut archive = tar::Archive::new(&saved[..]);
    let mut largest = Vec::new();
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        if entry.size() > largest.len() as u64 {
            largest.clear();
            std::io::Read::read_to_end(&mut entry, &mut largest).expect("a layer");
        }
    }
    largest
}

fn deploy(ground: &Ground, words: &str) -> Run {
    let socket = format!("unix://{}", ground.socket("h4").display());
    ground.stackctl_with(&[("DOCKER_HOST", &socket), ("TMPDIR", "/var/tmp")], words)
}

#[test]
fn a_deploy_brings_an_image_that_only_this_machine_has() {
    let Some(ground) = with_stores() else { return };
    let base = runnable(&ground);
    let built = |seed: u64| {
        let layers = vec![base.clone(), layer("version", &noise(seed, 1000))];
        let path = written(&ground, "own.tar", &archive("own:1", &layers));
        drop(ground.docker("h4", &["load", "-i", &path.display().to_string()]));
    };
    built(1);
    let file = ground.file(
        "own.yml",
        "services:\n  web:\n    image: own:1\n    deploy:\n      mode: global\n      placement: {constraints: \
         ['node.hostname != h4']}\n      update_config: {monitor: 100ms}\n",
    );
    let diff = deploy(&ground, &format!("diff --push -c {file} own"));
    assert!(diff.stdout.contains("push own:1 to "), "{}", diff.whole());
    deploy(&ground, &format!("deploy --yes --push -c {file} own")).ends(0);
    ground.assert_is("own", &["web.node:h1", "web.node:h2", "web.node:h3"]);
    let again = deploy(&ground, &format!("deploy --yes --push --format json -c {file} own")).ends(0);
    assert_eq!(again.actions("planned_action"), [""; 0], "{}", again.whole());
    // Built again under the same name.
    let before: Vec<String> = ground.live("own", "web").iter().map(|task| task.id().to_owned()).collect();
    built(2);
    deploy(&ground, &format!("deploy --yes --push -c {file} own")).ends(0);
    let after = ground.live("own", "web");
    assert_eq!(after.len(), 3);
    assert!(after.iter().all(|task| !before.contains(&task.id().to_owned())));
    let idle = deploy(&ground, &format!("deploy --yes --push --format json -c {file} own")).ends(0);
    assert_eq!(idle.actions("planned_action"), [""; 0], "{}", idle.whole());

    // What runs is never removed, nor what was pushed just now.
    let pruned = ground.stackctl("image prune --yes --all --keep 1").ends(0);
    assert_eq!(ground.live("own", "web").len(), 3, "{}", pruned.whole());
    for node in ["h1", "h2", "h3"] {
        drop(ground.docker(node, &["image", "inspect", "own:1"]));
    }
    ground.stackctl("rm --yes own").ends(0);
    for node in ["h1", "h2", "h3", "h4"] {
        drop(ground.docker(node, &["image", "rm", "own:1"]));
    }
    // Samples of the playground went with --all where nothing used them.
    ground.playground("image --samples");
}

/// A limit that every disk is above stands for a disk that is nearly full.
#[test]
fn the_loop_removes_what_no_release_needs_before_disks_are_full() {
    let Some(ground) = Ground::new() else { return };
    let base = runnable(&ground);
    let tags = |host: &str| {
        let all = ground.docker(host, &["image", "ls", "worn", "--format", "{{.Tag}}"]);
        let mut tags: Vec<String> = all.lines().map(str::to_owned).collect();
        tags.sort();
        tags.join(" ")
    };
    for number in 1..=6 {
        let layers = vec![base.clone(), layer("version", &noise(100 + number, 1000))];
        let path = written(&ground, "worn.tar", &archive(&format!("worn:{number}"), &layers));
        for host in ["h2", "h3"] {
            drop(ground.docker(host, &["load", "-i", &path.display().to_string()]));
        }
        let text = format!(
            "services:\n  web:\n    image: worn:{number}\n    deploy:\n      placement: {{constraints: \
             ['node.hostname == h2']}}\n      update_config: {{monitor: 100ms}}\n"
        );
        let file = ground.file("worn.yml", &text);
        ground.stackctl(&format!("deploy --yes -c {file} worn")).ends(0);
    }
    assert_eq!(tags("h2"), "1 2 3 4 5 6");
    let lead = ground.begin("reconcile --prune-images 1");
    let begun = std::time::Instant::now();
    while tags("h2") != "4 5 6" || tags("h3") != "4 5 6" {
        assert!(begun.elapsed().as_secs() < 120, "h2: {}, h3: {}", tags("h2"), tags("h3"));
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    lead.terminate();
    assert!(lead.wait().whole().contains("since disks are nearly full"));
    ground.stackctl("rollback --yes worn").ends(0);
    assert_eq!(ground.live("worn", "web")[0].image(), "worn:5");
}

#[test]
fn old_releases_lose_their_images_and_a_rollback_finds_its_own() {
    let Some(ground) = with_stores() else { return };
    let base = runnable(&ground);
    for number in 1..=6 {
        let layers = vec![base.clone(), layer("version", &noise(number, 1000))];
        let path = written(&ground, "old.tar", &archive(&format!("old:{number}"), &layers));
        drop(ground.docker("h4", &["load", "-i", &path.display().to_string()]));
        let file = ground.file(
            "old.yml",
            &format!(
                "services:\n  web:\n    image: old:{number}\n    deploy:\n      placement: {{constraints: \
                 ['node.hostname == h2']}}\n      update_config: {{monitor: 100ms}}\n"
            ),
        );
        deploy(&ground, &format!("deploy --yes --push -c {file} old")).ends(0);
    }
    let left = || {
        let all = ground.docker("h2", &["image", "ls", "old", "--format", "{{.Tag}}"]);
        let mut tags: Vec<String> = all.lines().map(str::to_owned).collect();
        tags.sort();
        tags.join(" ")
    };
    ground.stackctl("image prune --yes --keep 2").ends(0);
    assert_eq!(left(), "1 2 3 4 5 6", "all of them were pushed just now");
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2);
    let run = ground.stackctl_with(&[("STACKCTL_NOW", &later.to_string())], "image prune --yes --keep 2");
    run.ends(0).says(&["- old:1", "- old:2", "- old:3", "images removed"]);
    // 6 runs, 5 is what a rollback goes back to, and the ended tasks of both 5 and 4 are kept.
    assert_eq!(left(), "4 5 6");
    ground.stackctl("rollback --yes old").ends(0);
    assert_eq!(ground.live("old", "web")[0].image(), "old:5");
    ground.stackctl("rm --yes old").ends(0);
    for number in 1..=6 {
        for node in ["h2", "h4"] {
            drop(ground.try_docker(node, &["image", "rm", "-f", &format!("old:{number}")]));
        }
    }
}
