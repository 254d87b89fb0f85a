//! Secrets as values of variables: what is mounted where stackctl has files of its own then, and a setting without an effect.

use super::Scene;
use crate::compose::paths::{clean, is_absolute};
use crate::compose::stackfile::Service;
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
