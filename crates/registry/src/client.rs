//! The network address of a client, by which clients are told apart before they log in.

use std::net::{IpAddr, Ipv6Addr};

use http::request::Parts;

/// The address of a client, as an extension of its request.
///
/// [`Registry::serve`](crate::Registry) sets it. If you put the registry behind another server, set it there too:
/// passwords are checked fairly between addresses, and the uploads of one client do not displace those of
/// another. All requests without an address count as one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The address of a request.
    pub(crate) fn of(parts: &Parts) -> Option<IpAddr> {
        parts.extensions.get::<Self>().map(|address| address.0)
    }
}

/// A part of the network that counts as one client: an IPv4 address, or the /64 that an IPv6 host can choose
/// its addresses from (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Network(IpAddr);

impl Network {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }

    /// The first address.
    pub(crate) const fn address(self) -> IpAddr {
        self.0
    }
}

/// The client that sent a request, identified by its network. All requests without a [`ClientAddress`] have
/// no network and count as one client's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ClientNetwork {
    pub(crate) network: Option<Network>,
}

impl ClientNetwork {
    pub(crate) fn of(parts: &Parts) -> Self {
        Self {
            network: ClientAddress::of(parts).map(Network::of),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_one_host_chooses_from_are_one_client() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::1", "127.0.0.1", false),
        ] {
            let network = |text: &str| Network::of(text.parse().unwrap());
            assert_eq!(network(one) == network(other), same, "{one} {other}");
        }
    }
}
