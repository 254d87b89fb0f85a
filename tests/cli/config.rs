//! `config`: the stackfile as it is understood, in all its forms. No host is asked.

use serde_json::Value;

use crate::run::Room;

const STACK: &str = "\
services:
  web:
    image: nginx:${TAG:-1}
    command: echo \"${WORD}\"
    ports: [\"${PORT:-80}:80\", \"81:81\"]
    environment: {EMPTY: '', PASS: }
    network_mode: host
    deploy: {replicas: 2}
    secrets: [key]
  db:
    image: postgres
    restart: \"no\"
secrets: {key: {file: key.txt}}
";

fn room() -> Room {
    let mut room = Room::new();
    room.file("compose.yaml", STACK);
    room.file("key.txt", "hunter2");
    room.env("WORD", "a $ sign").env("EMPTY", "from outside");
    room
}

#[test]
fn the_forms_of_a_configuration() {
    let room = room();
    for (name, args) in [
        ("swarm", "config --format swarm --stack shop"),
        ("strict", "config --format swarm --stack shop --strict-docker"),
        ("kept", "config --skip-interpolation"),
        ("lists", "config --services"),
        ("images", "config --images"),
        ("no_values", "config --skip-interpolation --format json"),
        ("no_such_service", "config --hash wep"),
    ] {
        let run = room.run(args);
        assert!(!run.stdout.contains("hunter2"), "{args}");
        insta::assert_snapshot!(format!("config_{name}"), run.show());
    }
    let bodies: Value = serde_json::from_str(&room.run("config --format swarm").stdout).expect("JSON");
    let name = bodies["services"][0]["Name"].as_str().expect("a name").to_owned();
    assert!(name.ends_with("_db") && !name.starts_with("shop_"), "{name} has the directory's name in front");
}

/// An engine of 20.10 whose service is updated by a body without a placement dies, and at each start again.
#[test]
fn the_bodies_for_a_swarm_hold_the_empty_objects_of_docker_s_client() {
    let room = room();
    room.file(
        "compose.yaml",
        "services:\n  web: {image: nginx, volumes: [\"v:/v\"]}\nvolumes: {v: {external: true}}\n",
    );
    let bodies: Value = serde_json::from_str(&room.run("config --format swarm").stdout).expect("JSON");
    let service = &bodies["services"][0];
    for path in [
        "/EndpointSpec",
        "/Mode/Replicated",
        "/TaskTemplate/Placement",
        "/TaskTemplate/Resources",
        "/TaskTemplate/ContainerSpec/Privileges",
        "/TaskTemplate/ContainerSpec/Mounts/0/VolumeOptions",
    ] {
        assert_eq!(service.pointer(path), Some(&serde_json::json!({})), "{path}");
    }
    for path in ["/TaskTemplate/RestartPolicy", "/TaskTemplate/Resources/Limits", "/UpdateConfig"] {
        assert_eq!(service.pointer(path), None, "{path}");
    }
    let deploy = "{restart_policy: {}, resources: {limits: {}, reservations: {}}}";
    room.file("compose.yaml", &format!("services:\n  web: {{image: nginx, deploy: {deploy}}}\n"));
    let bodies: Value = serde_json::from_str(&room.run("config --format swarm").stdout).expect("JSON");
    let task = &bodies["services"][0]["TaskTemplate"];
    for path in ["/RestartPolicy", "/Resources/Limits", "/Resources/Reservations"] {
        assert_eq!(task.pointer(path), Some(&serde_json::json!({})), "written, and empty: {path}");
    }
}

#[test]
fn a_hash_changes_with_what_tasks_run_and_with_nothing_else() {
    let mut room = room();
    let all = |room: &Room| room.run("config --hash").stdout;
    let first = all(&room);
    assert_eq!(first.lines().count(), 2, "{first}");
    let db = room.run("config --hash db").stdout;
    assert_eq!(first.lines().next(), Some(db.trim_end()));
    assert_eq!(room.run_with(&["config", "--hash", "*"], "").stdout, first);
    room.file("compose.yaml", &STACK.replace("replicas: 2", "replicas: 3"));
    assert_eq!(all(&room), first);
    room.env("TAG", "2");
    let second = all(&room);
    let changed: Vec<bool> = first.lines().zip(second.lines()).map(|(a, b)| a != b).collect();
    assert_eq!(changed, [false, true], "{first}{second}");
}

/// What is kept is still a stackfile: filled in later, it means the same.
#[test]
fn variables_that_are_kept_can_be_filled_in_later() {
    let room = room();
    let kept = room.run("config --skip-interpolation").stdout;
    let kept = kept.replace("[DIR]", &room.path().display().to_string());
    assert!(kept.contains("${TAG:-1}") && kept.contains("${PORT:-80}:80"), "{kept}");
    let now = room.run("config --format json --stack s").stdout;
    let later = room.run_with(&["config", "--format", "json", "--stack", "s", "-c", "-"], &kept).stdout;
    assert_eq!(now, later);
}

#[test]
fn what_docker_has_no_words_for_is_told_and_left_out_where_docker_is_to_read_it() {
    let room = Room::new();
    room.file(
        "compose.yaml",
        "services:\n  web: {image: nginx, depends_on: {db: {condition: service_healthy}}, configs: [c]}\n  \
         db: {image: postgres, healthcheck: {test: 'true'}}\nconfigs: {c: {content: hello}}\n",
    );
    insta::assert_snapshot!("config_for_compose", room.run("config").show());
    insta::assert_snapshot!("config_for_docker", room.run("config --format docker").show());
    let strict = room.run("config --strict-docker");
    assert_eq!(room.run("config --format docker").stdout, strict.stdout, "{}", strict.show());
    assert!(strict.stderr.contains("content"), "{}", strict.show());
}
