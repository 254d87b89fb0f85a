//! What a hostile or a broken file can do to us: nothing. How long it takes is held to in `tests/fuzz`.

use super::{Project, drawn_all, load_all};
use crate::yaml::Report;

/// The codes of what is wrong, each once, without what is before the last colon.
fn codes(result: Result<super::Loaded, Report>) -> Vec<String> {
    let mut codes: Vec<String> = match result {
        Ok(_) => return Vec::new(),
        Err(report) => report.faults.into_iter().map(|fault| fault.code).collect(),
    };
    codes.dedup();
    codes.iter().map(|code| code.rsplit(':').next().unwrap_or_default().to_owned()).collect()
}

fn alone(bytes: &[u8]) -> Vec<String> {
    codes(load_all(&[("a.yml", bytes)]))
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "x0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        text.push_str(&format!("x{n}: &a{n} [{}]\n", format!("*a{}, ", n - 1).repeat(10)));
    }
    assert_eq!(alone(text.as_bytes()), ["too_many_nodes"]);
}

#[test]
fn deep_nesting_is_refused() {
    assert_eq!(alone(format!("x-a: {}", "[".repeat(10_000)).as_bytes()), ["yaml_syntax"]);
    assert_eq!(alone(format!("x-a: {}", "{a: ".repeat(10_000)).as_bytes()), ["yaml_syntax"]);
    assert_eq!(alone("- ".repeat(10_000).as_bytes()), ["yaml_syntax"]);
    let deep = format!("{}{}", "${A:-".repeat(5_000), "}".repeat(5_000));
    assert_eq!(
        alone(format!("services: {{a: {{image: x, labels: {{a: '{deep}'}}}}}}").as_bytes()),
        ["bad_variable"]
    );
}

#[test]
fn a_huge_file_is_refused() {
    let mut text = b"services: {a: {image: x}}\n".to_vec();
    text.resize((16 << 20) + 1, b'#');
    assert_eq!(alone(&text), ["too_large"]);
}

#[test]
fn a_service_that_is_extended_without_end_is_refused() {
    let mut text = "services:\n  base:\n    image: x\n    labels:\n".to_owned();
    for n in 0..20_000 {
        text.push_str(&format!("      l{n}: x\n"));
    }
    for n in 0..5_000 {
        text.push_str(&format!("  s{n}: {{extends: base}}\n"));
    }
    assert_eq!(alone(text.as_bytes()), ["too_many_values"]);
    let mut text = "services:\n  s0: {image: x}\n".to_owned();
    for n in 1..1_000 {
        text.push_str(&format!("  s{n}: {{extends: s{}}}\n", n - 1));
    }
    // In the order of the file each finds its base ready; the other way round they go too deep.
    assert_eq!(alone(text.as_bytes()), [""; 0]);
    let back: Vec<&str> = text.lines().rev().filter(|line| *line != "services:").collect();
    assert_eq!(alone(format!("services:\n{}\n", back.join("\n")).as_bytes()), ["extends_too_deep"]);
}

#[test]
fn includes_without_end_are_refused() {
    let names: Vec<String> = (0..600).map(|n| format!("f{n}.yml")).collect();
    let deep: Vec<String> = (1..=600).map(|n| format!("include: [f{n}.yml, f{n}.yml]")).collect();
    let mut files: Vec<(&str, &str)> =
        names.iter().zip(&deep).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files.push(("compose.yml", "include: [f0.yml]\nservices: {a: {image: x}}"));
    let found = codes(Project { files: &files, ..Project::default() }.load());
    assert_eq!(found, ["too_many_values", "include_too_deep"]);

    let all = format!("include: [{}]\nservices: {{a: {{image: x}}}}", names.join(", "));
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "services: {}")).collect();
    files.push(("compose.yml", &all));
    assert_eq!(codes(Project { files: &files, ..Project::default() }.load()), ["too_many_files"]);
}

#[test]
fn ranges_of_ports_without_end_are_refused() {
    let lines = "    - '1-65535:1-65535'\n    - '1-65535:1-65535/udp'\n".repeat(1_000);
    let text = format!("services:\n  a:\n    image: x\n    ports:\n{lines}");
    assert_eq!(alone(text.as_bytes()), ["too_many_ports"]);
}

#[test]
fn services_may_wait_in_a_row_of_any_length() {
    let mut text = "services:\n  s00000: {image: x}\n".to_owned();
    for n in 1..20_000 {
        text.push_str(&format!("  s{n:05}: {{image: x, depends_on: [s{:05}]}}\n", n - 1));
    }
    // From the last to the first, too.
    let back: Vec<&str> = text.lines().rev().filter(|line| *line != "services:").collect();
    assert_eq!(alone(text[..text.len() / 2].rsplit_once('\n').unwrap().0.as_bytes()), [""; 0]);
    assert_eq!(
        warned(format!("services:\n{}\n", back[..10_000].join("\n")).as_bytes()),
        ["undefined_service"]
    );
}

/// Codes of what is said of a file that loads.
fn warned(bytes: &[u8]) -> Vec<String> {
    let loaded = load_all(&[("a.yml", bytes)]).expect("a file that loads");
    let mut codes: Vec<String> = loaded.notes.into_iter().map(|note| note.code).collect();
    codes.dedup();
    codes.iter().map(|code| code.rsplit(':').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn services_may_wait_in_a_circle_of_any_length_or_for_thousands_that_are_not_there() {
    let mut ring = "services:\n".to_owned();
    let mut lost = "services:\n".to_owned();
    for n in 0..10_000 {
        ring.push_str(&format!("  s{n:05}: {{image: x, depends_on: [s{:05}]}}\n", (n + 1) % 10_000));
        lost.push_str(&format!("  s{n:05}: {{image: x, depends_on: [t{n:05}]}}\n"));
    }
    assert_eq!(warned(ring.as_bytes()), ["dependency_cycle"]);
    assert_eq!(warned(lost.as_bytes()), ["undefined_service"]);
}

#[test]
fn bytes_that_are_not_text_are_pointed_at_in_every_file() {
    assert_eq!(alone(b"services: {a: {image: \xff}}"), ["not_utf8"]);
    struct Raw;
    impl crate::compose::Files for Raw {
        fn read(&self, path: &str) -> std::io::Result<Vec<u8>> {
            match path {
                "/p/.env" => Ok(b"A=secret\nB=\xfe\n".to_vec()),
                "/p/a.env" | "/p/c.yml" => Ok(b"B=\xfe\n".to_vec()),
                _ => Err(std::io::ErrorKind::NotFound.into()),
            }
        }
    }
    let options = crate::compose::Options {
        stack: crate::compose::Stack::Given(&crate::model::StackName::unchecked("app")),
        project_dir: "/p",
        home: None,
        env: &|_| None,
        files: &Raw,
        env_files: None,
        profiles: &[],
        reading: crate::compose::Reading::Ours,
        variables: crate::compose::Variables::Fill,
        secrets: crate::compose::SecretFiles::default(),
    };
    let text = "include: [c.yml]\nservices: {a: {image: x, env_file: a.env}, b: {image: x, env_file: [{path: a.env}]}}";
    let source = crate::yaml::SourceText { name: "a.yml".into(), bytes: text.into() };
    let result = crate::compose::load(vec![source], &options);
    let places: Vec<(String, usize)> =
        result.as_ref().unwrap_err().faults.iter().map(|fault| (fault.file.clone(), fault.line)).collect();
    let place = |file: &str, line| (file.to_owned(), line);
    assert_eq!(places, [place("a.yml", 2), place("a.yml", 2), place(".env", 2), place("c.yml", 1)]);
    assert!(!super::draw(result).contains("secret"));
}

#[test]
fn byte_order_marks_and_windows_line_ends_change_nothing() {
    let plain = "services:\n  a:\n    image: x\n    command: |\n      one\n      two\n    environment:\n      - A=1\n";
    let windows = format!("\u{feff}{}", plain.replace('\n', "\r\n"));
    let spec = |text: &str| load_all(&[("a.yml", text.as_bytes())]).unwrap_or_else(|_| panic!()).spec;
    assert_eq!(spec(plain), spec(&windows));
    let files = &[
        ("compose.yml", "services: {a: {image: 'x:$T', env_file: a.env}}"),
        (".env", "\u{feff}T=1\r\n"),
        ("a.env", "\u{feff}A=1\r\nB=2\r\n"),
    ];
    let spec = Project { files, ..Project::default() }.loaded().spec;
    let a = &spec.services["a"].task;
    let values: Vec<_> = a.environment.values().flatten().map(String::as_str).collect();
    assert_eq!((a.image.as_str(), values), ("x:1", vec!["1", "2"]));
}

/// Wherever text of a file may end up in a message.
#[test]
fn no_message_commands_a_terminal() {
    let bad = "a\u{1b}[2J\u{9b}31m\u{202e}\u{7f}";
    let quoted = "\"a\\x1b[2J\\x9b31m\\u202e\\x7f\"";
    let places = [
        "Q: 1",
        "services: {Q: {image: x}}",
        "services: {a: {image: Q, Q: 1}}",
        "services: {a: {image: x, ports: [Q, {target: Q, mode: Q}], volumes: [Q, 'a:Q', {type: Q, target: Q}]}}",
        "services: {a: {image: x, networks: [Q], depends_on: [Q], configs: [Q], secrets: [Q], extends: Q}}",
        "services: {a: {image: x, deploy: {placement: {constraints: [Q]}, mode: Q, update_config: {delay: Q}, labels: {Q: Q}}}}",
        "services: {a: {image: x, env_file: [Q, {path: Q, format: Q}], platform: Q, profiles: [Q], restart: Q}, b: {image: x, depends_on: [a]}}",
        "services: {a: {image: x, command: Q, extra_hosts: [Q], devices: [Q], tmpfs: [Q], dns: [Q], hostname: \"{{Q}}\", environment: {X: \"{{Q}}\"}}}",
        "include: [Q, {path: Q, env_file: Q}]\nservices: {a: {image: x, extends: {file: Q, service: Q}}}",
        "services: {a: {image: x, stop_grace_period: \"1s\u{202e}\", healthcheck: {interval: \"5\u{9b}\"}}}",
        "name: Q\nversion: Q\nservices: {a: {image: x, healthcheck: {test: [Q], interval: Q}, cpus: Q, mem_limit: Q, ulimits: {Q: Q}}}",
        "services: {a: {image: x, labels: {io.stackctl.Q: Q, com.docker.stack.namespace: Q}, environment: [{Q: Q}], x: *Q}}",
        "services: {a: !Q {image: x}}\nvolumes: {Q: {external: true, driver: Q}}\nnetworks: {n: {ipam: {config: [{subnet: Q}]}}}\nconfigs: {c: {file: Q}, d: {environment: Q}}",
        "services: {a: {image: '${Q}', labels: {a: '${A:?Q}', b: '$Q'}}}",
    ];
    for place in places {
        for with in [bad, quoted] {
            let text = place.replace('Q', with);
            let files: &[(&str, &[u8])] = &[(&format!("n{bad}.yml"), text.as_bytes())];
            let shown = drawn_all(files);
            let raw: Vec<char> =
                shown.chars().filter(|&c| c != '\n' && (c.is_control() || c == '\u{202e}')).collect();
            assert!(raw.is_empty(), "{raw:?} in what is said of {text:?}:\n{shown}");
            if let Ok(loaded) = load_all(files) {
                let merged = crate::compose::config::text(&loaded.merged, true);
                assert!(
                    merged.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')),
                    "{merged:?}"
                );
            }
        }
    }
}

/// A file that asks for more bytes than it has, and where it is told so.
fn excess(files: &[(&str, &str)], env: &[(&str, &str)]) -> (String, usize) {
    let report = Project { files, env, ..Project::default() }.load().expect_err("it comes to too much");
    let codes: Vec<&str> = report.faults.iter().map(|fault| fault.code.as_str()).collect();
    assert_eq!(codes, ["stackctl::compose::too_many_bytes"]);
    (report.faults[0].file.clone(), report.faults[0].line)
}

#[test]
fn variables_made_of_variables_are_refused_at_the_line() {
    let mut twice = "B0=xxxxxxxxxxxxxxxx\n".to_owned();
    for n in 1..=40 {
        twice.push_str(&format!("B{n}=${{B{0}}}${{B{0}}}\n", n - 1));
    }
    let web = "services: {web: {image: x, hostname: '${B40}'}}\n";
    assert_eq!(excess(&[("compose.yml", web), (".env", &twice)], &[]), (".env".to_owned(), 21));
    // Also if what is doubled is short of the limit for a value, and there are many.
    let wide: String = (0..2_000).map(|n| format!("C{n}=$B\n")).collect();
    let long = "x".repeat(100_000);
    let found = excess(&[("compose.yml", web), (".env", &wide)], &[("B", &long)]);
    assert_eq!(found, (".env".to_owned(), 336));
    // An environment file is read for each service that names it.
    let twice = ("a.env", twice.as_str());
    let web = "services:\n  web: {image: x, env_file: [{path: a.env}]}\n";
    assert_eq!(excess(&[("compose.yml", web), twice], &[]), ("compose.yml".to_owned(), 2));
    let mut many = "services:\n".to_owned();
    for n in 0..2_000 {
        many.push_str(&format!("  s{n}: {{image: x, env_file: a.env}}\n"));
    }
    let long = format!("A={}\n", "x".repeat(100_000));
    let found = excess(&[("compose.yml", &many), ("a.env", &long)], &[]);
    assert_eq!(found, ("compose.yml".to_owned(), 337));
}

#[test]
fn values_that_variables_make_too_long_are_refused_at_the_line() {
    let long = "x".repeat(100_000);
    let env = [("B", long.as_str())];
    let value = format!("services:\n  web:\n    image: x\n    labels: {{a: '{}'}}\n", "$B".repeat(168));
    assert_eq!(excess(&[("compose.yml", &value)], &env), ("compose.yml".to_owned(), 4));
    let mut all = "services:\n  web:\n    image: x\n    labels:\n".to_owned();
    for n in 0..500 {
        all.push_str(&format!("      l{n}: '{}'\n", "${B}".repeat(100)));
    }
    assert_eq!(excess(&[("compose.yml", &all)], &env), ("compose.yml".to_owned(), 11));
    // Looking a value up costs as much, if nothing comes of it.
    let asked = format!("services:\n  web:\n    image: x\n    labels: {{a: '{}'}}\n", "${B:+}".repeat(200));
    assert_eq!(excess(&[("compose.yml", &asked)], &env), ("compose.yml".to_owned(), 4));
    // And a name alone takes the caller's value.
    let mut alone = "services:\n".to_owned();
    for n in 0..2_000 {
        alone.push_str(&format!("  s{n}: {{image: x, environment: [B]}}\n"));
    }
    assert_eq!(excess(&[("compose.yml", &alone)], &env), ("compose.yml".to_owned(), 673));
}

#[test]
fn copies_of_a_long_text_are_refused_at_the_line() {
    let long = "x".repeat(100_000);
    let aliases = format!("x-a: &a {long}\nx-b:\n{}services: {{}}\n", "- *a\n".repeat(2_000));
    assert_eq!(excess(&[("compose.yml", &aliases)], &[]), ("compose.yml".to_owned(), 673));
    let merges = format!("x-a: &a {{b: {long}}}\nx-b:\n{}services: {{}}\n", "- {<<: *a}\n".repeat(2_000));
    assert_eq!(excess(&[("compose.yml", &merges)], &[]), ("compose.yml".to_owned(), 673));
    let within = (0..60).map(|n| format!("&a{n} [")).collect::<String>();
    let anchors = format!("x-a: {within}{}{}\n", long.repeat(20), "]".repeat(60));
    assert_eq!(excess(&[("compose.yml", &anchors)], &[]), ("compose.yml".to_owned(), 1));
    let mut extended = format!("services:\n  base: {{image: x, labels: {{a: {long}}}}}\n");
    for n in 0..2_000 {
        extended.push_str(&format!("  s{n}: {{extends: base}}\n"));
    }
    assert_eq!(excess(&[("compose.yml", &extended)], &[]), ("compose.yml".to_owned(), 674));
    let names: Vec<String> = (0..400).map(|n| format!("f{n}.yml")).collect();
    let included = format!("x-a: {}\nservices: {{}}\n", long.repeat(4));
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), &*included)).collect();
    let all = format!("include:\n- {}\nservices: {{a: {{image: x}}}}\n", names.join("\n- "));
    files.push(("compose.yml", &all));
    assert_eq!(excess(&files, &[]), ("compose.yml".to_owned(), 85));
    let mut configs = "services: {a: {image: x}}\nconfigs:\n".to_owned();
    for n in 0..2_000 {
        configs.push_str(&format!("  c{n:04}: {{file: long.txt}}\n"));
    }
    assert_eq!(
        excess(&[("compose.yml", &configs), ("long.txt", &long)], &[]),
        ("compose.yml".to_owned(), 674)
    );
}

#[test]
fn labels_in_templates_are_refused_at_the_line() {
    let (long, asked) = ("x".repeat(100_000), "{{index .Service.Labels \"a\"}}".repeat(200));
    let deploy = format!("deploy: {{labels: {{a: {long}}}}}");
    for key in ["hostname: 'Q'", "environment: {A: 'Q'}", "volumes: [{type: tmpfs, target: 'Q'}]"] {
        let asks = key.replace('Q', &asked);
        let text = format!("services:\n  web:\n    image: x\n    {deploy}\n    {asks}\n");
        assert_eq!(excess(&[("compose.yml", &text)], &[]), ("compose.yml".to_owned(), 5), "{key}");
    }
}

#[test]
fn a_large_project_is_within_the_budget() {
    let mut text =
        "x-common: &common {LOG: info, URL: 'postgres://db.example.com/$N'}\nservices:\n".to_owned();
    for n in 0..1_000 {
        text.push_str(&format!(
            "  s{n}:\n    image: x\n    environment: {{<<: *common, N: '{n}'}}\n    env_file: [{{path: a.env}}]\n"
        ));
    }
    let env: String = (0..100).map(|n| format!("V{n}=a value as people write them\n")).collect();
    Project { files: &[("compose.yml", &text), ("a.env", &env)], env: &[("N", "app")], ..Project::default() }
        .loaded();
}
