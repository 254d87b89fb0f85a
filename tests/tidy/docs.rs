//! Items that need a doc comment: public modules, types, traits and functions. Fields, variants and constants may
//! name themselves, which is why the compiler's own lint `missing_docs` is off.

/// The public items of a file without a doc comment: line number and name. Unit tests are left out.
pub fn undocumented(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut is_documented, mut open_brackets) = (false, 0usize);
    let mut lines = text.lines().enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        let line = line.trim();
        if open_brackets > 0 || line.starts_with("#[") {
            let next = lines.peek().map(|(_, next)| next.trim()).unwrap_or_default();
            if line == "#[cfg(test)]" && next.contains("mod ") && next.ends_with('{') {
                break;
            }
            is_documented |= line.starts_with("#[doc");
            open_brackets =
                (open_brackets + line.matches('[').count()).saturating_sub(line.matches(']').count());
            continue;
        }
        if line.starts_with("//") {
            is_documented |= line.starts_with("///");
            continue;
        }
        if let Some(name) = public_item(line).filter(|_| !is_documented) {
            found.push((at + 1, name.to_owned()));
        }
        is_documented = false;
    }
    found
}

/// The name of the public item that a line begins to define. A module in a file of its own has its docs there.
fn public_item(line: &str) -> Option<&str> {
    let mut words = line.strip_prefix("pub ")?;
    while let Some(rest) = ["const ", "async ", "unsafe "].iter().find_map(|word| words.strip_prefix(word)) {
        words = rest;
    }
    let (kind, rest) = words.split_once(' ')?;
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let is_item = match kind {
        "struct" | "enum" | "trait" | "type" | "fn" | "union" => true,
        "mod" => !line.ends_with(';'),
        _ => false,
    };
    // A macro's `$name` is documented where the macro is called.
    (is_item && end > 0).then(|| &rest[..end])
}

#[test]
fn items_need_docs_and_fields_do_not() {
    let names = |text: &str| undocumented(text).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(names("pub struct A;\n"), ["A"]);
    assert_eq!(names("/// A.\npub struct A;\n"), [""; 0]);
    assert_eq!(
        names("/// A.\n#[derive(\n    Debug,\n)]\n// note\npub enum A {\n    /// B.\n    B,\n    C,\n}\n"),
        [""; 0]
    );
    assert_eq!(names("/// A.\npub struct A {\n    pub field: u8,\n}\n"), [""; 0]);
    assert_eq!(names("#[must_use]\npub const fn f() {}\npub async unsafe fn g() {}\n"), ["f", "g"]);
    assert_eq!(names("impl A {\n    pub fn new() -> Self {\n"), ["new"]);
    assert_eq!(names("pub trait T {}\npub type U = u8;\npub mod m {\n}\npub mod n;\n"), ["T", "U", "m"]);
    assert_eq!(
        names("pub(crate) fn f() {}\npub(super) struct A;\nfn g() {}\npub const N: u8 = 1;\n"),
        [""; 0]
    );
    assert_eq!(names("/// Of another item.\nuse a::B;\n\npub fn f() {}\n"), ["f"]);
    assert_eq!(names("#[cfg(test)]\nmod tests {\n    pub fn f() {}\n}\n"), [""; 0]);
    assert_eq!(names("macro_rules! id {\n    pub struct $name(String);\n}\n"), [""; 0]);
    assert_eq!(undocumented("//! A.\n\npub fn f() {}\n"), [(3, "f".to_owned())]);
}
