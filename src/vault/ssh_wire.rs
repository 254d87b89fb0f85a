//! What is looked at in an ssh key before the crate `age` reads it, which panics at an integer of zeros alone.
//!
//! Knows strings with their length in front (RFC 4251, section 5), and where the integers of an RSA key are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const PRIVATE_MAGIC: &[u8] = b"openssh-key-v1\0";
const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";

/// The next string, and what is behind it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)
}

/// Whether integers follow that are larger than nothing.
fn has_integers(mut bytes: &[u8], count: usize) -> bool {
    for _ in 0..count {
        match string(bytes) {
            Some((integer, rest)) if integer.iter().any(|byte| *byte != 0) => bytes = rest,
            _ => return false,
        }
    }
    true
}

/// Whether a public key is whole: of an RSA key its two integers, of others the kind alone.
pub fn is_public_whole(blob: &[u8]) -> bool {
    match string(blob) {
        Some((b"ssh-rsa", rest)) => has_integers(rest, 2),
        Some(_) => true,
        None => false,
    }
}

/// Whether a private key in OpenSSH's form is whole as far as it can be read, and its public half belongs to it: of one
/// with a passphrase only the public half is looked at.
pub fn is_private_whole(pem: &str) -> bool {
    let Some(text) = pem.split(BEGIN).nth(1).and_then(|rest| rest.split(END).next()) else { return false };
    let text: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
    let Ok(bytes) = STANDARD.decode(text.as_bytes()).map(Zeroizing::new) else { return false };
    private(&bytes).unwrap_or(false)
}

fn private(bytes: &[u8]) -> Option<bool> {
    let (cipher, rest) = string(bytes.strip_prefix(PRIVATE_MAGIC)?)?;
    let (_derivation, rest) = string(rest)?;
    let (_options, rest) = string(rest)?;
    let (_count, rest) = rest.split_first_chunk::<4>()?;
    let (public, rest) = string(rest)?;
    if !is_public_whole(public) {
        return Some(false);
    }
    if cipher != b"none" {
        return Some(true);
    }
    let (inner, _) = string(rest)?;
    let (_checks, inner) = inner.split_first_chunk::<8>()?;
    let (kind, inner) = string(inner)?;
    match kind {
        b"ssh-ed25519" => Some(strings(public)? == [kind, string(inner)?.0]),
        b"ssh-rsa" => {
            let (modulus, rest) = string(inner)?;
            let (exponent, _) = string(rest)?;
            Some(has_integers(inner, 6) && strings(public)? == [kind, exponent, modulus])
        }
        _ => Some(true),
    }
}

/// All of them, if nothing else is there.
fn strings(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (one, rest) = string(bytes)?;
        all.push(one);
        bytes = rest;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(parts: &[&[u8]]) -> Vec<u8> {
        let string = |part: &&[u8]| [&u32::try_from(part.len()).unwrap().to_be_bytes(), *part].concat();
        parts.iter().map(string).collect::<Vec<_>>().concat()
    }

    fn pem(cipher: &[u8], public: &[u8], inner: &[u8]) -> String {
        let bytes =
            [PRIVATE_MAGIC, &wire(&[cipher, b"none", b""]), &1_u32.to_be_bytes(), &wire(&[public, inner])]
                .concat();
        format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(bytes))
    }

    #[test]
    fn integers_of_zeros_are_found() {
        assert!(is_public_whole(&wire(&[b"ssh-rsa", &[3], &[5]])));
        for bad in
            [&wire(&[b"ssh-rsa", &[3], &[0, 0]])[..], &wire(&[b"ssh-rsa", &[], &[5]]), &wire(&[b"ssh-rsa"])]
        {
            assert!(!is_public_whole(bad));
        }
        assert!(!is_public_whole(&[0, 0, 0, 9, 1]) && !is_public_whole(&[0, 0]));

        let public = wire(&[b"ssh-rsa", &[2], &[1]]);
        let inner =
            |last: &[u8]| [&[0; 8][..], &wire(&[b"ssh-rsa", &[1], &[2], &[3], &[4], &[5], last])].concat();
        assert!(is_private_whole(&pem(b"none", &public, &inner(&[6]))));
        assert!(!is_private_whole(&pem(b"none", &public, &inner(&[0]))));
        assert!(!is_private_whole(&pem(b"none", &wire(&[b"ssh-rsa", &[0], &[1]]), &inner(&[6]))));
        assert!(is_private_whole(&pem(b"aes256-ctr", &public, b"?")), "what is encrypted is not looked into");
        for bad in ["", BEGIN, &format!("{BEGIN}\n!\n{END}"), &format!("{BEGIN}\nAAAA\n{END}")] {
            assert!(!is_private_whole(bad), "{bad}");
        }
    }
    #[test]
    fn a_public_half_that_belongs_to_another_key_is_found() {
        let inner = |parts: &[&[u8]]| [&[0; 8][..], &wire(parts)].concat();
        let is_whole = |public: &[&[u8]], private: &[&[u8]]| {
            is_private_whole(&pem(b"none", &wire(public), &inner(private)))
        };
        let ed25519 = |public| is_whole(&[b"ssh-ed25519", b"xy"], &[b"ssh-ed25519", public, b"private"]);
        assert!(ed25519(b"xy") && !ed25519(b"xz"));
        let rsa = |e: u8, n: u8| {
            is_whole(&[b"ssh-rsa", &[e], &[n]], &[b"ssh-rsa", &[1], &[2], &[3], &[4], &[5], &[6]])
        };
        assert!(rsa(2, 1) && !rsa(2, 7) && !rsa(7, 1));
        assert!(!is_whole(&[b"ssh-ed25519", b"xy", b"more"], &[b"ssh-ed25519", b"xy", b"private"]));
        assert!(is_whole(&[b"ecdsa", b"x"], &[b"ecdsa", b"y"]), "other kinds are refused elsewhere");
    }
}
