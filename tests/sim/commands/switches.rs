//! Faults that the program does not stand up to yet. Each is switched on with its remedy.

/// A process that is killed leaves what it sent behind: stops that go on, and requests in the queue of its connection.
pub const STOPS_OF_THE_DEAD: bool = false;
/// Persons whose inventories name other managers.
pub const OTHER_MANAGERS: bool = false;
/// Inventories in which a host is missing.
pub const MISSING_HOSTS: bool = false;
/// A manager shows a place far ahead, which no client wrote.
pub const FAR_PLACES: bool = false;
