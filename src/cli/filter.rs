//! `--filter KEY=VALUE`, as docker has it: one key given twice means either, two keys mean both.

use std::collections::BTreeMap;

/// The filters of a command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filters(BTreeMap<String, Vec<String>>);

/// Why a filter is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum FilterError {
    /// No `=`.
    #[error("`{text}` is not a filter")]
    #[diagnostic(
        code(stackctl::filter::malformed),
        help("write it as KEY=VALUE, for example `{example}=web`")
    )]
    Malformed {
        text: String,
        /// A key there is.
        example: String,
    },
    /// No such key.
    #[error("no filter `{key}` here")]
    #[diagnostic(code(stackctl::filter::unknown), help("there are: {}", known.join(", ")))]
    Unknown { key: String, known: Vec<String> },
    /// The key is known, the value is not.
    #[error("`{value}` is not a value of filter `{key}`")]
    #[diagnostic(code(stackctl::filter::bad_value), help("one of: {}", known.join(", ")))]
    BadValue { key: String, value: String, known: Vec<String> },
}

impl Filters {
    /// Reads filters; only those in `known` are allowed.
    pub fn parse(texts: &[String], known: &[&str]) -> Result<Self, FilterError> {
        let mut filters = Self::default();
        for text in texts {
            let (key, value) = text.split_once('=').ok_or_else(|| FilterError::Malformed {
                text: text.clone(),
                example: known.first().copied().unwrap_or("name").to_owned(),
            })?;
            let key = key.trim().to_lowercase();
            if !known.contains(&key.as_str()) {
                return Err(FilterError::Unknown {
                    key,
                    known: known.iter().map(|&k| k.to_owned()).collect(),
                });
            }
            filters.0.entry(key).or_default().push(value.trim().to_owned());
        }
        Ok(filters)
    }

    /// Fails if `key` has a value that is not in `known`.
    pub fn check_values(&self, key: &str, known: &[&str]) -> Result<(), FilterError> {
        match self.0.get(key).into_iter().flatten().find(|value| !known.contains(&value.as_str())) {
            None => Ok(()),
            Some(value) => Err(FilterError::BadValue {
                key: key.to_owned(),
                value: value.clone(),
                known: known.iter().map(|&k| k.to_owned()).collect(),
            }),
        }
    }

    /// Whether `key` has no filter, or one of its values satisfies `fits`.
    pub fn allows(&self, key: &str, fits: impl FnMut(&str) -> bool) -> bool {
        self.0.get(key).is_none_or(|values| values.iter().map(String::as_str).any(fits))
    }

    /// Whether labels satisfy the filters under `key`: all `name` and `name=value` filters, since docker's
    /// label filters add up.
    #[must_use]
    pub fn allows_labels(&self, key: &str, labels: &BTreeMap<String, String>) -> bool {
        self.0.get(key).into_iter().flatten().all(|wanted| match wanted.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|have| have == value),
            None => labels.contains_key(wanted),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(texts: &[&str]) -> Result<Filters, FilterError> {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        Filters::parse(&texts, &["name", "node", "label"])
    }

    #[test]
    fn one_key_twice_means_either() {
        let filters = filters(&["name=web", "name=db", "node=h1"]).unwrap();
        assert!(filters.allows("name", |want| "web.1".starts_with(want)));
        assert!(filters.allows("name", |want| "db.1".starts_with(want)));
        assert!(!filters.allows("name", |want| "log.1".starts_with(want)));
        assert!(filters.allows("id", |_| false), "not asked for");
    }

    #[test]
    fn labels_add_up() {
        let labels = BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
        assert!(filters(&["label=zone"]).unwrap().allows_labels("label", &labels));
        assert!(filters(&["label=zone=a"]).unwrap().allows_labels("label", &labels));
        assert!(!filters(&["label=zone=a", "label=disk"]).unwrap().allows_labels("label", &labels));
    }

    #[test]
    fn mistakes_list_what_there_is() {
        let error = filters(&["nmae=web"]).unwrap_err();
        assert_eq!(miette::Diagnostic::help(&error).unwrap().to_string(), "there are: name, node, label");
        assert!(matches!(filters(&["web"]), Err(FilterError::Malformed { .. })));
        let error = filters(&["node=x"]).unwrap().check_values("node", &["a", "b"]).unwrap_err();
        assert!(matches!(error, FilterError::BadValue { .. }));
    }
}
