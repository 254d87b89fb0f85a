//! Actions as calls. Each may be repeated: an action that is already done succeeds.

use std::time::Duration;

use bollard::Docker;
use bollard::models::{NetworkConnectRequest, VolumeCreateRequest};
use bollard::query_parameters::{
    RemoveContainerOptions, RemoveVolumeOptions, StartContainerOptions, StopContainerOptions,
};
use serde_json::json;
use tokio::time::sleep;

use crate::fleet::agents::secrets::Places;
use crate::fleet::auth::Credentials;
use crate::model::action::{Outcome, Pulled, TaskHandle, TaskPlan, What};
use crate::model::spec::{NetworkSpec, VolumeSpec};
use crate::model::{ClusterName, GoDuration, MarkKey, Marks, StackName, secret_env};

use super::client::{ApiVersion, CallError, DEFAULT_LIMIT, Engine, with_query};
use super::failure::{self, ActionError};
use super::files::Reloads;
use super::task::{Stop, renamed};
use super::{create, files, inspect, labels, network, pull, update, wire, wrap};

/// Over the grace period: the engine waits that long, and then still has work to do.
const STOP_MARGIN: Duration = Duration::from_secs(30);
/// The engine's own grace period.
const STOP_DEFAULT_S: u64 = 10;
/// A start with many layers to mount on a busy disk.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Between two tries of a start that failed for a passing reason.
const START_TRIES_MAX: u32 = 4;
const START_PAUSE: Duration = Duration::from_millis(400);
/// A network whose last container has just left is still busy for a moment.
const NETWORK_TRIES_MAX: u32 = 10;
const NETWORK_PAUSE: Duration = Duration::from_millis(300);
/// Between two looks at a list that does not know of a stop yet.
const STALE_TRIES_MAX: u32 = 20;
const STALE_PAUSE: Duration = Duration::from_millis(50);
/// For a removal that another client began.
const REMOVAL_TRIES_MAX: u32 = 150;
const REMOVAL_PAUSE: Duration = Duration::from_millis(200);

/// The context that every action of a run needs.
pub(in crate::fleet) struct Context<'a> {
    pub cluster: &'a ClusterName,
    pub stack: &'a StackName,
    /// Of the cluster's marks.
    pub key: &'a MarkKey,
    pub credentials: &'a Credentials,
    /// Told how far a pull has come.
    pub pulled: &'a (dyn Fn(Pulled) + Sync),
    /// Where files of tasks stand on the host.
    pub places: Places<'a>,
    /// What files of running containers are changed with.
    pub reloads: Reloads<'a>,
    /// Of the task that the action removes: volumes that were made for its config files, and where they are mounted.
    pub file_volumes: Vec<(String, String)>,
}

/// Carries out an action. Only a missing answer is an error: a refusal by the engine is an outcome.
pub(in crate::fleet) async fn run(
    engine: &Engine,
    context: &Context<'_>,
    what: &What,
) -> Result<Outcome, CallError> {
    let done = match what {
        What::CreateNetwork { network } => create_network(engine, context, network).await,
        What::CreateVolume { volume } => create_volume(engine, context, volume).await,
        What::PullImage { image } => pull::run(engine, context.credentials, image, context.pulled).await,
        What::CreateTask { task } => create_task(engine, context, task).await,
        What::StartTask { task } => start(engine, task).await,
        What::StartAgain { task } => start_task_again(engine, task).await,
        What::StopTask { task, grace } => stop(engine, task, *grace).await,
        What::UpdateTask { task, update } => update::run(engine, context.reloads, task, update).await,
        What::RemoveTask { task } => remove(engine, task, &context.file_volumes).await,
        What::RemoveNetwork { name } => remove_network(engine, context, name).await,
    };
    match done {
        Ok(outcome) => Ok(outcome),
        Err(Stop::Call(error @ CallError::Transport(_))) => Err(error),
        Err(Stop::Call(error)) => Ok(Outcome::Failed(ActionError::of(&error, what).into_failure())),
        Err(Stop::Found(error)) => Ok(Outcome::Failed(error.into_failure())),
    }
}

async fn create_network(engine: &Engine, context: &Context<'_>, spec: &NetworkSpec) -> Result<Outcome, Stop> {
    let body = network::body(context.cluster, context.stack, context.key, spec);
    let made: Result<wire::Created, _> = engine.post("/networks/create", &body, DEFAULT_LIMIT).await;
    match made {
        Ok(_) => Ok(Outcome::Done),
        Err(error) if is_taken(&error) => {
            let found = find_network(engine, &spec.name).await?.ok_or(error)?;
            match difference(&found, context, spec) {
                None => Ok(Outcome::Done),
                Some(difference) => {
                    let name = spec.name.clone();
                    Err(ActionError::NetworkConflict { name, difference: difference.to_owned() }.into())
                }
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn is_taken(error: &CallError) -> bool {
    matches!(error, CallError::Status { code: 409 | 500, message } if message.contains("already exists"))
}

fn difference(found: &wire::Network, context: &Context<'_>, spec: &NetworkSpec) -> Option<&'static str> {
    let is = |key: &str, value: &str| found.labels.get(key).is_some_and(|text| text == value);
    if !is(labels::CLUSTER, context.cluster.as_str()) {
        return Some("does not belong to this cluster");
    }
    if !is(labels::STACK, context.stack.as_str()) {
        return Some("belongs to another stack");
    }
    let keyed = Marks::of_stack(context.key, context.stack).network_hash(spec);
    let is_same = match found.labels.get(labels::KEY) {
        None => is(labels::SPEC_HASH, spec.hash().as_str()),
        Some(id) => *id != context.key.id() || is(labels::SPEC_HASH, keyed.as_str()),
    };
    (!is_same).then_some("was made from another definition")
}

async fn find_network(engine: &Engine, name: &str) -> Result<Option<wire::Network>, CallError> {
    match engine.reader.get::<wire::Network>(&format!("/networks/{name}"), DEFAULT_LIMIT).await {
        // Found by the beginning of its id, it is another one.
        Ok(network) => Ok(Some(network).filter(|network| network.name == name)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Engines find networks by the beginning of an id, too. Names of containers have a dot in them, and volumes and images
/// are found by their names alone.
fn could_be_an_id(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase())
}

async fn remove_network(engine: &Engine, context: &Context<'_>, name: &str) -> Result<Outcome, Stop> {
    let Some(found) = find_network(engine, name).await? else { return Ok(Outcome::Done) };
    if found.labels.get(labels::CLUSTER).is_none_or(|text| text != context.cluster.as_str()) {
        let difference = "does not belong to this cluster".to_owned();
        return Err(ActionError::NetworkConflict { name: name.to_owned(), difference }.into());
    }
    for _ in 0..NETWORK_TRIES_MAX {
        match engine.call(DEFAULT_LIMIT, async |docker| docker.remove_network(&found.id).await).await {
            Ok(()) => return Ok(Outcome::Done),
            Err(error) if error.status() == Some(404) => return Ok(Outcome::Done),
            Err(CallError::Status { message, .. }) if message.contains("active endpoints") => {
                sleep(NETWORK_PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(ActionError::NetworkInUse { name: name.to_owned() }.into())
}

/// The engine answers with an existing volume of that name, by whatever client it was made: its data is not
/// ours to judge.
async fn create_volume(engine: &Engine, context: &Context<'_>, spec: &VolumeSpec) -> Result<Outcome, Stop> {
    let request = VolumeCreateRequest {
        name: Some(spec.name.clone()),
        driver: spec.driver.clone(),
        driver_opts: Some(spec.driver_opts.clone().into_iter().collect()),
        labels: Some(labels::of_volume(context.cluster, context.stack, spec).into_iter().collect()),
        ..VolumeCreateRequest::default()
    };
    engine.call(DEFAULT_LIMIT, async |docker| docker.create_volume(request).await).await?;
    Ok(Outcome::Done)
}

async fn create_task(engine: &Engine, context: &Context<'_>, plan: &TaskPlan) -> Result<Outcome, Stop> {
    let mut body = create::body(plan, engine.reader.api, context.places)?;
    if secret_env::names(&plan.spec).next().is_some() {
        let image = wrap::image(engine, plan).await?;
        wrap::wrap(&mut body, plan, image, context.places.program(plan.id.as_str()));
    }
    // Here already, although only a start puts them into the container: one that cannot be started is not made.
    files::check(plan)?;
    // Joined by a name that begins another network's id, a task would be in that one.
    for network in create::networks(&plan.spec).filter(|name| could_be_an_id(name)) {
        if find_network(engine, network).await?.is_none() {
            return Err(ActionError::NetworkMissing { words: format!("network {network} not found") }.into());
        }
    }
    let name = plan.container_name();
    let path = with_query("/containers/create", &[("name", &name)]);
    let made: Result<wire::Created, _> = engine.post(&path, &body, DEFAULT_LIMIT).await;
    match made {
        Ok(_) => Ok(Outcome::Done),
        // The name is derived from the task: this is our own create, whose answer was lost.
        Err(error) if error.status() == Some(409) => {
            let found = inspect::container(&engine.reader, &name).await?.ok_or(error)?;
            let task = found.config.labels.get(labels::TASK);
            if task.is_some_and(|id| id == plan.id.as_str()) {
                return Ok(Outcome::Done);
            }
            Err(ActionError::NameTaken { name }.into())
        }
        Err(error) => Err(error.into()),
    }
}

async fn start(engine: &Engine, plan: &TaskPlan) -> Result<Outcome, Stop> {
    let name = plan.container_name();
    let files = &plan.service.files;
    let further = create::further_networks(&plan.spec).count() > 0;
    if further || !files.is_empty() || plan.links().next().is_some() {
        let missing = || ActionError::ContainerMissing { name: name.clone() };
        let found = inspect::container(&engine.reader, &name).await?.ok_or_else(missing)?;
        if matches!(found.state.status.as_str(), "running" | "restarting" | "paused") {
            return Ok(Outcome::Started(inspect::status(&found)?));
        }
        connect(engine, plan, &name).await?;
        files::upload(engine, plan, &name).await?;
    }
    start_again(engine, &name).await
}

async fn start_task_again(engine: &Engine, task: &TaskHandle) -> Result<Outcome, Stop> {
    let name = task.container_name();
    match start_again(engine, &name).await {
        Err(Stop::Call(error)) if error.status() == Some(404) => match renamed(engine, task, &name).await? {
            Some(other) => start_again(engine, &other).await,
            None => Err(error.into()),
        },
        done => done,
    }
}

/// Starts a container that is complete, and checks the outcome.
async fn start_again(engine: &Engine, name: &str) -> Result<Outcome, Stop> {
    let mut tries = 1;
    loop {
        let options = None::<StartContainerOptions>;
        match engine.call(START_LIMIT, async |docker| docker.start_container(name, options).await).await {
            Ok(()) => break,
            Err(CallError::Status { message, .. })
                if tries < START_TRIES_MAX && failure::is_runtimes_own(&message.to_lowercase()) =>
            {
                sleep(START_PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
        tries += 1;
    }
    let missing = ActionError::ContainerMissing { name: name.to_owned() };
    let found = inspect::container(&engine.reader, name).await?.ok_or(missing)?;
    Ok(Outcome::Started(inspect::status(&found)?))
}

/// Joins the networks that the create could not.
async fn connect(engine: &Engine, plan: &TaskPlan, name: &str) -> Result<(), Stop> {
    for (network, attachment) in create::further_networks(&plan.spec) {
        let endpoint = create::endpoint(network, attachment, &plan.spec, engine.reader.api);
        let request = NetworkConnectRequest { container: name.to_owned(), endpoint_config: Some(endpoint) };
        match engine.call(DEFAULT_LIMIT, async |docker| docker.connect_network(network, request).await).await
        {
            Ok(()) => {}
            Err(CallError::Status { message, .. })
                if message.contains("already exists in network") || message.contains("already attached") => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Stops a container that is thought to have ended; one that has is left as it is.
pub(in crate::fleet) async fn end(engine: &Engine, task: &TaskHandle) -> Result<(), CallError> {
    match stop_within(engine, &task.container_name(), STOP_DEFAULT_S).await {
        Err(CallError::Status { code: 304 | 404, .. }) => Ok(()),
        Err(CallError::Status { message, .. }) if message.contains("is not running") => Ok(()),
        other => other,
    }
}

async fn stop(engine: &Engine, task: &TaskHandle, grace: Option<GoDuration>) -> Result<Outcome, Stop> {
    let mut name = task.container_name();
    loop {
        // Not what the container was made with: that may have been changed since.
        let seconds = grace
            .map_or(STOP_DEFAULT_S, |grace| u64::try_from(create::seconds_up(grace.as_nanos())).unwrap_or(0));
        match stop_within(engine, &name, seconds).await {
            Ok(()) => {
                outlast_stale_list(engine, task).await?;
                return Ok(Outcome::Done);
            }
            Err(error) if error.status() == Some(404) => match renamed(engine, task, &name).await? {
                Some(other) => name = other,
                None => return Ok(Outcome::Done),
            },
            Err(CallError::Status { message, .. }) if message.contains("is not running") => {
                return Ok(Outcome::Done);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Engines 25 to 27 (API 1.44 to 1.47) answer a stop some milliseconds before their list knows of it, so that the next look
/// would find the task running. 20.10 and 28.5 do not. After a second the list is believed.
async fn outlast_stale_list(engine: &Engine, task: &TaskHandle) -> Result<(), CallError> {
    let (from, to) = (ApiVersion::v1(44), ApiVersion::v1(47));
    if engine.reader.api < from || engine.reader.api > to {
        return Ok(());
    }
    let label = format!("{}={}", labels::TASK, task.id);
    let filters = json!({ "label": [label], "status": ["running"] }).to_string();
    let path = with_query("/containers/json", &[("filters", &filters)]);
    for _ in 0..STALE_TRIES_MAX {
        let running: Vec<wire::Container> = engine.reader.get(&path, DEFAULT_LIMIT).await?;
        if running.is_empty() {
            break;
        }
        sleep(STALE_PAUSE).await;
    }
    Ok(())
}

async fn stop_within(engine: &Engine, name: &str, seconds: u64) -> Result<(), CallError> {
    let options = StopContainerOptions { signal: None, t: Some(i32::try_from(seconds).unwrap_or(i32::MAX)) };
    let limit = Duration::from_secs(seconds) + STOP_MARGIN;
    engine.call(limit, async |docker| docker.stop_container(name, Some(options)).await).await
}

/// Removes the container, and none of its volumes that hold data: those that the engine made for it stay. What was made
/// for its config files goes with it.
async fn remove(
    engine: &Engine,
    task: &TaskHandle,
    file_volumes: &[(String, String)],
) -> Result<Outcome, Stop> {
    let mut without_data = Vec::new();
    if !file_volumes.is_empty()
        && let Some(found) = inspect::container(&engine.reader, &task.container_name()).await?
    {
        // Where the image has a volume of its own, there may be more in it than files.
        let of_image = |target: &str| found.config.volumes.contains_key(target);
        without_data.extend(file_volumes.iter().filter(|(_, target)| !of_image(target)));
    }
    remove_container(engine, task).await?;
    for (volume, _) in without_data {
        // One that another container has mounted since stays.
        remove_volume(engine, volume).await?;
    }
    Ok(Outcome::Done)
}

/// Removes a volume; `false` if a container has it mounted.
pub(in crate::fleet) async fn remove_volume(engine: &Engine, name: &str) -> Result<bool, CallError> {
    let options = RemoveVolumeOptions { force: false };
    let remove = async |docker: Docker| docker.remove_volume(name, Some(options)).await;
    match engine.call(DEFAULT_LIMIT, remove).await {
        Ok(()) => Ok(true),
        Err(error) if error.status() == Some(404) => Ok(true),
        Err(error) if error.status() == Some(409) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn remove_container(engine: &Engine, task: &TaskHandle) -> Result<(), Stop> {
    let (mut name, mut is_going) = (task.container_name(), false);
    for _ in 0..REMOVAL_TRIES_MAX {
        let options = RemoveContainerOptions { v: false, force: false, link: false };
        let remove = async |docker: Docker| docker.remove_container(&name, Some(options)).await;
        match engine.call(DEFAULT_LIMIT, remove).await {
            Ok(()) => return Ok(()),
            Err(error) if error.status() == Some(404) && is_going => return Ok(()),
            Err(error) if error.status() == Some(404) => match renamed(engine, task, &name).await? {
                Some(other) => name = other,
                None => return Ok(()),
            },
            Err(CallError::Status { code: 409, message }) if message.contains("already in progress") => {
                is_going = true;
                sleep(REMOVAL_PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let waited = REMOVAL_PAUSE * REMOVAL_TRIES_MAX;
    Err(CallError::Deadline(waited).into())
}
