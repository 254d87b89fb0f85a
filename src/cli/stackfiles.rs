//! Which stackfiles a command reads, and reading them.

use std::path::PathBuf;

use clap::ValueHint;

/// The stackfiles of a command.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Stackfiles {
    /// Stackfile; `-` is stdin. Several are merged, later ones win [default: the compose.yaml,
    /// compose.yml, docker-compose.yaml or docker-compose.yml of this directory]
    #[arg(short = 'c', long = "compose-file", value_name = "FILE", value_delimiter = ',')]
    #[arg(value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
}
