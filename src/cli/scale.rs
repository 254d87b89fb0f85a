//! `stackctl scale`: how many tasks services have, and nothing else.

use std::collections::BTreeMap;

use super::Context;
use super::cluster::{self, Cluster};
use super::report::{Exit, Failure};
use super::rollout_args::StartArgs;
use super::service_name::{Named, named};
use super::small_release::{self, SmallRelease, edit};
use super::verbs::{ServiceError, service_of};
use crate::model::{ServiceMode, ServiceName, StackName, StackSpec};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Five tasks of one service", "stackctl scale shop_web=5"),
    ("Two services at once, without asking", "stackctl scale --yes shop_web=5 shop_worker=0"),
];

/// Arguments of `scale`.
#[derive(Debug, clap::Args)]
pub struct Scale {
    /// A service, STACK_SERVICE, and how many tasks it shall have
    #[arg(value_name = "SERVICE=REPLICAS", required = true, value_parser = scaled)]
    #[arg(add = super::complete::full_services())]
    pub services: Vec<Scaled>,
    /// How it is carried out.
    #[command(flatten)]
    pub start: StartArgs,
}

/// `shop_web=5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaled {
    service: Named,
    replicas: u32,
}

fn scaled(text: &str) -> Result<Scaled, String> {
    let Some((service, replicas)) = text.rsplit_once('=') else {
        return Err("it is SERVICE=REPLICAS, as in shop_web=5".to_owned());
    };
    let replicas = replicas.parse().map_err(|_| format!("`{replicas}` is not a number of tasks"))?;
    Ok(Scaled { service: named(service)?, replicas })
}

pub(super) fn run(args: &Scale, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, args.start.connect(), async |cluster: &Cluster| {
        let names = super::verbs::full_names(cluster, args.services.iter().map(|one| &one.service)).await?;
        let mut by_stack: BTreeMap<StackName, BTreeMap<ServiceName, u32>> = BTreeMap::new();
        for (name, scaled) in names.into_iter().zip(&args.services) {
            by_stack.entry(name.stack).or_default().insert(name.service, scaled.replicas);
        }
        let all = by_stack.into_iter().map(|(stack, wanted)| {
            let words: Vec<String> = wanted.iter().map(|(name, count)| format!("{name}={count}")).collect();
            let edit = edit(&stack, move |_, current| scale(current.spec, &wanted));
            SmallRelease { stack, verb: format!("scale {}", words.join(" ")), edit, notes: Vec::new() }
        });
        small_release::carry_out(context, cluster, &args.start, "scale", all.collect()).await
    })
}

fn scale(mut spec: StackSpec, wanted: &BTreeMap<ServiceName, u32>) -> Result<StackSpec, Failure> {
    for (name, &count) in wanted {
        set_replicas(service_of(&mut spec, name)?, count).map_err(Failure::refused)?;
    }
    Ok(spec)
}

/// Docker scales jobs that have slots as well, which runs those again that are new; here a job is run
/// again by deploying it, with its reason in the stackfile.
pub(super) fn set_replicas(service: &mut crate::model::ServiceSpec, count: u32) -> Result<(), ServiceError> {
    match &mut service.mode {
        ServiceMode::Replicated { replicas } => {
            *replicas = count;
            Ok(())
        }
        mode => Err(ServiceError::NotReplicated { service: service.name.clone(), mode: mode.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{global, replicated, stack};

    #[test]
    fn only_replicated_services_are_scaled() {
        let spec = stack(vec![replicated("web", 2), global("agent")]);
        let one = |name: &str| BTreeMap::from([(ServiceName::unchecked(name), 5)]);
        let scaled = scale(spec.clone(), &one("web")).unwrap();
        assert_eq!(scaled.services["web"].mode, ServiceMode::Replicated { replicas: 5 });
        for refused in ["agent", "none"] {
            assert!(scale(spec.clone(), &one(refused)).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_service_and_a_number() {
        assert_eq!(scaled("shop_web=5").unwrap().replicas, 5);
        for wrong in ["shop_web", "shop_web=", "shop_web=-1", "shop_web=five", "web=5"] {
            assert!(scaled(wrong).is_err(), "{wrong}");
        }
    }
}
