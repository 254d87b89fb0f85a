//! What SOPS encrypts, this program opens as SOPS does: files that it wrote (`sops/make` says which version), with what it
//! made of them again beside them. And whatever happens to such a file, nothing wrong comes out.

use std::path::Path;

use proptest::prelude::*;
use stackctl::sops::{FileError, Format, SopsError, Source, detect, open};
use stackctl::vault::{Keyring, Plaintext};
use stackctl::yaml::emit::{Style, yaml};
use stackctl::yaml::{Sink, SourceText, Sources, parse};

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vault/sops").join(name);
    std::fs::read(path).expect("a fixture")
}

fn ring(name: &str) -> Keyring {
    Keyring::parse(&Plaintext::new(fixture(name)), name).expect("a key")
}

/// What a file gives, as text of its meaning: of YAML and JSON it does not matter how it is written.
fn meaning(format: Format, bytes: &[u8]) -> String {
    let text = || std::str::from_utf8(bytes).expect("text");
    match format {
        Format::Json => {
            let value: serde_json::Value = serde_json::from_str(text()).expect("JSON");
            // Its own order of keys, which `serde_json` does not keep.
            format!("{value}\n{}", keys(text()))
        }
        Format::Yaml => {
            let document = |text: &str| {
                let sources = Sources::new();
                let source = SourceText { name: "x.yaml".to_owned(), bytes: text.into() };
                let id = sources.add(source).expect("UTF-8");
                let sink = Sink::new("test", &sources);
                let node = parse(&sources, id, &sink);
                assert!(sink.finish().is_ok(), "{text}");
                node.map(|node| yaml(&node, Style::default())).unwrap_or_default()
            };
            text().split("\n---\n").map(document).collect::<Vec<_>>().join("---\n")
        }
        _ => format!("{bytes:?}"),
    }
}

/// The keys of JSON, in their order.
fn keys(text: &str) -> String {
    let key = regex_lite::Regex::new(r#""(?:[^"\\]|\\.)*"\s*:"#).expect("a regular expression");
    key.find_iter(text).map(|key| key.as_str().trim_end_matches(':').trim_end()).collect()
}

/// What the MAC and the paths of values protect: values with content, each with the keys down to it, in their order.
fn values(format: Format, bytes: &[u8]) -> Vec<String> {
    fn walk(path: &str, value: &serde_json::Value, all: &mut Vec<String>) {
        use serde_json::Value;
        match value {
            Value::Object(map) => {
                map.iter().for_each(|(key, value)| walk(&format!("{path}:{key}"), value, all))
            }
            Value::Array(list) => list.iter().for_each(|value| walk(path, value, all)),
            Value::Null => {}
            Value::String(text) if text.is_empty() => {}
            other => all.push(format!("{path}={other}")),
        }
    }
    let mut all = Vec::new();
    match format {
        Format::Json => walk("", &serde_json::from_slice(bytes).expect("JSON"), &mut all),
        Format::Yaml => walk("", &serde_saphyr::from_slice(bytes).expect("YAML"), &mut all),
        Format::Dotenv => {
            let lines = std::str::from_utf8(bytes).expect("text").lines();
            all.extend(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned));
        }
        _ => all.push(meaning(format, bytes)),
    }
    all
}

/// Opens a fixture, or what became of it.
fn opened(name: &str, bytes: Vec<u8>, keys: &Keyring) -> Result<(Format, Plaintext), SopsError> {
    match Source::open_file(Plaintext::new(bytes), name, keys) {
        Ok((Source::Encrypted(format), plain)) => Ok((format, plain)),
        Ok((Source::Plain, _)) => panic!("{name}: it is given as it is"),
        Err(FileError::Sops(error)) => Err(error),
        Err(FileError::Age(error)) => panic!("{name}: {error}"),
    }
}

#[test]
fn files_open_to_what_sops_opens_them_to() {
    for (key, format, names) in [
        (
            "key.txt",
            Format::Yaml,
            "strict two rich empty regex unregex suffix comment uncomment".split(' ').collect::<Vec<_>>(),
        ),
        ("ssh_key", Format::Yaml, vec!["ssh"]),
        ("key.txt", Format::Json, vec!["strict", "rich", "empty", "data"]),
        ("key.txt", Format::Dotenv, vec!["strict", "rich"]),
        ("key.txt", Format::Binary, vec!["strict"]),
    ] {
        let ending = match format {
            Format::Yaml => "yaml",
            Format::Json => "json",
            Format::Dotenv => "env",
            _ => "enc",
        };
        for name in names.into_iter().map(|name| format!("{name}.{ending}")) {
            let (found, plain) =
                opened(&name, fixture(&name), &ring(key)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let theirs = fixture(&format!("{name}.plain"));
            assert_eq!(found, format, "{name}");
            assert_eq!(meaning(format, plain.expose()), meaning(format, &theirs), "{name}");
        }
    }
}

#[test]
fn the_layout_of_a_file_stays() {
    let plain = |name: &str| {
        let (_, plain) = opened(name, fixture(name), &ring("key.txt")).expect("it opens");
        String::from_utf8(plain.expose().to_vec()).expect("text")
    };
    insta::assert_snapshot!(plain("rich.yaml"), @r##"
    # of the file
    # of db
    # at db
    db:
        # at user
        user: "shop"
        password: "pa ss: #1 \u0001\u2028\\é😀"
        port: 5432
        ratio: 0.25
        million: 1e+06
        huge: 1e+300
        exact: 9007199254740993
        date: 2001-12-14T00:00:00Z
        "on": "yes"
        is: true
        nothing: null
        empty: ""
        none: {}
        "no": []
        # last of db
    list:
        # of one
        - "one"
        # at 2
        - 2
        - - "nested"
          # of x
          - x: "y"
            z: "several\nlines\n"
            # last of list
    bytes: !!binary AP/+
    cert: "-----BEGIN-----\nabc\n-----END-----\n"
    url_unencrypted: http://a:80/#b
    all_unencrypted:
        - 3
        - true
        - null
        - 2001-12-14T21:59:43.1-05:00
        - 31
        - |
          two
          lines
    base:
        p: "q"
    merged:
        !!merge <<:
            p: "q"
        k:k: "v"
    # last
    ---
    # of the second
    second: "document"
    "##);
    insta::assert_snapshot!(plain("rich.json"), @r#"
    {
    	"b": {
    		"x": 1,
    		"y": [
    			true,
    			null,
    			1.5,
    			"sé<😀\u0007",
    			{},
    			[]
    		]
    	},
    	"a": "",
    	"big": 12345678901234567000,
    	"f": 1e+21,
    	"k\"\u0001": "v\\\"\n",
    	"g_unencrypted": [
    		1,
    		2000,
    		12345678901234567000,
    		false,
    		"qé\n"
    	]
    }
    "#);
    insta::assert_snapshot!(plain("comment.yaml"), @r#"
    a: 1
    # enc: secret
    b: 2
    m:
        c: 3
        # plain
        d:
            - x
            - "y"
    data_x:
        e: f
    # secret
    s:
        t: "u"
        # more
        v_enc: "w"
    z: 1
    "#);
    assert_eq!(plain("rich.env"), String::from_utf8(fixture("rich.env.plain")).unwrap());
    assert_eq!(plain("empty.yaml"), "{}\n");
    assert_eq!(plain("empty.json").split_whitespace().collect::<String>(), "{}");
}

#[test]
fn the_name_tells_binary_from_json() {
    let data = fixture("data.json");
    for (name, format) in [("a.json", Format::Json), ("a.enc", Format::Binary), ("a", Format::Binary)] {
        assert_eq!(detect(&data, name), Some(format), "{name}");
    }
    let plain = open(&data, Format::Binary, &ring("key.txt")).unwrap();
    assert_eq!(plain.expose(), b"x");
    for name in ["strict.yaml", "strict.env", "strict.json", "strict.enc", "refused.ini"] {
        let found = detect(&fixture(name), name);
        assert!(found.is_some() && detect(&fixture(name), "secret") == found, "{name}");
    }
}

#[test]
fn what_is_not_supported_is_named() {
    let error = |name: &str, key: &str| opened(name, fixture(name), &ring(key)).unwrap_err();
    assert_eq!(error("refused.ini", "key.txt"), SopsError::Ini);
    assert_eq!(error("groups.yaml", "key.txt"), SopsError::KeyGroups { groups: 2 });
    assert_eq!(error("open.yaml", "key.txt"), SopsError::CommentRule { rule: "unencrypted_comment_regex" });
    let SopsError::NoKeyFits { tried: 1, sealed_to } = error("strict.yaml", "other.txt") else { panic!() };
    assert!(sealed_to.starts_with("age1") && !sealed_to.contains(','), "{sealed_to}");
    let SopsError::NoKeyFits { sealed_to, .. } = error("two.yaml", "ssh_key") else { panic!() };
    assert_eq!(sealed_to.matches("age1").count(), 2, "{sealed_to}");
    let none = opened("ssh.yaml", fixture("ssh.yaml"), &Keyring::default()).unwrap_err();
    let said = none.to_string();
    assert!(
        said.starts_with("there is no private key that opens it: it is encrypted to ssh-ed25519 "),
        "{said}"
    );
    // Each of several recipients opens.
    assert!(opened("two.yaml", fixture("two.yaml"), &ring("other.txt")).is_ok());
}

/// One edit of a fixture.
fn edited(name: &str, edit: impl Fn(&str) -> String) -> Result<(Format, Plaintext), SopsError> {
    let text = String::from_utf8(fixture(name)).expect("text");
    let after = edit(&text);
    assert_ne!(text, after, "{name}: nothing was edited");
    opened(name, after.into_bytes(), &ring("key.txt"))
}

/// The lines of a text, with some of them taken out.
fn without(text: &str, is_gone: impl Fn(&str) -> bool) -> String {
    text.split_inclusive('\n').filter(|line| !is_gone(line)).collect()
}

/// The text with the line that begins so put before another one.
fn moved(text: &str, begin: &str, before: &str) -> String {
    let line =
        text.split_inclusive('\n').find(|line| line.starts_with(begin)).expect("it is there").to_owned();
    without(text, |line| line.starts_with(begin)).replacen(before, &(line + before), 1)
}

/// What is encrypted in the line that begins so.
fn value<'t>(text: &'t str, begin: &str) -> &'t str {
    let line = text.lines().find(|line| line.starts_with(begin)).expect("it is there");
    line[line.find("ENC[").expect("a value")..].trim_end_matches([',', '"'])
}

#[test]
fn each_edit_has_its_own_error() {
    let at = |at: &str| at.to_owned();
    let yaml = |edit: &dyn Fn(&str) -> String| edited("strict.yaml", edit).unwrap_err();
    let mac = |text: &str| text.find("    mac: ").expect("a MAC");
    for (error, edit) in [
        (
            SopsError::NoMac,
            &(|text: &str| without(text, |line| line.starts_with("    mac:"))) as &dyn Fn(&str) -> String,
        ),
        (SopsError::MacTampered, &|text| text.replace("    lastmodified: \"20", "    lastmodified: \"21")),
        (SopsError::MacTampered, &|text| text.replace("    mac: ENC", "    mac: EMC")),
        (SopsError::WrongMac, &|text| without(text, |line| line.starts_with("    port:"))),
        (SopsError::WrongMac, &|text| moved(text, "    port:", "    user:")),
        (SopsError::WrongMac, &|text| {
            text.replace("debug: ", "debug: \"\"\nx: ").replace("x: ENC", "x: #ENC")
        }),
        (SopsError::WrongMac, &|text| {
            text.replace("    version", "    mac_only_encrypted: true\n    version")
        }),
        (SopsError::WrongMac, &|text| {
            let item = text.lines().find(|line| line.starts_with("    - ENC")).expect("an item");
            text.replacen(item, &format!("{item}\n{item}"), 1)
        }),
        (SopsError::Tampered { at: at("db:user") }, &|text| {
            text.replace(value(text, "    user:"), value(text, "    password:"))
        }),
        (SopsError::Tampered { at: at("db:name") }, &|text| text.replace("    user:", "    name:")),
        (SopsError::CutOff { at: at("db:user") }, &|text| text.replacen(",type:str]", ",type:str", 1)),
        (SopsError::CutOff { at: at("db:user") }, &|text| text.replacen(",iv:", ",iv:A", 1)),
        (SopsError::Type { at: at("db:user") }, &|text| text.replacen("type:str", "type:int", 1)),
        (SopsError::Type { at: at("db:user") }, &|text| text.replacen("type:str", "type:none", 1)),
        (SopsError::Type { at: at("db:user") }, &|text| text.replacen("type:str", "type:comment", 1)),
        (SopsError::NotEncrypted { at: at("db:user") }, &|text| {
            text.replace(value(text, "    user:"), "shop")
        }),
        (SopsError::NotEncrypted { at: at("new") }, &|text| format!("new: 1\n{text}")),
        (SopsError::Version { version: at("4") }, &|text| text.replace("version: 3", "version: 4")),
        (SopsError::NoMetadata, &|text| text[..text.find("sops:").expect("a part")].to_owned()),
        (SopsError::Metadata { what: "it has no version" }, &|text| text[..mac(text)].to_owned()),
        (SopsError::Metadata { what: "it has no keys" }, &|text| text.replace("    age:", "    other:")),
        (SopsError::Malformed { format: "YAML", line: 2 }, &|text| text.replace("    user: ", "    user: [")),
        (SopsError::Layout { line: 2, what: "a tag or an anchor" }, &|text| {
            text.replace("user: ", "user: !!str ")
        }),
        (SopsError::Rule { rule: "encrypted_regex" }, &|text| {
            text.replace("unencrypted_suffix: _unencrypted", "encrypted_regex: '('")
        }),
    ] {
        assert_eq!(yaml(edit), error);
    }
    let pgp = yaml(&|text| text.replace("    age:", "    pgp:"));
    assert_eq!(pgp, SopsError::NoAgeKey { keys: at("1 PGP key") });
    let SopsError::DataKey(_) = yaml(&|text| text.replace("            YWdl", "            YWdm")) else {
        panic!()
    };
    assert_eq!(
        edited("strict.env", |text| text.replace("sops_mac=", "sops_mad=")).unwrap_err(),
        SopsError::NoMac
    );
    // What is not encrypted is in the MAC all the same.
    let text = edited("rich.yaml", |text| text.replace("http://a:80", "http://b:80")).unwrap_err();
    assert_eq!(text, SopsError::WrongMac);
    let number = edited("rich.json", |text| text.replace("\t\t2000,", "\t\t2001,")).unwrap_err();
    assert_eq!(number, SopsError::WrongMac);
    // With a MAC of what is encrypted, it is not, and that is what was asked for.
    assert!(edited("suffix.yaml", |text| text.replace("z: 1", "z: 2")).is_ok());
}

#[test]
fn what_a_checkout_on_windows_makes_of_files_opens() {
    for (name, format) in
        [("strict.yaml", Format::Yaml), ("strict.json", Format::Json), ("strict.env", Format::Dotenv)]
    {
        let (_, plain) =
            edited(name, |text| text.replace('\n', "\r\n")).unwrap_or_else(|error| panic!("{error}"));
        let plain = String::from_utf8(plain.expose().to_vec()).unwrap().replace("\r\n", "\n");
        let theirs = fixture(&format!("{name}.plain"));
        assert_eq!(meaning(format, plain.as_bytes()), meaning(format, &theirs), "{name}");
    }
}

const STRICT: [&str; 4] = ["strict.yaml", "strict.json", "strict.env", "strict.enc"];

/// The file with other bytes gives the values that it gave before, or an error that shows nothing of it.
fn hold(name: &str, bytes: Vec<u8>, keys: &Keyring, what: &str) {
    match opened(name, bytes, keys) {
        Ok((format, plain)) => {
            let theirs = values(format, &fixture(&format!("{name}.plain")));
            assert_eq!(values(format, plain.expose()), theirs, "{name}: {what}");
        }
        Err(error) => {
            let said = error.to_string();
            let shows = ["hunter2", "ENC["].into_iter().find(|secret| said.contains(secret));
            assert!(shows.is_none() && said.len() < 300, "{name}: {what}: {said}");
        }
    }
}

#[test]
fn another_byte_anywhere_gives_nothing_wrong() {
    let keys = ring("key.txt");
    for name in STRICT {
        let bytes = fixture(name);
        for at in 0..bytes.len() {
            // By turns, so that each kind of a byte meets each kind of a change.
            let mask = [0x01, 0x20, 0x80, 0x02, 0x10, 0x0c, 0x40][at % 7];
            let mut changed = bytes.clone();
            changed[at] ^= mask;
            hold(name, changed, &keys, &format!("byte {at}, {mask:#x}"));
        }
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let keys = ring("key.txt");
    for name in STRICT {
        let bytes = fixture(name);
        let text = String::from_utf8(bytes.clone()).expect("text");
        // Before its first value, a file says nothing of SOPS.
        let first = text.find("ENC[AES256_GCM,data:").expect("a value") + 20;
        for end in first..text.trim_end().len() {
            let error = opened(name, bytes[..end].to_vec(), &keys);
            // The end of a version is no end that could be missed.
            let is_version = text[end..].len() < "\"3.11.0\"\n\t}\n}".len() && error.is_ok();
            assert!(error.is_err() || is_version, "{name} {end}");
        }
    }
}

proptest! {
    #[test]
    fn edits_at_random_give_nothing_wrong(
        name in prop::sample::select(&STRICT[..]),
        edits in prop::collection::vec((0.0..1.0_f64, 0..4_u8, any::<u8>(), 0..60_usize), 1..4),
    ) {
        let keys = ring("key.txt");
        let mut bytes = fixture(name);
        for (at, kind, byte, len) in &edits {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let at = (at * bytes.len() as f64) as usize;
            let end = (at + len).min(bytes.len());
            match kind {
                0 => bytes[at] = *byte,
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let part = bytes[at..end].to_vec();
                    bytes.splice(end..end, part);
                }
                _ => bytes.insert(at, *byte),
            }
        }
        // Less than that may be left of it that it says nothing of SOPS.
        if detect(&bytes, name).is_some() {
            hold(name, bytes, &keys, &format!("{edits:?}"));
        }
    }
}
