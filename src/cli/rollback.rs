//! `stackctl rollback`: a deploy of an older release.

use super::Context;
use super::cluster::{self, Cluster};
use super::deploy::{on_the_managers_of_now, stack_name};
use super::release_name::find;
use super::report::{Exit, Failure};
use super::rollout;
use super::rollout_args::StartArgs;
use crate::model::StackName;
use crate::ops::rollback::rollback;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Back to the last successful release before this one", "stackctl rollback shop"),
    ("To a certain one, after a look at the plan", "stackctl rollback --to 3 shop"),
];

/// Arguments of `rollback`.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// Name of the stack
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stack: StackName,
    /// Number of the release [default: the last successful one before the newest]
    #[arg(long, value_name = "N", value_parser = release_number)]
    pub to: Option<u64>,
    #[command(flatten)]
    pub start: StartArgs,
}

fn release_number(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "it is not the number of a release, which `stackctl history` shows".to_owned())
}

pub(super) fn run(args: &Rollback, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, args.start.connect(), async |cluster: &Cluster| {
        let stack = &args.stack;
        let choices = args.start.choices("rollback");
        let screen = rollout::before_plan(context, &choices);
        let choosing = choices.choosing(&screen);
        let job = on_the_managers_of_now(context, cluster, async || {
            let history = choosing.remembered(cluster, stack).await?.history;
            let to = args.to.or_else(|| history.before_last());
            let (to, release, _) = find(&context.ui, stack, to, &history)?;
            let message = args.start.rollout.message.clone();
            Ok(rollback(cluster, stack, (to, release), message, choices.dry_run).await)
        });
        rollout::carry_out(context, cluster, vec![job.await?], choices.clone()).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_a_number_from_one_on() {
        assert_eq!(release_number("3"), Ok(3));
        for wrong in ["abc", "0", "-1", ""] {
            assert!(release_number(wrong).unwrap_err().contains("number of a release"), "{wrong}");
        }
    }
}
