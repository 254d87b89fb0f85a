//! The digest that a tag points to right now: looked up through an engine, which can reach the registry.
//!
//! Each image is asked for once, whatever the platforms: the answer lists them all. Where the host has no way to the
//! registry the next one is asked; a registry that has had too many requests is not asked again for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::model::image::ImageRef;
use crate::model::image::Resolved;
use crate::model::spec::Platform;

use super::auth::{Credentials, Login, Sent, server_of};
use super::docker::client::{CallError, Engine, Reader};
use super::docker::refusal::{Refusal, essence};
use super::docker::wire;

/// For all look-ups together: they run side by side.
const RESOLVE_LIMIT: Duration = Duration::from_secs(10);
/// For so long one host is asked alone: then the next one is, too.
const PATIENCE: Duration = Duration::from_secs(3);
/// For so long a registry that has had too many requests is left alone.
const REST: Duration = Duration::from_secs(30);

/// What is remembered of registries from one plan to the next.
#[derive(Debug, Default)]
pub(super) struct Registries {
    /// Those that have had too many requests: until when they are left alone, and what they said.
    resting: Mutex<BTreeMap<String, (Instant, Miss)>>,
}

/// Why an image has no digest.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Miss {
    refusal: Option<Refusal>,
    why: String,
}

/// Looks all images up. Each gets its own answer or error.
pub(super) async fn resolve(
    engines: &[&Reader],
    credentials: &Credentials,
    registries: &Registries,
    images: &BTreeSet<String>,
) -> BTreeMap<String, Result<Resolved, String>> {
    let mut answers = BTreeMap::new();
    let mut of_registry: BTreeMap<String, Vec<(&str, ImageRef)>> = BTreeMap::new();
    for image in images {
        match ImageRef::parse(image) {
            Ok(parsed) => of_registry.entry(parsed.domain.clone()).or_default().push((image, parsed)),
            Err(error) => {
                answers.insert(image.clone(), Err(error.to_string()));
            }
        }
    }
    let asks = of_registry.iter().map(|(domain, images)| async move {
        if let Some(miss) = registries.resting(domain) {
            return images.iter().map(|(image, _)| (*image, Err(miss.clone()))).collect();
        }
        let found = of_one(engines, credentials, images).await;
        registries.note(domain, &found);
        found
    });
    for (image, found) in join_all(asks).await.into_iter().flatten() {
        answers.insert(image.to_owned(), found.map_err(|miss| miss.why));
    }
    answers
}

impl Registries {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, Miss)>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resting(&self, domain: &str) -> Option<Miss> {
        let resting = self.lock();
        let (until, miss) = resting.get(domain)?;
        (Instant::now() < *until).then(|| miss.clone())
    }

    fn note(&self, domain: &str, found: &[(&str, Result<Resolved, Miss>)]) {
        let misses = found.iter().filter_map(|(_, found)| found.as_ref().err());
        let too_many = misses.clone().find(|miss| miss.refusal == Some(Refusal::TooManyRequests));
        if let Some(miss) = too_many {
            self.lock().insert(domain.to_owned(), (Instant::now() + REST, miss.clone()));
        }
    }
}

/// Looks images of one registry up, all at once: a round each would be what people wait for.
async fn of_one<'i>(
    engines: &[&Reader],
    credentials: &Credentials,
    images: &'i [(&'i str, ImageRef)],
) -> Vec<(&'i str, Result<Resolved, Miss>)> {
    let Some((_, first)) = images.first() else { return Vec::new() };
    // A helper has a limit of its own, which is none of the registry's.
    let (header, sent) = credentials.header(first).await;
    let headers: Vec<_> = header.into_iter().collect();
    let mut found = look_all_up(engines, &headers, &sent, images.iter()).await;
    let wants = |found: &Result<Resolved, Miss>| {
        let miss = found.as_ref().err();
        miss.is_some_and(|miss| miss.refusal.is_some_and(Refusal::wants_credentials))
    };
    if !sent.were_sent
        && found.iter().any(|(_, found)| wants(found))
        && let Some(header) = credentials.of_cluster(first).await
    {
        let sent = Sent { were_sent: true, why_none: None };
        let wanting =
            images.iter().zip(&found).filter(|(_, (_, found))| wants(found)).map(|(image, _)| image);
        let again = look_all_up(engines, &[header], &sent, wanting).await;
        let mut again: BTreeMap<_, _> = again.into_iter().collect();
        for (image, found) in &mut found {
            if let Some(other) = again.remove(image) {
                *found = other;
            }
        }
    }
    found
}

async fn look_all_up<'i>(
    engines: &[&Reader],
    headers: &[(http::HeaderName, http::HeaderValue)],
    sent: &Sent,
    images: impl Iterator<Item = &'i (&'i str, ImageRef)>,
) -> Vec<(&'i str, Result<Resolved, Miss>)> {
    let until = Instant::now() + RESOLVE_LIMIT;
    let all = images.map(|(image, parsed)| async move {
        let found = timeout_at(until, look_up(engines, headers, sent, parsed)).await;
        (*image, found.unwrap_or_else(|_| Err(late())))
    });
    join_all(all).await
}

/// Why a login was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The registry says no.
    #[error("registry {registry} does not take these credentials: {why}")]
    Refused { registry: String, why: String },
    /// No host could ask.
    #[error("registry {registry} was not asked: {why}")]
    NotAsked { registry: String, why: String },
}

/// Has a registry say whether it takes a login: one engine after the other asks it, until one gets an answer.
pub(super) async fn check(engines: &[&Engine], registry: &str, login: &Login) -> Result<(), LoginError> {
    let body = json!({
        "username": login.username,
        "password": String::from_utf8_lossy(login.password.expose()),
        "serveraddress": server_of(registry),
    });
    let (registry, mut why) = (registry.to_owned(), "no host answers".to_owned());
    for engine in engines {
        match engine.post::<serde_json::Value>("/auth", &body, RESOLVE_LIMIT).await {
            Ok(_) => return Ok(()),
            Err(error) => {
                let words = essence(error.to_string().trim()).to_owned();
                let refusal = Refusal::of(&error, true);
                if refusal
                    .is_some_and(|refusal| matches!(refusal, Refusal::CredentialsRefused | Refusal::Denied))
                {
                    return Err(LoginError::Refused { registry, why: words });
                }
                why = words;
            }
        }
    }
    Err(LoginError::NotAsked { registry, why })
}

fn late() -> Miss {
    let why = format!("{}: no answer within {} s", Refusal::Slow.words(), RESOLVE_LIMIT.as_secs());
    Miss { refusal: Some(Refusal::Slow), why }
}

/// Asks one engine after the other until one has an answer of the registry: the next one where the host has no way there,
/// and beside the others where they let us wait.
async fn look_up(
    engines: &[&Reader],
    headers: &[(http::HeaderName, http::HeaderValue)],
    sent: &Sent,
    image: &ImageRef,
) -> Result<Resolved, Miss> {
    let path = format!("/distribution/{}/json", reference(image));
    let ask = |at: usize| {
        let path = &path;
        async move { engines[at].get_with::<wire::Distribution>(path, headers, RESOLVE_LIMIT).await }
    };
    let mut left = (0..engines.len()).map(ask);
    let mut asked = FuturesUnordered::new();
    let mut last = Miss { refusal: None, why: "no host answers".to_owned() };
    asked.extend(left.next());
    let mut patience = Instant::now() + PATIENCE;
    loop {
        tokio::select! {
            answer = asked.next() => match answer {
                None => return Err(last),
                Some(Ok(answer)) => return Ok(resolved(answer)),
                Some(Err(error)) => {
                    last = missed(&error, sent);
                    // Nor does an engine that is silent itself stop the next one.
                    let is_of_the_way = last.refusal.is_some_and(Refusal::is_of_the_way);
                    if !is_of_the_way && !matches!(error, CallError::Transport(_)) {
                        return Err(last);
                    }
                    asked.extend(left.next());
                    patience = Instant::now() + PATIENCE;
                }
            },
            () = sleep_until(patience) => {
                asked.extend(left.next());
                patience = Instant::now() + PATIENCE;
            }
        }
    }
}

/// What a look-up came to, in words: what an engine cannot reach is left to [`brief`](crate::orchestrator::pin::brief).
fn missed(error: &CallError, sent: &Sent) -> Miss {
    let words = error.to_string();
    let refusal = Refusal::of(error, sent.were_sent);
    let why = match refusal {
        None => words,
        Some(Refusal::Unreachable) if words.contains("dial tcp") => words,
        Some(Refusal::CredentialsMissing) => match &sent.why_none {
            Some(why) => format!("{}: {why}", Refusal::CredentialsMissing.words()),
            None => Refusal::CredentialsMissing.words().to_owned(),
        },
        Some(refusal) => match essence(words.trim()).trim_end_matches([':', ' ']) {
            "" => refusal.words().to_owned(),
            words => format!("{}: {words}", refusal.words()),
        },
    };
    Miss { refusal, why }
}

/// With the tag that a pull would take; a digest counts for more.
fn reference(image: &ImageRef) -> String {
    match (&image.digest, image.effective_tag()) {
        (Some(digest), _) => format!("{}@{digest}", image.familiar_name()),
        (None, Some(tag)) => format!("{}:{tag}", image.familiar_name()),
        (None, None) => image.familiar_name(),
    }
}

fn resolved(answer: wire::Distribution) -> Resolved {
    let mut platforms: Vec<Platform> = answer
        .platforms
        .into_iter()
        // Attestations are listed as manifests of an unknown platform.
        .filter(|platform| platform.os != "unknown" && !platform.os.is_empty())
        .map(|platform| Platform { os: platform.os, architecture: platform.architecture })
        .collect();
    platforms.sort();
    platforms.dedup();
    Resolved { digest: answer.descriptor.digest, platforms }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Answer, FakeEngine};
    use super::super::{ConnectOptions, Fleet};
    use super::*;
    use crate::inventory::{Address, Inventory};
    use crate::model::NodeName;

    /// Engines of this process, each of which answers look-ups with a status and words; or well, where that is `None`.
    async fn fleet(engines: &[Option<(u16, &'static str)>]) -> (Fleet, Vec<FakeEngine>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut inventory = Inventory::local(Address::Unix("/nowhere".into()));
        let local = inventory.hosts.pop_first().unwrap().1;
        let mut fakes = Vec::new();
        for (at, refusal) in engines.iter().copied().enumerate() {
            let name = NodeName::unchecked(&format!("h{at}"));
            let fake = FakeEngine::start(name.as_str(), folder.path());
            fake.answer_by(move |line, _| {
                let (status, words) = refusal.filter(|_| line.contains("/distribution/"))?;
                Some(Answer::no(status, words))
            });
            let mut entry = local.clone();
            entry.member.name = name.clone();
            entry.address = Address::Unix(fake.socket().to_owned());
            inventory.hosts.insert(name, entry);
            fakes.push(fake);
        }
        let runtime_dir = Some(folder.path().join("s"));
        let options = ConnectOptions { runtime_dir, with_registry_auth: false, ..ConnectOptions::default() };
        (Fleet::connect(&inventory, options).await, fakes, folder)
    }

    async fn resolved_by(fleet: &Fleet, images: &[&str]) -> BTreeMap<String, Result<Resolved, String>> {
        fleet.observer().resolve(&images.iter().map(|&image| image.to_owned()).collect()).await
    }

    fn look_ups(engine: &FakeEngine) -> usize {
        engine.asked().iter().filter(|line| line.contains("/distribution/")).count()
    }

    const NO_WAY: Option<(u16, &str)> =
        Some((500, "Get \"https://r.example.com/v2/\": dial tcp 10.0.0.9:443: connect: connection refused"));
    const IMAGES: [&str; 3] = ["r.example.com/a:1", "r.example.com/b:1", "r.example.com/c:1"];

    #[tokio::test]
    async fn the_next_engine_is_asked_where_one_has_no_way() {
        let (fleet, engines, _folder) = fleet(&[NO_WAY, None, None]).await;
        let answers = resolved_by(&fleet, &IMAGES).await;
        assert!(answers.len() == 3 && answers.values().all(Result::is_ok), "{answers:?}");
        assert_eq!(engines.iter().map(look_ups).collect::<Vec<_>>(), [3, 3, 0]);
    }

    #[tokio::test]
    async fn where_no_host_has_a_way_each_is_asked_once_for_each_image() {
        let (fleet, engines, _folder) = fleet(&[NO_WAY, NO_WAY]).await;
        let answers = resolved_by(&fleet, &IMAGES).await;
        assert!(answers.len() == 3 && answers.values().all(Result::is_err), "{answers:?}");
        assert_eq!(engines.iter().map(look_ups).collect::<Vec<_>>(), [3, 3]);
    }

    #[tokio::test]
    async fn a_registry_that_has_had_too_many_requests_is_left_alone() {
        let too_many = Some((500, "toomanyrequests: You have reached your pull rate limit."));
        let (fleet, engines, _folder) = fleet(&[too_many, None]).await;
        for _ in 0..2 {
            let answers = resolved_by(&fleet, &IMAGES).await;
            let why = "the registry has had too many requests: toomanyrequests: You have reached your pull rate limit.";
            assert!(answers.values().all(|answer| answer == &Err(why.to_owned())), "{answers:?}");
        }
        assert_eq!(engines.iter().map(look_ups).collect::<Vec<_>>(), [3, 0]);
    }

    #[tokio::test]
    async fn what_a_registry_says_of_one_image_is_no_word_on_the_others() {
        let none = Some((404, "manifest unknown: manifest unknown"));
        let (fleet, engines, _folder) = fleet(&[none, None]).await;
        let answers = resolved_by(&fleet, &IMAGES).await;
        let why = "the registry has no such image: manifest unknown: manifest unknown";
        assert!(answers.values().all(|answer| answer == &Err(why.to_owned())), "{answers:?}");
        assert_eq!(engines.iter().map(look_ups).collect::<Vec<_>>(), [3, 0]);
    }

    #[test]
    fn equal_trouble_is_said_in_equal_words() {
        let why = |code: u16, words: &str, sent: &Sent| {
            missed(&CallError::Status { code, message: words.into() }, sent).why
        };
        let (none, some) = (Sent::default(), Sent { were_sent: true, why_none: None });
        let words = "Head \"https://r.example.com/v2/app/manifests/1\": no basic auth credentials";
        assert_eq!(why(500, words, &none), "the registry wants credentials, and none were sent");
        assert_eq!(
            why(401, "unauthorized: authentication required", &some),
            "the registry does not take the credentials: unauthorized: authentication required"
        );
        assert_eq!(
            why(429, "toomanyrequests: ", &some),
            "the registry has had too many requests: toomanyrequests"
        );
        assert_eq!(why(500, "something else", &some), "something else");
    }

    #[test]
    fn platforms_are_sorted_and_attestations_left_out() {
        let answer = serde_json::from_str(
            r#"{"Descriptor":{"digest":"sha256:aa","size":1},"Platforms":[
                {"architecture":"arm64","os":"linux","variant":"v8"},{"architecture":"amd64","os":"linux"},
                {"architecture":"unknown","os":"unknown"},{"architecture":"amd64","os":"linux"}]}"#,
        )
        .unwrap();
        let platform =
            |architecture: &str| Platform { os: "linux".into(), architecture: architecture.into() };
        let platforms = vec![platform("amd64"), platform("arm64")];
        assert_eq!(resolved(answer), Resolved { digest: "sha256:aa".into(), platforms });
    }
}
