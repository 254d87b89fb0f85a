use crate::hosts::Hosts;
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

/// What a shell is told that asks for the next word of a line.
fn candidates(room: &Hosts, line: &str) -> Vec<String> {
    let mut words: Vec<&str> = vec!["--", "stackctl"];
    words.extend(line.split(' '));
    let index = (words.len() - 2).to_string();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_stackctl"))
        .args(&words)
        .env_clear()
        .env("COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", index)
        .env("_CLAP_COMPLETE_COMP_TYPE", "9")
        .env("HOME", room.path())
        .env("XDG_RUNTIME_DIR", room.path())
        .current_dir(room.path())
        .output()
        .expect("the binary starts");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .filter(|word| !word.starts_with('-'))
        .collect()
}

#[test]
fn names_of_the_cluster_are_completed() {
    let hosts = Hosts::new(2);
    hosts.stackfile("services: {web: {image: a}, db: {image: a}}\n");
    hosts.expect(0, "deploy --yes shop");
    assert_eq!(candidates(&hosts, "ps "), ["shop"]);
    assert_eq!(candidates(&hosts, "rm sh"), ["shop"]);
    assert_eq!(candidates(&hosts, "logs shop "), ["db", "web"]);
    assert_eq!(candidates(&hosts, "node inspect "), ["h1", "h2"]);
    assert_eq!(candidates(&hosts, "node inspect h2"), ["h2"]);
    // Whoever cannot be asked has no names, and no words either.
    hosts.engines.iter().for_each(|engine| engine.kill());
    assert_eq!(candidates(&hosts, "ps "), [""; 0]);
    assert_eq!(candidates(&hosts, "node inspect h1"), ["h1"]);
}

#[test]
fn bash_asks_the_program_itself() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_stackctl"))
        .env("COMPLETE", "bash")
        .output()
        .expect("the binary starts");
    let script = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && script.contains("complete "), "{script}");
}
