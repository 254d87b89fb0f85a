//! What the targets begin with.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Every way to write something that the samples do not have.
const FORMS: &str = include_str!("forms.yml");

/// The forms, the sample stacks, and the corpus if it is at hand.
pub fn files() -> Vec<Vec<u8>> {
    let mut files = vec![FORMS.as_bytes().to_vec()];
    let mut paths = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks"), &mut paths);
    if let Some(corpus) = std::env::var_os("STACKCTL_CORPUS") {
        collect(Path::new(&corpus), &mut paths);
    }
    paths.sort();
    files.extend(paths.iter().filter_map(|path| std::fs::read(path).ok()));
    files
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|ext| ext == "yml" || ext == "yaml") {
            paths.push(path);
        }
    }
}

/// A large file in which nothing is unusual: what others are compared with.
pub fn plain() -> String {
    let mut text = "services:\n".to_owned();
    for at in 0..2_000 {
        write!(
            text,
            "  s{at}:\n    image: example/s{at}:1\n    environment: {{A: a, B: \"{at}\"}}\n    ports: [\"{}:80\"]\n    \
             volumes: [\"data:/data\"]\n    labels: {{team: a}}\n    deploy: {{replicas: 2}}\n",
            10_000 + at,
        )
        .expect("a string takes it");
    }
    text.push_str("volumes: {data: {}}\n");
    text
}

pub fn interpolation() -> Vec<Vec<u8>> {
    [
        "$A ${B} $$ ${C:-d} ${C-d} ${A:?m} ${A?m} ${A:+y} ${A+y}",
        "${A:-${B:-${C:-d}}}/${D:+$E-${F}}",
        "a$TAG-alpine ${X:-a$$b} ${Y:-}}",
        "export A=1\nB='x # $A'\nC=\"x\\n$A ${B:-\\\"q\\\"}\" # c\nD\nE: 1\n\nF=a b # c\n",
        "A='one\ntwo'\nB=\"three\n${A}\"\n\u{feff}C=1\r\n",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([twice(40)])
    .map(String::into_bytes)
    .collect()
}

/// Variables of which each is twice the one before.
fn twice(many: usize) -> String {
    let mut text = "B0=xxxxxxxxxxxxxxxx\n".to_owned();
    for n in 1..=many {
        writeln!(text, "B{n}=${{B{0}}}${{B{0}}}", n - 1).expect("a string takes it");
    }
    text
}

/// Small files that ask for much, in each way that there is.
pub fn bombs() -> Vec<Vec<u8>> {
    let long = "x".repeat(20_000);
    let many = |line: &dyn Fn(usize) -> String| (0..5_000).map(line).collect::<String>();
    let within: String = (0..60).map(|n| format!("&a{n} [")).collect();
    [
        twice(40),
        format!("x-a: &a {long}\nx-b:\n{}services: {{a: {{image: x}}}}\n", many(&|_| "- *a\n".to_owned())),
        format!("x-a: &a {{b: {long}}}\nx-b:\n{}", many(&|_| "- {<<: *a}\n".to_owned())),
        format!("x-b: {within}{}{}", "{a: b}, ".repeat(10_000), "]".repeat(60)),
        format!(
            "services:\n  a: {{image: x, labels: {{a: {long}}}}}\n{}",
            many(&|n| format!("  s{n}: {{extends: a}}\n"))
        ),
        format!("services:\n{}", many(&|n| format!("  s{n}: {{image: x, env_file: self}}\n"))),
        format!("services:\n{}", many(&|n| format!("  s{n}: {{image: x, env_file: [{{path: self}}]}}\n"))),
        format!("services:\n{}", many(&|n| format!("  s{n}: {{image: x, environment: [LONG]}}\n"))),
        format!("services:\n{}", many(&|n| format!("  s{n}: {{image: 'x:${{LONG}}${{LONG:+y}}'}}\n"))),
        format!(
            "services: {{a: {{image: x}}}}\nconfigs:\n{}",
            many(&|n| format!("  c{n}: {{file: self}}\n"))
        ),
        format!(
            "services: {{a: {{image: x}}}}\ninclude:\n{}x-a: {long}\n",
            many(&|_| "- a.yml\n".to_owned())
        ),
        format!(
            "services:\n  a:\n    image: x\n    deploy: {{labels: {{a: {long}}}}}\n    environment:\n{}",
            many(&|n| format!("      E{n}: '{{{{.Service.Labels.a}}}}'\n"))
        ),
    ]
    .map(String::into_bytes)
    .to_vec()
}

pub fn short_forms() -> Vec<Vec<u8>> {
    [
        "8080:80/tcp",
        "127.0.0.1:8000-8010:80-90/udp",
        "[::1]:80:80",
        "9000-9001",
        "::1::80",
        "1-65535:80",
        "data:/var/lib:ro,nocopy",
        "./x:/y:rshared",
        r"C:\a:D:\b:ro",
        "~/x:/y:z",
        "/only",
        "512M",
        "1.5GiB",
        "0.5",
        "1h30m10.5s",
        "1d",
        "CAP_NET_ADMIN",
        "sh -c 'echo \"a b\"' # c",
        "/dev/a:/dev/b:rwm",
        "db:10.0.0.5",
        "host=[::1]",
        "A=1\nB\n# c\n C=2",
        "node.labels.zone != a-b",
        "node.ip == 10.0.0.0/8",
        "{{.Node.Hostname}}-{{ .Task.Slot }}",
        "{{index .Service.Labels \"a\"}}",
        "registry:5000/a/b:tag@sha256:0123456789012345678901234567890123456789012345678901234567890123",
        "linux/arm64/v8",
        "a.b.c/d_e:1.0",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Files at the limits, each wide in one place.
pub fn wide() -> Vec<(&'static str, String)> {
    const MANY: usize = 48_000;
    // As many as are read: a file of more is refused, and soon.
    let list = |head: &str, item: &dyn Fn(usize) -> String| {
        let mut many = MANY;
        loop {
            let mut text = head.to_owned();
            for n in 0..many {
                let _ = writeln!(text, "{}", item(n));
            }
            if many < 2 || crate::targets::is_read(&text) {
                return text;
            }
            many -= many / 8;
        }
    };
    let service = |key: &str, item: &dyn Fn(usize) -> String| {
        list(&format!("services:\n  a:\n    image: x\n    {key}:\n"), &|n| format!("      {}", item(n)))
    };
    vec![
        ("services", list("services:\n", &|n| format!("  s{n}: {{image: x}}"))),
        ("services without image", list("services:\n", &|n| format!("  s{n}: {{}}"))),
        ("services with a typo", list("services:\n", &|n| format!("  s{n}: {{imag: x}}"))),
        (
            "services of one port",
            list("services:\n", &|n| format!("  s{n}: {{image: x, ports: ['80:{}']}}", n % 60_000 + 1)),
        ),
        (
            "services that extend one",
            list("services:\n  a: {image: x}\n", &|n| format!("  s{n}: {{extends: a}}")),
        ),
        (
            "services that wait for one",
            list("services:\n  a: {image: x}\n", &|n| format!("  s{n}: {{image: x, depends_on: [a]}}")),
        ),
        (
            "services that wait in a row",
            list("services:\n  s0: {image: x}\n", &|n| {
                format!("  s{}: {{image: x, depends_on: [s{n}]}}", n + 1)
            }),
        ),
        (
            "services that wait for nobody",
            list("services:\n", &|n| format!("  s{n}: {{image: x, depends_on: [b{n}]}}")),
        ),
        ("services in profiles", list("services:\n", &|n| format!("  s{n}: {{image: x, profiles: [p{n}]}}"))),
        ("unknown keys", list("services:\n  a:\n    image: x\n", &|n| format!("    imagen{n}: x"))),
        ("unknown keys at the top", list("", &|n| format!("servces{n}: x"))),
        ("own keys", list("services: {a: {image: x}}\n", &|n| format!("x-{n}: x"))),
        ("one key over and over", list("services:\n  a:\n    image: x\n", &|_| "    image: x".to_owned())),
        ("environment", service("environment", &|n| format!("E{n}: x"))),
        ("environment as a list", service("environment", &|n| format!("- E{n}=x"))),
        ("unset variables", service("environment", &|n| format!("E{n}: $V{n}"))),
        ("missing variables", service("environment", &|n| format!("E{n}: '${{V{n}:?m}}'"))),
        ("bad variables", service("environment", &|n| format!("E{n}: '${{V{n}'"))),
        ("bad templates", service("environment", &|n| format!("E{n}: '{{{{.Nod{n}}}}}'"))),
        ("labels", service("labels", &|n| format!("l{n}: x"))),
        ("reserved labels", service("labels", &|n| format!("io.stackctl.l{n}: x"))),
        ("ports", service("ports", &|n| format!("- '{}:{}'", n + 1, n + 1))),
        ("one port over and over", service("ports", &|n| format!("- '80:{}'", n + 1))),
        (
            "long ports",
            service("ports", &|n| format!("- {{target: {}, published: {}, mode: host}}", n + 1, n + 1)),
        ),
        ("bad ports", service("ports", &|n| format!("- 'x{n}'"))),
        ("volumes", service("volumes", &|n| format!("- /a{n}:/b{n}"))),
        ("undefined volumes", service("volumes", &|n| format!("- a{n}:/b{n}"))),
        ("one target over and over", service("volumes", &|n| format!("- /a{n}:/b"))),
        ("networks", service("networks", &|n| format!("- n{n}"))),
        ("long networks", service("networks", &|n| format!("n{n}: {{aliases: [a]}}"))),
        ("dependencies", service("depends_on", &|n| format!("- n{n}"))),
        ("long dependencies", service("depends_on", &|n| format!("n{n}: {{condition: service_healthy}}"))),
        ("ulimits", service("ulimits", &|n| format!("n{n}: 1"))),
        ("long ulimits", service("ulimits", &|n| format!("n{n}: {{soft: 1, hard: 1}}"))),
        ("sysctls", service("sysctls", &|n| format!("n{n}: 1"))),
        ("hosts", service("extra_hosts", &|n| format!("- n{n}:10.0.0.1"))),
        ("hosts as a mapping", service("extra_hosts", &|n| format!("n{n}: 10.0.0.1"))),
        ("capabilities", service("cap_add", &|n| format!("- C{n}"))),
        ("configs of a service", service("configs", &|n| format!("- c{n}"))),
        ("secrets of a service", service("secrets", &|n| format!("- c{n}"))),
        ("one target of configs", service("configs", &|n| format!("- {{source: c{n}, target: /t}}"))),
        (
            "one target in many ways",
            service("configs", &|n| format!("- {{source: c, target: /{}t}}", "./".repeat(n % 900))),
        ),
        (
            "targets below one another",
            service("configs", &|n| format!("- {{source: c, target: /t{}}}", "/t".repeat(n % 900))),
        ),
        ("environment files", service("env_file", &|n| format!("- none{n}.env"))),
        (
            "constraints",
            list(
                "services:\n  a:\n    image: x\n    deploy:\n      placement:\n        constraints:\n",
                &|n| format!("        - node.labels.l{n} == a"),
            ),
        ),
        (
            "bad constraints",
            list(
                "services:\n  a:\n    image: x\n    deploy:\n      placement:\n        constraints:\n",
                &|n| format!("        - nod.labels.l{n} == a"),
            ),
        ),
        ("volumes at the top", list("services: {a: {image: x}}\nvolumes:\n", &|n| format!("  v{n}:"))),
        ("networks at the top", list("services: {a: {image: x}}\nnetworks:\n", &|n| format!("  v{n}:"))),
        (
            "secrets at the top",
            list("services: {a: {image: x}}\nsecrets:\n", &|n| format!("  v{n}: {{external: true}}")),
        ),
        (
            "configs at the top",
            list("services: {a: {image: x}}\nconfigs:\n", &|n| format!("  v{n}: {{content: a}}")),
        ),
        ("aliases", list("x-a: &a {b: 1}\nservices: {a: {image: x}}\nx-b:\n", &|_| "- *a".to_owned())),
        ("merges", list("x-a: &a {b: 1}\nx-b:\n  <<:\n", &|_| "  - *a".to_owned())),
        ("anchors", list("x-b:\n", &|n| format!("- &a{n} x"))),
        (
            "anchors in one another",
            format!("x-b: {}x{}", (0..60).map(|n| format!("&a{n} [")).collect::<String>(), "]".repeat(60)),
        ),
        ("unknown anchors", list("x-b:\n", &|n| format!("- *a{n}"))),
        ("tags", list("x-b:\n", &|n| format!("- !t{n} x"))),
        ("includes", list("services: {a: {image: x}}\ninclude:\n", &|n| format!("- f{n}.yml"))),
        ("one long line", format!("services: {{a: {{image: x, command: '{}'}}}}", "a ".repeat(100_000))),
        (
            "one long list in a line",
            format!("services: {{a: {{image: x, command: [{}]}}}}", "a,".repeat(MANY)),
        ),
        (
            "mistakes in a long line",
            format!(
                "services: {{{}}}",
                (0..10_000).map(|n| format!("s{n}: {{image: X}},")).collect::<String>()
            ),
        ),
        ("blank lines", format!("services:{}  a: {{image: X}}", "\n".repeat(1_000_000))),
        ("commands of many words", service("command", &|n| format!("- w{n}"))),
        (
            "ranges of ports",
            list("services:\n  a:\n    image: x\n    ports:\n", &|_| "    - '1-65535:1-65535'".to_owned()),
        ),
    ]
}
