use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf};

use clap::{Parser, ValueEnum};

use crate::{importing::Importing, notify::Notify, redirecting::Redirecting};

/// Serve an OCI registry from a directory, or from a database and an object store that several processes share.
///
/// Without --htpasswd or --token-keys, whoever can reach it may do everything. SIGHUP makes it read passwords,
/// keys and certificates again; SIGTERM and SIGINT make it answer what is running, and end.
///
/// The first line on standard output is the registry's URL.
#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags")]
pub(crate) struct Arguments {
    /// Where to listen, such as 127.0.0.1:5000 or [::]:5000; port 0 is any unused one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5000", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// Where to keep everything, for one process. Made if it does not exist; must not have other files.
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "store",
        conflicts_with = "store"
    )]
    pub(crate) root: Option<PathBuf>,
    /// The URL that clients use, if it is not the address: scheme, host and port.
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(crate) external_url: Option<String>,

    /// Where to keep blobs, for any number of processes: `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or
    /// `az://CONTAINER/PREFIX`, with the cloud's usual environment variables, or a directory that all processes
    /// see, such as `file:///srv/registry`.
    #[arg(
        long,
        value_name = "URL",
        requires = "database",
        help_heading = "Several processes"
    )]
    pub(crate) store: Option<String>,
    /// The PostgreSQL database for everything else: `postgres://USER:PASSWORD@HOST/NAME`, with libpq's
    /// parameters such as sslmode; or @ and the path of a file that has this.
    #[arg(
        long,
        value_name = "URL",
        requires = "store",
        help_heading = "Several processes"
    )]
    pub(crate) database: Option<String>,
    /// Refuse a database whose tables another process has yet to make or change.
    #[arg(long, requires = "database", help_heading = "Several processes")]
    pub(crate) no_migrate: bool,
    /// Compare the database with the store, print what is wrong, and end: with status 4 if something is damaged.
    /// Other processes may serve meanwhile.
    #[arg(long, requires = "database", help_heading = "Several processes")]
    pub(crate) fsck: bool,
    /// With --fsck, read and hash one blob or manifest in so many, other ones each time; 1 for all.
    #[arg(long, value_name = "N", requires = "fsck", help_heading = "Several processes")]
    pub(crate) fsck_hash: Option<NonZeroU32>,
    /// With --fsck, put what is damaged in quarantine, so that the next push of it heals it, and give objects that
    /// belong to nothing to the next collection.
    #[arg(long, requires = "fsck", help_heading = "Several processes")]
    pub(crate) fsck_repair: bool,
    #[command(flatten)]
    pub(crate) redirecting: Redirecting,

    /// Certificate chain in PEM, the server's own first.
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "TLS")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Users that may do everything: lines of name and bcrypt hash, as `htpasswd -B` writes them.
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    pub(crate) htpasswd: Option<PathBuf>,
    /// Exchange credentials for tokens instead of asking for them with every request.
    #[arg(long, conflicts_with = "token_keys", help_heading = "Access")]
    pub(crate) tokens: bool,
    /// Let everybody pull, also without credentials.
    #[arg(long, requires = "htpasswd", help_heading = "Access")]
    pub(crate) anonymous_pull: bool,
    /// Accept tokens that another party signs, with these keys (a JSON Web Key Set).
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["token_realm", "token_issuer", "token_service"],
        help_heading = "Access"
    )]
    pub(crate) token_keys: Option<PathBuf>,
    /// Where clients get such tokens.
    #[arg(long, value_name = "URL", requires = "token_keys", help_heading = "Access")]
    pub(crate) token_realm: Option<String>,
    /// Issuer of such tokens (`iss`).
    #[arg(long, value_name = "NAME", requires = "token_keys", help_heading = "Access")]
    pub(crate) token_issuer: Option<String>,
    /// Audience of such tokens (`aud`).
    #[arg(long, value_name = "NAME", requires = "token_keys", help_heading = "Access")]
    pub(crate) token_service: Option<String>,
    /// Refuse pushes and deletes.
    #[arg(long, help_heading = "Access")]
    pub(crate) read_only: bool,
    /// Refuse to delete.
    #[arg(long, help_heading = "Access")]
    pub(crate) no_delete: bool,
    /// Take indexes and images although not all of their parts have been pushed.
    #[arg(long, help_heading = "Access")]
    pub(crate) sparse: bool,

    /// Bytes of the largest blob.
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    pub(crate) max_blob: Option<u64>,
    /// Quota of a repository: bytes that it may have.
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    pub(crate) quota: Option<u64>,
    /// Quota of a user: bytes that one may have pushed or mounted last, in all repositories.
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    pub(crate) user_quota: Option<u64>,

    /// Be a pull-through cache of this registry, or of what is below this path of it: `docker.io`,
    /// `quay.io/org`. Its credentials, certificates and mirrors are those of this host's configuration.
    #[arg(long, value_name = "REGISTRY[/PATH]", help_heading = "Cache")]
    pub(crate) upstream: Option<String>,

    #[command(flatten)]
    pub(crate) importing: Importing,

    /// Collect garbage every so many seconds; 0 is never.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 3600,
        help_heading = "Garbage"
    )]
    pub(crate) gc: u64,
    /// How long a blob that no manifest needs is kept, in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 3600,
        help_heading = "Garbage"
    )]
    pub(crate) gc_grace: u64,
    /// Collect manifests too that no tag leads to.
    #[arg(long, help_heading = "Garbage")]
    pub(crate) gc_untagged: bool,

    #[command(flatten)]
    pub(crate) notify: Notify,

    /// Where to serve /metrics (for Prometheus), /healthz (it runs) and /readyz (send it requests), which clients
    /// should not reach.
    #[arg(long, value_name = "ADDR", value_parser = address, help_heading = "Operation")]
    pub(crate) metrics: Option<SocketAddr>,
    /// How to log requests, on standard error.
    #[arg(long, value_enum, default_value_t = Log::Off, help_heading = "Operation")]
    pub(crate) log: Log,
    /// How long to wait for running requests when asked to end, in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        help_heading = "Operation"
    )]
    pub(crate) drain: u64,
}

/// How requests are logged.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Log {
    /// Not at all.
    Off,
    /// A line to read.
    Plain,
    /// A JSON object.
    Json,
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let expected = "expected an IP address and a port, such as 127.0.0.1:5000, 0.0.0.0:5000 or [::]:5000";
    text.parse().map_err(|_| expected)
}

/// Scheme, host and port.
fn url(text: &str) -> Result<String, &'static str> {
    let expected = "expected scheme, host and port, such as https://registry.example.com";
    let uri: http::Uri = text.parse().map_err(|_| expected)?;
    let web = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri.authority().is_some_and(|host| !host.as_str().contains('@'));
    if web && host && matches!(uri.path(), "" | "/") && uri.query().is_none() {
        Ok(text.to_owned())
    } else {
        Err(expected)
    }
}
