//! Service templates, `{{.Node.Hostname}}`: which there are. They are filled in for each task later; here
//! it is only checked that they can be.

use std::ops::Range;

use crate::model::template::{FIELDS, is_known, label_key};
use crate::yaml::closest;

/// A template that cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// Fit for a label.
    pub why: String,
    /// Which part of the text.
    pub part: Range<usize>,
    /// What may have been meant.
    pub help: String,
}

/// Checks every template in a text.
pub fn check(text: &str) -> Result<(), TemplateError> {
    let mut at = 0;
    while let Some(open) = text[at..].find("{{").map(|offset| at + offset) {
        let Some(close) = text[open + 2..].find("}}").map(|offset| open + 2 + offset) else {
            return Err(TemplateError {
                why: "`{{` is not closed".to_owned(),
                part: open..open + 2,
                help: "close it with `}}`".to_owned(),
            });
        };
        let inner = inner(&text[open + 2..close]);
        if !is_known(inner) {
            let help = match closest(inner, &FIELDS) {
                Some(near) => format!("did you mean `{{{{{near}}}}}`?"),
                None => "known are `.Service.ID`, `.Service.Name`, `.Node.ID`, `.Node.Hostname`, \
                         `.Node.Platform.OS`, `.Node.Platform.Architecture`, `.Task.ID`, `.Task.Name`, \
                         `.Task.Slot` and `index .Service.Labels \"key\"`"
                    .to_owned(),
            };
            let why = "not a property that a task has".to_owned();
            return Err(TemplateError { why, part: open..close + 2, help });
        }
        at = close + 2;
    }
    Ok(())
}

/// What is between the braces, without what trims blanks around them.
fn inner(braced: &str) -> &str {
    let inner = braced.trim();
    let inner = inner.strip_prefix("- ").unwrap_or(inner);
    inner.strip_suffix(" -").unwrap_or(inner).trim()
}

/// How many bytes the labels make that a text asks for, by the length of each: a label may be long, and asked for often.
/// What else a template may ask for is short.
#[must_use]
pub fn made(text: &str, label: &dyn Fn(&str) -> usize) -> usize {
    let parts = text.split("{{").skip(1).filter_map(|part| part.split_once("}}"));
    let lengths = parts.filter_map(|(braced, _)| label_key(inner(braced))).map(label);
    lengths.fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_templates_pass_and_others_are_pointed_at() {
        for text in [
            "",
            "{{.Node.Hostname}}-{{ .Task.Slot }}",
            "{{- .Node.ID -}}",
            "{{index .Service.Labels \"a.b\"}}",
            "} {",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        let error = check("a {{.Node.Hostnme}}").unwrap_err();
        assert_eq!((error.part, error.help.as_str()), (2..19, "did you mean `{{.Node.Hostname}}`?"));
        assert!(check("{{ if .Node }}").is_err());
        assert_eq!(check("x{{").unwrap_err().part, 1..3);
    }
}
