//! What happened with other agents: a list that is as long as it ever gets.

use std::collections::VecDeque;

use crate::agent::join::Noted;
use crate::model::Timestamp;

/// Lines that are kept.
const LINES_MAX: usize = 50;
/// Characters of a line: some of them come from elsewhere.
const CHARS_MAX: usize = 240;

/// The newest lines. One that comes again is counted.
#[derive(Debug, Default)]
pub struct Notes(VecDeque<Noted>);

impl Notes {
    /// One more.
    pub fn add(&mut self, at: Timestamp, text: &str) {
        let text: String =
            text.chars().take(CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let before =
            self.0.iter().position(|noted| noted.text == text).and_then(|place| self.0.remove(place));
        let times = before.map_or(0, |noted| noted.times) + 1;
        while self.0.len() >= LINES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Noted { at, text, times });
    }

    /// All of them, the newest last.
    pub fn all(&self) -> Vec<Noted> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_an_end_whatever_comes() {
        let mut notes = Notes::default();
        for at in 0..200 {
            notes.add(Timestamp(at), &format!("line {at}\n{}", "x".repeat(1_000)));
            notes.add(Timestamp(at), "the same");
        }
        let all = notes.all();
        assert_eq!(all.len(), LINES_MAX);
        assert!(
            all.iter().all(|noted| noted.text.chars().count() <= CHARS_MAX && !noted.text.contains('\n'))
        );
        let last = all.last().unwrap();
        assert_eq!((last.text.as_str(), last.times, last.at), ("the same", 200, Timestamp(199)));
    }
}
