//! What a stack that is made of several files comes to: `include`, `extends`, `profiles`, `.env`.

use super::Project;
use crate::model::spec::{DependencyCondition, ServiceMode};

fn services(project: &Project<'_>) -> Vec<String> {
    project.loaded().spec.services.keys().map(ToString::to_string).collect()
}

fn env(project: &Project<'_>, service: &str) -> String {
    let spec = project.loaded().spec;
    let vars = spec.services[service].task.environment.iter();
    vars.map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("?")))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn an_included_file_has_its_own_directory_and_variables() {
    let project = Project {
        files: &[
            (
                "compose.yml",
                "include: [db/compose.yml, {path: ./q/q.yml, project_directory: other, env_file: q/q.env}]\nservices: {web: {image: 'nginx:${TAG}', depends_on: [db]}}",
            ),
            (
                "db/compose.yml",
                "services: {db: {image: 'pg:${TAG}', volumes: ['./data:/d', 'v:/v'], env_file: db.env, configs: [c]}}\nvolumes: {v: }\nconfigs: {c: {file: ./c.conf}}",
            ),
            ("db/.env", "TAG=db\nLONE=of the db"),
            ("db/db.env", "A=1\nLONE\n"),
            ("db/c.conf", "content"),
            (
                "q/q.yml",
                "services: {q: {image: 'q:${TAG:-none}${Q}', volumes: ['./data:/d'], environment: [LONE]}}",
            ),
            ("q/q.env", "Q=-q\nLONE=of q"),
            (".env", "TAG=root"),
        ],
        ..Project::default()
    };
    let loaded = project.loaded();
    let image = |name: &str| loaded.spec.services[name].task.image.clone();
    // The project's own variables win over those of what it includes.
    assert_eq!([image("web"), image("db"), image("q")], ["nginx:root", "pg:root", "q:root-q"]);
    assert_eq!(env(&project, "db"), "A=1 LONE=of the db");
    assert_eq!(env(&project, "q"), "LONE=of q");
    let bind = |name: &str| serde_json::to_string(&loaded.spec.services[name].task.volumes["/d"]).unwrap();
    assert!(bind("db").contains("/srv/app/db/data") && bind("q").contains("/srv/app/other/data"));
    assert_eq!(loaded.spec.configs["c"].content.as_deref(), Some(&b"content"[..]));
    assert_eq!(loaded.spec.volumes["v"].name, "app_v");
}

#[test]
fn the_env_of_an_include_is_its_default_and_the_callers_wins() {
    let files = [
        ("compose.yml", "include: [db/compose.yml]\nservices: {web: {image: 'a:${TAG:-none}'}}"),
        ("db/compose.yml", "include: [../deep/compose.yml]\nservices: {db: {image: 'b:${TAG:-none}'}}"),
        ("deep/compose.yml", "services: {deep: {image: 'c:${TAG:-none}'}}"),
        ("db/.env", "TAG=db"),
        ("deep/.env", "TAG=deep"),
    ];
    let images = |project: &Project<'_>| {
        let spec = project.loaded().spec;
        spec.services.values().map(|service| service.task.image.clone()).collect::<Vec<_>>()
    };
    let project = Project { files: &files, ..Project::default() };
    assert_eq!(images(&project), ["b:db", "c:db", "a:none"]);
    let project = Project { files: &files, env: &[("TAG", "caller")], ..Project::default() };
    assert_eq!(images(&project), ["b:caller", "c:caller", "a:caller"]);
}

#[test]
fn includes_may_be_laid_over_each_other_and_meet_in_one_file() {
    let project = Project {
        files: &[
            ("compose.yml", "include:\n- path: [a.yml, changes.yml]\n- b.yml\nservices: {}"),
            ("a.yml", "include: [net.yml]\nservices: {a: {image: x, networks: [n]}}"),
            ("b.yml", "include: [net.yml]\nservices: {b: {image: x, networks: [n]}}"),
            ("net.yml", "networks: {n: {driver: overlay}}"),
            ("changes.yml", "services: {a: {deploy: {replicas: 3}, image: !override y}}"),
        ],
        ..Project::default()
    };
    let spec = project.loaded().spec;
    assert_eq!(spec.services["a"].mode, ServiceMode::Replicated { replicas: 3 });
    assert_eq!(spec.services["a"].task.image, "y");
    assert_eq!(spec.networks.keys().collect::<Vec<_>>(), ["n"]);
}

#[test]
fn a_service_extends_one_of_its_file_and_one_of_another() {
    let project = Project {
        files: &[
            (
                "compose.yml",
                "services:\n  base: {image: x, labels: {a: 1, b: 1}, ports: ['80'], cap_add: [A], environment: {A: base, B: base}}\n  web:\n    extends: base\n    labels: {b: 2}\n    ports: ['81:81', '80']\n    cap_add: [B, A]\n    env_file: [{path: web.env}]\n    environment: [B=web]\n  api: {extends: {file: common/c.yml, service: api}, networks: {n: {aliases: [two]}}, secrets: [{source: s, target: /b}]}\nnetworks: {n: }\nsecrets: {s: {environment: S}}",
            ),
            ("web.env", "A=file\nC='f'"),
            (
                "common/c.yml",
                "services:\n  api: {extends: {service: root}, networks: {n: {aliases: [one]}}, secrets: [{source: s, target: /a}], volumes: ['./d:/d']}\n  root: {extends: {file: ../deep/d.yml, service: root}, command: two, image: 'r:${TAG:-1}'}\n  broken: {image: [nonsense, '${']}",
            ),
            ("deep/d.yml", "services: {root: {command: one, entrypoint: e, env_file: d.env}}"),
            ("deep/d.env", "D=deep"),
        ],
        ..Project::default()
    };
    let spec = project.loaded().spec;
    let web = &spec.services["web"];
    assert_eq!(web.task.labels.values().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(web.task.ports.len(), 2);
    assert_eq!(web.task.cap_add, ["CAP_A", "CAP_B"]);
    // `environment` of a base wins over an `env_file` of the service that extends it, as in Compose.
    assert_eq!(env(&project, "web"), "A=base B=web C=f");
    let api = &spec.services["api"].task;
    assert_eq!(api.image, "r:1");
    assert_eq!(
        (api.command.as_deref().unwrap(), api.entrypoint.as_deref().unwrap()),
        (&["two".to_owned()][..], &["e".to_owned()][..])
    );
    assert_eq!(api.networks["app_n"].aliases, ["one", "two", "api"]);
    assert_eq!(api.secrets.keys().collect::<Vec<_>>(), ["/a", "/b"]);
    assert!(serde_json::to_string(&api.volumes["/d"]).unwrap().contains("/srv/app/common/d"));
    assert_eq!(env(&project, "api"), "D=deep");
}

#[test]
fn dependencies_are_inherited_and_what_they_name_is_not() {
    let project = Project {
        files: &[
            ("compose.yml", "services: {web: {extends: {file: c.yml, service: web}}, db: {image: y}}"),
            (
                "c.yml",
                "services: {web: {image: x, depends_on: {db: {condition: service_healthy}}, profiles: [p]}}",
            ),
        ],
        profiles: &["p"],
        ..Project::default()
    };
    let spec = project.loaded().spec;
    assert_eq!(spec.services["web"].depends_on["db"], DependencyCondition::ServiceHealthy);
}

#[test]
fn a_service_may_extend_what_is_included_and_reset_what_it_gets() {
    let project = Project {
        files: &[
            (
                "compose.yml",
                "include: [c.yml]\nservices: {web: {extends: base, user: !reset null, ports: !override ['82:82'], healthcheck: {disable: true}}}",
            ),
            (
                "c.yml",
                "services: {base: {image: x, user: root, ports: ['80:80'], healthcheck: {test: [CMD, t]}}}",
            ),
        ],
        ..Project::default()
    };
    let spec = project.loaded().spec;
    let web = &spec.services["web"].task;
    assert_eq!((web.user.as_deref(), web.ports.len(), web.ports[0].target), (None, 1, 82));
    assert_eq!(web.healthcheck.as_ref().unwrap().test, ["NONE"]);
}

const PROFILES: &[(&str, &str)] = &[
    (
        "compose.yml",
        "services:\n  foo: {image: foo}\n  bar: {image: bar, profiles: [test]}\n  baz: {image: baz, depends_on: {bar: {condition: service_started, required: false}}, profiles: [test, debug], env_file: none.env}\n",
    ),
    (".env", "COMPOSE_PROFILES=test, other"),
    ("none.env", ""),
];

#[test]
fn profiles_choose_services() {
    let with = |profiles: &[&str]| {
        let files = &PROFILES[..1];
        let env = &[("COMPOSE_PROFILES", if profiles == ["env"] { "test" } else { "" })];
        let beside = [files[0], PROFILES[2]];
        let profiles = if profiles == ["env"] { &[] } else { profiles };
        services(&Project { files: &beside, profiles, env, ..Project::default() }).join(" ")
    };
    assert_eq!(with(&[]), "foo");
    assert_eq!(with(&["test"]), "bar baz foo");
    assert_eq!(with(&["debug"]), "baz foo");
    assert_eq!(with(&["*"]), "bar baz foo");
    assert_eq!(with(&["env"]), "bar baz foo");
    let project = Project { files: PROFILES, ..Project::default() };
    assert_eq!(services(&project), ["bar", "baz", "foo"]);
    // A file of variables that no chosen service needs may be missing, and the merged file has only what was chosen.
    let project = Project { files: &PROFILES[..1], ..Project::default() };
    assert_eq!(project.merged(), "version: \"3.13\"\nservices:\n  foo:\n    image: foo\n");
}

#[test]
fn a_dependency_that_is_not_required_may_be_left_out() {
    let project = Project { files: &[PROFILES[0], PROFILES[2]], profiles: &["debug"], ..Project::default() };
    assert!(project.loaded().spec.services["baz"].depends_on.is_empty());
    assert!(!project.merged().contains("depends_on"));
}

#[test]
fn a_later_file_can_put_a_service_into_a_profile() {
    let project = Project {
        files: &[
            ("compose.yml", "services: {a: {image: x}, b: {image: x, profiles: [p]}}"),
            ("later.yml", "services: {a: {profiles: [q]}, b: {profiles: !reset []}}"),
        ],
        ..Project::default()
    };
    let spec = project.load_files(&["compose.yml", "later.yml"]).unwrap_or_else(|_| panic!()).spec;
    assert_eq!(spec.services.keys().map(ToString::to_string).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn variables_come_from_the_caller_then_from_files() {
    let files = &[
        ("compose.yml", "services: {a: {image: 'x:${A}-${B}-${C:-c}', environment: [A, D]}}"),
        (".env", "A=dot\nB=dot\nD=dot"),
        ("one.env", "A=one\nB=one"),
        ("two.env", "export B=\"two ${A}\"\nD='d'"),
    ];
    let image = |project: &Project<'_>| project.loaded().spec.services["a"].task.image.clone();
    let project = Project { files, env: &[("A", "caller")], ..Project::default() };
    assert_eq!(
        (image(&project), env(&project, "a")),
        ("x:caller-dot-c".to_owned(), "A=caller D=dot".to_owned())
    );
    let project = Project { files, env_files: &["/srv/app/one.env"], ..Project::default() };
    assert_eq!((image(&project), env(&project, "a")), ("x:one-one-c".to_owned(), "A=one D=?".to_owned()));
}

#[test]
fn the_stack_is_named_by_the_command_line_or_by_the_last_file() {
    let files = &[
        ("compose.yml", "name: one\nservices: {a: {image: 'x:$COMPOSE_PROJECT_NAME'}}"),
        ("later.yml", "name: '${N}o'"),
    ];
    let named = |name| {
        let project = Project { files, name, env: &[("N", "tw")], ..Project::default() };
        let spec = project.load_files(&["compose.yml", "later.yml"]).unwrap_or_else(|_| panic!()).spec;
        (spec.name.to_string(), spec.services["a"].task.image.clone())
    };
    assert_eq!(named(None), ("two".to_owned(), "x:two".to_owned()));
    assert_eq!(named(Some("given")), ("given".to_owned(), "x:given".to_owned()));
}

#[test]
fn keys_of_compose_go_where_docker_has_them() {
    let project = Project {
        files: &[(
            "compose.yml",
            "services: {a: {image: x, cpus: 0.5, mem_limit: 64m, mem_reservation: 32M, pids_limit: '10', scale: 3, platform: linux/amd64, deploy: {resources: {limits: {memory: 65536k}}}, ports: [{target: 80, published: '8080', host_ip: 127.0.0.1, name: web, app_protocol: http}]}}",
        )],
        ..Project::default()
    };
    insta::assert_snapshot!(project.merged(), @r##"
    version: "3.13"
    services:
      a:
        deploy:
          replicas: 3
          resources:
            limits:
              cpus: "0.5"
              memory: "67108864"
              pids: 10
            reservations:
              memory: "33554432"
          placement:
            constraints:
              - node.platform.os == linux
              - node.platform.arch == x86_64
        image: x
        ports:
          - 127.0.0.1:8080:80/tcp
    "##);
    let a = &project.loaded().spec.services["a"];
    assert_eq!(a.placement.constraints, ["node.platform.os == linux", "node.platform.arch == x86_64"]);
    assert_eq!(a.mode, ServiceMode::Replicated { replicas: 3 });
}

#[test]
fn the_long_form_of_env_file_is_composes() {
    let files = |item: &'static str| -> [(&'static str, &'static str); 2] {
        [("compose.yml", item), ("e.env", "A='q' # c\nB=${A}$X\n")]
    };
    let env_of = |item| env(&Project { files: &files(item), env: &[("X", "x")], ..Project::default() }, "a");
    assert_eq!(env_of("services: {a: {image: x, env_file: e.env}}"), "A='q' # c B=${A}$X");
    assert_eq!(env_of("services: {a: {image: x, env_file: [{path: e.env}]}}"), "A=q B=qx");
    assert_eq!(
        env_of("services: {a: {image: x, env_file: [{path: e.env, format: raw}]}}"),
        "A='q' # c B=${A}$X"
    );
}

#[test]
fn contents_of_configs_come_from_text_and_variables() {
    let project = Project {
        files: &[
            (
                "compose.yml",
                "services: {a: {image: x, configs: [c, e]}}\nconfigs: {c: {content: 'v=${V}'}, e: {environment: V}}",
            ),
            (".env", "V=1"),
        ],
        ..Project::default()
    };
    let spec = project.loaded().spec;
    let content = |key: &str| spec.configs[key].content.as_deref().unwrap();
    assert_eq!((content("c"), content("e")), (&b"v=1"[..], &b"1"[..]));
}
