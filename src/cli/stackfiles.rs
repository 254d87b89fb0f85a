//! Which stackfiles a command reads, and reading them.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::ValueHint;

use super::render::text::clean;
use super::report::Failure;
use super::ui::Ui;
use super::{Context, cluster};
use crate::artifact::inputs::{Inputs, Recorder};
use crate::compose::{
    self, Files, Loaded, NAMES, Options, Reading, Report, SecretFiles, SourceText, Stack, Variables,
};
use crate::model::StackName;
use crate::process_group;

/// Names the stackfiles if the command line does not, as with `docker compose`.
const FILES_VARIABLE: &str = "COMPOSE_FILE";
/// The separator of the names.
const SEPARATOR_VARIABLE: &str = "COMPOSE_PATH_SEPARATOR";
/// Names the files of variables, separated by commas, if the command line does not.
const ENV_FILES_VARIABLE: &str = "COMPOSE_ENV_FILES";
/// The file of variables that is read if none is named.
const DOTENV: &str = ".env";
/// The size limit of any file; above the limits of a stackfile, an environment file and a config.
const BYTES_MAX: u64 = 32 << 20;
/// The name that stands for stdin.
const STDIN: &str = "-";

/// The stackfiles of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct Stackfiles {
    /// Stackfile, or `-` for stdin. Several files are merged, and later ones win [default: the files of
    /// $COMPOSE_FILE, or compose.yaml, compose.yml, docker-compose.yaml or docker-compose.yml]
    #[arg(short = 'c', long = "compose-file", value_name = "FILE", value_delimiter = ',')]
    #[arg(value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Also deploy the services of this profile; `*` activates all profiles [default: $COMPOSE_PROFILES]
    #[arg(long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
    /// Read variables from this file. Later files win over earlier ones, and the environment over all of them
    /// [default: the files of $COMPOSE_ENV_FILES, or .env beside the first stackfile]
    #[arg(long = "env-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub env_files: Vec<PathBuf>,
    /// Read the files exactly as `docker stack deploy` does: with the keys that it drops, and without the
    /// variables of `docker compose`
    #[arg(long)]
    pub strict_docker: bool,
}

/// Why there is nothing to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum StackfileError {
    /// No file is named, and none is in this directory.
    #[error("no stackfile here")]
    #[diagnostic(
        code(stackctl::compose::no_stackfile),
        help("name one with `-c FILE`, or change to a directory with one of {}", NAMES.join(", "))
    )]
    NoneFound,
    /// A named file cannot be read.
    #[error("cannot read the stackfile {}: {words}", path.display())]
    #[diagnostic(code(stackctl::compose::unreadable), help("{help}"))]
    Unreadable { path: PathBuf, words: String, help: String },
    #[error("{} stackfiles cannot be read", errors.len())]
    #[diagnostic(code(stackctl::compose::unreadable))]
    Several {
        #[related]
        errors: Vec<StackfileError>,
    },
}

impl StackfileError {
    /// Adds which variable named the file, if not the command line.
    fn named_by(self, by: Option<&str>) -> Self {
        match (self, by) {
            (Self::Unreadable { path, words, .. }, Some(by)) => {
                Self::Unreadable { path, words, help: format!("{by} names it; files named with `-c` win") }
            }
            (error, _) => error,
        }
    }
}

/// Which stackfiles are read.
#[derive(Debug)]
struct Chosen {
    paths: Vec<PathBuf>,
    /// Where the names come from, if not from the command line: a variable, and the file it is in.
    by: Option<String>,
}

/// The files of this machine.
struct Disk;

impl Files for Disk {
    #[expect(clippy::disallowed_methods, reason = "stackfiles and what they refer to are files")]
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let what = std::fs::metadata(path)?;
        if what.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !what.is_file() && path != "/dev/null" {
            // A pipe may have no end and no writer.
            return Err(io::Error::other("it is not a file"));
        }
        up_to_limit(std::fs::File::open(path)?)
    }
}

impl Stackfiles {
    /// Finds and reads the files; warnings go to stderr. Without a name here, the files must have one.
    pub(super) fn load(&self, stack: Option<&StackName>, context: &Context) -> Result<Loaded, Failure> {
        self.load_as(stack.map_or(Stack::Otherwise(None), Stack::Given), Variables::Fill, context)
    }

    /// The same, with the values of all secrets.
    pub(super) fn load_with_secrets(
        &self,
        stack: Option<&StackName>,
        context: &Context,
    ) -> Result<Loaded, Failure> {
        Ok(self.load_recorded(stack, SecretFiles::Need, context)?.0)
    }

    /// The same, but the stack's name may also be that of the directory.
    pub(super) fn load_unnamed(
        &self,
        stack: Option<&StackName>,
        variables: Variables,
        context: &Context,
    ) -> Result<Loaded, Failure> {
        let directory = self.directory_name()?;
        self.load_as(stack.map_or(Stack::Otherwise(Some(&directory)), Stack::Given), variables, context)
    }

    /// The same, with the inputs that were read.
    pub(super) fn load_recorded(
        &self,
        stack: Option<&StackName>,
        secrets: SecretFiles,
        context: &Context,
    ) -> Result<(Loaded, Inputs), Failure> {
        let recorder = Recorder::new(&Disk, &cluster::env);
        let stack = stack.map_or(Stack::Otherwise(None), Stack::Given);
        let loaded = self.load_from(&recorder, stack, (Variables::Fill, secrets), context)?;
        Ok((loaded, recorder.inputs()))
    }

    /// Whether one of them is stdin, which can be read once.
    pub(super) fn reads_stdin(&self) -> bool {
        self.files.iter().any(|path| path == Path::new(STDIN))
    }

    fn load_as(&self, stack: Stack<'_>, variables: Variables, context: &Context) -> Result<Loaded, Failure> {
        let how = (variables, SecretFiles::Leave);
        self.load_from(&Recorder::new(&Disk, &cluster::env), stack, how, context)
    }

    fn load_from(
        &self,
        recorder: &Recorder<'_>,
        stack: Stack<'_>,
        how: (Variables, SecretFiles),
        context: &Context,
    ) -> Result<Loaded, Failure> {
        self.tell(&context.ui)?;
        match self.read_from(recorder, stack, how)? {
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

    /// Finds and reads the files, without messages. The stack has this name, or else that of the files, or else that
    /// of their directory. Of a secret that is not here there is a warning: a deploy would need it.
    pub(super) fn read(&self, stack: Option<&StackName>) -> Result<Result<Loaded, Report>, Failure> {
        let directory;
        let stack = match stack {
            Some(stack) => Stack::Given(stack),
            None => {
                directory = self.directory_name()?;
                Stack::Otherwise(Some(&directory))
            }
        };
        let how = (Variables::Fill, SecretFiles::Look);
        self.read_from(&Recorder::new(&Disk, &cluster::env), stack, how)
    }

    fn read_from(
        &self,
        recorder: &Recorder<'_>,
        stack: Stack<'_>,
        (variables, secrets): (Variables, SecretFiles),
    ) -> Result<Result<Loaded, Report>, Failure> {
        let chosen = self.chosen()?;
        let project_dir = project_dir(&chosen.paths[0])?;
        let sources = read_all(&chosen).map_err(Failure::refused)?;
        for source in &sources {
            recorder.saw(&source.name, Some(&source.bytes));
        }
        let home = cluster::env("HOME");
        let env_files = self.env_files();
        let env_files = env_files.iter().map(|path| absolute(path)).collect::<Result<Vec<_>, _>>()?;
        let options = Options {
            stack,
            project_dir: &project_dir.to_string_lossy(),
            home: home.as_deref(),
            env: &|name| recorder.variable(name),
            files: recorder,
            env_files: (!env_files.is_empty()).then_some(env_files.as_slice()),
            profiles: &self.profiles,
            reading: if self.strict_docker { Reading::Docker } else { Reading::Ours },
            variables,
            secrets,
        };
        let loaded = compose::load(sources, &options);
        let secrets = loaded.iter().flat_map(|loaded| loaded.spec.secrets.values());
        secrets.filter_map(|secret| secret.environment.as_deref()).for_each(process_group::keep_back);
        Ok(loaded)
    }

    /// What messages call the files, in their order.
    pub(super) fn names(&self) -> Result<Vec<String>, Failure> {
        Ok(self.chosen()?.paths.iter().map(|path| name(path)).collect())
    }

    /// Where relative paths start from.
    pub(super) fn directory(&self) -> Result<PathBuf, Failure> {
        project_dir(&self.chosen()?.paths[0])
    }

    /// The default name of a stack: that of the files' directory.
    fn directory_name(&self) -> Result<StackName, Failure> {
        let dir = self.directory()?;
        let name = dir.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let name: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        let name = name.trim_start_matches(['_', '-']);
        Ok(StackName::new(name).unwrap_or_else(|_| StackName::unchecked("stack")))
    }

    /// Prints with `--verbose` which files are read, and why.
    pub(super) fn tell(&self, ui: &Ui) -> Result<(), Failure> {
        if ui.is_verbose() {
            let chosen = self.chosen()?;
            let names: Vec<String> = chosen.paths.iter().map(|path| name(path)).collect();
            let by = chosen.by.map(|by| format!(", as {by} says")).unwrap_or_default();
            ui.detail(&format!("Stackfiles: {}{by}", clean(&names.join(", "))));
            let named = self.env_files();
            if self.env_files.is_empty() && !named.is_empty() {
                let names: Vec<String> = named.iter().map(|path| name(path)).collect();
                let names = names.join(", ");
                ui.detail(&format!("Variables: {}, as {ENV_FILES_VARIABLE} says", clean(&names)));
            }
        }
        Ok(())
    }

    fn chosen(&self) -> Result<Chosen, Failure> {
        if !self.files.is_empty() {
            return Ok(Chosen { paths: self.files.clone(), by: None });
        }
        if let Some((list, by)) = self.variable(FILES_VARIABLE) {
            let separator =
                self.variable(SEPARATOR_VARIABLE).map_or_else(|| ":".to_owned(), |(text, _)| text);
            let paths = list.split(separator.as_str()).filter(|path| !path.is_empty()).map(PathBuf::from);
            let paths: Vec<PathBuf> = paths.collect();
            if !paths.is_empty() {
                return Ok(Chosen { paths, by: Some(by) });
            }
        }
        let found = NAMES.iter().map(PathBuf::from).find(|path| path.is_file());
        let paths =
            found.map(|path| vec![path]).ok_or_else(|| Failure::refused(StackfileError::NoneFound))?;
        Ok(Chosen { paths, by: None })
    }

    /// The files of variables that are named.
    fn env_files(&self) -> Vec<PathBuf> {
        if !self.env_files.is_empty() || self.strict_docker {
            return self.env_files.clone();
        }
        let list = cluster::env(ENV_FILES_VARIABLE).unwrap_or_default();
        list.split(',').map(str::trim).filter(|path| !path.is_empty()).map(PathBuf::from).collect()
    }

    /// A variable of `docker compose`, and where it is set: in the environment, or in a file of variables.
    /// Docker's own client knows none of them.
    fn variable(&self, variable: &str) -> Option<(String, String)> {
        if self.strict_docker {
            return None;
        }
        if let Some(value) = cluster::env(variable) {
            return Some((value, variable.to_owned())).filter(|(value, _)| !value.is_empty());
        }
        let named = self.env_files();
        let files = if named.is_empty() { vec![PathBuf::from(DOTENV)] } else { named };
        files.iter().rev().find_map(|path| {
            let bytes = Disk.read(&path.to_string_lossy()).ok()?;
            let value =
                compose::variable_in(&bytes, variable, &cluster::env).filter(|value| !value.is_empty())?;
            Some((value, format!("{variable} in {}", name(path))))
        })
    }
}

/// The directory that relative paths start from, absolute.
fn project_dir(first: &Path) -> Result<PathBuf, Failure> {
    let dir = if first == Path::new(STDIN) { Path::new("") } else { first.parent().unwrap_or(first) };
    let dir = if dir == Path::new("") { Path::new(".") } else { dir };
    std::path::absolute(dir).map_err(|error| Failure::refused(unreadable(first, &error)))
}

fn name(path: &Path) -> String {
    if path == Path::new(STDIN) { "<stdin>".to_owned() } else { path.display().to_string() }
}

/// All of them, or all that cannot be read.
fn read_all(chosen: &Chosen) -> Result<Vec<SourceText>, StackfileError> {
    let mut errors = Vec::new();
    let mut sources = Vec::new();
    for path in &chosen.paths {
        match read(path) {
            Ok(source) => sources.push(source),
            Err(error) => errors.push(error.named_by(chosen.by.as_deref())),
        }
    }
    match errors.len() {
        0 => Ok(sources),
        1 => Err(errors.remove(0)),
        _ => Err(StackfileError::Several { errors }),
    }
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(path).map_err(|error| Failure::refused(unreadable(path, &error)))?;
    Ok(absolute.to_string_lossy().into_owned())
}

/// The bytes of a file, if they are not too many.
fn up_to_limit(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {} MiB", BYTES_MAX >> 20),
        ));
    }
    Ok(bytes)
}

#[expect(clippy::disallowed_methods, reason = "stackfiles and what they refer to are files")]
fn read(path: &Path) -> Result<SourceText, StackfileError> {
    let bytes = if path == Path::new(STDIN) {
        up_to_limit(io::stdin().lock())
    } else {
        // The command line may name a pipe: `-c <(…)`.
        std::fs::File::open(path).and_then(up_to_limit)
    };
    Ok(SourceText { name: name(path), bytes: bytes.map_err(|error| unreadable(path, &error))? })
}

fn unreadable(path: &Path, error: &io::Error) -> StackfileError {
    let (words, help) = match error.kind() {
        io::ErrorKind::NotFound => (
            "there is no such file".to_owned(),
            "check the path; without `-c` stackctl reads the stackfile of this directory",
        ),
        io::ErrorKind::PermissionDenied => ("permission denied".to_owned(), "make it readable for you"),
        io::ErrorKind::IsADirectory => ("it is a directory".to_owned(), "name the file in it"),
        io::ErrorKind::FileTooLarge => (error.to_string(), "a stackfile has less than that"),
        _ => (error.to_string(), "name another with `-c FILE`, or `-` for stdin"),
    };
    StackfileError::Unreadable { path: path.to_owned(), words, help: help.to_owned() }
}
