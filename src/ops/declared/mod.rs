//! What repositories declare, for a loop that releases it: which stack is due, and which is to go.
//!
//! The same inputs are released once. What a person does afterwards stands until the repository declares
//! something else, and a release that failed is not tried again with the same: its tasks were started and
//! found wanting. One that could not even begin, as with a registry that is down, is still due.

pub mod record;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::record::StackRecord;
use crate::gitops::declaration::{Declaration, Declared, SecretTexts};
use crate::ledger::release::{Git, Source};
use crate::model::{StackName, StackSpec};

/// What is known of all repositories that are followed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Declarations {
    /// Every repository, by the name it is called.
    pub expected: BTreeSet<String>,
    /// What each declares, as far as it was ever read.
    pub declared: BTreeMap<String, Arc<Declaration>>,
    /// What is wrong with those that cannot be read now.
    pub trouble: BTreeMap<String, String>,
}

impl Declarations {
    /// Whether something was heard of each.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_heard = |name: &String| self.declared.contains_key(name) || self.trouble.contains_key(name);
        self.expected.iter().all(is_heard)
    }

    /// How many things cannot be used as they are.
    #[must_use]
    pub fn faults(&self) -> usize {
        self.trouble.len() + self.declared.values().map(|one| one.faults.len()).sum::<usize>()
    }

    /// Whether a stack is still its repository's: another one that declares it as well does not get it only
    /// because that one cannot be read, now or as a whole. It does once it is seen that that one gave it up.
    #[must_use]
    pub fn is_held_by_another(&self, known: &StackRecord, desired: &DesiredRelease) -> bool {
        let Some(source) = known.source.as_ref().filter(|source| source.repository != desired.repository)
        else {
            return false;
        };
        self.expected.contains(&source.repository)
            && self.declared.get(&source.repository).is_none_or(|declaration| !declaration.faults.is_empty())
    }

    /// Stacks that another repository has: the stack, the one that does not get it, and the one that does.
    #[must_use]
    pub fn contested(&self) -> BTreeSet<(&StackName, &String, &String)> {
        let mut first = BTreeMap::new();
        let mut all = BTreeSet::new();
        for (repository, declaration) in &self.declared {
            for stack in declaration.stacks.keys() {
                let has_it = *first.entry(stack).or_insert(repository);
                if has_it != repository {
                    all.insert((stack, repository, has_it));
                }
            }
        }
        all
    }

    /// What is declared of each stack. Of two repositories that declare the same one, the first has it.
    #[must_use]
    pub fn desired_releases(&self) -> BTreeMap<StackName, DesiredRelease> {
        let mut all = BTreeMap::new();
        for (repository, declaration) in self.declared.iter().rev() {
            for (name, declared) in &declaration.stacks {
                let wanted = Wanted::Stack(Arc::clone(declared));
                let (repository, commit) = (repository.clone(), declaration.commit.clone());
                all.insert(name.clone(), DesiredRelease { repository, commit, wanted });
            }
        }
        all
    }

    /// What is to become of a stack that no repository declares: it goes, if the one it is from has
    /// said so while it had it.
    #[must_use]
    pub fn removal(&self, known: &StackRecord) -> Option<DesiredRelease> {
        let source = known.source.as_ref().filter(|source| source.removes)?;
        let declaration = self.declared.get(&source.repository)?;
        // A stack that cannot be read may be this one, in whichever repository: it may have moved from one to
        // another. And a repository without any stack is more likely a mistake than meant: a wrong branch, a
        // moved folder.
        let is_sure = self.expected.iter().all(|name| self.declared.contains_key(name))
            && self.trouble.is_empty()
            && self.declared.values().all(|one| one.faults.is_empty())
            && !declaration.stacks.is_empty();
        let (repository, commit) = (source.repository.clone(), declaration.commit.clone());
        is_sure.then_some(DesiredRelease { repository, commit, wanted: Wanted::Gone })
    }
}

/// What is to run.
#[derive(Debug, Clone)]
pub struct Contents {
    /// Images are not pinned yet, and secrets have no versions.
    pub spec: StackSpec,
    /// What the values of its secrets were read as.
    pub secrets: SecretTexts,
    /// Its stackfiles, from the repository's top.
    pub files: Vec<String>,
    /// Whether services go that are not in it.
    pub prune: bool,
}

/// What a repository declares of one stack.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredRelease {
    /// Which repository.
    pub repository: String,
    /// At which commit.
    pub commit: Git,
    /// What is declared.
    pub wanted: Wanted,
}

/// What is declared.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// That it is so.
    Stack(Arc<Declared>),
    /// That it is no more.
    Gone,
}

impl DesiredRelease {
    /// Whether it is not fulfilled yet, and was not tried either. By whom does not matter: a hook within the
    /// repository calls it otherwise than a loop that reaches it from afar.
    #[must_use]
    pub fn is_due(&self, known: &StackRecord) -> bool {
        match &self.wanted {
            Wanted::Stack(declared) => {
                let is_new = known.source.as_ref().is_none_or(|last| last.inputs != declared.digest);
                is_new || known.is_not_begun
            }
            Wanted::Gone => !known.is_removed,
        }
    }

    /// As the ledger remembers it.
    #[must_use]
    pub fn source(&self) -> Source {
        let (inputs, removes) = match &self.wanted {
            Wanted::Stack(declared) => (declared.digest.clone(), declared.policy.remove),
            Wanted::Gone => (String::new(), false),
        };
        Source { repository: self.repository.clone(), inputs, removes }
    }

    /// What is to run then.
    #[must_use]
    pub fn contents(&self, stack: &StackName) -> Contents {
        match &self.wanted {
            Wanted::Stack(declared) => Contents {
                spec: declared.spec.clone(),
                secrets: declared.secrets.clone(),
                files: declared.files.clone(),
                prune: declared.policy.prune,
            },
            Wanted::Gone => {
                let (spec, secrets) = (StackSpec::empty(stack.clone()), SecretTexts::new());
                Contents { spec, secrets, files: Vec::new(), prune: true }
            }
        }
    }

    /// Whether the stack is to go.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        matches!(self.wanted, Wanted::Gone)
    }

    /// Stacks of a lower number are released first.
    #[must_use]
    pub fn order(&self) -> u32 {
        match &self.wanted {
            Wanted::Stack(declared) => declared.policy.order,
            // A stack that others use is removed after them.
            Wanted::Gone => u32::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::NoCurrent;
    use crate::ledger::settings::Settings;

    use super::record::Desired;
    use super::testing::declaration;

    fn known(source: Option<(&str, &str, bool)>, is_removed: bool) -> StackRecord {
        let source = source.map(|(repository, inputs, removes)| Source {
            repository: repository.to_owned(),
            inputs: inputs.to_owned(),
            removes,
        });
        StackRecord {
            desired: Desired::Nothing(NoCurrent::NoRelease),
            settings: Settings::default(),
            source,
            is_removed,
            is_not_begun: false,
        }
    }

    fn all(declared: &[(&str, Arc<Declaration>)]) -> Declarations {
        let declared = declared.iter().map(|(name, one)| ((*name).to_owned(), Arc::clone(one)));
        Declarations { declared: declared.collect(), ..Declarations::default() }
    }

    #[test]
    fn the_same_inputs_are_due_once() {
        let all_desired = all(&[("a", declaration(&[("shop", "1")], &[]))]).desired_releases();
        let desired = &all_desired["shop"];
        for (source, is_due) in [
            (None, true),
            (Some(("a", "1", false)), false),
            (Some(("a", "2", false)), true),
            (Some(("b", "1", false)), false),
            (Some(("b", "2", false)), true),
        ] {
            assert_eq!(desired.is_due(&known(source, false)), is_due, "{source:?}");
        }
        let not_begun = StackRecord { is_not_begun: true, ..known(Some(("a", "1", false)), false) };
        assert!(desired.is_due(&not_begun));
    }

    #[test]
    fn of_two_repositories_the_first_has_the_stack() {
        let both =
            all(&[("b", declaration(&[("shop", "2")], &[])), ("a", declaration(&[("shop", "1")], &[]))]);
        assert_eq!(both.desired_releases()["shop"].repository, "a");
        let names = |declarations: &Declarations| {
            let all = declarations.contested();
            all.into_iter().map(|(stack, of, has)| format!("{stack} {of} {has}")).collect::<Vec<_>>()
        };
        assert_eq!(names(&both), ["shop b a"]);
    }

    /// The first repository cannot be reached when a loop begins, or its stackfile is half written: what the
    /// second one calls by the same name is something else.
    #[test]
    fn a_stack_is_not_handed_to_another_repository_while_its_own_cannot_be_read() {
        let mut both = all(&[("b", declaration(&[("shop", "2")], &[]))]);
        both.expected = ["a".to_owned(), "b".to_owned()].into();
        let from_a = known(Some(("a", "1", false)), false);
        let is_held = |both: &Declarations, known: &StackRecord| {
            let desired = both.desired_releases()["shop"].clone();
            both.is_held_by_another(known, &desired)
        };
        assert!(is_held(&both, &from_a), "it was never read");
        assert!(
            !is_held(&both, &known(Some(("b", "1", false)), false)) && !is_held(&both, &known(None, false))
        );
        both.declared.insert("a".into(), declaration(&[("blog", "1")], &["shop"]));
        assert!(is_held(&both, &from_a), "it may be the one that cannot be read");
        both.declared.insert("a".into(), declaration(&[("blog", "1")], &[]));
        assert!(!is_held(&both, &from_a), "it has moved");
        both.expected.remove("a");
        both.declared.remove("a");
        assert!(!is_held(&both, &from_a), "that one is not followed any more");
    }

    #[test]
    fn a_stack_goes_only_if_nothing_speaks_against_it() {
        let from_a = |removes| known(Some(("a", "1", removes)), false);
        let others = declaration(&[("blog", "1")], &[]);
        let is_told =
            |declarations: &Declarations, known: &StackRecord| declarations.removal(known).is_some();
        let sure = all(&[("a", Arc::clone(&others))]);
        assert!(is_told(&sure, &from_a(true)));
        assert!(!is_told(&sure, &from_a(false)), "its policy does not say so");
        assert!(!is_told(&sure, &known(None, false)), "a person's stack");
        assert!(!is_told(&all(&[("b", others)]), &from_a(true)), "its repository was not read");
        assert!(!is_told(&all(&[("a", declaration(&[], &[]))]), &from_a(true)), "nothing is left at all");
        let faulty = declaration(&[("blog", "1")], &["some-folder"]);
        assert!(!is_told(&all(&[("a", faulty)]), &from_a(true)), "it may be the one that cannot be read");
        let mut silent = sure.clone();
        silent.trouble.insert("a".into(), "no answer".into());
        assert!(!is_told(&silent, &from_a(true)), "its repository is in trouble");
        let mut moved = sure.clone();
        moved.expected = ["a".to_owned(), "b".to_owned()].into();
        assert!(!is_told(&moved, &from_a(true)), "it may have moved to the one that was not read yet");
        moved.declared.insert("b".into(), declaration(&[("x", "1")], &["shop"]));
        assert!(!is_told(&moved, &from_a(true)), "it may have moved, half written");
        let desired = sure.removal(&from_a(true)).unwrap();
        assert!(desired.is_due(&from_a(true)) && !desired.is_due(&known(Some(("a", "1", true)), true)));
    }
}
