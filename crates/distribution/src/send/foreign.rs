//! Requests to hosts that a registry or its content names. They never carry credentials.

use http::{Method, header};
use url::Url;
use wharf_http::{AddressClass, Origin, Peer, Request, RequestClass, Response};

use super::RegistryAnswer;
use crate::{Client, endpoint::Endpoint};

impl Client {
    /// Requests a URL of another host that the registry redirected to before, without credentials and
    /// without redirects. `None` if that fails.
    pub(crate) async fn ask_elsewhere(
        &self,
        endpoint: &Endpoint,
        url: &Url,
        header: (header::HeaderName, header::HeaderValue),
    ) -> Option<RegistryAnswer> {
        let mut request = self.request_to(Method::GET, url.clone(), RequestClass::Content);
        request.bulk = true;
        request.headers.insert(header.0, header.1);
        let response = self.call_elsewhere(endpoint, request).await.ok()?;
        Some(RegistryAnswer::of_another_host(response, url.clone()))
    }

    /// Sends a request to a host that the registry has named, once and unchanged. The host may be no
    /// further inside the network than the registry (docs/threats.md, N5).
    pub(super) async fn call_elsewhere(
        &self,
        endpoint: &Endpoint,
        request: Request,
    ) -> Result<Response, wharf_http::Error> {
        let scheme = self.host(&endpoint.registry).scheme.ok_or_else(|| {
            let message = "the registry has not been spoken to yet";
            wharf_http::Error::new(wharf_http::ErrorKind::Settings, message)
        })?;
        let home = endpoint.peer(&endpoint.base(scheme)?)?;
        let class = self.class_of(endpoint, &home.origin);
        self.shared().transport.call_foreign(&home, class, request).await
    }

    /// Requests a URL that the content itself names (docs/threats.md, N7): https only, without credentials,
    /// with redirects, and no further inside the network than the registry. `None` if that fails.
    pub(crate) async fn ask_foreign(
        &self,
        endpoint: &Endpoint,
        url: &str,
        range: Option<String>,
    ) -> Option<RegistryAnswer> {
        let url = Url::parse(url)
            .ok()
            .filter(|url| url.scheme() == "https" && url.username().is_empty())?;
        let scheme = self.host(&endpoint.registry).scheme?;
        let home = endpoint.peer(&endpoint.base(scheme).ok()?).ok()?;
        let floor = self.class_of(endpoint, &home.origin)?;
        if AddressClass::of_host(&url).is_some_and(|class| class > floor) {
            return None;
        }
        let tls = std::sync::Arc::new(home.tls.for_others());
        let peer = Peer::named(Origin::of(&url).ok()?, tls).with_floor(floor);
        let mut request = self.request_to(Method::GET, url, RequestClass::Content);
        request.bulk = true;
        if let Some(range) = range {
            request
                .headers
                .insert(header::RANGE, header::HeaderValue::try_from(range).ok()?);
        }
        let followed = self.shared().transport.follow(&peer, request, None).await.ok()?;
        Some(RegistryAnswer::of_another_host(followed.response, followed.url))
    }
}
