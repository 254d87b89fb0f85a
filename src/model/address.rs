//! Addresses as messages show them: people put passwords into addresses, and CI prints messages where many read them.

use std::ops::Range;

/// Schemes before whose hosts a name alone is that of a user. Elsewhere it may be a token.
const WITH_USERS: [&str; 3] = ["ssh", "etcd", "zookeeper"];
/// What names of options that hold a secret have in them.
const SECRETS: [&str; 7] = ["auth", "credential", "key", "pass", "pwd", "secret", "token"];

/// The scheme of an address, in small letters, and where what follows it begins.
#[must_use]
pub fn scheme(address: &str) -> (String, usize) {
    match address.find("://") {
        Some(at) => (address[..at].trim_start_matches(['"', '\'']).to_ascii_lowercase(), at + 3),
        None => (String::new(), 0),
    }
}

/// Where an address has a login that may be secret, up to its `@`.
#[must_use]
pub fn login(address: &str) -> Option<Range<usize>> {
    let (scheme, from) = scheme(address);
    let at = address.rfind('@').filter(|at| *at > from)?;
    let names_user = scheme.is_empty() || WITH_USERS.contains(&scheme.as_str());
    (!names_user || address[from..at].contains(':')).then_some(from..at)
}

/// An address without its login, if that may be secret, and without what follows `?`.
#[must_use]
pub fn shown(address: &str) -> String {
    let (_, from) = scheme(address);
    // A `?` may be part of a password.
    let end = address.rfind('@').filter(|at| *at > from).unwrap_or(from);
    let plain = &address[..address[end..].find('?').map_or(address.len(), |at| end + at)];
    match login(plain) {
        Some(login) => format!("{}{}", &plain[..login.start], &plain[login.end + 1..]),
        None => plain.to_owned(),
    }
}

/// An address, of which what follows `?` stays but for the values of options that hold a secret, by their names: it may say
/// which of several things is meant.
#[must_use]
pub fn without_secret_options(address: &str) -> String {
    let Some((place, query)) = address.split_once('?') else { return address.to_owned() };
    let shown = query.split('&').map(|option| match option.split_once('=') {
        Some((name, _)) if SECRETS.iter().any(|secret| name.to_ascii_lowercase().contains(secret)) => {
            format!("{name}=…")
        }
        _ => option.to_owned(),
    });
    format!("{place}?{}", shown.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_neither_login_nor_query_is_shown() {
        for (address, plain) in [
            ("tcp://ann:hush@10.0.0.1:2375", "tcp://10.0.0.1:2375"),
            ("https://hush@h1/a?token=hush", "https://h1/a"),
            ("TCP://h1?hush", "TCP://h1"),
            ("etcds://ann:hu@sh@h1/a", "etcds://h1/a"),
            ("tcp://ann:hu?sh@h1?hush", "tcp://h1"),
            ("ssh://ann@h1", "ssh://ann@h1"),
            ("ssh://ann:hush@h1", "ssh://h1"),
            ("ann:hush@h1", "h1"),
            ("ann@h1", "ann@h1"),
            ("volume", "volume"),
            ("file://here", "file://here"),
        ] {
            assert_eq!(shown(address), plain);
        }
    }

    #[test]
    fn options_that_name_no_secret_stay() {
        let options = "https://h1/git?repo=a&Access_Token=hush&x";
        assert_eq!(without_secret_options(options), "https://h1/git?repo=a&Access_Token=…&x");
        assert_eq!(without_secret_options("/srv/a.git"), "/srv/a.git");
    }
}
