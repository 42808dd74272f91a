use std::{net::IpAddr, str::FromStr as _};

use url::Host;

use crate::Origin;

/// An entry of `NO_PROXY`: hosts that are reached directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Exception {
    Everything,
    /// Names below a domain and, unless only those are meant, the domain itself.
    Domain {
        name: String,
        itself: bool,
        port: Option<u16>,
    },
    Address {
        address: IpAddr,
        port: Option<u16>,
    },
    Network {
        address: IpAddr,
        bits: u8,
    },
}

impl Exception {
    pub(super) fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((address, bits)) = entry.split_once('/') {
            let address = IpAddr::from_str(address).ok()?;
            let bits: u8 = bits.parse().ok()?;
            let width = if address.is_ipv4() { 32 } else { 128 };
            return (bits <= width).then_some(Self::Network { address, bits });
        }
        if let Ok(address) = IpAddr::from_str(bare(entry)) {
            return Some(Self::Address { address, port: None });
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        if let Ok(address) = IpAddr::from_str(bare(host)) {
            return Some(Self::Address { address, port });
        }
        let below = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
        let name = without_dot(below.unwrap_or(host));
        let Ok(Host::Domain(name)) = Host::parse(name) else {
            return None;
        };
        Some(Self::Domain {
            name,
            itself: below.is_none(),
            port,
        })
    }

    pub(super) fn matches(&self, origin: &Origin) -> bool {
        let at_port = |port: &Option<u16>| port.is_none_or(|port| port == origin.port());
        match self {
            Self::Everything => true,
            Self::Domain { name, itself, port } => {
                let host = without_dot(origin.host());
                let below = host
                    .strip_suffix(name.as_str())
                    .is_some_and(|rest| rest.ends_with('.'));
                (below || (*itself && host == name)) && at_port(port)
            }
            Self::Address { address, port } => {
                address_of(origin).is_some_and(|host| host == address.to_canonical()) && at_port(port)
            }
            Self::Network { address, bits } => match (address_of(origin), address) {
                (Some(IpAddr::V4(host)), IpAddr::V4(network)) => {
                    same_prefix(u32::from(host).into(), u32::from(*network).into(), *bits, 32)
                }
                (Some(IpAddr::V6(host)), IpAddr::V6(network)) => {
                    same_prefix(host.into(), (*network).into(), *bits, 128)
                }
                _ => false,
            },
        }
    }
}

/// An IPv6 address may stand in brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host)
}

fn without_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

fn address_of(origin: &Origin) -> Option<IpAddr> {
    match Host::parse(origin.host()).ok()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(IpAddr::from(address).to_canonical()),
        Host::Domain(_) => None,
    }
}

fn same_prefix(left: u128, right: u128, bits: u8, width: u8) -> bool {
    let ignored = u32::from(width.saturating_sub(bits));
    (left ^ right).checked_shr(ignored).unwrap_or_default() == 0
}
