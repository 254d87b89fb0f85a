//! A session with ZooKeeper, opened when it is first needed and again when it has expired.
//!
//! The session plays the part of etcd's lease keys: ephemeral znodes vanish when ZooKeeper has had no contact
//! for the session timeout. The session is not closed when this process exits, because its last request may
//! still be in flight.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use zookeeper_client::{Acls, Client, Connector, CreateMode, CreateOptions, Error, SessionState};

use crate::ledger::access::{OpenError, secret};
use crate::ledger::place::ZookeeperPlace;

/// Session timeout: longer than any lease's TTL.
pub(super) const SESSION: Duration = Duration::from_secs(40);
/// A member that says nothing for so long is left for another one.
const IDLE: Duration = Duration::from_millis(2_000);
/// One call, whichever members are asked.
const CALL_LIMIT: Duration = Duration::from_millis(6_000);
/// Before it is tried again.
const PAUSE: Duration = Duration::from_millis(150);

/// Speaks with one ZooKeeper.
pub struct Session {
    place: ZookeeperPlace,
    /// `user:password`. Never shown.
    login: Option<String>,
    client: Mutex<Option<Client>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Makes ready to speak. Nothing is sent yet.
pub fn open(place: &ZookeeperPlace, env: impl Fn(&str) -> Option<String>) -> Result<Session, OpenError> {
    if place.tells_password {
        return Err(OpenError::PasswordInAddress);
    }
    let login = match (&place.user, &place.password) {
        (Some(user), Some(from)) => Some(format!("{user}:{}", secret("password", from, env)?)),
        _ => None,
    };
    Ok(Session { place: place.clone(), login, client: Mutex::default() })
}

impl Session {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &ZookeeperPlace {
        &self.place
    }

    /// How znodes are created: readable by us alone where we log in.
    pub(super) fn options(&self, mode: CreateMode) -> CreateOptions<'static> {
        mode.with_acls(if self.login.is_some() { Acls::creator_all() } else { Acls::anyone_all() })
    }

    async fn client(&self) -> Result<Client, Error> {
        let mut current = self.client.lock().await;
        let is_over = |client: &Client| {
            matches!(client.state(), SessionState::Expired | SessionState::Closed | SessionState::AuthFailed)
        };
        if let Some(client) = current.as_ref().filter(|client| !is_over(client)) {
            return Ok(client.clone());
        }
        let mut connector: Connector = Client::connector()
            .with_session_timeout(SESSION)
            .with_connection_timeout(IDLE)
            .with_fail_eagerly()
            .with_detached();
        if let Some(login) = &self.login {
            connector = connector.with_auth("digest", login.as_bytes());
        }
        let client = connector.connect(&self.place.members_text()).await?;
        if client.session_timeout() < SESSION {
            let most = client.session_timeout().as_secs();
            return Err(Error::UnexpectedError(format!(
                "its sessions last {most} s at most, and {} s are needed: set maxSessionTimeout",
                SESSION.as_secs()
            )));
        }
        *current = Some(client.clone());
        Ok(client)
    }

    /// Has ZooKeeper do something that may be done twice. What went wrong on the way is tried again.
    pub(super) async fn ask<T, F, A>(&self, what: F) -> Result<T, Error>
    where
        F: Fn(Client) -> A,
        A: Future<Output = Result<T, Error>>,
    {
        let mut last = None;
        let trying = async {
            loop {
                let done = match self.client().await {
                    Ok(client) => what(client).await,
                    Err(error) => Err(error),
                };
                match done {
                    Err(error) if is_passing(&error) => last = Some(error),
                    done => return done,
                }
                sleep(PAUSE).await;
            }
        };
        let done = timeout(CALL_LIMIT, trying).await;
        done.unwrap_or_else(|_| Err(last.unwrap_or(Error::Timeout)))
    }
}

/// Whether another member, or a later moment, may do better.
fn is_passing(error: &Error) -> bool {
    matches!(
        error,
        Error::NoHosts
            | Error::Timeout
            | Error::ConnectionLoss
            | Error::SessionExpired
            | Error::SessionMoved
            | Error::ClientClosed
            | Error::NotReadOnly
            | Error::Throttled
    )
}

/// The error as shown to the user.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::NoHosts | Error::ConnectionLoss | Error::Timeout => {
            "none of its members answers for a majority".to_owned()
        }
        Error::NoAuth | Error::AuthFailed => {
            "we may not: user and password are not those that made it".to_owned()
        }
        other => other.to_string(),
    }
}
