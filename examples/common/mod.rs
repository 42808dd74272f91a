//! What the examples share: the flags that Podman and Skopeo users know, exit codes and errors in words.
#![allow(dead_code, reason = "each example uses a part")]

mod progress;

use std::{
    error::Error as _,
    future::Future,
    io::{BufRead, IsTerminal, stderr, stdin},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::{ArgAction, Args};
use wharf::{
    Client, Credential, Error, ErrorKind, Image, Options, Platform, Reference, Registry, Selection,
    config::Locations, reference::ShortName,
};

/// How to reach registries.
#[derive(Args)]
pub(crate) struct Connection {
    /// Credentials file, instead of the host's
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Credentials, instead of those in a file
    #[arg(long, value_name = "USER:PASS", value_parser = credentials)]
    creds: Option<Credential>,
    /// Directory of *.crt, *.cert and *.key files to use for the connection
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// Require https with a valid certificate
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    tls_verify: Option<bool>,
    /// registries.conf, instead of the host's
    #[arg(long, value_name = "FILE")]
    registries_conf: Option<PathBuf>,
}

impl Connection {
    /// A client for this host with these flags; `--creds` is for these registries alone.
    pub(crate) fn client(&self, registries: &[Registry]) -> Result<Client, Error> {
        let mut locations = Locations::from_env();
        if let Some(file) = &self.authfile {
            locations = locations.with_auth_file(file);
        }
        if let Some(directory) = &self.cert_dir {
            locations = locations.with_cert_dir(directory);
        }
        if let Some(file) = &self.registries_conf {
            locations = locations.with_registries_conf(file);
        }
        let mut builder = Client::builder().with_locations(locations);
        if let Some(credential) = &self.creds {
            for registry in registries {
                builder = builder.with_credential(registry.clone(), credential.clone());
            }
        }
        if let Some(verify) = self.tls_verify {
            builder = builder.with_tls_verify(verify);
        }
        if stdin().is_terminal() && stderr().is_terminal() {
            builder = builder.with_short_name_prompt(Arc::new(choose));
        }
        let client = builder.build()?;
        for warning in client.warnings() {
            eprintln!("warning: {warning}");
        }
        Ok(client)
    }
}

fn credentials(text: &str) -> Result<Credential, String> {
    match text.split_once(':') {
        Some((user, password)) if !user.is_empty() => Ok(Credential::basic(user, password)),
        _ => Err("expected USER:PASS".to_owned()),
    }
}

/// Asks which image a short name means.
fn choose(name: &ShortName, candidates: &[Reference]) -> Option<usize> {
    eprintln!("{} may mean several images:", name.name());
    for (number, candidate) in candidates.iter().enumerate() {
        eprintln!("  {}. {candidate}", number + 1);
    }
    eprint!("Which one? [1-{}, nothing to stop] ", candidates.len());
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer).ok()?;
    answer.trim().parse::<usize>().ok()?.checked_sub(1)
}

/// Which images, and how to show what happens.
#[derive(Args)]
pub(crate) struct Transfer {
    /// The image for this platform, when there are several; the host's by default
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", conflicts_with = "all")]
    platform: Option<Platform>,
    /// The images for all platforms
    #[arg(long)]
    all: bool,
    /// Print nothing but the result
    #[arg(short, long)]
    quiet: bool,
}

impl Transfer {
    /// Tells the user something, unless nothing but the result is wanted.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    pub(crate) fn options(&self) -> Options {
        let selection = match (&self.platform, self.all) {
            (_, true) => Selection::All,
            (Some(platform), false) => Selection::Platform(platform.clone()),
            (None, false) => Selection::default(),
        };
        let options = Options::default().with_selection(selection);
        if self.quiet {
            options
        } else {
            options.with_progress(Arc::from(progress::for_stderr()))
        }
    }
}

/// A reference on the command line: checked there, so that a typo is a usage error.
pub(crate) fn reference(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix("docker://").unwrap_or(text);
    match Reference::parse(bare) {
        Ok(_) => Ok(bare.to_owned()),
        Err(error) => Err(format!(
            "{error}\n\n    {bare}\n    {:>width$}",
            '^',
            width = error.position() + 1
        )),
    }
}

/// The registry of a reference that was checked.
pub(crate) fn registry(reference: &str) -> Option<Registry> {
    Reference::parse(reference)
        .ok()
        .map(|reference| reference.registry())
}

/// The registry an image is in, if it is in one.
pub(crate) fn registry_of(image: &Image) -> Option<Registry> {
    match image {
        Image::Registry(reference) => registry(reference),
        _ => None,
    }
}

/// Runs an example: 0 when it is done, 1 when it failed, 3 when there is no such thing, 130 when interrupted.
/// (Wrong usage is 2, and clap's.)
pub(crate) fn run(work: impl Future<Output = Result<(), Error>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        tokio::select! {
            result = work => match result {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => report(&error),
            },
            _ = tokio::signal::ctrl_c() => {
                eprintln!("interrupted: nothing incomplete was kept under a name; run the same command to continue");
                ExitCode::from(130)
            }
        }
    })
}

fn report(error: &Error) -> ExitCode {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(next) = cause {
        eprintln!("  because: {next}");
        cause = next.source();
    }
    match error.kind() {
        ErrorKind::NotFound => ExitCode::from(3),
        _ => ExitCode::FAILURE,
    }
}
