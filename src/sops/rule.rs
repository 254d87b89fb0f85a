//! Which values of a file are encrypted. The part `sops` says so by one rule, and without one it is by a suffix.

use regex_lite::{Regex, RegexBuilder};

/// By what a value is known to be encrypted.
#[derive(Debug)]
pub enum Rule {
    /// By the names on its path: if one of them fits, it is, or is not.
    Names { names: Names, are_encrypted: bool },
    /// By how it looks: the rule is about comments beside it, and which belongs to what is lost in the encrypted file.
    Looks,
}

/// Names of keys.
#[derive(Debug)]
pub enum Names {
    Suffix(String),
    Regex(Regex),
}

impl Rule {
    /// What it costs to look at a byte of a key.
    pub fn cost(&self) -> usize {
        // A regular expression has as many states as its size allows.
        if matches!(self, Self::Names { names: Names::Regex(_), .. }) { 64 } else { 1 }
    }
}

impl Names {
    /// A regular expression, if it is one and not too large: keys are looked at in the time that its size allows.
    pub fn regex(text: &str) -> Option<Self> {
        const SIZE_MAX: usize = 64 << 10;
        RegexBuilder::new(text).size_limit(SIZE_MAX).build().ok().map(Self::Regex)
    }

    fn fit(&self, name: &str) -> bool {
        match self {
            Self::Suffix(suffix) => name.ends_with(suffix.as_str()),
            Self::Regex(regex) => regex.is_match(name),
        }
    }
}

/// The keys down to a value.
#[derive(Debug, Clone, Default)]
pub struct Path {
    /// Each followed by a colon: what a value is authenticated with.
    joined: String,
    /// Where each of them ends, and whether the rule's names fit it or one before it.
    ends: Vec<(usize, bool)>,
}

impl Path {
    /// Goes down by a key.
    pub fn push(&mut self, key: &str, rule: &Rule) {
        let fits = match rule {
            Rule::Names { names, .. } => self.fits() || names.fit(key),
            Rule::Looks => false,
        };
        self.joined.push_str(key);
        self.joined.push(':');
        self.ends.push((self.joined.len(), fits));
    }

    /// Goes up again.
    pub fn pop(&mut self) {
        self.ends.pop();
        self.joined.truncate(self.ends.last().map_or(0, |(end, _)| *end));
    }

    /// Whether the rule's names fit a key of it.
    pub fn fits(&self) -> bool {
        self.ends.last().is_some_and(|(_, fits)| *fits)
    }

    /// What a value here is authenticated with.
    pub fn bytes(&self) -> &[u8] {
        if self.joined.is_empty() { b":" } else { self.joined.as_bytes() }
    }

    /// What comments at it or above it are authenticated with, from here up.
    pub fn upwards(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.ends.iter().rev().map(|(end, _)| &self.joined.as_bytes()[..*end]);
        ends.chain([b":".as_slice()])
    }

    /// For people, on one line and not too long.
    pub fn shown(&self) -> String {
        const SHOWN_MAX: usize = 120;
        let names = self.joined.strip_suffix(':').unwrap_or(&self.joined);
        // A value can become a part of a name where a file is damaged, and be damaged itself.
        let begin = names.split("ENC[").next().unwrap_or_default();
        let mut shown: String = begin.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect();
        if begin.len() < names.len() || begin.chars().nth(SHOWN_MAX).is_some() {
            shown.push('…');
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(names: Names, path: &[&str]) -> bool {
        let rule = Rule::Names { names, are_encrypted: true };
        let mut all = Path::default();
        path.iter().for_each(|key| all.push(key, &rule));
        all.fits()
    }

    #[test]
    fn a_name_anywhere_on_the_path_counts() {
        let suffix = || Names::Suffix("_plain".to_owned());
        assert!(fits(suffix(), &["a", "b_plain", "c"]) && fits(suffix(), &["_plain"]));
        assert!(!fits(suffix(), &["a", "b_plain2"]) && !fits(suffix(), &[]));
        let regex = || Names::regex("^(data|secret)").unwrap();
        assert!(fits(regex(), &["a", "data2", "c"]) && !fits(regex(), &["a", "my_data"]));
        assert!(Names::regex("(").is_none() && Names::regex("((a{9}){9}){9}{9}").is_none());
        assert!(Names::regex(&format!("^({}x)$", "password[0-9]*|".repeat(20))).is_some());
    }

    #[test]
    fn paths_go_down_and_up() {
        let mut path = Path::default();
        assert_eq!((path.bytes(), path.shown().as_str()), (b":".as_slice(), ""));
        for key in ["a", "b:c", "d"] {
            path.push(key, &Rule::Looks);
        }
        path.pop();
        assert_eq!((path.bytes(), path.shown().as_str()), (b"a:b:c:".as_slice(), "a:b:c"));
        let up: Vec<&[u8]> = path.upwards().collect();
        assert_eq!(up, [b"a:b:c:".as_slice(), b"a:", b":"]);
        path.push("\u{1b}[2J\u{202e}", &Rule::Looks);
        assert_eq!(path.shown(), "a:b:c:\\u{1b}[2J\\u{202e}");
        path.pop();
        path.push("d-ENC[AES256_GCM,data:x,", &Rule::Looks);
        assert_eq!(path.shown(), "a:b:c:d-…");
        path.pop();
        path.push("d-ENC[AES256_GCM,data,data:x,", &Rule::Looks);
        assert_eq!(path.shown(), "a:b:c:d-…", "damaged at its beginning");
        path.pop();
        path.push(&"x".repeat(1000), &Rule::Looks);
        assert!(path.shown().chars().count() < 150);
    }
}
