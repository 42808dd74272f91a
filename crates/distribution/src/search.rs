use http::Method;
use serde::Deserialize;
use wharf_auth::Scopes;
use wharf_content::ErrorKind;
use wharf_http::printable;
use wharf_reference::Registry;

use crate::{
    Client,
    error::{Error, Operation},
    send::Call,
    wire::{Object, UnexpectedBody},
};

/// The most bytes read of the answer to a search.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;

/// A result of a search. Its texts are bounded and safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SearchResult {
    /// The name of the repository within the registry, as the registry sends it.
    pub name: String,
    /// The description; may be empty.
    pub description: String,
    /// The number of users who marked it as a favourite.
    pub stars: u64,
    /// True if it is one of the images that the operator of the registry maintains.
    pub is_official: bool,
    /// True if the registry built it from its sources.
    pub is_automated: bool,
}

#[derive(Deserialize)]
struct Results {
    results: Option<Vec<Object<ResultEntry>>>,
}

/// A result. Go's servers write null for what is not set.
#[derive(Deserialize)]
struct ResultEntry {
    name: Option<String>,
    description: Option<String>,
    star_count: Option<i64>,
    is_official: Option<bool>,
    is_automated: Option<bool>,
}

impl Client {
    /// Searches a registry as Podman does: by the old search endpoint (`/v1/search`), which is at
    /// `index.docker.io` for Docker Hub, and in the catalog where there is none. At most `limit` results,
    /// and at most 100.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Server`] if the answer is not a list of results. Otherwise see
    /// [`Error::kind`] and [`Client::catalog`].
    pub async fn search(
        &self,
        registry: &Registry,
        term: &str,
        limit: usize,
    ) -> Result<Vec<SearchResult>, Error> {
        let operation = Operation::Search;
        let limit = limit.clamp(1, 100);
        let mut endpoint = self.registry_endpoint(registry, operation)?;
        if registry.is_docker_hub() {
            endpoint = endpoint.with_api_host("index.docker.io");
        }
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("q", term)
            .append_pair("n", &limit.to_string())
            .finish();
        let path = format!("v1/search?{query}");
        let call = Call::new(operation, registry, Method::GET, &path, &[200])
            .with_scopes(Scopes::none())
            .read_whole(MAX_ANSWER);
        let answer = match self.send(&endpoint, call).await {
            Ok(answer) => answer,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported) => {
                return self.search_catalog(registry, term, limit).await;
            }
            Err(error) => return Err(error),
        };
        let Object(read) = serde_json::from_slice::<Object<Results>>(&answer.bytes)
            .map_err(|_| UnexpectedBody::in_answer("a list of results", operation, registry, &answer))?;
        let results = read.results.into_iter().flatten().take(limit);
        Ok(results.map(|Object(result)| result.into()).collect())
    }

    async fn search_catalog(
        &self,
        registry: &Registry,
        term: &str,
        limit: usize,
    ) -> Result<Vec<SearchResult>, Error> {
        let repositories = self.catalog(registry, 10_000).await?;
        let found = repositories
            .iter()
            .filter(|repository| repository.path().contains(term));
        let found = found.take(limit).map(|repository| SearchResult {
            name: repository.path().to_owned(),
            description: String::new(),
            stars: 0,
            is_official: false,
            is_automated: false,
        });
        Ok(found.collect())
    }
}

impl From<ResultEntry> for SearchResult {
    fn from(raw: ResultEntry) -> Self {
        Self {
            name: printable(&raw.name.unwrap_or_default(), 255),
            description: printable(&raw.description.unwrap_or_default(), 500),
            stars: u64::try_from(raw.star_count.unwrap_or_default()).unwrap_or(0),
            is_official: raw.is_official.unwrap_or_default(),
            is_automated: raw.is_automated.unwrap_or_default(),
        }
    }
}
