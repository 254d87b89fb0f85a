//! Small releases on real hosts: one thing of a service changed, and remembered as a deploy is; commands
//! in containers.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use crate::ground::Ground;

const STACK: &str = "\
version: '3.8'
services:
  web:
    image: web:1
    environment: {VALUE: one}
    deploy:
      replicas: 2
      update_config: {parallelism: 1, monitor: 1s, failure_action: rollback}
      rollback_config: {parallelism: 0, monitor: 300ms}
  side:
    image: web:1
    deploy:
      update_config: {monitor: 300ms}
";

fn ids(ground: &Ground, service: &str) -> BTreeSet<String> {
    ground.live("app", service).iter().map(|task| task.id().to_owned()).collect()
}

fn images(ground: &Ground, service: &str) -> Vec<String> {
    ground.live("app", service).iter().map(|task| task.image().to_owned()).collect()
}

#[test]
fn every_verb_is_a_small_release_of_one_service() {
    let Some(ground) = Ground::new() else { return };
    let file = ground.file("app.yml", STACK);
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);
    let (first, side) = (ids(&ground, "web"), ids(&ground, "side"));

    ground.stackctl("scale --yes app_web=3").ends(0);
    assert!(ids(&ground, "web").is_superset(&first) && ids(&ground, "web").len() == 3);
    ground.stackctl("scale --yes app_web=3").ends(0);

    ground.stackctl("service update --yes --image web:2 --env-add VALUE=two app_web").ends(0);
    assert_eq!(images(&ground, "web"), ["web:2", "web:2", "web:2"]);
    for task in ground.live("app", "web") {
        assert!(ground.exec(&task, &["env"]).lines().any(|line| line == "VALUE=two"));
    }

    // A bad image takes the service back, and what runs is known all the same.
    let second = ids(&ground, "web");
    ground.stackctl("service update --yes --image web:bad app_web").ends(3);
    assert_eq!(ids(&ground, "web"), second);
    let restarted = ground.stackctl("restart --yes app_web").ends(0);
    assert!(ids(&ground, "web").is_disjoint(&second), "{}", restarted.whole());
    assert_eq!(images(&ground, "web"), ["web:2", "web:2", "web:2"]);

    ground.stackctl("service rollback --yes app_web").ends(0);
    assert_eq!(images(&ground, "web"), ["web:1", "web:1", "web:1"]);
    assert_eq!(ids(&ground, "side"), side, "nobody asked for anything of the other service");

    let told = ground.stackctl("history --format {{.Release}}:{{.Outcome}}:{{.What}} app").ends(0);
    let told: Vec<&str> = told.stdout.lines().collect();
    assert_eq!(
        told,
        [
            "6:deployed:service rollback web",
            "5:deployed:restart web",
            "4:web rolled back to 3:service update --image web:bad web",
            "3:deployed:service update --image web:2 --env-add VALUE web",
            "2:deployed:scale web=3",
            "1:deployed:deploy",
        ]
    );
    // The file says two tasks, and nothing of restarts.
    let third = ids(&ground, "web");
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);
    assert!(ids(&ground, "web").is_subset(&third) && ids(&ground, "web").len() == 2);
    ground.stackctl(&format!("diff -c {file} app")).ends(0);
}

#[test]
fn changes_of_two_services_at_once_are_both_there_in_the_end() {
    let Some(ground) = Ground::new() else { return };
    let file = ground.file("app.yml", STACK);
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);
    let running: Vec<_> =
        ["scale --yes --lock-timeout 60s app_web=4", "scale --yes --lock-timeout 60s app_side=2"]
            .map(|words| ground.begin(words))
            .into_iter()
            .collect();
    for run in running {
        run.wait().ends(0);
    }
    assert_eq!((ids(&ground, "web").len(), ids(&ground, "side").len()), (4, 2), "no update is lost");
}

#[test]
fn a_command_runs_in_a_task_wherever_it_is() {
    let Some(ground) = Ground::new() else { return };
    let file = ground.file("app.yml", STACK);
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);
    ground.stackctl("exec app_web env").ends(0).says(&["VALUE=one"]);
    for task in ground.live("app", "web") {
        let name = format!("exec app_{} hostname", task.slot());
        let run = ground.stackctl(&name).ends(0);
        assert_eq!(run.stdout.trim(), &ground.exec(&task, &["hostname"]).trim().to_owned());
    }
    let script = ground.file("script", "echo $A; pwd; echo oh >&2; exit 7\n");
    let mut child = ground.command("exec -i -e A=5 -w /srv app_web sh");
    let mut child =
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let text = std::fs::read(script).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (told(&output.stdout), told(&output.stderr));
    assert_eq!((output.status.code(), out.as_str()), (Some(7), "5\n/srv\n"), "{err}");
    assert!(err.ends_with("oh\n"), "{err}");
    // More than any buffer holds, in both directions.
    let mut child = ground.command("exec -i app_web cat");
    let big = vec![b'x'; 3 << 20];
    let file = ground.file("big", &String::from_utf8(big.clone()).unwrap());
    let output = child.stdin(std::fs::File::open(file).unwrap()).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), big.len()), "{}", told(&output.stderr));
    // As a shell says it; engines differ in which of the two it is.
    let status = ground.stackctl("exec app_web no-such-program").status;
    assert!([126, 127].contains(&status), "{status}");
    ground.stackctl("exec app_web.9 true").ends(1);
    ground.stackctl("exec -it app_web true").ends(64);
}
