//! Which stackfiles a command reads, and reading them.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::ValueHint;

use super::report::Failure;
use super::{Context, cluster};
use crate::compose::{self, Files, Loaded, Options, Reading, SourceText, Variables};
use crate::model::StackName;

/// Looked for in this order where no file is named.
const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// The name that stands for stdin.
const STDIN: &str = "-";

/// The stackfiles of a command.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Stackfiles {
    /// Stackfile; `-` is stdin. Several are merged, later ones win [default: the compose.yaml,
    /// compose.yml, docker-compose.yaml or docker-compose.yml of this directory]
    #[arg(short = 'c', long = "compose-file", value_name = "FILE", value_delimiter = ',')]
    #[arg(value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Read the files exactly as docker does, with what it drops and loses
    #[arg(long)]
    pub strict_docker: bool,
}

/// Why there is nothing to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum StackfileError {
    /// None named, none found.
    #[error("no stackfile here")]
    #[diagnostic(
        code(stackctl::compose::no_stackfile),
        help("name one with `-c FILE`, or go to a directory with one of {}", NAMES.join(", "))
    )]
    NoneFound,
    /// Named, and cannot be read.
    #[error("the stackfile {} cannot be read: {words}", path.display())]
    #[diagnostic(code(stackctl::compose::unreadable), help("{help}"))]
    Unreadable {
        /// As named.
        path: PathBuf,
        /// The system's words.
        words: String,
        /// What to do.
        help: String,
    },
}

/// The files of this machine.
struct Disk;

impl Files for Disk {
    #[expect(clippy::disallowed_methods, reason = "stackfiles and what they refer to are files")]
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}

impl Stackfiles {
    /// Finds and reads them; warnings go to stderr.
    pub(super) fn load(&self, stack: &StackName, context: &Context) -> Result<Loaded, Failure> {
        self.load_with(stack, Variables::Fill, context)
    }

    /// The same, with or without the values of variables.
    pub(super) fn load_with(
        &self,
        stack: &StackName,
        variables: Variables,
        context: &Context,
    ) -> Result<Loaded, Failure> {
        let paths = self.paths()?;
        let project_dir = project_dir(&paths[0])?;
        let sources = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>();
        let home = cluster::env("HOME");
        let options = Options {
            stack,
            project_dir: &project_dir.to_string_lossy(),
            home: home.as_deref(),
            env: &cluster::env,
            files: &Disk,
            reading: if self.strict_docker { Reading::Docker } else { Reading::Ours },
            variables,
        };
        match compose::load(sources.map_err(Failure::refused)?, &options) {
            Ok(loaded) => {
                cluster::show_notes(&context.ui, &loaded.notes);
                Ok(loaded)
            }
            Err(report) => {
                cluster::show_notes(&context.ui, &report.notes);
                Err(Failure::refused(report))
            }
        }
    }

    /// A name for what has none: that of the directory the files are in.
    pub(super) fn directory_name(&self) -> Result<StackName, Failure> {
        let dir = project_dir(&self.paths()?[0])?;
        let name = dir.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let name: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        let name = name.trim_start_matches(['_', '-']);
        Ok(StackName::new(name).unwrap_or_else(|_| StackName::unchecked("stack")))
    }

    fn paths(&self) -> Result<Vec<PathBuf>, Failure> {
        if !self.files.is_empty() {
            return Ok(self.files.clone());
        }
        let found = NAMES.iter().map(PathBuf::from).find(|path| path.is_file());
        found.map(|path| vec![path]).ok_or_else(|| Failure::refused(StackfileError::NoneFound))
    }
}

/// The directory that relative paths start from, absolute.
fn project_dir(first: &Path) -> Result<PathBuf, Failure> {
    let dir = if first == Path::new(STDIN) { Path::new("") } else { first.parent().unwrap_or(first) };
    let dir = if dir == Path::new("") { Path::new(".") } else { dir };
    std::path::absolute(dir).map_err(|error| Failure::refused(unreadable(first, &error)))
}

#[expect(clippy::disallowed_methods, reason = "stackfiles and what they refer to are files")]
fn read(path: &Path) -> Result<SourceText, StackfileError> {
    let bytes = if path == Path::new(STDIN) {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    let name = if path == Path::new(STDIN) { "<stdin>".to_owned() } else { path.display().to_string() };
    Ok(SourceText { name, bytes: bytes.map_err(|error| unreadable(path, &error))? })
}

fn unreadable(path: &Path, error: &io::Error) -> StackfileError {
    let (words, help) = match error.kind() {
        io::ErrorKind::NotFound => (
            "there is no such file".to_owned(),
            "check the path; without `-c` the stackfile of this directory is read",
        ),
        io::ErrorKind::PermissionDenied => ("permission denied".to_owned(), "make it readable for you"),
        io::ErrorKind::IsADirectory => ("it is a directory".to_owned(), "name the file in it"),
        _ => (error.to_string(), "name another with `-c FILE`, or `-` for stdin"),
    };
    StackfileError::Unreadable { path: path.to_owned(), words, help: help.to_owned() }
}
