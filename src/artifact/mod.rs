//! Files that one stackctl writes and another one reads: saved plans and snapshots. Each is in an [envelope] with its
//! kind and a checksum, and values that may hold secrets are [redacted](redact).
//!
//! Knows nothing of terminals, arguments, hosts or the ledger: the caller passes observations and plans in. Reads
//! and writes only files that the user names.

pub mod envelope;
pub mod inputs;
pub mod redact;
pub mod saved_plan;
pub mod snapshot;
pub mod untold;
