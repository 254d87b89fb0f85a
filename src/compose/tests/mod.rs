//! The whole pipeline, from text to specification or report.

mod canary;
mod diagnostics;
mod diagnostics_of_files;
mod diagnostics_of_parts;
mod files;
mod laws;
mod limits;
mod lowering;
mod merging;
mod passwords;
mod secret_variables;
mod strict;

use std::io;

use miette::{GraphicalReportHandler, GraphicalTheme};

use super::{Files, Loaded, Options, Reading, SecretFiles, Stack, Variables, load};
use crate::model::StackName;
use crate::yaml::{Report, SourceText};

/// The files beside the stackfile.
struct Beside;

impl Files for Beside {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let text: &[u8] = match path {
            "/srv/app/app.env" => b"# settings\nA=1\nB=two words # kept\nCALLER\nNOBODY\n",
            "/srv/app/later.env" => b"A=2\n",
            "/srv/app/secret.env" => b"DB=secret://db\n",
            "/srv/app/unknown.env" => b"DB=secret://none\n",
            "/srv/app/bad.env" => b"A=1\nexport B=2\n",
            "/srv/app/conf/a.conf" => b"hello\n",
            "/srv/app/closed" => return Err(io::Error::from(io::ErrorKind::PermissionDenied)),
            _ => return Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        Ok(text.to_vec())
    }
}

/// Loads files as stack `app` with a few variables set.
fn load_all(files: &[(&str, &[u8])]) -> Result<Loaded, Report> {
    let env = |name: &str| match name {
        "TAG" => Some("1.2".to_owned()),
        "N" => Some("3".to_owned()),
        "YES" => Some("yes".to_owned()),
        "CALLER" => Some("from the caller".to_owned()),
        "HIDDEN" => Some("hunter2".to_owned()),
        "E" => Some("from the caller".to_owned()),
        _ => None,
    };
    let options = Options {
        stack: Stack::Given(&StackName::unchecked("app")),
        project_dir: "/srv/app",
        home: Some("/home/u"),
        env: &env,
        files: &Beside,
        env_files: None,
        profiles: &[],
        reading: Reading::Ours,
        variables: Variables::Fill,
        secrets: SecretFiles::default(),
    };
    let files =
        files.iter().map(|(name, bytes)| SourceText { name: (*name).to_owned(), bytes: bytes.to_vec() });
    load(files.collect(), &options)
}

/// A project of several files below `/srv/app`, of which `compose.yml` is read; and how it is read.
struct Project<'a> {
    files: &'a [(&'a str, &'a str)],
    env: &'a [(&'a str, &'a str)],
    profiles: &'a [&'a str],
    env_files: &'a [&'a str],
    name: Option<&'a str>,
}

impl Default for Project<'_> {
    fn default() -> Self {
        Self { files: &[], env: &[], profiles: &[], env_files: &[], name: Some("app") }
    }
}

impl Files for Project<'_> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let found = path.strip_prefix("/srv/app/").and_then(|path| self.files.iter().find(|f| f.0 == path));
        found.map(|file| file.1.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Project<'_> {
    fn load(&self) -> Result<Loaded, Report> {
        self.load_files(&["compose.yml"])
    }

    /// Reads several, as with `-c`.
    fn load_files(&self, names: &[&str]) -> Result<Loaded, Report> {
        let name = self.name.map(StackName::unchecked);
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (profiles, env_files) = (owned(self.profiles), owned(self.env_files));
        let options = Options {
            stack: name.as_ref().map_or(Stack::Otherwise(None), Stack::Given),
            project_dir: "/srv/app",
            home: Some("/home/u"),
            env: &|name| self.env.iter().find(|var| var.0 == name).map(|var| var.1.to_owned()),
            files: self,
            env_files: (!env_files.is_empty()).then_some(env_files.as_slice()),
            profiles: &profiles,
            reading: Reading::Ours,
            variables: Variables::Fill,
            secrets: SecretFiles::default(),
        };
        let source = |name: &&str| {
            let bytes = self.read(&format!("/srv/app/{name}")).expect("a file of the project");
            SourceText { name: (*name).to_owned(), bytes }
        };
        load(names.iter().map(source).collect(), &options)
    }

    /// A stack that has to load.
    fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|_| panic!("{}", self.drawn()))
    }

    /// What a person sees.
    fn drawn(&self) -> String {
        draw(self.load())
    }

    /// The merged file, which has to load.
    fn merged(&self) -> String {
        super::config::text(&self.loaded().merged, false)
    }
}

/// What a person sees: the report, or else the notes.
fn drawn_all(files: &[(&str, &[u8])]) -> String {
    draw(load_all(files))
}

fn draw(result: Result<Loaded, Report>) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    let mut out = String::new();
    match result {
        Err(report) => {
            handler.render_report(&mut out, &report).expect("a string takes all");
            // Long in tests of files with thousands of keys, and not what they are about.
            out.truncate(out.char_indices().nth(20_000).map_or(out.len(), |(at, _)| at));
        }
        Ok(loaded) => {
            for note in &loaded.notes {
                handler.render_report(&mut out, note).expect("a string takes all");
            }
        }
    }
    let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// The same for one file.
fn drawn(text: &str) -> String {
    drawn_all(&[("stack.yml", text.as_bytes())])
}

/// A stack that has to load.
fn loaded(files: &[&str]) -> Loaded {
    let names = ["a.yml", "b.yml", "c.yml"];
    let files: Vec<_> = names.into_iter().zip(files).map(|(name, text)| (name, text.as_bytes())).collect();
    load_all(&files).unwrap_or_else(|_| panic!("{}", drawn_all(&files)))
}
