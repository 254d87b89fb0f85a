//! Tasks as docker's `stack ps` lists them.

use std::cmp::Ordering;

use serde_json::json;

use super::age::ago;
use super::cells::{ID_CHARS, natural, short_image};
use super::list::{Columns, Row};
use super::services::into_row;
use super::text::ellipsis;
use crate::model::secret_env;
use crate::model::task::Slot;
use crate::model::{Health, Task, TaskStatus, Timestamp};

/// Docker's columns.
pub const COLUMNS: Columns = Columns {
    fields: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Image", "IMAGE"),
        ("Node", "NODE"),
        ("DesiredState", "DESIRED STATE"),
        ("CurrentState", "CURRENT STATE"),
        ("Error", "ERROR"),
        ("Ports", "PORTS"),
    ],
    table: &["ID", "Name", "Image", "Node", "DesiredState", "CurrentState", "Error", "Ports"],
};

/// Docker's `maxErrLength`.
const ERROR_COLUMNS_MAX: usize = 30;

/// How much of a list is cut or folded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// Whole ids, images and errors.
    pub is_whole: bool,
    /// Ended tasks are indented below their successor; docker does that in tables only.
    pub is_indented: bool,
}

/// One row for each task: by service and slot, and within a slot the newest first.
#[must_use]
pub fn rows(now: Timestamp, tasks: &[&Task], shape: Shape) -> Vec<Row> {
    let mut tasks = tasks.to_vec();
    tasks.sort_by(|a, b| {
        natural(a.service.as_str(), b.service.as_str())
            .then_with(|| by_slot(&a.slot, &b.slot))
            .then_with(|| b.is_live().cmp(&a.is_live()))
            .then_with(|| b.created_at.cmp(&a.created_at))
            .then_with(|| a.id.cmp(&b.id))
    });
    let mut above: Option<String> = None;
    tasks
        .iter()
        .map(|task| {
            let name = name(task);
            let is_below = shape.is_indented && above.as_ref() == Some(&name);
            let shown = if is_below { format!(" \\_ {name}") } else { name.clone() };
            above = Some(name);
            row(now, task, &shown, shape.is_whole)
        })
        .collect()
}

fn row(now: Timestamp, task: &Task, name: &str, is_whole: bool) -> Row {
    let id = task.id.as_str();
    let error = error(task);
    let error = match (error.is_empty(), is_whole) {
        (true, _) => error,
        (false, true) => format!("\"{error}\""),
        (false, false) => format!("\"{}\"", ellipsis(&error, ERROR_COLUMNS_MAX)),
    };
    into_row(json!({
        "ID": if is_whole { id } else { id.get(..ID_CHARS).unwrap_or(id) },
        "Name": name,
        "Image": if is_whole { task.spec.pinned_image() } else { short_image(&task.spec.image) },
        "Node": task.node.as_str(),
        "DesiredState": desired_state(task),
        "CurrentState": current_state(now, task),
        "Error": error,
        "Ports": ports(&task.published),
    }))
}

/// `shop_web.1`, as docker names tasks.
#[must_use]
pub fn name(task: &Task) -> String {
    format!("{}_{}.{}", task.stack, task.service, task.slot)
}

/// The desired state of the task: an ended task never runs again, another one takes its slot.
#[must_use]
pub fn desired_state(task: &Task) -> &'static str {
    match task.status {
        TaskStatus::Removing => "Remove",
        status if status.is_live() => "Running",
        _ => "Shutdown",
    }
}

fn current_state(now: Timestamp, task: &Task) -> String {
    let word = task.status.swarm_word();
    format!("{word} {}", ago(now, task.since.unwrap_or(task.created_at)))
}

fn error(task: &Task) -> String {
    match task.status {
        // Engines of all versions end so what they cannot start; a shell ends so that does not find a command, and so does what
        // sets variables that are secrets.
        TaskStatus::Exited { exit_code: 127 } if !task.spec.secrets.is_empty() => {
            let program = match secret_env::names(&task.spec).next() {
                Some(_) => "its program is not in the image, as its log says then, or ",
                None => "",
            };
            format!(
                "task: not started (127): {program}its secrets may not be on the host since it was restarted, and no other agent \
                 has given them back, as they have none, or the task was removed or moved meanwhile (`stackctl agent ls`); a \
                 deploy or the loop gives it a new task, or removes it"
            )
        }
        TaskStatus::Exited { exit_code: 0 } | TaskStatus::Restarting { exit_code: 0 } => String::new(),
        TaskStatus::Exited { exit_code } | TaskStatus::Restarting { exit_code } => {
            format!("task: non-zero exit ({exit_code})")
        }
        TaskStatus::Running { health: Health::Unhealthy } => "unhealthy container".to_owned(),
        TaskStatus::Dead => "the engine could not remove it".to_owned(),
        TaskStatus::Created | TaskStatus::Running { .. } | TaskStatus::Paused | TaskStatus::Removing => {
            String::new()
        }
    }
}

/// `0.0.0.0:80->80/tcp, :::80->80/tcp` is `*:80->80/tcp` to people.
pub(super) fn ports(published: &[String]) -> String {
    let mut shown: Vec<String> = Vec::new();
    for port in published {
        let port = match ["0.0.0.0:", ":::", "[::]:"].iter().find_map(|any| port.strip_prefix(any)) {
            Some(rest) => format!("*:{rest}"),
            None => port.clone(),
        };
        if !shown.contains(&port) {
            shown.push(port);
        }
    }
    shown.join(",")
}

fn by_slot(a: &Slot, b: &Slot) -> Ordering {
    match (a, b) {
        (Slot::Node(a), Slot::Node(b)) => natural(a.as_str(), b.as_str()),
        _ => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::task;
    use super::*;

    #[test]
    fn ended_tasks_stand_below_their_successor() {
        let tasks = [
            task("web.10", "h2", TaskStatus::Running { health: Health::None }, 100),
            task("web.2", "h1", TaskStatus::Exited { exit_code: 137 }, 50),
            task("web.2", "h3", TaskStatus::Running { health: Health::Unhealthy }, 110),
            task("db.1", "h1", TaskStatus::Restarting { exit_code: 1 }, 90),
            task("agent.h10", "h10", TaskStatus::Exited { exit_code: 0 }, 20),
            task("agent.h2", "h2", TaskStatus::Created, 20),
        ];
        let tasks: Vec<&Task> = tasks.iter().collect();
        let rows = rows(Timestamp(290_000), &tasks, Shape { is_whole: false, is_indented: true });
        insta::assert_snapshot!(COLUMNS.render(None, &rows).unwrap(), @r#"
        ID             NAME             IMAGE        NODE      DESIRED STATE   CURRENT STATE              ERROR                         PORTS
        0eanmqfswui6   shop_agent.h2    nginx:1.25   h2        Running         Ready 4 minutes ago
        9gntifw0169s   shop_agent.h10   nginx:1.25   h10       Shutdown        Complete 4 minutes ago
        01h8sft8nyrv   shop_db.1        nginx:1.25   h1        Running         Restarting 3 minutes ago   "task: non-zero exit (1)"
        ab79ccmve16x   shop_web.2       nginx:1.25   h3        Running         Running 2 minutes ago      "unhealthy container"
        1wrfhc42l6or    \_ shop_web.2   nginx:1.25   h1        Shutdown        Failed 3 minutes ago       "task: non-zero exit (137)"
        0eq5tr5pypg4   shop_web.10      nginx:1.25   h2        Running         Running 3 minutes ago
        "#);
    }

    #[test]
    fn nothing_is_cut_when_all_is_asked_for() {
        let mut task = task("web.1", "h1", TaskStatus::Exited { exit_code: 137 }, 0);
        let mut spec = (*task.spec).clone();
        spec.digest = Some(format!("sha256:{}", "a".repeat(64)));
        task.spec = spec.into();
        task.published = vec!["0.0.0.0:80->80/tcp".into(), ":::80->80/tcp".into()];
        let rows = rows(Timestamp(0), &[&task], Shape { is_whole: true, is_indented: true });
        let value = serde_json::Value::Object(rows[0].clone());
        assert_eq!(value["ID"].as_str().unwrap().len(), 25);
        assert_eq!(value["Image"], format!("nginx:1.25@sha256:{}", "a".repeat(64)));
        assert_eq!(value["Error"], "\"task: non-zero exit (137)\"");
        assert_eq!(value["Ports"], "*:80->80/tcp");
    }

    #[test]
    fn numbers_in_names_count_as_numbers() {
        assert_eq!(natural("h2", "h10"), Ordering::Less);
        assert_eq!(natural("h10", "h10a"), Ordering::Less);
        assert_eq!(natural("a", "b"), Ordering::Less);
        assert_eq!(natural("h1", "h1"), Ordering::Equal);
        assert_ne!(natural("h01", "h1"), Ordering::Equal);
    }
}
