//! Images that a deploy brings to its hosts: those that no registry has resolved and this machine's engine has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::Context;
use super::super::cluster::{Cluster, env};
use super::super::format::Format;
use super::super::report::Failure;
use super::push::{Screen, connect_options, plan_lines, push, save, verdict};
use crate::engine::plan::Offered;
use crate::model::action::What;
use crate::model::image::ImageRef;
use crate::model::spec::Platform;
use crate::model::{NodeName, StackSpec};
use crate::ops::images::push::{NotPlanned, Plan};
use crate::ops::images::source::{AtHand, Engine, tagged};
use crate::orchestrator::Planned;

/// Images, and what each host lacks of them.
#[derive(Debug, Default)]
pub(in super::super) struct Offers(Vec<Offer>);

#[derive(Debug)]
struct Offer {
    /// As it is called on hosts.
    name: String,
    plan: Plan,
    /// Hosts that could not run it.
    others: BTreeMap<NodeName, Platform>,
    /// What it is for.
    platforms: String,
}

impl Offers {
    /// Looks for them: `planned` is a plan without them.
    ///
    /// # Errors
    ///
    /// This machine's engine does not answer, or an image cannot be read.
    pub(in super::super) async fn of(
        context: &Context,
        cluster: &Cluster,
        planned: &Planned,
    ) -> Result<Self, Failure> {
        let images = unresolved(planned.spec());
        let mut offers = Self::default();
        if images.is_empty() {
            return Ok(offers);
        }
        let engine = Engine::connect(&env, connect_options()).await.map_err(Failure::refused)?;
        let found = async {
            for image in &images {
                if let Some(offer) = offer(context, cluster, &engine, image).await? {
                    offers.0.push(offer);
                }
            }
            Ok(())
        }
        .await;
        engine.close().await;
        found.map(|()| offers)
    }

    /// What hosts are to be planned with.
    pub(in super::super) fn offered(&self) -> Offered {
        let mut all: BTreeMap<NodeName, BTreeMap<String, String>> = BTreeMap::new();
        for offer in &self.0 {
            for (node, (_, need)) in &offer.plan.hosts {
                all.entry(node.clone()).or_default().insert(offer.name.clone(), need.id.clone());
            }
        }
        Arc::new(all)
    }

    /// Leaves only the hosts that get tasks of each image.
    ///
    /// # Errors
    ///
    /// One of them is of another platform.
    pub(in super::super) fn narrow(&mut self, planned: &Planned) -> Result<(), Failure> {
        let mut users: BTreeMap<String, BTreeSet<NodeName>> = BTreeMap::new();
        for action in planned.plan().forecast.actions() {
            if let What::CreateTask { task } = &action.what
                && let Ok(name) = tagged(&task.service.spec.image)
            {
                users.entry(name).or_default().insert(action.node.clone());
            }
        }
        for offer in &mut self.0 {
            let users = users.remove(&offer.name).unwrap_or_default();
            offer.others.retain(|node, _| users.contains(node));
            if !offer.others.is_empty() {
                let (image, hosts) = (offer.platforms.clone(), offer.others.clone());
                return Err(Failure::refused(NotPlanned::Platform { image, hosts }));
            }
            offer.plan.hosts.retain(|node, (_, need)| users.contains(node) && !need.is_nothing());
        }
        self.0.retain(|offer| !offer.plan.hosts.is_empty());
        Ok(())
    }

    /// `push myapp:1.2 to h1, h3, 34MiB each`, a line for each.
    pub(in super::super) fn lines(&self) -> String {
        let lines: Vec<String> = self.0.iter().flat_map(|offer| plan_lines(&offer.plan)).collect();
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The same for a program.
    pub(in super::super) fn to_json(&self) -> Value {
        let host = |offer: &Offer| {
            let of = |(node, (_, need)): (&NodeName, &(_, crate::ops::images::Need))| json!({ "node": node, "layers": need.lacks, "bytes": need.bytes });
            let hosts: Vec<Value> = offer.plan.hosts.iter().map(of).collect();
            json!({ "image": offer.name, "hosts": hosts, "bytes": offer.plan.bytes() })
        };
        self.0.iter().map(host).collect()
    }

    /// Shows them beside the plan of a deploy.
    pub(in super::super) fn show(&self, context: &Context, cluster: &Cluster, format: Format) {
        match format {
            Format::Text if !self.0.is_empty() => context.ui.data(&(self.lines() + "\n")),
            Format::Text => {}
            Format::Json => {
                let screen = Screen::new(context, cluster, format);
                self.0.iter().for_each(|offer| screen.plan(&offer.plan));
            }
        }
    }

    /// Brings them. Nothing of the stack has been changed by then.
    ///
    /// # Errors
    ///
    /// A host did not get one.
    pub(in super::super) async fn bring(
        &self,
        context: &Context,
        cluster: &Cluster,
        format: Format,
    ) -> Result<(), Failure> {
        for offer in &self.0 {
            let screen = Screen::new(context, cluster, format);
            let results = push(context, cluster, &offer.plan, &screen).await?;
            screen.summary(&offer.plan, &results);
            verdict(&results)?;
        }
        Ok(())
    }
}

/// Images that no registry has given a digest.
fn unresolved(spec: &StackSpec) -> BTreeSet<String> {
    let has_digest = |image: &str| ImageRef::parse(image).is_ok_and(|image| image.digest.is_some());
    let services = spec
        .services
        .values()
        .filter(|service| service.task.digest.is_none() && !has_digest(&service.task.image));
    services.map(|service| service.task.image.clone()).collect()
}

/// The offer of one image; `None` if the engine does not have it.
async fn offer(
    context: &Context,
    cluster: &Cluster,
    engine: &Engine,
    image: &str,
) -> Result<Option<Offer>, Failure> {
    let Some(id) = engine.id(image).await.map_err(Failure::refused)? else { return Ok(None) };
    let name = tagged(image).map_err(Failure::refused)?;
    let hosts = cluster.fleet.nodes();
    let names = vec![name.clone()];
    if let Some(plan) = Plan::if_everywhere(&cluster.fleet, &id, &names, &hosts).await {
        return Ok(Some(Offer { name, plan, others: BTreeMap::new(), platforms: String::new() }));
    }
    let source = save(engine, image, context).await?;
    let at_hand = AtHand::of(source, &names).map_err(Failure::refused)?;
    let (plan, others) = Plan::of_fitting(&cluster.fleet, &at_hand, hosts).await.map_err(Failure::refused)?;
    Ok(Some(Offer { name, plan, others, platforms: at_hand.platforms() }))
}
