//! Which stacks a repository has: as its `stackctl.yml` lists them, or by convention one for each folder
//! below `stacks/` that has a stackfile.

use std::collections::BTreeMap;
use std::io;

use super::declaration::Policy;
use super::inputs::{Noting, TOP, digest, inside};
use super::tree::Tree;
use crate::compose::NAMES;
use crate::inventory::private;
use crate::model::StackName;
use crate::yaml::{self, Fields, Report, Sink, SourceText, Sources};

/// The list, at the top of the repository. The inventory may be in the same file, and mistakes have the
/// codes of an inventory's.
pub const LIST: &str = "stackctl.yml";

/// A stack of a repository, not read yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// Its name, where the list gives one; or else that of the files, or of the folder.
    pub stack: Option<StackName>,
    /// Its folder's name, where that stands in for a name.
    pub folder: Option<String>,
    /// Stackfiles, from the repository's top.
    pub files: Vec<String>,
    /// Files of variables; none is the `.env` beside the first stackfile.
    pub env_files: Vec<String>,
    /// Variables that win over those of files.
    pub variables: BTreeMap<String, String>,
    /// Profiles to be deployed with.
    pub profiles: Vec<String>,
    pub policy: Policy,
}

impl Listed {
    /// One word for all of it.
    pub(super) fn digest(&self) -> String {
        digest(&self.text())
    }

    /// All of it. Releases in ledgers keep the digest: the names here stay, whatever those of the fields become,
    /// or every stack of a repository would be released again.
    fn text(&self) -> String {
        let Self { stack, folder, files, env_files, variables, profiles, policy } = self;
        let Policy { order, prune, remove } = policy;
        format!(
            "Listed {{ stack: {stack:?}, folder: {folder:?}, files: {files:?}, env_files: {env_files:?}, \
             variables: {variables:?}, profiles: {profiles:?}, \
             policy: Policy {{ order: {order}, prune: {prune}, remove: {remove} }} }}"
        )
    }

    /// How messages call it.
    pub(super) fn called(&self) -> String {
        match (&self.stack, &self.folder, self.files.first()) {
            (Some(stack), ..) => stack.to_string(),
            (None, Some(folder), _) => folder.clone(),
            (None, None, first) => first.cloned().unwrap_or_default(),
        }
    }
}

/// The stacks of a tree below `root` (`""` is the top). `None` is a tree without any list or convention.
pub fn list(tree: &Tree, noting: &Noting<'_>, root: &str) -> Result<Vec<Listed>, Box<ListError>> {
    let at = |path: &str| if root.is_empty() { path.to_owned() } else { format!("{root}/{path}") };
    let text = match noting.file(&at(LIST)) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            return Err(Box::new(ListError::Unreadable { path: at(LIST), error: error.to_string() }));
        }
    };
    if let Some(bytes) = text {
        let listed = parse(bytes, &at(LIST)).map_err(|report| Box::new(ListError::Bad(report)))?;
        if let Some(mut listed) = listed {
            for one in &mut listed {
                // Paths are normalised. One that leads out of the repository stays as it is, and does not
                // exist.
                for path in one.files.iter_mut().chain(&mut one.env_files) {
                    *path = inside(&format!("{TOP}/{}", at(path))).unwrap_or_else(|| at(path));
                }
            }
            return Ok(listed);
        }
    }
    Ok(by_convention(tree, &at("stacks")))
}

/// Why there is no list.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ListError {
    /// It cannot be read.
    #[error("`{path}` cannot be read: {error}")]
    #[diagnostic(code(stackctl::repository::unreadable_list))]
    Unreadable {
        /// From the repository's top.
        path: String,
        error: String,
    },
    /// It makes no sense.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Bad(Report),
}

fn by_convention(tree: &Tree, stacks: &str) -> Vec<Listed> {
    let of_folder = |folder: &str| {
        let path = NAMES.iter().map(|name| format!("{stacks}/{folder}/{name}"));
        let file = path.into_iter().find(|path| tree.files.contains_key(path))?;
        Some(Listed { folder: Some(folder.to_owned()), files: vec![file], ..Listed::default() })
    };
    tree.folders_in(stacks).into_iter().filter_map(of_folder).collect()
}

/// Reads a list; `None` if the file has none, as an inventory may not.
fn parse(bytes: Vec<u8>, name: &str) -> Result<Option<Vec<Listed>>, Report> {
    let sources = Sources::new();
    let added = sources.add(SourceText { name: name.to_owned(), bytes });
    let sink = Sink::new("inventory", &sources);
    let file = match added {
        Ok(file) => file,
        Err((file, at)) => {
            sink.not_utf8(file, at);
            file
        }
    };
    let root = yaml::parse(&sources, file, &sink);
    root.iter().for_each(|root| private::hide(root, &sink));
    let listed = root.as_ref().and_then(|root| {
        let top = Fields::of(&sink, root, root.span, "")?;
        top.node("stacks")?;
        let nodes = top.list("stacks").unwrap_or_default();
        Some(nodes.iter().filter_map(|node| one(&sink, node)).collect())
    });
    sink.finish().map(|_| listed)
}

fn one(sink: &Sink<'_>, node: &yaml::Node) -> Option<Listed> {
    let fields = Fields::of(sink, node, node.span, "stack of the list")?;
    let texts = |key| -> Vec<String> {
        fields.texts(key).unwrap_or_default().into_iter().map(|text| text.value).collect()
    };
    let stack = fields.parsed("stack", "bad_name", "a name", |text: &str| StackName::new(text));
    let files = texts("files");
    if files.is_empty() && (!fields.has("files") || fields.list("files").is_some_and(<[_]>::is_empty)) {
        fields.missing("files");
    }
    let pairs = fields.pairs("variables").unwrap_or_default();
    let variables = pairs.into_iter().map(|(key, value)| (key, value.value.unwrap_or_default())).collect();
    let flag = |key| fields.boolean(key).is_some_and(|flag| flag.value);
    let listed = Listed {
        stack: stack.map(|stack| stack.value),
        folder: None,
        files,
        env_files: texts("env_files"),
        variables,
        profiles: texts("profiles"),
        policy: Policy {
            order: fields.integer("order", 0).map(|number| number.value).unwrap_or_default(),
            prune: flag("prune"),
            remove: flag("remove"),
        },
    };
    fields.deny_unknown(&private::STACK_KEYS);
    Some(listed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gitops::inputs::tests::Given;

    fn listed(files: &[(&str, &str)], root: &str) -> Result<Vec<Listed>, String> {
        let (tree, blobs) = Given::of(files);
        let noting = Noting::new(&tree, &blobs, &|_| None, "");
        list(&tree, &noting, root).map_err(|error| error.to_string())
    }

    #[test]
    fn by_convention_each_folder_with_a_stackfile_is_a_stack() {
        let files = [
            ("stacks/shop/docker-compose.yml", ""),
            ("stacks/shop/compose.yaml", ""),
            ("stacks/blog/compose.yml", ""),
            ("stacks/notes/README.md", ""),
            ("stacks/compose.yaml", ""),
            ("other/compose.yaml", ""),
        ];
        let all = listed(&files, "").unwrap();
        let names: Vec<(String, &str)> =
            all.iter().map(|one| (one.called(), one.files[0].as_str())).collect();
        assert_eq!(
            names,
            [("blog".to_owned(), "stacks/blog/compose.yml"), ("shop".to_owned(), "stacks/shop/compose.yaml")]
        );
        assert_eq!(listed(&files, "elsewhere").unwrap(), []);
        // An inventory alone is no list.
        let with_inventory = [("stackctl.yml", "cluster: a\nhosts: {}\n"), files[2]];
        assert_eq!(listed(&with_inventory, "").unwrap().len(), 1);
    }

    #[test]
    fn a_list_wins_over_the_convention() {
        let text = "stacks:\n- {stack: shop, files: [a.yml, b.yml], env_files: [p.env], variables: {TAG: '1'}, profiles: [x], order: 2, prune: true, remove: true}\n- files: [blog/compose.yaml]\n";
        let all = listed(&[("ops/stackctl.yml", text), ("ops/stacks/x/compose.yaml", "")], "ops").unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].files, ["ops/a.yml", "ops/b.yml"]);
        assert_eq!(all[0].env_files, ["ops/p.env"]);
        assert_eq!(all[0].policy, Policy { order: 2, prune: true, remove: true });
        assert_eq!(all[0].variables["TAG"], "1");
        assert_eq!((all[1].called().as_str(), all[1].policy), ("ops/blog/compose.yaml", Policy::default()));
        assert_ne!(all[0].digest(), all[1].digest());
        // As it has been from the first release on.
        assert_eq!(
            all[0].text(),
            "Listed { stack: Some(\"shop\"), folder: None, files: [\"ops/a.yml\", \"ops/b.yml\"], \
             env_files: [\"ops/p.env\"], variables: {\"TAG\": \"1\"}, profiles: [\"x\"], \
             policy: Policy { order: 2, prune: true, remove: true } }"
        );
    }

    #[test]
    fn paths_of_a_list_may_be_written_as_people_write_them() {
        let text = "stacks:\n- {files: [./a.yml, b/../c.yml, ../shared/d.yml, ../../out.yml], env_files: [./p.env]}\n";
        let all = listed(&[("ops/stackctl.yml", text)], "ops").unwrap();
        assert_eq!(all[0].files, ["ops/a.yml", "ops/c.yml", "shared/d.yml", "ops/../../out.yml"]);
        assert_eq!(all[0].env_files, ["ops/p.env"]);
    }

    #[test]
    fn no_excerpt_of_a_list_shows_what_an_inventory_hides() {
        for line in [
            "{files: [a], variables: {A: hunter2}, nope: 1}",
            "{files: [a], variabels: {A: hunter2}, nope: 1}",
            "nope: {files: [hunter2]}",
            "{nope: 1}\nledger: etcd://me:hunter2@h1/x",
            "{nope: 1}\nnotifications: [{webhook: 'https://chat.example.com/hunter2'}]",
        ] {
            let given = [("stackctl.yml", format!("stacks:\n- {line}\n"))];
            let given = given.each_ref().map(|(path, text)| (*path, text.as_str()));
            let (tree, blobs) = Given::of(&given);
            let noting = Noting::new(&tree, &blobs, &|_| None, "");
            let error = list(&tree, &noting, "").unwrap_err();
            let drawn = format!("{:?}", miette::Report::new(*error));
            assert!(drawn.contains("nope") && !drawn.contains("hunter2"), "{drawn}");
        }
    }

    #[test]
    fn mistakes_of_a_list_have_their_place() {
        for (text, says) in [
            ("stacks:\n- {stack: shop}\n", "files"),
            ("stacks:\n- {stack: shop, files: []}\n", "files"),
            ("stacks:\n- {stack: shop, file: [a]}\n", "2 mistakes"),
            ("stacks: [\n", "YAML"),
            ("stacks:\n- {stack: 'a b', files: [x]}\n", "stack"),
        ] {
            let error = listed(&[("stackctl.yml", text)], "").unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
