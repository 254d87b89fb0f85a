//! A commit read: every stack it declares, as far as it can be read.
//!
//! Pure: the tree, the contents and the variables are lent. A stack that cannot be read is an error of that
//! stack alone; a list that cannot be read is one of the whole commit, which then declares nothing at all.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::declaration::{Declaration, Declared, Fault};
use super::inputs::{Blobs, Noting, TOP};
use super::list::{ListError, Listed, list};
use super::tree::Tree;
use crate::compose::{self, Loaded, Options, Reading, SecretFiles, SourceText, Stack, Variables};
use crate::ledger::release::Git;
use crate::model::spec::Mount;
use crate::model::{StackName, StackSpec};

impl From<compose::Report> for Fault {
    fn from(report: compose::Report) -> Self {
        Self { why: lines_of(&report), report: Some(Arc::new(report)) }
    }
}

/// Reads a commit. Stacks of `before` that are made from the same inputs are taken over unread.
pub fn declare(
    commit: Git,
    tree: &Tree,
    blobs: &dyn Blobs,
    env: &dyn Fn(&str) -> Option<String>,
    root: &str,
    before: Option<&Declaration>,
) -> Result<Declaration, Box<ListError>> {
    let noting = Noting::new(tree, blobs, env, "");
    let mut all = Declaration { commit, stacks: BTreeMap::new(), faults: BTreeMap::new() };
    for one in list(tree, &noting, root)? {
        let read = match known(&one, tree, env, before) {
            Some(known) => Ok(known),
            None => read(&one, tree, blobs, env).map(Arc::new),
        };
        match read {
            Ok(declared) => {
                let name = declared.spec.name.clone();
                if let Some(other) = all.stacks.get(&name) {
                    let why = format!("{} and {} are both of that name", files(other), files(&declared));
                    all.faults.insert(name.to_string(), why.into());
                } else {
                    all.stacks.insert(name, declared);
                }
            }
            Err(why) => drop(all.faults.insert(one.called(), why)),
        }
    }
    // It is ambiguous which of the two is meant.
    let Declaration { stacks, faults, .. } = &mut all;
    stacks.retain(|name, _| !faults.contains_key(name.as_str()));
    Ok(all)
}

fn files(declared: &Declared) -> String {
    declared.files.join(", ")
}

/// What was read of the same stack before, if reading it again would give the same.
fn known(
    one: &Listed,
    tree: &Tree,
    env: &dyn Fn(&str) -> Option<String>,
    before: Option<&Declaration>,
) -> Option<Arc<Declared>> {
    let listed = one.digest();
    let is_same =
        |known: &&Arc<Declared>| known.inputs.are_same_in(tree, &listed, &|name| variable(one, env, name));
    before?.stacks.values().find(is_same).cloned()
}

/// Those of the list win over those from outside, which are few and named explicitly.
fn variable(one: &Listed, env: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    one.variables.get(name).cloned().or_else(|| env(name))
}

fn read(
    one: &Listed,
    tree: &Tree,
    blobs: &dyn Blobs,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Declared, Fault> {
    let listed = one.digest();
    let env = |name: &str| variable(one, env, name);
    let noting = Noting::new(tree, blobs, &env, &listed);
    let mut sources = Vec::new();
    for path in &one.files {
        let bytes = noting.file(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("`{path}` cannot be read: the repository has no such file"),
            _ => format!("`{path}` cannot be read: {error}"),
        })?;
        sources.push(SourceText { name: path.clone(), bytes });
    }
    let first = one.files.first().map(String::as_str).unwrap_or_default();
    let folder = first.rsplit_once('/').map_or("", |(folder, _)| folder);
    let project_dir = format!("{TOP}/{folder}").trim_end_matches('/').to_owned();
    let env_files: Vec<String> = one.env_files.iter().map(|path| format!("{TOP}/{path}")).collect();
    let by_folder = one.folder.as_deref().and_then(|name| StackName::new(&name.to_lowercase()).ok());
    let options = Options {
        stack: one.stack.as_ref().map_or(Stack::Otherwise(by_folder.as_ref()), Stack::Given),
        project_dir: &project_dir,
        home: None,
        env: &|name| noting.variable(name),
        files: &noting,
        env_files: (!env_files.is_empty()).then_some(env_files.as_slice()),
        profiles: &one.profiles,
        reading: Reading::Ours,
        variables: Variables::Fill,
        secrets: SecretFiles::Need,
    };
    let Loaded { spec, secrets, .. } = compose::load(sources, &options)?;
    nothing_relative(&spec)?;
    let inputs = noting.inputs();
    let digest = inputs.digest();
    Ok(Declared::new(spec, one.files.clone(), inputs, digest, one.policy).with_secrets(secrets))
}

/// Every mistake on a line of its own: `stacks/shop/compose.yaml:3:5: … (code)`.
pub(super) fn lines_of(report: &compose::Report) -> String {
    let lines: Vec<String> = report.faults.iter().map(line).collect();
    match report.left_out {
        0 => lines.join("; "),
        more => format!("{}; and {more} more", lines.join("; ")),
    }
}

fn line(fault: &crate::yaml::Drawn) -> String {
    let fault = fault.machine();
    let message = match fault.label.as_str() {
        "" => fault.message,
        label => format!("{}: {label}", fault.message),
    };
    if fault.file.is_empty() {
        // There is no place to point at, so the remedy has to be spelt out.
        let help = fault.help.map_or_else(String::new, |help| format!("; {help}"));
        return format!("{message} ({}){help}", fault.code);
    }
    format!("{}:{}:{}: {message} ({})", fault.file, fault.line, fault.column, fault.code)
}

/// A path beside the stackfile is on no host: what would be mounted there is an empty directory at best.
fn nothing_relative(spec: &StackSpec) -> Result<(), String> {
    for (name, service) in &spec.services {
        for (target, mount) in &service.task.volumes {
            if let Mount::Bind { source, .. } = mount
                && let Some(path) = source.strip_prefix(TOP)
            {
                return Err(format!(
                    "service `{name}` mounts `.{path}` of the repository at {target}, and no host has the \
                     repository: make it a config, a volume, or an absolute path of the hosts"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gitops::inputs::tests::Given;

    fn commit() -> Git {
        Git { commit: "c0ffee".into(), branch: Some("main".into()), dirty: false, subject: "a page".into() }
    }

    fn declared(files: &[(&str, &str)], before: Option<&Declaration>) -> Declaration {
        let (tree, blobs) = Given::of(files);
        declare(commit(), &tree, &blobs, &|_| None, "", before).unwrap()
    }

    const WEB: &str = "services: {web: {image: 'nginx:${TAG:-1}', env_file: web.env}}\n";

    #[test]
    fn a_commit_that_touches_one_stack_changes_one() {
        let mut files = vec![
            ("stacks/shop/compose.yaml", WEB),
            ("stacks/shop/web.env", "A=1\n"),
            ("stacks/blog/compose.yaml", "services: {web: {image: nginx}}\n"),
            ("README.md", "x"),
        ];
        let first = declared(&files, None);
        assert_eq!(first.faults, BTreeMap::new());
        assert_eq!(first.stacks.keys().map(StackName::as_str).collect::<Vec<_>>(), ["blog", "shop"]);
        let same =
            |a: &Declaration, b: &Declaration, stack: &str| Arc::ptr_eq(&a.stacks[stack], &b.stacks[stack]);
        files[3].1 = "y";
        let second = declared(&files, Some(&first));
        assert!(same(&first, &second, "shop") && same(&first, &second, "blog"), "none of them reads it");
        files[1].1 = "A=2\n";
        let third = declared(&files, Some(&second));
        assert!(same(&second, &third, "blog") && !same(&second, &third, "shop"));
        assert_ne!(second.stacks["shop"].digest, third.stacks["shop"].digest);
        // What was looked for and was not there.
        files.push(("stacks/shop/.env", "TAG=7\n"));
        let fourth = declared(&files, Some(&third));
        assert!(same(&third, &fourth, "blog"));
        assert_eq!(fourth.stacks["shop"].spec.services["web"].task.image, "nginx:7");
        // The same from nothing.
        assert_eq!(declared(&files, None), fourth);
    }

    #[test]
    fn one_bad_stack_is_one_fault_and_two_of_a_name_are_none() {
        let files = [
            ("stacks/a/compose.yaml", "services: {web: {image: nginx}}\n"),
            ("stacks/b/compose.yaml", "services: {web: {imag: nginx}}\n"),
            ("stacks/c/compose.yaml", "name: d\nservices: {web: {image: nginx}}\n"),
            ("stacks/d/compose.yaml", "services: {web: {image: nginx}}\n"),
            ("stacks/e/compose.yaml", "services: {web: {image: nginx, volumes: ['./data:/data']}}\n"),
            ("stacks/f/compose.yaml", "services: {web: {image: nginx, env_file: ../../../x}}\n"),
        ];
        let all = declared(&files, None);
        assert_eq!(all.stacks.keys().map(StackName::as_str).collect::<Vec<_>>(), ["a"]);
        assert_eq!(all.faults.keys().map(String::as_str).collect::<Vec<_>>(), ["b", "d", "e", "f"]);
        assert!(all.faults["b"].why.starts_with("stacks/b/compose.yaml:1:12: "), "{}", all.faults["b"].why);
        assert!(
            all.faults["d"].why.contains("stacks/c/compose.yaml and stacks/d/compose.yaml"),
            "{}",
            all.faults["d"].why
        );
        assert!(
            all.faults["e"].why.contains("mounts `./stacks/e/data` of the repository"),
            "{}",
            all.faults["e"].why
        );
        assert!(all.faults["f"].why.contains("cannot read `../../../x`"), "{:?}", all.faults["f"]);
    }

    #[test]
    fn variables_of_the_list_win() {
        let files = [
            ("stackctl.yml", "stacks: [{stack: shop, files: [compose.yaml], variables: {TAG: '3'}}]\n"),
            ("compose.yaml", "services: {web: {image: 'nginx:${TAG}', hostname: '${NODE:-none}'}}\n"),
        ];
        let (tree, blobs) = Given::of(&files);
        let env = |name: &str| Some(format!("outer-{}", name.to_lowercase()));
        let all = declare(commit(), &tree, &blobs, &env, "", None).unwrap();
        let task = &all.stacks["shop"].spec.services["web"].task;
        assert_eq!((task.image.as_str(), task.hostname.as_deref()), ("nginx:3", Some("outer-node")));
        let again = declare(commit(), &tree, &blobs, &env, "", Some(&all)).unwrap();
        assert!(Arc::ptr_eq(&again.stacks["shop"], &all.stacks["shop"]));
        let other = declare(commit(), &tree, &blobs, &|_| None, "", Some(&all)).unwrap();
        assert!(!Arc::ptr_eq(&other.stacks["shop"], &all.stacks["shop"]));
    }
}
