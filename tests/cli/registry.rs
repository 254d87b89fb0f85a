//! `stackctl registry login`, `ls` and `logout`, on fake engines.

use serde_json::Value;

use crate::hosts::Hosts;

const CANARY: &str = "hunter2-of-a-registry";

fn cluster() -> Hosts {
    let mut cluster = Hosts::new(1);
    let home = cluster.room.path().display().to_string();
    cluster.room.env("HOME", &home).env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    cluster
}

fn login(cluster: &Hosts, status: i32, words: &str) -> String {
    let args: Vec<&str> = ["registry", "login"].into_iter().chain(words.split(' ')).collect();
    let run = cluster.run_with(&args, &format!("{CANARY}\nrest"));
    assert_eq!(run.status, status, "{words}\n{}", run.show());
    assert!(!run.show().contains(CANARY), "{}", run.show());
    run.stderr
}

#[test]
fn a_login_is_kept_encrypted_and_listed_without_its_password() {
    let cluster = cluster();
    let text = login(&cluster, 1, "registry.example.com -u deploy --password-stdin --unchecked");
    assert!(text.contains("stackctl::key::none"), "{text}");
    cluster.expect(0, "key init");
    let text = login(&cluster, 0, "registry.example.com:5000 -u deploy --password-stdin --unchecked");
    assert!(text.contains("The cluster keeps a login of registry registry.example.com:5000."), "{text}");
    login(&cluster, 0, "-u hub --password-stdin --unchecked");
    login(&cluster, 0, "https://index.docker.io/v1/ -u hub2 --password-stdin --unchecked");
    let listed = cluster.expect(0, "registry ls --format json").stdout;
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let pairs: Vec<_> =
        listed.iter().map(|one| (one["Registry"].as_str(), one["Username"].as_str())).collect();
    assert_eq!(
        pairs,
        [(Some("docker.io"), Some("hub2")), (Some("registry.example.com:5000"), Some("deploy"))]
    );
    let secrets = cluster.expect(0, "secret ls --format {{.Name}}").stdout;
    assert_eq!(secrets, "registry.docker.io\nregistry.registry.example.com_5000\n");
    for engine in &cluster.engines {
        let kept = engine.with(|world| format!("{:?}", world.volumes));
        assert!(!kept.contains(CANARY), "{}", engine.name());
    }
    // It is a login as long as it has the form of one.
    for command in ["secret rm registry.docker.io", "secret rotate registry.docker.io new.txt"] {
        cluster.room.file("new.txt", "other");
        let run = cluster.expect(1, command);
        assert!(run.stderr.contains("stackctl::registry::is_login"), "{}", run.show());
        assert!(run.stderr.contains("`stackctl registry login docker.io` replaces it"), "{}", run.show());
    }
    cluster.expect(0, "registry logout registry.example.com:5000");
    let gone = cluster.expect(1, "registry logout registry.example.com:5000");
    assert!(gone.stderr.contains("stackctl::registry::unknown"), "{}", gone.show());
    assert!(gone.stderr.contains("docker.io"), "{}", gone.show());
}

#[test]
fn mistakes_keep_nothing() {
    let cluster = cluster();
    cluster.expect(0, "key init");
    let text = login(&cluster, 1, "web -u deploy --password-stdin --unchecked");
    assert!(text.contains("stackctl::registry::bad_name"), "{text}");
    let text = login(&cluster, 1, "registry.example.com -u deploy --unchecked");
    assert!(text.contains("stackctl::registry::no_password"), "{text}");
    // Engines of tests know no registry to ask.
    let text = login(&cluster, 1, "registry.example.com -u deploy --password-stdin");
    assert!(text.contains("stackctl::registry::not_asked"), "{text}");
    assert_eq!(cluster.expect(0, "registry ls --format json").stdout, "");
}
