//! `stackctl key` and `secret`, on fake engines.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::hosts::Hosts;

const CANARY: &str = "hunter2-correct-horse";

/// Three hosts, and a user with a home.
fn cluster() -> Hosts {
    let mut cluster = Hosts::new(3);
    let home = cluster.room.path().display().to_string();
    cluster.room.env("HOME", &home).env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    cluster.room.file("value.txt", CANARY);
    cluster
}

fn own_key(cluster: &Hosts) -> PathBuf {
    cluster.room.path().join(".config/stackctl/key.txt")
}

/// A key of another person: the file, and its public half.
fn other_key(cluster: &Hosts, name: &str) -> (String, String) {
    let other = Hosts::new(1);
    let home = other.room.path().join(".config/stackctl/key.txt");
    let mut room = other;
    let dir = room.room.path().display().to_string();
    room.room.env("HOME", &dir);
    room.expect(0, "key init");
    let text = std::fs::read_to_string(home).expect("a key");
    let public = text.lines().next().and_then(|line| line.strip_prefix("# public key: ")).expect("public");
    let public = public.to_owned();
    (cluster.room.file(name, &text).display().to_string(), public)
}

fn inspected(cluster: &Hosts, name: &str) -> Value {
    let run = cluster.expect(0, &format!("secret inspect --format json {name}"));
    let all: Value = serde_json::from_str(&run.stdout).expect("JSON");
    all[0].clone()
}

/// Nothing that an engine was sent, or keeps, has the value in it.
fn holds_no_value(cluster: &Hosts) {
    for engine in &cluster.engines {
        let kept = engine.with(|world| format!("{:?}", world.volumes));
        assert!(!kept.contains(CANARY) && !kept.contains("AGE-SECRET-KEY"), "{}", engine.name());
    }
}

#[test]
fn a_key_is_made_with_one_for_its_user_and_shown_with_its_recipients() {
    let cluster = cluster();
    let none = cluster.expect(1, "key show");
    assert!(
        none.stderr.contains("stackctl::key::none") && none.stderr.contains("stackctl key init"),
        "{}",
        none.show()
    );
    let made = cluster.expect(0, "key init");
    for words in ["The key of cluster test is made", "was made and is in", "It is the only one: keep a copy"]
    {
        assert!(made.stderr.contains(words) || made.stdout.contains(words), "{words}: {}", made.show());
    }
    let file = own_key(&cluster);
    let mode = std::fs::metadata(&file).expect("the key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let private = std::fs::read_to_string(&file).expect("the key");
    let again = cluster.expect(1, "key init");
    assert!(again.stderr.contains("stackctl::key::exists"), "{}", again.show());
    let shown = cluster.expect(0, "key show --format json");
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let recipients = shown[0]["Recipients"].as_array().expect("recipients");
    assert_eq!((recipients.len(), &recipients[0]["IsYours"]), (1, &true.into()), "{shown}");
    assert!(private.contains(recipients[0]["Key"].as_str().expect("a key")));
    let pretty = cluster.expect(0, "key show").stdout;
    assert!(
        pretty.contains("Epoch:  1\n") && pretty.contains("RECIPIENT") && pretty.contains("yes"),
        "{pretty}"
    );
    let log = cluster.expect(0, "log").stdout;
    assert!(log.contains("key init"), "{log}");
    holds_no_value(&cluster);
}

#[test]
fn recipients_come_and_go_and_a_private_key_in_the_wrong_place_is_not_repeated() {
    let cluster = cluster();
    cluster.expect(0, "key init");
    cluster.expect(0, "secret create db value.txt");
    let (file, public) = other_key(&cluster, "ben.txt");
    let private = std::fs::read_to_string(&file).expect("a key");
    let secret = private.lines().last().expect("a line").to_owned();
    // The file has a private key below the public one, which is a comment.
    for key in [file.as_str(), secret.as_str()] {
        let run = cluster.expect(1, &format!("key add-recipient ben {key}"));
        assert!(run.stderr.contains("stackctl::key::bad_recipient"), "{}", run.show());
        assert!(!run.stderr.contains(&secret), "{}", run.show());
    }
    let foreign = cluster.expect(1, &format!("secret edit --key {file} db"));
    assert!(foreign.stderr.contains("stackctl::key::no_key_fits"), "{}", foreign.show());
    cluster.expect(0, &format!("key add-recipient ben {public}"));
    let twice = cluster.expect(1, &format!("key add-recipient ben2 {public}"));
    assert!(twice.stderr.contains("is that of the recipient ben already"), "{}", twice.show());
    let asked = cluster.expect(1, "key rm-recipient ben");
    assert!(asked.stderr.contains("--yes"), "{}", asked.show());
    let gone = cluster.expect(0, "key rm-recipient --yes ben");
    assert!(
        gone.show().contains("ben may know the values of 1 secret")
            && gone.show().contains("1 value encrypted again"),
        "{}",
        gone.show()
    );
    let last = cluster.room.run("key rm-recipient --yes nobody-there");
    assert!(
        last.status == 1 && last.stderr.contains("there is no recipient nobody-there"),
        "{}",
        last.show()
    );
    let version = inspected(&cluster, "db")["Version"].clone();
    let rotated = cluster.expect(0, "key rotate");
    assert!(rotated.show().contains("epoch 3"), "{}", rotated.show());
    let after = inspected(&cluster, "db");
    assert_eq!((&after["Version"], &after["Versions"][0]["Epoch"]), (&version, &3.into()), "{after}");
    holds_no_value(&cluster);
}

#[test]
fn secrets_are_made_listed_changed_and_removed_and_never_shown() {
    let mut cluster = cluster();
    let no_key = cluster.expect(1, "secret create db value.txt");
    assert!(no_key.stderr.contains("stackctl key init"), "{}", no_key.show());
    cluster.expect(0, "key init");
    let mut said = cluster.expect(0, "secret create --label team=db --label plain db value.txt").show();
    let made = cluster.room.run_with(&["secret", "create", "from_pipe", "-"], CANARY);
    assert_eq!(made.status, 0, "{}", made.show());
    for (words, code) in [
        ("secret create db value.txt", "stackctl::secret::exists"),
        ("secret rotate nothere value.txt", "stackctl::secret::unknown"),
        ("secret create x missing.txt", "stackctl::secret::unreadable"),
        ("secret create x /dev/null", "stackctl::secret::size"),
        ("secret rm db nothere", "stackctl::secret::unknown"),
    ] {
        let run = cluster.room.run(words);
        assert!(run.status == 1 && run.stderr.contains(code), "{words}: {}", run.show());
        said += &run.show();
    }
    assert_eq!(cluster.room.run("secret create -x- value.txt").status, 64);
    for words in [
        "secret ls",
        "secret ls --format json",
        "secret inspect db",
        "secret inspect --pretty db",
        "log",
        "-v secret ls",
        "ledger backup --unencrypted plain.jsonl",
    ] {
        said += &cluster.expect(0, words).show();
    }
    said += &std::fs::read_to_string(cluster.room.path().join("plain.jsonl")).expect("a backup");
    assert!(!said.contains(CANARY), "{said}");
    assert_eq!(cluster.expect(0, "secret ls --format {{.Name}}").stdout, "db\nfrom_pipe\n");
    assert_eq!(cluster.expect(0, "secret ls -f label=team=db --format {{.Name}}").stdout, "db\n");
    let first = inspected(&cluster, "db");
    assert_eq!(first["Spec"]["Labels"], serde_json::json!({ "team": "db", "plain": "" }));
    assert_ne!(first["Version"], inspected(&cluster, "from_pipe")["Version"], "of one value in two secrets");
    let same = cluster.expect(0, "secret rotate db value.txt");
    assert!(same.show().contains("has that value already"), "{}", same.show());
    cluster
        .room
        .file("edit.sh", "#!/bin/sh\ngrep -q hunter2 \"$1\" && cp \"$1\" \"$1~\" && printf new >\"$1\"\n");
    let editor = format!("sh {}", cluster.room.path().join("edit.sh").display());
    cluster.room.env("EDITOR", &editor);
    cluster.expect(0, "secret edit db");
    let edited = inspected(&cluster, "db");
    assert_eq!(edited["Versions"].as_array().map(Vec::len), Some(2), "{edited}");
    let refused = cluster.expect(1, "secret edit db");
    assert!(
        refused.stderr.contains("stackctl::secret::editor"),
        "the editor found no hunter2: {}",
        refused.show()
    );
    cluster.expect(0, "secret rm db from_pipe");
    assert_eq!(cluster.expect(0, "secret ls --format {{.Name}}").stdout, "");
    holds_no_value(&cluster);
}

#[test]
fn a_backup_is_encrypted_once_there_is_a_key_and_brings_all_back_where_all_was_lost() {
    let cluster = cluster();
    cluster.expect(0, "key init");
    cluster.expect(0, "secret create db value.txt");
    cluster.stackfile(&format!(
        "services:\n  web:\n    image: nginx:1.25\n    environment: {{TOKEN: {CANARY}}}\n"
    ));
    cluster.expect(0, "deploy --yes shop");
    let version = inspected(&cluster, "db")["Version"].clone();
    cluster.expect(0, "ledger backup all.age");
    let text = std::fs::read_to_string(cluster.room.path().join("all.age")).expect("a backup");
    assert!(text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") && !text.contains(CANARY));
    // `docker volume prune --all` on the only manager.
    cluster.engines[0].with(|world| world.volumes.retain(|name, _| !name.starts_with("stackctl-ledger-")));
    let lost = cluster.expect(1, "secret ls --format {{.Name}}");
    assert!(lost.stderr.contains("stackctl::ledger::lost"), "{}", lost.show());
    let (file, _) = other_key(&cluster, "eve.txt");
    let foreign = cluster.expect(1, &format!("ledger restore --key {file} all.age"));
    assert!(foreign.stderr.contains("stackctl::ledger::sealed_backup"), "{}", foreign.show());
    cluster.room.file("cut.age", &text[..text.len() / 2]);
    let cut = cluster.expect(1, "ledger restore cut.age");
    assert!(cut.stderr.contains("it was cut off"), "{}", cut.show());
    cluster.expect(0, "ledger restore all.age");
    assert_eq!(inspected(&cluster, "db")["Version"], version);
    let plan = cluster.expect(0, "diff shop");
    assert!(
        plan.stdout.contains("Nothing") || plan.stdout.contains("No changes") || plan.status == 0,
        "{}",
        plan.show()
    );
    holds_no_value(&cluster);
}

/// The fixtures come from other programs: see tests/vault.
#[test]
fn encrypted_files_are_opened_in_memory_or_refused_by_name() {
    let cluster = cluster();
    cluster.expect(0, "key init");
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vault/sops");
    let key = format!("{fixtures}/key.txt");
    let plain = std::fs::read_to_string(format!("{fixtures}/rich.env.plain")).expect("a fixture");
    cluster.room.file("plain.env", &plain);
    cluster.expect(0, &format!("secret create --decrypt --key {key} opened {fixtures}/rich.env"));
    let same = cluster.expect(0, "secret rotate opened plain.env");
    assert!(same.show().contains("has that value already"), "{}", same.show());
    for (words, why) in [
        (format!("secret create --decrypt x {fixtures}/rich.env"), "cannot be decrypted"),
        (format!("secret create --decrypt --key {key} x plain.env"), "neither by age nor by SOPS"),
        (format!("secret create --decrypt --key {key} x {fixtures}/refused.ini"), "INI"),
    ] {
        let run = cluster.expect(1, &words);
        assert!(
            run.stderr.contains("stackctl::secret::not_decrypted") && run.stderr.contains(why),
            "{}",
            run.show()
        );
    }
}

/// The inventory names programs and variables, the stackfile others: none is to bring the two together.
#[test]
fn programs_get_no_secret_of_our_environment() {
    let mut cluster = cluster();
    cluster.room.env("STACKCTL_TRUST", "1").env("REGION", "eu");
    cluster.room.env("STACKCTL_KEY", CANARY).env("DB_PASSWORD", CANARY);
    cluster.room.env("HOOK_KEY", CANARY).env("ETCD_PASSWORD", CANARY);
    let (name, address) = (cluster.engines[0].name().to_owned(), cluster.engines[0].address());
    cluster.room.file("none.json", "{\"hosts\": {}}");
    cluster.room.file(
        "stackctl.yml",
        &format!(
            "cluster: test\nhosts:\n  {name}: {{address: \"{address}\", role: manager}}\ndiscover:\n\
             - {{command: [sh, -c, 'env >seen.txt; cat none.json']}}\n\
             - {{etcd: 'etcd://ann@127.0.0.1:1/hosts?password-env=ETCD_PASSWORD'}}\n\
             notifications:\n- {{webhook: 'https://127.0.0.1:1/', secret_env: HOOK_KEY}}\n"
        ),
    );
    cluster.stackfile(
        "services:\n  web: {image: 'nginx:1.25', secrets: [db]}\nsecrets:\n  db: {environment: DB_PASSWORD}\n",
    );
    cluster.room.run("diff shop");
    let seen = std::fs::read_to_string(cluster.room.path().join("seen.txt")).expect("the program has run");
    assert!(seen.contains("REGION=eu") && seen.contains("HOME="), "{seen}");
    assert!(!seen.contains(CANARY), "{seen}");
}

/// All volumes of all hosts, as `docker volume prune` of an old engine removes those that no container uses.
fn prune(cluster: &Hosts) {
    cluster.engines.iter().for_each(|engine| engine.with(|world| world.volumes.clear()));
}

#[test]
fn what_was_pruned_everywhere_is_missed_and_comes_back_from_the_copy_that_managers_keep() {
    let cluster = cluster();
    let none = cluster.expect(1, "ledger restore --spare");
    assert!(none.stderr.contains("stackctl::ledger::no_spare"), "{}", none.show());
    cluster.expect(0, "key init");
    cluster.expect(0, "secret create password value.txt");
    cluster.room.file("site.conf", "listen 80");
    cluster.expect(0, "config create site site.conf");
    cluster.stackfile(
        "services: {web: {image: \"nginx:1.25\", configs: [site]}}\nconfigs: {site: {external: true}}\n",
    );
    cluster.expect(0, "deploy --yes shop");
    let doctor = cluster.run("doctor").stdout;
    assert!(!doctor.contains("apart from the volumes"), "{doctor}");
    let listed = cluster.expect(0, "image ls").stdout;
    assert!(!listed.contains("stackctl-ledger"), "{listed}");
    cluster.expect(0, "image prune --all --yes");
    let before = inspected(&cluster, "password");

    prune(&cluster);
    for command in [
        "key init",
        "secret create other value.txt",
        "secret ls",
        "deploy --yes shop",
        "diff shop",
        "scale shop_web=2",
        "restart shop_web",
        "undo",
        "undo shop",
        "image prune --all --yes",
    ] {
        let refused = cluster.run(command);
        assert_ne!(refused.status, 0, "{command}: {}", refused.show());
        let text = refused.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("the ledger has lost"), "{command}: {}", refused.show());
        assert!(text.contains("ledger restore --spare"), "{command}: {}", refused.show());
    }
    let restored = cluster.expect(0, "ledger restore --spare");
    assert!(restored.stderr.contains("1 secret and 1 config"), "{}", restored.show());
    // No release says so any more.
    let refused = cluster.expect(1, "config rm site");
    assert!(refused.stderr.contains("config `site` is in use by shop"), "{}", refused.show());
    assert_eq!(inspected(&cluster, "password"), before);
    cluster.expect(0, "config inspect site");
    cluster.expect(0, "secret rotate password site.conf");
    let deployed = cluster.expect(0, "deploy --yes shop");
    let tasks: Vec<usize> =
        cluster.engines.iter().map(|engine| engine.with(|world| world.containers.len())).collect();
    assert_eq!(tasks.iter().sum::<usize>(), 1, "nothing rolls: {}", deployed.show());

    // A manager that was away, or an engine whose copy was removed.
    cluster.engines[0].with(|world| {
        world.images.retain(|name, _| !name.contains("stackctl-ledger"));
        world.loaded.retain(|name, _| !name.contains("stackctl-ledger"));
    });
    let doctor = cluster.run("doctor").stdout;
    assert!(doctor.contains("h1 keeps no copy of them apart from the volumes"), "{doctor}");
    let synced = cluster.expect(0, "ledger sync");
    assert!(synced.stderr.contains("1 copy of the cluster's key"), "{}", synced.show());
    assert!(!cluster.run("doctor").stdout.contains("apart from the volumes"));
}

/// Of a document that a cluster never had nothing was lost, and what is made first would be all that the next copy has.
#[test]
fn after_a_prune_nothing_is_made_that_the_copies_would_be_replaced_by() {
    let cluster = cluster();
    cluster.expect(0, "key init");
    cluster.expect(0, "secret create password value.txt");
    cluster.room.file("site.conf", "listen 80");
    let before = inspected(&cluster, "password");
    let all = cluster.engines.len();
    assert_eq!(all, 3);
    // All of them, and a majority: one manager shows what is decided no longer.
    for pruned in [all, 2] {
        for engine in &cluster.engines[..pruned] {
            engine.with(|world| world.volumes.clear());
        }
        for command in [
            "config create site site.conf",
            "secret create other value.txt",
            "secret rm password",
            "key init",
        ] {
            let refused = cluster.expect(1, command);
            let text = refused.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains("the ledger has lost"), "{pruned}: {command}: {}", refused.show());
        }
        let restored = cluster.expect(0, "ledger restore --spare");
        assert!(restored.stderr.contains("1 secret and 0 configs"), "{}", restored.show());
        assert_eq!(inspected(&cluster, "password"), before);
        cluster.expect(0, "config create site site.conf");
        cluster.expect(0, "config rm site");
        assert!(!cluster.run("doctor").stdout.contains("apart from the volumes"));
    }
}
