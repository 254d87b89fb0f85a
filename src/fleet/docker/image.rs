//! One image of an engine, by its name. Knows nothing of what images are for.

use super::client::{CallError, DEFAULT_LIMIT, Reader, escaped};
use super::wire;

/// An image by its name or id; `None` if there is none.
pub(in crate::fleet) async fn inspect(
    reader: &Reader,
    image: &str,
) -> Result<Option<wire::ImageInspect>, CallError> {
    let path = format!("/images/{}/json", escaped(image));
    match reader.get::<wire::ImageInspect>(&path, DEFAULT_LIMIT).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}
