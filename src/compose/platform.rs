//! `platform: linux/arm64` of a service: the node has to be of that platform.
//!
//! Compose pulls the image for it and lets the engine emulate what it is not. Here a task goes to a node
//! that runs it as it is: the platform becomes two placement constraints.

use super::short::Malformed;

/// The constraints that a platform stands for. Architectures are in the words that docker has for nodes,
/// which the scheduler takes for the same as Go's: `x86_64` is `amd64`.
pub fn constraints(text: &str) -> Result<Vec<String>, Malformed> {
    let malformed = |why: &str| Err(Malformed(why.to_owned()));
    let mut parts = text.split('/');
    let (os, architecture, variant) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if parts.next().is_some() || ![Some(os), architecture, variant].into_iter().flatten().all(word) {
        return malformed("it is `os/architecture`");
    }
    if !matches!(os, "linux" | "windows") {
        return malformed("the system is `linux` or `windows`");
    }
    let mut constraints = vec![format!("node.platform.os == {os}")];
    if let Some(architecture) = architecture {
        let architecture = match architecture {
            "amd64" => "x86_64",
            "arm64" => "aarch64",
            other => other,
        };
        constraints.push(format!("node.platform.arch == {architecture}"));
    }
    Ok(constraints)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_becomes_constraints() {
        let shown = |text: &str| constraints(text).map_or_else(|error| error.0, |list| list.join(", "));
        for (text, expected) in [
            ("linux/amd64", "node.platform.os == linux, node.platform.arch == x86_64"),
            ("linux/arm64/v8", "node.platform.os == linux, node.platform.arch == aarch64"),
            ("linux", "node.platform.os == linux"),
            ("linux/s390x", "node.platform.os == linux, node.platform.arch == s390x"),
            ("amd64", "the system is `linux` or `windows`"),
            ("linux/", "it is `os/architecture`"),
            ("a/b/c/d", "it is `os/architecture`"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
