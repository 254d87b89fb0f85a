//! Columns as docker's `tabwriter` sets them: at least ten wide, three blanks between.

use super::text;

/// Docker's `tabwriter.NewWriter(out, 10, 1, 3, ' ', 0)`.
const COLUMN_MIN: usize = 10;
const GAP: usize = 3;

/// Aligns lines whose cells are separated by tabs.
///
/// No line ends in blanks. Every line of the result ends in a newline.
#[must_use]
pub fn align(lines: &[String]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for line in lines {
        let cells: Vec<&str> = line.split('\t').collect();
        for (at, cell) in cells[..cells.len() - 1].iter().enumerate() {
            if widths.len() <= at {
                widths.push(COLUMN_MIN);
            }
            widths[at] = widths[at].max(text::width(cell) + GAP);
        }
    }
    let mut out = String::new();
    for line in lines {
        let mut cells = line.split('\t').peekable();
        let mut widths = widths.iter();
        while let Some(cell) = cells.next() {
            match (cells.peek(), widths.next()) {
                (Some(_), Some(&width)) => out.push_str(&text::pad(cell, width)),
                _ => out.push_str(cell),
            }
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let lines = ["ID\tNAME\tPORTS", "abc\télasticsearch\t", "longer-than-ten\t漢字\t80"];
        let text = align(&lines.map(str::to_owned));
        assert_eq!(
            text,
            "ID                NAME            PORTS\n\
             abc               élasticsearch\n\
             longer-than-ten   漢字            80\n"
        );
    }

    #[test]
    fn colours_take_no_room() {
        let text = align(&["\x1b[1ma\x1b[0m\tb".to_owned(), "a\tb".to_owned()]);
        assert_eq!(text, "\x1b[1ma\x1b[0m         b\na         b\n");
    }
}
