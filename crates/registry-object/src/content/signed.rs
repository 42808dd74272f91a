//! URLs at which clients read objects from the store itself.

use std::time::Duration;

use http::{Method, Uri};
use wharf_content::{Error, ErrorKind};
use wharf_registry::{SignedUrl, StoredContent};

use super::{Place, pieces::Location};
use crate::{ObjectBackend, store_error};

impl ObjectBackend {
    /// A URL for GET of content that lies in one object; `None` for other content, and without a signer.
    pub(super) async fn signed_url(
        &self,
        content: &StoredContent,
        lifetime: Duration,
    ) -> Result<Option<SignedUrl>, Error> {
        let Some(signer) = &self.options().signer else {
            return Ok(None);
        };
        let Some(found) = self.find(content).await? else {
            return Ok(None);
        };
        let Place::Objects(pieces) = &found.place else {
            return Ok(None);
        };
        let mut locations = pieces.locations();
        let (Some((location, _)), None) = (locations.next(), locations.next()) else {
            return Ok(None);
        };
        let signed = match &location {
            Location::Own(object) => {
                let path = self.objects().path(object);
                let signed = signer.signed_url(Method::GET, &path, lifetime).await;
                signed.map_err(|failure| store_error::failed("sign a URL", &failure))?
            }
            Location::External(key) => match self.objects().external()?.signed_url(key, lifetime).await? {
                Some(signed) => signed,
                None => return Ok(None),
            },
        };
        // Of a URL that is none, nothing is told: it is a secret.
        let unreadable = |_| Error::new(ErrorKind::Invalid, "object store: a signed URL cannot be read");
        let uri: Uri = signed.as_str().parse().map_err(unreadable)?;
        SignedUrl::new(uri).map(Some)
    }
}
