//! Secrets of stackfiles, from the text to the ledger and back, on a ledger of files.

use std::io;

use super::*;
use crate::compose::{self, Loaded, Options, Reading as How, SecretFiles, SourceText, Stack, Variables};
use crate::engine::{Reading, Store};
use crate::ledger::release::{Outcome, Release};
use crate::ledger::secrets::VERSIONS_MAX;
use crate::ledger::{FileRegisters, Limits};
use crate::model::Timestamp;
use crate::ops::testing::{actor, ledger, quiet, registers};
use crate::ops::vault::key;
use crate::ops::vault::private::KeyPlaces;
use crate::ops::vault::users::Held;
use crate::stores::Stores;
use crate::vault::{Form, Keyring, Recipients, seal};

const FILE: &str = "services:\n  web:\n    image: web:1\n    secrets: [a, {source: b, target: /etc/b}]\n  other: {image: web:1}\nsecrets:\n  a: {file: a.txt}\n  b: {external: true, name: made}\n";

struct World {
    dir: tempfile::TempDir,
    ledger: Arc<Ledger<FileRegisters>>,
    /// The text of ann's private key.
    private: String,
    public: crate::vault::Recipient,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let (keys, text) = Keyring::generate();
    let public = keys.publics()[0].clone();
    let recipients = Recipients::new("ann".parse().unwrap(), public.clone());
    key::init(&ledger, &actor(), recipients, quiet).await.unwrap();
    let made = Plaintext::new(b"of a command".to_vec());
    secret::create(&ledger, &actor(), &"made".parse().unwrap(), [].into(), &made, quiet).await.unwrap();
    World { dir, ledger, private: String::from_utf8(text.expose().to_vec()).unwrap(), public }
}

impl World {
    /// As another process has them: with ann's private key, or without any.
    fn values(&self, has_key: bool) -> Values {
        let reading: Reading = Ledger::new(Store::Files(registers(self.dir.path())), Limits::default());
        let env = |name: &str| (has_key && name == "STACKCTL_KEY").then(|| self.private.clone());
        Values::new(reading, KeyPlaces::of(&env), Stores::none())
    }

    async fn keep(&self, values: &Values, spec: &StackSpec, history: &History) -> Result<(), VaultError> {
        let mut named = BTreeMap::<String, BTreeSet<String>>::new();
        for secret in history.releases.values().flat_map(|(release, _)| release.spec.secrets.values()) {
            named.entry(secret.name.clone()).or_default().insert(secret.version.clone());
        }
        let pending = pending_by(&self.ledger, values, spec, named).await?;
        keep(&self.ledger, &actor(), values, &pending, quiet).await
    }

    async fn versions(&self, name: &str) -> Vec<String> {
        let all = secrets::read(&self.ledger).await.unwrap().0;
        let found = all.get(&name.parse::<ObjectName>().unwrap());
        found.map(|one| one.versions.iter().map(|one| one.version.clone()).collect()).unwrap_or_default()
    }
}

struct Beside(Vec<u8>);

impl compose::Files for Beside {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match path {
            "/p/a.txt" if !self.0.is_empty() => Ok(self.0.clone()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn load(text: &str, value: &[u8], secrets: SecretFiles) -> Loaded {
    let options = Options {
        stack: Stack::Given(&StackName::unchecked("shop")),
        project_dir: "/p",
        home: None,
        env: &|_| None,
        files: &Beside(value.to_vec()),
        env_files: Some(&[]),
        profiles: &[],
        reading: How::Ours,
        variables: Variables::Fill,
        secrets,
    };
    let source = SourceText { name: "app.yml".into(), bytes: text.into() };
    compose::load(vec![source], &options).unwrap()
}

/// Of [`FILE`], with this value for `a`.
async fn settled(world: &World, values: &Values, value: &[u8]) -> StackSpec {
    let loaded = load(FILE, value, SecretFiles::Need);
    settle(&world.ledger, values, loaded.spec, &loaded.secrets).await.unwrap()
}

fn history(specs: &[&StackSpec]) -> History {
    let releases = specs.iter().zip(1..).map(|(spec, number)| {
        let release = Release::of((*spec).clone(), "deploy".into(), "ann@mill".into(), Timestamp(0));
        (number, (release, Some(Outcome::Deployed)))
    });
    History { releases: releases.collect(), ..History::default() }
}

fn text_of(value: &Plaintext) -> &str {
    std::str::from_utf8(value.expose()).unwrap()
}

#[tokio::test]
async fn versions_come_from_files_and_commands_and_stand_where_services_use_them() {
    let world = world().await;
    let values = world.values(false);
    let spec = settled(&world, &values, b"hunter2").await;
    let (a, b) = (&spec.secrets["a"], &spec.secrets["b"]);
    assert_eq!((a.name.as_str(), a.version.len()), ("shop_a", 32));
    assert_eq!(world.versions("made").await, std::slice::from_ref(&b.version));
    let mounts = &spec.services["web"].task.secrets;
    assert_eq!(mounts["/run/secrets/a"].content, a.version);
    assert_eq!(mounts["/etc/b"].content, b.version);
    assert!(!format!("{spec:?}{}", serde_json::to_string(&spec).unwrap()).contains("hunter2"));
    let again = settled(&world, &values, b"hunter2").await;
    assert_eq!(again, spec);
    assert_ne!(settled(&world, &values, b"hunter3").await.secrets["a"].version, a.version);
}

/// An encrypted file is the value that is in it: encrypted again, it is no change.
#[tokio::test]
async fn an_encrypted_file_is_opened_in_memory_and_is_the_same_value() {
    let world = world().await;
    let plain = settled(&world, &world.values(false), b"hunter2").await;
    let sealed = || seal([&world.public], &Plaintext::new(b"hunter2".to_vec()), Form::Armored).unwrap();
    for file in [sealed(), sealed()] {
        let values = world.values(true);
        let spec = settled(&world, &values, &file).await;
        assert_eq!(spec, plain);
        let value = values.here("shop_a", &spec.secrets["a"].version).unwrap();
        assert_eq!(text_of(&value), "hunter2");
    }
    let loaded = load(FILE, &sealed(), SecretFiles::Need);
    let spec =
        settle(&world.ledger, &world.values(false), loaded.spec.clone(), &loaded.secrets).await.unwrap();
    let unknown = spec.secrets["a"].unknown.as_ref().unwrap();
    assert!(unknown.why.starts_with("secret `a` cannot be read from a.txt: "), "{}", unknown.why);
    // A look without the key says that it cannot tell, and takes what there was.
    let mut untold = Vec::new();
    let tell = |key: &str, _: String| untold.push(key.to_owned());
    let values = world.values(false);
    let seen = settle_as_known(&world.ledger, &values, loaded.spec, &loaded.secrets, Some(&plain), tell)
        .await
        .unwrap();
    assert_eq!((seen, untold), (plain, vec!["a".to_owned()]));
}

/// An agent would refuse it once the first task is made.
#[tokio::test]
async fn more_secrets_than_a_task_may_have_are_refused_before_anything_is_planned() {
    let world = world().await;
    let mut file = "services:\n  web:\n    image: web:1\n    secrets:\n".to_owned();
    for n in 0..24 {
        file += &format!("      - {{source: a, target: /s/{n}}}\n");
    }
    file += "secrets:\n  a: {file: a.txt}\n";
    let settled = async |bytes: usize| {
        let loaded = load(&file, &vec![b'x'; bytes], SecretFiles::Need);
        settle(&world.ledger, &world.values(false), loaded.spec, &loaded.secrets).await
    };
    settled(500_000).await.unwrap();
    let error = settled(500_001).await.unwrap_err();
    assert!(matches!(error, VaultError::TaskTooLarge { bytes: 12_000_024, .. }), "{error}");
}

/// Those that may be encrypted are opened here, and not with the stackfile.
#[tokio::test]
async fn what_a_template_or_a_program_cannot_have_is_a_problem_before_anything_is_planned() {
    let world = world().await;
    let template = "services:\n  web:\n    image: web:1\n    secrets: [a, b]\n  other: {image: web:1, secrets: [a]}\nsecrets:\n  a: {file: a.txt, template_driver: golang}\n  b: {external: true, name: made}\n";
    let settled = async |text: &str, value: &[u8]| {
        let loaded = load(text, value, SecretFiles::Need);
        settle(&world.ledger, &world.values(false), loaded.spec, &loaded.secrets).await
    };
    let spec = settled(template, b"hunter2 ENC[\n {{secret \"b\"}}").await.unwrap();
    let why = &spec.secrets["a"].unknown.as_ref().unwrap().why;
    let said = "the template cannot be filled in for service `other`: line 2, column 4: the task has no secret there; it has \
                `/run/secrets/a`; list what it asks for under `secrets` of service `other`";
    assert!(why.contains(said) && !why.contains("hunter2"), "{why}");
    let spec = settled(template, b"ENC[ {{secret \"/run/secrets/a\"}}").await.unwrap();
    assert_eq!(spec.secrets["a"].unknown, None);
    let mut variables =
        "services:\n  web:\n    image: web:1\n    x-stackctl: {secret_environment: true}\n    environment:\n"
            .to_owned();
    for n in 0..16 {
        variables += &format!("      V{n:02}: secret://a\n");
    }
    variables += "secrets:\n  a: {file: a.txt}\n";
    let value = |more: usize| [&b"sops"[..], &vec![b'x'; 128 * 1024 - 4 - 13 + more]].concat();
    assert!(settled(&variables, &value(0)).await.is_ok());
    let error = settled(&variables, &value(1)).await.unwrap_err();
    assert!(
        matches!(error, VaultError::VariablesTooLong { bytes: 2_097_168, max: 2_097_152, .. }),
        "{error}"
    );
    let more = variables.replace("    environment:", "    ulimits: {stack: 8388672}\n    environment:");
    assert!(settled(&more, &value(1)).await.is_ok());
}

/// What no variable can have is found before anything runs.
#[tokio::test]
async fn a_value_that_no_variable_can_have_is_a_problem_of_the_plan() {
    const VARIABLE: &str = "services:\n  web:\n    image: web:1\n    environment: {A: 'secret://a', LONG: 'secret://a'}\n    x-stackctl: {secret_environment: true}\nsecrets:\n  a: {file: a.txt}\n";
    let world = world().await;
    let values = world.values(false);
    let file = VARIABLE.replace("x-stackctl: {secret_environment: true}", "secrets: [a]");
    let settled = async |text: &str, value: &[u8]| {
        let loaded = load(text, value, SecretFiles::Need);
        settle(&world.ledger, &values, loaded.spec, &loaded.secrets).await.unwrap()
    };
    let longest = vec![b'x'; 128 * 1024 - "LONG=".len() - 1];
    for value in [b"a\n\xff".to_vec(), longest.clone()] {
        let spec = settled(VARIABLE, &value).await;
        let mount = &spec.services["web"].task.secrets["/run/stackctl/env/A"];
        assert!(mount.content.len() == 32 && mount.content == spec.secrets["a"].version);
    }
    for (value, why) in [
        (b"hunter2\0".to_vec(), "it has a NUL byte, which the variable LONG cannot have"),
        // What may be encrypted is not judged with the stackfile.
        ([&b"sops"[..], &longest].concat(), "it is too long for the variable LONG"),
    ] {
        let spec = settled(VARIABLE, &value).await;
        let unknown = spec.secrets["a"].unknown.clone().unwrap();
        assert!(unknown.why.contains(why) && !unknown.why.contains("hunter2"), "{}", unknown.why);
        assert_eq!(settled(&file, &value).await.secrets["a"].unknown, None, "a file can have it");
    }
}

#[tokio::test]
async fn what_cannot_be_told_is_unchanged_or_not_known() {
    let world = world().await;
    let values = world.values(false);
    let before = settled(&world, &values, b"hunter2").await;
    let loaded = load(FILE, b"", SecretFiles::Try);
    for (known, version) in [(Some(&before), before.secrets["a"].version.as_str()), (None, "")] {
        let mut untold = 0;
        let spec = loaded.spec.clone();
        let seen = settle_as_known(&world.ledger, &values, spec, &loaded.secrets, known, |_, _| untold += 1);
        assert_eq!(seen.await.unwrap().secrets["a"].version, version);
        assert_eq!(untold, 1);
    }
    let foreign = FILE.replace("name: made", "name: nowhere");
    let loaded = load(&foreign, b"x", SecretFiles::Need);
    let spec = settle(&world.ledger, &values, loaded.spec, &loaded.secrets).await.unwrap();
    assert_eq!(spec.secrets["b"].unknown.as_ref().unwrap().why, "there is no secret `nowhere`");
}

#[tokio::test]
async fn what_a_release_names_is_in_the_ledger_before_and_is_found_by_others() {
    let world = world().await;
    let values = world.values(false);
    let first = settled(&world, &values, b"hunter2").await;
    world.keep(&values, &first, &History::default()).await.unwrap();
    let version = first.secrets["a"].version.clone();
    assert_eq!(text_of(&world.values(true).get("shop_a", &version).await.unwrap()), "hunter2");
    assert!(world.values(false).get("shop_a", &version).await.is_err(), "that takes a private key");
    // Done again, it writes nothing.
    let before = secrets::read(&world.ledger).await.unwrap();
    world.keep(&values, &first, &history(&[&first])).await.unwrap();
    assert_eq!(secrets::read(&world.ledger).await.unwrap(), before);
    // Many values later the first is still there for a rollback, which needs no value here, and becomes the present one.
    let mut specs = vec![first.clone()];
    for number in 0..VERSIONS_MAX + 2 {
        let next = settled(&world, &values, format!("value {number}").as_bytes()).await;
        let named = history(&specs[..1].iter().collect::<Vec<_>>());
        world.keep(&values, &next, &named).await.unwrap();
        specs.push(next);
    }
    let kept = world.versions("shop_a").await;
    assert_eq!((kept.len(), &kept[0]), (VERSIONS_MAX, &version));
    world.keep(&world.values(false), &first, &history(&[&first])).await.unwrap();
    assert_eq!(world.versions("shop_a").await.last(), Some(&version));
    // One that is gone is named, and nothing is done.
    let error = world.keep(&world.values(false), &specs[1], &history(&[&first])).await.unwrap_err();
    assert!(matches!(&error, VaultError::NoVersion { name, .. } if name == "shop_a"), "{error}");
}

/// Another stack runs with it, by the name that this one gave it.
#[tokio::test]
async fn what_another_stack_names_stays_when_the_stack_that_brought_it_lets_go() {
    let world = world().await;
    let values = world.values(false);
    let spec = settled(&world, &values, b"hunter2").await;
    world.keep(&values, &spec, &History::default()).await.unwrap();
    let mut other = spec.clone();
    other.name = StackName::unchecked("other");
    let release = Release::of(other, "deploy".into(), "ann@mill".into(), Timestamp(0));
    let ours = crate::ledger::payload::value(world.ledger.registers(), serde_json::json!(release));
    let stream = crate::ledger::release::releases(&StackName::unchecked("other"));
    world.ledger.append(&stream, 1, &ours).await.unwrap();
    // A stack is known by its lock.
    let lock = crate::ledger::lease::stream(&StackName::unchecked("other"));
    world.ledger.append(&lock, 1, &ours).await.unwrap();
    let without = load("services: {w: {image: web:1}}", b"", SecretFiles::Need).spec;
    let before = history(&[&spec]);
    let pending = pending(&world.ledger, &values, &without, &before).await.unwrap().unwrap();
    keep(&world.ledger, &actor(), &values, &pending, quiet).await.unwrap();
    assert_eq!(world.versions("shop_a").await, [spec.secrets["a"].version.clone()]);
}

#[tokio::test]
async fn the_secrets_of_others_stay_and_a_stacks_own_go_with_its_last_release() {
    let world = world().await;
    let values = world.values(false);
    let spec = settled(&world, &values, b"hunter2").await;
    world.keep(&values, &spec, &History::default()).await.unwrap();
    let mut other = spec.clone();
    other.name = StackName::unchecked("other");
    let error = world.keep(&values, &other, &History::default()).await.unwrap_err();
    assert!(matches!(&error, VaultError::NotOurs { name, .. } if name.as_str() == "shop_a"), "{error}");
    let without = FILE.replace("[a, {", "[{").replace("  a: {file: a.txt}\n", "");
    let loaded = load(&without, b"", SecretFiles::Need);
    let without = settle(&world.ledger, &values, loaded.spec, &loaded.secrets).await.unwrap();
    world.keep(&values, &without, &history(&[&spec])).await.unwrap();
    assert_eq!(world.versions("shop_a").await.len(), 1, "a release names it");
    world.keep(&values, &without, &history(&[&without])).await.unwrap();
    assert_eq!(world.versions("shop_a").await.len(), 0);
    assert_eq!(world.versions("made").await.len(), 1);
}

/// The cluster's own secret beside those of people.
#[tokio::test]
async fn the_authority_of_agents_is_made_once_survives_a_new_key_and_is_named_by_no_person() {
    use crate::fleet::agents::secrets::SecretValues as _;
    use crate::ledger::secrets::AUTHORITY;
    use crate::ops::vault::authority::{kept, signing};
    use crate::vault::authority::fingerprint;

    let world = world().await;
    let now = actor().clock.now();
    assert_eq!(kept(&world.ledger, now).await.unwrap(), None);
    let sign = async |has_key: bool| {
        let values = world.values(has_key);
        let made = signing(&world.ledger, &actor(), &values, "prod", quiet).await?;
        Ok::<String, VaultError>(fingerprint(made.certificate()))
    };
    // Who makes it needs no private key, and who opens it does.
    let first = sign(false).await.unwrap();
    assert_eq!(kept(&world.ledger, now).await.unwrap().unwrap().fingerprint, first);
    assert!(sign(false).await.is_err());
    assert_eq!(sign(true).await.unwrap(), first);
    let keys = Keyring::parse(&Plaintext::new(world.private.clone().into_bytes()), "ann").unwrap();
    let done = key::rotate(&world.ledger, &actor(), &keys, quiet, |_, _| ()).await.unwrap();
    assert_eq!((done.renewed, done.failed.len()), (1, 0));
    assert_eq!(sign(true).await.unwrap(), first);
    // One that ends soon is none: another one takes its place.
    let until = kept(&world.ledger, now).await.unwrap().unwrap().until;
    assert_eq!(kept(&world.ledger, until.plus_ms(-1_000)).await.unwrap(), None);

    let name: ObjectName = AUTHORITY.parse().unwrap();
    let (ledger, actor) = (&world.ledger, actor());
    assert_eq!(secret::all(ledger).await.unwrap().0.len(), 1, "what a command made");
    let plain = Plaintext::new(b"x".to_vec());
    let made = secret::create(ledger, &actor, &name, [].into(), &plain, quiet).await;
    let changed = secret::rotate(ledger, &actor, &name, &plain, "rotate", quiet).await;
    let removed = secret::remove(ledger, &actor, std::slice::from_ref(&name), &Held::default(), quiet).await;
    let shown = secret::value(ledger, &keys, &name).await;
    for refused in [made.map(drop), changed.map(drop), removed, shown.map(drop)] {
        assert!(matches!(refused, Err(VaultError::Reserved(_))), "{refused:?}");
    }
    let version = secrets::read(ledger).await.unwrap().0[&name].present().version.clone();
    let values = world.values(true);
    assert_eq!(values.value(AUTHORITY, &version).await.map(drop), Err("it is the cluster's own".to_owned()));
}

#[tokio::test]
async fn who_has_opened_releases_has_them_encrypted_to_no_key_that_others_wrote() {
    let world = world().await;
    let values = world.values(true);
    let stranger = Keyring::generate().0.publics()[0].clone();
    assert!(values.trusts(&stranger).await, "nothing was opened yet");
    assert!(world.values(false).release_keys(false).await.is_err());
    let ours = values.release_keys(false).await.unwrap().publics()[0].clone();
    assert!(values.trusts(&ours).await && !values.trusts(&stranger).await);
    let ann = Keyring::parse(&Plaintext::new(world.private.clone().into_bytes()), "ann").unwrap();
    key::rotate(&world.ledger, &actor(), &ann, quiet, |_, _| ()).await.unwrap();
    let (_, records) = crate::engine::node_records::read(&world.ledger).await.unwrap();
    let next = records.release_key.unwrap().recipient.parse().unwrap();
    assert!(next != ours && values.trusts(&next).await, "another process has replaced the key");
    // One that is lost is no reason to open nothing.
    let lose = |all: &mut Secrets| {
        let own = all.0.iter_mut().find(|(name, _)| name.as_str() == secrets::RELEASES).unwrap().1;
        own.versions[0].content.name = "0".repeat(32);
        Ok::<(), crate::ledger::LedgerError>(())
    };
    secrets::change(&world.ledger, lose).await.unwrap();
    let left = world.values(true).release_keys(false).await.unwrap();
    assert_eq!(left.publics(), [next]);
}
