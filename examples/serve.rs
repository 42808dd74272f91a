//! A registry in a directory, as a program.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks")]

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use wharf_registry::{DiskBackend, Htpasswd, Registry, Server, Tls};

/// Serve an OCI registry from a directory.
///
/// Without --htpasswd, whoever can reach it may do everything. SIGHUP makes it read passwords and certificates
/// again; SIGTERM and SIGINT make it answer what is running, and end.
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 is any unused one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
    /// Where to keep everything. Made if it does not exist; must not have other files.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Users that may do everything: lines of name and bcrypt hash, as `htpasswd -B` writes them.
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,
    /// Exchange credentials for tokens instead of asking for them with every request.
    #[arg(long)]
    tokens: bool,
    /// Let everybody pull, also without credentials.
    #[arg(long, requires = "htpasswd")]
    anonymous_pull: bool,
    /// Certificate chain in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The URL that clients use, if it is not the address.
    #[arg(long, value_name = "URL")]
    external_url: Option<String>,
    /// Refuse to delete.
    #[arg(long)]
    no_delete: bool,
    /// How long to wait for running requests when asked to end, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain: u64,
}

/// What SIGHUP reads again.
struct Reloadable {
    htpasswd: Option<(PathBuf, Htpasswd)>,
    tls: Option<(PathBuf, PathBuf, Tls)>,
}

impl Reloadable {
    fn load(arguments: &Arguments) -> anyhow::Result<Self> {
        let htpasswd = match &arguments.htpasswd {
            Some(path) => {
                let users = Htpasswd::parse(&text(path)?).with_context(|| path.display().to_string())?;
                Some((path.clone(), users))
            }
            None => None,
        };
        let tls = match (&arguments.tls_cert, &arguments.tls_key) {
            (Some(chain), Some(key)) => {
                let tls = Tls::from_pem(&bytes(chain)?, &bytes(key)?)?;
                Some((chain.clone(), key.clone(), tls))
            }
            _ => None,
        };
        Ok(Self { htpasswd, tls })
    }

    fn reload(&self) -> anyhow::Result<()> {
        if let Some((path, users)) = &self.htpasswd {
            users.replace(&text(path)?)?;
        }
        if let Some((chain, key, tls)) = &self.tls {
            tls.replace(&bytes(chain)?, &bytes(key)?)?;
        }
        Ok(())
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("serve: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let reloadable = Reloadable::load(arguments)?;
    let server = start(arguments, &reloadable).await?;
    println!("{}", server.url());
    let (mut hangup, mut terminate) = (signal(SignalKind::hangup())?, signal(SignalKind::terminate())?);
    loop {
        tokio::select! {
            _ = hangup.recv() => match reloadable.reload() {
                Ok(()) => eprintln!("serve: read passwords and certificates again"),
                Err(error) => eprintln!("serve: kept the old passwords and certificates: {error:#}"),
            },
            _ = terminate.recv() => break,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                break;
            }
        }
    }
    let drain = Duration::from_secs(arguments.drain);
    if tokio::time::timeout(drain, server.shutdown()).await.is_err() {
        eprintln!("serve: gave up on requests that are still running");
    }
    Ok(())
}

async fn start(arguments: &Arguments, reloadable: &Reloadable) -> anyhow::Result<Server> {
    let backend = DiskBackend::open(&arguments.root).await?;
    let mut registry = Registry::open(backend).await?.with_delete(!arguments.no_delete);
    if let Some((_, users)) = &reloadable.htpasswd {
        registry = registry.with_htpasswd(users);
    }
    if arguments.tokens {
        registry = registry.with_tokens();
    }
    if arguments.anonymous_pull {
        registry = registry.with_anonymous();
    }
    if let Some(url) = &arguments.external_url {
        registry = registry.with_external_url(url);
    }
    let serving = match &reloadable.tls {
        Some((_, _, tls)) => registry.serve_tls(arguments.listen, tls).await,
        None => registry.serve_on(arguments.listen).await,
    };
    serving.with_context(|| format!("cannot listen on {}", arguments.listen))
}
