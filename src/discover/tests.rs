//! Sources that answer in every way, and what is made of their answers.

use super::*;
use crate::inventory::parse;
use crate::ledger::consul::Instance;
use crate::model::node::Role;

const H1: &str = "hosts: {h1: {address: root@h1, role: manager}}\n";

fn discovery(discover: &str, is_in_volumes: bool) -> Discovery {
    let text = format!("{H1}discover:\n{discover}");
    let (inventory, _) = parse(&text, "stackctl.yml").unwrap();
    Discovery::of(&inventory, is_in_volumes, |_| None).unwrap().unwrap()
}

/// What a shell's script prints.
async fn printed(script: &str) -> Result<Found, DiscoverError> {
    discovery(&format!("- command: [sh, -c, {}]\n", serde_json::json!(script)), true).look().await
}

fn listed(found: &Found) -> Vec<String> {
    found.values().map(|entry| format!("{} {}", entry.member.name, entry.address)).collect()
}

fn code(error: &DiscoverError) -> String {
    let code = miette::Diagnostic::code(error).unwrap().to_string();
    code.rsplit("::").next().unwrap().to_owned()
}

#[tokio::test]
async fn a_program_names_hosts_with_all_that_an_inventory_can_say() {
    let found = printed(
        r#"printf '{"hosts":{"h3":"ssh://root@h3",\n\t"h2":{"address":"h2","labels":{"zone":"b"},"availability":"pause"}}}'"#,
    );
    let found = found.await.unwrap();
    assert_eq!(listed(&found), ["h2 ssh://h2", "h3 ssh://root@h3"]);
    let h2 = &found[&NodeName::unchecked("h2")].member;
    assert_eq!((h2.labels["zone"].as_str(), h2.role), ("b", Role::Worker));
    assert_eq!(h2.found_by.as_deref(), Some("command sh"));
    assert!(printed("echo '{\"hosts\":{}}'").await.unwrap().is_empty(), "it says so itself");
}

#[tokio::test]
async fn what_ansible_takes_is_taken() {
    let found = printed(
        r#"cat <<'E'
{"_meta": {"hostvars": {"w1": {"ansible_host": "10.0.0.1", "ansible_user": "root", "ansible_port": 2222},
 "w2": {"ansible_host": "fe80::2"}, "w3": {}}},
 "all": {"children": ["web", "ungrouped"]}, "web": {"hosts": ["w1", "w2"], "vars": {}}, "old": ["w2"]}
E"#,
    );
    let found = found.await.unwrap();
    assert_eq!(listed(&found), ["w1 ssh://root@10.0.0.1:2222", "w2 ssh://[fe80::2]", "w3 ssh://w3"]);
    let labels: Vec<&str> =
        found[&NodeName::unchecked("w2")].member.labels.keys().map(String::as_str).collect();
    assert_eq!(labels, ["group.old", "group.web"]);
}

#[tokio::test]
async fn whatever_is_no_list_of_hosts_is_an_error_and_never_an_empty_one() {
    for (script, expected, word) in [
        ("echo broken >&2; echo really >&2; exit 3", "failed", "failed with status 3: broken; really"),
        (
            "echo \"GET https://ann:s3cret@cloud/hosts?token=s3cret 403\" >&2; exit 3",
            "failed",
            "failed with status 3: GET https://***@cloud/hosts?token=*** 403",
        ),
        ("kill -9 $$", "failed", "signal"),
        ("true", "bad_answer", "its output is empty"),
        ("echo '{}'", "bad_answer", "no `hosts`"),
        ("echo '[]'", "bad_answer", "not an object"),
        ("echo '{\"hosts\": {\"h2\":'", "bad_answer", "not JSON"),
        ("echo '{\"hosts\": [\"h2\"]}'", "bad_answer", "`hosts` is not an object"),
        ("echo '{\"host\": {\"h2\": \"h2\"}}'", "bad_answer", "no `hosts`"),
        ("echo '{\"hosts\": {\"h2\": {\"adress\": \"h2\"}}}'", "bad_answer", "host `h2` has no `address`"),
        ("echo '{\"hosts\": {\"h 2\": \"h2\"}}'", "bad_answer", "has an invalid name"),
        ("echo '{\"hosts\": {\"h2\": \"h2\"}, \"more\": 1}'", "bad_answer", "unknown key `more`"),
        ("head -c 9000000 /dev/zero", "bad_answer", "exceeds 8 MiB"),
        (
            "echo '{\"hosts\": {\"h2\": {\"address\": \"h2\", \"role\": \"manager\"}}}'",
            "no_manager",
            "`h2` a manager",
        ),
        (
            "echo '{\"hosts\": {\"h1\": \"root@other\"}}'",
            "clash",
            "`h1` is ssh://root@h1, and ssh://root@other",
        ),
        (
            "echo '{\"hosts\": {\"h2\": \"root@h1\"}}'",
            "clash",
            "`h1` and `h2` of command sh are the same host",
        ),
    ] {
        let error = printed(script).await.unwrap_err();
        assert_eq!(code(&error), expected, "{script}: {error}");
        assert!(error.to_string().contains(word) || error.to_string().contains("SIG"), "{script}: {error}");
    }
    let error = discovery("- {command: [./nowhere]}\n", true).look().await.unwrap_err();
    assert_eq!(code(&error), "cannot_start", "{error}");
    // A child that keeps the output open after the end of the program does not delay us either.
    let late = discovery("- {command: [sh, -c, 'sleep 60 & echo hm'], timeout: 1s}\n", true);
    assert_eq!(code(&late.look().await.unwrap_err()), "silent");
}

#[tokio::test]
async fn a_host_that_is_named_twice_is_one_and_the_first_decides() {
    let command = |hosts: serde_json::Value| {
        let script = format!("echo '{}'", serde_json::json!({ "hosts": hosts }));
        format!("- {}\n", serde_json::json!({ "command": ["sh", "-c", script] }))
    };
    let one =
        command(serde_json::json!({ "h1": "root@h1", "h2": { "address": "h2", "labels": { "a": "1" } } }));
    let found = discovery(&(one + &command(serde_json::json!({ "h2": "h2", "h3": "h3" }))), true);
    let found = found.look().await.unwrap();
    assert_eq!(listed(&found), ["h2 ssh://h2", "h3 ssh://h3"]);
    assert_eq!(found[&NodeName::unchecked("h2")].member.found_by.as_deref(), Some("command sh"));
    assert_eq!(found[&NodeName::unchecked("h3")].member.found_by.as_deref(), Some("command sh #2"));
}

#[test]
fn managers_may_be_found_where_the_ledger_is_elsewhere_and_need_not_be_named() {
    let entry = |text: &str| parse_found(text, "x").unwrap();
    let found = entry(r#"{"hosts": {"h2": {"address": "h2", "role": "manager"}}}"#);
    let merged = merge::merge(&BTreeMap::new(), vec![("x", found)], false).unwrap();
    assert_eq!(merged[&NodeName::unchecked("h2")].member.role, Role::Manager);
    let (inventory, _) = parse("discover: [{command: [x]}]\n", "stackctl.yml").unwrap();
    assert_eq!(Discovery::of(&inventory, true, |_| None).unwrap_err(), DiscoverError::NoBackend);
    assert!(Discovery::of(&inventory, false, |_| None).unwrap().is_some());
}

#[test]
fn values_of_keys_are_hosts() {
    let values = |pairs: &[(&str, &str)]| {
        answer::of_values(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    };
    let text = values(&[("h2", "\"ssh://root@h2\""), ("h3", r#"{"address": "h3"}"#)]).unwrap();
    assert_eq!(listed(&parse_found(&text, "etcd").unwrap()), ["h2 ssh://root@h2", "h3 ssh://h3"]);
    assert_eq!(listed(&parse_found(&values(&[]).unwrap(), "etcd").unwrap()).len(), 0);
    assert!(values(&[("h2", "ssh://h2")]).unwrap_err().contains("`h2` is not JSON"));
    assert!(values(&[("h2", "7")]).unwrap_err().contains("neither"));
}

#[test]
fn who_offers_a_service_is_a_host_and_nobody_is_no_answer() {
    let instance = |node: &str, address: &str, meta: &[(&str, &str)]| Instance {
        node: node.to_owned(),
        address: address.to_owned(),
        meta: meta.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    };
    let all = vec![
        instance("h2", "10.0.0.2", &[("rack", "b")]),
        instance("h2", "10.0.0.2", &[("rack", "b")]),
        instance("h3", "fe80::3", &[]),
    ];
    let found = parse_found(&answer::of_instances(all, Some("root")).unwrap(), "consul").unwrap();
    assert_eq!(listed(&found), ["h2 ssh://root@10.0.0.2", "h3 ssh://root@[fe80::3]"]);
    assert_eq!(found[&NodeName::unchecked("h2")].member.labels["rack"], "b");
    let two = vec![instance("h2", "10.0.0.2", &[]), instance("h2", "10.0.0.3", &[])];
    assert!(answer::of_instances(two, None).unwrap_err().contains("two addresses"));
    assert!(answer::of_instances(Vec::new(), None).unwrap_err().contains("no host offers"));
}

#[test]
fn few_of_those_that_were_known_are_a_fault_of_the_source() {
    let sources = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
    let known = |names: &[(&str, &str)]| -> BTreeMap<NodeName, String> {
        names.iter().map(|(name, source)| (NodeName::unchecked(name), (*source).to_owned())).collect()
    };
    let four = known(&[("h1", "a"), ("h2", "a"), ("h3", "a"), ("h4", "a"), ("x1", "b"), ("y", "gone")]);
    let judged = |now: &[&str]| missing(&four, &sources, |name| now.contains(&name.as_str()));
    assert_eq!(judged(&["h1", "h2", "h3", "h4", "x1", "new"]), Ok(()));
    assert_eq!(judged(&["h1", "h2", "x1"]), Ok(()), "half of them may go");
    let error = judged(&["h1", "x1"]).unwrap_err();
    assert_eq!(error.to_string(), "a names 1 of the 4 hosts it named before: without h2 h3 h4");
    assert!(judged(&["h1", "h2", "h3", "h4"]).unwrap_err().to_string().starts_with("b names 0 of the 1"));
    assert_eq!(missing(&BTreeMap::new(), &sources, |_| false), Ok(()), "nothing was known");
}
