//! The user's registry credentials, from the docker client's own configuration.
//!
//! Read only when asked to, sent only to the engine that pulls, and never shown: neither `Debug` nor an
//! error holds one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::model::image::ImageRef;

/// A helper may ask a keyring; it cannot ask the user.
const HELPER_LIMIT: Duration = Duration::from_secs(10);
/// What a helper may print.
const ANSWER_MAX: u64 = 1 << 20;
/// The name under which docker keeps Docker Hub's credentials.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// How an engine takes credentials.
const HEADER: HeaderName = HeaderName::from_static("x-registry-auth");

/// Credentials of a user at a registry.
#[derive(Clone, PartialEq, Eq)]
struct Credential {
    username: String,
    password: String,
    identity_token: String,
    server: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Credentials by registry, fetched when first needed.
pub struct Credentials {
    config: Config,
    known: Mutex<BTreeMap<String, Option<HeaderValue>>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, AuthEntry>,
    creds_store: String,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AuthEntry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HelperAnswer {
    username: String,
    secret: String,
}

impl Credentials {
    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        Self { config: Config::default(), known: Mutex::default() }
    }

    /// Those of the docker client: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. As for docker
    /// itself, a file that is missing or cannot be read holds none.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the docker client's configuration is where its variables say"
    )]
    pub fn of_user() -> Self {
        let folder = std::env::var_os("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")));
        let text = folder.and_then(|folder| std::fs::read_to_string(folder.join("config.json")).ok());
        Self::of_config(text.as_deref().unwrap_or("{}"))
    }

    /// Those of a configuration.
    fn of_config(text: &str) -> Self {
        Self { config: serde_json::from_str(text).unwrap_or_default(), known: Mutex::default() }
    }

    /// The header that goes with a pull of this image, if there are credentials for its registry.
    pub async fn header(&self, image: &ImageRef) -> Option<(HeaderName, HeaderValue)> {
        let mut known = self.known.lock().await;
        let header = match known.get(&image.domain) {
            Some(header) => header.clone(),
            None => {
                let header = self.credential(&image.domain).await.as_ref().and_then(header_value);
                known.insert(image.domain.clone(), header.clone());
                header
            }
        };
        Some((HEADER, header?))
    }

    async fn credential(&self, domain: &str) -> Option<Credential> {
        let server = if domain == "docker.io" { DOCKER_HUB } else { domain };
        let helper = self.config.cred_helpers.get(server).unwrap_or(&self.config.creds_store);
        if !helper.is_empty()
            && let Some(found) = ask_helper(helper, server).await
        {
            return Some(found);
        }
        let named = |key: &str| key == server || host_of(key) == domain;
        let (_, entry) = self.config.auths.iter().find(|(key, _)| named(key))?;
        entry.read(server)
    }
}

impl AuthEntry {
    fn read(&self, server: &str) -> Option<Credential> {
        let mut credential = Credential {
            username: self.username.clone(),
            password: self.password.clone(),
            identity_token: self.identitytoken.clone(),
            server: server.to_owned(),
        };
        if !self.auth.is_empty() {
            let text = String::from_utf8(STANDARD.decode(&self.auth).ok()?).ok()?;
            let (username, password) = text.split_once(':')?;
            credential.username = username.to_owned();
            credential.password = password.trim_end_matches('\0').to_owned();
        }
        let empty = credential.username.is_empty() && credential.identity_token.is_empty();
        (!empty).then_some(credential)
    }
}

/// `https://registry:5000/v1/` and `registry:5000` are the same to docker.
fn host_of(key: &str) -> &str {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    key.split('/').next().unwrap_or(key)
}

#[expect(clippy::disallowed_methods, reason = "credential helpers are programs")]
async fn ask_helper(helper: &str, server: &str) -> Option<Credential> {
    // It names a program: no path is allowed here.
    if !helper.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        return None;
    }
    let mut child = Command::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take()?;
    stdin.write_all(server.as_bytes()).await.ok()?;
    drop(stdin);
    let stdout = child.stdout.take()?;
    let output = async {
        let mut bytes = Vec::new();
        let _end = stdout.take(ANSWER_MAX).read_to_end(&mut bytes).await.ok()?;
        child.wait().await.ok()?.success().then_some(bytes)
    };
    let output = timeout(HELPER_LIMIT, output).await.ok()??;
    let answer: HelperAnswer = serde_json::from_slice(&output).ok()?;
    let server = server.to_owned();
    Some(match answer.username.as_str() {
        "<token>" => Credential {
            username: String::new(),
            password: String::new(),
            identity_token: answer.secret,
            server,
        },
        _ => Credential {
            username: answer.username,
            password: answer.secret,
            identity_token: String::new(),
            server,
        },
    })
}

fn header_value(credential: &Credential) -> Option<HeaderValue> {
    let mut fields = json!({ "serveraddress": credential.server });
    let parts = [
        ("username", &credential.username),
        ("password", &credential.password),
        ("identitytoken", &credential.identity_token),
    ];
    for (key, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
        fields[key] = json!(value);
    }
    // The engine reads the URL's alphabet and no other.
    let mut value = HeaderValue::from_str(&URL_SAFE.encode(fields.to_string())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sent(config: &str, image: &str) -> Option<serde_json::Value> {
        let credentials = Credentials::of_config(config);
        let (_, value) = credentials.header(&ImageRef::parse(image).unwrap()).await?;
        assert!(value.is_sensitive());
        Some(serde_json::from_slice(&URL_SAFE.decode(value.as_bytes()).unwrap()).unwrap())
    }

    #[tokio::test]
    async fn each_registry_gets_its_own_and_no_other() {
        let auth = STANDARD.encode("me:pass:word");
        let config = format!(
            r#"{{"auths":{{"https://index.docker.io/v1/":{{"auth":"{auth}"}},
                "https://registry:5000/v1/":{{"identitytoken":"t"}}}}}}"#
        );
        assert_eq!(
            sent(&config, "nginx").await.unwrap(),
            json!({ "serveraddress": DOCKER_HUB, "username": "me", "password": "pass:word" })
        );
        assert_eq!(
            sent(&config, "registry:5000/web").await.unwrap(),
            json!({ "serveraddress": "registry:5000", "identitytoken": "t" })
        );
        assert_eq!(sent(&config, "ghcr.io/a/b").await, None);
        assert_eq!(sent("not json", "nginx").await, None);
    }

    #[tokio::test]
    async fn nothing_is_shown() {
        let auth = STANDARD.encode("me:geheim");
        let credentials = Credentials::of_config(&format!(r#"{{"auths":{{"r:1":{{"auth":"{auth}"}}}}}}"#));
        let header = credentials.header(&ImageRef::parse("r:1/x").unwrap()).await.unwrap();
        let entry = credentials.credential("r:1").await.unwrap();
        let shown = format!("{credentials:?} {header:?} {entry:?}");
        assert!(!shown.contains("geheim") && !shown.contains(&auth), "{shown}");
    }
}
