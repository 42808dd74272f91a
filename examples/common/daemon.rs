//! Which daemons `docker-daemon:` locations are in, by flags named as Skopeo's.

use std::path::PathBuf;

use clap::Args;
use wharf::{ClientBuilder, Daemon, DaemonHost, Error, ErrorKind};

/// The daemon of a command with one image.
#[derive(Args)]
pub(crate) struct OneDaemon {
    /// Address of the daemon, instead of `unix:///var/run/docker.sock`
    #[arg(long, value_name = "HOST", value_parser = host)]
    daemon_host: Option<DaemonHost>,
    /// Directory of ca.pem, cert.pem and key.pem for the daemon
    #[arg(long, value_name = "DIR")]
    daemon_cert_dir: Option<PathBuf>,
}

impl OneDaemon {
    pub(crate) fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, Error> {
        apply(builder, self.daemon_host.as_ref(), self.daemon_cert_dir.as_ref())
    }
}

/// The daemons of both sides of a copy.
#[derive(Args)]
pub(crate) struct TwoDaemons {
    /// Address of the source's daemon, instead of `unix:///var/run/docker.sock`
    #[arg(long, value_name = "HOST", value_parser = host)]
    src_daemon_host: Option<DaemonHost>,
    /// Directory of ca.pem, cert.pem and key.pem for the source's daemon
    #[arg(long, value_name = "DIR")]
    src_daemon_cert_dir: Option<PathBuf>,
    /// Address of the destination's daemon, instead of `unix:///var/run/docker.sock`
    #[arg(long, value_name = "HOST", value_parser = host)]
    dest_daemon_host: Option<DaemonHost>,
    /// Directory of ca.pem, cert.pem and key.pem for the destination's daemon
    #[arg(long, value_name = "DIR")]
    dest_daemon_cert_dir: Option<PathBuf>,
}

impl TwoDaemons {
    pub(crate) fn apply_source(&self, builder: ClientBuilder) -> Result<ClientBuilder, Error> {
        apply(
            builder,
            self.src_daemon_host.as_ref(),
            self.src_daemon_cert_dir.as_ref(),
        )
    }

    pub(crate) fn apply_destination(&self, builder: ClientBuilder) -> Result<ClientBuilder, Error> {
        apply(
            builder,
            self.dest_daemon_host.as_ref(),
            self.dest_daemon_cert_dir.as_ref(),
        )
    }
}

fn apply(
    builder: ClientBuilder,
    host: Option<&DaemonHost>,
    certificates: Option<&PathBuf>,
) -> Result<ClientBuilder, Error> {
    let daemon = match (host, certificates) {
        (None, None) => return Ok(builder),
        (None, Some(_)) => {
            let message = "certificates are for a daemon at tcp://: name its address, too";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        (Some(host), None) => Daemon::new(host.clone()),
        (Some(host), Some(directory)) => Daemon::new(host.clone()).with_certificates(directory)?,
    };
    Ok(builder.with_daemon(daemon))
}

/// An address on the command line.
fn host(text: &str) -> Result<DaemonHost, String> {
    text.parse().map_err(|error: Error| error.to_string())
}
