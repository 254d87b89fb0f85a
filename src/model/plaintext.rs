//! The bytes of a secret, in a type that nothing can print, compare, copy or write down by accident.

use std::fmt;

use zeroize::Zeroizing;

/// A secret's bytes. They come out by [`expose`](Self::expose) alone, and are overwritten when this is dropped.
pub struct Plaintext(Zeroizing<Vec<u8>>);

impl Plaintext {
    /// Takes the bytes over: no copy of them is made.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes. `tests/tidy` lists the files that may call this.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Leaves the first bytes; those behind them are overwritten.
    pub fn truncate(&mut self, len: usize) {
        if let Some(rest) = self.0.get_mut(len..) {
            zeroize::Zeroize::zeroize(rest);
        }
        self.0.truncate(len);
    }

    /// To be filled from the front.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// Not even the length: that of a password says much about it.
impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plaintext(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does not compile for a type that has the trait: then there are two functions of one name.
    macro_rules! lacks {
        ($type:ty: $($name:path),+) => {$({
            trait Ambiguous<A> {
                fn one() {}
            }
            struct Has;
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + $name> Ambiguous<Has> for T {}
            <$type as Ambiguous<_>>::one();
        })+};
    }

    #[test]
    fn it_cannot_be_copied_compared_shown_or_written() {
        lacks!(Plaintext: Clone, PartialEq, PartialOrd, std::hash::Hash, std::fmt::Display, AsRef<[u8]>);
        lacks!(Plaintext: serde::Serialize, serde::Deserialize<'static>, std::ops::Deref, std::borrow::Borrow<[u8]>);
        assert_eq!(format!("{:?}", Plaintext::new(b"hunter2".to_vec())), "Plaintext(hidden)");
        assert_eq!(
            format!("{:#?}", Some(Plaintext::new(b"hunter2".to_vec()))),
            "Some(\n    Plaintext(hidden),\n)"
        );
    }

    #[test]
    fn what_is_cut_off_is_gone() {
        let mut plain = Plaintext::new(b"hunter2".to_vec());
        plain.truncate(4);
        assert_eq!(plain.expose(), b"hunt");
        plain.truncate(9);
        assert_eq!((plain.len(), plain.is_empty()), (4, false));
        assert!(Plaintext::new(Vec::new()).is_empty());
    }
}
