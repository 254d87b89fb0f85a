//! The whole pipeline, from text to specification or report.

mod diagnostics;
mod diagnostics_of_parts;
mod lowering;
mod merging;

use std::io;

use miette::{GraphicalReportHandler, GraphicalTheme};

use super::{Files, Loaded, Options, Reading, Variables, load};
use crate::model::StackName;
use crate::yaml::{Report, SourceText};

/// The files beside the stackfile.
struct Beside;

impl Files for Beside {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let text: &[u8] = match path {
            "/srv/app/app.env" => b"# settings\nA=1\nB=two words # kept\nCALLER\nNOBODY\n",
            "/srv/app/later.env" => b"A=2\n",
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
        stack: &StackName::unchecked("app"),
        project_dir: "/srv/app",
        home: Some("/home/u"),
        env: &env,
        files: &Beside,
        reading: Reading::Ours,
        variables: Variables::Fill,
    };
    let files =
        files.iter().map(|(name, bytes)| SourceText { name: (*name).to_owned(), bytes: bytes.to_vec() });
    load(files.collect(), &options)
}

/// What a person sees: the report, or else the notes.
fn drawn_all(files: &[(&str, &[u8])]) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    let mut out = String::new();
    match load_all(files) {
        Err(report) => handler.render_report(&mut out, &report).expect("a string takes all"),
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
