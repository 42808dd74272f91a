//! Another registry behind this one, reached as this host's configuration says.

use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use wharf::{Client, Error, ErrorKind, Registry, Repository, Source};
use wharf_registry::Upstream;

pub(crate) struct Behind {
    client: Client,
    registry: Registry,
    /// A path that all repositories are below, with a slash at its end, or nothing.
    prefix: String,
}

impl Behind {
    /// `registry` or `registry/path`.
    pub(crate) fn new(place: &str) -> anyhow::Result<Self> {
        let (registry, path) = place.split_once('/').unwrap_or((place, ""));
        let prefix = match path.trim_end_matches('/') {
            "" => String::new(),
            path => format!("{path}/"),
        };
        let registry = Registry::parse(registry).with_context(|| format!("invalid upstream {place:?}"))?;
        Repository::new(&registry, &format!("{prefix}x"))
            .with_context(|| format!("invalid upstream {place:?}"))?;
        Ok(Self {
            client: Client::from_host()?,
            registry,
            prefix,
        })
    }
}

#[async_trait]
impl Upstream for Behind {
    async fn repository(&self, path: &str) -> Result<Arc<dyn Source>, Error> {
        let path = format!("{}{path}", self.prefix);
        let repository = Repository::new(&self.registry, &path)
            .map_err(|error| Error::wrap(ErrorKind::NotFound, error))?;
        Ok(Arc::new(self.client.distribution().remote(&repository)))
    }
}
