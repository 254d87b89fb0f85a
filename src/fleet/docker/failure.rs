//! Why an action was refused: the engine's message, with an error code and a next step.

use miette::Diagnostic;
use thiserror::Error;

use crate::fleet::auth::Sent;
use crate::model::action::{Failure, FailureKind, What};
use crate::model::image::ImageRef;

use super::client::CallError;
use super::refusal::Refusal;

/// Why an action was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum ActionError {
    /// No room.
    #[error("the disk is full: {words}")]
    #[diagnostic(
        code(stackctl::docker::disk_full),
        help(
            "make room on that host: `docker system df` shows what takes it, `docker system prune` frees some"
        )
    )]
    DiskFull { words: String },
    /// The engine has no such image.
    #[error("the image `{image}` is not there: {words}")]
    #[diagnostic(
        code(stackctl::docker::image_missing),
        help("check the name and tag of the image, or push it to a registry that the host reaches")
    )]
    ImageMissing { image: String, words: String },
    /// The registry wants credentials, and there were none to send.
    #[error("the registry wants credentials for `{image}`, and none were sent: {words}")]
    #[diagnostic(code(stackctl::docker::credentials_missing), help("{help}"))]
    CredentialsMissing { image: String, words: String, help: String },
    /// The registry does not take the credentials.
    #[error("the registry does not take the credentials sent for `{image}`: {words}")]
    #[diagnostic(
        code(stackctl::docker::credentials_refused),
        help(
            "they are wrong or have expired: `docker login {registry}` here; a public image needs none, see \
             `--without-registry-auth`"
        )
    )]
    CredentialsRefused {
        image: String,
        /// As `docker login` names it.
        registry: String,
        words: String,
    },
    /// The registry refuses access.
    #[error("the registry denies access to `{image}`: {words}")]
    #[diagnostic(code(stackctl::docker::pull_denied), help("{help}"))]
    PullDenied { image: String, words: String, help: String },
    /// The registry limits how much is asked of it.
    #[error("the registry of `{image}` has had too many requests: {words}")]
    #[diagnostic(
        code(stackctl::docker::too_many_requests),
        help(
            "wait, then run the command again; many registries allow more to users who are logged in: `docker login \
             {registry}` here"
        )
    )]
    TooManyRequests {
        image: String,
        /// As `docker login` names it.
        registry: String,
        words: String,
    },
    /// The registry has a failure of its own.
    #[error("the registry of `{image}` failed: {words}")]
    #[diagnostic(
        code(stackctl::docker::registry_failed),
        help(
            "the failure is the registry's own: run the command again later, and see its log if it stays so"
        )
    )]
    RegistryFailed { image: String, words: String },
    /// The registry takes too long.
    #[error("the registry of `{image}` does not answer in time: {words}")]
    #[diagnostic(
        code(stackctl::docker::registry_slow),
        help(
            "run the command again: what was pulled is kept; if it stays so, try `docker pull {image}` on that host"
        )
    )]
    RegistrySlow { image: String, words: String },
    /// The registry has begun to send, and has stopped.
    #[error("the pull of `{image}` stands still: nothing came for {seconds} s, after {bytes} bytes")]
    #[diagnostic(
        code(stackctl::docker::pull_stalled),
        help(
            "the pull was given up, and no task was touched; run the command again: whole layers are kept; if it stays so, look at \
             the registry and the way to it from that host"
        )
    )]
    PullStalled { image: String, bytes: u64, seconds: u64 },
    /// The registry cannot prove who it is.
    #[error("the host does not trust the certificate of the registry of `{image}`: {words}")]
    #[diagnostic(
        code(stackctl::docker::registry_untrusted),
        help("put the certificate of its authority on that host, as /etc/docker/certs.d/{registry}/ca.crt")
    )]
    RegistryUntrusted {
        image: String,
        /// As docker names its folder.
        registry: String,
        words: String,
    },
    /// The host cannot reach the registry.
    #[error("the registry of `{image}` cannot be reached from the host: {words}")]
    #[diagnostic(
        code(stackctl::docker::registry_unreachable),
        help("check the host's DNS, proxy and way to the registry: `docker pull {image}` there")
    )]
    RegistryUnreachable { image: String, words: String },
    /// Another process has that port.
    #[error("{port} is already taken: {words}")]
    #[diagnostic(
        code(stackctl::docker::port_taken),
        help("see who has it with `ss -ltnup` on that host, or publish another port")
    )]
    PortTaken {
        /// `port 8080`, as far as the engine reports it.
        port: String,
        words: String,
    },
    /// A path that cannot be mounted.
    #[error("a mount is refused: {words}")]
    #[diagnostic(
        code(stackctl::docker::bad_mount),
        help("check its source on that host; `bind: {{create_host_path: true}}` makes a missing directory")
    )]
    BadMount { words: String },
    /// A failure of the runtime itself, not of the task's settings.
    #[error("the container runtime failed: {words}")]
    #[diagnostic(
        code(stackctl::docker::runtime),
        help(
            "run the command again; if it stays so, look on that host with `journalctl -u docker -u containerd`"
        )
    )]
    Runtime { words: String },
    /// The task would not survive it.
    #[error("it uses {uses} bytes of memory, more than the new limit of {limit}: the kernel would end it")]
    #[diagnostic(
        code(stackctl::docker::limit_below_use),
        help("run the command again: a task that uses more than its new limit is replaced")
    )]
    LimitBelowUse {
        /// Bytes.
        uses: i64,
        /// Bytes.
        limit: i64,
    },
    /// The command is not in the image.
    #[error("the command cannot be run: {words}")]
    #[diagnostic(
        code(stackctl::docker::bad_command),
        help("check `command`, `entrypoint`, `working_dir` and `user` against what the image holds")
    )]
    BadCommand { words: String },
    /// A network that is not there.
    #[error("a network is missing: {words}")]
    #[diagnostic(
        code(stackctl::docker::network_missing),
        help("an external network must exist on every host that needs it: `docker network create` there")
    )]
    NetworkMissing { words: String },
    /// A network of that name with another definition.
    #[error("there is a network `{name}` that {difference}")]
    #[diagnostic(
        code(stackctl::docker::network_conflict),
        help("remove it with `docker network rm {name}` on that host, or declare it `external: true`")
    )]
    NetworkConflict { name: String, difference: String },
    /// A network that is still used.
    #[error("the network `{name}` is still in use")]
    #[diagnostic(
        code(stackctl::docker::network_in_use),
        help("`docker network inspect {name}` on that host shows by whom")
    )]
    NetworkInUse { name: String },
    /// Addresses that others have.
    #[error("no addresses for the network: {words}")]
    #[diagnostic(
        code(stackctl::docker::address_pool),
        help("choose another subnet under `ipam`, or remove unused networks with `docker network prune`")
    )]
    AddressPool { words: String },
    /// A container of that name that is not this task.
    #[error("there is a container `{name}` that is not this task")]
    #[diagnostic(
        code(stackctl::docker::name_taken),
        help("rename or remove it on that host: `docker rename {name} {name}.old`")
    )]
    NameTaken { name: String },
    /// A driver that the engine lacks.
    #[error("a plug-in is missing: {words}")]
    #[diagnostic(
        code(stackctl::docker::plugin_missing),
        help("install it on that host with `docker plugin install`, or use another driver")
    )]
    PluginMissing { words: String },
    /// A file that cannot be put into a read-only root.
    #[error("the file {target} cannot be put into a read-only root")]
    #[diagnostic(
        code(stackctl::docker::file_in_read_only_root),
        help("give the config a `target:` in a directory, such as /config{target}, or drop `read_only`")
    )]
    FileInReadOnlyRoot { target: String },
    /// A file that a memory mount would hide.
    #[error("the file {target} would be hidden by the tmpfs at {mounted}")]
    #[diagnostic(
        code(stackctl::docker::file_in_tmpfs),
        help("give the config a `target:` outside of {mounted}")
    )]
    FileInTmpfs {
        target: String,
        /// The mount above it.
        mounted: String,
    },
    /// A file whose template does not work for this task.
    #[error("the config at {target} cannot be filled in for this task: {why}")]
    #[diagnostic(
        code(stackctl::docker::bad_template),
        help(
            "correct the template, or what it asks for: `stackctl help stackfile` has what templates may use"
        )
    )]
    BadTemplate {
        target: String,
        /// Names the line, and no value.
        why: String,
    },
    /// What a secret's file needs is not there.
    #[error("its secrets cannot be brought to the host: {why}")]
    #[diagnostic(code(stackctl::secret::not_delivered), help("{help}"))]
    SecretsNotDelivered { why: String, help: String },
    /// The host has forgotten the secrets of a container that it has.
    #[error("its secrets are no longer in the host's memory: {words}")]
    #[diagnostic(
        code(stackctl::secret::not_in_memory),
        help(
            "the host was started again since then; a deploy, or the loop, brings them there with a new task"
        )
    )]
    SecretsGone { words: String },
    /// The container is gone.
    #[error("there is no container `{name}`")]
    #[diagnostic(
        code(stackctl::docker::container_missing),
        help("it was removed meanwhile; run the command again")
    )]
    ContainerMissing { name: String },
    /// Any other no.
    #[error("the engine refuses: {words}")]
    #[diagnostic(code(stackctl::docker::refused), help("look there with `journalctl -u docker`"))]
    Refused { words: String },
    /// It took too long.
    #[error("not done within {seconds} s")]
    #[diagnostic(
        code(stackctl::docker::deadline),
        help("the engine may still be at it; `stackctl ps` shows what came of it")
    )]
    Deadline { seconds: u64 },
}

impl ActionError {
    /// Gives a refusal its name.
    #[must_use]
    pub fn of(error: &CallError, what: &What) -> Self {
        let words = match error {
            CallError::Deadline(limit) => return Self::Deadline { seconds: limit.as_secs() },
            CallError::Status { message, .. } => cleaned(message),
            CallError::Transport(words) | CallError::Decode(words) | CallError::TooLong(words) => {
                cleaned(words)
            }
        };
        let lower = words.to_lowercase();
        let has = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
        if is_full(&lower) {
            return Self::DiskFull { words };
        }
        match what {
            What::PullImage { image } => pull(image, error, words, &Sent::default()),
            What::CreateTask { task } if has(&["no such image"]) => {
                Self::ImageMissing { image: task.spec.pinned_image(), words }
            }
            What::CreateTask { task } | What::StartTask { task } if has(&["no such container"]) => {
                Self::ContainerMissing { name: task.container_name() }
            }
            _ if has(&["port is already allocated", "address already in use"]) => {
                Self::PortTaken { port: port(&words), words }
            }
            _ if has(&["network"]) && has(&["not found"]) => Self::NetworkMissing { words },
            _ if has(&["address pool", "pool overlaps", "no available network"]) => {
                Self::AddressPool { words }
            }
            _ if has(&["plugin"]) && has(&["not found"]) => Self::PluginMissing { words },
            _ if is_of_secrets(&lower) && has(&["no such file", "bind source path does not exist"]) => {
                Self::SecretsGone { words }
            }
            _ if has(&["executable file not found", "exec:", "unable to find user", "chdir to cwd"]) => {
                Self::BadCommand { words }
            }
            _ if is_runtimes_own(&lower) => Self::Runtime { words },
            _ if has(&["mount", "bind source path", "invalid volume specification"]) => {
                Self::BadMount { words }
            }
            _ => Self::Refused { words },
        }
    }

    /// The same of a pull, for which credentials may have been sent.
    #[must_use]
    pub fn of_pull(error: &CallError, image: &str, sent: &Sent) -> Self {
        let words = match error {
            CallError::Status { message, .. } => cleaned(message),
            other => cleaned(&other.to_string()),
        };
        if is_full(&words.to_lowercase()) {
            return Self::DiskFull { words };
        }
        pull(image, error, words, sent)
    }

    /// As the orchestrator reads it.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let kind = match self {
            Self::Deadline { .. } | Self::PullStalled { .. } => FailureKind::Deadline,
            _ => FailureKind::Refused,
        };
        Failure {
            kind,
            code: self.code().map_or_else(String::new, |code| code.to_string()),
            message: self.to_string(),
            help: self.help().map(|help| help.to_string()),
        }
    }
}

/// Whether words, in small letters, are of a disk without room.
fn is_full(words: &str) -> bool {
    ["no space left on device", "disk quota exceeded"].iter().any(|text| words.contains(text))
}

/// Gives the refusal of a pull its name.
fn pull(image: &str, error: &CallError, words: String, sent: &Sent) -> ActionError {
    let registry = registry_of(image);
    let image = image.to_owned();
    match Refusal::of(error, sent.were_sent) {
        Some(Refusal::CredentialsMissing) => {
            let help = sent.how_to_log_in(&registry);
            ActionError::CredentialsMissing { image, words, help }
        }
        Some(Refusal::CredentialsRefused) => ActionError::CredentialsRefused { image, registry, words },
        Some(Refusal::Denied) if sent.were_sent => {
            let help =
                format!("check the name, and whether the user that is logged in to {registry} may pull it");
            ActionError::PullDenied { image, words, help }
        }
        Some(Refusal::Denied) => {
            let help = format!("check the name; for a private image {}", sent.how_to_log_in(&registry));
            ActionError::PullDenied { image, words, help }
        }
        Some(Refusal::TooManyRequests) => ActionError::TooManyRequests { image, registry, words },
        Some(Refusal::Failed) => ActionError::RegistryFailed { image, words },
        Some(Refusal::Unreachable) => ActionError::RegistryUnreachable { image, words },
        Some(Refusal::Untrusted) => ActionError::RegistryUntrusted { image, registry, words },
        Some(Refusal::Slow) => ActionError::RegistrySlow { image, words },
        Some(Refusal::ImageMissing) => ActionError::ImageMissing { image, words },
        None => ActionError::Refused { words },
    }
}

/// As `docker login` has it: `docker.io` for an image without a registry.
fn registry_of(image: &str) -> String {
    ImageRef::parse(image).map_or_else(|_| "REGISTRY".to_owned(), |image| image.domain)
}

impl Sent {
    fn how_to_log_in(&self, registry: &str) -> String {
        match &self.why_none {
            Some(why) => format!("`docker login {registry}` here; none were sent, since {why}"),
            None => format!(
                "`docker login {registry}` here, or for the loop and the hook `stackctl registry login {registry}`"
            ),
        }
    }
}

/// Whether words of the engine, in small letters, name the file of a secret.
fn is_of_secrets(words: &str) -> bool {
    words.split_whitespace().any(|word| word.contains("/stackctl/") && word.contains("/secrets/"))
}

/// Whether words of the runtime, in small letters, are of a mount that every container has (`cgroup`,
/// `proc`, …) and not of one that a stackfile names, which is a path.
///
/// With cgroup v1, runc looks for the cgroups among the mounts that it sees. An engine that is filling the
/// files of one container has that one's volumes mounted for the moment; where these hold the host's
/// `/sys/fs/cgroup`, a start beside it takes them for the real ones, and finds them gone.
pub(super) fn is_runtimes_own(words: &str) -> bool {
    let source = words.split_once("error mounting \"").map(|(_, rest)| rest);
    source.is_some_and(|source| !source.starts_with('/'))
}

/// Without the frames that wrap around what matters.
pub(super) fn cleaned(message: &str) -> String {
    let mut text = message.trim();
    for frame in [
        "Error response from daemon: ",
        "failed to create shim task: ",
        "failed to create task for container: ",
        "OCI runtime create failed: ",
        "runc create failed: ",
        "unable to start container process: ",
        "container_linux.go:367: starting container process caused: ",
    ] {
        text = text.strip_prefix(frame).unwrap_or(text);
    }
    text.trim_end_matches(": unknown").trim_end_matches('.').to_owned()
}

/// `port 8080` from `Bind for 0.0.0.0:8080 failed` or `listen tcp4 0.0.0.0:8080: bind`.
fn port(words: &str) -> String {
    let after = ["Bind for ", "listen tcp4 ", "listen tcp6 ", "listen tcp ", "listen udp4 ", "listen udp "];
    let address = after.iter().find_map(|before| Some(words.split_once(before)?.1));
    let number = address
        .and_then(|text| text.split([' ']).next())
        .and_then(|text| text.trim_end_matches(':').rsplit(':').next())
        .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    number.map_or_else(|| "a port".to_owned(), |number| format!("port {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::action::TaskHandle;
    use crate::model::{ServiceName, Slot, StackName, TaskId};

    fn code(what: &What, code: u16, message: &str) -> (String, String) {
        let failure =
            ActionError::of(&CallError::Status { code, message: message.into() }, what).into_failure();
        (failure.code, failure.message)
    }

    /// As an engine says it whose host was started again.
    #[test]
    fn secrets_that_are_no_longer_there_are_told_apart_from_other_mounts() {
        let again = What::StartAgain {
            task: TaskHandle {
                id: TaskId::unchecked("9plycrj2mzocz05z506ljdaur"),
                stack: StackName::unchecked("shop"),
                service: ServiceName::unchecked("app"),
                slot: Slot::Replica(2),
            },
        };
        let gone = "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create \
                 failed: unable to start container process: error during container init: error mounting \
                 \"/var/run/stackctl/prod/secrets/9plycrj2mzocz05z506ljdaur/0\" to rootfs at \"/etc/two\": stat \
                 /var/run/stackctl/prod/secrets/9plycrj2mzocz05z506ljdaur/0: no such file or directory: unknown";
        assert_eq!(code(&again, 500, gone).0, "stackctl::secret::not_in_memory");
        let other = gone.replace("/secrets/", "/other/");
        assert_eq!(code(&again, 500, &other).0, "stackctl::docker::bad_mount");
    }

    #[test]
    fn a_pull_is_refused_by_what_was_sent_with_it() {
        let refusal = |status: u16, words: &str, sent: &Sent| {
            let error = CallError::Status { code: status, message: words.into() };
            let failure = ActionError::of_pull(&error, "registry:5000/web:9", sent).into_failure();
            (failure.code.replace("stackctl::docker::", ""), failure.help.unwrap())
        };
        let none = Sent::default();
        let off = Sent { were_sent: false, why_none: Some("the helper failed".into()) };
        let some = Sent { were_sent: true, why_none: None };
        let words = "unauthorized: authentication required";
        let login = "`docker login registry:5000` here, or for the loop and the hook `stackctl registry login registry:5000`";
        assert_eq!(refusal(500, words, &none), ("credentials_missing".to_owned(), login.to_owned()));
        let (code, help) = refusal(500, words, &off);
        assert_eq!(
            (code.as_str(), help),
            (
                "credentials_missing",
                "`docker login registry:5000` here; none were sent, since the helper failed".to_owned()
            )
        );
        let (code, help) = refusal(500, words, &some);
        assert!(
            code == "credentials_refused" && help.contains("`docker login registry:5000` here"),
            "{code} {help}"
        );
        let words = "pull access denied for registry:5000/web, repository does not exist or may require 'docker login': denied: ";
        let (code, help) = refusal(404, words, &none);
        assert!(
            code == "pull_denied" && help.contains("check the name") && help.contains(login),
            "{code} {help}"
        );
        let (code, help) = refusal(404, words, &some);
        assert!(code == "pull_denied" && help.contains("whether the user"), "{code} {help}");
    }

    /// Each text here was said by a real engine.
    #[test]
    fn refusals_have_names() {
        let pull = What::PullImage { image: "registry:5000/web:9".into() };
        let other = What::RemoveNetwork { name: "n".into() };
        for (what, status, words, wanted) in [
            (
                &pull,
                404,
                "manifest for registry:5000/web:9 not found: manifest unknown: manifest unknown",
                "image_missing",
            ),
            (
                &pull,
                404,
                "pull access denied for x, repository does not exist or may require 'docker login'",
                "pull_denied",
            ),
            (
                &pull,
                500,
                "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
                "registry_unreachable",
            ),
            (&pull, 500, "write /var/lib/docker/tmp/GetImageBlob1: no space left on device", "disk_full"),
            (
                &pull,
                500,
                "Head \"https://registry:5000/v2/web/manifests/9\": no basic auth credentials",
                "credentials_missing",
            ),
            (&pull, 500, "toomanyrequests: ", "too_many_requests"),
            (
                &pull,
                500,
                "error parsing HTTP 429 response body: unexpected end of JSON input: \"\"",
                "too_many_requests",
            ),
            (&pull, 500, "received unexpected HTTP status: 503 Service Unavailable", "registry_failed"),
            (
                &pull,
                500,
                "Get \"https://registry:5000/v2/\": net/http: TLS handshake timeout",
                "registry_slow",
            ),
            (
                &pull,
                500,
                "Get \"https://registry:5000/v2/\": x509: certificate signed by unknown authority",
                "registry_untrusted",
            ),
            (
                &other,
                500,
                "driver failed programming external connectivity on endpoint a (b): Bind for 0.0.0.0:8080 failed: port is already allocated",
                "port_taken",
            ),
            (
                &other,
                400,
                "invalid mount config for type \"bind\": bind source path does not exist: /nope",
                "bad_mount",
            ),
            (
                &other,
                500,
                "OCI runtime create failed: runc create failed: unable to start container process: error during container init: error mounting \"/nope\" to rootfs at \"/x\": mount /nope:/x: no such file or directory: unknown",
                "bad_mount",
            ),
            (
                &other,
                500,
                "OCI runtime create failed: runc create failed: unable to start container process: error during container init: error mounting \"cgroup\" to rootfs at \"/sys/fs/cgroup\": stat /var/lib/docker/overlay2/a8/merged/hostfs/sys/fs/cgroup/cpu/docker/49: no such file or directory: unknown",
                "runtime",
            ),
            (&other, 404, "network efk_default not found", "network_missing"),
            (&other, 403, "Pool overlaps with other one on this address space", "address_pool"),
            (
                &other,
                400,
                "OCI runtime create failed: container_linux.go:367: starting container process caused: exec: \"nope\": executable file not found in $PATH: unknown",
                "bad_command",
            ),
            (&other, 500, "something else", "refused"),
        ] {
            assert_eq!(code(what, status, words).0, format!("stackctl::docker::{wanted}"), "{words}");
        }
        let (_, message) = code(&other, 500, "Bind for 0.0.0.0:8080 failed: port is already allocated");
        assert!(message.starts_with("port 8080 is already taken"), "{message}");
    }
}
