//! Values of `environment` that look like passwords.

use super::{Project, load_all};
use crate::yaml::Report;

/// Names of the variables that are complained about.
fn found(environment: &str) -> Vec<String> {
    let text = format!("services:\n  web:\n    image: nginx\n    environment:\n{environment}");
    let loaded = load_all(&[("stack.yml", text.as_bytes())]).unwrap();
    let is_one = |code: &str| code.ends_with("::password_in_stackfile");
    let name = |message: &str| message.split('`').nth(1).unwrap_or_default().to_owned();
    loaded.notes.iter().filter(|note| is_one(&note.code)).map(|note| name(&note.message)).collect()
}

#[test]
fn what_the_file_itself_writes_is_found_by_name_and_by_form() {
    for line in [
        "POSTGRES_PASSWORD: hunter2",
        "PGPASSWORD: hunter2",
        "db_passwd: hunter2",
        "DB_PWD: hunter2",
        "GITHUB_TOKEN: hunter2",
        "DJANGO_SECRET_KEY: hunter2",
        "ENCRYPTION_KEY: hunter2",
        "AWS_SECRET_ACCESS_KEY: hunter2",
        "SECRET_KEY_BASE: hunter2",
        "DB_PASSWORD: 123456",
        "DB_PASSWORD2: hunter2",
        "URL: postgres://app:hunter2@db/x",
        "SSH: '-----BEGIN OPENSSH PRIVATE KEY-----'",
        "CI: ghp_0123456789abcdef",
        "PAY: sk_test_0123456789",
        "DB_PASSWORD: ${DB_PASSWORD:-hunter2}",
        "DB_PASSWORD: ${DB_PASSWORD-hunter2}",
    ] {
        assert_eq!(found(&format!("      {line}\n")).len(), 1, "{line}");
    }
    assert_eq!(found("      - A_PASSWORD=hunter2\n      - B=1\n"), ["A_PASSWORD"]);
}

#[test]
fn what_stands_elsewhere_is_nothing_or_is_no_password_is_not() {
    for line in [
        "POSTGRES_PASSWORD_FILE: /run/secrets/db",
        "POSTGRES_PASSWORD: ''",
        "POSTGRES_PASSWORD:",
        "POSTGRES_PASSWORD: ${HIDDEN}",
        "POSTGRES_PASSWORD: ${HIDDEN:?}",
        "POSTGRES_PASSWORD: ${NOT_SET:-${HIDDEN}}",
        "POSTGRES_PASSWORD: ${HIDDEN:-}",
        "POSTGRES_PASSWORD: ${HIDDEN:-none}",
        "DSN: ${HIDDEN:-none}",
        "URL: postgres://app:${HIDDEN}@db/x",
        "URL: https://host:8080/a@b",
        "ALLOW_EMPTY_PASSWORD: 'yes'",
        "MYSQL_RANDOM_ROOT_PASSWORD: 1",
        "TOKEN_TTL: 3600",
        "SECRET_NAME: db",
        "JWT_SECRET: /run/secrets/jwt",
        "KEY: value",
        "AUTHOR: ann",
    ] {
        assert_eq!(found(&format!("      {line}\n")), [""; 0], "{line}");
    }
    // The value of an environment file is not in the stackfile.
    let files = [
        ("compose.yml", "services:\n  web:\n    image: nginx\n    env_file: [app.env]\n"),
        ("app.env", "DB_PASSWORD=env\n"),
    ];
    let loaded = Project { files: &files, ..Project::default() }.load().unwrap();
    assert!(loaded.notes.iter().all(|note| !note.code.contains("password")), "{:?}", loaded.notes);
}

#[test]
fn a_name_that_is_listed_is_not_complained_about() {
    let text = "      TEST_TOKEN: a\n      OTHER_TOKEN: b\n    x-stackctl: {plain_values: [TEST_TOKEN]}\n";
    assert_eq!(found(text), ["OTHER_TOKEN"]);
}

#[test]
fn no_excerpt_shows_the_value() {
    let text = "services:\n  web:\n    image: nginx\n    environment:\n      A_PASSWORD: hunter2\n      B_PASSWORD: 'hünter3'\n";
    let loaded = load_all(&[("stack.yml", text.as_bytes())]).unwrap();
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor());
    let mut drawn = String::new();
    for note in &loaded.notes {
        handler.render_report(&mut drawn, note).unwrap();
    }
    assert!(!drawn.contains("nter") && drawn.contains("A_PASSWORD: *******"), "{drawn}");
    assert!(drawn.contains("its value stands in the stackfile") && drawn.contains("plain_values"), "{drawn}");
}

/// The place is beside each value, and on it.
#[test]
fn no_excerpt_shows_what_the_author_gives_to_programs_and_drivers() {
    let text = "\
services:
  web:
    image: nginx
    nope0: x
    labels: {a: s3cret}
    nope1: x
    command: serve --token s3cret
    nope2: x
    healthcheck: {test: curl -H s3cret, interval: 3s}
    nope3: x
    logging: {driver: x, options: {token: s3cret}}
    nope4: x
    environment: [A=s3cret, 'B=${C?no C}']
    env_file: [settings.env]
    nope5: x
    build: {context: ., args: {A: s3cret}}
    nope6: x
    annotations: {a: s3cret}
    nope7: x
    post_start: [{command: s3cret}]
volumes:
  v: {driver_opts: {o: password=s3cret}, nope8: x, labels: [a=s3cret]}
configs:
  c: {content: s3cret, nope9: x}
";
    let Err(report) = load_all(&[("stack.yml", text.as_bytes())]) else { panic!("it is full of mistakes") };
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor());
    let mut drawn = String::new();
    for note in report.faults.iter().chain(&report.notes) {
        handler.render_report(&mut drawn, note).unwrap();
    }
    assert!((0..=9).all(|n| drawn.contains(&format!("nope{n}"))), "{drawn}");
    assert!(!drawn.contains("s3cret"), "{drawn}");
    assert!(drawn.contains("env_file: [settings.env]") && drawn.contains("interval: 3s"), "{drawn}");
    assert!(drawn.contains("A=******"), "{drawn}");
}

/// No tree says where the values are, or the mistake keeps them out of it.
#[test]
fn no_excerpt_shows_a_value_where_a_mistake_hides_what_it_is() {
    let service = "services:\n  web:\n    image: nginx\n";
    for mistake in [
        "    environment:\n      PASSWORD: hunter2\n     nope: hunter2\n",
        "    environment:\n      nope: hunter2: hunter2\n",
        "    environment:\n      - nope=hunter2\n      A: hunter2\n",
        "    nope: {A: hunter2, B: [hunter2\n    tty: true\n",
        "    environment: {B: 1}\n    <<: {environment: {nope: hunter2}}\n    tyt: x\n",
        "    x-env: &e {A: hunter2}\n    environment: {<<: *e, A: b}\n    nope: x\n",
        "    environment: {<<: [hunter2, {nope: b}]}\n",
        "    nope: [\"hunter2]\n    command: hunter2\n",
        "    environment:\n      PASSWORD: hunter2\n    environment:\n      nope: hunter2\n",
        "    enviroment:\n      nope: hunter2\n",
        "    deploy:\n      environment:\n        nope: hunter2\n",
        "    args: {nope: hunter2}\n",
        "environment:\n  nope: hunter2\n",
        "nope: *unknown\n---\nA: hunter2\n",
    ] {
        let text = format!("{service}{mistake}");
        let Err(report) = load_all(&[("stack.yml", text.as_bytes())]) else { panic!("{text}") };
        let drawn = drawn(&report);
        assert!(drawn.contains("nope") && !drawn.contains("hunter2"), "{mistake}{drawn}");
    }
}

fn drawn(report: &Report) -> String {
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor());
    let mut drawn = String::new();
    for note in report.faults.iter().chain(&report.notes) {
        handler.render_report(&mut drawn, note).unwrap();
    }
    drawn
}

/// No known place has the values.
#[test]
fn no_excerpt_shows_a_value_below_a_key_that_is_unknown_or_of_the_author() {
    for text in [
        "service:\n  nope: {image: nginx, e: {A: hunter2}}\n",
        "config:\n  nope: {file: hunter2}\n",
        "services:\n  - nope: {e: hunter2}\n  - [hunter2]\n",
        "services:\n  nope: [A=hunter2]\n",
        "services:\n  web:\n    image: nginx\n    nope: 1\nconfigs:\n  c: {contents: hunter2}\n",
        "models:\n  nope: {model: a, runtime_flags: [--key, hunter2]}\nservices: {}\n",
        "x-a: &a\n  A: hunter2\nnope: 1\nservices:\n  web:\n    environment: {<<: *a, A: 1}\n",
        "x-a: &a\n  environment: {A: hunter2}\nnope: 1\nservices:\n  web: {<<: *a, environment: {A: 1}}\n",
        "x-a: [&a {image: 1, deploy: {labels: [hunter2]}}, hunter2]\nnope: 1\n",
        "services:\n  web:\n    image: nginx\n    nope: 1\n    x-a: {A: hunter2}\n",
        "nope: 1\n? {environment: hunter2}\n: 1\n",
        "nope: 1\n? [hunter2, a]\n",
        "nope: 1\n? environment: hunter2\n  b: hunter2\n: 1\n",
        "nope: 1\n? environment: hunter2\n  b: hunter2\n",
        "nope: 1\n? environment: hunter2\n  b: hunter2\n:\n",
        "nope: 1\n? - hunter2\n  - hunter2\n: - 1\n",
        "services:\n  web:\n    nope: 1\n    ? {environment: hunter2}\n    : 1\n",
        "services:\n  web:\n    image: nginx\n    deploy: {label: {nope: hunter2}}\n",
        "services:\n  web:\n    image: nginx\n    deploy: {nope: 1, label: hunter2, resources: {limit: [hunter2]}}\n",
        "services:\n  web:\n    image: nginx\n    volumes: [{type: volume, nope: {A: hunter2}}]\n",
        "services:\n  web:\n    image: nginx\n    networks: {front: {nope: 1, driver_opt: [hunter2]}}\n",
        // Before a mistake for which nothing else of the file is looked at.
        "services:\n  web:\n    image: ${nope?hunter3}\n    deploy: {label: {a: hunter2}}\n",
    ] {
        let Err(report) = load_all(&[("stack.yml", text.as_bytes())]) else { panic!("{text}") };
        let drawn = drawn(&report);
        assert!(drawn.contains("nope") && !drawn.contains("hunter2"), "{text}{drawn}");
    }
    // What names something, and is no secret, stays.
    let text = "1: 2\nx-a: &a\n  deploy: {replicas: 2}\nnope: 1\nservices: {web: {<<: *a}}\n";
    let Err(report) = load_all(&[("stack.yml", text.as_bytes())]) else { panic!("{text}") };
    let drawn = drawn(&report);
    assert!(drawn.contains("1: *") && drawn.contains("deploy: {replicas: 2}"), "{drawn}");
    let text = "services:\n  web:\n    image: nginx\n    depends_on: {db: {condition: x, nope: 1}}\n    sysctls: {a.b: 7}\n";
    let Err(report) = load_all(&[("stack.yml", text.as_bytes())]) else { panic!("{text}") };
    let drawn = self::drawn(&report);
    assert!(
        drawn.contains("depends_on: {db: {condition: x, nope: *}}") && drawn.contains("a.b: 7"),
        "{drawn}"
    );
}

/// Where a value itself is at fault, its message says what to write without quoting it.
#[test]
fn no_message_or_help_quotes_a_value_that_is_hidden() {
    let service = "services:\n  web:\n    image: nginx\n";
    for (mistake, help) in [
        ("    command: [redis-server, --requirepass, 12345678]\n", "put it in quotes"),
        ("    entrypoint: [redis-server, --requirepass, 12345678.5]\n", "put it in quotes"),
        ("    healthcheck: {test: [CMD, 12345678]}\n", "put it in quotes"),
        ("configs:\n  c: {content: 12345678}\n", "put it in quotes"),
        ("    post_start: 12345678\n", "not supported"),
        ("    environment:\n      - PASSWORD=12345678: a\n", "write `- KEY=…`"),
        ("    environment:\n      PASSWORD=12345678: [a]\n", "must be text"),
        ("    command: [a, --password 12345678: a]\n", "must be text"),
    ] {
        let text = format!("{service}{mistake}");
        let Err(report) = load_all(&[("stack.yml", text.as_bytes())]) else { panic!("{text}") };
        let drawn = drawn(&report);
        assert!(drawn.contains(help) && !drawn.contains("12345678"), "{text}{drawn}");
    }
}

/// Without quotes such a text is an alias, a tag or an anchor to YAML.
#[test]
fn no_diagnostic_shows_a_value_that_begins_with_a_sign_of_yaml() {
    let service = "services:\n  web:\n    image: nginx\n    nope: 1\n";
    for value in [
        "*hunter2",
        "!hunter2",
        "&hunter2",
        "&a !hunter2",
        "!hunter2 a",
        "&hunter2 a",
        "!hunter2 ''",
        "&a\n        !hunter2",
    ] {
        for place in [
            "environment:\n      PASSWORD: VALUE\n      nope: 1\n",
            "environment:\n      - VALUE\n      - nope\n",
            "environment: {PASSWORD: VALUE, nope: 1}\n",
            "command: VALUE\n",
            "command: [nope, VALUE]\n",
            "labels:\n      nope: 1\n      PASSWORD: VALUE\nconfigs:\n  nope: 1\n",
            "lables: {PASSWORD: VALUE}\n",
        ] {
            let text = format!("{service}    {}", place.replace("VALUE", value));
            let Err(report) = load_all(&[("stack.yml", text.as_bytes())]) else { panic!("{text}") };
            let drawn = drawn(&report);
            assert!(drawn.contains("nope") && !drawn.contains("hunter2"), "{text}{drawn}");
        }
    }
    // A name elsewhere is none of a value.
    for (text, shown) in [
        ("services:\n  web: {image: *img}\n", "no anchor `&img`"),
        ("services:\n  web: {image: !img}\n", "unknown tag `!img`"),
        (
            "x-e: &common {A: 1}\nservices:\n  web: {image: a, environment: *comon}\n",
            "did you mean `*common`",
        ),
    ] {
        let Err(report) = load_all(&[("stack.yml", text.as_bytes())]) else { panic!("{text}") };
        assert!(drawn(&report).contains(shown), "{}", drawn(&report));
    }
}

/// A key is known by the mapping that it stands in, not by its name alone.
#[test]
fn no_excerpt_shows_what_stands_at_a_wrong_place() {
    let service = "services:\n  web:\n    image: nginx\n    nope: 1\n";
    for (place, shown) in [
        ("    logging: {driver: splunk, option: {splunk-token: hunter2}}\n", "driver: splunk"),
        ("    healthcheck: {tests: [CMD, mysqladmin, -phunter2], interval: 3s}\n", "interval: 3s"),
        ("    test: [CMD, mysqladmin, -phunter2]\n    hostname: a\n", "hostname: a"),
        ("    healthcheck:\n    test: hunter2\n    hostname: a\n", "hostname: a"),
        ("    healthcheck: [CMD, hunter2]\n    hostname: a\n", "hostname: a"),
        ("    path: hunter2\n    hostname: a\n", "hostname: a"),
        ("    deploy: {replicas: 2, driver: [hunter2], restart_policy: hunter2}\n", "replicas: 2"),
        ("    deploy: {replicas: 2, resources: {limits: {a: hunter2, image: hunter2}}}\n", "replicas: 2"),
        ("    ports: [{target: 80, content: hunter2}]\n", "target: 80"),
        ("    hostname: {path: hunter2}\n    dns: [{a: hunter2}, 1.1.1.1]\n", "1.1.1.1"),
        ("    networks: {a: {aliases: [b], source: hunter2}}\n", "aliases: [b]"),
        ("volumes:\n  v: {name: w, target: hunter2}\n", "name: w"),
        ("secrets:\n  a: hunter2\n  b: {file: c}\n", "file: c"),
        ("x-a: {driver: x, path: hunter2}\nx-b: {deploy: {replicas: 2, driver: hunter2}}\n", "replicas: 2"),
        ("x-a: {test: [CMD, hunter2], interval: 3s}\n", "interval: 3s"),
    ] {
        let text = format!("{service}{place}");
        let Err(report) = load_all(&[("stack.yml", text.as_bytes())]) else { panic!("{text}") };
        let page = miette::Diagnostic::source_code(&report.faults[0]).unwrap();
        let all = page.read_span(&(0, text.len()).into(), 0, 0).unwrap();
        let page = String::from_utf8_lossy(all.data()).into_owned();
        assert!(page.contains(shown) && !page.contains("hunter2"), "{text}{page}");
        assert!(!drawn(&report).contains("hunter2"), "{text}");
    }
    // Each key of the author's own is looked at once, however deep.
    let deep = format!("{}1{}", "{x-a: ".repeat(60), "}".repeat(60));
    assert!(load_all(&[("stack.yml", format!("x-a: {deep}\nnope: 1\n").as_bytes())]).is_err());
}
