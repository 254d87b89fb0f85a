//! Images without a registry, on fake engines: what is meant, what is sent, what is refused, and what can be removed.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::engine::FakeEngine;
use crate::hosts::Hosts;
use crate::run::Run;

/// An archive as engines save it.
fn archive(tag: &str, architecture: &str, layers: &[&str]) -> Vec<u8> {
    let id =
        |bytes: &[u8]| -> String { Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect() };
    let diff_ids: Vec<String> =
        layers.iter().map(|layer| format!("sha256:{}", id(layer.as_bytes()))).collect();
    let config = json!({
        "os": "linux", "architecture": architecture, "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = config.to_string();
    let name = format!("{}.json", id(config.as_bytes()));
    let files: Vec<String> = (0..layers.len()).map(|at| format!("{at}/layer.tar")).collect();
    let list = json!([{ "Config": name, "RepoTags": [tag], "Layers": files }]).to_string();
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content).unwrap();
    };
    add(&name, config.as_bytes());
    files.iter().zip(layers).for_each(|(file, layer)| add(file, layer.as_bytes()));
    add("manifest.json", list.as_bytes());
    builder.into_inner().unwrap()
}

/// Three hosts, and an engine of this machine beside them with these images.
fn cluster(images: &[(&str, &[&str])]) -> (Hosts, FakeEngine) {
    let mut cluster = Hosts::new(3);
    let here = FakeEngine::start("here", cluster.path());
    here.with(|world| {
        for (tag, layers) in images {
            world.add_image(tag);
            world.saved.insert((*tag).to_owned(), archive(tag, "amd64", layers));
        }
    });
    let address = here.address();
    cluster.room.env("USER", "ann").env("DOCKER_HOST", &address).env("TMPDIR", "/tmp");
    for engine in &cluster.engines {
        engine.with(|world| world.missing.push("app:1".to_owned()));
    }
    (cluster, here)
}

fn line_of(run: &Run, kind: &str) -> Value {
    let mut lines = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    lines.find(|line| line["type"] == kind).unwrap_or_else(|| panic!("no {kind}\n{}", run.show()))
}

fn bytes_loaded(cluster: &Hosts) -> Vec<u64> {
    cluster.engines.iter().map(|engine| engine.with(|world| world.loaded_bytes)).collect()
}

#[test]
fn an_image_of_this_machine_goes_to_all_hosts_once() {
    let (cluster, _here) = cluster(&[("app:1", &["one", "three"]), ("app:2", &["one", "five5"])]);
    let run = cluster.expect(0, "image push app:1");
    assert!(run.stderr.contains("push app:1 to h1, h2, h3, 8B each\n"), "{}", run.show());
    assert!(run.stderr.contains("app:1 pushed to h2: 2 layers, 8B\n"), "{}", run.show());
    assert_eq!(bytes_loaded(&cluster), [8, 8, 8]);
    // A second time nothing is written at all.
    cluster.forget_calls();
    let run = cluster.expect(0, "image push app:1");
    assert!(run.stderr.contains("app:1 is on 3 hosts already: nothing is sent."), "{}", run.show());
    assert_eq!(cluster.writes(), [""; 0]);
    // Of another image only the layer that is another one.
    let run = cluster.expect(0, "image push app:2 --format json --host h1,h3");
    let summary = line_of(&run, "image_pushed");
    assert_eq!(summary["hosts"].as_array().unwrap().len(), 2);
    for host in summary["hosts"].as_array().unwrap() {
        assert_eq!(
            (&host["outcome"], &host["layers"], &host["layer_bytes"]),
            (&json!("pushed"), &json!(1), &json!(5))
        );
    }
    assert_eq!(bytes_loaded(&cluster), [13, 8, 13]);
    let again = line_of(&cluster.expect(0, "image push app:2 --format json --host h1,h3"), "image_pushed");
    assert_eq!((&again["sent"], &again["hosts"][0]["outcome"]), (&json!(0), &json!("there")));
    let log = cluster.expect(0, r"log --format {{.What}}\t{{.Outcome}}").stdout;
    assert!(log.contains("image push app:2\tdone\n") && log.contains("image push app:1\tdone\n"), "{log}");
}

#[test]
fn paths_and_names_are_told_apart_by_their_form() {
    let (cluster, _here) = cluster(&[("app:1", &["one"])]);
    let path = cluster.path().join("archive");
    std::fs::write(&path, archive("app:7", "amd64", &["seven"])).unwrap();
    // A file of that name is there, and it is a name all the same.
    let run = cluster.expect(1, "image push archive");
    assert!(run.stderr.contains("stackctl::image::unknown_here"), "{}", run.show());
    let run = cluster.expect(0, "image push ./archive --dry-run");
    assert!(run.stderr.contains("push app:7 to h1, h2, h3, 5B each"), "{}", run.show());
    assert_eq!(bytes_loaded(&cluster), [0, 0, 0]);
    let run = cluster.expect(1, "image push ./app");
    assert!(run.stderr.contains("stackctl::image::unreadable"), "{}", run.show());
    let run = cluster.expect(64, "image push App/X");
    assert!(run.stderr.contains("neither a path"), "{}", run.show());
    let run = cluster.expect(0, &format!("image push {} --tag shop/app:8 --tag app", path.display()));
    assert!(run.stderr.contains("push shop/app:8, app:latest to"), "{}", run.show());
    // Names of parts of images are collected.
    for name in ["app@sha256:00", "stackctl.invalid/part:1"] {
        let run = cluster.expect(1, &format!("image push ./archive --tag {name}"));
        assert!(run.stderr.contains("stackctl::image::bad_reference"), "{}", run.show());
    }
}

#[test]
fn what_cannot_be_read_is_refused_and_no_host_is_told_of_it() {
    let (cluster, here) = cluster(&[("app:1", &["one"])]);
    let whole = archive("app:7", "amd64", &["seven"]);
    let write = |bytes: &[u8]| std::fs::write(cluster.path().join("x.tar"), bytes).unwrap();
    let refused = |code: &str| {
        let run = cluster.expect(1, "image push x.tar");
        assert!(run.stderr.contains(&format!("stackctl::image::{code}")), "{code}\n{}", run.show());
    };
    write(&whole[..whole.len() - 1500]);
    refused("truncated");
    write(b"FROM scratch");
    refused("not_an_image");
    write(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    refused("compressed");
    let mut changed = whole.clone();
    let at = changed.windows(5).position(|bytes| bytes == b"seven").unwrap();
    changed[at] = b'S';
    write(&changed);
    refused("wrong_digest");
    assert!(cluster.engines.iter().all(|engine| engine.with(|world| world.loaded.is_empty())));
    here.with(|world| world.saved.clear());
    let run = cluster.expect(1, "image push app:1");
    assert!(run.stderr.contains("stackctl::image::not_saved"), "{}", run.show());
    drop(here);
    let run = cluster.expect(1, "image push app:1");
    assert!(run.stderr.contains("stackctl::image::no_engine"), "{}", run.show());
}

#[test]
fn a_host_of_another_platform_is_refused_before_anything_is_sent() {
    let (cluster, _here) = cluster(&[("app:1", &["one"])]);
    cluster.engines[1].with(|world| world.info = json!({ "Architecture": "aarch64" }));
    let run = cluster.expect(1, "image push app:1");
    assert!(run.stderr.contains("stackctl::image::wrong_platform"), "{}", run.show());
    assert!(run.stderr.contains("h2 (linux/arm64)"), "{}", run.show());
    assert_eq!(bytes_loaded(&cluster), [0, 0, 0]);
    cluster.expect(0, "image push app:1 --host h1,h3");
    assert_eq!(bytes_loaded(&cluster), [3, 0, 3]);
}

const APP: &str = "\
services:
  web:
    image: app:1
    deploy: {replicas: 2, placement: {max_replicas_per_node: 1}, update_config: {monitor: 50ms}}
";

#[test]
fn a_deploy_brings_what_no_registry_has() {
    let (cluster, here) = cluster(&[("app:1", &["one", "three"])]);
    cluster.stackfile(APP);
    cluster.forget_calls();
    let diff = cluster.expect(2, "diff --push shop");
    assert!(diff.stdout.starts_with("push app:1 to h1, h2, 8B each\n\n"), "{}", diff.show());
    assert!(!diff.stdout.contains("to pull"), "{}", diff.show());
    assert_eq!(cluster.writes(), [""; 0]);
    let value: Value =
        serde_json::from_str(&cluster.expect(2, "diff --push --format json shop").stdout).unwrap();
    assert_eq!(value["pushes"][0]["hosts"].as_array().unwrap().len(), 2);

    let run = cluster.expect(0, "deploy --yes --push shop");
    assert!(run.stdout.contains("push app:1 to h1, h2, 8B each"), "{}", run.show());
    assert_eq!((bytes_loaded(&cluster), cluster.running().len()), (vec![8, 8, 0], 2));
    cluster.forget_calls();
    let run = cluster.expect(0, "deploy --yes --push shop");
    assert!(!run.stdout.contains("push app:1"), "{}", run.show());
    assert!(cluster.writes().iter().all(|call| !call.contains("images")), "{:?}", cluster.writes());

    // Without the image here, and without --push, a deploy is as it was.
    here.with(|world| world.saved.clear());
    here.with(|world| world.images.clear());
    cluster.expect(0, "deploy --yes --push shop");
    let run = cluster.expect(64, "deploy --push plan.bin");
    assert!(run.stderr.contains("stackctl::plan::says_all"), "{}", run.show());
}

#[test]
fn only_what_nothing_needs_is_removed() {
    let (mut cluster, _here) = cluster(&[("app:1", &["one"])]);
    cluster.room.env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    cluster.engines[0].with(|world| world.add_image("debian:12"));
    cluster.expect(0, "image push app:1");
    let stackfile = |version: u32| {
        APP.replace("app:1", &format!("web:{version}")).replace("replicas: 2, ", "replicas: 3, ")
    };
    for version in 1..=6 {
        cluster.stackfile(&stackfile(version));
        cluster.expect(0, "deploy --yes --resolve-image never shop");
    }
    let listed = cluster.expect(0, "image ls --filter reference=web --format {{.Name}}:{{.UsedBy}}").stdout;
    assert_eq!(listed.lines().count(), 6, "{listed}");
    assert!(listed.contains("web:6:shop_web\n"), "{listed}");
    // Ended tasks are kept, and so are their images: web:4 and web:5. web:6 runs; 3 releases need web:4 and on.
    cluster.forget_calls();
    let dry = cluster.expect(0, "image prune --dry-run");
    let gone: Vec<&str> = dry.stdout.lines().filter(|line| line.starts_with("- ")).collect();
    assert_eq!(gone.len(), 3, "{}", dry.show());
    assert!((1..=3).all(|version| dry.stdout.contains(&format!("- web:{version}  "))), "{}", dry.show());
    assert_eq!(cluster.writes(), [""; 0]);
    let run = cluster.expect(1, "image prune");
    assert!(run.stderr.contains("stackctl::cli::no_terminal"), "{}", run.show());
    let run = cluster.expect(0, "image prune --yes");
    assert!(run.stderr.contains("9 images removed."), "{}", run.show());
    let left = cluster.expect(0, "image ls --format {{.Name}}").stdout;
    assert_eq!(left, "app:1\ndebian:12\nweb:4\nweb:5\nweb:6\n", "what was pushed just now stays");
    // An hour later what was pushed can go, and with --all what is not ours.
    cluster.room.env("STACKCTL_NOW", "2026-01-31T14:00:00Z");
    let dry = cluster.expect(0, "image prune --dry-run");
    assert!(dry.stdout.contains("- app:1  ") && !dry.stdout.contains("debian"), "{}", dry.show());
    let dry = cluster.expect(0, "image prune --dry-run --all");
    assert!(dry.stdout.contains("- debian:12  "), "{}", dry.show());
    // A host that does not answer says nothing of its images.
    let third = cluster.engines.pop().unwrap();
    drop(third);
    let run = cluster.expect(6, "image ls -q");
    assert!(run.stderr.contains("node h3 is silent") && run.stderr.contains("unknown"), "{}", run.show());
    let run = cluster.expect(6, "image prune --dry-run");
    assert!(!run.stdout.contains("h3"), "{}", run.show());
}
