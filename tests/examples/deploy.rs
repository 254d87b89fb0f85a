//! A program of its own that deploys one stackfile through [`stackctl::ops`], without stackctl's command line:
//!
//! ```text
//! deploy INVENTORY STACKFILE STACK
//! ```
//!
//! It shows what a surface has to bring: what is wanted, who approves, and what happens to be shown.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a program reads files and prints")]

use std::error::Error;
use std::path::Path;

use stackctl::compose::{self, Files, Loaded, SourceText};
use stackctl::engine::{self, Clock, Request};
use stackctl::fleet::ConnectOptions;
use stackctl::inventory;
use stackctl::model::{StackName, Timestamp};
use stackctl::ops::cluster::Unconnected;
use stackctl::ops::order::Order;
use stackctl::ops::release::{ApproveAll, Done, Draft, Rollout, rollout};
use stackctl::ops::vault::stack::settle;
use stackctl::ops::{self, Event, Progress};
use stackctl::orchestrator::Planned;

/// Files beside the stackfile.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> std::io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}

/// One line for each thing that a user of this program wants to know.
struct Lines;

impl Progress<Planned> for Lines {
    fn event(&self, _: Timestamp, event: Event<Planned>) {
        match event {
            Event::Plan(planned) => {
                println!("plan: {} actions", planned.plan().forecast.actions().count());
            }
            Event::Began(began) => println!("release {} of {}", began.release, began.stack),
            Event::ActionEnded(action, _) => {
                println!("{} {} on {}", action.what.verb(), action.what.object(), action.node);
            }
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [inventory, stackfile, stack] = &args[..] else {
        return Err("usage: deploy INVENTORY STACKFILE STACK".into());
    };
    let loaded = read(stackfile, &StackName::new(stack)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(deploy(Path::new(inventory), loaded))
}

fn read(path: &str, stack: &StackName) -> Result<Loaded, Box<dyn Error>> {
    let dir = Path::new(path).parent().and_then(Path::to_str).filter(|dir| !dir.is_empty()).unwrap_or(".");
    let options = compose::Options {
        stack: compose::Stack::Given(stack),
        project_dir: dir,
        home: None,
        env: &|_| None,
        files: &Disk,
        env_files: None,
        profiles: &[],
        reading: compose::Reading::Ours,
        variables: compose::Variables::Fill,
        secrets: compose::SecretFiles::Need,
    };
    let source = SourceText { name: path.to_owned(), bytes: std::fs::read(path)? };
    Ok(compose::load(vec![source], &options).map_err(|_| "the stackfile has mistakes")?)
}

async fn deploy(inventory: &Path, loaded: Loaded) -> Result<(), Box<dyn Error>> {
    let env = |name: &str| std::env::var(name).ok();
    let (inventory, _) = inventory::load(Some(inventory), &env).map_err(|_| "the inventory has mistakes")?;
    let cluster =
        Unconnected::of(inventory, None, Clock::start(None)?, &env)?.connect(ConnectOptions::default()).await;
    // Values of secrets never come near a plan: it has their versions.
    let spec = settle(&cluster.ledger, &cluster.secrets, loaded.spec, &loaded.secrets).await?;
    let stack = spec.name.clone();
    let draft = Draft { verb: "deploy".to_owned(), ..Draft::default() };
    let request = Request { options: cluster.plan_options(false), ..Request::default() };
    let plan = engine::plan(cluster.cluster_reader(), cluster.clock.now(), spec, request);
    let job = Order::<ops::Error>::with_plan(&cluster, &stack, draft, plan).await;
    let done = rollout(
        &cluster.driver(),
        vec![job],
        &Rollout::default(),
        &mut ApproveAll::new(),
        async || Ok(()),
        &(),
        &Lines,
    )
    .await;
    cluster.close().await;
    match done?.last() {
        Some(Done::Ran(ran)) if ran.report.is_well() => println!("{stack} is deployed"),
        Some(Done::Ran(ran)) => return Err(format!("{stack} is not as wanted: {:?}", ran.report.end).into()),
        Some(Done::Idle | Done::NotWanted) | None => println!("nothing to do"),
    }
    Ok(())
}
