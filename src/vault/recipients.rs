//! Who can open the cluster's key: recipients, each with a name by which people speak of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::ChangeError;
use super::name::RecipientName;
use super::recipient::Recipient;

/// Recipients by name: at least one, and no key twice, as it would stay when one of its names is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<RecipientName, Recipient>", into = "BTreeMap<RecipientName, Recipient>")]
pub struct Recipients(BTreeMap<RecipientName, Recipient>);

impl Recipients {
    /// The first one.
    #[must_use]
    pub fn new(name: RecipientName, recipient: Recipient) -> Self {
        Self([(name, recipient)].into())
    }

    /// With one more.
    ///
    /// # Errors
    ///
    /// The name is taken, or the key has another name.
    pub fn with(&self, name: RecipientName, recipient: Recipient) -> Result<Self, ChangeError> {
        if self.0.contains_key(&name) {
            return Err(ChangeError::NameTaken { name });
        }
        if let Some((there, _)) = self.0.iter().find(|(_, key)| **key == recipient) {
            return Err(ChangeError::KeyTwice { name, there: there.clone() });
        }
        let mut more = self.clone();
        more.0.insert(name, recipient);
        Ok(more)
    }

    /// Without one of them.
    ///
    /// # Errors
    ///
    /// There is none of this name, or it is the last.
    pub fn without(&self, name: &RecipientName) -> Result<Self, ChangeError> {
        let mut rest = self.clone();
        if rest.0.remove(name).is_none() {
            return Err(ChangeError::NoSuchName { name: name.clone(), there: self.words() });
        }
        if rest.0.is_empty() {
            return Err(ChangeError::LastOne { name: name.clone() });
        }
        Ok(rest)
    }

    /// Each with its name, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&RecipientName, &Recipient)> {
        self.0.iter()
    }

    /// Their names, for a sentence.
    #[must_use]
    pub fn words(&self) -> String {
        self.0.keys().map(RecipientName::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl TryFrom<BTreeMap<RecipientName, Recipient>> for Recipients {
    type Error = ChangeError;

    fn try_from(all: BTreeMap<RecipientName, Recipient>) -> Result<Self, ChangeError> {
        let mut rest = all.into_iter();
        let (name, first) = rest.next().ok_or(ChangeError::NoRecipients)?;
        rest.try_fold(Self::new(name, first), |sum, (name, recipient)| sum.with(name, recipient))
    }
}

impl From<Recipients> for BTreeMap<RecipientName, Recipient> {
    fn from(recipients: Recipients) -> Self {
        recipients.0
    }
}
