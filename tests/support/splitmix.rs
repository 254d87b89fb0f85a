//! Chance from a seed, the same on every machine: SplitMix64 (Steele, Lea, Flood). What is drawn with it is
//! up to each test.

/// The generator, by its state.
pub struct SplitMix64(pub u64);

impl SplitMix64 {
    /// The increment. Seeds that differ by it have one stream, shifted: a seed that is a small number goes through
    /// [`next`](Self::next) once before it is a state.
    pub const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::GOLDEN);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
