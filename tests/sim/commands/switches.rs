//! Faults that are drawn only where the program is known to stand up to them. Each is switched on with its remedy.

/// Connections that are cut off end within ssh's own patience, and with them what was in their queue. Without that, and
/// through a jump host, what is in a queue arrives up to two minutes later.
pub const CONNECTIONS_END: bool = true;
/// Persons whose inventories name other managers.
pub const OTHER_MANAGERS: bool = true;
/// A manager shows a place far ahead, which no client wrote.
pub const FAR_PLACES: bool = true;
/// Inventories in which a host is missing.
pub const MISSING_HOSTS: bool = true;
