//! The git program, kept on a short leash: a bare mirror of its own with one ref, no configuration but
//! ours and the user's for logins and proxies, no prompts, no hooks, no transports that run commands, and an end to
//! everything that it does and says.
//!
//! The address of a repository goes into the mirror's configuration and not onto a command line, without its
//! [login](super::login), which only calls that reach the repository are given.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use tokio::process::Command;

use super::command::{self, Reach};
use super::error::GitError;
use super::inputs::{Blobs, digest};
use super::login::{Login, is_unclear, parted};
use super::mirror::{self, REF};
use super::signature::{self, Signed};
use super::tree::Tree;
use crate::ledger::release::Git;
use crate::model::address;
use crate::process_group;

/// For a fetch; everything else is local.
const FETCH_LIMIT: Duration = Duration::from_secs(120);
const ASK_LIMIT: Duration = Duration::from_secs(30);
/// What the full name of a branch begins with.
const HEADS: &str = "refs/heads/";
/// Of a commit's first line so much is kept.
const SUBJECT_CHARS: usize = 120;
/// The most that is read of any file.
const BYTES_MAX: usize = 32 << 20;
/// The most that git may answer: a list of files.
const ANSWER_MAX: u64 = 64 << 20;
/// The most that git may say about one content.
const HEAD_MAX: u64 = 4096;
/// The most that is kept of what git says.
const WORDS_MAX: usize = 600;

/// A repository that is followed.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Where it is, as git takes it.
    url: String,
    /// Branch, tag or full ref; its head if there is none.
    reference: Option<String>,
    /// The mirror, or the repository itself.
    dir: PathBuf,
    /// `None` requires no signature.
    signed: Option<Signed>,
    /// Whether `dir` is the repository itself: nothing is fetched then, and nothing written.
    is_here: bool,
}

impl Repository {
    /// One that is mirrored somewhere below `state`. `text` is `URL` or `URL#REF`.
    pub fn new(text: &str, state: &Path, signed: Option<Signed>) -> Result<Self, GitError> {
        if is_unclear(text) {
            return Err(GitError::UnclearLogin);
        }
        let (url, reference) = match text.rsplit_once('#') {
            Some((url, reference)) if !reference.is_empty() => (url, Some(reference.to_owned())),
            Some((url, _)) => (url, None),
            None => (text, None),
        };
        let dir = state.join("repositories").join(&digest(text)[..16]);
        Ok(Self { url: url.to_owned(), reference, dir, signed, is_here: false })
    }

    /// A repository on this machine, read in place and without a mirror; `url` is its name in messages. Its
    /// own configuration applies, since it belongs to the caller.
    #[must_use]
    pub fn here(dir: &Path, url: String, reference: String, signed: Option<Signed>) -> Self {
        Self { url, reference: Some(reference), dir: dir.to_owned(), signed, is_here: true }
    }

    /// Whether commits have to be signed, and so to come after what was released.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        self.signed.is_some()
    }

    /// Its name in public messages: without what precedes an `@` in its address.
    #[must_use]
    pub fn name(&self) -> String {
        let url = match self.url.split_once("://") {
            Some((scheme, rest)) => {
                let (host, path) =
                    rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
            }
            None => self.url.clone(),
        };
        let url = address::without_secret_options(&url);
        match &self.reference {
            Some(reference) => format!("{url}#{}", reference.strip_prefix(HEADS).unwrap_or(reference)),
            None => url,
        }
    }

    /// The commit it is at, without fetching. The id of an annotated tag is not taken for its commit's.
    pub async fn head(&self) -> Result<String, GitError> {
        let what = format!("{} cannot be asked where it stands", self.name());
        let reference = self.reference.as_deref().unwrap_or("HEAD");
        if self.is_here {
            let commit = format!("{reference}^{{commit}}");
            let said = self.ask(&what, ASK_LIMIT, &["rev-parse", "--verify", "--quiet", &commit]).await?;
            return Ok(String::from_utf8_lossy(&said).trim_end().to_owned());
        }
        self.prepare().await?;
        let peeled = format!("{reference}^{{}}");
        let said =
            self.ask(&what, ASK_LIMIT, &["ls-remote", "--quiet", "origin", reference, &peeled]).await?;
        stands_at(&String::from_utf8_lossy(&said), reference)
            .ok_or_else(|| GitError::Failed { what, words: format!("it has no ref {reference}") })
    }

    /// The refs of a repository on this machine that match, in full; of several the one that sorts last as
    /// a version, such as `refs/tags/v1.10` after `v1.9`.
    pub async fn newest(dir: &Path, pattern: &str) -> Result<Option<String>, GitError> {
        let this = Self::here(dir, dir.display().to_string(), pattern.to_owned(), None);
        let what = format!("{} cannot be read", this.name());
        let args = ["for-each-ref", "--count=1", "--sort=-version:refname", "--format=%(refname)", pattern];
        let said = this.ask(&what, ASK_LIMIT, &args).await?;
        let name = String::from_utf8_lossy(&said).trim_end().to_owned();
        Ok((!name.is_empty()).then_some(name))
    }

    /// Fetches the current commit.
    pub async fn fetch(&self) -> Result<Git, GitError> {
        let reference = self.reference.as_deref().unwrap_or("HEAD");
        if self.is_here {
            return self.about(reference).await;
        }
        self.prepare().await?;
        let _ours = mirror::hold(&self.dir, FETCH_LIMIT).await?;
        match self.fetch_into(reference).await {
            // A fetch that was killed leaves locks behind, and a power loss leaves empty files. If the
            // repository itself answers, the mirror is at fault.
            Err(GitError::Failed { .. }) if self.head().await.is_ok() => {
                mirror::empty(&self.dir)?;
                mirror::prepare(&self.dir, &self.url)?;
                self.fetch_into(reference).await
            }
            fetched => fetched,
        }
    }

    /// Creates or repairs the mirror.
    async fn prepare(&self) -> Result<(), GitError> {
        mirror::prepare(&self.dir, &self.url)?;
        let users = command::of_the_user(&["credential", "http", "url"]).await;
        mirror::settle(&self.dir.join(mirror::USERS), &command::as_file(&users))
    }

    #[expect(clippy::disallowed_methods, reason = "a mirror is a directory of files")]
    async fn fetch_into(&self, reference: &str) -> Result<Git, GitError> {
        let what = format!("{} cannot be fetched", self.name());
        let wanted = format!("+{reference}:{REF}");
        let mut args =
            vec!["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"];
        match &self.signed {
            None => args.push("--depth=1"),
            // Whether a commit comes after another takes all that is between.
            Some(_) if std::fs::exists(self.dir.join("shallow")).unwrap_or(false) => args.push("--unshallow"),
            Some(_) => {}
        }
        args.extend(["origin", &wanted]);
        self.ask(&what, FETCH_LIMIT, &args).await?;
        self.about(REF).await
    }

    /// The commit a ref is at.
    async fn about(&self, reference: &str) -> Result<Git, GitError> {
        let what = format!("{} cannot be read", self.name());
        let args = ["log", "-1", "--no-show-signature", "--format=%H%n%s", reference, "--"];
        let said = self.ask(&what, ASK_LIMIT, &args).await?;
        let said = String::from_utf8_lossy(&said).trim_end().to_owned();
        let (commit, subject) = said.split_once('\n').unwrap_or((&said, ""));
        let subject = subject.chars().filter(|c| !c.is_control()).take(SUBJECT_CHARS).collect();
        let branch =
            self.reference.as_deref().map(|name| name.strip_prefix(HEADS).unwrap_or(name).to_owned());
        Ok(Git { commit: commit.to_owned(), branch, dirty: false, subject })
    }

    /// Checks who signed a commit, and that it comes after the one that was released last: an older commit is signed
    /// as well, and so is one of another repository of the same person.
    pub async fn check_signature(&self, commit: &str, released: Option<&str>) -> Result<(), GitError> {
        let Some(signed) = &self.signed else { return Ok(()) };
        let settings = signature::settings(&signed.signers);
        let words = match self.ask_with("", ASK_LIMIT, &["verify-commit", commit], &settings).await {
            Ok(_) if released == Some(commit) => return Ok(()),
            // Git goes by the date that the commit gives itself.
            Ok(_) => {
                let object = self.ask("", ASK_LIMIT, &["cat-file", "commit", commit]).await?;
                signature::key_of_today(&object, &signed.signers).await?
            }
            Err(GitError::Failed { words, .. }) if words.is_empty() => Some("it has no signature".to_owned()),
            Err(GitError::Failed { words, .. }) => Some(words),
            Err(error) => return Err(error),
        };
        if let Some(words) = words {
            return Err(GitError::NotSigned { commit: short(commit), words });
        }
        let Some(released) = released else { return Ok(()) };
        for before in [Some(released), signed.accepted.as_deref()].into_iter().flatten() {
            if self.is_after(commit, before).await? {
                return Ok(());
            }
        }
        Err(GitError::NotAfter { commit: short(commit), id: commit.to_owned(), released: short(released) })
    }

    /// Whether a commit has another one among its ancestors, or is it. One that is not there is none.
    async fn is_after(&self, commit: &str, before: &str) -> Result<bool, GitError> {
        match self.ask("", ASK_LIMIT, &["merge-base", "--is-ancestor", before, commit]).await {
            Ok(_) => Ok(true),
            Err(GitError::Failed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The files of a commit.
    pub async fn tree(&self, commit: &str) -> Result<Tree, GitError> {
        let what = format!("{} cannot be read", self.name());
        let listed = self.ask(&what, ASK_LIMIT, &["ls-tree", "-r", "-z", "--full-tree", commit]).await;
        if !self.is_here && matches!(listed, Err(GitError::Failed { .. })) {
            // The mirror is incomplete: it is fetched again at the next poll.
            let _ours = mirror::hold(&self.dir, ASK_LIMIT).await?;
            mirror::empty(&self.dir)?;
        }
        let listed = listed?;
        Tree::parse(&listed).map_err(|words| GitError::TooLarge { what, words })
    }

    /// The contents of files, one after the other. Blocks.
    pub fn blobs(&self) -> Result<Contents, GitError> {
        Contents::open(&self.dir)
    }

    /// Its answer, if git succeeds.
    pub(super) async fn ask(&self, what: &str, limit: Duration, args: &[&str]) -> Result<Vec<u8>, GitError> {
        self.ask_with(what, limit, args, &[]).await
    }

    /// The same with settings.
    pub(super) async fn ask_with(
        &self,
        what: &str,
        limit: Duration,
        args: &[&str],
        settings: &[(String, String)],
    ) -> Result<Vec<u8>, GitError> {
        let reach = if self.is_here { Reach::Local } else { Reach::Network };
        let is_call = matches!(args.first(), Some(&("fetch" | "ls-remote")));
        let login = parted(&self.url).1.filter(|_| is_call && !self.is_here);
        let own = login.as_ref().map(Login::settings).unwrap_or_default();
        let mut command = Command::from(command::command(reach, &[settings, &own].concat()));
        command.envs(login.iter().flat_map(Login::variables));
        command.arg("--git-dir").arg(&self.dir).arg("--no-pager").args(args);
        if !self.is_here {
            command.env("GIT_CONFIG_GLOBAL", self.dir.join(mirror::USERS));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let heard = process_group::output(&mut command, ANSWER_MAX);
        let Ok(output) = tokio::time::timeout(limit, heard).await else {
            return Err(GitError::Silent { what: what.to_owned(), seconds: limit.as_secs() });
        };
        let output = output.map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => GitError::TooLarge {
                what: what.to_owned(),
                words: format!("git answers with more than {} MiB", ANSWER_MAX >> 20),
            },
            _ => GitError::NoGit(error.to_string()),
        })?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(GitError::Failed { what: what.to_owned(), words: self.harmless(&output.stderr) })
    }

    /// Git's message, on one line, without secrets of the address that it repeats.
    fn harmless(&self, said: &[u8]) -> String {
        // Git is given the address without its login.
        let (given, said) = (parted(&self.url).0, String::from_utf8_lossy(said));
        let address = if said.contains(&self.url) { &self.url } else { &*given };
        let said = said.replace(address, &self.name());
        let lines = said.lines().map(|line| line.trim().trim_start_matches("fatal: "));
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with("hint:")).collect();
        lines.join("; ").chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
    }
}

fn short(commit: &str) -> String {
    commit.chars().take(7).collect()
}

/// What `git ls-remote` says a ref is at, by the rules of `git rev-parse` about names that are not full.
fn stands_at(said: &str, reference: &str) -> Option<String> {
    let all: BTreeMap<&str, &str> =
        said.lines().filter_map(|line| line.split_once('\t')).map(|(id, name)| (name, id)).collect();
    ["", "refs/", "refs/tags/", HEADS].into_iter().find_map(|before| {
        let name = format!("{before}{reference}");
        let id = all.get(format!("{name}^{{}}").as_str()).or_else(|| all.get(name.as_str()))?;
        Some((*id).to_owned())
    })
}

/// Contents of a repository's files.
#[derive(Debug)]
pub struct Contents {
    talk: Mutex<(Child, ChildStdin, BufReader<ChildStdout>)>,
}

impl Contents {
    fn open(dir: &Path) -> Result<Self, GitError> {
        let mut command = command::command(Reach::Local, &[]);
        command.arg("--git-dir").arg(dir).args(["cat-file", "--batch"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| GitError::NoGit(error.to_string()))?;
        let ask = child.stdin.take().expect("stdin is piped");
        let hear = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Ok(Self { talk: Mutex::new((child, ask, hear)) })
    }
}

impl Blobs for Contents {
    fn content(&self, id: &str) -> io::Result<Vec<u8>> {
        let mut talk = self.talk.lock().expect("no panic while talking to git");
        let (_, ask, hear) = &mut *talk;
        writeln!(ask, "{id}")?;
        let mut head = String::new();
        hear.by_ref().take(HEAD_MAX).read_line(&mut head)?;
        let size = match head.trim_end().split(' ').collect::<Vec<_>>()[..] {
            [_, "blob", size] => size.parse().map_err(io::Error::other)?,
            _ => return Err(io::Error::other(format!("git has no such content: {}", head.trim_end()))),
        };
        if size > BYTES_MAX {
            // Others come after it.
            io::copy(&mut hear.by_ref().take(size as u64 + 1), &mut io::sink())?;
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it is larger than {} MiB", BYTES_MAX >> 20),
            ));
        }
        // A line feed follows the content.
        let mut bytes = vec![0; size + 1];
        hear.read_exact(&mut bytes)?;
        bytes.truncate(size);
        Ok(bytes)
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        let (child, ..) = self.talk.get_mut().expect("no panic while talking to git");
        let _gone = child.kill();
        let _gone = child.wait();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn a_name_shows_no_secret() {
        for (text, name) in [
            ("https://ann:token@git.example.com/ops.git#main", "https://git.example.com/ops.git#main"),
            ("https://token@git.example.com", "https://git.example.com"),
            ("https://a@h/git?repo=a&access_token=hush#v1", "https://h/git?repo=a&access_token=…#v1"),
            ("ssh://git@h1:2222/ops.git#", "ssh://h1:2222/ops.git"),
            ("git@h1:ops.git#v1", "git@h1:ops.git#v1"),
            ("/srv/ops.git", "/srv/ops.git"),
        ] {
            assert_eq!(Repository::new(text, Path::new("/s"), None).unwrap().name(), name);
        }
        let repository = Repository::new("https://token@git.example.com/x", Path::new("/s"), None).unwrap();
        let said = repository
            .harmless(b"fatal: unable to access 'https://token@git.example.com/x/':\nhint: no\n\x1b[2J");
        assert_eq!(said, "unable to access 'https://git.example.com/x/':; [2J");
        let asked = Repository::new("https://ann:hush@h/x?token=hush", Path::new("/s"), None).unwrap();
        let said = asked.harmless(b"fatal: unable to access 'https://h/x?token=hush/': no");
        assert_eq!(said, "unable to access 'https://h/x?token=…/': no");
        assert_ne!(
            repository.dir,
            Repository::new("https://token@git.example.com/x#b", Path::new("/s"), None).unwrap().dir
        );
    }

    /// Nothing would be known of where the login ends.
    #[test]
    fn an_address_with_an_unclear_login_is_refused_without_it() {
        for text in
            ["https://ann:hun/ter2@h1/x.git", "https://ann:hun#ter2@h1/x.git", "http://hun/ter2@h1/x.git"]
        {
            let refused = Repository::new(text, Path::new("/s"), None).unwrap_err();
            let drawn = format!("{:?}", miette::Report::new(refused));
            assert!(drawn.contains("%2F") && !drawn.contains("hun") && !drawn.contains("ter2"), "{drawn}");
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a repository is made by git")]
    pub(in crate::gitops) fn git(dir: &Path, args: &[&str]) -> String {
        let mut command = std::process::Command::new("git");
        command.arg("-C").arg(dir).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(args);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let done = command.output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
    }

    /// Ten trees in each of ten, and so on: ten thousand million files, of which git lists one after the other.
    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a repository is a directory of files")]
    async fn a_few_trees_that_stand_for_any_number_of_files_are_refused() {
        let room = tempfile::tempdir().unwrap();
        git(room.path(), &["init", "-q", "--bare", "-b", "main"]);
        std::fs::write(room.path().join("x"), "services: {}").unwrap();
        let mut id = format!("100644 blob {}", git(room.path(), &["hash-object", "-w", "x"]));
        for _ in 0..10 {
            let lines: String = (0..10).map(|n| format!("{id}\tf{n}\n")).collect();
            std::fs::write(room.path().join("lines"), lines).unwrap();
            let mut mktree = command::command(Reach::Local, &[]);
            mktree.arg("--git-dir").arg(room.path()).arg("mktree");
            mktree.stdin(std::fs::File::open(room.path().join("lines")).unwrap());
            let tree = String::from_utf8(mktree.output().unwrap().stdout).unwrap();
            id = format!("040000 tree {}", tree.trim());
        }
        let tree = id.rsplit(' ').next().unwrap();
        let commit = git(room.path(), &["commit-tree", "-m", "bomb", tree]);
        git(room.path(), &["update-ref", "refs/heads/main", &commit]);
        let here = Repository::here(room.path(), "mill:x".into(), "refs/heads/main".into(), None);
        let refused = here.tree(&commit).await.unwrap_err();
        assert!(matches!(refused, GitError::TooLarge { .. }), "{refused}");
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a repository is a directory of files")]
    async fn a_repository_is_read_without_being_checked_out() {
        let room = tempfile::tempdir().unwrap();
        let work = room.path().join("work \\ \"quoted\"");
        std::fs::create_dir(&work).unwrap();
        git(&work, &["init", "-q", "-b", "main"]);
        std::fs::write(work.join("a.yml"), "one\n").unwrap();
        std::fs::write(work.join("b"), b"\xff\x00").unwrap();
        std::fs::write(work.join("empty"), "").unwrap();
        git(&work, &["add", "-A"]);
        git(&work, &["commit", "-q", "-m", "first\n\nmore"]);
        let state = room.path().join("state");
        let of = |reference: &str| {
            Repository::new(&format!("{}#{reference}", work.display()), &state, None).unwrap()
        };
        let repository = of("main");
        let first = repository.fetch().await.unwrap();
        assert_eq!((first.subject.as_str(), first.branch.as_deref()), ("first", Some("main")));
        let tree = repository.tree(&first.commit).await.unwrap();
        let contents = repository.blobs().unwrap();
        let content = |path: &str| contents.content(&tree.files[path].id).unwrap();
        assert_eq!(
            (content("a.yml"), content("b"), content("empty")),
            (b"one\n".to_vec(), b"\xff\x00".to_vec(), vec![])
        );
        assert!(contents.content("0123456789012345678901234567890123456789").is_err());
        assert_eq!(content("a.yml"), b"one\n", "one that is not there spoils nothing");
        // Tags, another past, and what is not there.
        git(&work, &["tag", "-a", "v1", "-m", "x"]);
        assert_eq!(of("v1").fetch().await.unwrap().commit, first.commit);
        assert_eq!(of("v1").head().await.unwrap(), first.commit, "the commit, not the tag");
        let here = Repository::here(&work.join(".git"), "mill:x".into(), "refs/heads/main".into(), None);
        assert_eq!((here.name().as_str(), here.head().await.unwrap()), ("mill:x#main", first.commit.clone()));
        assert_eq!(here.fetch().await.unwrap(), first);
        assert_eq!(here.tree(&first.commit).await.unwrap(), tree);
        git(&work, &["commit", "-q", "--amend", "-m", "other"]);
        let other = repository.fetch().await.unwrap();
        assert_eq!(other.subject, "other");
        assert_ne!(other.commit, first.commit);
        let newest = async |pattern| Repository::newest(&work.join(".git"), pattern).await.unwrap();
        git(&work, &["tag", "v1.9"]);
        git(&work, &["tag", "v1.10"]);
        assert_eq!(newest("refs/tags/v*").await.as_deref(), Some("refs/tags/v1.10"));
        assert_eq!(newest("refs/heads/main").await.as_deref(), Some("refs/heads/main"));
        assert_eq!(newest("refs/heads/other").await, None);
        for (one, commit) in [(&repository, &other), (&of("v1"), &first), (&here, &other)] {
            assert_eq!(one.head().await.unwrap(), commit.commit);
        }
        assert!(of("nothing").head().await.is_err());
        let error = of("nothing").fetch().await.unwrap_err().to_string();
        assert!(error.contains("cannot be fetched: couldn't find remote ref nothing"), "{error}");
        let signed = Some(Signed { signers: room.path().join("no-signers"), accepted: None });
        let signed = Repository { signed, ..repository };
        let unsigned = signed.fetch().await.unwrap();
        let refused = signed.check_signature(&unsigned.commit, None).await;
        assert!(matches!(refused, Err(GitError::NotSigned { .. })), "{refused:?}");
    }

    /// Locks of a killed fetch, packs damaged by a power loss, and other leftovers.
    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a repository is a directory of files")]
    async fn a_damaged_mirror_is_recreated() {
        let room = tempfile::tempdir().unwrap();
        let work = room.path().join("work");
        std::fs::create_dir(&work).unwrap();
        git(&work, &["init", "-q", "-b", "main"]);
        let repository = Repository::new(&format!("{}#main", work.display()), room.path(), None).unwrap();
        let dir = repository.dir.clone();
        type Spoil = fn(&Path);
        let spoilt: [(&str, Spoil); 5] = [
            ("nothing yet", |_| {}),
            ("a lock of the shallow commits", |dir| std::fs::write(dir.join("shallow.lock"), "").unwrap()),
            ("a lock of the ref", |dir| std::fs::write(dir.join(format!("{REF}.lock")), "").unwrap()),
            ("no HEAD", |dir| std::fs::remove_file(dir.join("HEAD")).unwrap()),
            ("objects without content", |dir| {
                for file in walk(&dir.join("objects")) {
                    std::fs::remove_file(&file).unwrap();
                    std::fs::write(&file, "").unwrap();
                }
            }),
        ];
        for (number, (what, spoil)) in spoilt.into_iter().enumerate() {
            std::fs::write(work.join("a.yml"), format!("{number}\n")).unwrap();
            git(&work, &["add", "-A"]);
            git(&work, &["commit", "-q", "-m", what]);
            spoil(&dir);
            let fetched = repository.fetch().await.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(fetched.subject, what);
            let tree = repository.tree(&fetched.commit).await.unwrap();
            let content = repository.blobs().unwrap().content(&tree.files["a.yml"].id).unwrap();
            assert_eq!(content, format!("{number}\n").as_bytes(), "{what}");
        }
        // What is there is kept while the repository is away.
        std::fs::rename(&work, room.path().join("away")).unwrap();
        let (before, error) = (walk(&dir), repository.fetch().await.unwrap_err());
        assert!(error.to_string().contains("cannot be fetched"), "{error}");
        assert_eq!(walk(&dir), before);
    }

    #[expect(clippy::disallowed_methods, reason = "a repository is a directory of files")]
    fn walk(dir: &Path) -> Vec<PathBuf> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => all.extend(walk(&path)),
                path => all.push(path),
            }
        }
        all.sort();
        all
    }

    /// A server that accepts any login, inspects what other users can read of us meanwhile, and serves
    /// nothing.
    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the system knows who runs, and with which words")]
    async fn a_token_in_an_address_is_on_no_command_line() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (send, seen) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = String::new();
                let mut lines = BufReader::new(&stream);
                while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head).is_ok_and(|read| read > 0) {}
                let processes = std::fs::read_dir("/proc").unwrap().flatten();
                let words =
                    processes.filter_map(|one| std::fs::read_to_string(one.path().join("cmdline")).ok());
                let seen: Vec<String> = words.filter(|words| words.contains(&at.to_string())).collect();
                let is_known = head.to_lowercase().contains("\r\nauthorization: basic ");
                let status =
                    if is_known { "404 No" } else { "401 Who\r\nwww-authenticate: Basic realm=\"x\"" };
                let _gone =
                    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _gone = send.send((head, seen));
            }
        });
        let room = tempfile::tempdir().unwrap();
        let state = room.path().join("it's here");
        // In base64, `ann:hunter 2` and `hunter:`.
        for (login, sent) in [("ann:hunter%202", "YW5uOmh1bnRlciAy"), ("hunter", "aHVudGVyOg==")] {
            let url = format!("http://{login}@{at}/ops.git#main");
            let error = Repository::new(&url, &state, None).unwrap().fetch().await.unwrap_err().to_string();
            assert!(error.contains("not found") && !error.contains("hunter"), "{error}");
            let all: Vec<(String, Vec<String>)> = seen.try_iter().collect();
            assert!(all.iter().any(|(head, _)| head.contains(&format!("Basic {sent}\r"))), "{all:?}");
            let seen = all.iter().flat_map(|(_, seen)| seen).collect::<Vec<_>>();
            assert!(!seen.is_empty() && seen.iter().all(|words| !words.contains("hunter")), "{seen:?}");
        }
        let url = format!("http://ann:hunter%202@{at}/ops.git#main");
        // Nor is it in a file, also where an earlier version left it.
        let files = || walk(&state).into_iter().filter_map(|path| std::fs::read_to_string(path).ok());
        assert!(
            files().any(|text| text.contains(&at.to_string()))
                && !files().any(|text| text.contains("hunter"))
        );
        let config = walk(&state).into_iter().find(|path| path.ends_with("config")).unwrap();
        let other = state.join("repositories/other");
        std::fs::create_dir(&other).unwrap();
        for left in [config.with_file_name("credentials"), other.join("credentials")] {
            std::fs::write(left, "http://ann:hunter%202@h\n").unwrap();
        }
        let older = std::fs::read_to_string(&config).unwrap().replace("http://", "http://hunter3@");
        std::fs::write(other.join("config"), older).unwrap();
        let unclear = state.join("repositories/unclear");
        std::fs::create_dir(&unclear).unwrap();
        std::fs::write(
            unclear.join("config"),
            "[remote \"origin\"]\n\turl = \"https://ann:hun/hunter2@h/x\"\n",
        )
        .unwrap();
        Repository::new(&url, &state, None).unwrap().head().await.unwrap_err();
        assert!(!files().any(|text| text.contains("hunter")));
    }

    #[tokio::test]
    async fn a_transport_that_runs_a_command_runs_nothing() {
        let room = tempfile::tempdir().unwrap();
        let mark = room.path().join("mark");
        let text = format!("ext::touch {}", mark.display());
        let error = Repository::new(&text, room.path(), None).unwrap().fetch().await.unwrap_err();
        assert!(error.to_string().contains("not allowed"), "{error}");
        assert!(!mark.exists());
    }
}
