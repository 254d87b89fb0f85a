//! Config files of a container: put there before its start, replaced while it runs, and read. Where files can be swapped they
//! stand in the host's memory, and links to them are put here.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::exec::StartExecOptions;
use bollard::query_parameters::UploadToContainerOptions;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::client::{CallError, DEFAULT_LIMIT, Engine, Reader, with_query};
use super::failure::ActionError;
use super::task::Stop;
use super::{create, tar, wire};
use crate::model::TaskId;
use crate::model::action::{FilePlan, Reload, TaskPlan};
use crate::template::payload;
use crate::vault::Kind;

/// A config that is larger is none: engines refuse more than a megabyte.
const CONFIG_BYTES_MAX: u64 = 2 << 20;

/// For a signal to be sent: looks, and the pause before each.
const SIGNAL_LOOKS_MAX: u32 = 100;
const SIGNAL_PAUSE: Duration = Duration::from_millis(50);

/// What was in the config files of tasks before a run replaced them, by task and path: an update that fails puts it back. It
/// is lost with the process; then what was there comes back with a deploy or a rollback.
pub(in crate::fleet) type Former = Mutex<BTreeMap<TaskId, BTreeMap<String, Vec<u8>>>>;

/// Swaps files of tasks in their host's memory.
pub(in crate::fleet) trait Swaps: Sync {
    /// All of them, or back to what they were. May be repeated.
    fn swap<'a>(&'a self, reload: &'a Reload) -> BoxFuture<'a, Result<(), NotSwapped>>;
}

/// What files of running containers are changed with.
#[derive(Clone, Copy)]
pub(in crate::fleet) struct Reloads<'a> {
    pub swaps: &'a dyn Swaps,
    /// What was in the config files of tasks that this run has changed as they run.
    pub former: &'a Former,
}

/// Why files are not swapped.
#[derive(Debug)]
pub(in crate::fleet) enum NotSwapped {
    /// No answer came.
    Silent(String),
    Refused(ActionError),
}

/// A file of a plan, and what is to be in it.
type Filled<'p> = (&'p FilePlan, Option<Cow<'p, [u8]>>);

/// Puts the files of a task into its container, which does not run yet.
pub(super) async fn upload(engine: &Engine, plan: &TaskPlan, name: &str) -> Result<(), Stop> {
    put(engine, plan, name, filled(plan)?).await?;
    let mut folders: BTreeMap<String, Vec<(&str, String)>> = BTreeMap::new();
    for (target, to) in plan.links() {
        folders.entry(create::upload_folder(plan, target)).or_default().push((target, to));
    }
    for (folder, links) in folders {
        let archive = tar::links(&folder, &links).map_err(|e| CallError::Decode(e.to_string()))?;
        send(engine, name, folder, archive).await?;
    }
    Ok(())
}

/// Swaps the files of a running container, and has its process read them.
pub(super) async fn swap(
    engine: &Engine,
    swaps: &dyn Swaps,
    name: &str,
    reload: &Reload,
) -> Result<(), Stop> {
    swaps.swap(reload).await.map_err(|why| match why {
        NotSwapped::Silent(why) => Stop::Call(CallError::Transport(why)),
        NotSwapped::Refused(error) => error.into(),
    })?;
    signalled(engine, name, reload).await
}

/// Gives a running container all files of its configs, and has its process read them. Each file is replaced as a whole: a
/// process that has the old one open goes on reading that.
pub(super) async fn replace(
    engine: &Engine,
    former: &Former,
    name: &str,
    reload: &Reload,
) -> Result<(), Stop> {
    let (plan, id) = (&*reload.task, &reload.task.id);
    let lock = || former.lock().unwrap_or_else(PoisonError::into_inner);
    let files = &plan.service.files;
    if reload.is_back {
        let words = "this run no longer knows what was in its configs before".to_owned();
        let before = lock().remove(id).ok_or(ActionError::Refused { words })?;
        let was = |file: &FilePlan| before.get(&file.target).map(|was| Cow::Borrowed(&was[..]));
        let contents = files.iter().map(|file| (file, was(file))).filter(|(_, was)| was.is_some());
        put(engine, plan, name, contents.collect()).await?;
    } else {
        // Before anything is changed: a template that cannot be filled in changes nothing.
        let contents = filled(plan)?;
        let mut before = BTreeMap::new();
        for file in files {
            // A process may have removed one: then there is nothing to put back.
            if let Some(was) = read(&engine.reader, name, &file.target).await? {
                before.insert(file.target.clone(), was);
            }
        }
        lock().insert(id.clone(), before);
        put(engine, plan, name, contents).await?;
    }
    signalled(engine, name, reload).await
}

/// Has the process of a container read files that were changed, or changed back.
async fn signalled(engine: &Engine, name: &str, reload: &Reload) -> Result<(), Stop> {
    match signal(engine, name, reload).await {
        // It ended by what it had read: it reads what was put back when it is started again.
        Err(Stop::Call(error)) if reload.is_back && error.status() == Some(409) => Ok(()),
        done => done,
    }
}

/// Has a process of the container send the signal to its first one.
///
/// Not by the engine's own `kill`: after that an engine takes a container for one that a person has stopped, whatever the signal
/// was, and never starts it again by itself.
async fn signal(engine: &Engine, name: &str, reload: &Reload) -> Result<(), Stop> {
    let refused = |words: String| Stop::from(ActionError::Refused { words });
    let first = match reload.task.spec.pid.as_deref().filter(|pid| !pid.is_empty()) {
        None => 1,
        // Among the processes of the host the first one is the host's.
        Some("host") => {
            let path = format!("/containers/{name}/json");
            let seen: Value = engine.reader.get(&path, super::inspect::INSPECT_LIMIT).await?;
            seen["State"]["Pid"].as_i64().filter(|pid| *pid > 1).unwrap_or(0)
        }
        Some(_) => 0,
    };
    let kill = kill_command(&reload.signal, first)
        .ok_or_else(|| refused(format!("{} cannot be sent to its process", reload.signal)))?;
    let body = json!({ "Cmd": ["sh", "-c", kill], "User": "0" });
    let made: wire::Created = engine.post(&format!("/containers/{name}/exec"), &body, DEFAULT_LIMIT).await?;
    let options = StartExecOptions { detach: true, ..StartExecOptions::default() };
    let no_shell = || refused("its image has no `sh`, by which the signal is sent".to_owned());
    match engine
        .call(DEFAULT_LIMIT, async |docker: Docker| docker.start_exec(&made.id, Some(options)).await)
        .await
    {
        Ok(_) => {}
        Err(CallError::Status { message, .. }) if message.contains("executable file not found") => {
            return Err(no_shell());
        }
        Err(error) => return Err(error.into()),
    }
    let path = format!("/exec/{}/json", made.id);
    for _ in 0..SIGNAL_LOOKS_MAX {
        let seen: Value = engine.reader.get(&path, DEFAULT_LIMIT).await?;
        match (seen["Running"].as_bool(), seen["ExitCode"].as_i64()) {
            (Some(false), Some(0)) => return Ok(()),
            (Some(false), Some(126 | 127)) => return Err(no_shell()),
            (Some(false), Some(status)) => {
                return Err(refused(format!(
                    "the signal could not be sent: `kill` ended with status {status}"
                )));
            }
            _ => sleep(SIGNAL_PAUSE).await,
        }
    }
    Err(CallError::Deadline(SIGNAL_PAUSE * SIGNAL_LOOKS_MAX).into())
}

/// What a shell runs to send a signal to a process; nothing where that cannot be said.
fn kill_command(signal: &str, process: i64) -> Option<String> {
    let upper = signal.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    // Shells know no names of real-time signals; those of Linux go from 34 to 64.
    let offset = |rest: &str, sign: char| match rest {
        "" => Some(0),
        rest => rest.strip_prefix(sign)?.parse::<u8>().ok().filter(|number| *number <= 30),
    };
    let name = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => (34 + offset(rest, '+')?).to_string(),
        (_, Some(rest)) => (64 - offset(rest, '-')?).to_string(),
        _ => name.to_owned(),
    };
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_plain && process > 0).then(|| format!("kill -{name} {process}"))
}

/// Whether each file of a task can be made.
pub(super) fn check(plan: &TaskPlan) -> Result<(), Stop> {
    filled(plan).map(drop)
}

fn filled(plan: &TaskPlan) -> Result<Vec<Filled<'_>>, Stop> {
    let content = |file| {
        let content = payload::content(plan, file, Kind::Config.bytes_max());
        let bad = |error: payload::PayloadError| {
            Stop::from(ActionError::BadTemplate { target: file.target.clone(), why: error.to_string() })
        };
        Ok((file, content.map_err(bad)?))
    };
    plan.service.files.iter().map(content).collect()
}

/// The files of each folder in one archive.
async fn put(engine: &Engine, plan: &TaskPlan, name: &str, contents: Vec<Filled<'_>>) -> Result<(), Stop> {
    let mut folders: BTreeMap<String, Vec<Filled<'_>>> = BTreeMap::new();
    for (file, content) in contents {
        folders.entry(create::upload_folder(plan, &file.target)).or_default().push((file, content));
    }
    for (folder, files) in folders {
        let archive = tar::archive(&folder, &files).map_err(|e| CallError::Decode(e.to_string()))?;
        send(engine, name, folder, archive).await?;
    }
    Ok(())
}

/// Has an archive unpacked in a folder of a container.
async fn send(engine: &Engine, name: &str, folder: String, archive: Bytes) -> Result<(), CallError> {
    let options = UploadToContainerOptions { path: folder, ..UploadToContainerOptions::default() };
    let body = bollard::body_full(archive);
    let upload = async |docker: Docker| docker.upload_to_container(name, Some(options), body).await;
    engine.call(DEFAULT_LIMIT, upload).await
}

/// The content of a file in a container, which need not run; nothing if it is not there.
pub(super) async fn read(
    reader: &Reader,
    container: &str,
    target: &str,
) -> Result<Option<Vec<u8>>, CallError> {
    let path = with_query(&format!("/containers/{container}/archive"), &[("path", target)]);
    let archive = match reader.bytes(&path, DEFAULT_LIMIT, CONFIG_BYTES_MAX).await {
        Err(error) if error.status() == Some(404) => return Ok(None),
        archive => archive?,
    };
    let mut archive = ::tar::Archive::new(&archive[..]);
    let mut entries = archive.entries().map_err(|error| CallError::Decode(error.to_string()))?;
    let Some(Ok(mut entry)) = entries.next() else { return Ok(None) };
    // A link says nothing of what it leads to.
    if !entry.header().entry_type().is_file() {
        return Ok(None);
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content).map_err(|error| CallError::Decode(error.to_string()))?;
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_sent_to_the_process_of_the_container_and_no_other() {
        for (signal, process, wanted) in [
            ("SIGHUP", 1, Some("kill -HUP 1")),
            ("hup", 1, Some("kill -HUP 1")),
            ("10", 4711, Some("kill -10 4711")),
            ("SIGRTMIN+3", 1, Some("kill -37 1")),
            ("RTMAX-1", 1, Some("kill -63 1")),
            ("SIGRTMAX+1", 1, None),
            ("HUP; reboot", 1, None),
            ("", 1, None),
            ("HUP", 0, None),
        ] {
            assert_eq!(kill_command(signal, process).as_deref(), wanted, "{signal} {process}");
        }
    }
}
