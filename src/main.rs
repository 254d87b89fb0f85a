//! The `stackctl` program: parse, run, turn the result into an exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    stackctl::cli::run(std::env::args_os()).into()
}
