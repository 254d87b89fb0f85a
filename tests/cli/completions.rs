use std::io::Write as _;
use std::path::Path;

use crate::hosts::Hosts;
use crate::run::Room;

#[test]
fn each_shell_gets_a_script_that_knows_the_commands() {
    let room = Room::new();
    for shell in ["bash", "zsh", "fish"] {
        let run = room.run(&format!("completions {shell}"));
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
        for word in ["deploy", "services", "--without-registry-auth", "--no-trunc"] {
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
    // Of an inventory that merely lies in the folder no host is asked.
    hosts.forget_calls();
    assert_eq!(candidates(&hosts, "ps "), [""; 0]);
    assert_eq!(candidates(&hosts, "node inspect "), ["h1", "h2"]);
    assert!(hosts.engines.iter().all(|engine| engine.calls().is_empty()));
    assert_eq!(candidates(&hosts, "-i stackctl.yml ps "), ["shop"]);
    hosts.expect(0, "trust --yes");
    assert_eq!(candidates(&hosts, "ps "), ["shop"]);
    assert_eq!(candidates(&hosts, "rm sh"), ["shop"]);
    assert_eq!(candidates(&hosts, "logs shop "), ["db", "web"]);
    assert_eq!(candidates(&hosts, "node inspect "), ["h1", "h2"]);
    assert_eq!(candidates(&hosts, "node inspect h2"), ["h2"]);
    let text = std::fs::read_to_string(hosts.path().join("stackctl.yml")).expect("an inventory");
    hosts.file(
        ".config/stackctl/lab.yml",
        &text.replace("cluster: test", "cluster: lab").replace("h2:", "l2:"),
    );
    assert_eq!(candidates(&hosts, "node ls --cluster "), ["lab"]);
    assert_eq!(candidates(&hosts, "--cluster lab node inspect "), ["h1", "l2"]);
    assert_eq!(candidates(&hosts, "node inspect --cluster=other "), [""; 0]);
    // Whoever cannot be asked has no names, and no words either.
    hosts.engines.iter().for_each(|engine| engine.kill());
    assert_eq!(candidates(&hosts, "ps "), [""; 0]);
    assert_eq!(candidates(&hosts, "node inspect h1"), ["h1"]);
    // Help needs no host.
    assert_eq!(candidates(&hosts, "help upd"), ["updates"]);
    assert_eq!(candidates(&hosts, "help rec"), ["reconcile"]);
    assert_eq!(candidates(&hosts, "man glo"), ["glossary"]);
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

/// Whether a shell can be asked; if not, that is said, also where what tests print is kept back.
fn has(shell: &str) -> bool {
    let found = ["/bin", "/usr/bin", "/usr/local/bin"].iter().any(|dir| Path::new(dir).join(shell).exists());
    if !found {
        let _ = writeln!(std::io::stderr(), "SKIPPED: completions in {shell}, which is not installed");
    }
    found
}

/// Runs a shell in a room whose inventory has two hosts that nobody answers for.
fn shell(words: &[&str], script: &str) -> String {
    let room = Room::new();
    room.file(
        "stackctl.yml",
        "hosts:\n  node-a: {address: 'nobody@127.0.0.1'}\n  node-b: {address: 'unix:///nowhere/docker.sock'}\n",
    );
    let script = room.file("script", script);
    let bin = Path::new(env!("CARGO_BIN_EXE_stackctl")).parent().expect("a directory");
    let output = std::process::Command::new("timeout")
        .args(["30"])
        .args(words)
        .arg(script)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("HOME", room.path())
        .env("TERM", "dumb")
        .current_dir(room.path())
        .output()
        .expect("timeout runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && err.is_empty(), "{:?}\n{out}\n{err}", output.status);
    out
}

#[test]
fn fish_completes_commands_and_names() {
    if !has("fish") {
        return;
    }
    let out = shell(
        &["fish", "--no-config"],
        "COMPLETE=fish stackctl | source\n\
         for line in 'stackctl depl' 'stackctl node inspect n' 'stackctl ps s' 'stackctl logs shop w'\n\
             echo \"> $line\"\n    complete -C $line | string replace -r '\\t.*' ''\nend\ntrue\n",
    );
    assert_eq!(
        out,
        "> stackctl depl\ndeploy\n> stackctl node inspect n\nnode-a\nnode-b\n> stackctl ps s\n> stackctl logs shop w\n"
    );
}

/// zsh completes only where somebody types: here that is `zsh/zpty`.
#[test]
fn zsh_completes_commands_and_names() {
    if !has("zsh") {
        return;
    }
    let out = shell(
        &["zsh", "-f"],
        r#"
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell 'PS1=; setopt auto_list; autoload -Uz compinit && compinit -u -D; source <(COMPLETE=zsh stackctl); print REA""DY'
        zpty -r shell out '*READY*'
        type() { zpty -w -n shell "$1"; zpty -r shell out "$2"; print -r -- "$out"; zpty -w -n shell $'\x15' }
        type $'stackctl node inspect node-\t\t' '*node-b*'
        type $'stackctl depl\tX' '*deploy*X*'
        # Nobody has a name to give, and nobody has anything to say: the line is as it was typed.
        type $'stackctl ps s\tY' '*Y*'
        zpty -d shell
        "#,
    );
    assert!(out.contains("node-a") && out.contains("stackctl deploy"), "{out}");
    assert!(!out.contains("rror"), "{out}");
}
