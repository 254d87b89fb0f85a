//! One deploy, recorded once and rendered three times: nothing but the events is needed for any of them.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::*;
use crate::cli::rollout::{Kind as Change, PUSH};
use crate::cli::ui::Settings;
use crate::model::action::Outcome;
use crate::model::testing::{cluster, node, replicated, stack, with_image};
use crate::ops::Recording;
use crate::orchestrator::{End, Ending, PlanOptions, Verdict};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A deploy of one task, as the transaction tells it.
fn recorded() -> Vec<(Timestamp, Event<Planned>)> {
    let observed = cluster(vec![node("h1")]);
    let wanted = stack(vec![with_image(replicated("web", 1), "web:1")]);
    let planned = Arc::new(Planned::make(observed, wanted, PlanOptions::default()));
    let recording = Recording::default();
    let mut now = 0;
    let mut tell = |event: Event<Planned>| {
        now += 1_000;
        recording.event(Timestamp(now), event);
    };
    tell(Event::Plan(Arc::clone(&planned)));
    let stack = planned.stack().clone();
    let actions = planned.plan().forecast.actions().count();
    tell(Event::Began(Began { stack: stack.clone(), release: 7, is_heal: false, commit: None, actions }));
    tell(Event::RunBegan(Arc::clone(&planned)));
    for action in planned.plan().forecast.actions() {
        tell(Event::ActionBegan(action.clone()));
        tell(Event::ActionEnded(action.clone(), Outcome::Done));
    }
    let verdict = Verdict { ending: Ending::Converged, services: Vec::new(), failures: Vec::new() };
    let proof = Some(Arc::new(Planned::make(
        Arc::clone(planned.observed()),
        crate::model::StackSpec::empty(stack.clone()),
        PlanOptions::default(),
    )));
    tell(Event::RunEnded(Arc::new(RunReport {
        plan: planned,
        began: Timestamp(3_000),
        ended: Timestamp(9_000),
        timeout_ms: 600_000,
        end: End::Verdict(verdict),
        is_unbegun: false,
        proof,
        tails: Vec::new(),
        journal: None,
    })));
    tell(Event::Ended { stack, release: 7, outcome: Some(Recorded::Deployed) });
    recording.take()
}

fn rendered(events: &[(Timestamp, Event<Planned>)], command: &'static str, format: Format) -> String {
    let page = Page::default();
    let ui = Ui::captured(Settings { is_verbose: true, ..Settings::default() }, page.clone());
    let choices = RolloutOptions {
        command,
        kind: Change::Deploy,
        format,
        yes: true,
        dry_run: false,
        is_exact: false,
        detach: false,
        timeout: None,
        lock_timeout: None,
        values: crate::diff::Values::Hidden,
    };
    let screen = Screen::new(&ui, Timestamp(0), &choices);
    for (at, event) in events {
        screen.event(*at, event.clone());
    }
    page.text()
}

#[test]
fn text_json_and_a_push_are_rendered_from_the_same_events() {
    let events = recorded();
    let text = rendered(&events, "deploy", Format::Text);
    insta::assert_snapshot!(text);
    assert_eq!(rendered(&events, PUSH, Format::Text), text, "a push that went well reads as a deploy");
    let json = rendered(&events, "deploy", Format::Json);
    let lines: Vec<serde_json::Value> = json
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let types: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap_or_default()).collect();
    insta::assert_snapshot!(types.join(" "));
    assert_eq!(lines.last().unwrap()["status"], 0);
    // The same deploy in both.
    for action in events.iter().filter_map(|(_, event)| match event {
        Event::ActionEnded(action, _) => Some(action),
        _ => None,
    }) {
        let of_it = |line: &&serde_json::Value| line["id"] == serde_json::json!(action.id);
        assert!(lines.iter().filter(of_it).count() >= 3, "planned, begun and ended: {}", action.what.verb());
    }
}

/// The same events with another end.
fn ended(end: End, is_unbegun: bool) -> Vec<(Timestamp, Event<Planned>)> {
    let mut events = recorded();
    let Some((_, Event::RunEnded(report))) =
        events.iter_mut().find(|(_, event)| matches!(event, Event::RunEnded(_)))
    else {
        panic!("there is an end")
    };
    *report = Arc::new(RunReport {
        plan: Arc::clone(&report.plan),
        began: report.began,
        ended: report.ended,
        timeout_ms: report.timeout_ms,
        end,
        is_unbegun,
        proof: None,
        tails: Vec::new(),
        journal: None,
    });
    events
}

#[test]
fn a_failed_push_says_what_helps_where_it_was_pushed() {
    let events = ended(End::Interrupted, false);
    let push = rendered(&events, PUSH, Format::Text);
    // The same commit is not released twice, and without a commit git runs no hook.
    assert!(push.contains("a commit that changes the stack") && !push.contains("again"), "{push}");
    assert!(rendered(&events, "deploy", Format::Text).contains("`stackctl deploy … app` again"));
    let push = rendered(&ended(End::Interrupted, true), PUSH, Format::Text);
    assert!(push.contains("any commit, also an empty one"), "{push}");
}

#[test]
fn what_ends_while_images_are_pulled_has_changed_nothing() {
    let text = rendered(&ended(End::Interrupted, true), "deploy", Format::Text);
    assert!(text.contains("interrupted: nothing of stack app was changed"), "{text}");
    let events = ended(End::TimedOut(Vec::new()), true);
    let text = rendered(&events, "deploy", Format::Text);
    assert!(text.contains("nothing was changed") && !text.contains("as declared"), "{text}");
    let last = |events: &[_]| -> serde_json::Value {
        let json = rendered(events, "deploy", Format::Json);
        serde_json::from_str(json.lines().last().unwrap()).unwrap()
    };
    assert_eq!(last(&events)["status"], 1);
    assert_eq!(last(&ended(End::TimedOut(Vec::new()), false))["status"], 4);
    assert_eq!(last(&ended(End::Interrupted, true))["status"], 130);
}
