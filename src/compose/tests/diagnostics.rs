//! Diagnostics as they are drawn: the words are part of the product, so they are reviewed here.

use super::{drawn, drawn_all};

#[test]
fn an_unknown_key_gets_the_nearest_known_one() {
    let text = r#"services:
  web:
    imge: nginx
    image: nginx
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::unknown_key

      × unknown key `imge` in service `web`
       ╭─[stack.yml:3:5]
     2 │   web:
     3 │     imge: nginx
       ·     ──┬─
       ·       ╰── not a key that is known here
     4 │     image: nginx
       ╰────
      help: did you mean `image`?
    "##);
}

#[test]
fn an_unknown_key_at_the_top() {
    let text = r#"service:
  web:
    image: nginx
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::unknown_key

      × unknown key `service` at the top of the file
       ╭─[stack.yml:1:1]
     1 │ service:
       · ───┬───
       ·    ╰── not a key that is known here
     2 │   web:
       ╰────
      help: did you mean `services`?
    "##);
}

#[test]
fn a_key_written_twice() {
    let text = r#"services:
  web:
    image: nginx
    image: httpd
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::duplicate_key

      × `image` is written twice
       ╭─[stack.yml:3:5]
     2 │   web:
     3 │     image: nginx
       ·     ──┬──
       ·       ╰── first here
     4 │     image: httpd
       ·     ──┬──
       ·       ╰── again here
       ╰────
      help: keep one of the two
    "##);
}

#[test]
fn an_alias_without_an_anchor() {
    let text = r#"services:
  web:
    image: nginx
    deploy: *small
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::unknown_anchor

      × no anchor `&small` before this alias
       ╭─[stack.yml:4:13]
     3 │     image: nginx
     4 │     deploy: *small
       ·             ───┬──
       ·                ╰── not defined
       ╰────
      help: an anchor must stand above its aliases, in the same file
    "##);
}

#[test]
fn a_tab() {
    let text = "services:\n	web:\n";
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::yaml_syntax

      × not valid YAML
       ╭─[stack.yml:2:2]
     1 │ services:
     2 │     web:
       ·     ┬
       ·     ╰── tabs disallowed within this context (block indentation)
       ╰────
      help: YAML does not allow tabs for indentation: use spaces
    "##);
}

#[test]
fn a_number_where_text_belongs() {
    let text = r#"services:
  web:
    image: nginx
    user: 1000
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::wrong_type

      × `user` of service `web` must be text
       ╭─[stack.yml:4:11]
     3 │     image: nginx
     4 │     user: 1000
       ·           ──┬─
       ·             ╰── this is a number
       ╰────
      help: put it in quotes: `"1000"`
    "##);
}

#[test]
fn yes_is_no_boolean() {
    let text = r#"services:
  web:
    image: nginx
    tty: yes
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::wrong_type

      × `tty` of service `web` must be `true` or `false`
       ╭─[stack.yml:4:10]
     3 │     image: nginx
     4 │     tty: yes
       ·          ─┬─
       ·           ╰── this is text
       ╰────
      help: YAML 1.2 knows no other booleans, and no quotes around them
    "##);
}

#[test]
fn a_port_beyond_the_last() {
    let text = r#"services:
  web:
    image: nginx
    ports:
      - "80:80"
      - "8080:99999"
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::bad_port

      × `8080:99999` is not a port to publish
       ╭─[stack.yml:6:9]
     5 │       - "80:80"
     6 │       - "8080:99999"
       ·         ──────┬─────
       ·               ╰── a port is between 1 and 65535
       ╰────
      help: the form is `[ip:][published:]target[/protocol]`, such as `"8080:80/tcp"`
    "##);
}

#[test]
fn a_long_port_with_a_wrong_mode() {
    let text = r#"services:
  web:
    image: nginx
    ports:
      - target: 80
        published: 8080
        mode: hots
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::unknown_word

      × `mode` of a port of service `web` cannot be `hots`
       ╭─[stack.yml:7:15]
     6 │         published: 8080
     7 │         mode: hots
       ·               ──┬─
       ·                 ╰── not a word this key knows
       ╰────
      help: did you mean `host`?
    "##);
}

#[test]
fn a_mount_with_too_many_parts() {
    let text = r#"services:
  web:
    image: nginx
    volumes: ["a:/b:ro:z"]
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::bad_volume

      × `a:/b:ro:z` is not a mount
       ╭─[stack.yml:4:15]
     3 │     image: nginx
     4 │     volumes: ["a:/b:ro:z"]
       ·               ─────┬─────
       ·                    ╰── too many colons: it is `source:target:options`
       ╰────
      help: the form is `[source:]target[:options]`, such as `data:/var/lib/data:ro`
    "##);
}

#[test]
fn a_duration_without_a_unit() {
    let text = r#"services:
  web:
    image: nginx
    stop_grace_period: "30"
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::bad_duration

      × `stop_grace_period` of service `web` is not a duration such as `1m30s`
       ╭─[stack.yml:4:24]
     3 │     image: nginx
     4 │     stop_grace_period: "30"
       ·                        ──┬─
       ·                          ╰── a unit is missing
       ╰────
    "##);
}

#[test]
fn a_size_with_a_strange_unit() {
    let text = r#"services:
  web:
    image: nginx
    deploy: {resources: {limits: {memory: 5x}}}
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::bad_size

      × `deploy.resources.limits.memory` of service `web` is not a size such as `512M`
       ╭─[stack.yml:4:43]
     3 │     image: nginx
     4 │     deploy: {resources: {limits: {memory: 5x}}}
       ·                                           ─┬
       ·                                            ╰── the unit is one of `b`, `k`, `m`, `g`, `t`, `p`
       ╰────
    "##);
}

#[test]
fn cores_that_are_no_number() {
    let text = r#"services:
  web:
    image: nginx
    deploy: {resources: {limits: {cpus: half}}}
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::bad_cpus

      × `deploy.resources.limits.cpus` of service `web` is not a number of cores such as `0.5`
       ╭─[stack.yml:4:41]
     3 │     image: nginx
     4 │     deploy: {resources: {limits: {cpus: half}}}
       ·                                         ──┬─
       ·                                           ╰── not a decimal number
       ╰────
    "##);
}

#[test]
fn a_constraint_on_an_unknown_property() {
    let text = r#"services:
  web:
    image: nginx
    deploy:
      placement:
        constraints:
          - node.rol == worker
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::bad_constraint

      × `node.rol == worker` is not a placement constraint
       ╭─[stack.yml:7:13]
     6 │         constraints:
     7 │           - node.rol == worker
       ·             ────┬───
       ·                 ╰── no node has such a property
       ╰────
      help: did you mean `node.role`?
    "##);
}

#[test]
fn a_constraint_with_one_equals_sign() {
    let text = r#"services:
  web:
    image: nginx
    deploy:
      placement:
        constraints: [node.role = worker]
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::bad_constraint

      × `node.role = worker` is not a placement constraint
       ╭─[stack.yml:6:23]
     5 │       placement:
     6 │         constraints: [node.role = worker]
       ·                       ─────────┬────────
       ·                                ╰── no `==` or `!=` in it
       ╰────
      help: write it as `node.role == worker`
    "##);
}

#[test]
fn a_template_with_a_typo() {
    let text = r#"services:
  web:
    image: nginx
    hostname: "web-{{.Node.Hostnam}}"
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::bad_template

      × a service template that cannot be filled in
       ╭─[stack.yml:4:20]
     3 │     image: nginx
     4 │     hostname: "web-{{.Node.Hostnam}}"
       ·                    ────────┬────────
       ·                            ╰── not a property that a task has
       ╰────
      help: did you mean `{{.Node.Hostname}}`?
    "##);
}

#[test]
fn a_required_variable_that_is_not_set() {
    let text = r#"services:
  web:
    image: nginx:${VERSION:?say which nginx}
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::missing_variable

      × variable `VERSION` is required
       ╭─[stack.yml:3:18]
     2 │   web:
     3 │     image: nginx:${VERSION:?say which nginx}
       ·                  ─────────────┬─────────────
       ·                               ╰── not set
       ╰────
      help: say which nginx
    "##);
}

#[test]
fn a_dollar_that_is_no_variable() {
    let text = r#"services:
  web:
    image: nginx
    command: echo $1
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::bad_variable

      × not a variable
       ╭─[stack.yml:4:19]
     3 │     image: nginx
     4 │     command: echo $1
       ·                   ─┬
       ·                    ╰── no name behind the `$`
       ╰────
      help: write `$$` for a dollar that is not a variable
    "##);
}

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
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::dependency_cycle

      × `b` and `a` wait for each other
       ╭─[stack.yml:8:7]
     7 │     depends_on:
     8 │       a: {condition: service_healthy}
       ·       ┬
       ·       ╰── closes the ring `a` → `b` → `a`
       ╰────
      help: take one of the dependencies out
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
      help: take out one of the two
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
    mem_limit: 512m
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::refused_key

      × `mem_limit` of service `web` is not supported
       ╭─[stack.yml:4:5]
     3 │     image: nginx
     4 │     mem_limit: 512m
       ·     ────┬────
       ·         ╰── cannot be honoured, and must not be dropped
       ╰────
      help: use `deploy.resources.limits.memory`
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

      × services `a` and `b` publish one port
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

      × `driver` of volume `v` goes not with `external`
       ╭─[stack.yml:7:5]
     6 │     external: true
     7 │     driver: local
       ·     ───┬──
       ·        ╰── it is external: only the one who makes it can say this
       ╰────
      help: take out one of the two
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
      help: paths start at the directory of the first file
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
fn the_value_of_a_variable_is_never_shown() {
    let text = r#"services:
  web:
    image: nginx
    ports: ["${HIDDEN}:80"]
    deploy: {replicas: "${HIDDEN}"}
"#;
    insta::assert_snapshot!(drawn(text), @r##"
      × 2 mistakes in `stack.yml`

    Error: stackctl::compose::bad_port

      × `${HIDDEN}:80` is not a port to publish
       ╭─[stack.yml:4:13]
     3 │     image: nginx
     4 │     ports: ["${HIDDEN}:80"]
       ·             ───────┬──────
       ·                    ╰── not a port with its variables filled in
     5 │     deploy: {replicas: "${HIDDEN}"}
       ╰────
      help: the form is `[ip:][published:]target[/protocol]`, such as `"8080:80/tcp"`

    Error: stackctl::compose::wrong_type

      × `deploy.replicas` of service `web` must be a whole number
       ╭─[stack.yml:5:24]
     4 │     ports: ["${HIDDEN}:80"]
     5 │     deploy: {replicas: "${HIDDEN}"}
       ·                        ─────┬─────
       ·                             ╰── with its variables filled in, this is text
       ╰────
    "##);
}

#[test]
fn control_characters_are_never_shown_raw() {
    let text = r#"services:
  web:
    image: nginx
    "evil\e[31m": 1
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::unknown_key

      × unknown key `evil\u{1b}[31m` in service `web`
       ╭─[stack.yml:4:5]
     3 │     image: nginx
     4 │     "evil\e[31m": 1
       ·     ──────┬─────
       ·           ╰── not a key that is known here
       ╰────
      help: take it out; notes of your own go under a key that starts with `x-`
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
       ·               ╰── not a word this key knows
     7 │       endpoint_mode: vip
       ╰────
      help: did you mean `global`?

    Error: stackctl::compose::unknown_key

      × unknown key `prots` in service `db`
        ╭─[stack.yml:10:5]
      9 │     image: postgres
     10 │     prots: []
        ·     ──┬──
        ·       ╰── not a key that is known here
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
    stackctl::compose::ignored_key

      ⚠ `name` is ignored
       ╭─[stack.yml:1:1]
     1 │ name: shop
       · ──┬─
       ·   ╰── the stack's name comes from the command line
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
     7 │     command: run $TAG-alpine $NOPE
       ╰────
      help: label the path on the host
    stackctl::compose::relative_bind

      ☞ a relative path is mounted from the nodes
       ╭─[stack.yml:6:15]
     5 │     image: nginx:$TAG
     6 │     volumes: ["./data:/data:z"]
       ·               ────────┬───────
       ·                       ╰── a path on each node, not on this machine
     7 │     command: run $TAG-alpine $NOPE
       ╰────
      help: `/srv/app/data` must exist on every node that runs the service; a small file is better
            given as a config
    stackctl::compose::operator_without_braces

      ⚠ `-` behind `$TAG` is taken as text
       ╭─[stack.yml:7:18]
     6 │     volumes: ["./data:/data:z"]
     7 │     command: run $TAG-alpine $NOPE
       ·                  ──┬─
       ·                    ╰── a variable, then text
     8 │     deploy:
       ╰────
      help: docker takes it for an operator; write `${TAG}-…` to be understood by both
    stackctl::compose::unset_variable

      ⚠ variable `NOPE` is not set
       ╭─[stack.yml:7:30]
     6 │     volumes: ["./data:/data:z"]
     7 │     command: run $TAG-alpine $NOPE
       ·                              ──┬──
       ·                                ╰── becomes nothing
     8 │     deploy:
       ╰────
      help: set it, or give a default: `${NOPE:-…}`
    stackctl::compose::service_labels

      ☞ `deploy.labels` are labels of the service, not of its containers
        ╭─[stack.yml:9:7]
      8 │     deploy:
      9 │       labels: {a: b}
        ·       ───┬──
        ·          ╰── not seen by what reads container labels
     10 │ ---
        ╰────
      help: for labels on containers use `labels` of the service
    stackctl::compose::more_documents

      ⚠ only the first document of a file counts
        ╭─[stack.yml:10:1]
      9 │       labels: {a: b}
     10 │ ---
        · ─┬─
        ·  ╰── from here on nothing is read
     11 │ other: document
        ╰────
      help: put each document into a file of its own
    "##);
}

#[test]
fn an_empty_file() {
    let text = r#"# nothing yet
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::empty_file

      × the file is empty
       ╭─[stack.yml:1:1]
     1 │ # nothing yet
       · ▲
       · ╰── nothing is written
       ╰────
      help: it begins with `services:`
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
      help: take it out: a changed job runs anew
    "##);
}

#[test]
fn a_health_check_that_does_not_say_how() {
    let text = r#"services:
  web:
    image: nginx
    healthcheck:
      test: [curl, -f, http://localhost]
"#;
    insta::assert_snapshot!(drawn(text), @r##"
    stackctl::compose::bad_test

      × `healthcheck.test` of service `web` does not say how it is run
       ╭─[stack.yml:5:14]
     4 │     healthcheck:
     5 │       test: [curl, -f, http://localhost]
       ·              ──┬─
       ·                ╰── the first word is `CMD`, `CMD-SHELL` or `NONE`
       ╰────
      help: write the command as one text, or put `CMD` in front
    "##);
}

#[test]
fn an_address_that_is_none() {
    let text = r#"services:
  web:
    image: nginx
    dns: [ns1.example.com]
    extra_hosts: ["db:10.0.0.256"]
"#;
    insta::assert_snapshot!(drawn(text), @r##"
      × 2 mistakes in `stack.yml`

    Error: stackctl::compose::bad_address

      × an item of `dns` of service `web` is not an IP address
       ╭─[stack.yml:4:11]
     3 │     image: nginx
     4 │     dns: [ns1.example.com]
       ·           ───────┬───────
       ·                  ╰── not an IP address
     5 │     extra_hosts: ["db:10.0.0.256"]
       ╰────

    Error: stackctl::compose::bad_host

      × `db:10.0.0.256` is not a host entry
       ╭─[stack.yml:5:19]
     4 │     dns: [ns1.example.com]
     5 │     extra_hosts: ["db:10.0.0.256"]
       ·                   ───────┬───────
       ·                          ╰── behind the name comes an IP address
       ╰────
      help: the form is `name:address`, such as `db:10.0.0.5`
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
      help: take out one of the two

    Advice: stackctl::compose::network_mode_and_networks

      ☞ and this one
       ╭─[later.yml:3:16]
     2 │   web:
     3 │     networks: [front]
       ·                ──┬──
       ·                  ╰── here
     4 │ networks:
       ╰────
    "##);
}

#[test]
fn a_file_that_is_not_utf8() {
    insta::assert_snapshot!(drawn_all(&[("stack.yml", b"services:\n  web: \xff\n")]), @r##"
    stackctl::compose::not_utf8

      × the file is not UTF-8
       ╭─[stack.yml:2:8]
     1 │ services:
     2 │   web: �
       ·        ▲
       ·        ╰── first bad byte
       ╰────
      help: save the file in UTF-8
    "##);
}
