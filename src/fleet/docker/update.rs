//! A running container changed as it is, and what it shows of that: its limits, its restart policy, the memory it uses.

use serde_json::{Value, json};

use super::client::{CallError, DEFAULT_LIMIT, Engine, Reader};
use super::failure::ActionError;
use super::files::Reloads;
use super::task::{Stop, renamed};
use super::{create, files, inspect};
use crate::model::action::{InPlaceUpdate, Outcome, TaskHandle};
use crate::model::in_place::{Retune, Seen};
use crate::model::restart::EnginePolicy;
use crate::model::spec::Limits;

/// Changes a task. The memory that it uses is looked at once more: under a limit below that the kernel ends it.
pub(super) async fn run(
    engine: &Engine,
    reloads: Reloads<'_>,
    task: &TaskHandle,
    update: &InPlaceUpdate,
) -> Result<Outcome, Stop> {
    if !update.is_engines() {
        return Ok(Outcome::Done);
    }
    let mut name = task.container_name();
    loop {
        match change(engine, reloads, &name, update).await {
            Err(Stop::Call(error)) if error.status() == Some(404) => {
                match renamed(engine, task, &name).await? {
                    Some(other) => name = other,
                    None => return Err(ActionError::ContainerMissing { name }.into()),
                }
            }
            done => return done.map(|()| Outcome::Done),
        }
    }
}

async fn change(
    engine: &Engine,
    reloads: Reloads<'_>,
    name: &str,
    update: &InPlaceUpdate,
) -> Result<(), Stop> {
    // An engine would answer that it is done, and leave the limit.
    if update.from.to(&update.to, update.is_job) == Retune::Replace {
        let words = "no limit of CPU or memory can be taken away from a running container".to_owned();
        return Err(ActionError::Refused { words }.into());
    }
    if let Some(limit) = update.from.lowered_memory(&update.to)
        && let Some(uses) = memory_use(&engine.reader, name).await?.filter(|uses| *uses > limit)
    {
        return Err(ActionError::LimitBelowUse { uses, limit }.into());
    }
    let body = body(update);
    if body.as_object().is_some_and(|fields| !fields.is_empty()) {
        let path = format!("/containers/{name}/update");
        let _warnings: Value = engine.post(&path, &body, DEFAULT_LIMIT).await?;
    }
    match &update.reload {
        Some(again) if again.task.service.swaps => files::swap(engine, reloads.swaps, name, again).await,
        Some(again) => files::replace(engine, reloads.former, name, again).await,
        None => Ok(()),
    }
}

/// What differs, and nothing else: what is not there stays as it is.
fn body(update: &InPlaceUpdate) -> Value {
    let (from, to) = (&update.from.limits, &update.to.limits);
    let mut body = json!({});
    if from.nano_cpus != to.nano_cpus {
        body["NanoCpus"] = to.nano_cpus.into();
    }
    if from.memory != to.memory {
        body["Memory"] = to.memory.into();
        // As much again is what an engine allows of swap with a new container. Without it, it refuses a limit above what
        // the old one allowed.
        body["MemorySwap"] = to.memory.map(|memory| memory.saturating_mul(2)).into();
    }
    if from.pids != to.pids {
        body["PidsLimit"] = to.pids.unwrap_or(-1).into();
    }
    let policy =
        |tuning: &crate::model::Tuning| create::restart_policy(&tuning.restart_policy, update.is_job);
    if policy(&update.from) != policy(&update.to) {
        body["RestartPolicy"] = json!(policy(&update.to));
    }
    body
}

/// What a container shows of its tuning; `None` if it is gone.
pub(in crate::fleet) async fn seen(reader: &Reader, name: &str) -> Result<Option<Seen>, CallError> {
    match reader.get::<Value>(&format!("/containers/{name}/json"), inspect::INSPECT_LIMIT).await {
        Ok(inspect) => Ok(Some(seen_in(&inspect))),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same of an answer that is there.
pub(super) fn seen_in(inspect: &Value) -> Seen {
    let host = &inspect["HostConfig"];
    let limit = |key: &str| host[key].as_i64().filter(|n| *n > 0);
    let policy = &host["RestartPolicy"];
    Seen {
        limits: Limits { nano_cpus: limit("NanoCpus"), memory: limit("Memory"), pids: limit("PidsLimit") },
        policy: match policy["Name"].as_str() {
            Some("on-failure") => {
                let attempts = policy["MaximumRetryCount"].as_u64().unwrap_or(0);
                EnginePolicy::OnFailure(u32::try_from(attempts).unwrap_or(u32::MAX))
            }
            Some("always" | "unless-stopped") => EnginePolicy::UnlessStopped,
            _ => EnginePolicy::No,
        },
    }
}

/// Bytes that a container uses and the kernel cannot take back, as `docker stats` counts them; `None` if it does not run.
/// Where an engine has no statistics, since its kernel lacks a controller say, it is what its processes have in memory.
pub(in crate::fleet) async fn memory_use(reader: &Reader, name: &str) -> Result<Option<i64>, CallError> {
    let path = format!("/containers/{name}/stats?stream=false&one-shot=true");
    let stats: Result<Value, _> = reader.get(&path, DEFAULT_LIMIT).await;
    match stats {
        Ok(stats) if let Some(used) = used(&stats["memory_stats"]) => return Ok(Some(used)),
        Err(error @ CallError::Transport(_)) => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let path = format!("/containers/{name}/top?ps_args=-eo%20pid,rss");
    match reader.get::<Value>(&path, DEFAULT_LIMIT).await {
        Ok(top) => Ok(resident(&top)),
        Err(error @ CallError::Transport(_)) => Err(error),
        // It does not run, or its host has no `ps`: unknown.
        Err(_) => Ok(None),
    }
}

/// The sum of what processes have in memory, which `ps` counts in KiB.
fn resident(top: &Value) -> Option<i64> {
    let rows = top["Processes"].as_array()?;
    let kib = rows.iter().filter_map(|row| row.get(1)?.as_str()?.parse::<i64>().ok());
    Some(kib.sum::<i64>().saturating_mul(1 << 10))
}

fn used(memory: &Value) -> Option<i64> {
    let usage = memory["usage"].as_i64()?;
    // Control groups of the first kind count the page cache with it, under another name.
    let cache =
        ["total_inactive_file", "inactive_file"].iter().find_map(|key| memory["stats"][*key].as_i64());
    Some(usage - cache.filter(|cache| *cache < usage).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Tuning;
    use crate::model::spec::{RestartCondition, RestartPolicy};

    fn tuning(limits: Limits, condition: RestartCondition) -> Tuning {
        let restart_policy = RestartPolicy { condition, ..RestartPolicy::default() };
        Tuning { limits, restart_policy, ..Tuning::default() }
    }

    #[test]
    fn only_what_differs_is_sent() {
        let limits = Limits { nano_cpus: Some(500), memory: Some(64 << 20), pids: Some(10) };
        let from = tuning(limits, RestartCondition::Any);
        let update =
            |to: Tuning| body(&InPlaceUpdate { from: from.clone(), to, is_job: false, reload: None });
        let less = Limits { memory: Some(32 << 20), ..limits };
        assert_eq!(
            update(tuning(less, RestartCondition::Any)),
            json!({ "Memory": 32 << 20, "MemorySwap": 64 << 20 })
        );
        let free = Limits { pids: None, ..limits };
        assert_eq!(
            update(tuning(free, RestartCondition::None)),
            json!({ "PidsLimit": -1, "RestartPolicy": { "Name": "no" } })
        );
    }

    #[test]
    fn a_container_shows_its_tuning() {
        let host = json!({ "Memory": 64, "NanoCpus": 0, "PidsLimit": null,
            "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 } });
        let seen = seen_in(&json!({ "HostConfig": host }));
        assert_eq!(seen.limits, Limits { memory: Some(64), ..Limits::default() });
        assert_eq!(seen.policy, EnginePolicy::OnFailure(3));
    }

    #[test]
    fn page_cache_is_no_use() {
        let of = |stats: Value| used(&json!({ "usage": 100, "stats": stats }));
        assert_eq!(of(json!({ "inactive_file": 30 })), Some(70));
        assert_eq!(of(json!({ "total_inactive_file": 40, "inactive_file": 30 })), Some(60));
        assert_eq!(of(json!({})), Some(100));
        assert_eq!(used(&json!({})), None, "it does not run");
        let rows = json!([["257", "1376"], ["258", "24"]]);
        assert_eq!(resident(&json!({ "Titles": ["PID", "RSS"], "Processes": rows })), Some(1400 << 10));
    }
}
