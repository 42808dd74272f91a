//! What a person did wrong, and what to do about it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use anyhow::anyhow;
use wharf::{Error, ErrorKind};
use wharf_registry::TornTail;

use crate::{arguments::Arguments, report::say};

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

/// Tells that the journal's end has been cut off.
pub(crate) fn torn(tail: &TornTail) {
    say(format_args!(
        "serve: warning: cut {} bytes off {} at byte {}: they are no whole change, as a crash leaves them of one that no \
         client was told of; if there was no crash, restore the file from a backup",
        tail.bytes,
        tail.path.display(),
        tail.offset
    ));
}

/// What is allowed, and may not have been meant.
pub(crate) fn warnings(arguments: &Arguments) -> Vec<String> {
    let mut warnings = Vec::new();
    let authenticates = arguments.htpasswd.is_some() || arguments.token_keys.is_some();
    let is_local = arguments.listen.ip().is_loopback();
    if !is_local && !authenticates && !arguments.read_only && arguments.upstream.is_none() {
        let text = "without --htpasswd or --token-keys, whoever reaches this address may push and delete";
        warnings.push(text.to_owned());
    }
    if !is_local && authenticates && arguments.tls_cert.is_none() {
        let text = "without --tls-cert, passwords and tokens pass in clear unless a proxy adds TLS";
        warnings.push(text.to_owned());
    }
    warnings.extend(unreachable_realm(arguments));
    warnings
}

/// Clients are told to get their tokens at an address that stands for all addresses, and that none can reach.
fn unreachable_realm(arguments: &Arguments) -> Option<String> {
    let (realm, flag) = match (&arguments.token_realm, &arguments.external_url) {
        (Some(realm), _) => (realm.clone(), "--token-realm"),
        (None, _) if !arguments.tokens => return None,
        (None, Some(url)) => (url.clone(), "--external-url"),
        (None, None) => (format!("http://{}", arguments.listen), "--external-url"),
    };
    let uri: http::Uri = realm.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']);
    let address: IpAddr = host.parse().ok()?;
    address.to_canonical().is_unspecified().then(|| {
        format!("clients are sent to {host} for tokens, which they cannot reach; name the URL that they use with {flag}")
    })
}
