//! The catalogue and the sources hold each other: every code that is raised has a row, every row is raised.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use stackctl::cli::codes;

/// Rooms whose diagnostics begin with the room that reads the file: the last part stands alone in the code.
const SHARED: [&str; 3] = ["yaml/", "compose/", "inventory/"];

/// What raises a code, and at which argument the code is.
const CALLS: [(&str, usize); 9] = [
    ("Diagnostic::error(", 0),
    ("Diagnostic::warning(", 0),
    ("Diagnostic::note(", 0),
    ("Diagnostic::new(", 1),
    (".hopeless(", 0),
    (".parsed(", 1),
    (".parsed_in_private(", 1),
    ("bad_value(", 0),
    ("unknown(scene,", 0),
];

/// Functions that choose among codes; the codes are the last words of their lines.
const CHOOSERS: [&str; 1] = ["fn undefined_code("];

/// Arguments that hand a code on.
const HANDED_ON: [&str; 4] = ["code", "code: &'static str", "code: Code", "undefined_code(kind)"];

fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    let mut dirs: Vec<PathBuf> = vec![root.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
                let text = std::fs::read_to_string(&path).expect("sources are text");
                // Tests name codes without raising them.
                let is_test = name.ends_with("tests.rs") || name.contains("/tests/");
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                let code: Vec<&str> =
                    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                if !is_test && !name.starts_with("cli/codes/") {
                    files.insert(name, code.join("\n"));
                }
            }
        }
    }
    files
}

/// The argument of a call, from behind its bracket; commas within brackets and texts do not part.
fn argument(text: &str, wanted: usize) -> String {
    let (mut depth, mut at, mut quoted, mut escaped) = (0, 0, false, false);
    let mut out = String::new();
    for c in text.chars() {
        if quoted {
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else {
            match c {
                '"' => quoted = true,
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' if depth == 0 => break,
                ')' | ']' | '}' => depth -= 1,
                ',' if depth == 0 => {
                    if at == wanted {
                        break;
                    }
                    at += 1;
                    continue;
                }
                _ => {}
            }
        }
        if at == wanted {
            out.push(c);
        }
    }
    out.trim().to_owned()
}

fn literal(argument: &str) -> Option<&str> {
    argument.strip_prefix('"')?.strip_suffix('"')
}

/// Every code in the sources, with a file that raises it: the whole code, or its last part alone.
fn raised() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, text) in sources() {
        for (at, word) in text.match_indices("stackctl::") {
            let rest = &text[at + word.len()..];
            let end =
                rest.find(|c: char| !(c.is_ascii_lowercase() || c == '_' || c == ':')).unwrap_or(rest.len());
            let before = &text[..at];
            let is_code = before.ends_with("code(") || before.ends_with('"');
            if is_code && rest[..end].matches("::").count() == 1 {
                found.insert(format!("stackctl::{}", &rest[..end]), name.clone());
            }
        }
        if !SHARED.iter().any(|room| name.starts_with(room)) {
            continue;
        }
        for (call, place) in CALLS {
            for (at, _) in text.match_indices(call) {
                let before = &text[..at];
                if before.ends_with("fn ") || before.ends_with("pub fn ") {
                    continue;
                }
                let argument = argument(&text[at + call.len()..], place);
                match literal(&argument) {
                    Some(code) => drop(found.insert(code.to_owned(), name.clone())),
                    None if HANDED_ON.contains(&argument.as_str()) => {}
                    // Go's and Rust's own `parsed` of something else would end here, too.
                    None => {
                        panic!("{name}: `{call}` with `{argument}`: a code is written where it is raised")
                    }
                }
            }
        }
        for chooser in CHOOSERS {
            let Some(at) = text.find(chooser) else { continue };
            let body = text[at..].split("\n}").next().unwrap_or_default();
            for line in body.lines().filter(|line| line.contains("=>")) {
                let code = line.rsplit('"').nth(1).unwrap_or_default();
                found.insert(code.to_owned(), name.clone());
            }
        }
    }
    found
}

#[test]
fn every_code_in_the_sources_is_in_the_catalogue() {
    let found = raised();
    assert!(found.len() > 120, "only {} codes were found", found.len());
    let missing: Vec<_> = found.iter().filter(|(code, _)| codes::find(code).is_empty()).collect();
    assert!(missing.is_empty(), "without a row in src/cli/codes: {missing:#?}");
}

#[test]
fn every_row_of_the_catalogue_is_raised() {
    let found: BTreeSet<String> = raised().into_keys().collect();
    let unused: Vec<&str> = codes::all()
        .filter(|code| !found.contains(code.name) && !code.codes().any(|full| found.contains(&full)))
        .map(|code| code.name)
        .collect();
    assert!(unused.is_empty(), "rows that nothing raises: {unused:?}");
}

#[test]
fn arguments_are_cut_at_their_commas() {
    assert_eq!(argument(r#""a", f(b, c), d)"#, 0), r#""a""#);
    assert_eq!(argument(r#""a,)\"", f(b, c), d)"#, 1), "f(b, c)");
    assert_eq!(argument("\n    severity,\n    \"x\",\n)", 1), "\"x\"");
}
