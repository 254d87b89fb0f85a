//! What all tasks of a service share: their spec, and what is in their files.

use std::sync::Arc;

use super::super::problem::Problem;
use crate::model::action::{FilePlan, SecretPlan, SecretSource, ServicePlan};
use crate::model::spec::{ConfigSpec, FileMount, ServiceSpec, StackSpec};
use crate::model::{Marks, Observed, swap};
use crate::template::payload;

/// The content of a config that is as secret as what it asks for.
pub(super) fn secret_content<'s>(config: &'s ConfigSpec, mount: &FileMount) -> Option<&'s Arc<[u8]>> {
    let driver = mount.template_driver.as_deref();
    config.content.as_ref().filter(|content| payload::is_secret(content, driver))
}

/// What all tasks of a service share.
pub(super) fn service_plan(
    observed: &Observed,
    spec: &StackSpec,
    service: &ServiceSpec,
    is_job: bool,
) -> Result<ServicePlan, Problem> {
    let marks = Marks::of(&observed.key, &spec.name, &service.name);
    let swaps = matches!(swap::of(&service.task), Some(Ok(())));
    let mut masked = marks.masked(&service.task);
    masked.swaps = swaps;
    let mut secrets = secret_files(spec, service)?;
    let files = config_files(spec, service, swaps, &mut secrets)?;
    Ok(ServicePlan {
        cluster: observed.cluster.clone(),
        stack: spec.name.clone(),
        service: service.name.clone(),
        spec: service.task.clone(),
        spec_hash: marks.hash(&service.task),
        spec_json: Arc::from(masked.canonical_json()),
        key_id: Arc::from(observed.key.id()),
        is_job,
        files,
        secrets,
        swaps,
    })
}

fn owner(service: &ServiceSpec, text: &str) -> Result<u32, Problem> {
    text.parse().map_err(|_| Problem::BadFileOwner { service: service.name.clone(), what: text.to_owned() })
}

fn secret_files(spec: &StackSpec, service: &ServiceSpec) -> Result<Vec<SecretPlan>, Problem> {
    let mut secrets = Vec::new();
    for (target, mount) in &service.task.secrets {
        // One that is not defined is a problem of its own.
        let Some(secret) = spec.secrets.get(&mount.source) else { continue };
        secrets.push(SecretPlan {
            target: target.clone(),
            name: secret.name.clone(),
            source: SecretSource::Secret {
                version: mount.content.clone(),
                is_template: mount.template_driver.is_some(),
            },
            uid: owner(service, &mount.uid)?,
            gid: owner(service, &mount.gid)?,
            mode: mount.mode,
        });
    }
    Ok(secrets)
}

/// Configs: those that lie on a disk. The others are put behind the secrets.
fn config_files(
    spec: &StackSpec,
    service: &ServiceSpec,
    swaps: bool,
    secrets: &mut Vec<SecretPlan>,
) -> Result<Vec<FilePlan>, Problem> {
    let mut files = Vec::new();
    for (target, mount) in &service.task.configs {
        let config = spec.configs.get(&mount.source);
        let Some(known) = config.filter(|config| !config.digest.is_empty()) else {
            let name = config.map_or_else(|| mount.source.clone(), |config| config.name.clone());
            let (service, config) = (service.name.clone(), mount.source.clone());
            return Err(Problem::NoContent { service, config, name });
        };
        let (uid, gid) = (owner(service, &mount.uid)?, owner(service, &mount.gid)?);
        let (content, template_driver) = (known.content.clone(), mount.template_driver.clone());
        let source = match secret_content(known, mount) {
            Some(content) => Some(SecretSource::Config(Arc::clone(content))),
            None if swaps => Some(SecretSource::Beside {
                content: content.clone(),
                template_driver: template_driver.clone(),
            }),
            None => None,
        };
        let (target, mode) = (target.clone(), mount.mode);
        match source {
            Some(source) => {
                secrets.push(SecretPlan { target, name: known.name.clone(), source, uid, gid, mode });
            }
            None => files.push(FilePlan {
                target,
                uid: uid.into(),
                gid: gid.into(),
                mode,
                content,
                template_driver,
            }),
        }
    }
    Ok(files)
}
