//! Variables of a service: texts, and with `x-stackctl: {secret_environment: true}` names of secrets, `secret://NAME`.
//!
//! Without that key such a value is the text that it always was, and a warning says how it becomes more.

use std::collections::BTreeMap;

use super::{Context, mounts};
use crate::compose::stackfile::Service;
use crate::compose::{Held, Reading, SecretTexts, Variables};
use crate::model::secret_env::{self, SCHEME, VARIABLE_MAX};
use crate::model::spec::{FileMount, TaskSpec};
use crate::yaml::{Diagnostic, Span, Spanned};

/// What a service has of both.
#[derive(Default)]
pub struct Environment {
    pub texts: BTreeMap<String, Option<String>>,
    /// Files with the values of secrets: see [`secret_env`].
    pub secrets: BTreeMap<String, FileMount>,
}

/// The variables of a service.
pub fn lower(context: &Context<'_>, service: &Service) -> Environment {
    let mut all = Environment::default();
    for (name, value) in &service.environment {
        let variable = Variable { context, service, name, span: value.span };
        let text = value.value.as_deref().filter(|text| text.contains(SCHEME));
        match text.and_then(|text| variable.read(text)) {
            None => drop(all.texts.insert(name.clone(), value.value.clone())),
            Some(key) => {
                if let Some(mount) = variable.file(key) {
                    all.secrets.insert(secret_env::file_of(name), mount);
                }
            }
        }
    }
    all
}

/// Refuses what Linux takes in no program: one variable, or all of them together, that are too long. Values that are not here,
/// and those that may be encrypted, are not judged.
pub fn check_sizes(context: &Context<'_>, service: &Service, task: &TaskSpec, texts: &SecretTexts) {
    let mut taken = secret_env::taken(task);
    let (room, mut longest) = (secret_env::room(task), None);
    let is_template =
        |key: &str| mounts::driver_of_secret(context, key).is_none_or(|driver| driver.is_some());
    for (name, key) in secret_env::references(task).filter(|(_, key)| !is_template(key)) {
        let Some(bytes) = texts.get(key).and_then(|text| plain_bytes(&text.held)) else { continue };
        let Some(span) = service.environment.iter().find(|(of, _)| *of == name).map(|(_, value)| value.span)
        else {
            continue;
        };
        taken += secret_env::taken_by(name, bytes);
        let most = longest.map_or(0, |(most, _)| most);
        longest = longest.filter(|_| bytes <= most).or(Some((bytes, span)));
        if bytes + name.len() + 2 > VARIABLE_MAX {
            context.sink.push(
                too_long(context, service, name).at(span, "its value has 128 KiB or more with the name"),
            );
            return;
        }
    }
    if let Some((_, span)) = longest.filter(|_| taken > room) {
        let message =
            format!("variables and arguments of service `{}` are more than Linux takes", service.key.value);
        context.sink.push(
            Diagnostic::error("variables_too_long", message)
                .at(span, format!("the longest of them: together they come to more than {room} bytes"))
                .help("they have a quarter of the stack, 2 MiB where `ulimits: {stack: BYTES}` says nothing else; or name secrets under `secrets`"),
        );
    }
}

fn too_long(context: &Context<'_>, service: &Service, name: &str) -> Diagnostic {
    let name = context.sink.clean(name);
    Diagnostic::error(
        "variables_too_long",
        format!("variable `{name}` of service `{}` is longer than Linux takes", service.key.value),
    )
    .help("name the secret under `secrets` of the service, and have its program read the file")
}

/// How long a value is that was read, if it cannot be encrypted.
fn plain_bytes(held: &Held) -> Option<usize> {
    const MARKS: [&[u8]; 3] = [b"age-encryption.org/", b"AGE ENCRYPTED FILE", b"sops"];
    match held {
        Held::Plain(bytes) => Some(bytes.len()),
        Held::File(bytes) => {
            let has = |mark: &&[u8]| bytes.expose().windows(mark.len()).any(|there| there == *mark);
            (!MARKS.iter().any(has)).then_some(bytes.len())
        }
        Held::Elsewhere => None,
    }
}

/// One with `secret://` in its value.
struct Variable<'a> {
    context: &'a Context<'a>,
    service: &'a Service,
    name: &'a str,
    span: Span,
}

impl Variable<'_> {
    /// The key of the secret that it names; `None` if it is a text, or has a mistake that was reported.
    fn read<'t>(&self, text: &'t str) -> Option<&'t str> {
        let is_open = self.context.world.variables == Variables::Keep && text.contains('$');
        // To docker it is a text.
        if is_open || self.context.world.reading == Reading::Docker {
            return None;
        }
        let key = text.strip_prefix(SCHEME);
        if !is_on(self.service) {
            // One that says `false` knows.
            if key.is_some() && self.service.secret_environment.is_none() {
                self.warn();
            }
            return None;
        }
        match key {
            None => self.refuse(
                "a secret is the whole value of a variable",
                "for a part of a value, give the secret `template_driver: golang` and its own text, such as \
                 `postgres://app:{{secret \"db\"}}@db/app`, and list `db` under `secrets` of the service",
            ),
            Some("") => self
                .refuse("it names no secret", "write `secret://NAME`, with the key of a secret of the file"),
            Some(_) if !secret_env::is_name(self.name) => self.refuse(
                "the name of its variable has other signs than letters, digits, `_`, `.` and `-`",
                "give the variable such a name, or mount the secret as a file",
            ),
            Some(_) => return key,
        }
        None
    }

    fn warn(&self) {
        let name = self.context.sink.clean(self.name);
        self.context.sink.push(
            Diagnostic::warning(
                "secret_as_text",
                format!("variable `{name}` of service `{}` has no secret in it", self.service.key.value),
            )
            .at(self.span, "kept as it is written")
            .help(
                "for the value of the secret, set `x-stackctl: {secret_environment: true}` on the service; `false` \
                 keeps the text without this warning",
            ),
        );
    }

    fn refuse(&self, why: &str, help: &str) {
        let name = self.context.sink.clean(self.name);
        self.context.sink.push(
            Diagnostic::error(
                "bad_secret_variable",
                format!("variable `{name}` of service `{}` cannot be a secret", self.service.key.value),
            )
            .at(self.span, why)
            .help(help),
        );
    }

    /// The file with the value, if the secret is defined.
    fn file(&self, key: &str) -> Option<FileMount> {
        let context = self.context;
        let Some(template_driver) = mounts::driver_of_secret(context, key) else {
            self.undefined(key);
            return None;
        };
        Some(FileMount {
            source: key.to_owned(),
            // The program reads it as the container's user, which can be any.
            uid: "0".to_owned(),
            gid: "0".to_owned(),
            mode: mounts::FILE_MODE,
            content: String::new(),
            template_driver,
        })
    }

    fn undefined(&self, key: &str) {
        let (context, sink) = (self.context, self.context.sink);
        let text = format!("{SCHEME}{key}");
        if sink.sources().slice(self.span).contains(&text) {
            let span = sink.sources().part(self.span, &text, SCHEME.len()..text.len());
            return context.undefined("secret", key, span, context.file.secrets.keys());
        }
        // It comes out of a variable, or of another file.
        let name = Spanned::new(self.name.to_owned(), self.span);
        sink.push(
            Diagnostic::error(
                "undefined_secret",
                format!("the secret of variable `{}` is not defined", sink.clean(&name)),
            )
            .at(self.span, "in a value that comes from here")
            .help("define it under `secrets` at the top of the file"),
        );
    }
}

/// Whether a service wants secrets in its variables.
pub fn is_on(service: &Service) -> bool {
    service.secret_environment.is_some_and(|is_on| is_on.value)
}
