use crate::run::Room;

#[test]
fn of_this_program() {
    let room = Room::new();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(room.run("--version").stdout, format!("stackctl {version}\n"));
    let run = room.run("version");
    assert!(run.stdout.starts_with(&format!("Client:\n Version:   {version}\n")), "{}", run.stdout);
    assert_eq!(
        room.run_with(&["version", "--format", "{{.Client.Version}}"], "").stdout,
        format!("{version}\n")
    );
    let json: serde_json::Value = serde_json::from_str(&room.run("version --format json").stdout).unwrap();
    assert_eq!(json["Client"]["Version"], version);
}

#[test]
fn a_template_that_makes_no_sense_is_wrong_usage() {
    let run = Room::new().run_with(&["version", "--format", "{{.client}}"], "");
    assert_eq!(run.status, 64);
    insta::assert_snapshot!(run.show());
}
