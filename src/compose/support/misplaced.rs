//! Where a key belongs that means nothing where it stands: `replicas` beside `image`, `image` at the left
//! margin. Most of these are a matter of indentation.

use super::{At, KEYS, Key, Treatment};

/// Where a key of this name does something, if that is one place only.
pub fn home(key: &str, at: At) -> Option<String> {
    let used = |known: &&Key| known.1 == key && matches!(known.3, Treatment::Used | Treatment::Partly(_));
    let mut homes = KEYS.iter().filter(used).map(|known| known.0).filter(|home| *home != at);
    let home = homes.next()?;
    // One of several says nothing, but a service is what nearly all keys belong to.
    let home = match homes.next() {
        None => home,
        Some(_) if at == At::Top && KEYS.iter().any(|known| used(&known) && known.0 == At::Service) => {
            At::Service
        }
        Some(_) => return None,
    };
    Some(format!("`{key}` belongs {}: check the indentation", place(home)?))
}

fn place(at: At) -> Option<&'static str> {
    Some(match at {
        At::Top => "at the left margin",
        At::Service => "to a service",
        At::Deploy => "under `deploy` of a service",
        At::UpdateConfig => "under `deploy.update_config`",
        At::RestartPolicy => "under `deploy.restart_policy`",
        At::Resources => "under `deploy.resources`",
        At::Limits => "under `deploy.resources.limits`",
        At::Reservations => "under `deploy.resources.reservations`",
        At::Placement => "under `deploy.placement`",
        At::Healthcheck => "under `healthcheck`",
        At::Logging => "under `logging`",
        At::Ipam => "under `ipam` of a network",
        At::Attachment => "to a network of a service",
        At::Network => "to a network at the top of the file",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_one_place_is_sent_there() {
        let home = |key: &str, at| home(key, at).unwrap_or_default();
        assert_eq!(
            home("replicas", At::Service),
            "`replicas` belongs under `deploy` of a service: check the indentation"
        );
        assert_eq!(home("image", At::Top), "`image` belongs to a service: check the indentation");
        assert_eq!(home("ports", At::Top), "`ports` belongs to a service: check the indentation");
        assert_eq!(home("target", At::Service), "", "of many places");
        assert_eq!(home("colour", At::Service), "");
    }
}
