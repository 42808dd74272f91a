//! Content in objects that another registry has written.

use wharf_content::{Error, ErrorKind};
use wharf_registry::ExternalContent;

use super::{Placing, link::Candidate, pieces::Location, place::External};
use crate::{ObjectBackend, records::row::size};

/// The longest key of an external object, in bytes, which an index has room for. No cloud has keys of more than 1,024.
const MAX_KEY: usize = 2048;

impl ObjectBackend {
    /// Finds out how content of an external object is placed; `None` if the object is not there with its size, or if
    /// nobody has hashed it and it would take the place of damaged content.
    pub(super) async fn prepare_external(&self, content: &ExternalContent) -> Result<Option<Placing>, Error> {
        let key = self.external_key(content)?;
        let location = Location::External(key.to_owned());
        if self.objects().size(&location).await? != Some(content.size()) {
            return Ok(None);
        }
        let size = size(content.size())?;
        let mut external = External {
            key: key.to_owned(),
            digest: content.digest().clone(),
            size,
            heals: false,
        };
        match self.candidate(content.digest(), content.size()).await? {
            Candidate::None => return Ok(Some(Placing::External(external))),
            Candidate::Usable(id, pieces) if self.has_objects(id, &pieces).await? => {
                return Ok(Some(Placing::Stored(id)));
            }
            Candidate::Usable(..) | Candidate::Quarantined => {}
        }
        if !content.is_verified() {
            return Ok(None);
        }
        external.heals = true;
        Ok(Some(Placing::External(external)))
    }

    /// The key of an object in the bucket that this registry reads.
    fn external_key<'c>(&self, content: &'c ExternalContent) -> Result<&'c str, Error> {
        let object = content.object();
        let bucket = self.objects().external().map_err(|_| {
            let message =
                "this registry reads no objects of another registry, whose content has to be copied";
            Error::new(ErrorKind::Unsupported, message)
        })?;
        if *object.store != *bucket.address() {
            let message = format!(
                "content in {} cannot stay in place: this registry reads {} only, and content of other stores has to be copied",
                object.store,
                bucket.address()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if object.key.len() > MAX_KEY {
            let message = format!("an external object cannot have a key of more than {MAX_KEY} bytes");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let own = self.objects().own_key()?;
        let rest = object.key.strip_prefix(own.as_str());
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            let message = "an object of the registry itself cannot be the external object of content";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(&object.key)
    }
}
