//! Images of a Docker daemon or Podman's service, by the feature `daemon`.

#[cfg(feature = "daemon")]
mod answer;
#[cfg(feature = "daemon")]
mod asked;
#[cfg(feature = "daemon")]
mod certificates;
#[cfg(feature = "daemon")]
mod client;
#[cfg(feature = "daemon")]
mod connection;
#[cfg(feature = "daemon")]
mod host;
#[cfg(feature = "daemon")]
mod saved;
#[cfg(feature = "daemon")]
mod source;
#[cfg(feature = "daemon")]
mod supported;
#[cfg(not(feature = "daemon"))]
mod unsupported;
#[cfg(feature = "daemon")]
mod upload;
#[cfg(feature = "daemon")]
mod writer;

#[cfg(feature = "daemon")]
pub use self::{
    client::Daemon,
    host::DaemonHost,
    writer::{DaemonLoad, DaemonWriter},
};

#[cfg(feature = "daemon")]
pub(crate) use self::supported::{Created, create, open};
#[cfg(not(feature = "daemon"))]
pub(crate) use self::unsupported::{Created, Daemon, create, open};
