//! Who signed a commit: an ssh key of the allowed signers, and nothing else that git takes for a signature.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use super::error::GitError;
use crate::process_group;

/// For one signature.
const LIMIT: Duration = Duration::from_secs(30);
/// How the signature of an ssh key begins and ends.
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// A program that cannot be started.
const NONE: &str = "/dev/null";

/// Which commits count, where they have to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The allowed signers, in the format of ssh-keygen(1). An absolute path.
    pub signers: PathBuf,
    /// A commit whose descendants count, too, besides those of the one that was released last.
    pub accepted: Option<String>,
}

/// Settings with which git verifies the signatures of ssh keys alone. It goes by what a signature looks like, whatever
/// `gpg.format` says: any key of a PGP keyring would do.
pub(super) fn settings(signers: &Path) -> Vec<(String, String)> {
    [
        ("gpg.format", "ssh"),
        ("gpg.program", NONE),
        ("gpg.openpgp.program", NONE),
        ("gpg.x509.program", NONE),
        ("gpg.ssh.program", "ssh-keygen"),
        ("gpg.ssh.allowedSignersFile", &*signers.display().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Why the key that signed a commit is none of the allowed ones today; `None` if it is one. The date of a commit is what
/// its author writes there: a key that has expired could sign for ever.
pub(super) async fn key_of_today(object: &[u8], signers: &Path) -> Result<Option<String>, GitError> {
    let Some(signature) = signature(&String::from_utf8_lossy(object)) else {
        return Ok(Some("its signature is none of an ssh key".to_owned()));
    };
    #[expect(clippy::disallowed_methods, reason = "ssh-keygen alone knows the format of its keys")]
    let mut command = process_group::program("ssh-keygen");
    command.args(["-Y", "find-principals", "-s", "/dev/stdin", "-f"]).arg(signers);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let asked = async {
        let (mut child, group) = process_group::start(&mut command)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(signature.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        group.is_over();
        Ok::<_, std::io::Error>(output)
    };
    let Ok(output) = tokio::time::timeout(LIMIT, asked).await else {
        return Err(GitError::Silent { what: "ssh-keygen".to_owned(), seconds: LIMIT.as_secs() });
    };
    let output = output.map_err(|error| GitError::NoGit(format!("ssh-keygen: {error}")))?;
    Ok((!output.status.success()).then(|| "its key is not valid any more".to_owned()))
}

/// The signature in the head of a commit, if it is one of an ssh key.
fn signature(commit: &str) -> Option<String> {
    let (head, _message) = commit.split_once("\n\n")?;
    let mut lines = head.lines();
    let first = lines
        .find_map(|line| line.strip_prefix("gpgsig ").or_else(|| line.strip_prefix("gpgsig-sha256 ")))?;
    let mut text = format!("{first}\n");
    for line in lines.map_while(|line| line.strip_prefix(' ')) {
        text.push_str(line);
        text.push('\n');
    }
    (text.starts_with(BEGIN) && text.trim_end().ends_with(END)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gitops::command;
    use crate::gitops::git::Repository;
    use crate::gitops::git::tests::git;

    #[test]
    fn the_signature_of_an_ssh_key_is_found_and_no_other() {
        let signed = |what: &str| {
            format!(
                "tree a\nauthor b\ngpgsig -----BEGIN {what}-----\n AAAA\n -----END {what}-----\nencoding c\n\nwords\n"
            )
        };
        let found = signature(&signed("SSH SIGNATURE"));
        assert_eq!(
            found.as_deref(),
            Some("-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n")
        );
        assert_eq!(signature(&signed("PGP SIGNATURE")), None);
        let in_words = format!("tree a\n\n{}", signed("SSH SIGNATURE"));
        assert_eq!(signature(&in_words), None);
    }

    /// A repository, with keys beside it.
    struct Room(tempfile::TempDir, std::cell::Cell<usize>);

    impl Room {
        fn new() -> Self {
            let room = Self(tempfile::tempdir().unwrap(), std::cell::Cell::default());
            git(room.path(), &["init", "-q", "-b", "main"]);
            for who in ["ann", "eve"] {
                #[expect(clippy::disallowed_methods, reason = "ssh-keygen makes keys")]
                let mut keygen = std::process::Command::new("ssh-keygen");
                keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", who, "-f"]).arg(room.path().join(who));
                assert!(keygen.status().unwrap().success());
            }
            room
        }

        fn path(&self) -> &Path {
            self.0.path()
        }

        #[expect(clippy::disallowed_methods, reason = "programs and keys are files")]
        fn file(&self, name: &str, text: &str) -> String {
            use std::os::unix::fs::PermissionsExt as _;
            let path = self.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path.display().to_string()
        }

        fn commit(&self, who: &str, more: &[&str]) -> String {
            let key = format!("user.signingkey={}", self.path().join(who).display());
            let signs = ["-c", "gpg.format=ssh", "-c", &key];
            // Of two that are equal the signatures are equal, too, and so the ids.
            self.1.set(self.1.get() + 1);
            let words = format!("{} of {who}", self.1.get());
            git(
                self.path(),
                &[&signs[..], more, &["commit", "-q", "-S", "--allow-empty", "-m", &words]].concat(),
            );
            git(self.path(), &["rev-parse", "HEAD"])
        }

        /// A commit with something that looks like the signature of another kind.
        fn with_signature(&self, of: &str) -> String {
            let object = git(self.path(), &["cat-file", "commit", "HEAD"]);
            let (head, words) = object.split_once("\n\n").unwrap();
            let head: Vec<&str> =
                head.lines().filter(|line| !line.starts_with("gpgsig") && !line.starts_with(' ')).collect();
            let text = format!(
                "{}\ngpgsig -----BEGIN {of}-----\n \n iHUE\n -----END {of}-----\n\n{words}\n",
                head.join("\n")
            );
            let path = self.file("object", &text);
            git(self.path(), &["hash-object", "-t", "commit", "-w", &path])
        }

        fn allows(&self, options: &str) -> Repository {
            self.accepts(options, None)
        }

        #[expect(clippy::disallowed_methods, reason = "a key is a file")]
        fn accepts(&self, options: &str, accepted: Option<&str>) -> Repository {
            let key = std::fs::read_to_string(self.path().join("ann.pub")).unwrap();
            let signers = self.file("signers", &format!("ann@mill {options} {key}")).into();
            let signed = Signed { signers, accepted: accepted.map(str::to_owned) };
            Repository::here(&self.path().join(".git"), "mill:x".into(), "main".into(), Some(signed))
        }
    }

    async fn refused(repository: &Repository, commit: &str, released: Option<&str>) -> String {
        match repository.check_signature(commit, released).await {
            Ok(()) => "accepted".to_owned(),
            Err(error) => miette::Diagnostic::code(&error).unwrap().to_string(),
        }
    }

    const NOT_SIGNED: &str = "stackctl::repository::not_signed";
    const NOT_AFTER: &str = "stackctl::repository::not_after";

    #[tokio::test]
    async fn no_signature_counts_but_that_of_an_allowed_ssh_key() {
        let room = Room::new();
        let anns = room.commit("ann", &[]);
        let eves = room.commit("eve", &[]);
        // What a program of the repository's own configuration says of a signature.
        let good = "#!/bin/sh\ncat >/dev/null\nprintf '\\n[GNUPG:] NEWSIG\\n[GNUPG:] GOODSIG 0123456789ABCDEF ann\\n'\n\
                    printf '[GNUPG:] VALIDSIG 0 0 0\\n[GNUPG:] TRUST_ULTIMATE 0 pgp\\n'\n";
        let good = room.file("good", good);
        for name in ["gpg.program", "gpg.openpgp.program", "gpg.x509.program", "gpg.ssh.program"] {
            git(room.path(), &["config", name, &good]);
        }
        let repository = room.allows("");
        assert_eq!(refused(&repository, &anns, None).await, "accepted");
        assert_eq!(refused(&repository, &eves, None).await, NOT_SIGNED, "of a foreign key");
        for of in ["PGP SIGNATURE", "PGP MESSAGE", "SIGNED MESSAGE", "SSH SIGNATURE"] {
            let commit = room.with_signature(of);
            assert_eq!(refused(&repository, &commit, None).await, NOT_SIGNED, "{of}");
        }
        git(room.path(), &["commit", "-q", "--allow-empty", "-m", "not signed"]);
        let unsigned = git(room.path(), &["rev-parse", "HEAD"]);
        assert_eq!(refused(&repository, &unsigned, None).await, NOT_SIGNED);
        // For something else than commits.
        let for_files = room
            .file("for-files", "#!/bin/sh\nexec ssh-keygen $(printf '%s\\n' \"$@\" | sed 's/^git$/file/')\n");
        let elsewhere = room.commit("ann", &["-c", &format!("gpg.ssh.program={for_files}")]);
        assert_eq!(refused(&repository, &elsewhere, None).await, NOT_SIGNED, "of another namespace");
        let only_files = room.allows("namespaces=\"file\"");
        assert_eq!(refused(&only_files, &anns, None).await, NOT_SIGNED, "of a key for another namespace");
    }

    #[tokio::test]
    async fn a_key_that_has_expired_signs_nothing_new() {
        let room = Room::new();
        let now = room.commit("ann", &[]);
        let date = "2019-06-01T00:00:00Z";
        let before = {
            let key = room.path().join("ann").display().to_string();
            let mut commit = command::command(command::Reach::Local, &[]);
            commit.arg("-C").arg(room.path()).env("GIT_COMMITTER_DATE", date);
            commit.args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "gpg.format=ssh", "-c"]);
            commit.arg(format!("user.signingkey={key}"));
            assert!(
                commit.args(["commit", "-q", "-S", "--allow-empty", "-m", "x"]).status().unwrap().success()
            );
            git(room.path(), &["rev-parse", "HEAD"])
        };
        let expired = room.allows("valid-before=\"20200101\"");
        assert_eq!(refused(&expired, &now, None).await, NOT_SIGNED);
        assert_eq!(refused(&expired, &before, None).await, NOT_SIGNED, "the date is what its author wrote");
        assert_eq!(refused(&expired, &before, Some(&now)).await, NOT_SIGNED);
        assert_eq!(
            refused(&expired, &before, Some(&before)).await,
            "accepted",
            "it was released while the key was valid"
        );
        let not_yet = room.allows("valid-after=\"21000101\"");
        assert_eq!(refused(&not_yet, &now, None).await, NOT_SIGNED);
    }

    #[tokio::test]
    async fn a_signed_commit_comes_after_the_one_that_was_released_last() {
        let room = Room::new();
        let first = room.commit("ann", &[]);
        let second = room.commit("ann", &[]);
        git(room.path(), &["checkout", "-q", "--orphan", "other"]);
        let other = room.commit("ann", &[]);
        let repository = room.allows("");
        assert_eq!(refused(&repository, &second, Some(&first)).await, "accepted");
        assert_eq!(refused(&repository, &second, Some(&second)).await, "accepted");
        assert_eq!(refused(&repository, &first, None).await, "accepted", "nothing was released");
        assert_eq!(refused(&repository, &first, Some(&second)).await, NOT_AFTER, "an older commit");
        assert_eq!(refused(&repository, &other, Some(&second)).await, NOT_AFTER, "of another repository");
        let gone = "0123456789012345678901234567890123456789";
        assert_eq!(refused(&repository, &second, Some(gone)).await, NOT_AFTER);
        let rewritten = room.accepts("", Some(&other));
        assert_eq!(refused(&rewritten, &other, Some(&second)).await, "accepted", "on purpose");
        let newer = room.commit("ann", &[]);
        assert_eq!(refused(&rewritten, &newer, Some(&second)).await, "accepted", "on purpose");
        assert_eq!(refused(&rewritten, &first, Some(&second)).await, NOT_AFTER);
    }
}
