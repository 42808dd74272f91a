use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use wharf_auth::{Credential, Fixed};
use wharf_content::{Descriptor, Target};
use wharf_distribution::{Client, ClientBuilder, Error, Remote};
use wharf_http::{
    Connect, DnsResolver, HttpService, Peer, PeerAddress, Request, ReqwestConnector, Response, RetryPolicy,
    Roots, TlsSettings,
};
use wharf_reference::{Registry, Repository, Tag};
use wharf_testkit::{
    Image,
    hostile::{Names, Origin, OriginOptions, Stage, TokenDesk},
};

/// A registry, its token server at a sibling host, a CDN and an evil host; alice has an account.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) registry: Origin,
    pub(crate) auth: Origin,
    pub(crate) cdn: Origin,
    pub(crate) evil: Origin,
    pub(crate) desk: TokenDesk,
    pub(crate) password: String,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::speaking(&OriginOptions::default()).await
    }

    /// The same with hosts that are contacted so.
    pub(crate) async fn speaking(options: &OriginOptions) -> Self {
        let stage = Stage::new();
        let registry = stage.origin_with("registry.example.test", options.clone()).await;
        let auth = stage.origin_with("auth.example.test", options.clone()).await;
        let cdn = stage.origin_with("cdn.test", options.clone()).await;
        let evil = stage.origin_with("evil.test", options.clone()).await;
        let desk = TokenDesk::open(&stage, &registry, &auth);
        let password = stage.secret("password", &[&auth]);
        desk.user("alice", &password);
        Self {
            stage,
            registry,
            auth,
            cdn,
            evil,
            desk,
            password,
        }
    }

    /// A client without credentials.
    pub(crate) fn builder(&self) -> ClientBuilder {
        let pem = self.stage.ca().pem().to_owned();
        let tls = move |_: &Registry| {
            let settings = TlsSettings::default().with_roots(Roots::AddedOnly);
            Ok(settings.with_root_pem(pem.clone()))
        };
        Client::builder()
            .with_connect(self.connector())
            .with_certificates(Arc::new(tls))
            .with_retry(RetryPolicy::default().with_initial_backoff(Duration::from_millis(1)))
    }

    pub(crate) fn connector(&self) -> Arc<dyn Connect> {
        Arc::new(ReqwestConnector::new().with_dns_resolver(Arc::new(StageNames(self.stage.names()))))
    }

    pub(crate) fn anonymous(&self) -> Remote {
        self.remote_of(&self.builder().build().unwrap())
    }

    pub(crate) fn alice(&self) -> Remote {
        self.remote_of(&self.alice_builder().build().unwrap())
    }

    pub(crate) fn alice_builder(&self) -> ClientBuilder {
        self.builder().with_credentials(Arc::new(Fixed::new(
            registry(&self.registry),
            Credential::basic("alice", self.password.clone()),
        )))
    }

    pub(crate) fn remote_of(&self, client: &Client) -> Remote {
        client.remote(&repository(&self.registry))
    }

    /// The error of a call that must fail, after a search for secrets in it.
    pub(crate) fn failed<T>(&self, result: Result<T, Error>) -> Error {
        match result {
            Err(error) => self.stage.inspect(error),
            Ok(_) => panic!("the call succeeded"),
        }
    }

    /// The bytes of a blob, or the kind of the error after a search for secrets in it.
    pub(crate) async fn read(
        &self,
        remote: &Remote,
        descriptor: &Descriptor,
    ) -> Result<Vec<u8>, wharf_content::ErrorKind> {
        let blob = remote
            .blob(descriptor)
            .map_err(|error| self.stage.inspect(error).kind())?;
        let read = blob.read_to_end(64 * 1024 * 1024).await;
        read.map(|bytes| bytes.to_vec())
            .map_err(|error| self.stage.inspect(error).kind())
    }
}

/// Both versions of HTTP: what must hold for secrets holds for each.
pub(crate) fn versions() -> [OriginOptions; 2] {
    [OriginOptions::default(), OriginOptions::default().http2()]
}

pub(crate) fn registry(origin: &Origin) -> Registry {
    Registry::parse(origin.name()).unwrap()
}

pub(crate) fn repository(origin: &Origin) -> Repository {
    Repository::new(&registry(origin), "team/app").unwrap()
}

pub(crate) fn tag(name: &str) -> Target {
    Tag::parse(name).unwrap().into()
}

/// The first layer of an image and its bytes.
pub(crate) fn layer(image: &Image) -> (Descriptor, bytes::Bytes) {
    image.blobs().get(1).cloned().unwrap()
}

#[derive(Debug)]
pub(crate) struct StageNames(pub(crate) Names);

#[async_trait]
impl DnsResolver for StageNames {
    async fn resolve(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let found = self.0.lookup(host);
        if found.is_empty() {
            Err(io::ErrorKind::NotFound.into())
        } else {
            Ok(found)
        }
    }
}

/// The scene's connections, with answers of one host that seem to come from another address.
#[derive(Debug)]
pub(crate) struct Pretend {
    inner: Arc<dyn Connect>,
    host: &'static str,
    address: SocketAddr,
}

impl Pretend {
    pub(crate) fn new(scene: &Scene, host: &'static str, address: &str) -> Self {
        Self {
            inner: scene.connector(),
            host,
            address: address.parse().unwrap(),
        }
    }
}

impl Connect for Pretend {
    fn connect(&self, peer: &Peer) -> Result<Arc<dyn HttpService>, wharf_http::Error> {
        let inner = self.inner.connect(peer)?;
        if peer.origin.host() != self.host {
            return Ok(inner);
        }
        Ok(Arc::new(PretendService(inner, self.address)))
    }
}

#[derive(Debug)]
struct PretendService(Arc<dyn HttpService>, SocketAddr);

#[async_trait]
impl HttpService for PretendService {
    async fn call(&self, request: Request) -> Result<Response, wharf_http::Error> {
        let mut response = self.0.call(request).await?;
        response.extensions_mut().insert(PeerAddress(self.1));
        Ok(response)
    }
}
