//! Layers that agents of real hosts pass on to each other.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::agents::World;
use crate::ground::HOSTS;
use crate::images::{CONTAINERD, MB, archive, assert_no_parts, assert_whole, host, layers, written};

/// For agents to have heard of each other.
const KNOWN_MAX: Duration = Duration::from_secs(60);

fn world() -> Option<World> {
    let world = World::new()?;
    world.run("key init").ends(0);
    world.run("agent install").ends(0).says(&["know the agents"]);
    reach_each_other(&world);
    Some(world)
}

fn reach_each_other(world: &World) {
    let begun = Instant::now();
    loop {
        let said = world.run("agent ls --format {{.Status}}|{{.Reaches}}").stdout;
        if said == "up|3 of 3\n".repeat(HOSTS.len()) {
            return;
        }
        assert!(begun.elapsed() < KNOWN_MAX, "{said}{}", world.run("agent logs").whole());
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn push(world: &World, path: &Path) -> Vec<Value> {
    let run = world.run(&format!("image push {} --format json", path.display())).ends(0);
    assert!(!run.stderr.contains("warning"), "{}", run.whole());
    run.lines("image_pushed")
}

fn forget(world: &World, image: &str) {
    for host in HOSTS {
        drop(world.ground.docker(host, &["image", "rm", image]));
        assert_no_parts(&world.ground, &[host]);
    }
}

fn bytes(layers: &[Vec<u8>]) -> u64 {
    layers.iter().map(|layer| layer.len() as u64).sum()
}

/// The hosts that were passed layers on, and by which.
fn passed_on(lines: &[Value]) -> Vec<(&'static str, String)> {
    let by = |name: &'static str| Some((name, host(lines, name)["passed_on_by"].as_str()?.to_owned()));
    HOSTS.into_iter().filter_map(by).collect()
}

#[test]
fn each_layer_goes_over_the_clients_link_once() {
    let Some(world) = world() else { return };
    let ground = &world.ground;
    // One host has some of the lower layers.
    let six = layers(500, 6, 20 * MB);
    let lower = written(ground, "lower.tar", &archive("lower:1", &six[..3]));
    world.run(&format!("image push {} --host h3", lower.display())).ends(0);
    let path = written(ground, "six.tar", &archive("passed:1", &six));
    let lines = push(&world, &path);
    let sent = lines[0]["sent"].as_u64().expect("bytes");
    // Headers of archives, and the configuration again in each part, for each host.
    assert!(sent < bytes(&six) + 400_000, "{}", lines[0]);
    let by_h1 = |names: &[&'static str]| -> Vec<(&'static str, String)> {
        names.iter().map(|name| (*name, "h1".to_owned())).collect()
    };
    assert_eq!(passed_on(&lines), by_h1(&["h2", "h3", "h4"]), "{}", lines[0]);
    for name in HOSTS {
        assert_whole(ground, name, "passed:1", &six);
    }
    drop(ground.docker("h3", &["image", "rm", "lower:1"]));
    forget(&world, "passed:1");
    // What no agent has to pass on goes as it does without agents.
    let one = push_to(&world, &path, "h2");
    assert_eq!(passed_on_to(&one, "h2"), None);
    drop(ground.docker("h2", &["image", "rm", "passed:1"]));

    // Engines with another kind of store are sent other archives.
    let newer = |name: &&&str| {
        !ground.docker(name, &["version", "--format", "{{.Server.Version}}"]).starts_with("20.")
    };
    let newer: Vec<&str> = HOSTS.iter().filter(newer).copied().collect();
    if newer.len() != 2 {
        eprintln!("skipped: not two engines have the containerd store");
        return;
    }
    for name in &newer {
        ground.playground(&CONTAINERD.replace("HOST", name));
    }
    reach_each_other(&world);
    let lines = push(&world, &path);
    let sent = lines[0]["sent"].as_u64().expect("bytes");
    assert!(sent < 2 * bytes(&six) + 400_000, "{}", lines[0]);
    assert_eq!(passed_on(&lines).len(), 2, "{}", lines[0]);
    assert_eq!(host(&lines, newer[1])["passed_on_by"], newer[0], "{}", lines[0]);
    for name in HOSTS {
        assert_whole(ground, name, "passed:1", &six);
    }
    forget(&world, "passed:1");
    for name in &newer {
        ground.playground(&format!("daemon {name}"));
    }
    world.run("agent rm --yes --force").ends(0);
}

fn push_to(world: &World, path: &Path, name: &str) -> Vec<Value> {
    let run = world.run(&format!("image push {} --host {name} --format json", path.display()));
    run.ends(0).lines("image_pushed")
}

fn passed_on_to(lines: &[Value], name: &str) -> Option<String> {
    host(lines, name)["passed_on_by"].as_str().map(str::to_owned)
}

/// The one that passes layers on dies, or one that takes them, or they do not reach each other any more.
#[test]
fn whatever_happens_on_the_way_all_hosts_have_the_image() {
    let Some(world) = world() else { return };
    let ground = &world.ground;
    let six = layers(600, 6, 40 * MB);
    let path = written(ground, "six.tar", &archive("passed:2", &six));
    let kill = |name: &str| {
        let agent = &world.processes(name)[0];
        ground.on_host(name, &format!("kill -KILL {agent}"));
    };
    let faults: [(&str, &dyn Fn()); 3] = [
        ("h1 dies", &|| kill("h1")),
        ("h2 dies", &|| kill("h2")),
        ("h3 is cut off from h1", &|| ground.playground("cut h3 in h1")),
    ];
    for (what, fault) in faults {
        reach_each_other(&world);
        let words = format!("image push {} --format json", path.display());
        let begun = Instant::now();
        let mut running = ground.begin_as(&world.binary, &world.inventory, &words);
        let far = |line: &Value| line["bytes"].as_u64().unwrap_or_default() > 40 * MB as u64;
        if running.line_of("image_progress", far).is_none() {
            panic!("{what}: it was over too soon\n{}", running.wait().whole());
        }
        fault();
        let run = running.wait().ends(0);
        eprintln!("{what}: all have it after {:?}", begun.elapsed());
        assert!(run.whole().contains("is sent from here: "), "{what}: {}", run.whole());
        for name in HOSTS {
            let all =
                ground.docker(name, &["image", "inspect", "passed:2", "--format", "{{len .RootFS.Layers}}"]);
            assert_eq!(all, "6\n", "{what}: {name}");
        }
        // What it takes an engine to save it is seconds.
        assert_whole(ground, "h3", "passed:2", &six);
        ground.playground("heal");
        forget(&world, "passed:2");
    }
    world.run("agent rm --yes --force").ends(0);
}
