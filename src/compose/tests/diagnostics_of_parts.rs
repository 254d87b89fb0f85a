//! Diagnostics of parts that do not go together, as they are drawn.

use super::{drawn, drawn_all, loaded};

#[test]
fn a_network_that_is_not_defined() {
    let text = r#"services:
  web:
    image: nginx
    networks: [frnt]
networks:
  front:
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::undefined_network

      × network `frnt` is not defined
       ╭─[stack.yml:4:16]
     3 │     image: nginx
     4 │     networks: [frnt]
       ·                ──┬─
       ·                  ╰── used here
     5 │ networks:
     6 │   front:
       ·   ──┬──
       ·     ╰── defined here
       ╰────
      help: did you mean `front`?
    "##);
}

#[test]
fn a_volume_that_is_not_defined() {
    let text = r#"services:
  web:
    image: nginx
    volumes: ["data:/data"]
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::undefined_volume

      × volume `data` is not defined
       ╭─[stack.yml:4:15]
     3 │     image: nginx
     4 │     volumes: ["data:/data"]
       ·               ──────┬─────
       ·                     ╰── used here
       ╰────
      help: define it under `volumes` at the top of the file
    "##);
}

#[test]
fn a_path_taken_for_a_volume() {
    let text = r#"services:
  web:
    image: nginx
    volumes: ["conf/nginx:/etc/nginx"]
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::undefined_volume

      × a volume's name has no `/`
       ╭─[stack.yml:4:15]
     3 │     image: nginx
     4 │     volumes: ["conf/nginx:/etc/nginx"]
       ·               ───────────┬───────────
       ·                          ╰── taken for a volume, not for a path
       ╰────
      help: for a path, begin it with `./` or `/`
    "##);
}

#[test]
fn a_secret_that_is_not_defined() {
    let text = r#"services:
  web:
    image: nginx
    secrets: [key]
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::undefined_secret

      × secret `key` is not defined
       ╭─[stack.yml:4:15]
     3 │     image: nginx
     4 │     secrets: [key]
       ·               ─┬─
       ·                ╰── used here
       ╰────
      help: define it under `secrets` at the top of the file
    "##);
}

#[test]
fn services_that_wait_for_each_other() {
    let text = r#"services:
  a:
    image: x
    depends_on: [b]
  b:
    image: x
    depends_on:
      a: {condition: service_healthy}
"#;
    let loaded = loaded(&[text]);
    let depends_on = |name: &str| loaded.spec.services[name].depends_on.keys().cloned().collect::<Vec<_>>();
    assert_eq!((depends_on("a").len(), depends_on("b").len()), (1, 0), "all but what closes the circle");
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::dependency_cycle

      ⚠ services wait for each other: `a` → `b` → `a`
       ╭─[stack.yml:4:18]
     3 │     image: x
     4 │     depends_on: [b]
       ·                  ┬
       ·                  ╰── `a` waits for `b`
     5 │   b:
     6 │     image: x
     7 │     depends_on:
     8 │       a: {condition: service_healthy}
       ·       ┬
       ·       ╰── closes the circle: `b` does not wait for `a`
       ╰────
      help: take out one of the dependencies; docker waits for none of them
    "##);
}

#[test]
fn replicas_of_a_global_service() {
    let text = r#"services:
  web:
    image: nginx
    deploy:
      mode: global
      replicas: 3
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::replicas_and_global

      × global service `web` has `replicas`
       ╭─[stack.yml:5:13]
     4 │     deploy:
     5 │       mode: global
       ·             ───┬──
       ·                ╰── global here
     6 │       replicas: 3
       ·                 ┬
       ·                 ╰── how many there are depends on the nodes
       ╰────
      help: remove one of the two
    "##);
}

#[test]
fn a_service_without_an_image() {
    let text = r#"services:
  web:
    build: .
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::no_image

      × service `web` has no `image`
       ╭─[stack.yml:2:3]
     1 │ services:
     2 │   web:
       ·   ─┬─
       ·    ╰── nothing to run
     3 │     build: .
       ╰────
      help: name an image that every node can pull; `build` is not done by a deploy
    "##);
}

#[test]
fn a_key_with_a_better_place() {
    let text = r#"services:
  web:
    image: nginx
    cpu_shares: 512m
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::refused_key

      × `cpu_shares` of service `web` is not supported
       ╭─[stack.yml:4:5]
     3 │     image: nginx
     4 │     cpu_shares: 512m
       ·     ─────┬────
       ·          ╰── not supported, and must not be ignored
       ╰────
      help: use `deploy.resources.reservations.cpus`
    "##);
}

#[test]
fn two_services_on_one_port() {
    let text = r#"services:
  a:
    image: x
    ports: ["80:80"]
  b:
    image: x
    ports: ["80:8080"]
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::port_of_two_services

      × services `a` and `b` publish the same port
       ╭─[stack.yml:4:13]
     3 │     image: x
     4 │     ports: ["80:80"]
       ·             ───┬───
       ·                ╰── first here
     5 │   b:
     6 │     image: x
     7 │     ports: ["80:8080"]
       ·             ────┬────
       ·                 ╰── again here
       ╰────
      help: use another port for one of the two, or `mode: host` and different nodes
    "##);
}

#[test]
fn two_mounts_in_one_place() {
    let text = r#"services:
  web:
    image: nginx
    volumes: ["/a:/data", "/b:/data/"]
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::duplicate_target

      × service `web` mounts two things in one place
       ╭─[stack.yml:4:15]
     3 │     image: nginx
     4 │     volumes: ["/a:/data", "/b:/data/"]
       ·               ─────┬────  ─────┬─────
       ·                    │           ╰── again here
       ·                    ╰── first here
       ╰────
      help: keep one of the two
    "##);
}

#[test]
fn an_external_volume_with_a_driver() {
    let text = r#"services:
  web:
    image: nginx
volumes:
  v:
    external: true
    driver: local
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::external_and_more

      × `driver` of volume `v` does not go with `external`
       ╭─[stack.yml:7:5]
     6 │     external: true
     7 │     driver: local
       ·     ───┬──
       ·        ╰── it is external: set this where it is created
       ╰────
      help: remove one of the two
    "##);
}

#[test]
fn a_config_whose_file_is_missing() {
    let text = r#"services:
  web:
    image: nginx
    configs: [a]
configs:
  a:
    file: ./conf/b.conf
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::unreadable_file

      × cannot read `./conf/b.conf`
       ╭─[stack.yml:7:11]
     6 │   a:
     7 │     file: ./conf/b.conf
       ·           ──────┬──────
       ·                 ╰── no such file
       ╰────
      help: looked for at `/srv/app/conf/b.conf`: paths start at the directory of the first file, in
            an included file at its own
    "##);
}

#[test]
fn an_environment_file_with_export() {
    let text = r#"services:
  web:
    image: nginx
    env_file: bad.env
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::bad_env_file

      × `bad.env` is not an environment file
       ╭─[stack.yml:4:15]
     3 │     image: nginx
     4 │     env_file: bad.env
       ·               ───┬───
       ·                  ╰── line 2: a blank in the name of a variable
       ╰────
      help: one `NAME=value` a line, as it is: no quotes, no `export`, no blanks in the name
    "##);
}

#[test]
fn a_service_name_that_is_too_long() {
    let text = r#"services:
  an-extraordinarily-long-name-for-a-service-that-fits-nowhere-at-all:
    image: nginx
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::name_too_long

      × the name of service `an-extraordinarily-long-name-for-a-service-that-fits-nowhere-at-all` is
      │ too long
       ╭─[stack.yml:2:3]
     1 │ services:
     2 │   an-extraordinarily-long-name-for-a-service-that-fits-nowhere-at-all:
       ·   ─────────────────────────────────┬─────────────────────────────────
       ·                                    ╰── 71 characters with the stack's name in front
     3 │     image: nginx
       ╰────
      help: at most 63 fit: shorten this name or the stack's
    "##);
}

#[test]
fn a_mistake_behind_an_alias() {
    let text = r#"x-limits: &limits
  limits: {memory: lots}

services:
  a:
    image: x
    deploy: {resources: *limits}
  b:
    image: x
    deploy: {resources: *limits}
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::bad_size

      × `deploy.resources.limits.memory` of service `a` is not a size such as `512M`
       ╭─[stack.yml:2:20]
     1 │ x-limits: &limits
     2 │   limits: {memory: lots}
       ·                    ──┬─
       ·                      ╰── a size begins with a number
     3 │
       ╰────
        ╭─[stack.yml:7:25]
      6 │     image: x
      7 │     deploy: {resources: *limits}
        ·                         ───┬───
        ·                            ╰── used here
      8 │   b:
      9 │     image: x
     10 │     deploy: {resources: *limits}
        ·                         ───┬───
        ·                            ╰── used here
        ╰────
    "##);
}

#[test]
fn all_mistakes_at_once() {
    let text = r#"services:
  web:
    image: Nginx
    restart: sometimes
    deploy:
      mode: globl
      endpoint_mode: vip
  db:
    image: postgres
    prots: []
"#;
    insta::assert_snapshot!(drawn(text), @r##"
      × 4 mistakes in `stack.yml`

    Error: stackctl::compose::bad_image

      × `Nginx` is not an image
       ╭─[stack.yml:3:12]
     2 │   web:
     3 │     image: Nginx
       ·            ──┬──
       ·              ╰── a repository name must be lower case
     4 │     restart: sometimes
       ╰────
      help: the form is `[registry/]name[:tag][@digest]`, in lower case

    Error: stackctl::compose::bad_restart

      × `restart` of service `web` is not `no`, `always`, `unless-stopped` or `on-failure[:times]`
       ╭─[stack.yml:4:14]
     3 │     image: Nginx
     4 │     restart: sometimes
       ·              ────┬────
       ·                  ╰── not a policy
     5 │     deploy:
       ╰────

    Error: stackctl::compose::unknown_word

      × `deploy.mode` of service `web` cannot be `globl`
       ╭─[stack.yml:6:13]
     5 │     deploy:
     6 │       mode: globl
       ·             ──┬──
       ·               ╰── not a value that this key allows
     7 │       endpoint_mode: vip
       ╰────
      help: did you mean `global`?

    Error: stackctl::compose::unknown_key

      × unknown key `prots` in service `db`
        ╭─[stack.yml:10:5]
      9 │     image: postgres
     10 │     prots: []
        ·     ──┬──
        ·       ╰── unknown here
        ╰────
      help: did you mean `ports`?
    "##);
}

#[test]
fn warnings_of_a_file_that_loads() {
    let text = r#"name: shop
services:
  web:
    build: .
    image: nginx:$TAG
    volumes: ["./data:/data:z"]
    command: run $TAG-alpine $NOPE
    deploy:
      labels: {a: b}
---
other: document
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::other_name

      ☞ the stack is called `app`
       ╭─[stack.yml:1:7]
     1 │ name: shop
       ·       ──┬─
       ·         ╰── not this: the command line decides
     2 │ services:
       ╰────
    stackctl::compose::ignored_key

      ⚠ `build` of service `web` is ignored
       ╭─[stack.yml:4:5]
     3 │   web:
     4 │     build: .
       ·     ──┬──
       ·       ╰── images are built and pushed before a deploy
     5 │     image: nginx:$TAG
       ╰────
    stackctl::compose::ignored_option

      ⚠ the mount option `z` is ignored
       ╭─[stack.yml:6:15]
     5 │     image: nginx:$TAG
     6 │     volumes: ["./data:/data:z"]
       ·               ────────┬───────
       ·                       ╰── labels for SELinux are not set
     7 │     command: *** *********** *****
       ╰────
      help: label the path on the host
    stackctl::compose::relative_bind

      ☞ a relative path is mounted from the nodes
       ╭─[stack.yml:6:15]
     5 │     image: nginx:$TAG
     6 │     volumes: ["./data:/data:z"]
       ·               ────────┬───────
       ·                       ╰── a path on each node, not on this machine
     7 │     command: *** *********** *****
       ╰────
      help: `/srv/app/data` must exist on every node that runs the service; a small file is better
            given as a config
    stackctl::compose::operator_without_braces

      ⚠ `-` behind `$TAG` is taken as text
       ╭─[stack.yml:7:18]
     6 │     volumes: ["./data:/data:z"]
     7 │     command: *** *********** *****
       ·                  ──┬─
       ·                    ╰── a variable, then text
     8 │     deploy:
       ╰────
      help: docker takes it for an operator; write `${TAG}-…` to be understood by both
    stackctl::compose::unset_variable

      ⚠ variable `NOPE` is not set
       ╭─[stack.yml:7:30]
     6 │     volumes: ["./data:/data:z"]
     7 │     command: *** *********** *****
       ·                              ──┬──
       ·                                ╰── becomes nothing
     8 │     deploy:
       ╰────
      help: set it, or give a default: `${NOPE:-…}`
    stackctl::compose::service_labels

      ☞ `deploy.labels` are labels of the service, not of its containers
        ╭─[stack.yml:9:7]
      8 │     deploy:
      9 │       labels: {a: *}
        ·       ───┬──
        ·          ╰── not seen by what reads container labels
     10 │ ---
        ╰────
      help: for labels on containers use `labels` of the service
    stackctl::compose::more_documents

      ⚠ only the first document of a file counts
        ╭─[stack.yml:10:1]
      9 │       labels: {a: *}
     10 │ ---
        · ─┬─
        ·  ╰── from here on nothing is read
     11 │ other: ********
        ╰────
      help: put each document into a file of its own
    "##);
}

#[test]
fn update_settings_of_a_job() {
    let text = r#"services:
  web:
    image: nginx
    deploy:
      mode: replicated-job
      update_config: {parallelism: 2}
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::update_of_a_job

      × job `web` cannot be updated step by step
       ╭─[stack.yml:6:7]
     5 │       mode: replicated-job
     6 │       update_config: {parallelism: 2}
       ·       ──────┬──────
       ·             ╰── not for jobs
       ╰────
      help: remove it: a changed job runs again
    "##);
}

#[test]
fn a_mistake_of_two_files_shows_both() {
    let base: &[u8] = b"services:\n  web:\n    image: nginx\n    network_mode: host\n";
    let later: &[u8] = b"services:\n  web:\n    networks: [front]\nnetworks:\n  front:\n";
    insta::assert_snapshot!(drawn_all(&[("base.yml", base), ("later.yml", later)]), @r##"
    stackctl::compose::network_mode_and_networks

      × service `web` has `network_mode` and `networks`
       ╭─[base.yml:4:19]
     3 │     image: nginx
     4 │     network_mode: host
       ·                   ──┬─
       ·                     ╰── this one
       ╰────
      help: remove one of the two

    Advice:
      ☞ in `later.yml`
       ╭─[later.yml:3:16]
     2 │   web:
     3 │     networks: [front]
       ·                ──┬──
       ·                  ╰── and this one
     4 │ networks:
       ╰────
    "##);
}
