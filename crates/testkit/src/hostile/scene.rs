//! The client against a stage with the usual hosts.

use std::{sync::Arc, time::Duration};

use wharf_auth::{Credential, Fixed};
use wharf_content::{Descriptor, Target};
use wharf_distribution::{Client, ClientBuilder, Error, Remote};
use wharf_http::{Connect, ReqwestConnector, RetryPolicy, Roots, TlsSettings};
use wharf_reference::{Registry, Repository, Tag};

use super::{Origin, OriginOptions, Stage, TokenDesk};
use crate::Image;

/// A registry, its token server at a sibling host, a CDN and an evil host; alice has an account.
#[expect(
    missing_debug_implementations,
    reason = "its parts have none, and it is never printed"
)]
pub struct Scene {
    /// The stage of all hosts.
    pub stage: Stage,
    /// `registry.example.test`.
    pub registry: Origin,
    /// `auth.example.test`, the token server.
    pub auth: Origin,
    /// `cdn.test`.
    pub cdn: Origin,
    /// `evil.test`.
    pub evil: Origin,
    /// The desk that issues tokens at the token server.
    pub desk: TokenDesk,
    /// The secret of alice, which is for the token server alone.
    pub password: String,
}

impl Scene {
    /// Hosts that speak HTTP/1.1 over TLS.
    pub async fn new() -> Self {
        Self::speaking(&OriginOptions::default()).await
    }

    /// Hosts with these options.
    pub async fn speaking(options: &OriginOptions) -> Self {
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
    pub fn builder(&self) -> ClientBuilder {
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

    /// The built-in transport, which finds the hosts of the stage.
    pub fn connector(&self) -> Arc<dyn Connect> {
        Arc::new(ReqwestConnector::new().with_dns_resolver(Arc::new(self.stage.names())))
    }

    /// The repository `team/app`, by a client without credentials.
    pub fn anonymous(&self) -> Remote {
        self.remote_of(&self.builder().build().expect("valid"))
    }

    /// The repository `team/app`, by a client with the login of alice.
    pub fn alice(&self) -> Remote {
        self.remote_of(&self.alice_builder().build().expect("valid"))
    }

    /// A client with the login of alice.
    pub fn alice_builder(&self) -> ClientBuilder {
        self.builder().with_credentials(Arc::new(Fixed::new(
            registry(&self.registry),
            Credential::basic("alice", self.password.clone()),
        )))
    }

    /// The repository `team/app`, by this client.
    pub fn remote_of(&self, client: &Client) -> Remote {
        client.remote(&repository(&self.registry))
    }

    /// The error of a call that must fail, after a search for secrets in it.
    pub fn failed<T>(&self, result: Result<T, Error>) -> Error {
        match result {
            Err(error) => self.stage.inspect(error),
            Ok(_) => panic!("the call succeeded"),
        }
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    ///
    /// The kind of the error, after a search for secrets in it.
    pub async fn read(
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
pub fn versions() -> [OriginOptions; 2] {
    [OriginOptions::default(), OriginOptions::default().http2()]
}

/// The name of a host as that of a registry.
pub fn registry(origin: &Origin) -> Registry {
    Registry::parse(origin.name()).expect("valid")
}

/// The repository `team/app` of a host.
pub fn repository(origin: &Origin) -> Repository {
    Repository::new(&registry(origin), "team/app").expect("valid")
}

/// A tag to ask for.
pub fn tag(name: &str) -> Target {
    Tag::parse(name).expect("valid").into()
}

/// The first layer of an image and its bytes.
pub fn layer(image: &Image) -> (Descriptor, bytes::Bytes) {
    image.blobs().get(1).cloned().expect("valid")
}
