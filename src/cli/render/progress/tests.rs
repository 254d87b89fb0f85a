//! What a run looks like as it goes.

use std::sync::Arc;

use anstream::adapter::strip_str;

use super::*;
use crate::model::action::FailureKind;
use crate::model::action::{InPlaceUpdate, ServicePlan, TaskPlan};
use crate::model::in_place::Tuning;
use crate::model::reason::Reason;
use crate::model::spec::Limits;
use crate::model::{ClusterName, SpecHash, StackName, TaskId, TaskSpec};

fn task(name: &str, node: &str) -> Arc<TaskPlan> {
    let (service, slot) = name.rsplit_once('.').unwrap();
    let service = Arc::new(ServicePlan {
        cluster: ClusterName::unchecked("prod"),
        stack: StackName::unchecked("shop"),
        service: ServiceName::unchecked(service),
        spec: Arc::default(),
        spec_hash: SpecHash::unchecked("0"),
        spec_json: "{}".into(),
        key_id: "".into(),
        is_job: false,
        files: Vec::new(),
        secrets: Vec::new(),
        swaps: false,
    });
    Arc::new(TaskPlan {
        service,
        slot: Slot::Replica(slot.parse().unwrap()),
        node: NodeName::unchecked(node),
        attempt: 1,
        id: TaskId::unchecked(name),
        spec: Arc::new(TaskSpec::default()),
        fields: None,
    })
}

fn action(id: u32, node: &str, what: What) -> Action {
    Action { id: ActionId(id), node: NodeName::unchecked(node), what, why: Reason::NewService }
}

fn start(id: u32, name: &str, node: &str) -> Action {
    action(id, node, What::StartTask { task: task(name, node) })
}

fn stop(id: u32, name: &str, node: &str) -> Action {
    action(id, node, What::StopTask { task: task(name, node).handle(), grace: None })
}

fn plain(text: Option<String>) -> String {
    strip_str(&text.unwrap_or_default()).to_string()
}

const UP: TaskStatus = TaskStatus::Running { health: Health::None };

/// A pull, then two tasks: one comes up, one fails; and a third service that never gets its turn.
fn run() -> (Vec<Action>, Board) {
    let actions = vec![
        action(0, "h2", What::PullImage { image: "nginx:1.25".into() }),
        stop(1, "web.1", "h1"),
        start(2, "web.1", "h1"),
        start(3, "db.1", "h2"),
        start(4, "late.1", "h2"),
    ];
    let forecast = Forecast { waves: vec![actions.clone()], ..Forecast::default() };
    let board = Board::new("shop", &forecast, Timestamp(0));
    (actions, board)
}

#[test]
fn lines_tell_what_matters_and_when() {
    let (actions, mut board) = run();
    let mut lines: Vec<String> = Vec::new();
    let mut at = |board: &mut Board, ms, happened: Happened<'_>| {
        lines.extend(board.take(Timestamp(ms), happened));
    };
    let refused = Failure {
        kind: FailureKind::Refused,
        code: "stackctl::docker::port_taken".into(),
        message: "port is already allocated\x1b[2J".into(),
        help: None,
    };
    at(&mut board, 0, Happened::Began(&actions[0]));
    at(&mut board, 3200, Happened::Ended(&actions[0], &Outcome::Done));
    at(&mut board, 3300, Happened::Began(&actions[1]));
    at(&mut board, 4300, Happened::Ended(&actions[1], &Outcome::Done));
    at(&mut board, 4300, Happened::Began(&actions[2]));
    let starting = TaskStatus::Running { health: Health::Starting };
    at(&mut board, 5000, Happened::Ended(&actions[2], &Outcome::Started(starting)));
    let (node, handle) = (NodeName::unchecked("h1"), task("web.1", "h1").handle());
    let healthy = TaskStatus::Running { health: Health::Healthy };
    at(&mut board, 9000, Happened::Seen(&node, &handle, Some(starting)));
    at(&mut board, 12_000, Happened::Seen(&node, &handle, Some(healthy)));
    at(&mut board, 12_500, Happened::Seen(&node, &handle, Some(healthy)));
    at(&mut board, 13_000, Happened::Began(&actions[3]));
    at(&mut board, 13_500, Happened::Ended(&actions[3], &Outcome::Failed(refused)));
    at(&mut board, 75_000, Happened::Silent(&node, "no answer"));
    let text: Vec<String> = lines.iter().map(|line| strip_str(line).to_string()).collect();
    insta::assert_snapshot!(text.join("\n"), @r#"
    +3.2s   image nginx:1.25          pulled on h2 in 3.2s
    +4.3s   shop_web.1                stopped on h1 in 1.0s
    +5.0s   shop_web.1                started on h1, waiting for its health check
    +12s    shop_web.1                up on h1
    +13s    shop_db.1                 start failed on h2: port is already allocated\x1b[2J
    +1m15s  node h1                   silent: no answer
    "#);
}

#[test]
fn a_pull_is_told_by_bytes() {
    let (actions, mut board) = run();
    board.take(Timestamp(0), Happened::Began(&actions[0]));
    let mut told = |bytes, total| {
        let far = Pulled { bytes, total };
        assert_eq!(board.take(Timestamp(500), Happened::Advanced(&actions[0], far)), None);
        let rows = board.rows(Timestamp(500), 80, 10);
        let row = rows.iter().find(|row| row.contains("pulling")).expect("a row");
        strip_str(row).to_string().split_once("pulling ").expect("a pull").1.to_owned()
    };
    assert_eq!(told(0, None), "nginx:1.25 on h2");
    assert_eq!(told(1_200_000, None), "nginx:1.25 on h2: 1.2 MB");
    assert_eq!(told(12_000_000, Some(40_460_000)), "nginx:1.25 on h2: 12.0 MB of 40.5 MB");
    assert_eq!(told(40_460_000, Some(40_460_000)), "nginx:1.25 on h2: 40.5 MB, unpacking");
    let far = Pulled { bytes: 7, total: Some(9) };
    let line = json_line(Timestamp(0), Happened::Advanced(&actions[0], far));
    assert_eq!(
        (&line["type"], &line["bytes"], &line["total_bytes"]),
        (&"action_progress".into(), &7.into(), &9.into())
    );
    let line = board.heartbeat(Timestamp(20_000), 10_000).expect("a sign of life");
    assert!(line.contains("pulling nginx:1.25 on h2: 40.5 MB, unpacking"), "{line}");
}

#[test]
fn rows_show_each_service_once() {
    let (actions, mut board) = run();
    board.take(Timestamp(0), Happened::Began(&actions[0]));
    let rows = |board: &Board, ms, most| {
        board
            .rows(Timestamp(ms), 60, most)
            .iter()
            .map(|row| strip_str(row).to_string())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let first = rows(&board, 500, 10);
    board.take(Timestamp(1000), Happened::Ended(&actions[0], &Outcome::Done));
    board.take(Timestamp(1000), Happened::Began(&actions[2]));
    board.take(Timestamp(1000), Happened::Began(&actions[3]));
    let second = rows(&board, 2000, 10);
    board.take(Timestamp(2500), Happened::Ended(&actions[2], &Outcome::Started(UP)));
    let crash = TaskStatus::Exited { exit_code: 3 };
    board.take(Timestamp(2600), Happened::Ended(&actions[3], &Outcome::Started(crash)));
    let third = rows(&board, 5000, 10);
    let folded = rows(&board, 5000, 4);
    assert_eq!(board.tasks(), (1, 3));
    insta::assert_snapshot!([first, second, third, folded].join("\n---\n"), @r#"
    shop 0 of 3 tasks · 0.5s
      ⠴ prepare 0/1  pulling nginx:1.25 on h2
      · db        0/1  waiting  
      · late      0/1  waiting  
      · web       0/1  waiting  
    ---
    shop 0 of 3 tasks · 2.0s
      ⠋ db        0/1  db.1 starting on h2                  1.0s
      · late      0/1  waiting  
      ⠋ web       0/1  web.1 starting on h1                 1.0s
    ---
    shop 1 of 3 tasks · 5.0s
      ✘ db        0/1  db.1 ended with status 3 on h2       1.6s
      · late      0/1  waiting  
      ✔ web       1/1  up                                   1.5s
    ---
    shop 1 of 3 tasks · 5.0s
      ✘ db        0/1  db.1 ended with status 3 on h2       1.6s
      … 1 service waiting
      … 1 service done
    "#);
}

/// With start-first the new task is up before the old one goes: it counts from then on.
#[test]
fn a_new_task_beside_the_old_one_counts_once_it_is_up() {
    let old = |name: &str| TaskHandle {
        id: TaskId::unchecked(&format!("{name}.old")),
        ..task(name, "h1").handle()
    };
    let stop_old = |id, name: &str| action(id, "h1", What::StopTask { task: old(name), grace: None });
    let actions =
        vec![start(0, "web.1", "h1"), stop_old(1, "web.1"), start(2, "web.2", "h1"), stop_old(3, "web.2")];
    let forecast = Forecast { waves: vec![actions.clone()], ..Forecast::default() };
    let mut board = Board::new("shop", &forecast, Timestamp(0));
    // Without the sign in front and the time behind.
    let row = |board: &Board, ms| {
        let row = strip_str(&board.rows(Timestamp(ms), 100, 10)[1]).to_string();
        let words: Vec<&str> = row.split_whitespace().collect();
        words[1..words.len() - 1].join(" ")
    };
    let (node, starting) = (NodeName::unchecked("h1"), TaskStatus::Running { health: Health::Starting });
    let healthy = TaskStatus::Running { health: Health::Healthy };
    let mut shown = Vec::new();
    board.take(Timestamp(0), Happened::Began(&actions[0]));
    board.take(Timestamp(100), Happened::Ended(&actions[0], &Outcome::Started(starting)));
    shown.push(row(&board, 200));
    let first = actions[0].what.task().unwrap();
    board.take(Timestamp(1000), Happened::Seen(&node, &first, Some(healthy)));
    board.take(Timestamp(1000), Happened::Began(&actions[1]));
    shown.push(row(&board, 1100));
    let gone = Some(TaskStatus::Exited { exit_code: 143 });
    board.take(Timestamp(1500), Happened::Seen(&node, &old("web.1"), gone));
    board.take(Timestamp(2000), Happened::Ended(&actions[1], &Outcome::Done));
    shown.push(row(&board, 2000));
    board.take(Timestamp(2000), Happened::Began(&actions[2]));
    board.take(Timestamp(2100), Happened::Ended(&actions[2], &Outcome::Started(UP)));
    board.take(Timestamp(7000), Happened::Began(&actions[3]));
    shown.push(row(&board, 7100));
    let mut fallen = board.clone();
    board.take(Timestamp(8000), Happened::Ended(&actions[3], &Outcome::Done));
    shown.push(row(&board, 9000));
    assert_eq!(board.tasks(), (2, 2));
    // The new one falls while the old one is being stopped.
    let (second, fell) = (actions[2].what.task().unwrap(), Some(TaskStatus::Exited { exit_code: 1 }));
    let line = plain(fallen.take(Timestamp(7500), Happened::Seen(&node, &second, fell)));
    assert!(line.ends_with("ended with status 1 on h1"), "{line}");
    fallen.take(Timestamp(8000), Happened::Ended(&actions[3], &Outcome::Done));
    shown.push(row(&fallen, 9000));
    assert_eq!(fallen.tasks(), (1, 2));
    assert_eq!(
        shown,
        [
            "web 0/2 web.1 waiting for its health check on h1",
            "web 1/2 web.1 stopping on h1",
            "web 1/2",
            "web 2/2 web.2 stopping on h1",
            "web 2/2 up",
            "web 1/2 web.2 ended with status 1 on h1",
        ]
    );
}

/// Why a service goes back is said before that it does, and not again when the failed task is seen later.
#[test]
fn a_failed_task_is_told_before_the_rollback_it_causes() {
    let (actions, mut board) = run();
    let (start, task) = (&actions[2], actions[2].what.task().unwrap());
    board.take(Timestamp(0), Happened::Began(start));
    board.take(Timestamp(10), Happened::Ended(start, &Outcome::Started(UP)));
    let gone = Some(TaskStatus::Exited { exit_code: 1 });
    let fell = plain(board.take(Timestamp(20), Happened::Seen(&start.node, &task, gone)));
    assert!(fell.ends_with("ended with status 1 on h1"), "{fell}");
    let grace = None;
    let stop = Action {
        what: What::StopTask { task: task.clone(), grace },
        why: Reason::RolledBack,
        ..start.clone()
    };
    board.take(Timestamp(30), Happened::Began(&stop));
    assert_eq!(board.take(Timestamp(40), Happened::Seen(&start.node, &task, gone)), None);
    let again = Some(TaskStatus::Restarting { exit_code: 1 });
    assert_eq!(board.take(Timestamp(50), Happened::Seen(&start.node, &task, again)), None);
    let old = TaskHandle { id: TaskId::unchecked("web.1.old"), ..task.clone() };
    let back =
        Action { what: What::StartAgain { task: old.clone() }, why: Reason::RolledBack, ..start.clone() };
    board.take(Timestamp(60), Happened::Began(&back));
    board.take(Timestamp(70), Happened::Ended(&back, &Outcome::Started(UP)));
    assert_eq!(board.take(Timestamp(80), Happened::Seen(&start.node, &task, gone)), None);
    let fell = plain(board.take(Timestamp(90), Happened::Seen(&start.node, &old, gone)));
    assert!(fell.ends_with("ended with status 1 on h1"), "{fell}");
}

#[test]
fn a_task_that_is_changed_back_as_it_runs_is_not_said_to_be_started() {
    let (actions, mut board) = run();
    let (start, task) = (&actions[2], actions[2].what.task().unwrap());
    let tuning = |memory: i64| {
        let limits = Limits { memory: Some(memory), ..Limits::default() };
        Tuning { limits, ..Tuning::default() }
    };
    let update =
        Arc::new(InPlaceUpdate { from: tuning(1 << 20), to: tuning(2 << 20), is_job: false, reload: None });
    let back = |what: What| Action { what, why: Reason::RolledBack, ..start.clone() };
    let update = back(What::UpdateTask { task: task.clone(), update });
    let again = back(What::StartAgain { task });
    let said = plain(board.take(Timestamp(10), Happened::Ended(&update, &Outcome::Done)));
    assert!(said.ends_with("changed back in place on h1"), "{said}");
    let said = plain(board.take(Timestamp(20), Happened::Ended(&again, &Outcome::Started(UP))));
    assert!(said.ends_with("runs as before on h1"), "{said}");
}

#[test]
fn silence_is_never_long() {
    let (actions, mut board) = run();
    assert_eq!(board.heartbeat(Timestamp(20_000), 10_000), None, "nothing is under way");
    board.take(Timestamp(20_000), Happened::Began(&actions[0]));
    let line = plain(board.heartbeat(Timestamp(30_000), 10_000));
    assert_eq!(line, "+30s    shop                      still waiting: pulling nginx:1.25 on h2");
    assert_eq!(board.heartbeat(Timestamp(31_000), 10_000), None, "just said");
}

#[test]
fn programs_get_lines_of_json() {
    let (actions, _) = run();
    let line = json_line(Timestamp(1500), Happened::Ended(&actions[2], &Outcome::Started(UP)));
    assert_eq!(
        line.to_string(),
        "{\"at\":\"1970-01-01T00:00:01.500Z\",\"id\":2,\"node\":\"h1\",\"object\":\"shop_web.1.web.1\",\
         \"outcome\":\"done\",\"reason\":\"new_service\",\"service\":\"web\",\"slot\":\"1\",\"task\":\"web.1\",\
         \"task_state\":{\"state\":\"running\"},\"type\":\"action_done\",\"verb\":\"start task\",\
         \"why\":\"new service\"}"
    );
}
