//! What is to be done with the agents of a host, by what is there. No effect.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::programs::NoProgram;
use super::{Look, OnHost, Seen};
use crate::agent::program::Program;
use crate::fleet::agents::parcel::mark;
use crate::fleet::agents::{HostAgents, Installed, Kind, Rights};
use crate::inventory::Agents;
use crate::model::{NodeName, Unreachable};

/// What `install` does with a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It gets its first agent.
    Install,
    /// Another one takes over.
    Upgrade {
        /// The version that is there.
        from: String,
    },
    /// The right one is there; something that an earlier run left undone is done: it is started again, or what is beside
    /// it goes.
    Finish,
    /// All is as wanted.
    Nothing,
    /// One of a later version is there, and stays.
    Newer {
        /// Its version.
        version: String,
    },
}

impl Change {
    /// Whether anything is sent to the host.
    #[must_use]
    pub fn is_any(&self) -> bool {
        match self {
            Self::Install | Self::Upgrade { .. } | Self::Finish => true,
            Self::Nothing | Self::Newer { .. } => false,
        }
    }
}

/// Why a host that answers can have no agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// No file to ship.
    #[error(transparent)]
    NoProgram(#[from] NoProgram),
    /// The engine has no root's rights, and so would the agent.
    #[error("its engine runs without root's rights")]
    Rootless,
    /// Another system than Linux.
    #[error("its system is {0}, and an agent needs Linux")]
    System(String),
}

/// What is done with one host.
#[derive(Debug, Clone)]
pub struct Planned {
    pub change: Change,
    pub program: Arc<Program>,
}

/// What is done with every host.
#[derive(Debug, Default)]
pub struct Plan {
    pub hosts: BTreeMap<NodeName, Planned>,
    /// Hosts that can have no agent. Nothing is done while there is one.
    pub obstacles: Vec<(NodeName, Obstacle)>,
    /// Hosts that do not answer: they are left out.
    pub silent: Vec<(NodeName, Unreachable)>,
}

impl Plan {
    /// By what was seen, and the programs that there are.
    pub fn of(look: Look, program: impl Fn(&str) -> Result<Arc<Program>, NoProgram>) -> Self {
        let mut plan = Self::default();
        for (node, on) in look {
            let on = match on {
                Ok(on) => on,
                Err(why) => {
                    plan.silent.push((node, why));
                    continue;
                }
            };
            match obstacle(&on.host).map_or_else(|| program(&on.host.architecture).map_err(Into::into), Err) {
                Ok(program) => {
                    plan.hosts.insert(node, Planned { change: change(&on, &program), program });
                }
                Err(why) => plan.obstacles.push((node, why)),
            }
        }
        plan
    }

    /// Hosts for which something is done.
    pub fn changes(&self) -> impl Iterator<Item = (&NodeName, &Planned)> {
        self.hosts.iter().filter(|(_, planned)| planned.change.is_any())
    }

    /// Hosts that get their first agent.
    #[must_use]
    pub fn first(&self) -> Vec<&NodeName> {
        let first = self.hosts.iter().filter(|(_, planned)| planned.change == Change::Install);
        first.map(|(node, _)| node).collect()
    }
}

/// Whether an agent may be shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// The inventory says so.
    Granted,
    /// The user has to be asked, by a question that no flag answers.
    AskFirst,
    /// Hosts that have an agent get another one: a question like any other.
    Ask,
    /// The inventory says that there are none.
    Refused,
}

/// Whether a plan may be carried out. A program with root's rights is a consent of its own where a host gets its first.
#[must_use]
pub fn permission(agents: Agents, plan: &Plan) -> Permission {
    match agents {
        Agents::Off => Permission::Refused,
        Agents::Auto => Permission::Granted,
        Agents::Ask if plan.first().is_empty() => Permission::Ask,
        Agents::Ask => Permission::AskFirst,
    }
}

fn obstacle(host: &HostAgents) -> Option<Obstacle> {
    if host.system != "linux" {
        return Some(Obstacle::System(host.system.clone()));
    }
    host.is_rootless.then_some(Obstacle::Rootless)
}

/// What is to be done so that a host has this program as its agent.
#[must_use]
pub fn change(on: &OnHost, program: &Program) -> Change {
    let newer = on
        .agents
        .iter()
        .find(|agent| agent.installed.is_on && is_later(&agent.installed.version, &program.version));
    if let Some(newer) = newer {
        return Change::Newer { version: newer.installed.version.clone() };
    }
    let Some(ours) = on.agents.iter().find(|agent| is_of(&agent.installed, program)) else {
        let there = on.agents.iter().map(|agent| &agent.installed);
        let there = there.max_by_key(|agent| (agent.is_on, numbers(&agent.version)));
        return there.map_or(Change::Install, |agent| Change::Upgrade { from: agent.version.clone() });
    };
    let is_up = matches!(ours.seen, Seen::Up(_));
    if is_up && next(&on.host, program, true).is_none() { Change::Nothing } else { Change::Finish }
}

/// What is done next on a host on the way to one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The program is sent and started.
    Ship,
    /// What is there is started.
    Start(Installed),
    /// It is asked who it is: only then the one before goes.
    Greet,
    /// Another agent is ended and removed.
    Remove(Installed),
    /// An image from which no agent runs is removed.
    RemoveImage(String),
}

/// The next step; none when all is as wanted. `has_answered`: the program was greeted since it was started.
#[must_use]
pub fn next(host: &HostAgents, program: &Program, has_answered: bool) -> Option<Step> {
    // The first one where there are two of it, after a fall-back that was interrupted: one that runs before one that does not.
    let mut ours: Vec<&Installed> = host.agents.iter().filter(|agent| is_of(agent, program)).collect();
    ours.sort_by_key(|agent| !agent.is_on);
    let Some(&kept) = ours.first() else { return Some(Step::Ship) };
    match (kept.is_on, kept.kind) {
        // Whether the engine starts plugins shows only now: then it is made a container.
        (false, Kind::Plugin) => return Some(Step::Ship),
        (false, Kind::Container) => return Some(Step::Start(kept.clone())),
        (true, _) if !has_answered => return Some(Step::Greet),
        (true, _) => {}
    }
    if let Some(other) = host.agents.iter().find(|agent| *agent != kept) {
        return Some(Step::Remove(other.clone()));
    }
    let is_used =
        |image: &str| kept.kind == Kind::Container && image.ends_with(&format!(":{}", wanted(program)));
    let left = host.images.iter().find(|image| !is_used(image));
    left.map(|image| Step::RemoveImage(image.clone()))
}

/// Whether an agent is this program, with the rights that agents have.
pub(super) fn is_of(agent: &Installed, program: &Program) -> bool {
    agent.mark() == wanted(program)
}

fn wanted(program: &Program) -> String {
    mark(&program.digest, &Rights::of_agents().word())
}

/// Whether a version is later than another. One that cannot be read is not.
fn is_later(one: &str, than: &str) -> bool {
    numbers(one) > numbers(than)
}

/// Its numbers, and whether it is a release: `1.2.0-rc1` is before `1.2.0`.
fn numbers(version: &str) -> (Vec<u64>, bool) {
    let (release, pre) =
        version.split_once('-').map_or((version, None), |(release, pre)| (release, Some(pre)));
    let release = release.split('+').next().unwrap_or_default();
    (release.split('.').map_while(|part| part.parse().ok()).collect(), pre.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::wire::Hello;
    use crate::model::Timestamp;
    use crate::ops::agents::Agent;

    fn program(version: &str, digit: &str) -> Program {
        Program {
            bytes: bytes::Bytes::new(),
            digest: digit.repeat(64),
            version: version.into(),
            architecture: "x86_64".into(),
        }
    }

    fn agent(kind: Kind, version: &str, digit: &str, is_on: bool) -> Installed {
        let name = format!("{}-{digit}", kind.word());
        let rights = Rights::of_agents().word();
        Installed { kind, name, digest: digit.repeat(64), version: version.into(), rights, is_on }
    }

    fn host(agents: &[Installed], images: &[&str]) -> HostAgents {
        HostAgents {
            system: "linux".into(),
            architecture: "x86_64".into(),
            is_rootless: false,
            takes_plugins: true,
            agents: agents.to_vec(),
            images: images.iter().map(|image| (*image).to_owned()).collect(),
            users: Vec::new(),
        }
    }

    /// As seen where all that runs answers.
    fn seen(host: HostAgents) -> OnHost {
        let hello = |agent: &Installed| Hello {
            protocol_from: 1,
            protocol_to: 1,
            version: agent.version.clone(),
            digest: agent.digest.clone(),
            cluster: "prod".into(),
            started: Timestamp(1),
        };
        let seen = |one: &Installed| if one.is_on { Seen::Up(hello(one)) } else { Seen::Off };
        let agents = host
            .agents
            .iter()
            .map(|one| Agent { installed: one.clone(), seen: seen(one), secrets: None, standing: None })
            .collect();
        OnHost { host, agents }
    }

    use Kind::{Container, Plugin};

    /// Carries the steps out on a host that does what it is told, and may be cut off before any of them.
    fn carried_out(
        mut host: HostAgents,
        program: &Program,
        cut_off_at: Option<usize>,
    ) -> (Vec<Step>, HostAgents) {
        let (mut has_answered, mut steps) = (false, Vec::new());
        while let Some(step) = next(&host, program, has_answered) {
            assert!(steps.len() < 20, "no end: {steps:?}");
            if cut_off_at == Some(steps.len()) {
                break;
            }
            match &step {
                Step::Ship => {
                    host.agents.retain(|one| !(is_of(one, program) && one.kind == Plugin));
                    host.agents.push(Installed {
                        kind: Plugin,
                        name: "new".into(),
                        digest: program.digest.clone(),
                        version: program.version.clone(),
                        rights: Rights::of_agents().word(),
                        is_on: true,
                    });
                }
                Step::Start(one) => {
                    host.agents.iter_mut().filter(|it| *it == one).for_each(|it| it.is_on = true)
                }
                Step::Greet => has_answered = true,
                Step::Remove(one) => host.agents.retain(|it| it != one),
                Step::RemoveImage(image) => host.images.retain(|it| it != image),
            }
            steps.push(step);
        }
        (steps, host)
    }

    #[test]
    fn the_new_one_answers_before_the_old_one_goes() {
        let old = agent(Plugin, "0.2.0", "a", true);
        let (steps, end) =
            carried_out(host(std::slice::from_ref(&old), &["x:aaa"]), &program("0.3.0", "b"), None);
        let wanted = [Step::Ship, Step::Greet, Step::Remove(old), Step::RemoveImage("x:aaa".into())];
        assert_eq!(steps, wanted);
        assert_eq!((end.agents.len(), end.agents[0].version.as_str()), (1, "0.3.0"));
    }

    #[test]
    fn whatever_cut_a_run_off_the_next_one_ends_at_the_same_and_a_third_does_nothing() {
        let new = program("0.3.0", "b");
        let ours = format!("x:{}", wanted(&new));
        let worlds = [
            host(&[], &[]),
            host(&[agent(Plugin, "0.2.0", "a", true)], &[]),
            host(&[agent(Container, "0.2.0", "a", true)], &["x:aaa"]),
            host(&[agent(Plugin, "0.3.0", "b", false)], &[]),
            host(&[agent(Container, "0.3.0", "b", false)], &[&ours]),
            host(&[agent(Plugin, "0.3.0", "b", true), agent(Container, "0.3.0", "b", true)], &[&ours]),
            host(&[agent(Plugin, "0.3.0", "b", false), agent(Container, "0.3.0", "b", true)], &[&ours]),
        ];
        for world in worlds {
            let (steps, end) = carried_out(world.clone(), &new, None);
            for cut in 0..steps.len() {
                let (_, half) = carried_out(world.clone(), &new, Some(cut));
                let (_, again) = carried_out(half, &new, None);
                assert_eq!((again.agents.len(), again.images.len()), (end.agents.len(), end.images.len()));
                assert!(is_of(&again.agents[0], &new) && again.agents[0].is_on, "{again:?}");
                assert_eq!(change(&seen(again), &new), Change::Nothing, "cut off at {cut} of {steps:?}");
            }
        }
    }

    #[test]
    fn what_is_done_follows_from_what_is_there() {
        let new = program("0.3.0", "b");
        let of = |agents: &[Installed]| change(&seen(host(agents, &[])), &new);
        assert_eq!(of(&[]), Change::Install);
        assert_eq!(of(&[agent(Plugin, "0.2.0", "a", true)]), Change::Upgrade { from: "0.2.0".into() });
        // The same program, with other rights.
        let weaker = Installed { rights: String::new(), ..agent(Plugin, "0.3.0", "b", true) };
        assert_eq!(of(std::slice::from_ref(&weaker)), Change::Upgrade { from: "0.3.0".into() });
        let (steps, _) = carried_out(host(std::slice::from_ref(&weaker), &[]), &new, None);
        assert_eq!(steps, [Step::Ship, Step::Greet, Step::Remove(weaker)]);
        // The same version, and another build of it.
        assert_eq!(of(&[agent(Plugin, "0.3.0", "a", true)]), Change::Upgrade { from: "0.3.0".into() });
        assert_eq!(of(&[agent(Plugin, "0.3.0", "b", true)]), Change::Nothing);
        assert_eq!(of(&[agent(Plugin, "0.3.0", "b", false)]), Change::Finish);
        let both = [agent(Plugin, "0.2.0", "a", true), agent(Plugin, "0.3.0", "b", true)];
        assert_eq!(of(&both), Change::Finish);
        assert_eq!(of(&[agent(Plugin, "0.10.0", "c", true)]), Change::Newer { version: "0.10.0".into() });
        // It does not run, and so serves no one who would need it.
        assert_eq!(of(&[agent(Plugin, "0.10.0", "c", false)]), Change::Upgrade { from: "0.10.0".into() });
        let mut silent = seen(host(&[agent(Plugin, "0.3.0", "b", true)], &[]));
        silent.agents[0].seen = Seen::Silent("nothing answers".into());
        assert_eq!(change(&silent, &new), Change::Finish);
    }

    #[test]
    fn the_first_agent_of_a_host_wants_a_consent_of_its_own() {
        let plan = |agents: &[Installed]| {
            let look = [(NodeName::unchecked("h1"), Ok(seen(host(agents, &[]))))].into();
            Plan::of(look, |_| Ok(Arc::new(program("0.3.0", "b"))))
        };
        let (first, upgrade) = (plan(&[]), plan(&[agent(Plugin, "0.2.0", "a", true)]));
        assert_eq!(permission(Agents::Ask, &first), Permission::AskFirst);
        assert_eq!(permission(Agents::Ask, &upgrade), Permission::Ask);
        assert_eq!(permission(Agents::Auto, &first), Permission::Granted);
        assert_eq!(permission(Agents::Off, &upgrade), Permission::Refused);
    }

    #[test]
    fn what_can_have_no_agent_is_an_obstacle_and_what_is_silent_is_left_out() {
        let rootless = HostAgents { is_rootless: true, ..host(&[], &[]) };
        let windows = HostAgents { system: "windows".into(), ..host(&[], &[]) };
        let silent =
            Unreachable { since: Timestamp(1), code: String::new(), reason: "off".into(), help: None };
        let node = NodeName::unchecked;
        let look: Look = [
            (node("h1"), Ok(seen(host(&[], &[])))),
            (node("h2"), Ok(seen(rootless))),
            (node("h3"), Ok(seen(windows))),
            (node("h4"), Err(silent)),
        ]
        .into();
        let plan = Plan::of(look, |_| Ok(Arc::new(program("0.3.0", "b"))));
        assert_eq!(plan.first(), [&node("h1")]);
        assert_eq!(
            plan.obstacles,
            [(node("h2"), Obstacle::Rootless), (node("h3"), Obstacle::System("windows".into()))]
        );
        assert_eq!(plan.silent.len(), 1);
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(is_later("0.10.0", "0.9.9") && is_later("1.0.0", "1.0.0-rc1") && !is_later("1.0.0", "1.0.0"));
        assert!(!is_later("nonsense", "0.1.0") && is_later("0.1.0", ""));
    }
}
