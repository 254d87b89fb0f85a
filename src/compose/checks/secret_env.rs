//! Secrets as values of variables: what is mounted where stackctl has files of its own then, and a setting without an effect.

use super::Scene;
use crate::compose::paths::{clean, is_absolute};
use crate::compose::stackfile::{Mount, MountKind, Service};
use crate::model::secret_env::{ROOM, SCHEME, is_reserved};
use crate::yaml::{Diagnostic, Span};

pub(super) fn check(scene: &Scene<'_>, service: &Service) {
    // A secret that a user mounts there would be taken for a variable.
    let secrets = service.secrets.iter().map(|file| file.target.as_ref().unwrap_or(&file.source));
    secrets.for_each(|target| place(scene, service, "a secret", target, target.span));
    let Some(setting) = service.secret_environment.filter(|setting| setting.value) else { return };
    let configs = service.configs.iter().map(|file| file.target.as_ref().unwrap_or(&file.source));
    configs.for_each(|target| place(scene, service, "a config", target, target.span));
    for mount in &service.volumes {
        place(scene, service, "a mount", &mount.target, mount.target.span);
    }
    for line in &service.tmpfs {
        place(scene, service, "a mount", line.split(':').next().unwrap_or_default(), line.span);
    }
    above(scene, service);
    let values = || service.environment.iter().filter_map(|(_, value)| value.value.as_ref());
    if !values().any(|text| text.contains(SCHEME)) {
        scene.sink.push(
            Diagnostic::note(
                "idle_setting",
                format!("`secret_environment` of service `{}` has no effect", service.key.value),
            )
            .at(setting.span, "no variable of the service is `secret://NAME`"),
        );
    }
}

/// A mount in which our folder would have to be made, and cannot be: that of `/run`, since nothing else is above it.
fn above(scene: &Scene<'_>, service: &Service) {
    let is_above = |target: &str| {
        let target = clean(target);
        ROOM.strip_prefix(target.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
    };
    let has_any = service
        .environment
        .iter()
        .filter_map(|(_, value)| value.value.as_ref())
        .any(|text| text.starts_with(SCHEME));
    let is_fixed = |mount: &&Mount| {
        mount.read_only
            && matches!(mount.kind.value, MountKind::Volume | MountKind::Bind)
            && is_absolute(&mount.target)
            && is_above(&mount.target)
    };
    let Some(fixed) = service.volumes.iter().find(is_fixed).filter(|_| has_any) else { return };
    scene.sink.push(
        Diagnostic::error(
            "read_only_above",
            format!("values of variables of service `{}` have no place: a mount above it is read-only", service.key.value),
        )
        .at(fixed.target.span, format!("`{ROOM}` would have to be made in it"))
        .help("mount it at another target, or without `read_only`; or name the secrets under `secrets`, with targets elsewhere"),
    );
}

fn place(scene: &Scene<'_>, service: &Service, what: &str, target: &str, span: Span) {
    if !is_absolute(target) || !is_reserved(&clean(target)) {
        return;
    }
    scene.sink.push(
        Diagnostic::error(
            "reserved_target",
            format!("{what} of service `{}` is where stackctl has files of its own", service.key.value),
        )
        .at(span, format!("`{ROOM}` and what is below it is taken"))
        .help("give it another target"),
    );
}
