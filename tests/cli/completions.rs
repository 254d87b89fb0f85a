use crate::run::Room;

#[test]
fn each_shell_gets_a_script_that_knows_the_commands() {
    let room = Room::new();
    for shell in ["bash", "zsh", "fish"] {
        let run = room.run(&format!("completions {shell}"));
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
        for word in ["deploy", "services", "--with-registry-auth", "--no-trunc"] {
            let word = if shell == "fish" { word.trim_start_matches('-') } else { word };
            assert!(run.stdout.contains(word), "{shell} does not know {word}");
        }
    }
}

#[test]
fn bash_can_read_its_script() {
    let script = Room::new().run("completions bash").stdout;
    let room = Room::new();
    let path = room.file("stackctl.bash", &script);
    let test = format!(
        "source {}; COMP_WORDS=(stackctl depl); COMP_CWORD=1; _stackctl stackctl depl stackctl; echo ${{COMPREPLY[@]}}",
        path.display()
    );
    let output = std::process::Command::new("bash").arg("-c").arg(test).output().expect("bash");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "deploy\n");
}
