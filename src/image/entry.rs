//! What a list of images has: one for each image.

use super::Image;
use super::fault::Fault;

/// An image under its names, for one platform or several.
#[derive(Debug)]
pub(super) struct Entry {
    pub names: Vec<String>,
    pub images: Vec<Image>,
    /// A platform that is listed and is not whole.
    pub broken: Option<Fault>,
}
