//! The login that an address of a repository holds: given to git for one call, through the environment.
//!
//! Git passes an address to programs of its own as an argument, which every user of the machine can read, and a
//! mirror's files stay. So the address that git is given has no login, and the login is in no file.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

/// Prints the login as git asks for it. Its words are an argument, and hold names of variables only.
const HELPER: &str = "!f() { test \"$1\" != get || printf 'username=%s\\npassword=%s\\n' \
                      \"$LOGIN_USER\" \"$LOGIN_PASSWORD\"; }; f";

/// A user and a password, and the server that they are for.
#[derive(PartialEq, Eq)]
pub(super) struct Login {
    /// Scheme and host.
    server: String,
    user: OsString,
    password: OsString,
}

impl Login {
    /// Settings of git. No other credential helper is asked: this is the login that was given. Nor is this one for
    /// another server, such as one that the first redirects to.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        let key = format!("credential.{}.helper", self.server);
        vec![(key.clone(), String::new()), (key, HELPER.to_owned())]
    }

    /// The variables that the helper reads.
    pub(super) fn variables(&self) -> [(&'static str, &OsString); 2] {
        [("LOGIN_USER", &self.user), ("LOGIN_PASSWORD", &self.password)]
    }
}

/// Splits the login from an HTTP address.
pub(super) fn parted(url: &str) -> (Cow<'_, str>, Option<Login>) {
    let apart = || {
        let (scheme, rest) = url.split_once("://")?;
        let is_http = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (login, host) = authority.rsplit_once('@')?;
        // A user name alone is no secret, and a helper needs it to choose the password.
        let (user, password) = login.split_once(':').filter(|_| is_http)?;
        let server = format!("{scheme}://{host}");
        let plain = format!("{server}{path}");
        Some((plain, Login { server, user: decoded(user), password: decoded(password) }))
    };
    match apart() {
        Some((url, login)) => (url.into(), Some(login)),
        None => (url.into(), None),
    }
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
    use std::io::Write as _;
    use std::process::Stdio;

    use super::super::command::{Reach, command};
    use super::*;

    #[test]
    fn a_login_is_no_part_of_an_address() {
        for (url, plain, login) in [
            ("https://x:t0k@h/a.git", "https://h/a.git", Some(("https://h", "x", "t0k"))),
            ("http://x:t%40%0ak%zz:@h:8080", "http://h:8080", Some(("http://h:8080", "x", "t@k%zz:"))),
            ("https://h/a@b:c", "https://h/a@b:c", None),
            ("https://ann@h/a", "https://ann@h/a", None),
            ("ssh://git:x@h/a", "ssh://git:x@h/a", None),
            ("git@h:a.git", "git@h:a.git", None),
            ("/srv/a.git", "/srv/a.git", None),
        ] {
            let (found, apart) = parted(url);
            let login = login.map(|(server, user, password)| Login {
                server: server.to_owned(),
                user: user.into(),
                password: password.into(),
            });
            assert!(&*found == plain && apart == login, "{url}");
        }
    }

    #[test]
    fn only_the_server_of_the_address_gets_the_login() {
        let (_, login) = parted("https://ann:it's%20%22$x\\n@git.example.com:8443/a.git");
        let login = login.unwrap();
        let asked = |host: &str| {
            let mut git = command(Reach::Network, &login.settings());
            git.envs(login.variables()).args(["credential", "fill"]);
            git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut git = git.spawn().unwrap();
            let mut ask = git.stdin.take().unwrap();
            write!(ask, "protocol=https\nhost={host}\n\n").unwrap();
            drop(ask);
            String::from_utf8(git.wait_with_output().unwrap().stdout).unwrap()
        };
        let said = asked("git.example.com:8443");
        assert!(said.contains("username=ann\npassword=it's \"$x\\n\n"), "{said}");
        for host in ["git.example.com", "other.example.com:8443"] {
            assert!(!asked(host).contains("it's"), "{host}");
        }
    }
}
