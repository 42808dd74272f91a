//! What a person did wrong, and what to do about it.

use std::{io, net::SocketAddr, path::Path};

use anyhow::anyhow;
use wharf::{Error, ErrorKind};

use crate::arguments::Arguments;

/// Why nothing can listen here, because of this flag.
pub(crate) fn listening(error: &io::Error, address: SocketAddr, flag: &str) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!(
            "cannot listen on {address}: another program listens there; choose another port with {flag}, or end it"
        ),
        io::ErrorKind::AddrNotAvailable => anyhow!(
            "cannot listen on {address}: this machine does not have the address; choose one that it has with {flag}"
        ),
        io::ErrorKind::PermissionDenied => anyhow!(
            "cannot listen on {address}: ports below 1024 are for root; choose another one with {flag}"
        ),
        _ => anyhow!("cannot listen on {address}: {error}"),
    }
}

/// Refuses a root that can never be one.
pub(crate) fn check_root(root: &Path) -> anyhow::Result<()> {
    let file = root.ancestors().find(|path| path.exists() && !path.is_dir());
    match file {
        Some(file) if file == root => Err(anyhow!(
            "{} is a file; --root is a directory, which is made if it does not exist",
            root.display()
        )),
        Some(file) => Err(anyhow!(
            "{} cannot be a directory, because {} is a file; choose another --root",
            root.display(),
            file.display()
        )),
        None => Ok(()),
    }
}

/// Why the root cannot be used.
pub(crate) fn opening(error: Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::Conflict => anyhow!("{error}; choose another directory with --root"),
        ErrorKind::NoSpace => anyhow!("{error}; make room, or choose another disk with --root"),
        _ => error.into(),
    }
}

/// What is allowed, and may not have been meant.
pub(crate) fn warnings(arguments: &Arguments) -> Option<&'static str> {
    let authenticates = arguments.htpasswd.is_some() || arguments.token_keys.is_some();
    if arguments.listen.ip().is_loopback() {
        None
    } else if !authenticates && !arguments.read_only && arguments.upstream.is_none() {
        Some("without --htpasswd or --token-keys, whoever reaches this address may push and delete")
    } else if authenticates && arguments.tls_cert.is_none() {
        Some("without --tls-cert, passwords and tokens pass in clear unless a proxy adds TLS")
    } else {
        None
    }
}
