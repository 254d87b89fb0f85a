//! What a surface wants that plans before it takes the lock: a spec that was made by hand, or one that is a
//! function of what the ledger remembers.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Error, Intent, Wanted};
use crate::ledger::release::History;
use crate::model::StackSpec;

/// Makes a spec from what is remembered. Called again if another process worked on the stack first: what that
/// has changed must not be undone by an operation that changes something else.
pub type Edit = Arc<dyn Fn(&History) -> Result<StackSpec, Error> + Send + Sync>;

/// How the spec of a plan was made from what is remembered, if it was. `E` is the error of the surface.
pub struct Edited<E> {
    edit: Option<Edit>,
    error: PhantomData<fn() -> E>,
}

impl<E> Edited<E> {
    /// A spec that is made by an edit.
    #[must_use]
    pub fn by(edit: Edit) -> Self {
        Self { edit: Some(edit), error: PhantomData }
    }
}

/// A spec that stays as it was planned.
impl<E> Default for Edited<E> {
    fn default() -> Self {
        Self { edit: None, error: PhantomData }
    }
}

impl<E> fmt::Debug for Edited<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Edited").field(&self.edit.is_some()).finish()
    }
}

impl<E: From<Error>> Intent for Edited<E> {
    type Error = E;

    async fn wanted(&mut self, _: &History) -> Result<Option<Wanted>, E> {
        // The plan was made before the lock was taken.
        Ok(None)
    }

    fn again(&mut self, history: &History) -> Result<Option<StackSpec>, E> {
        Ok(self.edit.as_ref().map(|edit| edit(history)).transpose()?)
    }
}

/// The same, as long as `still` says, under the lock and by the newest history, that it is to be done.
pub struct Still<F, E> {
    /// How the spec is made.
    pub edited: Edited<E>,
    /// Whether it is still to be done.
    pub still: F,
}

impl<F, E> fmt::Debug for Still<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Still").field("edited", &self.edited).finish_non_exhaustive()
    }
}

impl<E, F> Intent for Still<F, E>
where
    E: From<Error>,
    F: AsyncFnMut(&History) -> Result<bool, E>,
{
    type Error = E;

    async fn wanted(&mut self, history: &History) -> Result<Option<Wanted>, E> {
        self.edited.wanted(history).await
    }

    fn again(&mut self, history: &History) -> Result<Option<StackSpec>, E> {
        self.edited.again(history)
    }

    async fn is_still_wanted(&mut self, history: &History) -> Result<bool, E> {
        (self.still)(history).await
    }
}
