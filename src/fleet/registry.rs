//! The digest that a tag points to right now: looked up through an engine, which can reach the registry.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use crate::model::image::ImageRef;
use crate::model::image::Resolved;
use crate::model::spec::Platform;

use super::auth::Credentials;
use super::docker::client::{CallError, Reader};
use super::docker::wire;

/// For all look-ups together: they run side by side.
const RESOLVE_LIMIT: Duration = Duration::from_secs(10);

/// Looks all images up. Each gets its own answer or error.
pub(super) async fn resolve(
    engines: &[&Reader],
    credentials: &Credentials,
    images: &BTreeSet<String>,
) -> BTreeMap<String, Result<Resolved, String>> {
    let answers = images.iter().map(|image| async move {
        let found = timeout(RESOLVE_LIMIT, look_up(engines, credentials, image)).await;
        let late = || Err(format!("no answer within {} s", RESOLVE_LIMIT.as_secs()));
        (image.clone(), found.unwrap_or_else(|_| late()))
    });
    join_all(answers).await.into_iter().collect()
}

async fn look_up(engines: &[&Reader], credentials: &Credentials, image: &str) -> Result<Resolved, String> {
    let parsed = ImageRef::parse(image).map_err(|e| e.to_string())?;
    let headers: Vec<_> = credentials.header(&parsed).await.into_iter().collect();
    let path = format!("/distribution/{}/json", reference(&parsed));
    let mut why = "no host answers".to_owned();
    for engine in engines {
        match engine.get_with::<wire::Distribution>(&path, &headers, RESOLVE_LIMIT).await {
            Ok(answer) => return Ok(resolved(answer)),
            // That engine is unreachable; the next one may answer.
            Err(error @ CallError::Transport(_)) => why = error.to_string(),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(why)
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
    use super::*;

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
