//! Whether work goes on: a lease that is renewed beside it must not outlive it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::clock::Clock;

/// So long after the last beat the work counts as stuck. A turn of a loop takes a second on the largest clusters.
const STUCK_MS: i64 = 10_000;

/// Beats while work goes on. A clone is the same pulse.
#[derive(Debug, Clone)]
pub struct Pulse {
    clock: Clock,
    last: Arc<AtomicI64>,
}

impl Pulse {
    /// One that has just beaten.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, last: Arc::new(AtomicI64::new(clock.now().0)) }
    }

    /// Beats: the work goes on.
    pub fn beat(&self) {
        self.last.store(self.clock.now().0, Ordering::Relaxed);
    }

    /// Whether it has beaten lately.
    #[must_use]
    pub fn beats(&self) -> bool {
        self.clock.now().0 - self.last.load(Ordering::Relaxed) < STUCK_MS
    }
}
