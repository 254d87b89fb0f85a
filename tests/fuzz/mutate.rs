//! Inputs drawn by chance from others. The same seed gives the same input.

use crate::splitmix::SplitMix64;

/// Chance that can be had again: splitmix64.
pub struct Luck(SplitMix64);

impl Luck {
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64(seed.wrapping_mul(SplitMix64::GOLDEN) ^ 0x5851_f42d_4c95_7f2d))
    }

    fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// Below a number.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { usize::try_from(self.next() % end as u64).unwrap_or(0) }
    }

    fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// A number for an input, to name it by.
pub fn hash(input: &[u8]) -> u64 {
    input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Pieces that mean something somewhere.
const PIECES: [&str; 86] = [
    ":",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\t",
    "#",
    " #",
    "'",
    "\"",
    "|\n",
    ">-\n",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "<<: ",
    "!reset ",
    "!override ",
    "!!str ",
    "---\n",
    "...\n",
    "? ",
    "%",
    "@",
    "`",
    "~",
    "null",
    "true",
    "yes",
    "$",
    "$$",
    "${",
    "${A",
    "${A:-",
    "${A:?",
    "${A:+",
    "}}",
    "{{",
    "{{.Node.",
    "=",
    "==",
    "!=",
    "\\",
    "\0",
    "\u{1b}[",
    "\u{feff}",
    "\u{202e}",
    "é",
    "\r\n",
    "0",
    "-1",
    "65536",
    "1e400",
    ".inf",
    "0x",
    "0o9",
    "99999999999999999999",
    "1-65535",
    "/tcp",
    "::",
    "[::1]:",
    "10.0.0.0/33",
    "0.0000000001",
    "9223372036854775807",
    "10m",
    "1h1",
    "-1s",
    "9e9h",
    "1KiB",
    "node.labels.",
    "extends: a",
    "include: [a.yml]",
    "profiles: [p]",
    "depends_on: [a]",
    "external: true",
    "env_file: a.env",
    "version: ",
    "services:",
    "x-a:",
    "image: ",
    "deploy:",
    "ports: [80]",
];

/// One of the inputs with a few changes.
pub fn mutated(seeds: &[Vec<u8>], luck: &mut Luck) -> Vec<u8> {
    let mut input = seeds[luck.below(seeds.len())].clone();
    for _ in 0..=luck.below(6) {
        change(&mut input, seeds, luck);
    }
    // The limit on size has its own test.
    input.truncate(200_000);
    input
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], luck: &mut Luck) {
    let at = luck.below(input.len() + 1);
    let end = (at + luck.below(24)).min(input.len());
    match luck.below(10) {
        0 => {
            input.drain(at..end);
        }
        1 | 2 => {
            let piece = luck.pick(&PIECES).as_bytes();
            input.splice(at..at, piece.iter().copied());
        }
        3 => {
            let piece = luck.pick(&PIECES).as_bytes();
            input.splice(at..end, piece.iter().copied());
        }
        4 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = u8::try_from(luck.below(256)).unwrap_or(0);
            }
        }
        5 => {
            // A part of it once more, as often as it likes.
            let part = input[at..end].to_vec();
            for _ in 0..luck.below(64) {
                input.splice(at..at, part.iter().copied());
            }
        }
        6 => {
            // A part of another one.
            let other = &seeds[luck.below(seeds.len())];
            let from = luck.below(other.len() + 1);
            let to = (from + luck.below(200)).min(other.len());
            input.splice(at..end, other[from..to].iter().copied());
        }
        7 => lines(input, luck),
        8 => {
            let piece = luck.pick(&PIECES).repeat(luck.below(200));
            input.splice(at..at, piece.into_bytes());
        }
        _ => input.truncate(at),
    }
}

/// Lines taken out, doubled, moved or moved in.
fn lines(input: &mut Vec<u8>, luck: &mut Luck) {
    let mut lines: Vec<Vec<u8>> = input.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (from, to) = (luck.below(lines.len()), luck.below(lines.len()));
    match luck.below(4) {
        0 => drop(lines.remove(from)),
        1 => lines.insert(to, lines[from].clone()),
        2 => lines.swap(from, to),
        _ => {
            let indent = vec![b' '; luck.below(12)];
            lines[from].splice(0..0, indent);
        }
    }
    *input = lines.join(&b'\n');
}
