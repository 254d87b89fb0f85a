//! From a Consul's address to what is needed to speak with it: the files and the token it names.

use std::sync::Arc;

use http::HeaderValue;

use super::client::Client;
use crate::ledger::access::{OpenError, secret, tls, unfit};
use crate::ledger::place::ConsulPlace;

/// Makes ready to speak. Nothing is sent yet.
pub fn open(place: &ConsulPlace, env: impl Fn(&str) -> Option<String>) -> Result<Arc<Client>, OpenError> {
    if place.tells_token {
        return Err(OpenError::TokenInAddress);
    }
    let token = match &place.token {
        None => None,
        Some(from) => {
            let text = secret("token", from, env)?;
            let token = HeaderValue::from_str(text.trim());
            let mut token = token.map_err(|_| unfit("token", from, "it is no token"))?;
            token.set_sensitive(true);
            Some(token)
        }
    };
    let tls = tls(place.ca.as_deref(), place.cert.as_deref(), place.key.as_deref())?;
    Ok(Arc::new(Client::new(place, tls, token)))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the files it names")]
mod tests {
    use super::*;
    use crate::ledger::place::LedgerPlace;

    fn opened(text: &str) -> Result<(), String> {
        let LedgerPlace::Consul(place) = LedgerPlace::parse(text).unwrap() else { panic!("{text}") };
        let env = |name: &str| match name {
            "TOKEN" => Some("hush".to_owned()),
            "BAD" => Some("hu\u{7}sh".to_owned()),
            _ => None,
        };
        open(&place, env)
            .map(|client| assert!(!format!("{client:?}").contains("hush")))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_is_read_from_its_source_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "hush\n").unwrap();
        assert_eq!(opened("consul://h1?token-env=TOKEN"), Ok(()));
        assert_eq!(opened(&format!("consul://h1?token-file={}", file.display())), Ok(()));
        for (text, word) in [
            ("consul://hush@h1/a", "has a token in it"),
            ("consul://h1/a?token=hush", "has a token in it"),
            ("consul://h1?token-env=NONE", "token (variable NONE) cannot be used: it is not set"),
            ("consul://h1?token-env=BAD", "token (variable BAD) cannot be used: it is no token"),
            ("consul://h1?token-file=/nowhere", "token (/nowhere) cannot be used: No such file"),
            ("consul://h1?ca=/nowhere", "ca (/nowhere) cannot be used: No such file"),
        ] {
            let error = opened(text).unwrap_err();
            assert!(error.contains(word) && !error.contains("hu"), "{text}: {error}");
        }
    }
}
