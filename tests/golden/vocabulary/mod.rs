//! Every word that leaves or enters the program by name, read from the sources: fields, variants and tags of
//! what serde reads or writes, keys of JSON made by hand, words that stand for a state, labels, variables and
//! headers.
//!
//! No name of a Rust type, function, field or file is in the golden files: what is renamed or moved changes no
//! line, unless the word that programs see has changed with it. That makes this the net below the other
//! tests: those hold what comes out in some cases, this one has every case there is.

mod serde;
mod sources;

use std::collections::BTreeSet;

use regex_lite::Regex;

use sources::{all, of};

use crate::golden;

fn listed(lines: impl IntoIterator<Item = String>) -> String {
    let mut lines: Vec<String> = lines.into_iter().collect();
    lines.sort();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn what_serde_reads_and_writes() {
    golden::hold("vocabulary/types.txt", &listed(all().types));
}

#[test]
fn keys_of_json_made_by_hand() {
    golden::hold("vocabulary/keys.txt", &listed(all().keys));
}

#[test]
fn words_that_stand_for_a_case() {
    golden::hold("vocabulary/words.txt", &listed(all().words));
}

/// Labels, variables, headers, and the marks that other programs look for.
#[test]
fn names_in_texts() {
    let literals = all().literals;
    let mut out = String::new();
    for (what, pattern) in [
        ("labels", r"\b(?:io\.stackctl|com\.docker)\.[a-z.-]*[a-z]"),
        ("variables", r"\bSTACKCTL_[A-Z_]*[A-Z]"),
        ("headers", r"(?i)^x-[a-z0-9-]+$"),
        ("metrics", r"\bstackctl_[a-z_]*[a-z]"),
        (
            "marks",
            r"stackctl: FAILED:|<!-- stackctl:diff:\{?[a-z]*\}? -->|^stackctl-ledger-|^deflate:|^sha256=",
        ),
    ] {
        let pattern = Regex::new(pattern).expect("a pattern");
        let names: BTreeSet<String> = literals
            .iter()
            .flat_map(|text| {
                pattern.find_iter(text).map(|found| found.as_str().to_owned()).collect::<Vec<_>>()
            })
            .collect();
        assert!(!names.is_empty(), "no {what} were found");
        out.push_str(&format!("{what}:\n"));
        for name in names {
            out.push_str(&format!("  {name}\n"));
        }
    }
    golden::hold("vocabulary/names.txt", &out);
}

/// The reader of sources reads them as serde does, and a word that changes changes a line.
#[test]
fn sources_are_read_as_serde_reads_them() {
    let found = of(r#"
        #[derive(Debug, Serialize)]
        #[serde(tag = "reason", rename_all = "snake_case")]
        enum Any { New, ConfigChanged { from: u8, #[serde(skip_serializing_if = "Option::is_none")] to: Option<u8> } }
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Other { #[serde(rename = "ID")] id: u8, mod_index: u8, #[serde(skip)] own: u8, #[serde(flatten)] rest: Any }
        #[derive(Debug)]
        enum Inner { Unseen }
        #[cfg(test)]
        mod tests { #[derive(Serialize)] struct Unseen { a: u8 } }
        impl Any {
            fn word(&self) -> &'static str { match self { Self::New => "new", _ => "changed" } }
            fn tell(&self) -> &'static str { match self { Self::New => "It is new.", _ => "changed" } }
            fn json(&self) { let mut value = json!({ "Name": 1, "In": { "side": 2 } }); value["more"] = 1.into(); }
        }
    "#);
    assert_eq!(found.types, ["tag=reason: config_changed{from, to~} | new", "{ID?, ModIndex?, ..}"]);
    assert_eq!(found.words.into_iter().collect::<Vec<_>>(), ["changed | new"]);
    assert_eq!(found.keys.into_iter().collect::<Vec<_>>(), ["[more]", "{Name, In, side}"]);
    for (before, after) in [("config_changed", "spec_changed"), ("ID", "Id")] {
        assert!(found.types.iter().any(|line| line.contains(before) && !line.contains(after)));
    }
}
