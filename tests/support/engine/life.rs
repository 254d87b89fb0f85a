//! How a container lives by Docker's rules (20.10 to 29): what may be asked of it, what follows when its
//! program ends, and which names and ports it keeps from others.
//!
//! Both fake hosts live by these rules: the engine behind a socket, and the cluster of the simulator. The rules
//! are a second opinion on what the code under test expects of hosts, so they know none of its types. They know
//! no HTTP, no clock and no chance either: the caller says what time it is, and what a program does.

#![allow(dead_code, reason = "shared: each test program uses a part of it")]

use std::net::IpAddr;

/// How a program ends on a stop that does not catch SIGTERM: 128 and the signal. One that does ends as it likes.
pub const TERMINATED: i64 = 143;

/// The engine waits so long before the first restart, and twice as long before each further one.
const FIRST_WAIT_MS: i64 = 100;
const LONGEST_WAIT_MS: i64 = 60_000;
/// A program that ran for so long has the engine forget its earlier waits.
const STEADY_MS: i64 = 10_000;

/// What an inspect calls `State.Status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Created,
    Running,
    Paused,
    /// Its program ended, and the engine waits before it starts the program again.
    Restarting,
    Exited,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
        }
    }

    /// Docker's flag `Running`. Docker sets it for paused and restarting containers too, and asks only for this
    /// flag before it starts, stops or removes one.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

/// What a health check has found so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Starting,
    Healthy,
    Unhealthy,
}

impl Health {
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// When the engine starts a program again that ended by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Policy {
    #[default]
    No,
    /// On a status other than 0, so many times; 0 is without limit.
    OnFailure(u32),
    Always,
    /// Differs from `Always` only when the daemon itself starts.
    UnlessStopped,
}

impl Policy {
    fn restarts(self, code: i64, restarts: u32) -> bool {
        match self {
            Self::No => false,
            Self::OnFailure(most) => code != 0 && (most == 0 || restarts < most),
            Self::Always | Self::UnlessStopped => true,
        }
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Changes,
    /// The container is already as was asked: status 304.
    Nothing,
    /// The container's state forbids it: status 409.
    Refused,
}

/// One container's life so far. Times are in milliseconds, by whatever clock the host has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Life {
    policy: Policy,
    state: State,
    started: Option<i64>,
    ended: Option<(i64, i64)>,
    health: Option<Health>,
    has_check: bool,
    restarts: u32,
    wait_ms: i64,
}

impl Life {
    pub fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// An update of the container brings another policy.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// When its program was last started.
    pub fn started(&self) -> Option<i64> {
        self.started
    }

    /// When its program ended and with which status, unless it runs.
    pub fn ended(&self) -> Option<(i64, i64)> {
        self.ended
    }

    /// What its check has found, where it runs and has a check.
    pub fn health(&self) -> Option<Health> {
        self.health
    }

    /// What an inspect calls `RestartCount`: restarts since a client last started it.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// When the engine starts its program again, if it is about to.
    pub fn restarts_at(&self) -> Option<i64> {
        let (at, _) = self.ended.filter(|_| self.state == State::Restarting)?;
        Some(at + self.wait_ms)
    }

    pub fn if_started(&self) -> Effect {
        match self.state {
            State::Created | State::Exited => Effect::Changes,
            State::Running | State::Restarting => Effect::Nothing,
            State::Paused => Effect::Refused,
        }
    }

    pub fn if_stopped(&self) -> Effect {
        if self.state.is_running() { Effect::Changes } else { Effect::Nothing }
    }

    pub fn if_removed(&self, is_forced: bool) -> Effect {
        if self.state.is_running() && !is_forced { Effect::Refused } else { Effect::Changes }
    }

    /// A client starts it. A start by hand also forgets what the engine counted.
    pub fn start(&mut self, now: i64, has_check: bool) -> Effect {
        let effect = self.if_started();
        if effect == Effect::Changes {
            *self = Self { has_check, ..Self::new(self.policy) };
            self.run(now);
        }
        effect
    }

    /// A client stops it, and the program ends with this status. No policy starts it again.
    pub fn stop(&mut self, now: i64, code: i64) -> Effect {
        let effect = self.if_stopped();
        if effect == Effect::Changes {
            // Where the engine only waits there is no program to end: the status of its last end stays.
            if self.state != State::Restarting {
                self.ended = Some((now, code));
            }
            self.state = State::Exited;
            self.health = None;
        }
        effect
    }

    /// Its program ends by itself, and the policy decides what follows. Whether there was a program to end.
    pub fn end(&mut self, now: i64, code: i64) -> bool {
        if self.state != State::Running {
            return false;
        }
        let is_steady = self.started.is_some_and(|started| now - started >= STEADY_MS);
        self.wait_ms = match self.wait_ms {
            0 => FIRST_WAIT_MS,
            _ if is_steady => FIRST_WAIT_MS,
            wait_ms => (2 * wait_ms).min(LONGEST_WAIT_MS),
        };
        self.ended = Some((now, code));
        self.health = None;
        self.state = State::Exited;
        if self.policy.restarts(code, self.restarts) {
            // The engine counts a restart when it decides on it, not when it has waited.
            self.restarts += 1;
            self.state = State::Restarting;
        }
        true
    }

    /// The engine starts its program again, once it has waited long enough. Whether it did.
    pub fn restart(&mut self, now: i64) -> bool {
        let is_due = self.restarts_at().is_some_and(|at| at <= now);
        if is_due {
            self.run(now);
        }
        is_due
    }

    fn run(&mut self, now: i64) {
        self.state = State::Running;
        self.started = Some(now);
        self.ended = None;
        self.health = self.has_check.then_some(Health::Starting);
    }

    /// Its check makes up its mind. Whether it runs and has a check.
    pub fn judge(&mut self, health: Health) -> bool {
        let is_judged = self.state == State::Running && self.has_check;
        if is_judged {
            self.health = Some(health);
        }
        is_judged
    }

    /// A client pauses it.
    pub fn pause(&mut self) -> Effect {
        if self.state != State::Running {
            return Effect::Refused;
        }
        self.state = State::Paused;
        Effect::Changes
    }

    /// A client resumes it.
    pub fn unpause(&mut self) -> Effect {
        if self.state != State::Paused {
            return Effect::Refused;
        }
        self.state = State::Running;
        Effect::Changes
    }
}

/// A port of the host that a container publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// One address of the host; without one, all addresses.
    pub ip: Option<IpAddr>,
    pub port: u16,
    /// Such as `tcp`.
    pub protocol: String,
}

impl Binding {
    fn clashes_with(&self, other: &Self) -> bool {
        let covers = |ip: Option<IpAddr>, other: Option<IpAddr>| match (ip, other) {
            (None, _) => true,
            // `0.0.0.0` stands for every address of IPv4, and for none of IPv6.
            (Some(ip), Some(other)) if ip.is_unspecified() => ip.is_ipv4() == other.is_ipv4(),
            _ => ip == other,
        };
        self.port == other.port
            && self.protocol == other.protocol
            && (covers(self.ip, other.ip) || covers(other.ip, self.ip))
    }
}

/// Which of these bindings a container cannot have, since another one on its host has the port.
///
/// Docker lets go of the ports of a restarting container while it waits, and does not start it again if another
/// one has taken them meanwhile. A deployer must not count on that: here a restarting one keeps its ports.
pub fn taken<'l>(
    wanted: &[Binding],
    others: impl Iterator<Item = (&'l Life, Vec<Binding>)>,
) -> Option<Binding> {
    let bound: Vec<Binding> =
        others.filter(|(life, _)| life.state.is_running()).flat_map(|(_, bindings)| bindings).collect();
    wanted.iter().find(|one| bound.iter().any(|other| one.clashes_with(other))).cloned()
}

/// Which container of a host has a name. A name belongs to one container, in whatever state it is.
pub fn named<'n, T>(name: &str, mut all: impl Iterator<Item = (&'n str, T)>) -> Option<T> {
    all.find(|(other, _)| *other == name).map(|(_, one)| one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(policy: Policy) -> Life {
        let mut life = Life::new(policy);
        assert_eq!(life.start(0, true), Effect::Changes);
        life
    }

    fn in_state(state: State) -> Life {
        let mut life = Life::new(Policy::UnlessStopped);
        if state != State::Created {
            life.start(0, true);
        }
        match state {
            State::Created | State::Running => {}
            State::Paused => drop(life.pause()),
            State::Restarting => drop(life.end(1, 7)),
            State::Exited => drop(life.stop(1, TERMINATED)),
        }
        assert_eq!(life.state(), state);
        life
    }

    #[test]
    fn what_may_be_asked_depends_on_the_state() {
        use Effect::{Changes, Nothing, Refused};
        for (state, if_started, if_stopped, if_removed) in [
            (State::Created, Changes, Nothing, Changes),
            (State::Running, Nothing, Changes, Refused),
            (State::Paused, Refused, Changes, Refused),
            (State::Restarting, Nothing, Changes, Refused),
            (State::Exited, Changes, Nothing, Changes),
        ] {
            let life = in_state(state);
            assert_eq!(life.if_removed(false), if_removed, "{state:?}");
            assert_eq!(life.if_removed(true), Changes, "{state:?}");
            let (mut one, mut other) = (life.clone(), life.clone());
            assert_eq!(one.start(5, true), if_started, "{state:?}");
            assert_eq!(other.stop(5, TERMINATED), if_stopped, "{state:?}");
            assert_eq!(one == life, if_started != Changes, "{state:?}");
            assert_eq!(other == life, if_stopped != Changes, "{state:?}");
        }
    }

    #[test]
    fn a_stop_gives_the_status_of_its_signal_and_is_for_good() {
        let mut life = started(Policy::Always);
        life.stop(9, TERMINATED);
        assert_eq!((life.state(), life.ended()), (State::Exited, Some((9, 143))));
        assert_eq!((life.restarts_at(), life.end(10, 1)), (None, false));
    }

    #[test]
    fn a_stop_between_two_lives_keeps_the_status_of_the_last() {
        let mut life = in_state(State::Restarting);
        life.stop(50, TERMINATED);
        assert_eq!((life.state(), life.ended()), (State::Exited, Some((1, 7))));
        assert!(!life.restart(1_000));
    }

    #[test]
    fn the_policy_decides_what_follows_an_end() {
        for (policy, code, state) in [
            (Policy::No, 1, State::Exited),
            (Policy::OnFailure(0), 0, State::Exited),
            (Policy::OnFailure(0), 1, State::Restarting),
            (Policy::Always, 0, State::Restarting),
            (Policy::UnlessStopped, 0, State::Restarting),
        ] {
            let mut life = started(policy);
            assert!(life.end(1, code));
            assert_eq!((life.state(), life.ended()), (state, Some((1, code))), "{policy:?} {code}");
        }
    }

    #[test]
    fn restarts_are_limited_and_counted_anew_after_a_start_by_hand() {
        let mut life = started(Policy::OnFailure(2));
        let exhaust = |life: &mut Life| {
            for count in 1..=2 {
                life.end(0, 1);
                assert_eq!((life.state(), life.restarts()), (State::Restarting, count));
                life.restart(1_000);
            }
            life.end(1_001, 1);
            assert_eq!((life.state(), life.restarts()), (State::Exited, 2));
        };
        exhaust(&mut life);
        life.start(2_000, false);
        assert_eq!(life.restarts(), 0);
        exhaust(&mut life);
    }

    #[test]
    fn waits_double_up_to_a_minute_until_a_program_stays_up() {
        let mut life = started(Policy::Always);
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..12 {
            life.end(now, 1);
            let at = life.restarts_at().unwrap();
            waits.push(at - now);
            assert!(!life.restart(at - 1), "too early");
            assert!(life.restart(at));
            now = at;
        }
        assert_eq!(waits[..3], [100, 200, 400]);
        assert_eq!(waits[9..], [51_200, 60_000, 60_000]);
        life.end(now + 10_000, 1);
        assert_eq!(life.restarts_at(), Some(now + 10_100));
    }

    #[test]
    fn health_begins_anew_with_each_start() {
        let mut life = started(Policy::Always);
        assert_eq!(life.health(), Some(Health::Starting));
        assert!(life.judge(Health::Healthy));
        life.pause();
        assert_eq!((life.health(), life.judge(Health::Unhealthy)), (Some(Health::Healthy), false));
        life.unpause();
        life.end(1, 1);
        assert_eq!((life.health(), life.judge(Health::Healthy)), (None, false));
        life.restart(101);
        assert_eq!(life.health(), Some(Health::Starting));
        life.stop(102, TERMINATED);
        life.start(103, false);
        assert_eq!((life.health(), life.judge(Health::Healthy)), (None, false), "no check any more");
    }

    fn binding(ip: &str, port: u16, protocol: &str) -> Binding {
        Binding { ip: ip.parse().ok(), port, protocol: protocol.to_owned() }
    }

    #[test]
    fn a_port_is_bound_once_among_those_that_run() {
        for (theirs, is_taken) in [
            (binding("", 80, "tcp"), true),
            (binding("", 80, "udp"), false),
            (binding("", 81, "tcp"), false),
            (binding("10.0.0.1", 80, "tcp"), true),
            (binding("10.0.0.2", 80, "tcp"), false),
            (binding("0.0.0.0", 80, "tcp"), true),
            (binding("::", 80, "tcp"), false),
        ] {
            let wanted = [binding("", 443, "tcp"), binding("10.0.0.1", 80, "tcp")];
            let found = |state| taken(&wanted, [(&in_state(state), vec![theirs.clone()])].into_iter());
            let expected = is_taken.then(|| wanted[1].clone());
            for state in [State::Running, State::Paused, State::Restarting] {
                assert_eq!(found(state), expected, "{theirs:?} {state:?}");
            }
            assert_eq!((found(State::Created), found(State::Exited)), (None, None), "{theirs:?}");
        }
    }

    #[test]
    fn a_name_belongs_to_one_container() {
        let all = || [("web", 1), ("db", 2)].into_iter();
        assert_eq!((named("db", all()), named("log", all())), (Some(2), None));
    }
}
