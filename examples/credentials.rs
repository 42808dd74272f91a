//! Which entry of which file, or which helper, has the credential for a registry: one JSON object.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Parser;
use serde::Serialize;
use wharf_auth::{Credential, Secret};
use wharf_config::{CredentialEntry, CredentialKey, Credentials, Locations, Lookup, Registries};

/// Exit code for a registry that nobody is logged in to.
const NOT_FOUND: u8 = 3;

/// Say which credential would be used for a registry, and where it comes from.
///
/// Asks this host's files and credential helpers in the order in which a pull asks them, contacts no registry
/// and writes nothing. Prints one JSON object: the credential, its file and entry or its helper, and every
/// source that was asked with what it had. Secrets are left out.
///
/// Exits with 1 if a source that must be asked cannot answer, and with 3 if there is no credential.
#[derive(Parser)]
struct Arguments {
    /// A registry such as docker.io or localhost:5000, or a namespace or repository within it.
    #[arg(value_name = "REGISTRY[/NAMESPACE]")]
    key: String,
    /// Print the secret too.
    #[arg(long)]
    show_secret: bool,
    /// Read this auth.json and no other file.
    #[arg(long, value_name = "FILE", conflicts_with = "compat_auth_file")]
    authfile: Option<PathBuf>,
    /// Read this file in the form of Docker's config.json and no other.
    #[arg(long, value_name = "FILE")]
    compat_auth_file: Option<PathBuf>,
    /// Read this file instead of searching for registries.conf.
    #[arg(long, value_name = "FILE")]
    registries_conf: Option<PathBuf>,
    /// Read a whole host's configuration below this directory, as its superuser.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer {
    key: String,
    /// `basic`, `identity` (a token that is exchanged for others) or `bearer`; null if there is none.
    kind: Option<&'static str>,
    username: Option<String>,
    secret: Option<String>,
    origin: Option<Origin>,
    /// Every source that was asked, in order.
    asked: Vec<Asked>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Origin {
    File {
        path: PathBuf,
        entry: String,
        line: usize,
    },
    Helper {
        program: String,
        server: String,
        named_by: Option<PathBuf>,
    },
}

#[derive(Serialize)]
struct Asked {
    source: String,
    outcome: String,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let key = CredentialKey::parse_argument(&arguments.key)
        .with_context(|| format!("{} is no registry or namespace", arguments.key.escape_debug()))?;
    let locations = locations(&arguments);
    let registries = Registries::load(&locations).context("registries.conf cannot be used")?;
    let credentials = Credentials::from_locations(&locations)?.with_helpers(registries.credential_helpers());
    let lookup = credentials.lookup(&key)?;
    let answer = answer(&key, &lookup, arguments.show_secret);
    let mut output = io::stdout().lock();
    serde_json::to_writer_pretty(&mut output, &answer)?;
    writeln!(output)?;
    Ok(match lookup.credential() {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::from(NOT_FOUND),
    })
}

fn locations(arguments: &Arguments) -> Locations {
    let mut locations = match &arguments.root {
        Some(root) => Locations::rooted(root),
        None => Locations::from_env(),
    };
    if let Some(file) = &arguments.authfile {
        locations = locations.with_auth_file(file);
    }
    if let Some(file) = &arguments.compat_auth_file {
        locations = locations.with_compat_auth_file(file);
    }
    if let Some(file) = &arguments.registries_conf {
        locations = locations.with_registries_conf(file);
    }
    locations
}

fn answer(key: &CredentialKey, lookup: &Lookup, show_secret: bool) -> Answer {
    let (kind, username, secret) = match lookup.credential() {
        Some(Credential::Basic { username, password }) => ("basic", Some(username.clone()), Some(password)),
        Some(Credential::Identity(token)) => ("identity", None, Some(token)),
        Some(Credential::Bearer(token)) => ("bearer", None, Some(token)),
        _ => ("", None, None),
    };
    let exposed = lookup.exposed().iter().map(|path| {
        format!(
            "{} is open to other users; make it private: chmod 600",
            path.display()
        )
    });
    let unanswered = lookup.unanswered().iter().map(ToString::to_string);
    let unread = lookup.unread().iter().map(ToString::to_string);
    Answer {
        key: key.to_string(),
        kind: secret.map(|_| kind),
        username,
        secret: secret.map(|secret| redact(secret, show_secret)),
        origin: lookup.entry().and_then(origin),
        asked: lookup
            .steps()
            .iter()
            .map(|step| Asked {
                source: step.source.to_string(),
                outcome: step.outcome.to_string(),
            })
            .collect(),
        warnings: exposed.chain(unanswered).chain(unread).collect(),
    }
}

fn redact(secret: &Secret, show: bool) -> String {
    if show {
        secret.expose().to_owned()
    } else {
        format!("{secret:?}")
    }
}

fn origin(origin: &CredentialEntry) -> Option<Origin> {
    match origin.clone() {
        CredentialEntry::File { path, key, line } => Some(Origin::File {
            path,
            entry: key,
            line,
        }),
        CredentialEntry::Helper {
            name,
            server,
            named_by,
        } => Some(Origin::Helper {
            program: format!("docker-credential-{name}"),
            server,
            named_by,
        }),
        _ => None,
    }
}
