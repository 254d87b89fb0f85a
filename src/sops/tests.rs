//! Files as SOPS would not write them: wrong in one thing, and right in all others. What SOPS itself writes is tried in
//! `tests/vault`.

use aes_gcm::aead::KeyInit as _;
use aes_gcm::aead::consts::U32;
use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInPlace as _, AesGcm};
use age::secrecy::ExposeSecret as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha512};

use super::*;
use crate::vault::{Form, Keyring, OpenError, Plaintext, Recipient, draw, seal};

const TIME: &str = "2024-01-02T03:04:05Z";

/// Encrypts as SOPS does.
struct Maker {
    keys: Keyring,
    to: Recipient,
    key: Plaintext,
}

impl Maker {
    fn new() -> Self {
        let key = age::x25519::Identity::generate();
        let text = Plaintext::new(key.to_string().expose_secret().as_bytes().to_vec());
        let keys = Keyring::parse(&text, "key").unwrap();
        let to = keys.publics()[0].clone();
        Self { keys, to, key: draw(32) }
    }

    /// An encrypted value.
    fn value(&self, path: &str, kind: &str, plain: &[u8]) -> String {
        let gcm = AesGcm::<Aes256, U32>::new_from_slice(self.key.expose()).unwrap();
        let iv = draw(32);
        let mut data = plain.to_vec();
        let nonce = GenericArray::from_slice(iv.expose());
        let tag = gcm.encrypt_in_place_detached(nonce, path.as_bytes(), &mut data).unwrap();
        let [data, iv, tag] = [data, iv.expose().to_vec(), tag.to_vec()].map(|bytes| STANDARD.encode(bytes));
        format!("ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{kind}]")
    }

    /// The part `sops` of YAML, for values that are hashed to this.
    fn part(&self, hashed: &[u8], more: &str) -> String {
        let sealed = seal([&self.to], &self.key, Form::Armored).unwrap();
        let sealed = String::from_utf8(sealed).unwrap().replace('\n', "\n      ");
        let mac: String = Sha512::digest(hashed).iter().map(|byte| format!("{byte:02X}")).collect();
        let mac = self.value(TIME, "str", mac.as_bytes());
        format!(
            "sops:\n  version: 3.9.0\n  lastmodified: \"{TIME}\"\n  mac: {mac}\n{more}  age:\n  - recipient: {}\n    \
             enc: |\n      {sealed}\n",
            self.to.as_str()
        )
    }

    /// Opens YAML with the part added.
    fn yaml(&self, text: &str, hashed: &[u8]) -> Result<String, SopsError> {
        self.open(&format!("{text}{}", self.part(hashed, "")), Format::Yaml)
    }

    /// Opens JSON with the part added, in YAML's form.
    fn json(&self, text: &str, hashed: &[u8]) -> Result<String, SopsError> {
        let part: serde_json::Value = serde_saphyr::from_str(&self.part(hashed, "")).unwrap();
        let text = text.strip_suffix('}').unwrap();
        self.open(&format!("{text}, \"sops\": {}}}", part["sops"]), Format::Json)
    }

    fn open(&self, text: &str, format: Format) -> Result<String, SopsError> {
        match open(text.as_bytes(), format, &self.keys) {
            Ok(plain) => Ok(String::from_utf8(plain.expose().to_vec()).unwrap()),
            Err(FileError::Sops(error)) => Err(error),
            Err(FileError::Age(error)) => panic!("{error}"),
        }
    }
}

#[test]
fn values_of_each_type_are_written_as_they_were() {
    let maker = Maker::new();
    let all = [
        ("str", "a\"\\\n\u{7f}\u{85}é😀", "a\"\\\n\u{7f}\u{85}é😀", "\"a\\\"\\\\\\n\\u007f\\u0085é😀\""),
        ("bytes", "x", "x", "\"x\""),
        ("str", "5432", "5432", "\"5432\""),
        ("int", "-5432", "-5432", "-5432"),
        ("float", "0.5", "0.5", "0.5"),
        ("float", "1e3", "1000", "1000"),
        ("bool", "true", "True", "true"),
        ("bool", "False", "False", "false"),
    ];
    let text = |sign: &str| {
        let values = all.iter().enumerate();
        let values = values.map(|(at, (kind, plain, ..))| {
            format!(
                "{sign}k{at}{sign}: {sign}{}{sign}",
                maker.value(&format!("k{at}:"), kind, plain.as_bytes())
            )
        });
        values.collect::<Vec<_>>()
    };
    let expected = |sign: &str| {
        let values = all.iter().enumerate();
        values.map(|(at, (.., written))| format!("{sign}k{at}{sign}: {written}")).collect::<Vec<_>>()
    };
    let hashed: String = all.iter().map(|(_, _, hashed, _)| *hashed).collect();
    let found = maker.yaml(&(text("").join("\n") + "\n"), hashed.as_bytes()).unwrap();
    assert_eq!(found, expected("").join("\n") + "\n");
    let found = maker.json(&format!("{{{}}}", text("\"").join(", ")), hashed.as_bytes()).unwrap();
    assert_eq!(found, format!("{{{}}}", expected("\"").join(", ")));
}

#[test]
fn bytes_that_are_no_text_are_written_where_they_can_be() {
    let maker = Maker::new();
    let value = maker.value("a:", "str", b"\0\xff");
    assert_eq!(maker.yaml(&format!("a: {value}\n"), b"\0\xff").unwrap(), "a: !!binary AP8=\n");
    let at = "a".to_owned();
    let error = maker.json(&format!("{{\"a\": \"{value}\"}}"), b"\0\xff").unwrap_err();
    assert_eq!(error, SopsError::NotText { at });
}

#[test]
fn values_that_are_not_of_their_type_are_refused() {
    let maker = Maker::new();
    for (kind, plain) in [
        ("int", "1.5"),
        ("int", "9223372036854775808"),
        ("int", "hunter2"),
        ("int", "\u{ff}"),
        ("float", "x"),
        ("bool", "yes"),
        ("time", "2024-01-02"),
        ("time", "2024-01-02T03:04:05Z # hunter2"),
        ("comment", "hunter2"),
        ("map", "{}"),
    ] {
        let value = maker.value("a:", kind, plain.as_bytes());
        let error = maker.yaml(&format!("a: {value}\n"), plain.as_bytes()).unwrap_err();
        assert_eq!(error, SopsError::Type { at: "a".to_owned() }, "{kind} {plain}");
    }
    let value = maker.value("a:", "float", b"NaN");
    assert_eq!(maker.yaml(&format!("a: {value}\n"), b"NaN").unwrap(), "a: .nan\n");
    let error = maker.json(&format!("{{\"a\": \"{value}\"}}"), b"NaN").unwrap_err();
    assert_eq!(error, SopsError::Type { at: "a".to_owned() });
}

#[test]
fn comments_open_wherever_they_may_have_been() {
    let maker = Maker::new();
    let comment = |path: &str, text: &str| maker.value(path, "comment", text.as_bytes());
    let value = maker.value("a:b:", "str", b"x");
    // Each is at the end or at the beginning of what it belonged to.
    for path in [":", "a:"] {
        let text = format!("#{0}\na:\n  #{0}\n  b: {value} #{0}\n  #{0}\n#{0}\n", comment(path, " hi"));
        let expected = "# hi\na:\n  # hi\n  b: \"x\" # hi\n  # hi\n# hi\n";
        assert_eq!(maker.yaml(&text, b"x").as_deref(), Ok(expected), "{path}");
    }
    // One that does not open is no reason to refuse the rest, and one with several lines is no comment.
    for bad in [comment("other:", " hi"), comment("a:", "x\ny: 1"), "ENC[AES256_GCM,data:x]".to_owned()] {
        let text = format!("a:\n  #{bad}\n  b: {value}\n");
        assert_eq!(maker.yaml(&text, b"x").unwrap(), format!("a:\n  #{bad}\n  b: \"x\"\n"));
    }
}

#[test]
fn comments_in_lists_are_items() {
    let maker = Maker::new();
    let comment = maker.value("a:", "comment", b" hi");
    let value = maker.value("a:", "int", b"1");
    let text = format!("a:\n  - {comment}\n  - {value}\n  - - {comment}\n    - {value}\n  - \"{comment}\"\n");
    assert_eq!(maker.yaml(&text, b"11").unwrap(), "a:\n  # hi\n  - 1\n  - # hi\n    - 1\n  # hi\n");
    let layout = |line, what| Err(SopsError::Layout { line, what });
    let text = format!("a:\n  - {comment}\n  - {comment}\n");
    assert_eq!(maker.yaml(&text, b""), layout(3, "a list of comments alone"));
    let text = format!("a: [\"{comment}\", \"{value}\"]\n");
    assert_eq!(maker.yaml(&text, b"1"), layout(1, "a comment in a list of one line"));
    let more = maker.value("a:", "comment", b" hi\n- 2");
    let error = maker.yaml(&format!("a:\n- {more}\n- {value}\n"), b"1").unwrap_err();
    assert_eq!(error, SopsError::Type { at: "a".to_owned() });
}

#[test]
fn values_stand_in_yaml_in_any_form() {
    let maker = Maker::new();
    let (one, two) = (maker.value("a:", "str", b"x: y"), maker.value("a:", "int", b"2"));
    for (text, expected) in [
        (format!("a: [\"{one}\", '{two}']\n"), "a: [\"x: y\", 2]\n"),
        (format!("a:\n- {one} # c\n-   \"{two}\"\n"), "a:\n- \"x: y\" # c\n-   2\n"),
        (format!("a:\n-\n  {one}\n- {two}"), "a:\n-\n  \"x: y\"\n- 2\n"),
        (format!("? a\n: - {one}\n  - {two}\n"), "? a\n: - \"x: y\"\n  - 2\n"),
    ] {
        let text = if text.ends_with('\n') { text } else { text + "\n" };
        assert_eq!(maker.yaml(&text, b"x: y2").as_deref(), Ok(expected));
    }
    let what = "an encrypted value in an unusual place";
    for sign in ["|", "|-", ">", ">+", "|2", "|-2", ">2-", "|- # c"] {
        let error = maker.yaml(&format!("a:\n- {sign}\n  {one}\n- {two}\n"), b"x: y2").unwrap_err();
        assert!(
            matches!(error, SopsError::Layout { what: found, .. } if found == what)
                || error == SopsError::CutOff { at: "a".to_owned() },
            "{sign}: {error:?}"
        );
    }
    let part = maker.part(b"x: y", "");
    let error = maker.open(&format!("{part}a: |-\n  {}", maker.value("a:", "str", b"x: y")), Format::Yaml);
    assert!(matches!(error, Err(SopsError::Layout { what: found, .. }) if found == what), "{error:?}");
}

#[test]
fn a_key_of_another_length_is_no_key() {
    for len in [0, 16, 31, 33, 5000] {
        let maker = Maker::new();
        let text = maker.part(b"", "");
        let other = seal([&maker.to], &draw(len), Form::Armored).unwrap();
        let other = String::from_utf8(other).unwrap().replace('\n', "\n      ");
        let begin = text.find("-----BEGIN").unwrap();
        assert_eq!(
            maker.open(&format!("{}{other}\n", &text[..begin]), Format::Yaml),
            Err(SopsError::DataKeyLength)
        );
    }
}

/// As long as there is one that opens, the others do not matter.
#[test]
fn a_damaged_recipient_is_passed_over() {
    let maker = Maker::new();
    let text = maker.part(b"", "");
    let damaged = text.replace("  age:\n", "  age:\n  - {recipient: x, enc: y}\n");
    assert!(maker.open(&damaged, Format::Yaml).is_ok());
    let only = text[..text.find("  - recipient").unwrap()].to_owned() + "  - {recipient: x, enc: y}\n";
    assert_eq!(maker.open(&only, Format::Yaml), Err(SopsError::DataKey(OpenError::NotSealed)));
}

#[test]
fn a_mac_of_what_is_encrypted_is_of_its_own_kind() {
    let maker = Maker::new();
    let text = format!("a: {}\nb_unencrypted: 1\n", maker.value("a:", "str", b"x"));
    let all = maker.part(b"x1", "");
    let begun = [&Sha256::digest("sops")[..], b"x"].concat();
    let only = maker.part(&begun, "  mac_only_encrypted: true\n");
    assert!(maker.open(&(text.clone() + &all), Format::Yaml).is_ok());
    assert!(maker.open(&(text.clone() + &only), Format::Yaml).is_ok());
    let swapped = only.replace("  mac_only_encrypted: true\n", "");
    assert_eq!(maker.open(&(text + &swapped), Format::Yaml), Err(SopsError::WrongMac));
}

/// Ten times as much in each line.
fn aliases() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..10 {
        let alias = format!("*a{}, ", n - 1).repeat(10);
        text.push_str(&format!("a{n}: &a{n} [{alias}]\n"));
    }
    text
}

#[test]
fn so_many_values_are_refused_in_each_format() {
    let maker = Maker::new();
    let json = format!("{{\"a\": [{}0]}}", "0,".repeat(Limit::Values.most()));
    assert_eq!(maker.open(&json, Format::Json), Err(SopsError::TooLarge(Limit::Values)));
    let dotenv = "A=\n".repeat(Limit::Values.most() + 1);
    assert_eq!(maker.open(&dotenv, Format::Dotenv), Err(SopsError::TooLarge(Limit::Values)));
    // A regular expression on very many keys.
    let keys: String = (0..45_000).map(|at| format!("k{at}{}:\n", "a".repeat(60))).collect();
    let part = maker.part(b"", "  encrypted_regex: (a+)+b\n");
    assert_eq!(maker.open(&(keys + &part), Format::Yaml), Err(SopsError::TooLarge(Limit::Work)));
}

/// Each is refused, or opens, before the test runner loses patience.
#[test]
fn bombs_are_refused_soon() {
    let maker = Maker::new();
    let part = maker.part(b"", "");
    let deep = (0..60).map(|depth| format!("{}k:\n", "  ".repeat(depth))).collect::<String>();
    let long = "k".repeat(100_000);
    let comment = maker.value("nowhere:", "comment", b"x");
    let comments = format!("#{comment}\n").repeat(60_000);
    let path = (0..50).map(|depth| format!("{}{}:\n", " ".repeat(depth), "k".repeat(70))).collect::<String>();
    let value = maker.value("a:", "str", &vec![b'x'; Limit::Plain.most() + 1]);
    let flat = format!(
        "  other:\n{}",
        (0..50)
            .map(|depth| {
                format!("{}? {}\n{}:\n", " ".repeat(depth + 3), "k".repeat(9000), " ".repeat(depth + 3))
            })
            .collect::<String>()
    );
    let cases: [(&str, String, Option<Limit>); 9] = [
        ("values", format!("a: [{}]\n{part}", "x,".repeat(Limit::Values.most())), Some(Limit::Values)),
        ("aliases", format!("{}{part}", aliases()), Some(Limit::Values)),
        ("documents", format!("{}{part}", "---\n".repeat(1002)), Some(Limit::Documents)),
        ("file", format!("#{}\n{part}", " ".repeat(Limit::File.most())), Some(Limit::File)),
        ("path", format!("? {long}\n: 1\n{part}"), Some(Limit::Path)),
        ("deep", format!("{deep}{part}"), None),
        ("comments", format!("{path}{}x:\n{comments}{part}", " ".repeat(50)), Some(Limit::Work)),
        ("plain", format!("a: {value}\n{part}"), Some(Limit::Plain)),
        ("flat", maker.part(b"", &flat), Some(Limit::Metadata)),
    ];
    for (name, text, limit) in cases {
        let found = maker.open(&text, Format::Yaml);
        match limit {
            Some(limit) => assert_eq!(found, Err(SopsError::TooLarge(limit)), "{name}"),
            None => assert!(found.is_ok(), "{name}: {found:?}"),
        }
        assert_eq!(detect(text.as_bytes(), "a.yaml"), Some(Format::Yaml), "{name}");
    }
}

#[test]
fn plain_files_are_given_as_they_are() {
    let page = "# How to\n\n```yaml\npassword: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\nsops:\n    mac: x\n    \
                lastmodified: y\n    version: 3.9.0\n```\n";
    let script = "cat > .env <<END\nA=ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\nEND\n";
    for (name, text) in [
        ("how.md", page),
        ("make.sh", script),
        ("a.yaml", "sops:\n  version: 3.9.0\n  lastmodified: never\n  enabled: true\nage: 1\n"),
        ("a.yaml", "page: |\n  so: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\nsops: lastmodified\n"),
        ("a.yaml", "page: not ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\n"),
        ("a.json", "{\"sops\": {\"lastmodified\": 1}}"),
        ("a.env", "sops_version=3\n# lastmodified\n"),
        ("a.txt", "ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]"),
        ("a.txt", "age-encryption.org"),
        ("key", "-----BEGIN OPENSSH PRIVATE KEY-----\n"),
        ("a.yaml", ""),
    ] {
        let found = detect(text.as_bytes(), name);
        // A page of another name is not looked at as one of these formats.
        assert_eq!(found, None, "{name}: {text}");
        let bytes = Plaintext::new(text.as_bytes().to_vec());
        let place = bytes.expose().as_ptr();
        let (source, plain) = Source::open_file(bytes, name, &Keyring::default()).unwrap();
        assert_eq!(source, Source::Plain);
        assert!(plain.expose() == text.as_bytes() && plain.expose().as_ptr() == place, "no copy is made");
    }
}

#[test]
fn age_files_open_by_the_same_function() {
    let maker = Maker::new();
    for form in [Form::Armored, Form::Binary] {
        let sealed = seal([&maker.to], &Plaintext::new(b"hunter2".to_vec()), form).unwrap();
        let (source, plain) =
            Source::open_file(Plaintext::new(sealed.clone()), "db.yaml.age", &maker.keys).unwrap();
        assert_eq!(source, Source::Encrypted(Format::Age));
        assert_eq!(plain.expose(), b"hunter2");
        let error = Source::open_file(Plaintext::new(sealed), "db", &Keyring::default()).unwrap_err();
        assert!(matches!(error, FileError::Age(OpenError::NoKeyFits { tried: 0, .. })), "{error}");
    }
}

/// Also where no parser reads them any more.
#[test]
fn damaged_files_are_known_for_what_they_are() {
    let maker = Maker::new();
    let value = maker.value("a:", "str", b"x");
    let part = maker.part(b"x", "");
    for (name, text, format) in [
        ("a.yaml", format!("a: {value}\nb: [\n"), Some(Format::Yaml)),
        ("a.yaml", format!("a: {value}\n"), Some(Format::Yaml)),
        ("a", format!("a: {value}\nb: [\n{part}"), Some(Format::Yaml)),
        ("a", format!("a: \"{}", &value[..40]), None),
        ("a.yml", format!("a: \"{}", &value[..40]), Some(Format::Yaml)),
        ("a.json", format!("{{\"a\": \"{value}\", "), Some(Format::Json)),
        ("a.json", format!("a\": \"{value}\", "), Some(Format::Json)),
        ("a", format!("x\n\"data\": \"{value}\",\n\"sops\": {{}}\n}}\n"), Some(Format::Binary)),
        ("a.env", format!("A={value}\nB"), Some(Format::Dotenv)),
        ("a", format!("A={value}\nB"), Some(Format::Dotenv)),
        ("a", format!("A={value}\nB C\nsops_mac=x\n"), Some(Format::Dotenv)),
        ("a.ini", format!("[a]\nb = {value}\n"), Some(Format::Ini)),
        ("a", format!("[a]\nb = {value}\n[sops]\nmac = x\n"), Some(Format::Ini)),
    ] {
        assert_eq!(detect(text.as_bytes(), name), format, "{name}: {text}");
        let mut bytes = text.into_bytes();
        let at = bytes.windows(6).position(|part| part == b",data:").unwrap() + 7;
        bytes.insert(at, 0xff);
        assert_eq!(detect(&bytes, name), format, "{name}, and not UTF-8");
    }
}
