//! Configs of the cluster, on a ledger of files.

use super::*;
use crate::ledger::configs;
use crate::model::spec::FileMount;
use crate::model::testing::replicated;
use crate::ops::testing::{actor, ledger, quiet};

fn new<'n>(name: &'n ObjectName, content: &'n [u8]) -> New<'n> {
    New { name, labels: BTreeMap::new(), template_driver: None, content }
}

/// A stack whose one service has an external config.
fn spec() -> StackSpec {
    let mut web = replicated("web", 1);
    let mount = FileMount {
        source: "site".into(),
        uid: "0".into(),
        gid: "0".into(),
        mode: 0o444,
        content: String::new(),
        template_driver: None,
    };
    Arc::make_mut(&mut web.task).configs.insert("/site".into(), mount);
    let mut spec = StackSpec::empty(StackName::unchecked("shop"));
    spec.services.insert(web.name.clone(), web);
    let config = ConfigSpec {
        name: "made".into(),
        external: true,
        digest: String::new(),
        content: None,
        labels: BTreeMap::new(),
        template_driver: None,
    };
    spec.configs.insert("site".into(), config);
    spec
}

#[tokio::test]
async fn an_external_config_is_what_a_command_has_made() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let name: ObjectName = "made".parse().unwrap();
    let missing = settle(&ledger, spec()).await.unwrap();
    assert!(missing.configs["site"].digest.is_empty(), "the plan says that it is not there");
    let made = New { template_driver: Some("golang".into()), ..new(&name, b"listen 80") };
    create(&ledger, &actor(), made, quiet).await.unwrap();
    let settled = settle(&ledger, spec()).await.unwrap();
    let mount = &settled.services.values().next().unwrap().task.configs["/site"];
    assert_eq!(settled.configs["site"].content.as_deref(), Some(&b"listen 80"[..]));
    assert_eq!(
        (&mount.content, mount.template_driver.as_deref()),
        (&sha256_hex(b"listen 80"), Some("golang"))
    );

    let other = rotate(&ledger, &actor(), &name, b"listen 81", quiet).await.unwrap().unwrap();
    assert_eq!(other.template_driver.as_deref(), Some("golang"), "what it is made by stays");
    assert!(rotate(&ledger, &actor(), &name, b"listen 81", quiet).await.unwrap().is_none());
    let settled = settle(&ledger, spec()).await.unwrap();
    assert_eq!(settled.configs["site"].digest, sha256_hex(b"listen 81"));
}

#[tokio::test]
async fn mistakes_write_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let name: ObjectName = "made".parse().unwrap();
    let size = create(&ledger, &actor(), new(&name, b""), quiet).await;
    assert!(matches!(size, Err(VaultError::ConfigSize { .. })), "{size:?}");
    let unknown = rotate(&ledger, &actor(), &name, b"x", quiet).await;
    assert!(matches!(unknown, Err(VaultError::NoConfig { .. })), "{unknown:?}");
    assert!(matches!(
        remove(&ledger, &actor(), std::slice::from_ref(&name), &Held::default(), quiet).await,
        Err(VaultError::NoConfig { .. })
    ));
    assert_eq!(ledger.read(&configs::stream()).await.unwrap().next(), 1, "nothing was written");
    create(&ledger, &actor(), new(&name, b"x"), quiet).await.unwrap();
    let twice = create(&ledger, &actor(), new(&name, b"y"), quiet).await;
    assert!(matches!(twice, Err(VaultError::ConfigExists(_))), "{twice:?}");
    remove(&ledger, &actor(), std::slice::from_ref(&name), &Held::default(), quiet).await.unwrap();
    assert!(all(&ledger).await.unwrap().is_empty());
}
