use serde::Deserialize;
use wharf_auth::Scopes;
use wharf_reference::{Registry, Repository};

use crate::{
    Client,
    error::{Error, Operation},
    pages::{PAGE_SIZE, Pages},
    wire::Object,
};

/// The most repositories of one list.
const MAX_REPOSITORIES: usize = 1_000_000;
const EXPECTED: &str = "a list of repositories";

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

impl Client {
    /// The repositories of a registry (`/v2/_catalog`, which most public registries do not offer). Invalid
    /// names are left out.
    ///
    /// `at_most` limits the length of the list, which never exceeds 1,000,000.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported) or
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if the registry has no catalog;
    /// [`ErrorKind::Server`](wharf_content::ErrorKind::Server) for a list that cannot be read or does not
    /// end.
    pub async fn catalog(&self, registry: &Registry, at_most: usize) -> Result<Vec<Repository>, Error> {
        let operation = Operation::ListRepositories;
        let endpoint = self.registry_endpoint(registry, operation)?;
        let path = format!("v2/_catalog{PAGE_SIZE}");
        let mut pages = Pages::new(operation, registry, path, Scopes::catalog());
        let mut repositories = Vec::new();
        let at_most = at_most.min(MAX_REPOSITORIES);
        while repositories.len() < at_most {
            let Some(page) = pages.next(self, &endpoint).await? else {
                break;
            };
            let Object(read) = serde_json::from_slice::<Object<Page>>(&page.body)
                .map_err(|_| pages.unexpected(EXPECTED, &page))?;
            if read.repositories.is_none()
                && let Some(error) = pages.error_instead(EXPECTED, &page)
            {
                return Err(error);
            }
            let names = read.repositories.unwrap_or_default();
            pages.check_progress(names.len(), &page)?;
            repositories.extend(
                names
                    .iter()
                    .filter_map(|name| Repository::new(registry, name).ok()),
            );
        }
        repositories.truncate(at_most);
        Ok(repositories)
    }
}
