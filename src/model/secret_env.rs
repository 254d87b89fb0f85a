//! Variables of a service whose values are secrets: `DB_PASSWORD: secret://db`.
//!
//! In a spec such a variable is a [secret file](super::spec::TaskSpec::secrets) at a place that is reserved for it, so that
//! all that holds for secrets holds for it: which version runs, what a rotation replaces, what is brought to which host, what
//! can be removed. In the container this program is mounted, and is what the engine starts: it reads the files, and becomes
//! the service's own program with the variables set. The engine, and all that it keeps on a disk, knows names and paths.

use super::spec::TaskSpec;

/// What a value begins with that names a secret.
pub const SCHEME: &str = "secret://";
/// The folder of ours in a container.
pub const ROOM: &str = "/run/stackctl";
/// This program, in a container.
pub const PROGRAM: &str = "/run/stackctl/run";
/// The word with which it is started there.
pub const VERB: &str = "env-run";
/// The folder of the values.
const VALUES: &str = "/run/stackctl/env/";

/// The file with the value of a variable, in its container.
#[must_use]
pub fn file_of(variable: &str) -> String {
    format!("{VALUES}{variable}")
}

/// The variable whose value is in this file, if it is one of ours.
#[must_use]
pub fn variable_of(file: &str) -> Option<&str> {
    file.strip_prefix(VALUES)
}

/// Whether a path in a container is our folder, or in it.
#[must_use]
pub fn is_reserved(path: &str) -> bool {
    path.strip_prefix(ROOM).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a variable can be one of these: its name is that of a file, too.
#[must_use]
pub fn is_name(variable: &str) -> bool {
    let mut chars = variable.chars();
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    chars.next().is_some_and(is_first)
        && variable.len() <= NAME_MAX
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// The longest name of a file on Linux.
const NAME_MAX: usize = 255;

/// The variables of a task whose values are secrets, in the order of their names.
pub fn names(task: &TaskSpec) -> impl Iterator<Item = &str> {
    task.secrets.keys().filter_map(|file| variable_of(file))
}

/// The same, with the key of the secret.
pub fn references(task: &TaskSpec) -> impl Iterator<Item = (&str, &str)> {
    task.secrets.iter().filter_map(|(file, mount)| Some((variable_of(file)?, mount.source.as_str())))
}

/// What the engine starts in place of a program: this program, and the words behind which the service's own come.
#[must_use]
pub fn entrypoint<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let head = [PROGRAM, VERB].into_iter();
    head.chain(names).chain(["--"]).map(str::to_owned).collect()
}

/// Linux's limit on one variable in bytes: its name, `=`, its value, and a NUL byte.
pub const VARIABLE_MAX: usize = 128 * 1024;
/// The stack of a process where a service says nothing of it: the engines' default.
const STACK: u64 = 8 << 20;
/// Whatever the stack, arguments and variables have no less, and no more.
const ROOM_MIN: u64 = 128 << 10;
const ROOM_MAX: u64 = 6 << 20;

/// Bytes that Linux leaves to the arguments and variables of a task's program: a quarter of its stack.
#[must_use]
pub fn room(task: &TaskSpec) -> usize {
    let stack = match task.ulimits.get("stack") {
        None => STACK,
        // Without a limit.
        Some(limit) => u64::try_from(limit.soft).unwrap_or(u64::MAX),
    };
    usize::try_from((stack / 4).clamp(ROOM_MIN, ROOM_MAX)).unwrap_or(usize::MAX)
}

/// Bytes of that which a variable takes: its name, `=`, its value, a NUL byte, and where it is.
#[must_use]
pub fn taken_by(name: &str, value_bytes: usize) -> usize {
    name.len() + value_bytes + 2 + POINTER
}

/// Bytes of that which a task takes without the variables whose values are secrets, as far as its spec says.
#[must_use]
pub fn taken(task: &TaskSpec) -> usize {
    let variables =
        task.environment.iter().filter_map(|(name, value)| Some(taken_by(name, value.as_ref()?.len())));
    let words = task.command.iter().chain(&task.entrypoint).flatten().map(|word| word.len() + 1 + POINTER);
    variables.chain(words).sum()
}

/// Of each argument and variable, on every processor of 64 bits.
const POINTER: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::Ulimit;

    /// As `bprm_stack_limits` of Linux has it.
    #[test]
    fn arguments_and_variables_have_a_quarter_of_the_stack() {
        let with = |soft: Option<i64>| {
            let mut task = TaskSpec::default();
            if let Some(soft) = soft {
                task.ulimits.insert("stack".into(), Ulimit { soft, hard: -1 });
            }
            room(&task)
        };
        assert_eq!([None, Some(8 << 20), Some(16 << 20)].map(with), [2 << 20, 2 << 20, 4 << 20]);
        assert_eq!([Some(-1), Some(1 << 40), Some(4096)].map(with), [6 << 20, 6 << 20, 128 << 10]);
        let mut task = TaskSpec { command: Some(vec!["ab".into()]), ..TaskSpec::default() };
        task.environment = [("A".to_owned(), Some("xy".to_owned())), ("GONE".to_owned(), None)].into();
        assert_eq!(taken(&task), (1 + 1 + 2 + 1 + 8) + (2 + 1 + 8));
    }
    use crate::model::testing::file_mount;

    #[test]
    fn a_variable_is_a_file_at_its_own_place() {
        let mount = file_mount("db", "");
        let mut task = TaskSpec::default();
        for path in [&file_of("DB_PASSWORD"), "/run/secrets/db", "/etc/db"] {
            task.secrets.insert(path.to_owned(), mount.clone());
        }
        assert_eq!(references(&task).collect::<Vec<_>>(), [("DB_PASSWORD", "db")]);
        let words = ["/run/stackctl/run", "env-run", "DB_PASSWORD", "--"];
        assert_eq!(entrypoint(names(&task)), words);
    }

    #[test]
    fn no_name_leads_out_of_the_folder_and_none_is_taken_for_the_end() {
        for name in ["A", "_", "DB_PASSWORD", "a.b-c", &"a".repeat(255)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "..", "a/b", "--", "1A", "A=B", "Ä", "a b", &"a".repeat(256)] {
            assert!(!is_name(name), "{name}");
        }
        for path in ["/run/stackctl", "/run/stackctl/", "/run/stackctl/env/A", "/run/stackctl/x/y"] {
            assert!(is_reserved(path), "{path}");
        }
        for path in ["/run", "/run/stackctl2", "/run/secrets/a", "run/stackctl"] {
            assert!(!is_reserved(path), "{path}");
        }
    }
}
