//! Certificates for servers of tests, made by the openssl program.

use std::path::Path;
use std::process::Command;

/// In a directory: an authority (`ca.pem`), and what it signed for `member` and `ann` (`NAME.pem`, `NAME.key`), good for
/// either side of a connection to 127.0.0.1.
pub fn certificates(dir: &Path) {
    let openssl = |words: &[&str]| {
        let done = Command::new("openssl").args(words).current_dir(dir).output().expect("openssl is there");
        assert!(done.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let request = |rest: &[&str]| openssl(&[&["req"], &key[..], rest].concat());
    request(&["-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"]);
    let uses = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n";
    std::fs::write(dir.join("uses"), uses).expect("a file");
    for name in ["member", "ann"] {
        let file = |ending: &str| format!("{name}.{ending}");
        let (private, wish, cert) = (file("key"), file("csr"), file("pem"));
        request(&["-subj", &format!("/O={name}"), "-keyout", &private, "-out", &wish]);
        let authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        let rest = ["-days", "2", "-extfile", "uses", "-in", &wish, "-out", &cert];
        openssl(&[&["x509", "-req"], &authority[..], &rest[..]].concat());
    }
}
