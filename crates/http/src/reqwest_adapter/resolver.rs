use std::{fmt, io, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{AddressClass, Error, ErrorKind};

/// A resolver that drops the addresses that are further inside the network than a server may direct the
/// client to (docs/threats.md, N5). It runs when the connection is made, so that a name cannot resolve to
/// another address after the check.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) floor: Option<AddressClass>,
    pub(super) dns: Option<Arc<dyn DnsResolver>>,
}

/// Resolves host names to addresses, in place of the system's resolver.
///
/// ```
/// use std::{io, net::SocketAddr};
///
/// use async_trait::async_trait;
/// use wharf_http::{DnsResolver, ReqwestConnector};
///
/// /// Sends every name to one address.
/// #[derive(Debug)]
/// struct Fixed(SocketAddr);
///
/// #[async_trait]
/// impl DnsResolver for Fixed {
///     async fn resolve(&self, _host: &str) -> io::Result<Vec<SocketAddr>> {
///         Ok(vec![self.0])
///     }
/// }
///
/// let connector = ReqwestConnector::new().with_dns_resolver(Fixed(([192, 0, 2, 1], 0).into()));
/// ```
#[async_trait]
pub trait DnsResolver: Send + Sync + fmt::Debug {
    /// The addresses of a host. A port other than 0 replaces the default port of the scheme.
    ///
    /// # Errors
    ///
    /// Any error ends the request with [`ErrorKind::Dns`].
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
