//! The corpus: what there is to read, what docker made of it, and reading it here.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Once;

use stackctl::compose::{
    self, Files, Loaded, Options, Reading, Report, SecretFiles, SourceText, Stack, Variables,
};
use stackctl::model::StackName;

/// Where the files are, and what was there when docker read them.
pub struct Corpus {
    root: PathBuf,
    oracle: PathBuf,
    env: BTreeMap<String, String>,
    run: serde_json::Value,
}

/// A file, or several in `-c` order.
pub struct Case {
    /// The file's path in the corpus, or `multi/<group>`.
    pub name: String,
    files: Vec<String>,
    exit: serde_json::Value,
}

impl Case {
    fn ended_well(&self, run: &str) -> bool {
        self.exit[run] == 0
    }

    /// Whether `docker stack config` took it.
    pub fn is_read_by_docker(&self) -> bool {
        self.ended_well("config")
    }

    /// Whether `docker stack deploy` took it, engine and all.
    pub fn is_deployed_by_docker(&self) -> bool {
        self.ended_well("deploy")
    }

    /// Whether docker's client had something to ask of the engine for each service, be it that the
    /// engine refused.
    pub fn is_asked_by_docker(&self) -> bool {
        self.is_deployed_by_docker() || self.ended_well("mock")
    }
}

/// The files that stood beside a stackfile when docker read it.
pub struct Beside(BTreeMap<String, String>);

impl Files for Beside {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.0.get(path) {
            Some(content) => Ok(content.clone().into_bytes()),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }
}

fn json(path: &Path) -> Option<serde_json::Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

impl Corpus {
    /// The corpus that `STACKCTL_CORPUS` names. Without it that is said, also where what tests print is kept
    /// back; one that is named and not there is a failure.
    pub fn find() -> Option<Self> {
        let Some(root) = std::env::var_os("STACKCTL_CORPUS").map(PathBuf::from) else {
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                let _ = writeln!(
                    io::stderr(),
                    "SKIPPED: what needs real stackfiles. They belong to others and do not come with the product; \
                     STACKCTL_CORPUS names a directory of them, see tests/corpus/main.rs"
                );
            });
            return None;
        };
        let oracle = root.parent().expect("a directory above the corpus").join("oracle");
        let need = |name: &str| {
            json(&oracle.join(name))
                .unwrap_or_else(|| panic!("STACKCTL_CORPUS: no {name} in {}", oracle.display()))
        };
        let env = serde_json::from_value(need("env.json")).expect("variables by name");
        Some(Self { run: need("run.json"), env, root, oracle })
    }

    /// What holds one reading against another.
    pub fn comparer(&self) -> PathBuf {
        self.root.parent().expect("a directory above the corpus").join("compare_specs.py")
    }

    /// Everything, in the order of the names.
    pub fn cases(&self) -> Vec<Case> {
        let index = std::fs::read_to_string(self.root.join("INDEX.tsv")).expect("the corpus has an index");
        let files = index.lines().skip(1).filter_map(|line| line.split('\t').next());
        let mut cases: Vec<Case> =
            files.map(|file| self.case(file.to_owned(), vec![file.to_owned()])).collect();
        for group in std::fs::read_dir(self.oracle.join("multi")).expect("the oracle has groups") {
            let name = format!("multi/{}", group.expect("an entry").file_name().to_string_lossy());
            let list = std::fs::read_to_string(self.oracle.join(&name).join("files.txt")).expect("a list");
            cases.push(self.case(name, list.split_whitespace().map(str::to_owned).collect()));
        }
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    fn case(&self, name: String, files: Vec<String>) -> Case {
        let exit = json(&self.oracle.join(&name).join("exit")).expect("docker's exit statuses");
        Case { name, files, exit }
    }

    /// What docker's client asked of the engine.
    pub fn requests(&self, case: &Case) -> serde_json::Value {
        let file = if case.is_deployed_by_docker() { "requests.json" } else { "requests.mock.json" };
        json(&self.oracle.join(&case.name).join(file)).expect("docker's requests")
    }

    /// What `docker stack config` printed.
    pub fn config(&self, case: &Case) -> String {
        std::fs::read_to_string(self.oracle.join(&case.name).join("config.yml")).expect("docker's output")
    }

    /// The text of a case of one file.
    pub fn alone(&self, case: &Case) -> Option<Vec<u8>> {
        let [file] = case.files.as_slice() else { return None };
        std::fs::read(self.root.join(file)).ok()
    }

    /// Puts a case of one file into a directory as `stack.yml`, with what stood beside it.
    pub fn furnish(&self, case: &Case, dir: &Path) {
        let workdir = self.run["workdir"].as_str().unwrap_or_default();
        std::fs::write(dir.join("stack.yml"), self.alone(case).expect("one file")).expect("a file in it");
        for (path, content) in self.beside(case).0 {
            let Some(path) = path.strip_prefix(workdir).map(|path| dir.join(path.trim_start_matches('/')))
            else {
                continue;
            };
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory in it");
            std::fs::write(path, content).expect("a file in it");
        }
    }

    /// The same, where what stood elsewhere on docker's machine, by an absolute path, stands in the directory, too. Whether all
    /// of it can.
    pub fn furnish_whole(&self, case: &Case, dir: &Path) -> bool {
        self.furnish(case, dir);
        let workdir = self.run["workdir"].as_str().unwrap_or_default();
        let mut text = std::fs::read_to_string(dir.join("stack.yml")).expect("it is text");
        let outside = self.beside(case).0.into_iter().filter(|(path, _)| !path.starts_with(workdir));
        for (number, (path, content)) in outside.enumerate() {
            let name = format!("outside-{number}");
            std::fs::write(dir.join(&name), content).expect("a file in it");
            if !text.contains(&path) {
                return false;
            }
            text = text.replace(&path, &format!("./{name}"));
        }
        std::fs::write(dir.join("stack.yml"), text).expect("a file in it");
        true
    }

    /// The variables that docker had, besides those of any process.
    pub fn env(&self) -> BTreeMap<String, String> {
        self.env.clone()
    }

    fn beside(&self, case: &Case) -> Beside {
        let list = json(&self.oracle.join(&case.name).join("files.json"));
        let list = list.as_ref().and_then(|list| list.as_array()).cloned().unwrap_or_default();
        let text = |value: &serde_json::Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Beside(list.iter().map(|item| (text(item, "path"), text(item, "content"))).collect())
    }

    /// Reads a case in the surroundings that docker had.
    pub fn load(&self, case: &Case, reading: Reading) -> Result<Loaded, Report> {
        let source = |file: &String| SourceText {
            name: file.clone(),
            bytes: std::fs::read(self.root.join(file)).expect("a file of the index"),
        };
        self.load_texts(case, case.files.iter().map(source).collect(), reading)
    }

    /// Reads something else in the surroundings of a case.
    pub fn load_texts(
        &self,
        case: &Case,
        texts: Vec<SourceText>,
        reading: Reading,
    ) -> Result<Loaded, Report> {
        let run = |key: &str| self.run[key].as_str().unwrap_or_default().to_owned();
        let (workdir, home, user, path) = (run("workdir"), run("home"), run("user"), run("path"));
        let env = |name: &str| match name {
            "HOME" => Some(home.clone()),
            "USER" => Some(user.clone()),
            "PATH" => Some(path.clone()),
            "PWD" => Some(workdir.clone()),
            name => self.env.get(name).cloned(),
        };
        let options = Options {
            stack: Stack::Given(&StackName::unchecked(&run("stack"))),
            project_dir: &workdir,
            home: Some(&home),
            env: &env,
            files: &self.beside(case),
            env_files: None,
            profiles: &[],
            reading,
            variables: Variables::Fill,
            secrets: SecretFiles::default(),
        };
        compose::load(texts, &options)
    }
}
