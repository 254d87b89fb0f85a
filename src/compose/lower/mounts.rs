//! The mounts of a task: volumes, paths of the host, memory, configs and secrets.

use std::collections::BTreeMap;

use super::{Context, Lengths, check_template};
use crate::compose::paths::is_absolute;
use crate::compose::stackfile::{FileRef, Mount as Written, MountKind, Service};
use crate::compose::{Reading, short};
use crate::model::spec::{ConfigSpec, FileMount, Mount};
use crate::yaml::{Diagnostic, Span, Spanned};

/// The default permission bits of a config or secret.
pub const FILE_MODE: u32 = 0o444;

/// The mounts of a service by target.
pub fn lower(context: &Context<'_>, service: &Service, lengths: &Lengths<'_>) -> BTreeMap<String, Mount> {
    let mut mounts = Targets { context, service, seen: BTreeMap::new(), mounts: BTreeMap::new() };
    for written in &service.volumes {
        check_template(context, lengths, &written.target);
        if let Some(source) = &written.source {
            check_template(context, lengths, source);
        }
        if let Some(mount) = mount(context, written) {
            mounts.add(&written.target, mount);
        }
    }
    for line in &service.tmpfs {
        if let Some((target, mount)) = tmpfs(context, line) {
            mounts.add(&Spanned::new(target, line.span), mount);
        }
    }
    mounts.mounts
}

/// Mounts found so far, each target once.
struct Targets<'a> {
    context: &'a Context<'a>,
    service: &'a Service,
    seen: BTreeMap<String, Span>,
    mounts: BTreeMap<String, Mount>,
}

impl Targets<'_> {
    fn add(&mut self, target: &Spanned<String>, mount: Mount) {
        let path = target.trim_end_matches('/');
        let path = if path.is_empty() { "/" } else { path };
        let sink = self.context.sink;
        if !is_absolute(path) && !path.starts_with("{{") {
            let reading = self.context.world.reading;
            let message = "a mount needs an absolute path in the container";
            sink.push(
                Diagnostic::new(reading.severity(), "relative_target", message)
                    .at(target.span, "not an absolute path")
                    .help("begin it with `/`"),
            );
            if reading == Reading::Ours {
                return;
            }
        }
        if let Some(first) = self.seen.insert(path.to_owned(), target.span) {
            sink.push(
                Diagnostic::error(
                    "duplicate_target",
                    format!("service `{}` mounts two things in one place", self.service.key.value),
                )
                .at(target.span, "again here")
                .also(first, "first here")
                .help("keep one of the two"),
            );
            return;
        }
        self.mounts.insert(target.value.clone(), mount);
    }
}

fn mount(context: &Context<'_>, written: &Written) -> Option<Mount> {
    let source = written.source.as_ref();
    Some(match written.kind.value {
        MountKind::Bind => Mount::Bind {
            source: source?.value.clone(),
            read_only: written.read_only,
            propagation: written.propagation.clone(),
            create_host_path: written.create_host_path,
        },
        MountKind::Volume => Mount::Volume {
            source: match source {
                None => None,
                Some(source) => Some(volume_name(context, source)?),
            },
            read_only: written.read_only,
            nocopy: written.nocopy,
            subpath: written.subpath.clone(),
        },
        MountKind::Tmpfs => {
            Mount::Tmpfs { size: written.tmpfs_size, mode: written.tmpfs_mode, options: Vec::new() }
        }
        MountKind::Npipe => Mount::Npipe { source: source?.value.clone() },
    })
}

fn volume_name(context: &Context<'_>, source: &Spanned<String>) -> Option<String> {
    match context.file.volumes.get(&source.value) {
        Some(volume) => Some(context.full_name(source, volume.name.as_ref(), volume.external)),
        None => {
            if source.contains('/') {
                context.sink.push(
                    Diagnostic::error("undefined_volume", "a volume's name has no `/`")
                        .at(source.span, "taken for a volume, not for a path")
                        .help("for a path, begin it with `./` or `/`"),
                );
            } else {
                context.undefined("volume", source, source.span, context.file.volumes.keys());
            }
            None
        }
    }
}

/// A line of the service's `tmpfs`: `/run:size=64m,noexec`.
fn tmpfs(context: &Context<'_>, line: &Spanned<String>) -> Option<(String, Mount)> {
    let (target, rest) = line.split_once(':').unwrap_or((line, ""));
    let (mut size, mut mode, mut options) = (0, None, Vec::new());
    for option in rest.split(',').filter(|option| !option.is_empty()) {
        let bad = |why: String| {
            context.sink.push(
                Diagnostic::error("bad_tmpfs", "not a tmpfs")
                    .at(line.span, why)
                    .help("the form is `/path:size=64m,mode=1770,noexec`"),
            );
        };
        match option.split_once('=') {
            Some(("size", text)) => match short::bytes(text) {
                Ok(bytes) => size = u64::try_from(bytes).unwrap_or(0),
                Err(error) => {
                    bad(format!("`size`: {error}"));
                    return None;
                }
            },
            Some(("mode", text)) => match u32::from_str_radix(text, 8) {
                Ok(bits) => mode = Some(bits),
                Err(_) => {
                    bad("`mode` is an octal number".to_owned());
                    return None;
                }
            },
            _ => options.push(option.to_owned()),
        }
    }
    Some((target.to_owned(), Mount::Tmpfs { size, mode, options }))
}

/// The configs of a service as files by absolute path.
pub fn configs(
    context: &Context<'_>,
    service: &Service,
    contents: &BTreeMap<String, ConfigSpec>,
) -> BTreeMap<String, FileMount> {
    let content = |key: &str| {
        let config = contents.get(key)?;
        Some((config.digest.clone(), config.template_driver.clone()))
    };
    files(context, service, &service.configs, "config", "/", content)
}

/// The secrets of a service as files by absolute path, without their content.
pub fn secrets(context: &Context<'_>, service: &Service) -> BTreeMap<String, FileMount> {
    let content = |key: &str| Some((String::new(), driver_of_secret(context, key)?));
    files(context, service, &service.secrets, "secret", "/run/secrets/", content)
}

fn owner(id: Option<&Spanned<String>>) -> String {
    id.map_or_else(|| "0".to_owned(), |id| id.value.clone())
}

/// What fills in the value of a secret, if it is a template; nothing if there is no such secret.
pub fn driver_of_secret(context: &Context<'_>, key: &str) -> Option<Option<String>> {
    let secret = context.file.secrets.get(key)?;
    let driver = secret.template_driver.as_ref().filter(|driver| !secret.external && !driver.is_empty());
    Some(driver.map(|driver| driver.value.clone()))
}

fn files(
    context: &Context<'_>,
    service: &Service,
    references: &[FileRef],
    kind: &str,
    directory: &str,
    content: impl Fn(&str) -> Option<(String, Option<String>)>,
) -> BTreeMap<String, FileMount> {
    let mut files: BTreeMap<String, FileMount> = BTreeMap::new();
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    for reference in references {
        let source = &reference.source;
        let Some((content, template_driver)) = content(source) else {
            let known = match kind {
                "config" => &context.file.configs,
                _ => &context.file.secrets,
            };
            context.undefined(kind, source, source.span, known.keys());
            continue;
        };
        let target = reference.target.as_ref().filter(|target| !target.is_empty()).unwrap_or(source);
        let path =
            if is_absolute(target) { target.value.clone() } else { format!("{directory}{}", target.value) };
        if let Some(first) = seen.insert(path.clone(), target.span) {
            context.sink.push(
                Diagnostic::error(
                    "duplicate_target",
                    format!("service `{}` mounts two {kind}s in one place", service.key.value),
                )
                .at(target.span, "again here")
                .also(first, "first here")
                .help("give one of the two another `target`"),
            );
            continue;
        }
        let file = FileMount {
            source: source.value.clone(),
            uid: owner(reference.uid.as_ref()),
            gid: owner(reference.gid.as_ref()),
            mode: reference.mode.map_or(FILE_MODE, |mode| mode.value),
            content,
            template_driver,
        };
        files.insert(path, file);
    }
    files
}
