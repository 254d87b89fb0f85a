//! Logins of registries that the cluster keeps, each as a secret with a label that names the registry: for machines whose
//! user has none, such as that of the loop or of a push hook.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::secret::REGISTRY_LABEL;
use super::values::Values;
use super::{VaultError, mend, sealing, secret, under_lease};
use crate::fleet::{Login, Logins};
use crate::ledger::secrets::{self, Secret, Secrets};
use crate::ledger::{Ledger, ReadRegisters, WriteRegisters};
use crate::model::Timestamp;
use crate::model::image::ImageRef;
use crate::ops::log::{Actor, Unended};
use crate::vault::{ObjectName, Plaintext};

/// Names its user, which is no secret.
pub const USER_LABEL: &str = "stackctl.registry.user";
/// Docker Hub, as names of images have it.
const DOCKER_HUB: &str = "docker.io";
/// Other names of it: of docker's own configuration, and of its parts.
const OF_HUB: [&str; 3] = ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// What the secret holds.
#[derive(Serialize, Deserialize)]
struct Kept {
    username: String,
    password: String,
}

/// A login as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub registry: String,
    pub username: String,
    /// The secret that holds it.
    pub secret: ObjectName,
    /// When it was given, by the clock of the client that did.
    pub at: Timestamp,
    /// Who gave it.
    pub who: String,
}

/// The name by which images name a registry: `https://index.docker.io/v1/` is `docker.io`.
///
/// # Errors
///
/// It is no name of a registry.
pub fn registry_of(text: &str) -> Result<String, VaultError> {
    let bad = || VaultError::BadRegistry(text.to_owned());
    let host = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default().to_ascii_lowercase();
    if host == DOCKER_HUB || OF_HUB.contains(&host.as_str()) {
        return Ok(DOCKER_HUB.to_owned());
    }
    // What stands before the first `/` of an image's name is a registry only where it looks like one.
    let image = ImageRef::parse(&format!("{host}/a")).map_err(|_| bad())?;
    if image.domain == host { Ok(host) } else { Err(bad()) }
}

/// The secret of a registry's login.
fn name_of(registry: &str) -> Result<ObjectName, VaultError> {
    let plain: String = registry.chars().map(|c| if c == ':' { '_' } else { c }).collect();
    let bad = |_| VaultError::BadRegistry(registry.to_owned());
    format!("registry.{plain}").parse().map_err(bad)
}

fn listed(name: &ObjectName, secret: &Secret) -> Option<Listed> {
    let present = secret.present();
    Some(Listed {
        registry: secret.labels.get(REGISTRY_LABEL)?.clone(),
        username: secret.labels.get(USER_LABEL).cloned().unwrap_or_default(),
        secret: name.clone(),
        at: present.at,
        who: present.who.clone(),
    })
}

fn all_of(secrets: &Secrets) -> Vec<Listed> {
    secrets.0.iter().filter_map(|(name, secret)| listed(name, secret)).collect()
}

/// All logins.
///
/// # Errors
///
/// The ledger cannot be read.
pub async fn all<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Vec<Listed>, VaultError> {
    Ok(all_of(&secret::all(ledger).await?))
}

/// Keeps a login in the place of any that there was of this registry.
///
/// # Errors
///
/// The cluster has no key, or a secret that is no login has the name.
pub async fn keep<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    registry: &str,
    login: &Login,
    unended: impl FnOnce(Unended),
) -> Result<(), VaultError> {
    mend(ledger, actor).await?;
    let name = name_of(registry)?;
    let of_registry = |all: &Secrets| match all.0.get(&name) {
        Some(secret) if secret.labels.get(REGISTRY_LABEL).map(String::as_str) != Some(registry) => {
            Err(VaultError::Exists(name.clone()))
        }
        _ => Ok(()),
    };
    super::known(ledger).await?.key()?;
    of_registry(&secret::read(ledger).await?)?;
    let kept = Kept {
        username: login.username.clone(),
        password: String::from_utf8_lossy(login.password.expose()).into_owned(),
    };
    let value = Plaintext::new(serde_json::to_vec(&kept).expect("texts are JSON"));
    under_lease(ledger, actor, &format!("registry login {registry}"), unended, async |work| {
        let version = secret::seal(work, actor, &name, &value).await?;
        let put = |all: &mut Secrets| {
            of_registry(all)?;
            let labels = BTreeMap::from([
                (REGISTRY_LABEL.to_owned(), registry.to_owned()),
                (USER_LABEL.to_owned(), login.username.clone()),
            ]);
            let created = all.0.get(&name).map_or(version.at, |before| before.created);
            // An older password is of no use.
            let secret = Secret { labels, created, versions: vec![version.clone()] };
            all.0.insert(name.clone(), secret);
            Ok(())
        };
        sealing::write(work, put).await
    })
    .await
}

/// Forgets the login of a registry.
///
/// # Errors
///
/// There is none.
pub async fn forget<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    registry: &str,
    unended: impl FnOnce(Unended),
) -> Result<(), VaultError> {
    mend(ledger, actor).await?;
    let all = all(ledger).await?;
    let Some(found) = all.iter().find(|one| one.registry == registry) else {
        let known = all.into_iter().map(|one| one.registry).collect();
        return Err(VaultError::NoLogin { registry: registry.to_owned(), known });
    };
    under_lease(ledger, actor, &format!("registry logout {registry}"), unended, async |work| {
        let clear = |all: &mut Secrets| {
            all.0.remove(&found.secret);
            Ok(())
        };
        sealing::write(work, clear).await
    })
    .await
}

impl Values {
    async fn login_of(&self, registry: &str) -> Result<Option<Login>, VaultError> {
        let all = secrets::read(self.ledger()).await?;
        let Some(found) = all_of(&all).into_iter().find(|one| one.registry == registry) else {
            return Ok(None);
        };
        let version = all.0[&found.secret].present().version.clone();
        let value = self.get(found.secret.as_str(), &version).await?;
        let bad = || VaultError::Value {
            name: found.secret.clone(),
            version: version.clone(),
            why: "it is no login of a registry".to_owned(),
        };
        // The parser's own words quote the text, which is a password.
        let kept: Kept = serde_json::from_slice(value.expose()).map_err(|_| bad())?;
        let password = Plaintext::new(kept.password.into_bytes());
        Ok(Some(Login { username: kept.username, password }))
    }
}

impl Logins for Values {
    fn login<'a>(&'a self, registry: &'a str) -> BoxFuture<'a, Result<Option<Login>, String>> {
        Box::pin(async move { self.login_of(registry).await.map_err(|why| why.to_string()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_has_one_name() {
        for (text, name) in [
            ("docker.io", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("registry.example.com", "registry.example.com"),
            ("https://Registry.example.com:5000/v2/", "registry.example.com:5000"),
            ("localhost", "localhost"),
            ("[::1]:5000", "[::1]:5000"),
        ] {
            assert_eq!(registry_of(text).unwrap(), name, "{text}");
        }
        for text in ["", "web", "a b", "https://", "a.example.com:port"] {
            assert!(matches!(registry_of(text), Err(VaultError::BadRegistry(_))), "{text}");
        }
        assert_eq!(name_of("r.example.com:5000").unwrap().as_str(), "registry.r.example.com_5000");
    }
}
