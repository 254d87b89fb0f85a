//! Which files and variables a stack is made of, seen from the command line.

use std::os::unix::fs::symlink;

use insta::assert_snapshot;

use crate::run::Room;

/// A project of Compose's kind in a directory of the room.
fn project() -> Room {
    let room = Room::new();
    room.file(
        "app/compose.yaml",
        "name: shop\ninclude: [db/compose.yml]\nservices:\n  web:\n    image: 'nginx:${TAG:-none}'\n    depends_on: [db]\n  debug: {image: busybox, profiles: [debug]}\n",
    );
    room.file("app/db/compose.yml", "services: {db: {image: 'postgres:${PG}', env_file: db.env}}\n");
    room.file("app/db/.env", "PG=16\n");
    room.file("app/db/db.env", "A=1\n");
    room.file("app/.env", "TAG='1.25' # pinned\n");
    room
}

#[test]
fn a_compose_project_is_read_with_its_files() {
    let room = project();
    assert_snapshot!(room.run("config -c app/compose.yaml").show());
}

#[test]
fn profiles_and_files_of_variables_are_named_on_the_command_line() {
    let mut room = project();
    room.file("other.env", "TAG=other\nPG=15\n");
    let images = |room: &Room, args: &str| {
        let run = room.run(&format!("config -q -c app/compose.yaml {args}"));
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{}", run.show());
        let run = room.run(&format!("config -c app/compose.yaml {args}"));
        let images =
            run.stdout.lines().filter_map(|line| line.trim().strip_prefix("image: ").map(str::to_owned));
        images.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(images(&room, ""), "postgres:16 nginx:1.25");
    assert_eq!(images(&room, "--profile debug"), "postgres:16 busybox nginx:1.25");
    assert_eq!(images(&room, "--env-file other.env"), "postgres:15 nginx:other");
    assert_eq!(images(&room, "--env-file app/.env --env-file other.env"), "postgres:15 nginx:other");
    room.env("TAG", "caller").env("COMPOSE_PROFILES", "debug");
    assert_eq!(images(&room, "--env-file other.env"), "postgres:15 busybox nginx:caller");
    let run = room.run("config -c app/compose.yaml --env-file none.env");
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("there is no such file"), "{}", run.show());
}

#[test]
fn links_out_of_the_project_are_followed_and_what_is_no_file_is_not_read() {
    let room = Room::new();
    room.file("elsewhere/secret.env", "A=linked\n");
    room.file("elsewhere/a.conf", "content\n");
    let stack = |env_file: &str| {
        format!(
            "services: {{a: {{image: x, env_file: {env_file}, configs: [c]}}}}\nconfigs: {{c: {{file: a.conf}}}}\n"
        )
    };
    room.file("app/stack.yml", &stack("linked.env"));
    symlink("../elsewhere/secret.env", room.path().join("app/linked.env")).expect("a link");
    symlink(room.path().join("elsewhere/a.conf"), room.path().join("app/a.conf")).expect("a link");
    let run = room.run("config -c app/stack.yml");
    assert!(run.status == 0 && run.stdout.contains("A: linked"), "{}", run.show());

    // A pipe nobody writes to would be waited for.
    let made = std::process::Command::new("mkfifo").arg(room.path().join("app/pipe")).status();
    assert!(made.is_ok_and(|status| status.success()));
    for (name, why) in [("pipe", "it is not a file"), (".", "directory"), ("/dev/zero", "it is not a file")] {
        room.file("app/stack.yml", &stack(name));
        let run = room.run("config -c app/stack.yml");
        assert_eq!(run.status, 1);
        assert!(run.stderr.contains(why), "{}", run.show());
    }
}

#[test]
fn the_stack_may_be_named_by_its_file() {
    let room = project();
    let run = room.run("diff -c app/compose.yaml -i none.yml");
    assert!(!run.stderr.contains("the stack has no name"), "{}", run.show());
    room.file("stack.yml", "services: {a: {image: x}}\n");
    let run = room.run("diff -c stack.yml");
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("the stack has no name"), "{}", run.show());
}

#[test]
fn the_variables_of_compose_name_files_and_the_stack_and_the_command_line_wins() {
    let mut room = Room::new();
    room.file("a.yml", "services: {a: {image: 'a:${TAG:-none}'}}\n");
    room.file("b.yml", "services: {b: {image: b}}\n");
    room.file("c.yml", "services: {c: {image: c}}\n");
    room.file("vars.env", "TAG=1\n");
    let images = |room: &Room, args: &str| {
        let run = room.run(&format!("config --images {args}"));
        assert_eq!(run.status, 0, "{}", run.show());
        run.stdout.lines().collect::<Vec<_>>().join(" ")
    };
    room.env("COMPOSE_FILE", "a.yml:b.yml");
    assert_eq!(images(&room, ""), "a:none b");
    assert_eq!(images(&room, "-c c.yml"), "c");
    room.env("COMPOSE_PATH_SEPARATOR", ";").env("COMPOSE_FILE", "b.yml;c.yml;a.yml");
    room.env("COMPOSE_ENV_FILES", "vars.env");
    assert_eq!(images(&room, ""), "a:1 b c");
    let run = room.run("check -v");
    assert!(run.stderr.contains("Stackfiles: b.yml, c.yml, a.yml, as COMPOSE_FILE says"), "{}", run.show());
    assert!(run.stderr.contains("Variables: vars.env, as COMPOSE_ENV_FILES says"), "{}", run.show());
    // Docker knows none of them.
    let run = room.run("config --strict-docker");
    assert!(run.status == 1 && run.stderr.contains("no_stackfile"), "{}", run.show());
    // A `.env` may hold them, too; one that names a file that is not there is told.
    let mut room = Room::new();
    room.file(".env", "COMPOSE_FILE=gone.yml\nCOMPOSE_PROJECT_NAME=shop\n");
    let run = room.run("config");
    assert!(run.status == 1 && run.stderr.contains("COMPOSE_FILE in .env names it"), "{}", run.show());
    room.file("gone.yml", "services: {a: {image: a}}\n");
    let run = room.run("config --format json");
    assert!(run.stdout.contains("\"name\": \"shop\""), "{}", run.show());
    assert!(run.stderr.contains("as `COMPOSE_PROJECT_NAME` says"), "{}", run.show());
    room.env("COMPOSE_PROJECT_NAME", "store");
    assert!(room.run("config --format json").stdout.contains("\"name\": \"store\""));
    assert!(room.run("config --format json --stack mine").stdout.contains("\"name\": \"mine\""));
}
