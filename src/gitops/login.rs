//! The login that an address of a repository holds: given to git for one call, through the environment.
//!
//! Git passes an address to programs of its own as an argument, which every user of the machine can read, and a
//! mirror's files stay. So the address that git is given has no login, and the login is in no file.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

/// Prints the login as git asks for it. Its words are an argument, and hold names of variables only.
const WITH_PASSWORD: &str = "!f() { test \"$1\" != get || printf 'username=%s\\npassword=%s\\n' \
                      \"$LOGIN_USER\" \"$LOGIN_PASSWORD\"; }; f";
/// Asks the user's own helpers for the password, as if the address had the user in it. The last of them answers with an
/// empty one, as a token wants it: git would else ask a program, with the user in its arguments. What git was let in with
/// is not passed on to be stored: a helper such as `store` writes it into a file, and the user may be a token.
const USER_ALONE: &str = "!f() { case \"$1\" in get) set fill;; erase) set reject;; *) return;; \
                          esac; { cat; printf 'username=%s\\n' \"$LOGIN_USER\"; } | \
                          GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=credential.helper \
                          GIT_CONFIG_VALUE_0='!f() { test \"$1\" != get || echo password=; }; f' \
                          git credential \"$1\"; }; f";

/// A user and a password, and the server that they are for.
#[derive(PartialEq, Eq)]
pub(super) struct Login {
    /// Scheme and host.
    server: String,
    user: OsString,
    /// `None` if the address has a user only: the name of a user, or a token.
    password: Option<OsString>,
}

impl Login {
    /// Settings of git. With a password, no other credential helper is asked: this is the login that was given. Nor is
    /// this one for another server, such as one that the first redirects to.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        let key = format!("credential.{}.helper", self.server);
        let helper = if self.password.is_some() { WITH_PASSWORD } else { USER_ALONE };
        vec![(key.clone(), String::new()), (key, helper.to_owned())]
    }

    /// The variables that the helper reads.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&'static str, &OsString)> {
        let password = self.password.iter().map(|password| ("LOGIN_PASSWORD", password));
        std::iter::once(("LOGIN_USER", &self.user)).chain(password)
    }
}

/// Splits the login from an HTTP address.
pub(super) fn parted(url: &str) -> (Cow<'_, str>, Option<Login>) {
    let apart = || {
        let (scheme, rest) = url.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (login, host) = authority.rsplit_once('@')?;
        // A user name alone is often a token.
        let (user, password) =
            login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
        let server = format!("{scheme}://{host}");
        let plain = format!("{server}{path}");
        Some((plain, Login { server, user: decoded(user), password: password.map(decoded) }))
    };
    match apart() {
        Some((url, login)) => (url.into(), Some(login)),
        None => (url.into(), None),
    }
}

/// Whether an HTTP address may hold a login that ends behind what looks like the end of the host: it has an `@` behind a
/// `/`, a `#` or a `?` that a password or a token may contain. Git and others would take a part of it for the host, the path
/// or the branch, and show it.
pub(super) fn is_unclear(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return false;
    }
    let Some(end) = rest.find(['/', '#', '?']) else { return false };
    let (authority, mut after) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    if port.is_some_and(|port| !port.is_empty() && port.parse::<u16>().is_err()) {
        return after.contains('@');
    }
    let is_a_host = |name: &str| name == "localhost" || name.starts_with('[') || name.contains('.');
    let is_surely_a_host = is_a_host(name) && port.is_none();
    // The name of a branch or a tag may have an `@` as well, and knows no escapes.
    if is_surely_a_host && after.starts_with('/') {
        after = after.split('#').next().unwrap_or(after);
    }
    after.match_indices('@').any(|(at, _)| {
        let Some((host, path)) = after[at + 1..].split_once('/') else { return false };
        let name = host.split(':').next().unwrap_or(host);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '[');
        !path.is_empty() && name.starts_with(is_plain) && (!is_surely_a_host || is_a_host(name))
    })
}

/// Without the escapes of an address. Bytes that end a line or a variable are in no login.
fn decoded(text: &str) -> OsString {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits =
            after.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = &after[if byte.is_some() { 2 } else { 0 }..];
    }
    bytes.retain(|byte| !matches!(byte, b'\n' | b'\r' | 0));
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::Stdio;

    use super::super::command::{Reach, command};
    use super::*;

    #[test]
    fn a_login_is_no_part_of_an_address() {
        for (url, plain, login) in [
            ("https://x:t0k@h/a.git", "https://h/a.git", Some(("https://h", "x", Some("t0k")))),
            ("http://x:t%40%0ak%zz:@h:8080", "http://h:8080", Some(("http://h:8080", "x", Some("t@k%zz:")))),
            ("https://h/a@b:c", "https://h/a@b:c", None),
            ("https://t0k@h/a", "https://h/a", Some(("https://h", "t0k", None))),
            ("ssh://git@h/a", "ssh://git@h/a", None),
            ("ssh://git:x@h/a", "ssh://git:x@h/a", None),
            ("git@h:a.git", "git@h:a.git", None),
            ("/srv/a.git", "/srv/a.git", None),
        ] {
            let (found, apart) = parted(url);
            let login = login.map(|(server, user, password)| Login {
                server: server.to_owned(),
                user: user.into(),
                password: password.map(Into::into),
            });
            assert!(&*found == plain && apart == login, "{url}");
        }
    }

    #[test]
    fn an_address_whose_login_may_end_elsewhere_is_unclear() {
        for url in [
            "https://ann:pa/ss@git.example.com/x.git",
            "https://ann:pa#ss@git.example.com/x.git",
            "https://ann:pa?ss@git.example.com/x.git",
            "HTTP://ann:12/34@git.example.com/x.git#main",
            "https://ann:pa/ss@h",
            "https://to/ken@git.example.com/x.git",
            "https://to#ken@git.example.com:8443/x.git",
            "https://to.k/en@git.example.com/x.git",
            "https://ann:p@s/word@git/x.git",
            "https://a/b@h/@c/x.git",
        ] {
            assert!(is_unclear(url), "{url}");
        }
        for url in [
            "https://ann:pass@git.example.com/x.git",
            "https://ann:p%2Fa%23%40@git.example.com:8443/x.git#main",
            "https://token@git.example.com/@scope/x.git",
            "https://git.example.com/@scope/x.git",
            "https://git.example.com/x.git#@scope/app@1.2.3",
            "https://git.example.com/x.git#renovate/app@1.2/x",
            "https://[fe80::1]:8443/x.git",
            "https://git/x.git#app@1.2.3",
            "ssh://git@h/a@b/c",
            "git@h:a/b@c/d.git",
            "/srv/a@b/c.git",
        ] {
            assert!(!is_unclear(url), "{url}");
        }
    }

    /// What git would send to a server, where the user has this configuration.
    fn asked(login: &Login, host: &str, config: &str) -> String {
        let mut git = command(Reach::Network, &login.settings());
        git.envs(login.variables()).args(["credential", "fill"]).env("GIT_CONFIG_GLOBAL", config);
        git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut git = git.spawn().unwrap();
        let mut ask = git.stdin.take().unwrap();
        write!(ask, "protocol=https\nhost={host}\n\n").unwrap();
        drop(ask);
        String::from_utf8(git.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn only_the_server_of_the_address_gets_the_login() {
        let (_, login) = parted("https://ann:it's%20%22$x\\n@git.example.com:8443/a.git");
        let login = login.unwrap();
        let asked = |host: &str| asked(&login, host, "/dev/null");
        let said = asked("git.example.com:8443");
        assert!(said.contains("username=ann\npassword=it's \"$x\\n\n"), "{said}");
        for host in ["git.example.com", "other.example.com:8443"] {
            assert!(!asked(host).contains("it's"), "{host}");
        }
    }

    #[test]
    fn the_helpers_of_the_user_know_the_password_of_a_user_alone() {
        let (_, login) = parted("https://t%200k@git.example.com/a.git");
        let login = login.unwrap();
        let room = tempfile::tempdir().unwrap();
        let config = room.path().join("config");
        let said = |text: &str| {
            #[expect(clippy::disallowed_methods, reason = "git reads a file")]
            std::fs::write(&config, text).unwrap();
            asked(&login, "git.example.com", config.to_str().unwrap())
        };
        let helper = "helper = \"!f() { test $1 != get || { grep -q '^username=t 0k$' && echo password=known; }; }; f\"\n";
        for section in [
            "credential",
            "credential \"https://git.example.com\"",
            "credential \"https://t%200k@git.example.com\"",
        ] {
            let said = said(&format!("[{section}]\n{helper}"));
            assert!(said.contains("username=t 0k\npassword=known\n"), "{section}: {said}");
        }
        for none in ["", "[credential]\nusername = other\nhelper = false\n"] {
            let said = said(none);
            assert!(said.contains("username=t 0k\npassword=\n"), "{none}: {said}");
        }
        assert!(!asked(&login, "other.example.com", "/dev/null").contains("0k"));
    }

    /// A server that lets any login in.
    fn server() -> std::net::SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = String::new();
                let mut lines = BufReader::new(&stream);
                while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head).is_ok_and(|read| read > 0) {}
                let is_in = head.to_lowercase().contains("\r\nauthorization: basic ");
                let status = if is_in { "200 Ok" } else { "401 Who\r\nwww-authenticate: Basic realm=\"x\"" };
                let refs = format!("{}\trefs/heads/main\n", "a".repeat(40));
                let body = if head.contains("/HEAD") { "ref: refs/heads/main\n" } else { &refs };
                let length = body.len();
                let _gone = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
            }
        });
        at
    }

    /// Git itself asks its helpers to store a login that a server takes.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "git reads and writes files")]
    fn a_helper_of_the_user_that_stores_logins_gets_none() {
        let at = server();
        let room = tempfile::tempdir().unwrap();
        let (config, stored) = (room.path().join("config"), room.path().join("stored"));
        for login in ["hunter2", "ann:hunter2"] {
            let whole = format!("http://{login}@{at}/ops.git");
            let (url, apart) = parted(&whole);
            let apart = apart.unwrap();
            for section in
                ["credential", &format!("credential \"http://{at}\""), &format!("credential \"{url}\"")]
            {
                let helper = format!("store --file={}", stored.display());
                std::fs::write(&config, format!("[{section}]\n\thelper = \"{helper}\"\n")).unwrap();
                let mut git = command(Reach::Network, &apart.settings());
                git.envs(apart.variables()).args(["ls-remote", &url]).env("GIT_CONFIG_GLOBAL", &config);
                let done = git.output().unwrap();
                let said = String::from_utf8_lossy(&done.stdout);
                assert!(said.contains("refs/heads/main"), "{section} {done:?}");
                assert!(!stored.exists(), "{login} {section}: {:?}", std::fs::read_to_string(&stored));
            }
        }
    }
}
