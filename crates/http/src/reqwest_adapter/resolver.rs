use std::{fmt, io, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{AddressClass, Error, ErrorKind};

/// The system's resolver, less the addresses that are further inward than a server may send us (N5). It runs
/// when the connection is made, so that a name cannot change its mind between check and use.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) floor: Option<AddressClass>,
    pub(super) dns: Option<Arc<dyn DnsResolver>>,
}

/// A way from names to addresses, to stand in for the system's.
#[async_trait]
pub trait DnsResolver: Send + Sync + fmt::Debug {
    /// The addresses of a host.
    async fn resolve(&self, host: &str) -> io::Result<Vec<SocketAddr>>;
}

#[async_trait]
impl<R: DnsResolver + ?Sized> DnsResolver for Arc<R> {
    async fn resolve(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        (**self).resolve(host).await
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (floor, dns) = (self.floor, self.dns.clone());
        Box::pin(async move {
            let found = match dns {
                Some(dns) => dns.resolve(name.as_str()).await,
                None => tokio::net::lookup_host((name.as_str(), 0))
                    .await
                    .map(Iterator::collect),
            };
            let addresses = filter(found, floor)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn filter(found: io::Result<Vec<SocketAddr>>, floor: Option<AddressClass>) -> Result<Vec<SocketAddr>, Error> {
    let mut addresses = found.map_err(|error| Error::from_cause(ErrorKind::Dns, error))?;
    if addresses.is_empty() {
        return Err(ErrorKind::Dns.into());
    }
    if let Some(floor) = floor {
        addresses.retain(|address| AddressClass::of(address.ip()) <= floor);
        if addresses.is_empty() {
            let message = "the server's name leads further inside the network than the registry is";
            return Err(Error::new(ErrorKind::Forbidden, message));
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_not_lead_further_inward() {
        let addresses = |list: &[&str]| Ok(list.iter().map(|text| text.parse().unwrap()).collect());
        let both = &["8.8.8.8:0", "127.0.0.1:0"];
        assert_eq!(
            filter(addresses(both), Some(AddressClass::Public)).unwrap().len(),
            1
        );
        assert_eq!(
            filter(addresses(both), Some(AddressClass::Loopback))
                .unwrap()
                .len(),
            2
        );
        assert_eq!(filter(addresses(both), None).unwrap().len(), 2);
        let inward = filter(addresses(&["169.254.169.254:0"]), Some(AddressClass::Loopback));
        assert_eq!(inward.unwrap_err().kind(), ErrorKind::Forbidden);
        assert_eq!(filter(addresses(&[]), None).unwrap_err().kind(), ErrorKind::Dns);
    }
}
