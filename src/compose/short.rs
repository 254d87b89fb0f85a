//! The short forms: `"8080:80/tcp"`, `"data:/var:ro"`, `"512M"`, `"0.5"`, `sh -c 'a b'`.
//!
//! Each is a function from text to a value or a reason. Knows nothing of files and places.

use std::net::IpAddr;

use super::Reading;
use crate::model::spec::{Protocol, PublishMode};

/// Why a short form cannot be read; fit for a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

fn malformed<T>(why: impl Into<String>) -> Result<T, Malformed> {
    Err(Malformed(why.into()))
}

/// A published port, as one line of `ports` says it. A line with a range is several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortPort {
    pub host_ip: Option<IpAddr>,
    pub published: Option<u16>,
    pub target: u16,
    pub protocol: Protocol,
    /// Always ingress: the short form cannot set it.
    pub mode: PublishMode,
}

/// `[ip:][published[-range]:]target[-range][/protocol]`.
///
/// Equal ranges pair up; a published range over one target publishes every port to it; a target range
/// alone has no published ports.
pub fn ports(text: &str) -> Result<Vec<ShortPort>, Malformed> {
    let (rest, protocol) = match text.rsplit_once('/') {
        Some((rest, word)) => (rest, protocol(word)?),
        None => (text, Protocol::Tcp),
    };
    let (rest, target) = rest.rsplit_once(':').map_or(("", rest), |(rest, target)| (rest, target));
    let (host, published) = match rest.rsplit_once(':') {
        // `[::1]:80` and `::1:80` both leave the address in front.
        Some((host, published)) => (host, published),
        None if rest.contains('.') => (rest, ""),
        None => ("", rest),
    };
    let host_ip = match host.trim_start_matches('[').trim_end_matches(']') {
        "" => None,
        ip => Some(ip.parse().map_err(|_| Malformed("the host part is not an IP address".to_owned()))?),
    };
    let targets = port_range(target)?;
    // Zero leaves the choice to the engine.
    let published = if matches!(published, "" | "0") { None } else { Some(port_range(published)?) };
    let (first, count) = targets;
    let one =
        |target, published| ShortPort { host_ip, published, target, protocol, mode: PublishMode::Ingress };
    match published {
        None => Ok((0..count).map(|n| one(first + n, None)).collect()),
        Some((from, many)) if many == count => {
            Ok((0..count).map(|n| one(first + n, Some(from + n))).collect())
        }
        Some((from, many)) if count == 1 => Ok((0..many).map(|n| one(first, Some(from + n))).collect()),
        Some((_, many)) => {
            malformed(format!("{many} published ports cannot pair with {count} of the container"))
        }
    }
}

/// First port and how many.
fn port_range(text: &str) -> Result<(u16, u16), Malformed> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if last < first {
        return malformed("the range ends before it begins");
    }
    Ok((first, last - first + 1))
}

/// A port number: digits, 1 to 65535.
pub fn port(text: &str) -> Result<u16, Malformed> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return malformed("a port is a number");
    }
    match text.parse() {
        Ok(0) | Err(_) => malformed("a port is between 1 and 65535"),
        Ok(port) => Ok(port),
    }
}

/// `tcp`, `udp`, `sctp`, in any case.
pub fn protocol(text: &str) -> Result<Protocol, Malformed> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Ok(Protocol::Sctp),
        _ => malformed("the protocol is `tcp`, `udp` or `sctp`"),
    }
}

/// One line of `volumes`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShortVolume {
    /// What is mounted; nothing for an anonymous volume.
    pub source: Option<String>,
    pub target: String,
    /// Whether the source is a path of the host rather than a volume.
    pub bind: bool,
    /// `ro`.
    pub read_only: bool,
    /// `nocopy`.
    pub nocopy: bool,
    /// `rshared` and the like.
    pub propagation: Option<String>,
    /// Options without an effect: `z`, `cached`.
    pub dropped: Vec<String>,
}

/// `[source:]target[:options]`.
///
/// A single letter before a colon is a Windows drive only if a slash or backslash follows and the rest
/// makes sense; docker takes `v:/v` for a drive, which no one on Linux means: here it is a volume.
pub fn volume(text: &str, reading: Reading) -> Result<ShortVolume, Malformed> {
    let mut volume = ShortVolume::default();
    let fields = split_colons(text, reading);
    match fields.as_slice() {
        [""] | [] => return malformed("nothing is written"),
        [target] => volume.target = (*target).to_owned(),
        [source, target, options @ ..] => {
            if source.is_empty() || target.is_empty() || options.contains(&"") {
                return malformed("a part between the colons is empty");
            }
            volume.source = Some((*source).to_owned());
            volume.target = (*target).to_owned();
            if options.len() > 1 {
                return malformed("too many colons: it is `source:target:options`");
            }
            for option in options.iter().flat_map(|options| options.split(',')) {
                match option {
                    "ro" => volume.read_only = true,
                    "rw" => volume.read_only = false,
                    "nocopy" => volume.nocopy = true,
                    "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => {
                        volume.propagation = Some(option.to_owned());
                    }
                    other => volume.dropped.push(other.to_owned()),
                }
            }
        }
    }
    let is_drive = |source: &str| {
        reading == Reading::Docker
            && source.chars().nth(1) == Some(':')
            && source.starts_with(char::is_alphabetic)
    };
    volume.bind = volume.source.as_deref().is_some_and(|source| is_path(source) || is_drive(source));
    Ok(volume)
}

/// Whether a volume's source is a path of the host.
#[must_use]
pub fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~', '\\']) || is_windows_path(source)
}

/// `C:\data`, `c:/data`.
#[must_use]
pub fn is_windows_path(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && matches!(bytes[2], b'\\' | b'/')
}

/// Splits at colons, leaving the one of a Windows drive alone: `C:\a:C:\b:ro`.
fn split_colons(text: &str, reading: Reading) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let drive = at == start + 1
            && bytes[start].is_ascii_alphabetic()
            && match reading {
                Reading::Ours => bytes.get(at + 1) == Some(&b'\\'),
                Reading::Docker => bytes.len() > 2,
            };
        if *byte == b':' && !drive {
            parts.push(&text[start..at]);
            start = at + 1;
        }
    }
    parts.push(&text[start..]);
    parts
}

/// A size in bytes: `512`, `512b`, `64k`, `64kb`, `64kib`, `1.5G`. Every unit is binary, as docker's
/// `RAMInBytes` has it.
pub fn bytes(text: &str) -> Result<i64, Malformed> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let value: f64 = match number.parse() {
        Ok(value) if number.starts_with(|c: char| c.is_ascii_digit()) => value,
        _ => return malformed("a size begins with a number"),
    };
    let unit = unit.trim_start().to_ascii_lowercase();
    let letter =
        unit.strip_suffix("ib").filter(|l| !l.is_empty()).or(unit.strip_suffix('b')).unwrap_or(&unit);
    let power = match letter {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return malformed("the unit is one of `b`, `k`, `m`, `g`, `t`, `p`"),
    };
    let value = value * 1024_f64.powi(power);
    if value >= 9.2e18 {
        return malformed("the size is too large");
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked just above")]
    Ok(value as i64)
}

/// What was probably meant by a text that is no duration: `30 seconds`, `1d`, `10`.
#[must_use]
pub fn duration_meant(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches('-');
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let unit = match text[end..].trim().to_ascii_lowercase().as_str() {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "ms" | "milliseconds" => "ms",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hour" | "hours" => "h",
        "d" | "day" | "days" => return Some(format!("{}h", number.checked_mul(24)?)),
        "w" | "week" | "weeks" => return Some(format!("{}h", number.checked_mul(168)?)),
        _ => return None,
    };
    Some(format!("{number}{unit}"))
}

/// Cores as billionths of one: `0.5` is 500 000 000, and so is `1/2`. Exact, as docker reads them.
pub fn nano_cpus(text: &str) -> Result<i64, Malformed> {
    let text = text.trim();
    if let Some((over, under)) = text.split_once('/') {
        let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<i64>().ok());
        let (Some(Some(over)), Some(Some(under))) = (number(over), number(under)) else {
            return malformed("not a number of cores");
        };
        return match over.checked_mul(1_000_000_000) {
            Some(nanos) if under > 0 && nanos % under == 0 => Ok(nanos / under),
            Some(_) => malformed("not a whole number of billionths"),
            None => malformed("too many cores"),
        };
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || (whole.is_empty() && part.is_empty()) {
        return malformed("not a decimal number");
    }
    let part = part.trim_end_matches('0');
    if part.len() > 9 {
        return malformed("at most nine decimal places");
    }
    let nanos: i64 = format!("{part:0<9}").parse().unwrap_or(0);
    let whole: i64 =
        if whole.is_empty() { 0 } else { whole.parse().or_else(|_| malformed("too many cores"))? };
    match whole.checked_mul(1_000_000_000).and_then(|whole| whole.checked_add(nanos)) {
        Some(total) => Ok(total),
        None => malformed("too many cores"),
    }
}

/// A capability in one spelling: `net_admin` and `CAP_NET_ADMIN` are one, `all` is `ALL`.
#[must_use]
pub fn capability(text: &str) -> String {
    let upper = text.trim().to_ascii_uppercase();
    if upper == "ALL" || upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") }
}

/// Splits a command as docker's shlex does: blanks outside quotes, both kinds of quotes, backslashes,
/// `#` comments; nothing is expanded.
pub fn words(text: &str) -> Result<Vec<String>, Malformed> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '#' if word.is_none() => {
                // A comment, up to the end of the line.
                for c in chars.by_ref() {
                    if c == '\n' {
                        break;
                    }
                }
            }
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return malformed("a `'` is not closed"),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c) => word.push(c),
                            None => return malformed("a `\"` is not closed"),
                        },
                        Some(c) => word.push(c),
                        None => return malformed("a `\"` is not closed"),
                    }
                }
            }
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return malformed("a backslash at the end escapes nothing"),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// `source[:target[:permissions]]` of a device; the defaults are the same path and `rwm`.
pub fn device(text: &str) -> Result<(String, String, String), Malformed> {
    let parts: Vec<&str> = text.split(':').collect();
    let permitted = |p: &str| !p.is_empty() && p.chars().all(|c| "rwm".contains(c));
    let (source, target, permissions) = match parts.as_slice() {
        [source] => (*source, *source, "rwm"),
        [source, permissions] if permitted(permissions) => (*source, *source, *permissions),
        [source, target] => (*source, *target, "rwm"),
        [source, target, permissions] if permitted(permissions) => (*source, *target, *permissions),
        [_, _, _] => return malformed("permissions are some of `r`, `w`, `m`"),
        _ => return malformed("it is `source:target:permissions`"),
    };
    if source.is_empty() || target.is_empty() {
        return malformed("a part between the colons is empty");
    }
    Ok((source.to_owned(), target.to_owned(), permissions.to_owned()))
}

/// `host:address` or `host=address` of `extra_hosts`, brackets around IPv6 dropped.
pub fn extra_host(text: &str) -> Result<(String, String), Malformed> {
    let Some((host, address)) = text.split_once(['=', ':']) else {
        return malformed("it is `name:address`");
    };
    let address = address.trim();
    let address = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    if host.trim().is_empty() || address.is_empty() {
        return malformed("it is `name:address`");
    }
    if address != "host-gateway" && address.parse::<IpAddr>().is_err() {
        return malformed("behind the name comes an IP address");
    }
    Ok((host.trim().to_owned(), address.to_owned()))
}

/// A variable of an environment file; without a value it is the caller's.
pub type EnvLine = (String, Option<String>);

/// The lines of an environment file, as docker reads them: `KEY=VALUE`, taken as they are, without
/// quotes, expansion or `export`; a key alone takes the caller's value. The error has the line.
pub fn env_file(text: &str) -> Result<Vec<EnvLine>, (usize, Malformed)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut pairs = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (line, None),
        };
        if key.is_empty() {
            return Err((at + 1, Malformed("no name before the `=`".to_owned())));
        }
        if key.contains(char::is_whitespace) {
            return Err((at + 1, Malformed("a blank in the name of a variable".to_owned())));
        }
        pairs.push((key.to_owned(), value));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        match ports(text) {
            Err(error) => error.0,
            Ok(ports) => {
                let one = |p: &ShortPort| {
                    let ip = p.host_ip.map_or(String::new(), |ip| format!("{ip} "));
                    let published = p.published.map_or("-".to_owned(), |p| p.to_string());
                    format!("{ip}{published}>{}/{}", p.target, p.protocol)
                };
                ports.iter().map(one).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn ports_in_all_their_forms() {
        for (text, expected) in [
            ("80", "->80/tcp"),
            ("8080:80", "8080>80/tcp"),
            ("53:53/udp", "53>53/udp"),
            ("53:53/UDP", "53>53/udp"),
            ("127.0.0.1:8080:80", "127.0.0.1 8080>80/tcp"),
            ("127.0.0.1::80", "127.0.0.1 ->80/tcp"),
            ("0:80", "->80/tcp"),
            ("127.0.0.1:80", "127.0.0.1 ->80/tcp"),
            ("[::1]:8080:80", "::1 8080>80/tcp"),
            ("::1:8080:80", "::1 8080>80/tcp"),
            ("9000-9001:9000-9001", "9000>9000/tcp 9001>9001/tcp"),
            ("9000-9001:80", "9000>80/tcp 9001>80/tcp"),
            ("4000-4001", "->4000/tcp ->4001/tcp"),
            ("9000-9002:80-81", "3 published ports cannot pair with 2 of the container"),
            ("99999:80", "a port is between 1 and 65535"),
            ("web:80", "a port is a number"),
            ("", "a port is a number"),
            ("80/icmp", "the protocol is `tcp`, `udp` or `sctp`"),
            ("81-80:80", "the range ends before it begins"),
            ("300.0.0.1:80:80", "the host part is not an IP address"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn docker_takes_one_letter_for_a_drive() {
        let read = |text: &str, reading| {
            let v = volume(text, reading).unwrap();
            (v.bind, v.source, v.target)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("v:/v:ro", Reading::Ours), (false, some("v"), "/v".to_owned()));
        assert_eq!(read("v:/v:ro", Reading::Docker), (true, some("v:/v"), "ro".to_owned()));
        assert_eq!(read("e:/e", Reading::Docker), (false, None, "e:/e".to_owned()));
        assert_eq!(read("data:/e", Reading::Docker), (false, some("data"), "/e".to_owned()));
    }

    #[test]
    fn volumes_in_all_their_forms() {
        let shown = |text: &str| match volume(text, Reading::Ours) {
            Err(error) => error.0,
            Ok(v) => format!(
                "{} {} > {}{}{}",
                if v.bind { "bind" } else { "volume" },
                v.source.as_deref().unwrap_or("-"),
                v.target,
                if v.read_only { " ro" } else { "" },
                v.dropped.iter().map(|d| format!(" ?{d}")).collect::<String>()
            ),
        };
        for (text, expected) in [
            ("/data", "volume - > /data"),
            ("data:/var", "volume data > /var"),
            ("./x:/var:ro", "bind ./x > /var ro"),
            ("~/x:/var", "bind ~/x > /var"),
            ("/a:/b:ro,z", "bind /a > /b ro ?z"),
            ("rel/path:/x", "volume rel/path > /x"),
            ("v:/v:ro", "volume v > /v ro"),
            (r"C:\a:C:\b:ro", r"bind C:\a > C:\b ro"),
            (r"\\.\pipe\docker:\\.\pipe\docker", r"bind \\.\pipe\docker > \\.\pipe\docker"),
            ("", "nothing is written"),
            (":/x", "a part between the colons is empty"),
            ("a:b:c:d", "too many colons: it is `source:target:options`"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        for (text, size) in [
            ("512", 512),
            ("1k", 1024),
            ("10M", 10_485_760),
            ("1.5g", 1_610_612_736),
            ("2GiB", 2 << 30),
            ("3kb", 3072),
            ("5b", 5),
            ("1 m", 1 << 20),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "m", "-1m", "1x", "1ib", ".5m", "1e3", "99999999p"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cpus_are_exact() {
        for (text, nanos) in [
            ("0.5", 500_000_000),
            ("1", 1_000_000_000),
            (".25", 250_000_000),
            ("0.001", 1_000_000),
            ("2.", 2_000_000_000),
            ("1/2", 500_000_000),
            ("6/4", 1_500_000_000),
        ] {
            assert_eq!(nano_cpus(text), Ok(nanos), "{text}");
        }
        for text in ["", ".", "-1", "1/3", "1/0", "/2", "1/", "1e3", "0.0000000001", "99999999999999"] {
            assert!(nano_cpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn commands_are_split_like_a_shell_would() {
        let split = |text| words(text).unwrap();
        assert_eq!(split("sh -c 'a b' \"c \\\" d\" e\\ f"), ["sh", "-c", "a b", "c \" d", "e f"]);
        assert_eq!(split("a # b\nc"), ["a", "c"]);
        assert_eq!(split("a#b ''"), ["a#b", ""]);
        assert_eq!(split("  "), Vec::<String>::new());
        assert!(words("'").is_err() && words("\"a").is_err() && words("a\\").is_err());
    }

    #[test]
    fn environment_files_are_taken_as_they_are() {
        let pairs = env_file("\u{feff}# c\n A=1 # no comment\nB=\"q\"\n\nC\nD=\n").unwrap();
        let shown: Vec<String> =
            pairs.iter().map(|(k, v)| format!("{k}>{}", v.as_deref().unwrap_or("?"))).collect();
        assert_eq!(shown, ["A>1 # no comment", "B>\"q\"", "C>?", "D>"]);
        assert_eq!(env_file("A=1\nexport B=2").unwrap_err().0, 2);
        assert_eq!(env_file("=1").unwrap_err().0, 1);
    }

    #[test]
    fn devices_and_hosts() {
        let device = |text| device(text).map(|(s, t, p)| format!("{s} {t} {p}"));
        assert_eq!(device("/dev/a").unwrap(), "/dev/a /dev/a rwm");
        assert_eq!(device("/dev/a:/dev/b:r").unwrap(), "/dev/a /dev/b r");
        assert!(device("/dev/a:/dev/b:x").is_err());
        assert_eq!(extra_host("a:::1").unwrap(), ("a".into(), "::1".into()));
        assert_eq!(extra_host("a=[::1]").unwrap(), ("a".into(), "::1".into()));
        assert!(extra_host("a").is_err() && extra_host("a:b").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_them_panic(text in "\\PC{0,20}|[-0-9:./a-z\\[\\]]{0,20}|[ '\"\\\\#a]{0,12}") {
            let _ = (ports(&text), volume(&text, Reading::Ours), bytes(&text), nano_cpus(&text), words(&text));
            let _ = (device(&text), extra_host(&text), env_file(&text));
        }

        #[test]
        fn ports_come_back(
            ip in prop::option::of(any::<IpAddr>()), from in 1..=65_000_u16, published in prop::option::of(1..=65_000_u16),
            count in 1..=500_u16, udp in any::<bool>(),
        ) {
            let range = |from: u16| if count == 1 { from.to_string() } else { format!("{from}-{}", from + count - 1) };
            let host = ip.map_or(String::new(), |ip| if ip.is_ipv6() { format!("[{ip}]:") } else { format!("{ip}:") });
            let middle = published.map_or(String::new(), |first| range(first) + ":");
            // An address alone would be taken for a port.
            let middle = if middle.is_empty() && !host.is_empty() { ":".to_owned() } else { middle };
            let text = format!("{host}{middle}{}/{}", range(from), if udp { "udp" } else { "tcp" });
            let found = ports(&text).unwrap();
            prop_assert_eq!(found.len(), usize::from(count), "{}", text);
            for (n, port) in (0..).zip(&found) {
                prop_assert_eq!((port.host_ip, port.target, port.published), (ip, from + n, published.map(|p| p + n)));
            }
        }

        #[test]
        fn sizes_come_back(number in 0..1_i64 << 40, unit in 0..3_usize) {
            prop_assert_eq!(bytes(&number.to_string()), Ok(number));
            let (word, factor) = [("k", 1 << 10), ("MB", 1 << 20), (" b", 1)][unit];
            let number = number >> 20;
            prop_assert_eq!(bytes(&format!("{number}{word}")), Ok(number * factor));
        }

        #[test]
        fn cores_come_back(nanos in 0..1_i64 << 50) {
            let (whole, part) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
            prop_assert_eq!(nano_cpus(&format!("{whole}.{part:09}")), Ok(nanos));
        }

        #[test]
        fn quoted_words_come_back(list in prop::collection::vec("[^']{0,8}", 0..5)) {
            let text: Vec<String> = list.iter().map(|word| format!("'{word}'")).collect();
            prop_assert_eq!(words(&text.join(" ")), Ok(list));
        }
    }
}
