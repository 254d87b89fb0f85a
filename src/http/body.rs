//! Bodies that are read to their end, which must come.

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};

/// Why a body was not read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Longer than it may be.
    #[error("length limit exceeded")]
    TooLarge,
    /// The connection broke.
    #[error("{0}")]
    Broken(String),
}

/// All of a body, of so many bytes at most. One that says beforehand that it is longer is not begun.
///
/// # Errors
///
/// See [`BodyError`].
pub async fn whole(body: Incoming, max: usize) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > max as u64 {
        return Err(BodyError::TooLarge);
    }
    match Limited::new(body, max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(error) => Err(BodyError::Broken(error.to_string())),
    }
}
