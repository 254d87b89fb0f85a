//! Containers are what the stackfile says, as the engine itself tells.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::ground::{Ground, Task};

const STACKFILE: &str = r#"
version: "3.8"
services:
  full:
    image: web:1
    entrypoint: ["/bin/sh", "-c"]
    command: ["echo said $$0; exec sleep 1000", "and more"]
    environment:
      PLAIN: "a b"
      WHERE: "{{.Node.Hostname}}"
      SLOT: "{{.Task.Slot}}"
    labels: {team: shop}
    user: "1000:1001"
    working_dir: /srv
    hostname: "{{.Node.Hostname}}-{{.Task.Slot}}"
    domainname: example.org
    cap_add: [NET_ADMIN, SYS_TIME]
    cap_drop: [ALL]
    sysctls: {net.ipv4.ip_forward: "1"}
    ulimits:
      nproc: 500
      nofile: {soft: 100, hard: 200}
    init: true
    tmpfs: ["/scratch:size=1m,noexec"]
    stop_signal: SIGINT
    stop_grace_period: 1500ms
    logging: {driver: json-file, options: {max-size: 1m, max-file: "2"}}
    healthcheck: {test: ["CMD", "true"], interval: 700ms, timeout: 2s, retries: 4, start_period: 1s}
    security_opt: ["no-new-privileges:true"]
    shm_size: 8m
    extra_hosts: ["db:10.1.2.3", "cache:10.1.2.4"]
    dns: [10.9.9.9, 10.9.9.8]
    dns_search: [example.org]
    dns_opt: ["ndots:2"]
    group_add: ["1234"]
    oom_score_adj: 100
    tty: true
    stdin_open: true
    device_cgroup_rules: ["c 1:3 mr"]
    devices: ["/dev/null:/dev/nothing:rw"]
    ports:
      - {target: 80, published: 8081, mode: host}
      - {target: 81, protocol: udp}
      - "127.0.0.1:8082:82"
    volumes:
      - "data:/data"
      - "/anonymous"
      - {type: bind, source: /etc/hostname, target: /from-host, read_only: true, bind: {propagation: rprivate}}
      - {type: bind, source: /srv/made, target: /made, bind: {create_host_path: true}}
      - {type: tmpfs, target: /memory, tmpfs: {size: 65536}}
      - {type: volume, source: small, target: /small, volume: {nocopy: true}}
      - {type: volume, source: small, target: /seen, read_only: true}
    configs:
      - settings
      - {source: settings, target: /etc/deep/down/settings, uid: "1000", gid: "1001", mode: 0440}
      - {source: settings, target: /data/settings, mode: 0600}
    networks:
      front: {aliases: [shop, store]}
      back:
    deploy:
      placement: {constraints: [node.hostname == h2]}
      update_config: {monitor: 200ms}
      restart_policy: {condition: on-failure, max_attempts: 3}
      resources:
        limits: {cpus: "0.25", memory: 64M, pids: 60}

  sealed:
    image: web:1
    read_only: true
    stop_grace_period: 1s
    configs: [{source: settings, target: /etc/app/settings, mode: 0400}]
    networks: {back: {ipv4_address: 172.29.77.77}}
    deploy:
      placement: {constraints: [node.hostname == h2]}
      update_config: {monitor: 200ms}

  mighty:
    image: web:1
    privileged: {{PRIVILEGED}}
    network_mode: host
    environment: {WEB_PORT: "8090"}
    ipc: host
    pid: host
    userns_mode: host
    deploy:
      placement: {constraints: [node.hostname == h3]}
      update_config: {monitor: 200ms}

networks:
  front:
    driver: bridge
    driver_opts: {com.docker.network.bridge.enable_icc: "true"}
    internal: true
    labels: {of: front}
  back:
    ipam: {config: [{subnet: 172.29.77.0/24, gateway: 172.29.77.1, ip_range: 172.29.77.0/25}]}

volumes:
  data: {labels: {of: data}}
  small:
    driver: local
    driver_opts: {type: tmpfs, device: tmpfs, o: "size=1m,uid=1000"}

configs:
  settings: {content: "colour = red\n"}
"#;

#[track_caller]
fn are(task: &Task, wanted: &[(&str, Value)]) {
    let differing: Vec<String> = (wanted.iter())
        .map(|(path, wanted)| (path, task.inspect.pointer(path).unwrap_or(&Value::Null), wanted))
        .filter(|(_, found, wanted)| found != wanted)
        .map(|(path, found, wanted)| format!("{path}\n  is     {found}\n  wanted {wanted}"))
        .collect();
    assert!(differing.is_empty(), "{}:\n{}", task.name(), differing.join("\n"));
}

/// Mounts by target: type, name where it is told, and whether they can be written to.
fn mounts(task: &Task) -> BTreeSet<String> {
    let mounts = task.inspect["Mounts"].as_array().expect("mounts");
    mounts
        .iter()
        .map(|mount| {
            let text = |key: &str| mount[key].as_str().unwrap_or_default();
            let name = if text("Type") == "bind" { text("Source") } else { text("Name") };
            let name = if name.len() == 64 { "(anonymous)" } else { name };
            format!("{} {} {name} {}", text("Destination"), text("Type"), mount["RW"])
        })
        .collect()
}

#[test]
fn containers_carry_what_the_file_says() {
    let Some(ground) = Ground::new() else { return };
    // A machine that is a container itself may not be able to give all that it should.
    let is_able =
        ground.try_docker("h3", &["run", "--rm", "--privileged", "busybox:1", "true"]).status.success();
    if !is_able {
        eprintln!("this machine runs no privileged containers: tested without");
    }
    let file = ground.file("all.yml", &STACKFILE.replace("{{PRIVILEGED}}", &is_able.to_string()));
    ground.stackctl(&format!("deploy --yes -c {file} all")).ends(0);
    ground.assert_is("all", &["full.1", "sealed.1", "mighty.1"]);
    let tasks = ground.tasks("all");
    let task = |service: &str| tasks.iter().find(|task| task.service() == service).expect(service);

    let full = task("full");
    assert_eq!(full.host, "h2");
    are(
        full,
        &[
            ("/Config/Entrypoint", json!(["/bin/sh", "-c"])),
            ("/Config/Cmd", json!(["echo said $0; exec sleep 1000", "and more"])),
            ("/Config/Labels/team", json!("shop")),
            ("/Config/User", json!("1000:1001")),
            ("/Config/WorkingDir", json!("/srv")),
            ("/Config/Hostname", json!("h2-1")),
            ("/Config/Domainname", json!("example.org")),
            ("/Config/StopSignal", json!("SIGINT")),
            ("/Config/StopTimeout", json!(2)),
            ("/Config/Tty", json!(true)),
            ("/Config/OpenStdin", json!(true)),
            ("/Config/Healthcheck/Test", json!(["CMD", "true"])),
            ("/Config/Healthcheck/Interval", json!(700_000_000)),
            ("/Config/Healthcheck/Timeout", json!(2_000_000_000_i64)),
            ("/Config/Healthcheck/Retries", json!(4)),
            ("/Config/Healthcheck/StartPeriod", json!(1_000_000_000)),
            ("/HostConfig/CapAdd", json!(["CAP_NET_ADMIN", "CAP_SYS_TIME"])),
            ("/HostConfig/CapDrop", json!(["ALL"])),
            ("/HostConfig/Sysctls", json!({"net.ipv4.ip_forward": "1"})),
            ("/HostConfig/Init", json!(true)),
            ("/HostConfig/OomScoreAdj", json!(100)),
            ("/HostConfig/GroupAdd", json!(["1234"])),
            (
                "/HostConfig/LogConfig",
                json!({"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}}),
            ),
            ("/HostConfig/SecurityOpt", json!(["no-new-privileges:true"])),
            ("/HostConfig/ShmSize", json!(8 << 20)),
            ("/HostConfig/Dns", json!(["10.9.9.9", "10.9.9.8"])),
            ("/HostConfig/DnsSearch", json!(["example.org"])),
            ("/HostConfig/DnsOptions", json!(["ndots:2"])),
            ("/HostConfig/NanoCpus", json!(250_000_000)),
            ("/HostConfig/Memory", json!(64 << 20)),
            ("/HostConfig/PidsLimit", json!(60)),
            ("/HostConfig/DeviceCgroupRules", json!(["c 1:3 mr"])),
            (
                "/HostConfig/Devices",
                json!([{"PathOnHost": "/dev/null", "PathInContainer": "/dev/nothing", "CgroupPermissions": "rw"}]),
            ),
            ("/HostConfig/RestartPolicy", json!({"Name": "on-failure", "MaximumRetryCount": 3})),
            ("/HostConfig/Privileged", json!(false)),
            ("/HostConfig/ReadonlyRootfs", json!(false)),
            ("/HostConfig/PortBindings/80~1tcp", json!([{"HostIp": "", "HostPort": "8081"}])),
            ("/HostConfig/PortBindings/82~1tcp", json!([{"HostIp": "127.0.0.1", "HostPort": "8082"}])),
        ],
    );
    let sorted = |path: &str, key: &str| {
        let mut list = full.inspect.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
        list.sort_by_key(|one| if key.is_empty() { one.to_string() } else { one[key].to_string() });
        Value::Array(list)
    };
    assert_eq!(sorted("/HostConfig/ExtraHosts", ""), json!(["cache:10.1.2.4", "db:10.1.2.3"]));
    assert_eq!(
        sorted("/HostConfig/Ulimits", "Name"),
        json!([{"Name": "nofile", "Soft": 100, "Hard": 200}, {"Name": "nproc", "Soft": 500, "Hard": 500}])
    );
    let environment = full.inspect["Config"]["Env"].as_array().expect("an environment");
    for wanted in ["PLAIN=a b", "WHERE=h2", "SLOT=1", "WEB_VERSION=1"] {
        assert!(environment.contains(&json!(wanted)), "{wanted} is not in {environment:?}");
    }
    let chosen = &full.inspect["NetworkSettings"]["Ports"]["81/udp"][0]["HostPort"];
    assert!(chosen.as_str().is_some_and(|port| port != "0"), "{chosen}");

    let mounted = mounts(full);
    let wanted = [
        "/data volume all_data true",
        "/anonymous volume (anonymous) true",
        "/from-host bind /etc/hostname false",
        "/made bind /srv/made true",
        "/memory tmpfs  true",
        "/small volume all_small true",
        "/seen volume all_small false",
    ];
    for wanted in wanted {
        assert!(mounted.contains(wanted), "{wanted} is not in {mounted:#?}");
    }
    let volume = |name: &str| -> Value {
        serde_json::from_str(&ground.docker("h2", &["volume", "inspect", name])).expect("JSON")
    };
    let small = &volume("all_small")[0];
    assert_eq!(small["Options"], json!({"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=1000"}));
    assert_eq!(volume("all_data")[0]["Labels"]["of"], "data");

    let attached = &full.inspect["NetworkSettings"]["Networks"];
    let names: BTreeSet<&str> = attached.as_object().expect("networks").keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["all_back", "all_front"]));
    let aliases = |network: &str| -> BTreeSet<String> {
        let list = attached[network]["Aliases"].as_array().cloned().unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    for alias in ["full", "shop", "store"] {
        assert!(aliases("all_front").contains(alias), "{:?}", aliases("all_front"));
    }
    assert!(aliases("all_back").contains("full") && !aliases("all_back").contains("shop"));

    // Seen from inside: files with their owners and modes, mounts, limits.
    let inside = |command: &str| ground.exec(full, &["sh", "-c", command]);
    assert_eq!(
        inside("stat -c '%n %u:%g %a' /settings /etc/deep/down/settings /data/settings"),
        "/settings 0:0 444\n/etc/deep/down/settings 1000:1001 440\n/data/settings 0:0 600\n"
    );
    assert_eq!(inside("cat /settings /etc/deep/down/settings"), "colour = red\ncolour = red\n");
    // Not `ulimit -n`: what `docker exec` starts gets the soft or the hard limit, as runc's Go runtime
    // happens to be faster or slower than its parent.
    assert_eq!(inside("cat /from-host; hostname; cat /proc/sys/net/ipv4/ip_forward"), "h2\nh2-1\n1\n");
    assert!(inside("grep ' /scratch ' /proc/mounts").contains("noexec"));
    assert!(inside("grep ' /memory ' /proc/mounts").contains("size=64k"));
    assert!(inside("grep ' /small ' /proc/mounts").contains("size=1024k"));
    assert_eq!(inside("touch /seen/x 2>/dev/null || echo no"), "no\n");
    ground.stackctl("logs all full").ends(0).says(&["said and more"]);

    let sealed = task("sealed");
    are(
        sealed,
        &[
            ("/HostConfig/ReadonlyRootfs", json!(true)),
            ("/NetworkSettings/Networks/all_back/IPAddress", json!("172.29.77.77")),
        ],
    );
    assert_eq!(ground.exec(sealed, &["stat", "-c", "%u:%g %a %s", "/etc/app/settings"]), "0:0 400 13\n");
    // Names of services and aliases lead to their tasks.
    assert!(ground.exec(sealed, &["wget", "-q", "-O", "-", "http://sealed/version"]).contains('1'));
    assert!(ground.exec(sealed, &["nslookup", "full"]).contains("172.29.77."));

    let mighty = task("mighty");
    are(
        mighty,
        &[
            ("/HostConfig/Privileged", json!(is_able)),
            ("/HostConfig/NetworkMode", json!("host")),
            ("/HostConfig/IpcMode", json!("host")),
            ("/HostConfig/PidMode", json!("host")),
            ("/HostConfig/UsernsMode", json!("host")),
        ],
    );

    let networks: Value =
        serde_json::from_str(&ground.docker("h2", &["network", "inspect", "all_front", "all_back"]))
            .expect("JSON");
    assert_eq!(networks[0]["Internal"], true);
    assert_eq!(networks[0]["Labels"]["of"], "front");
    assert_eq!(networks[0]["Options"]["com.docker.network.bridge.enable_icc"], "true");
    let pool = json!([{"Subnet": "172.29.77.0/24", "IPRange": "172.29.77.0/25", "Gateway": "172.29.77.1"}]);
    assert_eq!(networks[1]["IPAM"]["Config"], pool);

    // What was made from the file is what the file says.
    ground.stackctl(&format!("diff -c {file} all")).ends(0);
}

const TEMPLATED: &str = r#"
services:
  web:
    image: web:1
    environment: {MODE: "MODE_IS", WHERE: "{{.Node.Hostname}}"}
    configs:
      - {source: site, target: /etc/site.conf, uid: "1000", mode: 0400}
      - {source: common, target: /etc/common.conf}
    deploy:
      replicas: 3
      labels: {tier: front}
      update_config: {monitor: 200ms, parallelism: 0}
  agent:
    image: web:1
    read_only: true
    configs: [{source: site, target: /etc/app/site.conf}]
    deploy: {mode: global, update_config: {monitor: 200ms, parallelism: 0}}
configs:
  common: {content: "common {{as it is}}\n"}
  site:
    template_driver: golang
    content: |
      {{- $$name := printf "%s-%s" .Service.Name .Task.Slot -}}
      {{$$name}} {{.Task.Name}} on {{.Node.Hostname}} {{.Node.Platform.OS}}
      {{env "MODE"}} {{env "WHERE"}} {{index .Service.Labels "tier"}}
      {{- if env "MODE"}}
      {{config "etc/common.conf"}}{{end}}
"#;

#[test]
fn each_task_has_its_own_content_of_a_config_that_is_a_template() {
    let Some(ground) = Ground::new() else { return };
    let deploy = |mode: &str| {
        let file = ground.file("templated.yml", &TEMPLATED.replace("MODE_IS", mode));
        ground.stackctl(&format!("deploy --yes -c {file} tpl")).ends(0);
        file
    };
    let check = |mode: &str| {
        // An update leaves the containers from before it, stopped.
        let mut tasks = ground.live("tpl", "web");
        tasks.extend(ground.live("tpl", "agent"));
        for task in &tasks {
            let (host, name, slot) = (&task.host, task.name(), task.slot().replace("web.", ""));
            if task.service() == "web" {
                let wanted = format!(
                    "tpl_web-{slot} {name} on {host} linux\n{mode} {host} front\ncommon {{{{as it is}}}}\n\n"
                );
                assert_eq!(ground.exec(task, &["cat", "/etc/site.conf"]), wanted);
                assert_eq!(ground.exec(task, &["stat", "-c", "%u %a", "/etc/site.conf"]), "1000 400\n");
            } else {
                let id = ground.docker(host, &["info", "--format", "{{.ID}}"]);
                let wanted = format!("tpl_agent-{} {name} on {host} linux\n  \n", id.trim());
                assert_eq!(ground.exec(task, &["cat", "/etc/app/site.conf"]), wanted);
            }
        }
        let ids = |service: &str| -> BTreeSet<String> {
            tasks.iter().filter(|task| task.service() == service).map(|task| task.id().to_owned()).collect()
        };
        (ids("web"), ids("agent"))
    };
    let file = deploy("fast");
    let (web, agents) = check("fast");
    assert_eq!((web.len(), agents.len()), (3, 4));
    ground.stackctl(&format!("diff -c {file} tpl")).ends(0);

    // What a template is filled in with belongs to the task, which is replaced.
    deploy("slow");
    let (new_web, new_agents) = check("slow");
    assert!(new_web.is_disjoint(&web), "{new_web:?} {web:?}");
    assert_eq!(new_agents, agents, "their environment is as it was");

    // The template itself, and that it is one.
    for change in [("on {{.Node", "at {{.Node"), ("    template_driver: golang\n", "")] {
        let text = TEMPLATED.replace(change.0, change.1);
        ground
            .stackctl(&format!("diff -c {} tpl", ground.file("other.yml", &text)))
            .ends(2)
            .says(&["web", "agent"]);
    }
}

#[test]
fn a_task_whose_config_cannot_be_filled_in_is_not_made() {
    let Some(ground) = Ground::new() else { return };
    let file = ground.file(
        "refused.yml",
        r#"
services:
  agent:
    image: web:1
    configs: [{source: site, target: /etc/site.conf}]
    deploy: {mode: global, restart_policy: {condition: none}, update_config: {monitor: 200ms}}
configs:
  site:
    template_driver: golang
    content: |
      host
      {{if eq .Node.Hostname "h2"}}{{config "/etc/nowhere.conf"}}{{end}}
"#,
    );
    let run = ground.stackctl(&format!("deploy --yes -c {file} tpl"));
    assert_ne!(run.status, 0, "{}", run.whole());
    let run =
        run.says(&["the config at /etc/site.conf cannot be filled in for this task", "line 2, column 32"]);
    assert!(!run.whole().contains("nowhere"), "{}", run.whole());
    assert!(ground.tasks_on("h2", "tpl").is_empty());
}
