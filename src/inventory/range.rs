//! Expands ranges of hosts in one entry: `10.0.0.[1:9]`, `web[01:20].example.com`.
//!
//! Both ends are included, leading zeros are kept, and of several ranges the last one varies fastest. An IPv6 address
//! in brackets is no range.

use std::fmt;
use std::net::Ipv6Addr;
use std::ops::Range;

/// The limit of hosts of one entry, so that a typo does not make a million of them.
pub const HOSTS_MAX: u64 = 1_024;

/// One expansion of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// The whole text.
    pub text: String,
    /// The values of its ranges, joined by `-`.
    pub values: String,
}

/// Invalid brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRange {
    /// Which bytes of the pattern.
    pub at: Range<usize>,
    pub why: Why,
}

/// What is wrong with a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Not `[first:last]`.
    Form,
    /// The first comes after the last.
    Backwards,
    /// Leading zeros at one end only, or ends of different widths.
    Width(String),
    /// More than [`HOSTS_MAX`].
    TooMany,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("a range is `[first:last]`, two whole numbers"),
            Self::Backwards => f.write_str("the first number is greater than the last"),
            Self::Width(width) => write!(f, "with leading zeros both ends have the same width: `{width}`"),
            Self::TooMany => write!(f, "more than {HOSTS_MAX} hosts in one entry"),
        }
    }
}

enum Piece<'t> {
    Text(&'t str),
    Numbers { first: u64, last: u64, width: usize },
}

/// All expansions of a pattern, in order; `None` if it has no range.
pub fn expand(pattern: &str) -> Result<Option<Vec<Expanded>>, BadRange> {
    let pieces = pieces(pattern)?;
    let mut count: u64 = 1;
    let mut is_range = false;
    for piece in &pieces {
        if let Piece::Numbers { first, last, .. } = piece {
            is_range = true;
            count = count.saturating_mul((last - first).saturating_add(1));
        }
    }
    if !is_range {
        return Ok(None);
    }
    if count > HOSTS_MAX {
        return Err(BadRange { at: 0..pattern.len(), why: Why::TooMany });
    }
    let mut all = vec![Expanded { text: String::new(), values: String::new() }];
    for piece in pieces {
        match piece {
            Piece::Text(text) => all.iter_mut().for_each(|one| one.text.push_str(text)),
            Piece::Numbers { first, last, width } => {
                let numbers = (first..=last).map(|number| format!("{number:0width$}"));
                let numbers: Vec<String> = numbers.collect();
                let with = |one: Expanded| {
                    let dash = if one.values.is_empty() { "" } else { "-" };
                    let extended = numbers.iter().map(|number| Expanded {
                        text: format!("{}{number}", one.text),
                        values: format!("{}{dash}{number}", one.values),
                    });
                    extended.collect::<Vec<_>>()
                };
                all = all.into_iter().flat_map(with).collect();
            }
        }
    }
    Ok(Some(all))
}

fn pieces(pattern: &str) -> Result<Vec<Piece<'_>>, BadRange> {
    let mut pieces = Vec::new();
    let (mut from, mut look) = (0, 0);
    while let Some(open) = pattern[look..].find('[').map(|at| look + at) {
        let Some(close) = pattern[open..].find(']').map(|at| open + at) else { break };
        look = close + 1;
        let inside = &pattern[open + 1..close];
        if is_meant(inside) {
            let at = open..close + 1;
            pieces.push(Piece::Text(&pattern[from..open]));
            pieces.push(numbers(inside).map_err(|why| BadRange { at, why })?);
            from = look;
        }
    }
    pieces.push(Piece::Text(&pattern[from..]));
    Ok(pieces)
}

/// Whether brackets are meant as a range: anything with a colon that is no address, and other common ways to write
/// ranges of numbers.
fn is_meant(inside: &str) -> bool {
    let address = inside.split('%').next().unwrap_or(inside);
    if address.parse::<Ipv6Addr>().is_ok() {
        return false;
    }
    let is_numbers = inside.chars().all(|c| c.is_ascii_digit() || "-.,: ".contains(c));
    inside.contains(':') || (is_numbers && inside.chars().any(|c| c.is_ascii_digit()))
}

fn numbers(inside: &str) -> Result<Piece<'_>, Why> {
    let (left, right) = inside.split_once(':').ok_or(Why::Form)?;
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<u64>().map_err(|_| Why::Form),
        false => Err(Why::Form),
    };
    let (first, last) = (number(left)?, number(right)?);
    if first > last {
        return Err(Why::Backwards);
    }
    let is_padded = |text: &str| text.len() > 1 && text.starts_with('0');
    if !is_padded(left) && !is_padded(right) {
        return Ok(Piece::Numbers { first, last, width: 1 });
    }
    if left.len() == right.len() {
        return Ok(Piece::Numbers { first, last, width: left.len() });
    }
    let width = left.len().max(right.len());
    Err(Why::Width(format!("[{first:0width$}:{last:0width$}]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pattern: &str) -> Vec<String> {
        expand(pattern).unwrap().unwrap().into_iter().map(|one| one.text).collect()
    }

    #[test]
    fn both_ends_and_zeros_in_front_belong_to_a_range() {
        assert_eq!(texts("10.0.0.[9:11]"), ["10.0.0.9", "10.0.0.10", "10.0.0.11"]);
        assert_eq!(
            texts("web[08:10].example.com").join(" "),
            "web08.example.com web09.example.com web10.example.com"
        );
        assert_eq!(texts("h[0:1]"), ["h0", "h1"]);
        assert_eq!(texts("h[7:7]"), ["h7"]);
        assert_eq!(texts("[00:01]"), ["00", "01"]);
    }

    #[test]
    fn of_several_the_last_runs_fastest() {
        let all = expand("r[1:2]-h[01:02]").unwrap().unwrap();
        let all: Vec<_> = all.iter().map(|one| (one.text.as_str(), one.values.as_str())).collect();
        assert_eq!(all, [("r1-h01", "1-01"), ("r1-h02", "1-02"), ("r2-h01", "2-01"), ("r2-h02", "2-02")]);
    }

    #[test]
    fn an_address_in_brackets_is_no_range() {
        for text in
            ["ssh://root@[fe80::1]:22", "[::1]", "[1:2:3:4:5:6:7:8]", "[fe80::1%eth0]", "h1", "h[x]", "h[1:2"]
        {
            assert_eq!(expand(text), Ok(None), "{text}");
        }
        assert_eq!(texts("ssh://root@[fe80::1]:[1:2]"), ["ssh://root@[fe80::1]:1", "ssh://root@[fe80::1]:2"]);
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_place() {
        for (pattern, place, why) in [
            ("h[9:1]", "[9:1]", Why::Backwards),
            ("h[1:2][a:f]", "[a:f]", Why::Form),
            ("h[1-9]", "[1-9]", Why::Form),
            ("h[1:]", "[1:]", Why::Form),
            ("h[:]", "[:]", Why::Form),
            ("h[1:9:2]", "[1:9:2]", Why::Form),
            ("h[+1:2]", "[+1:2]", Why::Form),
            ("h[1:99999999999999999999]", "[1:99999999999999999999]", Why::Form),
            ("h[01:9]", "[01:9]", Why::Width("[01:09]".into())),
            ("h[1:010]", "[1:010]", Why::Width("[001:010]".into())),
            ("h[0:18446744073709551615]", "h[0:18446744073709551615]", Why::TooMany),
            ("h[1:100][1:100]", "h[1:100][1:100]", Why::TooMany),
        ] {
            let bad = expand(pattern).unwrap_err();
            assert_eq!((&pattern[bad.at.clone()], bad.why), (place, why), "{pattern}");
        }
        assert_eq!(texts("h[1:1024]").len(), 1024);
    }
}
