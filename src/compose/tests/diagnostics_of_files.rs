//! Diagnostics of a stack that is made of several files, as they are drawn.

use super::Project;

fn drawn(files: &[(&str, &str)]) -> String {
    Project { files, ..Project::default() }.drawn()
}

#[test]
fn files_that_include_each_other() {
    let files = &[
        ("compose.yml", "include:\n  - a.yml\nservices: {}\n"),
        ("a.yml", "include:\n  - b.yml\n"),
        ("b.yml", "include:\n  - a.yml\n"),
    ];
    insta::assert_snapshot!(drawn(files), @r##"
    stackctl::compose::include_cycle

      × files that include each other
       ╭─[b.yml:2:5]
     1 │ include:
     2 │   - a.yml
       ·     ──┬──
       ·       ╰── included again while it is being read
       ╰────
      help: remove one of the includes

    Advice:
      ☞ in `compose.yml`
       ╭─[compose.yml:2:5]
     1 │ include:
     2 │   - a.yml
       ·     ──┬──
       ·       ╰── first included here
     3 │ services: {}
       ╰────

    Advice:
      ☞ in `a.yml`
       ╭─[a.yml:2:5]
     1 │ include:
     2 │   - b.yml
       ·     ──┬──
       ·       ╰── by way of this
       ╰────
    "##);
}

#[test]
fn a_file_that_includes_itself() {
    let files = &[("compose.yml", "include:\n  - ./compose.yml\nservices: {}\n")];
    insta::assert_snapshot!(drawn(files), @r##"
    stackctl::compose::include_cycle

      × files that include each other
       ╭─[compose.yml:2:5]
     1 │ include:
     2 │   - ./compose.yml
       ·     ──────┬──────
       ·           ╰── included again while it is being read
     3 │ services: {}
       ╰────
      help: remove one of the includes
    "##);
}

#[test]
fn two_definitions_that_differ() {
    let files = &[
        ("compose.yml", "include:\n  - a.yml\nservices:\n  web:\n    image: nginx\n"),
        ("a.yml", "services:\n  web:\n    image: httpd\n"),
    ];
    insta::assert_snapshot!(drawn(files), @r##"
    stackctl::compose::conflicting_definitions

      × service `web` is defined twice, with different settings
       ╭─[compose.yml:2:5]
     1 │ include:
     2 │   - a.yml
       ·     ──┬──
       ·       ╰── included here
     3 │ services:
     4 │   web:
       ·   ─┬─
       ·    ╰── defined here
     5 │     image: nginx
       ╰────
      help: to change what is included, include a list: `path: [theirs.yml, changes.yml]`

    Advice:
      ☞ in `a.yml`
       ╭─[a.yml:2:3]
     1 │ services:
     2 │   web:
       ·   ─┬─
       ·    ╰── and in an included file
     3 │     image: httpd
       ╰────
    "##);
}

#[test]
fn an_included_file_that_is_missing() {
    let files = &[(
        "compose.yml",
        "include:\n  - path: db/compose.yml\n    env_fil: x\n  - https://example.com/x.yml\n  - 3\n  - {}\nservices:\n  web: {image: nginx}\n",
    )];
    insta::assert_snapshot!(drawn(files), @r##"
      × 5 mistakes in `compose.yml`

    Error: stackctl::compose::unreadable_file

      × cannot read `db/compose.yml`
       ╭─[compose.yml:2:11]
     1 │ include:
     2 │   - path: db/compose.yml
       ·           ───────┬──────
       ·                  ╰── no such file
     3 │     env_fil: *
       ╰────
      help: looked for at `/srv/app/db/compose.yml`: paths start at the directory of the first file,
            in an included file at its own

    Error: stackctl::compose::unknown_key

      × unknown key `env_fil` in an item of `include`
       ╭─[compose.yml:3:5]
     2 │   - path: db/compose.yml
     3 │     env_fil: *
       ·     ───┬───
       ·        ╰── unknown here
     4 │   - https://example.com/x.yml
       ╰────
      help: did you mean `env_file`?

    Error: stackctl::compose::remote_file

      × only files of this machine can be included
       ╭─[compose.yml:4:5]
     3 │     env_fil: *
     4 │   - https://example.com/x.yml
       ·     ────────────┬────────────
       ·                 ╰── an address, not a path
     5 │   - 3
       ╰────
      help: fetch it first, then include the copy

    Error: stackctl::compose::wrong_type

      × an item of `include` must be text or a mapping
       ╭─[compose.yml:5:5]
     4 │   - https://example.com/x.yml
     5 │   - 3
       ·     ┬
       ·     ╰── this is a number
     6 │   - {}
       ╰────

    Error: stackctl::compose::missing_key

      × an item of `include` has no `path`
       ╭─[compose.yml:6:5]
     5 │   - 3
     6 │   - {}
       ·     ─┬
       ·      ╰── needs it
     7 │ services:
       ╰────
      help: add `path: …`
    "##);
}

#[test]
fn a_mistake_in_an_included_file() {
    let files = &[
        ("compose.yml", "include: [a.yml]\nservices:\n  web: {image: nginx}\n"),
        ("a.yml", "name: other\nservices:\n  db:\n    image: Postgres\n    imge: x\n"),
    ];
    insta::assert_snapshot!(drawn(files), @r##"
      × 2 mistakes in `a.yml`

    Error: stackctl::compose::bad_image

      × `Postgres` is not an image
       ╭─[a.yml:4:12]
     3 │   db:
     4 │     image: Postgres
       ·            ────┬───
       ·                ╰── a repository name must be lower case
     5 │     imge: *
       ╰────
      help: the form is `[registry/]name[:tag][@digest]`, in lower case

    Error: stackctl::compose::unknown_key

      × unknown key `imge` in service `db`
       ╭─[a.yml:5:5]
     4 │     image: Postgres
     5 │     imge: *
       ·     ──┬─
       ·       ╰── unknown here
       ╰────
      help: did you mean `image`?
    "##);
}

#[test]
fn a_mistake_in_an_extended_service() {
    let files = &[
        ("compose.yml", "services:\n  web:\n    extends:\n      file: a.yml\n      service: base\n"),
        ("a.yml", "services:\n  base:\n    image: nginx\n    stop_grace_period: 10\n"),
    ];
    insta::assert_snapshot!(drawn(files), @r##"
    stackctl::compose::bad_duration

      × `stop_grace_period` of service `web` is not a duration such as `1m30s`
       ╭─[a.yml:4:24]
     3 │     image: nginx
     4 │     stop_grace_period: 10
       ·                        ─┬
       ·                         ╰── a unit is missing
       ╰────
      help: did you mean `10s`?

    Advice:
      ☞ in `compose.yml`
       ╭─[compose.yml:3:5]
     2 │   web:
     3 │     extends:
       ·     ───┬───
       ·        ╰── used here
     4 │       file: a.yml
       ╰────
    "##);
}

#[test]
fn services_that_extend_each_other() {
    let files = &[(
        "compose.yml",
        "services:\n  a:\n    extends: b\n  b:\n    extends:\n      service: c\n  c:\n    extends: a\n",
    )];
    insta::assert_snapshot!(drawn(files), @r##"
    stackctl::compose::extends_cycle

      × services that extend each other
       ╭─[compose.yml:3:5]
     2 │   a:
     3 │     extends: b
       ·     ───┬───
       ·        ╰── `a` extends
     4 │   b:
     5 │     extends:
       ·     ───┬───
       ·        ╰── `b` extends
     6 │       service: c
     7 │   c:
     8 │     extends: a
       ·     ───┬───
       ·        ╰── closes the ring `a` → `b` → `c` → `a`
       ╰────
      help: remove one of them
    "##);
}

#[test]
fn a_service_that_extends_itself() {
    let files = &[("compose.yml", "services:\n  a:\n    image: x\n    extends: a\n")];
    insta::assert_snapshot!(drawn(files), @r##"
    stackctl::compose::extends_cycle

      × services that extend each other
       ╭─[compose.yml:4:5]
     3 │     image: x
     4 │     extends: a
       ·     ───┬───
       ·        ╰── closes the ring `a` → `a`
       ╰────
      help: remove one of them
    "##);
}

#[test]
fn a_base_that_is_not_there() {
    let files = &[
        (
            "compose.yml",
            "services:\n  web:\n    image: x\n    extends: bas\n  api:\n    image: x\n    extends:\n      service: web\n      file: a.yml\n  worker:\n    image: x\n    extends: {file: none.yml, service: web}\n  odd:\n    image: x\n    extends: {file: a.yml}\n  list:\n    image: x\n    extends: [a]\n  base: {image: x}\n",
        ),
        ("a.yml", "services:\n  other: {image: x}\n"),
    ];
    insta::assert_snapshot!(drawn(files), @r##"
      × 5 mistakes in `compose.yml`

    Error: stackctl::compose::undefined_base

      × there is no service `bas` to extend
       ╭─[compose.yml:4:14]
     3 │     image: x
     4 │     extends: bas
       ·              ─┬─
       ·               ╰── not found
     5 │   api:
       ╰────
      help: did you mean `base`?

    Error: stackctl::compose::undefined_base

      × there is no service `web` to extend
       ╭─[compose.yml:8:16]
     7 │     extends:
     8 │       service: web
       ·                ─┬─
       ·                 ╰── not found
     9 │       file: a.yml
       ╰────
      help: the file has no service of this name

    Error: stackctl::compose::unreadable_file

      × cannot read `none.yml`
        ╭─[compose.yml:12:21]
     11 │     image: x
     12 │     extends: {file: none.yml, service: web}
        ·                     ────┬───
        ·                         ╰── no such file
     13 │   odd:
        ╰────
      help: looked for at `/srv/app/none.yml`: paths start at the directory of the first file, in an
            included file at its own

    Error: stackctl::compose::missing_key

      × `extends` of service `odd` has no `service`
        ╭─[compose.yml:15:14]
     14 │     image: x
     15 │     extends: {file: a.yml}
        ·              ──────┬──────
        ·                    ╰── needs it
     16 │   list:
        ╰────
      help: add `service: …`

    Error: stackctl::compose::wrong_type

      × `extends` of service `list` must be a mapping
        ╭─[compose.yml:18:14]
     17 │     image: x
     18 │     extends: [a]
        ·              ─┬─
        ·               ╰── this is a list
     19 │   base: {image: x}
        ╰────
      help: leave the `- ` out
    "##);
}

#[test]
fn a_dependency_in_a_profile_that_is_not_active() {
    let files = &[(
        "compose.yml",
        "services:\n  web:\n    image: x\n    depends_on: [db]\n  db:\n    image: y\n    profiles: [data]\n",
    )];
    insta::assert_snapshot!(drawn(files), @r##"
    stackctl::compose::disabled_dependency

      × service `web` depends on `db`, which is left out
       ╭─[compose.yml:4:18]
     3 │     image: x
     4 │     depends_on: [db]
       ·                  ─┬
       ·                   ╰── depends on it
     5 │   db:
     6 │     image: y
     7 │     profiles: [data]
       ·                ──┬─
       ·                  ╰── in this profile, which is not active
       ╰────
      help: add `--profile data`, or say `required: false` of the dependency
    "##);
}

#[test]
fn all_services_in_profiles() {
    let files = &[("compose.yml", "services:\n  db:\n    image: y\n    profiles: [data]\n")];
    insta::assert_snapshot!(drawn(files), @r##"
    stackctl::compose::no_services

      ⚠ every service has profiles, and none of them is active
       ╭─[compose.yml:1:1]
     1 │ services:
       · ▲
       · ╰── nothing of this file is deployed
     2 │   db:
     3 │     image: y
     4 │     profiles: [data]
       ·                ──┬─
       ·                  ╰── not active
       ╰────
      help: make one active with `--profile NAME`, or all with `--profile '*'`
    "##);
}

#[test]
fn values_from_dotenv() {
    let files = &[
        ("compose.yml", "services:\n  web:\n    image: nginx:$TAG\n    environment: [PASSWORD]\n"),
        (".env", "# all of it\nTAG=1.2\nPASSWORD=hunter2\nUNUSED=x\n"),
    ];
    insta::assert_snapshot!(drawn(files), @r##"
    stackctl::compose::dotenv_used

      ☞ values come from `.env`: `TAG`, `PASSWORD`
       ╭─[.env:2:1]
     1 │ …
     2 │ TAG=…
       · ─┬─
       ·  ╰── set here
     3 │ PASSWORD=…
       ╰────
      help: `docker stack deploy` would not read it; name it with `--env-file` to silence this
    "##);
}

#[test]
fn a_dotenv_that_is_none() {
    let files = &[
        ("compose.yml", "services:\n  web:\n    image: nginx\n"),
        (".env", "TAG=1.2\nSECRET WORD=hunter2\n"),
    ];
    insta::assert_snapshot!(drawn(files), @r##"
    stackctl::compose::bad_env_file

      × not a file of variables
       ╭─[.env:2:1]
     1 │ …
     2 │ …
       · ┬
       · ╰── a blank in a name
       ╰────
      help: one `NAME=value` a line; values are not shown here
    "##);
}

#[test]
fn two_ways_to_say_it() {
    let files = &[(
        "compose.yml",
        "services:\n  web:\n    image: nginx\n    cpus: 1\n    mem_limit: lots\n    scale: 2\n    deploy:\n      replicas: 3\n      resources:\n        limits: {cpus: '0.5'}\n",
    )];
    insta::assert_snapshot!(drawn(files), @r##"
      × 3 mistakes in `compose.yml`

    Error: stackctl::compose::two_values

      × `cpus` and `deploy.resources.limits.cpus` contradict each other
       ╭─[compose.yml:4:5]
     3 │     image: nginx
     4 │     cpus: 1
       ·     ──┬─
       ·       ╰── this one
     5 │     mem_limit: lots
       ╰────
        ╭─[compose.yml:10:18]
      9 │       resources:
     10 │         limits: {cpus: '0.5'}
        ·                  ──┬─
        ·                    ╰── and this one
        ╰────
      help: keep `deploy.resources.limits.cpus`

    Error: stackctl::compose::bad_size

      × `deploy.resources.limits.memory` of service `web` is not a size such as `512M`
       ╭─[compose.yml:5:16]
     4 │     cpus: 1
     5 │     mem_limit: lots
       ·                ──┬─
       ·                  ╰── a size begins with a number
     6 │     scale: 2
       ╰────

    Error: stackctl::compose::two_values

      × `scale` and `deploy.replicas` contradict each other
       ╭─[compose.yml:6:5]
     5 │     mem_limit: lots
     6 │     scale: 2
       ·     ──┬──
       ·       ╰── this one
     7 │     deploy:
     8 │       replicas: 3
       ·       ────┬───
       ·           ╰── and this one
     9 │       resources:
       ╰────
      help: keep `deploy.replicas`
    "##);
}

#[test]
fn a_platform_that_is_none() {
    let files = &[("compose.yml", "services:\n  web:\n    image: nginx\n    platform: amd64\n")];
    insta::assert_snapshot!(drawn(files), @r##"
    stackctl::compose::bad_platform

      × `platform` of service `web` is not a platform such as `linux/amd64`
       ╭─[compose.yml:4:15]
     3 │     image: nginx
     4 │     platform: amd64
       ·               ──┬──
       ·                 ╰── the system is `linux` or `windows`
       ╰────
    "##);
}

#[test]
fn a_long_env_file_with_mistakes() {
    let files = &[
        (
            "compose.yml",
            "services:\n  web:\n    image: nginx\n    env_file:\n      - path: a.env\n        format: yaml\n        requird: false\n      - required: true\n      - path: b.env\n      - 5\n",
        ),
        ("a.env", "A=1\n"),
        ("b.env", "A=1\nB=\"\n"),
    ];
    insta::assert_snapshot!(drawn(files), @r##"
      × 5 mistakes in `compose.yml`

    Error: stackctl::compose::unknown_word

      × `format` of an item of `env_file` cannot be `yaml`
       ╭─[compose.yml:6:17]
     5 │       - path: a.env
     6 │         format: yaml
       ·                 ──┬─
       ·                   ╰── not a value that this key allows
     7 │         requird: *****
       ╰────
      help: one of `raw`

    Error: stackctl::compose::unknown_key

      × unknown key `requird` in an item of `env_file`
       ╭─[compose.yml:7:9]
     6 │         format: yaml
     7 │         requird: *****
       ·         ───┬───
       ·            ╰── unknown here
     8 │       - required: true
       ╰────
      help: did you mean `required`?

    Error: stackctl::compose::missing_key

      × an item of `env_file` has no `path`
       ╭─[compose.yml:8:9]
     7 │         requird: *****
     8 │       - required: true
       ·         ────┬───
       ·             ╰── needs it
     9 │       - path: b.env
       ╰────
      help: add `path: …`

    Error: stackctl::compose::bad_env_file

      × `b.env` is not an environment file
        ╭─[compose.yml:9:15]
      8 │       - required: true
      9 │       - path: b.env
        ·               ──┬──
        ·                 ╰── line 2: a quote that is not closed
     10 │       - 5
        ╰────
      help: one `NAME=value` a line; `format: raw` takes values as they are

    Error: stackctl::compose::wrong_type

      × an item of `env_file` must be text
        ╭─[compose.yml:10:9]
      9 │       - path: b.env
     10 │       - 5
        ·         ┬
        ·         ╰── this is a number
        ╰────
    "##);
}

#[test]
fn what_is_not_honoured_yet() {
    let files = &[(
        "compose.yml",
        "services:\n  web:\n    image: nginx\n    depends_on:\n      db: {condition: service_started, restart: true}\n    deploy:\n      update_config:\n        failure_action: rollback\n        max_failure_ratio: 0.2\n        monitor: 10s\n      rollback_config:\n        monitor: 1s\n  db:\n    image: postgres\n    depends_on: {}\n    deploy:\n      update_config: {failure_action: pause, max_failure_ratio: 0}\n",
    )];
    insta::assert_snapshot!(drawn(files), @r##"
    stackctl::compose::not_yet

      ☞ `depends_on.db.restart` of service `web` has no effect yet
       ╭─[compose.yml:5:49]
     4 │     depends_on:
     5 │       db: {condition: service_started, restart: true}
       ·                                                 ──┬─
       ·                                                   ╰── a service restarts for changes of its own only
     6 │     deploy:
       ╰────
    "##);
}

#[test]
fn a_profile_that_no_service_has() {
    let files =
        &[("compose.yml", "services:\n  web:\n    image: nginx\n    profiles: [debug]\n  db: {image: pg}\n")];
    let project = Project { files, profiles: &["debgu"], ..Project::default() };
    insta::assert_snapshot!(project.drawn(), @r##"
    stackctl::compose::unknown_profile

      ⚠ no service has the profile `debgu`
      help: did you mean `debug`?
    "##);
}

#[test]
fn a_stack_without_a_name() {
    let files = &[("compose.yml", "services:\n  web:\n    image: nginx\n")];
    insta::assert_snapshot!(Project { files, name: None, ..Project::default() }.drawn(), @r##"
    stackctl::compose::no_stack_name

      × the stack has no name
      help: give one on the command line, or as `name` at the top of the file
    "##);
    let files = &[("compose.yml", "name: '-x'\nservices:\n  web:\n    image: nginx\n")];
    insta::assert_snapshot!(Project { files, name: None, ..Project::default() }.drawn(), @r##"
    stackctl::compose::bad_name

      × `-x` is not a name for a stack
       ╭─[compose.yml:1:7]
     1 │ name: '-x'
       ·       ──┬─
       ·         ╰── `-` is not allowed in a name here
     2 │ services:
       ╰────
    "##);
}

#[test]
fn an_env_file_that_is_missing() {
    let files = &[("compose.yml", "services:\n  web:\n    image: nginx\n")];
    let project = Project { files, env_files: &["/srv/app/none.env"], ..Project::default() };
    insta::assert_snapshot!(project.drawn(), @r##"
    stackctl::compose::unreadable_env_file

      × cannot read variables from `none.env`: there is no such file
      help: name another with `--env-file`
    "##);
}
