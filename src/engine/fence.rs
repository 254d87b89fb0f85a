//! What keeps the fleet from sending a change after the lease is over.

use super::Validity;
use crate::fleet::Fence;

impl Validity {
    /// The check that the fleet makes before it sends a change.
    #[must_use]
    pub fn fence(&self) -> Fence {
        let this = self.clone();
        Fence::new(self.token().map(str::to_owned), move || this.is_valid())
    }
}
