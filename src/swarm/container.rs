//! The container of a task.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Body, Stack, Written, labels};
use crate::model::secret_env::{self, SCHEME};
use crate::model::spec::{FileMount, Healthcheck, Mount, StackSpec, TaskSpec, Ulimit, VolumeSpec};
use crate::model::{GoDuration, ImageRef};

/// The container of a task; `written` is its service's part of the file.
pub fn body(stack: &Stack<'_>, task: &TaskSpec, written: Written<'_>) -> Body {
    let spec = stack.spec;
    let dns = Body::default()
        .with("Nameservers", task.dns.clone())
        .with("Search", task.dns_search.clone())
        .with("Options", task.dns_opt.clone());
    let body = Body::default()
        .with("Image", image(&task.image))
        .with("Labels", labels(spec, &task.labels))
        .with("Command", task.entrypoint.clone())
        .with("Args", task.command.clone())
        .with("Hostname", task.hostname.clone())
        .with("Env", environment(task))
        .with("Dir", task.working_dir.clone())
        .with("User", task.user.clone())
        .with("Groups", task.group_add.clone())
        .with_even_empty("Privileges", privileges(spec, written.at("credential_spec")))
        .with("StopSignal", task.stop_signal.clone())
        .with("TTY", task.tty)
        .with("OpenStdin", task.stdin_open)
        .with("ReadOnly", task.read_only)
        .with("Mounts", mounts(stack, task, written.at("volumes")))
        .with("StopGracePeriod", task.stop_grace_period.map(GoDuration::as_nanos))
        .with("Healthcheck", task.healthcheck.as_ref().map(|check| Value::from(healthcheck(check))))
        .with("Hosts", task.extra_hosts.iter().map(|line| host(line)).collect::<Vec<_>>())
        .with("DNSConfig", dns)
        .with("Secrets", secrets(spec, task, written.at("secrets")))
        .with("Configs", configs(spec, task, written))
        .with("Isolation", task.isolation.clone())
        .with("Sysctls", json!(task.sysctls))
        .with("CapabilityAdd", task.cap_add.clone())
        .with("CapabilityDrop", task.cap_drop.clone())
        .with("Ulimits", task.ulimits.iter().map(ulimit).collect::<Vec<_>>())
        .with("OomScoreAdj", task.oom_score_adj);
    // A missing value and false differ: the engine may have its own default.
    match task.init {
        Some(init) => body.with_even_empty("Init", init),
        None => body,
    }
}

/// As docker's client sends it: the familiar name, with a tag where there is no digest.
fn image(written: &str) -> String {
    match ImageRef::parse(written) {
        Ok(image) if image.tag.is_none() && image.digest.is_none() => format!("{image}:latest"),
        Ok(image) => image.to_string(),
        Err(_) => written.to_owned(),
    }
}

/// Credentials of Windows: nothing of ours, so the spec does not have them.
fn privileges(spec: &StackSpec, written: Written<'_>) -> Body {
    let config = written.at("config").text().and_then(|key| spec.configs.get(key));
    let credentials = Body::default()
        .with("Config", config.map(|config| config.name.clone()))
        .with("File", written.at("file").text())
        .with("Registry", written.at("registry").text());
    Body::default().with("CredentialSpec", credentials)
}

fn environment(task: &TaskSpec) -> Vec<String> {
    let line = |(name, value): (&String, &Option<String>)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    };
    let mut lines: Vec<String> = task.environment.iter().map(line).collect();
    // To docker's client they are texts.
    lines.extend(secret_env::references(task).map(|(name, key)| format!("{name}={SCHEME}{key}")));
    lines.sort();
    lines
}

/// `name:address` in the order of `/etc/hosts`.
fn host(line: &str) -> String {
    match line.split_once(':') {
        Some((name, address)) => format!("{address} {name}"),
        None => line.to_owned(),
    }
}

fn ulimit((name, limit): (&String, &Ulimit)) -> Value {
    json!({"Name": name, "Soft": limit.soft, "Hard": limit.hard})
}

fn healthcheck(check: &Healthcheck) -> Body {
    let nanos = |duration: Option<GoDuration>| duration.map(GoDuration::as_nanos).filter(|nanos| *nanos != 0);
    Body::default()
        .with("Test", check.test.clone())
        .with("Interval", nanos(check.interval))
        .with("Timeout", nanos(check.timeout))
        .with("Retries", check.retries.filter(|retries| *retries != 0))
        .with("StartPeriod", nanos(check.start_period))
        .with("StartInterval", nanos(check.start_interval))
}

fn mounts(stack: &Stack<'_>, task: &TaskSpec, written: Written<'_>) -> Vec<Value> {
    let items: BTreeMap<&str, Written<'_>> =
        written.items().filter_map(|item| Some((item.at("target").text()?, item))).collect();
    let body = |(target, one): (&String, &Mount)| {
        let item = items.get(target.as_str());
        // For Docker Desktop; nothing here goes by it.
        let consistency = item.and_then(|item| item.at("consistency").text());
        mount(stack, target, one).with("Consistency", consistency).into()
    };
    task.volumes.iter().map(body).collect()
}

fn mount(stack: &Stack<'_>, target: &str, mount: &Mount) -> Body {
    let body = Body::default().with("Target", target);
    match mount {
        Mount::Bind { source, read_only, propagation, create_host_path } => {
            let options = Body::default()
                .with("Propagation", propagation.clone())
                .with("CreateMountpoint", *create_host_path);
            body.with("Type", "bind")
                .with("Source", source.clone())
                .with("ReadOnly", *read_only)
                .with("BindOptions", options)
        }
        Mount::Volume { source: None, read_only, .. } => {
            body.with("Type", "volume").with("ReadOnly", *read_only)
        }
        Mount::Volume { source: Some(name), read_only, nocopy, subpath } => {
            let options = Body::default().with("NoCopy", *nocopy).with("Subpath", subpath.clone());
            let options = match stack.volumes.get(name.as_str()) {
                Some(volume) => options
                    .with("Labels", labels(stack.spec, &volume.labels))
                    .with("DriverConfig", driver(volume)),
                None => options,
            };
            body.with("Type", "volume")
                .with("Source", name.clone())
                .with("ReadOnly", *read_only)
                .with_even_empty("VolumeOptions", options)
        }
        Mount::Tmpfs { size, mode, options } => {
            // Each as a list of its own: the name, and the value if there is one.
            let words = |option: &String| option.split('=').map(Value::from).collect::<Vec<_>>();
            let options = Body::default()
                .with("SizeBytes", (*size != 0).then_some(*size))
                .with("Mode", *mode)
                .with("Options", options.iter().map(words).collect::<Vec<_>>());
            body.with("Type", "tmpfs").with("TmpfsOptions", options)
        }
        Mount::Npipe { source } => body.with("Type", "npipe").with("Source", source.clone()),
    }
}

fn driver(volume: &VolumeSpec) -> Body {
    Body::default().with("Name", volume.driver.clone()).with("Options", json!(volume.driver_opts))
}

fn secrets(spec: &StackSpec, task: &TaskSpec, written: Written<'_>) -> Vec<Value> {
    let name = |key: &str| spec.secrets.get(key).map(|secret| secret.name.clone());
    let is_file = |path: &str| secret_env::variable_of(path).is_none();
    references(&task.secrets, is_file, "SecretName", name, &names(written, "/run/secrets/"))
}

fn configs(spec: &StackSpec, task: &TaskSpec, written: Written<'_>) -> Vec<Value> {
    let name = |key: &str| spec.configs.get(key).map(|config| config.name.clone());
    let mut all = references(&task.configs, |_| true, "ConfigName", name, &names(written.at("configs"), "/"));
    // Credentials are a config that is no file.
    if let Some(name) = written.at("credential_spec").at("config").text().and_then(name) {
        all.push(Body::default().with("ConfigName", name).into());
    }
    all
}

/// The files of a task, each with the full name of what is in it.
fn references(
    mounts: &BTreeMap<String, FileMount>,
    is_wanted: impl Fn(&str) -> bool,
    field: &str,
    name: impl Fn(&str) -> Option<String>,
    files: &BTreeMap<(&str, String), &str>,
) -> Vec<Value> {
    let reference = |(path, mount): (&String, &FileMount)| {
        Body::default().with("File", file(path, mount, files)).with(field, name(&mount.source)).into()
    };
    mounts.iter().filter(|(path, _)| is_wanted(path)).map(reference).collect()
}

/// What the files of configs or secrets are called, by source and path: relative to `directory` or absolute,
/// as it is written.
fn names<'w>(written: Written<'w>, directory: &str) -> BTreeMap<(&'w str, String), &'w str> {
    let name = |item: Written<'w>| {
        let source = item.at("source").text()?;
        let target = item.at("target").text().filter(|target| !target.is_empty()).unwrap_or(source);
        // The target is one of the two, and only one of them is looked up.
        Some([((source, target.to_owned()), target), ((source, format!("{directory}{target}")), target)])
    };
    written.items().filter_map(name).flatten().collect()
}

fn file(path: &str, mount: &FileMount, names: &BTreeMap<(&str, String), &str>) -> Body {
    let name = names.get(&(mount.source.as_str(), path.to_owned())).copied().unwrap_or(path);
    Body::default()
        .with("Name", name)
        .with("UID", mount.uid.clone())
        .with("GID", mount.gid.clone())
        .with("Mode", mount.mode)
}
