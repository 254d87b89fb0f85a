//! Stores that a program of this machine asks. No shell reads anything of this.
//!
//! A driver's own program, `stackctl-secret-NAME`, gets the question as one JSON object and prints the value as it is.
//! Commands of the inventory, and pass, are programs that know nothing of us: they get the question as arguments and print a
//! line, whose end is no part of the value.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::{Asked, BYTES_MAX, known_options};
use crate::inventory::drivers::placeholder;
use crate::model::Plaintext;
use crate::process_group;
use crate::words::{clean, without_secrets};

/// The version of the protocol. Programs refuse one that they do not know.
const VERSION: u32 = 1;
/// Of what a program says so much is read, and so much is shown when it fails.
const WORDS_READ: u64 = 64 << 10;
const WORDS_MAX: usize = 300;
/// A shorter word of the output is no secret worth the name, and may stand anywhere.
const MASKED_MIN: usize = 4;

/// Asks a program that speaks the protocol.
pub(super) async fn speaking(asked: Asked<'_>) -> Result<Plaintext, String> {
    let name = format!("stackctl-secret-{}", asked.driver);
    let question = json!({
        "version": VERSION,
        "secret": asked.secret,
        "stack": asked.stack,
        "options": asked.options,
    });
    #[expect(clippy::disallowed_methods, reason = "the inventory allows this driver")]
    let mut command = process_group::program(&name);
    printed(&mut command, &name, Some(format!("{question}\n").as_bytes())).await
}

/// Runs a command of the inventory.
pub(super) async fn command(asked: Asked<'_>, argv: &[String], folder: &Path) -> Result<Plaintext, String> {
    let argv = filled_in(asked, argv)?;
    let (name, args) = argv.split_first().ok_or("it names no program")?;
    // The folder of `stackctl.yml` has no name at all.
    let folder = std::path::absolute(Path::new(".").join(folder)).map_err(|error| error.to_string())?;
    #[expect(clippy::disallowed_methods, reason = "the inventory names the command")]
    let mut command = match name.contains('/') {
        true => process_group::program(folder.join(name)),
        false => process_group::program(name),
    };
    command.args(args).current_dir(&folder);
    Ok(line(printed(&mut command, name, None).await?))
}

/// Asks pass.
pub(super) async fn pass(asked: Asked<'_>, store: Option<&Path>) -> Result<Plaintext, String> {
    known_options(&asked, &["path"])?;
    let path = super::option(&asked, "path", asked.secret);
    #[expect(clippy::disallowed_methods, reason = "the inventory allows this driver")]
    let mut command = process_group::program("pass");
    command.args(["show", "--", path]);
    if let Some(store) = store {
        let store = std::path::absolute(store).map_err(|error| error.to_string())?;
        command.env("PASSWORD_STORE_DIR", store);
    }
    Ok(line(printed(&mut command, "pass", None).await?))
}

/// The words with the secret's options in place of `{OPTION}`, and its key and stack in that of `{secret}` and `{stack}`. Who
/// wrote the stackfile chose the options: none of them can become an option of the program.
fn filled_in(asked: Asked<'_>, argv: &[String]) -> Result<Vec<String>, String> {
    let mut used: Vec<&str> = Vec::new();
    let mut words = Vec::new();
    for word in argv {
        let (mut filled, mut rest) = (String::new(), word.as_str());
        while let Some((before, name, after)) = placeholder(rest) {
            let value = match (asked.options.get(name), name) {
                (Some(value), _) => value.as_str(),
                (None, "secret") => asked.secret,
                (None, "stack") => asked.stack,
                (None, _) => return Err(format!("it needs the option `{name}`")),
            };
            filled.push_str(before);
            if filled.is_empty() && value.starts_with('-') {
                return Err(format!(
                    "the option `{name}` begins with `-`: it would be an option of the program"
                ));
            }
            filled.push_str(value);
            used.push(name);
            rest = after;
        }
        words.push(filled + rest);
    }
    known_options(&asked, &used)?;
    match words.iter().any(|word| word.contains('\0')) {
        true => Err("an option has a NUL in it".to_owned()),
        false => Ok(words),
    }
}

/// Without the end of its last line.
fn line(mut value: Plaintext) -> Plaintext {
    let bytes = value.expose();
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let len = bytes.strip_suffix(b"\r").unwrap_or(bytes).len();
    value.truncate(len);
    value
}

/// Runs it to its end, and gives what it printed.
async fn printed(command: &mut Command, name: &str, question: Option<&[u8]>) -> Result<Plaintext, String> {
    let input = if question.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut child, group) = process_group::start(command).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no program `{name}` on this machine"),
        _ => format!("`{name}` cannot be started: {error}"),
    })?;
    let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let ask = async {
        if let (Some(mut input), Some(question)) = (input, question) {
            // One that needs no question may have closed it.
            let _unread = input.write_all(question).await;
        }
        Ok(())
    };
    let heard = tokio::try_join!(ask, value(out), async { Ok(words(err).await) });
    // It may have more to say: dropping the group ends it.
    let ((), value, said) = heard.map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => {
            format!("`{name}` printed too much: a secret has less than {BYTES_MAX} bytes")
        }
        _ => format!("`{name}` cannot be heard: {error}"),
    })?;
    let status = child.wait().await.map_err(|error| format!("`{name}` cannot be waited for: {error}"))?;
    group.is_over();
    if status.success() { Ok(value) } else { Err(failed(name, status, &value, &said)) }
}

/// All that it prints, unless that is too much, in a buffer that does not grow: that would leave copies behind.
async fn value(out: Option<impl AsyncRead + Unpin>) -> io::Result<Plaintext> {
    let mut buffer = Plaintext::new(vec![0; BYTES_MAX]);
    let mut len = 0;
    if let Some(mut out) = out {
        loop {
            match out.read(&mut buffer.bytes_mut()[len..]).await? {
                0 => break,
                more => len += more,
            }
            if len == BYTES_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
    }
    buffer.truncate(len);
    Ok(buffer)
}

/// The beginning of what it says beside that.
async fn words(err: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut err) = err {
        // What was heard before a failure is kept.
        let _broken = (&mut err).take(WORDS_READ).read_to_end(&mut bytes).await;
        let _broken = tokio::io::copy(&mut err, &mut tokio::io::sink()).await;
    }
    bytes
}

/// That it failed, and the end of what it said: not what it had printed as the value before, which it may repeat.
fn failed(name: &str, status: ExitStatus, value: &Plaintext, said: &[u8]) -> String {
    let status = status.code().map_or_else(|| status.to_string(), |code| format!("status {code}"));
    let mut said = String::from_utf8_lossy(said).into_owned();
    let printed = String::from_utf8_lossy(value.expose()).into_owned();
    let printed = zeroize::Zeroizing::new(printed);
    let lines = printed.lines().map(str::trim);
    let mut hidden: Vec<&str> =
        lines.chain(printed.split_whitespace()).filter(|word| word.len() >= MASKED_MIN).collect();
    // The longest first: a part of it may be one, too.
    hidden.sort_by_key(|word| std::cmp::Reverse(word.len()));
    for word in hidden {
        said = said.replace(word, "***");
    }
    let said = without_secrets(&said);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = clean(&lines.join("; ")).into_owned();
    let skipped = line.chars().count().saturating_sub(WORDS_MAX);
    let end: String = line.chars().skip(skipped).collect();
    let cut = if skipped == 0 { "" } else { "…" };
    match end.is_empty() {
        true => format!("`{name}` ended with {status}"),
        false => format!("`{name}` ended with {status}: {cut}{end}"),
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "starts programs")]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    use super::*;

    const CANARY: &str = "hunter2-correct-horse";

    fn shell(script: &str) -> Command {
        let mut command = process_group::program("sh");
        command.args(["-c", script]);
        command
    }

    async fn of(script: &str) -> Result<String, String> {
        let value = printed(&mut shell(script), "sh", Some(b"{}\n")).await?;
        Ok(String::from_utf8(value.expose().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_a_program_prints_is_the_value_to_the_byte() {
        assert_eq!(of("printf 'a\\n\\n'; echo warning >&2").await.unwrap(), "a\n\n");
        assert_eq!(of("exec <&-; sleep 0.1; printf x").await.unwrap(), "x", "the question is not read");
        assert_eq!(of("cat").await.unwrap(), "{}\n");
        let large = of("head -c 511999 /dev/zero").await.unwrap();
        assert_eq!(large.len(), BYTES_MAX - 1);
    }

    #[tokio::test]
    async fn no_error_has_the_value_in_it() {
        let both = format!("echo {CANARY}; echo 'denied: {CANARY} for bank' >&2; exit 3");
        assert_eq!(of(&both).await.unwrap_err(), "`sh` ended with status 3: denied: *** for bank");
        let words = format!("echo '{CANARY} second-word'; echo cannot use second-word >&2; false");
        assert_eq!(of(&words).await.unwrap_err(), "`sh` ended with status 1: cannot use ***");
        assert!(of("kill -9 $$").await.unwrap_err().contains("signal"));
        let much = of("yes hunter2").await.unwrap_err();
        assert!(much.contains("printed too much") && !much.contains("hunter2"), "{much}");
        let loud = of("head -c 200000 /dev/zero | tr '\\0' x >&2; echo end >&2; false").await.unwrap_err();
        assert!(loud.len() < 400, "{loud}");
        let gone = printed(&mut process_group::program("no-such-program"), "no-such-program", None).await;
        assert_eq!(gone.unwrap_err(), "there is no program `no-such-program` on this machine");
    }

    #[tokio::test]
    async fn what_takes_too_long_ends_with_all_that_it_started() {
        let room = tempfile::tempdir().unwrap();
        let mark = room.path().join("alive");
        let script = format!("(sleep 1; touch {}) & sleep 600", mark.display());
        let mut command = shell(&script);
        let begun = Instant::now();
        let waited =
            tokio::time::timeout(Duration::from_millis(200), printed(&mut command, "sh", None)).await;
        assert!(waited.is_err() && begun.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(!mark.exists(), "a child lives on");
    }

    fn filled(argv: &[&str], options: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let options: BTreeMap<String, String> =
            options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let asked = Asked { driver: "op", options: &options, secret: "db", stack: "shop" };
        filled_in(asked, &argv.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_stand_where_the_inventory_wants_them_and_are_no_options_of_the_program() {
        let words = filled(
            &["op", "read", "op://{vault}/{stack}-{secret}", "{{x}", "{}"],
            &[("vault", "a b;$(c)"), ("x", "1")],
        );
        assert_eq!(words.unwrap(), ["op", "read", "op://a b;$(c)/shop-db", "{1", "{}"]);
        assert_eq!(filled(&["a", "{x}"], &[]).unwrap_err(), "it needs the option `x`");
        assert!(filled(&["a", "{x}"], &[("x", "--all")]).unwrap_err().contains("begins with `-`"));
        assert_eq!(filled(&["a", "--id={x}"], &[("x", "--all")]).unwrap(), ["a", "--id=--all"]);
        assert!(filled(&["a"], &[("x", "1")]).unwrap_err().contains("takes no option `x`"));
        assert!(filled(&["a", "{y}"], &[("x", "1"), ("y", "2")]).unwrap_err().contains("there are: y"));
        // The value of an option is not read again.
        assert_eq!(filled(&["a", "{x}"], &[("x", "{secret}")]).unwrap(), ["a", "{secret}"]);
    }

    #[test]
    fn the_end_of_the_last_line_is_no_part_of_a_line() {
        for (printed, is) in [("a\n", "a"), ("a\r\n", "a"), ("a\nb\n\n", "a\nb\n"), ("a", "a"), ("\n", "")] {
            let value = line(Plaintext::new(printed.as_bytes().to_vec()));
            assert_eq!(std::str::from_utf8(value.expose()).unwrap(), is);
        }
    }
}
