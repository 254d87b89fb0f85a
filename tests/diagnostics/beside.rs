//! The world around the cases: variables, and files beside the stackfile.
//!
//! Lines `# $ …` at the beginning of a case say what the command line would: `# $ --profile NAME`,
//! `# $ --env-file PATH`, `# $ with .env`, `# $ without a name`, `# $ COMPOSE_PROJECT_NAME=NAME`.

use std::io;

use stackctl::compose::{self, Files, Loaded, Options, Report, SourceText, Stack};
use stackctl::model::StackName;

/// Files at made-up paths.
pub struct Beside {
    has_dotenv: bool,
}

impl Files for Beside {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let text: String = match path.strip_prefix("/srv/app/").unwrap_or_default() {
            ".env" if self.has_dotenv => "NAME=from-dotenv\n".to_owned(),
            "a.conf" => "hello\n".to_owned(),
            "bad.env" => "A=1\nexport B=2\n".to_owned(),
            "templated.conf" => {
                "# password = hunter2\nhost = {{.Node.Hostnam}} # hunter3\n{{if \"hunter4\"}}\n".to_owned()
            }
            "url.tmpl" => "hunter2:{{secret \"password\"}}\n".to_owned(),
            "bundle.pem" => "x".repeat(131_072 - 7),
            "long.pem" => "x".repeat(131_072 - 50),
            "large" => "x".repeat(1_100_000),
            "other.yml" => "services:\n  web:\n    image: httpd\n".to_owned(),
            "back.yml" => "include: [stack.yml]\n".to_owned(),
            "typo.yml" => "services:\n  db:\n    imge: postgres\n    image: postgres\n".to_owned(),
            "many.yml" => {
                (0..501).fold("include:\n".to_owned(), |all, n| all + &format!("  - many/{n}.yml\n"))
            }
            "closed" => return Err(io::ErrorKind::PermissionDenied.into()),
            path => match path.split_once('/') {
                Some(("deep", next)) => {
                    let n: usize = next.trim_end_matches(".yml").parse().unwrap_or(0);
                    format!("include: [{}.yml]\n", n + 1)
                }
                Some(("many", _)) => "services: {}\n".to_owned(),
                Some(("wide", _)) => format!("x-values: [{}]\n", "1, ".repeat(99_000)),
                _ => return Err(io::ErrorKind::NotFound.into()),
            },
        };
        Ok(text.into_bytes())
    }
}

fn variable(name: &str) -> Option<String> {
    let value = match name {
        "TAG" => "1.2",
        "EMPTY" => "",
        "TEMPLATE" => "a\nHunter2 {{frob}}\n",
        "HIDDEN" => "Hunter2 is secret",
        _ => return None,
    };
    Some(value.to_owned())
}

/// Loads files as stack `app`.
pub fn load(files: Vec<SourceText>) -> Result<Loaded, Report> {
    let first =
        files.first().map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default();
    let asked: Vec<&str> = first.lines().map_while(|line| line.strip_prefix("# $ ")).collect();
    let given = |flag: &str| -> Vec<String> {
        asked.iter().filter_map(|line| line.strip_prefix(flag)).map(|value| value.trim().to_owned()).collect()
    };
    let env_files = given("--env-file");
    let name = StackName::unchecked("app");
    let has_name = !asked.contains(&"without a name");
    let options = Options {
        stack: if has_name { Stack::Given(&name) } else { Stack::Otherwise(None) },
        project_dir: "/srv/app",
        home: Some("/home/u"),
        env: &|name| match name {
            "COMPOSE_PROJECT_NAME" => given("COMPOSE_PROJECT_NAME=").pop(),
            name => variable(name),
        },
        files: &Beside { has_dotenv: asked.contains(&"with .env") },
        env_files: (!env_files.is_empty()).then_some(env_files.as_slice()),
        profiles: &given("--profile"),
        reading: stackctl::compose::Reading::Ours,
        variables: stackctl::compose::Variables::Fill,
        secrets: stackctl::compose::SecretFiles::Try,
    };
    compose::load(files, &options)
}
