//! Definitions at the top of the file that no service uses. Only a note: docker accepts them, and a later file may
//! use them.

use std::collections::BTreeSet;

use super::Scene;
use crate::compose::stackfile::{FileRef, MountKind, Service};
use crate::model::secret_env::SCHEME;
use crate::yaml::{Diagnostic, Spanned};

/// The network of services that name none.
const DEFAULT: &str = "default";

pub(super) fn check(scene: &Scene<'_>) {
    let file = scene.file;
    let services = || file.services.values().map(Box::as_ref);
    let networks = services().flat_map(joined);
    let mounted = |service: &'_ Service| -> Vec<String> {
        let volumes = service.volumes.iter().filter(|mount| mount.kind.value == MountKind::Volume);
        volumes.filter_map(|mount| mount.source.as_ref()).map(|source| source.value.clone()).collect()
    };
    tell(scene, "network", file.networks.values().map(|network| &network.key), networks.collect());
    tell(
        scene,
        "volume",
        file.volumes.values().map(|volume| &volume.key),
        services().flat_map(mounted).collect(),
    );
    let configs = services().flat_map(|service| sources(&service.configs)).collect();
    tell(scene, "config", file.configs.values().map(|config| &config.key), configs);
    let secrets = services().flat_map(|service| {
        let mut keys = sources(&service.secrets);
        keys.extend(references(service));
        keys
    });
    let secrets = secrets.collect();
    tell(scene, "secret", file.secrets.values().map(|secret| &secret.key), secrets);
}

fn joined(service: &Service) -> Vec<String> {
    // Another check reports an unsupported mode; its network counts as used.
    let mode = service.network_mode.iter().map(|mode| mode.value.clone());
    let named: Vec<String> =
        service.networks.iter().flatten().map(|(name, _)| name.clone()).chain(mode).collect();
    if named.is_empty() { vec![DEFAULT.to_owned()] } else { named }
}

fn sources(files: &[FileRef]) -> Vec<String> {
    files.iter().map(|file| file.source.value.clone()).collect()
}

/// Secrets that are values of variables.
fn references(service: &Service) -> impl Iterator<Item = String> {
    let is_on = service.secret_environment.is_some_and(|is_on| is_on.value);
    let values =
        service.environment.iter().filter(move |_| is_on).filter_map(|(_, value)| value.value.as_ref());
    values.filter_map(|text| text.strip_prefix(SCHEME)).map(str::to_owned)
}

fn tell<'k>(
    scene: &Scene<'_>,
    kind: &str,
    keys: impl Iterator<Item = &'k Spanned<String>>,
    used: BTreeSet<String>,
) {
    let keys: Vec<&Spanned<String>> = keys.collect();
    // For an undefined name, one of these was probably meant, and `lower` suggests it.
    let defined: BTreeSet<&str> = keys.iter().map(|key| key.value.as_str()).collect();
    let engines_own = ["host", "none", "bridge", DEFAULT];
    if used.iter().any(|name| !engines_own.contains(&name.as_str()) && !defined.contains(name.as_str())) {
        return;
    }
    for key in keys.into_iter().filter(|key| !used.contains(&key.value)) {
        scene.sink.push(
            Diagnostic::note("unused", format!("{kind} `{}` is not used", scene.sink.clean(key)))
                .at(key.span, "no service asks for it")
                .help(format!("name it under `{kind}s` of a service, or remove it")),
        );
    }
}
