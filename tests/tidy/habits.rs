//! Words that hide who acts: text for users and comments name an actor instead, such as the user, the process or
//! the lock holder, and use the terms of the field.

use crate::imports::is_part;

/// The words.
const WORDS: [&str; 6] = ["whoever", "somebody", "nobody", "anew", "in vain", "told"];

/// Lines of a text with one of the words.
pub fn lines(text: &str) -> Vec<(usize, &str)> {
    let has_one = |line: &str| {
        let line = line.to_lowercase();
        WORDS.iter().any(|word| is_in(word, &line))
    };
    text.lines()
        .enumerate()
        .filter(|(_, line)| has_one(line))
        .map(|(at, line)| (at + 1, line.trim()))
        .collect()
}

/// Whether a line has a word, with no letter, digit or underscore beside it.
fn is_in(word: &str, line: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part))
}

#[test]
fn words_are_whole_words() {
    let found = |text: &str| lines(text).into_iter().map(|(at, _)| at).collect::<Vec<_>>();
    assert_eq!(
        found("Nobody is told.\nthe user runs it\nlet told = 1;\nuntold, retold, _nobody_listens\n"),
        [1, 3]
    );
    assert_eq!(found("waits in vain\nin vainglory\nmade anew."), [1, 3]);
}
