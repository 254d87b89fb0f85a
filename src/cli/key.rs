//! `stackctl key`: the key to which the cluster's secrets are encrypted, and who can open it.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use super::Context;
use super::cluster::{self, Cluster, env};
use super::inspected::Inspected;
use super::not_confirmed::NotConfirmed;
use super::recorded::warn_unended;
use super::render::key::{inspect, pretty};
use super::render::text::count;
use super::report::{Blame, Exit, Failure};
use crate::fleet::ConnectOptions;
use crate::ops::vault::key::{self as ops, Rotated};
use crate::ops::vault::private::{self, Found, keyring, own_file};
use crate::ops::vault::{VaultError, known};
use crate::vault::{BadRecipient, Recipient, RecipientName, Recipients};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Make the key of the cluster, and one of your own that opens it", "stackctl key init"),
    ("Let a colleague open it, by an ssh key", "stackctl key add-recipient ben ~/.ssh/ben.pub"),
    ("Someone leaves: a new key, all secrets encrypted again", "stackctl key rm-recipient ben"),
];

/// Arguments of `key`.
#[derive(Debug, clap::Args)]
pub struct Key {
    #[command(subcommand)]
    pub command: KeyCommand,
}

/// The commands of `key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make the key of the cluster
    ///
    /// Secrets are encrypted to it, and its recipients can open it. Without --recipient you are the first one: by the key
    /// in ~/.config/stackctl/key.txt, which is made if it is not there. Only who has the private key of a recipient
    /// can open secrets, so keep a copy of it, or add a second recipient.
    Init(Init),
    /// Show the key, and who can open it
    Show(Show),
    /// Let one more person or program open the key
    ///
    /// Encrypts the key for them, with all secrets that there are. Needs the private key of a recipient.
    AddRecipient(AddRecipient),
    /// Take the key from a recipient: make a new one, and encrypt all secrets again
    ///
    /// What the recipient could read before may be known to them: change those values, which are listed. Needs the
    /// private key of another recipient. If it is cut off, `stackctl key rotate` finishes it.
    RmRecipient(RmRecipient),
    /// Make a new key for the same recipients, and encrypt all secrets again
    ///
    /// No value changes, so no task is replaced. If it is cut off, run it again: it goes on where it was.
    Rotate(Rotate),
}

/// Arguments of `key init`.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// Who can open the key: NAME=KEY, where KEY is an age1… or ssh public key, or a file with one [default: you]
    #[arg(short, long = "recipient", value_name = "NAME=KEY")]
    pub recipients: Vec<String>,
}

/// Where the private key is.
#[derive(Debug, clap::Args)]
pub struct PrivateKey {
    /// A file with the private key of a recipient, of age or ssh [default: STACKCTL_KEY, STACKCTL_KEY_FILE or
    /// STACKCTL_KEY_COMMAND, or else ~/.config/stackctl/key.txt and your ssh keys]
    #[arg(long = "key", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
}

impl PrivateKey {
    /// Reads it.
    pub(super) async fn read(&self) -> Result<Found, Failure> {
        keyring(&self.files, &env).await.map_err(Failure::refused)
    }
}

/// Arguments of `key show`.
#[derive(Debug, clap::Args)]
pub struct Show {
    #[command(flatten)]
    pub private: PrivateKey,
    /// `json`, or a Go template such as '{{.Public}}'
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// Arguments of `key add-recipient`.
#[derive(Debug, clap::Args)]
pub struct AddRecipient {
    /// By which you speak of them
    #[arg(value_name = "NAME", value_parser = name)]
    pub name: RecipientName,
    /// Their public key, age1… or ssh-ed25519 or ssh-rsa, or a file with it
    #[arg(value_name = "KEY", value_hint = ValueHint::FilePath)]
    pub recipient: String,
    #[command(flatten)]
    pub private: PrivateKey,
}

/// Arguments of `key rm-recipient`.
#[derive(Debug, clap::Args)]
pub struct RmRecipient {
    /// The recipient
    #[arg(value_name = "NAME", value_parser = name)]
    pub name: RecipientName,
    #[command(flatten)]
    pub private: PrivateKey,
    /// Do not ask for confirmation
    #[arg(short, long, env = "STACKCTL_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
}

/// Arguments of `key rotate`.
#[derive(Debug, clap::Args)]
pub struct Rotate {
    #[command(flatten)]
    pub private: PrivateKey,
}

fn name(text: &str) -> Result<RecipientName, String> {
    text.parse().map_err(|error: crate::vault::BadName| error.to_string())
}

/// A public key that cannot be used. Does not quote it.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the key of recipient {name} cannot be used: {why}")]
#[diagnostic(
    code(stackctl::key::bad_recipient),
    help(
        "nothing was changed; `ssh-keygen -t ed25519` and `age-keygen` make keys, of which the public half is given here"
    )
)]
struct NoRecipient {
    name: String,
    why: String,
}

/// Values could not be encrypted to the new key.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{} not encrypted again: {first}", count(*values, "value"))]
#[diagnostic(
    code(stackctl::key::not_renewed),
    help(
        "they stay encrypted to the key of before, which is kept for them; give those secrets a value again (`stackctl secret \
         rotate`)"
    )
)]
struct NotRenewed {
    values: usize,
    first: String,
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Ledger(error) => error.into(),
            VaultError::InUse(_) | VaultError::LockLost => Self::new(Blame::Locked, error),
            other => Self::refused(other),
        }
    }
}

pub(super) fn run(args: &Key, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        KeyCommand::Init(args) => init(args, context),
        KeyCommand::Show(args) => show(args, context),
        KeyCommand::AddRecipient(args) => add(args, context),
        KeyCommand::RmRecipient(args) => remove(args, context),
        KeyCommand::Rotate(args) => rotate(args, context),
    }
}

/// Of the text itself, or of the file that it names.
fn recipient(name: &str, text: &str) -> Result<Recipient, Failure> {
    let bad = |why: String| Failure::refused(NoRecipient { name: name.to_owned(), why });
    match text.parse() {
        Ok(recipient) => Ok(recipient),
        Err(BadRecipient::Unknown) if !text.trim().is_empty() => {
            let file = private::public_of(std::path::Path::new(text.trim())).map_err(bad)?;
            file.parse().map_err(|error: BadRecipient| bad(format!("in the file {}, {error}", text.trim())))
        }
        Err(error) => Err(bad(error.to_string())),
    }
}

fn init(args: &Init, context: &Context) -> Result<Exit, Failure> {
    let mut named: Option<Recipients> = None;
    for pair in &args.recipients {
        let bad = |why: String| Failure::usage(NoRecipient { name: "NAME".to_owned(), why });
        let (given, key) = pair.split_once('=').ok_or_else(|| bad("NAME=KEY is expected".to_owned()))?;
        let one = name(given).map_err(bad)?;
        let key = recipient(given, key)?;
        named = Some(match named {
            None => Recipients::new(one, key),
            Some(all) => all.with(one, key).map_err(|error| Failure::refused(VaultError::from(error)))?,
        });
    }
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        // Before a key of the user is made.
        if let Some(key) = known(&cluster.ledger).await?.there() {
            let recipients = key.recipients().words();
            return Err(VaultError::KeyExists { epoch: key.epoch(), recipients }.into());
        }
        let (recipients, own) = match named {
            Some(recipients) => (recipients, None),
            None => own(cluster).map(|(recipients, file, is_new)| (recipients, Some((file, is_new))))?,
        };
        let (ledger, actor) = (cluster.writing(), cluster.actor());
        let key = ops::init(&ledger, &actor, recipients, warn_unended(&context.ui)).await?;
        context.ui.say(&format!(
            "The key of cluster {} is made, and opened by {}.",
            cluster.inventory.cluster,
            key.recipients().words()
        ));
        if let Some((file, is_new)) = own {
            let made = if is_new { "was made and is" } else { "is" };
            context.ui.say(&format!("Your private key {made} in {}.", file.display()));
        }
        if key.recipients().iter().count() == 1 {
            context.ui.say(
                "It is the only one: keep a copy of the private key, or add a second recipient (`stackctl key \
                 add-recipient`). Without it no secret can be opened.",
            );
        }
        Ok(Exit::Done)
    })
}

/// The user as the first recipient.
fn own(cluster: &Cluster) -> Result<(Recipients, PathBuf, bool), Failure> {
    let file = own_file(&env).ok_or_else(|| {
        let why = "there is no home directory to keep your key in: give --recipient NAME=KEY".to_owned();
        Failure::refused(NoRecipient { name: "you".to_owned(), why })
    })?;
    let (keys, is_new) = private::own_key(&file).map_err(Failure::refused)?;
    let user = cluster.me.who.split('@').next().unwrap_or_default();
    let name = user.parse().unwrap_or_else(|_| "me".parse().expect("a name"));
    let public = keys.publics().first().expect("a file with a key has one").clone();
    Ok((Recipients::new(name, public), file, is_new))
}

fn show(args: &Show, context: &Context) -> Result<Exit, Failure> {
    let inspected = Inspected::of(args.format.as_deref(), args.format.is_none())?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let known = known(&cluster.ledger).await?;
        let key = known.key()?;
        // Which of them is yours is known if there is a private key; without one all the rest is shown.
        let found = match args.private.files.is_empty() {
            true => keyring(&[], &env).await.ok(),
            false => Some(args.private.read().await?),
        };
        let shown = inspect(key, found.as_ref().map(|found| &found.keys));
        let text = pretty(&shown);
        context.ui.data(&inspected.print(vec![shown], |_| text.clone())?);
        if let Some(found) = found.filter(|_| context.ui.is_verbose()) {
            context.ui.detail(&format!("Private keys: {}", found.from.join(", ")));
        }
        Ok(Exit::Done)
    })
}

fn add(args: &AddRecipient, context: &Context) -> Result<Exit, Failure> {
    let recipient = recipient(args.name.as_str(), &args.recipient)?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let found = args.private.read().await?;
        let (ledger, actor) = (cluster.writing(), cluster.actor());
        let new = (args.name.clone(), recipient);
        let key = ops::add(&ledger, &actor, &found.keys, new, warn_unended(&context.ui)).await?;
        context.ui.say(&format!("{} can open the key now: {}.", args.name, key.recipients().words()));
        Ok(Exit::Done)
    })
}

fn remove(args: &RmRecipient, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let found = args.private.read().await?;
        // What would be refused is not asked about.
        known(&cluster.ledger)
            .await?
            .key()?
            .open(&found.keys)
            .map_err(VaultError::from)?
            .remove(&args.name)
            .map_err(VaultError::from)?;
        let question =
            format!("Make a new key that {} cannot open, and encrypt all secrets again?", args.name);
        if !args.yes && !context.ui.confirm(&question).map_err(Failure::refused)? {
            return Err(Failure::refused(NotConfirmed));
        }
        let (ledger, actor) = (cluster.writing(), cluster.actor());
        let all = crate::ops::vault::secret::all(&ledger).await?;
        let told = |done, all| context.ui.detail(&format!("{done} of {all} encrypted again"));
        let done =
            ops::remove(&ledger, &actor, &found.keys, &args.name, warn_unended(&context.ui), told).await?;
        context.ui.say(&format!("{} cannot open the new key: {}.", args.name, done.key.recipients().words()));
        let names: Vec<&str> = all.0.keys().map(crate::vault::ObjectName::as_str).collect();
        if !names.is_empty() {
            context.ui.say(&format!(
                "{} may know the values of {}: change them (`stackctl secret rotate`): {}",
                args.name,
                count(names.len(), "secret"),
                names.join(", ")
            ));
        }
        let stacks: Vec<String> = cluster.ledger.stacks().await?.iter().map(ToString::to_string).collect();
        if !stacks.is_empty() {
            context.ui.say(&format!(
                "{} may know variables and commands of what was deployed until now: {}",
                args.name,
                stacks.join(", ")
            ));
        }
        report(&done, context)
    })
}

fn rotate(args: &Rotate, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let found = args.private.read().await?;
        let (ledger, actor) = (cluster.writing(), cluster.actor());
        let told = |done, all| context.ui.detail(&format!("{done} of {all} encrypted again"));
        let done = ops::rotate(&ledger, &actor, &found.keys, warn_unended(&context.ui), told).await?;
        context.ui.say(&if done.is_finished_only {
            format!("The replacement of the key that was cut off is finished: epoch {}.", done.key.epoch())
        } else {
            format!("The cluster has a new key: epoch {}.", done.key.epoch())
        });
        report(&done, context)
    })
}

fn report(done: &Rotated, context: &Context) -> Result<Exit, Failure> {
    let Rotated { renewed, failed, .. } = done;
    context.ui.say(&format!("{} encrypted again.", count(*renewed, "value")));
    for (name, why) in failed {
        context.ui.warn(&format!("secret {name}: {why}"));
    }
    match failed.first() {
        None => Ok(Exit::Done),
        Some((name, why)) => {
            Err(Failure::refused(NotRenewed { values: failed.len(), first: format!("secret {name}: {why}") }))
        }
    }
}
