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

/// How files are called in messages: as seen from where the first of them was named.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    project_dir: String,
    before: String,
}

impl Shown {
    /// `first` is the first file as it was named.
    pub fn new(project_dir: &str, first: &str) -> Self {
        let before = first.rsplit_once('/').map_or("", |(directory, _)| directory);
        let before = if before.is_empty() { String::new() } else { format!("{before}/") };
        Self { project_dir: clean(project_dir), before }
    }

    /// An absolute path, shorter if it is below the project.
    pub fn name(&self, path: &str) -> String {
        match path.strip_prefix(&self.project_dir).and_then(|rest| rest.strip_prefix('/')) {
            Some(rest) => format!("{}{rest}", self.before),
            None => path.to_owned(),
        }
    }
}

/// A path in a directory.
pub fn beside(directory: &str, name: &str) -> String {
    clean(&format!("{directory}/{name}"))
}

/// The directory a path is in.
pub fn directory(path: &str) -> String {
    clean(path.rsplit_once('/').map_or("", |(directory, _)| directory))
}

/// Whether a path needs no base.
pub fn is_absolute(path: &str) -> bool {
    path.starts_with(['/', '\\']) || super::short::is_windows_path(path)
}

/// Without `.`, `..` and doubled slashes.
pub fn clean(path: &str) -> String {
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
        assert_eq!(beside("/", ".env"), "/.env");
        let shown = Shown::new("/srv/app", "app/compose.yml");
        assert_eq!(shown.name("/srv/app/db/x.yml"), "app/db/x.yml");
        assert_eq!(shown.name("/srv/apple/x.yml"), "/srv/apple/x.yml");
        assert_eq!(Shown::new("/srv/app", "compose.yml").name("/srv/app/x.yml"), "x.yml");
        assert_eq!(
            [directory("/a/../b/c"), directory("/a"), directory("a")],
            ["/b".to_owned(), "/".into(), "/".into()]
        );
    }
}
