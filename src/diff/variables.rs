//! Variables whose values are secrets: told as the variables that the stackfile has, not as the files that they are in a
//! spec. Of a value there is nothing to tell; that it differs is told by two equal names.

use serde_json::Value;

use super::fields::{Change, HIDDEN, Impact};
use crate::model::TaskSpec;
use crate::model::secret_env::{SCHEME, file_of, names, references};

/// Takes changes of these files, and of variables of the same names, together as changes of variables.
pub(super) fn told(before: &TaskSpec, after: &TaskSpec, changes: &mut Vec<Change>) {
    let mut all: Vec<&str> = names(before).chain(names(after)).collect();
    all.sort_unstable();
    all.dedup();
    for name in all {
        let (path, file) = (path_of(name), format!("secrets[{:?}]", file_of(name)));
        let is_of_it = |change: &Change| change.path == path || change.path.starts_with(&file);
        let Some(at) = changes.iter().position(is_of_it) else { continue };
        // Among the variables, which come before all other maps that a secret can be in.
        let at = changes.iter().position(|one| one.path != "image" && one.path > path).unwrap_or(at).min(at);
        changes.retain(|change| !is_of_it(change));
        let (before, after) = (value(before, name), value(after, name));
        changes.insert(at.min(changes.len()), Change { path, before, after, impact: Impact::Replace });
    }
}

fn path_of(name: &str) -> String {
    super::fields::join("environment", name)
}

/// The secret's name, or that there is another value.
fn value(spec: &TaskSpec, name: &str) -> Option<Value> {
    if let Some((_, key)) = references(spec).find(|(variable, _)| *variable == name) {
        return Some(format!("{SCHEME}{key}").into());
    }
    spec.environment.get(name).map(|_| HIDDEN.into())
}

#[cfg(test)]
mod tests {
    use super::super::fields::tests::lines;
    use super::super::task_changes;
    use super::*;
    use crate::model::testing::file_mount;

    fn spec(variables: &[(&str, &str, &str)]) -> TaskSpec {
        let mut spec = TaskSpec { image: "web:1".into(), ..TaskSpec::default() };
        for (name, source, version) in variables {
            let mount = file_mount(source, version);
            spec.secrets.insert(file_of(name), mount);
        }
        spec
    }

    #[test]
    fn a_secret_in_a_variable_is_told_by_its_name() {
        let before = spec(&[("A", "db", "v1"), ("GONE", "x", "v1"), ("SAME", "x", "v1")]);
        let mut after = spec(&[("A", "db", "v2"), ("NEW.1", "y", "v9"), ("SAME", "x", "v1")]);
        after.hostname = Some("h".into());
        after.command = Some(vec!["a".into()]);
        assert_eq!(
            lines(&before, &after),
            [
                r#"command: - -> "(hidden)""#,
                r#"environment.A: "secret://db" -> "secret://db""#,
                r#"environment.GONE: "secret://x" -> -"#,
                r#"environment["NEW.1"]: - -> "secret://y""#,
                r#"hostname: - -> "h""#,
            ]
        );
        assert!(task_changes(&before, &before).is_empty());
    }

    #[test]
    fn a_text_that_becomes_a_secret_is_one_change() {
        let mut text = spec(&[]);
        text.environment.insert("A".into(), Some("hunter2".into()));
        let secret = spec(&[("A", "db", "v1")]);
        assert_eq!(lines(&text, &secret), [r#"environment.A: "(hidden)" -> "secret://db""#]);
        assert_eq!(lines(&secret, &text), [r#"environment.A: "secret://db" -> "(hidden)""#]);
    }

    #[test]
    fn other_secrets_are_told_as_before() {
        let mut before = spec(&[("A", "db", "v1")]);
        let mount = before.secrets[&file_of("A")].clone();
        before.secrets.insert("/run/secrets/A".into(), mount);
        let mut after = before.clone();
        after.secrets.values_mut().for_each(|mount| mount.content.push('2'));
        assert_eq!(
            lines(&before, &after),
            [
                r#"environment.A: "secret://db" -> "secret://db""#,
                r#"secrets["/run/secrets/A"].content: "(hidden)" -> "(hidden)""#,
            ]
        );
    }
}
