//! Shared by several tables: short forms of ids and images, and the order of names.

use std::cmp::Ordering;

use crate::model::image::ImageRef;

/// Docker's `TruncateID`.
pub(super) const ID_CHARS: usize = 12;

/// The image without its digest, as docker shows it in tables.
pub(super) fn short_image(image: &str) -> String {
    match ImageRef::parse(image) {
        Ok(reference) => match &reference.tag {
            Some(tag) => format!("{}:{tag}", reference.familiar_name()),
            None => reference.familiar_name(),
        },
        Err(_) => image.to_owned(),
    }
}

/// Text order in which `h2` comes before `h10`.
#[must_use]
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (in_left, in_right) = (digits(left), digits(right));
        if in_left > 0 && in_right > 0 {
            let (x, y) = (left[..in_left].trim_start_matches('0'), right[..in_right].trim_start_matches('0'));
            match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
                Ordering::Equal => (left, right) = (&left[in_left..], &right[in_right..]),
                unequal => return unequal,
            }
            continue;
        }
        match (left.chars().next(), right.chars().next()) {
            (Some(x), Some(y)) if x == y => (left, right) = (&left[x.len_utf8()..], &right[y.len_utf8()..]),
            // `01` and `1` are equal as numbers and still two names.
            (x, y) => return x.cmp(&y).then_with(|| a.cmp(b)),
        }
    }
}
