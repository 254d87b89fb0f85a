//! Config files of a container: put there before its start, replaced while it runs, and read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};

use bollard::Docker;
use bollard::query_parameters::{KillContainerOptions, UploadToContainerOptions};

use super::client::{CallError, DEFAULT_LIMIT, Engine, Reader, with_query};
use super::failure::ActionError;
use super::task::Stop;
use super::{create, tar};
use crate::model::TaskId;
use crate::model::action::{FilePlan, Reload, TaskPlan};
use crate::template::payload;
use crate::vault::Kind;

/// A config that is larger is none: engines refuse more than a megabyte.
const CONFIG_BYTES_MAX: u64 = 2 << 20;

/// What was in the config files of tasks before a run replaced them, by task and path: an update that fails puts it back. It
/// is lost with the process; then what was there comes back with a deploy or a rollback.
pub(in crate::fleet) type Former = Mutex<BTreeMap<TaskId, BTreeMap<String, Vec<u8>>>>;

/// A file of a plan, and what is to be in it.
type Filled<'p> = (&'p FilePlan, Option<Cow<'p, [u8]>>);

/// Puts the files of a task into its container, which does not run yet.
pub(super) async fn upload(engine: &Engine, plan: &TaskPlan, name: &str) -> Result<(), Stop> {
    put(engine, plan, name, filled(plan)?).await
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
    let options = KillContainerOptions { signal: reload.signal.clone() };
    let kill = async |docker: Docker| docker.kill_container(name, Some(options)).await;
    match engine.call(DEFAULT_LIMIT, kill).await {
        // It ended by what it had read: it reads what was put back when it is started again.
        Err(error) if reload.is_back && error.status() == Some(409) => Ok(()),
        done => Ok(done?),
    }
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
        let options = UploadToContainerOptions { path: folder, ..UploadToContainerOptions::default() };
        let body = bollard::body_full(archive);
        let upload = async |docker: Docker| docker.upload_to_container(name, Some(options), body).await;
        engine.call(DEFAULT_LIMIT, upload).await?;
    }
    Ok(())
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
    let mut content = Vec::new();
    entry.read_to_end(&mut content).map_err(|error| CallError::Decode(error.to_string()))?;
    Ok(Some(content))
}
