//! What both ways of filling in variables have in common: how one is called, and where its value is looked up.

/// Looks a variable up.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// `[A-Za-z_][A-Za-z0-9_]*` at the start.
pub fn name(text: &str) -> &str {
    let end = text
        .bytes()
        .enumerate()
        .find(|&(at, b)| !(b.is_ascii_alphabetic() || b == b'_' || (at > 0 && b.is_ascii_digit())))
        .map_or(text.len(), |(at, _)| at);
    &text[..end]
}
