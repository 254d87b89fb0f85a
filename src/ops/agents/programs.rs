//! The files that can be agents: this program itself where it is static, and files beside it for other processors.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::agent::program::{NotAnAgent, Program, canonical};

/// This program, by a name that stays good when its file is replaced.
const OWN: &str = "/proc/self/exe";

/// No file here can be an agent on a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no program here can be an agent on {architecture}: this one cannot ({own}), nor can {} ({beside})", .file.display())]
pub struct NoProgram {
    /// The host's processor, as engines call it.
    pub architecture: String,
    /// The file that was looked for.
    pub file: PathBuf,
    /// Why this program is none.
    pub own: String,
    /// Why that file is none.
    pub beside: String,
}

/// The files that this program can ship.
#[derive(Debug)]
pub struct Programs {
    own: Result<Arc<Program>, String>,
    folder: PathBuf,
}

impl Programs {
    /// Reads this program.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "programs are files")]
    pub fn here() -> Self {
        let folder = std::fs::read_link(OWN).ok().and_then(|file| file.parent().map(Path::to_owned));
        Self { own: read(Path::new(OWN)).map(Arc::new), folder: folder.unwrap_or_default() }
    }

    /// The program for a processor.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn for_host(&self, architecture: &str) -> Result<Arc<Program>, NoProgram> {
        let own = match &self.own {
            Ok(program) if program.fits(architecture) => return Ok(Arc::clone(program)),
            Ok(program) => format!("it is for {}", program.architecture),
            Err(why) => why.clone(),
        };
        let architecture = canonical(architecture).to_owned();
        let file = self.folder.join(format!("stackctl-agent-{architecture}"));
        let beside = match read(&file) {
            Ok(program) if program.fits(&architecture) => return Ok(Arc::new(program)),
            Ok(program) => format!("it is for {}", program.architecture),
            Err(why) => why,
        };
        Err(NoProgram { architecture, file, own, beside })
    }
}

#[expect(clippy::disallowed_methods, reason = "programs are files")]
fn read(file: &Path) -> Result<Program, String> {
    let bytes = std::fs::read(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    })?;
    Program::of(bytes.into()).map_err(|why: NotAnAgent| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_named_with_what_it_is_for() {
        let folder = tempfile::tempdir().unwrap();
        let programs = Programs { own: Err("it is not static".into()), folder: folder.path().to_owned() };
        let error = programs.for_host("arm64").unwrap_err();
        assert_eq!(error.file, folder.path().join("stackctl-agent-aarch64"));
        let text = error.to_string();
        assert!(text.starts_with(
            "no program here can be an agent on aarch64: this one cannot (it is not static), nor can "
        ));
        assert!(text.ends_with("/stackctl-agent-aarch64 (there is no such file)"), "{text}");
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test writes files")]
    fn a_file_beside_is_taken_only_if_it_can_be_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("stackctl-agent-x86_64"), "#!/bin/sh\n").unwrap();
        let programs = Programs { own: Err("it is not static".into()), folder: folder.path().to_owned() };
        assert_eq!(programs.for_host("x86_64").unwrap_err().beside, "it is no program for Linux");
    }
}
