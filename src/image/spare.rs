//! The image in which a manager keeps the spare copy of what a ledger in volumes alone has.

use crate::model::image::ImageRef;

/// What it is called, without the tag. A domain that cannot exist: no engine can pull such a name.
pub const NAME: &str = "stackctl-ledger.invalid/spare";

/// Whether a name is kept for it: it belongs to no stack, and is never removed with what is unused.
#[must_use]
pub fn is_spare(name: &str) -> bool {
    let is_it = |image: ImageRef| format!("{}/{}", image.domain, image.path) == NAME;
    ImageRef::parse(name).is_ok_and(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_known_by_its_whole_name() {
        assert!(is_spare("stackctl-ledger.invalid/spare:0123456789ab"));
        for other in
            ["spare:0123456789ab", "stackctl.invalid/spare:1", "stackctl-ledger.invalid/sparetime:1", ""]
        {
            assert!(!is_spare(other), "{other}");
        }
    }
}
