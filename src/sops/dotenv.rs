//! Lines of `NAME=value` to a tree with places. A value is all that stands behind the first `=`, quotes too: that is how
//! SOPS reads them.

use std::ops::Range;

use super::error::{Limit, SopsError};
use super::tree::{Branch, Document, Entry, Item, Leaf, Value};

/// How the names of the part `sops` begin: it stands among the others.
pub const OURS: &str = "sops_";

/// Reads the lines that are neither empty nor comments.
///
/// # Errors
///
/// One has no `=`, or there are too many.
pub fn read(text: &str) -> Result<Document, SopsError> {
    let mut entries = Vec::new();
    for (number, (start, line)) in lines(text).enumerate() {
        if is_blank(line) || line.starts_with('#') {
            continue;
        }
        let Some(sign) = line.find('=') else {
            return Err(SopsError::Malformed { format: "dotenv", line: number + 1 });
        };
        if entries.len() >= Limit::Values.most() {
            return Err(SopsError::TooLarge(Limit::Values));
        }
        let (key, written) = (&line[..sign], &line[sign + 1..]);
        // A checkout on Windows ends lines so. What is not encrypted may have it from the beginning.
        let is_ours = key.starts_with(OURS) || written.starts_with(super::cipher::BEGIN);
        let written = if is_ours { written.trim_end_matches('\r') } else { written };
        let at = start + sign + 1..start + sign + 1 + written.len();
        entries.push(Entry {
            key: key.to_owned(),
            key_at: start..start + sign,
            end: at.end,
            value: Item::Leaf(Leaf { at, value: Value::Text(written.replace("\\n", "\n")) }),
        });
    }
    Ok(Document { branches: vec![Branch { range: 0..text.len(), entries }] })
}

/// Where the texts of comments are, behind their `#`.
pub fn comments(text: &str) -> Vec<Range<usize>> {
    let all = lines(text).filter(|(_, line)| line.starts_with('#'));
    all.map(|(start, line)| start + 1..start + line.trim_end_matches('\r').len()).collect()
}

fn is_blank(line: &str) -> bool {
    line.is_empty() || line == "\r"
}

/// Each line without its end, and where it begins.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    text.split('\n').map(move |line| {
        let at = start;
        start += line.len() + 1;
        (at, line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_as_they_stand() {
        let text = "# about\nA=\"x\"\n\nexport B= y=z \nC=a\\nb\r\nsops_version=3.9.0\r\n";
        let document = read(text).unwrap();
        let found: Vec<(&str, &Item)> =
            document.branches[0].entries.iter().map(|entry| (entry.key.as_str(), &entry.value)).collect();
        let leaf =
            |at: Range<usize>, text: &str| Item::Leaf(Leaf { at, value: Value::Text(text.to_owned()) });
        assert_eq!(
            found,
            [
                ("A", &leaf(10..13, "\"x\"")),
                ("export B", &leaf(24..29, " y=z ")),
                ("C", &leaf(32..37, "a\nb\r")),
                ("sops_version", &leaf(51..56, "3.9.0")),
            ]
        );
        assert_eq!(comments(text).iter().map(|at| &text[at.clone()]).collect::<Vec<_>>(), [" about"]);
        assert_eq!(read("A=b\n\nC").unwrap_err(), SopsError::Malformed { format: "dotenv", line: 3 });
    }
}
