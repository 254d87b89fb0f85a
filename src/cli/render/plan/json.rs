//! A plan for programs: everything, nothing folded.

use serde_json::{Value, json};

use super::PlanView;
use crate::diff::{DiffKind, ServiceDiff};

/// Grows when a field changes its meaning or goes; new fields do not count.
const VERSION: u32 = 1;

/// The plan as one object.
#[must_use]
pub fn plan(view: &PlanView<'_>) -> Value {
    let changes: Vec<Value> = view
        .diff
        .services
        .iter()
        .filter(|service| service.kind != DiffKind::Unchanged)
        .map(service)
        .collect();
    let waves = view.forecast.waves.iter().enumerate();
    let actions: Vec<Value> = waves
        .flat_map(|(wave, actions)| {
            actions.iter().map(move |one| {
                let mut value = one.to_json();
                value["wave"] = wave.into();
                value
            })
        })
        .collect();
    let notes: Vec<Value> = view.notes.iter().map(note).collect();
    let mut summary = json!(view.forecast.summary());
    summary["services"] = view.diff.services.len().into();
    summary["unchanged"] = (view.diff.services.len() - changes.len()).into();
    summary["duration_ms"] = view.forecast.duration_ms.into();
    json!({
        "version": VERSION,
        "stack": view.stack,
        "cluster": view.cluster,
        "changes": changes,
        "actions": actions,
        "drift": view.drift,
        "notes": notes,
        "summary": summary,
    })
}

fn service(service: &ServiceDiff) -> Value {
    json!({ "service": service.name, "kind": service.kind, "fields": service.changes })
}

fn note(note: &crate::orchestrator::Note) -> Value {
    let mut value = json!(note);
    value["message"] = note.to_string().into();
    value
}
