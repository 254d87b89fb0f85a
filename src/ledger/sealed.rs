//! Values of a release as text that only a private key opens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::model::hidden::Values;
use crate::vault::{Form, Keyring, Plaintext, Recipient, open as open_sealed, seal as seal_to};

/// Fast and nearly as good as the best for JSON.
const LEVEL: u8 = 6;
/// More than the values of any stack come to.
const BYTES_MAX: usize = 64 << 20;

/// Encrypts values.
///
/// # Panics
///
/// If the system has no randomness to give.
#[must_use]
pub(super) fn seal(values: &Values, to: &Recipient) -> String {
    let json = Zeroizing::new(serde_json::to_vec(values).expect("a map of texts"));
    let small = Plaintext::new(miniz_oxide::deflate::compress_to_vec(&json, LEVEL));
    STANDARD.encode(seal_to([to], &small, Form::Binary).expect("there is a recipient"))
}

/// Opens them; in words why that is not possible.
pub(super) fn open(text: &str, keys: &Keyring) -> Result<Values, String> {
    let sealed = STANDARD.decode(text).map_err(|error| error.to_string())?;
    let small = open_sealed(keys, &sealed, BYTES_MAX).map_err(|why| why.to_string())?;
    let json = miniz_oxide::inflate::decompress_to_vec_with_limit(small.expose(), BYTES_MAX);
    let json = Zeroizing::new(json.map_err(|error| error.to_string())?);
    // What serde says of a mistake may repeat a value.
    serde_json::from_slice(&json).map_err(|_| "they are not as this program writes them".to_owned())
}
