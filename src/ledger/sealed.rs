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

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AGE-SECRET-KEY-1CDWN0UA490FTALCPARLUT63JH49CK2S650W5NRHNTRNK4VXCQHYS2FS6W9";
    /// By 0.8.0.
    const SEALED: &[&str] = &[
        "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBMY2RteXJhR2xKS3UyWUFUWWtxb2RTdjZGL3B5QTZRMm1EWGRXOFQ1eHlF",
        "Ckd6dDBHYU1SUmozVEtub1Z3bkttSS9rNEhqdmxDMERTaVlrTkNxcGJsdncKLT4gL3UtZ3JlYXNlIHc9LDF9WiUjIGAgSCB9CkFO",
        "ekpWZlo5eHp3cVpJQXR3djl6K2VGazhXalZVcGU5emE1b0hNc0gzSHFCUU1yV2pyRWdnaDk4MTFlM3o0cXQKK3Qwb01sVU1pcWtw",
        "VWFHREw5bzFSWTVpQzY3WlJxcmlFYk9LNE5ZOAotLS0gK3F2eXNpS3I3QTh5TDAyWm1sWDVNMzF0MUY3RUZIaUZSRU95N0IwZURH",
        "TQoDrCX/L/NLzLbbF/x3NEq+6rEMz8RYr7XgEhpazAsMxVkW0j5laBs+gPsZEdJ3l/VrqfKOGPOTm1WkCpYfCeB4Kb0m9zDrEfgf",
        "H5NoDQlWACqZiliVDQKS9Vsqp3gI3Eg8roCH6unuxoFa3WuyV0Hmc9R+BRI=",
    ];

    #[test]
    fn what_an_older_version_encrypted_is_opened() {
        let keys = Keyring::parse(&Plaintext::new(KEY.into()), "the test").unwrap();
        let values = Values::from([
            ("services/web/command 0".to_owned(), "serve".to_owned()),
            ("services/web/environment TOKEN".to_owned(), "hunter2 – \"x\"\n".to_owned()),
        ]);
        assert_eq!(open(&SEALED.concat(), &keys), Ok(values.clone()));
        let again = seal(&values, &keys.publics()[0]);
        assert_ne!(again, SEALED.concat(), "no two are equal");
        assert_eq!(open(&again, &keys), Ok(values));
    }
}
