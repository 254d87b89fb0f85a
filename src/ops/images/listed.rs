//! Images of all hosts, each once: where it is, and what uses it.

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::images::{HeldImage, Holder, HostImages, Looks};
use crate::image::load::part_of;
use crate::image::spare;
use crate::model::NodeName;
use crate::model::image::ImageRef;

/// An image under one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// With its tag, or else with its digest; none for an image that has lost its name.
    pub name: Option<String>,
    /// What engines call it.
    pub id: String,
    /// Bytes on the host where it is largest, layers that it shares with others included.
    pub bytes: u64,
    /// When it was made, in seconds.
    pub created: i64,
    /// Hosts that have it.
    pub nodes: BTreeSet<NodeName>,
    /// Services, and other containers.
    pub users: BTreeSet<String>,
}

/// Images of the hosts that answered, by name. Parts of pushes are none.
#[must_use]
pub fn listed(looks: &Looks) -> Vec<Listed> {
    let mut all: BTreeMap<(Option<String>, String), Listed> = BTreeMap::new();
    for (node, host) in looks.iter().filter_map(|(node, look)| Some((node, look.as_ref().ok()?))) {
        for image in host.images.iter().filter(|image| !is_part(image) && !is_spare(image)) {
            let users: BTreeSet<String> = users(host, image).map(|holder| holder.name.clone()).collect();
            for name in references(image) {
                let listed = all.entry((name.clone(), image.id.clone())).or_insert_with(|| Listed {
                    name,
                    id: image.id.clone(),
                    bytes: 0,
                    created: image.created,
                    nodes: BTreeSet::new(),
                    users: BTreeSet::new(),
                });
                listed.bytes = listed.bytes.max(image.bytes);
                listed.nodes.insert(node.clone());
                listed.users.extend(users.iter().cloned());
            }
        }
    }
    all.into_values().collect()
}

/// Its names with tags, or else those with digests; or that it has none.
fn references(image: &HeldImage) -> Vec<Option<String>> {
    let names = if image.names.is_empty() { &image.digests } else { &image.names };
    if names.is_empty() { vec![None] } else { names.iter().cloned().map(Some).collect() }
}

/// Whether an image is the spare copy of the cluster's records, and nothing else.
pub(super) fn is_spare(image: &HeldImage) -> bool {
    !image.names.is_empty() && image.names.iter().all(|name| spare::is_spare(name))
}

/// Whether an image is a part of a push, and nothing else.
pub(super) fn is_part(image: &HeldImage) -> bool {
    !image.names.is_empty() && image.names.iter().all(|name| part_of(name, None).is_some())
}

/// Containers of an image, whether they run or not: by its id, and by its names, since engines that keep images by platform
/// say another id of a container than they list.
pub(super) fn users<'h>(host: &'h HostImages, image: &'h HeldImage) -> impl Iterator<Item = &'h Holder> {
    host.holders.iter().filter(move |holder| {
        let same = |name: &String| normal(name) == normal(&holder.image);
        holder.image_id == image.id
            || holder.image == image.id
            || image.names.iter().any(same)
            || image.digests.iter().any(same)
    })
}

/// A name with all that it stands for: by the digest where it has one, and by the tag otherwise.
pub(super) fn normal(name: &str) -> String {
    let Ok(image) = ImageRef::parse(name) else { return name.to_owned() };
    match (&image.digest, image.effective_tag()) {
        (Some(digest), _) => format!("{}@{digest}", image.familiar_name()),
        (None, tag) => format!("{}:{}", image.familiar_name(), tag.unwrap_or_default()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::image::load::Store;
    use crate::model::spec::Platform;
    use crate::model::testing::node_name;

    pub(in super::super) fn image(id: &str, names: &[&str], digests: &[&str]) -> HeldImage {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        HeldImage { id: id.into(), names: owned(names), digests: owned(digests), bytes: 7, created: 0 }
    }

    pub(in super::super) fn host(images: Vec<HeldImage>, holders: &[(&str, &str, &str)]) -> HostImages {
        let holder = |(name, image, id): &(&str, &str, &str)| Holder {
            name: (*name).into(),
            image: (*image).into(),
            image_id: (*id).into(),
        };
        let platform = Platform { os: "linux".into(), architecture: "amd64".into() };
        let holders = holders.iter().map(holder).collect();
        HostImages { store: Store::GraphDriver, platform, images, holders }
    }

    #[test]
    fn an_image_is_listed_once_with_its_hosts_and_users() {
        let held = || image("sha256:aa", &["app:1"], &[]);
        let part = image("sha256:bb", &["stackctl.invalid/part:0123-1-5"], &[]);
        let mut looks = Looks::new();
        looks.insert(node_name("h1"), Ok(host(vec![held(), part], &[("shop_web", "app:1", "sha256:aa")])));
        looks.insert(node_name("h2"), Ok(host(vec![held(), image("sha256:cc", &[], &[])], &[])));
        let all = listed(&looks);
        let names: Vec<_> = all.iter().map(|one| one.name.as_deref()).collect();
        assert_eq!(names, [None, Some("app:1")]);
        assert_eq!((all[1].nodes.len(), &all[1].users), (2, &["shop_web".to_owned()].into()));
    }

    #[test]
    fn a_container_is_known_by_id_or_by_name() {
        let digest = format!("nginx@sha256:{}", "1".repeat(64));
        let pinned = image("sha256:aa", &[], &[&digest]);
        let tagged = format!("nginx:1.25@sha256:{}", "1".repeat(64));
        for (image, id) in [(tagged.as_str(), "sha256:other"), ("x", "sha256:aa"), ("sha256:aa", "")] {
            assert_eq!(users(&host(vec![], &[("c", image, id)]), &pinned).count(), 1, "{image}");
        }
        assert_eq!(users(&host(vec![], &[("c", "nginx:1.25", "sha256:bb")]), &pinned).count(), 0);
    }
}
