//! Reads again while a place that matters is undecided: a writer may be at work, and is waited for. One that was cut off is
//! not, and neither are managers that do not answer.

use std::time::Duration;

use tokio::time::sleep;

use super::error::LedgerError;
use super::register::Stream;

/// Between two reads.
const LOOK_AGAIN: Duration = Duration::from_millis(150);
/// After so many reads the writer of an undecided place is taken for cut off.
const LOOKS_MAX: u32 = 4;

/// Reads until nothing of it is `open`; what was seen last, if something stays so.
pub async fn read_patiently<T, F>(
    read: impl Fn() -> F,
    is_open: impl Fn(&T) -> bool,
) -> Result<T, LedgerError>
where
    F: Future<Output = Result<T, LedgerError>>,
{
    let mut looks = 1;
    loop {
        let seen = read().await?;
        if looks == LOOKS_MAX || !is_open(&seen) {
            return Ok(seen);
        }
        sleep(LOOK_AGAIN).await;
        looks += 1;
    }
}

/// Reads until no place is `open`: one that matters to the caller, and that is undecided.
///
/// # Errors
///
/// Besides those of reading: a place stays open.
pub async fn read_decided<T, F>(
    read: impl Fn() -> F,
    open: impl Fn(&T) -> Option<(Stream, u64)>,
) -> Result<T, LedgerError>
where
    F: Future<Output = Result<T, LedgerError>>,
{
    let seen = read_patiently(read, |seen| open(seen).is_some()).await?;
    match open(&seen) {
        None => Ok(seen),
        Some((stream, seq)) => Err(LedgerError::Undecided { stream: stream.to_string(), seq }),
    }
}
