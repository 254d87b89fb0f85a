//! `stackctl secret`: values that are encrypted where they rest.

mod edit;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};

use super::Context;
use super::cluster::{self, Cluster};
use super::filter::Filters;
use super::inspected::Inspected;
use super::key::PrivateKey;
use super::recorded::warn_unended;
use super::render::secrets::{COLUMNS, inspect, pretty, rows};
use super::report::{Exit, Failure};
use crate::fleet::ConnectOptions;
use crate::ops::records::Secret;
use crate::ops::vault::private::{read_all, read_file};
use crate::ops::vault::users::Held;
use crate::ops::vault::{known, secret as ops};
use crate::sops::{Limit, Source};
use crate::vault::{Kind, ObjectName, Plaintext};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("A new secret, from a file that only you can read", "stackctl secret create db_password password.txt"),
    ("Or from a password manager, through a pipe", "pass show db | stackctl secret create db_password -"),
    ("Give it a new value", "stackctl secret rotate db_password password.txt"),
];

/// Arguments of `secret`.
#[derive(Debug, clap::Args)]
pub struct SecretArgs {
    #[command(subcommand)]
    pub command: SecretCommand,
}

/// The commands of `secret`.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Make a secret from a file, or from the standard input
    ///
    /// Encrypts the value on this machine, to the key of the cluster (`stackctl key init` makes one). No private key is
    /// needed. The value is never shown: not by `inspect`, nor in any log.
    Create(SecretCreate),
    /// List secrets
    #[command(visible_alias = "list")]
    Ls(SecretLs),
    /// Show what is known of secrets, never their values
    Inspect(SecretInspect),
    /// Remove secrets
    #[command(visible_alias = "remove")]
    Rm(SecretRm),
    /// Give a secret a new value
    Rotate(SecretRotate),
    /// Change the value of a secret in an editor
    ///
    /// Opens it with your private key. The editor works on a file in memory (/dev/shm, or XDG_RUNTIME_DIR), which is
    /// overwritten and removed afterwards. The editor is that of VISUAL or EDITOR, or else vi.
    Edit(SecretEdit),
}

/// Arguments of `secret create`.
#[derive(Debug, clap::Args)]
pub struct SecretCreate {
    /// Name of the secret
    #[arg(value_name = "SECRET", value_parser = name)]
    pub name: ObjectName,
    /// A file with the value, or `-` for the standard input; the whole of it counts, with a newline at its end
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Label, as KEY=VALUE
    #[arg(short, long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<String>,
    #[command(flatten)]
    pub encrypted: Encrypted,
}

/// A file that is encrypted itself.
#[derive(Debug, clap::Args)]
pub struct Encrypted {
    /// Decrypt the file first, in memory: one that age or SOPS encrypted (YAML, JSON, dotenv or binary) to a key of yours
    #[arg(long)]
    pub decrypt: bool,
    #[command(flatten)]
    pub private: PrivateKey,
}

/// Arguments of `secret ls`.
#[derive(Debug, clap::Args)]
pub struct SecretLs {
    /// Filter: name=, label=KEY or label=KEY=VALUE
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    pub filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// Arguments of `secret inspect`.
#[derive(Debug, clap::Args)]
pub struct SecretInspect {
    /// Names of the secrets
    #[arg(value_name = "SECRET", required = true)]
    pub names: Vec<String>,
    /// A Go template such as '{{.Version}}'
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "pretty")]
    pub format: Option<String>,
    /// For people
    #[arg(long)]
    pub pretty: bool,
}

/// Arguments of `secret rm`.
#[derive(Debug, clap::Args)]
pub struct SecretRm {
    /// Names of the secrets
    #[arg(value_name = "SECRET", required = true, value_parser = name)]
    pub names: Vec<ObjectName>,
}

/// Arguments of `secret rotate`.
#[derive(Debug, clap::Args)]
pub struct SecretRotate {
    /// Name of the secret
    #[arg(value_name = "SECRET", value_parser = name)]
    pub name: ObjectName,
    /// A file with the new value, or `-` for the standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    #[command(flatten)]
    pub encrypted: Encrypted,
}

/// Arguments of `secret edit`.
#[derive(Debug, clap::Args)]
pub struct SecretEdit {
    /// Name of the secret
    #[arg(value_name = "SECRET", value_parser = name)]
    pub name: ObjectName,
    #[command(flatten)]
    pub private: PrivateKey,
}

/// A name on the command line.
pub(super) fn name(text: &str) -> Result<ObjectName, String> {
    text.parse().map_err(|error: crate::vault::BadObjectName| error.to_string())
}

/// The value cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the value cannot be read from {from}: {why}")]
#[diagnostic(code(stackctl::secret::unreadable), help("nothing was changed"))]
struct Unreadable {
    from: String,
    why: String,
}

/// An encrypted file that was not opened.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{from} cannot be decrypted: {why}")]
#[diagnostic(
    code(stackctl::secret::not_decrypted),
    help("nothing was changed; without `--decrypt` the file itself is the value")
)]
struct NotDecrypted {
    from: String,
    why: String,
}

/// A label without a name.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{0}` is no label")]
#[diagnostic(code(stackctl::secret::bad_label), help("write it as KEY=VALUE"))]
struct BadLabel(String);

pub(super) fn run(args: &SecretArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        SecretCommand::Create(args) => create(args, context),
        SecretCommand::Ls(args) => ls(args, context),
        SecretCommand::Inspect(args) => inspect_secrets(args, context),
        SecretCommand::Rm(args) => rm(args, context),
        SecretCommand::Rotate(args) => rotate(args, context),
        SecretCommand::Edit(args) => edit::run(args, context),
    }
}

/// At most one byte more than this of a file, or of the standard input for `-`; and what messages call it.
pub(super) fn read_from(file: &Path, most: usize) -> (io::Result<Plaintext>, String) {
    if file == Path::new("-") {
        (read_all(io::stdin().lock(), most), "the standard input".to_owned())
    } else {
        (read_file(file, most), file.display().to_string())
    }
}

/// What stands in a file or comes from the standard input, read before any host is dialled; and what messages call it.
fn read(file: &Path, encrypted: &Encrypted) -> Result<(Plaintext, String), Failure> {
    // An encrypted file is larger than what is in it.
    let most = if encrypted.decrypt { Limit::File.most() } else { Kind::Secret.bytes_max() };
    let (read, from) = read_from(file, most);
    match read {
        Ok(bytes) => Ok((bytes, from)),
        Err(error) => Err(Failure::refused(Unreadable { from, why: error.to_string() })),
    }
}

/// The value: what was read, or what it holds encrypted.
async fn value((bytes, from): (Plaintext, String), encrypted: &Encrypted) -> Result<Plaintext, Failure> {
    if !encrypted.decrypt {
        return Ok(bytes);
    }
    let keys = encrypted.private.read().await?.keys;
    let bad = |why: String| Failure::refused(NotDecrypted { from: from.clone(), why });
    match Source::open_file(bytes, &from, &keys) {
        Ok((Source::Encrypted(_), value)) => Ok(value),
        Ok((Source::Plain, _)) => Err(bad("it is encrypted neither by age nor by SOPS".to_owned())),
        Err(error) => Err(bad(error.to_string())),
    }
}

/// As docker has it: `KEY` alone is a label with an empty value.
pub(super) fn labels(texts: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        let key = key.trim();
        if key.is_empty() {
            return Err(Failure::usage(BadLabel(text.clone())));
        }
        Ok((key.to_owned(), value.to_owned()))
    };
    texts.iter().map(pair).collect()
}

fn create(args: &SecretCreate, context: &Context) -> Result<Exit, Failure> {
    let labels = labels(&args.labels)?;
    let read = read(&args.file, &args.encrypted)?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let value = value(read, &args.encrypted).await?;
        let (ledger, actor) = (cluster.writing(), cluster.actor());
        let warn = warn_unended(&context.ui);
        let version = ops::create(&ledger, &actor, &args.name, labels, &value, warn).await?;
        context.ui.say(&format!("Secret {} is made, version {}.", args.name, version.version));
        Ok(Exit::Done)
    })
}

fn rotate(args: &SecretRotate, context: &Context) -> Result<Exit, Failure> {
    let read = read(&args.file, &args.encrypted)?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let value = value(read, &args.encrypted).await?;
        give(cluster, context, &args.name, &value, "rotate").await
    })
}

/// Gives a secret a value.
async fn give(
    cluster: &Cluster,
    context: &Context,
    name: &ObjectName,
    value: &Plaintext,
    verb: &str,
) -> Result<Exit, Failure> {
    let (ledger, actor) = (cluster.writing(), cluster.actor());
    let given = ops::rotate(&ledger, &actor, name, value, verb, warn_unended(&context.ui)).await?;
    context.ui.say(&match given {
        Some(version) => format!("Secret {name} has a new value, version {}.", version.version),
        None => format!("Secret {name} has that value already."),
    });
    Ok(Exit::Done)
}

fn rm(args: &SecretRm, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let (ledger, actor) = (cluster.writing(), cluster.actor());
        let held = Held::of(&cluster.observe().await);
        ops::remove(&ledger, &actor, &args.names, &held, warn_unended(&context.ui)).await?;
        for name in &args.names {
            context.ui.say(&format!("Secret {name} is removed."));
        }
        Ok(Exit::Done)
    })
}

fn ls(args: &SecretLs, context: &Context) -> Result<Exit, Failure> {
    let filters = Filters::parse(&args.filters, &["name", "label"])?;
    COLUMNS.render(args.format.as_deref(), &[])?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let all = ops::all(&cluster.ledger).await?;
        let is_shown = |(name, secret): &(&ObjectName, &Secret)| {
            filters.allows("name", |wanted| name.as_str().contains(wanted))
                && filters.allows_labels("label", &secret.labels)
        };
        let shown: Vec<_> = all.0.iter().filter(is_shown).collect();
        let rows = rows(&shown, cluster.clock.now());
        context.ui.data(&COLUMNS.render(args.format.as_deref(), &rows)?);
        Ok(Exit::Done)
    })
}

fn inspect_secrets(args: &SecretInspect, context: &Context) -> Result<Exit, Failure> {
    let inspected = Inspected::of(args.format.as_deref(), args.pretty)?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let all = ops::all(&cluster.ledger).await?;
        let find = |name: &String| Ok(inspect(name, ops::find(&all, name)?));
        let found = args.names.iter().map(find).collect::<Result<Vec<_>, Failure>>()?;
        let texts: Vec<String> = found.iter().map(pretty).collect();
        context.ui.data(&inspected.print(found, |at| texts[at].clone())?);
        Ok(Exit::Done)
    })
}

/// For `edit`, which has to open what it changes: a cluster without a key says so first.
async fn present(cluster: &Cluster, args: &SecretEdit) -> Result<Plaintext, Failure> {
    known(&cluster.ledger).await?.key()?;
    let found = args.private.read().await?;
    Ok(ops::value(&cluster.ledger, &found.keys, &args.name).await?)
}
