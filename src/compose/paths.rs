//! Paths as docker resolves them on the client: against the project directory, `~` being home. Text
//! only; no file system is asked.

/// Where relative paths start.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// Absolute directory of the project: that of the first file.
    pub project_dir: &'a str,
    /// What `~` stands for.
    pub home: Option<&'a str>,
}

impl Base<'_> {
    /// An absolute path. One that is absolute already is left as it is, and so is one of Windows.
    pub fn resolve(&self, path: &str) -> String {
        let expanded = match (path.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
            _ => path.to_owned(),
        };
        if is_absolute(&expanded) { expanded } else { clean(&format!("{}/{expanded}", self.project_dir)) }
    }
}

/// Whether a path needs no base.
pub fn is_absolute(path: &str) -> bool {
    path.starts_with(['/', '\\']) || super::short::is_windows_path(path)
}

/// Without `.`, `..` and doubled slashes.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_as_docker_does() {
        let base = Base { project_dir: "/srv/app", home: Some("/home/u") };
        for (path, expected) in [
            ("./data", "/srv/app/data"),
            ("data/../x//y", "/srv/app/x/y"),
            ("../..", "/"),
            ("../../../../etc", "/etc"),
            ("/abs/../x", "/abs/../x"),
            ("~/x", "/home/u/x"),
            ("~", "/home/u"),
            ("~other/x", "/srv/app/~other/x"),
            (r"C:\x", r"C:\x"),
        ] {
            assert_eq!(base.resolve(path), expected, "{path}");
        }
    }
}
