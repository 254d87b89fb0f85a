//! `stackctl service inspect`: shows how a service is declared, in the format of docker's API.

use serde_json::{Value, json};

use crate::cli::Context;
use crate::cli::cluster::{self, Cluster};
use crate::cli::inspected::Inspected;
use crate::cli::release_name::warn_of_sealed;
use crate::cli::render::service::pretty;
use crate::cli::render::services::service_id;
use crate::cli::report::{Exit, Failure};
use crate::cli::service_name::{FullName, Named, named};
use crate::cli::ui::Ui;
use crate::cli::verbs::full_names;
use crate::fleet::ConnectOptions;
use crate::ops::edit::EditError;
use crate::ops::records::{Current, History, NoCurrent};
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
    /// Print text for people instead of JSON
    #[arg(long)]
    pub pretty: bool,
}

pub(super) fn run(args: &Inspect, context: &Context) -> Result<Exit, Failure> {
    let inspected = Inspected::of(args.format.as_deref(), args.pretty)?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let mut values = Vec::new();
        for name in full_names(cluster, args.services.iter()).await? {
            let history = cluster.remembered_open(&name.stack).await?.history;
            values.push(inspect(&context.ui, &name, &history)?);
        }
        let texts: Vec<String> = values.iter().map(pretty).collect();
        let text = inspected.print(values, |at| texts[at].clone())?;
        context.ui.data(&text);
        Ok(Exit::Done)
    })
}

/// The service as the newest release declares it, with a warning if it is unknown whether that runs.
fn inspect(ui: &Ui, name: &FullName, history: &History) -> Result<Value, Failure> {
    let current = match history.current() {
        Ok(current) => current,
        Err(why @ (NoCurrent::NoRelease | NoCurrent::Removed(_))) => return Err(Failure::refused(why)),
        Err(why) => {
            let Some((number, release, _)) = history.last() else { return Err(Failure::refused(why)) };
            ui.warn(&format!("{why}; this is what release {number} declared"));
            Current { number, spec: release.spec.clone(), older: Default::default() }
        }
    };
    if let Some((release, _)) = history.releases.get(&current.release_of(name.service.as_str())) {
        warn_of_sealed(ui, current.release_of(name.service.as_str()), release);
    }
    let Some(service) = current.spec.services.get(&name.service) else {
        let known = current.spec.services.keys().cloned().collect();
        let (stack, service) = (name.stack.clone(), name.service.clone());
        return Err(EditError::NoService { stack, service, known }.into());
    };
    let mut value = json!({
        "ID": service_id(&name.to_string()),
        // Docker's version counts changes of the service; ours is the number of the release.
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
