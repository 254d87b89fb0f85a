//! Diagnostics of single values as they are drawn: the words are part of the product, so they are reviewed
//! here.

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
     3 │     imge: *****
       ·     ──┬─
       ·       ╰── unknown here
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
       ·    ╰── unknown here
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
     4 │     image: *****
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
       ·                ╰── not defined above
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
       ╭─[stack.yml:2:1]
     1 │ services:
     2 │     web:
       · ──┬─
       ·   ╰── a tab
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
      help: write `true`: to YAML 1.2 `yes` is text
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
       ·                 ╰── not a value that this key allows
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
      help: did you mean `30s`?
    "##);
}

#[test]
fn a_duration_that_is_a_number() {
    let found = machine("services: {web: {image: nginx, stop_grace_period: 10}}");
    assert_eq!(
        found,
        r#"[{"severity":"error","code":"stackctl::compose::bad_duration","file":"stack.yml","line":1,"column":51,"message":"`stop_grace_period` of service `web` is not a duration such as `1m30s`","label":"a unit is missing","help":"did you mean `10s`?"}]"#
    );
}

#[test]
fn a_mapping_behind_a_dash() {
    let found = machine("services:\n  web:\n    image: nginx\n    environment:\n      - A: 1\n");
    assert!(found.contains("write `- A=…`, or leave all the dashes out and write `A: …`"), "{found}");
}

#[test]
fn a_flood_of_mistakes_is_capped_and_counted() {
    let text: String = (0..60).map(|n| format!("key{n}: 1\n")).collect();
    let report = super::load_all(&[("stack.yml", text.as_bytes())]).unwrap_err();
    assert_eq!((report.faults.len(), report.left_out), (60, 0));
    assert_eq!(report.to_string(), "60 mistakes in `stack.yml`, of which the first 50 are shown");
}

/// The report as a machine gets it.
fn machine(text: &str) -> String {
    let report = super::load_all(&[("stack.yml", text.as_bytes())]).unwrap_err();
    serde_json::to_string(&report.machine()).unwrap()
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
     4 │     command: **** **
       ·                   ─┬
       ·                    ╰── no name behind the `$`
       ╰────
      help: write `$$` for a dollar that is not a variable
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
     4 │     "evil\e[31m": *
       ·     ──────┬─────
       ·           ╰── unknown here
       ╰────
      help: remove it; notes of your own go under a key that starts with `x-`
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
     5 │       test: [****, **, ****************]
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
fn a_file_that_is_not_utf8() {
    insta::assert_snapshot!(drawn_all(&[("stack.yml", b"services:\n  web: \xff\n")]), @r##"
    stackctl::compose::not_utf8

      × the file is not UTF-8
       ╭─[stack.yml:2:8]
     1 │ services:
     2 │   web: ***
       ·        ▲
       ·        ╰── first bad byte
       ╰────
      help: save the file in UTF-8
    "##);
}
