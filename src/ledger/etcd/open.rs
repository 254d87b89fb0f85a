//! From an etcd's address to what is needed to speak with it: the files and the password it names.

use std::sync::Arc;

use super::client::{Client, Login};
use crate::ledger::access::{OpenError, secret, tls};
use crate::ledger::place::EtcdPlace;

/// Makes ready to speak. Nothing is sent yet.
pub fn open(place: &EtcdPlace, env: impl Fn(&str) -> Option<String>) -> Result<Arc<Client>, OpenError> {
    if place.tells_password {
        return Err(OpenError::PasswordInAddress);
    }
    let login = match (&place.user, &place.password) {
        (Some(user), Some(from)) => {
            Some(Login { user: user.clone(), password: secret("password", from, env)? })
        }
        _ => None,
    };
    Ok(Arc::new(Client::new(
        place,
        tls(place.ca.as_deref(), place.cert.as_deref(), place.key.as_deref())?,
        login,
    )))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the files it names")]
mod tests {
    use super::super::super::place::LedgerPlace;
    use super::*;

    fn opened(text: &str) -> Result<(), String> {
        let LedgerPlace::Etcd(place) = LedgerPlace::parse(text).unwrap() else { panic!("{text}") };
        let env = |name: &str| (name == "PW").then(|| "hush".to_owned());
        open(&place, env)
            .map(|client| assert!(!format!("{client:?}").contains("hush")))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn what_an_address_names_has_to_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (empty, pw) = (file("empty", "\n"), file("pw", "hush\n"));
        assert_eq!(opened("etcd://ann@h1?password-env=PW"), Ok(()));
        assert_eq!(opened(&format!("etcd://ann@h1?password-file={pw}")), Ok(()));
        for (text, word) in [
            ("etcd://ann:hush@h1".to_owned(), "has a password in it"),
            (
                "etcd://ann@h1?password-env=NONE".to_owned(),
                "password (variable NONE) cannot be used: it is not set",
            ),
            (format!("etcd://ann@h1?password-file={empty}"), "its first line is empty"),
            ("etcd://h1?ca=/nowhere/ca".to_owned(), "ca (/nowhere/ca) cannot be used: No such file"),
            (format!("etcd://h1?ca={pw}"), "there is no certificate in it"),
        ] {
            let error = opened(&text).unwrap_err();
            assert!(error.contains(word) && !error.contains("hush"), "{text}: {error}");
        }
    }
}
