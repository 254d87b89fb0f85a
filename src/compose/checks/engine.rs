//! Values that only the engine checks: capabilities, signals, kinds of limits, hardware addresses. It refuses them when
//! it creates a container, which is too late. An engine may know more values than stackctl, so an unknown one is
//! only a warning.

use std::net::IpAddr;

use super::Scene;
use crate::compose::short;
use crate::compose::stackfile::Service;
use crate::yaml::{Diagnostic, Span, Spanned, closest};

/// Linux's capabilities, `capabilities(7)`.
const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// Linux's signals by name, `signal(7)`, with the other names of some.
const SIGNALS: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "UNUSED", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN",
];

/// Kinds of limits, `getrlimit(2)`.
const ULIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Kernel settings that a container has for itself; any other is refused when it starts.
const SYSCTLS: [&str; 13] = [
    "fs.mqueue.",
    "kernel.domainname",
    "kernel.hostname",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "net.",
    "user.max_user_namespaces",
];

pub(super) fn check(scene: &Scene<'_>, service: &Service) {
    for capability in service.cap_add.iter().chain(&service.cap_drop) {
        let name = short::capability(capability);
        let bare = name.trim_start_matches("CAP_");
        if bare != "ALL" && !CAPABILITIES.contains(&bare) {
            unknown(scene, "unknown_capability", "capability", capability, closest(bare, &CAPABILITIES));
        }
    }
    // An empty one is the image's own, as docker has it.
    if let Some(signal) = service.stop_signal.as_ref().filter(|signal| !signal.is_empty()) {
        self::signal(scene, signal);
    }
    on_config(scene, service);
    // Docker's client drops one that is none.
    for address in service.dns.iter().filter(|address| address.parse::<IpAddr>().is_err()) {
        scene.sink.push(
            scene
                .hopeless(
                    "bad_address",
                    format!("an item of `dns` of service `{}` is not an IP address", service.key.value),
                )
                .at(address.span, "not an IP address"),
        );
    }
    for (name, limit) in &service.ulimits {
        if !ULIMITS.contains(&name.as_str()) {
            let name = Spanned::new(name.clone(), limit.span);
            unknown(scene, "unknown_ulimit", "kind of ulimit", &name, closest(&name, &ULIMITS));
        }
    }
    for (name, value) in &service.sysctls {
        self::sysctl(scene, name, value.span);
    }
    if let Some(address) = &service.mac_address
        && !is_mac(address)
    {
        scene.sink.push(
            Diagnostic::error(
                "bad_address",
                format!("`mac_address` of service `{}` is not a hardware address", service.key.value),
            )
            .at(address.span, "not six pairs of hexadecimal digits")
            .help("the form is `02:42:ac:11:00:02`"),
        );
    }
}

/// What `x-stackctl: {on_config}` says.
fn on_config(scene: &Scene<'_>, service: &Service) {
    let Some(signal) = &service.on_config else { return };
    let of_no_effect = |why: &str| {
        let what = format!("`on_config` of service `{}` has no effect", service.key.value);
        scene.sink.push(Diagnostic::note("idle_setting", what).at(signal.span, why));
    };
    // As with a variable that is not set: no signal, so tasks are replaced.
    if signal.is_empty() {
        return of_no_effect("it names no signal: tasks are replaced when their configs and secrets change");
    }
    self::signal(scene, signal);
    let name = signal.to_ascii_uppercase();
    if ["KILL", "STOP", "9", "19"].contains(&name.strip_prefix("SIG").unwrap_or(&name)) {
        scene.sink.push(
            Diagnostic::error(
                "bad_signal",
                format!("no process of service `{}` can act on this signal", service.key.value),
            )
            .at(signal.span, "the kernel does, and the process does not see it")
            .help("name the one on which it reads its files again, such as SIGHUP"),
        );
    }
    if service.configs.is_empty() && service.secrets.is_empty() {
        of_no_effect("the service has no configs and no secrets");
    }
}

fn unknown(scene: &Scene<'_>, code: Code, what: &str, name: &Spanned<String>, near: Option<&str>) {
    let shown = scene.sink.shown(name);
    scene.sink.push(
        Diagnostic::warning(code, format!("`{shown}` is an unknown {what}"))
            .at(name.span, "a container with it may be refused")
            .help(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "look it up: `man {}`",
                    if code == "unknown_ulimit" { "getrlimit" } else { "capabilities" }
                ),
            }),
    );
}

/// Last part of a diagnostic's code.
type Code = &'static str;

/// By name, with or without `SIG`, or by number; as moby's `signal.ParseSignal` has it.
fn signal(scene: &Scene<'_>, signal: &Spanned<String>) {
    let upper = signal.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let real_time = ["RTMIN", "RTMAX"].iter().any(|base| {
        name.strip_prefix(base).is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix(['+', '-']).is_some_and(|n| n.parse::<u8>().is_ok())
        })
    });
    let number = name.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
    if real_time || number || SIGNALS.contains(&name) {
        return;
    }
    let help = match closest(name, &SIGNALS) {
        Some(near) => format!("did you mean `SIG{near}`?"),
        None => "a signal is written as `SIGTERM`, `TERM` or `15`".to_owned(),
    };
    scene.sink.push(
        scene
            .hopeless("bad_signal", format!("`{}` is not a signal", scene.sink.shown(signal)))
            .at(signal.span, "no signal is called so")
            .help(help),
    );
}

fn sysctl(scene: &Scene<'_>, name: &str, span: Span) {
    let is_own = |known: &str| name == known || (known.ends_with('.') && name.starts_with(known));
    if SYSCTLS.iter().any(|known| is_own(known)) {
        return;
    }
    let shown = scene.sink.clean(name);
    scene.sink.push(
        Diagnostic::warning("sysctl_of_the_host", format!("`{shown}` cannot be set for one container"))
            .at(span, "belongs to the whole host")
            .help(match closest(name, &SYSCTLS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("set it on the hosts: `sysctl -w {shown}=…`"),
            }),
    );
}

fn is_mac(text: &str) -> bool {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    parts.len() == 6
        && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))
}
