//! Chance, from one seed, and how much of what may go wrong.

use crate::splitmix::SplitMix64;

/// A small generator (SplitMix64): equal seeds, equal luck, on every machine.
pub struct Luck(SplitMix64);

impl Luck {
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64(seed.wrapping_mul(SplitMix64::GOLDEN) ^ 0xD1B5_4A32_D192_ED03))
    }

    fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low + 1).expect("low is not above high");
        low + i64::try_from(self.next() % span).expect("small")
    }

    /// True once in `n` times on average; never for 0.
    pub fn once_in(&mut self, n: u32) -> bool {
        n > 0 && self.next().is_multiple_of(u64::from(n))
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let at = self.between(0, i64::try_from(items.len()).expect("small") - 1);
        &items[usize::try_from(at).expect("not negative")]
    }
}

/// How often what goes wrong: once in so many times, 0 for never.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    pub crash_in: u32,
    pub failed_start_in: u32,
    pub failed_pull_in: u32,
    pub lost_reply_in: u32,
    pub slow_pulls: bool,
    /// How long a silent host takes to be found silent.
    pub timeout_ms: i64,
}

impl Faults {
    pub const NONE: Self = Self {
        crash_in: 0,
        failed_start_in: 0,
        failed_pull_in: 0,
        lost_reply_in: 0,
        slow_pulls: false,
        timeout_ms: 10_000,
    };

    /// Drawn for each seed: some runs suffer from one thing only, some from all.
    pub fn draw(luck: &mut Luck) -> Self {
        let mut often = |values: &[u32]| *luck.pick(values);
        Self {
            crash_in: often(&[0, 0, 30, 8]),
            failed_start_in: often(&[0, 0, 40]),
            failed_pull_in: often(&[0, 0, 10]),
            lost_reply_in: often(&[0, 20, 5]),
            slow_pulls: often(&[0, 1]) == 1,
            timeout_ms: i64::from(often(&[500, 10_000])),
        }
    }
}
