//! The walls of `src`, read from its text: who may name whom ([`map`]), where effects live, and what a file
//! must and must not hold. `.clippy.toml` guards the effects a second time, by resolved path.
#![allow(clippy::disallowed_methods, reason = "reads the sources")]

mod circles;
mod docs;
mod effects;
mod habits;
mod imports;
mod length;
mod map;
mod pages;
mod registries;
mod release;

use std::path::{Path, PathBuf};

use circles::Modules;
use imports::{crate_paths, has_word, without_comments};
use map::{Map, within};

/// Rooms without effects, and what they must not name.
const PURE: [&str; 9] =
    ["model", "yaml", "template", "diff", "orchestrator", "compose", "swarm", "vault", "sops"];
/// Parts of rooms without effects, and what their files may name.
const PURE_PARTS: ([&str; 2], [&str; 8]) = (
    ["reconcile/supervisor/", "ops/declared/"],
    [
        "reconcile::supervisor",
        "model",
        "orchestrator",
        "ledger",
        "ops::declared",
        "gitops::declaration",
        "discover::missing",
        "discover::DiscoverError",
    ],
);
/// Files without effects in rooms that have them; they may name whatever their room may.
const PURE_FILES: [&str; 6] = [
    "reconcile/intent.rs",
    "agent/wire.rs",
    "agent/desk.rs",
    "agent/program.rs",
    "fleet/agents/parcel.rs",
    "ops/agents/plan.rs",
];
const EFFECTS: [&str; 11] = [
    "tokio",
    "std::fs",
    "std::env",
    "std::process",
    "std::net::Tcp",
    "std::time::SystemTime",
    "std::time::Instant",
    "jiff::Timestamp::now",
    "bollard",
    "openssh::",
    "std::thread",
];

/// What only the room `http` uses: all other rooms use its client, server and streams.
const WIRE: [&str; 6] =
    ["hyper::client", "hyper::server", "hyper::upgrade", "hyper_util", "tokio_rustls", "tokio::net::Unix"];

const PRINTS: [&str; 4] = ["println!", "eprintln!", "print!", "eprint!"];
const UNFINISHED: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "FIXME"];
/// What changes hosts and records: `cli` has `ops` do it.
const HANDS: [&str; 3] = ["Executor", "RegisterReader", "RegisterWriter"];

/// What gives out the bytes of a secret (`src/model/plaintext.rs`).
const EXPOSES: [&str; 2] = [".expose(", "::expose"];
/// Files that may have them, and what for.
const EXPOSED: [(&str, &str); 22] = [
    ("agent/put.rs", "writes values for an agent into a request"),
    ("agent/secrets/store.rs", "writes values into memory for containers"),
    ("fleet/agents/secrets.rs", "fills templates with values"),
    ("compose/lower/secret_payloads.rs", "tries templates out"),
    ("compose/lower/variables.rs", "looks whether a value may be encrypted, and how long it is"),
    ("cli/config/store.rs", "reads configs as secrets are read, and they are none"),
    ("cli/ledger.rs", "writes and reads backups"),
    ("cli/registry.rs", "takes the first line of what a pipe brings"),
    ("cli/secret/edit.rs", "writes a value for the editor, into memory"),
    ("fleet/auth.rs", "sends a password to an engine"),
    ("fleet/registry.rs", "has a registry check a password"),
    ("ledger/sealed.rs", "reads values of releases that it has opened"),
    ("ops/vault/logins.rs", "keeps a password with its user in one value"),
    ("ops/vault/stack.rs", "opens files of secrets that are encrypted, and reads those that are templates"),
    ("ops/vault/private.rs", "writes the user's own key, and reads files of public ones"),
    ("stores/program.rs", "cuts the end of a line off, and keeps what was printed out of errors"),
    ("sops/cipher.rs", "decrypts with the key of a file's values"),
    ("sops/source.rs", "reads files, which may hold a secret as it is"),
    ("vault/authority.rs", "reads the key that signs certificates, and random bytes"),
    ("vault/cluster_key.rs", "makes digests of values, and reads the private halves that it has opened"),
    ("vault/keyring.rs", "reads private keys"),
    ("vault/sealing.rs", "encrypts"),
];

const LINES_MAX: usize = 700;
const FUNCTION_LINES_MAX: usize = 70;

/// Lines of `src` and of the README that may have a word of [`habits`]: where it really is the right one.
const HABITS_MAX: usize = 50;

/// Functions that may be longer, and why: file, name, reason. Five at most.
const LONG: [(&str, &str, &str); 2] = [
    (
        "model/marks.rs",
        "each_value",
        "names every field of a task, so that a new one does not compile until it is decided what it may hold",
    ),
    ("yaml/syntax.rs", "error", "a catalogue: one arm for each mistake that the parser knows, and its words"),
];
/// Circles of files that may be, and why.
const CIRCLES: [(&[&str], &str); 2] = [
    (
        &[
            "orchestrator/converge/back",
            "orchestrator/converge/judge",
            "orchestrator/converge/service",
            "orchestrator/converge/slot",
            "orchestrator/converge/verdict",
        ],
        "one `impl Converger` over five files, on purpose: each is a state machine that asks the others",
    ),
    (
        &["reconcile/supervisor/hosts", "reconcile/supervisor/term"],
        "one `impl Term` over two files, on purpose: a term is what the loop knows, and the hosts are a part of it",
    ),
];

/// A file of `src`.
struct Source {
    /// Its path below `src`.
    name: String,
    text: String,
}

impl Source {
    fn room(&self) -> &str {
        room(&self.name)
    }
}

/// The room that a file belongs to, by its path below `src`.
fn room(name: &str) -> &str {
    name.split('/').next().map(|room| room.trim_end_matches(".rs")).unwrap_or_default()
}

#[test]
fn the_sources_are_tidy() {
    let sources = sources();
    let map = Map::read(page(&sources));
    let mut faults = Vec::new();
    for source in &sources {
        let name = &source.name;
        faults
            .extend(check(name, &source.text, &map).into_iter().map(|fault| format!("src/{name}: {fault}")));
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_map_shows_the_rooms_and_what_they_name() {
    let sources = sources();
    let code: Vec<String> = sources.iter().map(|source| without_comments(&source.text)).collect();
    let files = sources.iter().zip(&code).map(|(source, code)| (source.room(), code.as_str()));
    let faults = Map::read(page(&sources)).faults(&map::named(files));
    assert!(faults.is_empty(), "the map in src/lib.rs:\n{}\n", faults.join("\n"));
}

/// What changes hosts is no part of the public API: a program that links this crate goes through `ops::release`, too.
#[test]
fn nobody_outside_can_bypass_the_transaction() {
    let sources = sources();
    for (file, line) in [
        ("fleet/mod.rs", "    pub(crate) fn executor(&self, stack: &StackName, key: &MarkKey) -> Executor {"),
        ("engine/mod.rs", "mod run;"),
        ("engine/mod.rs", "pub(crate) use run::{RunContext, RunOptions, run};"),
    ] {
        let source = sources.iter().find(|source| source.name == file).expect("it is there");
        assert!(source.text.lines().any(|there| there == line), "{file}: no `{line}`");
    }
}

#[test]
fn secrets_come_out_where_it_is_listed() {
    let sources = sources();
    let files = sources.iter().map(|source| (source.name.as_str(), source.text.as_str()));
    let faults = exposed(files, &EXPOSED.map(|(file, _)| file));
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Files that read the bytes of secrets and are not listed, and listed ones that do not. Unit tests may.
fn exposed<'t>(files: impl Iterator<Item = (&'t str, &'t str)>, listed: &[&str]) -> Vec<String> {
    let mut open = listed.to_vec();
    let mut faults = Vec::new();
    let is_test = |file: &str| file.ends_with("/tests.rs") || file.contains("/tests/");
    for (file, text) in files.filter(|(file, _)| !is_test(file)) {
        let code = without_comments(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
        if !EXPOSES.into_iter().any(|word| code.contains(word)) {
            continue;
        }
        match open.iter().position(|one| *one == file) {
            Some(at) => drop(open.swap_remove(at)),
            None => faults.push(format!(
                "src/{file}: reads the bytes of a secret: hand the `Plaintext` on, or list the file and say why"
            )),
        }
    }
    faults.extend(open.iter().map(|file| format!("src/{file}: reads no secret, take it from the list")));
    faults
}

#[test]
fn effects_are_where_clippy_is_told_they_are() {
    let settings = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".clippy.toml"));
    let sources = sources();
    let is_test = |name: &str| name.ends_with("/tests.rs") || name.contains("/tests/");
    let files = sources.iter().filter(|source| !is_test(&source.name));
    let files = files.map(|source| (source.room(), source.text.as_str()));
    let faults = effects::faults(files, &settings.expect("clippy's settings"));
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn no_files_of_a_room_go_round_in_a_circle() {
    let sources = sources();
    let files = sources.iter().map(|source| (source.name.as_str(), source.text.as_str()));
    let faults = unexpected(Modules::of(files).circles(), &CIRCLES.map(|(ring, _)| ring));
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Circles that are no exception, and exceptions that are no circle.
fn unexpected(circles: Vec<Vec<String>>, excepted: &[&[&str]]) -> Vec<String> {
    let is_same = |ring: &[String], names: &[&str]| ring.iter().map(String::as_str).eq(names.iter().copied());
    let mut faults = Vec::new();
    for ring in circles.iter().filter(|ring| !excepted.iter().any(|names| is_same(ring, names))) {
        faults.push(format!("{}: move what both need down, into a file of its own", ring.join(" ↔ ")));
    }
    for names in excepted.iter().filter(|names| !circles.iter().any(|ring| is_same(ring, names))) {
        faults.push(format!("{}: no circle any more, take the exception away", names.join(" ↔ ")));
    }
    faults
}

#[test]
fn no_function_is_too_long() {
    assert!(LONG.len() <= 5, "five exceptions are enough");
    let sources = sources();
    let files = sources.iter().map(|source| (source.name.as_str(), source.text.as_str()));
    let faults = long(files, &LONG.map(|(file, name, _)| (file, name)));
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Functions that are too long and no exception, and exceptions that are not too long.
fn long<'t>(files: impl Iterator<Item = (&'t str, &'t str)>, excepted: &[(&str, &str)]) -> Vec<String> {
    let mut open = excepted.to_vec();
    let mut faults = Vec::new();
    // Of tests only what they say counts: their tables and snapshots are as long as what they show.
    let is_test = |file: &str| file.ends_with("/tests.rs") || file.contains("/tests/");
    for (file, text) in files.filter(|(file, _)| !is_test(file)) {
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (name, lines) in length::too_long(text, FUNCTION_LINES_MAX) {
            match open.iter().position(|one| *one == (file, name.as_str())) {
                Some(at) => drop(open.swap_remove(at)),
                None => faults.push(format!(
                    "src/{file}: `{name}` has {lines} lines: cut it along its steps, {FUNCTION_LINES_MAX} is the most"
                )),
            }
        }
    }
    faults.extend(
        open.iter().map(|(file, name)| format!("src/{file}: `{name}` is short, take the exception away")),
    );
    faults
}

#[test]
fn public_items_have_docs() {
    let sources = sources();
    let is_test = |name: &str| name.ends_with("/tests.rs") || name.contains("/tests/");
    let mut faults = Vec::new();
    for Source { name, text } in sources.iter().filter(|source| !is_test(&source.name)) {
        for (line, item) in docs::undocumented(text) {
            faults.push(format!("src/{name}:{line}: `{item}` has no doc comment: say what it is for"));
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn sentences_name_who_acts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &["rs", "md"], &mut files);
    files.push(root.join("README.md"));
    let mut found = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("sources are text");
        let name = file.strip_prefix(root).expect("below the root").display();
        found.extend(habits::lines(&text).into_iter().map(|(at, line)| format!("{name}:{at}: {line}")));
    }
    assert!(
        found.len() <= HABITS_MAX,
        "\n{}\n{} lines, {HABITS_MAX} at most: name the user, the process or the lock holder\n",
        found.join("\n"),
        found.len()
    );
}

/// The page that the map is drawn on.
fn page(sources: &[Source]) -> &str {
    &sources.iter().find(|source| source.name == "lib.rs").expect("src/lib.rs").text
}

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of `src`, in order.
fn sources() -> Vec<Source> {
    let root = root().join("src");
    let mut files = Vec::new();
    collect(&root, &["rs"], &mut files);
    assert!(files.len() > 50, "only {} sources were found", files.len());
    files.sort();
    let read = |file: &PathBuf| Source {
        name: file.strip_prefix(&root).expect("below src").to_string_lossy().into_owned(),
        text: std::fs::read_to_string(file).expect("sources are text"),
    };
    files.iter().map(read).collect()
}

/// Adds the files below a folder that have one of these extensions.
fn collect(dir: &Path, extensions: &[&str], files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, extensions, files);
        } else if path.extension().is_some_and(|found| extensions.iter().any(|one| found == *one)) {
            files.push(path);
        }
    }
}

/// What is wrong with one file, each with what to do about it.
fn check(name: &str, text: &str, map: &Map) -> Vec<String> {
    let mut faults = Vec::new();
    let room = room(name);
    let code = without_comments(text);
    if !text.starts_with("//!") {
        faults.push("open it with `//!` and a line on why it exists".to_owned());
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        faults.push(format!("{lines} lines: cut it in two along a subject, {LINES_MAX} is the most"));
    }
    for word in UNFINISHED.into_iter().filter(|word| has_word(text, word)) {
        faults.push(format!("`{word}`: finish it, or leave it out and say so in the README"));
    }
    if name != "cli/ui.rs" {
        for word in PRINTS.into_iter().filter(|word| has_word(&code, word)) {
            faults.push(format!("`{word}`: return the text and let cli::ui print it"));
        }
    }
    let is_pure_part = PURE_PARTS.0.iter().any(|part| name.starts_with(part));
    for path in crate_paths(&code).iter().filter(|_| is_pure_part) {
        // `builder` makes small worlds for unit tests; it is not there in the program.
        if !within(path, "builder") && !PURE_PARTS.1.iter().any(|wall| within(path, wall)) {
            faults.push(format!("`crate::{path}`: this part is pure, and may name {:?} only", PURE_PARTS.1));
        }
    }
    if PURE.contains(&room) || is_pure_part || PURE_FILES.contains(&name) {
        for word in EFFECTS.into_iter().filter(|word| has_word(&code, word)) {
            faults.push(format!(
                "`{word}`: {room} has no effects; take it as an argument, or return an action"
            ));
        }
    }
    if room == "cli" {
        for word in HANDS.into_iter().filter(|word| has_word(&code, word)) {
            faults.push(format!("`{word}`: a command changes nothing itself; `ops` does"));
        }
    }
    let without_tests = code.split("#[cfg(test)]").next().unwrap_or_default();
    if room != "process_group" && !name.ends_with("tests.rs") && has_word(without_tests, "Command::new(") {
        faults.push(
            "`Command::new`: `process_group::program` keeps secrets of the environment from children"
                .to_owned(),
        );
    }
    if room != "http" && !name.ends_with("tests.rs") {
        for word in WIRE.into_iter().filter(|word| has_word(&code, word)) {
            faults.push(format!("`{word}`: the room `http` has what speaks HTTP, TLS and unix sockets"));
        }
    }
    match map.arrows(room) {
        Some(allowed) => {
            for path in crate_paths(&code) {
                if !within(&path, room) && !allowed.iter().any(|wall| within(&path, wall)) {
                    faults.push(format!(
                        "`crate::{path}`: {room} may name {} only; move what both need down, or hand it in",
                        if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") }
                    ));
                }
            }
        }
        None if matches!(room, "lib" | "core" | "main") => {}
        None => faults.push(format!("`{room}` is a new room: draw it and its arrows in src/lib.rs")),
    }
    faults
}

/// Every rule finds what it is for, and lets pass what is right.
#[test]
fn every_rule_can_fail() {
    let map = Map::read(
        "//! ```text\n//! cli → engine\n//! engine → fleet\n//! fleet → model, yaml::Map\n//! compose → yaml, model\n\
         //! orchestrator → diff\n//! diff → model\n//! yaml →\n//! model →\n//! ```\n",
    );
    let fault = |name: &str, text: &str| check(name, text, &map).join("; ");
    let cases = [
        ("model/a.rs", "use std::fmt;", "open it with `//!`"),
        ("model/a.rs", "//! A.\nuse crate::diff::Change;", "model may name nothing only"),
        ("diff/a.rs", "//! A.\nuse crate::{model::Task, orchestrator::Plan};", "`crate::orchestrator::Plan`"),
        ("yaml/a.rs", "//! A.\nuse crate::compose::load;", "yaml may name nothing only"),
        ("orchestrator/a.rs", "//! A.\nuse crate::fleet::Executor;", "`crate::fleet::Executor`"),
        ("compose/a.rs", "//! A.\nuse crate::engine::run;", "`crate::engine::run`"),
        ("compose/a.rs", "//! A.\nuse crate::orchestrator::Plan;", "`crate::orchestrator::Plan`"),
        ("fleet/a.rs", "//! A.\nuse crate::{model::What, yaml::{Map, Node}};", "`crate::yaml::Node`"),
        ("engine/a.rs", "//! A.\nfn f(x: crate::cli::ui::Ui) {}", "`crate::cli::ui::Ui`"),
        (
            "fleet/a.rs",
            "//! A.\nfn f() { Command::new(\"ssh\"); }",
            "`Command::new`: `process_group::program`",
        ),
        ("mesh/mod.rs", "//! A.\n", "a new room"),
        ("reconcile/supervisor/a.rs", "//! A.\nuse tokio::spawn;", "`tokio`: reconcile has no effects"),
        ("reconcile/supervisor/a.rs", "//! A.\nuse crate::engine::run;", "is pure"),
        ("reconcile/intent.rs", "//! A.\nuse tokio::spawn;", "`tokio`: reconcile has no effects"),
        ("orchestrator/a.rs", "//! A.\nuse tokio::spawn;", "`tokio`: orchestrator has no effects"),
        ("compose/a.rs", "//! A.\nlet x = std::fs::read(y);", "`std::fs`"),
        ("diff/a.rs", "//! A.\nlet x = std::env::var(y);", "`std::env`"),
        ("model/a.rs", "//! A.\nuse std::time::SystemTime;", "`std::time::SystemTime`"),
        ("model/a.rs", "//! A.\nuse std::time::Instant;", "`std::time::Instant`"),
        ("yaml/a.rs", "//! A.\nuse bollard::Docker;", "`bollard`"),
        ("yaml/a.rs", "//! A.\nuse openssh::Session;", "`openssh::`"),
        ("fleet/a.rs", "//! A.\nuse hyper::client::conn::http1;", "`hyper::client`: the room `http`"),
        ("fleet/a.rs", "//! A.\nuse tokio_rustls::rustls::RootCertStore;", "`tokio_rustls`"),
        ("fleet/a.rs", "//! A.\nuse tokio::net::UnixStream;", "`tokio::net::Unix`"),
        ("fleet/a.rs", "//! A.\nuse hyper::server::conn::http1;", "`hyper::server`"),
        ("fleet/a.rs", "//! A.\nuse hyper::upgrade::on;", "`hyper::upgrade`"),
        ("fleet/a.rs", "//! A.\nuse hyper_util::rt::TokioIo;", "`hyper_util`"),
        ("cli/a.rs", "//! A.\nuse crate::fleet::Executor;", "`Executor`: a command changes nothing itself"),
        ("cli/a.rs", "//! A.\nuse crate::fleet::RegisterWriter;", "`RegisterWriter`"),
        ("cli/a.rs", "//! A.\nuse crate::fleet::RegisterReader;", "`RegisterReader`"),
        ("engine/a.rs", "//! A.\nfn f() { println!(\"x\") }", "`println!`: return the text"),
        ("cli/ps.rs", "//! A.\nfn f() { eprintln!(\"x\") }", "`eprintln!`"),
        ("cli/ps.rs", "//! A.\nfn f() { print!(\"x\") }", "`print!`"),
        ("cli/ps.rs", "//! A.\nfn f() { todo!() }", "`todo!`"),
        ("cli/ps.rs", "//! A.\nfn f() { unimplemented!() }", "`unimplemented!`"),
        ("cli/ps.rs", "//! A.\nfn f() { dbg!(1) }", "`dbg!`"),
        ("cli/ps.rs", "//! A.\n// FIXME later", "`FIXME`"),
    ];
    for (name, text, wanted) in cases {
        let found = fault(name, text);
        assert!(found.contains(wanted), "{name}: {text:?} gives {found:?}, not {wanted:?}");
    }
    let long = "//! A.\n".repeat(LINES_MAX + 1);
    assert!(fault("model/a.rs", &long).contains("701 lines"));

    for (name, text) in [
        ("cli/ui.rs", "//! A.\nfn f() { eprintln!(\"x\") }"),
        ("cli/ps.rs", "//! A.\n// may say println! in a comment\nuse crate::engine::run;"),
        ("fleet/a.rs", "//! A.\nuse crate::model::action::{Action, What};\nuse tokio::spawn;"),
        ("compose/a.rs", "//! A.\nuse crate::model::constraint::Constraint;"),
        ("orchestrator/a.rs", "//! [`fleet`](crate::fleet) is not an import.\nuse crate::diff;"),
        ("main.rs", "//! A.\nfn main() {}"),
    ] {
        assert_eq!(fault(name, text), "", "{name}: {text:?}");
    }
}

#[test]
fn exceptions_are_named_and_needed() {
    let body = "    1;\n".repeat(FUNCTION_LINES_MAX);
    let text = format!("fn a() {{\n{body}}}\n");
    let found =
        |excepted: &[(&str, &str)]| long([("r/a.rs", text.as_str())].into_iter(), excepted).join("; ");
    assert_eq!(found(&[]), "src/r/a.rs: `a` has 72 lines: cut it along its steps, 70 is the most");
    assert_eq!(found(&[("r/a.rs", "a")]), "");
    assert!(long([("r/tests.rs", text.as_str()), ("r/tests/a.rs", &text)].into_iter(), &[]).is_empty());
    let in_tests = format!("#[cfg(test)]\nmod tests {{\n{text}}}\n");
    assert!(long([("r/a.rs", in_tests.as_str())].into_iter(), &[]).is_empty());
    assert_eq!(
        found(&[("r/a.rs", "a"), ("r/a.rs", "b")]),
        "src/r/a.rs: `b` is short, take the exception away"
    );

    let found =
        |text: &'static str, listed: &[&str]| exposed([("r/a.rs", text)].into_iter(), listed).join("; ");
    assert_eq!(
        found("f(plain.expose())", &[]),
        "src/r/a.rs: reads the bytes of a secret: hand the `Plaintext` on, or list the file and say why"
    );
    assert_eq!(found("plains.iter().map(Plaintext::expose)", &["r/a.rs"]), "");
    for text in
        ["// plain.expose()", "key.expose_secret()", "f();\n#[cfg(test)]\nmod tests {\n    x.expose()"]
    {
        assert_eq!(found(text, &[]), "", "{text}");
        assert_eq!(found(text, &["r/a.rs"]), "src/r/a.rs: reads no secret, take it from the list");
    }
    assert!(exposed([("r/tests/a.rs", "x.expose()")].into_iter(), &[]).is_empty());

    let ring = || vec![vec!["r/a".to_owned(), "r/b".to_owned()]];
    assert_eq!(unexpected(ring(), &[]), ["r/a ↔ r/b: move what both need down, into a file of its own"]);
    assert_eq!(unexpected(ring(), &[&["r/a", "r/b"]]), [""; 0]);
    let stale = unexpected(Vec::new(), &[&["r/a", "r/b"]]);
    assert_eq!(stale, ["r/a ↔ r/b: no circle any more, take the exception away"]);
}
