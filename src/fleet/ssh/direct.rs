//! Connections that a dead link ends for good.
//!
//! What ssh has written is the kernel's, which sends it again for a hundred seconds after ssh has closed the connection:
//! a request could reach a host long after its sender has ended. So stackctl opens the connection itself, as the
//! `ProxyCommand` of ssh, and hands it over with two options that stay with it: what is not acknowledged within
//! `USER_TIMEOUT` ends the connection, and closing it throws away what was not sent. The helper ends at once; ssh reads
//! and writes the connection as if it had opened it.
//!
//! Only where ssh would open one connection itself: behind a jump host or a `ProxyCommand` of the user's, the connection that
//! matters is not ours. Then what was not answered keeps the lock of its stack until it cannot arrive any more
//! (`ORPHAN_MS` of the leases).
//!
//! Not built: ending the old connection at the other end, by the process id of its sshd there. It would need that id in the
//! records before each change, a shell on the host, and the right to end a process of which only a number is known; and
//! it helps only once the host answers again, when our own end has long given up.

use std::ffi::OsString;
use std::io::{self, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt};

use crate::model::shell::quoted;

/// The hidden first argument of a program that is to open a connection for ssh.
pub const VERB: &str = "ssh-dial";

/// How long what was sent may stay without an acknowledgement: as long as ssh waits for a sign of life.
const USER_TIMEOUT: Duration = Duration::from_secs(15);
/// What a helper writes into the log if the kernel knows no such options.
pub(super) const NOT_ENDED: &str = "stackctl: this connection is not ended by a dead link";

/// This program, as the helper of its own ssh: by a name that stays good when its file is replaced.
#[must_use]
pub fn helper() -> Option<PathBuf> {
    let path = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    path.exists().then_some(path)
}

/// The `ProxyCommand` that has `helper` open the connection.
pub(super) fn proxy_command(helper: &Path, log: &Path, seconds: u64) -> String {
    // ssh fills in `%h` and `%p`, and hands the line to a shell.
    let word = |path: &Path| quoted(&path.to_string_lossy().replace('%', "%%"));
    format!("{} {VERB} {} {seconds} %h %p", word(helper), word(log))
}

/// Whether ssh, as it is configured (`ssh -G`), would open one connection itself, in the usual way.
pub(super) fn is_plain(config: &str) -> bool {
    const OWN: [&str; 4] = ["proxycommand", "proxyjump", "bindaddress", "bindinterface"];
    let mut has_name = false;
    for line in config.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "hostname" => has_name = true,
            "addressfamily" if value != "any" => return false,
            "proxyusefdpass" | "canonicalizehostname" if !matches!(value, "no" | "false") => return false,
            key if OWN.contains(&key) && value != "none" => return false,
            _ => {}
        }
    }
    has_name
}

/// Opens a connection, and hands it to the ssh that has started this program: `LOG SECONDS HOST PORT`. What goes wrong
/// is written into the log in ssh's own words. Gives the exit status.
#[must_use]
pub fn dial(args: &[OsString]) -> u8 {
    let args: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    let [log, seconds, host, port] = args[..] else { return 2 };
    match connect(host, port, Duration::from_secs(seconds.parse().unwrap_or(10))) {
        Ok(stream) => {
            if set_options(&stream).is_err() {
                say(log, NOT_ENDED);
            }
            match hand_over(&stream) {
                Ok(()) => 0,
                Err(error) => {
                    say(log, &format!("stackctl: the connection cannot be handed to ssh: {error}"));
                    1
                }
            }
        }
        Err(words) => {
            say(log, &words);
            1
        }
    }
}

fn connect(host: &str, port: &str, limit: Duration) -> Result<TcpStream, String> {
    let Ok(number) = port.parse::<u16>() else { return Err(format!("ssh: Bad port '{port}'.")) };
    let addresses = (host, number)
        .to_socket_addrs()
        .map_err(|error| format!("ssh: Could not resolve hostname {host}: {error}"))?;
    let mut last = format!("ssh: Could not resolve hostname {host}: no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                let words = match error.kind() {
                    io::ErrorKind::TimedOut => "Connection timed out".to_owned(),
                    _ => plain(&error),
                };
                last = format!("ssh: connect to host {host} port {port}: {words}");
            }
        }
    }
    Err(last)
}

/// The system's words, without the number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn set_options(stream: &TcpStream) -> io::Result<()> {
    let timeout_ms = u32::try_from(USER_TIMEOUT.as_millis()).expect("a few seconds");
    sockopt::set_tcp_user_timeout(stream, timeout_ms)?;
    sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
    sockopt::set_socket_keepalive(stream, true)?;
    Ok(())
}

/// ssh reads one byte with the connection beside it from what is our standard output.
fn hand_over(stream: &TcpStream) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let connection = [stream.as_fd()];
    if !control.push(SendAncillaryMessage::ScmRights(&connection)) {
        return Err(io::Error::other("no room for it"));
    }
    sendmsg(io::stdout(), &[IoSlice::new(&[0])], &mut control, SendFlags::empty())?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "ssh tells why it failed in a file, and so does its helper")]
fn say(log: &str, words: &str) {
    if let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(log) {
        // Without it the error is less exact.
        let _unsaid = writeln!(file, "{words}\r");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_connection_that_ssh_would_open_itself_is_opened_for_it() {
        let plain = "host h1\nuser root\nhostname 10.0.0.1\nport 22\naddressfamily any\nproxyusefdpass no\n\
                     canonicalizehostname false\n";
        assert!(is_plain(plain));
        for more in [
            "proxycommand nc %h %p",
            "proxyjump bastion",
            "bindaddress 10.0.0.9",
            "bindinterface eth1",
            "addressfamily inet6",
            "proxyusefdpass yes",
            "canonicalizehostname always",
        ] {
            assert!(!is_plain(&format!("{plain}{more}\n")), "{more}");
        }
        assert!(is_plain(&format!("{plain}proxycommand none\nproxyjump none\n")));
        assert!(!is_plain("") && !is_plain("unknown option -- G\n"), "an ssh that does not say");
    }

    #[test]
    fn the_line_for_the_shell_is_quoted_and_escaped() {
        let line = proxy_command(Path::new("/proc/7/exe"), Path::new("/tmp/a b%c/1.log"), 10);
        assert_eq!(line, "'/proc/7/exe' ssh-dial '/tmp/a b%%c/1.log' 10 %h %p");
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test reads the file that it had written")]
    fn what_goes_wrong_is_said_as_ssh_says_it() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let limit = Duration::from_secs(5);
        let words = connect("127.0.0.1", &closed.to_string(), limit).unwrap_err();
        assert_eq!(words, format!("ssh: connect to host 127.0.0.1 port {closed}: Connection refused"));
        let words = connect("no.such.host.invalid", "22", limit).unwrap_err();
        assert!(words.starts_with("ssh: Could not resolve hostname no.such.host.invalid: "), "{words}");
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let args = [log.display().to_string(), "5".into(), "127.0.0.1".into(), closed.to_string()];
        assert_eq!(dial(&args.map(OsString::from)), 1);
        assert!(std::fs::read_to_string(&log).unwrap().ends_with("Connection refused\r\n"));
        assert_eq!(dial(&[]), 2);
    }

    #[test]
    fn a_connection_is_closed_without_a_rest() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let stream = connect("127.0.0.1", &port, Duration::from_secs(5)).unwrap();
        set_options(&stream).unwrap();
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 15_000);
        assert_eq!(sockopt::socket_linger(&stream).unwrap(), Some(Duration::ZERO));
    }
}
