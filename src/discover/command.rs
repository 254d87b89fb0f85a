//! A program that prints hosts.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::DiscoverError;
use crate::process_group;
use crate::words::without_secrets;

/// The size limit of the output, above that of any cluster.
const OUTPUT_MAX: u64 = 8 << 20;
/// The size limit of stderr, whose end is shown.
const WORDS_READ: u64 = 1 << 20;
const WORDS_MAX: usize = 600;

/// Runs the program and returns its output. Dropping the future ends the program.
#[expect(clippy::disallowed_methods, reason = "the inventory says which program to ask")]
pub(super) async fn output(name: &str, argv: &[String], folder: &Path) -> Result<String, DiscoverError> {
    let source_name = || name.to_owned();
    let cannot_start = |why: String| DiscoverError::CannotStart { source_name: source_name(), why };
    let (program, args) = argv.split_first().ok_or_else(|| cannot_start("no program is named".to_owned()))?;
    // The folder of `stackctl.yml` has no name at all.
    let folder =
        std::path::absolute(Path::new(".").join(folder)).map_err(|error| cannot_start(error.to_string()))?;
    let mut command = match program.contains('/') {
        true => process_group::program(folder.join(program)),
        false => process_group::program(program),
    };
    command.args(args).current_dir(&folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut child, group) =
        process_group::start(&mut command).map_err(|error| cannot_start(error.to_string()))?;
    let (out, words) = (child.stdout.take(), child.stderr.take());
    let (out, words) = tokio::join!(all(out, OUTPUT_MAX), all(words, WORDS_READ));
    let bad = |why: &str| DiscoverError::BadAnswer { source_name: source_name(), why: why.to_owned() };
    if out.len() as u64 > OUTPUT_MAX {
        return Err(bad("its output exceeds 8 MiB"));
    }
    let status = child.wait().await.map_err(|error| cannot_start(error.to_string()))?;
    group.is_over();
    if !status.success() {
        return Err(DiscoverError::Failed {
            source_name: source_name(),
            status: status.code().map_or_else(|| status.to_string(), |code| format!("status {code}")),
            stderr: end_of(&String::from_utf8_lossy(&words)),
        });
    }
    String::from_utf8(out).map_err(|_| bad("its output is not UTF-8"))
}

/// All of a stream, and one byte more than its limit at most.
async fn all(stream: Option<impl AsyncRead + Unpin>, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // The output before the failure is kept.
        let _broken = stream.take(limit + 1).read_to_end(&mut bytes).await;
    }
    bytes
}

/// The end of the error output, on one line, without what looks like a secret: it is shown wherever hosts are missing.
fn end_of(words: &str) -> String {
    // Before it is cut: at the cut, a name might be gone and its value be there.
    let words = without_secrets(words);
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line: String = lines.join("; ").chars().filter(|c| !c.is_control()).collect();
    let skipped = line.chars().count().saturating_sub(WORDS_MAX);
    let end: String = line.chars().skip(skipped).collect();
    if skipped == 0 { end } else { format!("…{end}") }
}
