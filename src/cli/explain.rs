//! `stackctl explain`: explains why the tasks of a service are where they are, and why not elsewhere.

use std::slice::from_ref;

use super::Context;
use super::cluster;
use super::format::Format;
use super::render::table::align;
use super::render::text::{clean, count};
use super::report::{Exit, Failure};
use super::stackfiles::Stackfiles;
use crate::fleet::ConnectOptions;
use crate::model::json::json_line;
use crate::model::{Observed, ServiceMode, ServiceName, StackName, StackSpec};
use crate::orchestrator::explain::{Explanation, explain};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("By the rules of the stackfile", "stackctl explain -c app.yml shop web"),
    ("Without the file, as JSON", "stackctl explain --format json shop_web"),
];

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// The service: `STACK SERVICE`, or `STACK_SERVICE` as docker names it
    #[arg(value_name = "SERVICE", required = true, num_args = 1..=2)]
    pub service: Vec<String>,
    /// The stackfiles with the service's placement rules.
    #[command(flatten)]
    pub stackfiles: Stackfiles,
    /// How to show it
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

pub(super) fn run(args: &Explain, context: &Context) -> Result<Exit, Failure> {
    let named = |stack: &str| Some(StackName::unchecked(stack));
    let written = match &args.service[..] {
        [stack, _] => named(stack),
        _ => None,
    };
    // One word may be split in several places; a file has its stack's name, or takes it from here.
    let (first, rest) = args.service[0].split_once('_').unwrap_or(("", &args.service[0]));
    let guess = written.or_else(|| named(first).filter(|name| !name.as_str().is_empty()));
    let loaded = match args.stackfiles.files.is_empty() {
        true => None,
        false => Some(args.stackfiles.load(guess.as_ref(), context)?.spec),
    };
    let service = ServiceName::unchecked(args.service.get(1).map_or(rest, String::as_str));
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let observed = &cluster.observe().await;
        cluster::warn_of_silent(&context.ui, observed);
        let (spec, service, is_live) = match (loaded, guess) {
            (Some(spec), _) => (spec, service, false),
            (None, Some(stack)) if args.service.len() == 2 => (running(observed, &stack), service, true),
            (None, _) => match divided(observed, &args.service[0]) {
                Some((stack, service)) => (running(observed, &stack), service, true),
                None => (StackSpec::empty(StackName::unchecked(first)), service, true),
            },
        };
        let options = cluster.plan_options(false);
        let Some(explained) = explain(observed, &spec, &options, &service) else {
            context.ui.talk(&format!("no such service: {}\n", clean(&args.service.join(" "))));
            return Ok(Exit::Refused);
        };
        let explained = explained.map_err(Failure::refused)?;
        if is_live {
            context.ui.warn("without the stackfile (-c), placement rules are unknown: constraints, preferences and strategy are left out");
        }
        match args.format {
            Format::Text => context.ui.data(&text(&spec, &explained)),
            Format::Json => {
                let value = serde_json::to_value(&explained).expect("string keys and finite numbers");
                context.ui.data(&(json_line(&value) + "\n"));
            }
        }
        Ok(cluster::or_silent_for(Exit::Done, observed, from_ref(&spec.name)))
    })
}

/// Splits a docker-style name into stack and service, if such a service runs.
fn divided(observed: &Observed, full: &str) -> Option<(StackName, ServiceName)> {
    let mut tasks = observed.tasks();
    tasks
        .find(|task| format!("{}_{}", task.stack, task.service) == full)
        .map(|task| (task.stack.clone(), task.service.clone()))
}

/// The spec of a stack as far as its tasks show it: what each service runs, but no placement rules.
fn running(observed: &Observed, stack: &StackName) -> StackSpec {
    let mut spec = StackSpec::empty(stack.clone());
    for task in observed.tasks().filter(|task| task.stack == *stack && task.is_live()) {
        spec.services.entry(task.service.clone()).or_insert_with(|| crate::model::ServiceSpec {
            name: task.service.clone(),
            mode: match task.slot {
                crate::model::Slot::Replica(_) => ServiceMode::Replicated { replicas: 1 },
                crate::model::Slot::Node(_) => ServiceMode::Global,
            },
            task: task.spec.clone(),
            placement: Default::default(),
            update_config: Default::default(),
            rollback_config: Default::default(),
            labels: Default::default(),
            endpoint_mode: Default::default(),
            depends_on: Default::default(),
        });
    }
    spec
}

fn text(spec: &StackSpec, explained: &Explanation) -> String {
    let name = format!("{}_{}", spec.name, explained.service);
    let strategy = match serde_json::to_value(explained.strategy) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    };
    let mut out = format!("{name}: {}, strategy {strategy}\n\n", count(explained.tasks.len(), "live task"));
    if !explained.tasks.is_empty() {
        let mut lines = vec!["TASK\tNODE\tSTATE".to_owned()];
        lines.extend(
            explained
                .tasks
                .iter()
                .map(|task| format!("{}.{}\t{}\t{}", explained.service, task.slot, task.node, task.state)),
        );
        out += &align(&lines);
        out.push('\n');
    }
    let has_branch = explained.nodes.iter().any(|node| !node.branch.is_empty());
    let branch_head = if has_branch { "\tBRANCH" } else { "" };
    let mut lines =
        vec![format!("NODE\tTASKS\tALL\tCPUS RESERVED\tMEMORY RESERVED\tIMAGE{branch_head}\tONE MORE TASK")];
    for node in &explained.nodes {
        let cpus = |nano: i64| format!("{:.2}", nano as f64 / 1e9);
        let mib = |bytes: i64| bytes >> 20;
        let branch = if has_branch { format!("\t{}", node.branch.join("/")) } else { String::new() };
        let verdict = match (&node.why, node.preferences_missed) {
            (Some(why), _) => format!("no: {}", clean(why)),
            (None, 0) => "fits".to_owned(),
            (None, missed) => {
                format!("fits, {} not met", count(usize::try_from(missed).unwrap_or(0), "preference"))
            }
        };
        lines.push(format!(
            "{}\t{}\t{}\t{} of {}\t{} of {} MiB\t{}{branch}\t{verdict}",
            node.node,
            node.tasks_of_service,
            node.tasks,
            cpus(node.cpu_reserved),
            cpus(node.cpu),
            mib(node.memory_reserved),
            mib(node.memory),
            if node.has_image { "there" } else { "-" },
        ));
    }
    out + &align(&lines)
}
