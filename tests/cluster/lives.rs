//! A whole stack from its first deploy to its removal.

use std::collections::BTreeSet;

use crate::ground::{Ground, HOSTS, now};
use crate::plans::as_planned;

const EFK: &str = "deploy -c stacks/efk/docker-compose.yml efk";

const SLOTS: [&str; 11] = [
    "elasticsearch.node:h2",
    "kibana.1",
    "grafana.1",
    "fluentd.node:h1",
    "fluentd.node:h2",
    "fluentd.node:h3",
    "fluentd.node:h4",
    "metricbeat.node:h1",
    "metricbeat.node:h2",
    "metricbeat.node:h3",
    "metricbeat.node:h4",
];

#[test]
fn efk_comes_stays_changes_and_goes() {
    let Some(ground) = Ground::new() else { return };
    ground.playground("image --stand-in-for stacks/efk/docker-compose.yml");
    ground.playground("image --stand-in elastic/kibana:7.17.29");

    // From nothing.
    assert!(as_planned(&ground, EFK) > 20);
    ground.assert_is("efk", &SLOTS);
    for host in HOSTS {
        assert_eq!(ground.networks(host, "efk"), BTreeSet::from(["efk_search".to_owned()]), "{host}");
    }
    let given = |name: &str| std::fs::read_to_string(format!("stacks/efk/{name}")).expect(name);
    for (service, path, file) in [
        ("fluentd", "/fluentd/etc/efk.conf", "fluentd/efk.conf"),
        ("metricbeat", "/etc/metricbeat.yml", "metricbeat/metricbeat.yml"),
        ("grafana", "/etc/grafana/provisioning/datasources/efk.yml", "grafana/datasources.yml"),
        ("grafana", "/etc/grafana/provisioning/dashboards/efk.yml", "grafana/dashboards.yml"),
        ("grafana", "/var/lib/grafana/dashboards/hosts.json", "grafana/hosts.json"),
    ] {
        for task in ground.live("efk", service) {
            assert_eq!(ground.exec(&task, &["cat", path]), given(file), "{} {path}", task.name());
        }
    }
    for line in ground.stackctl("services --format {{.Name}}={{.Replicas}} efk").ends(0).stdout.lines() {
        let (name, replicas) = line.split_once('=').expect("NAME=REPLICAS");
        let (up, wanted) = replicas.split_once('/').expect("UP/WANTED");
        assert_eq!(up, wanted.split_whitespace().next().unwrap_or_default(), "{name}");
    }
    ground.stackctl("ps efk").ends(0).says(&["efk_kibana.1", "elastic/kibana:7.17.28", "Running"]);

    // Again: nothing is planned and nothing is touched.
    let before = ground.everything(&HOSTS);
    let since = now();
    assert_eq!(as_planned(&ground, EFK), 0);
    ground.stackctl("diff -c stacks/efk/docker-compose.yml efk").ends(0);
    assert_eq!(ground.everything(&HOSTS), before);
    let touched: Vec<_> = (ground.events(&HOSTS, since).into_iter())
        // The container's own health check is none of our doing.
        .filter(|happened| !happened.action.starts_with("health_status"))
        .collect();
    assert!(touched.is_empty(), "{touched:?}");

    // Another image of one service.
    let other =
        ground.file("other.yml", "version: '3.8'\nservices:\n  kibana:\n    image: elastic/kibana:7.17.29\n");
    let files = format!("-c stacks/efk/docker-compose.yml -c {other}");
    ground.stackctl(&format!("diff {files} efk")).ends(2).says(&["kibana", "image", "7.17.28", "7.17.29"]);
    let since = now();
    assert!(as_planned(&ground, &format!("deploy {files} efk")) > 0);
    ground.assert_is("efk", &SLOTS);
    let kibana = ground.live("efk", "kibana");
    assert!(kibana[0].image().contains("7.17.29"), "{}", kibana[0].image());
    for happened in ground.events(&HOSTS, since) {
        let is_health = happened.action.starts_with("health_status");
        assert!(
            is_health || happened.kind != "container" || happened.name.contains("kibana"),
            "{happened:?}"
        );
    }
    ground.stackctl(&format!("diff {files} efk")).ends(0);

    // Gone, but for what it stored.
    assert!(as_planned(&ground, "rm efk") > 20);
    assert!(ground.tasks("efk").is_empty());
    for host in HOSTS {
        assert!(ground.networks(host, "efk").is_empty(), "{host}");
    }
    assert_eq!(ground.volumes("h2", "efk"), BTreeSet::from(["efk_elasticsearch-data".to_owned()]));
}
