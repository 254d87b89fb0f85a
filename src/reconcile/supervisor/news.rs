//! What is new in what repositories declare, as events of the loop.

use super::event::ClusterEvent;
use crate::ops::declared::Declarations;

/// What is new since `before`.
pub(super) fn news(before: &Declarations, after: &Declarations) -> Vec<ClusterEvent> {
    let mut news = Vec::new();
    for (repository, declaration) in &after.declared {
        let old = before.declared.get(repository);
        if old == Some(declaration) {
            continue;
        }
        news.push(ClusterEvent::Commit {
            repository: repository.clone(),
            commit: declaration.commit.short(),
            subject: declaration.commit.subject.clone(),
            stacks: declaration.stacks.len(),
        });
        for (stack, fault) in &declaration.faults {
            let (repository, stack, why) = (repository.clone(), stack.clone(), fault.why.clone());
            news.push(ClusterEvent::Declined { repository, commit: declaration.commit.short(), stack, why });
        }
    }
    let contested = before.contested();
    for (stack, repository, first) in after.contested() {
        if contested.contains(&(stack, repository, first)) {
            continue;
        }
        let commit = after.declared[repository].commit.short();
        let (repository, stack) = (repository.clone(), stack.to_string());
        let why = format!("{first} declares it too, and of two repositories the first by name has a stack");
        news.push(ClusterEvent::Declined { repository, commit, stack, why });
    }
    for (repository, why) in &after.trouble {
        if before.trouble.get(repository) != Some(why) {
            news.push(ClusterEvent::RepositoryTrouble { repository: repository.clone(), why: why.clone() });
        }
    }
    news
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::declared::testing::declaration;

    fn declined(before: &Declarations, after: &Declarations) -> Vec<String> {
        let words = |event| match event {
            ClusterEvent::Declined { repository, stack, why, .. } => {
                Some(format!("{repository} {stack}: {why}"))
            }
            _ => None,
        };
        news(before, after).into_iter().filter_map(words).collect()
    }

    #[test]
    fn a_stack_that_two_repositories_declare_is_declined_once() {
        let mut both = Declarations::default();
        both.declared.insert("a".into(), declaration(&[("shop", "1")], &[]));
        both.declared.insert("b".into(), declaration(&[("shop", "2")], &[]));
        let words = "b shop: a declares it too, and of two repositories the first by name has a stack";
        assert_eq!(declined(&Declarations::default(), &both), [words]);
        let mut later = both.clone();
        later.declared.insert("b".into(), declaration(&[("shop", "3"), ("blog", "1")], &[]));
        assert!(declined(&both, &later).is_empty());
    }
}
