//! Plays a schedule on a cluster.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::board::{Board, Due};
use crate::claim::{Claim, line};
use crate::hosts::{Hosts, Seen};
use crate::schedule::{End, Fault, Schedule, Step, Verb};

/// A cluster is as a command said for at least so long.
const STAYS: Duration = Duration::from_secs(60);
/// A command that takes longer hangs.
const COMMAND_MAX: Duration = Duration::from_secs(300);
/// What is wrong at once is looked at again so much later, to tell what passes from what stays.
const SECOND_LOOK: Duration = Duration::from_secs(4);

/// A schedule that is being played.
pub struct Play<'p> {
    pub schedule: &'p Schedule,
    pub hosts: &'p Hosts,
    /// A copy of the program: what is compiled meanwhile is not tried.
    pub program: &'p Path,
    /// For files of this play.
    pub room: PathBuf,
    board: Mutex<Board>,
    is_over: AtomicBool,
}

impl<'p> Play<'p> {
    pub fn new(schedule: &'p Schedule, hosts: &'p Hosts, program: &'p Path, room: PathBuf) -> Self {
        let board = Mutex::new(Board::new());
        Self { schedule, hosts, program, room, board, is_over: AtomicBool::new(false) }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From the first command to the last look.
    pub fn play(self) -> Board {
        std::fs::write(self.room.join("stackctl.yml"), self.hosts.inventory(self.schedule.managers))
            .expect("the inventory");
        let this = &self;
        std::thread::scope(|scope| {
            scope.spawn(|| this.watch());
            std::thread::scope(|scope| {
                scope.spawn(|| this.faults());
                for user in 0..2 {
                    scope.spawn(move || this.user(user));
                }
                scope.spawn(|| this.due());
            });
            this.finish();
            this.is_over.store(true, Ordering::SeqCst);
        });
        self.board.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn user(&self, user: usize) {
        for (at, step) in self.schedule.users[user].iter().enumerate() {
            std::thread::sleep(Duration::from_millis(step.pause_ms));
            self.command(user, at, step);
        }
        let mut board = self.board();
        board.say(&format!("user {user} is done"));
        board.users_done += 1;
    }

    fn faults(&self) {
        let mut events: Vec<(u64, bool, Fault)> = Vec::new();
        for fault in &self.schedule.faults {
            events.push((fault.at_ms, true, *fault));
            events.push((fault.until_ms, false, *fault));
        }
        events.sort_by_key(|(at, ..)| *at);
        let begun = self.board().begun;
        for (at, is_begin, fault) in events {
            std::thread::sleep((begun + Duration::from_millis(at)).saturating_duration_since(Instant::now()));
            let host = &self.hosts.names[fault.host];
            let (begin, end) = fault.trouble.words(host);
            let words = if is_begin { begin } else { end };
            if fault.trouble.is_deadly() && is_begin {
                self.board().loses(host, false);
            }
            let did = self.hosts.playground(&words);
            let mut board = self.board();
            if fault.trouble.is_deadly() && !is_begin {
                board.loses(host, true);
            }
            board.say(&format!("fault: {words}"));
            if let Err(error) = did {
                board.except("playground".to_owned(), error);
            }
        }
    }

    /// Runs a command and looks whether the cluster is as it says. Whether it ended well.
    fn command(&self, user: usize, at: usize, step: &Step) -> bool {
        let shape = &self.schedule.shapes[step.stack];
        let name = format!("{user}.{at}");
        let file = self.room.join(format!("{name}.yml"));
        let (begun, words) = {
            let mut board = self.board();
            let begun = board.begin(step.stack, &step.verb);
            let words = words(step, shape.name, &file, begun.target.as_ref().map(|(number, _)| *number));
            board.say(&format!("{name} begins: {words} {:?}", step.end));
            (begun, words)
        };
        if let Verb::Deploy(wanted) = &step.verb {
            std::fs::write(&file, shape.file(wanted)).expect("a stackfile");
        }
        let log = self.room.join(format!("{name}.out"));
        let is_elsewhere = user == 1 && self.schedule.is_elsewhere;
        let child = self.start(user, is_elsewhere, &words, &log);
        let status = self.see_out(child, is_elsewhere, step.end);
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let said = {
            let mut board = self.board();
            board.say(&format!("{name} ends: {}", status.map_or("hangs".to_owned(), |it| it.to_string())));
            *board.statuses.entry(status.unwrap_or(-1)).or_default() += 1;
            match (status, step.end) {
                (None, _) => board.except("hangs".to_owned(), format!("{name} hangs: {words}")),
                (Some(0), _) => {}
                (_, End::Kill(_)) => board.cut_short(step.stack, "SIGKILL"),
                (_, End::Interrupt(_, Some(_))) => board.cut_short(step.stack, "a second Ctrl-C"),
                _ => {}
            }
            board.end(step.stack, &begun, &step.verb, status == Some(0), release(&text))
        };
        if let Some((claim, epoch)) = said {
            self.check(&name, step.stack, epoch, claim);
        }
        status == Some(0)
    }

    fn start(&self, user: usize, is_elsewhere: bool, words: &str, log: &Path) -> Child {
        let home = self.room.join(["a", "b"][user]);
        std::fs::create_dir_all(&home).expect("a home");
        // A test that is ended takes its commands with it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        if is_elsewhere {
            command.args(["unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]);
        }
        let out = File::create(log).expect("a file for its output");
        let error = out.try_clone().expect("a file for its output");
        command
            .arg(self.program)
            .arg("-i")
            .arg(self.room.join("stackctl.yml"))
            .args(words.split_whitespace())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("USER", ["ann", "ben"][user])
            .envs(["HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"].map(|name| (name, &home)))
            .current_dir(&home)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(error)
            .spawn()
            .expect("the program")
    }

    /// Does to a command what is to be done, and waits for its end; `None` if it hangs.
    fn see_out(&self, mut child: Child, is_elsewhere: bool, end: End) -> Option<i32> {
        let begun = Instant::now();
        let mut signals: Vec<(u64, &str)> = match end {
            End::Own | End::Timeout(_) => Vec::new(),
            End::Interrupt(at, more) => {
                std::iter::once((at, "INT")).chain(more.map(|more| (at + more, "INT"))).collect()
            }
            End::Kill(at) => vec![(at, "KILL")],
            End::Freeze(at, more) => vec![(at, "STOP"), (at + more, "CONT")],
        };
        signals.reverse();
        loop {
            if let Some(status) = child.try_wait().expect("a child") {
                return Some(status.code().unwrap_or(-1));
            }
            if begun.elapsed() > COMMAND_MAX {
                signal(&child, is_elsewhere, "KILL");
                let _ = child.wait();
                return None;
            }
            if let Some((at, name)) = signals.last()
                && begun.elapsed() >= Duration::from_millis(*at)
            {
                signal(&child, is_elsewhere, name);
                self.board().say(&format!("SIG{name}"));
                signals.pop();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Looks whether the cluster is as it was said, now and later.
    fn check(&self, name: &str, stack: usize, epoch: u64, claim: Claim) {
        let due = Due { at: Instant::now() + STAYS, stack, epoch, claim, command: name.to_owned() };
        if let Some(is_first) = self.compare(&due, "at its end") {
            let mut board = self.board();
            board.checked += 1;
            if is_first {
                board.due.push(due);
            }
        }
    }

    /// Whether it is so; `None` if a later command began meanwhile.
    fn compare(&self, due: &Due, when: &str) -> Option<bool> {
        let shape = &self.schedule.shapes[due.stack];
        let since = due.at - STAYS;
        let look = || {
            let may_miss = self.board().may_miss(since);
            let seen = self.hosts.look(shape.name);
            let may_miss = may_miss || !seen.silent.is_empty() || self.board().may_miss(since);
            let faults = due.claim.faults(&seen, &self.hosts.names, may_miss);
            (self.board().stacks[due.stack].epoch == due.epoch).then_some((seen, faults))
        };
        let (seen, faults) = look()?;
        if faults.is_empty() {
            self.board().say(&format!("{} is so {when}", due.command));
            return Some(true);
        }
        std::thread::sleep(SECOND_LOOK);
        let later = match look() {
            Some((_, faults)) if faults.is_empty() => "it is so 4 s later".to_owned(),
            Some((_, faults)) => format!("4 s later: {}", faults.join("; ")),
            None => "a later command began".to_owned(),
        };
        let text = format!(
            "{} ({}) is not so {when}: {}\n        {later}\n{}",
            due.command,
            shape.name,
            faults.join("; "),
            listing(&seen)
        );
        let mut board = self.board();
        let cause = board.cause(due.stack, shape.grace_s);
        board.except(cause, text);
        Some(false)
    }

    /// Looks again when it is time, until both users are done and nothing is due.
    fn due(&self) {
        loop {
            std::thread::sleep(Duration::from_millis(250));
            let now = Instant::now();
            let next = {
                let mut board = self.board();
                let epochs = [board.stacks[0].epoch, board.stacks[1].epoch];
                board.due.retain(|due| due.epoch == epochs[due.stack]);
                if board.users_done == 2 && board.due.is_empty() {
                    return;
                }
                let at = board.due.iter().position(|due| due.at <= now);
                at.map(|at| board.due.swap_remove(at))
            };
            if let Some(due) = next
                && self.compare(&due, "60 s later").is_some()
            {
                self.board().rechecked += 1;
            }
        }
    }

    /// At all times: no slot has two running tasks, so no volume has two writers. A pair counts that two looks saw,
    /// one after the other: then both ran at the same time.
    fn watch(&self) {
        let mut before = std::collections::BTreeMap::new();
        let mut reported = std::collections::BTreeSet::new();
        while !self.is_over.load(Ordering::SeqCst) {
            let now = self.hosts.running();
            for (slot, tasks) in &now {
                let both = tasks
                    .iter()
                    .filter(|task| before.get(slot).is_some_and(|b: &Vec<String>| b.contains(task)));
                if both.count() > 1 && reported.insert(slot.clone()) {
                    let text = format!("{slot} runs twice: {}", tasks.join(", "));
                    self.board().except("two in a slot".to_owned(), text);
                }
            }
            before = now;
            std::thread::sleep(Duration::from_millis(900));
        }
    }

    /// All is healed by now. Everything that is wanted comes, and then there is nothing to do.
    fn finish(&self) {
        for stack in 0..2 {
            let step = Step {
                pause_ms: 0,
                stack,
                verb: Verb::Deploy(self.schedule.last[stack].clone()),
                lock_s: Some(240),
                end: End::Own,
            };
            let shape = self.schedule.shapes[stack].name;
            for at in [90 + stack, 95 + stack] {
                if !self.command(0, at, &step) {
                    let text = format!("the last deploy of {shape} does not end well: 0.{at}.out");
                    self.board().except("last deploy".to_owned(), text);
                    break;
                }
            }
            let again = std::fs::read_to_string(self.room.join(format!("0.{}.out", 95 + stack)));
            if again.is_ok_and(|text| text.contains("\"planned_action\"")) {
                let text = format!("the same deploy of {shape} changes something: 0.{}.out", 95 + stack);
                self.board().except("not idempotent".to_owned(), text);
            }
        }
    }
}

fn listing(seen: &Seen) -> String {
    let lines = seen.containers.iter().map(|one| format!("        {}", line(one)));
    let silent = seen.silent.iter().map(|host| format!("        {host} is silent"));
    lines.chain(silent).collect::<Vec<_>>().join("\n")
}

/// The words of a command, as a shell would part them.
fn words(step: &Step, stack: &str, file: &Path, to: Option<u64>) -> String {
    let mut words = match &step.verb {
        Verb::Deploy(_) => format!("deploy --yes -c {} {stack}", file.display()),
        Verb::Rollback(_) => {
            format!("rollback --yes{} {stack}", to.map_or(String::new(), |to| format!(" --to {to}")))
        }
        Verb::Rm => format!("rm --yes {stack}"),
        Verb::Scale(service, count) => format!("scale --yes {stack}_{service}={count}"),
        Verb::Update(service, mark) => {
            format!("service update --yes --env-add MARK={mark} {stack}_{service}")
        }
    };
    words += " --format json";
    if let Some(lock) = step.lock_s {
        words += &format!(" --lock-timeout {lock}s");
    }
    if let End::Timeout(seconds) = step.end {
        words += &format!(" --timeout {seconds}s");
    }
    words
}

/// The release that a command wrote down.
fn release(text: &str) -> Option<u64> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["type"] == "release").find_map(|line| line["release"].as_u64())
}

/// To the program itself, not to the one that gave it a process namespace.
fn signal(child: &Child, is_elsewhere: bool, name: &str) {
    let own = child.id().to_string();
    let inner = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
    let inner = inner.split_whitespace().next().map(str::to_owned);
    let pid = if is_elsewhere { inner.unwrap_or(own) } else { own };
    // One that has ended meanwhile needs none.
    let _ = Command::new("kill").args(["-s", name, &pid]).stderr(Stdio::null()).status();
}
