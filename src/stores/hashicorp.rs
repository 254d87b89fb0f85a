//! The HTTP API of Vault, which `OpenBao` has too: one value of the key-value store, version 1 or 2.
//!
//! The server is the inventory's, or that of the variables that the server's own client reads; so is the token. Neither can be
//! chosen by a stackfile, and no redirect is followed: the token goes nowhere else.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HOST, HeaderValue, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::Empty;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Asked, BYTES_MAX, Variables, known_options, option};
use crate::http::tls::{Authorities, Certificates, SYSTEM_AUTHORITIES, Tls};
use crate::http::{body, client, stream};
use crate::inventory::drivers::VaultPlace;
use crate::model::Plaintext;
use crate::words::clean;

/// What is read of the environment.
pub(super) const VARIABLES: [&str; 10] = [
    "BAO_ADDR",
    "VAULT_ADDR",
    "BAO_TOKEN",
    "VAULT_TOKEN",
    "BAO_NAMESPACE",
    "VAULT_NAMESPACE",
    "BAO_CACERT",
    "VAULT_CACERT",
    "SSL_CERT_FILE",
    "HOME",
];
const OPTIONS: [&str; 6] = ["path", "field", "mount", "kv", "version", "encoding"];
/// An answer with a value in JSON, and what is beside it.
const ANSWER_MAX: usize = 8 * BYTES_MAX;
/// Of an error so much is shown.
const WORDS_MAX: usize = 200;

/// Asks for a value.
pub(super) async fn ask(asked: Asked<'_>, place: &VaultPlace, env: &Variables) -> Result<Plaintext, String> {
    let wanted = Wanted::of(&asked)?;
    let server = Server::of(place, env)?;
    let stream = stream::tcp(&server.host, server.port, server.tls.as_ref()).await;
    let stream = stream.map_err(|error| format!("{} cannot be reached: {error}", server.authority))?;
    let request = server.request(&wanted.path)?;
    let broken = |error: &dyn std::fmt::Display| format!("{} broke off: {error}", server.authority);
    let answer = client::send_once(stream, request).await.map_err(|error| broken(&error))?;
    let status = answer.status();
    let bytes = body::whole(answer.into_body(), ANSWER_MAX).await.map_err(|error| broken(&error))?;
    if status != StatusCode::OK {
        return Err(refused(&server.authority, status, &bytes, &wanted));
    }
    wanted.value_in(&bytes)
}

/// Which value of the server.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    /// Of the request.
    path: String,
    /// As people call it.
    name: String,
    field: String,
    is_v2: bool,
    is_base64: bool,
}

impl Wanted {
    fn of(asked: &Asked<'_>) -> Result<Self, String> {
        known_options(asked, &OPTIONS)?;
        let path = asked.options.get("path").ok_or("it needs the option `path`")?;
        let mount = option(asked, "mount", "secret");
        let is_v2 = match option(asked, "kv", "2") {
            "2" => true,
            "1" => false,
            _ => return Err("its option `kv` is 1 or 2: the version of the key-value store".to_owned()),
        };
        let is_base64 = match option(asked, "encoding", "text") {
            "base64" => true,
            "text" => false,
            _ => return Err("its option `encoding` is `text` or `base64`".to_owned()),
        };
        let version = asked.options.get("version");
        let query = match version {
            None => String::new(),
            Some(number) if is_v2 && number.parse::<u32>().is_ok() => format!("?version={number}"),
            Some(_) => {
                return Err(
                    "its option `version` is a number, and only for version 2 of the key-value store"
                        .to_owned(),
                );
            }
        };
        let data = if is_v2 { "/data" } else { "" };
        let request = format!("/v1/{}{data}/{}{query}", segments(mount, "mount")?, segments(path, "path")?);
        let name = format!("{}/{}", mount.trim_matches('/'), path.trim_matches('/'));
        let field = option(asked, "field", "value").to_owned();
        Ok(Self { path: request, name, field, is_v2, is_base64 })
    }

    /// The value in an answer.
    fn value_in(&self, answer: &[u8]) -> Result<Plaintext, String> {
        let Self { name, field, .. } = self;
        let no_sense = || format!("what it answered for {} makes no sense", clean(name));
        let Answer { data } = serde_json::from_slice(answer).map_err(|_| no_sense())?;
        let mut fields = match (self.is_v2, data) {
            (false, Value::Object(fields)) => fields,
            // Of a version that was deleted, `data` within is null.
            (true, Value::Object(mut outer)) => match outer.remove("data") {
                Some(Value::Object(fields)) => fields,
                _ => return Err(format!("there is nothing at {}", clean(name))),
            },
            _ => return Err(no_sense()),
        };
        let text = match fields.remove(field.as_str()) {
            Some(Value::String(text)) => Zeroizing::new(text),
            Some(Value::Number(number)) => Zeroizing::new(number.to_string()),
            Some(Value::Bool(yes)) => Zeroizing::new(yes.to_string()),
            Some(_) => return Err(format!("the field `{}` of {} is no text", clean(field), clean(name))),
            None => return Err(format!("{} has no field `{}`", clean(name), clean(field))),
        };
        if !self.is_base64 {
            return Ok(Plaintext::new(text.as_bytes().to_vec()));
        }
        let bytes = STANDARD.decode(text.trim());
        bytes
            .map(Plaintext::new)
            .map_err(|_| format!("the field `{}` of {} is no base64", clean(field), clean(name)))
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Value,
}

/// A path below the API, each of its parts as it is: none of them leads out of the store.
fn segments(path: &str, what: &str) -> Result<String, String> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
        return Err(format!("its option `{what}` is no path of the key-value store"));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let mut encoded = String::new();
    for (at, part) in parts.into_iter().enumerate() {
        if at > 0 {
            encoded.push('/');
        }
        for byte in part.bytes() {
            match plain(byte) {
                true => encoded.push(char::from(byte)),
                false => encoded.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    Ok(encoded)
}

/// In our words, and the server's own, which name no value.
fn refused(server: &str, status: StatusCode, answer: &[u8], wanted: &Wanted) -> String {
    #[derive(Deserialize)]
    struct Errors {
        #[serde(default)]
        errors: Vec<String>,
    }
    let name = clean(&wanted.name);
    let why = match status.as_u16() {
        403 => format!("{server} does not let this token read {name}"),
        404 => format!(
            "{server} has nothing at {name}; this asks version {} of the key-value store (option `kv`)",
            if wanted.is_v2 { 2 } else { 1 }
        ),
        503 => format!("{server} is sealed, or not ready"),
        300..=399 => {
            format!("{server} sends this to another server, which does not get the token: name that one")
        }
        _ => format!("{server} answered {status}"),
    };
    let said = serde_json::from_slice::<Errors>(answer).map(|all| all.errors.join("; ")).unwrap_or_default();
    let said: String = clean(said.trim()).split_whitespace().collect::<Vec<_>>().join(" ");
    let said: String = said.chars().take(WORDS_MAX).collect();
    if said.is_empty() { why } else { format!("{why}: {said}") }
}

/// A server, and what it asks of its callers.
struct Server {
    host: String,
    port: u16,
    /// Host and port, as in the address.
    authority: String,
    /// In front of the API's own paths.
    prefix: String,
    tls: Option<Tls>,
    token: Zeroizing<String>,
    namespace: Option<String>,
}

impl Server {
    fn of(place: &VaultPlace, env: &Variables) -> Result<Self, String> {
        let address = place
            .address
            .as_deref()
            .or_else(|| env.first(&["BAO_ADDR", "VAULT_ADDR"]))
            .ok_or("neither the inventory nor VAULT_ADDR names a server")?;
        let (is_tls, authority, prefix) = parts(address)?;
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of `[::1]` belong to the address.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| "the port of its address is no number")?)
            }
            _ => (authority, if is_tls { 443 } else { 80 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        if !is_tls && !is_here {
            return Err(format!(
                "{authority} is another machine, to which no token is sent without TLS: use https"
            ));
        }
        let ca = place.ca.clone().or_else(|| env.first(&["BAO_CACERT", "VAULT_CACERT"]).map(PathBuf::from));
        Ok(Self {
            host,
            port,
            authority: authority.to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
            tls: is_tls.then(|| tls(ca.as_deref(), env)).transpose()?,
            token: token(place, env)?,
            namespace: place
                .namespace
                .clone()
                .or_else(|| env.first(&["BAO_NAMESPACE", "VAULT_NAMESPACE"]).map(str::to_owned)),
        })
    }

    fn request(&self, path: &str) -> Result<Request<Empty<Bytes>>, String> {
        let header = |what: &str, value: &str| {
            HeaderValue::from_str(value).map_err(|_| format!("the {what} has characters that none has"))
        };
        let mut token = header("token", &self.token)?;
        token.set_sensitive(true);
        let mut request = Request::get(format!("{}{path}", self.prefix))
            .header(HOST, &self.authority)
            .header(USER_AGENT, concat!("stackctl/", env!("CARGO_PKG_VERSION")))
            .header("x-vault-request", "true")
            .header("x-vault-token", token);
        if let Some(namespace) = &self.namespace {
            request = request.header("x-vault-namespace", header("namespace", namespace)?);
        }
        request.body(Empty::new()).map_err(|error| error.to_string())
    }
}

/// Whether an address is one of TLS, host and port, and the path.
fn parts(address: &str) -> Result<(bool, &str, &str), String> {
    let (is_tls, rest) = match (address.strip_prefix("https://"), address.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err("its address is none: write `https://vault.example.com:8200`".to_owned()),
    };
    let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.is_empty() || authority.contains('@') || rest.contains(['?', '#']) {
        true => Err("its address has more or less than a host, a port and a path".to_owned()),
        false => Ok((is_tls, authority, prefix)),
    }
}

/// The token: the inventory's, or that of the variable, or what the server's own client has kept of the last login.
fn token(place: &VaultPlace, env: &Variables) -> Result<Zeroizing<String>, String> {
    let kept = || env.first(&["HOME"]).map(|home| Path::new(home).join(".vault-token"));
    let given = env.first(&["BAO_TOKEN", "VAULT_TOKEN"]);
    let file = match (&place.token_file, given) {
        (Some(file), _) => file.clone(),
        (None, Some(token)) => return Ok(Zeroizing::new(token.trim().to_owned())),
        (None, None) => kept().filter(|file| file.is_file()).ok_or(
            "there is no token: set VAULT_TOKEN, name a `token_file` in the inventory, or log in by `vault login`",
        )?,
    };
    let bad = |why: &dyn std::fmt::Display| format!("its token ({}): {why}", file.display());
    let bytes = Zeroizing::new(read(&file).map_err(|error| bad(&error))?);
    let text = std::str::from_utf8(&bytes).map_err(|_| bad(&"it is no text"))?.trim();
    if text.is_empty() { Err(bad(&"there is none in it")) } else { Ok(Zeroizing::new(text.to_owned())) }
}

fn tls(ca: Option<&Path>, env: &Variables) -> Result<Tls, String> {
    let of_system = || {
        let listed = env.first(&["SSL_CERT_FILE"]).map(PathBuf::from);
        listed.or_else(|| SYSTEM_AUTHORITIES.iter().map(PathBuf::from).find(|path| path.is_file()))
    };
    let path = ca.map(Path::to_owned).or_else(of_system);
    let path = path.ok_or("this machine has no list of authorities: name one with `ca`")?;
    let bad = |error: &dyn std::fmt::Display| format!("its authorities ({}): {error}", path.display());
    let all = Certificates::parse(&read(&path).map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
    let authorities = if ca.is_some() { Authorities::chosen(all) } else { Authorities::of_system(all) };
    authorities.and_then(Tls::anonymous).map_err(|error| bad(&error))
}

#[expect(clippy::disallowed_methods, reason = "tokens and authorities are in files of this machine")]
fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::http::server::{self, Limits};

    const LIMITS: Limits =
        Limits { connections_max: 8, head: Duration::from_secs(5), whole: Duration::from_secs(5) };

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn wanted(pairs: &[(&str, &str)]) -> Result<Wanted, String> {
        let options = options(pairs);
        Wanted::of(&Asked { driver: "vault", options: &options, secret: "db", stack: "shop" })
    }

    fn variables(pairs: &[(&'static str, &str)]) -> Variables {
        Variables(pairs.iter().map(|(name, value)| (*name, Zeroizing::new((*value).to_owned()))).collect())
    }

    #[test]
    fn paths_are_those_of_the_store_and_lead_nowhere_else() {
        let path = |pairs: &[(&str, &str)]| wanted(pairs).map(|wanted| wanted.path);
        assert_eq!(path(&[("path", "a/b c")]).unwrap(), "/v1/secret/data/a/b%20c");
        assert_eq!(
            path(&[("path", "/a/?x=#"), ("kv", "1"), ("mount", "x/y")]).unwrap(),
            "/v1/x/y/a/%3Fx%3D%23"
        );
        assert_eq!(path(&[("path", "a"), ("version", "3")]).unwrap(), "/v1/secret/data/a?version=3");
        for (pairs, why) in [
            (&[("field", "x")][..], "needs the option `path`"),
            (&[("path", "a/../../sys/x")], "no path"),
            (&[("path", "a"), ("mount", "..")], "`mount` is no path"),
            (&[("path", "a//b")], "no path"),
            (&[("path", "a"), ("version", "1&x=y")], "is a number"),
            (&[("path", "a"), ("kv", "3")], "`kv` is 1 or 2"),
            (&[("path", "a"), ("address", "https://evil")], "no option `address`"),
        ] {
            let said = path(pairs).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn a_value_is_a_field_of_an_answer_of_either_version() {
        let of = |pairs: &[(&str, &str)], answer: &str| {
            let value = wanted(&[&[("path", "a")], pairs].concat()).unwrap().value_in(answer.as_bytes());
            value.map(|value| String::from_utf8(value.expose().to_vec()).unwrap())
        };
        let second = r#"{"data":{"data":{"value":"x\n","port":5432,"on":true,"list":[1],"bytes":"AGg="},"metadata":{}}}"#;
        assert_eq!(of(&[], second).unwrap(), "x\n");
        assert_eq!(of(&[("field", "port")], second).unwrap(), "5432");
        assert_eq!(of(&[("field", "on")], second).unwrap(), "true");
        assert_eq!(of(&[("field", "bytes"), ("encoding", "base64")], second).unwrap(), "\0h");
        assert_eq!(of(&[("kv", "1")], r#"{"data":{"value":"x"}}"#).unwrap(), "x");
        for (pairs, answer, why) in [
            (&[("field", "list")][..], second, "is no text"),
            (&[("field", "other")], second, "secret/a has no field `other`"),
            (&[("encoding", "base64")], second, "is no base64"),
            (&[], r#"{"data":{"data":null,"metadata":{}}}"#, "there is nothing at secret/a"),
            (&[], r#"{"data":"hunter2"}"#, "makes no sense"),
            (&[], "hunter2", "makes no sense"),
        ] {
            let said = of(pairs, answer).unwrap_err();
            assert!(said.contains(why) && !said.contains("hunter2"), "{said}");
        }
    }

    /// Speaks as the documented API does; a real server is tried where there is one: `tests/cli/stores.rs`.
    #[tokio::test]
    async fn the_token_goes_to_the_server_alone_and_refusals_say_why() {
        let answer = |request: Request<hyper::body::Incoming>| {
            let header =
                |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            let is_known = header("x-vault-token").as_deref() == Some("t0ken")
                && header("x-vault-namespace").as_deref() == Some("team")
                && header("x-vault-request").is_some();
            let (status, text) = match (is_known, request.uri().path()) {
                (false, _) => (403, r#"{"errors":["permission denied"]}"#),
                (true, "/v/v1/secret/data/db") => (200, r#"{"data":{"data":{"value":"x"}}}"#),
                (true, "/v/v1/secret/data/away") => (307, ""),
                (true, "/v/v1/secret/data/sealed") => (503, r#"{"errors":["Vault is sealed"]}"#),
                (true, _) => (404, r#"{"errors":[]}"#),
            };
            std::future::ready(server::answer(
                StatusCode::from_u16(status).unwrap(),
                "application/json",
                text.into(),
            ))
        };
        let server = server::Server::listen("127.0.0.1:0".parse().unwrap(), LIMITS, answer).await.unwrap();
        let place = VaultPlace {
            address: Some(format!("http://{}/v/", server.at())),
            namespace: Some("team".into()),
            ..VaultPlace::default()
        };
        let of = async |path: &str, token: &str| {
            let options = options(&[("path", path)]);
            let asked = Asked { driver: "vault", options: &options, secret: "db", stack: "shop" };
            let value = ask(asked, &place, &variables(&[("VAULT_TOKEN", token)])).await;
            value.map(|value| String::from_utf8(value.expose().to_vec()).unwrap())
        };
        assert_eq!(of("db", "t0ken").await.unwrap(), "x");
        for (path, token, why) in [
            ("db", "hunter2", "does not let this token read secret/db: permission denied"),
            ("none", "t0ken", "has nothing at secret/none; this asks version 2"),
            ("away", "t0ken", "another server, which does not get the token"),
            ("sealed", "t0ken", "is sealed, or not ready: Vault is sealed"),
            ("db", "a\nb", "the token has characters that none has"),
        ] {
            let said = of(path, token).await.unwrap_err();
            assert!(said.contains(why) && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn a_server_is_named_by_the_inventory_or_by_the_variables_of_its_own_client() {
        let of = |address: Option<&str>, env: &[(&'static str, &str)]| {
            let place = VaultPlace { address: address.map(str::to_owned), ..VaultPlace::default() };
            let server = Server::of(&place, &variables(env))?;
            Ok::<_, String>((server.authority, server.port, server.prefix))
        };
        let token = ("VAULT_TOKEN", "x");
        let own = |authority: &str, port, prefix: &str| Ok((authority.to_owned(), port, prefix.to_owned()));
        assert_eq!(of(Some("http://127.0.0.1:8200"), &[token]), own("127.0.0.1:8200", 8200, ""));
        assert_eq!(of(None, &[token, ("VAULT_ADDR", "http://[::1]/a/")]), own("[::1]", 80, "/a"));
        let both = [token, ("VAULT_ADDR", "http://a"), ("BAO_ADDR", "http://localhost")];
        assert_eq!(of(None, &both), own("localhost", 80, ""));
        for (address, env, why) in [
            (None, &[token][..], "names a server"),
            (Some("http://vault.example.com"), &[token], "no token is sent without TLS"),
            (Some("http://10.0.0.1:8200"), &[token], "no token is sent without TLS"),
            (Some("http://127.0.0.1:x"), &[token], "no number"),
            (Some("https://a:b@c"), &[token], "more or less"),
            (Some("http://localhost"), &[], "there is no token"),
            (Some("http://localhost"), &[("HOME", "/nowhere")], "there is no token"),
        ] {
            let said = of(address, env).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
