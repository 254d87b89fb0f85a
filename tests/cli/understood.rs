//! Containers of a stack that are renamed, damaged, copied, or made by a newer stackctl: never taken for absent.

use crate::engine::Container;
use crate::hosts::Hosts;

const STACKFILE: &str = "services: {db: {image: 'db:1', volumes: ['data:/data']}}\nvolumes: {data: {}}\n";

/// The stack as it runs, after something happened to its container.
fn after(happens: impl Fn(&mut Container)) -> Hosts {
    let hosts = Hosts::deployed(STACKFILE);
    for engine in &hosts.engines {
        engine.with(|world| world.containers.values_mut().for_each(&happens));
    }
    hosts.forget_calls();
    hosts
}

fn label(container: &mut Container, key: &str, value: &str) {
    container.asked["Labels"][key] = value.into();
}

fn refused(hosts: &Hosts, words: &str) {
    for args in ["deploy --yes shop", "rm --yes shop", "scale shop/db=2", "reconcile --once"] {
        let run = hosts.room.run(args);
        let all = format!("{}{}", run.stdout, run.stderr);
        assert!(
            all.contains("stackctl::cluster::not_understood") || all.contains("not understood"),
            "{args}\n{}",
            run.show()
        );
        assert!(all.contains(words), "{args}\n{}", run.show());
    }
    let writes = hosts.writes();
    assert!(writes.iter().all(|call| call == "POST /volumes/create" || call.starts_with("DELETE /volumes/stackctl-ledger")), "only leases: {writes:?}");
    assert_eq!(hosts.running().len(), 1);
}

#[test]
fn a_container_of_a_newer_program_keeps_its_slot() {
    let hosts = after(|one| label(one, "io.stackctl.format", "9 read=99.0.0 write=99.0.0"));
    refused(&hosts, "stackctl 99.0.0 or newer may read it");
}

#[test]
fn a_container_with_damaged_labels_keeps_its_slot() {
    let hosts = after(|one| label(one, "io.stackctl.spec", "{"));
    refused(&hosts, "do not belong together");
}

#[test]
fn a_renamed_task_is_kept_and_removed_with_its_stack() {
    let hosts = after(|one| one.name = "db.old".to_owned());
    let run = hosts.expect(0, "deploy --yes shop");
    assert!(run.stdout.contains("No changes"), "{}", run.show());
    hosts.expect(0, "rm --yes shop");
    assert_eq!(hosts.running(), Vec::<String>::new());
}

#[test]
fn a_volume_of_another_cluster_is_not_shared() {
    let hosts = Hosts::deployed(STACKFILE);
    let other = "cluster: other\nhosts:\n";
    let engine = &hosts.engines[0];
    let entry = format!("  {}: {{address: \"{}\", role: manager}}\n", engine.name(), engine.address());
    hosts.room.file("other.yml", &format!("{other}{entry}"));
    // Only the volume is in the way: with a network of its own there is nothing else.
    hosts.stackfile(&STACKFILE.replace("image:", "network_mode: host, image:"));
    let run = hosts.expect(1, "-i other.yml deploy --yes shop");
    assert!(
        run.stderr.contains("stackctl::volume::conflict") && run.stderr.contains("cluster `test`"),
        "{}",
        run.show()
    );
    let external = "volumes: {data: {external: true, name: shop_data}}";
    hosts.stackfile(
        &STACKFILE.replace("image:", "network_mode: host, image:").replace("volumes: {data: {}}", external),
    );
    hosts.expect(2, "-i other.yml diff other");
}
