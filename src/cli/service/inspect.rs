//! `stackctl service inspect`: how a service is declared, in the words of docker's API.

use serde_json::{Value, json};

use crate::cli::Context;
use crate::cli::cluster::{self, Cluster};
use crate::cli::inspected::Inspected;
use crate::cli::records::{reading, remembered};
use crate::cli::render::service::pretty;
use crate::cli::render::services::service_id;
use crate::cli::report::{Exit, Failure};
use crate::cli::service_name::{FullName, Named, named};
use crate::cli::ui::Ui;
use crate::cli::verbs::{ServiceError, full_names};
use crate::fleet::ConnectOptions;
use crate::ledger::release::History;
use crate::ledger::{Current, NoCurrent};
use crate::swarm;

/// Arguments of `service inspect`.
#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// Services, STACK_SERVICE
    #[arg(value_name = "SERVICE", required = true, value_parser = named)]
    #[arg(add = crate::cli::complete::full_services())]
    pub services: Vec<Named>,
    /// A Go template such as '{{.Spec.Mode}}'
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "pretty")]
    pub format: Option<String>,
    /// For people rather than programs
    #[arg(long)]
    pub pretty: bool,
}

pub(super) fn run(args: &Inspect, context: &Context) -> Result<Exit, Failure> {
    let inspected = Inspected::of(args.format.as_deref(), args.pretty)?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let mut values = Vec::new();
        for name in full_names(cluster, args.services.iter()).await? {
            let history = remembered(reading(cluster), &name.stack).await?.history;
            values.push(inspect(&context.ui, &name, &history)?);
        }
        let texts: Vec<String> = values.iter().map(pretty).collect();
        let text = inspected.print(values, |at| texts[at].clone())?;
        context.ui.data(&text);
        Ok(Exit::Done)
    })
}

/// What the newest release says; if it cannot be told that this is what runs, that is said.
fn inspect(ui: &Ui, name: &FullName, history: &History) -> Result<Value, Failure> {
    let current = match history.current() {
        Ok(current) => current,
        Err(why @ (NoCurrent::NoRelease | NoCurrent::Removed(_))) => return Err(Failure::refused(why)),
        Err(why) => {
            let Some((number, release, _)) = history.last() else { return Err(Failure::refused(why)) };
            ui.warn(&format!("{why}; shown is what it was to be"));
            Current { number, spec: release.spec.clone(), older: Default::default() }
        }
    };
    let Some(service) = current.spec.services.get(&name.service) else {
        let known = current.spec.services.keys().map(ToString::to_string).collect();
        let (stack, service) = (name.stack.clone(), name.service.clone());
        return Err(Failure::refused(ServiceError::NoService { stack, service, known }));
    };
    let mut value = json!({
        "ID": service_id(&name.to_string()),
        // Docker's counts every change of the service; ours is the release.
        "Version": { "Index": current.release_of(name.service.as_str()) },
        "Spec": swarm::settled(&current.spec, service),
    });
    if let Some((release, _)) = history.releases.get(&current.number) {
        value["UpdatedAt"] = release.at.to_string().into();
    }
    if let Some(then) = history.previous_of(&current, name.service.as_str())
        && let Some(service) = then.spec.services.get(&name.service)
    {
        value["PreviousSpec"] = swarm::settled(&then.spec, service);
    }
    Ok(value)
}
