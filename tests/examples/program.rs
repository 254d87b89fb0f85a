//! The `stackctl` program once more: `tests/all` links it static, as an agent has to be. An example shares all that the
//! tests compile; `cargo quick` compiles everything again, which takes longer than any test.

use std::process::ExitCode;

#[allow(clippy::disallowed_methods, reason = "where the arguments come in")]
fn main() -> ExitCode {
    stackctl::cli::run(std::env::args_os()).into()
}
