//! Sealed bytes that are not what they were: each of the errors, and never a wrong value.

use super::*;

fn opened(keys: &Keyring, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    open(keys, sealed, 1 << 20).map(|plain| plain.expose().to_vec())
}

#[test]
fn what_is_sealed_is_opened_by_each_recipient_and_by_no_other() {
    let ((one, to_one), (two, to_two), (other, _)) = (pair(), pair(), pair());
    for form in [Form::Armored, Form::Binary] {
        for length in [0, 1, 100, 65_535, 65_536, 65_537, 131_072, 400_000] {
            let bytes = draw(length);
            let sealed = seal([&to_one, &to_two], &bytes, form).unwrap();
            assert!(is_sealed(&sealed));
            for keys in [&one, &two] {
                assert!(opened(keys, &sealed).unwrap() == bytes.expose(), "{form:?} {length}");
            }
            let sealed_to = "2 age keys".to_owned();
            assert_eq!(
                opened(&other, &sealed),
                Err(OpenError::NoKeyFits { tried: 1, sealed_to: sealed_to.clone() })
            );
            assert_eq!(
                opened(&Keyring::default(), &sealed),
                Err(OpenError::NoKeyFits { tried: 0, sealed_to })
            );
        }
    }
    assert_eq!(seal([], &plain("x"), Form::Binary), Err(SealError::NoRecipients));
}

#[test]
fn the_form_is_found_whatever_white_space_is_around_it() {
    let (keys, to) = pair();
    let sealed = String::from_utf8(seal([&to], &plain("hunter2"), Form::Armored).unwrap()).unwrap();
    let windows = sealed.replace('\n', "\r\n");
    for text in [sealed.clone(), format!("\n  {sealed}\n\n"), sealed.trim_end().to_owned(), windows] {
        assert!(is_sealed(text.as_bytes()));
        assert_eq!(opened(&keys, text.as_bytes()).unwrap(), b"hunter2");
    }
    for text in ["", "hunter2", "age-encryption", "-----BEGIN AGE", "age1…"] {
        assert!(!is_sealed(text.as_bytes()));
        assert_eq!(opened(&keys, text.as_bytes()), Err(OpenError::NotSealed));
    }
}

#[test]
fn each_failure_has_an_error_of_its_own() {
    let (keys, to) = pair();
    let plain = plain(&"hunter2 ".repeat(20));
    let binary = seal([&to], &plain, Form::Binary).unwrap();
    let armored = seal([&to], &plain, Form::Armored).unwrap();
    let with = |bytes: &[u8], from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).position(|part| part == from).unwrap();
        [&bytes[..at], to, &bytes[at + from.len()..]].concat()
    };
    let changed = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let tampered = |form| Err(OpenError::Tampered { form });

    let newer = with(&binary, b"/v1\n", b"/v2\n");
    assert_eq!(opened(&keys, &newer), Err(OpenError::NewerFormat { version: 2 }));
    for bad in ["/v0\n", "/w1\n", "/v1\r\n", "/v\n", "/v1 and more than a version\n"] {
        assert_eq!(opened(&keys, &with(&binary, b"/v1\n", bad.as_bytes())), tampered(Form::Binary), "{bad}");
    }
    assert_eq!(opened(&keys, b"age-encryption.org/v1"), Err(OpenError::CutOff));
    // In the header, its proof, and the value.
    let renamed = with(&binary, b"-> X25519 ", b"-> piv-p256 ");
    assert_eq!(
        opened(&keys, &renamed),
        Err(OpenError::NoKeyFits { tried: 1, sealed_to: "1 unknown key".to_owned() })
    );
    assert_eq!(opened(&keys, &with(&binary, b"\n--- ", b"\n-> more\nQQ\n--- ")), tampered(Form::Binary));
    assert_eq!(opened(&keys, &changed(&binary, binary.len() - 1)), tampered(Form::Binary));
    assert_eq!(opened(&keys, &changed(&binary, binary.len() - 40)), tampered(Form::Binary));
    assert_eq!(opened(&keys, &[&binary[..], b"x"].concat()), tampered(Form::Binary));
    assert_eq!(opened(&keys, &[&armored[..], b"x"].concat()), tampered(Form::Armored));
    let line = armored.iter().rposition(|byte| *byte == b'=').unwrap_or(armored.len() - 40) - 4;
    assert_eq!(opened(&keys, &changed(&armored, line)), tampered(Form::Armored));
    assert_eq!(opened(&keys, &armored[..armored.len() - 3]), Err(OpenError::CutOff));
    assert_eq!(opened(&keys, &binary[..60]), Err(OpenError::CutOff));

    let passphrase = Vec::from(
        "age-encryption.org/v1\n-> scrypt bBjlhJVYZeE4aqUdmtRHfw 15\n\
        ZV/AhotwSGqaPCU43cepl4WYUouAa17a3xpu4G2yi5k\n--- fgMiVLJHMlg9fW7CVG/hPS5EAU4Zeg19LyCP7SoH5nA\n\
        0123456789abcdef0123456789abcdef",
    );
    assert_eq!(opened(&keys, &passphrase), Err(OpenError::Passphrase));

    let large = open(&keys, &binary, 159);
    assert_eq!(large.unwrap_err(), OpenError::TooLarge { bytes_max: 159 });
    assert_eq!(open(&keys, &binary, 160).unwrap().len(), 160);
    let huge = [b"age-encryption.org/v1\n".to_vec(), vec![b'x'; 3 << 20]].concat();
    assert_eq!(open(&keys, &huge, 10).unwrap_err(), OpenError::TooLarge { bytes_max: 10 });
}

/// The end of a value of several parts is known to be missing wherever it is cut between two of them, also in binary.
#[test]
fn a_value_that_is_cut_off_between_its_parts_is_known_as_such() {
    let (keys, to) = pair();
    let value = draw(200_000);
    let sealed = seal([&to], &value, Form::Binary).unwrap();
    let header = sealed.len() - (200_000 + 4 * 16);
    for part in 1..4 {
        assert_eq!(opened(&keys, &sealed[..header + part * (65_536 + 16)]), Err(OpenError::CutOff), "{part}");
    }
    let armored = seal([&to], &value, Form::Armored).unwrap();
    for length in (40..armored.len() - 2).step_by(997) {
        assert_eq!(opened(&keys, &armored[..length]), Err(OpenError::CutOff), "{length}");
    }
}

#[test]
fn cut_off_anywhere_nothing_comes_out() {
    let (keys, to) = pair();
    let value = plain("hunter2 and hunter3");
    for form in [Form::Armored, Form::Binary] {
        let sealed = seal([&to], &value, form).unwrap();
        // The last line break of a text says nothing.
        let last = if form == Form::Armored { sealed.len() - 1 } else { sealed.len() };
        for length in 0..last {
            match opened(&keys, &sealed[..length]) {
                Err(OpenError::NotSealed) => assert!(length < 34, "{form:?} {length}"),
                Err(OpenError::CutOff) => {}
                Err(OpenError::Tampered { form: Form::Binary }) if form == Form::Binary => {}
                other => panic!("{form:?} {length}: {other:?}"),
            }
        }
    }
}

#[test]
fn changed_anywhere_nothing_wrong_comes_out() {
    let (keys, to) = pair();
    let value = plain("hunter2 and hunter3");
    for form in [Form::Armored, Form::Binary] {
        let sealed = seal([&to], &value, form).unwrap();
        for at in 0..sealed.len() {
            for mask in [1, 2, 4, 0x20, 0x80, 0xff] {
                let mut bytes = sealed.clone();
                bytes[at] ^= mask;
                match opened(&keys, &bytes) {
                    // White space behind the text, and the letters of a line that age does not read, say nothing.
                    Ok(same) => assert!(same == value.expose() && form == Form::Armored, "{at} {mask}"),
                    Err(OpenError::Passphrase) => panic!("{at} {mask}"),
                    Err(_) => {}
                }
            }
        }
    }
}

/// Whatever stands where something sealed is expected: an error, no panic.
#[test]
fn any_bytes_give_an_error() {
    let (keys, to) = pair();
    let sealed = seal([&to], &plain("hunter2"), Form::Binary).unwrap();
    let end = sealed.windows(4).position(|part| part == b"\n---").unwrap();
    proptest::proptest!(|(bytes in proptest::collection::vec(0_u8.., 0..200), at in 0..end, text in "[ -~\n]{0,80}")| {
        for bytes in [
            bytes.clone(),
            [b"age-encryption.org/v1\n", &bytes[..]].concat(),
            [b"age-encryption.org/v1\n-> ", text.as_bytes()].concat(),
            [b"-----BEGIN AGE ENCRYPTED FILE-----\n", text.as_bytes(), b"\n-----END AGE ENCRYPTED FILE-----\n"].concat(),
            [&sealed[..at], text.as_bytes(), &sealed[at..]].concat(),
            [&sealed[..at], &bytes, &sealed[end..]].concat(),
        ] {
            if let Ok(same) = opened(&keys, &bytes) {
                assert_eq!(same, b"hunter2");
            }
        }
    });
}

#[test]
fn texts_of_errors_are_whole_sentences() {
    let no_key = |tried| OpenError::NoKeyFits { tried, sealed_to: "1 ssh-rsa key".to_owned() }.to_string();
    assert_eq!(no_key(0), "there is no private key that opens it: it is encrypted to 1 ssh-rsa key");
    assert_eq!(no_key(2), "none of the 2 private keys opens it: it is encrypted to 1 ssh-rsa key");
    let tampered = |form| OpenError::Tampered { form }.to_string();
    assert_eq!(tampered(Form::Armored), "it was changed after it was encrypted");
    assert_eq!(tampered(Form::Binary), "it was changed after it was encrypted, or its end is missing");
}
