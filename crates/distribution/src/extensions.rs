use http::Method;
use serde::Deserialize;
use wharf_auth::Scopes;
use wharf_http::printable;
use wharf_reference::Registry;

use crate::{
    Client,
    error::{Error, Operation},
    send::Call,
    wire::{Object, UnexpectedBody},
};

/// The most bytes read of a list of extensions.
const MAX_ANSWER: u64 = 1024 * 1024;
/// The most entries of a list of extensions.
const MAX_EXTENSIONS: usize = 1000;

/// An extension of the API that a registry offers (distribution-spec, *Extensions*). Its texts are bounded
/// and safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extension {
    /// The name, such as `_zot`.
    pub name: String,
    /// The URL of its description. The client does not request it.
    pub url: String,
    /// The description.
    pub description: String,
}

#[derive(Deserialize)]
struct ExtensionList {
    extensions: Option<Vec<Object<ListedExtension>>>,
}

/// An entry of the list. Go's servers write null for what is not set.
#[derive(Deserialize)]
struct ListedExtension {
    name: Option<String>,
    url: Option<String>,
    description: Option<String>,
}

impl Client {
    /// The extensions that a registry lists at `/v2/_oci/ext/discover`; empty if it has no such list.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Server`](wharf_content::ErrorKind::Server) if the answer is not a list of extensions.
    /// Otherwise see [`Error::kind`].
    pub async fn extensions(&self, registry: &Registry) -> Result<Vec<Extension>, Error> {
        let operation = Operation::Discover;
        let endpoint = self.registry_endpoint(registry, operation)?;
        let path = "v2/_oci/ext/discover";
        let call = Call::new(operation, registry, Method::GET, path, &[200, 404])
            .with_scopes(Scopes::none())
            .read_whole(MAX_ANSWER);
        let answer = self.send(&endpoint, call).await?;
        if answer.status == 404 {
            return Ok(Vec::new());
        }
        let Object(read) = serde_json::from_slice::<Object<ExtensionList>>(&answer.bytes)
            .map_err(|_| UnexpectedBody::in_answer("a list of extensions", operation, registry, &answer))?;
        let text = |text: Option<String>, limit| printable(&text.unwrap_or_default(), limit);
        let listed = read.extensions.into_iter().flatten().take(MAX_EXTENSIONS);
        let extensions = listed.map(|Object(listed)| Extension {
            name: text(listed.name, 100),
            url: text(listed.url, 500),
            description: text(listed.description, 500),
        });
        Ok(extensions.collect())
    }
}
