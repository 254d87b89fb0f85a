//! Where we do not do what docker does, file by file, and why. A line that is no longer true fails.

/// Files that mean something else here.
pub const DIFFERENT: &[(&str, &str)] = &[
    ("dbohry__local-swarm-stacks/netdata-stack.yml", NETWORK_MODE),
    ("dgraph-io__dgraph/systest__bulk_live__bulk__docker-compose.yml", NESTED_VARIABLE),
    (
        "kubernetes__kompose/script__test__fixtures__unused__merge-multiple-compose__service-merge-concat-base.yml",
        TMPFS,
    ),
    (
        "kubernetes__kompose/script__test__fixtures__unused__merge-multiple-compose__service-merge-concat-override.yml",
        TMPFS,
    ),
    ("multi/kompose-concat", TMPFS),
];

/// Files that docker takes and we refuse.
pub const REFUSED: &[(&str, &str)] = &[
    ("chrisbecke__swarm-stacks/vault__stack.yml", "a template with conditions: `{{if eq .Task.Slot \"1\"}}`"),
    ("docker__cli/cli__compose__loader__loader_test.go__L283.yml", "`credential_spec` is for Windows"),
    (
        "docker__cli/e2e__stack__testdata__stack-with-named-resources.yml",
        "relative targets, which no engine mounts",
    ),
    (
        "kubernetes__kompose/script__test__fixtures__network-mode-service__compose.yaml",
        "`network_mode: service:…`, which docker drops",
    ),
];

/// `network_mode` is honoured: docker warns and puts the service on the default network.
const NETWORK_MODE: &str = "`network_mode: host` is honoured, docker ignores it";
/// As the Compose specification has it: docker ends the default at the first `}`.
const NESTED_VARIABLE: &str = "a variable in the default of a variable is filled in, docker leaves the text";
/// A key is used or refused, never dropped in silence.
const TMPFS: &str = "`tmpfs` of a service is mounted, docker forgets it";

/// Files that docker refuses and we take.
pub const TAKEN: &[(&str, &str)] = &[
    ("DependencyTrack__dependency-track/dev__compose.yaml", CONDITIONS),
    ("docker__compose/pkg__e2e__fixtures__restart-test__compose-depends-on.yaml", CONDITIONS),
    ("frappe__frappe_docker/pwd.yml", CONDITIONS),
    ("compose-spec__compose-go/loader__testdata__extends__reset.yaml", EXTENDS),
    ("zabbix__zabbix-docker/docker-compose_v3_alpine_mysql_latest.yaml", EXTENDS),
    ("docker__compose/pkg__e2e__fixtures__config_hash__compose.yaml", "`env_file` with objects"),
    ("compose-spec__compose-go/loader__testdata__compose-depends-on-cycle.yaml", "`name` at the top"),
    ("Kong__docker-kong/kong-build-tools__test__kong-tests-compose.yaml", VERSION),
    ("big-data-europe__docker-hadoop-spark-workbench/docker-compose.yml", VERSION),
    ("docker__cli/cli__compose__loader__loader_test.go__L398.yml", VERSION),
    ("docker__cli/cli__compose__loader__loader_test.go__L406.yml", VERSION),
    ("docker__cli/cli__compose__loader__loader_test.go__L416.yml", VERSION),
    ("docker__cli/cli__compose__loader__loader_test.go__L1025.yml", NEWER),
    ("rendyproklamanta__docker-swarm-traefik/sample__docker-compose-v1.yml", NEWER),
    ("docker__cli/cli__compose__loader__loader_test.go__L1768.yml", "the engine lacks the secrets' plugin"),
    (
        "stormburststudios__docker-swarm-loadbalancer/swarm-connectivity-tester__docker-compose.yml",
        "`build` is not looked into: a deploy builds nothing",
    ),
    ("vfarcic__docker-flow-stacks/docker__registry-cert-aws-auth.yml", "a key with nothing behind it"),
];

/// The Compose specification's form.
const CONDITIONS: &str = "`depends_on` with conditions";
const EXTENDS: &str = "`extends`, and what else of Compose's docker does not know";
/// What is refused is judged key by key, whatever the version says.
const VERSION: &str = "any version is read as the newest 3";
const NEWER: &str = "a key that is newer than the version written";

/// Files whose printed form is another to docker.
pub const PRINTED: &[(&str, &str)] =
    &[("dgraph-io__dgraph/systest__bulk_live__bulk__docker-compose.yml", NESTED_VARIABLE)];
