//! How bad each finding is, and which engines are far apart.

use super::*;

#[test]
fn engines_that_are_far_apart_are_named_with_their_hosts() {
    let of = |versions: &[&str]| {
        let mut observed = crate::model::testing::nodes(versions.len());
        for (node, version) in observed.nodes.values_mut().zip(versions) {
            crate::model::testing::facts(node).engine_version = (*version).to_owned();
        }
        engines(&observed).map(|check| check.finding)
    };
    let named = |version: &str, node: &str| (version.to_owned(), NodeName::unchecked(node));
    let apart =
        Finding::Engines { oldest: named("20.10.24+dfsg1", "n000002"), newest: named("28.5.0", "n000001") };
    assert_eq!(of(&["28.5.0", "20.10.24+dfsg1", "24.0.1"]), Some(apart));
    for versions in
        [&["26.1.5", "23.0.1"][..], &["20.10.24", "25.0.1"], &["4.9.3", "28.0.0"], &["", "29.0"], &[]]
    {
        assert_eq!(of(versions), None, "{versions:?}");
    }
}

#[test]
fn how_bad_a_clock_a_disk_and_missing_managers_are() {
    for (ahead_ms, level) in [
        (0, Level::Ok),
        (-1_999, Level::Ok),
        (2_000, Level::Warning),
        (-14_999, Level::Warning),
        (15_000, Level::Fault),
    ] {
        assert_eq!(Finding::Clock { ahead_ms }.level(), level, "{ahead_ms}");
    }
    let gib = 1 << 30;
    for (bytes, free, level) in [
        (100 * gib, 50 * gib, Level::Ok),
        (100 * gib, 10 * gib, Level::Warning),
        (100 * gib, 4 * gib, Level::Fault),
        (4 * gib, gib - 1, Level::Fault),
    ] {
        let disk = Disk { folder: "/var/lib/docker".into(), bytes, free };
        assert_eq!(Finding::Disk(disk).level(), level, "{free} of {bytes}");
    }
    for (answering, all, level) in [
        (3, 3, Level::Ok),
        (2, 3, Level::Warning),
        (1, 3, Level::Fault),
        (2, 4, Level::Fault),
        (0, 1, Level::Fault),
    ] {
        let managers = Finding::Managers { place: String::new(), answering, all, silent: Vec::new() };
        assert_eq!(managers.level(), level, "{answering} of {all}");
    }
}
