//! Classes of network addresses, for the rule that a server may not direct a client further inside the
//! network than it is itself (docs/threats.md, N5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// A class of network addresses. The order is from public to private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressClass {
    /// Addresses of the internet.
    Public,
    /// Addresses of private networks: RFC 1918, unique local, carrier-grade NAT (RFC 6598), benchmarking
    /// (RFC 2544).
    Private,
    /// Addresses of the local machine.
    Loopback,
    /// Addresses that no registry has: link-local and metadata services of clouds, unspecified, multicast,
    /// reserved.
    Special,
}

impl AddressClass {
    /// The class of an address. An IPv6 address that embeds an IPv4 address (mapped, NAT64, 6to4) has the
    /// class of that.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// The class of the host of a URL, if it is an address or `localhost`; `None` for every other name,
    /// which has to be resolved first.
    #[must_use]
    pub fn of_host(url: &Url) -> Option<Self> {
        match url.host()? {
            Host::Ipv4(address) => Some(of_v4(address)),
            Host::Ipv6(address) => Some(of_v6(address)),
            Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                (name == "localhost" || name.ends_with(".localhost")).then_some(Self::Loopback)
            }
        }
    }
}

const fn of_v4(address: Ipv4Addr) -> AddressClass {
    match address.octets() {
        [127, ..] => AddressClass::Loopback,
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] | [198, 18..=19, ..] => {
            AddressClass::Private
        }
        [0 | 224..=255, ..] | [169, 254, ..] | [192, 0, 0, _] => AddressClass::Special,
        _ => AddressClass::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> AddressClass {
    if let Some(embedded) = embedded_v4(address) {
        return of_v4(embedded);
    }
    if address.is_loopback() {
        return AddressClass::Loopback;
    }
    let segments = address.segments();
    let first = segments.first().copied().unwrap_or_default();
    if address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254) {
        return AddressClass::Special; // a cloud's metadata service inside the unique local range
    }
    match first {
        0xfc00..=0xfdff => AddressClass::Private,
        0xfe80..=0xfeff | 0xff00..=0xffff | 0 => AddressClass::Special,
        _ => AddressClass::Public,
    }
}

fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let at = |start: usize| {
        let bytes: [u8; 4] = octets.get(start..start + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(bytes))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => at(12),
        [0x2002, ..] => at(2),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 || low > 1 => at(12), // the deprecated compatible form
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_judged_as_parsed() {
        use AddressClass::{Loopback, Private, Public, Special};
        let table = [
            ("http://2130706433/", Some(Loopback)),
            ("http://0x7f.1/", Some(Loopback)),
            ("http://127.1/", Some(Loopback)),
            ("http://①②⑦.0.0.1/", Some(Loopback)),
            ("http://１２７.0.0.1/", Some(Loopback)),
            ("http://[::1]/", Some(Loopback)),
            ("http://[::ffff:127.0.0.1]/", Some(Loopback)),
            ("http://localhost./", Some(Loopback)),
            ("http://LOCALHOST/", Some(Loopback)),
            ("http://[::ffff:169.254.169.254]/", Some(Special)),
            ("http://[64:ff9b::a9fe:a9fe]/", Some(Special)),
            ("http://[2002:a9fe:a9fe::1]/", Some(Special)),
            ("http://169.254.169.254/", Some(Special)),
            ("http://[fd00:ec2::254]/", Some(Special)),
            ("http://[fe80::1]/", Some(Special)),
            ("http://0.0.0.0/", Some(Special)),
            ("http://[::]/", Some(Special)),
            ("http://224.0.0.1/", Some(Special)),
            ("http://255.255.255.255/", Some(Special)),
            ("http://10.0.0.1/", Some(Private)),
            ("http://172.31.255.255/", Some(Private)),
            ("http://192.168.0.1/", Some(Private)),
            ("http://100.64.0.1/", Some(Private)),
            ("http://[fd12::1]/", Some(Private)),
            ("http://172.32.0.1/", Some(Public)),
            ("http://8.8.8.8/", Some(Public)),
            ("http://[2606:4700::1]/", Some(Public)),
            ("http://example.com/", None),
        ];
        for (url, class) in table {
            assert_eq!(AddressClass::of_host(&Url::parse(url).unwrap()), class, "{url}");
        }
        assert!(Public < Private && Private < Loopback && Loopback < Special);
    }
}
