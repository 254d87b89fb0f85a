//! Which paths a file names, read from its text. No grammar of Rust: good enough for sources that rustfmt
//! has laid out, and never asked about anything else.

/// The text without comments, line by line. A `//` in a string cuts the line too: good enough here.
pub fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Whether a word is there that does not go on to the left: `println!` is not in `eprintln!`.
pub fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(is_part))
}

pub fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every path that begins with `crate::`, lists opened out: `a::{b, c}` is `a::b` and `a::c`.
pub fn crate_paths(code: &str) -> Vec<String> {
    paths_behind(code, "crate::")
}

/// Every path behind `start`, lists opened out.
pub fn paths_behind(code: &str, start: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, word) in code.match_indices(start) {
        if !code[..at].ends_with(|c: char| is_part(c) || c == ':') {
            open_out("", &code[at + word.len()..], &mut paths);
        }
    }
    paths
}

/// Reads one path or list behind `::`; gives what follows it.
fn open_out<'t>(head: &str, text: &'t str, paths: &mut Vec<String>) -> &'t str {
    let mut text = text.trim_start();
    if let Some(mut list) = text.strip_prefix('{') {
        loop {
            list = list.trim_start().trim_start_matches(',').trim_start();
            if let Some(rest) = list.strip_prefix('}') {
                return rest;
            }
            let rest = open_out(head, list, paths);
            if rest.len() == list.len() {
                return rest;
            }
            list = rest;
        }
    }
    let end = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    text = rest;
    let path = match (head, name) {
        (_, "") => return text,
        ("", name) => name.to_owned(),
        (head, "self") => head.to_owned(),
        (head, name) => format!("{head}::{name}"),
    };
    match text.strip_prefix("::") {
        Some(rest) if rest.trim_start().starts_with(|c: char| is_part(c) || c == '{') => {
            open_out(&path, rest, paths)
        }
        _ => {
            paths.push(path);
            text
        }
    }
}

#[test]
fn lists_of_paths_are_opened_out() {
    let paths = |code: &str| crate_paths(code).join(" ");
    assert_eq!(
        paths("use crate::model::{self, ids::{A, B}, C};"),
        "model model::ids::A model::ids::B model::C"
    );
    assert_eq!(paths("let x: crate::diff::Change = crate::cli::run();"), "diff::Change cli::run");
    assert_eq!(paths("use crate::{\n    model::A,\n    fleet,\n};"), "model::A fleet");
    assert_eq!(paths("crate::yaml::Map::<A>::default()"), "yaml::Map");
    assert_eq!(paths("my_crate::model"), "");
}
