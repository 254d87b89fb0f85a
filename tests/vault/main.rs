//! What other programs encrypt, this one opens, and the other way round: age as Debian has it, and keys of OpenSSH.
//!
//! Where there are none these tests say so and pass; with `STACKCTL_TEST_AGE` set, as continuous integration has it, that
//! is a failure. No key stands in the repository but those of the files of [`sops`]: each test makes its own.
#![allow(clippy::disallowed_methods, reason = "a test writes files, and runs programs")]

mod sops;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stackctl::model::MarkKey;
use stackctl::vault::{
    BadKey, Form, Keyring, Kind, OpenError, Opened, Plaintext, Recipient, Recipients, draw, open, seal,
};

/// Larger than any value here.
const LARGE: usize = 1 << 20;

/// A folder with keys, or nothing where there are no programs to make them.
struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Option<Self> {
        let is_there = |program: &&str| {
            let run = Command::new(program).arg("-?").stdout(Stdio::null()).stderr(Stdio::null()).status();
            run.is_ok()
        };
        if ["age", "age-keygen", "ssh-keygen"].iter().all(is_there) {
            return Some(Self(tempfile::tempdir().expect("a temporary directory")));
        }
        assert!(
            std::env::var_os("STACKCTL_TEST_AGE").is_none(),
            "STACKCTL_TEST_AGE is set, and there is no age"
        );
        eprintln!("skipped: there is no age or no ssh-keygen on this machine (Debian: age, openssh-client)");
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).expect("a file");
        self.path(name)
    }

    fn read(&self, name: &str) -> Plaintext {
        Plaintext::new(std::fs::read(self.path(name)).expect("the file is there"))
    }

    /// A private key of age, and its public half.
    fn age(&self, name: &str) -> (PathBuf, Recipient) {
        run(Command::new("age-keygen").arg("-o").arg(self.path(name)), b"");
        let public = run(Command::new("age-keygen").arg("-y").arg(self.path(name)), b"");
        (self.path(name), String::from_utf8(public).expect("text").parse().expect("a public key"))
    }

    /// One of OpenSSH, by the arguments that make it.
    fn ssh(&self, name: &str, words: &str) -> (PathBuf, String) {
        // An argument between quotation marks is empty: no passphrase.
        let words = words.split(' ').map(|word| word.trim_matches('"'));
        run(
            Command::new("ssh-keygen").args(["-q", "-C", "ann@mill", "-f"]).arg(self.path(name)).args(words),
            b"",
        );
        let public = std::fs::read_to_string(self.path(&format!("{name}.pub"))).expect("a public key");
        (self.path(name), public)
    }

    fn ring(&self, name: &str) -> Result<Keyring, BadKey> {
        Keyring::parse(&self.read(name), name)
    }
}

/// What a program answers.
fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let done = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("it reads all");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

fn age_opens(key: &Path, sealed: &[u8]) -> Vec<u8> {
    run(Command::new("age").arg("--decrypt").arg("-i").arg(key), sealed)
}

fn age_seals(to: &[&Recipient], plain: &[u8], form: Form) -> Vec<u8> {
    let mut command = Command::new("age");
    if form == Form::Armored {
        command.arg("--armor");
    }
    for recipient in to {
        command.arg("-r").arg(recipient.as_str());
    }
    run(&mut command, plain)
}

/// Both ways, in both forms, in sizes around those of the format's parts.
fn hold(key: &Path, ring: &Keyring, to: &Recipient) {
    assert_eq!(ring.publics(), std::slice::from_ref(to));
    for form in [Form::Armored, Form::Binary] {
        for length in [1, 48, 65_536, 200_001] {
            let plain = draw(length);
            let ours = seal([to], &plain, form).expect("a recipient");
            assert!(age_opens(key, &ours) == plain.expose(), "{form:?} {length}: age opens what we seal");
            let theirs = age_seals(&[to], plain.expose(), form);
            let opened = open(ring, &theirs, LARGE).expect("we open what age seals");
            assert!(opened.expose() == plain.expose(), "{form:?} {length}");
        }
    }
}

#[test]
fn keys_of_age() {
    let Some(keys) = Keys::new() else { return };
    let (key, to) = keys.age("age.txt");
    hold(&key, &keys.ring("age.txt").unwrap(), &to);
}

#[test]
fn keys_of_openssh() {
    let Some(keys) = Keys::new() else { return };
    for (name, words) in [
        ("ed25519", "-t ed25519 -N \"\""),
        ("rsa", "-t rsa -b 2048 -N \"\""),
        ("rsa_large", "-t rsa -b 4096 -N \"\""),
        ("rsa_pem", "-t rsa -b 2048 -m PEM -N \"\""),
    ] {
        let (key, public) = keys.ssh(name, words);
        let to: Recipient = public.parse().unwrap();
        assert!(public.starts_with(to.as_str()) && public.ends_with("ann@mill\n"), "{public}");
        hold(&key, &keys.ring(name).unwrap(), &to);
        // As a checkout on Windows has it.
        let text = String::from_utf8(keys.read(name).expose().to_vec()).unwrap().replace('\n', "\r\n");
        let windows = Keyring::parse(&Plaintext::new(text.into_bytes()), name).unwrap();
        assert_eq!(windows.publics(), [to]);
    }
}

#[test]
fn each_of_several_recipients_opens() {
    let Some(keys) = Keys::new() else { return };
    let (age_key, ann) = keys.age("ann.txt");
    let (ssh_key, public) = keys.ssh("bob", "-t ed25519 -N \"\"");
    let (_, rsa) = keys.ssh("rsa", "-t rsa -b 2048 -N \"\"");
    let (bob, eve): (Recipient, Recipient) = (public.parse().unwrap(), rsa.parse().unwrap());
    let sealed = seal([&ann, &bob, &eve], &Plaintext::new(b"hunter2".to_vec()), Form::Armored).unwrap();
    assert_eq!(age_opens(&age_key, &sealed), b"hunter2");
    assert_eq!(age_opens(&ssh_key, &sealed), b"hunter2");
    let theirs = age_seals(&[&ann, &bob, &eve], b"hunter2", Form::Binary);
    for name in ["ann.txt", "bob", "rsa"] {
        assert_eq!(open(&keys.ring(name).unwrap(), &theirs, LARGE).unwrap().expose(), b"hunter2");
    }
    keys.age("other.txt");
    let error = open(&keys.ring("other.txt").unwrap(), &theirs, LARGE).unwrap_err();
    let sealed_to = "1 age key, 1 ssh-ed25519 key, 1 ssh-rsa key".to_owned();
    assert_eq!(error, OpenError::NoKeyFits { tried: 1, sealed_to });
}

#[test]
fn keys_that_are_of_no_use_are_named() {
    let Some(keys) = Keys::new() else { return };
    let name = |name: &str| name.to_owned();
    for (file, words) in [
        ("locked", "-t ed25519 -N hunter2"),
        ("locked_rsa", "-t rsa -b 2048 -N hunter2"),
        ("locked_gcm", "-t ed25519 -N hunter2 -Z aes256-gcm@openssh.com"),
        ("locked_pem", "-t rsa -b 2048 -m PEM -N hunter2"),
    ] {
        keys.ssh(file, words);
        assert_eq!(keys.ring(file).unwrap_err(), BadKey::Passphrase { name: name(file) });
    }
    for (file, words, kind) in [
        ("ecdsa", "-t ecdsa -N \"\"", "ecdsa-sha2-nistp256"),
        ("ecdsa_pem", "-t ecdsa -m PEM -N \"\"", "ECDSA"),
        ("pkcs8", "-t rsa -b 2048 -m PKCS8 -N \"\"", "PKCS #8"),
        ("pkcs8_locked", "-t rsa -b 2048 -m PKCS8 -N hunter2", "PKCS #8"),
    ] {
        let (_, public) = keys.ssh(file, words);
        assert_eq!(keys.ring(file).unwrap_err(), BadKey::OtherKind { name: name(file), kind: name(kind) });
        assert_eq!(public.parse::<Recipient>().is_ok(), file.starts_with("pkcs8"), "{public}");
    }
    keys.ssh("ours", "-t ed25519 -N \"\"");
    assert_eq!(keys.ring("ours.pub").unwrap_err(), BadKey::Public { name: name("ours.pub"), line: 1 });
    let text = String::from_utf8(keys.read("ours").expose().to_vec()).unwrap();
    let error = text.parse::<Recipient>().unwrap_err().to_string();
    assert!(error.contains("the file that ends with .pub"), "{error}");
}

/// Whatever stands in a private key that is damaged: an error that quotes none of it, or the key as it was.
#[test]
fn damaged_keys_are_refused() {
    let Some(keys) = Keys::new() else { return };
    for (name, words, step) in [
        ("ed25519", "-t ed25519 -N \"\"", 1),
        ("rsa", "-t rsa -b 2048 -N \"\"", 11),
        ("locked", "-t ed25519 -N x", 7),
    ] {
        keys.ssh(name, words);
        let text = keys.read(name);
        let right = keys.ring(name).map(|ring| ring.publics().to_vec());
        for at in (0..text.len()).step_by(step) {
            let cut = Keyring::parse(&Plaintext::new(text.expose()[..at].to_vec()), name);
            assert!(cut.is_err() || at + 2 > text.len(), "{name} {at}");
            for mask in [1, 2, 0x10] {
                let mut bytes = text.expose().to_vec();
                bytes[at] ^= mask;
                match Keyring::parse(&Plaintext::new(bytes), name) {
                    Ok(ring) => assert_eq!(Some(ring.publics()), right.as_deref().ok(), "{name} {at} {mask}"),
                    Err(error) => assert!(error.to_string().len() < 160 + name.len(), "{name} {at}: {error}"),
                }
            }
        }
    }
}

/// Values that are sealed to ssh keys, changed at any place: an error, or the value.
#[test]
fn damaged_values_give_nothing_wrong() {
    let Some(keys) = Keys::new() else { return };
    for (name, words, step) in [("ed25519", "-t ed25519 -N \"\"", 1), ("rsa", "-t rsa -b 2048 -N \"\"", 7)] {
        let (_, public) = keys.ssh(name, words);
        let sealed =
            seal([&public.parse().unwrap()], &Plaintext::new(b"hunter2".to_vec()), Form::Binary).unwrap();
        let ring = keys.ring(name).unwrap();
        for at in (0..sealed.len()).step_by(step) {
            for mask in [1, 0x20, 0xff] {
                let mut bytes = sealed.clone();
                bytes[at] ^= mask;
                assert!(open(&ring, &bytes, LARGE).is_err(), "{name} {at} {mask}");
            }
            assert!(open(&ring, &sealed[..at], LARGE).is_err(), "{name} {at}");
        }
    }
}

/// Without this program, what it keeps is not lost: `age` opens the cluster's key, and with that a value.
#[test]
fn age_alone_opens_what_a_cluster_keeps() {
    let Some(keys) = Keys::new() else { return };
    let (ssh_key, public) = keys.ssh("ann", "-t ed25519 -N \"\"");
    let recipients = Recipients::new("ann".parse().unwrap(), public.parse().unwrap());
    let first = Opened::create(&MarkKey::new([7; 32]), recipients).unwrap();
    let value = first.key().seal(Kind::Secret, "db", &Plaintext::new(b"hunter2".to_vec())).unwrap();
    let value = serde_json::to_value(value).unwrap();
    let record = serde_json::to_value(first.rotate().unwrap().key().record()).unwrap();

    let bytes = |value: &serde_json::Value| value.as_str().expect("a text").as_bytes().to_vec();
    let present = keys.write("present.txt", &age_opens(&ssh_key, &bytes(&record["key"]["sealed"])));
    let former = age_opens(&present, &bytes(&record["key"]["former"][0]["sealed"]));
    assert_eq!(age_opens(&keys.write("former.txt", &former), &bytes(&value["sealed"])), b"hunter2");
}
