//! Git, for tests that need a repository to push to; whatever whoever runs them has configured.

use std::path::Path;
use std::process::Command;

/// Runs git in a directory; it must end well.
pub fn git(dir: &Path, args: &[&str]) {
    let done = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(["-c", "user.name=ann", "-c", "user.email=ann@mill"])
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git starts");
    assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}
