//! Faults that the program does not stand up to yet. Each is switched on with its remedy.

/// Inventories in which a host is missing.
pub const MISSING_HOSTS: bool = false;
