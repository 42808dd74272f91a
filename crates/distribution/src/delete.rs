use http::Method;
use wharf_auth::Action;
use wharf_content::{ErrorKind, Manifest};
use wharf_reference::{Digest, Tag};

use crate::{
    Remote,
    error::{Error, Operation},
    send::Call,
};

impl Remote {
    /// Deletes a manifest, and with it all tags that point to it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if the registry does not have it;
    /// [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported) if the registry does not allow
    /// deletion.
    pub async fn delete_manifest(&self, digest: &Digest) -> Result<(), Error> {
        self.delete(
            &format!("manifests/{digest}"),
            format!("{}@{digest}", self.repository()),
        )
        .await
    }

    /// Deletes a manifest that has a subject. At a registry without the referrers API, it is also removed
    /// from the list of referrers at the fallback tag (distribution-spec, *Deleting Manifests*).
    ///
    /// # Errors
    ///
    /// As [`Remote::delete_manifest`]; [`ErrorKind::Conflict`](wharf_content::ErrorKind::Conflict) if the
    /// list cannot be changed.
    pub async fn delete_referrer(&self, manifest: &Manifest) -> Result<(), Error> {
        self.delete_manifest(manifest.digest()).await?;
        match manifest.subject() {
            Some(subject) => self.remove_referrer(subject.digest(), manifest.digest()).await,
            None => Ok(()),
        }
    }

    /// Deletes a tag. The manifest that it points to stays.
    ///
    /// # Errors
    ///
    /// As [`Remote::delete_manifest`]; [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported) also for a
    /// registry that deletes by digest alone, as many do. Docker's takes the tag for a malformed digest (400,
    /// `DIGEST_INVALID`).
    pub async fn delete_tag(&self, tag: &Tag) -> Result<(), Error> {
        let deleted = self
            .delete(
                &format!("manifests/{tag}"),
                format!("{}:{tag}", self.repository()),
            )
            .await;
        deleted.map_err(|error| match error.kind() {
            ErrorKind::Invalid | ErrorKind::Mismatch => error.edit(|inner| {
                inner.kind = ErrorKind::Unsupported;
                inner.reason = format!("the registry deletes no tags: {}", inner.reason);
            }),
            _ => error,
        })
    }

    /// Deletes a blob. Manifests that refer to it are incomplete afterwards.
    ///
    /// # Errors
    ///
    /// As [`Remote::delete_manifest`].
    pub async fn delete_blob(&self, digest: &Digest) -> Result<(), Error> {
        self.delete(&format!("blobs/{digest}"), self.blob_name(digest))
            .await
    }

    async fn delete(&self, rest: &str, subject: String) -> Result<(), Error> {
        let operation = Operation::Delete;
        let endpoint = self.primary(operation)?;
        let path = self.path(&endpoint, rest);
        let call = Call::new(operation, &subject, Method::DELETE, &path, &[200, 202, 204, 404])
            .with_scopes(self.scopes(&endpoint, Action::Delete));
        let mut budget = self.client().budget();
        let answer = self.client().send_within(&endpoint, call, &mut budget).await?;
        answer.check_home(operation, &subject)?;
        // After an attempt whose answer was lost, a missing manifest is success (docs/threats.md, X5).
        if answer.status == 404 && budget.attempts() == 1 {
            return Err(crate::send::not_there(operation, &subject, &answer.url));
        }
        Ok(())
    }
}
