//! How many bytes may be made of what files hold. A file of a few hundred bytes can ask for any number of them, by
//! aliases of a long text, by variables that are made of variables, or by services that extend one another.

use std::cell::Cell;

/// Bytes of a file that is read.
pub const FILE_MAX: usize = 16 << 20;
/// What one value may come to.
pub const VALUE_MAX: usize = 16 << 20;
/// What all that is made for one set of files may come to.
pub const ALL_MAX: usize = 64 << 20;
/// What a pair of a name and a value takes besides its text.
pub const PAIR: usize = 64;

/// What has been made so far.
#[derive(Debug, Default)]
pub struct Budget(Cell<usize>);

impl Budget {
    /// Counts bytes that are about to be made; `false` if they are too many.
    #[must_use]
    pub fn take(&self, bytes: usize) -> bool {
        let all = self.0.get().saturating_add(bytes);
        self.0.set(all);
        all <= ALL_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_too_much_stays_too_much() {
        let budget = Budget::default();
        assert!(budget.take(ALL_MAX) && budget.take(0) && !budget.take(1) && !budget.take(0));
        assert!(!budget.take(usize::MAX), "the sum does not wrap");
    }
}
