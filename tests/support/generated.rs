//! Files that are made from the code and kept beside it.

use std::path::Path;

/// Holds a file to what the code would write now, or writes it with `STACKCTL_WRITE_GENERATED`. `test` is
/// the test that does.
pub fn check(path: &Path, wanted: &str, test: &str) {
    if std::env::var_os("STACKCTL_WRITE_GENERATED").is_some() {
        std::fs::write(path, wanted).expect("the file can be written");
        return;
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        there == wanted,
        "{} is not current; write it anew with STACKCTL_WRITE_GENERATED=1 cargo test --test {test}",
        path.display()
    );
}
