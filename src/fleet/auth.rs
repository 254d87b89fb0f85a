//! The user's registry credentials, from the docker client's own configuration.
//!
//! Read when an image is first asked for, sent only to the engine that asks, and only those of that image's registry.
//! Never shown: neither `Debug` nor an error holds one. A credential helper that fails or hangs means that there are
//! none: a public image is pulled all the same, and a [warning](Credentials::warning) says so once.
//!
//! Where the user has none and a registry wants some, those that the [cluster keeps](Logins) are sent. They are not asked for
//! before that: most images are public, and each question reads the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex as SyncMutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use futures_util::future::BoxFuture;
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout};

use crate::model::Plaintext;
use crate::model::image::ImageRef;
use crate::process_group;

/// A helper may ask a keyring; it cannot ask the user.
const HELPER_LIMIT: Duration = Duration::from_secs(10);
/// What a helper may print.
const ANSWER_MAX: u64 = 1 << 20;
/// For so long an answer is used again. Some helpers give passwords that last for hours, and the loop runs for weeks.
const FRESH: Duration = Duration::from_secs(60);
/// The name under which docker keeps Docker Hub's credentials.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// What a helper says that has none, as docker's own library has it.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// How an engine takes credentials.
const HEADER: HeaderName = HeaderName::from_static("x-registry-auth");

/// What went with a pull, as far as an error may know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Whether credentials were sent.
    pub were_sent: bool,
    /// Why there were none, if it is not that the user has none.
    pub why_none: Option<String>,
}

/// Logins that a cluster keeps for its registries.
pub trait Logins: Send + Sync {
    /// That of a registry, such as `docker.io` or `registry.example.com:5000`, if there is one.
    ///
    /// # Errors
    ///
    /// It cannot be read or opened: in words that hold no secret.
    fn login<'a>(&'a self, registry: &'a str) -> BoxFuture<'a, Result<Option<Login>, String>>;
}

/// A user of a registry, and the password.
pub struct Login {
    pub username: String,
    pub password: Plaintext,
}

/// The name under which docker keeps the credentials of a registry.
pub(super) fn server_of(domain: &str) -> &str {
    if domain == "docker.io" { DOCKER_HUB } else { domain }
}

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

/// Credentials by registry, fetched when needed.
pub struct Credentials {
    source: Source,
    /// Each has its own lock: a helper that hangs holds up its registry alone.
    known: SyncMutex<BTreeMap<String, Arc<Mutex<Known>>>>,
    /// What the cluster keeps. Not held: it reads the ledger through the connections that hold us.
    logins: OnceLock<Weak<dyn Logins>>,
    /// Warnings that were given out already.
    said: SyncMutex<BTreeSet<String>>,
    warn: UnboundedSender<String>,
    warnings: Mutex<UnboundedReceiver<String>>,
}

/// What was found for a registry, and when.
type Known = Option<(Instant, Given)>;

/// Where credentials come from.
enum Source {
    /// From nowhere: none are wanted.
    Off,
    /// The configuration of this process' user.
    User,
    #[cfg(test)]
    Text(String),
}

/// What there is for a registry.
#[derive(Clone, Default)]
struct Given {
    header: Option<HeaderValue>,
    /// Why there is none, in words that hold no secret.
    trouble: Option<String>,
    /// Whether the cluster was asked for what the user does not have.
    is_of_cluster: bool,
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
        Self::of(Source::Off)
    }

    /// Those of the docker client: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. A file that is missing
    /// holds none.
    #[must_use]
    pub fn of_user() -> Self {
        Self::of(Source::User)
    }

    fn of(source: Source) -> Self {
        let (warn, warnings) = unbounded_channel();
        let (known, said) = (SyncMutex::default(), SyncMutex::default());
        Self { source, known, logins: OnceLock::new(), said, warn, warnings: Mutex::new(warnings) }
    }

    /// From now on the logins that the cluster keeps are known, too.
    pub(super) fn know(&self, logins: Weak<dyn Logins>) {
        let _is_known_already = self.logins.set(logins);
    }

    /// The same for a registry that wants credentials where the user has none: those that the cluster keeps.
    pub async fn of_cluster(&self, image: &ImageRef) -> Option<(HeaderName, HeaderValue)> {
        if matches!(self.source, Source::Off) {
            return None;
        }
        let logins = self.logins.get()?.upgrade()?;
        let domain = &image.domain;
        let cell = Arc::clone(lock(&self.known).entry(domain.clone()).or_default());
        let mut known = cell.lock().await;
        if let Some((at, given)) = &*known
            && given.is_of_cluster
            && at.elapsed() < FRESH
        {
            return given.header.clone().map(|value| (HEADER, value));
        }
        let mut given = Given { is_of_cluster: true, ..Given::default() };
        match logins.login(domain).await {
            Ok(login) => given.header = login.and_then(|login| header_of(&login, domain)),
            Err(why) => {
                self.say(format!("the cluster's login of registry {domain} is not sent: {why}"));
                given.trouble = Some(why);
            }
        }
        *known = Some((Instant::now(), given.clone()));
        given.header.map(|value| (HEADER, value))
    }

    fn say(&self, warning: String) {
        if lock(&self.said).insert(warning.clone()) {
            let _is_heard_as_long_as_we_live = self.warn.send(warning);
        }
    }

    /// The header that goes with a pull of this image, if there are credentials for its registry; and what an error may
    /// say of it.
    pub async fn header(&self, image: &ImageRef) -> (Option<(HeaderName, HeaderValue)>, Sent) {
        let given = self.given(&image.domain).await;
        let sent = Sent { were_sent: given.header.is_some(), why_none: given.trouble };
        (given.header.map(|value| (HEADER, value)), sent)
    }

    /// The next thing that people should know: a helper that fails. Waits for it.
    pub async fn warning(&self) -> String {
        let next = self.warnings.lock().await.recv().await;
        match next {
            Some(warning) => warning,
            // We hold the sender: there is always another to wait for.
            None => std::future::pending().await,
        }
    }

    /// What is left of warnings, without waiting.
    pub async fn last_warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.lock().await;
        std::iter::from_fn(|| warnings.try_recv().ok()).collect()
    }

    async fn given(&self, domain: &str) -> Given {
        if matches!(self.source, Source::Off) {
            let trouble = Some("`--without-registry-auth` was given".to_owned());
            return Given { trouble, ..Given::default() };
        }
        let cell = Arc::clone(lock(&self.known).entry(domain.to_owned()).or_default());
        let mut known = cell.lock().await;
        match &*known {
            Some((at, given)) if at.elapsed() < FRESH => given.clone(),
            _ => {
                let given = self.ask(domain).await;
                *known = Some((Instant::now(), given.clone()));
                given
            }
        }
    }

    async fn ask(&self, domain: &str) -> Given {
        let found = match self.config() {
            Ok(config) => config.credential(domain).await,
            Err(why) => Err(why),
        };
        match found {
            Ok(credential) => {
                Given { header: credential.as_ref().and_then(header_value), ..Given::default() }
            }
            Err(why) => {
                self.say(format!("no credentials are sent to the registry {domain}: {why}"));
                Given { trouble: Some(why), ..Given::default() }
            }
        }
    }

    /// The configuration as it is now.
    fn config(&self) -> Result<Config, String> {
        match &self.source {
            Source::Off => Ok(Config::default()),
            Source::User => config_of_user(),
            #[cfg(test)]
            Source::Text(text) => parsed(text, "config.json"),
        }
    }
}

fn lock<T>(mutex: &SyncMutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "the docker client's configuration is where its variables say")]
fn config_of_user() -> Result<Config, String> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")));
    let Some(file) = folder.map(|folder| folder.join("config.json")) else { return Ok(Config::default()) };
    match std::fs::read_to_string(&file) {
        Ok(text) => parsed(&text, &file.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
        Err(error) => Err(format!("{} cannot be read: {error}", file.display())),
    }
}

fn parsed(text: &str, file: &str) -> Result<Config, String> {
    // The parser's own words quote the text, which may be a password.
    serde_json::from_str(text)
        .map_err(|error| format!("{file} is not the docker client's: line {} makes no sense", error.line()))
}

impl Config {
    /// What there is for a registry; an error if a helper should know and does not say.
    async fn credential(&self, domain: &str) -> Result<Option<Credential>, String> {
        let server = server_of(domain);
        let helper = self.cred_helpers.get(server).unwrap_or(&self.creds_store);
        let mut failed = None;
        if !helper.is_empty() {
            match ask_helper(helper, server).await {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(why) => failed = Some(format!("docker-credential-{helper} {why}")),
            }
        }
        let same_host = || self.auths.iter().find(|(key, _)| host_of(key) == domain).map(|(_, entry)| entry);
        let entry = self.auths.get(server).or_else(same_host);
        match (entry.and_then(|entry| entry.read(server)), failed) {
            (Some(found), _) => Ok(Some(found)),
            (None, Some(why)) => Err(why),
            (None, None) => Ok(None),
        }
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

/// What a helper knows of a server. The error says what it did, in our words: its own may hold what it keeps.
#[expect(clippy::disallowed_methods, reason = "credential helpers are programs")]
async fn ask_helper(helper: &str, server: &str) -> Result<Option<Credential>, String> {
    // It names a program: no path is allowed here.
    if !helper.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        return Err("is no name of a program".to_owned());
    }
    let mut command = process_group::program(format!("docker-credential-{helper}"));
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let (mut child, group) = process_group::start(&mut command).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "is not installed here".to_owned(),
        _ => format!("cannot be started: {error}"),
    })?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let answer = async {
        if let Some(mut stdin) = stdin {
            // One that asks nothing may have closed it.
            let _unread = stdin.write_all(server.as_bytes()).await;
        }
        let mut bytes = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(ANSWER_MAX).read_to_end(&mut bytes).await?;
        }
        Ok::<_, std::io::Error>((child.wait().await?, bytes))
    };
    let answer = timeout(HELPER_LIMIT, answer).await;
    let (status, bytes) = answer
        .map_err(|_| format!("gave no answer within {} s", HELPER_LIMIT.as_secs()))?
        .map_err(|error| format!("cannot be heard: {error}"))?;
    group.is_over();
    if !status.success() {
        let has_none = String::from_utf8_lossy(&bytes).contains(NOT_FOUND);
        return if has_none { Ok(None) } else { Err(format!("failed ({status})")) };
    }
    let answer: HelperAnswer =
        serde_json::from_slice(&bytes).map_err(|_| "gave an answer that makes no sense".to_owned())?;
    if answer.secret.is_empty() {
        return Ok(None);
    }
    let server = server.to_owned();
    let (username, password, identity_token) = match answer.username.as_str() {
        "<token>" => (String::new(), String::new(), answer.secret),
        _ => (answer.username, answer.secret, String::new()),
    };
    Ok(Some(Credential { username, password, identity_token, server }))
}

fn header_of(login: &Login, domain: &str) -> Option<HeaderValue> {
    header_value(&Credential {
        username: login.username.clone(),
        password: String::from_utf8(login.password.expose().to_vec()).ok()?,
        identity_token: String::new(),
        server: server_of(domain).to_owned(),
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

    fn of_config(text: &str) -> Credentials {
        Credentials::of(Source::Text(text.to_owned()))
    }

    async fn sent(config: &str, image: &str) -> Option<serde_json::Value> {
        let (header, sent) = of_config(config).header(&ImageRef::parse(image).unwrap()).await;
        assert_eq!(header.is_some(), sent.were_sent);
        let (_, value) = header?;
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
    }

    #[tokio::test]
    async fn of_two_keys_for_one_host_the_exact_one_counts() {
        let (old, new) = (STANDARD.encode("me:old"), STANDARD.encode("me:new"));
        let config =
            format!(r#"{{"auths":{{"https://r:1/v1/":{{"auth":"{old}"}},"r:1":{{"auth":"{new}"}}}}}}"#);
        assert_eq!(sent(&config, "r:1/x").await.unwrap()["password"], "new");
    }

    #[tokio::test]
    async fn nothing_is_shown() {
        let auth = STANDARD.encode("me:geheim");
        let text = format!(r#"{{"auths":{{"r:1":{{"auth":"{auth}"}}}}}}"#);
        let credentials = of_config(&text);
        let (header, said) = credentials.header(&ImageRef::parse("r:1/x").unwrap()).await;
        let entry = parsed(&text, "").unwrap().credential("r:1").await.unwrap().unwrap();
        let broken = parsed(r#"{"auths":{"r:1":{"auth":"geheim"}"#, "config.json").err().unwrap();
        let shown = format!("{credentials:?} {:?} {said:?} {entry:?} {broken}", header.unwrap());
        assert!(!shown.contains("geheim") && !shown.contains(&auth), "{shown}");
    }

    #[tokio::test]
    async fn a_helper_that_fails_is_said_once_and_stops_nothing() {
        let credentials = of_config(r#"{"credsStore":"no-such-program","auths":{"r:1":{}}}"#);
        let image = |text: &str| ImageRef::parse(text).unwrap();
        let why = "docker-credential-no-such-program is not installed here";
        for _ in 0..2 {
            let (header, sent) = credentials.header(&image("r:1/x")).await;
            assert_eq!((header, sent.why_none.as_deref()), (None, Some(why)));
        }
        let (none, _) = credentials.header(&image("r:1/y")).await;
        assert_eq!(none, None);
        let said = format!("no credentials are sent to the registry r:1: {why}");
        assert_eq!(credentials.warning().await, said);
        assert!(credentials.last_warnings().await.is_empty());
    }

    #[tokio::test]
    async fn a_configuration_that_cannot_be_read_is_said() {
        let credentials = of_config("not json");
        let (header, _) = credentials.header(&ImageRef::parse("nginx").unwrap()).await;
        assert_eq!(header, None);
        let said = credentials.last_warnings().await;
        assert_eq!(
            said,
            [
                "no credentials are sent to the registry docker.io: config.json is not the docker client's: line 1 makes no sense"
            ]
        );
    }

    struct Kept;

    impl Logins for Kept {
        fn login<'a>(&'a self, registry: &'a str) -> BoxFuture<'a, Result<Option<Login>, String>> {
            Box::pin(async move {
                match registry {
                    "r:1" => Ok(Some(Login {
                        username: "loop".into(),
                        password: Plaintext::new(b"geheim".to_vec()),
                    })),
                    "r:2" => Err("no private key opens it".to_owned()),
                    _ => Ok(None),
                }
            })
        }
    }

    #[tokio::test]
    async fn what_the_cluster_keeps_goes_with_the_next_request() {
        let credentials = of_config("{}");
        let image = |text: &str| ImageRef::parse(text).unwrap();
        assert!(credentials.of_cluster(&image("r:1/x")).await.is_none(), "there is no cluster yet");
        let kept: Arc<dyn Logins> = Arc::new(Kept);
        credentials.know(Arc::downgrade(&kept));
        let (none, sent) = credentials.header(&image("r:1/x")).await;
        assert!(none.is_none() && !sent.were_sent, "not before the registry asks");
        let (_, value) = credentials.of_cluster(&image("r:1/x")).await.unwrap();
        let sent: serde_json::Value =
            serde_json::from_slice(&URL_SAFE.decode(value.as_bytes()).unwrap()).unwrap();
        assert_eq!(sent, json!({ "serveraddress": "r:1", "username": "loop", "password": "geheim" }));
        let (header, sent) = credentials.header(&image("r:1/y")).await;
        assert!(header.is_some() && sent.were_sent, "from then on it is known");
        assert!(credentials.of_cluster(&image("r:2/x")).await.is_none());
        assert!(credentials.of_cluster(&image("r:3/x")).await.is_none());
        let said = credentials.last_warnings().await;
        assert_eq!(said, ["the cluster's login of registry r:2 is not sent: no private key opens it"]);
        let off = Credentials::none();
        off.know(Arc::downgrade(&kept));
        assert!(off.of_cluster(&image("r:1/x")).await.is_none());
    }

    #[tokio::test]
    async fn none_are_read_where_none_are_wanted() {
        let (header, sent) = Credentials::none().header(&ImageRef::parse("nginx").unwrap()).await;
        assert_eq!(header, None);
        assert!(sent.why_none.unwrap().contains("--without-registry-auth"));
    }
}
