//! Images of a Docker daemon.

mod unsupported;

pub(crate) use self::unsupported::{Created, Daemon, create, open};
