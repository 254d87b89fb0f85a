//! How long functions are, counted from the line that names one to its closing brace.

/// Functions of a text that are longer than `most` lines: name and lines. Braces in texts, characters and
/// comments are not counted.
pub fn too_long(text: &str, most: usize) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let plain = without_texts(text);
    let plain: Vec<&str> = plain.lines().collect();
    let mut found = Vec::new();
    for (at, line) in plain.iter().enumerate() {
        let Some(name) = named(line) else { continue };
        let Some(length) = length(&plain[at..]) else { continue };
        if length > most {
            found.push((name.to_owned(), length));
        }
    }
    debug_assert_eq!(lines.len(), plain.len());
    found
}

/// The function that a line begins to define.
fn named(line: &str) -> Option<&str> {
    let mut words = line.trim_start();
    loop {
        if let Some(rest) = words.strip_prefix("fn ") {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
            return Some(&rest[..end]).filter(|name| !name.is_empty());
        }
        let rest = words.strip_prefix("pub").unwrap_or(words);
        let rest = match rest.strip_prefix('(') {
            Some(inside) => inside.split_once(')')?.1,
            None => rest,
        };
        let rest = rest.trim_start();
        let rest =
            ["const ", "async ", "unsafe "].iter().find_map(|word| rest.strip_prefix(word)).unwrap_or(rest);
        if rest.len() == words.len() {
            return None;
        }
        words = rest;
    }
}

/// Lines up to the brace that closes the first one that is opened; `None` for a declaration without a body.
fn length(lines: &[&str]) -> Option<usize> {
    let mut depth = 0usize;
    // `[u8; 4]` has a semicolon too.
    let mut brackets = 0usize;
    for (at, line) in lines.iter().enumerate() {
        for c in line.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 1 => return Some(at + 1),
                '}' => depth = depth.checked_sub(1)?,
                '(' | '[' if depth == 0 => brackets += 1,
                ')' | ']' if depth == 0 => brackets = brackets.saturating_sub(1),
                ';' if depth == 0 && brackets == 0 => return None,
                _ => {}
            }
        }
    }
    None
}

/// The text with blanks for what stands in strings, characters and comments; its lines stay.
fn without_texts(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => line_end(&chars, at),
            '"' => string_end(&chars, at + 1),
            'r' if !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
                raw_end(&chars, at).unwrap_or(at + 1)
            }
            // A character, and no lifetime.
            '\'' if chars.get(at + 1) == Some(&'\\') => {
                chars[at + 3..].iter().position(|c| *c == '\'').map_or(at + 1, |more| at + 3 + more + 1)
            }
            '\'' if chars.get(at + 2) == Some(&'\'') => at + 3,
            _ => at + 1,
        };
        if end == at + 1 {
            out.push(chars[at]);
        } else {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
        }
        at = end;
    }
    out
}

fn line_end(chars: &[char], at: usize) -> usize {
    chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |more| at + more)
}

fn string_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// `r"…"` and `r#"…"#`.
fn raw_end(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    let begin = at + 1 + hashes;
    if chars.get(begin) != Some(&'"') {
        return None;
    }
    let is_end = |end: &usize| {
        chars[*end] == '"'
            && chars.len() >= end + 1 + hashes
            && chars[end + 1..end + 1 + hashes].iter().all(|c| *c == '#')
    };
    Some((begin + 1..chars.len()).find(is_end).map_or(chars.len(), |end| end + 1 + hashes))
}

#[test]
fn lines_are_counted_from_the_name_to_the_brace() {
    let of = |text: &str| {
        let found = too_long(text, 3);
        found.iter().map(|(name, lines)| format!("{name} {lines}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(of("fn a() {\n    1;\n}\n"), "");
    assert_eq!(of("fn a() {\n    1;\n    2;\n}\n"), "a 4");
    assert_eq!(
        of("impl A {\n    pub(in crate::x) async fn b(\n        x: [u8; 4],\n    ) {\n    }\n}\n"),
        "b 4"
    );
    assert_eq!(of("trait T {\n    fn c(\n        x: u8,\n        y: u8,\n    );\n}\nfn d() {}\n"), "");
    // One in another counts for both.
    assert_eq!(of("fn a() {\n    fn b() {\n        1;\n        2;\n    }\n}\n"), "a 6, b 4");
    // What is in texts opens and closes nothing.
    assert_eq!(of("fn a() {\n    \"}\"; '}'; '\\''; // }\n    r#\"}\"}\"#;\n    2;\n}\nfn b() {}\n"), "a 5");
    assert_eq!(of("fn a<'x>(x: &'x str) {\n    \"\n{{{\n\";\n}\n"), "a 5");
}
