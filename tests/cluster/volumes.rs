//! Volumes that engines make for tasks, on real ones: what the list of containers says of them, what `rm` keeps, and what
//! `volume prune` takes.

use crate::ground::Ground;

fn stackfile(release: &str) -> String {
    format!(
        "services:\n  db:\n    image: web:1\n    environment: {{RELEASE: '{release}'}}\n    volumes: [/data]\n    \
         read_only: true\n    configs: [{{source: c, target: /etc/own/c.conf}}]\n    deploy:\n      placement: \
         {{constraints: [node.hostname == h2]}}\n      update_config: {{monitor: 100ms}}\nconfigs: {{c: {{content: \
         hello}}}}\n"
    )
}

fn made_up(ground: &Ground) -> Vec<String> {
    let all = ground.docker("h2", &["volume", "ls", "-q"]);
    all.lines().filter(|name| name.len() == 64).map(str::to_owned).collect()
}

#[test]
fn what_an_engine_made_for_a_task_stays_until_it_is_pruned() {
    let Some(ground) = Ground::new() else { return };
    let before = made_up(&ground);
    let deploy = |release: &str| {
        let file = ground.file("kept.yml", &stackfile(release));
        ground.stackctl(&format!("deploy --yes -c {file} kept")).ends(0);
    };
    deploy("1");
    let first = ground.live("kept", "db").remove(0);
    ground.exec(&first, &["sh", "-c", "echo precious >/data/file"]);
    for release in ["2", "3", "4", "5", "6", "7", "8"] {
        std::thread::sleep(std::time::Duration::from_millis(1100));
        deploy(release);
    }
    let format = "--format {{.Target}}:{{.Status}}";
    let listed = ground.stackctl(&format!("volume ls -f stack=kept {format}")).ends(0);
    let data = |status: &str| listed.stdout.lines().filter(|line| *line == format!("/data:{status}")).count();
    assert_eq!((data("in use"), data("unused") + data("kept")), (1, 7), "{}", listed.whole());
    assert!(data("unused") > 0, "{}", listed.whole());
    // Files of removed tasks went with them: as many are left as there are containers.
    let files = listed.stdout.lines().filter(|line| line.starts_with("/etc/own:")).count();
    assert_eq!(files, 1 + data("kept"), "{}", listed.whole());

    ground.stackctl("volume prune --yes kept").ends(0);
    let removed = ground.stackctl("rm --yes kept").ends(0);
    assert!(removed.stderr.contains("Volumes without a name are kept"), "{}", removed.whole());
    ground.stackctl("volume prune --yes kept").ends(0);
    let left: Vec<String> = made_up(&ground).into_iter().filter(|name| !before.contains(name)).collect();
    assert_eq!(left.len(), 2, "the newest two of its slot");
    left.iter().for_each(|name| drop(ground.docker("h2", &["volume", "rm", name])));
}
