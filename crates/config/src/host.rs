//! Hosts as configuration files write them.

use std::net::Ipv6Addr;

use wharf_reference::Registry;

/// A host in the one form in which it is compared.
pub(crate) fn comparable(host: &str) -> String {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match address.and_then(|address| address.parse::<Ipv6Addr>().ok()) {
        Some(address) => format!("[{address}]"),
        None => host.to_ascii_lowercase(),
    }
}

/// True if the text is one label of a host: grammatical, but a registry in a name only if a port follows.
pub(crate) fn is_plain_label(text: &str) -> bool {
    !text.contains(['.', ':', '/']) && Registry::parse(&format!("{text}.x")).is_ok()
}
