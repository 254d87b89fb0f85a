//! `stackctl scale`: sets the number of tasks of services.

use std::collections::BTreeMap;

use super::Context;
use super::cluster::{self, Cluster};
use super::edit;
use super::report::{Exit, Failure};
use super::rollout_args::StartArgs;
use super::service_name::{Named, named};
use crate::model::{ServiceName, StackName};
use crate::ops::edit::SmallRelease;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Five tasks of one service", "stackctl scale shop_web=5"),
    ("Two services at once, without asking", "stackctl scale --yes shop_web=5 shop_worker=0"),
];

/// Arguments of `scale`.
#[derive(Debug, clap::Args)]
pub struct Scale {
    /// A service, STACK_SERVICE, and its new number of tasks
    #[arg(value_name = "SERVICE=REPLICAS", required = true, value_parser = scaled)]
    #[arg(add = super::complete::full_services())]
    pub services: Vec<Scaled>,
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
        let all = by_stack.into_iter().map(|(stack, wanted)| SmallRelease::scale(stack, wanted));
        edit::carry_out(context, cluster, &args.start, "scale", all.collect()).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_and_a_number() {
        assert_eq!(scaled("shop_web=5").unwrap().replicas, 5);
        for wrong in ["shop_web", "shop_web=", "shop_web=-1", "shop_web=five", "web=5"] {
            assert!(scaled(wrong).is_err(), "{wrong}");
        }
    }
}
