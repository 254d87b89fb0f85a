//! What a file means.

use super::{Beside, Options, Reading, SourceText, Stack, StackName, Variables, load, load_all, loaded};
use crate::model::ids::sha256_hex;
use crate::model::spec::{
    Attachment, DependencyCondition, EndpointMode, Mount, PublishMode, RestartCondition, ServiceMode,
    TaskSpec, UpdateOrder,
};
use crate::model::{GoDuration, ServiceSpec};

fn service(yaml: &str) -> ServiceSpec {
    let text = format!(
        "services:\n  web:\n    image: nginx\n{}\nnetworks:\n  front:\n  ext: {{external: true, name: shared}}\n  host: {{external: true}}\nvolumes:\n  data:\n  own: {{name: mine}}\nconfigs:\n  c: {{file: conf/a.conf}}\nsecrets:\n  s: {{file: ./s}}\n",
        yaml.lines().map(|line| format!("    {line}\n")).collect::<String>()
    );
    loaded(&[&text]).spec.services.remove("web").unwrap()
}

fn task(yaml: &str) -> TaskSpec {
    (*service(yaml).task).clone()
}

#[test]
fn a_service_that_says_nothing_has_the_defaults() {
    let web = service("");
    assert_eq!(web.mode, ServiceMode::Replicated { replicas: 1 });
    assert_eq!(web.endpoint_mode, EndpointMode::Vip);
    assert_eq!(web.task.restart_policy.condition, RestartCondition::Any);
    let expected = Attachment { aliases: vec!["web".into()], ..Attachment::default() };
    assert_eq!(web.task.networks.get("app_default").map(Box::as_ref), Some(&expected));
}

#[test]
fn restart_no_means_none() {
    assert_eq!(task("restart: \"no\"").restart_policy.condition, RestartCondition::None);
    assert_eq!(task("restart: always").restart_policy.condition, RestartCondition::Any);
    let policy = task("restart: on-failure:3").restart_policy;
    assert_eq!((policy.condition, policy.max_attempts), (RestartCondition::OnFailure, 3));
    let both = task("restart: always\ndeploy: {restart_policy: {condition: none, delay: 1m}}");
    assert_eq!(both.restart_policy.condition, RestartCondition::None);
    assert_eq!(both.restart_policy.delay, GoDuration::from_secs(60));
}

#[test]
fn an_empty_variable_stays_empty_and_a_bare_one_is_the_callers() {
    let env = task("environment: [E=, CALLER, UNSET, X=1.10]").environment;
    let shown = |key: &str| env.get(key).cloned().flatten();
    assert_eq!(shown("E").as_deref(), Some(""));
    assert_eq!(shown("CALLER").as_deref(), Some("from the caller"));
    assert_eq!(env.get("UNSET"), Some(&None));
    assert_eq!(shown("X").as_deref(), Some("1.10"));
    let numbers = task("environment: {A: 1.10, B: 0777, C: 1e3, D: yes, E: 12_000}").environment;
    let values: Vec<_> = numbers.values().map(|value| value.clone().unwrap()).collect();
    assert_eq!(values, ["1.1", "511", "1000", "yes", "12000"]);
}

#[test]
fn environment_files_come_first_and_the_later_wins() {
    let env = task(
        "env_file: [app.env, {path: later.env}, {path: none.env, required: false}]\nenvironment: {B: own}",
    )
    .environment;
    let shown: Vec<String> =
        env.iter().map(|(key, value)| format!("{key}={}", value.as_deref().unwrap_or("?"))).collect();
    assert_eq!(shown, ["A=2", "B=own", "CALLER=from the caller"]);
    assert_eq!(task("env_file: app.env").environment["B"].as_deref(), Some("two words # kept"));
}

#[test]
fn commands_are_split_and_lists_taken_as_they_are() {
    let task = task("command: sh -c 'echo \"a b\"'\nentrypoint: [\"/x y\"]");
    assert_eq!(task.command.unwrap(), ["sh", "-c", "echo \"a b\""]);
    assert_eq!(task.entrypoint.unwrap(), ["/x y"]);
    assert_eq!(super::lowering::task("entrypoint: []").entrypoint, None);
}

#[test]
fn ports_are_sorted_and_keep_their_address() {
    let ports = task("ports: [\"127.0.0.1:8443:443\", \"80:80\", 9000, {target: 53, published: \"53\", protocol: udp, mode: host}]").ports;
    let shown: Vec<String> = ports
        .iter()
        .map(|p| format!("{:?} {:?} {} {} {:?}", p.host_ip, p.published, p.target, p.protocol, p.mode))
        .collect();
    assert_eq!(
        shown,
        [
            "None None 9000 tcp Ingress",
            "None Some(53) 53 udp Host",
            "None Some(80) 80 tcp Ingress",
            "Some(127.0.0.1) Some(8443) 443 tcp Ingress",
        ]
    );
    assert_eq!(ports[1].mode, PublishMode::Host);
}

#[test]
fn mounts_get_full_names_and_absolute_paths() {
    let volumes = task("volumes: [\"data:/d\", \"own:/o:ro\", \"./x:/x\", \"~/y:/y\", /anon, {type: tmpfs, target: /t, tmpfs: {size: 1m}}]\ntmpfs: [\"/run:size=2m,mode=1770,noexec\"]").volumes;
    let shown = serde_json::to_string(&volumes).unwrap();
    assert_eq!(
        shown,
        r#"{"/anon":{"type":"volume"},"/d":{"type":"volume","source":"app_data"},"/o":{"type":"volume","source":"mine","read_only":true},"/run":{"type":"tmpfs","size":2097152,"mode":1016,"options":["noexec"]},"/t":{"type":"tmpfs","size":1048576},"/x":{"type":"bind","source":"/srv/app/x"},"/y":{"type":"bind","source":"/home/u/y"}}"#
    );
    assert!(matches!(volumes["/anon"], Mount::Volume { source: None, .. }));
}

#[test]
fn a_config_that_is_a_template_is_one_for_each_task_that_has_it() {
    let file = "services: {a: {image: x, configs: [c, d, {source: e, target: /e}]}}\nconfigs:\n  \
                c: {content: '{{.Task.ID}}{{config \"d\"}}', template_driver: golang}\n  \
                d: {content: '{{.}}'}\n  e: {content: '{{.}}', template_driver: ''}\n";
    let spec = loaded(&[file]).spec;
    let drivers = |name: &str| {
        let service = spec.services.values().next().unwrap();
        let mounts = &service.task.configs;
        let mount = mounts.values().find(|mount| mount.source == name).unwrap();
        assert_eq!(mount.template_driver, spec.configs[name].template_driver);
        mount.template_driver.as_deref()
    };
    assert_eq!((drivers("c"), drivers("d"), drivers("e")), (Some("golang"), None, None));
    assert_eq!(spec.configs["c"].digest, sha256_hex(b"{{.Task.ID}}{{config \"d\"}}"));
}

#[test]
fn a_template_is_not_read_before_its_variables_are_filled_in() {
    let text = "services: {a: {image: x, configs: [c]}}\nconfigs:\n  \
                c: {content: '{{$$x := 1}}{{$$x}}${TAG}', template_driver: golang}\n";
    for variables in [Variables::Fill, Variables::Keep] {
        let options = Options {
            stack: Stack::Given(&StackName::unchecked("app")),
            project_dir: "/srv/app",
            home: None,
            env: &|_| Some("1".to_owned()),
            files: &Beside,
            env_files: None,
            profiles: &[],
            reading: Reading::Ours,
            variables,
            secrets: super::SecretFiles::default(),
        };
        let file = SourceText { name: "a.yml".into(), bytes: text.into() };
        load(vec![file], &options).unwrap();
    }
}

#[test]
fn configs_and_secrets_become_files() {
    let task = task(
        "configs: [c, {source: c, target: etc/x, mode: 0400, uid: \"33\"}]\nsecrets: [s, {source: s, target: /abs}]",
    );
    let configs: Vec<_> =
        task.configs.iter().map(|(path, file)| (path.as_str(), file.mode, file.content.len())).collect();
    assert_eq!(configs, [("/c", 0o444, 64), ("/etc/x", 0o400, 64)]);
    let secrets: Vec<_> =
        task.secrets.iter().map(|(path, file)| (path.as_str(), file.content.as_str())).collect();
    assert_eq!(secrets, [("/abs", ""), ("/run/secrets/s", "")]);
}

#[test]
fn networks_are_keyed_by_full_name_and_the_engines_own_replace_them() {
    let joined = task("networks: {front: {aliases: [www]}, ext: }").networks;
    assert_eq!(joined["app_front"].aliases, ["www", "web"]);
    assert_eq!(joined["shared"].aliases, ["web"]);
    let host = task("networks: [host]");
    assert_eq!((host.networks.len(), host.network_mode.as_deref()), (0, Some("host")));
    assert_eq!(task("network_mode: none").network_mode.as_deref(), Some("none"));
}

#[test]
fn only_used_networks_are_part_of_the_stack() {
    let spec =
        loaded(&["services: {a: {image: x}}\nnetworks: {unused: {driver: overlay}}\nvolumes: {v: }\n"]).spec;
    assert_eq!(spec.networks.keys().collect::<Vec<_>>(), ["default"]);
    assert_eq!(spec.networks["default"].name, "app_default");
    assert_eq!(spec.volumes["v"].name, "app_v");
}

#[test]
fn deploy_settles_how_many_where_and_how() {
    let web = service(
        "deploy:\n  mode: replicated-job\n  replicas: $N\n  placement: {constraints: [node.role==worker], preferences: [{spread: node.labels.zone}], max_replicas_per_node: 1}\n  resources: {limits: {cpus: 0.5, memory: 512M, pids: 10}, reservations: {cpus: '0.25', generic_resources: [{discrete_resource_spec: {kind: gpu, value: 2}}]}}",
    );
    assert_eq!(web.mode, ServiceMode::ReplicatedJob { total: 3, max_concurrent: 3 });
    assert_eq!(web.placement.spread, ["node.labels.zone"]);
    let limits = web.task.resources.limits;
    assert_eq!(
        (limits.nano_cpus, limits.memory, limits.pids),
        (Some(500_000_000), Some(512 << 20), Some(10))
    );
    assert_eq!(web.task.resources.reservations.generic["gpu"], 2);
    let update = service("deploy: {update_config: {order: start-first, parallelism: 0}}").update_config;
    assert_eq!(
        (update.order, update.parallelism, update.monitor),
        (UpdateOrder::StartFirst, 0, GoDuration::from_secs(5))
    );
}

#[test]
fn capabilities_have_one_spelling() {
    let task = task("cap_add: [net_admin, CAP_NET_ADMIN, SYS_TIME]\ncap_drop: [all, sys_time]");
    assert_eq!(task.cap_add, ["CAP_NET_ADMIN", "CAP_SYS_TIME"]);
    assert_eq!(task.cap_drop, ["ALL"]);
}

#[test]
fn what_swarm_ignores_is_used() {
    let task = task(
        "privileged: true\ndevices: [\"/dev/kvm\"]\nshm_size: 64m\nipc: host\npid: host\nsecurity_opt: [no-new-privileges:true]\noom_score_adj: -500\ninit: $YES\ngroup_add: [audio, 44]\ndns_opt: ndots:1\nmac_address: 02:42:ac:11:00:02",
    );
    assert!(task.privileged && task.init == Some(true));
    assert_eq!((task.shm_size, task.oom_score_adj), (Some(64 << 20), Some(-500)));
    assert_eq!(task.devices[0].permissions, "rwm");
    assert_eq!(task.group_add, ["audio", "44"]);
    assert_eq!(task.dns_opt, ["ndots:1"]);
}

#[test]
fn health_checks_in_all_their_forms() {
    let test = |yaml: &str| task(yaml).healthcheck.unwrap().test;
    assert_eq!(test("healthcheck: {test: curl -f x}"), ["CMD-SHELL", "curl -f x"]);
    assert_eq!(test("healthcheck: {test: [CMD, curl]}"), ["CMD", "curl"]);
    assert_eq!(test("healthcheck: {disable: true}"), ["NONE"]);
    assert!(test("healthcheck: {interval: 5s}").is_empty());
}

#[test]
fn dependencies_in_both_forms() {
    let text = "services:\n  a: {image: x, depends_on: [c]}\n  b: {image: x, depends_on: {c: {condition: service_healthy}}}\n  c: {image: x}\n";
    let services = loaded(&[text]).spec.services;
    assert_eq!(services["a"].depends_on["c"], DependencyCondition::ServiceStarted);
    assert_eq!(services["b"].depends_on["c"], DependencyCondition::ServiceHealthy);
}

#[test]
fn an_external_config_is_known_by_name_only() {
    let spec =
        loaded(&["services: {a: {image: x, configs: [c]}}\nconfigs: {c: {external: {name: shared}}}\n"]).spec;
    let config = &spec.configs["c"];
    assert!(config.external && config.digest.is_empty() && config.name == "shared");
}

#[test]
fn the_spec_is_the_same_each_time_and_comes_back_from_json() {
    let text = "services: {a: {image: x, ports: ['80:80'], environment: {B: 1, A: 2}}}";
    let (one, two) = (loaded(&[text]).spec, loaded(&[text]).spec);
    assert_eq!(one, two);
    let json = serde_json::to_string(&one).unwrap();
    assert_eq!(serde_json::from_str::<crate::model::StackSpec>(&json).unwrap(), one);
}

#[test]
fn labels_of_ours_are_refused_on_all_that_has_labels() {
    let whole = |labels: &str| {
        format!(
            "services:\n  web:\n    image: x\n    networks: [n]\n    labels: {labels}\n    deploy:\n      labels: {labels}\n\
             volumes:\n  v:\n    labels: {labels}\nnetworks:\n  n:\n    labels: {labels}\n\
             configs:\n  c:\n    content: x\n    labels: {labels}\n"
        )
    };
    for labels in ["{io.stackctl.ledger: sec}", "['io.stackctl.ledger=sec']", "{io.stackctl.x: $N}"] {
        let text = whole(labels);
        let report = load_all(&[("a.yml", text.as_bytes())]).expect_err(labels);
        let found: Vec<(&str, usize)> =
            report.faults.iter().map(|fault| (fault.code.rsplit("::").next().unwrap(), fault.line)).collect();
        let refused = [5, 7, 10, 13, 17].map(|line| ("reserved_label", line));
        assert_eq!(found, refused, "{labels}");
    }
    let secrets =
        "services: {web: {image: x}}\nsecrets:\n  s:\n    file: /a\n    labels: {io.stackctl.x: y}\n";
    let report = load_all(&[("a.yml", secrets.as_bytes())]).expect_err("of a secret");
    assert!(report.faults.iter().any(|f| f.code.ends_with("reserved_label") && f.line == 5), "{report:?}");

    let loaded = loaded(&[&whole("{com.docker.stack.namespace: victim, team: a}")]);
    let spec = &loaded.spec;
    let own = std::collections::BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    let web = &spec.services["web"];
    for labels in [
        &web.labels,
        &web.task.labels,
        &spec.volumes["v"].labels,
        &spec.networks["n"].labels,
        &spec.configs["c"].labels,
    ] {
        assert_eq!(*labels, own);
    }
    let ignored = loaded.notes.iter().filter(|note| note.code.ends_with("ignored_label")).count();
    assert_eq!(ignored, 5);
}
