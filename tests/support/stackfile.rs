//! A stackfile's way to its specification, for benchmarks: one text, no other file, no environment.

use stackctl::compose::{self, Files, Loaded, SourceText};
use stackctl::model::StackName;

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, path: &str) -> std::io::Result<Vec<u8>> {
        Err(std::io::Error::new(std::io::ErrorKind::NotFound, path.to_owned()))
    }
}

/// Text to spec.
pub fn load(text: &str) -> Loaded {
    let stack = StackName::unchecked("app");
    let options = compose::Options {
        stack: compose::Stack::Given(&stack),
        project_dir: "/srv/app",
        home: None,
        env: &|_| None,
        files: &NoFiles,
        env_files: None,
        profiles: &[],
        reading: compose::Reading::Ours,
        variables: compose::Variables::Fill,
        secrets: stackctl::compose::SecretFiles::default(),
    };
    let source = SourceText { name: "app.yml".into(), bytes: text.as_bytes().to_vec() };
    compose::load(vec![source], &options).map_err(|_| "refused").expect("a stackfile without mistakes")
}
