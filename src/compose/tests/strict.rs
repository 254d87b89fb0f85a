//! Docker's reading: what its client and a swarm's manager take is not refused, be it as hopeless as it is.

use super::Beside;
use crate::compose::{Loaded, Options, Reading, SecretFiles, Stack, Variables, load};
use crate::model::StackName;
use crate::yaml::{Report, Severity, SourceText};

/// A file, read so.
pub(super) fn read(text: &str, reading: Reading) -> Result<Loaded, Report> {
    let options = Options {
        stack: Stack::Given(&StackName::unchecked("app")),
        project_dir: "/srv/app",
        home: None,
        env: &|_| None,
        files: &Beside,
        env_files: None,
        profiles: &[],
        reading,
        variables: Variables::Fill,
        secrets: SecretFiles::default(),
    };
    load(vec![SourceText { name: "a.yml".into(), bytes: text.into() }], &options)
}

fn body(service: &str) -> String {
    format!("services:\n  web:\n    image: nginx\n    {}\n", service.replace('\n', "\n    "))
}

/// Each is an error of ours and a warning of docker's reading.
#[test]
fn what_docker_takes_is_no_error_read_strictly() {
    let two = |services: &str| format!("services:\n  {}\n", services.replace('\n', "\n  "));
    for (code, text) in [
        ("impossible_constraint", body("deploy: {placement: {constraints: ['node.role == boss']}}")),
        (
            "contradicting_constraints",
            body("deploy: {placement: {constraints: [node.role==worker, node.role!=worker]}}"),
        ),
        (
            "too_few_nodes",
            body(
                "deploy: {replicas: 3, placement: {max_replicas_per_node: 1, constraints: [node.hostname==a]}}",
            ),
        ),
        (
            "start_first_with_host_port",
            body(
                "deploy: {mode: global, update_config: {order: start-first}}\nports: [{target: 80, published: 80, mode: host}]",
            ),
        ),
        ("soft_above_hard", body("ulimits: {nofile: {soft: 2, hard: 1}}")),
        ("bad_signal", body("stop_signal: SIGSTOPP")),
        ("bad_address", body("dns: [not-an-address]")),
        ("bad_host", body("extra_hosts: ['db:nowhere']")),
        ("reserved_label", body("labels: {io.stackctl.stack: x}")),
        ("out_of_range", body("deploy: {rollback_config: {max_failure_ratio: 2}}")),
        ("bad_template", body("hostname: '{{.Node.Shape}}'")),
        (
            "bad_template_driver",
            body("configs: [c]") + "configs: {c: {content: '{{x}}', template_driver: jinja}}\n",
        ),
        (
            "bad_config_template",
            body("configs: [c]") + "configs: {c: {content: '{{x}}', template_driver: golang}}\n",
        ),
        ("relative_target", body("volumes: ['/a:b']")),
        (
            "duplicate_target",
            body("volumes: ['/a:/run/secrets/s']\nsecrets: [s]") + "secrets: {s: {external: true}}\n",
        ),
        (
            "port_on_every_node",
            two(
                "a: {image: a, deploy: {mode: global}, ports: [{target: 1, published: 80, mode: host}]}\nb: {image: b, deploy: {mode: global}, ports: [{target: 1, published: 80, mode: host}]}",
            ),
        ),
        (
            "subnets_overlap",
            body("networks: [a, b]")
                + "networks:\n  a: {ipam: {config: [{subnet: 10.0.0.0/16}]}}\n  b: {ipam: {config: [{subnet: 10.0.1.0/24}]}}\n",
        ),
    ] {
        let full = format!("stackctl::compose::{code}");
        match read(&text, Reading::Ours) {
            Err(report) => assert!(report.faults.iter().any(|fault| fault.code == full), "{code}: {text}"),
            Ok(_) => panic!("{code} is no error:\n{text}"),
        }
        match read(&text, Reading::Docker) {
            Err(report) => panic!("{code} is refused: {:?}", report.machine()),
            Ok(loaded) => {
                let warned = loaded.notes.iter().any(|n| n.code == full && n.severity == Severity::Warning);
                assert!(warned, "{code} is not reported");
            }
        }
    }
}

/// What docker hands on is handed on, what it drops is dropped.
#[test]
fn what_is_wrong_and_taken_is_what_docker_makes_of_it() {
    let loaded =
        read(&body("dns: [nowhere, 1.1.1.1]\nextra_hosts: ['db:nowhere', 'a:1.1.1.1']"), Reading::Docker);
    let loaded = loaded.unwrap_or_else(|report| panic!("{:?}", report.machine()));
    let task = &loaded.spec.services["web"].task;
    assert_eq!(task.dns, ["1.1.1.1"]);
    assert_eq!(task.extra_hosts, ["db:nowhere", "a:1.1.1.1"]);
}
