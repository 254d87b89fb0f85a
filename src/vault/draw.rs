//! Randomness, the one effect of this room.

use crate::model::Plaintext;

/// Bytes of the system's randomness.
///
/// # Panics
///
/// If the system has none to give: what can be guessed protects nothing.
#[must_use]
pub fn draw(len: usize) -> Plaintext {
    let mut drawn = Plaintext::new(vec![0; len]);
    getrandom::getrandom(drawn.bytes_mut()).expect("the system gives random bytes");
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_draws_are_the_same() {
        let (one, other) = (draw(32), draw(32));
        assert_eq!((one.len(), draw(0).len()), (32, 0));
        assert!(one.expose() != other.expose() && one.expose() != [0; 32]);
    }
}
