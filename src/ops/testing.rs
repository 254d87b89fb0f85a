//! What unit tests of operations share: who works, on a ledger of files.

use std::path::Path;
use std::sync::Arc;

use super::log::{Actor, Unended};
use crate::engine::new_key::NewKey;
use crate::engine::{Clock, Me};
use crate::ledger::{FileRegisters, Ledger, Limits};
use crate::model::ClusterName;

/// Ann, whose process is alone.
pub fn actor() -> Actor {
    let me = Me {
        who: "ann@mill".into(),
        pid: 1,
        process: String::new(),
        is_gone: |_| false,
        new_key: NewKey::default(),
    };
    Actor { me, clock: Clock::start(None).unwrap() }
}

/// The end of each operation can be written down.
pub fn quiet(error: Unended) {
    panic!("{error}");
}

/// The registers in a directory.
pub fn registers(dir: &Path) -> FileRegisters {
    FileRegisters::new(dir, &ClusterName::unchecked("test"))
}

/// The ledger in a directory.
pub fn ledger(dir: &Path) -> Arc<Ledger<FileRegisters>> {
    Arc::new(Ledger::new(registers(dir), Limits::default()))
}
