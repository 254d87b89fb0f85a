//! Files that are written by one run and read by another: snapshots and plans.

use super::{Code, row};

pub(super) static CODES: &[Code] = &[
    row(
        &["saved"],
        "unreadable",
        "a saved file that cannot be read",
        "The system does not give the file: it is not there, it is a directory, or it may not be read.",
        "Check the path.",
        "stackctl snapshot -o snapshot.json",
    ),
    row(
        &["saved"],
        "something_else",
        "a file that stackctl did not write",
        "The file does not say that it is what is wanted here. A snapshot is no plan, and a stackfile is neither.",
        "Name the file that stackctl wrote.",
        "stackctl diff --against snapshot.json -c docker-compose.yml shop",
    ),
    row(
        &["saved"],
        "other_format",
        "a saved file of another format",
        "The file was written by a version of stackctl that keeps other things in it.",
        "Make the file anew, or use the version that made it.",
        "stackctl snapshot -o snapshot.json",
    ),
    row(
        &["saved"],
        "damaged",
        "a saved file that is not as it was written",
        "The checksum in the file is not that of its content: it was cut off, or somebody changed it. A checksum guards against damage and carelessness; it is no signature.",
        "Make the file anew.",
        "stackctl snapshot -o snapshot.json",
    ),
    row(
        &["saved"],
        "foreign",
        "a saved file of another cluster",
        "The file was made for a cluster that is called otherwise than that of the inventory.",
        "Name the inventory of that cluster, or make the file anew for this one.",
        "stackctl -i prod.yml diff --against prod.json -c docker-compose.yml shop",
    ),
    row(
        &["saved"],
        "no_releases",
        "a release that is compared with a snapshot",
        "A snapshot holds what runs. Releases are in the ledger, and hold values that do not belong into a file that is passed around.",
        "Name the stack without a release, or leave `--against` out.",
        "stackctl diff shop@3",
    ),
];
