//! One smallest file, or several, for each code and each of its forms: `cases/ROOM/CODE/FORM.yml`, or
//! `FORM.1.yml` and `FORM.2.yml` for two files. Beside each is what a terminal shows, eighty columns wide.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use stackctl::cli::codes;
use stackctl::cli::report::{Look, draw};
use stackctl::compose::SourceText;
use stackctl::inventory;
use stackctl::yaml::Drawn;

use crate::beside;

/// Codes that no small file can show, and where they are shown instead.
const ELSEWHERE: [(&str, &str); 9] = [
    ("stackctl::compose::unreadable", "tests/cli: the file is not there"),
    ("stackctl::compose::no_stackfile", "tests/cli: no file is there"),
    ("stackctl::compose::too_large", "below: the file would have 16 MiB"),
    (
        "stackctl::compose::too_many_bytes",
        "src/compose/tests/limits.rs: a small file needs large ones beside it",
    ),
    ("stackctl::inventory::unreadable", "src/inventory: the file is not there"),
    ("stackctl::inventory::bad_docker_host", "src/inventory: it is a variable"),
    ("stackctl::inventory::unknown_cluster", "src/inventory: it is a flag"),
    ("stackctl::inventory::ambiguous_cluster", "src/inventory: it is a flag"),
    ("stackctl::inventory::no_such_node", "tests/cli: it is an argument"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics/cases")
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

/// The forms in a directory, each with its files.
fn forms(dir: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut forms: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in entries(dir) {
        if let Some(form) = name(&path).strip_suffix(".yml") {
            let form = form.split('.').next().unwrap_or_default().to_owned();
            forms.entry(form).or_default().push(path);
        }
    }
    forms
}

/// What is found, and how it looks.
fn look_at(room: &str, files: &[PathBuf]) -> (Vec<Drawn>, String) {
    let texts = files.iter().enumerate().map(|(n, path)| {
        let name = match (room, files.len()) {
            ("inventory", _) => "stackctl.yml".to_owned(),
            (_, 1) => "stack.yml".to_owned(),
            _ => format!("{}.yml", ["base", "prod", "more"][n]),
        };
        SourceText { name, bytes: std::fs::read(path).expect("a case can be read") }
    });
    let texts: Vec<SourceText> = texts.collect();
    let result = if room == "inventory" {
        let text = String::from_utf8(texts[0].bytes.clone()).expect("inventories are text");
        // What docker keeps of a context lies beside the case.
        let beside = files[0].parent().expect("a folder");
        let context = |name: &str| std::fs::read(beside.join(format!("{name}.json")));
        inventory::parse_with(&text, &texts[0].name, Some(&context)).map(|(_, notes)| notes)
    } else {
        beside::load(texts).map(|loaded| loaded.notes)
    };
    let look = Look { width: 100, is_unicode: true };
    let mut out = String::new();
    let found = match result {
        Ok(notes) => notes,
        Err(report) => {
            out.push_str(&draw(&report, look));
            for note in &report.notes {
                out.push_str(&draw(note, look));
            }
            return ([report.faults, report.notes].concat(), plain(&out));
        }
    };
    for note in &found {
        out.push_str(&draw(note, look));
    }
    (found, plain(&out))
}

fn plain(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[test]
fn every_case_shows_its_code() {
    let mut shown = 0;
    let mut faults = Vec::new();
    for room in entries(&root()) {
        for dir in entries(&room) {
            let code = format!("stackctl::{}::{}", name(&room), name(&dir));
            for (form, files) in forms(&dir) {
                let (found, text) = look_at(&name(&room), &files);
                if found.iter().all(|drawn| drawn.code != code) {
                    let codes: Vec<&str> = found.iter().map(|drawn| drawn.code.as_str()).collect();
                    faults.push(format!("{code} {form}: shows {codes:?}"));
                }
                if text.contains("Hunter2") {
                    faults.push(format!("{code} {form}: tells what a variable stands for"));
                }
                insta::with_settings!({
                    snapshot_path => &dir,
                    prepend_module_to_snapshot => false,
                    omit_expression => true,
                }, {
                    insta::assert_snapshot!(form, text);
                });
                shown += 1;
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert!(shown >= 120, "only {shown} cases");
}

/// A case of one kind of file stands for the same code of another.
#[test]
fn no_code_of_a_file_is_without_a_case() {
    let mut shown = BTreeSet::new();
    for room in entries(&root()) {
        for dir in entries(&room) {
            let forms = forms(&dir);
            assert!(!forms.is_empty(), "{} has no case", dir.display());
            for path in entries(&dir) {
                let left = name(&path).strip_suffix(".snap").is_some_and(|form| !forms.contains_key(form));
                assert!(!left, "{} is left of a case that is gone", path.display());
            }
            shown.insert((name(&room), name(&dir)));
        }
    }
    let mut missing = Vec::new();
    for code in
        codes::all().filter(|code| code.rooms.iter().any(|room| ["compose", "inventory"].contains(room)))
    {
        let is_shown =
            code.rooms.iter().any(|room| shown.contains(&((*room).to_owned(), code.name.to_owned())));
        let is_elsewhere = code.codes().any(|full| ELSEWHERE.iter().any(|(known, _)| *known == full));
        if is_shown == is_elsewhere {
            missing.push(code.name);
        }
    }
    assert!(missing.is_empty(), "without a case, or with one and excused: {missing:?}");
    for (room, name) in shown {
        let full = format!("stackctl::{room}::{name}");
        assert!(!codes::find(&full).is_empty(), "{full} is in no table");
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let bytes = vec![b'#'; (16 << 20) + 1];
    let report = beside::load(vec![SourceText { name: "stack.yml".to_owned(), bytes }]).unwrap_err();
    let codes: Vec<&str> = report.faults.iter().map(|fault| fault.code.as_str()).collect();
    assert_eq!(codes, ["stackctl::compose::too_large"]);
}
