//! What the examples share: the flags that Podman and Skopeo users know, exit codes and errors in words.
#![allow(dead_code, reason = "each example uses a part")]

pub(crate) mod archives;
pub(crate) mod building;
pub(crate) mod changes;
pub(crate) mod changing;
pub(crate) mod daemon;
pub(crate) mod instructions;
mod network;
pub(crate) mod progress;
pub(crate) mod prompt;
pub(crate) mod refused;
mod report;
pub(crate) mod sides;
pub(crate) mod signatures;
#[cfg(feature = "trust")]
pub(crate) mod signing;
pub(crate) mod template;
pub(crate) mod yaml;

use std::{
    ffi::OsStr,
    future::Future,
    io::{self, BufRead, IsTerminal, Write, stderr, stdin, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::{Arg, ArgAction, Args, Command, builder::TypedValueParser};
use wharf::{
    Client, ClientBuilder, Credential, Error, ErrorKind, ImageLocation, Options, Platform, Reference,
    Registry, Selection, WithCauses,
    config::Locations,
    distribution::WarnOnce,
    reference::{ShortName, Written},
};

/// How to reach registries.
#[derive(Args)]
pub(crate) struct Connection {
    #[command(flatten)]
    pub(crate) host: Host,
    /// Credentials, instead of those in a file
    #[arg(long, value_name = "USER:PASS", value_parser = UserAndPassword)]
    pub(crate) creds: Option<Credential>,
}

impl Connection {
    /// A client for pulls; `--creds` is for the registry that the name leads to.
    pub(crate) fn client_of(mut self, name: &Written) -> Result<Client, Error> {
        if name.has_registry() {
            return self.client(name.registry());
        }
        let mut builder = self.host.reader()?;
        if let Some(credential) = self.creds.take() {
            builder = builder.with_short_name_credential(credential);
        }
        build(builder)
    }

    /// A client for this host with these flags; `--creds` is for this registry alone.
    pub(crate) fn client(self, registry: Option<Registry>) -> Result<Client, Error> {
        build(self.builder(registry)?)
    }

    /// The builder of such a client.
    pub(crate) fn builder(self, registry: Option<Registry>) -> Result<ClientBuilder, Error> {
        let mut builder = self.host.reader()?;
        if let Some((registry, credential)) = registry.zip(self.creds) {
            builder = builder.with_credential(registry, credential);
        }
        Ok(builder)
    }
}

/// The configuration of this host, and what to put in its place.
#[derive(Args)]
pub(crate) struct Host {
    /// Credentials file, instead of the host's
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
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
    /// Trust policy (policy.json), instead of the host's
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Accept any image, whatever the trust policy says
    #[arg(long, conflicts_with = "policy")]
    insecure_policy: bool,
    /// Directory of registries.d files, which say where signatures are, instead of the host's
    #[arg(long, alias = "registries.d", value_name = "DIR")]
    registries_d: Option<PathBuf>,
    #[command(flatten)]
    network: network::Network,
    #[command(flatten)]
    refused: refused::Global,
    /// Told once, also where a command makes two clients.
    #[arg(skip = progress::warnings())]
    warnings: Arc<WarnOnce>,
}

impl Host {
    /// How long the whole command may take.
    pub(crate) fn command_timeout(&self) -> Option<Duration> {
        self.network.command_timeout()
    }

    /// True if a trust policy was named.
    pub(crate) const fn has_policy(&self) -> bool {
        self.policy.is_some()
    }

    /// What makes a client that reads credentials: a file of them that does not exist is a typo.
    pub(crate) fn reader(&self) -> Result<ClientBuilder, Error> {
        must_exist("--authfile", self.authfile.as_deref())?;
        self.builder()
    }

    /// As [`Host::reader`], with files of one side of a copy, whose flags begin with `--SIDE-`.
    pub(crate) fn reader_with(
        &self,
        side: &str,
        authfile: Option<&Path>,
        cert_dir: Option<&Path>,
    ) -> Result<ClientBuilder, Error> {
        must_exist(&format!("--{side}-authfile"), authfile)?;
        if authfile.is_none() {
            must_exist("--authfile", self.authfile.as_deref())?;
        }
        let flag = format!("--{side}-cert-dir");
        let cert_dir = cert_dir.map(|directory| (&*flag, directory));
        self.builder_with(
            authfile.or(self.authfile.as_deref()),
            cert_dir.or(self.cert_dir()),
        )
    }

    fn cert_dir(&self) -> Option<(&str, &Path)> {
        self.cert_dir
            .as_deref()
            .map(|directory| ("--cert-dir", directory))
    }

    /// What makes a client for this host with these flags.
    pub(crate) fn builder(&self) -> Result<ClientBuilder, Error> {
        self.builder_with(self.authfile.as_deref(), self.cert_dir())
    }

    fn builder_with(
        &self,
        authfile: Option<&Path>,
        cert_dir: Option<(&str, &Path)>,
    ) -> Result<ClientBuilder, Error> {
        let mut locations = Locations::from_env();
        if let Some(file) = authfile {
            locations = locations.with_auth_file(file);
        }
        if let Some((flag, directory)) = cert_dir {
            if !directory.is_dir() {
                let message = format!("{flag}: there is no directory {}", directory.display());
                return Err(Error::new(ErrorKind::Invalid, message));
            }
            locations = locations.with_cert_dir(directory);
        }
        if let Some(file) = &self.registries_conf {
            locations = locations.with_registries_conf(file);
        }
        if let Some(file) = &self.policy {
            locations = locations.with_policy(file);
        }
        if let Some(directory) = &self.registries_d {
            if !directory.is_dir() {
                let message = format!("--registries-d: there is no directory {}", directory.display());
                return Err(Error::new(ErrorKind::Invalid, message));
            }
            locations = locations.with_registries_d(directory);
        }
        let builder = self.network.apply(Client::builder());
        let mut builder = builder
            .with_locations(locations)
            .with_warnings(Arc::clone(&self.warnings));
        if self.insecure_policy {
            builder = builder.dangerous().ignore_policy();
        }
        Ok(match self.tls_verify {
            Some(verify) => builder.with_tls_verify(verify),
            None => builder,
        })
    }
}

/// A file of credentials that does not exist is a typo.
fn must_exist(flag: &str, file: Option<&Path>) -> Result<(), Error> {
    match file.filter(|file| !file.exists()) {
        Some(file) => {
            let message = format!("{flag}: there is no file {}", file.display());
            Err(Error::new(ErrorKind::Invalid, message))
        }
        None => Ok(()),
    }
}

/// Makes the client, which asks about short names where somebody can answer.
pub(crate) fn build(mut builder: ClientBuilder) -> Result<Client, Error> {
    if stdin().is_terminal() && stderr().is_terminal() {
        builder = builder.with_short_name_prompt(choose);
    }
    builder.build()
}

/// Reads `USER:PASS`. A mistake is not repeated to the user, since it may be a password.
#[derive(Clone)]
pub(crate) struct UserAndPassword;

impl TypedValueParser for UserAndPassword {
    type Value = Credential;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Credential, clap::Error> {
        match value.to_str().and_then(|text| text.split_once(':')) {
            Some((user, password)) if !user.is_empty() => Ok(Credential::basic(user, password)),
            _ => {
                let argument = argument.map(ToString::to_string).unwrap_or_default();
                let message = format!("invalid value for '{argument}': expected USER:PASS\n");
                Err(clap::Error::raw(clap::error::ErrorKind::ValueValidation, message).with_cmd(command))
            }
        }
    }
}

/// Prints a result. Whoever has seen enough of them and closed the pipe is not an error.
pub(crate) fn print(text: impl std::fmt::Display) -> Result<(), Error> {
    print_bytes(format!("{text}\n").as_bytes())
}

/// The same for bytes.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Error> {
    let mut output = stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| {
            Error::new(ErrorKind::Other, "cannot write to standard output").with_source(error)
        }),
    }
}

/// Tells the user something; that nobody listens stops nothing.
pub(crate) fn note(text: impl std::fmt::Display) {
    writeln!(stderr(), "{text}").ok();
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
    #[arg(short, long)]
    all: bool,
    /// Print nothing but the result
    #[arg(short, long)]
    quiet: bool,
}

impl Transfer {
    /// Tells the user something, unless nothing but the result is wanted.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            note(text);
        }
    }

    /// True if nothing but the result is wanted.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// True if a platform was named.
    pub(crate) const fn has_platform(&self) -> bool {
        self.platform.is_some()
    }

    /// The images of an index.
    pub(crate) fn selection(&self) -> Selection {
        match (&self.platform, self.all) {
            (_, true) => Selection::All,
            (Some(platform), false) => Selection::Platform(platform.clone()),
            (None, false) => Selection::default(),
        }
    }

    /// The options of a copy; `what` is what the user calls the image.
    pub(crate) fn options(&self, what: impl std::fmt::Display) -> Options {
        let options = Options::default().with_selection(self.selection());
        if self.quiet {
            options
        } else {
            options.with_progress_listener(progress::for_stderr(what.to_string()))
        }
    }
}

/// A reference on the command line: checked there, so that a typo is a usage error.
pub(crate) fn reference(text: &str) -> Result<Written, String> {
    let bare = text.strip_prefix("docker://").unwrap_or(text);
    Written::parse(bare).map_err(|error| {
        format!(
            "{error}\n\n    {bare}\n    {:>width$}",
            '^',
            width = error.position() + 1
        )
    })
}

/// A location of an image on the command line.
pub(crate) fn location(text: &str) -> Result<ImageLocation, String> {
    if text.starts_with("docker://") {
        reference(text)?;
    }
    text.parse()
        .map_err(|error: Error| WithCauses(&error).to_string())
}

/// An image on the command line: a location, or the name of a registry's image.
pub(crate) fn image(text: &str) -> Result<ImageLocation, String> {
    if has_transport(text) {
        location(text)
    } else {
        location(&format!("docker://{text}"))
    }
}

/// True if text begins as the location of an image with a transport does.
pub(crate) fn has_transport(text: &str) -> bool {
    const TRANSPORTS: [&str; 11] = [
        "docker",
        "oci",
        "dir",
        "oci-archive",
        "docker-archive",
        "docker-daemon",
        "atomic",
        "containers-storage",
        "ostree",
        "sif",
        "tarball",
    ];
    let transport = text.split_once(':').map(|(transport, _)| transport);
    transport.is_some_and(|transport| TRANSPORTS.contains(&transport))
}

/// The registry an image is in, if it is in one.
pub(crate) fn registry_of(image: &ImageLocation) -> Option<Registry> {
    image.reference().map(Reference::registry)
}

/// Runs an example: 0 when it is done, 1 when it failed, 3 when there is no such thing, 130 when interrupted.
/// (Wrong usage is 2, and clap's.)
pub(crate) fn run(limit: Option<Duration>, work: impl Future<Output = Result<(), Error>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            note(format_args!("error: cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        tokio::select! {
            result = within(limit, work) => match result {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => report::report(&error),
            },
            _ = tokio::signal::ctrl_c() => {
                note("interrupted: nothing incomplete was kept under a name; run the same command to continue");
                ExitCode::from(130)
            }
        }
    })
}

async fn within(limit: Option<Duration>, work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let Some(limit) = limit else { return work.await };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let message = format!("not done within {} s (--command-timeout)", limit.as_secs_f64());
        Err(Error::new(ErrorKind::Timeout, message))
    })
}
