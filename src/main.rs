//! The `stackctl` program: parse, run, turn the result into an exit status.

use std::process::ExitCode;

#[expect(clippy::disallowed_methods, reason = "where the arguments come in")]
fn main() -> ExitCode {
    stackctl::cli::run(std::env::args_os()).into()
}
