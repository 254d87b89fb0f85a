//! `stackctl registry`: logins of registries that the cluster keeps for machines whose user has none.

use std::io::{self, IsTerminal as _};

use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::cluster::{self, Cluster};
use super::recorded::warn_unended;
use super::render::age::ago;
use super::render::list::Columns;
use super::render::services::into_row;
use super::report::{Exit, Failure};
use crate::fleet::{ConnectOptions, Login, LoginError};
use crate::ops::vault::logins::{self as ops, registry_of};
use crate::ops::vault::private::read_all;
use crate::vault::Plaintext;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("For the loop and the push hook", "stackctl registry login registry.example.com --username deploy"),
    ("What the cluster keeps", "stackctl registry ls"),
    (
        "Without a terminal",
        "pass show registry | stackctl registry login registry.example.com -u deploy --password-stdin",
    ),
];

/// More than any token has.
const PASSWORD_MAX: usize = 64 << 10;

/// Arguments of `registry`.
#[derive(Debug, clap::Args)]
pub struct RegistryArgs {
    #[command(subcommand)]
    pub command: RegistryCommand,
}

/// The commands of `registry`.
#[derive(Debug, Subcommand)]
pub enum RegistryCommand {
    /// Keep a login of a registry for the whole cluster
    ///
    /// It is encrypted to the key of the cluster, as secrets are, and sent where a registry wants credentials and the user of
    /// the machine has none in docker's configuration: by the loop, by a push hook. These need a private key of a recipient.
    /// A person at a terminal is better off with `docker login`. The registry is asked first, through a host, whether it
    /// takes the login.
    Login(RegistryLogin),
    /// List the registries of which the cluster keeps a login
    #[command(visible_alias = "list")]
    Ls(RegistryLs),
    /// Forget the login of a registry
    Logout(RegistryLogout),
}

/// Arguments of `registry login`.
#[derive(Debug, clap::Args)]
pub struct RegistryLogin {
    /// The registry, as images name it
    #[arg(value_name = "REGISTRY", default_value = "docker.io")]
    pub registry: String,
    /// Name of the user
    #[arg(short, long, value_name = "USER", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub username: String,
    /// Read the password or token from the standard input, up to the end of the first line
    #[arg(long)]
    pub password_stdin: bool,
    /// Do not ask the registry whether it takes the login
    #[arg(long)]
    pub unchecked: bool,
}

/// Arguments of `registry ls`.
#[derive(Debug, clap::Args)]
pub struct RegistryLs {
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Registry}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// Arguments of `registry logout`.
#[derive(Debug, clap::Args)]
pub struct RegistryLogout {
    /// The registry, as images name it
    #[arg(value_name = "REGISTRY", default_value = "docker.io")]
    pub registry: String,
}

/// The columns of `registry ls`.
const COLUMNS: Columns = Columns {
    fields: &[
        ("Registry", "REGISTRY"),
        ("Username", "USER"),
        ("Secret", "SECRET"),
        ("UpdatedAt", "UPDATED"),
        ("UpdatedBy", "BY"),
    ],
    table: &["Registry", "Username", "UpdatedAt", "UpdatedBy"],
};

/// There is no password.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("there is no password: {0}")]
#[diagnostic(
    code(stackctl::registry::no_password),
    help("nothing was changed; give it with `--password-stdin`")
)]
struct NoPassword(String);

/// The registry does not take it, or was not asked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum NotKept {
    #[error(transparent)]
    #[diagnostic(
        code(stackctl::registry::refused),
        help("nothing was changed; check the user and the password")
    )]
    Refused(LoginError),
    #[error(transparent)]
    #[diagnostic(
        code(stackctl::registry::not_asked),
        help("nothing was changed; `--unchecked` keeps the login without asking")
    )]
    NotAsked(LoginError),
}

pub(super) fn run(args: &RegistryArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        RegistryCommand::Login(args) => login(args, context),
        RegistryCommand::Ls(args) => ls(args, context),
        RegistryCommand::Logout(args) => logout(args, context),
    }
}

/// Read before any host is dialled.
fn password(args: &RegistryLogin) -> Result<Plaintext, Failure> {
    let none = |why: &str| Failure::refused(NoPassword(why.to_owned()));
    let text = if args.password_stdin {
        let read = read_all(io::stdin().lock(), PASSWORD_MAX).map_err(|error| none(&error.to_string()))?;
        let line = read.expose().split(|byte| *byte == b'\n').next().unwrap_or_default();
        Plaintext::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
    } else if io::stdin().is_terminal() && io::stderr().is_terminal() {
        let terminal = console::Term::stderr();
        let asked = terminal.write_str("Password: ").and_then(|()| terminal.read_secure_line());
        Plaintext::new(asked.map_err(|error| none(&error.to_string()))?.into_bytes())
    } else {
        return Err(none("no terminal asks for it"));
    };
    if text.is_empty() || std::str::from_utf8(text.expose()).is_err() {
        return Err(none("it is empty, or no text"));
    }
    Ok(text)
}

fn login(args: &RegistryLogin, context: &Context) -> Result<Exit, Failure> {
    let registry = registry_of(&args.registry)?;
    let login = Login { username: args.username.clone(), password: password(args)? };
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        if !args.unchecked {
            cluster.fleet.check_login(&registry, &login).await.map_err(|why| match why {
                why @ LoginError::Refused { .. } => Failure::refused(NotKept::Refused(why)),
                why @ LoginError::NotAsked { .. } => Failure::refused(NotKept::NotAsked(why)),
            })?;
        }
        let warn = warn_unended(&context.ui);
        ops::keep(&cluster.writing(), &cluster.actor(), &registry, &login, warn).await?;
        context.ui.say(&format!("The cluster keeps a login of registry {registry}."));
        Ok(Exit::Done)
    })
}

fn ls(args: &RegistryLs, context: &Context) -> Result<Exit, Failure> {
    COLUMNS.render(args.format.as_deref(), &[])?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let now = cluster.clock.now();
        let row = |one: &ops::Listed| {
            into_row(json!({
                "Registry": one.registry,
                "Username": one.username,
                "Secret": one.secret,
                "UpdatedAt": ago(now, one.at),
                "UpdatedBy": one.who,
            }))
        };
        let rows: Vec<_> = ops::all(&cluster.ledger).await?.iter().map(row).collect();
        context.ui.data(&COLUMNS.render(args.format.as_deref(), &rows)?);
        Ok(Exit::Done)
    })
}

fn logout(args: &RegistryLogout, context: &Context) -> Result<Exit, Failure> {
    let registry = registry_of(&args.registry)?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let (ledger, actor) = (cluster.writing(), cluster.actor());
        ops::forget(&ledger, &actor, &registry, warn_unended(&context.ui)).await?;
        context.ui.say(&format!("The cluster keeps no login of registry {registry} any more."));
        Ok(Exit::Done)
    })
}
